//! The use cases of social login, one function each.

use uuid::Uuid;

use super::{
    account,
    model::{Asked, Back, BeginLogin, Begun, CODE, Callback, IdentityView, LOGIN, Outcome, ProviderView, challenge},
    provider::{Identity, Provider},
    store,
};
use crate::{
    accounts,
    app::App,
    auth::{ClientInfo, Proof, Tokens, ops::Opening, totp},
    base::{
        error::{Error, Result},
        ids::IdentityId,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    operation::Operation,
    platform::{
        access_token::{self as token, Opaque},
        health,
    },
    records::events::{self, EventKind},
    rules,
};

/// Longest of each parameter that a browser comes back with, in bytes.
const PARAMETER: usize = 4_096;

/// Returns the providers that people can log in through.
pub fn providers(app: &App) -> Page<ProviderView> {
    let items = app.config.oidc.keys().map(|name| ProviderView { name: name.clone() }).collect();
    Page { items, next: None }
}

/// Begins a login through a provider.
///
/// The provider's response is accepted only from the browser that got the cookie: nobody is logged in by a link that somebody
/// else prepared. A browser can finish its newest login only.
///
/// # Errors
/// `not_found` for an unknown provider; `invalid` for a parameter that breaks a rule; `unavailable` when the provider cannot
/// be reached.
pub async fn begin_login(app: &App, client: &ClientInfo, provider: &str, begin: &BeginLogin) -> Result<Begun> {
    app.limiter.call(client.ip).await?;
    let provider = Provider::named(app, provider)?;
    let asked = begin.checked(&app.config)?;
    let (state, browser) = (Opaque::new(app.random.as_ref()), Opaque::new(app.random.as_ref()));
    let location = provider.login_page(&state.0, &browser.0).await?;
    let (state_hash, browser_hash, end) = (state.hash(), browser.hash(), app.now() + LOGIN);
    let name = provider.name().to_owned();
    Operation::system(app)
        .write(unit!(|op, c| { store::put_login(c, state_hash, browser_hash, &name, &asked, end).await }))
        .await?;
    Ok(Begun { location, browser: browser.0 })
}

/// Finishes a login, when a browser is back from the provider. `browser` is the value that [`Begun`] gave it. A login that a
/// page began returns to that page, also when it failed.
///
/// # Errors
/// `unauthenticated` when it did not begin here, was finished before, took too long, or the provider's response is not valid;
/// `forbidden` when the account is closed, or the provider does not vouch for the address.
pub async fn finish_login(
    app: &App,
    client: &ClientInfo,
    provider: &str,
    answer: &Callback,
    browser: Option<&str>,
) -> Result<Outcome> {
    app.limiter.call(client.ip).await?;
    let provider = Provider::named(app, provider)?;
    let foreign = || Error::unauthenticated("this login was not begun in this browser, or was finished; log in again");
    let (Some(state), Some(browser)) = (answer.state.as_deref(), browser) else { return Err(foreign()) };
    let (state_hash, browser_hash) = (token::hash(state), token::hash(browser));
    // Used up in any case, whatever becomes of it.
    let taken =
        Operation::system(app).write(unit!(|op, c| { store::take_login(c, state_hash, browser_hash).await })).await?;
    let (begun_with, asked, end) = taken.ok_or_else(foreign)?;
    if begun_with != provider.name() || end <= app.now() {
        return Err(foreign());
    }
    match complete(app, client, &provider, answer, browser, &asked).await {
        Err(error) => match asked.back {
            Some(back) => Ok(Outcome::Redirect(told(back.redirect, &error))),
            None => Err(error),
        },
        done => done,
    }
}

/// Returns the address of the page, with what went wrong: the code and the public text.
fn told(mut page: url::Url, error: &Error) -> url::Url {
    if error.internal_text().is_some() {
        health::log_failure(error, "a login through a provider failed");
    }
    page.query_pairs_mut().append_pair("error", error.code().as_str()).append_pair("error_description", error.detail());
    page
}

async fn complete(
    app: &App,
    client: &ClientInfo,
    provider: &Provider<'_>,
    answer: &Callback,
    browser: &str,
    asked: &Asked,
) -> Result<Outcome> {
    provider.check_sender(answer.iss.as_deref()).await?;
    if answer.error.is_some() {
        return Err(Error::unauthenticated("the provider did not log you in, or you did not want it to"));
    }
    let code = answer.code.as_deref().filter(|code| (1..=PARAMETER).contains(&code.len()));
    let code = code.ok_or_else(|| Error::unauthenticated("the provider sent no code; log in again"))?;
    let who = provider.identity(code, browser).await?;
    let done = match asked.back.clone() {
        None => Outcome::Tokens(open(app, client, who, asked).await?),
        Some(back) => Outcome::Redirect(hand_over(app, client, who, asked, back).await?),
    };
    Ok(done)
}

/// Begins a session, for apps, which get the tokens themselves.
async fn open(app: &App, client: &ClientInfo, who: Identity, asked: &Asked) -> Result<Tokens> {
    let (opening, role) = (Opening::new(app, client), asked.role.into());
    let within = opening.clone();
    let from = account::Origin { ip: client.ip, language: client.language, rules: rules::current(app).await? };
    let account = Operation::system(app)
        .write(unit!(|op, c| {
            let account = account::find_or_make(&op, c, &who, role, &from).await?;
            // An app that has no page cannot ask for a second factor: where there is one, this is refused.
            within.write(&op, c, account.id, None).await?;
            Ok(account)
        }))
        .await?;
    opening.tokens(app, &account)
}

/// Returns the address of the page with a code, not with tokens, as addresses stay in histories and logs.
async fn hand_over(app: &App, client: &ClientInfo, who: Identity, asked: &Asked, back: Back) -> Result<url::Url> {
    let Back { mut redirect, challenge } = back;
    let code = Opaque::new(app.random.as_ref());
    let (role, hash) = (asked.role.into(), code.hash());
    let from = account::Origin { ip: client.ip, language: client.language, rules: rules::current(app).await? };
    Operation::system(app)
        .write(unit!(|op, c| {
            let account = account::find_or_make(&op, c, &who, role, &from).await?;
            store::put_code(c, hash, account.id, &challenge, op.now() + CODE).await
        }))
        .await?;
    redirect.query_pairs_mut().append_pair("code", &code.0);
    Ok(redirect)
}

/// Begins a session with the code that a page got, and the secret whose hash it sent when the login began. Where the account
/// has a second factor, `proof` proves it. A wrong secret uses the code up.
///
/// # Errors
/// `unauthenticated` for a code or a secret that is not valid; `unauthenticated` with
/// [`SecondFactor`](crate::base::error::SecondFactor) without a second factor: the code can then be tried again with one.
pub async fn exchange(
    app: &App,
    client: &ClientInfo,
    code: &str,
    verifier: &str,
    proof: Option<&Proof>,
) -> Result<Tokens> {
    app.limiter.call(client.ip).await?;
    let hash = token::hash(code);
    let mut reader = app.db.read().await?;
    let found = store::code(&mut reader.conn(), &hash).await?;
    drop(reader);
    let (user, wanted, end) = found.ok_or_else(code_invalid)?;
    if end <= app.now() || challenge(verifier) != wanted {
        Operation::system(app).write(unit!(|op, c| { store::take_code(c, &hash).await })).await?;
        return Err(code_invalid());
    }
    let spent = totp::check(app, client.ip, user, proof).await?;
    let opening = Opening::new(app, client);
    let within = opening.clone();
    let account = Operation::system(app)
        .write(unit!(|op, c| {
            if !store::take_code(c, &hash).await? {
                return Err(code_invalid());
            }
            let account = accounts::store::lock(c, user).await?.ok_or_else(|| Error::not_found("account"))?;
            // A ban in between wins.
            account::admit(&account)?;
            within.write(&op, c, user, spent.as_ref()).await?;
            Ok(account)
        }))
        .await?;
    opening.tokens(app, &account)
}

fn code_invalid() -> Error {
    Error::invalid("/code", "is not valid: it was used, has expired, or is not this page's; log in again")
}

/// Returns the provider identities linked to the caller's account, newest first.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn identities(op: &Operation, page: &PageRequest) -> Result<Page<IdentityView>> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), me.account.id, before, limit + 1).await?;
    let named = |view: IdentityView| {
        let configured = op.config.oidc.iter().find(|(_, provider)| provider.issuer == view.issuer);
        IdentityView { provider: configured.map(|(name, _)| name.clone()), ..view }
    };
    Ok(Page::from_rows(rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }).map(named))
}

/// Removes a provider identity from the caller's account.
///
/// # Errors
/// `not_found` when it is not the caller's; `conflict` when it is the last way to log in: set a password first.
pub async fn remove_identity(op: &Operation, id: IdentityId) -> Result<()> {
    let user = op.actor().require_own(Permission::OwnAccount)?.account.id;

    op.write(unit!(|op, c| {
        // Locked, so that of two at once the second sees what the first left.
        let (_, password) =
            accounts::store::lock_with_hash(c, user).await?.ok_or_else(|| Error::not_found("account"))?;
        let last = password.is_none() && !store::has_other(c, user, id).await?;
        if !store::remove(c, user, id).await? {
            return Err(Error::not_found("identity"));
        }
        if last {
            return Err(Error::conflict("this is the last way into your account; set a password by mail first", ()));
        }
        events::append(&op, c, EventKind::UserChanged, &user.to_string(), Some(user)).await
    }))
    .await
}
