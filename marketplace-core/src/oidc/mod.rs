//! Social login: OpenID Connect, authorization code flow with PKCE (RFC 7636, S256), nonce, and a state bound to the browser.
//!
//! | | |
//! |---|---|
//! | the input and the outcome of a login | [`model`] |
//! | the use cases | [`ops`] |
//! | whose account a person at a provider is | `account` |
//! | talking to a provider: discovery, keys, codes | `provider`, over `http` |
//! | the checks of an ID token | `id_token` |
//!
//! All of that is there with the feature `oidc` only, which a server has and a command line does not; an account's identities
//! go with it either way.
//!
//! Signatures are checked by `jsonwebtoken`, which is in the tree for our own tokens. The crate `openidconnect` was weighed
//! and left out: it brings some forty more crates, a second set of cryptography among them (with an `rsa` that has an open
//! advisory, RUSTSEC-2023-0071), for what is a page of code here and is tried against a hostile provider, check by check.
//!
//! # Rules
//!
//! An identity is an issuer and a subject. It is linked to an account by address only if the provider says that the address is
//! verified, and the account's own address is verified too. A first login creates a client or a worker, never staff.
//!
//! ```no_run
//! # #[cfg(feature = "oidc")]
//! # mod example {
//! # use marketplace_core::{app::App, auth::ClientInfo, error::Result};
//! use marketplace_core::oidc::{model::BeginLogin, ops};
//!
//! # pub async fn example(app: &App, client: &ClientInfo) -> Result<()> {
//! let begin = BeginLogin { role: None, redirect: None, code_challenge: None };
//! let begun = ops::begin_login(app, client, "google", &begin).await?;
//! println!("open {}", begun.location);
//! # Ok(())
//! # }
//! # }
//! ```

#[cfg(feature = "oidc")]
mod account;
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

use crate::{app::App, base::error::Result, platform::db::PRUNE_BATCH};

/// Deletes logins and codes that were not used in time.
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
