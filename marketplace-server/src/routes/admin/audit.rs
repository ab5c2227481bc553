//! The audit log.

use axum::Json;
use marketplace_core::{
    admin::AdminApi,
    audit::{AuditFilter, AuditHead, AuditRow, AuditVerification},
    page::{Page, PageRequest},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Admin;
use crate::{
    ctx::Ctx,
    extract::{List, Params},
    problem::Answer,
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// Which part of the chain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stretch {
    /// The first row.
    #[param(minimum = 1, default = 1)]
    from: i64,
    /// Rows at most.
    #[param(minimum = 1, default = 10_000)]
    limit: i64,
    /// The head at an earlier time, `sequence:tag`: its row must still be there when the walk comes to it.
    expect: Option<String>,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { from: 1, limit: 10_000, expect: None }
    }
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/v1/admin/audit", tag = "admin audit", params(AuditFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<AuditRow>)))]
pub(crate) async fn list(Admin(admin): Admin, List(filter, page): List<AuditFilter>) -> Answer<Json<Page<AuditRow>>> {
    Ok(Json(admin.audit_list(&filter, &page).await?))
}

/// Recompute part of the chain of tags. Call again from `next`.
#[utoipa::path(get, path = "/v1/admin/audit/verify", tag = "admin audit", params(Stretch),
    responses((status = 200, description = "What was found", body = AuditVerification)))]
pub(crate) async fn verify(Admin(admin): Admin, Params(stretch): Params<Stretch>) -> Answer<Json<AuditVerification>> {
    let expect: Option<AuditHead> = stretch.expect.as_deref().map(str::parse).transpose()?;
    Ok(Json(admin.audit_verify(stretch.from, stretch.limit, expect.as_ref()).await?))
}
