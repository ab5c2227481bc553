//! The ways jobs go.

use super::*;
use crate::users;

#[tokio::test]
async fn from_the_first_offer_to_the_last_word() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let job = created(&test, &pair).await;
        assert_eq!((job.status, job.revision, job.version, job.side), (JobStatus::Negotiating, 1, 1, Side::Client));
        assert_eq!(job.actions, [JobAction::Offer, JobAction::Cancel]);
        assert_eq!(job.title, "Piano lessons");
        let seen = jobs::get(&app.by(&pair.worker), job.id).await.unwrap();
        assert_eq!(seen.actions, [JobAction::Offer, JobAction::Accept, JobAction::Reject]);
        assert_eq!((seen.side, &seen.offers), (Side::Worker, &job.offers));

        let counter = jobs::offer(&app.by(&pair.worker), job.id, counter(1, 6_000)).await.unwrap();
        assert_eq!((counter.revision, counter.offers.len(), counter.offers[0].price.amount), (2, 2, 6_000));
        // One's own latest offer is the other's to answer; a stale one is nobody's.
        assert_eq!(current(jobs::accept(&app.by(&pair.worker), job.id, 2).await).revision, 2);
        assert_eq!(current(jobs::accept(&app.by(&pair.client), job.id, 1).await).offers[0].price.amount, 6_000);
        assert_eq!(current(jobs::offer(&app.by(&pair.client), job.id, super::counter(1, 1)).await).version, 2);
        let agreed = jobs::accept(&app.by(&pair.client).at_version(Some(2)), job.id, 2).await.unwrap();
        assert_eq!((agreed.status, agreed.due_at), (JobStatus::Accepted, None));

        for n in 1..=transitions::MAX_CHANGE_REQUESTS {
            jobs::complete(&app.by(&pair.worker), job.id).await.unwrap();
            let again = jobs::request_changes(&app.by(&pair.client), job.id, more()).await.unwrap();
            assert_eq!((again.status, again.change_requests), (JobStatus::Accepted, n));
        }
        let done = jobs::complete(&app.by(&pair.worker), job.id).await.unwrap();
        assert_eq!(done.due_at, Some(app.now() + transitions::CONTENT_AFTER));
        assert_eq!(current(jobs::request_changes(&app.by(&pair.client), job.id, more()).await).change_requests, 3);
        let end = jobs::finalize(&app.by(&pair.client), job.id).await.unwrap();
        assert_eq!((end.status, end.finalized_at, end.actions), (JobStatus::Finalized, Some(app.now()), vec![]));
        check_fold(&test, job.id).await;

        let notices = notices(&test, pair.thread).await;
        assert_eq!(notices.len(), 3 + 6 + 2);
        assert_eq!(notices[1], "The worker made the offer 2: 60.00 EUR.");
        let rows = whole_history(&test, job.id).await;
        assert_eq!(rows[4].comment.as_deref(), Some("the left hand, too"));
        let own = jobs::history(&app.by(&pair.worker), job.id, &PageRequest::default()).await.unwrap();
        assert_eq!((own.items, own.next), (rows, None));
        test.close().await;
    }
}

/// What one did oneself is no news to oneself, however it is counted: as it is written, or when the pointer moves.
#[tokio::test]
async fn a_notice_is_unread_for_those_who_did_not_cause_it() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let (client, worker) = (app.by(&pair.client), app.by(&pair.worker));
        let job = created(&test, &pair).await;
        let unread = async || {
            let of = async |op| messaging::get(op, pair.thread).await.unwrap().unread;
            (of(&client).await, of(&worker).await)
        };
        assert_eq!(unread().await, (0, 1));
        jobs::offer(&worker, job.id, counter(1, 6_000)).await.unwrap();
        assert_eq!(unread().await, (1, 1));
        jobs::accept(&client, job.id, 2).await.unwrap();
        jobs::complete(&worker, job.id).await.unwrap();
        assert_eq!(unread().await, (2, 2));
        // Of the four, the first: of those after it, one is the client's own.
        assert_eq!(messaging::read(&client, pair.thread, 1).await.unwrap().unread, 2);
        assert_eq!(messaging::read(&worker, pair.thread, 1).await.unwrap().unread, 1);
        assert_eq!(messaging::read(&client, pair.thread, 3).await.unwrap().unread, 1);
        assert_eq!(messaging::read(&worker, pair.thread, 3).await.unwrap().unread, 0);
        test.close().await;
    }
}

#[tokio::test]
async fn a_rejected_job_closes_its_thread_and_a_cancelled_one_leaves_it_open() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        for status in [JobStatus::Cancelled, JobStatus::Rejected] {
            let job = job_in(&test, &pair, status).await;
            check_fold(&test, job.id).await;
            let new = NewJob { thread_id: pair.thread, offer: terms(1) };
            let again = jobs::create(&app.by(&pair.client), new).await;
            if status == JobStatus::Cancelled {
                let again = again.unwrap();
                jobs::cancel(&app.by(&pair.client), again.id, because(JobReason::Price)).await.unwrap();
            } else {
                refused(again, ErrorCode::Conflict);
            }
            // What is over stays as it is.
            for answer in [
                jobs::cancel(&app.by(&pair.client), job.id, because(JobReason::Price)).await,
                jobs::reject(&app.by(&pair.worker), job.id, because(JobReason::Price)).await,
                jobs::accept(&app.by(&pair.worker), job.id, 1).await,
            ] {
                assert_eq!(current(answer).status, status);
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn strangers_find_nothing() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let other = super::pair(&test).await;
        let job = created(&test, &pair).await;
        for stranger in [&other.client, &other.worker] {
            // An id in a body is checked like an id in a path.
            let new = NewJob { thread_id: pair.thread, offer: terms(1) };
            refused(jobs::create(&app.by(stranger), new).await, ErrorCode::NotFound);
            refused(jobs::get(&app.by(stranger), job.id).await, ErrorCode::NotFound);
            refused(jobs::history(&app.by(stranger), job.id, &PageRequest::default()).await, ErrorCode::NotFound);
            refused(jobs::cancel(&app.by(stranger), job.id, because(JobReason::Price)).await, ErrorCode::NotFound);
            refused(
                jobs::offer(&app.by(stranger).at_version(Some(9)), job.id, counter(1, 1)).await,
                ErrorCode::NotFound,
            );
            let filter = OwnJobFilter { thread_id: Some(pair.thread), status: None };
            assert!(jobs::own(&app.by(stranger), &filter, &PageRequest::default()).await.unwrap().items.is_empty());
        }
        // The worker of the thread is no stranger, and begins nothing.
        let new = NewJob { thread_id: pair.thread, offer: terms(1) };
        refused(jobs::create(&app.by(&pair.worker), new).await, ErrorCode::Forbidden);
        check_fold(&test, job.id).await;
        test.close().await;
    }
}

#[tokio::test]
async fn a_job_needs_a_published_service_of_an_approved_worker_and_an_open_thread() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let (worker, client, service, thread) = (pair.worker_id(), pair.client_id(), pair.service, pair.thread);
        let create =
            || async { jobs::create(&app.by(&pair.client), NewJob { thread_id: thread, offer: terms(1) }).await };
        macro_rules! while_so {
            ($bad:literal, $good:literal, $id:expr) => {
                let id = $id;
                sql(&test, move |c| Box::pin(async move { q!(c => exec, $bad, id)?; Ok(()) })).await;
                assert_eq!(refused(create().await, ErrorCode::Conflict), serde_json::Value::Null, $bad);
                sql(&test, move |c| Box::pin(async move { q!(c => exec, $good, id)?; Ok(()) })).await;
            };
        }
        for status in ["draft", "closed"] {
            sql(&test, move |c| {
                Box::pin(async move {
                    q!(c => exec, "UPDATE services SET status = $2 WHERE id = $1", service, status)?;
                    Ok(())
                })
            })
            .await;
            refused(create().await, ErrorCode::Conflict);
        }
        while_so!(
            "UPDATE users SET kyc_status = 'revoked' WHERE id = $1",
            "UPDATE users SET kyc_status = 'approved' WHERE id = $1",
            worker
        );
        sql(&test, move |c| {
            Box::pin(async move {
                q!(c => exec, "UPDATE services SET status = 'published' WHERE id = $1", service)?;
                Ok(())
            })
        })
        .await;
        while_so!(
            "UPDATE users SET kyc_status = 'revoked' WHERE id = $1",
            "UPDATE users SET kyc_status = 'approved' WHERE id = $1",
            worker
        );
        while_so!(
            "UPDATE users SET status = 'frozen' WHERE id = $1",
            "UPDATE users SET status = 'active' WHERE id = $1",
            worker
        );
        while_so!(
            "UPDATE threads SET status = 'closed' WHERE id = $1",
            "UPDATE threads SET status = 'open' WHERE id = $1",
            thread
        );
        let now = app.now();
        for (one, other) in [(worker, client), (client, worker)] {
            sql(&test, move |c| {
                Box::pin(async move {
                    q!(c => exec, "INSERT INTO blocks (user_id, blocked_id, created_at) VALUES ($1, $2, $3)", one, other, now)?;
                    Ok(())
                })
            })
            .await;
            refused(create().await, ErrorCode::Conflict);
            sql(&test, move |c| {
                Box::pin(async move {
                    q!(c => exec, "DELETE FROM blocks")?;
                    Ok(())
                })
            })
            .await;
        }
        // An approval that has come to its end, though no timer ran yet.
        test.advance(Duration::from_secs(86_400 * 4_000));
        refused(create().await, ErrorCode::Conflict);
        approve(&test, worker).await;
        create().await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn what_is_no_offer_is_refused_field_by_field() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let offer = Offer { price: Money::new(-1, "EUR"), schedule: " ".into(), scope: "a\0b".into() };
        let error = jobs::create(&app.by(&pair.client), NewJob { thread_id: pair.thread, offer }).await.unwrap_err();
        let pointers: Vec<&str> = error.fields().iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(pointers, ["/offer/price/amount", "/offer/schedule", "/offer/scope"]);
        let job = created(&test, &pair).await;
        for reason in [JobReason::Banned, JobReason::Expired] {
            refused(jobs::cancel(&app.by(&pair.client), job.id, because(reason)).await, ErrorCode::Invalid);
        }
        let long = EndJob { reason: JobReason::Other, comment: Some("x".repeat(1_001)) };
        refused(jobs::cancel(&app.by(&pair.client), job.id, long).await, ErrorCode::Invalid);
        let empty = ChangeRequest { comment: "\n".into() };
        refused(jobs::request_changes(&app.by(&pair.client), job.id, empty).await, ErrorCode::Invalid);
        refused(
            jobs::accept(&app.by(&pair.worker).at_version(Some(7)), job.id, 1).await,
            ErrorCode::PreconditionFailed,
        );
        check_fold(&test, job.id).await;
        test.close().await;
    }
}

#[tokio::test]
async fn staff_cancel_and_finalize_for_a_reason_that_only_they_read() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let support = test.actor(Role::Support).await;
        let job = job_in(&test, &pair, JobStatus::Accepted).await;
        let change = Change { note: Some("she called us".into()), ..Change::default() };
        let cancel = StaffJobAction::Cancel { reason: JobReason::Dispute };
        let dry = Change { dry_run: true, ..change.clone() };
        let would = jobs::staff_act(&app.by(&support).with(dry.clone()), job.id, &cancel).await.unwrap();
        assert_eq!((would.changed, would.item.job.status), (true, JobStatus::Cancelled));
        assert_eq!(jobs::get(&app.by(&pair.client), job.id).await.unwrap(), {
            let mut seen = job.clone();
            seen.side = Side::Client;
            seen.actions = vec![JobAction::Cancel];
            seen
        });
        let stale = Change { if_version: Some(1), ..change.clone() };
        refused(
            jobs::staff_act(&app.by(&support).with(stale.clone()), job.id, &cancel).await,
            ErrorCode::PreconditionFailed,
        );
        let wrong = jobs::staff_act(&app.by(&support).with(change.clone()), job.id, &StaffJobAction::Finalize).await;
        let seen: JobSummary = serde_json::from_value(refused(wrong, ErrorCode::Conflict)).unwrap();
        assert_eq!(seen.status, JobStatus::Accepted);

        let done = jobs::staff_act(&app.by(&support).with(change.clone()), job.id, &cancel).await.unwrap();
        assert_eq!((done.changed, done.item.job.status), (true, JobStatus::Cancelled));
        assert_eq!(done.item.history.last().unwrap().comment.as_deref(), Some("she called us"));
        assert!(!jobs::staff_act(&app.by(&support).with(change.clone()), job.id, &cancel).await.unwrap().changed);
        let own = jobs::history(&app.by(&pair.worker), job.id, &PageRequest::default()).await.unwrap();
        let last = own.items.last().unwrap();
        assert_eq!((last.side, last.actor.0.as_str(), &last.comment), (Side::Staff, "staff", &None));
        assert_eq!(last.reason, Some(JobReason::Dispute));
        check_fold(&test, job.id).await;
        let filter = AuditFilter { target: Some(job.id.to_string()), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&operator()), &filter, &PageRequest::first(9)).await.unwrap().items;
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].action.to_string().as_str(), rows[0].reason.as_deref()), ("jobs.cancel", Some("dispute")));
        assert!(!rows[0].metadata.to_string().contains("called"));

        // Completed work is cancelled by an admin alone, and finalized by either.
        let job = job_in(&test, &pair, JobStatus::Completed).await;
        refused(jobs::staff_act(&app.by(&support).with(change.clone()), job.id, &cancel).await, ErrorCode::Forbidden);
        assert_eq!(jobs::staff_show(&app.by(&support), job.id).await.unwrap().actions, [JobAction::Finalize]);
        let admin = operator();
        assert_eq!(
            jobs::staff_show(&app.by(&admin), job.id).await.unwrap().actions,
            [JobAction::Cancel, JobAction::Finalize]
        );
        assert!(
            jobs::staff_act(&app.by(&support).with(change.clone()), job.id, &StaffJobAction::Finalize)
                .await
                .unwrap()
                .changed
        );
        let auditor = test.actor(Role::Auditor).await;
        refused(jobs::staff_act(&app.by(&auditor).with(change.clone()), job.id, &cancel).await, ErrorCode::Forbidden);
        refused(
            jobs::staff_list(&app.by(&pair.client), &JobFilter::default(), &PageRequest::first(9)).await,
            ErrorCode::Forbidden,
        );
        test.close().await;
    }
}

#[tokio::test]
async fn lists_are_paged_by_every_filter() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let other = super::pair(&test).await;
        let mut mine = Vec::new();
        for n in 0..7 {
            if n == 3 {
                created(&test, &other).await;
            }
            let status = if n % 2 == 0 { JobStatus::Cancelled } else { JobStatus::Finalized };
            mine.push(job_in(&test, &pair, status).await.id);
            test.advance(Duration::from_millis(u64::from(n % 3 == 0)));
        }
        mine.sort();
        mine.reverse();
        let walk = async |filter: OwnJobFilter, actor: &Actor| {
            let mut page = PageRequest::first(2);
            let mut all = Vec::new();
            loop {
                let got = jobs::own(&app.by(actor), &filter, &page).await.unwrap();
                all.extend(got.items.into_iter().map(|job| job.id));
                page.after = got.next;
                if page.after.is_none() {
                    return all;
                }
            }
        };
        let staff = async |filter: JobFilter| {
            let mut page = PageRequest::first(2);
            let mut all = Vec::new();
            loop {
                let got = jobs::staff_list(&app.by(&operator()), &filter, &page).await.unwrap();
                assert!(got.items.iter().all(|job| job.client_name.contains('•')));
                all.extend(got.items.into_iter().map(|job| job.id));
                page.after = got.next;
                if page.after.is_none() {
                    return all;
                }
            }
        };
        for actor in [&pair.client, &pair.worker] {
            assert_eq!(sorted(walk(OwnJobFilter::default(), actor).await), mine);
            let thread = OwnJobFilter { thread_id: Some(pair.thread), status: None };
            assert_eq!(sorted(walk(thread, actor).await), mine);
            let finalized = OwnJobFilter { status: Some(JobStatus::Finalized), thread_id: None };
            assert_eq!(walk(finalized, actor).await.len(), 3);
        }
        let by = |user_id, thread_id, status| JobFilter { q: None, status, user_id, thread_id };
        assert_eq!(staff(JobFilter::default()).await.len(), 8);
        assert_eq!(sorted(staff(by(Some(pair.worker_id()), None, None)).await), mine);
        assert_eq!(sorted(staff(by(Some(pair.client_id()), Some(pair.thread), None)).await), mine);
        assert_eq!(sorted(staff(by(None, Some(pair.thread), None)).await), mine);
        assert_eq!(staff(by(None, None, Some(JobStatus::Cancelled))).await.len(), 4);
        assert_eq!(staff(by(Some(pair.client_id()), Some(other.thread), None)).await, []);
        test.close().await;
    }
}

fn sorted(mut ids: Vec<JobId>) -> Vec<JobId> {
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    ids.reverse();
    ids
}

#[tokio::test]
async fn erasure_leaves_the_agreed_terms_and_takes_other_words() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let job = created(&test, &pair).await;
        jobs::offer(&app.by(&pair.client), job.id, counter(1, 4_000)).await.unwrap();
        jobs::accept(&app.by(&pair.worker), job.id, 2).await.unwrap();
        let words = |text: &str| EndJob { reason: JobReason::Other, comment: Some(text.into()) };
        jobs::cancel(&app.by(&pair.client), job.id, words("I moved to Lisbon")).await.unwrap();
        let never = created(&test, &pair).await;
        jobs::offer(&app.by(&pair.worker), never.id, counter(1, 9_000)).await.unwrap();

        let delete =
            async || users::act(&app.by(&operator()).with(restrict()), pair.client_id(), &UserAction::Delete).await;
        refused(delete().await, ErrorCode::Conflict);
        let password = accounts::model::Password::new(testing::PASSWORD);
        refused(users::delete_me(&app.by(&pair.client), &password).await, ErrorCode::Conflict);
        jobs::reject(&app.by(&pair.worker), never.id, words("too far")).await.unwrap();
        delete().await.unwrap();

        let seen = jobs::get(&app.by(&pair.worker), job.id).await.unwrap();
        assert_eq!(seen.client.name, "Deleted user");
        assert_eq!((seen.offers[0].scope.as_str(), seen.offers[1].scope.as_str()), ("An hour of scales", ""));
        let history = jobs::history(&app.by(&pair.worker), job.id, &PageRequest::default()).await.unwrap().items;
        assert!(history.iter().all(|row| row.comment.is_none()));
        assert_eq!(history.last().unwrap().reason, Some(JobReason::Other));
        // The other side's words stay theirs.
        let seen = jobs::get(&app.by(&pair.worker), never.id).await.unwrap();
        assert_eq!((seen.offers[0].scope.as_str(), seen.offers[1].scope.as_str()), ("An hour of scales", ""));
        let history = jobs::history(&app.by(&pair.worker), never.id, &PageRequest::default()).await.unwrap().items;
        assert_eq!(history.last().unwrap().comment.as_deref(), Some("too far"));
        check_fold(&test, job.id).await;
        test.close().await;
    }
}
