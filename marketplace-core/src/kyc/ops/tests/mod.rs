//! Stories of identity checks, on both engines.

mod races;
mod review;
mod series;
mod submit;
mod time;
mod triage;

use std::{io::Cursor, sync::LazyLock, time::Duration};

use super::*;
use crate::{
    actor::Actor,
    base::{change::Change, error::ErrorCode, page::PageRequest, permission::Role},
    kyc::{
        self,
        model::{Claim, Decision, DecisionKind, DecisionMade, DocumentType, FileKind, KycFilter, KycReason, UNDO},
        status::KycStatus,
    },
    records::audit::AuditFilter,
    testing::{self, TestApp, operator},
};

/// A small photo of nothing much.
static PHOTO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::new(220, 200).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
});

fn submission() -> Submission {
    Submission { document_type: DocumentType::Passport, document: PHOTO.clone(), selfie: PHOTO.clone() }
}

/// A worker whose documents wait.
async fn waiting(test: &TestApp) -> (Actor, AttemptId) {
    let worker = test.actor(Role::Worker).await;
    let own = kyc::submit(&test.app().by(&worker), submission()).await.unwrap();
    (worker, own.attempts[0].id)
}

fn decision(kind: DecisionKind, fence: Option<i64>) -> Decision {
    let reasons = if kind == DecisionKind::Approve { vec![] } else { vec![KycReason::DocumentUnreadable] };
    Decision { kind, fence, reasons, comment: None }
}

async fn decide(test: &TestApp, by: &Actor, id: AttemptId, kind: DecisionKind) -> Result<bool> {
    let answer = kyc::decide(&test.app().by(by), id, &decision(kind, None)).await?;
    Ok(answer.changed)
}

/// An approval that has taken effect.
async fn approved(test: &TestApp, by: &Actor) -> (Actor, AttemptId) {
    let (worker, id) = waiting(test).await;
    assert!(decide(test, by, id, DecisionKind::Approve).await.unwrap());
    test.advance(UNDO);
    (worker, id)
}

fn dry() -> Change {
    Change { dry_run: true, ..Change::default() }
}

/// The code and the `current` of a refusal.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T>, code: ErrorCode) -> serde_json::Value {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    error.current().cloned().unwrap_or_default()
}

#[track_caller]
fn current<T: serde::de::DeserializeOwned, A: std::fmt::Debug>(answer: Result<A>) -> T {
    serde_json::from_value(refused(answer, ErrorCode::Conflict)).unwrap()
}

async fn actions(test: &TestApp, id: AttemptId) -> Vec<String> {
    let filter = AuditFilter { target: Some(id.to_string()), ..AuditFilter::default() };
    let rows = audit::list(&test.app().by(&operator()), &filter, &PageRequest::first(200)).await.unwrap();
    rows.items.into_iter().rev().map(|row| row.action.to_string()).collect()
}
