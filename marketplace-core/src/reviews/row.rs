//! A stored review, and its state at a point in time. Pure: no SQL, no I/O.
//!
//! A review that is stored as `hidden` is visible from the end of its window on; nothing has to run for that.

use serde::Deserialize;

use super::model::{Flag, FlagReason, PublicReview, ReviewStatus, ReviewSummary, ReviewView};
use crate::{
    accounts::model::{Account, Status, mask_name},
    base::{
        ids::{JobId, PictureId, ReviewId, UserId},
        permission::Role,
        time::Timestamp,
    },
    jobs::model::{Party, Side},
    kyc::status::KycStatus,
    messaging::model::RemovalReason,
    platform::db::json,
    profiles::model::small_picture,
};

/// A row of `reviews` with its two people.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow, Deserialize)]
pub(super) struct Review {
    pub id: ReviewId,
    pub job_id: JobId,
    pub side: Side,
    pub author_id: UserId,
    pub subject_id: UserId,
    pub rating: i64,
    pub content: String,
    pub status: ReviewStatus,
    #[serde(deserialize_with = "json::micros")]
    pub closes_at: Timestamp,
    #[serde(deserialize_with = "json::opt_micros")]
    pub published_at: Option<Timestamp>,
    pub reply: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub replied_at: Option<Timestamp>,
    pub removed_reason: Option<RemovalReason>,
    pub note: Option<String>,
    pub flags: i64,
    #[serde(deserialize_with = "json::opt_micros")]
    pub flagged_at: Option<Timestamp>,
    pub version: i64,
    #[serde(deserialize_with = "json::micros")]
    pub created_at: Timestamp,
    #[serde(deserialize_with = "json::micros")]
    pub updated_at: Timestamp,
    pub author_name: String,
    pub author_status: Status,
    pub subject_name: String,
    pub subject_status: Status,
    pub author_picture: Option<PictureId>,
    pub subject_picture: Option<PictureId>,
}

/// A row of `review_flags`.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct FlagRow {
    pub user_id: UserId,
    pub reason: FlagReason,
    pub comment: Option<String>,
    pub created_at: Timestamp,
    pub dismissed_at: Option<Timestamp>,
}

impl From<FlagRow> for Flag {
    fn from(row: FlagRow) -> Self {
        Self {
            user_id: row.user_id,
            reason: row.reason,
            comment: row.comment,
            at: row.created_at,
            dismissed_at: row.dismissed_at,
        }
    }
}

impl Review {
    /// Returns what is said in public: the text, and the reply to it.
    pub fn said(&self) -> String {
        format!("{}\n{}", self.content, self.reply.as_deref().unwrap_or_default()).trim_end().to_owned()
    }

    /// Returns whether the review's window had closed at `now` although it is still stored as hidden.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.status == ReviewStatus::Hidden && self.closes_at <= now
    }

    /// Returns the review as it is at `now`.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        if self.is_due(now) {
            let end = self.closes_at;
            self.publish(end);
        }
        self
    }

    /// Publishes the review as of `at`.
    pub fn publish(&mut self, at: Timestamp) {
        self.status = ReviewStatus::Published;
        self.published_at = Some(at);
        self.updated_at = at;
        self.version += 1;
    }

    /// Returns whether the review counts in a worker's rating.
    pub fn counts(&self) -> bool {
        self.side == Side::Client && self.status == ReviewStatus::Published
    }

    /// Returns whether a viewer can see the review; `subject_shows` says whether its subject is visible to them.
    fn shows_to(&self, viewer: UserId, subject_shows: bool) -> bool {
        if viewer == self.author_id {
            return true;
        }
        match self.status {
            ReviewStatus::Hidden => false,
            ReviewStatus::Published => viewer == self.subject_id || subject_shows,
            // Its subject could read it before it was removed; a subject who never could does not learn of it now.
            ReviewStatus::Removed => viewer == self.subject_id && self.published_at.is_some(),
        }
    }

    /// Returns the review as a viewer sees it; `None` when they may not know of it. `self` must be the review as it is
    /// now.
    pub fn view(&self, viewer: UserId, subject_shows: bool) -> Option<ReviewView> {
        if !self.shows_to(viewer, subject_shows) {
            return None;
        }
        let is_party = viewer == self.author_id || viewer == self.subject_id;
        let whole = viewer == self.author_id || self.status != ReviewStatus::Removed;
        Some(ReviewView {
            id: self.id,
            job_id: self.job_id,
            side: self.side,
            author: if is_party { Some(self.author()) } else { self.public_author() },
            subject: Party {
                id: self.subject_id,
                name: self.subject_name.clone(),
                picture: self.subject_picture.map(small_picture),
            },
            rating: whole.then_some(self.rating),
            text: whole.then(|| self.content.clone()),
            status: self.status,
            published_at: self.published_at,
            editable_until: (self.status == ReviewStatus::Hidden).then_some(self.closes_at),
            reply: self.reply.clone().filter(|_| whole),
            replied_at: self.replied_at.filter(|_| whole),
            removed: self.removed_reason,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        })
    }

    fn author(&self) -> Party {
        Party { id: self.author_id, name: self.author_name.clone(), picture: self.author_picture.map(small_picture) }
    }

    fn public_author(&self) -> Option<Party> {
        matches!(self.author_status, Status::Active | Status::Deleted).then(|| self.author())
    }

    /// Returns the review as the public sees it; `None` unless it is published.
    pub fn public(self) -> Option<PublicReview> {
        let published_at = self.published_at.filter(|_| self.status == ReviewStatus::Published)?;
        Some(PublicReview {
            id: self.id,
            author: self.public_author(),
            rating: self.rating,
            text: self.content,
            reply: self.reply,
            replied_at: self.replied_at,
            published_at,
        })
    }

    /// Returns the review as a row of the staff's list.
    pub fn summary(&self) -> ReviewSummary {
        let masked = |name: &str, status| if status == Status::Deleted { name.to_owned() } else { mask_name(name) };
        ReviewSummary {
            id: self.id,
            job_id: self.job_id,
            side: self.side,
            author_id: self.author_id,
            author_name: masked(&self.author_name, self.author_status),
            subject_id: self.subject_id,
            subject_name: masked(&self.subject_name, self.subject_status),
            rating: self.rating,
            content: self.content.clone(),
            status: self.status,
            flags: self.flags,
            removed: self.removed_reason,
            created_at: self.created_at,
            published_at: self.published_at,
            version: self.version,
        }
    }
}

/// Returns whether the public can see a user: an active account, and for a worker an identity check that is approved
/// and in effect.
pub(super) fn shows_to_everybody(account: &Account, now: Timestamp) -> bool {
    account.status == Status::Active
        && match account.role {
            Role::Worker => account.visible_kyc(now) == KycStatus::Approved,
            Role::Client => true,
            Role::Support | Role::Admin | Role::Auditor => false,
        }
}
