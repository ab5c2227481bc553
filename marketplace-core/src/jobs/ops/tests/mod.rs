//! Stories of jobs, on both engines.

mod races;
mod rules;
mod stories;
mod time;
mod walk;

use std::time::Duration;

use super::*;
use crate::{
    accounts::{
        self,
        model::{Status, UserAction},
    },
    actor::Actor,
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        ids::{ServiceId, ThreadId, UserId},
        money::Money,
        page::PageRequest,
        permission::Role,
    },
    jobs::{
        self,
        model::{
            ChangeRequest, CounterOffer, EndJob, HistoryRow, JobFilter, JobReason, JobStatus, JobSummary, NewJob,
            Offer, OwnJobFilter, StaffJobAction,
        },
    },
    messaging::model::OpenThread,
    records::audit::{self, AuditFilter},
    services,
    testing::{self, TestApp, operator},
};

/// A client, a worker and their thread about a published service.
pub(crate) struct Pair {
    pub client: Actor,
    pub worker: Actor,
    pub service: ServiceId,
    pub thread: ThreadId,
}

impl Pair {
    pub fn client_id(&self) -> UserId {
        self.client.user_id().unwrap()
    }
    pub fn worker_id(&self) -> UserId {
        self.worker.user_id().unwrap()
    }
    pub fn actor(&self, side: Side) -> &Actor {
        if side == Side::Worker { &self.worker } else { &self.client }
    }
}

/// Lets an identity check be approved from now on, far into the future.
pub(crate) async fn approve(test: &TestApp, worker: UserId) {
    let (now, end) = (test.app().now(), test.app().now() + Duration::from_secs(86_400 * 4_000));
    sql(test, move |conn| {
        Box::pin(async move {
            q!(conn => exec,
                "UPDATE users SET kyc_status = 'approved', kyc_effective_at = $2, kyc_expires_at = $3 WHERE id = $1",
                worker, now, end)?;
            Ok(())
        })
    })
    .await;
}

/// Changes the database behind everybody's back.
pub(crate) async fn sql<F>(test: &TestApp, unit: F)
where
    F: for<'a> FnOnce(&'a mut Conn<'_>) -> futures::future::BoxFuture<'a, Result<()>> + Clone + Send + 'static,
{
    test.app().db.write(unit).await.unwrap();
}

pub(crate) async fn pair(test: &TestApp) -> Pair {
    let client = test.actor(Role::Client).await;
    let worker = test.actor(Role::Worker).await;
    approve(test, worker.user_id().unwrap()).await;
    let (service, thread) = thread_of(test, &client, &worker).await;
    Pair { client, worker, service, thread }
}

/// A thread of two people about a new, published service.
pub(crate) async fn thread_of(test: &TestApp, client: &Actor, worker: &Actor) -> (ServiceId, ThreadId) {
    let new = serde_json::json!({ "title": "Piano lessons", "category": services::model::Category::FIRST[0] });
    let service = services::create(&test.app().by(worker), serde_json::from_value(new).unwrap()).await.unwrap().id;
    services::publish(&test.app().by(worker), service).await.unwrap();
    let new = OpenThread { service_id: service, content: None, client_msg_id: None };
    (service, messaging::open(&test.app().by(client), new).await.unwrap().id)
}

pub(crate) fn terms(amount: i64) -> Offer {
    Offer { price: Money::new(amount, "EUR"), schedule: "Monday at ten".into(), scope: "An hour of scales".into() }
}

pub(crate) fn counter(revision: i64, amount: i64) -> CounterOffer {
    CounterOffer { revision, offer: terms(amount) }
}

pub(crate) fn because(reason: JobReason) -> EndJob {
    EndJob { reason, comment: None }
}

pub(crate) fn more() -> ChangeRequest {
    ChangeRequest { comment: "the left hand, too".into() }
}

pub(crate) async fn created(test: &TestApp, pair: &Pair) -> JobView {
    let new = NewJob { thread_id: pair.thread, offer: terms(5_000) };
    jobs::create(&test.app().by(&pair.client), new).await.unwrap()
}

/// A job that came to a state by the ordinary way.
pub(crate) async fn job_in(test: &TestApp, pair: &Pair, status: JobStatus) -> JobView {
    let app = test.app();
    let job = created(test, pair).await;
    let id = job.id;
    match status {
        JobStatus::Negotiating => job,
        JobStatus::Rejected => jobs::reject(&app.by(&pair.worker), id, because(JobReason::Price)).await.unwrap(),
        JobStatus::Cancelled => jobs::cancel(&app.by(&pair.client), id, because(JobReason::NotNeeded)).await.unwrap(),
        JobStatus::Accepted => jobs::accept(&app.by(&pair.worker), id, 1).await.unwrap(),
        JobStatus::Completed | JobStatus::Finalized => {
            jobs::accept(&app.by(&pair.worker), id, 1).await.unwrap();
            let done = jobs::complete(&app.by(&pair.worker), id).await.unwrap();
            if status == JobStatus::Completed {
                return done;
            }
            jobs::finalize(&app.by(&pair.client), id).await.unwrap()
        }
    }
}

/// The code and the `current` of a refusal.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T>, code: ErrorCode) -> serde_json::Value {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    error.current().cloned().unwrap_or_default()
}

/// The job that a conflict shows.
#[track_caller]
fn current<T: std::fmt::Debug>(answer: Result<T>) -> JobView {
    serde_json::from_value(refused(answer, ErrorCode::Conflict)).unwrap()
}

async fn whole_history(test: &TestApp, id: JobId) -> Vec<HistoryRow> {
    let mut page = PageRequest::first(3);
    let mut all = Vec::new();
    loop {
        let got = jobs::staff_history(&test.app().by(&operator()), id, &page).await.unwrap();
        all.extend(got.items);
        page.after = got.next;
        if page.after.is_none() {
            return all;
        }
    }
}

/// Fails unless the history folds to the stored state, and every entry has its notice and its event.
pub(crate) async fn check_fold(test: &TestApp, id: JobId) {
    let history = whole_history(test, id).await;
    let folded = transitions::fold(&history).unwrap_or_else(|| panic!("{history:#?}"));
    let mut reader = test.app().db.read().await.unwrap();
    let mut conn = reader.conn();
    let job = store::get(&mut conn, id).await.unwrap().unwrap();
    let stored = transitions::Folded {
        status: job.status,
        revision: job.revision,
        offered_by: job.offered_by,
        change_requests: job.change_requests,
        entry: job.entries,
        version: job.version,
        due_at: job.due_at,
        finalized_at: job.finalized_at,
    };
    assert_eq!(folded, stored);
    let offers = store::offers(&mut conn, id, i64::MAX, 1_000).await.unwrap();
    assert_eq!(offers.len(), usize::try_from(job.revision).unwrap());
    assert_eq!(offers[0], job.offer());
    let events = q!(&mut conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM events WHERE kind = 'job' AND target = $1", id.to_string())
    .unwrap();
    assert_eq!(events, job.entries);
}

async fn notices(test: &TestApp, thread: ThreadId) -> Vec<String> {
    let mut reader = test.app().db.read().await.unwrap();
    q!(&mut reader.conn() => vals String, "SELECT content FROM messages WHERE thread_id = $1 AND kind = 'job' ORDER BY seq", thread)
        .unwrap()
}

fn restrict() -> Change {
    Change { reason: Some(RestrictionReason::Other), ..Change::default() }
}
