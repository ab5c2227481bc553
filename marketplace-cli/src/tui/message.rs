//! What comes back from work in the background. Components never await: they start a load, and hear of it here.

use marketplace_core::{
    accounts::{model::Note, summary::UserSummary},
    admin::{Identity, Stats},
    audit::AuditRow,
    base::change::Changed,
    error::Result,
    events::EventPage,
    jobs::model::JobSummary,
    kyc::model::{KycCase, KycSummary},
    messaging::model::{MessagePage, StaffMessage, ThreadInfo},
    page::Page,
    reviews::model::ReviewSummary,
    users::model::{PersonalData, UserDetail},
};

use super::{
    browser::Shown,
    listing::Answer,
    picture::{Decoded, Rendered},
};

/// Which request an answer belongs to. Whoever asked keeps the number of the latest one, and drops all other answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoadId(pub u64);

/// An answer.
#[derive(Debug)]
pub enum Message {
    /// The heartbeat: what happened since the last one.
    Beat(LoadId, Result<EventPage>),
    /// As whom.
    Whoami(Result<Identity>),
    /// The dashboard's numbers.
    Stats(LoadId, Result<Stats>),
    /// The newest audit rows, for the dashboard.
    Recent(LoadId, Result<Page<AuditRow>>),
    /// Rows of the audit log.
    AuditRows(Answer<AuditRow>),
    /// Rows of users.
    UserRows(Answer<UserSummary>),
    /// A user.
    User(Shown<UserSummary>),
    /// Rows of jobs.
    JobRows(Answer<JobSummary>),
    /// A job.
    Job(Shown<JobSummary>),
    /// Rows of threads.
    ThreadRows(Answer<ThreadInfo>),
    /// A thread.
    Thread(Shown<ThreadInfo>),
    /// What was said in a thread.
    Talk(LoadId, Result<MessagePage<StaffMessage>>),
    /// What became of a change to a message, or of a notice.
    Said(LoadId, Result<Changed<StaffMessage>>),
    /// Rows of reviews.
    ReviewRows(Answer<ReviewSummary>),
    /// A review.
    Review(Shown<ReviewSummary>),
    /// A user's personal data.
    Revealed(LoadId, Result<PersonalData>),
    /// A note that was written.
    Noted(LoadId, Result<Changed<Note>>),
    /// Rows of the queue.
    KycRows(Answer<KycSummary>),
    /// Whose identity checks are wanted.
    KycOf(LoadId, Result<UserDetail>),
    /// A case that was asked for.
    Case(LoadId, Result<KycCase>),
    /// The case after the open one; none when the queue is empty.
    Prefetched(LoadId, Result<Option<KycCase>>),
    /// A claim that was renewed.
    Renewed(LoadId, Result<Changed<KycCase>>),
    /// What became of a decision.
    Decided(LoadId, Result<Changed<KycCase>>),
    /// What became of an undo.
    Undone(LoadId, Result<Changed<KycCase>>),
    /// A file of a case, decoded.
    File(LoadId, Result<Decoded>),
    /// A picture, ready for the terminal.
    Rendered(LoadId, Option<Box<Rendered>>),
    /// A file was handed to the desktop's viewer.
    Opened(LoadId, Result<String>),
    /// One item of a bulk action: its label, and whether it changed.
    BulkStep(LoadId, String, Result<bool>),
    /// A bulk action came to its end.
    BulkEnd(LoadId),
    /// Nothing to say: something given back in the background.
    Quiet,
}
