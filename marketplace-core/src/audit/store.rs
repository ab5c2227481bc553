//! The audit log's SQL.

use crate::{
    admin::{AuditFilter, AuditRow},
    db::Conn,
    error::Result,
};

macro_rules! columns {
    () => {
        "seq, at, actor, action, target_kind, target, reason, metadata, hash"
    };
}

/// The next number and the hash before it; the row stays locked until the transaction ends.
pub(super) async fn take_head(conn: &mut Conn<'_>) -> Result<(i64, String)> {
    Ok(q!(conn => one (i64, String), "UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")?)
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &AuditRow) -> Result<()> {
    q!(conn => exec, concat!("INSERT INTO audit_log (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
        row.seq, row.at, &row.actor, &row.action, &row.target_kind, &row.target, &row.reason, &row.metadata, &row.hash)?;
    q!(conn => exec, "UPDATE audit_head SET hash = $1 WHERE id = 1", &row.hash)?;
    Ok(())
}

pub(super) async fn head(conn: &mut Conn<'_>) -> Result<(i64, String)> {
    Ok(q!(conn => one (i64, String), "SELECT seq, hash FROM audit_head WHERE id = 1")?)
}

pub(super) async fn exists_after(conn: &mut Conn<'_>, seq: i64) -> Result<bool> {
    Ok(q!(conn => optval i64, "SELECT seq FROM audit_log WHERE seq > $1 LIMIT 1", seq)?.is_some())
}

pub(super) async fn from(conn: &mut Conn<'_>, from: i64, to: i64, limit: i64) -> Result<Vec<AuditRow>> {
    Ok(q!(conn => all AuditRow,
        concat!("SELECT ", columns!(), " FROM audit_log WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3"), from, to, limit)?)
}

/// The most telling filter finds the rows, so that its index is used; the others narrow them.
pub(super) async fn page(conn: &mut Conn<'_>, filter: &AuditFilter, before: i64, limit: i64) -> Result<Vec<AuditRow>> {
    let AuditFilter { actor, action, target } = filter;
    Ok(match (target, actor, action) {
        (Some(target), actor, action) => q!(conn => all AuditRow,
            concat!("SELECT ", columns!(), " FROM audit_log WHERE target = $1 AND seq < $2 AND (actor = $3 OR $3 IS NULL) AND (action = $4 OR $4 IS NULL) ORDER BY seq DESC LIMIT $5"),
            target, before, actor, action, limit)?,
        (None, Some(actor), action) => q!(conn => all AuditRow,
            concat!("SELECT ", columns!(), " FROM audit_log WHERE actor = $1 AND seq < $2 AND (action = $3 OR $3 IS NULL) ORDER BY seq DESC LIMIT $4"),
            actor, before, action, limit)?,
        (None, None, Some(action)) => q!(conn => all AuditRow,
            concat!("SELECT ", columns!(), " FROM audit_log WHERE action = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3"),
            action, before, limit)?,
        (None, None, None) => q!(conn => all AuditRow,
            concat!("SELECT ", columns!(), " FROM audit_log WHERE seq < $1 ORDER BY seq DESC LIMIT $2"), before, limit)?,
    })
}
