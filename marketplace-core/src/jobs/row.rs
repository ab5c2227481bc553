//! A stored job, and its state at a point in time. Pure: no SQL, no I/O.

use serde::Deserialize;

use super::{
    model::{HistoryRow, JobAction, JobReason, JobStatus, JobSummary, JobView, Offer, OfferView, Party, Side},
    transitions::{self, Caller, Facts, Transition},
};
use crate::{
    accounts::model::{Status, mask_name},
    actor::Actor,
    base::{
        ids::{JobId, PictureId, ServiceId, ThreadId, UserId},
        money::Money,
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    platform::db::json,
    profiles::model::small_picture,
};

/// A row of `jobs` with its latest offer, its service's title and its two parties.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow, Deserialize)]
pub(crate) struct Job {
    pub id: JobId,
    pub thread_id: ThreadId,
    pub service_id: ServiceId,
    pub client_id: UserId,
    pub worker_id: UserId,
    pub status: JobStatus,
    pub revision: i64,
    pub offered_by: Side,
    pub price_amount: i64,
    pub price_currency: String,
    pub change_requests: i64,
    pub entries: i64,
    #[serde(deserialize_with = "json::opt_micros")]
    pub due_at: Option<Timestamp>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub finalized_at: Option<Timestamp>,
    pub version: i64,
    #[serde(deserialize_with = "json::micros")]
    pub created_at: Timestamp,
    #[serde(deserialize_with = "json::micros")]
    pub updated_at: Timestamp,
    pub schedule: String,
    pub scope: String,
    #[serde(deserialize_with = "json::micros")]
    pub offered_at: Timestamp,
    pub title: String,
    pub client_name: String,
    pub client_status: Status,
    pub worker_name: String,
    pub worker_status: Status,
    pub client_picture: Option<PictureId>,
    pub worker_picture: Option<PictureId>,
}

/// Data that comes with a transition.
#[derive(Debug, Clone, Default)]
pub(super) struct Details {
    pub offer: Option<Offer>,
    pub reason: Option<JobReason>,
    pub comment: Option<String>,
}

impl Job {
    pub fn facts(&self) -> Facts {
        Facts {
            status: Some(self.status),
            revision: self.revision,
            offered_by: self.offered_by,
            change_requests: self.change_requests,
        }
    }

    /// Returns the side on which a user takes part; `None` when they do not.
    pub fn side_of(&self, user: UserId) -> Option<Side> {
        if user == self.client_id {
            Some(Side::Client)
        } else if user == self.worker_id {
            Some(Side::Worker)
        } else {
            None
        }
    }

    /// Returns one of the two parties as a caller, with the statuses of both accounts.
    pub fn party(&self, side: Side) -> Caller {
        match side {
            Side::Worker => Caller::Party { side, own: self.worker_status, other: self.client_status },
            _ => Caller::Party { side, own: self.client_status, other: self.worker_status },
        }
    }

    /// Returns whether the job was due at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at.is_some_and(|due| due <= now)
    }

    /// Returns the job after a transition at `now`.
    pub fn after(&self, row: &Transition, side: Side, details: &Details, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.status = row.to;
        next.version += 1;
        next.entries += 1;
        next.updated_at = now;
        if let Some(offer) = &details.offer {
            next.revision += 1;
            next.offered_by = side;
            next.offered_at = now;
            next.price_amount = offer.price.amount;
            next.price_currency.clone_from(&offer.price.currency);
            next.schedule.clone_from(&offer.schedule);
            next.scope.clone_from(&offer.scope);
        }
        next.change_requests += i64::from(row.action == JobAction::RequestChanges);
        next.due_at = transitions::due(row.to, now);
        next.finalized_at = (row.to == JobStatus::Finalized).then_some(now);
        next
    }

    /// Returns the history's entry for the transition that led to this job.
    pub fn entry(&self, row: &Transition, side: Side, actor: Principal, details: &Details) -> HistoryRow {
        HistoryRow {
            entry: self.entries,
            action: row.action,
            from: row.from,
            to: row.to,
            side,
            actor,
            revision: self.revision,
            reason: details.reason,
            comment: details.comment.clone(),
            version: self.version,
            at: self.updated_at,
        }
    }

    /// Returns the latest offer.
    pub fn offer(&self) -> OfferView {
        OfferView {
            revision: self.revision,
            by: self.offered_by,
            price: Money::new(self.price_amount, self.price_currency.clone()),
            schedule: self.schedule.clone(),
            scope: self.scope.clone(),
            at: self.offered_at,
        }
    }

    /// Returns the job as one of its two sides sees it, with only the latest offer.
    pub fn view(&self, side: Side) -> JobView {
        JobView {
            id: self.id,
            thread_id: self.thread_id,
            service_id: self.service_id,
            title: self.title.clone(),
            client: Party {
                id: self.client_id,
                name: self.client_name.clone(),
                picture: self.client_picture.map(small_picture),
            },
            worker: Party {
                id: self.worker_id,
                name: self.worker_name.clone(),
                picture: self.worker_picture.map(small_picture),
            },
            side,
            status: self.status,
            revision: self.revision,
            offers: vec![self.offer()],
            change_requests: self.change_requests,
            actions: transitions::possible(&self.facts(), self.party(side)),
            due_at: self.due_at,
            finalized_at: self.finalized_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        }
    }

    /// Returns the job as a row of the staff's list.
    pub fn summary(&self) -> JobSummary {
        JobSummary {
            id: self.id,
            thread_id: self.thread_id,
            service_id: self.service_id,
            title: self.title.clone(),
            client_id: self.client_id,
            client_name: masked(&self.client_name, self.client_status),
            worker_id: self.worker_id,
            worker_name: masked(&self.worker_name, self.worker_status),
            status: self.status,
            price: Money::new(self.price_amount, self.price_currency.clone()),
            revision: self.revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
            due_at: self.due_at,
            version: self.version,
        }
    }
}

/// Returns a member of staff as a caller, with their permissions on jobs.
pub(super) fn staff(actor: &Actor) -> Caller {
    Caller::Staff { write: actor.may(Permission::JobsWrite), admin: actor.may(Permission::JobsAdmin) }
}

/// Returns a name as the staff's lists show it.
pub(crate) fn masked(name: &str, status: Status) -> String {
    if status == Status::Deleted { name.to_owned() } else { mask_name(name) }
}
