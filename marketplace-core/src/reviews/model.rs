//! Reviews: what they are, when they show. No SQL, no I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::Checks,
    base::{
        error::{FieldError, Result},
        ids::{JobId, ReviewId, UserId},
        patch::Patch,
        text::check_text,
        text_enum::text_enum,
        time::Timestamp,
    },
    jobs::model::{Party, Side},
    messaging::model::RemovalReason,
};

/// For so long after a job was finalized, each side can review the other; then what is hidden shows.
pub const WINDOW: Duration = Duration::from_hours(14 * 24);

text_enum! {
    /// Whether a review shows.
    pub enum ReviewStatus {
        /// Not until both are in or the window closes; its author can change it.
        Hidden = "hidden",
        /// To everybody, and fixed.
        Published = "published",
        /// Taken away by staff.
        Removed = "removed",
    }
}

text_enum! {
    /// Why somebody flags a review.
    pub enum FlagReason {
        /// Insults, threats, hate.
        Abuse = "abuse",
        /// It is not true.
        False = "false",
        /// Somebody's personal data.
        PersonalData = "personal_data",
        /// Unwanted advertising.
        Spam = "spam",
        /// Not about the work.
        OffTopic = "off_topic",
        /// Something else.
        Other = "other",
    }
}

/// Stars of a worker, over published reviews that were not removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rating {
    /// Reviews.
    pub count: i64,
    /// Average, 1 to 5, rounded to thousandths; none without reviews.
    pub average: Option<f64>,
    /// How many of 1, 2, 3, 4 and 5 stars.
    pub distribution: [i64; 5],
}

impl Rating {
    /// From how many there are of 1, 2, 3, 4 and 5 stars.
    pub fn of(distribution: [i64; 5]) -> Self {
        let count = distribution.iter().sum();
        Self { count, average: Self::thousandths(distribution).map(thousandths_to_stars), distribution }
    }

    /// The average in thousandths of a star, rounded half up; none without reviews.
    pub fn thousandths(distribution: [i64; 5]) -> Option<i64> {
        let count: i64 = distribution.iter().sum();
        let stars: i64 = distribution.iter().zip(1..).map(|(many, stars)| many * stars).sum();
        (count > 0).then(|| (stars * 2_000 + count) / (count * 2))
    }
}

/// Stars as people read them, from thousandths.
#[expect(clippy::cast_precision_loss, reason = "at most 5,000")]
pub fn thousandths_to_stars(thousandths: i64) -> f64 {
    thousandths as f64 / 1_000.0
}

/// A review in a list of the staff's. Names are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewSummary {
    /// The review.
    pub id: ReviewId,
    /// The job it is about.
    pub job_id: JobId,
    /// Which side wrote it: `client` or `worker`.
    pub side: Side,
    /// Who wrote it.
    pub author_id: UserId,
    /// Their name, masked.
    pub author_name: String,
    /// Whom it is about.
    pub subject_id: UserId,
    /// Their name, masked.
    pub subject_name: String,
    /// Stars, 1 to 5.
    pub rating: i64,
    /// What it says.
    pub content: String,
    /// Whether it shows.
    pub status: ReviewStatus,
    /// Flags that wait for staff: neither dismissed nor followed by a removal.
    pub flags: i64,
    /// Why it was removed, if it was.
    pub removed: Option<RemovalReason>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it began to show.
    pub published_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
}

/// A flag on a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flag {
    /// Who flagged it.
    pub user_id: UserId,
    /// Why.
    pub reason: FlagReason,
    /// In their words.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
    /// When staff dismissed it, if they did.
    pub dismissed_at: Option<Timestamp>,
}

/// A review with all that staff need to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewDetail {
    /// The row of the list.
    pub review: ReviewSummary,
    /// What staff wrote when they last acted on it.
    pub note: Option<String>,
    /// What its subject replied.
    pub reply: Option<String>,
    /// Every flag, newest first, 50 at most.
    pub flags: Vec<Flag>,
    /// The other side's review of the same job, if there is one.
    pub counterpart: Option<ReviewSummary>,
}

/// Which reviews.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct ReviewFilter {
    /// Only with these words in the text or the reply, or by or about people whom this finds, as in the list of users: beginnings of words of the
    /// name, a whole address, number or id. The latter needs `users:read`, and more than 100 people are too many. In quotes, only texts are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only those with flags that nobody has dismissed, longest waiting first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flagged: bool,
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<ReviewStatus>,
    /// Only about this person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<UserId>,
    /// Only by this person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_id: Option<UserId>,
}

/// What staff do to a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReviewAction {
    /// Its flags mean nothing.
    Dismiss,
    /// It shows no more, and counts no more.
    Remove {
        /// Why.
        reason: RemovalReason,
    },
    /// It shows and counts again.
    Restore,
}

/// A new review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// Stars, 1 to 5.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5))]
    pub rating: i64,
    /// What there is to say, up to 2,000 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 2000))]
    pub text: String,
}

/// What of a hidden review shall change; what is left out stays, `null` takes the text away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateReview {
    /// Stars, 1 to 5.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 1, maximum = 5))]
    pub rating: Patch<i64>,
    /// What there is to say, up to 2,000 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 2000))]
    pub text: Patch<String>,
}

impl NewReview {
    /// Trimmed and checked.
    pub(super) fn checked(self) -> Result<Self> {
        let mut checks = Checks::default();
        if !(1..=5).contains(&self.rating) {
            checks.take::<()>(Err(FieldError::new("/rating", "must be from 1 to 5")));
        }
        let text = checks.take(check_text("/text", &self.text, 0, 2_000));
        checks.finish()?;
        Ok(Self { text: text.unwrap_or_default(), ..self })
    }
}

impl UpdateReview {
    /// What the review says with the changes.
    pub(super) fn apply(self, to: NewReview) -> Result<NewReview> {
        NewReview {
            rating: self.rating.required("/rating")?.unwrap_or(to.rating),
            text: self.text.or_empty().unwrap_or(to.text),
        }
        .checked()
    }
}

/// The subject's public answer to a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewReply {
    /// 1 to 2,000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 2000))]
    pub text: String,
}

/// A complaint about a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewFlag {
    /// Why.
    pub reason: FlagReason,
    /// In the caller's words, for staff: up to 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub comment: Option<String>,
}

/// A review as its author, its subject, or whoever else may see it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewView {
    /// The review.
    pub id: ReviewId,
    /// The job it is about.
    pub job_id: JobId,
    /// Which side wrote it: `client` or `worker`.
    pub side: Side,
    /// Who wrote it; none while their account is restricted, for others than the two.
    pub author: Option<Party>,
    /// Whom it is about.
    pub subject: Party,
    /// Stars, 1 to 5; none once it was removed, for others than its author.
    pub rating: Option<i64>,
    /// What it says; none once it was removed, for others than its author.
    pub text: Option<String>,
    /// Whether it shows.
    pub status: ReviewStatus,
    /// When it began to show.
    pub published_at: Option<Timestamp>,
    /// Until when its author can change it, unless the other side's review comes in before; only while it is hidden.
    pub editable_until: Option<Timestamp>,
    /// What its subject replied.
    pub reply: Option<String>,
    /// When they did.
    pub replied_at: Option<Timestamp>,
    /// Why staff removed it, if they did.
    pub removed: Option<RemovalReason>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the `ETag`.
    pub version: i64,
}

/// A review of a worker as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicReview {
    /// The review.
    pub id: ReviewId,
    /// Who wrote it, `Deleted user` once erased; none while their account is restricted.
    pub author: Option<Party>,
    /// Stars, 1 to 5.
    pub rating: i64,
    /// What it says.
    pub text: String,
    /// What the worker replied.
    pub reply: Option<String>,
    /// When they did.
    pub replied_at: Option<Timestamp>,
    /// When it began to show.
    pub published_at: Timestamp,
}

text_enum! {
    /// Which of one's own reviews.
    pub enum ReviewDirection {
        /// Those that the caller wrote.
        Written = "written",
        /// Those about the caller, as far as they show.
        Received = "received",
    }
}

/// Which of one's own reviews.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct OwnReviewFilter {
    /// Written by the caller, or about the caller; without it, written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub direction: Option<ReviewDirection>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "thousandths, exactly")]
    fn averages_are_rounded_to_thousandths() {
        assert_eq!(Rating::of([0; 5]), Rating::default());
        assert_eq!(Rating::of([0, 0, 0, 1, 2]).average.unwrap(), 4.667);
        assert_eq!(Rating::of([1, 0, 0, 0, 0]).average.unwrap(), 1.0);
    }
}
