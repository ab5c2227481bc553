//! SQL queries for identities, pending logins, and their codes.

use url::Url;

use super::model::{Asked, Back, IdentityView};
use crate::{
    base::{
        error::{Error, Result},
        ids::{IdentityId, UserId},
        page::TimeCursor,
        permission::TraderRole,
        time::Timestamp,
    },
    platform::db::Conn,
};

/// Stores a login that begins.
pub(super) async fn put_login(
    conn: &mut Conn<'_>,
    state_hash: Vec<u8>,
    browser_hash: Vec<u8>,
    provider: &str,
    asked: &Asked,
    expires_at: Timestamp,
) -> Result<()> {
    let (redirect, challenge) =
        asked.back.as_ref().map(|back| (back.redirect.as_str(), back.challenge.as_str())).unzip();
    q!(conn => exec,
        "INSERT INTO oidc_logins (state_hash, browser_hash, provider, role, redirect, challenge, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        state_hash, browser_hash, provider, asked.role, redirect, challenge, expires_at)?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct LoginRow {
    provider: String,
    role: TraderRole,
    redirect: Option<String>,
    challenge: Option<String>,
    expires_at: Timestamp,
}

/// Consumes a pending login that this browser began. Returns its provider, what it asked for, and when it ends.
pub(super) async fn take_login(
    conn: &mut Conn<'_>,
    state_hash: Vec<u8>,
    browser_hash: Vec<u8>,
) -> Result<Option<(String, Asked, Timestamp)>> {
    let row = q!(conn => opt LoginRow,
        "DELETE FROM oidc_logins WHERE state_hash = $1 AND browser_hash = $2 RETURNING provider, role, redirect, challenge, expires_at",
        state_hash, browser_hash)?;
    let Some(LoginRow { provider, role, redirect, challenge, expires_at }) = row else { return Ok(None) };
    let back = match redirect.zip(challenge) {
        Some((redirect, challenge)) => {
            Some(Back { redirect: Url::parse(&redirect).map_err(Error::internal)?, challenge })
        }
        None => None,
    };
    Ok(Some((provider, Asked { role, back }, expires_at)))
}

/// Returns an identity's id and the user that it belongs to.
pub(super) async fn find(conn: &mut Conn<'_>, issuer: &str, subject: &str) -> Result<Option<(IdentityId, UserId)>> {
    Ok(q!(conn => opt (IdentityId, UserId),
        "SELECT id, user_id FROM identities WHERE issuer = $1 AND subject = $2", issuer, subject)?)
}

pub(super) async fn touch(conn: &mut Conn<'_>, id: IdentityId, now: Timestamp) -> Result<()> {
    q!(conn => exec, "UPDATE identities SET last_used_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// Links an identity to an account. Returns `false` when another account has linked it first.
pub(super) async fn add(
    conn: &mut Conn<'_>,
    id: IdentityId,
    user: UserId,
    issuer: &str,
    subject: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(q!(conn => exec,
        "INSERT INTO identities (id, user_id, issuer, subject, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $5) \
         ON CONFLICT (issuer, subject) DO NOTHING",
        id, user, issuer, subject, now)?
        == 1)
}

#[derive(sqlx_macros::FromRow)]
struct IdentityRow {
    id: IdentityId,
    issuer: String,
    created_at: Timestamp,
    last_used_at: Timestamp,
}

/// Returns a user's identities, newest first.
pub(super) async fn page(
    conn: &mut Conn<'_>,
    user: UserId,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<IdentityView>> {
    let rows = q!(conn => all IdentityRow,
        "SELECT id, issuer, created_at, last_used_at FROM identities \
         WHERE user_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT ($4 + 0)",
        user, before.at, before.id, limit)?;
    let view = |row: IdentityRow| IdentityView {
        id: row.id,
        provider: None,
        issuer: row.issuer,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Returns whether a user has an identity other than `but`.
pub(super) async fn has_other(conn: &mut Conn<'_>, user: UserId, but: IdentityId) -> Result<bool> {
    Ok(q!(conn => optval IdentityId, "SELECT id FROM identities WHERE user_id = $1 AND id <> $2 LIMIT 1", user, but)?
        .is_some())
}

/// Deletes one of a user's identities. Returns `false` when it is not theirs.
pub(super) async fn remove(conn: &mut Conn<'_>, user: UserId, id: IdentityId) -> Result<bool> {
    Ok(q!(conn => exec, "DELETE FROM identities WHERE id = $2 AND user_id = $1", user, id)? == 1)
}

pub(super) async fn put_code(
    conn: &mut Conn<'_>,
    hash: Vec<u8>,
    user: UserId,
    challenge: &str,
    expires_at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO oidc_codes (hash, user_id, challenge, expires_at) VALUES ($1, $2, $3, $4)",
        hash, user, challenge, expires_at)?;
    Ok(())
}

/// Returns whose a code is, what must be presented with it, and when it ends.
pub(super) async fn code(conn: &mut Conn<'_>, hash: &[u8]) -> Result<Option<(UserId, String, Timestamp)>> {
    Ok(q!(conn => opt (UserId, String, Timestamp),
        "SELECT user_id, challenge, expires_at FROM oidc_codes WHERE hash = $1", hash)?)
}

/// Consumes a code. Returns `false` when it was used before.
pub(super) async fn take_code(conn: &mut Conn<'_>, hash: &[u8]) -> Result<bool> {
    Ok(q!(conn => exec, "DELETE FROM oidc_codes WHERE hash = $1", hash)? == 1)
}
