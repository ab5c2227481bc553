//! Everybody's sessions.

use axum::response::Response;
use marketplace_core::{admin::AdminApi, base::change::Change, users::model::EndedSessions};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::ok;
use crate::{ctx::Ctx, idempotency::Command, problem::Answer};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(end_all))
}

/// End every session and every token for scripts of everybody, the caller's too. Needs a reason.
#[utoipa::path(post, path = "/v1/admin/sessions/revoke-all", tag = "admin users", request_body = Change,
    responses((status = 200, description = "What was ended", body = EndedSessions)))]
pub(crate) async fn end_all(command: Command<Change>) -> Answer<Response> {
    command.run(|admin, change, _| async move { admin.sessions_end_all(&change).await.map(ok) }).await
}
