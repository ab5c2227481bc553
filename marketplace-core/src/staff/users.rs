//! Users.

use serde::{Deserialize, Serialize};

use super::{
    connection::Connection,
    input::PlainInput,
    operation::{Effect, ListQuery},
};
use crate::{
    accounts::{
        model::{NewUser, Note, UserAction},
        summary::{UserFilter, UserSummary},
    },
    auth::SessionView,
    base::{
        change::{Change, Changed, RestrictionReason},
        error::Result,
        ids::{SessionId, UserId},
        page::{Page, PageRequest},
        patch::Patch,
        permission::Role,
    },
    export::{self, Export},
    messaging::model::AccessReason,
    users::{
        self,
        model::{self, EndedSessions, PersonalData, SessionFilter, UserDetail},
    },
};

/// A new account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewUserInput {
    /// Any role.
    pub role: Role,
    /// Where mail reaches them.
    pub email: String,
    /// 1 to 100 characters.
    pub name: String,
    /// E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Why, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestrictionReason>,
    /// What only staff see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl NewUserInput {
    /// Returns a new account as a body.
    pub fn new(new: NewUser, change: Change) -> Self {
        let NewUser { role, email, name, phone } = new;
        let Change { reason, note, dry_run, if_version, .. } = change;
        Self { role, email, name, phone, reason, note, dry_run, if_version }
    }

    fn new_user(self) -> NewUser {
        NewUser { role: self.role, email: self.email, name: self.name, phone: self.phone }
    }
}

/// A new role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleInput {
    /// The new role.
    pub role: Role,
    /// Why, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestrictionReason>,
    /// What only staff see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl RoleInput {
    /// Returns a new role as a body.
    pub fn new(role: Role, change: Change) -> Self {
        let Change { reason, note, dry_run, if_version, .. } = change;
        Self { role, reason, note, dry_run, if_version }
    }
}

/// A note on a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NoteInput {
    /// 1 to 4,000 characters.
    pub body: String,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl NoteInput {
    /// Returns a note as a body.
    pub fn new(body: impl Into<String>, change: &Change) -> Self {
        Self { body: body.into(), dry_run: change.dry_run, if_version: change.if_version }
    }
}

/// What staff put right for a user. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EditUserInput {
    /// 1 to 100 characters.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Patch<String>,
    /// Takes effect when it is confirmed with the link that goes there; the old address is told. Needs `users:admin`.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub email: Patch<String>,
    /// E.164; an empty text takes the number away too.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub phone: Patch<String>,
    /// Why, as a code; needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestrictionReason>,
    /// What only staff see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl EditUserInput {
    /// Returns an edit as a body.
    pub fn new(edit: model::EditUser, change: Change) -> Self {
        let model::EditUser { name, email, phone } = edit;
        let Change { reason, note, dry_run, if_version, .. } = change;
        Self { name, email, phone, reason, note, dry_run, if_version }
    }
}

/// A warning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct WarningInput {
    /// What the person reads beside the reason, at most 1,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Why, as a code; needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestrictionReason>,
    /// What only staff see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl WarningInput {
    /// Returns a warning as a body.
    pub fn new(comment: Option<String>, change: Change) -> Self {
        let Change { reason, note, dry_run, if_version, .. } = change;
        Self { comment, reason, note, dry_run, if_version }
    }
}

/// Why personal data is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct WhyQuery {
    /// Why, as a code; goes to the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub reason: Option<AccessReason>,
}

whole_query!(WhyQuery);

bodies! {
    EditUserInput: reason note dry_run if_version;
    WarningInput: reason note dry_run if_version;
    NewUserInput: reason note dry_run if_version;
    RoleInput: reason note dry_run if_version;
    NoteInput: dry_run if_version;
}

operations! { "admin users":
    /// Users, newest first. Masked unless `reveal` is asked for, which is audited.
    ListUsers = GET "/v1/admin/users" needs UsersRead,
    (op, (): (), list: ListQuery<UserFilter>, (): ()) -> Page<UserSummary> as "A page" {
        users::list(op, &list.filter, &list.page).await
    }

    /// Make an account of any role. Its owner sets the password through a mail.
    CreateUser = POST "/v1/admin/users" needs UsersAdmin,
    (op, (): (), (): (), input: NewUserInput) -> Changed<UserDetail> as "Made"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been made (`dry_run`)"); } {
        users::create(op, &input.new_user()).await
    }

    /// One user, masked.
    ShowUser = GET "/v1/admin/users/{id}" needs UsersRead,
    (op, id: UserId, (): (), (): ()) -> UserDetail as "The user"
    with { const VERSION: Option<fn(&UserDetail) -> i64> = Some(|detail| detail.user.version); } {
        users::show(op, id).await
    }

    /// One user's personal data in full. Audited.
    RevealUser = POST "/v1/admin/users/{id}/reveal" needs UsersReveal,
    (op, id: UserId, why: WhyQuery, (): ()) -> PersonalData as "Name, address, number"
    with { const EFFECT: Effect = Effect::Read; } {
        users::reveal(op, id, why.reason).await
    }

    /// Put name, address or number right. Needs a reason; a new address takes effect when it is confirmed.
    EditUser = PATCH "/v1/admin/users/{id}" needs UsersWrite,
    (op, id: UserId, (): (), input: EditUserInput) -> Changed<UserDetail> as "The user, as it is now" {
        users::edit(op, id, model::EditUser { name: input.name, email: input.email, phone: input.phone }).await
    }

    /// Warn by mail, for a reason. The warning stays among the notes.
    WarnUser = POST "/v1/admin/users/{id}/warn" needs UsersWrite,
    (op, id: UserId, (): (), input: WarningInput) -> Changed<UserDetail> as "The user, as it is now" {
        users::warn(op, id, input.comment.as_deref()).await
    }

    /// Send the mail again that confirms the address.
    ResendUserVerification = POST "/v1/admin/users/{id}/resend-verification" needs UsersWrite,
    (op, id: UserId, (): (), _: PlainInput) -> Changed<UserDetail> as "The user, as it is now" {
        users::resend_verification(op, id).await
    }

    /// Send the mail with which a new password can be set.
    SendPasswordReset = POST "/v1/admin/users/{id}/send-password-reset" needs UsersWrite,
    (op, id: UserId, (): (), _: PlainInput) -> Changed<UserDetail> as "The user, as it is now" {
        users::send_password_reset(op, id).await
    }

    /// A user's live sessions, newest first. IP addresses are masked unless `reveal` is asked for, which is audited.
    ListUserSessions = GET "/v1/admin/users/{id}/sessions" needs UsersRead,
    (op, id: UserId, list: ListQuery<SessionFilter>, (): ()) -> Page<SessionView> as "A page" {
        users::sessions(op, id, &list.filter, &list.page).await
    }

    /// End one session of a user.
    EndUserSession = DELETE "/v1/admin/users/{id}/sessions/{session_id}" needs UsersWrite,
    (op, (id, session): (UserId, SessionId), (): (), _: PlainInput) -> Changed<UserDetail> as "The user, as it is now" {
        users::end_session(op, id, session).await
    }

    /// Everything that is stored of one user, as a ZIP archive. Audited before the first byte leaves.
    ExportUser = GET "/v1/admin/users/{id}/export" needs UsersAdmin,
    (op, id: UserId, why: WhyQuery, (): ()) -> Export as "The archive" {
        export::of_user(op, id, why.reason).await
    }

    /// No new work. Needs a reason.
    FreezeUser = POST "/v1/admin/users/{id}/freeze" needs UsersWrite,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::Freeze).await
    }

    /// Back to what the account was.
    UnfreezeUser = POST "/v1/admin/users/{id}/unfreeze" needs UsersWrite,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::Unfreeze).await
    }

    /// No log-in; sessions end. Needs a reason.
    BanUser = POST "/v1/admin/users/{id}/ban" needs UsersAdmin,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::Ban).await
    }

    /// Back to what the account was.
    UnbanUser = POST "/v1/admin/users/{id}/unban" needs UsersAdmin,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::Unban).await
    }

    /// End every session, and every token for scripts.
    RevokeUserSessions = POST "/v1/admin/users/{id}/revoke-sessions" needs UsersWrite,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::RevokeSessions).await
    }

    /// Remove the second factor of somebody who lost it. From then on the password alone logs in. Needs a proof of who asks.
    ResetUserTotp = POST "/v1/admin/users/{id}/reset-totp" needs UsersAdmin,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::ResetTotp).await
    }

    /// Erase personal data for good. Needs a reason.
    DeleteUser = DELETE "/v1/admin/users/{id}" needs UsersAdmin,
    (op, id: UserId, (): (), _: Change) -> Changed<UserDetail> as "What is left of the user" {
        users::act(op, id, &UserAction::Delete).await
    }

    /// Change the role.
    SetUserRole = POST "/v1/admin/users/{id}/role" needs UsersAdmin,
    (op, id: UserId, (): (), input: RoleInput) -> Changed<UserDetail> as "The user, as it is now" {
        users::act(op, id, &UserAction::SetRole { role: input.role }).await
    }

    /// The notes on a user, newest first.
    ListUserNotes = GET "/v1/admin/users/{id}/notes" needs UsersRead,
    (op, id: UserId, page: PageRequest, (): ()) -> Page<Note> as "A page" {
        users::notes(op, id, &page).await
    }

    /// Write a note on a user.
    WriteUserNote = POST "/v1/admin/users/{id}/notes" needs UsersWrite,
    (op, id: UserId, (): (), input: NoteInput) -> Changed<Note> as "Written"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been written (`dry_run`)"); } {
        users::note(op, id, &input.body).await
    }

    /// End every session and every token for scripts of everybody, the caller's too. Needs a reason.
    EndAllSessions = POST "/v1/admin/sessions/revoke-all" needs UsersAdmin,
    (op, (): (), (): (), _: Change) -> EndedSessions as "What was ended" {
        users::end_all_sessions(op).await
    }
}

/// Does something to a user that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn act_on_user(
    connection: &Connection,
    id: UserId,
    action: &UserAction,
    change: Change,
) -> Result<Changed<UserDetail>> {
    match action {
        UserAction::Freeze => connection.call::<FreezeUser>(id, (), change).await,
        UserAction::Unfreeze => connection.call::<UnfreezeUser>(id, (), change).await,
        UserAction::Ban => connection.call::<BanUser>(id, (), change).await,
        UserAction::Unban => connection.call::<UnbanUser>(id, (), change).await,
        UserAction::Delete => connection.call::<DeleteUser>(id, (), change).await,
        UserAction::RevokeSessions => connection.call::<RevokeUserSessions>(id, (), change).await,
        UserAction::ResetTotp => connection.call::<ResetUserTotp>(id, (), change).await,
        UserAction::SetRole { role } => connection.call::<SetUserRole>(id, (), RoleInput::new(*role, change)).await,
    }
}
