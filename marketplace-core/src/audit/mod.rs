//! Who did what: an append-only log with a hash chain, written inside the transaction of what it records. Rows hold ids and
//! codes, never personal text, so erasure leaves them whole.

mod store;

use sha2::{Digest, Sha256};

use crate::{
    actor::{Actor, Permission},
    admin::{AuditFilter, AuditRow, AuditVerification, BrokenLink},
    app::App,
    db::Conn,
    error::{Error, Result},
    page::{Page, PageRequest, SeqCursor},
    time::Timestamp,
};

/// Rows that one call of [`verify`] checks at most.
pub const VERIFY_LIMIT: i64 = 10_000;
/// The hash before the first row.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is recorded.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What was done, such as `kyc.approve`.
    pub action: &'static str,
    /// `user`, `attempt`, `job`, `thread`, `message` or `review`.
    pub target_kind: &'static str,
    /// The id of the target.
    pub target: String,
    /// Why, as a code.
    pub reason: Option<String>,
    /// Ids, codes and numbers.
    pub metadata: serde_json::Value,
}

/// Appends a row. Writers take turns at the head, so sequence numbers have no gaps and every row has one predecessor.
pub(crate) async fn append(conn: &mut Conn<'_>, now: Timestamp, actor: &Actor, entry: Entry) -> Result<i64> {
    let (seq, previous) = store::take_head(conn).await?;
    let mut row = AuditRow {
        seq,
        at: now,
        actor: actor.principal(),
        action: entry.action.to_owned(),
        target_kind: entry.target_kind.to_owned(),
        target: entry.target,
        reason: entry.reason,
        metadata: entry.metadata.to_string(),
        hash: String::new(),
    };
    row.hash = link(&previous, &row);
    store::insert(conn, &row).await?;
    Ok(seq)
}

/// SHA-256 over the previous hash and every field, each with its length before it so that no two rows read alike.
fn link(previous: &str, row: &AuditRow) -> String {
    let mut hash = Sha256::new();
    let numbers = [row.seq.to_string(), row.at.micros().to_string()];
    let reason = row.reason.as_deref().map(|reason| format!("={reason}")).unwrap_or_default();
    for part in [
        previous,
        &numbers[0],
        &numbers[1],
        &row.actor.0,
        &row.action,
        &row.target_kind,
        &row.target,
        &reason,
        &row.metadata,
    ] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// The log, newest first.
pub async fn list(app: &App, actor: &Actor, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>> {
    actor.require(Permission::AuditRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor::<SeqCursor>()?.map_or(i64::MAX, |cursor| cursor.0);
    let mut reader = app.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter, before, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |row| SeqCursor(row.seq)))
}

/// The number of the newest row.
pub(crate) async fn head_seq(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(store::head(conn).await?.0)
}

/// Recomputes the chain from row `from` (1 for the first), `limit` rows at most.
pub async fn verify(app: &App, actor: &Actor, from: i64, limit: i64) -> Result<AuditVerification> {
    actor.require(Permission::AuditRead)?;
    if from < 1 {
        return Err(Error::invalid("/from", "must be at least 1"));
    }
    if !(1..=VERIFY_LIMIT).contains(&limit) {
        return Err(Error::invalid("/limit", format!("must be from 1 to {VERIFY_LIMIT}")));
    }
    let mut reader = app.db.read().await?;
    verify_on(&mut reader.conn(), from, limit).await
}

/// Like [`verify`], over a connection and for whoever has it.
pub(crate) async fn verify_on(conn: &mut Conn<'_>, from: i64, limit: i64) -> Result<AuditVerification> {
    // The head first: rows that come in while we read are then simply not asked for.
    let (head, head_hash) = store::head(conn).await?;
    let rows = store::from(conn, (from - 1).max(1), head, limit + 1).await?;
    let mut rows = rows.into_iter().peekable();
    let mut previous = GENESIS.to_owned();
    let mut expected = from;
    if from > 1 {
        match rows.next() {
            Some(row) if row.seq == from - 1 => previous = row.hash,
            _ if from > head + 1 => return Err(Error::invalid("/from", format!("the log ends at {head}"))),
            _ => return Ok(broken(0, from - 1, "is missing")),
        }
    }
    let mut checked = 0;
    while checked < limit && expected <= head {
        let Some(row) = rows.next().filter(|row| row.seq == expected) else {
            return Ok(broken(checked, expected, "is missing"));
        };
        if link(&previous, &row) != row.hash {
            return Ok(broken(checked, expected, "was edited, or the row before it was"));
        }
        previous = row.hash;
        checked += 1;
        expected += 1;
    }
    if expected > head {
        if previous != head_hash {
            return Ok(broken(checked, head, "is not the row that was written last"));
        }
        if store::exists_after(conn, head).await? && store::head(conn).await?.0 == head {
            return Ok(broken(checked, head + 1, "was added outside the log"));
        }
        return Ok(AuditVerification { checked, next: None, broken: None });
    }
    Ok(AuditVerification { checked, next: Some(expected), broken: None })
}

fn broken(checked: i64, seq: i64, detail: &str) -> AuditVerification {
    AuditVerification { checked, next: None, broken: Some(BrokenLink { seq, detail: detail.to_owned() }) }
}

#[cfg(test)]
mod tests;
