//! The reviewers' side up to the decision: queue, claims, files.

use std::time::Duration;

use super::{Record, case, lock_attempt, record};
use crate::{
    accounts,
    app::App,
    base::{
        change::Changed,
        error::{Error, Result},
        ids::{AttemptId, UserId},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    kyc::{
        attempt::{Attempt, Claiming, ESCALATED, OPEN, SNOOZED, lane_of},
        model::{CLAIM, FileContent, FileKind, KycCase, KycFilter, KycSummary},
        status::KycStatus,
        store::{self, NewClaim, QueuePage, Seeker, StoredFile, Waiting},
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

/// Attempts that a reviewer who asks for the next case puts back in their lanes at most, because their time is over.
const WOKEN: i64 = 100;

/// Returns the caller's queue, oldest first; or decided attempts, newest decision first. Without a status, what waits.
///
/// # Errors
/// `invalid` for a limit or cursor that is not valid; `forbidden` without `kyc:read`.
pub async fn list(op: &Operation, filter: &KycFilter, page: &PageRequest) -> Result<Page<KycSummary>> {
    op.actor().require(Permission::KycRead)?;
    let limit = page.checked_limit()?;
    let cursor = page.cursor_in::<TimeCursor>("kyc")?;
    let (now, viewer) = (op.now(), &op.actor().principal());
    filter.check_triage()?;
    if filter.status == Some(KycStatus::None) {
        // That of people who submitted nothing: a state of theirs, and of no attempt.
        return Ok(Page { items: Vec::new(), next: None });
    }
    let waiting = filter.status.is_none_or(KycStatus::is_open);
    let people = match &filter.q {
        Some(q) => Some(accounts::matching(op, q).await?),
        None => None,
    };
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let rows = match (filter.user_id, people) {
        (user, Some(mut people)) => {
            people.retain(|id| user.is_none_or(|user| user == *id));
            of_people(&mut conn, &people, filter, cursor, now).await?
        }
        (Some(user), None) => of_people(&mut conn, &[user], filter, cursor, now).await?,
        (None, None) if waiting => {
            let start = TimeCursor { at: Timestamp::EPOCH, id: uuid::Uuid::nil() };
            waiting_page(op, &mut conn, filter, cursor.unwrap_or(start), limit + 1).await?
        }
        (None, None) => {
            let status = filter.status.unwrap_or(KycStatus::Approved);
            let start = TimeCursor { at: Timestamp::MAX, id: uuid::Uuid::max() };
            store::decided(&mut conn, status, filter.document_type, cursor.unwrap_or(start), limit + 1).await?
        }
    };
    let position = |attempt: &Attempt| TimeCursor {
        at: if waiting { attempt.submitted_at } else { attempt.decided_at.unwrap_or(Timestamp::MAX) },
        id: attempt.id.0,
    };
    let mut page = Page::of_list("kyc", rows, limit, position).map(|attempt| attempt.summary(now, viewer));
    if let Some(holder) = filter.claimed_by.map(Principal::user) {
        page.items.retain(|row| row.claim.as_ref().is_some_and(|claim| claim.holder == holder));
    }
    Ok(page)
}

/// The lanes that a caller works on, in the order in which cases of them come; of what does not concern them, none.
fn lanes(op: &Operation) -> [String; 3] {
    let own = op.actor().user_id().map_or_else(|| OPEN.into(), lane_of);
    let escalated = if op.actor().may(Permission::KycAdmin) { ESCALATED } else { OPEN };
    [own, escalated.into(), OPEN.into()]
}

/// Returns those that wait and pass the filter, oldest first: lane by lane, as each is served by the index.
async fn waiting_page(
    op: &Operation,
    conn: &mut Conn<'_>,
    filter: &KycFilter,
    after: TimeCursor,
    limit: i64,
) -> Result<Vec<Attempt>> {
    let is_unclaimed = filter.status == Some(KycStatus::Pending);
    let page = QueuePage { document_type: filter.document_type, now: op.now(), is_unclaimed, after, limit };
    // There are no more live claims than reviewers.
    if filter.status == Some(KycStatus::InReview) || filter.claimed_by.is_some() {
        return store::queue(conn, Waiting::Claimed, page).await;
    }
    let mut wanted = match (filter.assigned_to, filter.escalated, filter.snoozed) {
        (_, _, true) => vec![SNOOZED.to_owned()],
        (_, true, _) => vec![ESCALATED.to_owned()],
        (Some(user), ..) => vec![lane_of(user)],
        _ if filter.all || !op.actor().may(Permission::KycWrite) => {
            return store::queue(conn, Waiting::All, page).await;
        }
        _ => lanes(op).to_vec(),
    };
    wanted.sort_unstable();
    wanted.dedup();
    let mut rows = Vec::new();
    for lane in &wanted {
        rows.extend(store::queue(conn, Waiting::Lane(lane), page).await?);
    }
    let woken = store::queue(conn, Waiting::Woken, page).await?;
    if filter.snoozed {
        rows.retain(|row| row.snoozed_until.is_some_and(|until| page.now < until));
    } else {
        rows.extend(woken.into_iter().filter(|row| wanted.contains(&row.lane())));
    }
    rows.sort_by_key(|row| (row.submitted_at, row.id));
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(rows)
}

/// Returns the attempts of these users that pass the filter. A user has few, so they are all read and filtered here.
async fn of_people(
    conn: &mut Conn<'_>,
    users: &[UserId],
    filter: &KycFilter,
    cursor: Option<TimeCursor>,
    now: Timestamp,
) -> Result<Vec<Attempt>> {
    /// More than anybody submits.
    const ALL: i64 = 1_000;
    let mut rows = Vec::new();
    for user in users {
        rows.extend(store::of_user(conn, *user, ALL).await?);
    }
    let open = filter.status.is_none_or(KycStatus::is_open);
    rows.retain(|attempt| {
        let shown = attempt.brief(now).status;
        filter.status.map_or(shown.is_open(), |status| shown == status)
            && filter.document_type.is_none_or(|wanted| attempt.document_type == wanted)
            && filter.assigned_to.is_none_or(|wanted| attempt.assigned_to == Some(wanted))
            && (!filter.snoozed || attempt.snoozed_until.is_some_and(|until| now < until))
            && (!filter.escalated || attempt.escalated_at.is_some())
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

/// Claims the next case, and returns none when there is none: first what was given to the caller, then what was escalated if they
/// are an admin, then what is for everybody, the oldest first in each; at last what they skipped.
///
/// # Errors
/// `forbidden` without `kyc:write`.
pub async fn next(op: &Operation) -> Result<Option<KycCase>> {
    op.actor().require(Permission::KycWrite)?;

    op.write(unit!(|op, conn| {
        store::wake(conn, op.now(), WOKEN).await?;
        let Some(id) = next_id(&op, conn).await? else { return Ok(None) };
        let attempt = store::lock(conn, id).await?;
        take(&op, conn, &attempt, attempt.fence + 1).await?;
        let attempt = store::get(conn, id).await?;
        case(&op, conn, &attempt).await.map(Some)
    }))
    .await
}

async fn next_id(op: &Operation, conn: &mut Conn<'_>) -> Result<Option<AttemptId>> {
    let user = op.actor().user_id().unwrap_or(UserId(uuid::Uuid::nil()));
    let seeker = Seeker { reviewer: op.actor().principal(), user, now: op.now() };
    let lanes = lanes(op);
    for lane in &lanes {
        if let Some(id) = store::oldest_unclaimed(conn, lane, &seeker).await? {
            return Ok(Some(id));
        }
    }
    store::first_skipped(conn, lanes.each_ref().map(String::as_str), &seeker).await
}

/// Checks that the caller may decide a case that may have been escalated.
///
/// # Errors
/// `forbidden` when it waits for an admin and the caller is none.
pub(super) fn require_level(op: &Operation, attempt: &Attempt) -> Result<()> {
    if attempt.status.is_open() && attempt.escalated_at.is_some() && !op.actor().may(Permission::KycAdmin) {
        return Err(Error::forbidden("it was escalated: an admin decides it, or gives it back"));
    }
    Ok(())
}

/// Claims an attempt, or renews the caller's claim: then the fencing number stays, and `changed` is false.
///
/// # Errors
/// `conflict` with the [`super::super::model::Claim`] of somebody else, or with the decision that was made.
pub async fn claim(op: &Operation, id: AttemptId) -> Result<Changed<KycCase>> {
    op.actor().require(Permission::KycWrite)?;

    op.write(unit!(|op, conn| {
        let attempt = lock_attempt(&op, conn, id).await?;
        op.actor().require_other(attempt.user_id)?;
        op.check_version(attempt.version)?;
        require_level(&op, &attempt)?;
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

/// Stores a claim of the caller.
pub(super) async fn set_claim(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, fence: i64) -> Result<()> {
    let claim = NewClaim {
        holder: &op.actor().principal(),
        label: &op.actor().label(),
        at: op.now(),
        expires_at: op.now() + CLAIM,
        fence,
        lane: &attempt.lane(),
    };
    store::set_claim(conn, attempt.id, &claim).await
}

/// Stores a new claim, with its records.
async fn take(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, fence: i64) -> Result<()> {
    set_claim(op, conn, attempt, fence).await?;
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
