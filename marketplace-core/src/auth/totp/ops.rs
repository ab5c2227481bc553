//! The use cases of the second factor, one function each.

use std::net::IpAddr;

use super::{
    super::{
        ClientInfo,
        ops::{check_own_password, lock_checked, notify, require_verified},
        store as sessions,
    },
    Enrolment, Proof, RecoveryCodes,
    code::{self, Secret},
    store,
};
use crate::{
    accounts::{
        self,
        model::{Password, normalise_email},
    },
    app::App,
    base::{
        error::{Error, Result, SecondFactor},
        ids::UserId,
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        events::{self, EventKind},
        mail::Template,
    },
};

/// Returns the context that an account's secret is sealed for.
pub(crate) fn context(user: UserId) -> Vec<u8> {
    format!("marketplace/totp/1/{user}").into_bytes()
}

fn open(app: &App, user: UserId, sealed: &[u8]) -> Result<Secret> {
    Secret::from_bytes(&app.keys.open_sealed(&context(user), sealed)?)
}

fn step_of(app: &App, user: UserId, row: &store::Row, given: &str) -> Result<Option<i64>> {
    let tolerance = i64::from(app.config.totp_tolerance);
    Ok(open(app, user, &row.sealed)?.step_of(given, app.now(), row.last_step, tolerance))
}

fn required() -> Error {
    Error::unauthenticated("a code of the second factor is needed as well").second_factor(SecondFactor::Required)
}

fn wrong() -> Error {
    Error::unauthenticated("the code is wrong, or was used before").second_factor(SecondFactor::Wrong)
}

/// A proof that fits, and is used up once the session is written.
#[derive(Clone)]
pub(crate) enum Used {
    Step(i64),
    Recovery(Vec<u8>),
}

/// Checks the second factor of an account whose password was right; none when it has no second factor.
pub(crate) async fn check(app: &App, ip: IpAddr, user: UserId, proof: Option<&Proof>) -> Result<Option<Used>> {
    let mut reader = app.db.read().await?;
    let row = store::get(&mut reader.conn(), user).await?.filter(|row| row.enabled_at.is_some());
    drop(reader);
    let Some(row) = row else { return Ok(None) };
    let proof = proof.ok_or_else(required)?;
    // Counted apart from passwords: whoever knows the password must not be able to try codes without end.
    let key = format!("second:{user}");
    let check = async {
        let spent = match proof {
            Proof::Code(given) => step_of(app, user, &row, given)?.map(Used::Step),
            Proof::Recovery(given) => {
                let hash = code::recovery_hash(user, given);
                let mut reader = app.db.read().await?;
                store::has_recovery(&mut reader.conn(), user, &hash).await?.then_some(Used::Recovery(hash))
            }
        };
        spent.ok_or_else(wrong)
    };
    let spent = app.limiter.attempt(ip, &key, check).await?;
    app.limiter.logged_in(ip, &key).await;
    Ok(Some(spent))
}

/// Uses a proof up, inside the transaction that it is for: of two at once, one is too late. Without a proof, the account
/// must still have no second factor.
pub(crate) async fn consume(conn: &mut Conn<'_>, user: UserId, spent: Option<&Used>) -> Result<()> {
    let fits = match spent {
        Some(Used::Step(step)) => store::take_step(conn, user, *step).await?,
        Some(Used::Recovery(hash)) => store::take_recovery(conn, user, hash).await?,
        None if store::is_on(conn, user).await? => return Err(required()),
        None => true,
    };
    if fits { Ok(()) } else { Err(wrong()) }
}

/// Creates a secret for the caller's device. It takes effect once [`confirm_totp`] has seen a code of it.
///
/// # Errors
/// `invalid` for a wrong password, `conflict` when a second factor is on.
pub async fn begin_totp(op: &Operation, password: &Password) -> Result<Enrolment> {
    let me = op.actor().require_session()?;
    require_verified(&me.account)?;
    let checked = check_own_password(op, password, "/password").await?;
    let user = me.account.id;
    let secret = Secret::new(op.random.as_ref());
    let sealed = op.keys.seal(&context(user), secret.bytes(), op.random.as_ref())?;

    let unit = op.write(unit!(|op, c| {
        lock_checked(c, user, checked.as_deref()).await?;
        store::begin(c, user, sealed, op.now()).await
    }));
    let begun = unit.await?;
    if !begun {
        return Err(Error::conflict("a second factor is on; remove it first", ()));
    }
    let secret = secret.base32();
    let otpauth_url = otpauth_url(&me.account.email, &secret)?;
    Ok(Enrolment { secret, otpauth_url })
}

/// <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>; apps differ in what they take beyond the defaults.
fn otpauth_url(email: &str, secret: &str) -> Result<String> {
    let mut url: url::Url = "otpauth://totp".parse().map_err(Error::internal)?;
    url.path_segments_mut().map_err(|()| Error::internal("otpauth is a base"))?.push(&format!("Marketplace:{email}"));
    url.set_query(Some(&format!("secret={secret}&issuer=Marketplace&algorithm=SHA1&digits=6&period={}", code::STEP)));
    Ok(url.into())
}

/// Turns the second factor on, with a first code of the new secret. Every other session ends, and a mail is sent. Returns
/// the recovery codes, which are shown only once.
///
/// # Errors
/// `invalid` for a code that does not fit, `conflict` when nothing was begun.
pub async fn confirm_totp(op: &Operation, given: &str) -> Result<RecoveryCodes> {
    let me = op.actor().require_session()?;
    let user = me.account.id;
    let mut reader = op.db.read().await?;
    let row = store::get(&mut reader.conn(), user).await?.filter(|row| row.enabled_at.is_none());
    drop(reader);
    let row = row.ok_or_else(|| Error::conflict("there is no second factor to confirm; begin anew", ()))?;
    let key = format!("second:{user}");
    let check = async {
        step_of(op, user, &row, given)?
            .ok_or_else(|| Error::invalid("/code", "is not what the device should show now; is its clock right?"))
    };
    let step = op.limiter.attempt(IpAddr::from([0, 0, 0, 0]), &key, check).await?;
    op.limiter.logged_in(IpAddr::from([0, 0, 0, 0]), &key).await;
    op.limiter.notice(&normalise_email(&me.account.email)).await?;
    let codes = code::recovery_codes(op.random.as_ref());
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| code::recovery_hash(user, code)).collect();
    let session = me.session;
    op.write(unit!(|op, c| {
        let account = accounts::store::lock(c, user).await?.ok_or_else(|| Error::not_found("account"))?;
        if !store::enable(c, user, &row.sealed, step, op.now()).await? {
            return Err(Error::conflict("the second factor was changed meanwhile; begin anew", ()));
        }
        for hash in hashes {
            store::put_recovery(c, user, hash).await?;
        }
        sessions::revoke_all(c, user, Some(session), op.now()).await?;
        notify(&op, c, &account, Template::SecondFactorOn, None).await?;
        events::append(&op, c, EventKind::SessionRevoked, &user.to_string(), Some(user)).await
    }))
    .await?;
    Ok(RecoveryCodes { recovery_codes: codes })
}

/// Removes the caller's second factor, with the password and a code. Every other session ends, and a mail is sent.
///
/// # Errors
/// `invalid` for a wrong password or a wrong code, `conflict` when there is none.
pub async fn disable_totp(
    op: &Operation,
    client: &ClientInfo,
    password: &Password,
    proof: Option<&Proof>,
) -> Result<()> {
    let me = op.actor().require_session()?;
    let checked = check_own_password(op, password, "/password").await?;
    op.limiter.notice(&normalise_email(&me.account.email)).await?;
    let (user, session) = (me.account.id, me.session);
    let none = || Error::conflict("there is no second factor", ());
    // Whoever asks is logged in: `unauthenticated` would send them to log in again.
    let of_field = |error: Error| match error.second_factor_hint() {
        Some(_) => Error::invalid("/totp", error.detail().to_owned()),
        None => error,
    };
    let spent = check(op, client.ip, user, proof).await.map_err(of_field)?.ok_or_else(none)?;

    op.write(unit!(|op, c| {
        let account = lock_checked(c, user, checked.as_deref()).await?;
        consume(c, user, Some(&spent)).await.map_err(of_field)?;
        store::remove(c, user).await?;
        sessions::revoke_all(c, user, Some(session), op.now()).await?;
        notify(&op, c, &account, Template::SecondFactorOff, None).await?;
        events::append(&op, c, EventKind::SessionRevoked, &user.to_string(), Some(user)).await
    }))
    .await
}
