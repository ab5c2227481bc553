//! What staff do to users: freeze, ban, delete and their opposites, roles, sessions.

use super::{
    erase::erase,
    ops::detail,
    rights::{end_reviews, give_back},
    tell::tell,
};
use crate::{
    accounts::{
        keep_note,
        model::{Account, Status, UserAction},
        store,
    },
    actor::Actor,
    auth::{self, OneTime},
    base::{
        change::{Changed, IdentityProof, RestrictionReason},
        error::{Error, Result},
        ids::UserId,
        permission::{Permission, Role},
    },
    jobs, maintenance,
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        mail::Template,
        target::TargetKind,
    },
    services,
    timers::Timer,
    tokens,
    users::model::UserDetail,
};

/// How long a banned person's link to their own data works.
const OWN_DATA_DAYS: u64 = 30;

/// Refuses support staff who act on staff.
pub(super) fn require_over(op: &Operation, account: &Account) -> Result<()> {
    if account.role.is_staff() && !op.actor().may(Permission::UsersAdmin) {
        return Err(Error::forbidden("only an admin acts on staff"));
    }
    Ok(())
}

impl UserAction {
    /// Returns the permission that the action needs.
    pub fn permission(&self) -> Permission {
        match self {
            Self::Freeze | Self::Unfreeze | Self::RevokeSessions => Permission::UsersWrite,
            Self::Ban | Self::Unban | Self::Delete | Self::SetRole { .. } | Self::ResetTotp => Permission::UsersAdmin,
        }
    }

    fn audit_name(&self) -> AuditAction {
        match self {
            Self::Freeze => AuditAction::UsersFreeze,
            Self::Unfreeze => AuditAction::UsersUnfreeze,
            Self::Ban => AuditAction::UsersBan,
            Self::Unban => AuditAction::UsersUnban,
            Self::Delete => AuditAction::UsersDelete,
            Self::SetRole { .. } => AuditAction::UsersRole,
            Self::RevokeSessions => AuditAction::UsersRevokeSessions,
            Self::ResetTotp => AuditAction::UsersResetTotp,
        }
    }

    /// Returns the role whose permissions the action gives, or gives back, to an account that has `role`.
    fn grants(&self, role: Role) -> Option<Role> {
        match self {
            Self::SetRole { role } => Some(*role),
            // Without its second factor an account is a password away from whoever removed it.
            Self::Unfreeze | Self::Unban | Self::ResetTotp => Some(role),
            Self::Freeze | Self::Ban | Self::Delete | Self::RevokeSessions => None,
        }
    }

    /// Returns whether the action takes an active admin's permissions away.
    pub fn disarms(&self) -> bool {
        match self {
            Self::Freeze | Self::Ban | Self::Delete => true,
            Self::SetRole { role } => *role != Role::Admin,
            Self::Unfreeze | Self::Unban | Self::RevokeSessions | Self::ResetTotp => false,
        }
    }
}

/// The effect of an action on an account in its current state. Pure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The account already is as asked.
    Unchanged,
    /// Another status; with the reason when it restricts.
    Status(Status, Option<RestrictionReason>),
    /// Personal data is erased.
    Erase,
    /// Another role.
    Role(Role),
    /// Sessions end.
    EndSessions,
    /// The second factor is removed.
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

/// Applies an action to a user. A restriction commits together with the end of what it forbids.
///
/// Nobody acts on their own account; support staff act on clients and workers only; the last active admin stays; and nobody
/// gives, or gives back, permissions that they do not have themselves.
///
/// # Errors
/// `forbidden` without the permission, and about oneself; `not_found` when there is no such user;
/// `precondition_failed` at another version.
pub async fn act(op: &Operation, id: UserId, action: &UserAction) -> Result<Changed<UserDetail>> {
    may_act(op, id, action)?;
    if *action == UserAction::ResetTotp && op.change().proof.is_none() {
        let known = IdentityProof::NAMES.join(", ");
        return Err(Error::invalid("/proof", format!("is needed, how it was made sure who asks: one of {known}")));
    }
    if let Some(until) = op.change().until {
        if *action != UserAction::Freeze {
            return Err(Error::invalid("/until", "is for a freeze: nothing else ends by itself"));
        }
        if until <= op.now() {
            return Err(Error::invalid("/until", "must be in the future"));
        }
    }
    let note = op.note()?;
    // What takes somebody out of all that they wrote may take long.
    let unit_of = if *action == UserAction::Delete { op.patient() } else { op.clone() };
    let asked = action.clone();
    let done = unit_of.write(unit!(|op, conn| { apply(&op, conn, id, &asked, note).await })).await?;
    if done.changed && !op.change().dry_run && *action == UserAction::Delete && matches!(op.actor(), Actor::Operator(_))
    {
        // Without a server nobody else would; and with one, nothing is done twice. What fails is left to the next program: the
        // person is erased all the same.
        for timer in [Timer::FileDeletions, Timer::Erasures] {
            while maintenance::run(op, timer).await.is_ok_and(|done| done > 0) {}
        }
    }
    Ok(done)
}

fn may_act(op: &Operation, id: UserId, action: &UserAction) -> Result<()> {
    op.actor().require(action.permission())?;
    op.actor().require_other(id)?;
    if action.needs_reason() && op.change().reason.is_none() {
        let known = RestrictionReason::NAMES.join(", ");
        return Err(Error::invalid("/reason", format!("is needed: one of {known}")));
    }
    Ok(())
}

/// Freezes, bans, or lifts it, like [`act`], inside a transaction. Returns whether it changed anything.
pub(crate) async fn act_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: UserId,
    action: &UserAction,
    note: Option<String>,
) -> Result<bool> {
    may_act(op, id, action)?;
    Ok(apply(op, conn, id, action, note).await?.changed)
}

async fn apply(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: UserId,
    action: &UserAction,
    note: Option<String>,
) -> Result<Changed<UserDetail>> {
    let now = op.now();
    if *action == UserAction::Ban {
        jobs::lock_live_threads_of(conn, id).await?;
    }
    let spare_admin = if action.disarms() { store::other_active_admins(conn, id).await? > 0 } else { true };
    let account = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("user"))?;
    op.check_version(account.version)?;
    require_over(op, &account)?;
    if let Some(role) = action.grants(account.role) {
        op.actor().require_grant(role)?;
    }
    if account.role == Role::Admin && account.status == Status::Active && !spare_admin {
        return Err(Error::conflict(
            "this is the last active admin; make another one first",
            serde_json::json!({ "status": account.status }),
        ));
    }
    let mut changed = true;
    let until = op.change().until;
    let step = match step(&account, action, op.change().reason)? {
        // Another end of it.
        Step::Unchanged
            if *action == UserAction::Freeze
                && store::restriction(conn, id).await?.is_some_and(|freeze| freeze.until != until) =>
        {
            Step::Status(Status::Frozen, op.change().reason)
        }
        step => step,
    };
    match step {
        Step::Unchanged => changed = false,
        Step::Status(status, reason) => {
            let by = op.actor().principal();
            store::set_status(conn, id, status, reason.map(|reason| (reason, &by, until)), now).await?;
            services::worker_changed(conn, now, id).await?;
            if matches!(status, Status::Banned | Status::Frozen) {
                end_reviews(op, conn, &account, None).await?;
            }
            tell(op, conn, id, account.role, status).await?;
            if status == Status::Banned {
                forbid(op, conn, &account).await?;
            }
        }
        Step::Erase => {
            erase(op, conn, &account, op.change().reason).await?;
            return Ok(Changed { changed: true, item: detail(conn, id, now).await? });
        }
        Step::Role(role) => {
            store::set_role(conn, id, role, now).await?;
            end_reviews(op, conn, &account, Some(role)).await?;
            // What was prepared before, by whomever, must not come into the new powers.
            auth::store::revoke_all(conn, id, None, now).await?;
            auth::store::drop_outstanding(conn, id).await?;
            events::append(op, conn, EventKind::SessionRevoked, &id.to_string(), Some(id)).await?;
            tokens::revoke_all(op, conn, &op.actor().principal(), id).await?;
            services::worker_changed(conn, now, id).await?;
        }
        Step::ResetTotp => {
            changed = auth::totp::store::remove(conn, id).await?;
            if changed {
                auth::notify(op, conn, &account, Template::SecondFactorOff, None).await?;
            }
        }
        Step::EndSessions => {
            let sessions = auth::store::revoke_all(conn, id, None, now).await?;
            changed = sessions + tokens::revoke_all(op, conn, &op.actor().principal(), id).await? > 0;
            if changed {
                give_back(op, conn, &account).await?;
                events::append(op, conn, EventKind::SessionRevoked, &id.to_string(), Some(id)).await?;
            }
        }
    }
    if changed {
        let note = keep_note(op, conn, id, note).await?;
        let mut metadata = serde_json::json!({ "from": account.status, "note": note });
        if let UserAction::SetRole { role } = action {
            metadata = serde_json::json!({ "from": account.role, "to": role, "note": note });
        }
        if let Some(until) = until {
            metadata = serde_json::json!({ "from": account.status, "until": until, "note": note });
        }
        if *action == UserAction::ResetTotp {
            metadata = serde_json::json!({ "from": account.status, "proof": op.change().proof, "note": note });
        }
        let reason = op.change().reason.map(|reason| reason.to_string());
        audit::append(
            op,
            conn,
            Entry {
                action: action.audit_name(),
                target_kind: TargetKind::User,
                target: id.to_string(),
                reason,
                metadata,
            },
        )
        .await?;
        events::append(op, conn, EventKind::UserChanged, &id.to_string(), Some(id)).await?;
    }
    Ok(Changed { changed, item: detail(conn, id, now).await? })
}

/// Ends what a ban forbids, and sends the link that is left to a banned person.
async fn forbid(op: &Operation, conn: &mut Conn<'_>, account: &Account) -> Result<()> {
    let now = op.now();
    auth::store::revoke_all(conn, account.id, None, now).await?;
    tokens::revoke_all(op, conn, &op.actor().principal(), account.id).await?;
    auth::store::drop_outstanding(conn, account.id).await?;
    events::append(op, conn, EventKind::SessionRevoked, &account.id.to_string(), Some(account.id)).await?;
    jobs::cancel_live_of(op, conn, account.id).await?;
    let valid = std::time::Duration::from_secs(OWN_DATA_DAYS * 86_400);
    let link = auth::issue_one_time(op, conn, account.id, OneTime::OwnData, None, valid).await?;
    auth::notify(op, conn, account, Template::Banned, Some(link)).await
}
