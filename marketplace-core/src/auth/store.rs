//! SQL queries for sessions and tokens.

use super::{OneTime, SessionView, identities, totp};
use crate::{
    accounts::{model::Account, store::account_columns},
    base::{
        error::{Error, Result},
        ids::{SessionId, UserId},
        page::TimeCursor,
        time::Timestamp,
    },
    platform::db::{Conn, PRUNE_BATCH, PointRead, json},
    records::mail,
};

/// A session, with its account.
#[derive(Clone, serde::Deserialize)]
pub(crate) struct Session {
    id: SessionId,
    #[serde(deserialize_with = "json::opt_micros")]
    revoked_at: Option<Timestamp>,
    #[serde(deserialize_with = "json::micros")]
    pub expires_at: Timestamp,
    pub account: Account,
}

impl Session {
    /// Returns whether the session belongs to `user` and is still valid.
    pub(crate) fn lives(&self, user: UserId, now: Timestamp) -> bool {
        self.account.id == user && self.revoked_at.is_none() && self.expires_at > now
    }
}

/// Reads sessions with their accounts. Every call with a token needs one, so reads of concurrent calls are batched.
pub(crate) struct Sessions;

impl PointRead for Sessions {
    type Key = SessionId;
    type Row = Session;
    async fn load(conn: &mut Conn<'_>, ids: &[SessionId]) -> Result<Vec<(SessionId, Session)>> {
        let rows = q!(conn => json Vec<Session>, [
            sqlite: concat!(
                "SELECT json_group_array(json_array(lower(hex(s.id)), s.revoked_at, s.expires_at, ",
                account_columns!(sqlite),
                ")) FROM json_each($1) k CROSS JOIN sessions s ON s.id = unhex(k.value, '-') CROSS JOIN users u ON u.id = s.user_id"),
            pg: concat!(
                "SELECT json_agg(json_build_array(s.id, (extract(epoch FROM s.revoked_at) * 1000000)::bigint, \
                 (extract(epoch FROM s.expires_at) * 1000000)::bigint, ",
                account_columns!(pg),
                ")) FROM json_array_elements_text($1::json) k(value) JOIN sessions s ON s.id = k.value::uuid JOIN users u ON u.id = s.user_id"),
        ], json::keys(ids))?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

pub(crate) struct NewSession<'a> {
    pub id: SessionId,
    pub user: UserId,
    pub agent: &'a str,
    pub ip: &'a str,
    pub now: Timestamp,
    pub expires_at: Timestamp,
    pub refresh_secret: &'a [u8],
}

pub(crate) async fn create(conn: &mut Conn<'_>, new: NewSession<'_>) -> Result<()> {
    // Earlier releases read the newest access token from here; nothing else does.
    q!(conn => exec,
        "INSERT INTO sessions (id, user_id, user_agent, ip, created_at, last_used_at, expires_at, generation, refresh_secret, access_jti, access_used) \
         VALUES ($1, $2, $3, $4, $5, $5, $6, 1, $7, $1, TRUE)",
        new.id, new.user, new.agent, new.ip, new.now, new.expires_at, new.refresh_secret)?;
    Ok(())
}

/// A session with the data that is needed to judge its refresh tokens.
#[derive(sqlx_macros::FromRow)]
pub(crate) struct Refresh {
    #[sqlx(flatten)]
    pub account: Account,
    /// Generation of the session's newest token.
    pub generation: i64,
    /// Secret of the session; `None` while its newest token dates from releases that stored a row for each token.
    pub refresh_secret: Option<Vec<u8>>,
    pub refresh_uses: Option<String>,
    pub revoked_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    /// When the session began.
    pub began_at: Timestamp,
}

/// Returns a session and locks it, so that of two concurrent refreshes the second sees the effect of the first.
pub(crate) async fn refresh(conn: &mut Conn<'_>, session: SessionId) -> Result<Option<Refresh>> {
    Ok(q!(conn => opt Refresh, [
        sqlite: concat!("SELECT ", account_columns!(rows), ", s.generation, s.refresh_secret, s.refresh_uses, s.revoked_at, s.expires_at, s.created_at AS began_at \
            FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1"),
        pg: concat!("SELECT ", account_columns!(rows), ", s.generation, s.refresh_secret, s.refresh_uses, s.revoked_at, s.expires_at, s.created_at AS began_at \
            FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 FOR UPDATE OF s"),
    ], session)?)
}

/// Returns session and generation of a token from releases that stored a row for each token.
pub(crate) async fn refresh_by_row(conn: &mut Conn<'_>, hash: &[u8]) -> Result<Option<(SessionId, i64)>> {
    Ok(q!(conn => opt (SessionId, i64), "SELECT session_id, generation FROM refresh_tokens WHERE hash = $1", hash)?)
}

/// Stores a new generation for the session's newest token.
pub(crate) async fn rotate(
    conn: &mut Conn<'_>,
    session: SessionId,
    generation: i64,
    secret: &[u8],
    uses: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE sessions SET generation = $2, refresh_secret = $3, refresh_uses = $4, last_used_at = $5, expires_at = $6 WHERE id = $1",
        session, generation, secret, uses, now, expires_at)?;
    Ok(())
}

/// Returns whether a session is alive, and keeps it so until the transaction ends.
pub(crate) async fn holds(conn: &mut Conn<'_>, session: SessionId, now: Timestamp) -> Result<bool> {
    let found = q!(conn => optval SessionId, [
        sqlite: "SELECT id FROM sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2",
        pg: "SELECT id FROM sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 FOR SHARE",
    ], session, now)?;
    Ok(found.is_some())
}

/// Returns whether a user has a session that is alive.
pub(crate) async fn is_logged_in(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2)", user, now)?)
}

/// Ends one session of a user. Returns `false` when it is not theirs or has already ended.
pub(crate) async fn revoke(conn: &mut Conn<'_>, session: SessionId, user: UserId, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => exec, "UPDATE sessions SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
        session, user, now)?
        == 1)
}

/// Returns whether a session, which may have ended, is one of a user's.
pub(crate) async fn is_session_of(conn: &mut Conn<'_>, session: SessionId, user: UserId) -> Result<bool> {
    Ok(q!(conn => optval SessionId, "SELECT id FROM sessions WHERE id = $1 AND user_id = $2", session, user)?.is_some())
}

/// Ends all sessions of a user, or all but one. Returns how many.
pub(crate) async fn revoke_all(
    conn: &mut Conn<'_>,
    user: UserId,
    but: Option<SessionId>,
    now: Timestamp,
) -> Result<u64> {
    Ok(match but {
        None => {
            q!(conn => exec, "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2", user, now)?
        }
        Some(but) => q!(conn => exec,
            "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND id <> $3", user, now, but)?,
    })
}

/// Counts the sessions that are alive.
pub(crate) async fn count_alive(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    let count = q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM sessions WHERE revoked_at IS NULL AND expires_at > $1", now)?;
    Ok(count.unsigned_abs())
}

/// Returns the last id of the batch of sessions that follows `after` in the order of ids; `None` when no session
/// follows.
pub(crate) async fn end_of_round(
    conn: &mut Conn<'_>,
    after: SessionId,
    last: SessionId,
    count: i64,
) -> Result<Option<SessionId>> {
    Ok(q!(conn => vals SessionId,
        "SELECT id FROM sessions WHERE id > $1 AND id <= $2 ORDER BY id LIMIT ($3 + 0)", after, last, count)?
    .pop())
}

/// Ends all users' sessions with ids after one and up to another. Returns how many were alive.
pub(crate) async fn revoke_range(conn: &mut Conn<'_>, after: SessionId, end: SessionId, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "UPDATE sessions SET revoked_at = $3 WHERE id > $1 AND id <= $2 AND revoked_at IS NULL AND expires_at > $3", after, end, now)?)
}

#[derive(sqlx_macros::FromRow)]
struct SessionRow {
    id: SessionId,
    user_agent: String,
    ip: String,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
}

pub(crate) async fn page(
    conn: &mut Conn<'_>,
    user: UserId,
    current: SessionId,
    now: Timestamp,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<SessionView>> {
    let rows = q!(conn => all SessionRow,
        "SELECT id, user_agent, ip, created_at, last_used_at, expires_at FROM sessions \
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT ($5 + 0)",
        user, now, before.at, before.id, limit)?;
    let view = |row: SessionRow| SessionView {
        id: row.id,
        current: row.id == current,
        user_agent: row.user_agent,
        ip: row.ip,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// A session as shown to its owner.
#[derive(serde::Serialize, sqlx_macros::FromRow)]
pub(crate) struct OwnSession {
    pub id: SessionId,
    user_agent: String,
    ip: String,
    pub created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

/// Returns a user's sessions, including ended ones, newest first.
pub(crate) async fn all_of(
    conn: &mut Conn<'_>,
    user: UserId,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<OwnSession>> {
    Ok(q!(conn => all OwnSession,
        "SELECT id, user_agent, ip, created_at, last_used_at, expires_at, revoked_at FROM sessions \
         WHERE user_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT ($4 + 0)",
        user, before.at, before.id, limit)?)
}

/// Counts a user's live sessions, and returns when any of the user's sessions was last used.
pub(crate) async fn summary(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<(i64, Option<Timestamp>)> {
    let alive = q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2", user, now)?;
    let seen = q!(conn => val Option<Timestamp>, "SELECT max(last_used_at) FROM sessions WHERE user_id = $1", user)?;
    Ok((alive, seen))
}

/// Stores a one-time token, which replaces an earlier one of the same kind.
pub(crate) async fn put_one_time(
    conn: &mut Conn<'_>,
    hash: Vec<u8>,
    user: UserId,
    kind: &str,
    payload: Option<&str>,
    expires_at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO one_time_tokens (hash, user_id, kind, payload, expires_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (user_id, kind) DO UPDATE SET hash = excluded.hash, payload = excluded.payload, expires_at = excluded.expires_at",
        hash, user, kind, payload, expires_at)?;
    Ok(())
}

/// Consumes a one-time token.
pub(crate) async fn take_one_time(
    conn: &mut Conn<'_>,
    hash: Vec<u8>,
    kind: &str,
    now: Timestamp,
) -> Result<Option<(UserId, Option<String>)>> {
    Ok(q!(conn => opt (UserId, Option<String>),
        "DELETE FROM one_time_tokens WHERE hash = $1 AND kind = $2 AND expires_at > $3 RETURNING user_id, payload", hash, kind, now)?)
}

/// Returns whose a one-time token is, without consuming it.
pub(crate) async fn owner_of_one_time(
    conn: &mut Conn<'_>,
    hash: Vec<u8>,
    kind: &str,
    now: Timestamp,
) -> Result<Option<UserId>> {
    Ok(q!(conn => optval UserId,
        "SELECT user_id FROM one_time_tokens WHERE hash = $1 AND kind = $2 AND expires_at > $3", hash, kind, now)?)
}

/// Deletes everything issued to a user, except sessions, that could still log them in or change their account: links,
/// with the queued mails that carry them, codes of logins through a provider, and a second factor whose enrolment was
/// begun.
pub(crate) async fn drop_outstanding(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM one_time_tokens WHERE user_id = $1", user)?;
    for kind in OneTime::ALL {
        mail::cancel(conn, &kind.mail_subject(user)).await?;
    }
    identities::drop_codes(conn, user).await?;
    totp::store::drop_begun(conn, user).await
}

/// Deletes a user's sessions, with the addresses and names of clients in them.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM sessions WHERE user_id = $1", user)?;
    totp::store::remove(conn, user).await?;
    drop_outstanding(conn, user).await
}

/// Deletes a batch of sessions that ended before `before`.
pub(crate) async fn prune_sessions(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT ($2 + 0))",
        before, PRUNE_BATCH)?)
}

/// Deletes a batch of expired one-time tokens.
pub(crate) async fn prune_one_time(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM one_time_tokens WHERE hash IN (SELECT hash FROM one_time_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT ($2 + 0))",
        now, PRUNE_BATCH)?)
}

/// Returns which of the given sessions are alive and belong to a user who may trade.
pub(crate) async fn living(
    conn: &mut Conn<'_>,
    sessions: &[SessionId],
    now: Timestamp,
) -> Result<Vec<(SessionId, Timestamp)>> {
    let ids = serde_json::to_string(sessions).map_err(Error::internal)?;
    Ok(q!(conn => all (SessionId, Timestamp), [
        sqlite: "SELECT s.id, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
                 WHERE s.id IN (SELECT unhex(value, '-') FROM json_each($1)) AND s.revoked_at IS NULL AND s.expires_at > $2 \
                   AND u.status IN ('active', 'frozen') AND u.role IN ('client', 'worker')",
        pg: "SELECT s.id, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.id IN (SELECT i.value::uuid FROM json_array_elements_text($1::json) AS i (value)) AND s.revoked_at IS NULL \
               AND s.expires_at > $2 AND u.status IN ('active', 'frozen') AND u.role IN ('client', 'worker')",
    ], ids, now)?)
}

/// Stores a single-use ticket with which a browser opens a socket.
pub(crate) async fn put_ticket(
    conn: &mut Conn<'_>,
    hash: Vec<u8>,
    user: UserId,
    session: SessionId,
    expires_at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO socket_tickets (hash, user_id, session_id, expires_at) VALUES ($1, $2, $3, $4)",
        hash, user, session, expires_at)?;
    Ok(())
}

/// Returns whether a ticket exists.
pub(crate) async fn has_ticket(conn: &mut Conn<'_>, hash: &[u8]) -> Result<bool> {
    let found = q!(conn => opt (UserId,), "SELECT user_id FROM socket_tickets WHERE hash = $1", hash)?;
    Ok(found.is_some())
}

/// Consumes a ticket. Returns its user, its session, and when it ends.
pub(crate) async fn take_ticket(conn: &mut Conn<'_>, hash: Vec<u8>) -> Result<Option<(UserId, SessionId, Timestamp)>> {
    Ok(q!(conn => opt (UserId, SessionId, Timestamp),
        "DELETE FROM socket_tickets WHERE hash = $1 RETURNING user_id, session_id, expires_at", hash)?)
}

pub(crate) async fn drop_tickets(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM socket_tickets WHERE user_id = $1", user)?;
    Ok(())
}

pub(crate) async fn prune_tickets(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM socket_tickets WHERE hash IN (SELECT hash FROM socket_tickets WHERE expires_at < $1 ORDER BY expires_at LIMIT ($2 + 0))",
        now, PRUNE_BATCH)?)
}
