//! The use cases of tokens for scripts, one function each.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use uuid::Uuid;

use super::{
    model::{
        ApiToken, CreatedToken, LONGEST, NewToken, PREFIX, SHORTEST, TokenFilter, TokenStatus, parse_scopes,
        scopes_text,
    },
    store,
};
use crate::{
    accounts::{
        self,
        model::{Account, Checks, Status},
    },
    actor::{Actor, TokenHolder},
    app::App,
    auth,
    base::{
        call_context,
        change::Changed,
        error::{Error, FieldError, Result, SecondFactor},
        ids::{TokenId, UserId},
        page::{Page, PageRequest, TimeCursor},
        permission::{Permission, permissions},
        principal::Principal,
        text::check_name,
        time::Timestamp,
    },
    claims,
    operation::Operation,
    platform::{
        access_token::{self as token, Opaque},
        db::Conn,
    },
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        target::TargetKind,
    },
};

/// How coarsely a token's last use is kept: a write for each call would cost more than most calls.
const USED_EVERY: Duration = Duration::from_secs(600);
/// How long a token that has ended is listed.
const LISTED: Duration = Duration::from_secs(90 * 86_400);

/// Returns the actor of a token, with its owner's account as it is now, in one read.
///
/// # Errors
/// `unauthenticated` when it is not known, has ended, or its owner is not an active member of staff; `forbidden` while its owner
/// lacks the second factor that staff must have (`require_staff_totp`).
pub(crate) async fn authenticate(app: &App, secret: &str) -> Result<Actor> {
    let no = |why: &'static str| Error::unauthenticated(why);
    let held = app.db.point::<store::ByHash>(hex::encode(token::hash(secret))).await?;
    let held = held.ok_or_else(|| no("the API token is not valid"))?;
    let now = app.now();
    if held.revoked_at.is_some() {
        return Err(no("the API token was revoked"));
    }
    if held.expires_at <= now {
        return Err(no("the API token has expired"));
    }
    if held.account.status != Status::Active || !held.account.role.is_staff() {
        return Err(no("the API token's owner may not act at present"));
    }
    call_context::record(|context| context.user = Some(held.account.id));
    if auth::totp::must_enrol(app, &held.account).await? {
        let text =
            "staff need a second factor here, and the API token's owner has none: no call until they enrolled one";
        return Err(Error::forbidden(text).second_factor(SecondFactor::Enrol));
    }
    let id = held.id;
    let stale = now - USED_EVERY;
    if held.last_used_at.is_none_or(|used| used <= stale) {
        Operation::system(app).write(unit!(|op, c| { store::mark_used(c, id, op.now(), stale).await })).await?;
    }
    Ok(Actor::Token(Arc::new(TokenHolder {
        id,
        name: held.name,
        scopes: parse_scopes(&held.scopes),
        expires_at: held.expires_at,
        account: held.account,
    })))
}

/// Returns tokens, newest first, without their secrets.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, filter: &TokenFilter, page: &PageRequest) -> Result<Page<ApiToken>> {
    op.actor().require(Permission::TokensRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("tokens")?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter.owner_id, op.now(), before, limit + 1).await?;
    Ok(Page::of_list("tokens", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}

/// Returns a user's own tokens, newest first.
pub(crate) async fn all_of(
    app: &App,
    conn: &mut Conn<'_>,
    user: UserId,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<ApiToken>> {
    store::page(conn, Some(user), app.now(), before, limit).await
}

/// A token that passed every check but those that need its owner's account.
#[derive(Clone)]
struct CheckedToken {
    name: String,
    scopes: Vec<Permission>,
    owner: UserId,
    expires_at: Timestamp,
    note: Option<String>,
}

fn wanted(op: &Operation, new: &NewToken) -> Result<CheckedToken> {
    let mut checks = Checks::default();
    let name = checks.take(check_name(&new.name));
    let note = checks.take(op.change().checked_note());
    let mut scopes = new.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let possible: Vec<&str> =
        Permission::ALL.iter().filter(|scope| scope.is_scope()).map(|scope| scope.as_str()).collect();
    checks.take(if scopes.is_empty() || scopes.iter().any(|scope| !scope.is_scope()) {
        Err(FieldError::new("/scopes", format!("must be some of {}", possible.join(", "))))
    } else {
        Ok(())
    });
    checks.take(if (SHORTEST..=LONGEST).contains(&new.expires_in) {
        Ok(())
    } else {
        Err(FieldError::new("/expires_in", format!("must be from {SHORTEST} to {LONGEST} seconds (365 days)")))
    });
    let owner = checks.take(new.owner_id.or(op.actor().user_id()).ok_or_else(|| {
        FieldError::new("/owner_id", "is needed: a token belongs to a member of staff, and you have no account here")
    }));
    checks.finish()?;
    let (Some(name), Some(note), Some(owner)) = (name, note, owner) else {
        return Err(Error::internal("checks passed without values"));
    };
    let expires_at = op.now() + Duration::from_secs(new.expires_in);
    if let Some(scope) = scopes.iter().find(|scope| !op.actor().may(**scope)) {
        return Err(Error::forbidden(format!("nobody gives away what they may not do themselves: {scope}")));
    }
    if let Actor::Token(maker) = op.actor()
        && expires_at > maker.expires_at
    {
        return Err(Error::invalid("/expires_in", "a token makes none that outlives it"));
    }
    Ok(CheckedToken { name, scopes, owner, expires_at, note })
}

/// Creates a token for the caller, or for another active member of staff. Its secret is returned only here.
///
/// # Errors
/// `invalid` for a scope that the owner's role does not give; `forbidden` for one that the caller does not have: a token
/// creates none with more permissions than its own.
pub async fn create(op: &Operation, new: &NewToken) -> Result<Changed<CreatedToken>> {
    op.actor().require(Permission::TokensWrite)?;
    let wanted = wanted(op, new)?;
    let secret = format!("{PREFIX}{}", Opaque::new(op.random.as_ref()).0);
    let hash = token::hash(&secret);

    let token = op.write(unit!(|op, c| { create_in(&op, c, wanted, hash).await })).await?;
    let secret = (!op.change().dry_run).then_some(secret);
    Ok(Changed { changed: true, item: CreatedToken { token, secret } })
}

async fn create_in(op: &Operation, conn: &mut Conn<'_>, wanted: CheckedToken, hash: Vec<u8>) -> Result<ApiToken> {
    let now = op.now();
    let owner = accounts::store::lock(conn, wanted.owner).await?.ok_or_else(|| Error::not_found("user"))?;
    // A login that was ended while the call was under way hands on nothing. Accounts are locked before their sessions.
    if let Actor::User(me) = op.actor()
        && !auth::store::holds(conn, me.session, now).await?
    {
        return Err(Error::unauthenticated("the session has ended; log in again"));
    }
    check_owner(&owner, &wanted.scopes)?;
    if auth::totp::is_required(op, &owner) && !auth::totp::store::is_on(conn, owner.id).await? {
        return Err(Error::invalid("/owner_id", "must have a second factor, as all staff here"));
    }
    let id = TokenId::new(now, op.random.as_ref());
    let token = ApiToken {
        id,
        name: wanted.name,
        owner_id: owner.id,
        status: TokenStatus::Active,
        scopes: wanted.scopes,
        created_by: op.actor().principal(),
        created_at: now,
        expires_at: wanted.expires_at,
        last_used_at: None,
        revoked_at: None,
        revoked_by: None,
    };
    store::insert(conn, &token, &scopes_text(&token.scopes), hash).await?;
    let note = accounts::keep_note(op, conn, owner.id, wanted.note).await?;
    let metadata = serde_json::json!({
        "owner": owner.id, "scopes": token.scopes, "expires_at": token.expires_at, "note": note,
    });
    record(op, conn, &token, (AuditAction::TokensCreate, EventKind::TokenCreated), metadata).await?;
    Ok(token)
}

fn check_owner(owner: &Account, scopes: &[Permission]) -> Result<()> {
    if !owner.role.is_staff() || owner.status != Status::Active {
        return Err(Error::invalid("/owner_id", "must be an active member of staff"));
    }
    match scopes.iter().find(|scope| !permissions(owner.role).contains(scope)) {
        Some(scope) => {
            Err(Error::invalid("/scopes", format!("has {scope}, which its owner's role {} does not give", owner.role)))
        }
        None => Ok(()),
    }
}

/// Revokes a token at once, and every token that it or one of these created: its holder has seen their secrets. Unchanged
/// when it was revoked or has ended, and none of those works.
///
/// # Errors
/// `not_found` when there is no such token; `forbidden` without the permission.
pub async fn revoke(op: &Operation, id: TokenId) -> Result<Changed<ApiToken>> {
    op.actor().require(Permission::TokensWrite)?;
    let note = op.note()?;

    op.write(unit!(|op, c| {
        let token = store::lock(c, id, op.now()).await?.ok_or_else(|| Error::not_found("token"))?;
        let by = op.actor().principal();
        let created = revoke_created(c, &by, vec![Principal::token(id)], op.now()).await?;
        if token.status != TokenStatus::Active && created.is_empty() {
            return Ok(Changed { changed: false, item: token });
        }
        store::revoke(c, id, &by, op.now()).await?;
        let ended: Vec<_> = created.iter().chain([&id]).copied().map(Principal::token).collect();
        claims::give_back(&op, c, &ended).await?;
        let note = accounts::keep_note(&op, c, token.owner_id, note).await?;
        let metadata = serde_json::json!({ "owner": token.owner_id, "created": created, "note": note });
        record(&op, c, &token, (AuditAction::TokensRevoke, EventKind::TokenRevoked), metadata).await?;
        let item = store::lock(c, id, op.now()).await?.ok_or_else(|| Error::not_found("token"))?;
        Ok(Changed { changed: true, item })
    }))
    .await
}

async fn record(
    op: &Operation,
    conn: &mut Conn<'_>,
    token: &ApiToken,
    (action, event): (AuditAction, EventKind),
    metadata: serde_json::Value,
) -> Result<()> {
    let target = token.id.to_string();
    events::append(op, conn, event, &target, Some(token.owner_id)).await?;
    audit::append(op, conn, Entry { action, target_kind: TargetKind::Token, target, reason: None, metadata })
        .await
        .map(drop)
}

/// Revokes every token of a user, inside the transaction that decided to, and every token that they or one of these created for
/// somebody else: they have seen its secret. What they hold is given back. Returns how many worked until now.
pub(crate) async fn revoke_all(op: &Operation, conn: &mut Conn<'_>, by: &Principal, user: UserId) -> Result<u64> {
    let now = op.now();
    let done = store::revoke_all(conn, user, by, now).await?;
    let mut ended = principals_of(conn, user).await?;
    let creators = ended.iter().cloned().chain([Principal::user(user)]).collect();
    let created = revoke_created(conn, by, creators, now).await?;
    ended.extend(created.iter().copied().map(Principal::token));
    claims::give_back(op, conn, &ended).await?;
    Ok(done + created.len() as u64)
}

/// Returns the principals of all of a user's tokens, of ended ones too.
pub(crate) async fn principals_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Principal>> {
    Ok(store::ids_of(conn, user).await?.into_iter().map(Principal::token).collect())
}

/// Revokes every token that one of `creators` created, or one of these. Returns those that worked until now.
async fn revoke_created(
    conn: &mut Conn<'_>,
    by: &Principal,
    mut creators: Vec<Principal>,
    now: Timestamp,
) -> Result<Vec<TokenId>> {
    let mut ended = Vec::new();
    while let Some(creator) = creators.pop() {
        for created in store::created_by(conn, &creator).await? {
            if store::revoke(conn, created, by, now).await? {
                ended.push(created);
            }
            creators.push(Principal::token(created));
        }
    }
    Ok(ended)
}

/// Revokes every token of every user; returns how many worked until now.
pub(crate) async fn revoke_everybodys(conn: &mut Conn<'_>, by: &Principal, now: Timestamp) -> Result<u64> {
    store::revoke_everybodys(conn, by, now).await
}

/// Removes every trace of a user's tokens.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    store::erase(conn, user).await
}

/// Deletes tokens that ended long ago.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let before = app.now() - LISTED;
    app.db.prune_in_batches(move |c| async move { store::prune(c, before).await }.boxed()).await
}
