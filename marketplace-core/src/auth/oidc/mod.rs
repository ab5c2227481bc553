//! Social login: OpenID Connect, authorization code flow with PKCE (RFC 7636, S256), nonce, and a state bound to the browser.
//!
//! | | |
//! |---|---|
//! | what a login is asked with, and what comes of it | [`model`] |
//! | one function a use case | [`ops`] |
//! | whose account a person at a provider is | `account` |
//! | talking to a provider: discovery, keys, codes | `provider`, over `http` |
//! | what is believed of an ID token | `id_token` |
//!
//! All of that is there with the feature `oidc` only, which a server has and a command line does not; an account's identities
//! go with it either way.
//!
//! Signatures are checked by `jsonwebtoken`, which is in the tree for our own tokens. The crate `openidconnect` was weighed
//! and left out: it brings some forty more crates, a second set of cryptography among them (with an `rsa` that has an open
//! advisory, RUSTSEC-2023-0071), for what is a page of code here and is tried against a hostile provider, check by check.

#[cfg(feature = "oidc")]
mod account;
#[cfg(feature = "oidc")]
mod http;
#[cfg(feature = "oidc")]
mod id_token;
#[cfg(feature = "oidc")]
pub mod model;
#[cfg(feature = "oidc")]
pub mod ops;
#[cfg(feature = "oidc")]
mod provider;
#[cfg(feature = "oidc")]
mod store;

#[cfg(feature = "oidc")]
pub(crate) use provider::Providers;

use crate::{
    app::App,
    db::{Conn, PRUNE_BATCH},
    error::Result,
    ids::UserId,
    time::Timestamp,
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

/// Forgets logins and codes that nobody came back with.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    use futures::FutureExt;
    let now = app.now();
    let logins = app.db.prune_in_batches(move |c| {
        async move {
            Ok(q!(c => exec,
                "DELETE FROM oidc_logins WHERE state_hash IN \
                 (SELECT state_hash FROM oidc_logins WHERE expires_at < $1 ORDER BY expires_at LIMIT ($2 + 0))",
                now, PRUNE_BATCH)?)
        }
        .boxed()
    });
    let codes = app.db.prune_in_batches(move |c| {
        async move {
            Ok(q!(c => exec,
                "DELETE FROM oidc_codes WHERE hash IN (SELECT hash FROM oidc_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT ($2 + 0))",
                now, PRUNE_BATCH)?)
        }
        .boxed()
    });
    Ok(logins.await? + codes.await?)
}
