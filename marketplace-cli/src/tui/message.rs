//! What comes back from work in the background. Components never await: they start a load, and hear of it here.

use marketplace_core::{
    accounts::model::Note,
    admin::{AuditRow, Changed, EventPage, Identity, PersonalData, Stats, UserDetail, UserSummary},
    error::Result,
    kyc::model::{KycCase, KycSummary},
    page::Page,
};

use super::picture::{Decoded, Rendered};

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
    /// A page of the audit log.
    AuditPage(LoadId, Result<Page<AuditRow>>),
    /// A page of users.
    UsersPage(LoadId, Result<Page<UserSummary>>),
    /// A user.
    User(LoadId, Result<UserDetail>),
    /// A user's personal data.
    Revealed(LoadId, Result<PersonalData>),
    /// What became of a change to a user.
    UserChanged(LoadId, Result<Changed<UserDetail>>),
    /// A note that was written.
    Noted(LoadId, Result<Changed<Note>>),
    /// A page of the queue.
    KycPage(LoadId, Result<Page<KycSummary>>),
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
    /// The rows that match a filter, for marking all.
    MatchingUsers(LoadId, Result<(Vec<UserSummary>, bool)>),
    /// The attempts that match a filter, for marking all.
    MatchingCases(LoadId, Result<(Vec<KycSummary>, bool)>),
    /// Nothing to say: something given back in the background.
    Quiet,
}
