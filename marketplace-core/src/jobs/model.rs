//! Jobs: states, who may move them, what is recorded. No SQL, no I/O.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::Checks,
    base::{
        count::Count,
        error::{Error, FieldError, Result},
        ids::{JobId, ServiceId, ThreadId, UserId},
        money::Money,
        principal::Principal,
        text::check_text,
        text_enum::text_enum,
        time::Timestamp,
    },
};

text_enum! {
    /// Where a job stands.
    pub enum JobStatus {
        /// The two are agreeing on price, schedule and scope.
        Negotiating = "negotiating",
        /// Agreed: the worker works.
        Accepted = "accepted",
        /// The worker says it is done.
        Completed = "completed",
        /// The client is content, or said nothing for 14 days.
        Finalized = "finalized",
        /// The worker declined.
        Rejected = "rejected",
        /// Called off.
        Cancelled = "cancelled",
    }
}

/// [`JobStatus::is_live`] in SQL, of the column that is named. As the index `jobs_one_live` has it, so that it is used.
macro_rules! job_is_live {
    ($status:literal) => {
        concat!($status, " IN ('negotiating', 'accepted', 'completed')")
    };
}
pub(crate) use job_is_live;

impl JobStatus {
    /// Whether anything can still happen. `job_is_live` says it in SQL.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Negotiating | Self::Accepted | Self::Completed)
    }
}

text_enum! {
    /// Who acts on a job.
    pub enum Side {
        /// The client of the thread.
        Client = "client",
        /// The worker of the thread.
        Worker = "worker",
        /// Staff.
        Staff = "staff",
        /// The program itself: timers, and what a ban brings.
        System = "system",
    }
}

text_enum! {
    /// What moves a job.
    pub enum JobAction {
        /// The client begins, with the first offer.
        Create = "create",
        /// A counter-offer.
        Offer = "offer",
        /// Agrees to the other side's latest offer.
        Accept = "accept",
        /// The worker declines.
        Reject = "reject",
        /// Calls it off.
        Cancel = "cancel",
        /// The worker says it is done.
        Complete = "complete",
        /// The client wants more done.
        RequestChanges = "request_changes",
        /// The client is content.
        Finalize = "finalize",
    }
}

text_enum! {
    /// Why a job was rejected or cancelled.
    pub enum JobReason {
        /// No time for it.
        Unavailable = "unavailable",
        /// No agreement on the price.
        Price = "price",
        /// It is not what was described.
        ScopeChanged = "scope_changed",
        /// The other side does not answer or did not come.
        NoResponse = "no_response",
        /// Not needed any more.
        NotNeeded = "not_needed",
        /// The work is not as agreed.
        Quality = "quality",
        /// The two cannot settle it between themselves.
        Dispute = "dispute",
        /// It looks like fraud.
        Fraud = "fraud",
        /// Somebody's safety.
        Safety = "safety",
        /// One of the two was banned.
        Banned = "banned",
        /// Nobody went on with it in time.
        Expired = "expired",
        /// See the comment.
        Other = "other",
    }
}

/// An offer: what one side proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfferView {
    /// 1 for the first.
    pub revision: i64,
    /// `client` or `worker`.
    pub by: Side,
    /// Price.
    pub price: Money,
    /// When, in words.
    pub schedule: String,
    /// What, in words.
    pub scope: String,
    /// When it was made.
    pub at: Timestamp,
}

/// A row of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryRow {
    /// 1 for the first; without gaps.
    pub entry: i64,
    /// What was done.
    pub action: JobAction,
    /// State before; none for the first.
    pub from: Option<JobStatus>,
    /// State after.
    pub to: JobStatus,
    /// In which part.
    pub side: Side,
    /// Who.
    pub actor: Principal,
    /// The offer that was the latest then.
    pub revision: i64,
    /// Why, as a code.
    pub reason: Option<JobReason>,
    /// Why, in words; what staff wrote is for staff only.
    pub comment: Option<String>,
    /// The job's version afterwards.
    pub version: i64,
    /// When.
    pub at: Timestamp,
}

/// A job in a list of the staff's. Names are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// What it is about.
    pub service_id: ServiceId,
    /// The service's title.
    pub title: String,
    /// Who hires.
    pub client_id: UserId,
    /// Their name, masked.
    pub client_name: String,
    /// Who is hired.
    pub worker_id: UserId,
    /// Their name, masked.
    pub worker_name: String,
    /// Where it stands.
    pub status: JobStatus,
    /// The latest offer's price.
    pub price: Money,
    /// The latest offer's number.
    pub revision: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the system acts on it, if nobody does before.
    pub due_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
}

/// A job with all that staff need to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobDetail {
    /// The row of the list.
    pub job: JobSummary,
    /// How often the client asked for changes.
    pub change_requests: i64,
    /// Every offer, newest first, 50 at most.
    pub offers: Vec<OfferView>,
    /// The history, oldest first, 200 rows at most.
    pub history: Vec<HistoryRow>,
    /// What the caller could do with it now.
    pub actions: Vec<JobAction>,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    /// Only of people whom this finds, on either side, as in the list of users: beginnings of words of the name, a whole address, number or id; also
    /// with these words in the service's title, or with these last 8 letters of a job's id, or more. People need `users:read`; more than 100 of them,
    /// or 1,000 services, are too many. In quotes, only titles are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<JobStatus>,
    /// Only of this client or worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Only of this thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
}

/// What staff do to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StaffJobAction {
    /// Calls it off.
    Cancel {
        /// Why.
        reason: JobReason,
    },
    /// Ends it well.
    Finalize,
}

/// The terms that one side proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Price.
    pub price: Money,
    /// When, in words: 1 to 500 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 500))]
    pub schedule: String,
    /// What, in words: 1 to 4,000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 4000))]
    pub scope: String,
}

impl Offer {
    /// Trimmed and checked; `pointer` says where it stands in the input.
    pub fn checked(self, pointer: &str) -> Result<Self> {
        let mut checks = Checks::default();
        checks.take(self.price.check(&format!("{pointer}/price")));
        let schedule = checks.take(check_text(&format!("{pointer}/schedule"), &self.schedule, 1, 500));
        let scope = checks.take(check_text(&format!("{pointer}/scope"), &self.scope, 1, 4_000));
        checks.finish()?;
        let (Some(schedule), Some(scope)) = (schedule, scope) else {
            return Err(Error::internal("checks passed without values"));
        };
        Ok(Self { price: self.price, schedule, scope })
    }
}

/// A new job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// The thread in which it is agreed; the caller is its client.
    pub thread_id: ThreadId,
    /// The first offer.
    pub offer: Offer,
}

/// Another offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CounterOffer {
    /// The revision that it answers: the latest, as the caller knows it.
    pub revision: i64,
    /// The new terms.
    pub offer: Offer,
}

/// Agreement to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AcceptOffer {
    /// The revision that is agreed to: the latest, as the caller knows it.
    pub revision: i64,
}

/// Why one of the two rejects or cancels a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EndJob {
    /// Why, as a code; `banned` and `expired` are the system's.
    pub reason: JobReason,
    /// Why, in words, for the other side: up to 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub comment: Option<String>,
}

impl EndJob {
    /// The checked comment.
    pub(super) fn checked(&self) -> Result<Option<String>> {
        let mut checks = Checks::default();
        if matches!(self.reason, JobReason::Banned | JobReason::Expired) {
            let detail = format!("{} is what the system says; choose another reason", self.reason);
            checks.take::<()>(Err(FieldError { pointer: "/reason".into(), detail }));
        }
        let comment = self.comment.as_deref().filter(|comment| !comment.trim().is_empty());
        let comment = checks.take(comment.map(|comment| check_text("/comment", comment, 1, 1_000)).transpose());
        checks.finish()?;
        Ok(comment.flatten())
    }
}

/// What the client wants changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// For the worker: 1 to 2,000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 2000))]
    pub comment: String,
}

/// One of the two people of a job, by the name that everybody sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Party {
    /// Their account.
    pub id: UserId,
    /// Their name; `Deleted user` once erased.
    pub name: String,
    /// The address of their picture, 256 pixels a side at most, if they have one that everybody sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A job as one of its two sides sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// What it is about.
    pub service_id: ServiceId,
    /// The service's title.
    pub title: String,
    /// Who hires.
    pub client: Party,
    /// Who is hired.
    pub worker: Party,
    /// Which of the two the caller is: `client` or `worker`.
    pub side: Side,
    /// Where it stands.
    pub status: JobStatus,
    /// The latest offer's number.
    pub revision: i64,
    /// The offers, newest first, 50 at most; in lists, the latest alone.
    pub offers: Vec<OfferView>,
    /// How often the client asked for changes.
    pub change_requests: i64,
    /// What the caller can do with it now.
    pub actions: Vec<JobAction>,
    /// When the system cancels (`negotiating`) or finalizes (`completed`) it, if nobody acts before.
    pub due_at: Option<Timestamp>,
    /// When it was finalized: reviews can be written for 14 days from then on.
    pub finalized_at: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the `ETag`.
    pub version: i64,
}

/// Which of one's own jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct OwnJobFilter {
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<JobStatus>,
    /// Only of this thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
}

/// How many jobs have a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobCount {
    /// The state.
    pub status: JobStatus,
    /// How many.
    pub count: Count,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_jobs_are_the_same_in_rust_and_in_sql() {
        let live = JobStatus::ALL.iter().filter(|status| status.is_live()).map(|status| format!("'{status}'"));
        let sql = format!("status IN ({})", live.collect::<Vec<_>>().join(", "));
        assert_eq!(job_is_live!("status"), sql);
        for migration in [
            include_str!("../../../migrations/sqlite/0008_jobs.sql"),
            include_str!("../../../migrations/postgres/0008_jobs.sql"),
        ] {
            assert!(migration.contains(&format!("jobs_one_live ON jobs (thread_id) WHERE {sql};")));
        }
    }
}
