//! SQL queries for second factors.

use crate::{
    base::{error::Result, ids::UserId, time::Timestamp},
    platform::db::Conn,
};

/// A second factor, enrolled or with its enrolment begun.
#[derive(sqlx_macros::FromRow)]
pub(super) struct Row {
    pub sealed: Vec<u8>,
    pub enabled_at: Option<Timestamp>,
    pub last_step: i64,
}

pub(super) async fn get(conn: &mut Conn<'_>, user: UserId) -> Result<Option<Row>> {
    Ok(q!(conn => opt Row, "SELECT sealed, enabled_at, last_step FROM totp WHERE user_id = $1", user)?)
}

pub(crate) async fn is_on(conn: &mut Conn<'_>, user: UserId) -> Result<bool> {
    Ok(q!(conn => optval UserId, "SELECT user_id FROM totp WHERE user_id = $1 AND enabled_at IS NOT NULL", user)?
        .is_some())
}

/// Stores a new secret, replacing one that was never confirmed. Returns `false` when a second factor is in use.
pub(super) async fn begin(conn: &mut Conn<'_>, user: UserId, sealed: Vec<u8>, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => exec,
        "INSERT INTO totp (user_id, sealed, created_at, enabled_at, last_step) VALUES ($1, $2, $3, NULL, 0) \
         ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at, last_step = 0 \
         WHERE totp.enabled_at IS NULL",
        user, sealed, now)?
        == 1)
}

/// Puts a second factor into use. Returns `false` when another call confirmed it first, or the secret was replaced
/// meanwhile.
pub(super) async fn enable(
    conn: &mut Conn<'_>,
    user: UserId,
    sealed: &[u8],
    step: i64,
    now: Timestamp,
) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE totp SET enabled_at = $3, last_step = $4 WHERE user_id = $1 AND sealed = $2 AND enabled_at IS NULL",
        user, sealed, now, step)?
        == 1)
}

/// Consumes a code. Returns `false` when it, or a later one, was used before.
pub(super) async fn take_step(conn: &mut Conn<'_>, user: UserId, step: i64) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND enabled_at IS NOT NULL AND last_step < $2", user, step)?
        == 1)
}

pub(super) async fn put_recovery(conn: &mut Conn<'_>, user: UserId, hash: Vec<u8>) -> Result<()> {
    q!(conn => exec, "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)", user, hash)?;
    Ok(())
}

pub(super) async fn has_recovery(conn: &mut Conn<'_>, user: UserId, hash: &[u8]) -> Result<bool> {
    Ok(q!(conn => optval UserId, "SELECT user_id FROM recovery_codes WHERE user_id = $1 AND hash = $2", user, hash)?
        .is_some())
}

/// Consumes a recovery code. Returns `false` when there is no such code, or it was used before.
pub(super) async fn take_recovery(conn: &mut Conn<'_>, user: UserId, hash: &[u8]) -> Result<bool> {
    Ok(q!(conn => exec, "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2", user, hash)? == 1)
}

/// Deletes a secret that was never confirmed: the person who began the enrolment may not be the one who now uses the
/// account.
pub(crate) async fn drop_begun(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM totp WHERE user_id = $1 AND enabled_at IS NULL", user)?;
    Ok(())
}

/// Deletes a second factor and its recovery codes. Returns `false` when none was in use.
pub(crate) async fn remove(conn: &mut Conn<'_>, user: UserId) -> Result<bool> {
    let was_on = is_on(conn, user).await?;
    q!(conn => exec, "DELETE FROM totp WHERE user_id = $1", user)?;
    q!(conn => exec, "DELETE FROM recovery_codes WHERE user_id = $1", user)?;
    Ok(was_on)
}
