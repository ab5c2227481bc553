//! One-use tickets of browsers' sockets.

use crate::{
    db::Conn,
    error::Result,
    ids::{SessionId, UserId},
    time::Timestamp,
};

pub(in crate::messaging) async fn put_ticket(
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

/// Uses a ticket up: whose it was, and when it ended.
pub(in crate::messaging) async fn take_ticket(
    conn: &mut Conn<'_>,
    hash: Vec<u8>,
) -> Result<Option<(UserId, SessionId, Timestamp)>> {
    Ok(q!(conn => opt (UserId, SessionId, Timestamp),
        "DELETE FROM socket_tickets WHERE hash = $1 RETURNING user_id, session_id, expires_at", hash)?)
}

pub(in crate::messaging) async fn drop_tickets(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM socket_tickets WHERE user_id = $1", user)?;
    Ok(())
}

pub(in crate::messaging) async fn prune_tickets(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec, "DELETE FROM socket_tickets WHERE expires_at < $1", now)?)
}
