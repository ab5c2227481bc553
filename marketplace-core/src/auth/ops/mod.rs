//! One function a use case.

mod beat;
mod email;
mod keys;
mod passwords;
mod session;
mod signup;
mod sockets;

pub use email::{change_email, confirm_email};
pub use keys::{replace_lost_keys, rotate_keys};
pub(crate) use passwords::check_own_password;
pub use passwords::{change_password, forgot_password, reset_password};
#[cfg(feature = "oidc")]
pub(super) use session::Opening;
pub(crate) use session::{announce_ended, ending};
pub use session::{authenticate, login, login_with, logout, logout_all, refresh, revoke_session, sessions};
pub(crate) use signup::owner_of_link;
pub use signup::{delete_own_data, resend_verification, signup, verify_email};
pub use sockets::{SocketTicket, TICKET, issue_ticket, live_sessions, redeem_ticket};
pub(crate) use sockets::{drop_tickets, prune_tickets};

use std::time::Duration;

use super::{store, token};
use crate::{
    accounts::model::{Account, Status},
    app::App,
    db::Conn,
    error::{Error, Result},
    ids::UserId,
    mail::{self, Mail, Template},
    text_enum,
};

text_enum! {
    /// What a one-time token is good for.
    pub enum OneTime {
        /// Confirms the address of a new account.
        VerifyEmail = "verify_email",
        /// Sets a password.
        ResetPassword = "reset_password",
        /// Makes another address take effect.
        ChangeEmail = "change_email",
        /// Lets a banned person delete their data.
        OwnData = "own_data",
    }
}

impl OneTime {
    fn path(self) -> &'static str {
        match self {
            Self::VerifyEmail => "auth/verify-email",
            Self::ResetPassword => "auth/password/reset",
            Self::ChangeEmail => "auth/email/confirm",
            Self::OwnData => "auth/own-data/delete",
        }
    }
}

/// Hours, as a duration.
pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

/// Makes the token of a kind, the only one that counts from now on, and answers the link with it.
pub(crate) async fn issue_one_time(
    app: &App,
    conn: &mut Conn<'_>,
    user: UserId,
    kind: OneTime,
    payload: Option<&str>,
    valid: Duration,
) -> Result<String> {
    let token = token::Opaque::new(app.random.as_ref());
    store::put_one_time(conn, token.hash(), user, kind.as_str(), payload, app.now() + valid).await?;
    link(app, kind.path(), Some(&token.0))
}

/// A link into the public site.
pub(crate) fn link(app: &App, path: &str, token: Option<&str>) -> Result<String> {
    let mut url = app.config.public_url.clone();
    url.path_segments_mut()
        .map_err(|()| Error::internal("public_url is no base"))?
        .pop_if_empty()
        .extend(path.split('/'));
    if let Some(token) = token {
        url.query_pairs_mut().append_pair("token", token);
    }
    Ok(url.into())
}

/// Records a mail about an account, to its address.
pub(crate) async fn notify(
    app: &App,
    conn: &mut Conn<'_>,
    account: &Account,
    template: Template,
    link: Option<String>,
) -> Result<()> {
    let mail = Mail {
        to: account.email.clone(),
        name: account.name.clone(),
        template,
        link,
        comment: None,
        user: Some(account.id),
    };
    mail::enqueue(app, conn, &format!("user:{}", account.id), app.now(), &mail).await
}

/// A one-time token that does not count, whatever the reason.
fn token_invalid() -> Error {
    Error::invalid("/token", "is not valid: it was used, has expired, or a newer one was sent; ask for a new one")
}

/// An unverified account may only verify, ask for the mail again, or be deleted.
pub(super) fn require_verified(account: &Account) -> Result<()> {
    if account.status == Status::Unverified {
        Err(Error::forbidden("confirm your address first: the link is in the mail that we sent"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
