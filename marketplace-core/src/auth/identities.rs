//! Ways into an account through providers of social login.

use crate::{
    base::{error::Result, ids::UserId, time::Timestamp},
    platform::db::Conn,
};

/// A way into an account through a provider, as its owner takes it away with everything else.
#[derive(serde::Serialize, sqlx_macros::FromRow)]
pub(crate) struct Held {
    issuer: String,
    subject: String,
    created_at: Timestamp,
    last_used_at: Timestamp,
}

/// All of a user's ways in, newest first; there are as many as providers, more or less.
pub(crate) async fn held(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Held>> {
    Ok(q!(conn => all Held,
        "SELECT issuer, subject, created_at, last_used_at FROM identities WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 200",
        user)?)
}

/// Takes all that could log a user in through a provider.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM identities WHERE user_id = $1", user)?;
    drop_codes(conn, user).await
}

/// Takes the codes that pages have not exchanged yet.
pub(crate) async fn drop_codes(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM oidc_codes WHERE user_id = $1", user)?;
    Ok(())
}
