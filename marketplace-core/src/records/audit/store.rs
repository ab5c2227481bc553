//! SQL queries for the audit log.

use super::chain::{Beginning, StoredRow};
use crate::{
    base::{
        error::{Error, Result},
        principal::Principal,
        time::Timestamp,
    },
    platform::db::{
        Conn, Lossy,
        bulk::{self, Value},
    },
    records::audit::{AuditFilter, AuditHead},
};

/// Expands to the columns of a row. The column `hash` holds the tag; it was named when it held a hash that anybody
/// could compute.
macro_rules! columns {
    () => {
        "seq, at, actor, action, target_kind, target, reason, metadata, hash"
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
}

impl From<Found> for StoredRow {
    fn from(found: Found) -> Self {
        let Found { seq, at, actor, action, target_kind, target, reason, metadata, hash } = found;
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
        concat!("SELECT seq, at, actor, action, target_kind, target, reason, metadata, hash FROM audit_log ", $rest)
    };
    (pg $rest:literal) => {
        concat!(
            "SELECT seq, CASE WHEN at > '0001-01-01' AND at < '9999-12-31' THEN at ELSE 'epoch' END AS at, \
             actor, action, target_kind, target, reason, metadata, hash FROM audit_log ",
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
    head.ok_or_else(|| {
        let detail =
            "nothing can be put on the audit log: its head is missing or was altered (audit_head); see `marketplace audit verify`";
        Error::unavailable(detail, "audit_head has no row that can be counted on")
    })
}

/// Stores rows, of which the last becomes the head.
pub(super) async fn insert(conn: &mut Conn<'_>, rows: &[StoredRow]) -> Result<()> {
    let Some(last) = rows.last() else { return Ok(()) };
    if let [row] = rows {
        q!(conn => exec, concat!("INSERT INTO audit_log (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
            row.seq, row.at, &row.actor, &row.action, &row.target_kind, &row.target, &row.reason, &row.metadata, &row.tag)?;
    } else {
        let names: Vec<&str> = columns!().split(", ").collect();
        let values = |row: &StoredRow| {
            let text = |text: &String| Value::text(text.as_str());
            vec![
                Value::Int(row.seq),
                Value::Time(row.at),
                text(&row.actor.0),
                text(&row.action),
                text(&row.target_kind),
                text(&row.target),
                Value::or_null(row.reason.clone(), Value::Text),
                text(&row.metadata),
                text(&row.tag),
            ]
        };
        let values: Vec<Vec<Value>> = rows.iter().map(values).collect();
        bulk::insert(conn, "audit_log", &names, &values, &|_| ()).await?;
    }
    q!(conn => exec, "UPDATE audit_head SET hash = $1 WHERE id = 1", &last.tag)?;
    Ok(())
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
