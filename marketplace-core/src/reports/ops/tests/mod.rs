//! Stories of reports, on both engines.

mod races;
mod stories;

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::{
    accounts::model::Status,
    actor::Actor,
    base::{change::Change, error::ErrorCode, ids::ThreadId, page::PageRequest, permission::Role},
    messaging::{self, model::MessagesQuery},
    records::audit::{self, AuditAction, AuditFilter},
    reports::{
        self,
        model::{
            AppealVerdict, Deciding, DismissReason, NewAppeal, NewReport, OwnReport, ReportAction, ReportFilter,
            ReportOutcome, ReportReason, ReportStatus, Verdict,
        },
    },
    testing::{self, TestApp, operator},
};

fn report(target_kind: ReportTarget, target_id: Uuid, reason: ReportReason, text: &str) -> NewReport {
    NewReport { target_kind, target_id, reason, text: text.into() }
}

async fn file(test: &TestApp, by: &Actor, kind: ReportTarget, id: Uuid) -> Result<(OwnReport, bool)> {
    reports::file(&test.app().by(by), report(kind, id, ReportReason::Scam, "wants money outside")).await
}

/// The only case that waits.
async fn waiting(test: &TestApp) -> CaseId {
    let page = reports::list(&test.app().by(&operator()), &ReportFilter::default(), &PageRequest::first(10)).await;
    let items = page.unwrap().items;
    assert_eq!(items.len(), 1, "{items:?}");
    items[0].id
}

fn resolve(actions: &[ReportAction], fence: Option<i64>) -> Deciding {
    let reasons = vec![ReportReason::Scam];
    let verdict = Verdict::Resolve { reasons, actions: actions.to_vec(), comment_to_subject: None, photo: None };
    Deciding { fence, verdict, comment_to_reporter: None }
}

fn dismiss(fence: Option<i64>) -> Deciding {
    let verdict = Verdict::Dismiss { reasons: vec![DismissReason::NoViolation] };
    Deciding { fence, verdict, comment_to_reporter: None }
}

/// The newest message of a thread that somebody else than `by` wrote.
async fn last_message(test: &TestApp, by: &Actor, thread: ThreadId) -> messaging::model::Message {
    let page = messaging::messages(&test.app().by(by), thread, &MessagesQuery::default()).await.unwrap();
    page.items.into_iter().rfind(|message| message.sender_id.is_some_and(|id| Some(id) != by.user_id())).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T>, code: ErrorCode) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
}

async fn actions(test: &TestApp, id: CaseId) -> Vec<String> {
    let filter = AuditFilter { target: Some(id.to_string()), ..AuditFilter::default() };
    let rows = audit::list(&test.app().by(&operator()), &filter, &PageRequest::first(200)).await.unwrap();
    rows.items.into_iter().rev().map(|row| row.action.to_string()).collect()
}

fn noted(note: &str) -> Change {
    Change { note: Some(note.into()), ..Change::default() }
}
