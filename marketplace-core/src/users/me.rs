//! The caller's own account.

use serde::{Deserialize, Serialize};

use super::erase::erase;
use crate::{
    accounts::{
        model::{Account, Checks, Password, Status, check_phone},
        store,
    },
    auth,
    base::{
        error::{Error, Result},
        ids::UserId,
        patch::Patch,
        permission::{Permission, Role},
        text::check_name,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    operation::Operation,
    profiles,
    records::events::{self, EventKind},
    rules, services,
};

/// One's own account, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// The account.
    pub id: UserId,
    /// What it is.
    pub role: Role,
    /// What it may do at large.
    pub status: Status,
    /// Address.
    pub email: String,
    /// Whether the address was confirmed.
    pub email_verified: bool,
    /// Name.
    pub name: String,
    /// Number, E.164.
    pub phone: Option<String>,
    /// Where the identity check stands.
    pub kyc_status: KycStatus,
    /// When it signed up.
    pub created_at: Timestamp,
    /// Counts changes.
    pub version: i64,
}

impl Me {
    pub(crate) fn of(account: &Account, now: Timestamp) -> Self {
        Self {
            id: account.id,
            role: account.role,
            status: account.status,
            email: account.email.clone(),
            email_verified: account.email_verified,
            name: account.name.clone(),
            phone: account.phone.clone(),
            kyc_status: account.visible_kyc(now),
            created_at: account.created_at,
            version: account.version,
        }
    }
}

/// What of it shall change; what is left out stays, `null` takes the number away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateMe {
    /// 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Patch<String>,
    /// E.164; an empty text takes the number away too.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub phone: Patch<String>,
}

/// Returns the caller's account. It costs no query: it was read when the token was checked for this call.
///
/// # Errors
/// `forbidden` for a caller without an account of their own.
pub fn me(op: &Operation) -> Result<Me> {
    Ok(Me::of(&op.actor().require_own(Permission::OwnAccount)?.account, op.now()))
}

/// Changes the caller's name or number. An update that changes nothing makes no new version.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `conflict` when the number is somebody else's; `rate_limited` after some
/// tries; `precondition_failed` at another version.
pub async fn update_me(op: &Operation, update: UpdateMe) -> Result<Me> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    if me.account.status == Status::Unverified {
        return Err(Error::forbidden("confirm your address first: the link is in the mail that we sent"));
    }
    let mut checks = Checks::default();
    let name = checks.take(update.name.required("/name")).flatten();
    let name = checks.take(name.as_deref().map(check_name).transpose()).flatten();
    let phone = match update.phone {
        Patch::Set(phone) if phone.trim().is_empty() => Patch::Clear,
        Patch::Set(phone) => checks.take(check_phone(&phone)).map_or(Patch::Keep, Patch::Set),
        other => other,
    };
    checks.finish()?;
    let id = me.account.id;
    if matches!(&phone, Patch::Set(phone) if Some(phone) != me.account.phone.as_ref()) {
        // A few in a quarter of an hour: the answer tells whether a number is somebody's.
        op.limiter.try_login(std::net::IpAddr::from([0, 0, 0, 0]), &format!("phone:{id}")).await?;
    }
    let rules = rules::current(op).await?;
    op.write(unit!(|op, c| {
        let mut account = store::lock(c, id).await?.ok_or_else(|| Error::not_found("account"))?;
        op.check_version(account.version)?;
        let before = (account.name.clone(), account.phone.clone());
        if let Some(name) = name {
            account.name = name;
        }
        account.phone = phone.or(account.phone);
        if (&account.name, &account.phone) == (&before.0, &before.1) {
            return Ok(Me::of(&account, op.now()));
        }
        if let Some(phone) = account.phone.as_deref().filter(|phone| Some(*phone) != before.1.as_deref()) {
            store::require_free_phone(c, phone, Some(id)).await?;
        }
        if account.name != before.0 {
            profiles::hold(&op, c, &rules, &account, &[("/name", &account.name)], &[]).await?;
        }
        store::set_person(c, &account, op.now()).await?;
        if account.role == Role::Worker {
            services::name_changed(c, id, &account.name).await?;
        }
        account.version += 1;
        events::append(&op, c, EventKind::UserChanged, &id.to_string(), Some(id)).await?;
        Ok(Me::of(&account, op.now()))
    }))
    .await
}

/// Erases the caller's account for good. Staff accounts are erased by an admin.
///
/// # Errors
/// `forbidden` for staff; `invalid` for a wrong password; `conflict` while jobs of theirs are live.
pub async fn delete_me(op: &Operation, password: &Password) -> Result<()> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    if me.account.role.is_staff() {
        return Err(Error::forbidden("staff accounts are deleted by an admin"));
    }
    let checked = auth::check_own_password(op, password, "/password").await?;
    let id = me.account.id;
    op.patient()
        .write(unit!(|op, conn| {
            let account = auth::lock_checked(conn, id, checked.as_deref()).await?;
            erase(&op, conn, &account, None).await
        }))
        .await
}
