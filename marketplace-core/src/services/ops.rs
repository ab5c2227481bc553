//! Operations with which workers manage their services, and with which the public reads them.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    categories::require_active,
    content_terms::{self, Kind},
    index_sync::{forget, learn, worker_changed},
    index_text::{plain, search_text},
    model::{
        MAX_SERVICES, NewService, OwnService, OwnServices, Photo, PublicService, ServiceCard, ServiceStatus,
        UpdateService,
    },
    photo_store,
    store::{self, Service},
};
use crate::{
    accounts::{
        self,
        model::{Account, Status},
    },
    actor::Actor,
    app::App,
    base::{
        error::{Error, Result},
        ids::{PhotoId, ServiceId, UserId},
        page::{Page, PageRequest, SeqCursor, TimeCursor},
        permission::{Permission, Role},
        time::Timestamp,
    },
    kyc::status::KycStatus,
    messaging::model::RemovalReason,
    operation::Operation,
    platform::db::Conn,
    profiles,
    records::{
        audit::{self, AuditAction},
        events::{self, EventKind},
        target::TargetKind,
        webhooks::{self, model::WebhookKind},
    },
    reports::model::{ReportTarget, ReportedContent},
    rules::{self, About, Caught, matcher::Compiled, model::RulePlace},
};

/// Returns the caller's account if they are a worker.
pub(super) fn require_worker(actor: &Actor) -> Result<&Account> {
    let account = &actor.require_own(Permission::Trade)?.account;
    if account.role == Role::Worker { Ok(account) } else { Err(Error::forbidden("only workers offer services")) }
}

/// Returns the caller's id if they are a worker who may begin new work.
pub(super) fn require_lister(actor: &Actor) -> Result<UserId> {
    require_worker(actor)?;
    Ok(actor.require_new_work()?.account.id)
}

/// Locks the worker's account, because its status may have changed since the call began. Always called before a
/// service of theirs is locked.
pub(super) async fn lock_worker(conn: &mut Conn<'_>, worker: UserId, new_work: bool) -> Result<Account> {
    let account = accounts::store::lock(conn, worker).await?;
    let account = account
        .filter(|account| account.status.may_log_in())
        .ok_or_else(|| Error::unauthenticated("the session has ended"))?;
    if account.role != Role::Worker {
        return Err(Error::forbidden("only workers offer services"));
    }
    if new_work && account.status != Status::Active {
        return Err(Error::forbidden("this account is frozen: it can finish what is under way, and begin nothing new"));
    }
    Ok(account)
}

/// Locks and returns one of the worker's own services. Other people's services are `not_found`, so strangers learn
/// nothing about them.
pub(super) async fn lock_own(op: &Operation, conn: &mut Conn<'_>, worker: UserId, id: ServiceId) -> Result<Service> {
    let service = store::lock(conn, id).await?;
    let service = owned(service, worker)?;
    op.check_version(service.version)?;
    Ok(service)
}

pub(super) fn owned(service: Option<Service>, worker: UserId) -> Result<Service> {
    service
        .filter(|service| service.worker_id == worker && service.status != ServiceStatus::Deleted)
        .ok_or_else(|| Error::not_found("service"))
}

/// Records that a service changed, or is in another state.
pub(super) async fn changed(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: ServiceId,
    worker: UserId,
    status: ServiceStatus,
) -> Result<()> {
    let data = serde_json::json!({ "service_id": id, "worker_id": worker, "status": status });
    webhooks::emit(op, conn, WebhookKind::ServiceChanged, id, data, op.now()).await?;
    events::append(op, conn, EventKind::Service, &id.to_string(), Some(worker)).await
}

pub(super) async fn reload(
    conn: &mut Conn<'_>,
    account: &Account,
    id: ServiceId,
    now: Timestamp,
) -> Result<OwnService> {
    owned(store::find(conn, id).await?, account.id)?.own(account, now)
}

/// Returns a service's texts, each with its field.
fn texts(content: &NewService) -> Vec<(&'static str, &str)> {
    let mut texts = vec![("/title", content.title.as_str()), ("/description", content.description.as_str())];
    texts.extend(content.tags.iter().map(|tag| ("/tags", tag.as_str())));
    texts.push(("/location", content.location.as_str()));
    texts
}

/// Returns what rules catch of a service's texts.
fn caught(rules: &Compiled, content: &NewService) -> Caught {
    Caught::of(rules, RulePlace::Services, &texts(content))
}

fn about(id: ServiceId, worker: UserId) -> About {
    About { kind: ReportTarget::Service, id: id.0, thread: None, subject: worker }
}

fn reported(content: &NewService) -> ReportedContent {
    let NewService { title, description, tags, location, .. } = content;
    let parts = [description.as_str()].into_iter().chain(tags.iter().map(String::as_str)).chain([location.as_str()]);
    let text = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    ReportedContent { title: Some(title.clone()), text, ..ReportedContent::default() }
}

/// Creates a service as a draft, which only its worker sees.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `forbidden` unless the caller is an active worker; `conflict` beyond
/// 200 services; `invalid` for what a rule of the staff refuses.
pub async fn create(op: &Operation, new: NewService) -> Result<OwnService> {
    let worker = require_lister(op.actor())?;
    let new = new.checked()?;

    let id = ServiceId::new(op.now(), op.random.as_ref());
    // A draft is reported once it is published.
    caught(&*rules::current(op).await?, &new).allow()?;
    op.write(unit!(|op, conn| {
        let account = lock_worker(conn, worker, true).await?;
        if store::count_of(conn, worker, MAX_SERVICES).await? >= MAX_SERVICES {
            return Err(Error::conflict(
                format!("there are {MAX_SERVICES} services already; delete some first"),
                serde_json::json!({ "most": MAX_SERVICES }),
            ));
        }
        require_active(conn, new.category).await?;
        store::insert(conn, id, worker, &new, &search_text(&new, &account.name), op.now()).await?;
        changed(&op, conn, id, worker, ServiceStatus::Draft).await?;
        reload(conn, &account, id, op.now()).await
    }))
    .await
}

/// Changes the content of a service. A published one stays published. An update that changes nothing makes no new version.
///
/// # Errors
/// Those of [`create`]; `not_found` for other people's services; `precondition_failed` at another version.
pub async fn update(op: &Operation, id: ServiceId, update: UpdateService) -> Result<OwnService> {
    let worker = require_lister(op.actor())?;
    let rules = rules::current(op).await?;

    op.write(unit!(|op, conn| {
        let account = lock_worker(conn, worker, true).await?;
        let service = lock_own(&op, conn, worker, id).await?;
        let before = service.content()?;
        let content = update.apply(before.clone())?;
        if content == before {
            return reload(conn, &account, id, op.now()).await;
        }
        if content.category != before.category {
            require_active(conn, content.category).await?;
        }
        let was: Vec<&str> = texts(&before).into_iter().map(|(_, text)| text).collect();
        let caught = Caught::of_change(&rules, RulePlace::Services, &texts(&content), &was);
        caught.allow()?;
        let text = search_text(&content, &account.name);
        if service.status == ServiceStatus::Published {
            learn(conn, plain(&text)).await?;
            caught.store(&op, conn, about(id, worker), &reported(&content)).await?;
        }
        store::set_content(conn, id, &content, &text, op.now()).await?;
        content_terms::replace(conn, Kind::Service, (service.created_at, id.0), &before.title, &content.title).await?;
        // The old words may be a name or an address, so they are forgotten.
        let old: BTreeSet<&str> = plain(&service.search_text).collect();
        forget(conn, old).await?;
        changed(&op, conn, id, worker, service.status).await?;
        reload(conn, &account, id, op.now()).await
    }))
    .await
}

/// Publishes a draft or a closed service. A published one stays as it is.
///
/// # Errors
/// `forbidden` unless the worker is active and their identity is approved; `not_found` for other people's services;
/// `conflict` for one that staff closed.
pub async fn publish(op: &Operation, id: ServiceId) -> Result<OwnService> {
    let worker = require_lister(op.actor())?;
    let rules = rules::current(op).await?;

    op.write(unit!(|op, conn| {
        let account = lock_worker(conn, worker, true).await?;
        let service = lock_own(&op, conn, worker, id).await?;
        if account.visible_kyc(op.now()) != KycStatus::Approved {
            return Err(Error::forbidden("publishing needs a confirmed identity: submit your documents first"));
        }
        if let Some(reason) = service.closed_reason {
            let current = serde_json::json!({ "status": service.status, "closed_reason": reason });
            return Err(Error::conflict("our staff closed this service; write to us if that was wrong", current));
        }
        if service.status != ServiceStatus::Published {
            let content = service.content()?;
            let caught = caught(&rules, &content);
            caught.allow()?;
            caught.store(&op, conn, about(id, worker), &reported(&content)).await?;
            learn(conn, plain(&service.search_text)).await?;
            store::publish(conn, id, op.now()).await?;
            changed(&op, conn, id, worker, ServiceStatus::Published).await?;
        }
        reload(conn, &account, id, op.now()).await
    }))
    .await
}

/// Closes a published service, which hides it from the public. A closed one stays as it is.
///
/// # Errors
/// `conflict` for a draft; `not_found` for other people's services.
pub async fn close(op: &Operation, id: ServiceId) -> Result<OwnService> {
    let worker = require_worker(op.actor())?.id;

    op.write(unit!(|op, conn| {
        let account = lock_worker(conn, worker, false).await?;
        let service = lock_own(&op, conn, worker, id).await?;
        match service.status {
            ServiceStatus::Published => {
                store::hide(conn, id, ServiceStatus::Closed, op.now()).await?;
                changed(&op, conn, id, worker, ServiceStatus::Closed).await?;
            }
            ServiceStatus::Closed => {}
            ServiceStatus::Draft | ServiceStatus::Deleted => {
                return Err(Error::conflict(
                    "a draft was never published",
                    serde_json::json!({ "status": service.status }),
                ));
            }
        }
        reload(conn, &account, id, op.now()).await
    }))
    .await
}

/// Deletes a service for good. Threads about it keep its title.
///
/// # Errors
/// `conflict` while a job about it is live; `not_found` for other people's services.
pub async fn delete(op: &Operation, id: ServiceId) -> Result<()> {
    let worker = require_worker(op.actor())?.id;

    op.write(unit!(|op, conn| {
        lock_worker(conn, worker, false).await?;
        let service = lock_own(&op, conn, worker, id).await?;
        let (threads, live) = store::ties(conn, id).await?;
        if live {
            return Err(Error::conflict(
                "a job about this service is under way; finish or cancel it first",
                serde_json::json!({ "status": service.status }),
            ));
        }
        let photos: Vec<PhotoId> = service.photos()?.iter().map(|photo| photo.id).collect();
        photo_store::drop_some(conn, &photos, op.now()).await?;
        if threads {
            let title = service.content()?.title;
            store::blank(conn, id, &title, op.now()).await?;
        } else {
            store::remove(conn, id).await?;
            let title = service.content()?.title;
            content_terms::replace(conn, Kind::Service, (service.created_at, id.0), &title, "").await?;
        }
        let words: BTreeSet<&str> = plain(&service.search_text).collect();
        forget(conn, words).await?;
        changed(&op, conn, id, worker, ServiceStatus::Deleted).await
    }))
    .await
}

/// Returns the caller's own services, newest first.
pub async fn own(op: &Operation, filter: &OwnServices, page: &PageRequest) -> Result<Page<OwnService>> {
    let account = require_worker(op.actor())?;
    let limit = page.checked_limit()?;
    let newest = TimeCursor { at: Timestamp::MAX, id: Uuid::max() };
    let before = page.cursor::<TimeCursor>()?.unwrap_or(newest);
    let mut reader = op.db.read().await?;
    let rows = store::own_page(&mut reader.conn(), account.id, filter.status, before, limit + 1).await?;
    let found = Page::from_rows(rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 });
    let now = op.now();
    let items = found.items.into_iter().map(|row| row.own(account, now)).collect::<Result<_>>()?;
    Ok(Page { items, next: found.next })
}

/// Returns one of the caller's own services, in any state.
pub async fn own_one(op: &Operation, id: ServiceId) -> Result<OwnService> {
    let account = require_worker(op.actor())?;
    let mut reader = op.db.read().await?;
    reload(&mut reader.conn(), account, id, op.now()).await
}

/// Returns a service as the public sees it: published, by a worker who is active and approved.
pub async fn get(app: &App, id: ServiceId) -> Result<PublicService> {
    let shown = app.db.point::<store::Services>(id).await?;
    let public = shown.map(|shown| shown.public(app.now())).transpose()?.flatten();
    public.ok_or_else(|| Error::not_found("service"))
}

/// Returns a worker's services as the public sees them, newest first.
pub async fn of_worker(app: &App, worker: UserId, page: &PageRequest) -> Result<Page<ServiceCard>> {
    let limit = page.checked_limit()?;
    let before = page.cursor::<SeqCursor>()?.map_or(i64::MAX, |cursor| cursor.0);
    profiles::public_worker(app, worker).await?;
    let now = app.now();
    let reading = app.db.read_lagging(move |conn| {
        Box::pin(async move {
            let numbers = store::of_worker(conn, now, worker, before, limit + 1).await?;
            let numbers = Page::from_rows(numbers, limit, |number| SeqCursor(*number));
            let cards = store::cards(conn, now, &numbers.items).await?;
            Ok(Page { items: cards, next: numbers.next })
        })
    });
    reading.await
}

/// Closes a service for staff, inside a transaction: its worker cannot publish it until staff say otherwise. Returns whether it
/// was published; none when nothing is changed, as it was closed so before or is gone.
///
/// # Errors
/// `forbidden` for one's own, and without `reports:write`.
pub(crate) async fn block(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: ServiceId,
    reason: RemovalReason,
) -> Result<Option<bool>> {
    let Some(service) = lock_for_staff(op, conn, id).await? else { return Ok(None) };
    if service.closed_reason.is_some() {
        return Ok(None);
    }
    let was_published = service.status == ServiceStatus::Published;
    store::close_for(conn, id, Some(reason), op.now()).await?;
    staff_changed(op, conn, &service, (AuditAction::ServicesClose, ServiceStatus::Closed), None).await?;
    Ok(Some(was_published))
}

/// Takes back what [`block`] did, inside a transaction; with `publish`, the service is public again if its worker may publish it.
/// Returns whether it was closed by staff.
///
/// # Errors
/// Those of [`block`].
pub(crate) async fn unblock(op: &Operation, conn: &mut Conn<'_>, id: ServiceId, publish: bool) -> Result<bool> {
    let Some(service) = lock_for_staff(op, conn, id).await? else { return Ok(false) };
    if service.closed_reason.is_none() {
        return Ok(false);
    }
    store::close_for(conn, id, None, op.now()).await?;
    let worker = accounts::store::get(conn, service.worker_id).await?;
    let may_publish =
        worker.is_some_and(|worker| worker.role == Role::Worker && worker.visible_kyc(op.now()) == KycStatus::Approved);
    let publish = publish && may_publish && service.status == ServiceStatus::Closed;
    if publish {
        learn(conn, plain(&service.search_text)).await?;
        store::publish(conn, id, op.now()).await?;
        // It shows only as far as its worker does.
        worker_changed(conn, op.now(), service.worker_id).await?;
    }
    let status = if publish { ServiceStatus::Published } else { ServiceStatus::Closed };
    staff_changed(op, conn, &service, (AuditAction::ServicesReopen, status), None).await?;
    Ok(true)
}

/// Locks a service that is there, and its worker before it.
pub(super) async fn lock_for_staff(op: &Operation, conn: &mut Conn<'_>, id: ServiceId) -> Result<Option<Service>> {
    op.actor().require(Permission::ReportsWrite)?;
    let Some(found) = store::find(conn, id).await? else { return Ok(None) };
    op.actor().require_other(found.worker_id)?;
    accounts::store::lock(conn, found.worker_id).await?;
    Ok(store::lock(conn, id).await?.filter(|service| service.status != ServiceStatus::Deleted))
}

pub(super) async fn staff_changed(
    op: &Operation,
    conn: &mut Conn<'_>,
    service: &Service,
    (action, status): (AuditAction, ServiceStatus),
    photo: Option<PhotoId>,
) -> Result<()> {
    let mut metadata = serde_json::json!({ "worker": service.worker_id, "from": service.status });
    if let (Some(photo), Some(metadata)) = (photo, metadata.as_object_mut()) {
        metadata.insert("photo".to_owned(), serde_json::json!(photo));
    }
    changed(op, conn, service.id, service.worker_id, status).await?;
    let entry = audit::Entry {
        action,
        target_kind: TargetKind::Service,
        target: service.id.to_string(),
        reason: op.change().reason.map(|reason| reason.to_string()),
        metadata,
    };
    audit::append(op, conn, entry).await
}

/// Returns the worker, the title, the text and the photos of a service that a person sees: one that everybody sees, or one about
/// which they have a thread.
pub(crate) async fn seen(
    conn: &mut Conn<'_>,
    now: Timestamp,
    id: ServiceId,
    viewer: UserId,
) -> Result<Option<(UserId, String, String, Vec<Photo>)>> {
    let Some(service) = store::find(conn, id).await?.filter(|service| service.status != ServiceStatus::Deleted) else {
        return Ok(None);
    };
    let is_public = service.status == ServiceStatus::Published
        && store::may_show(conn, service.worker_id, now).await?
        && profiles::shows(conn, now, service.worker_id).await?;
    let may_see = is_public || service.worker_id == viewer || store::is_talked_of(conn, id, viewer).await?;
    let (content, photos) = (service.content()?, service.photos()?);
    Ok(may_see.then_some((service.worker_id, content.title, content.description, photos)))
}

/// Keeps the photos of a service for staff, even if its worker deletes them, as they were reported with it.
pub(crate) async fn keep_photos(conn: &mut Conn<'_>, id: ServiceId) -> Result<()> {
    photo_store::keep(conn, id).await
}
