//! Another address for an account: takes effect when it is confirmed.

use futures::FutureExt;

use super::{
    super::{ClientInfo, store},
    beat::Beat,
    hours, issue_one_time, link, notify,
    passwords::{check_own_password, lock_checked},
    require_verified, token_invalid,
};
use crate::{
    accounts::{
        self,
        model::{Password, check_email, normalise_email},
    },
    actor::Actor,
    app::App,
    auth::one_time::OneTime,
    base::{
        error::{Error, Result},
        permission::Permission,
    },
    platform::{access_token as token, db::DbError},
    records::{
        events,
        mail::{self, Mail, Template},
    },
};

/// Asks for another address: a mail to it confirms, a mail to the old one warns.
///
/// Answers alike whether or not the new address has an account.
pub async fn change_email(app: &App, actor: &Actor, password: &Password, email: &str) -> Result<()> {
    let me = actor.require_own(Permission::OwnAccount)?;
    require_verified(&me.account)?;
    let email = check_email(email)?;
    let norm = normalise_email(&email);
    if norm == normalise_email(&me.account.email) {
        return Err(Error::invalid("/email", "is your address already"));
    }
    let checked = check_own_password(app, actor, password, "/password").await?;
    app.limiter.notice(&normalise_email(&me.account.email)).await?;
    let may_mail = app.limiter.may_mail(&norm).await;
    let beat = Beat::begin();
    let (app2, user) = (app.clone(), me.account.id);
    app.db
        .write(move |c| {
            async move {
                let account = lock_checked(c, user, checked.as_deref()).await?;
                if let Some((existing, _)) = accounts::store::by_email(c, &norm).await? {
                    if existing.status.may_log_in() && may_mail {
                        notify(
                            &app2,
                            c,
                            &existing,
                            Template::AccountExists,
                            Some(link(&app2, "auth/password/forgot", None)?),
                        )
                        .await?;
                    }
                } else if may_mail {
                    let link =
                        issue_one_time(&app2, c, account.id, OneTime::ChangeEmail, Some(&email), hours(1)).await?;
                    let template = Template::ConfirmNewEmail;
                    let mail = Mail { link: Some(link), user: Some(account.id), ..Mail::to_stranger(&email, template) };
                    mail::enqueue(&app2, c, &OneTime::ChangeEmail.mail_subject(user), app2.now(), &mail).await?;
                }
                notify(&app2, c, &account, Template::EmailChanging, None).await
            }
            .boxed()
        })
        .await?;
    beat.end().await;
    Ok(())
}

/// Makes the new address take effect.
pub async fn confirm_email(app: &App, client: &ClientInfo, one_time: &str) -> Result<()> {
    app.limiter.call(client.ip).await?;
    let hash = token::hash(one_time);
    let now = app.now();
    app.db
        .write(move |c| {
            async move {
                let taken = store::take_one_time(c, hash, OneTime::ChangeEmail.as_str(), now).await?;
                let Some((user, Some(email))) = taken else { return Err(token_invalid()) };
                let account = accounts::store::lock(c, user).await?.ok_or_else(token_invalid)?;
                if !account.status.may_log_in() {
                    return Err(token_invalid());
                }
                match accounts::store::set_email(c, &account, &email, now).await {
                    Err(DbError::Unique(_)) => {
                        return Err(Error::conflict("the address belongs to another account by now", ()));
                    }
                    done => done?,
                }
                // A link to the address of before, too, dies with it.
                store::drop_outstanding(c, user).await?;
                events::append(c, now, "user.changed", &user.to_string(), Some(user)).await
            }
            .boxed()
        })
        .await?;
    app.wake();
    Ok(())
}
