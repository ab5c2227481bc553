//! Authentication: passwords, tokens, sessions, the second factor.
//!
//! # Rules
//!
//! - Signup, login and what sends mails return the same, after the same time, whether or not the address has an account.
//! - An access token lasts ten minutes. A refresh token is used once; using an old one again ends the session, apart from
//!   the previous one in the first 15 seconds.
//! - Logout, a ban, a deletion and a change of role end sessions at once. A one-time token works once, and only the newest does.
//! - A second factor (TOTP, with recovery codes) is optional, and can be required.
//!
//! ```no_run
//! # use marketplace_core::{accounts::model::Password, app::App, auth::{self, ClientInfo}, error::Result};
//! # async fn example(app: &App, client: &ClientInfo) -> Result<()> {
//! let tokens = auth::login(app, client, "ada@example.org", &Password::new("correct horse battery")).await?;
//! let actor = auth::authenticate(app, &tokens.access_token).await?;
//! auth::logout(&app.by(&actor)).await?;
//! # Ok(())
//! # }
//! ```

mod csrf;
pub(crate) mod identities;
mod model;
mod one_time;
pub(crate) mod ops;
mod refresh;
pub(crate) mod store;
pub(crate) mod totp;

pub use csrf::{Csrf, check_csrf, csrf};
pub use model::{ClientInfo, SessionView, Tokens};
pub(crate) use one_time::OneTime;
pub use ops::{
    SocketTicket, TICKET, authenticate, change_email, change_password, confirm_email, delete_own_data, forgot_password,
    issue_ticket, live_sessions, login, login_with, logout, logout_all, record_reader, redeem_ticket, refresh,
    resend_verification, reset_password, revoke_session, sessions, signup, verify_email,
};
pub(crate) use ops::{
    check_own_password, drop_tickets, end_work, issue_one_time, lock_checked, notify, owner_of_link, prune_tickets,
};

pub use totp::{Enrolment, Proof, RecoveryCodes, begin_totp, confirm_totp, disable_totp};

use std::time::Duration;

use futures::FutureExt;

use crate::{accounts::model::Password, app::App, base::error::Result};

/// Deletes sessions and one-time tokens that ended.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    app.limiter.prune();
    let now = app.now();
    // Ended sessions stay a day longer, so that a late refresh can be distinguished from a stolen one.
    let before = now - Duration::from_secs(86_400);
    let sessions = app.db.prune_in_batches(move |c| async move { store::prune_sessions(c, before).await }.boxed());
    let one_time = app.db.prune_in_batches(move |c| async move { store::prune_one_time(c, now).await }.boxed());
    Ok(sessions.await? + one_time.await?)
}

/// Returns the hash of a password as it is stored, in the PHC string format.
///
/// # Errors
/// `busy` when too many are waiting to be hashed; `internal` when it cannot be hashed.
pub async fn hash_password(app: &App, password: Password) -> Result<String> {
    app.hasher.hash(password).await
}

/// Sets a password without asking for the old one.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn testing_set_password(
    app: &App,
    id: crate::base::ids::UserId,
    password: &Password,
    verified: bool,
) -> Result<()> {
    let hash = app.hasher.hash(password.clone()).await?;

    crate::operation::Operation::system(app)
        .write(unit!(|op, c| {
            crate::accounts::store::set_password(c, id, &hash, op.now()).await?;
            if verified {
                crate::accounts::store::confirm_address(c, id, op.now()).await?;
            }
            Ok(())
        }))
        .await
}
