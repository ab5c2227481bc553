//! One's own profile, and what the public sees of others.

use futures::FutureExt;

use super::{
    model::{ClientProfile, PublicClient, PublicWorker, UpdateClientProfile, UpdateWorkerProfile, WorkerProfile},
    store,
};
use crate::{
    accounts::{
        self,
        model::{Account, Status},
    },
    actor::Actor,
    app::App,
    base::{
        error::{Error, Result},
        ids::UserId,
        permission::{Permission, Role},
        time::Timestamp,
    },
    platform::db::Conn,
    records::events,
};

/// The caller, when they have this role.
pub(super) fn require_role(actor: &Actor, role: Role) -> Result<&Account> {
    let account = &actor.require_own(Permission::Trade)?.account;
    if account.role == role {
        Ok(account)
    } else {
        Err(Error::forbidden(format!("this is for a {role}; this account is a {}", account.role)))
    }
}

/// Locks the caller's own account: changes of one profile take turns, and none outlives a ban or an erasure.
pub(super) async fn lock_own(conn: &mut Conn<'_>, user: UserId) -> Result<Account> {
    let account = accounts::store::lock(conn, user).await?;
    account
        .filter(|account| matches!(account.status, Status::Active | Status::Frozen))
        .ok_or_else(|| Error::unauthenticated("the session has ended"))
}

pub(super) async fn changed(conn: &mut Conn<'_>, now: Timestamp, user: UserId) -> Result<()> {
    events::append(conn, now, "profile", &user.to_string(), Some(user)).await
}

fn check_version(if_version: Option<i64>, version: i64) -> Result<()> {
    if if_version.is_some_and(|wanted| wanted != version) { Err(Error::stale(version)) } else { Ok(()) }
}

/// The caller's profile as a client.
pub async fn client(app: &App, actor: &Actor) -> Result<ClientProfile> {
    let user = require_role(actor, Role::Client)?.id;
    store::client(&mut app.db.read().await?.conn(), user).await
}

/// Changes the caller's profile as a client.
///
/// Errors: `invalid` with each field that breaks a rule; `precondition_failed` at another version.
pub async fn update_client(
    app: &App,
    actor: &Actor,
    update: UpdateClientProfile,
    if_version: Option<i64>,
) -> Result<ClientProfile> {
    let user = require_role(actor, Role::Client)?.id;
    let now = app.now();
    let profile = app
        .db
        .write(move |conn| {
            async move {
                lock_own(conn, user).await?;
                let mut profile = store::client(conn, user).await?;
                check_version(if_version, profile.version)?;
                update.apply(&mut profile)?;
                profile.version = store::put_client(conn, user, &profile, now).await?;
                changed(conn, now, user).await?;
                Ok(profile)
            }
            .boxed()
        })
        .await?;
    app.wake();
    Ok(profile)
}

/// The caller's profile as a worker.
pub async fn worker(app: &App, actor: &Actor) -> Result<WorkerProfile> {
    let user = require_role(actor, Role::Worker)?.id;
    store::worker(&mut app.db.read().await?.conn(), user).await
}

/// Changes the caller's profile as a worker.
///
/// Errors: `invalid` with each field that breaks a rule; `precondition_failed` at another version.
pub async fn update_worker(
    app: &App,
    actor: &Actor,
    update: UpdateWorkerProfile,
    if_version: Option<i64>,
) -> Result<WorkerProfile> {
    let user = require_role(actor, Role::Worker)?.id;
    let now = app.now();
    let profile = app
        .db
        .write(move |conn| {
            async move {
                lock_own(conn, user).await?;
                let mut profile = store::worker(conn, user).await?;
                check_version(if_version, profile.version)?;
                update.apply(&mut profile)?;
                profile.version = store::put_worker(conn, user, &profile, now).await?;
                changed(conn, now, user).await?;
                Ok(profile)
            }
            .boxed()
        })
        .await?;
    app.wake();
    Ok(profile)
}

/// A worker's public page: there as soon as they are active and approved, whether or not they wrote anything.
pub async fn public_worker(app: &App, id: UserId) -> Result<PublicWorker> {
    let mut reader = app.db.read().await?;
    store::public_worker(&mut reader.conn(), app.now(), id).await?.ok_or_else(|| Error::not_found("worker"))
}

/// A client's public page: there as soon as they are active.
pub async fn public_client(app: &App, id: UserId) -> Result<PublicClient> {
    let mut reader = app.db.read().await?;
    store::public_client(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("client"))
}

/// Everything that a person told of themselves goes, inside the transaction that erases them.
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    store::erase(conn, user, app.now()).await
}
