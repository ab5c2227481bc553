use super::*;
use crate::{
    accounts::model::{Password, UserAction},
    auth,
    base::{change::RestrictionReason, permission::Permission},
    kyc::model::{MAX_SNOOZE, Triage, TriageAct},
    records::mail::Template,
    testing::PASSWORD,
    tokens::{self, model::NewToken},
    users,
};

const HOUR: Duration = Duration::from_secs(3_600);

async fn triage(test: &TestApp, by: &Actor, id: AttemptId, what: Triage) -> Result<bool> {
    let change = Change { note: Some("why".into()), ..Change::default() };
    Ok(kyc::triage(&test.app().by(by).with(change), id, what).await?.changed)
}

async fn next(test: &TestApp, by: &Actor) -> Option<AttemptId> {
    kyc::next(&test.app().by(by)).await.unwrap().map(|case| case.attempt.id)
}

/// Claims the next case and gives it back: what would come next.
async fn peek(test: &TestApp, by: &Actor) -> Option<AttemptId> {
    kyc::next(&test.app().by(by).with(dry())).await.unwrap().map(|case| case.attempt.id)
}

async fn listed(test: &TestApp, by: &Actor, filter: KycFilter) -> Vec<AttemptId> {
    let page = kyc::list(&test.app().by(by), &filter, &PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|row| row.id).collect()
}

async fn queue(test: &TestApp, count: usize) -> Vec<AttemptId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(waiting(test).await.1);
        test.advance(Duration::from_secs(1));
    }
    ids
}

#[tokio::test]
async fn what_is_skipped_comes_behind_the_others_for_one_reviewer() {
    for test in testing::apps().await {
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let ids = queue(&test, 3).await;
        for (skipped, then) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
            assert_eq!(next(&test, &ada).await, Some(ids[skipped]));
            assert!(triage(&test, &ada, ids[skipped], Triage::Skip).await.unwrap());
            assert_eq!(peek(&test, &ada).await, Some(ids[then]));
        }
        assert!(!triage(&test, &ada, ids[0], Triage::Skip).await.unwrap(), "it is behind the others already");
        assert_eq!(peek(&test, &ben).await, Some(ids[0]), "others are not concerned");
        assert_eq!(listed(&test, &ada, KycFilter::default()).await, ids);
        let case = kyc::show(&test.app().by(&ben), ids[0]).await.unwrap();
        let said: Vec<_> = case.history.iter().map(|entry| (entry.act, entry.by.clone(), entry.note.clone())).collect();
        let row = (TriageAct::Skipped, ada.principal(), Some("why".to_owned()));
        assert_eq!(said, [row.clone(), row]);
        test.close().await;
    }
}

#[tokio::test]
async fn what_is_set_aside_comes_back_by_itself() {
    for test in testing::apps().await {
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let ids = queue(&test, 2).await;
        let now = test.app().now();
        for bad in [now, now + MAX_SNOOZE + HOUR] {
            refused(triage(&test, &ada, ids[0], Triage::Snooze { until: Some(bad) }).await, ErrorCode::Invalid);
        }
        let snooze = Triage::Snooze { until: Some(now + HOUR) };
        assert_eq!(next(&test, &ada).await, Some(ids[0]));
        assert_eq!(current::<Claim, _>(triage(&test, &ben, ids[0], snooze).await).holder, ada.principal());
        assert!(triage(&test, &ada, ids[0], snooze).await.unwrap());
        assert!(!triage(&test, &ben, ids[0], snooze).await.unwrap());
        let snoozed = KycFilter { snoozed: true, ..KycFilter::default() };
        for by in [&ada, &ben] {
            assert_eq!(peek(&test, by).await, Some(ids[1]));
            assert_eq!(listed(&test, by, KycFilter::default()).await, ids[1..]);
            assert_eq!(listed(&test, by, snoozed.clone()).await, ids[..1]);
        }
        let auditor = test.actor(Role::Auditor).await;
        assert_eq!(listed(&test, &auditor, KycFilter::default()).await, ids, "who decides nothing sees everything");
        test.advance(HOUR);
        // At once in lists, and in front of the others again.
        assert_eq!(listed(&test, &ben, KycFilter::default()).await, ids);
        assert!(listed(&test, &ben, snoozed.clone()).await.is_empty());
        test.app().run_due().await.unwrap();
        assert_eq!(listed(&test, &ben, KycFilter::default()).await, ids);
        assert_eq!(next(&test, &ben).await, Some(ids[0]));
        // A claim ends it, and so does a decision, though it is undone.
        let snooze = Triage::Snooze { until: Some(test.app().now() + HOUR) };
        assert!(triage(&test, &ada, ids[1], snooze).await.unwrap());
        assert!(decide(&test, &ada, ids[1], DecisionKind::Approve).await.unwrap());
        refused(triage(&test, &ada, ids[1], Triage::Skip).await, ErrorCode::Conflict);
        kyc::undo(&test.app().by(&ada), ids[1]).await.unwrap();
        kyc::release(&test.app().by(&ada), ids[1]).await.unwrap();
        assert_eq!(peek(&test, &ada).await, Some(ids[1]));
        test.close().await;
    }
}

#[tokio::test]
async fn cases_come_to_those_to_whom_they_were_given() {
    for test in testing::apps().await {
        let app = test.app();
        let [ada, ben] = [test.actor(Role::Support).await, test.actor(Role::Support).await];
        let admin = test.actor(Role::Admin).await;
        let ids = queue(&test, 3).await;
        let to = |actor: &Actor| Triage::Assign { to: actor.user_id() };
        for nobody in [test.actor(Role::Auditor).await, test.actor(Role::Worker).await] {
            refused(triage(&test, &ada, ids[0], to(&nobody)).await, ErrorCode::Invalid);
        }
        assert_eq!(next(&test, &ada).await, Some(ids[0]));
        assert!(triage(&test, &ada, ids[0], to(&ben)).await.unwrap());
        assert!(!triage(&test, &ada, ids[0], to(&ben)).await.unwrap());
        assert!(triage(&test, &ada, ids[2], to(&ben)).await.unwrap());
        assert_eq!([peek(&test, &ben).await, peek(&test, &ada).await], [Some(ids[0]), Some(ids[1])]);
        let bens = KycFilter { assigned_to: ben.user_id(), ..KycFilter::default() };
        assert_eq!(listed(&test, &ada, KycFilter::default()).await, [ids[1]]);
        assert_eq!(listed(&test, &ben, KycFilter::default()).await, ids);
        assert_eq!(listed(&test, &ada, KycFilter { all: true, ..KycFilter::default() }).await, ids);
        assert_eq!(listed(&test, &ada, bens.clone()).await, [ids[0], ids[2]]);

        // Set aside, it comes back to the one to whom it was given.
        let snooze = Triage::Snooze { until: Some(app.now() + HOUR) };
        assert!(triage(&test, &ben, ids[0], snooze).await.unwrap());
        assert_eq!(listed(&test, &ben, bens.clone()).await, [ids[2]]);
        test.advance(HOUR);
        assert_eq!(listed(&test, &ben, bens.clone()).await, [ids[0], ids[2]]);
        assert_eq!(peek(&test, &ben).await, Some(ids[0]));

        // Only an admin decides what was escalated, or gives it back.
        let quiet = kyc::triage(&app.by(&ben), ids[0], Triage::Escalate).await;
        refused(quiet, ErrorCode::Invalid);
        assert!(triage(&test, &ben, ids[0], Triage::Escalate).await.unwrap());
        assert!(!triage(&test, &admin, ids[0], Triage::Escalate).await.unwrap());
        assert_eq!([peek(&test, &ben).await, peek(&test, &admin).await], [Some(ids[2]), Some(ids[0])]);
        let escalated = KycFilter { escalated: true, ..KycFilter::default() };
        assert_eq!(listed(&test, &ada, escalated.clone()).await, [ids[0]]);
        assert_eq!(listed(&test, &admin, KycFilter::default()).await, [ids[0], ids[1]]);
        for act in [Triage::Skip, Triage::Snooze { until: None }, to(&ada)] {
            refused(triage(&test, &ada, ids[0], act).await, ErrorCode::Forbidden);
        }
        refused(kyc::claim(&app.by(&ada), ids[0]).await, ErrorCode::Forbidden);
        refused(decide(&test, &ada, ids[0], DecisionKind::Approve).await, ErrorCode::Forbidden);
        assert!(triage(&test, &admin, ids[0], to(&ada)).await.unwrap());
        assert_eq!(next(&test, &ada).await, Some(ids[0]));
        assert!(triage(&test, &ada, ids[0], Triage::Assign { to: None }).await.unwrap());
        assert_eq!(peek(&test, &admin).await, Some(ids[0]));
        let case = kyc::show(&app.by(&admin), ids[0]).await.unwrap();
        let acts: Vec<_> = case.history.iter().map(|entry| entry.act.as_str()).collect();
        assert_eq!(acts, ["assigned", "snoozed", "escalated", "assigned", "assigned"]);
        assert_eq!(case.history[0].assignee.as_ref().map(|assignee| assignee.id), ben.user_id());
        let audited =
            ["kyc.claim", "kyc.assign", "kyc.snooze", "kyc.escalate", "kyc.assign", "kyc.claim", "kyc.assign"];
        assert_eq!(actions(&test, ids[0]).await, audited);
        let both = KycFilter { snoozed: true, ..bens };
        refused(kyc::list(&app.by(&ada), &both, &PageRequest::default()).await, ErrorCode::Invalid);
        let decided = KycFilter { status: Some(KycStatus::Approved), ..escalated };
        refused(kyc::list(&app.by(&ada), &decided, &PageRequest::default()).await, ErrorCode::Invalid);
        test.close().await;
    }
}

#[tokio::test]
async fn the_cases_of_who_loses_their_rights_are_free_at_once() {
    for test in testing::apps().await {
        let app = test.app();
        let root = operator();
        let ids = queue(&test, 2).await;
        let because = |reason| Change { reason: Some(reason), ..Change::default() };
        let losses = [
            UserAction::Ban,
            UserAction::Freeze,
            UserAction::SetRole { role: Role::Auditor },
            UserAction::SetRole { role: Role::Admin },
            UserAction::RevokeSessions,
            UserAction::Delete,
        ];
        for loss in losses {
            let ada = test.actor(Role::Support).await;
            assert!(triage(&test, &ada, ids[1], Triage::Assign { to: ada.user_id() }).await.unwrap());
            kyc::claim(&app.by(&ada), ids[0]).await.unwrap();
            let by = app.by(&root).with(because(RestrictionReason::Other));
            users::act(&by, ada.user_id().unwrap(), &loss).await.unwrap();
            let [held, given] =
                [ids[0], ids[1]].map(|id| async move { kyc::show(&app.by(&operator()), id).await.unwrap() });
            let (held, given) = (held.await, given.await);
            assert!(held.attempt.claim.is_none(), "{loss:?}");
            let last = held.history.last().unwrap();
            assert_eq!((last.act, &last.by), (TriageAct::Returned, &root.principal()), "{loss:?}");
            // Whoever may still decide keeps what was given to them.
            let keeps = matches!(loss, UserAction::SetRole { role: Role::Admin } | UserAction::RevokeSessions);
            assert_eq!(given.attempt.assignee.is_some(), keeps, "{loss:?}");
            assert_eq!(given.history.last().unwrap().act == TriageAct::Assigned, keeps, "{loss:?}");
            if keeps {
                assert!(triage(&test, &root, ids[1], Triage::Assign { to: None }).await.unwrap());
            }
            assert_eq!(peek(&test, &root).await, Some(ids[0]), "{loss:?}");
        }
        assert_eq!(actions(&test, ids[0]).await.last().unwrap(), "kyc.release");
        test.close().await;
    }
}

/// Claims end with the way in through which they are held: a token's with the token, an account's with its last session.
#[tokio::test]
async fn claims_end_with_the_last_way_in() {
    for test in testing::apps().await {
        let app = test.app();
        let ids = queue(&test, 2).await;
        let holder =
            async |id| kyc::show(&app.by(&operator()), id).await.unwrap().attempt.claim.map(|claim| claim.holder);
        let ada = test.actor(Role::Support).await;
        let me = ada.user_id().unwrap();
        let new = NewToken {
            name: "Night job".into(),
            scopes: vec![Permission::KycRead, Permission::KycWrite],
            expires_in: 3_600,
            owner_id: Some(me),
        };
        let script = async || {
            let made = tokens::create(&app.by(&operator()), &new).await.unwrap().item;
            (made.token.id, auth::authenticate(app, &made.secret.unwrap()).await.unwrap())
        };
        // One token ends: what it holds is free, and what its owner holds is not.
        let (token, actor) = script().await;
        kyc::claim(&app.by(&actor), ids[0]).await.unwrap();
        kyc::claim(&app.by(&ada), ids[1]).await.unwrap();
        tokens::revoke(&app.by(&operator()), token).await.unwrap();
        assert_eq!((holder(ids[0]).await, holder(ids[1]).await), (None, Some(ada.principal())));
        // Another password: every token ends, and the session in which it was set goes on.
        let (_, actor) = script().await;
        kyc::claim(&app.by(&actor), ids[0]).await.unwrap();
        let (old, other) = (Password::new(PASSWORD), Password::new("another long one"));
        auth::change_password(&app.by(&ada), &old, &other).await.unwrap();
        assert_eq!((holder(ids[0]).await, holder(ids[1]).await), (None, Some(ada.principal())));
        auth::change_password(&app.by(&ada), &other, &old).await.unwrap();
        // One of two sessions ends, then the last one.
        let (second, _) = test.log_in(me).await;
        auth::logout(&app.by(&ada)).await.unwrap();
        assert_eq!(holder(ids[1]).await, Some(second.principal()));
        auth::logout(&app.by(&second)).await.unwrap();
        assert_eq!(holder(ids[1]).await, None);
        let shown = kyc::show(&app.by(&operator()), ids[1]).await.unwrap();
        assert_eq!(shown.history.last().unwrap().act, TriageAct::Returned);
        // Everywhere, by a reset, and by staff.
        let session = |actor: &Actor| actor.require_session().unwrap().session;
        for way in ["logout_all", "reset", "end_session", "everybody"] {
            let (now, _) = test.log_in(me).await;
            kyc::claim(&app.by(&now), ids[1]).await.unwrap();
            match way {
                "logout_all" => auth::logout_all(&app.by(&now)).await.unwrap(),
                "reset" => {
                    let because = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
                    users::send_password_reset(&app.by(&operator()).with(because), me).await.unwrap();
                    let link = test.token(Template::ResetPassword).await;
                    auth::reset_password(app, &testing::client(), &link, &Password::new(PASSWORD)).await.unwrap();
                }
                "end_session" => {
                    users::end_session(&app.by(&operator()), me, session(&now)).await.unwrap();
                }
                _ => {
                    let because = Change { reason: Some(RestrictionReason::Security), ..Change::default() };
                    kyc::claim(&app.by(&operator()), ids[0]).await.unwrap();
                    users::end_all_sessions(&app.by(&operator()).with(because)).await.unwrap();
                    assert_eq!(holder(ids[0]).await, Some(operator().principal()), "the operator has no session");
                }
            }
            assert_eq!(holder(ids[1]).await, None, "{way}");
        }
        test.close().await;
    }
}
