//! The audit log.

use serde::{Deserialize, Serialize};

use super::operation::ListQuery;
use crate::{
    base::page::Page,
    records::audit::{self, AuditFilter, AuditHead, AuditRow, AuditVerification, VERIFY_LIMIT},
};

/// Which part of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct StretchQuery {
    /// The first row.
    #[cfg_attr(feature = "openapi", param(minimum = 1, default = 1))]
    pub from: i64,
    /// Rows at most.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 10_000, default = 10_000))]
    pub limit: i64,
    /// The head at an earlier time, `sequence:tag`: its row must still be there when the walk comes to it.
    pub expect: Option<String>,
}

impl Default for StretchQuery {
    fn default() -> Self {
        Self { from: 1, limit: VERIFY_LIMIT, expect: None }
    }
}

whole_query!(StretchQuery);

impl StretchQuery {
    /// Returns up to `limit` rows from row `from` on; with a head at an earlier time, that must be on the way.
    pub fn new(from: i64, limit: i64, expect: Option<&AuditHead>) -> Self {
        Self { from, limit, expect: expect.map(ToString::to_string) }
    }
}

operations! { "admin audit":
    /// The audit log, newest first.
    ListAudit = GET "/v1/admin/audit" needs AuditRead,
    (op, (): (), list: ListQuery<AuditFilter>, (): ()) -> Page<AuditRow> as "A page" {
        audit::list(op, &list.filter, &list.page).await
    }

    /// Recompute part of the chain of tags. Call again from `next`.
    VerifyAudit = GET "/v1/admin/audit/verify" needs AuditRead,
    (op, (): (), stretch: StretchQuery, (): ()) -> AuditVerification as "What was found" {
        let expect: Option<AuditHead> = stretch.expect.as_deref().map(str::parse).transpose()?;
        audit::verify(op, stretch.from, stretch.limit, expect.as_ref()).await
    }
}
