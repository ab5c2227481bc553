//! Passwords: forgotten, reset, changed.

use futures::FutureExt;

use super::{
    super::{ClientInfo, store},
    end_work, hours, is_to, issue_one_time, lock_by_email, notify, post, require_verified, token_invalid,
};
use crate::{
    accounts::{
        self,
        model::{Account, EMAIL_LIMIT, Password, normalise_email},
    },
    app::App,
    auth::one_time::OneTime,
    base::{
        call_context::{current, part_of},
        error::{Error, Result},
        ids::UserId,
        permission::Permission,
        principal::Principal,
    },
    operation::Operation,
    platform::{access_token as token, db::Conn, health, passwords::Fit},
    records::{
        events::{self, EventKind},
        mail::Template,
    },
    tokens,
};

/// Sends a mail with which a new password can be set, if there is such an account. Returns the same, at once, in
/// any case.
///
/// # Errors
/// `rate_limited` after too many calls.
pub async fn forgot_password(app: &App, client: &ClientInfo, email: &str) -> Result<()> {
    app.limiter.call(client.ip).await?;
    if email.len() > EMAIL_LIMIT {
        return Ok(());
    }
    let (app, email) = (app.clone(), normalise_email(email));
    // Apart from the answer, whose time must not tell.
    let work = async move {
        if !app.limiter.may_mail(&email).await {
            return;
        }
        let db = app.db.clone();
        let sent = db.write(move |c| {
            async move {
                let Some(account) = lock_by_email(c, &email).await? else { return Ok(()) };
                if !account.status.may_log_in() {
                    return Ok(());
                }
                let link = issue_one_time(&app, c, account.id, OneTime::ResetPassword, Some(&email), hours(1)).await?;
                post(&app, c, &account, Template::ResetPassword, Some(link)).await
            }
            .boxed()
        });
        if let Err(error) = sent.await {
            health::log_failure(&error, "a mail was asked for and not recorded");
        }
    };
    tokio::spawn(part_of(current(), work));
    Ok(())
}

/// Sets a password with the token from a mail, which also confirms the address. Every session and API token ends, and so does
/// every other link that was sent.
///
/// # Errors
/// `invalid` for a token that is not valid, or a password that breaks a rule.
pub async fn reset_password(app: &App, client: &ClientInfo, one_time: &str, new: &Password) -> Result<()> {
    app.limiter.call(client.ip).await?;
    new.check("", app.site())?;
    app.breached.check(new).await?;
    let token_hash = token::hash(one_time);
    let hash = app.hasher.hash(new.clone()).await?;
    let new = new.clone();
    Operation::system(app)
        .write(unit!(|op, c| {
            let now = op.now();
            let taken = store::take_one_time(c, token_hash, OneTime::ResetPassword.as_str(), now).await?;
            let (user, sent_to) = taken.ok_or_else(token_invalid)?;
            let account = accounts::store::lock(c, user).await?.ok_or_else(token_invalid)?;
            if !account.status.may_log_in() || !is_to(sent_to.as_deref(), &account) {
                return Err(token_invalid());
            }
            // On an error the transaction takes the token back: another password can be tried.
            new.check(&account.email, op.site())?;
            accounts::store::set_password(c, user, &hash, now).await?;
            accounts::store::confirm_address(c, user, now).await?;
            store::drop_outstanding(c, user).await?;
            store::revoke_all(c, user, None, now).await?;
            tokens::revoke_all(&op, c, &Principal::user(user), user).await?;
            end_work(&op, c, &account).await?;
            notify(&op, c, &account, Template::PasswordChanged, None).await?;
            events::append(&op, c, EventKind::SessionRevoked, &user.to_string(), Some(user)).await
        }))
        .await
}

/// Changes the caller's password, and ends every other session, every API token and every link that was sent.
///
/// # Errors
/// `invalid` when the current password is wrong or the new one breaks a rule; `conflict` when it was changed meanwhile.
pub async fn change_password(op: &Operation, current: &Password, new: &Password) -> Result<()> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    require_verified(&me.account)?;
    new.check(&me.account.email, op.site())?;
    op.breached.check(new).await?;
    let checked = check_own_password(op, current, "/current_password").await?;
    op.limiter.notice(&normalise_email(&me.account.email)).await?;
    let hash = op.hasher.hash(new.clone()).await?;
    let (user, session) = (me.account.id, me.session);
    op.write(unit!(|op, c| {
        let account = lock_checked(c, user, checked.as_deref()).await?;
        accounts::store::set_password(c, user, &hash, op.now()).await?;
        store::drop_outstanding(c, user).await?;
        store::revoke_all(c, user, Some(session), op.now()).await?;
        tokens::revoke_all(&op, c, &Principal::user(user), user).await?;
        notify(&op, c, &account, Template::PasswordChanged, None).await?;
        events::append(&op, c, EventKind::SessionRevoked, &user.to_string(), Some(user)).await
    }))
    .await
}

/// Locks the caller's account, of which [`check_own_password`] returned the hash.
///
/// # Errors
/// `conflict` when another password was set meanwhile, or the account was closed.
pub(crate) async fn lock_checked(conn: &mut Conn<'_>, user: UserId, checked: Option<&str>) -> Result<Account> {
    let found = accounts::store::lock_with_hash(conn, user).await?;
    let (account, hash) = found.ok_or_else(|| Error::not_found("account"))?;
    if hash.as_deref() != checked || !account.status.may_log_in() {
        return Err(Error::conflict("the password was changed meanwhile", ()));
    }
    Ok(account)
}

/// Checks the caller's password before something that cannot be undone; returns the hash that it fits, for [`lock_checked`].
pub(crate) async fn check_own_password(op: &Operation, password: &Password, pointer: &str) -> Result<Option<String>> {
    let me = op.actor().require_session()?;
    // A stolen session must not become a way to try passwords.
    let key = format!("user:{}", me.account.id);
    let check = async {
        let mut reader = op.db.read().await?;
        let hash = accounts::store::hash_of(&mut reader.conn(), me.account.id).await?;
        drop(reader);
        if op.hasher.verify(password.clone(), hash.clone()).await? == Fit::No {
            return Err(Error::invalid(pointer, "is wrong"));
        }
        Ok(hash)
    };
    let hash = op.limiter.attempt(std::net::IpAddr::from([0, 0, 0, 0]), &key, check).await?;
    op.limiter.logged_in(std::net::IpAddr::from([0, 0, 0, 0]), &key).await;
    Ok(hash)
}
