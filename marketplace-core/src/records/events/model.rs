//! Events, and where a reader of the log stands.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        ids::UserId,
        page::Cursor,
        text_enum::{Name, text_enum},
        time::Timestamp,
    },
    records::target::TargetKind,
};

text_enum! {
    /// What an event says that happened.
    pub enum EventKind {
        /// An account was created.
        UserCreated = "user.created",
        /// An account is not what it was.
        UserChanged = "user.changed",
        /// A session ended, or all of somebody's, or everybody's.
        SessionRevoked = "session.revoked",
        /// A token for scripts was created.
        TokenCreated = "token.created",
        /// A token for scripts was ended.
        TokenRevoked = "token.revoked",
        /// An attempt was submitted.
        KycSubmitted = "kyc.submitted",
        /// An attempt was claimed.
        KycClaimed = "kyc.claimed",
        /// A claim was given back.
        KycReleased = "kyc.released",
        /// An attempt was skipped, set aside, given to somebody, or escalated.
        KycTriaged = "kyc.triaged",
        /// An attempt was decided.
        KycDecided = "kyc.decided",
        /// A decision was taken back.
        KycUndone = "kyc.undone",
        /// An approval expired.
        KycExpired = "kyc.expired",
        /// An attempt's files were deleted, as their time was over.
        KycFilesDeleted = "kyc.files_deleted",
        /// A profile changed.
        Profile = "profile",
        /// A service changed.
        Service = "service",
        /// A thread began or changed.
        Thread = "thread",
        /// A message was sent.
        Message = "message",
        /// A message was removed.
        MessageRemoved = "message.removed",
        /// Somebody has read on.
        Read = "read",
        /// A job changed.
        Job = "job",
        /// A review changed.
        Review = "review",
        /// A review was flagged.
        ReviewFlagged = "review.flagged",
        /// A review's flags were dismissed.
        ReviewDismissed = "review.dismissed",
        /// Something was reported.
        ReportFiled = "report.filed",
        /// Reports about something were claimed.
        ReportClaimed = "report.claimed",
        /// A claim on reports was given back.
        ReportReleased = "report.released",
        /// Reports were skipped, put off, assigned or escalated.
        ReportMoved = "report.moved",
        /// Reports, or an appeal, were decided about.
        ReportDecided = "report.decided",
        /// A decision about reports was taken back.
        ReportUndone = "report.undone",
        /// Somebody appealed against a decision.
        ReportAppealed = "report.appealed",
        /// Somebody was notified of something.
        Notification = "notification",
    }
}

impl EventKind {
    /// Returns what kind of thing changed.
    pub fn target_kind(self) -> TargetKind {
        match self {
            Self::UserCreated | Self::UserChanged => TargetKind::User,
            Self::SessionRevoked => TargetKind::Session,
            Self::TokenCreated | Self::TokenRevoked => TargetKind::Token,
            Self::KycSubmitted
            | Self::KycClaimed
            | Self::KycReleased
            | Self::KycTriaged
            | Self::KycDecided
            | Self::KycUndone
            | Self::KycExpired
            | Self::KycFilesDeleted => TargetKind::Attempt,
            Self::Profile => TargetKind::Profile,
            Self::Service => TargetKind::Service,
            Self::Thread | Self::Read => TargetKind::Thread,
            Self::Message | Self::MessageRemoved => TargetKind::Message,
            Self::Job => TargetKind::Job,
            Self::Review | Self::ReviewFlagged | Self::ReviewDismissed => TargetKind::Review,
            Self::ReportFiled
            | Self::ReportClaimed
            | Self::ReportReleased
            | Self::ReportMoved
            | Self::ReportDecided
            | Self::ReportUndone
            | Self::ReportAppealed => TargetKind::Report,
            Self::Notification => TargetKind::Notification,
        }
    }

    /// Returns whether those whom it concerns are notified.
    pub(crate) fn is_delivered(self) -> bool {
        DELIVERED.contains(&self)
    }
}

/// The kinds of events of which those whom they concern are notified.
pub(crate) const DELIVERED: [EventKind; 6] = [
    EventKind::Message,
    EventKind::MessageRemoved,
    EventKind::Read,
    EventKind::Thread,
    EventKind::Job,
    EventKind::Notification,
];

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Resume after this one with this text.
    pub cursor: String,
    /// When.
    pub at: Timestamp,
    /// What, such as `kyc.submitted`, `kyc.claimed`, `kyc.decided`, `user.changed`, `session.revoked`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub kind: Name<EventKind>,
    /// The id of what changed.
    pub target: String,
    /// The user whom it concerns, if any.
    pub user_id: Option<UserId>,
}

/// Events, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// Oldest first.
    pub items: Vec<Event>,
    /// Pass as `after` next time.
    pub cursor: String,
}

/// Where a reader of the log stands. PostgreSQL hands out sequence numbers before transactions commit, so the number of
/// the batch in which an event was published comes first there: see `store::publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The batch on PostgreSQL, 0 on SQLite.
    pub tx: i64,
    /// The row's number.
    pub seq: i64,
}

impl Cursor for EventCursor {
    fn text(&self) -> String {
        format!("{}.{}", self.tx, self.seq)
    }
    fn parse(text: &str) -> Option<Self> {
        let (tx, seq) = text.split_once('.')?;
        Some(Self { tx: tx.parse().ok()?, seq: seq.parse().ok()? })
    }
}

/// The target of the event that says that everybody's sessions ended.
pub(crate) const EVERYBODY: &str = "everybody";

/// An event by what it is about, not yet rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its place.
    pub cursor: EventCursor,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub kind: Name<EventKind>,
    /// The id of what it happened to.
    pub target: String,
    /// Whom it concerns.
    pub users: [Option<UserId>; 2],
}

impl Event {
    /// Returns what kind of thing changed, if that is known here.
    pub fn target_kind(&self) -> Option<TargetKind> {
        self.kind.known().map(|kind| kind.target_kind())
    }
}

impl Raw {
    /// Returns whether it is delivered to those whom it concerns.
    pub fn is_delivered(&self) -> bool {
        self.kind.known().is_some_and(|kind| kind.is_delivered())
    }
    /// Returns whether it may have ended somebody's login, or their right to be here.
    pub fn may_end_logins(&self) -> bool {
        self.kind == EventKind::SessionRevoked || self.kind == EventKind::UserChanged
    }
    /// Returns whether it ended everybody's.
    pub fn ends_all_logins(&self) -> bool {
        self.kind == EventKind::SessionRevoked && self.target == EVERYBODY
    }
}
