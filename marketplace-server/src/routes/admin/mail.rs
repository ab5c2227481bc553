//! Mails that were not sent yet.

use axum::{Json, response::Response};
use marketplace_core::{
    admin::AdminApi,
    base::change::Changed,
    ids::MailId,
    mail::model::{MailFilter, MailSummary},
    page::{Page, PageRequest},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, PlainInput, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, List},
    idempotency::Command,
    problem::Answer,
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retry))
}

/// Mails that wait or could not be sent, newest first; addresses are masked.
#[utoipa::path(get, path = "/v1/admin/mail", tag = "admin mail", params(MailFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<MailSummary>)))]
pub(crate) async fn list(Admin(admin): Admin, List(filter, page): List<MailFilter>) -> Answer<Json<Page<MailSummary>>> {
    Ok(Json(admin.mail_list(&filter, &page).await?))
}

/// Have a mail tried again now, whose last try failed.
#[utoipa::path(post, path = "/v1/admin/mail/{id}/retry", tag = "admin mail", request_body = PlainInput,
    params(("id" = MailId, Path)),
    responses((status = 200, description = "The mail, as it is now", body = Changed<MailSummary>)))]
pub(crate) async fn retry(Id(id): Id<MailId>, command: Command<PlainInput>) -> Answer<Response> {
    command
        .run(
            move |admin, input, if_version| async move {
                admin.mail_retry(id, &input.change(if_version)).await.map(ok)
            },
        )
        .await
}
