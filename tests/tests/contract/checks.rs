//! Identity checks.

use marketplace_core::staff::{
    self, ClaimAttempt, ClaimNextAttempt, Connection, FileOf, ListAttempts, ListAudit, ListQuery, ReleaseAttempt,
    SeriesBy, SeriesQuery, ShowAttempt, ShowSeries, ShowStats, UndoDecision, ViewAttemptFile,
};
use std::time::Duration;

use marketplace_core::{
    audit::AuditFilter,
    base::{change::Change, permission::Role, principal::Principal},
    ids::UserId,
    kyc::{
        model::{Decision, DecisionKind, FileKind, KycFilter, KycReason, Triage},
        status::KycStatus,
    },
    page::PageRequest,
};
use marketplace_tests::pictures;
use serde_json::json;

use crate::{dry, note, script::Script, world::World};

pub async fn checks(world: &World, script: &mut Script) {
    let ((sam, sams_id), (lea, leas_id)) = (world.staff(Role::Support).await, world.staff(Role::Support).await);
    let next = sam.call::<ClaimNextAttempt>((), (), dry()).await;
    script.heard("kyc_next dry", &next);
    let next = sam.call::<ClaimNextAttempt>((), (), Change::default()).await;
    script.heard("kyc_next", &next);
    let id = next.unwrap().unwrap().attempt.id;
    let show = sam.call::<ShowAttempt>(id, (), ()).await;
    script.heard("kyc_show", &show);
    let fence = show.unwrap().attempt.claim.map(|claim| claim.fence);
    script.heard("kyc_show another's", &lea.call::<ShowAttempt>(id, (), ()).await);
    script.heard("kyc_claim another's", &lea.call::<ClaimAttempt>(id, (), Change::default()).await);
    script.heard("kyc_claim renewed", &sam.call::<ClaimAttempt>(id, (), Change::default()).await);
    script.heard("kyc_release another's", &lea.call::<ReleaseAttempt>(id, (), Change::default()).await);
    script.heard("kyc_release dry", &sam.call::<ReleaseAttempt>(id, (), dry()).await);
    for kind in [FileKind::Document, FileKind::Selfie] {
        let file = sam.call::<ViewAttemptFile>(FileOf(id, kind), (), ()).await.unwrap();
        let same = [pictures::png(1), pictures::jpeg(2)].iter().any(|bytes| bytes == &file.bytes);
        script.note(format!("kyc_file {kind}"), json!({ "ok": [file.media_type, file.bytes.len(), same] }));
    }
    let decide = |kind, fence, reasons: &[KycReason], comment: Option<&str>| Decision {
        kind,
        fence,
        reasons: reasons.to_vec(),
        comment: comment.map(str::to_owned),
    };
    let reject =
        |fence| decide(DecisionKind::Reject, fence, &[KycReason::Other, KycReason::Underage], Some("Sorry — ünï"));
    for (name, api, decision, change) in [
        ("another's", &lea, reject(None), Change::default()),
        ("stale fence", &sam, reject(Some(-1)), Change::default()),
        ("no reasons", &sam, decide(DecisionKind::Reject, fence, &[], None), Change::default()),
        (
            "approval with reasons",
            &sam,
            decide(DecisionKind::Approve, fence, &[KycReason::Other], None),
            Change::default(),
        ),
        (
            "long comment",
            &sam,
            decide(DecisionKind::Retry, fence, &[KycReason::Other], Some(&"x".repeat(1_001))),
            Change::default(),
        ),
        ("another version", &sam, reject(fence), Change { if_version: Some(99), ..Change::default() }),
        ("dry", &sam, reject(fence), dry()),
        ("reject", &sam, reject(fence), note("internal")),
        ("reject again", &sam, reject(fence), Change::default()),
        ("approve what is rejected", &lea, Decision::approve(None), Change::default()),
    ] {
        script.heard(format!("kyc_decide {name}"), &staff::decide(api, id, decision.clone(), change.clone()).await);
    }
    script.heard("kyc_undo another's", &lea.call::<UndoDecision>(id, (), Change::default()).await);
    script.heard("kyc_undo dry", &sam.call::<UndoDecision>(id, (), dry()).await);
    script.heard("kyc_undo", &sam.call::<UndoDecision>(id, (), Change::default()).await);
    script.heard("kyc_undo again", &sam.call::<UndoDecision>(id, (), Change::default()).await);
    script.heard("kyc_claim", &sam.call::<ClaimAttempt>(id, (), note("mine")).await);
    script.heard("kyc_release", &sam.call::<ReleaseAttempt>(id, (), Change::default()).await);
    script.heard("kyc_decide at once", &staff::decide(&lea, id, Decision::approve(None), Change::default()).await);
    world.test.advance(Duration::from_secs(11));
    script.heard("kyc_undo too late", &lea.call::<UndoDecision>(id, (), Change::default()).await);
    let revoke = decide(DecisionKind::Revoke, None, &[KycReason::DocumentExpired], None);
    script.heard("kyc_decide revoke", &staff::decide(&sam, id, revoke.clone(), Change::default()).await);
    script.heard("kyc_show decided", &lea.call::<ShowAttempt>(id, (), ()).await);
    let decided = KycFilter { status: Some(KycStatus::Revoked), ..KycFilter::default() };
    script.heard(
        "kyc_list decided",
        &lea.call::<ListAttempts>((), ListQuery::new(&decided, &PageRequest::default()), ()).await,
    );
    let (_, other) = world.attempt().await;
    let again = decide(DecisionKind::Retry, None, &[KycReason::DocumentExpired], None);
    script.heard("kyc_decide retry", &staff::decide(&sam, other, again, Change::default()).await);
    triage(world, script, &sam, &lea, leas_id).await;
    // Empty the queue, to hear what an empty one says.
    for _ in 0..20 {
        let Some(case) = sam.call::<ClaimNextAttempt>((), (), Change::default()).await.unwrap() else { break };
        let fence = case.attempt.claim.map(|claim| claim.fence);
        staff::decide(&sam, case.attempt.id, Decision::approve(fence), Change::default()).await.unwrap();
    }
    script.heard("kyc_next empty", &sam.call::<ClaimNextAttempt>((), (), Change::default()).await);
    let by_sam = AuditFilter { actor: Some(Principal::user(sams_id)), ..AuditFilter::default() };
    script.heard(
        "audit_list by one",
        &lea.call::<ListAudit>((), ListQuery::new(&by_sam, &PageRequest::first(200)), ()).await,
    );
    let about = AuditFilter { target: Some(id.to_string()), action: Some("kyc.view".into()), ..AuditFilter::default() };
    script.heard(
        "audit_list about one",
        &lea.call::<ListAudit>((), ListQuery::new(&about, &PageRequest::first(200)), ()).await,
    );
    for by in SeriesBy::ALL {
        let query = SeriesQuery { by: Some(*by), ..SeriesQuery::default() };
        let series = lea.call::<ShowSeries>((), query, ()).await;
        assert!(series.as_ref().is_ok_and(|series| !series.rows.is_empty()), "{series:?}");
        script.heard(format!("series by {by}"), &series);
    }
    let long = SeriesQuery { since: Some("2001-01-01T00:00:00Z".parse().unwrap()), ..SeriesQuery::default() };
    script.heard("series of too long a time", &lea.call::<ShowSeries>((), long, ()).await);
    script.heard("stats at the end", &lea.call::<ShowStats>((), (), ()).await);
}

/// What is done with a case before its decision.
async fn triage(world: &World, script: &mut Script, sam: &Connection, lea: &Connection, leas_id: UserId) {
    let (_, id) = world.attempt().await;
    let until = Some("2999-01-01T00:00:00Z".parse().unwrap());
    let to = Triage::Assign { to: Some(leas_id) };
    for (name, api, what, change) in [
        ("skip dry", sam, Triage::Skip, dry()),
        ("skip", sam, Triage::Skip, note("cannot read it")),
        ("skip again", sam, Triage::Skip, Change::default()),
        ("snooze for too long", sam, Triage::Snooze { until }, Change::default()),
        ("snooze until now", sam, Triage::Snooze { until: None }, Change::default()),
        ("assign to nobody known", sam, Triage::Assign { to: Some(UserId(id.0)) }, Change::default()),
        ("assign", sam, to, Change::default()),
        ("assign another version", sam, to, Change { if_version: Some(99), ..Change::default() }),
        ("escalate without a note", lea, Triage::Escalate, Change::default()),
        ("escalate", lea, Triage::Escalate, note("same face twice")),
        ("assign what is escalated", lea, to, Change::default()),
    ] {
        script.heard(format!("kyc_triage {name}"), &staff::triage(api, id, what, change).await);
    }
    let lists = [
        ("escalated", KycFilter { escalated: true, ..KycFilter::default() }),
        ("assigned", KycFilter { assigned_to: Some(leas_id), ..KycFilter::default() }),
        ("both", KycFilter { snoozed: true, escalated: true, ..KycFilter::default() }),
        ("by name", KycFilter { q: Some("work".into()), ..KycFilter::default() }),
        ("nobody's", KycFilter { q: Some(" ".into()), ..KycFilter::default() }),
    ];
    for (name, filter) in lists {
        let found = sam.call::<ListAttempts>((), ListQuery::new(&filter, &PageRequest::default()), ()).await;
        script.heard(format!("kyc_list {name}"), &found);
    }
}
