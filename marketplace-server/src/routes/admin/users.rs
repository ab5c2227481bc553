//! Users.

use axum::{Json, extract::State, response::Response};
use marketplace_core::{
    accounts::{
        model::{NewUser, Note, UserAction},
        summary::{UserFilter, UserSummary},
    },
    admin::AdminApi,
    base::{
        change::{Change, Changed, RestrictionReason},
        permission::Role,
    },
    ids::UserId,
    page::{Page, PageRequest},
    users::model::{PersonalData, UserDetail},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, at_version, made, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, List, Params},
    idempotency::Command,
    problem::Answer,
    routes::{download, versioned},
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, delete))
        .routes(routes!(reveal))
        .routes(routes!(export))
        .routes(routes!(freeze))
        .routes(routes!(unfreeze))
        .routes(routes!(ban))
        .routes(routes!(unban))
        .routes(routes!(revoke_sessions))
        .routes(routes!(reset_totp))
        .routes(routes!(set_role))
        .routes(routes!(notes, note))
}

/// A new account.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUserInput {
    /// Any role.
    role: Role,
    /// Where mail reaches them.
    email: String,
    /// 1 to 100 characters.
    name: String,
    /// E.164.
    #[serde(default)]
    phone: Option<String>,
    /// Why, as a code.
    #[serde(default)]
    reason: Option<RestrictionReason>,
    /// What only staff see.
    #[serde(default)]
    note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default)]
    dry_run: bool,
}

/// A new role.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleInput {
    /// The new role.
    role: Role,
    /// Why, as a code.
    #[serde(default)]
    reason: Option<RestrictionReason>,
    /// What only staff see.
    #[serde(default)]
    note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default)]
    dry_run: bool,
}

/// A note on a user.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteInput {
    /// 1 to 4,000 characters.
    body: String,
    /// Changes nothing: the answer is what would have been.
    #[serde(default)]
    dry_run: bool,
}

/// Users, newest first. Masked unless `reveal` is asked for, which is audited.
#[utoipa::path(get, path = "/v1/admin/users", tag = "admin users", params(UserFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<UserSummary>)))]
pub(crate) async fn list(Admin(admin): Admin, List(filter, page): List<UserFilter>) -> Answer<Json<Page<UserSummary>>> {
    Ok(Json(admin.users_list(&filter, &page).await?))
}

/// Make an account of any role. Its owner sets the password through a mail.
#[utoipa::path(post, path = "/v1/admin/users", tag = "admin users", request_body = NewUserInput,
    responses((status = 201, description = "Made", body = Changed<UserDetail>),
        (status = 200, description = "What would have been made (`dry_run`)", body = Changed<UserDetail>)))]
pub(crate) async fn create(command: Command<NewUserInput>) -> Answer<Response> {
    command
        .run(|admin, input, if_version| async move {
            let NewUserInput { role, email, name, phone, reason, note, dry_run } = input;
            let new = NewUser { role, email, name, phone };
            admin
                .users_create(&new, &Change { reason, note, dry_run, if_version, ..Change::default() })
                .await
                .map(made(dry_run))
        })
        .await
}

/// One user, masked.
#[utoipa::path(get, path = "/v1/admin/users/{id}", tag = "admin users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The user", body = UserDetail, headers(("etag" = String)))))]
pub(crate) async fn show(Admin(admin): Admin, Id(id): Id<UserId>) -> Answer<Response> {
    let detail = admin.users_show(id).await?;
    Ok(versioned(detail.user.version, detail))
}

/// One user's personal data in full. Audited.
#[utoipa::path(post, path = "/v1/admin/users/{id}/reveal", tag = "admin users", params(("id" = UserId, Path)),
    responses((status = 200, description = "Name, address, number", body = PersonalData)))]
pub(crate) async fn reveal(Admin(admin): Admin, Id(id): Id<UserId>) -> Answer<Json<PersonalData>> {
    // No idempotency key: each look is a look, and its answer must not be stored.
    Ok(Json(admin.users_reveal(id).await?))
}

/// Everything that is stored of one user, as a ZIP archive. Audited before the first byte leaves.
#[utoipa::path(get, path = "/v1/admin/users/{id}/export", tag = "admin users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The archive", content_type = "application/zip")))]
pub(crate) async fn export(State(ctx): State<Ctx>, Admin(admin): Admin, Id(id): Id<UserId>) -> Answer<Response> {
    download(&ctx, admin.users_export(id)).await
}

async fn act(id: UserId, action: UserAction, command: Command<Change>) -> Answer<Response> {
    command
        .run(move |admin, change, version| async move {
            admin.users_act(id, &action, &at_version(change, version)).await.map(ok)
        })
        .await
}

/// No new work. Needs a reason.
#[utoipa::path(post, path = "/v1/admin/users/{id}/freeze", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn freeze(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::Freeze, command).await
}

/// Back to what the account was.
#[utoipa::path(post, path = "/v1/admin/users/{id}/unfreeze", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn unfreeze(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::Unfreeze, command).await
}

/// No log-in; sessions end. Needs a reason.
#[utoipa::path(post, path = "/v1/admin/users/{id}/ban", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn ban(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::Ban, command).await
}

/// Back to what the account was.
#[utoipa::path(post, path = "/v1/admin/users/{id}/unban", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn unban(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::Unban, command).await
}

/// End every session, and every token for scripts.
#[utoipa::path(post, path = "/v1/admin/users/{id}/revoke-sessions", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn revoke_sessions(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::RevokeSessions, command).await
}

/// Remove the second factor of somebody who lost it. From then on the password alone logs in. Needs a proof of who asks.
#[utoipa::path(post, path = "/v1/admin/users/{id}/reset-totp", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn reset_totp(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::ResetTotp, command).await
}

/// Erase personal data for good. Needs a reason.
#[utoipa::path(delete, path = "/v1/admin/users/{id}", tag = "admin users", request_body = Change,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "What is left of the user", body = Changed<UserDetail>)))]
pub(crate) async fn delete(Id(id): Id<UserId>, command: Command<Change>) -> Answer<Response> {
    act(id, UserAction::Delete, command).await
}

/// Change the role.
#[utoipa::path(post, path = "/v1/admin/users/{id}/role", tag = "admin users", request_body = RoleInput,
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user, as it is now", body = Changed<UserDetail>)))]
pub(crate) async fn set_role(Id(id): Id<UserId>, command: Command<RoleInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let RoleInput { role, reason, note, dry_run } = input;
            let change = Change { reason, note, dry_run, if_version, ..Change::default() };
            admin.users_act(id, &UserAction::SetRole { role }, &change).await.map(ok)
        })
        .await
}

/// The notes on a user, newest first.
#[utoipa::path(get, path = "/v1/admin/users/{id}/notes", tag = "admin users",
    params(("id" = UserId, Path), PageRequest),
    responses((status = 200, description = "A page", body = Page<Note>)))]
pub(crate) async fn notes(
    Admin(admin): Admin,
    Id(id): Id<UserId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<Note>>> {
    Ok(Json(admin.users_notes(id, &page).await?))
}

/// Write a note on a user.
#[utoipa::path(post, path = "/v1/admin/users/{id}/notes", tag = "admin users", request_body = NoteInput,
    params(("id" = UserId, Path)),
    responses((status = 201, description = "Written", body = Changed<Note>),
        (status = 200, description = "What would have been written (`dry_run`)", body = Changed<Note>)))]
pub(crate) async fn note(Id(id): Id<UserId>, command: Command<NoteInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let change = Change { dry_run: input.dry_run, if_version, ..Change::default() };
            admin.users_note(id, &input.body, &change).await.map(made(input.dry_run))
        })
        .await
}
