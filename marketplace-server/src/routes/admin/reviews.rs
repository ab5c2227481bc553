//! Reviews.

use axum::{Json, response::Response};
use marketplace_core::{
    admin::AdminApi,
    base::change::Changed,
    ids::ReviewId,
    messaging::model::RemovalReason,
    page::{Page, PageRequest},
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, PlainInput, ReasonedInput, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, List},
    idempotency::Command,
    problem::Answer,
    routes::versioned,
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(dismiss))
        .routes(routes!(remove))
        .routes(routes!(restore))
}

/// Reviews, newest first; flagged ones, longest waiting first. Names are masked.
#[utoipa::path(get, path = "/v1/admin/reviews", tag = "admin reviews", params(ReviewFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<ReviewSummary>)))]
pub(crate) async fn list(
    Admin(admin): Admin,
    List(filter, page): List<ReviewFilter>,
) -> Answer<Json<Page<ReviewSummary>>> {
    Ok(Json(admin.reviews_list(&filter, &page).await?))
}

/// One review, with its flags.
#[utoipa::path(get, path = "/v1/admin/reviews/{id}", tag = "admin reviews", params(("id" = ReviewId, Path)),
    responses((status = 200, description = "The review", body = ReviewDetail, headers(("etag" = String)))))]
pub(crate) async fn show(Admin(admin): Admin, Id(id): Id<ReviewId>) -> Answer<Response> {
    let detail = admin.reviews_show(id).await?;
    Ok(versioned(detail.review.version, detail))
}

async fn act(id: ReviewId, action: ReviewAction, command: Command<PlainInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            admin.reviews_act(id, &action, &input.change(if_version)).await.map(ok)
        })
        .await
}

/// Dismiss a review's flags: they mean nothing.
#[utoipa::path(post, path = "/v1/admin/reviews/{id}/dismiss", tag = "admin reviews", request_body = PlainInput,
    params(("id" = ReviewId, Path)),
    responses((status = 200, description = "The review, as it is now", body = Changed<ReviewDetail>)))]
pub(crate) async fn dismiss(Id(id): Id<ReviewId>, command: Command<PlainInput>) -> Answer<Response> {
    act(id, ReviewAction::Dismiss, command).await
}

/// Remove a review: it shows no more, and counts no more.
#[utoipa::path(post, path = "/v1/admin/reviews/{id}/remove", tag = "admin reviews",
    request_body = ReasonedInput<RemovalReason>, params(("id" = ReviewId, Path)),
    responses((status = 200, description = "The review, as it is now", body = Changed<ReviewDetail>)))]
pub(crate) async fn remove(Id(id): Id<ReviewId>, command: Command<ReasonedInput<RemovalReason>>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let (reason, change) = input.split(if_version);
            admin.reviews_act(id, &ReviewAction::Remove { reason }, &change).await.map(ok)
        })
        .await
}

/// Restore a removed review.
#[utoipa::path(post, path = "/v1/admin/reviews/{id}/restore", tag = "admin reviews", request_body = PlainInput,
    params(("id" = ReviewId, Path)),
    responses((status = 200, description = "The review, as it is now", body = Changed<ReviewDetail>)))]
pub(crate) async fn restore(Id(id): Id<ReviewId>, command: Command<PlainInput>) -> Answer<Response> {
    act(id, ReviewAction::Restore, command).await
}
