//! Signing up, confirming the address, and deletion of their own data for banned people.

use futures::FutureExt;

use super::{
    super::{ClientInfo, store},
    hours, is_to, issue_one_time, link, lock_by_email, notify, post,
    response_timer::ResponseTimer,
    token_invalid,
};
use crate::{
    accounts::{
        self,
        model::{Checks, EMAIL_LIMIT, SignUp, Status, check_email, check_phone, normalise_email},
        store::NewAccount,
    },
    actor::Actor,
    app::App,
    auth::one_time::OneTime,
    base::{
        call_context::{current, part_of},
        error::{Error, Result},
        ids::UserId,
        text::check_name,
    },
    notifications,
    operation::Operation,
    platform::{access_token as token, health},
    records::{
        events::{self, EventKind},
        mail::Template,
    },
    reports::model::ReportedContent,
    rules::{self, About},
    users,
};

/// Creates an account of a client or a worker, and sends the mail that confirms its address.
///
/// Returns the same whether or not the address has an account; if it has one, that account's owner gets a mail instead. Also
/// returns the same whether or not the phone number is taken: it becomes the account's when its address is confirmed, if it
/// is free then.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `rate_limited` after too many calls; `busy` when too many passwords wait to
/// be hashed.
pub async fn signup(app: &App, client: &ClientInfo, new: SignUp) -> Result<()> {
    app.limiter.call(client.ip).await?;
    let mut checks = Checks::default();
    let role = new.role.into();
    let email = checks.take(check_email(&new.email));
    let name = checks.take(check_name(&new.name));
    let phone = checks.take(new.phone.as_deref().map(check_phone).transpose());
    checks.take(new.password.check(&new.email, app.site()));
    checks.finish()?;
    let (Some(email), Some(name), Some(phone)) = (email, name, phone) else {
        return Err(Error::internal("checks passed without values"));
    };
    let language = new.language.or(client.language);
    let rules = rules::current(app).await?;
    let mut reader = app.db.read().await?;
    let caught = rules::caught_at_sign_up(&mut reader.conn(), &rules, &email, &name, client.ip).await?;
    drop(reader);
    app.breached.check(&new.password).await?;
    // Hashed in any case: an address that has an account takes as long.
    let hash = app.hasher.hash(new.password).await?;
    let may_mail = app.limiter.may_mail(&normalise_email(&email)).await;
    let timer = ResponseTimer::begin();

    Operation::system(app)
        .write(unit!(|op, c| {
            let now = op.now();
            let norm = normalise_email(&email);
            let id = UserId::new(now, op.random.as_ref());
            let account = NewAccount {
                id,
                role,
                email: &email,
                email_norm: &norm,
                name: &name,
                // Whether it is free is asked once the address is confirmed: nobody learns here whose number it is.
                phone: None,
                phone_wanted: phone.as_deref(),
                hash: Some(&hash),
                now,
            };
            if let Some(account) = accounts::store::insert(c, account).await? {
                // Before the first mail.
                notifications::speak(c, id, language, now).await?;
                if may_mail {
                    let link = issue_one_time(&op, c, id, OneTime::VerifyEmail, Some(&norm), hours(24)).await?;
                    notify(&op, c, &account, Template::VerifyEmail, Some(link)).await?;
                }
                caught.store(&op, c, About::user(id), &ReportedContent::titled(&name)).await?;
                events::append(&op, c, EventKind::UserCreated, &id.to_string(), Some(id)).await
            } else {
                let (existing, _) = accounts::store::by_email(c, &norm)
                    .await?
                    .ok_or_else(|| Error::busy("the address changed hands; try again"))?;
                if existing.status.may_log_in() && may_mail {
                    notify(&op, c, &existing, Template::AccountExists, Some(link(&op, "auth/password/forgot", None)?))
                        .await?;
                }
                Ok(())
            }
        }))
        .await?;
    timer.end().await;
    Ok(())
}

/// Confirms the address of a new account.
///
/// # Errors
/// `invalid` for a token that is not valid; `rate_limited` after too many calls.
pub async fn verify_email(app: &App, client: &ClientInfo, one_time: &str) -> Result<()> {
    app.limiter.call(client.ip).await?;
    let hash = token::hash(one_time);

    Operation::system(app)
        .write(unit!(|op, c| {
            let taken = store::take_one_time(c, hash, OneTime::VerifyEmail.as_str(), op.now()).await?;
            let (user, sent_to) = taken.ok_or_else(token_invalid)?;
            let account = accounts::store::lock(c, user).await?;
            account.filter(|account| is_to(sent_to.as_deref(), account)).ok_or_else(token_invalid)?;
            accounts::store::confirm_address(c, user, op.now()).await?;
            events::append(&op, c, EventKind::UserChanged, &user.to_string(), Some(user)).await
        }))
        .await
}

/// Sends the mail that confirms an address again, if an account waits for it. Returns the same, at once, in any case.
///
/// # Errors
/// `rate_limited` after too many calls.
pub async fn resend_verification(app: &App, client: &ClientInfo, email: &str) -> Result<()> {
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
                if account.email_verified || !account.status.may_log_in() {
                    return Ok(());
                }
                let link = issue_one_time(&app, c, account.id, OneTime::VerifyEmail, Some(&email), hours(24)).await?;
                post(&app, c, &account, Template::VerifyEmail, Some(link)).await
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

/// Returns the owner of the link in the mail about a ban. The link is not used up: the deletion, its other use, comes last.
pub(crate) async fn owner_of_link(app: &App, client: &ClientInfo, one_time: &str) -> Result<UserId> {
    app.limiter.call(client.ip).await?;
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let hash = token::hash(one_time);
    let user = store::owner_of_one_time(&mut conn, hash, OneTime::OwnData.as_str(), app.now()).await?;
    let user = user.ok_or_else(token_invalid)?;
    match accounts::store::get(&mut conn, user).await? {
        Some(account) if account.status == Status::Banned => Ok(user),
        _ => Err(token_invalid()),
    }
}

/// Deletes the data of a banned person, who has the link from the mail about the ban.
///
/// # Errors
/// `invalid` for a token that is not valid; `conflict` while jobs of theirs are live.
pub async fn delete_own_data(app: &App, client: &ClientInfo, one_time: &str) -> Result<()> {
    app.limiter.call(client.ip).await?;
    let hash = token::hash(one_time);
    let app2 = app.clone();
    app.db
        .patient()
        .write(move |c| {
            async move {
                let now = app2.now();
                let taken = store::take_one_time(c, hash, OneTime::OwnData.as_str(), now).await?;
                let (user, _) = taken.ok_or_else(token_invalid)?;
                let account = accounts::store::lock(c, user).await?.ok_or_else(token_invalid)?;
                if account.status != Status::Banned {
                    return Err(token_invalid());
                }
                users::erase(&app2.by(&Actor::System), c, &account, None).await
            }
            .boxed()
        })
        .await
}
