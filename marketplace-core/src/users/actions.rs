//! What staff do to users: freeze, ban, delete and their opposites, roles, sessions.

use futures::FutureExt;

use super::{erase::erase, ops::detail};
use crate::{
    accounts::{
        keep_note,
        model::{Account, Status, UserAction},
        store,
    },
    actor::Actor,
    app::App,
    auth::{self, OneTime},
    base::{
        change::{Change, Changed, IdentityProof, RestrictionReason},
        error::{Error, Result},
        ids::UserId,
        permission::{Permission, Role},
    },
    jobs, maintenance,
    platform::db::Conn,
    records::{
        audit::{self, Entry},
        events,
        mail::Template,
    },
    services,
    timers::Timer,
    tokens,
    users::model::UserDetail,
};

/// How long a banned person's link to their own data works.
const OWN_DATA_DAYS: u64 = 30;

impl UserAction {
    /// What an actor needs for it.
    pub fn permission(&self) -> Permission {
        match self {
            Self::Freeze | Self::Unfreeze | Self::RevokeSessions => Permission::UsersWrite,
            Self::Ban | Self::Unban | Self::Delete | Self::SetRole { .. } | Self::ResetTotp => Permission::UsersAdmin,
        }
    }

    fn audit_name(&self) -> &'static str {
        match self {
            Self::Freeze => "users.freeze",
            Self::Unfreeze => "users.unfreeze",
            Self::Ban => "users.ban",
            Self::Unban => "users.unban",
            Self::Delete => "users.delete",
            Self::SetRole { .. } => "users.role",
            Self::RevokeSessions => "users.revoke_sessions",
            Self::ResetTotp => "users.reset_totp",
        }
    }

    /// The role whose powers it gives to an account that has `role`, or gives back to it.
    fn grants(&self, role: Role) -> Option<Role> {
        match self {
            Self::SetRole { role } => Some(*role),
            // Without its second factor an account is a password away from whoever removed it.
            Self::Unfreeze | Self::Unban | Self::ResetTotp => Some(role),
            Self::Freeze | Self::Ban | Self::Delete | Self::RevokeSessions => None,
        }
    }

    /// Whether it takes an active admin's powers away.
    fn disarms(&self) -> bool {
        match self {
            Self::Freeze | Self::Ban | Self::Delete => true,
            Self::SetRole { role } => *role != Role::Admin,
            Self::Unfreeze | Self::Unban | Self::RevokeSessions | Self::ResetTotp => false,
        }
    }
}

/// What an action comes to, given how the account stands. Pure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is so already.
    Unchanged,
    /// Another status; with the reason when it restricts.
    Status(Status, Option<RestrictionReason>),
    /// Personal data goes.
    Erase,
    /// Another role.
    Role(Role),
    /// Sessions end.
    EndSessions,
    /// The second factor goes.
    ResetTotp,
}

#[expect(clippy::match_same_arms, reason = "the order of the rules is their meaning")]
pub(crate) fn step(account: &Account, action: &UserAction, reason: Option<RestrictionReason>) -> Result<Step> {
    let state = serde_json::json!({ "status": account.status });
    let wrong = |detail: &'static str| Err(Error::conflict(detail, &state));
    let lifted = Status::unrestricted(account.email_verified);
    Ok(match (action, account.status) {
        (UserAction::Delete, Status::Deleted) => Step::Unchanged,
        // Never revived, whatever is lifted.
        (_, Status::Deleted) => return wrong("the account is deleted for good"),
        (UserAction::Delete, _) => Step::Erase,
        (UserAction::Freeze, Status::Frozen) | (UserAction::Ban, Status::Banned) => Step::Unchanged,
        (UserAction::Freeze, Status::Banned) => return wrong("the account is banned; unban it first"),
        (UserAction::Freeze, _) => Step::Status(Status::Frozen, reason),
        (UserAction::Ban, _) => Step::Status(Status::Banned, reason),
        (UserAction::Unfreeze, Status::Frozen) | (UserAction::Unban, Status::Banned) => Step::Status(lifted, None),
        (UserAction::Unfreeze, Status::Banned) => return wrong("the account is banned, not frozen; use unban"),
        (UserAction::Unban, Status::Frozen) => return wrong("the account is frozen, not banned; use unfreeze"),
        (UserAction::Unfreeze | UserAction::Unban, _) => Step::Unchanged,
        (UserAction::SetRole { role }, _) if *role == account.role => Step::Unchanged,
        (UserAction::SetRole { role }, _) => Step::Role(*role),
        (UserAction::RevokeSessions, _) => Step::EndSessions,
        (UserAction::ResetTotp, _) => Step::ResetTotp,
    })
}

/// Does something to a user. A restriction commits together with the end of what it forbids.
///
/// Nobody acts on their own account; support staff act on clients and workers only; the last active admin stays; and nobody
/// gives, or gives back, powers that they do not have themselves.
pub async fn act(
    app: &App,
    actor: &Actor,
    id: UserId,
    action: &UserAction,
    change: &Change,
) -> Result<Changed<UserDetail>> {
    actor.require(action.permission())?;
    actor.require_other(id)?;
    if action.needs_reason() && change.reason.is_none() {
        let known = RestrictionReason::NAMES.join(", ");
        return Err(Error::invalid("/reason", format!("is needed: one of {known}")));
    }
    if *action == UserAction::ResetTotp && change.proof.is_none() {
        let known = IdentityProof::NAMES.join(", ");
        return Err(Error::invalid("/proof", format!("is needed, how it was made sure who asks: one of {known}")));
    }
    let note = change.checked_note()?;
    let (app2, actor2, action2, change2) = (app.clone(), actor.clone(), action.clone(), change.clone());
    // What takes somebody out of all that they wrote may take long.
    let db = if *action == UserAction::Delete { app.db.patient() } else { app.db.clone() };
    let done = db
        .write_or_preview(change.dry_run, move |c| {
            async move { act_in(&app2, c, &actor2, id, &action2, &change2, note).await }.boxed()
        })
        .await?;
    if done.changed && !change.dry_run {
        app.wake();
    }
    if done.changed && !change.dry_run && *action == UserAction::Delete && matches!(actor, Actor::Operator(_)) {
        // Without a server nobody else would; and with one, nothing is done twice. What fails is left to the next program: the
        // person is erased all the same.
        for timer in [Timer::FileDeletions, Timer::Erasures] {
            while maintenance::run(app, timer).await.is_ok_and(|done| done > 0) {}
        }
    }
    Ok(done)
}

async fn act_in(
    app: &App,
    conn: &mut Conn<'_>,
    actor: &Actor,
    id: UserId,
    action: &UserAction,
    change: &Change,
    note: Option<String>,
) -> Result<Changed<UserDetail>> {
    let now = app.now();
    if *action == UserAction::Ban {
        jobs::hold_live_of(conn, id).await?;
    }
    let spare_admin = if action.disarms() { store::other_active_admins(conn, id).await? > 0 } else { true };
    let account = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("user"))?;
    if let Some(version) = change.if_version
        && version != account.version
    {
        return Err(Error::stale(account.version));
    }
    if account.role.is_staff() && !actor.may(Permission::UsersAdmin) {
        return Err(Error::forbidden("only an admin acts on staff"));
    }
    if let Some(role) = action.grants(account.role) {
        actor.require_grant(role)?;
    }
    if account.role == Role::Admin && account.status == Status::Active && !spare_admin {
        return Err(Error::conflict(
            "this is the last active admin; make another one first",
            serde_json::json!({ "status": account.status }),
        ));
    }
    let mut changed = true;
    match step(&account, action, change.reason)? {
        Step::Unchanged => changed = false,
        Step::Status(status, reason) => {
            let by = actor.principal();
            store::set_status(conn, id, status, reason.map(|reason| (reason, &by)), now).await?;
            services::worker_changed(conn, now, id).await?;
            if status == Status::Banned {
                forbid(app, conn, actor, &account).await?;
            }
        }
        Step::Erase => {
            erase(app, conn, actor, &account, change.reason).await?;
            return Ok(Changed { changed: true, item: detail(conn, id, now).await? });
        }
        Step::Role(role) => {
            store::set_role(conn, id, role, now).await?;
            // What was prepared before, by whomever, must not come into the new powers.
            auth::store::revoke_all(conn, id, None, now).await?;
            auth::store::drop_outstanding(conn, id).await?;
            events::append(conn, now, "session.revoked", &id.to_string(), Some(id)).await?;
            tokens::revoke_all(conn, &actor.principal(), id, now).await?;
            services::worker_changed(conn, now, id).await?;
        }
        Step::ResetTotp => {
            changed = auth::totp::store::remove(conn, id).await?;
            if changed {
                auth::notify(app, conn, &account, Template::SecondFactorOff, None).await?;
            }
        }
        Step::EndSessions => {
            let sessions = auth::store::revoke_all(conn, id, None, now).await?;
            changed = sessions + tokens::revoke_all(conn, &actor.principal(), id, now).await? > 0;
            if changed {
                events::append(conn, now, "session.revoked", &id.to_string(), Some(id)).await?;
            }
        }
    }
    if changed {
        let note = keep_note(app, conn, actor, id, note).await?;
        let mut metadata = serde_json::json!({ "from": account.status, "note": note });
        if let UserAction::SetRole { role } = action {
            metadata = serde_json::json!({ "from": account.role, "to": role, "note": note });
        }
        if *action == UserAction::ResetTotp {
            metadata = serde_json::json!({ "from": account.status, "proof": change.proof, "note": note });
        }
        let reason = change.reason.map(|reason| reason.to_string());
        audit::append(
            &app.keys,
            conn,
            now,
            actor,
            Entry { action: action.audit_name(), target_kind: "user", target: id.to_string(), reason, metadata },
        )
        .await?;
        events::append(conn, now, "user.changed", &id.to_string(), Some(id)).await?;
    }
    Ok(Changed { changed, item: detail(conn, id, now).await? })
}

/// Ends what a ban forbids, and sends the link that is left to a banned person.
async fn forbid(app: &App, conn: &mut Conn<'_>, actor: &Actor, account: &Account) -> Result<()> {
    let now = app.now();
    auth::store::revoke_all(conn, account.id, None, now).await?;
    tokens::revoke_all(conn, &actor.principal(), account.id, now).await?;
    auth::store::drop_outstanding(conn, account.id).await?;
    events::append(conn, now, "session.revoked", &account.id.to_string(), Some(account.id)).await?;
    jobs::cancel_live_of(app, conn, account.id).await?;
    let valid = std::time::Duration::from_secs(OWN_DATA_DAYS * 86_400);
    let link = auth::issue_one_time(app, conn, account.id, OneTime::OwnData, None, valid).await?;
    auth::notify(app, conn, account, Template::Banned, Some(link)).await
}
