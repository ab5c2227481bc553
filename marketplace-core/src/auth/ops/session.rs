//! Login, refresh, logout.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    super::{
        ClientInfo, Proof, SessionView, Tokens,
        refresh::{self, Presented, Uses, Verdict},
        store, totp,
    },
    end_work,
};
use crate::{
    accounts::{
        self,
        model::{Account, EMAIL_LIMIT, Password, Status, normalise_email},
    },
    actor::{Actor, SignedIn},
    app::App,
    base::{
        call_context::{Reader, record},
        error::{Error, Result},
        ids::{SessionId, UserId, uuid_v7},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        random,
        time::Timestamp,
    },
    operation::Operation,
    platform::{
        access_token::{self as token, ACCESS, Claims},
        db::Conn,
        passwords::Fit,
    },
    records::events::{self, EventKind},
    tokens,
};

/// Records whose token a call carries that anybody may make, without asking whether it is still valid: see
/// [`Reader`].
pub fn record_reader(app: &App, access_token: &str) {
    let claims = token::verify(&app.keys, &app.tokens, app.config.issuer(), access_token, app.now());
    let reader = claims.map_or(Reader::Unknown, |claims| Reader::Account(claims.sub));
    record(|context| context.reader = reader);
}

/// Returns the actor of an access token, with their account as it is now, in one read. Also accepts a token for scripts
/// (`mkt_…`).
///
/// # Errors
/// `unauthenticated` whatever is wrong: signature, time, session, account; `unavailable` while the database cannot be read.
pub async fn authenticate(app: &App, access_token: &str) -> Result<Actor> {
    if access_token.starts_with(tokens::model::PREFIX) {
        return tokens::authenticate(app, access_token).await;
    }
    let now = app.now();
    let claims = token::verify(&app.keys, &app.tokens, app.config.issuer(), access_token, now)?;
    let live = app
        .db
        .point::<store::Sessions>(claims.sid)
        .await?
        .filter(|session| session.lives(claims.sub, now) && session.account.status.may_log_in())
        .ok_or_else(|| Error::unauthenticated("the session has ended; log in again"))?;
    record(|context| context.user = Some(live.account.id));
    let must_enrol = totp::must_enrol(app, &live.account).await?;
    Ok(Actor::User(Arc::new(SignedIn {
        account: live.account,
        session: claims.sid,
        expires_at: live.expires_at,
        must_enrol,
    })))
}

/// Begins a session with an address and a password; see [`login_with`].
///
/// # Errors
/// Those of [`login_with`].
pub async fn login(app: &App, client: &ClientInfo, email: &str, password: &Password) -> Result<Tokens> {
    login_with(app, client, email, password, None).await
}

/// Begins a session with an address, a password and, where the account has one, a second factor.
///
/// # Errors
/// `unauthenticated` for unknown addresses and wrong passwords alike, after the same time; with the right password,
/// `unauthenticated` with [`SecondFactor`](crate::base::error::SecondFactor) when a second factor is missing or wrong, and
/// `forbidden` for a banned account. `rate_limited` after too many failures from one address.
pub async fn login_with(
    app: &App,
    client: &ClientInfo,
    email: &str,
    password: &Password,
    proof: Option<&Proof>,
) -> Result<Tokens> {
    app.limiter.call(client.ip).await?;
    let wrong = || Error::unauthenticated("the address or the password is wrong");
    // No account has these; nothing is hashed or remembered for them.
    if email.len() > EMAIL_LIMIT || password.expose().len() > Password::LIMIT {
        return Err(wrong());
    }
    let email = normalise_email(email);
    let check = async {
        let mut reader = app.db.read().await?;
        let found = accounts::store::by_email(&mut reader.conn(), &email).await?;
        drop(reader);
        let (account, hash) = found.map_or((None, None), |(account, hash)| (Some(account), hash));
        let fit = app.hasher.verify(password.clone(), hash.clone()).await?;
        Ok((account, hash, fit))
    };
    let (account, hash, fit) = app.limiter.attempt(client.ip, &email, check).await?;
    let known = account.as_ref().map(|account| account.id);
    let Some(account) = account.filter(|account| fit != Fit::No && account.status != Status::Deleted) else {
        tracing::info!(user = known.map(tracing::field::display), "a login failed: unknown address or wrong password");
        return Err(wrong());
    };
    app.limiter.logged_in(client.ip, &email).await;
    if !account.status.may_log_in() {
        tracing::info!(user = %account.id, status = %account.status, "a login was refused");
        return Err(Error::forbidden("this account was closed; the mail that we sent says what can be done"));
    }
    let spent = totp::check(app, client.ip, account.id, proof).await.inspect_err(|error| {
        let why = if proof.is_some() { "wrong code" } else { "asked for" };
        tracing::info!(user = %account.id, code = error.code().as_str(), why, "a login stopped at the second factor");
    })?;
    let rehash = match &hash {
        Some(old) if fit == Fit::AsSent || app.hasher.is_outdated(old) => {
            Some(app.hasher.hash(password.clone()).await?)
        }
        _ => None,
    };
    start_session(app, client, account, hash, rehash, spent).await
}

/// Writes the session. The password that was checked must still be the account's, and the account must still be allowed in,
/// when the session is written: a reset or a ban in between wins. So does a second factor that was enrolled, or a code that
/// was used.
async fn start_session(
    app: &App,
    client: &ClientInfo,
    account: Account,
    checked_hash: Option<String>,
    rehash: Option<String>,
    spent: Option<totp::Used>,
) -> Result<Tokens> {
    let (opening, user) = (Opening::new(app, client), account.id);
    let within = opening.clone();
    Operation::system(app)
        .write(unit!(|op, c| {
            let (account, hash) =
                accounts::store::lock_with_hash(c, user).await?.ok_or_else(|| Error::not_found("account"))?;
            if !account.status.may_log_in() || hash != checked_hash {
                return Err(Error::unauthenticated("the account changed meanwhile; log in again"));
            }
            if let Some(hash) = rehash {
                accounts::store::set_password(c, user, &hash, op.now()).await?;
            }
            within.write(&op, c, user, spent.as_ref()).await
        }))
        .await?;
    opening.tokens(app, &account)
}

/// A session for a person who was authenticated by other means than a password.
#[derive(Clone)]
pub(crate) struct Opening {
    session: SessionId,
    refresh_secret: [u8; 32],
    agent: String,
    ip: String,
}

impl Opening {
    /// Creates the session of a client, not stored yet.
    pub fn new(app: &App, client: &ClientInfo) -> Self {
        let session = SessionId::new(app.now(), app.random.as_ref());
        let refresh_secret = random::bytes(app.random.as_ref());
        Self { session, refresh_secret, agent: client.agent(), ip: client.ip.to_string() }
    }

    /// Stores the session, inside the transaction that decided to. Where the account has a second factor, `spent` proves it.
    pub async fn write(&self, app: &App, conn: &mut Conn<'_>, user: UserId, spent: Option<&totp::Used>) -> Result<()> {
        totp::consume(conn, user, spent).await?;
        let now = app.now();
        let new = store::NewSession {
            id: self.session,
            user,
            agent: &self.agent,
            ip: &self.ip,
            now,
            expires_at: session_end(app, now, now),
            refresh_secret: &self.refresh_secret,
        };
        store::create(conn, new).await
    }

    /// Returns the tokens, to be handed out after the commit.
    pub fn tokens(self, app: &App, account: &Account) -> Result<Tokens> {
        tracing::info!(user = %account.id, session = %self.session, "logged in");
        tokens(app, account, self.session, 1, &self.refresh_secret)
    }
}

/// Creates an access token, with the refresh token of a generation.
fn tokens(app: &App, account: &Account, session: SessionId, generation: i64, secret: &[u8]) -> Result<Tokens> {
    let now = app.now();
    let issuer = app.config.issuer();
    let claims = Claims {
        iss: issuer.to_owned(),
        aud: token::audience(issuer),
        sub: account.id,
        sid: session,
        role: account.role,
        jti: uuid_v7(now, app.random.as_ref()),
        iat: now.unix_seconds(),
        exp: (now + ACCESS).unix_seconds(),
    };
    Ok(Tokens {
        access_token: token::sign(&app.keys, &claims)?,
        refresh_token: refresh::token(&app.keys, session, generation, secret),
        token_type: "Bearer".into(),
        expires_in: ACCESS.as_secs(),
    })
}

/// Returns the end of a session that began then and is used now: it ends when it is unused for long, and in any case after a
/// fixed time.
fn session_end(app: &App, began_at: Timestamp, now: Timestamp) -> Timestamp {
    let days = |count: u32| Duration::from_secs(u64::from(count) * 86_400);
    let kept = &app.config.retention;
    (now + days(kept.session_days)).min(began_at + days(kept.session_max_days))
}

/// The outcome of a refresh.
enum Judged {
    /// The token of this generation follows it.
    Followed(Box<Account>, SessionId, i64, Vec<u8>),
    Refused,
    /// Refused, and the session was ended.
    Ended,
}

/// Returns the next pair of tokens for a refresh token, which is used up.
///
/// For 15 seconds after its first use a token still returns the same next refresh token, however often it is used: two tabs
/// refresh at once, and responses get lost. Using an older one again ends the whole session: one of its two holders stole it.
///
/// # Errors
/// `unauthenticated` for a token that is not valid or no longer valid; `rate_limited` after too many calls.
pub async fn refresh(app: &App, client: &ClientInfo, refresh_token: &str) -> Result<Tokens> {
    app.limiter.call(client.ip).await?;
    let presented = Presented::parse(refresh_token);
    let hash = token::hash(refresh_token);

    let judged = Operation::system(app).write(unit!(|op, c| { judged(&op, c, presented, &hash).await })).await?;
    match judged {
        Judged::Followed(account, session, generation, secret) => {
            return tokens(app, &account, session, generation, &secret);
        }
        Judged::Ended | Judged::Refused => {}
    }
    Err(Error::unauthenticated("the refresh token is not valid; log in again"))
}

async fn judged(op: &Operation, conn: &mut Conn<'_>, presented: Option<Presented>, hash: &[u8]) -> Result<Judged> {
    let now = op.now();
    let named = match presented {
        Some(token) => Some((token.session, token.generation)),
        None => store::refresh_by_row(conn, hash).await?,
    };
    let Some((session, generation)) = named else { return Ok(Judged::Refused) };
    let Some(found) = store::refresh(conn, session).await? else { return Ok(Judged::Refused) };
    let is_ours = presented
        .is_none_or(|token| found.refresh_secret.as_ref().is_some_and(|secret| token.is_ours(&op.keys, secret)));
    let ended = found.revoked_at.is_some() || found.expires_at <= now;
    if !is_ours || ended || !found.account.status.may_log_in() {
        return Ok(Judged::Refused);
    }
    let uses = Uses::parse(found.refresh_uses.as_deref())?;
    let verdict = refresh::judge(generation, found.generation, &uses, now);
    if verdict == Verdict::Stolen {
        store::revoke(conn, session, found.account.id, now).await?;
        events::append(op, conn, EventKind::SessionRevoked, &session.to_string(), Some(found.account.id)).await?;
        end_work(op, conn, &found.account).await?;
        tracing::warn!(%session, "an old refresh token was used again; the session was ended");
        return Ok(Judged::Ended);
    }
    let next = generation.saturating_add(1);
    let secret = found.refresh_secret.unwrap_or_else(|| random::bytes::<32>(op.random.as_ref()).to_vec());
    if verdict == Verdict::Rotates {
        let uses = if generation > found.generation { Uses::default() } else { uses }.and_now(now)?;
        let end = session_end(op, found.began_at, now);
        store::rotate(conn, session, next, &secret, &uses, now, end).await?;
    }
    Ok(Judged::Followed(Box::new(found.account), session, next, secret))
}

/// Ends the session of the caller.
///
/// # Errors
/// `forbidden` for a caller who is not logged in.
pub async fn logout(op: &Operation) -> Result<()> {
    let session = op.actor().require_session()?.session;
    end(op, Some(session)).await
}

/// Ends every session of the caller.
///
/// # Errors
/// `forbidden` for a caller who is not logged in.
pub async fn logout_all(op: &Operation) -> Result<()> {
    op.actor().require(Permission::OwnAccount)?;
    end(op, None).await
}

/// Ends one session of the caller.
///
/// # Errors
/// `not_found` when it is not theirs or has ended.
pub async fn revoke_session(op: &Operation, session: SessionId) -> Result<()> {
    op.actor().require(Permission::OwnAccount)?;
    end(op, Some(session)).await
}

async fn end(op: &Operation, session: Option<SessionId>) -> Result<()> {
    let account = op.actor().require_session()?.account.clone();
    let user = account.id;

    op.write(unit!(|op, c| {
        match session {
            None => drop(store::revoke_all(c, user, None, op.now()).await?),
            Some(session) if store::revoke(c, session, user, op.now()).await? => {}
            Some(_) => return Err(Error::not_found("session")),
        }
        let target = session.map_or_else(|| user.to_string(), |session| session.to_string());
        events::append(&op, c, EventKind::SessionRevoked, &target, Some(user)).await?;
        end_work(&op, c, &account).await
    }))
    .await?;
    tracing::info!(%user, session = session.map(tracing::field::display), "logged out");
    Ok(())
}

/// Returns the caller's live sessions, newest first.
///
/// # Errors
/// `forbidden` for a caller who is not logged in; `invalid` for a limit or cursor that is not valid.
pub async fn sessions(op: &Operation, page: &PageRequest) -> Result<Page<SessionView>> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), me.account.id, me.session, op.now(), before, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}
