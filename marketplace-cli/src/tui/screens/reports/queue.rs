//! Which case comes next.

use marketplace_core::{
    error::Result,
    ids::CaseId,
    page::{MAX_LIMIT, PageRequest},
    reports::model::{ReportFilter, ReportStatus, ReportSummary},
    staff::{Connection, ListQuery, ListReports},
};

/// What becomes of the open case when the next one is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    Nothing,
    /// It is being dealt with, which may not be known yet where cases are looked for.
    Done(CaseId),
    /// It is skipped before: the next one may be it again.
    SkipFirst(CaseId),
    /// It is given back once there is another.
    ReleaseAfter(CaseId),
}

/// Returns a case that the caller holds and that is not the open one.
pub async fn begun(api: &Connection, along: Along) -> Result<Option<CaseId>> {
    let open = match along {
        Along::Nothing => None,
        Along::Done(id) | Along::SkipFirst(id) | Along::ReleaseAfter(id) => Some(id),
    };
    let filter = ReportFilter { status: Some(ReportStatus::InReview), ..ReportFilter::default() };
    let page = api.call::<ListReports>((), ListQuery::new(&filter, &PageRequest::first(MAX_LIMIT)), ()).await?;
    let is_mine = |case: &ReportSummary| case.claim.as_ref().is_some_and(|claim| claim.mine);
    Ok(page.items.iter().find(|case| is_mine(case) && Some(case.id) != open).map(|case| case.id))
}
