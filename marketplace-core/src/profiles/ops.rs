//! The caller's own profile, and the public profiles of others.

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
    operation::Operation,
    platform::db::Conn,
    records::events::{self, EventKind},
    reports::model::ReportedContent,
    rules::{self, About, Caught, matcher::Compiled, model::RulePlace},
};

/// Returns the caller's account, when they have this role.
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

pub(super) async fn changed(op: &Operation, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    events::append(op, conn, EventKind::Profile, &user.to_string(), Some(user)).await
}

/// Holds the texts of a profile, each with its field, against the rules, but for what stood in it `before`.
///
/// # Errors
/// `invalid` for what a rule refuses.
pub(crate) async fn hold(
    op: &Operation,
    conn: &mut Conn<'_>,
    rules: &Compiled,
    account: &Account,
    texts: &[(&'static str, &str)],
    before: &[&str],
) -> Result<()> {
    let caught = Caught::of_change(rules, RulePlace::Profiles, texts, before);
    if caught.is_empty() {
        return Ok(());
    }
    caught.allow()?;
    let text = texts.iter().map(|(_, text)| *text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    let content = ReportedContent { text, ..ReportedContent::titled(&account.name) };
    caught.store(op, conn, About::user(account.id), &content).await
}

/// Returns the caller's profile as a client.
///
/// # Errors
/// `forbidden` unless the caller is a client.
pub async fn client(op: &Operation) -> Result<ClientProfile> {
    let user = require_role(op.actor(), Role::Client)?.id;
    store::client(&mut op.db.read().await?.conn(), user).await
}

/// Changes the caller's profile as a client. An update that changes nothing makes no new version.
///
/// # Errors
/// `invalid` with each field that breaks a rule, of the staff's too; `precondition_failed` at another version.
pub async fn update_client(op: &Operation, update: UpdateClientProfile) -> Result<ClientProfile> {
    let user = require_role(op.actor(), Role::Client)?.id;
    let rules = rules::current(op).await?;

    op.write(unit!(|op, conn| {
        let account = lock_own(conn, user).await?;
        let mut profile = store::client(conn, user).await?;
        op.check_version(profile.version)?;
        let before = profile.clone();
        update.apply(&mut profile)?;
        if profile == before {
            return Ok(profile);
        }
        let texts = [("/about", profile.about.as_str()), ("/location", &profile.location)];
        hold(&op, conn, &rules, &account, &texts, &[&before.about, &before.location]).await?;
        profile.version = store::put_client(conn, user, &profile, op.now()).await?;
        changed(&op, conn, user).await?;
        Ok(profile)
    }))
    .await
}

/// Returns the texts of a worker's profile, each with its field.
fn worker_texts(profile: &WorkerProfile) -> Vec<(&'static str, &str)> {
    let mut texts =
        vec![("/headline", profile.headline.as_str()), ("/about", &profile.about), ("/location", &profile.location)];
    texts.extend(profile.skills.iter().map(|skill| ("/skills", skill.as_str())));
    texts
}

/// Returns the caller's profile as a worker.
///
/// # Errors
/// `forbidden` unless the caller is a worker.
pub async fn worker(op: &Operation) -> Result<WorkerProfile> {
    let user = require_role(op.actor(), Role::Worker)?.id;
    store::worker(&mut op.db.read().await?.conn(), user).await
}

/// Changes the caller's profile as a worker. An update that changes nothing makes no new version.
///
/// # Errors
/// `invalid` with each field that breaks a rule, of the staff's too; `precondition_failed` at another version.
pub async fn update_worker(op: &Operation, update: UpdateWorkerProfile) -> Result<WorkerProfile> {
    let user = require_role(op.actor(), Role::Worker)?.id;
    let rules = rules::current(op).await?;

    op.write(unit!(|op, conn| {
        let account = lock_own(conn, user).await?;
        let mut profile = store::worker(conn, user).await?;
        op.check_version(profile.version)?;
        let before = profile.clone();
        update.apply(&mut profile)?;
        if profile == before {
            return Ok(profile);
        }
        let was: Vec<&str> = worker_texts(&before).into_iter().map(|(_, text)| text).collect();
        hold(&op, conn, &rules, &account, &worker_texts(&profile), &was).await?;
        profile.version = store::put_worker(conn, user, &profile, op.now()).await?;
        changed(&op, conn, user).await?;
        Ok(profile)
    }))
    .await
}

/// Returns a worker's public profile, which exists as soon as they are active and approved, even when it is empty.
///
/// # Errors
/// `not_found` for a worker whom the public does not see.
pub async fn public_worker(app: &App, id: UserId) -> Result<PublicWorker> {
    let mut reader = app.db.read().await?;
    store::public_worker(&mut reader.conn(), app.now(), id).await?.ok_or_else(|| Error::not_found("worker"))
}

/// Returns a client's public profile, which exists as soon as they are active.
///
/// # Errors
/// `not_found` for a client whom the public does not see.
pub async fn public_client(app: &App, id: UserId) -> Result<PublicClient> {
    let mut reader = app.db.read().await?;
    store::public_client(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("client"))
}

/// Deletes everything in a person's profile, inside the transaction that erases them.
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    store::erase(conn, user, app.now()).await
}

/// Returns whether everybody sees a person: a worker who is active and approved, or an active client.
pub(crate) async fn shows(conn: &mut Conn<'_>, now: Timestamp, id: UserId) -> Result<bool> {
    Ok(store::public_client(conn, id).await?.is_some() || store::public_worker(conn, now, id).await?.is_some())
}

/// Returns a person's name and what their profile says; none once they are erased.
pub(crate) async fn presented(conn: &mut Conn<'_>, id: UserId) -> Result<Option<(String, String)>> {
    let account = accounts::store::get(conn, id).await?.filter(|account| account.status != Status::Deleted);
    let Some(account) = account else { return Ok(None) };
    let text = if account.role == Role::Worker {
        let profile = store::worker(conn, id).await?;
        [profile.headline, profile.about].join("\n").trim().to_owned()
    } else {
        store::client(conn, id).await?.about
    };
    Ok(Some((account.name, text)))
}
