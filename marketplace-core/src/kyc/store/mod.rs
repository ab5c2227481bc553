//! All SQL queries for identity checks.
//!
//! Each list uses one index: waiting attempts by `(status, submitted_at, id)`, decided ones by `(status, decided_at,
//! id)`, claimed ones by the end of the claim, and a user's own by `(user_id, number)`.

use std::time::Duration;

use uuid::Uuid;

use super::{
    attempt::{Attempt, UserKyc},
    model::{DocumentType, FileInfo, FileKind},
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
            int "a.version", time "a.files_deleted_at", text "u.name", text "u.status" => "user_status")
    };
}

/// Expands to the rows that [`attempt_columns`] are read from, with a condition.
macro_rules! attempts {
    ($rest:literal) => {
        concat!("FROM kyc_attempts a JOIN users u ON u.id = a.user_id WHERE ", $rest)
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
pub(super) enum Waiting {
    All,
    Unclaimed,
    Claimed,
}

/// Returns the queue, oldest first.
pub(super) async fn queue(
    conn: &mut Conn<'_>,
    which: Waiting,
    document_type: Option<DocumentType>,
    now: Timestamp,
    after: TimeCursor,
    limit: i64,
) -> Result<Vec<Attempt>> {
    let (at, id) = (after.at, after.id);
    Ok(match which {
        Waiting::All => q!(conn => page Attempt, attempt_columns,
            attempts!("a.status = 'pending' AND (a.submitted_at, a.id) > ($1, $2) \
                      AND (a.document_type = $3 OR $3 IS NULL) ORDER BY a.submitted_at, a.id LIMIT ($4 + 0)"),
            at, id, document_type, limit)?,
        Waiting::Unclaimed => q!(conn => page Attempt, attempt_columns,
            attempts!("a.status = 'pending' AND (a.submitted_at, a.id) > ($1, $2) \
                      AND (a.document_type = $3 OR $3 IS NULL) \
                      AND (a.claim_expires_at IS NULL OR a.claim_expires_at <= $4) \
                      ORDER BY a.submitted_at, a.id LIMIT ($5 + 0)"),
            at, id, document_type, now, limit)?,
        // Only waiting attempts have a claim, and there are no more live claims than reviewers; so this query sorts
        // them without an index.
        Waiting::Claimed => q!(conn => page Attempt, attempt_columns,
            attempts!("a.claim_expires_at > $4 AND (a.submitted_at, a.id) > ($1, $2) \
                      AND (a.document_type = $3 OR $3 IS NULL) ORDER BY a.submitted_at, a.id LIMIT ($5 + 0)"),
            at, id, document_type, now, limit)?,
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

/// Returns the oldest waiting attempt that nobody has claimed and that is not `except`'s own. PostgreSQL also locks
/// it, and skips attempts that others have locked.
pub(super) async fn oldest_unclaimed(conn: &mut Conn<'_>, now: Timestamp, except: UserId) -> Result<Option<AttemptId>> {
    Ok(q!(conn => optval AttemptId, [
        sqlite: "SELECT id FROM kyc_attempts WHERE status = 'pending' AND (claim_expires_at IS NULL OR claim_expires_at <= $1) \
                 AND user_id <> $2 ORDER BY submitted_at, id LIMIT 1",
        pg: "SELECT id FROM kyc_attempts WHERE status = 'pending' AND (claim_expires_at IS NULL OR claim_expires_at <= $1) \
             AND user_id <> $2 ORDER BY submitted_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
    ], now, except)?)
}

/// A claim to be stored.
pub(super) struct NewClaim<'a> {
    pub holder: &'a Principal,
    pub label: &'a str,
    pub expires_at: Timestamp,
    pub fence: i64,
}

/// Stores a claim.
pub(super) async fn set_claim(conn: &mut Conn<'_>, id: AttemptId, claim: &NewClaim<'_>) -> Result<()> {
    q!(conn => exec,
        "UPDATE kyc_attempts SET claim_holder = $2, claim_label = $3, claim_expires_at = $4, fence = $5, version = version + 1 \
         WHERE id = $1",
        id, claim.holder, claim.label, claim.expires_at, claim.fence)?;
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
         version = version + 1 WHERE id = $1 AND version = $2",
        read.id, read.version, status, fence, decided.by, decided.at, decided.effective_at, decided.reasons, decided.comment,
        decided.note, decided.undo)?;
    if changed == 1 { Ok(()) } else { Err(Error::conflict("it was changed meanwhile; load it again", ())) }
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
         AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.thumb_key = k.value)"
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
