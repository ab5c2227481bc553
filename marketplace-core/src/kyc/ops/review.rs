//! The reviewers' side up to the decision: queue, claims, files.

use std::time::Duration;

use super::{Record, case, record};
use crate::{
    app::App,
    base::{
        change::Changed,
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
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction},
        events::EventKind,
        target::TargetKind,
    },
};

/// The age from which looking at a case renews its claim, so that most looks write nothing.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// Returns the queue, oldest first; or decided attempts, newest decision first. Without a status, all that wait.
///
/// # Errors
/// `invalid` for the status `none`, and for a limit or cursor that is not valid; `forbidden` without `kyc:read`.
pub async fn list(op: &Operation, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>> {
    op.actor().require(Permission::KycRead)?;
    let limit = page.checked_limit()?;
    let cursor = page.cursor_in::<TimeCursor>("kyc")?;
    let (now, viewer) = (op.now(), &op.actor().principal());
    let waiting = match filter.status {
        None => Some(Waiting::All),
        Some(KycStatus::Pending) => Some(Waiting::Unclaimed),
        Some(KycStatus::InReview) => Some(Waiting::Claimed),
        Some(KycStatus::None) => return Err(Error::invalid("/status", "no attempt is in the state none")),
        Some(_) => None,
    };
    let mut reader = op.db.read().await?;
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
    Ok(Page::of_list("kyc", rows, limit, position).map(|attempt| attempt.summary(now, viewer)))
}

/// Returns one user's attempts that pass the filter. A user has few, so they are all read and filtered here.
async fn of_user(
    conn: &mut Conn<'_>,
    user: UserId,
    filter: &KycFilter,
    cursor: Option<TimeCursor>,
    now: Timestamp,
) -> Result<Vec<Attempt>> {
    /// More than anybody submits.
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

/// Returns one attempt with everything that is needed to decide. Renews the caller's own claim.
///
/// # Errors
/// `not_found` when there is no such attempt; `forbidden` without `kyc:read`.
pub async fn show(op: &Operation, id: AttemptId) -> Result<KycCase> {
    op.actor().require(Permission::KycRead)?;

    let mut reader = op.db.read().await?;
    let mut shown = {
        let mut conn = reader.conn();
        let attempt = store::get(&mut conn, id).await?;
        case(op, &mut conn, &attempt).await?
    };
    drop(reader);
    if let Some(claim) = shown.attempt.claim.as_mut().filter(|claim| claim.mine)
        && op.now() + CLAIM >= claim.expires_at + RENEW_AFTER
    {
        let holder = claim.holder.clone();
        claim.expires_at = op.now() + CLAIM;
        op.write(unit!(|op, conn| { store::renew_claim(conn, id, &holder, op.now(), op.now() + CLAIM).await })).await?;
    }
    Ok(shown)
}

/// Claims the oldest unclaimed attempt that is not the caller's own; returns none when there is none.
///
/// # Errors
/// `forbidden` without `kyc:write`.
pub async fn next(op: &Operation) -> Result<Option<KycCase>> {
    op.actor().require(Permission::KycWrite)?;

    op.write(unit!(|op, conn| {
        let except = op.actor().user_id().unwrap_or(UserId(uuid::Uuid::nil()));
        let Some(id) = store::oldest_unclaimed(conn, op.now(), except).await? else { return Ok(None) };
        let attempt = store::lock(conn, id).await?;
        take(&op, conn, &attempt, attempt.fence + 1).await?;
        let attempt = store::get(conn, id).await?;
        case(&op, conn, &attempt).await.map(Some)
    }))
    .await
}

/// Claims an attempt, or renews the caller's claim: then the fencing number stays, and `changed` is false.
///
/// # Errors
/// `conflict` with the [`super::super::model::Claim`] of somebody else, or with the decision that was made.
pub async fn claim(op: &Operation, id: AttemptId) -> Result<Changed<KycCase>> {
    op.actor().require(Permission::KycWrite)?;

    op.write(unit!(|op, conn| {
        let attempt = store::lock(conn, id).await?;
        op.actor().require_other(attempt.user_id)?;
        op.check_version(attempt.version)?;
        let changed = match attempt.claiming(op.now(), &op.actor().principal())? {
            Claiming::New { fence } => {
                take(&op, conn, &attempt, fence).await?;
                true
            }
            Claiming::Renewed => {
                store::renew_claim(conn, id, &op.actor().principal(), op.now(), op.now() + CLAIM).await?;
                false
            }
        };
        let attempt = store::get(conn, id).await?;
        Ok(Changed { changed, item: case(&op, conn, &attempt).await? })
    }))
    .await
}

/// Stores a new claim, with its records.
async fn take(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, fence: i64) -> Result<()> {
    let new =
        NewClaim { holder: &op.actor().principal(), label: &op.actor().label(), expires_at: op.now() + CLAIM, fence };
    store::set_claim(conn, attempt.id, &new).await?;
    let what = Record { action: AuditAction::KycClaim, event: EventKind::KycClaimed, reason: None, fence };
    record(op, conn, attempt, what).await
}

/// Releases the caller's claim, which returns the attempt to the queue; changes nothing when they have none.
///
/// # Errors
/// `forbidden` about oneself; `precondition_failed` at another version.
pub async fn release(op: &Operation, id: AttemptId) -> Result<Changed<KycCase>> {
    op.actor().require(Permission::KycWrite)?;

    op.write(unit!(|op, conn| {
        let mut attempt = store::lock(conn, id).await?;
        op.actor().require_other(attempt.user_id)?;
        op.check_version(attempt.version)?;
        let changed = attempt.claim(op.now(), &op.actor().principal()).is_some_and(|claim| claim.mine);
        if changed {
            store::clear_claim(conn, id).await?;
            let fence = attempt.fence;
            let what = Record { action: AuditAction::KycRelease, event: EventKind::KycReleased, reason: None, fence };
            record(&op, conn, &attempt, what).await?;
            attempt = store::get(conn, id).await?;
        }
        Ok(Changed { changed, item: case(&op, conn, &attempt).await? })
    }))
    .await
}

/// Returns one file, decrypted. The audit row is durable before the file is read; renews the caller's own claim.
///
/// # Errors
/// `not_found` for an attempt that is not there or was erased; `internal` when the file was altered or swapped.
pub async fn file(op: &Operation, id: AttemptId, kind: FileKind) -> Result<FileContent> {
    op.actor().require(Permission::KycRead)?;

    let (stored, wrapped_key) = op
        .write(unit!(|op, conn| {
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
            store::renew_claim(conn, id, &op.actor().principal(), op.now(), op.now() + CLAIM).await?;
            let entry = audit::Entry {
                action: AuditAction::KycView,
                target_kind: TargetKind::Attempt,
                target: id.to_string(),
                reason: None,
                metadata: serde_json::json!({ "user": user, "file": kind }),
            };
            audit::append(&op, conn, entry).await?;
            Ok((stored, wrapped_key))
        }))
        .await?;
    open(op, id, kind, stored, &wrapped_key).await
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
