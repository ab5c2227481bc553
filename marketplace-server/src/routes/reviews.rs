//! Reviews and ratings.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use marketplace_core::{
    ids::{JobId, ReviewId, UserId},
    page::{Page, PageRequest},
    reviews::{
        self,
        model::{NewFlag, NewReply, NewReview, OwnReviewFilter, PublicReview, Rating, ReviewView, UpdateReview},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, versioned};
use crate::{
    ctx::Ctx,
    extract::{Anybody, Asked, Id, IfMatch, Input, List, Params},
    idempotency::IdempotentRequest,
    openapi::IdempotencyKey,
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_job_reviews, create_review))
        .routes(routes!(list_own_reviews))
        .routes(routes!(get_review, update_review))
        .routes(routes!(reply_to_review))
        .routes(routes!(flag_review))
        .routes(routes!(list_worker_reviews))
        .routes(routes!(get_worker_rating))
}

/// The reviews of one of one's own jobs, as far as the caller may see them: their own, and the other side's once it shows.
#[utoipa::path(get, path = "/v1/jobs/{id}/reviews", tag = "reviews", params(("id" = JobId, Path)),
    responses((status = 200, description = "Two at most", body = Page<ReviewView>)))]
pub(crate) async fn list_job_reviews(Asked(op): Asked, Id(id): Id<JobId>) -> Answer<Json<Page<ReviewView>>> {
    Ok(Json(reviews::of_job(&op, id).await?))
}

/// Review the other side of a finalized job, within 14 days, once. It shows when both are in or the time is over.
#[utoipa::path(post, path = "/v1/jobs/{id}/reviews", tag = "reviews", request_body = NewReview,
    params(("id" = JobId, Path), IdempotencyKey),
    responses((status = 201, description = "The review", body = ReviewView)))]
pub(crate) async fn create_review(Id(id): Id<JobId>, command: IdempotentRequest<NewReview>) -> Answer<Response> {
    command.run(move |op, new| async move { Ok((StatusCode::CREATED, reviews::create(&op, id, new).await?)) }).await
}

/// One's own reviews, newest first: written ones, or received ones as far as they show.
#[utoipa::path(get, path = "/v1/me/reviews", tag = "me", params(OwnReviewFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<ReviewView>)))]
pub(crate) async fn list_own_reviews(
    Asked(op): Asked,
    List(filter, page): List<OwnReviewFilter>,
) -> Answer<Json<Page<ReviewView>>> {
    Ok(Json(reviews::own(&op, &filter, &page).await?))
}

/// A review that the caller may see.
#[utoipa::path(get, path = "/v1/reviews/{id}", tag = "reviews", params(("id" = ReviewId, Path)),
    responses((status = 200, description = "The review", body = ReviewView, headers(("etag" = String)))))]
pub(crate) async fn get_review(Asked(op): Asked, Id(id): Id<ReviewId>) -> Answer<Response> {
    let review = reviews::get(&op, id).await?;
    Ok(versioned(review.version, review))
}

/// Change one's own review while it is hidden. A field that is left out stays, `null` takes the text away.
#[utoipa::path(patch, path = "/v1/reviews/{id}", tag = "reviews", request_body = UpdateReview,
    params(("id" = ReviewId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The review", body = ReviewView, headers(("etag" = String))),
        (status = 409, description = "It shows, or was removed: nobody can change it any more")))]
pub(crate) async fn update_review(
    Asked(op): Asked,
    Id(id): Id<ReviewId>,
    if_match: IfMatch,
    Input(update): Input<UpdateReview>,
) -> Answer<Response> {
    let review = reviews::edit(&if_match.at(&op), id, update).await?;
    Ok(versioned(review.version, review))
}

/// Answer a review about oneself, publicly and once.
#[utoipa::path(post, path = "/v1/reviews/{id}/reply", tag = "reviews", request_body = NewReply,
    params(("id" = ReviewId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The review with its reply", body = ReviewView)))]
pub(crate) async fn reply_to_review(Id(id): Id<ReviewId>, command: IdempotentRequest<NewReply>) -> Answer<Response> {
    command.run(move |op, reply| async move { Ok((StatusCode::OK, reviews::reply(&op, id, reply).await?)) }).await
}

/// Complain about a review that shows, once. It hides nothing; staff look at it.
#[utoipa::path(post, path = "/v1/reviews/{id}/flag", tag = "reviews", request_body = NewFlag,
    params(("id" = ReviewId, Path), IdempotencyKey),
    responses((status = 204, description = "Flagged")))]
pub(crate) async fn flag_review(Id(id): Id<ReviewId>, command: IdempotentRequest<NewFlag>) -> Answer<Response> {
    command
        .run(move |op, flag| async move {
            reviews::flag(&op, id, flag).await?;
            Ok((DONE, ()))
        })
        .await
}

/// What shows of a worker, newest first.
#[utoipa::path(get, path = "/v1/workers/{id}/reviews", tag = "reviews", security(()), params(("id" = UserId, Path), PageRequest),
    responses((status = 200, description = "A page", body = Page<PublicReview>)))]
pub(crate) async fn list_worker_reviews(
    Anybody(ctx): Anybody,
    Id(id): Id<UserId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<PublicReview>>> {
    Ok(Json(reviews::of_worker(&ctx.app, id, &page).await?))
}

/// A worker's stars, over all that shows of them.
#[utoipa::path(get, path = "/v1/workers/{id}/rating", tag = "reviews", security(()), params(("id" = UserId, Path)),
    responses((status = 200, description = "The rating", body = Rating)))]
pub(crate) async fn get_worker_rating(State(ctx): State<Ctx>, Id(id): Id<UserId>) -> Answer<Json<Rating>> {
    Ok(Json(reviews::rating(&ctx.app, id).await?))
}
