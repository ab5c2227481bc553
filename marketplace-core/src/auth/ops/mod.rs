//! The use cases of authentication, one function each.

mod email;
mod passwords;
mod response_timer;
mod session;
mod signup;
mod sockets;
mod work;

pub use email::{change_email, confirm_email};
pub use passwords::{change_password, forgot_password, reset_password};
pub(crate) use passwords::{check_own_password, lock_checked};
#[cfg(feature = "oidc")]
pub(crate) use session::Opening;
pub use session::{
    authenticate, login, login_with, logout, logout_all, record_reader, refresh, revoke_session, sessions,
};
pub(crate) use signup::owner_of_link;
pub use signup::{delete_own_data, resend_verification, signup, verify_email};
pub use sockets::{SocketTicket, TICKET, issue_ticket, live_sessions, redeem_ticket};
pub(crate) use sockets::{drop_tickets, prune_tickets};
pub(crate) use work::end_work;

use std::time::Duration;

use super::{one_time::OneTime, store};
use crate::{
    accounts::{
        self,
        model::{Account, Status, normalise_email},
    },
    app::App,
    base::{
        error::{Error, Result},
        ids::UserId,
    },
    notifications::{self, model::NotificationKind},
    operation::Operation,
    platform::{access_token as token, db::Conn},
    records::mail::{self, Mail, Template},
};

/// Returns a number of hours as a duration.
pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

/// Creates a one-time token, which replaces the previous one of its kind, and returns the link with it. A waiting mail with
/// the previous one is cancelled.
pub(crate) async fn issue_one_time(
    app: &App,
    conn: &mut Conn<'_>,
    user: UserId,
    kind: OneTime,
    payload: Option<&str>,
    valid: Duration,
) -> Result<String> {
    let token = token::Opaque::new(app.random.as_ref());
    mail::cancel(conn, &kind.mail_subject(user)).await?;
    store::put_one_time(conn, token.hash(), user, kind.as_str(), payload, app.now() + valid).await?;
    link(app, kind.path(), Some(&token.0))
}

/// Returns a link into the public site.
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

/// Queues a mail about an account, to its address, and notifies its owner where there is such a notification.
pub(crate) async fn notify(
    op: &Operation,
    conn: &mut Conn<'_>,
    account: &Account,
    template: Template,
    link: Option<String>,
) -> Result<()> {
    if let Ok(kind) = template.as_str().parse::<NotificationKind>() {
        notifications::tell(op, conn, account.id, kind, account.id, op.now()).await?;
    }
    post(op, conn, account, template, link).await
}

/// Queues a mail about an account, to its address.
async fn post(
    app: &App,
    conn: &mut Conn<'_>,
    account: &Account,
    template: Template,
    link: Option<String>,
) -> Result<()> {
    let mail = Mail { link, ..Mail::to_owner(account, template) };
    let subject =
        OneTime::of(template).map_or_else(|| format!("user:{}", account.id), |kind| kind.mail_subject(account.id));
    mail::enqueue(app, conn, &subject, app.now(), &mail).await
}

/// Returns the account that has an address now, locked.
async fn lock_by_email(conn: &mut Conn<'_>, email: &str) -> Result<Option<Account>> {
    let Some((found, _)) = accounts::store::by_email(conn, email).await? else { return Ok(None) };
    let account = accounts::store::lock(conn, found.id).await?;
    Ok(account.filter(|account| normalise_email(&account.email) == email))
}

/// Returns whether a link was sent to the address that an account has now; links of the previous release do not record it.
fn is_to(sent_to: Option<&str>, account: &Account) -> bool {
    sent_to.is_none_or(|email| email == normalise_email(&account.email))
}

/// Returns the error for a one-time token that is not valid, whatever the reason.
fn token_invalid() -> Error {
    Error::invalid("/token", "is not valid: it was used, has expired, or a newer one was sent; ask for a new one")
}

/// Checks that the address is confirmed: an unverified account may only verify, request the mail again, or be deleted.
pub(super) fn require_verified(account: &Account) -> Result<()> {
    if account.status == Status::Unverified {
        Err(Error::forbidden("confirm your address first: the link is in the mail that we sent"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
