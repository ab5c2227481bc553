//! What a form is about: what happens when it is confirmed.

use marketplace_core::{
    accounts::model::UserAction,
    ids::{AttemptId, JobId, MessageId, ReviewId, ThreadId, UserId},
    kyc::model::DecisionKind,
};

use super::super::super::{browser::Target, jump::Place};

/// An attempt that is to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseTarget {
    /// Which.
    pub id: AttemptId,
    /// As shown.
    pub name: String,
    /// Of the claim, when there is one.
    pub fence: Option<i64>,
}

/// What happens when the form is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Decide.
    Decide(DecisionKind, Vec<CaseTarget>),
    /// Act on users; a role comes from the choice.
    Act(UserAction, Vec<Target<UserId>>),
    /// Write a note.
    Note(Vec<Target<UserId>>),
    /// Cancel or finalize jobs; the reason comes from the choice.
    Job(JobDeed, Vec<Target<JobId>>),
    /// Close or reopen threads, or post a notice there.
    Thread(ThreadDeed, Vec<Target<ThreadId>>),
    /// Read a thread, for the reason that is chosen.
    Read(ThreadId),
    /// Remove messages from the two's view.
    RemoveMessages(ThreadId, Vec<Target<MessageId>>),
    /// Act on reviews.
    Review(ReviewDeed, Vec<Target<ReviewId>>),
    /// Go to the place that is chosen.
    Jump(Vec<Place>),
    /// Quit although a bulk action runs.
    Quit,
}

/// What is done to jobs, without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobDeed {
    /// Call off.
    Cancel,
    /// End well.
    Finalize,
}

/// What is done to threads, without its reason or words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadDeed {
    /// No more messages.
    Close,
    /// Messages again.
    Reopen,
    /// Words that the two see.
    Notice,
}

/// What is done to reviews, without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewDeed {
    /// The flags mean nothing.
    Dismiss,
    /// It shows no more.
    Remove,
    /// It shows again.
    Restore,
}
