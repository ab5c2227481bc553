//! The use cases of a job's two sides.

use super::{apply, expire, full_view, lock_job, overtaken, record, refused, seen};
use crate::{
    accounts::model::Status,
    app::App,
    base::{
        error::{Error, Result},
        ids::{JobId, ThreadId, UserId},
        permission::Permission,
        principal::Principal,
        text::check_text,
    },
    jobs::{
        model::{ChangeRequest, CounterOffer, EndJob, JobAction, JobStatus, JobView, NewJob, Offer, Side},
        row::{Details, Job},
        store,
        transitions::{self, Asked, Caller, Facts},
    },
    kyc::status::KycStatus,
    messaging::{self, model::ThreadStatus},
    operation::Operation,
    platform::db::Conn,
    profiles,
    reports::model::{ReportTarget, ReportedContent},
    rules::{self, About, Caught, model::RulePlace},
};

/// Returns what rules catch of the texts that somebody writes about a job.
async fn caught(app: &App, details: &Details) -> Result<Caught> {
    let mut texts = Vec::new();
    if let Some(offer) = &details.offer {
        texts.extend([("/offer/schedule", offer.schedule.as_str()), ("/offer/scope", &offer.scope)]);
    }
    texts.extend(details.comment.iter().map(|comment| ("/comment", comment.as_str())));
    if texts.is_empty() {
        return Ok(Caught::default());
    }
    Ok(Caught::of(&*rules::current(app).await?, RulePlace::Offers, &texts))
}

/// Stores what is to be reported of the texts that `me` wrote about a job: as a report about their side of its thread.
async fn report(
    op: &Operation,
    conn: &mut Conn<'_>,
    me: UserId,
    thread: ThreadId,
    caught: &Caught,
    details: &Details,
) -> Result<()> {
    if caught.is_empty() {
        return Ok(());
    }
    let offer = details.offer.iter().flat_map(|offer| [offer.schedule.as_str(), &offer.scope]);
    let text = offer.chain(details.comment.as_deref()).collect::<Vec<_>>().join("\n");
    let about = About { kind: ReportTarget::Thread, id: thread.0, thread: Some(thread), subject: me };
    caught.store(op, conn, about, &ReportedContent { text, ..ReportedContent::default() }).await
}

/// Creates a job in a thread of the caller's.
///
/// # Errors
/// `not_found` for a thread of other people; `forbidden` unless its client, with an active account; `conflict` when
/// the service, the worker or the thread takes no job now, with the live job of the thread as `current` if there is one;
/// `invalid` for what a rule of the staff refuses.
pub async fn create(op: &Operation, new: NewJob) -> Result<JobView> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let offer = new.offer.checked("/offer")?;
    let by = op.actor().principal();
    let details = Details { offer: Some(offer.clone()), ..Details::default() };
    let caught = caught(op, &details).await?;
    op.write(unit!(|op, conn| { create_in(&op, conn, (me, by), new.thread_id, offer, caught).await })).await
}

async fn create_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    (me, by): (UserId, Principal),
    id: ThreadId,
    offer: Offer,
    caught: Caught,
) -> Result<JobView> {
    let place = store::place(conn, id).await?;
    let place = place.filter(|place| me == place.client_id || me == place.worker_id);
    let place = place.ok_or_else(|| Error::not_found("thread"))?;
    messaging::lock_thread(conn, id).await?;
    let now = op.now();
    // In this order, which is the one in which accounts and services are restricted.
    let client = store::steady_account(conn, place.client_id).await?;
    let worker = store::steady_account(conn, place.worker_id).await?;
    let service = store::steady_service(conn, place.service_id).await?;
    let side = if me == place.client_id { Side::Client } else { Side::Worker };
    let own = if side == Side::Client { client.status } else { worker.status };
    let asked = Asked { action: JobAction::Create, revision: None, reason: None };
    let facts = Facts { status: None, revision: 0, offered_by: side, change_requests: 0 };
    let row = transitions::decide(&facts, Caller::Party { side, own, other: worker.status }, &asked)
        .map_err(|refusal| refused(refusal, &asked, ()))?;
    // The state of the thread as it is once it is held.
    let status = store::place(conn, id).await?.map(|place| place.status);
    let unfit = |what: &'static str| Err(Error::conflict(what, ()));
    if let Some(mut live) = store::live_in(conn, id).await? {
        // What is over by time stands in nobody's way.
        match expire(op, conn, &live).await? {
            Some(lapsed) => live = lapsed,
            None => return Err(in_the_way(conn, &live, side).await?),
        }
        if live.status.is_live() {
            return Err(in_the_way(conn, &live, side).await?);
        }
    }
    if status != Some(ThreadStatus::Open) {
        return unfit("the thread is closed");
    }
    if worker.status != Status::Active || worker.visible_kyc(now) != KycStatus::Approved {
        return unfit("the worker takes no jobs at present");
    }
    if service.as_deref() != Some("published") {
        return unfit("the service is not published at present");
    }
    if profiles::blocked_between(conn, client.id, worker.id).await? {
        return unfit("one of the two of you has blocked the other");
    }
    let caught = caught.unless_agreed(conn, id).await?;
    caught.allow()?;
    let job = Job {
        id: JobId::new(now, op.random.as_ref()),
        thread_id: id,
        service_id: place.service_id,
        client_id: client.id,
        worker_id: worker.id,
        status: row.to,
        revision: 1,
        offered_by: side,
        price_amount: offer.price.amount,
        price_currency: offer.price.currency.clone(),
        change_requests: 0,
        entries: 1,
        due_at: transitions::due(row.to, now),
        finalized_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
        schedule: offer.schedule.clone(),
        scope: offer.scope.clone(),
        offered_at: now,
        title: String::new(),
        client_name: client.name,
        client_status: client.status,
        worker_name: worker.name,
        worker_status: worker.status,
        client_picture: None,
        worker_picture: None,
    };
    if !store::insert(conn, &job).await? {
        return match store::live_in(conn, id).await? {
            Some(live) => Err(in_the_way(conn, &live, side).await?),
            None => unfit("another job of the thread began at the same moment; look at it"),
        };
    }
    let details = Details { offer: Some(offer), ..Details::default() };
    record(op, conn, &job, row, (side, by), &details).await?;
    report(op, conn, me, id, &caught, &details).await?;
    let made = store::get(conn, job.id).await?.ok_or_else(|| Error::internal("the new job is gone"))?;
    Ok(made.view(side))
}

async fn in_the_way(conn: &mut Conn<'_>, live: &Job, side: Side) -> Result<Error> {
    Ok(Error::conflict("the thread has a live job", full_view(conn, live, side).await?))
}

/// A checked request of one of the two sides.
#[derive(Debug, Clone)]
struct Wish {
    action: JobAction,
    revision: Option<i64>,
    details: Details,
}

impl Wish {
    fn new(action: JobAction) -> Self {
        Self { action, revision: None, details: Details::default() }
    }
}

/// The outcome of a request.
enum Outcome {
    Done(JobView),
    /// The job's time had come before: it is over, and that stays.
    Lapsed(JobView),
}

async fn act(op: &Operation, id: JobId, wish: Wish) -> Result<JobView> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let seen = seen(op, id).await?;
    let (by, asked) = (op.actor().principal(), wish.clone());
    let caught = caught(op, &wish.details).await?;
    let outcome = op.write(unit!(|op, conn| { act_in(&op, conn, (me, by), (id, seen), &asked, caught).await })).await?;
    match outcome {
        Outcome::Done(view) => Ok(view),
        Outcome::Lapsed(view) => {
            let what = if view.status == JobStatus::Cancelled {
                "nobody went on with it in time"
            } else {
                "its time was over"
            };
            Err(Error::conflict(format!("{} comes too late: {what}", wish.action), view))
        }
    }
}

async fn act_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    (me, by): (UserId, Principal),
    (id, seen): (JobId, i64),
    wish: &Wish,
    caught: Caught,
) -> Result<Outcome> {
    let job = lock_job(conn, id).await?;
    let found = job.and_then(|job| job.side_of(me).map(|side| (job, side)));
    let (job, side) = found.ok_or_else(|| Error::not_found("job"))?;
    if let Some(lapsed) = expire(op, conn, &job).await? {
        return Ok(Outcome::Lapsed(full_view(conn, &lapsed, side).await?));
    }
    op.check_version(job.version)?;
    if seen != job.version {
        return Err(overtaken(full_view(conn, &job, side).await?));
    }
    let asked = Asked { action: wish.action, revision: wish.revision, reason: wish.details.reason };
    let row = match transitions::decide(&job.facts(), job.party(side), &asked) {
        Ok(row) => row,
        Err(refusal) => return Err(refused(refusal, &asked, full_view(conn, &job, side).await?)),
    };
    let caught = caught.unless_agreed(conn, job.thread_id).await?;
    caught.allow()?;
    let next = apply(op, conn, &job, row, (side, by), &wish.details).await?;
    report(op, conn, me, job.thread_id, &caught, &wish.details).await?;
    Ok(Outcome::Done(full_view(conn, &next, side).await?))
}

/// Makes another offer.
///
/// # Errors
/// Of this and the functions below: `not_found` for other people's jobs; `forbidden` when it is never for this side, or
/// not with an account like the caller's; `precondition_failed` at another version than `if_version`; `conflict` when the
/// job stands otherwise, with the job as `current`; `invalid` for what a rule of the staff refuses.
pub async fn offer(op: &Operation, id: JobId, counter: CounterOffer) -> Result<JobView> {
    let mut wish = Wish::new(JobAction::Offer);
    wish.revision = Some(counter.revision);
    wish.details.offer = Some(counter.offer.checked("/offer")?);
    act(op, id, wish).await
}

/// Accepts the other side's latest offer, which `revision` names.
///
/// # Errors
/// Those of [`offer`].
pub async fn accept(op: &Operation, id: JobId, revision: i64) -> Result<JobView> {
    let mut wish = Wish::new(JobAction::Accept);
    wish.revision = Some(revision);
    act(op, id, wish).await
}

/// Rejects the job, as its worker; the thread closes.
///
/// # Errors
/// Those of [`offer`].
pub async fn reject(op: &Operation, id: JobId, why: EndJob) -> Result<JobView> {
    end(op, id, JobAction::Reject, &why).await
}

/// Cancels the job, as one of the two sides.
///
/// # Errors
/// Those of [`offer`].
pub async fn cancel(op: &Operation, id: JobId, why: EndJob) -> Result<JobView> {
    end(op, id, JobAction::Cancel, &why).await
}

async fn end(op: &Operation, id: JobId, action: JobAction, why: &EndJob) -> Result<JobView> {
    let mut wish = Wish::new(action);
    wish.details.comment = why.checked()?;
    wish.details.reason = Some(why.reason);
    act(op, id, wish).await
}

/// Marks the work as completed, as the worker.
///
/// # Errors
/// Those of [`offer`].
pub async fn complete(op: &Operation, id: JobId) -> Result<JobView> {
    act(op, id, Wish::new(JobAction::Complete)).await
}

/// Requests changes to completed work, as the client.
///
/// # Errors
/// Those of [`offer`].
pub async fn request_changes(op: &Operation, id: JobId, what: ChangeRequest) -> Result<JobView> {
    let comment = check_text("/comment", &what.comment, 1, 2_000)?;
    let mut wish = Wish::new(JobAction::RequestChanges);
    wish.details.comment = Some(comment);
    act(op, id, wish).await
}

/// Finalizes completed work, as the client.
///
/// # Errors
/// Those of [`offer`].
pub async fn finalize(op: &Operation, id: JobId) -> Result<JobView> {
    act(op, id, Wish::new(JobAction::Finalize)).await
}
