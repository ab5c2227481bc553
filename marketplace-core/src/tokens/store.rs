//! SQL queries for API tokens.

use super::model::{ApiToken, TokenStatus, parse_scopes};
use crate::{
    accounts::{model::Account, store::account_columns},
    base::{
        error::Result,
        ids::{TokenId, UserId},
        page::TimeCursor,
        principal::Principal,
        time::Timestamp,
    },
    platform::db::{Conn, PRUNE_BATCH, PointRead, json},
};

/// A token with its owner's account.
#[derive(Clone, serde::Deserialize)]
pub(super) struct Held {
    hash: String,
    pub id: TokenId,
    pub name: String,
    pub scopes: String,
    #[serde(deserialize_with = "json::micros")]
    pub expires_at: Timestamp,
    #[serde(deserialize_with = "json::opt_micros")]
    pub last_used_at: Option<Timestamp>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub revoked_at: Option<Timestamp>,
    pub account: Account,
}

/// Reads tokens with their owners' accounts, by the hexadecimal form of the hash.
pub(super) struct ByHash;

impl PointRead for ByHash {
    type Key = String;
    type Row = Held;
    async fn load(conn: &mut Conn<'_>, hashes: &[String]) -> Result<Vec<(String, Held)>> {
        let rows = q!(conn => json Vec<Held>, [
            sqlite: concat!(
                "SELECT json_group_array(json_array(lower(hex(t.hash)), lower(hex(t.id)), t.name, t.scopes, t.expires_at, t.last_used_at, t.revoked_at, ",
                account_columns!(sqlite),
                ")) FROM json_each($1) k CROSS JOIN api_tokens t ON t.hash = unhex(k.value) CROSS JOIN users u ON u.id = t.user_id"),
            pg: concat!(
                "SELECT json_agg(json_build_array(encode(t.hash, 'hex'), t.id, t.name, t.scopes, (extract(epoch FROM t.expires_at) * 1000000)::bigint, \
                 (extract(epoch FROM t.last_used_at) * 1000000)::bigint, (extract(epoch FROM t.revoked_at) * 1000000)::bigint, ",
                account_columns!(pg),
                ")) FROM json_array_elements_text($1::json) k(value) JOIN api_tokens t ON t.hash = decode(k.value, 'hex') JOIN users u ON u.id = t.user_id"),
        ], json::keys(hashes))?;
        Ok(rows.into_iter().map(|row| (row.hash.clone(), row)).collect())
    }
}

pub(super) async fn mark_used(conn: &mut Conn<'_>, id: TokenId, now: Timestamp, before: Timestamp) -> Result<()> {
    q!(conn => exec, "UPDATE api_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
        id, now, before)?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: TokenId,
    user_id: UserId,
    name: String,
    scopes: String,
    created_by: Principal,
    created_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    revoked_by: Option<Principal>,
}

impl Row {
    fn view(self, now: Timestamp) -> ApiToken {
        ApiToken {
            status: match self.revoked_at {
                Some(_) => TokenStatus::Revoked,
                None if self.expires_at <= now => TokenStatus::Expired,
                None => TokenStatus::Active,
            },
            id: self.id,
            name: self.name,
            owner_id: self.user_id,
            scopes: parse_scopes(&self.scopes),
            created_by: self.created_by,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
            revoked_by: self.revoked_by,
        }
    }
}

macro_rules! columns {
    () => {
        "id, user_id, name, scopes, created_by, created_at, expires_at, last_used_at, revoked_at, revoked_by"
    };
}

pub(super) async fn insert(conn: &mut Conn<'_>, token: &ApiToken, scopes: &str, hash: Vec<u8>) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO api_tokens (id, user_id, name, hash, scopes, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        token.id, token.owner_id, &token.name, hash, scopes, &token.created_by, token.created_at, token.expires_at)?;
    Ok(())
}

/// Returns a token and locks it, so that of two concurrent changes the second sees the effect of the first.
pub(super) async fn lock(conn: &mut Conn<'_>, id: TokenId, now: Timestamp) -> Result<Option<ApiToken>> {
    let row = q!(conn => opt Row, [
        sqlite: concat!("SELECT ", columns!(), " FROM api_tokens WHERE id = $1"),
        pg: concat!("SELECT ", columns!(), " FROM api_tokens WHERE id = $1 FOR UPDATE"),
    ], id)?;
    Ok(row.map(|row| row.view(now)))
}

/// Revokes a token. Returns whether it was valid until now.
pub(super) async fn revoke(conn: &mut Conn<'_>, id: TokenId, by: &Principal, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE api_tokens SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2", id, now, by)?
        == 1)
}

/// Revokes a user's tokens. Returns how many were valid until now.
pub(super) async fn revoke_all(conn: &mut Conn<'_>, user: UserId, by: &Principal, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "UPDATE api_tokens SET revoked_at = $2, revoked_by = $3 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
        user, now, by)?)
}

/// Revokes all tokens of all users. Returns how many were valid until now.
pub(super) async fn revoke_everybodys(conn: &mut Conn<'_>, by: &Principal, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "UPDATE api_tokens SET revoked_at = $1, revoked_by = $2 WHERE revoked_at IS NULL AND expires_at > $1", now, by)?)
}

/// Counts the valid tokens.
pub(crate) async fn count_alive(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    let count = q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM api_tokens WHERE revoked_at IS NULL AND expires_at > $1", now)?;
    Ok(count.unsigned_abs())
}

/// Returns all of a user's tokens, including ended ones.
pub(super) async fn ids_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<TokenId>> {
    Ok(q!(conn => vals TokenId, "SELECT id FROM api_tokens WHERE user_id = $1", user)?)
}

/// Returns all tokens that a principal created, including ended ones.
pub(super) async fn created_by(conn: &mut Conn<'_>, maker: &Principal) -> Result<Vec<TokenId>> {
    Ok(q!(conn => vals TokenId, "SELECT id FROM api_tokens WHERE created_by = $1", maker)?)
}

pub(super) async fn page(
    conn: &mut Conn<'_>,
    owner: Option<UserId>,
    now: Timestamp,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<ApiToken>> {
    let rows = match owner {
        Some(owner) => q!(conn => all Row,
            concat!("SELECT ", columns!(), " FROM api_tokens WHERE user_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT ($4 + 0)"),
            owner, before.at, before.id, limit)?,
        None => q!(conn => all Row,
            concat!("SELECT ", columns!(), " FROM api_tokens WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT ($3 + 0)"),
            before.at, before.id, limit)?,
    };
    Ok(rows.into_iter().map(|row| row.view(now)).collect())
}

pub(super) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM api_tokens WHERE user_id = $1", user)?;
    Ok(())
}

pub(super) async fn prune(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM api_tokens WHERE id IN (SELECT id FROM api_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT ($2 + 0))",
        before, PRUNE_BATCH)?)
}
