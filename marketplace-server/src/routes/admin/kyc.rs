//! The queue of identity checks.

use axum::{Json, response::Response};
use marketplace_core::{
    admin::AdminApi,
    base::change::{Change, Changed},
    ids::AttemptId,
    kyc::model::{Decision, DecisionKind, FileKind, KycCase, KycFilter, KycReason, KycSummary},
    page::{Page, PageRequest},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, at_version, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, Kind, List},
    idempotency::Command,
    problem::Answer,
    routes::{shown_file, versioned},
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(next))
        .routes(routes!(show))
        .routes(routes!(file))
        .routes(routes!(claim))
        .routes(routes!(release))
        .routes(routes!(approve))
        .routes(routes!(retry))
        .routes(routes!(reject))
        .routes(routes!(revoke))
        .routes(routes!(undo))
}

/// A decision.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DecisionInput {
    /// The claim's fencing number; without one the attempt is claimed and decided at once, if nobody else holds it.
    fence: Option<i64>,
    /// Why; at least one unless approving.
    reasons: Vec<KycReason>,
    /// What the worker is told, at most 1,000 characters. Without one, the reasons' templates.
    comment: Option<String>,
    /// What only staff see.
    note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    dry_run: bool,
}

/// The queue, oldest first; decided attempts, newest first, when a decided status is asked for.
#[utoipa::path(get, path = "/v1/admin/kyc", tag = "admin kyc", params(KycFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<KycSummary>)))]
pub(crate) async fn list(Admin(admin): Admin, List(filter, page): List<KycFilter>) -> Answer<Json<Page<KycSummary>>> {
    Ok(Json(admin.kyc_list(&filter, &page).await?))
}

/// Claim the oldest attempt that nobody holds. `null` when the queue is empty.
#[utoipa::path(post, path = "/v1/admin/kyc/next", tag = "admin kyc", request_body = Change,
    responses((status = 200, description = "The attempt, claimed", body = Option<KycCase>)))]
pub(crate) async fn next(command: Command<Change>) -> Answer<Response> {
    command.run(|admin, change, _| async move { admin.kyc_next(&change).await.map(ok) }).await
}

/// One attempt with all that is needed to decide. Renews the caller's own claim.
#[utoipa::path(get, path = "/v1/admin/kyc/{id}", tag = "admin kyc", params(("id" = AttemptId, Path)),
    responses((status = 200, description = "The attempt", body = KycCase, headers(("etag" = String)))))]
pub(crate) async fn show(Admin(admin): Admin, Id(id): Id<AttemptId>) -> Answer<Response> {
    let case = admin.kyc_show(id).await?;
    Ok(versioned(case.attempt.version, case))
}

/// One file. Audited before the first byte leaves.
#[utoipa::path(get, path = "/v1/admin/kyc/{id}/files/{kind}", tag = "admin kyc",
    params(("id" = AttemptId, Path), ("kind" = FileKind, Path)),
    responses((status = 200, description = "The file", content(
        ("image/jpeg"), ("image/png"), ("image/webp"), ("application/pdf")))))]
pub(crate) async fn file(Admin(admin): Admin, Id(id): Id<AttemptId>, Kind(kind): Kind<FileKind>) -> Answer<Response> {
    let file = admin.kyc_file(id, kind).await?;
    shown_file(file, kind.as_str())
}

/// Claim an attempt for 10 minutes, or renew one's claim.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/claim", tag = "admin kyc", request_body = Change,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Claimed", body = Changed<KycCase>)))]
pub(crate) async fn claim(Id(id): Id<AttemptId>, command: Command<Change>) -> Answer<Response> {
    command
        .run(move |admin, change, version| async move {
            admin.kyc_claim(id, &at_version(change, version)).await.map(ok)
        })
        .await
}

/// Give one's claim back to the queue.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/release", tag = "admin kyc", request_body = Change,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Released", body = Changed<KycCase>)))]
pub(crate) async fn release(Id(id): Id<AttemptId>, command: Command<Change>) -> Answer<Response> {
    command
        .run(move |admin, change, version| async move {
            admin.kyc_release(id, &at_version(change, version)).await.map(ok)
        })
        .await
}

async fn decide(id: AttemptId, kind: DecisionKind, command: Command<DecisionInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let DecisionInput { fence, reasons, comment, note, dry_run } = input;
            let decision = Decision { kind, fence, reasons, comment };
            let change = Change { note, dry_run, if_version, ..Change::default() };
            admin.kyc_decide(id, &decision, &change).await.map(ok)
        })
        .await
}

/// Approve.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/approve", tag = "admin kyc", request_body = DecisionInput,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Decided", body = Changed<KycCase>)))]
pub(crate) async fn approve(Id(id): Id<AttemptId>, command: Command<DecisionInput>) -> Answer<Response> {
    decide(id, DecisionKind::Approve, command).await
}

/// Ask for another attempt.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/retry", tag = "admin kyc", request_body = DecisionInput,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Decided", body = Changed<KycCase>)))]
pub(crate) async fn retry(Id(id): Id<AttemptId>, command: Command<DecisionInput>) -> Answer<Response> {
    decide(id, DecisionKind::Retry, command).await
}

/// Refuse for good.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/reject", tag = "admin kyc", request_body = DecisionInput,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Decided", body = Changed<KycCase>)))]
pub(crate) async fn reject(Id(id): Id<AttemptId>, command: Command<DecisionInput>) -> Answer<Response> {
    decide(id, DecisionKind::Reject, command).await
}

/// Take an approval back.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/revoke", tag = "admin kyc", request_body = DecisionInput,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Decided", body = Changed<KycCase>)))]
pub(crate) async fn revoke(Id(id): Id<AttemptId>, command: Command<DecisionInput>) -> Answer<Response> {
    decide(id, DecisionKind::Revoke, command).await
}

/// Take one's own decision back, within 10 s of it.
#[utoipa::path(post, path = "/v1/admin/kyc/{id}/undo", tag = "admin kyc", request_body = Change,
    params(("id" = AttemptId, Path)),
    responses((status = 200, description = "Undone", body = Changed<KycCase>)))]
pub(crate) async fn undo(Id(id): Id<AttemptId>, command: Command<Change>) -> Answer<Response> {
    command
        .run(
            move |admin, change, version| async move { admin.kyc_undo(id, &at_version(change, version)).await.map(ok) },
        )
        .await
}
