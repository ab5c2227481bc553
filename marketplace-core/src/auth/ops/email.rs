//! Changing an account's address, which takes effect when the new one is confirmed.

use super::{
    super::{ClientInfo, store},
    hours, issue_one_time, link, notify,
    passwords::{check_own_password, lock_checked},
    require_verified,
    response_timer::ResponseTimer,
    token_invalid,
};
use crate::{
    accounts::{
        self,
        model::{Password, check_email, normalise_email},
    },
    app::App,
    auth::one_time::OneTime,
    base::{
        error::{Error, Result},
        permission::Permission,
    },
    operation::Operation,
    platform::{access_token as token, db::DbError},
    records::{
        events::{self, EventKind},
        mail::{self, Mail, Template},
    },
    reports::model::ReportedContent,
    rules::{self, About},
};

/// Requests another address: the mail to it confirms the change, and a mail to the old one warns.
///
/// Returns the same whether or not the new address has an account.
///
/// # Errors
/// `invalid` for a wrong password, and for an address that is not valid or already the caller's; `rate_limited` after too
/// many calls.
pub async fn change_email(op: &Operation, password: &Password, email: &str) -> Result<()> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    require_verified(&me.account)?;
    let email = check_email(email)?;
    let norm = normalise_email(&email);
    if norm == normalise_email(&me.account.email) {
        return Err(Error::invalid("/email", "is your address already"));
    }
    let caught = rules::caught_domains(&mut op.db.read().await?.conn(), &email).await?;
    let checked = check_own_password(op, password, "/password").await?;
    op.limiter.notice(&normalise_email(&me.account.email)).await?;
    let may_mail = op.limiter.may_mail(&norm).await;
    let timer = ResponseTimer::begin();
    let user = me.account.id;
    op.write(unit!(|op, c| {
        let account = lock_checked(c, user, checked.as_deref()).await?;
        if let Some((existing, _)) = accounts::store::by_email(c, &norm).await? {
            if existing.status.may_log_in() && may_mail {
                notify(&op, c, &existing, Template::AccountExists, Some(link(&op, "auth/password/forgot", None)?))
                    .await?;
            }
        } else if may_mail {
            let link = issue_one_time(&op, c, account.id, OneTime::ChangeEmail, Some(&email), hours(1)).await?;
            let template = Template::ConfirmNewEmail;
            let mail = Mail { link: Some(link), user: Some(account.id), ..Mail::to_stranger(&email, template) };
            mail::enqueue(&op, c, &OneTime::ChangeEmail.mail_subject(user), op.now(), &mail).await?;
        }
        caught.store(&op, c, About::user(user), &ReportedContent::titled(&account.name)).await?;
        notify(&op, c, &account, Template::EmailChanging, None).await
    }))
    .await?;
    timer.end().await;
    Ok(())
}

/// Confirms the new address, which takes effect.
///
/// # Errors
/// `invalid` for a token that is not valid; `conflict` when the address has become another account's.
pub async fn confirm_email(app: &App, client: &ClientInfo, one_time: &str) -> Result<()> {
    app.limiter.call(client.ip).await?;
    let hash = token::hash(one_time);

    Operation::system(app)
        .write(unit!(|op, c| {
            let taken = store::take_one_time(c, hash, OneTime::ChangeEmail.as_str(), op.now()).await?;
            let Some((user, Some(email))) = taken else { return Err(token_invalid()) };
            let account = accounts::store::lock(c, user).await?.ok_or_else(token_invalid)?;
            if !account.status.may_log_in() {
                return Err(token_invalid());
            }
            match accounts::store::set_email(c, &account, &email, op.now()).await {
                Err(DbError::Unique(_)) => {
                    return Err(Error::conflict("the address belongs to another account by now", ()));
                }
                done => done?,
            }
            // Staff may have put the address of a new account right.
            accounts::store::claim_phone(c, user).await?;
            // A link to the address of before, too, dies with it.
            store::drop_outstanding(c, user).await?;
            events::append(&op, c, EventKind::UserChanged, &user.to_string(), Some(user)).await
        }))
        .await
}
