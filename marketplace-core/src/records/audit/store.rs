//! SQL queries for the audit log.

use super::chain::{Beginning, StoredRow};
use crate::{
    base::{
        error::{Error, Result},
        principal::Principal,
        time::Timestamp,
    },
    platform::db::{Conn, Lossy},
    records::audit::{AuditFilter, AuditHead},
};

/// Expands to the columns of a row but its number. The column `hash` holds the tag; it was named when it held a hash that
/// anybody could compute.
macro_rules! columns {
    () => {
        "at, actor, action, target_kind, target, reason, metadata, hash, entry"
    };
}

/// Expands to the values of [`columns!`] in an array of objects, see [`json`].
macro_rules! from_json {
    (sqlite) => {
        "value ->> 'micros', value ->> 'actor', value ->> 'action', value ->> 'target_kind', value ->> 'target', \
         value ->> 'reason', value ->> 'metadata', value ->> 'hash', value ->> 'entry' FROM json_each($1)"
    };
    (pg) => {
        concat!(
            columns!(),
            " FROM json_to_recordset($1::json) AS r (seq BIGINT, at TIMESTAMPTZ, actor TEXT, action TEXT, \
             target_kind TEXT, target TEXT, reason TEXT, metadata TEXT, hash TEXT, entry TEXT)"
        )
    };
}

/// A row as it is read, even when it was tampered with: values that cannot be read are replaced, so that the tag does
/// not match.
#[derive(sqlx_macros::FromRow)]
struct Found {
    seq: i64,
    at: Timestamp,
    actor: Lossy,
    action: Lossy,
    target_kind: Lossy,
    target: Lossy,
    reason: Option<Lossy>,
    metadata: Lossy,
    hash: Lossy,
    entry: Option<Lossy>,
}

impl From<Found> for StoredRow {
    fn from(found: Found) -> Self {
        let Found { seq, at, actor, action, target_kind, target, reason, metadata, hash, entry } = found;
        Self {
            seq,
            at,
            actor: Principal(actor.0),
            action: action.0,
            target_kind: target_kind.0,
            target: target.0,
            reason: reason.map(|reason| reason.0),
            metadata: metadata.0,
            tag: hash.0,
            entry: entry.map(|entry| entry.0),
        }
    }
}

fn stored(found: Vec<Found>) -> Vec<StoredRow> {
    found.into_iter().map(StoredRow::from).collect()
}

/// Expands to the columns of [`Found`], for PostgreSQL: times that this program never writes, such as infinity, are
/// read as the epoch.
macro_rules! found {
    (sqlite $rest:literal) => {
        concat!(
            "SELECT seq, at, actor, action, target_kind, target, reason, metadata, hash, entry FROM audit_log ",
            $rest
        )
    };
    (pg $rest:literal) => {
        concat!(
            "SELECT seq, CASE WHEN at > '0001-01-01' AND at < '9999-12-31' THEN at ELSE 'epoch' END AS at, \
             actor, action, target_kind, target, reason, metadata, hash, entry FROM audit_log ",
            $rest
        )
    };
}

/// Reserves the next `rows` numbers. Returns the last of them, and the tag before the first. The head stays locked
/// until the transaction ends.
pub(super) async fn take_head(conn: &mut Conn<'_>, rows: i64) -> Result<(i64, String)> {
    let head = q!(conn => opt (i64, String),
        // A number beyond this range was tampered with: no log is that long, and counting cannot continue from there.
        "UPDATE audit_head SET seq = seq + $1 WHERE id = 1 AND seq BETWEEN 0 AND 4611686018427387904 RETURNING seq, hash", rows)?;
    head.ok_or_else(no_head)
}

fn no_head() -> Error {
    let detail = "nothing can be put on the audit log: its head is missing or was altered (audit_head); see `marketplace audit verify`";
    Error::unavailable(detail, "audit_head has no row that can be counted on")
}

/// Stores rows, of which the last becomes the head. As one text: PostgreSQL's `COPY` waits 40 ms for the network.
pub(super) async fn insert(conn: &mut Conn<'_>, rows: &[StoredRow]) -> Result<()> {
    let Some(last) = rows.last() else { return Ok(()) };
    q!(conn => exec, [
        sqlite: concat!("INSERT INTO audit_log (seq, ", columns!(), ") SELECT value ->> 'seq', ", from_json!(sqlite)),
        pg: concat!("INSERT INTO audit_log (seq, ", columns!(), ") SELECT seq, ", from_json!(pg)),
    ], json(rows)?)?;
    q!(conn => exec, "UPDATE audit_head SET hash = $1 WHERE id = 1", &last.tag)?;
    Ok(())
}

/// Returns rows as an array of objects.
fn json(rows: &[StoredRow]) -> Result<String> {
    let object = |row: &StoredRow| {
        let StoredRow { seq, at, actor, action, target_kind, target, reason, metadata, tag, entry } = row;
        serde_json::json!({
            "seq": seq, "at": at.to_string(), "micros": at.micros(), "actor": actor.0, "action": action,
            "target_kind": target_kind, "target": target, "reason": reason, "metadata": metadata, "hash": tag, "entry": entry,
        })
    };
    serde_json::to_string(&rows.iter().map(object).collect::<Vec<_>>()).map_err(Error::internal)
}

/// Checks that rows can be put on the log, without waiting for those who do so.
pub(super) async fn require_head(conn: &mut Conn<'_>) -> Result<()> {
    let there =
        q!(conn => optval i64, "SELECT seq FROM audit_head WHERE id = 1 AND seq BETWEEN 0 AND 4611686018427387904")?;
    there.map(drop).ok_or_else(no_head)
}

/// Stores rows to be sealed: all but their numbers.
pub(super) async fn insert_unsealed(conn: &mut Conn<'_>, rows: &[StoredRow]) -> Result<()> {
    q!(conn => exec, [
        sqlite: concat!("INSERT INTO audit_unsealed (written_at, ", columns!(), ") SELECT value ->> 'micros', ", from_json!(sqlite)),
        pg: concat!("INSERT INTO audit_unsealed (", columns!(), ") SELECT ", from_json!(pg)),
    ], json(rows)?)?;
    Ok(())
}

/// Returns rows to be sealed, in the order in which they were written, from the one after `after` on. Their number is the
/// place in that order.
pub(super) async fn unsealed(conn: &mut Conn<'_>, after: i64, limit: i64) -> Result<Vec<StoredRow>> {
    Ok(stored(q!(conn => all Found, [
        sqlite: "SELECT n AS seq, at, actor, action, target_kind, target, reason, metadata, hash, entry FROM audit_unsealed WHERE n > $1 ORDER BY n LIMIT ($2 + 0)",
        pg: "SELECT n AS seq, CASE WHEN at > '0001-01-01' AND at < '9999-12-31' THEN at ELSE 'epoch' END AS at, \
             actor, action, target_kind, target, reason, metadata, hash, entry FROM audit_unsealed WHERE n > $1 ORDER BY n LIMIT ($2 + 0)",
    ], after, limit)?))
}

/// Returns how many rows have waited to be sealed for so many seconds at least, and since when the first of them has.
pub(super) async fn waiting(conn: &mut Conn<'_>, seconds: i64) -> Result<(i64, Option<Timestamp>)> {
    Ok(q!(conn => one (i64, Option<Timestamp>), [
        sqlite: "SELECT count(*), min(written_at) FROM audit_unsealed WHERE $1 >= 0",
        // A time that this program never writes was put there by hand, and counts as one of long ago.
        pg: "SELECT count(*), min(CASE WHEN written_at > '0001-01-01' AND written_at < '9999-12-31' THEN written_at ELSE 'epoch' END) \
             FROM audit_unsealed WHERE written_at <= clock_timestamp() - $1 * interval '1 second' OR written_at > '9999-12-31'",
    ], seconds)?)
}

/// Removes rows that were sealed.
pub(super) async fn remove_unsealed(conn: &mut Conn<'_>, entries: &[&str]) -> Result<()> {
    let entries = serde_json::to_string(entries).map_err(Error::internal)?;
    q!(conn => exec, [
        sqlite: "DELETE FROM audit_unsealed WHERE entry IN (SELECT value FROM json_each($1))",
        pg: "DELETE FROM audit_unsealed WHERE entry IN (SELECT json_array_elements_text($1::json))",
    ], entries)?;
    Ok(())
}

/// Returns those of the entries that are on the log.
pub(super) async fn sealed(conn: &mut Conn<'_>, entries: &[&str]) -> Result<Vec<String>> {
    let entries = serde_json::to_string(entries).map_err(Error::internal)?;
    Ok(q!(conn => vals String, [
        sqlite: "SELECT entry FROM audit_log WHERE entry IN (SELECT value FROM json_each($1))",
        pg: "SELECT entry FROM audit_log WHERE entry IN (SELECT json_array_elements_text($1::json))",
    ], entries)?)
}

/// Returns those of the entries that wait to be sealed.
pub(super) async fn of_unsealed(conn: &mut Conn<'_>, entries: &[&str]) -> Result<Vec<String>> {
    let entries = serde_json::to_string(entries).map_err(Error::internal)?;
    Ok(q!(conn => vals String, [
        sqlite: "SELECT entry FROM audit_unsealed WHERE entry IN (SELECT value FROM json_each($1))",
        pg: "SELECT entry FROM audit_unsealed WHERE entry IN (SELECT json_array_elements_text($1::json))",
    ], entries)?)
}

/// Returns the newest row's number and tag, as the head states them; `None` when the head is missing.
pub(super) async fn head(conn: &mut Conn<'_>) -> Result<Option<AuditHead>> {
    let head = q!(conn => opt (i64, Lossy), "SELECT seq, hash FROM audit_head WHERE id = 1")?;
    Ok(head.map(|(seq, tag)| AuditHead { seq, tag: tag.0 }))
}

/// Returns the highest number of all rows, regardless of the head.
pub(super) async fn last_seq(conn: &mut Conn<'_>) -> Result<Option<i64>> {
    Ok(q!(conn => optval i64, "SELECT seq FROM audit_log ORDER BY seq DESC LIMIT 1")?)
}

/// Returns the lowest number of all rows, if it is below 1.
pub(super) async fn below_first(conn: &mut Conn<'_>) -> Result<Option<i64>> {
    Ok(q!(conn => optval i64, "SELECT seq FROM audit_log WHERE seq < 1 ORDER BY seq LIMIT 1")?)
}

pub(super) async fn from(conn: &mut Conn<'_>, from: i64, to: i64, limit: i64) -> Result<Vec<StoredRow>> {
    Ok(stored(q!(conn => all Found, [
        sqlite: found!(sqlite "WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT ($3 + 0)"),
        pg: found!(pg "WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT ($3 + 0)"),
    ], from, to, limit)?))
}

/// Returns the rows from which on each key is used, in the order of the log.
pub(super) async fn beginnings(conn: &mut Conn<'_>) -> Result<Vec<Beginning>> {
    Ok(q!(conn => all Beginning, "SELECT first_seq, key_id, previous, mac FROM audit_keys ORDER BY first_seq")?)
}

pub(super) async fn insert_beginning(conn: &mut Conn<'_>, new: &Beginning, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO audit_keys (first_seq, key_id, previous, mac, created_at) VALUES ($1, $2, $3, $4, $5)",
        new.first_seq, &new.key_id, &new.previous, &new.mac, now)?;
    Ok(())
}

/// Returns a page of rows. The most selective filter finds the rows, so that its index is used; the others narrow
/// them.
pub(super) async fn page(conn: &mut Conn<'_>, filter: &AuditFilter, before: i64, limit: i64) -> Result<Vec<StoredRow>> {
    let AuditFilter { actor, action, target } = filter;
    Ok(stored(match (target, actor, action) {
        (Some(target), actor, action) => q!(conn => all Found, [
            sqlite: found!(sqlite "WHERE target = $1 AND seq < $2 AND (actor = $3 OR $3 IS NULL) AND (action = $4 OR $4 IS NULL) ORDER BY seq DESC LIMIT ($5 + 0)"),
            pg: found!(pg "WHERE target = $1 AND seq < $2 AND (actor = $3 OR $3 IS NULL) AND (action = $4 OR $4 IS NULL) ORDER BY seq DESC LIMIT ($5 + 0)"),
        ], target, before, actor, action, limit)?,
        (None, Some(actor), action) => q!(conn => all Found, [
            sqlite: found!(sqlite "WHERE actor = $1 AND seq < $2 AND (action = $3 OR $3 IS NULL) ORDER BY seq DESC LIMIT ($4 + 0)"),
            pg: found!(pg "WHERE actor = $1 AND seq < $2 AND (action = $3 OR $3 IS NULL) ORDER BY seq DESC LIMIT ($4 + 0)"),
        ], actor, before, action, limit)?,
        (None, None, Some(action)) => q!(conn => all Found, [
            sqlite: found!(sqlite "WHERE action = $1 AND seq < $2 ORDER BY seq DESC LIMIT ($3 + 0)"),
            pg: found!(pg "WHERE action = $1 AND seq < $2 ORDER BY seq DESC LIMIT ($3 + 0)"),
        ], action, before, limit)?,
        (None, None, None) => q!(conn => all Found, [
            sqlite: found!(sqlite "WHERE seq < $1 ORDER BY seq DESC LIMIT ($2 + 0)"),
            pg: found!(pg "WHERE seq < $1 ORDER BY seq DESC LIMIT ($2 + 0)"),
        ], before, limit)?,
    }))
}
