//! The reviewers' side up to the decision: queue, claims, files.

use std::time::Duration;

use futures::FutureExt;

use super::{Record, case, record};
use crate::{
    actor::Actor,
    app::App,
    base::{
        change::{Change, Changed},
        error::{Error, Result},
        ids::{AttemptId, UserId},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    kyc::{
        attempt::{Attempt, Claiming},
        model::{CLAIM, FileContent, FileKind, KycCase, KycFilter, KycSummary},
        status::KycStatus,
        store::{self, NewClaim, StoredFile, Waiting},
    },
    platform::{db::Conn, keys::Keys},
    records::audit,
};

/// A claim is renewed by looking at the case only when so much of it has passed: a look is then no write, mostly.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// The queue, oldest first; or decided attempts, newest decision first. Without a status, all that wait.
pub async fn list(app: &App, actor: &Actor, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>> {
    actor.require(Permission::KycRead)?;
    let limit = page.checked_limit()?;
    let cursor = page.cursor::<TimeCursor>()?;
    let (now, viewer) = (app.now(), actor.principal());
    let waiting = match filter.status {
        None => Some(Waiting::All),
        Some(KycStatus::Pending) => Some(Waiting::Unclaimed),
        Some(KycStatus::InReview) => Some(Waiting::Claimed),
        Some(KycStatus::None) => return Err(Error::invalid("/status", "no attempt is in the state none")),
        Some(_) => None,
    };
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let rows = match (filter.user_id, waiting) {
        (Some(user), _) => of_user(&mut conn, user, filter, cursor, now).await?,
        (None, Some(which)) => {
            let start = TimeCursor { at: Timestamp::EPOCH, id: uuid::Uuid::nil() };
            store::queue(&mut conn, which, filter.document_type, now, cursor.unwrap_or(start), limit + 1).await?
        }
        (None, None) => {
            let status = filter.status.unwrap_or(KycStatus::Approved);
            let start = TimeCursor { at: Timestamp::MAX, id: uuid::Uuid::max() };
            store::decided(&mut conn, status, filter.document_type, cursor.unwrap_or(start), limit + 1).await?
        }
    };
    let position = |attempt: &Attempt| TimeCursor {
        at: if waiting.is_some() { attempt.submitted_at } else { attempt.decided_at.unwrap_or(Timestamp::MAX) },
        id: attempt.id.0,
    };
    Ok(Page::from_rows(rows, limit, position).map(|attempt| attempt.summary(now, &viewer)))
}

/// One user has few attempts: they are read by their user and chosen here.
async fn of_user(
    conn: &mut Conn<'_>,
    user: UserId,
    filter: &KycFilter,
    cursor: Option<TimeCursor>,
    now: Timestamp,
) -> Result<Vec<Attempt>> {
    /// Nobody submits so often.
    const ALL: i64 = 1_000;
    let mut rows = store::of_user(conn, user, ALL).await?;
    let open = filter.status.is_none_or(KycStatus::is_open);
    rows.retain(|attempt| {
        let shown = attempt.brief(now).status;
        filter.status.map_or(shown.is_open(), |status| shown == status)
            && filter.document_type.is_none_or(|wanted| attempt.document_type == wanted)
    });
    if open {
        rows.sort_by_key(|attempt| (attempt.submitted_at, attempt.id));
        rows.retain(|attempt| cursor.is_none_or(|after| (attempt.submitted_at, attempt.id.0) > (after.at, after.id)));
    } else {
        let at = |attempt: &Attempt| attempt.decided_at.unwrap_or(Timestamp::MAX);
        rows.sort_by_key(|attempt| std::cmp::Reverse((at(attempt), attempt.id)));
        rows.retain(|attempt| cursor.is_none_or(|after| (at(attempt), attempt.id.0) < (after.at, after.id)));
    }
    Ok(rows)
}

/// One attempt with all that is needed to decide. Renews the caller's own claim.
pub async fn show(app: &App, actor: &Actor, id: AttemptId) -> Result<KycCase> {
    actor.require(Permission::KycRead)?;
    let now = app.now();
    let mut reader = app.db.read().await?;
    let mut shown = {
        let mut conn = reader.conn();
        let attempt = store::get(&mut conn, id).await?;
        case(&mut conn, now, actor, &attempt).await?
    };
    drop(reader);
    if let Some(claim) = shown.attempt.claim.as_mut().filter(|claim| claim.mine)
        && now + CLAIM >= claim.expires_at + RENEW_AFTER
    {
        let holder = claim.holder.clone();
        claim.expires_at = now + CLAIM;
        app.db
            .write(move |conn| async move { store::renew_claim(conn, id, &holder, now, now + CLAIM).await }.boxed())
            .await?;
    }
    Ok(shown)
}

/// Claims the oldest attempt that nobody holds and that is not the caller's own; none when there is none.
pub async fn next(app: &App, actor: &Actor, change: &Change) -> Result<Option<KycCase>> {
    actor.require(Permission::KycWrite)?;
    let (keys, now, by) = (app.keys.clone(), app.now(), actor.clone());
    let claimed = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let except = by.user_id().unwrap_or(UserId(uuid::Uuid::nil()));
                let Some(id) = store::oldest_unclaimed(conn, now, except).await? else { return Ok(None) };
                let attempt = store::lock(conn, id).await?;
                take(&keys, conn, now, &by, &attempt, attempt.fence + 1).await?;
                let attempt = store::get(conn, id).await?;
                case(conn, now, &by, &attempt).await.map(Some)
            }
            .boxed()
        })
        .await?;
    if claimed.is_some() && !change.dry_run {
        app.wake();
    }
    Ok(claimed)
}

/// Claims an attempt, or renews the caller's claim: then the fencing number stays, and nothing counts as changed.
///
/// Errors: `conflict` with the [`super::super::model::Claim`] of somebody else, or with the decision that was made.
pub async fn claim(app: &App, actor: &Actor, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
    actor.require(Permission::KycWrite)?;
    let (keys, now, by, if_version) = (app.keys.clone(), app.now(), actor.clone(), change.if_version);
    let answer = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let attempt = store::lock(conn, id).await?;
                by.require_other(attempt.user_id)?;
                attempt.check_version(if_version)?;
                let changed = match attempt.claiming(now, &by.principal())? {
                    Claiming::New { fence } => {
                        take(&keys, conn, now, &by, &attempt, fence).await?;
                        true
                    }
                    Claiming::Renewed => {
                        store::renew_claim(conn, id, &by.principal(), now, now + CLAIM).await?;
                        false
                    }
                };
                let attempt = store::get(conn, id).await?;
                Ok(Changed { changed, item: case(conn, now, &by, &attempt).await? })
            }
            .boxed()
        })
        .await?;
    if answer.changed && !change.dry_run {
        app.wake();
    }
    Ok(answer)
}

/// Stores a new claim, with its records.
async fn take(
    keys: &Keys,
    conn: &mut Conn<'_>,
    now: Timestamp,
    by: &Actor,
    attempt: &Attempt,
    fence: i64,
) -> Result<()> {
    let new = NewClaim { holder: &by.principal(), label: &by.label(), expires_at: now + CLAIM, fence };
    store::set_claim(conn, attempt.id, &new).await?;
    let what = Record { action: "kyc.claim", event: "kyc.claimed", reason: None, fence };
    record(keys, conn, now, by, attempt, what).await
}

/// Gives the caller's claim back to the queue; nothing changes when they have none.
pub async fn release(app: &App, actor: &Actor, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
    actor.require(Permission::KycWrite)?;
    let (keys, now, by, if_version) = (app.keys.clone(), app.now(), actor.clone(), change.if_version);
    let answer = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let mut attempt = store::lock(conn, id).await?;
                by.require_other(attempt.user_id)?;
                attempt.check_version(if_version)?;
                let changed = attempt.claim(now, &by.principal()).is_some_and(|claim| claim.mine);
                if changed {
                    store::clear_claim(conn, id).await?;
                    let fence = attempt.fence;
                    let what = Record { action: "kyc.release", event: "kyc.released", reason: None, fence };
                    record(&keys, conn, now, &by, &attempt, what).await?;
                    attempt = store::get(conn, id).await?;
                }
                Ok(Changed { changed, item: case(conn, now, &by, &attempt).await? })
            }
            .boxed()
        })
        .await?;
    if answer.changed && !change.dry_run {
        app.wake();
    }
    Ok(answer)
}

/// One file, decrypted. The audit row is durable before the file is read; renews the caller's own claim.
///
/// Errors: `not_found` for an attempt that is not there or was erased; `internal` when the file was altered or swapped.
pub async fn file(app: &App, actor: &Actor, id: AttemptId, kind: FileKind) -> Result<FileContent> {
    actor.require(Permission::KycRead)?;
    let (keys, now, by) = (app.keys.clone(), app.now(), actor.clone());
    let (stored, wrapped_key) = app
        .db
        .write(move |conn| {
            async move {
                let user = store::subject(conn, id).await?;
                let mut stored = store::stored_file(conn, id, kind).await?;
                let wrapped_key = stored.as_mut().and_then(|stored| stored.wrapped_key.take());
                let (Some(stored), Some(wrapped_key)) = (stored, wrapped_key) else {
                    let why = match store::files_deleted_at(conn, id).await? {
                        Some(at) => format!("files deleted by retention at {at}"),
                        None => "it was erased".to_owned(),
                    };
                    return Err(Error::not_found(format_args!("{kind} of attempt {id}: {why}")));
                };
                store::renew_claim(conn, id, &by.principal(), now, now + CLAIM).await?;
                let entry = audit::Entry {
                    action: "kyc.view",
                    target_kind: "attempt",
                    target: id.to_string(),
                    reason: None,
                    metadata: serde_json::json!({ "user": user, "file": kind }),
                };
                audit::append(&keys, conn, now, &by, entry).await?;
                Ok((stored, wrapped_key))
            }
            .boxed()
        })
        .await?;
    open(app, id, kind, stored, &wrapped_key).await
}

/// Reads and decrypts a file.
pub(super) async fn open(
    app: &App,
    id: AttemptId,
    kind: FileKind,
    stored: StoredFile,
    wrapped_key: &[u8],
) -> Result<FileContent> {
    let bytes =
        app.files.get_opened(&app.keys, id.into(), kind.as_str(), &stored.object_key, Some(wrapped_key)).await?;
    Ok(FileContent { media_type: stored.media_type, bytes: bytes.into() })
}
