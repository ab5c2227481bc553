//! All SQL queries for identity checks.
//!
//! Each list uses one index: waiting attempts by `(status, lane, submitted_at, id)`, or all of them by `(status, submitted_at, id)`,
//! decided ones by `(status, decided_at,
//! id)`, claimed ones by the end of the claim, and a user's own by `(user_id, number)`.

use std::time::Duration;

use uuid::Uuid;

use super::{
    attempt::{Attempt, Placed, UserKyc, lane},
    model::{Assignee, DocumentType, FileInfo, FileKind, TriageAct, TriageEntry},
};
use crate::{
    base::{
        count::Count,
        error::{Error, Result},
        ids::{AttemptId, UserId},
        page::TimeCursor,
        principal::Principal,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    platform::db::Conn,
};

/// Expands to the columns of [`Attempt`].
macro_rules! attempt_columns {
    ($form:ident) => {
        $crate::column_list!($form: id "a.id", id "a.user_id", int "a.number", text "a.document_type", text "a.status", time "a.submitted_at",
            text "a.claim_holder", text "a.claim_label", time "a.claim_expires_at", int "a.fence", text "a.decided_by",
            time "a.decided_at", time "a.effective_at", text "a.reasons", text "a.comment", text "a.note", text "a.undo",
            int "a.version", time "a.files_deleted_at", text "u.name", text "u.status" => "user_status",
            time "a.snoozed_until", opt_id "a.assigned_to", time "a.escalated_at", text "s.name" => "assignee_name",
            time "a.claimed_at")
    };
}

/// Expands to the rows that [`attempt_columns`] are read from, with a condition.
macro_rules! attempts {
    ($($rest:literal),+) => {
        concat!("FROM kyc_attempts a JOIN users u ON u.id = a.user_id LEFT JOIN users s ON s.id = a.assigned_to WHERE ", $($rest),+)
    };
}

/// Expands to a query of whole attempts.
macro_rules! attempt {
    ($rest:literal) => {
        concat!("SELECT ", attempt_columns!(rows), " ", attempts!($rest))
    };
}

/// Returns one attempt.
pub(super) async fn get(conn: &mut Conn<'_>, id: AttemptId) -> Result<Attempt> {
    q!(conn => opt Attempt, attempt!("a.id = $1"), id)?.ok_or_else(|| Error::not_found(format_args!("attempt {id}")))
}

/// Returns one attempt, and locks it until the end of the transaction.
pub(super) async fn lock(conn: &mut Conn<'_>, id: AttemptId) -> Result<Attempt> {
    q!(conn => opt Attempt, [sqlite: attempt!("a.id = $1"), pg: attempt!("a.id = $1 FOR UPDATE OF a")], id)?
        .ok_or_else(|| Error::not_found(format_args!("attempt {id}")))
}

/// Returns the user whose attempt it is.
pub(super) async fn subject(conn: &mut Conn<'_>, id: AttemptId) -> Result<UserId> {
    q!(conn => optval UserId, "SELECT user_id FROM kyc_attempts WHERE id = $1", id)?
        .ok_or_else(|| Error::not_found(format_args!("attempt {id}")))
}

/// Returns a user's attempts, newest first.
pub(super) async fn of_user(conn: &mut Conn<'_>, user: UserId, limit: i64) -> Result<Vec<Attempt>> {
    Ok(
        q!(conn => page Attempt, attempt_columns, attempts!("a.user_id = $1 ORDER BY a.number DESC LIMIT ($2 + 0)"), user, limit)?,
    )
}

/// Returns a user's newest attempt.
pub(super) async fn latest(conn: &mut Conn<'_>, user: UserId) -> Result<Option<AttemptId>> {
    Ok(
        q!(conn => optval AttemptId, "SELECT id FROM kyc_attempts WHERE user_id = $1 ORDER BY number DESC LIMIT 1", user)?,
    )
}

/// Returns the files of an attempt, the document first.
pub(super) async fn files(conn: &mut Conn<'_>, id: AttemptId) -> Result<Vec<FileInfo>> {
    Ok(q!(conn => all FileInfo,
        "SELECT kind, media_type, size, width, height FROM kyc_files WHERE attempt_id = $1 ORDER BY kind", id)?)
}

/// Location of a file in the store.
#[derive(sqlx_macros::FromRow)]
pub(super) struct StoredFile {
    pub object_key: String,
    pub media_type: String,
    /// Encrypted key of the file; `None` once erased.
    pub wrapped_key: Option<Vec<u8>>,
}

/// Returns when the files of an attempt were deleted because their retention period had ended.
pub(super) async fn files_deleted_at(conn: &mut Conn<'_>, id: AttemptId) -> Result<Option<Timestamp>> {
    Ok(q!(conn => optval Option<Timestamp>, "SELECT files_deleted_at FROM kyc_attempts WHERE id = $1", id)?.flatten())
}

/// Returns attempts with a given outcome that were decided before `before` and whose files are still kept, oldest
/// decision first.
pub(super) async fn files_past(
    conn: &mut Conn<'_>,
    outcome: KycStatus,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<AttemptId>> {
    Ok(q!(conn => vals AttemptId,
        "SELECT id FROM kyc_attempts WHERE wrapped_key IS NOT NULL AND decided_at IS NOT NULL AND status = $1 \
         AND decided_at <= $2 ORDER BY decided_at LIMIT ($3 + 0)",
        outcome, before, limit)?)
}

/// Deletes the files of an attempt: they are unreadable from the commit on, because their key is gone, and their
/// objects are queued for deletion. Returns `false` when they were already deleted.
pub(super) async fn drop_files(conn: &mut Conn<'_>, id: AttemptId, now: Timestamp) -> Result<bool> {
    let kept = q!(conn => exec,
        "UPDATE kyc_attempts SET wrapped_key = NULL, files_deleted_at = $2, version = version + 1 \
         WHERE id = $1 AND wrapped_key IS NOT NULL", id, now)?;
    q!(conn => exec,
        "INSERT INTO file_deletions (object_key, created_at) SELECT object_key, $2 FROM kyc_files WHERE attempt_id = $1 \
         ON CONFLICT (object_key) DO NOTHING", id, now)?;
    q!(conn => exec, "DELETE FROM kyc_files WHERE attempt_id = $1", id)?;
    Ok(kept == 1)
}

/// Counts the objects that are queued for deletion, up to `cap`.
pub(super) async fn count_deletions(conn: &mut Conn<'_>, cap: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM file_deletions LIMIT ($1 + 0)) AS capped", cap)?)
}

/// Clears the name of an erased member of staff from the claims that they hold.
pub(super) async fn clear_claim_label(conn: &mut Conn<'_>, holder: &Principal) -> Result<()> {
    q!(conn => exec,
        "UPDATE kyc_attempts SET claim_label = NULL WHERE claim_expires_at IS NOT NULL AND claim_holder = $1", holder)?;
    Ok(())
}

/// Returns where a file is stored, and the key with which it is encrypted.
pub(super) async fn stored_file(conn: &mut Conn<'_>, id: AttemptId, kind: FileKind) -> Result<Option<StoredFile>> {
    Ok(q!(conn => opt StoredFile,
        "SELECT f.object_key, f.media_type, a.wrapped_key FROM kyc_files f JOIN kyc_attempts a ON a.id = f.attempt_id \
         WHERE f.attempt_id = $1 AND f.kind = $2",
        id, kind)?)
}

/// Returns the file of the newest attempt that has a file with its key.
pub(super) async fn newest_file(conn: &mut Conn<'_>) -> Result<Option<(AttemptId, FileKind, StoredFile)>> {
    let found = q!(conn => opt (AttemptId, FileKind),
        "SELECT f.attempt_id, f.kind FROM kyc_files f JOIN kyc_attempts a ON a.id = f.attempt_id \
         WHERE f.attempt_id <= $1 AND a.wrapped_key IS NOT NULL ORDER BY f.attempt_id DESC LIMIT 1",
        AttemptId(Uuid::max()))?;
    let Some((id, kind)) = found else { return Ok(None) };
    Ok(stored_file(conn, id, kind).await?.map(|stored| (id, kind, stored)))
}

/// Selects among the waiting attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting<'a> {
    /// All of them.
    All,
    /// Those that somebody holds.
    Claimed,
    /// Those of a lane.
    Lane(&'a str),
    /// Those that were set aside until a time that is over, and are not back in their lane yet.
    Woken,
}

/// Which waiting attempts, and which page of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueuePage {
    pub document_type: Option<DocumentType>,
    pub now: Timestamp,
    /// Whether those that somebody holds are left out.
    pub is_unclaimed: bool,
    pub after: TimeCursor,
    pub limit: i64,
}

/// Returns the queue, oldest first.
pub(super) async fn queue(conn: &mut Conn<'_>, which: Waiting<'_>, page: QueuePage) -> Result<Vec<Attempt>> {
    macro_rules! waiting {
        ($which:literal) => {
            attempts!(
                $which,
                " AND (a.submitted_at, a.id) > ($1, $2) AND (a.document_type = $3 OR $3 IS NULL) \
                 AND (a.claim_expires_at IS NULL OR a.claim_expires_at <= $4 OR $4 IS NULL) \
                 ORDER BY a.submitted_at, a.id LIMIT ($5 + 0)"
            )
        };
    }
    let QueuePage { document_type, now, is_unclaimed, after: TimeCursor { at, id }, limit } = page;
    let free_at = is_unclaimed.then_some(now);
    Ok(match which {
        Waiting::All => q!(conn => page Attempt, attempt_columns, waiting!("a.status = 'pending'"),
            at, id, document_type, free_at, limit)?,
        Waiting::Lane(lane) => {
            q!(conn => page Attempt, attempt_columns, waiting!("a.status = 'pending' AND a.lane = $6"),
            at, id, document_type, free_at, limit, lane)?
        }
        // There are no more live claims than reviewers, and what has woken is back in its lane a moment later; so these
        // queries sort without an index.
        Waiting::Woken => q!(conn => page Attempt, attempt_columns,
            waiting!("a.snoozed_until <= $6 AND a.status || '' = 'pending'"),
            at, id, document_type, free_at, limit, now)?,
        // Only waiting attempts have a claim.
        Waiting::Claimed => q!(conn => page Attempt, attempt_columns, waiting!("a.claim_expires_at > $6"),
            at, id, document_type, free_at, limit, now)?,
    })
}

/// Returns decided attempts of one status, newest decision first.
pub(super) async fn decided(
    conn: &mut Conn<'_>,
    status: KycStatus,
    document_type: Option<DocumentType>,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<Attempt>> {
    Ok(q!(conn => page Attempt, attempt_columns,
        attempts!("a.status = $1 AND (a.decided_at, a.id) < ($2, $3) AND (a.document_type = $4 OR $4 IS NULL) \
                  ORDER BY a.decided_at DESC, a.id DESC LIMIT ($5 + 0)"),
        status, before.at, before.id, document_type, limit)?)
}

/// Who asks for the next case.
#[derive(Debug, Clone)]
pub(super) struct Seeker {
    pub reviewer: Principal,
    /// Their own attempts are not for them.
    pub user: UserId,
    pub now: Timestamp,
}

/// Returns the oldest waiting attempt of a lane that nobody has claimed, that is not the seeker's own, and that they have not
/// skipped. PostgreSQL also locks it, and skips attempts that others have locked.
pub(super) async fn oldest_unclaimed(conn: &mut Conn<'_>, lane: &str, seeker: &Seeker) -> Result<Option<AttemptId>> {
    macro_rules! oldest {
        () => {
            "SELECT a.id FROM kyc_attempts a WHERE a.status = 'pending' AND a.lane = $1 \
             AND (a.claim_expires_at IS NULL OR a.claim_expires_at <= $2) AND a.user_id <> $3 \
             AND NOT EXISTS (SELECT 1 FROM kyc_skips s WHERE s.attempt_id = a.id AND s.reviewer = $4) \
             ORDER BY a.submitted_at, a.id LIMIT 1"
        };
    }
    Ok(q!(conn => optval AttemptId, [
        sqlite: oldest!(),
        pg: concat!(oldest!(), " FOR UPDATE OF a SKIP LOCKED"),
    ], lane, seeker.now, seeker.user, &seeker.reviewer)?)
}

/// Returns the attempt of these lanes that the seeker skipped first, if nobody has claimed it.
pub(super) async fn first_skipped(conn: &mut Conn<'_>, lanes: [&str; 3], seeker: &Seeker) -> Result<Option<AttemptId>> {
    macro_rules! skipped {
        () => {
            "SELECT a.id FROM kyc_skips s JOIN kyc_attempts a ON a.id = s.attempt_id WHERE s.reviewer = $4 \
             AND a.status || '' = 'pending' AND a.lane || '' IN ($1, $5, $6) \
             AND (a.claim_expires_at IS NULL OR a.claim_expires_at <= $2) AND a.user_id <> $3 \
             ORDER BY s.number, s.attempt_id LIMIT 1"
        };
    }
    let [first, second, third] = lanes;
    Ok(q!(conn => optval AttemptId, [
        sqlite: skipped!(),
        pg: concat!(skipped!(), " FOR UPDATE OF a SKIP LOCKED"),
    ], first, seeker.now, seeker.user, &seeker.reviewer, second, third)?)
}

/// Puts an attempt behind all others, for one reviewer.
pub(super) async fn skip(conn: &mut Conn<'_>, id: AttemptId, reviewer: &Principal) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO kyc_skips (attempt_id, reviewer, number) VALUES ($1, $2, \
         (SELECT coalesce(max(number), 0) + 1 FROM kyc_skips WHERE reviewer = $2)) \
         ON CONFLICT (attempt_id, reviewer) DO UPDATE SET number = excluded.number",
        id, reviewer)?;
    Ok(())
}

/// Returns whether a reviewer has skipped an attempt.
pub(super) async fn is_skipped(conn: &mut Conn<'_>, id: AttemptId, reviewer: &Principal) -> Result<bool> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM kyc_skips WHERE attempt_id = $1 AND reviewer = $2", id, reviewer)?
        > 0)
}

/// Stores where an attempt waits from now on, and ends the claim on it.
pub(super) async fn place(conn: &mut Conn<'_>, id: AttemptId, placed: &Placed) -> Result<()> {
    q!(conn => exec,
        "UPDATE kyc_attempts SET snoozed_until = $2, assigned_to = $3, escalated_at = $4, lane = $5, claim_holder = NULL, \
         claim_label = NULL, claim_expires_at = NULL, version = version + 1 WHERE id = $1",
        id, placed.snoozed_until, placed.assigned_to, placed.escalated_at, placed.lane())?;
    Ok(())
}

/// Puts attempts back in their lanes that were set aside until a time that is over; as people see them, nothing changes.
pub(super) async fn wake(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<u64> {
    macro_rules! due {
        () => {
            "SELECT id, assigned_to, escalated_at FROM kyc_attempts WHERE snoozed_until <= $1 ORDER BY snoozed_until, id \
             LIMIT ($2 + 0)"
        };
    }
    let due = q!(conn => all (AttemptId, Option<UserId>, Option<Timestamp>), [
        sqlite: due!(),
        pg: concat!(due!(), " FOR UPDATE SKIP LOCKED"),
    ], now, limit)?;
    for (id, assigned_to, escalated_at) in &due {
        q!(conn => exec, "UPDATE kyc_attempts SET snoozed_until = NULL, lane = $2 WHERE id = $1",
            *id, lane(*assigned_to, escalated_at.is_some()))?;
    }
    Ok(due.len() as u64)
}

/// Returns whether any attempt is to be put back in its lane.
pub(super) async fn any_due(conn: &mut Conn<'_>, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => optval i64, "SELECT CAST(1 AS BIGINT) FROM kyc_attempts WHERE snoozed_until <= $1 LIMIT 1", now)?
        .is_some())
}

/// Returns when the attempt was submitted that has waited longest.
pub(super) async fn oldest(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    Ok(q!(conn => optval Timestamp,
        "SELECT submitted_at FROM kyc_attempts WHERE status = 'pending' ORDER BY submitted_at, id LIMIT 1")?)
}

/// A row of the history to be stored.
pub(super) struct NewTriage<'a> {
    pub act: TriageAct,
    pub by: &'a Principal,
    pub until: Option<Timestamp>,
    pub assigned_to: Option<UserId>,
    pub note: Option<&'a str>,
}

/// Appends to the history of a locked attempt.
pub(super) async fn append(conn: &mut Conn<'_>, id: AttemptId, now: Timestamp, new: &NewTriage<'_>) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO kyc_history (attempt_id, number, at, actor, act, until, assigned_to, note) VALUES \
         ($1, (SELECT coalesce(max(number), 0) + 1 FROM kyc_history WHERE attempt_id = $1), $2, $3, $4, $5, $6, $7)",
        id, now, new.by, new.act, new.until, new.assigned_to, new.note)?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct History {
    at: Timestamp,
    actor: Principal,
    act: TriageAct,
    until: Option<Timestamp>,
    assigned_to: Option<UserId>,
    name: Option<String>,
    note: Option<String>,
}

/// Returns the latest rows of an attempt's history, oldest first.
pub(super) async fn history(conn: &mut Conn<'_>, id: AttemptId, limit: i64) -> Result<Vec<TriageEntry>> {
    let mut rows = q!(conn => all History,
        "SELECT h.at, h.actor, h.act, h.until, h.assigned_to, u.name, h.note FROM kyc_history h \
         LEFT JOIN users u ON u.id = h.assigned_to WHERE h.attempt_id = $1 ORDER BY h.number DESC LIMIT ($2 + 0)",
        id, limit)?;
    rows.reverse();
    let entry = |row: History| TriageEntry {
        at: row.at,
        by: row.actor,
        act: row.act,
        until: row.until,
        assignee: row.assigned_to.map(|id| Assignee { id, name: row.name.unwrap_or_default() }),
        note: row.note,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// Returns who holds live claims, once for each.
pub(crate) async fn holders(conn: &mut Conn<'_>, now: Timestamp) -> Result<Vec<Principal>> {
    Ok(q!(conn => vals Principal,
        "SELECT claim_holder FROM kyc_attempts WHERE claim_expires_at > $1 AND claim_holder IS NOT NULL", now)?)
}

/// Returns the attempts that somebody holds now, locked.
pub(super) async fn held_by(conn: &mut Conn<'_>, holder: &Principal, now: Timestamp) -> Result<Vec<AttemptId>> {
    macro_rules! held {
        () => {
            "SELECT id FROM kyc_attempts WHERE claim_expires_at > $2 AND claim_holder = $1"
        };
    }
    Ok(q!(conn => vals AttemptId, [sqlite: held!(), pg: concat!(held!(), " FOR UPDATE")], holder, now)?)
}

/// Gives everything back to everybody that waits and was given to somebody, and says so in the history of each.
pub(super) async fn unassign(conn: &mut Conn<'_>, user: UserId, by: &Principal, now: Timestamp) -> Result<u64> {
    q!(conn => exec,
        "INSERT INTO kyc_history (attempt_id, number, at, actor, act) SELECT a.id, \
         (SELECT coalesce(max(h.number), 0) + 1 FROM kyc_history h WHERE h.attempt_id = a.id), $2, $3, $4 \
         FROM kyc_attempts a WHERE a.assigned_to = $1 AND a.status || '' = 'pending'",
        user, now, by, TriageAct::Returned)?;
    Ok(q!(conn => exec,
        "UPDATE kyc_attempts SET assigned_to = NULL, lane = CASE WHEN snoozed_until IS NULL THEN 'open' ELSE 'snoozed' END, \
         version = version + 1 WHERE assigned_to = $1",
        user)?)
}

/// A claim to be stored.
pub(super) struct NewClaim<'a> {
    pub holder: &'a Principal,
    pub label: &'a str,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub fence: i64,
    /// Where the attempt waits if the claim ends: it is no longer set aside.
    pub lane: &'a str,
}

/// Stores a claim.
pub(super) async fn set_claim(conn: &mut Conn<'_>, id: AttemptId, claim: &NewClaim<'_>) -> Result<()> {
    q!(conn => exec,
        "UPDATE kyc_attempts SET claim_holder = $2, claim_label = $3, claim_expires_at = $4, fence = $5, claimed_at = $6, \
         snoozed_until = NULL, lane = $7, version = version + 1 WHERE id = $1",
        id, claim.holder, claim.label, claim.expires_at, claim.fence, claim.at, claim.lane)?;
    Ok(())
}

/// Moves the end of a live claim. This does not count as a change of the attempt: its version stays.
pub(super) async fn renew_claim(
    conn: &mut Conn<'_>,
    id: AttemptId,
    holder: &Principal,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE kyc_attempts SET claim_expires_at = $4 WHERE id = $1 AND claim_holder = $2 AND claim_expires_at > $3",
        id, holder, now, expires_at)?;
    Ok(())
}

/// Ends a claim.
pub(super) async fn clear_claim(conn: &mut Conn<'_>, id: AttemptId) -> Result<()> {
    q!(conn => exec,
        "UPDATE kyc_attempts SET claim_holder = NULL, claim_label = NULL, claim_expires_at = NULL, version = version + 1 \
         WHERE id = $1",
        id)?;
    Ok(())
}

/// A decision to be stored; all fields are `None` when there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Decided {
    pub by: Option<Principal>,
    pub at: Option<Timestamp>,
    pub effective_at: Option<Timestamp>,
    pub reasons: Option<String>,
    pub comment: Option<String>,
    pub note: Option<String>,
    pub undo: Option<String>,
}

/// Stores a status with its decision, and ends the claim, unless the attempt has changed since it was read.
pub(super) async fn set_decision(
    conn: &mut Conn<'_>,
    read: &Attempt,
    status: KycStatus,
    fence: i64,
    decided: Decided,
) -> Result<()> {
    let changed = q!(conn => exec,
        "UPDATE kyc_attempts SET status = $3, fence = $4, decided_by = $5, decided_at = $6, effective_at = $7, reasons = $8, \
         comment = $9, note = $10, undo = $11, claim_holder = NULL, claim_label = NULL, claim_expires_at = NULL, \
         snoozed_until = NULL, lane = $12, version = version + 1 WHERE id = $1 AND version = $2",
        read.id, read.version, status, fence, decided.by, decided.at, decided.effective_at, decided.reasons, decided.comment,
        decided.note, decided.undo, read.lane())?;
    q!(conn => exec, "DELETE FROM kyc_skips WHERE attempt_id = $1", read.id)?;
    if changed == 1 { Ok(()) } else { Err(Error::conflict("it was changed meanwhile; load it again", ())) }
}

/// Stores since when the claim was held under which an attempt was decided; none when it was decided at once.
pub(super) async fn set_claimed_at(conn: &mut Conn<'_>, id: AttemptId, at: Option<Timestamp>) -> Result<()> {
    q!(conn => exec, "UPDATE kyc_attempts SET claimed_at = $2 WHERE id = $1", id, at)?;
    Ok(())
}

/// Stores the status of an account's identity check.
pub(super) async fn set_user(conn: &mut Conn<'_>, user: UserId, kyc: UserKyc, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE users SET kyc_status = $2, kyc_prior = $3, kyc_effective_at = $4, kyc_expires_at = $5, \
         version = version + 1, updated_at = $6 WHERE id = $1",
        user, kyc.status, kyc.prior, kyc.effective_at, kyc.expires_at, now)?;
    Ok(())
}

/// An attempt to be stored.
#[derive(Debug, Clone)]
pub(super) struct NewAttempt {
    pub id: AttemptId,
    pub user_id: UserId,
    pub document_type: DocumentType,
    pub submitted_at: Timestamp,
    pub wrapped_key: Vec<u8>,
    pub files: Vec<NewFile>,
}

/// A file to be stored.
#[derive(Debug, Clone)]
pub(super) struct NewFile {
    pub object_key: String,
    pub info: FileInfo,
}

/// Stores a new attempt with the user's next number, and its files.
pub(super) async fn insert(conn: &mut Conn<'_>, new: &NewAttempt) -> Result<i64> {
    let number = q!(conn => val i64,
        "INSERT INTO kyc_attempts (id, user_id, number, document_type, status, submitted_at, wrapped_key, fence, version) \
         VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM kyc_attempts WHERE user_id = $2), $3, 'pending', $4, $5, 0, 1) \
         RETURNING number",
        new.id, new.user_id, new.document_type, new.submitted_at, &new.wrapped_key)?;
    for file in &new.files {
        let info = &file.info;
        q!(conn => exec,
            "INSERT INTO kyc_files (attempt_id, kind, object_key, media_type, size, width, height) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            new.id, info.kind, &file.object_key, &info.media_type, info.size, info.width, info.height)?;
    }
    Ok(number)
}

/// Returns users whose approval has expired.
pub(super) async fn expired_users(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<UserId>> {
    Ok(q!(conn => vals UserId,
        "SELECT id FROM users WHERE kyc_expires_at IS NOT NULL AND kyc_expires_at <= $1 ORDER BY kyc_expires_at LIMIT ($2 + 0)",
        now, limit)?)
}

/// Marks as expired the attempt that an account's approval belongs to.
pub(super) async fn expire_attempt(conn: &mut Conn<'_>, user: UserId) -> Result<Option<AttemptId>> {
    Ok(q!(conn => optval AttemptId,
        "UPDATE kyc_attempts SET status = 'expired', version = version + 1 WHERE status || '' = 'approved' AND id = \
         (SELECT id FROM kyc_attempts WHERE user_id = $1 ORDER BY number DESC LIMIT 1) RETURNING id",
        user)?)
}

/// Deletes all personal data in a user's attempts, and undecided attempts as a whole. Files are queued for deletion,
/// and are unreadable from the commit on, because their keys are gone.
pub(super) async fn erase(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO file_deletions (object_key, created_at) SELECT object_key, $2 FROM kyc_files WHERE attempt_id IN \
         (SELECT id FROM kyc_attempts WHERE user_id = $1) ON CONFLICT (object_key) DO NOTHING",
        user, now)?;
    q!(conn => exec,
        "DELETE FROM kyc_files WHERE attempt_id IN (SELECT id FROM kyc_attempts WHERE user_id = $1)", user)?;
    q!(conn => exec, "DELETE FROM kyc_attempts WHERE user_id = $1 AND status || '' = 'pending'", user)?;
    q!(conn => exec,
        "UPDATE kyc_history SET note = NULL WHERE attempt_id IN (SELECT id FROM kyc_attempts WHERE user_id = $1)", user)?;
    q!(conn => exec,
        "UPDATE kyc_attempts SET wrapped_key = NULL, comment = NULL, note = NULL, undo = NULL, version = version + 1 \
         WHERE user_id = $1",
        user)?;
    Ok(())
}

/// An object that is to be deleted.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct Deletion {
    pub object_key: String,
    /// Number of failed tries.
    pub attempts: i64,
}

/// Returns objects whose deletion is due, longest due first.
pub(super) async fn due_deletions(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<Deletion>> {
    Ok(q!(conn => all Deletion,
        "SELECT object_key, attempts FROM file_deletions WHERE not_before <= $1 ORDER BY not_before LIMIT ($2 + 0)", now, limit)?)
}

/// Postpones the deletion of objects that could not be deleted, each until its own time.
pub(super) async fn delete_later(conn: &mut Conn<'_>, later: &[(String, Timestamp)]) -> Result<()> {
    for (key, at) in later {
        q!(conn => exec,
            "UPDATE file_deletions SET attempts = attempts + 1, not_before = $2 WHERE object_key = $1", key, *at)?;
    }
    Ok(())
}

/// Removes deleted objects from the queue.
pub(super) async fn deleted(conn: &mut Conn<'_>, keys: &[String]) -> Result<()> {
    for key in keys {
        q!(conn => exec, "DELETE FROM file_deletions WHERE object_key = $1", key)?;
    }
    Ok(())
}

/// Expands to the condition that no row names an object `k`. It covers every table that names objects.
macro_rules! unknown {
    () => {
        "NOT EXISTS (SELECT 1 FROM kyc_files f WHERE f.object_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM pictures p WHERE p.full_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM pictures p WHERE p.thumb_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.object_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.thumb_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM service_photos s WHERE s.full_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM service_photos s WHERE s.medium_key = k.value) \
         AND NOT EXISTS (SELECT 1 FROM service_photos s WHERE s.thumb_key = k.value)"
    };
}

/// Returns those of the given keys that no row names.
pub(super) async fn unknown_objects(conn: &mut Conn<'_>, keys: &[String]) -> Result<Vec<String>> {
    let keys = serde_json::to_string(keys).map_err(Error::internal)?;
    Ok(q!(conn => vals String, [
        sqlite: concat!("SELECT value FROM json_each($1) AS k WHERE ", unknown!()),
        pg: concat!("SELECT k.value FROM json_array_elements_text($1::json) AS k (value) WHERE ", unknown!()),
    ], keys)?)
}

/// Counts for the dashboard. They stop one above [`Count::CAP`], so that they cost the same on any number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx_macros::FromRow)]
pub(crate) struct KycCounts {
    /// Waiting attempts, including claimed ones.
    pub pending: i64,
    /// Claimed attempts.
    pub in_review: i64,
    /// When the oldest waiting attempt was submitted.
    pub oldest_at: Option<Timestamp>,
    /// Attempts decided in the last 24 hours.
    pub decided_24h: i64,
}

/// Returns the counts for the dashboard.
pub(crate) async fn counts(conn: &mut Conn<'_>, now: Timestamp) -> Result<KycCounts> {
    let (yesterday, cap) = (now - Duration::from_hours(24), Count::CAP + 1);
    Ok(q!(conn => one KycCounts,
        "SELECT (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM kyc_attempts WHERE status = 'pending' LIMIT ($3 + 0)) AS p) AS pending, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM kyc_attempts WHERE claim_expires_at > $1 LIMIT ($3 + 0)) AS r) AS in_review, \
         (SELECT submitted_at FROM kyc_attempts WHERE status = 'pending' ORDER BY submitted_at, id LIMIT 1) AS oldest_at, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM kyc_attempts WHERE decided_at > $2 LIMIT ($3 + 0)) AS d) AS decided_24h",
        now, yesterday, cap)?)
}

#[cfg(test)]
mod tests;
