use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    base::error::ErrorCode,
    kyc::model::{CLAIM, UNDO},
};

const KINDS: [DecisionKind; 4] =
    [DecisionKind::Approve, DecisionKind::Retry, DecisionKind::Reject, DecisionKind::Revoke];

fn reviewer(n: usize) -> Principal {
    Principal(format!("user:{n}"))
}

fn waiting() -> Attempt {
    Attempt {
        id: AttemptId(Uuid::nil()),
        user_id: UserId(Uuid::nil()),
        number: 1,
        document_type: DocumentType::Passport,
        status: KycStatus::Pending,
        submitted_at: Timestamp::EPOCH,
        claim_holder: None,
        claim_label: None,
        claim_expires_at: None,
        fence: 0,
        decided_by: None,
        decided_at: None,
        effective_at: None,
        reasons: None,
        comment: None,
        note: None,
        undo: None,
        version: 1,
        files_deleted_at: None,
        name: "Ada Obi".into(),
        user_status: Status::Active,
        snoozed_until: None,
        assigned_to: None,
        escalated_at: None,
        assignee_name: None,
        claimed_at: None,
        decider: None,
    }
}

fn decision(kind: DecisionKind, fence: Option<i64>) -> Decision {
    let reasons = if kind == DecisionKind::Approve { vec![] } else { vec![KycReason::Other] };
    Decision { kind, fence, reasons, comment: None }
}

/// What the operations store, in memory.
impl Attempt {
    fn store_claim(&mut self, who: &Principal, now: Timestamp, fence: i64) {
        self.claim_holder = Some(who.clone());
        self.claim_expires_at = Some(now + CLAIM);
        self.fence = fence;
    }
    fn store_decision(&mut self, who: &Principal, now: Timestamp, fence: i64, decision: &Decision) {
        let user =
            UserKyc { status: self.status, prior: self.status, effective_at: self.effective_at, expires_at: None };
        let undo = Undo { user, approval: self.decision() };
        self.status = decision.kind.status();
        self.fence = fence;
        self.decided_by = Some(who.clone());
        self.decided_at = Some(now);
        self.effective_at = Some(now + UNDO);
        self.reasons = Some(serde_json::to_string(&decision.reasons).unwrap());
        self.undo = Some(serde_json::to_string(&undo).unwrap());
        (self.claim_holder, self.claim_expires_at) = (None, None);
    }
    fn store_undo(&mut self, who: &Principal, now: Timestamp, undo: &Undo) {
        let made = undo.approval.clone();
        self.status = made.as_ref().map_or(KycStatus::Pending, |made| made.status);
        self.decided_by = made.as_ref().map(|made| made.by.clone());
        self.decided_at = made.as_ref().map(|made| made.at);
        self.effective_at = made.as_ref().map(|made| made.undo_until);
        self.reasons = made.as_ref().map(|made| serde_json::to_string(&made.reasons).unwrap());
        self.undo = None;
        let fence = self.fence + 1;
        match made {
            None => self.store_claim(who, now, fence),
            Some(_) => self.fence = fence,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Claim(usize),
    Release(usize),
    Decide(usize, usize, Option<i64>),
    Undo(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..3_usize;
    proptest::collection::vec(
        prop_oneof![
            who().prop_map(Step::Claim),
            who().prop_map(Step::Release),
            (who(), 0..4_usize, proptest::option::of(-2..=0_i64))
                .prop_map(|(who, kind, back)| Step::Decide(who, kind, back)),
            who().prop_map(Step::Undo),
            prop_oneof![Just(1), Just(9), Just(10), Just(599), Just(600)].prop_map(Step::Wait),
        ],
        1..60,
    )
}

proptest! {
    /// Whatever reviewers do, in any order and at any time.
    #[test]
    fn nobody_decides_over_another_and_nothing_gets_stuck(steps in steps()) {
        let mut attempt = waiting();
        let mut now = Timestamp::from_micros(1_000_000_000_000);
        for step in steps {
            let before = attempt.clone();
            let holder = before.claim(now, &reviewer(9)).map(|claim| claim.holder);
            match step {
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Claim(n) => {
                    let who = reviewer(n);
                    match attempt.claiming(now, &who) {
                        Ok(Claiming::New { fence }) => {
                            prop_assert!(before.status.is_open() && holder.is_none());
                            prop_assert_eq!(fence, before.fence + 1);
                            attempt.store_claim(&who, now, fence);
                        }
                        Ok(Claiming::Renewed) => {
                            prop_assert_eq!(holder, Some(who.clone()));
                            attempt.store_claim(&who, now, before.fence);
                        }
                        Err(error) => {
                            prop_assert_eq!(error.code(), ErrorCode::Conflict);
                            prop_assert!(error.current().is_some());
                            prop_assert!(!before.status.is_open() || holder.is_some_and(|holder| holder != who));
                        }
                    }
                }
                Step::Release(n) => {
                    if attempt.claim(now, &reviewer(n)).is_some_and(|claim| claim.mine) {
                        (attempt.claim_holder, attempt.claim_expires_at) = (None, None);
                    }
                }
                Step::Decide(n, kind, back) => {
                    let (who, kind) = (reviewer(n), KINDS[kind]);
                    let decision = decision(kind, back.map(|back| before.fence + back));
                    match attempt.deciding(now, &who, &decision) {
                        Ok(Deciding::Decided { fence }) => {
                            prop_assert!(holder.is_none_or(|holder| holder == who), "decided over a live claim");
                            prop_assert!(back.is_none_or(|back| back == 0), "an old number was taken");
                            prop_assert_eq!(before.status.is_open(), kind != DecisionKind::Revoke);
                            prop_assert!(fence >= before.fence);
                            attempt.store_decision(&who, now, fence, &decision);
                        }
                        Ok(Deciding::Unchanged) => {
                            prop_assert_eq!(&before.decided_by, &Some(who));
                            prop_assert_eq!(before.status, kind.status());
                        }
                        Err(error) => {
                            prop_assert_eq!(error.code(), ErrorCode::Conflict);
                            prop_assert!(error.current().is_some());
                        }
                    }
                }
                Step::Undo(n) => {
                    let who = reviewer(n);
                    if let Ok(Undoing::Undone(undo)) = attempt.undoing(now, &who) {
                        prop_assert_eq!(&before.decided_by, &Some(who.clone()));
                        prop_assert!(before.effective_at.is_some_and(|at| now < at));
                        attempt.store_undo(&who, now, &undo);
                        prop_assert_eq!(attempt.status, undo.user.status);
                    }
                }
            }
            prop_assert!(attempt.fence >= before.fence);
            // Its subject sees no decision before its time, and never a claim.
            let own = attempt.own(now);
            prop_assert!(own.status != KycStatus::InReview);
            if attempt.effective_at.is_some_and(|at| now < at) {
                prop_assert!(own.reasons.is_empty() && own.comment.is_none() && own.status != attempt.status);
            }
        }
        if attempt.status.is_open() {
            prop_assert!(attempt.claiming(now + CLAIM, &reviewer(7)).is_ok(), "stuck past the claim's expiry");
        }
    }
}

#[test]
fn a_claim_ends_by_the_clock_alone() {
    let (ada, ben) = (reviewer(0), reviewer(1));
    let mut attempt = waiting();
    let now = Timestamp::from_micros(7);
    attempt.store_claim(&ada, now, 1);
    let end = now + CLAIM;
    let last = Timestamp::from_micros(end.micros() - 1);
    assert_eq!(attempt.summary(last, &ben).status, KycStatus::InReview);
    let error = attempt.claiming(last, &ben).unwrap_err();
    assert_eq!(error.current().unwrap()["holder"], "user:0");
    assert_eq!(attempt.summary(end, &ben).status, KycStatus::Pending);
    assert_eq!(attempt.claiming(end, &ben).unwrap(), Claiming::New { fence: 2 });
    // Nobody claimed meanwhile: the number is still the newest.
    let late = decision(DecisionKind::Approve, Some(1));
    assert_eq!(attempt.deciding(end, &ada, &late).unwrap(), Deciding::Decided { fence: 1 });
    assert!(attempt.deciding(end, &ben, &late).is_err());
    attempt.store_claim(&ben, end, 2);
    let error = attempt.deciding(end, &ada, &late).unwrap_err();
    assert_eq!(error.current().unwrap()["holder"], "user:1");
}

#[test]
fn an_approval_that_can_still_be_undone_is_not_revoked() {
    let (ada, ben) = (reviewer(0), reviewer(1));
    let mut attempt = waiting();
    let now = Timestamp::from_micros(7);
    attempt.store_decision(&ada, now, 1, &decision(DecisionKind::Approve, None));
    let revoke = decision(DecisionKind::Revoke, None);
    assert_eq!(attempt.deciding(now, &ben, &revoke).unwrap_err().current().unwrap()["by"], "user:0");
    assert!(attempt.deciding(now + UNDO, &ben, &revoke).is_ok());
}

#[test]
fn a_reason_that_this_version_does_not_know_is_left_out() {
    let mut attempt = waiting();
    attempt.store_decision(&reviewer(0), Timestamp::EPOCH, 1, &decision(DecisionKind::Retry, None));
    attempt.reasons = Some(r#"["other","from_the_future"]"#.into());
    assert_eq!(attempt.decision().unwrap().reasons, [KycReason::Other]);
}
