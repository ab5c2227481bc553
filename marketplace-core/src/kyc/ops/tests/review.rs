use super::*;
use crate::{actor::Actor, base::permission::Permission, kyc::model::CLAIM, users};

/// A claim has a second left.
const ALMOST: Duration = Duration::from_secs(CLAIM.as_secs() - 1);

async fn claim(test: &TestApp, by: &Actor, id: AttemptId) -> Result<Claim> {
    let answer = kyc::claim(&test.app().by(by), id).await?;
    Ok(answer.item.attempt.claim.unwrap())
}

#[tokio::test]
async fn one_holds_a_claim_until_it_ends() {
    for test in testing::apps().await {
        let app = test.app();
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Admin).await);
        let (_, id) = waiting(&test).await;
        let first = claim(&test, &ada, id).await.unwrap();
        assert!(first.mine && first.label == ada.label());
        let again = kyc::claim(&app.by(&ada), id).await.unwrap();
        assert!(!again.changed);
        assert_eq!(again.item.attempt.claim.unwrap().fence, first.fence);

        let holder: Claim = current(claim(&test, &ben, id).await);
        assert_eq!((holder.holder, holder.mine), (ada.principal(), false));
        let holder: Claim = current(decide(&test, &ben, id, DecisionKind::Approve).await);
        assert_eq!(holder.fence, first.fence);
        assert!(!kyc::release(&app.by(&ben), id).await.unwrap().changed);

        // Activity renews it: looking at the case, and at a file.
        test.advance(ALMOST);
        let seen = kyc::show(&app.by(&ada), id).await.unwrap().attempt.claim.unwrap();
        assert_eq!((seen.fence, seen.expires_at), (first.fence, app.now() + CLAIM));
        test.advance(ALMOST);
        kyc::file(&app.by(&ada), id, FileKind::Selfie).await.unwrap();
        test.advance(ALMOST);
        assert_eq!(current::<Claim, _>(claim(&test, &ben, id).await).holder, ada.principal());
        // Somebody else's look does not.
        kyc::show(&app.by(&ben), id).await.unwrap();
        test.advance(Duration::from_secs(1));

        let second = claim(&test, &ben, id).await.unwrap();
        assert!(second.fence > first.fence);
        let stale = decision(DecisionKind::Approve, Some(first.fence));
        let holder: Claim = current(kyc::decide(&app.by(&ada), id, &stale).await);
        assert_eq!(holder.holder, ben.principal());
        assert!(kyc::release(&app.by(&ben), id).await.unwrap().changed);
        refused(
            kyc::decide(&app.by(&ben), id, &decision(DecisionKind::Approve, Some(second.fence))).await,
            ErrorCode::Conflict,
        );
        assert!(decide(&test, &ada, id, DecisionKind::Approve).await.unwrap());
        assert_eq!(actions(&test, id).await, ["kyc.claim", "kyc.view", "kyc.claim", "kyc.release", "kyc.approve"]);
        test.close().await;
    }
}

#[tokio::test]
async fn next_gives_each_reviewer_the_oldest_case_that_nobody_holds() {
    for test in testing::apps().await {
        let app = test.app();
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(waiting(&test).await.1);
            test.advance(Duration::from_secs(1));
        }
        let next = async |by: &Actor, change: Change| {
            kyc::next(&app.by(by).with(change.clone())).await.unwrap().map(|case| case.attempt.id)
        };
        assert_eq!(next(&ada, dry()).await, Some(ids[0]));
        assert_eq!(next(&ada, Change::default()).await, Some(ids[0]));
        assert_eq!(next(&ben, Change::default()).await, Some(ids[1]));
        assert_eq!(next(&ada, Change::default()).await, Some(ids[2]));
        assert_eq!(next(&ben, Change::default()).await, None);
        test.advance(CLAIM);
        assert_eq!(next(&ben, Change::default()).await, Some(ids[0]), "claims that ended are back in the queue");
        test.close().await;
    }
}

#[tokio::test]
async fn a_decision_is_made_once() {
    for test in testing::apps().await {
        let app = test.app();
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let (_, id) = waiting(&test).await;
        let missing = Decision { reasons: vec![], ..decision(DecisionKind::Reject, None) };
        refused(kyc::decide(&app.by(&ada), id, &missing).await, ErrorCode::Invalid);
        let long = Change { note: Some("n".repeat(4_001)), ..Change::default() };
        refused(
            kyc::decide(&app.by(&ada).with(long.clone()), id, &decision(DecisionKind::Reject, None)).await,
            ErrorCode::Invalid,
        );
        refused(decide(&test, &ada, id, DecisionKind::Revoke).await, ErrorCode::Conflict);

        let previewed =
            kyc::decide(&app.by(&ada).with(dry()), id, &decision(DecisionKind::Approve, None)).await.unwrap();
        assert!(previewed.changed && previewed.item.attempt.status == KycStatus::Approved);
        assert_eq!(kyc::show(&app.by(&ada), id).await.unwrap().attempt.status, KycStatus::Pending);
        assert!(
            actions(&test, id).await.is_empty()
                && test
                    .mails()
                    .await
                    .iter()
                    .all(|mail| mail.to.is_empty() || !mail.template.as_str().starts_with("kyc"))
        );

        let version = kyc::show(&app.by(&ada), id).await.unwrap().attempt.version;
        let at = |version| Change { if_version: Some(version), ..Change::default() };
        let stale = kyc::decide(&app.by(&ada).with(at(version + 1)), id, &decision(DecisionKind::Approve, None)).await;
        assert_eq!(refused(stale, ErrorCode::PreconditionFailed)["version"], version);
        assert!(
            kyc::decide(&app.by(&ada).with(at(version)), id, &decision(DecisionKind::Approve, None))
                .await
                .unwrap()
                .changed
        );

        assert!(!decide(&test, &ada, id, DecisionKind::Approve).await.unwrap(), "a repetition is harmless");
        let made: DecisionMade = current(decide(&test, &ada, id, DecisionKind::Reject).await);
        assert_eq!((made.status, made.by), (KycStatus::Approved, ada.principal()));
        let made: DecisionMade = current(decide(&test, &ben, id, DecisionKind::Approve).await);
        assert_eq!(made.by, ada.principal());
        let made: DecisionMade = current(claim(&test, &ben, id).await);
        assert_eq!(made.status, KycStatus::Approved);
        assert!(kyc::next(&app.by(&ben)).await.unwrap().is_none());
        assert_eq!(actions(&test, id).await, ["kyc.approve"]);
        test.close().await;
    }
}

#[tokio::test]
async fn nobody_reviews_themself() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, id) = waiting(&test).await;
        // A worker who became staff still has an attempt in the queue.
        let subject = worker.user_id().unwrap();
        let role = accounts::model::UserAction::SetRole { role: Role::Admin };
        users::act(&app.by(&operator()), subject, &role).await.unwrap();
        let staff = test.log_in(subject).await.0;
        assert!(staff.may(Permission::KycWrite));
        refused(claim(&test, &staff, id).await, ErrorCode::Forbidden);
        refused(decide(&test, &staff, id, DecisionKind::Approve).await, ErrorCode::Forbidden);
        refused(kyc::release(&app.by(&staff), id).await, ErrorCode::Forbidden);
        refused(kyc::undo(&app.by(&staff), id).await, ErrorCode::Forbidden);
        assert!(kyc::next(&app.by(&staff)).await.unwrap().is_none());
        assert!(decide(&test, &operator(), id, DecisionKind::Approve).await.unwrap());
        test.advance(UNDO);
        refused(decide(&test, &staff, id, DecisionKind::Revoke).await, ErrorCode::Forbidden);
        test.close().await;
    }
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says() {
    for test in testing::apps().await {
        let app = test.app();
        let (_, id) = waiting(&test).await;
        for role in Role::ALL {
            let actor = test.actor(*role).await;
            let (change, page) = (dry(), PageRequest::default());
            let reads = [
                kyc::list(&app.by(&actor), &KycFilter::default(), &page).await.err(),
                kyc::show(&app.by(&actor), id).await.err(),
                kyc::file(&app.by(&actor), id, FileKind::Document).await.err(),
            ];
            let writes = [
                kyc::next(&app.by(&actor).with(change.clone())).await.err(),
                kyc::claim(&app.by(&actor).with(change.clone()), id).await.err(),
                kyc::release(&app.by(&actor).with(change.clone()), id).await.err(),
                kyc::decide(&app.by(&actor).with(change.clone()), id, &decision(DecisionKind::Approve, None))
                    .await
                    .err(),
            ];
            let undo = kyc::undo(&app.by(&actor).with(change.clone()), id).await.unwrap_err().code();
            let forbidden = |error: &Option<Error>| error.as_ref().map(Error::code) == Some(ErrorCode::Forbidden);
            let may_read = actor.may(Permission::KycRead);
            let may_write = actor.may(Permission::KycWrite);
            assert!(reads.iter().all(|error| if may_read { error.is_none() } else { forbidden(error) }), "{role}");
            assert!(writes.iter().all(|error| if may_write { error.is_none() } else { forbidden(error) }), "{role}");
            assert_eq!(undo, if may_write { ErrorCode::Conflict } else { ErrorCode::Forbidden }, "{role}");
        }
        test.close().await;
    }
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    for test in testing::apps().await {
        let (app, by) = (test.app(), operator());
        let id = AttemptId(uuid::Uuid::from_u128(7));
        let change = Change::default();
        refused(kyc::show(&app.by(&by), id).await, ErrorCode::NotFound);
        refused(kyc::claim(&app.by(&by).with(change.clone()), id).await, ErrorCode::NotFound);
        refused(kyc::release(&app.by(&by).with(change.clone()), id).await, ErrorCode::NotFound);
        refused(decide(&test, &by, id, DecisionKind::Approve).await, ErrorCode::NotFound);
        refused(kyc::undo(&app.by(&by).with(change.clone()), id).await, ErrorCode::NotFound);
        refused(kyc::file(&app.by(&by), id, FileKind::Document).await, ErrorCode::NotFound);
        assert!(actions(&test, id).await.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn lists_page_through_the_queue_and_the_decisions() {
    for test in testing::apps().await {
        let (app, by) = (test.app(), operator());
        let mut ids = Vec::new();
        let mut workers = Vec::new();
        for n in 0..6 {
            let (worker, id) = waiting(&test).await;
            workers.push(worker.user_id().unwrap());
            ids.push(id);
            // Two at the same instant: the id breaks the tie.
            if n % 2 == 1 {
                test.advance(Duration::from_secs(1));
            }
        }
        ids.sort();
        let all = async |filter: KycFilter| {
            let mut found = Vec::new();
            let mut page = PageRequest::first(2);
            loop {
                let rows = kyc::list(&app.by(&by), &filter, &page).await.unwrap();
                found.extend(rows.items.iter().map(|row| row.id));
                let Some(next) = rows.next else { return found };
                assert_eq!(rows.items.len(), 2);
                page.after = Some(next);
            }
        };
        let with = |status| KycFilter { status: Some(status), ..KycFilter::default() };
        assert_eq!(all(KycFilter::default()).await, ids);
        claim(&test, &by, ids[1]).await.unwrap();
        assert_eq!(all(KycFilter::default()).await, ids);
        assert_eq!(all(with(KycStatus::InReview)).await, [ids[1]]);
        assert_eq!(all(with(KycStatus::Pending)).await, [&ids[..1], &ids[2..]].concat());
        for id in &ids[..4] {
            decide(&test, &by, *id, DecisionKind::Approve).await.unwrap();
            test.advance(Duration::from_secs(1));
        }
        let newest_first: Vec<_> = ids[..4].iter().rev().copied().collect();
        assert_eq!(all(with(KycStatus::Approved)).await, newest_first);
        assert_eq!(all(KycFilter::default()).await, ids[4..]);
        let passports = KycFilter { document_type: Some(DocumentType::Passport), ..KycFilter::default() };
        assert_eq!(all(passports).await, ids[4..]);
        let permits = KycFilter { document_type: Some(DocumentType::ResidencePermit), ..with(KycStatus::Approved) };
        assert!(all(permits).await.is_empty());
        let mine = KycFilter { user_id: Some(workers[5]), ..KycFilter::default() };
        assert_eq!(all(mine).await.len(), 1);
        let mine = KycFilter { user_id: Some(workers[5]), ..with(KycStatus::Approved) };
        assert!(all(mine).await.is_empty());

        let none = kyc::list(&app.by(&by), &with(KycStatus::None), &PageRequest::default()).await.unwrap();
        assert!(none.items.is_empty() && none.next.is_none(), "every state is accepted");
        let odd = PageRequest { limit: 2, after: Some("x".into()) };
        refused(kyc::list(&app.by(&by), &KycFilter::default(), &odd).await, ErrorCode::Invalid);
        let counts = kyc::counts(&mut app.db.read().await.unwrap().conn(), app.now()).await.unwrap();
        assert_eq!((counts.pending, counts.in_review, counts.decided_24h), (2, 0, 4));
        test.close().await;
    }
}

/// Whoever was faster is named by their name, with as much of their id as tells them from others of that name.
#[tokio::test]
async fn an_error_names_a_colleague() {
    for test in testing::apps().await {
        let app = test.app();
        let (lea, sam) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let lea_is = |lea: &Actor| {
            let id = lea.user_id().unwrap().to_string();
            format!("{} (…{})", lea.label(), &id[id.len() - 8..])
        };
        let (_, id) = waiting(&test).await;
        kyc::claim(&app.by(&lea), id).await.unwrap();
        let said = kyc::claim(&app.by(&sam), id).await.unwrap_err().to_string();
        assert!(said.starts_with(&format!("{} is looking at it", lea_is(&lea))), "{said}");
        decide(&test, &lea, id, DecisionKind::Approve).await.unwrap();
        for error in [
            kyc::claim(&app.by(&sam), id).await.unwrap_err(),
            decide(&test, &sam, id, DecisionKind::Reject).await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("it is approved already, decided by {}", lea_is(&lea)));
        }
        let (_, id) = waiting(&test).await;
        decide(&test, &operator(), id, DecisionKind::Approve).await.unwrap();
        let said = kyc::claim(&app.by(&sam), id).await.unwrap_err().to_string();
        assert_eq!(said, "it is approved already, decided by tester@localhost");
        test.close().await;
    }
}
