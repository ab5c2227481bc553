//! Reports: the queue, decisions, appeals.

use serde::{Deserialize, Serialize};

use super::{connection::Connection, input::PlainInput, operation::ListQuery};
use crate::{
    base::{
        change::{Change, Changed},
        error::Result,
        ids::{CaseId, PhotoId, UserId},
        page::Page,
        time::Timestamp,
    },
    reports::{
        self,
        model::{
            AppealVerdict, Deciding, DismissReason, ReportAction, ReportCase, ReportFilter, ReportReason,
            ReportSummary, Verdict,
        },
    },
};

/// A decision to act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ResolveInput {
    /// The claim's fencing number; without one the case is claimed and decided at once, if nobody else holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<i64>,
    /// Which rules were broken; at least one.
    pub reasons: Vec<ReportReason>,
    /// What is done; at least one.
    pub actions: Vec<ReportAction>,
    /// The photo that `remove_photo` removes from the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo: Option<PhotoId>,
    /// What the reporters are told, at most 1,000 characters; without it, that something was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_to_reporter: Option<String>,
    /// What the subject is told, at most 1,000 characters; without it, the reasons' texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_to_subject: Option<String>,
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the case is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// A decision not to act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DismissInput {
    /// The claim's fencing number; without one the case is claimed and decided at once, if nobody else holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<i64>,
    /// Why; at least one.
    pub reasons: Vec<DismissReason>,
    /// What the reporters are told, at most 1,000 characters; without it, the reasons' texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_to_reporter: Option<String>,
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the case is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// A decision about an appeal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AppealInput {
    /// The claim's fencing number; without one the case is claimed and decided at once, if nobody else holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<i64>,
    /// What the subject is told, at most 1,000 characters; without it, a text of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the case is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// Until when a case is put off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SnoozeReportInput {
    /// Ahead, and 30 days away at most; without one, the case is taken up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What only staff see, at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the case is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

bodies! {
    ResolveInput: note dry_run if_version;
    DismissInput: note dry_run if_version;
    AppealInput: note dry_run if_version;
    SnoozeReportInput: note dry_run if_version;
    AssignReportInput: note dry_run if_version;
}

impl SnoozeReportInput {
    /// Returns a time as a body; none takes the case up again.
    pub fn new(until: impl Into<Option<Timestamp>>, change: Change) -> Self {
        let Change { note, dry_run, if_version, .. } = change;
        Self { until: until.into(), note, dry_run, if_version }
    }
}

/// Who shall look at a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AssignReportInput {
    /// An active colleague who may decide about it; without one, nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<UserId>,
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the case is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl AssignReportInput {
    /// Returns a colleague as a body.
    pub fn new(assignee: Option<UserId>, change: Change) -> Self {
        let Change { note, dry_run, if_version, .. } = change;
        Self { assignee, note, dry_run, if_version }
    }
}

operations! { "admin reports":
    /// The queue, oldest first; decided cases, newest first, when a decided state is asked for. Names are masked.
    ListReports = GET "/v1/admin/reports" needs ReportsRead,
    (op, (): (), list: ListQuery<ReportFilter>, (): ()) -> Page<ReportSummary> as "A page" {
        reports::list(op, &list.filter, &list.page).await
    }

    /// Claim the case that is the caller's next: assigned to them, else the oldest. `null` when there is none.
    ClaimNextReport = POST "/v1/admin/reports/next" needs ReportsWrite,
    (op, (): (), (): (), _: Change) -> Option<ReportCase> as "The case, claimed" {
        reports::next(op).await
    }

    /// One case with all that is needed to decide. Renews the caller's own claim.
    ///
    /// Without a claim, looking at messages is on record like reading the thread.
    ShowReport = GET "/v1/admin/reports/{id}" needs ReportsRead,
    (op, id: CaseId, (): (), (): ()) -> ReportCase as "The case"
    with { const VERSION: Option<fn(&ReportCase) -> i64> = Some(|shown| shown.case.version); } {
        reports::show(op, id).await
    }

    /// Claim a case for 10 minutes, or renew one's claim.
    ClaimReport = POST "/v1/admin/reports/{id}/claim" needs ReportsWrite,
    (op, id: CaseId, (): (), _: Change) -> Changed<ReportCase> as "Claimed" {
        reports::claim(op, id).await
    }

    /// Give one's claim back to the queue.
    ReleaseReport = POST "/v1/admin/reports/{id}/release" needs ReportsWrite,
    (op, id: CaseId, (): (), _: Change) -> Changed<ReportCase> as "Released" {
        reports::release(op, id).await
    }

    /// Act on reports: the actions are taken in the same step, each under its own permission.
    ResolveReport = POST "/v1/admin/reports/{id}/resolve" needs ReportsWrite,
    (op, id: CaseId, (): (), input: ResolveInput) -> Changed<ReportCase> as "Decided" {
        reports::decide(op, id, &input.into()).await
    }

    /// Do not act on reports. Their subject does not hear of it.
    DismissReport = POST "/v1/admin/reports/{id}/dismiss" needs ReportsWrite,
    (op, id: CaseId, (): (), input: DismissInput) -> Changed<ReportCase> as "Decided" {
        reports::decide(op, id, &input.into()).await
    }

    /// Take one's own decision about reports back, within 10 s of it, with what it did.
    UndoReport = POST "/v1/admin/reports/{id}/undo" needs ReportsWrite,
    (op, id: CaseId, (): (), _: Change) -> Changed<ReportCase> as "Undone" {
        reports::undo(op, id).await
    }

    /// Put a case behind the others for oneself.
    SkipReport = POST "/v1/admin/reports/{id}/skip" needs ReportsWrite,
    (op, id: CaseId, (): (), _: PlainInput) -> Changed<ReportCase> as "Skipped" {
        reports::skip(op, id).await
    }

    /// Put a case off until a time; without one, take it up again.
    SnoozeReport = POST "/v1/admin/reports/{id}/snooze" needs ReportsWrite,
    (op, id: CaseId, (): (), input: SnoozeReportInput) -> Changed<ReportCase> as "Put off" {
        reports::snooze(op, id, input.until).await
    }

    /// Give a case to a colleague, or to nobody in particular.
    AssignReport = POST "/v1/admin/reports/{id}/assign" needs ReportsWrite,
    (op, id: CaseId, (): (), input: AssignReportInput) -> Changed<ReportCase> as "Assigned" {
        reports::assign(op, id, input.assignee).await
    }

    /// Have an admin decide; needs a note that tells why.
    EscalateReport = POST "/v1/admin/reports/{id}/escalate" needs ReportsWrite,
    (op, id: CaseId, (): (), _: PlainInput) -> Changed<ReportCase> as "Escalated" {
        reports::escalate(op, id).await
    }

    /// Decide about an appeal that the decision stays. Not by who made it, and for good.
    UpholdReport = POST "/v1/admin/reports/{id}/uphold" needs ReportsWrite,
    (op, id: CaseId, (): (), input: AppealInput) -> Changed<ReportCase> as "Decided" {
        reports::decide_appeal(op, id, &input.verdict(false)).await
    }

    /// Decide about an appeal that it is right, and take back what was done. Not by who decided before, and for good.
    ReverseReport = POST "/v1/admin/reports/{id}/reverse" needs ReportsWrite,
    (op, id: CaseId, (): (), input: AppealInput) -> Changed<ReportCase> as "Decided" {
        reports::decide_appeal(op, id, &input.verdict(true)).await
    }
}

impl From<ResolveInput> for Deciding {
    fn from(input: ResolveInput) -> Self {
        let ResolveInput { fence, reasons, actions, photo, comment_to_reporter, comment_to_subject, .. } = input;
        Self { fence, verdict: Verdict::Resolve { reasons, actions, comment_to_subject, photo }, comment_to_reporter }
    }
}

impl From<DismissInput> for Deciding {
    fn from(input: DismissInput) -> Self {
        let DismissInput { fence, reasons, comment_to_reporter, .. } = input;
        Self { fence, verdict: Verdict::Dismiss { reasons }, comment_to_reporter }
    }
}

impl AppealInput {
    fn verdict(self, reverse: bool) -> AppealVerdict {
        AppealVerdict { fence: self.fence, reverse, comment: self.comment }
    }
}

/// Makes a decision about reports of a kind that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn decide_reports(
    connection: &Connection,
    id: CaseId,
    decision: Deciding,
    change: Change,
) -> Result<Changed<ReportCase>> {
    let Deciding { fence, verdict, comment_to_reporter } = decision;
    let Change { note, dry_run, if_version, .. } = change;
    match verdict {
        Verdict::Resolve { reasons, actions, comment_to_subject, photo } => {
            let input = ResolveInput {
                fence,
                reasons,
                actions,
                photo,
                comment_to_reporter,
                comment_to_subject,
                note,
                dry_run,
                if_version,
            };
            connection.call::<ResolveReport>(id, (), input).await
        }
        Verdict::Dismiss { reasons } => {
            let input = DismissInput { fence, reasons, comment_to_reporter, note, dry_run, if_version };
            connection.call::<DismissReport>(id, (), input).await
        }
    }
}

/// Makes a decision about an appeal of a kind that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn decide_appeal(
    connection: &Connection,
    id: CaseId,
    verdict: AppealVerdict,
    change: Change,
) -> Result<Changed<ReportCase>> {
    let Change { note, dry_run, if_version, .. } = change;
    let input = AppealInput { fence: verdict.fence, comment: verdict.comment, note, dry_run, if_version };
    if verdict.reverse {
        connection.call::<ReverseReport>(id, (), input).await
    } else {
        connection.call::<UpholdReport>(id, (), input).await
    }
}
