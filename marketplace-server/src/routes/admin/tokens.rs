//! Tokens for scripts.

use axum::{Json, http::StatusCode, response::Response};
use marketplace_core::{
    admin::AdminApi,
    base::{
        change::{Change, Changed},
        permission::Permission,
    },
    ids::{TokenId, UserId},
    page::{Page, PageRequest},
    tokens::model::{ApiToken, CreatedToken, NewToken, TokenFilter},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, PlainInput, made, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, Input, List},
    idempotency::Command,
    problem::Answer,
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A token that is wanted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenInput {
    /// What it is for; 1 to 100 characters.
    name: String,
    /// What it may do: permissions such as `kyc:read`, all of which its owner's role must give.
    scopes: Vec<Permission>,
    /// Seconds until it ends: 60 to 31,536,000 (365 days).
    expires_in: u64,
    /// The active member of staff to whom it belongs; the caller unless named.
    #[serde(default)]
    owner_id: Option<UserId>,
    /// What only staff see, at most 4,000 characters; kept with the owner.
    #[serde(default)]
    note: Option<String>,
    /// Changes nothing: the answer is what would have been, without a secret.
    #[serde(default)]
    dry_run: bool,
}

/// Tokens for scripts, newest first; never their secrets.
#[utoipa::path(get, path = "/v1/admin/tokens", tag = "admin tokens", params(TokenFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<ApiToken>)))]
pub(crate) async fn list(Admin(admin): Admin, List(filter, page): List<TokenFilter>) -> Answer<Json<Page<ApiToken>>> {
    Ok(Json(admin.tokens_list(&filter, &page).await?))
}

/// Make a token for scripts. Its secret is in this answer and never again.
#[utoipa::path(post, path = "/v1/admin/tokens", tag = "admin tokens", request_body = NewTokenInput,
    responses((status = 201, description = "Made", body = Changed<CreatedToken>),
        (status = 200, description = "What would have been made (`dry_run`)", body = Changed<CreatedToken>)))]
pub(crate) async fn create(
    Admin(admin): Admin,
    Input(input): Input<NewTokenInput>,
) -> Answer<(StatusCode, Json<Changed<CreatedToken>>)> {
    // No idempotency key: its answer would be stored, and the secret with it.
    let NewTokenInput { name, scopes, expires_in, owner_id, note, dry_run } = input;
    let new = NewToken { name, scopes, expires_in, owner_id };
    let change = Change { note, dry_run, ..Change::default() };
    let (status, created) = admin.tokens_create(&new, &change).await.map(made(dry_run))?;
    Ok((status, Json(created)))
}

/// End a token at once.
#[utoipa::path(delete, path = "/v1/admin/tokens/{id}", tag = "admin tokens", request_body = PlainInput,
    params(("id" = TokenId, Path)),
    responses((status = 200, description = "The token, as it is now", body = Changed<ApiToken>)))]
pub(crate) async fn revoke(Id(id): Id<TokenId>, command: Command<PlainInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            admin.tokens_revoke(id, &input.change(if_version)).await.map(ok)
        })
        .await
}
