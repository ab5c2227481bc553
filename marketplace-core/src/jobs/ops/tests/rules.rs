//! The table, tried out: every state × action × side × account status, on each engine.

use super::*;
use crate::jobs::transitions::{Asked, Caller, Facts, decide};

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Client,
    Worker,
    /// A client of other threads.
    Stranger,
    Support,
    Admin,
    Auditor,
}

const EVERYBODY: [Who; 6] = [Who::Client, Who::Worker, Who::Stranger, Who::Support, Who::Admin, Who::Auditor];

/// Does an action the way its side does it: through the operation.
async fn attempt(app: &App, by: &Actor, who: Who, pair: &Pair, id: JobId, action: JobAction) -> Result<()> {
    let reason = JobReason::Other;
    if matches!(who, Who::Support | Who::Admin | Who::Auditor) {
        let action = match action {
            JobAction::Cancel => StaffJobAction::Cancel { reason },
            JobAction::Finalize => StaffJobAction::Finalize,
            // Staff have no other operation; as a party they are strangers.
            _ => return party(app, by, pair, id, action).await,
        };
        let done = jobs::staff_act(&app.by(by), id, &action).await?;
        return if done.changed { Ok(()) } else { Err(Error::conflict("it is so already", ())) };
    }
    party(app, by, pair, id, action).await
}

async fn party(app: &App, by: &Actor, pair: &Pair, id: JobId, action: JobAction) -> Result<()> {
    let reason = JobReason::Other;
    match action {
        JobAction::Create => jobs::create(&app.by(by), NewJob { thread_id: pair.thread, offer: terms(1) }).await,
        JobAction::Offer => jobs::offer(&app.by(by), id, counter(1, 2)).await,
        JobAction::Accept => jobs::accept(&app.by(by), id, 1).await,
        JobAction::Reject => jobs::reject(&app.by(by), id, because(reason)).await,
        JobAction::Cancel => jobs::cancel(&app.by(by), id, because(reason)).await,
        JobAction::Complete => jobs::complete(&app.by(by), id).await,
        JobAction::RequestChanges => jobs::request_changes(&app.by(by), id, more()).await,
        JobAction::Finalize => jobs::finalize(&app.by(by), id).await,
    }
    .map(drop)
}

/// What the table says: whether it is allowed.
fn expected(who: Who, own: Status, before: Option<JobStatus>, action: JobAction, live: bool) -> bool {
    let side = match who {
        Who::Client => Side::Client,
        Who::Worker => Side::Worker,
        Who::Stranger => return false,
        Who::Support | Who::Admin | Who::Auditor => {
            let asker = Caller::Staff { write: who != Who::Auditor, admin: who == Who::Admin };
            let active = own == Status::Active;
            let wish = Asked { action, revision: None, reason: Some(JobReason::Other) };
            let offered_by = Side::Client;
            let facts = Facts { status: before, revision: 1, offered_by, change_requests: 0 };
            let staffs = matches!(action, JobAction::Cancel | JobAction::Finalize);
            return active && staffs && decide(&facts, asker, &wish).is_ok();
        }
    };
    // A new job is independent of those that are over.
    let status = if action == JobAction::Create { None } else { before };
    let facts = Facts { status, revision: 1, offered_by: Side::Client, change_requests: 0 };
    let wish = Asked { action, revision: Some(1), reason: Some(JobReason::Other) };
    let allowed = decide(&facts, Caller::Party { side, own, other: Status::Active }, &wish).is_ok();
    allowed && !(action == JobAction::Create && live)
}

async fn set_status(test: &TestApp, user: UserId, status: Status) {
    sql(test, move |conn| {
        Box::pin(async move {
            q!(conn => exec, "UPDATE users SET status = $2 WHERE id = $1", user, status)?;
            Ok(())
        })
    })
    .await;
}

/// A job as it was, with its thread: whatever an attempt did is undone.
async fn reset(test: &TestApp, pair: &Pair, id: JobId, status: JobStatus) {
    let (thread, due) = (pair.thread, transitions::due(status, test.app().now()));
    let finalized = (status == JobStatus::Finalized).then(|| test.app().now());
    sql(test, move |conn| {
        Box::pin(async move {
            q!(conn => exec, "DELETE FROM job_offers WHERE job_id <> $1 OR revision > 1", id)?;
            q!(conn => exec, "DELETE FROM job_history WHERE job_id <> $1 OR entry > 1", id)?;
            q!(conn => exec, "DELETE FROM jobs WHERE id <> $1", id)?;
            q!(conn => exec,
                "UPDATE jobs SET status = $2, revision = 1, offered_by = 'client', change_requests = 0, entries = 1, due_at = $3, \
                 finalized_at = $4, version = 1 WHERE id = $1",
                id, status, due, finalized)?;
            q!(conn => exec, "UPDATE threads SET status = 'open', closed_reason = NULL WHERE id = $1", thread)?;
            Ok(())
        })
    })
    .await;
}

/// An actor as whoever checked the token saw them: the account may stand otherwise by now.
fn seen_as(actor: &Actor, status: Status) -> Actor {
    let Actor::User(user) = actor else { panic!("{actor:?} has no account") };
    let mut user = (**user).clone();
    user.account.status = status;
    Actor::User(std::sync::Arc::new(user))
}

#[tokio::test]
async fn every_state_action_side_and_account_status_is_as_the_table_says() {
    for test in testing::apps().await {
        let app = test.app();
        let pair = pair(&test).await;
        let id = created(&test, &pair).await.id;
        let others = [
            (Who::Stranger, test.actor(Role::Client).await),
            (Who::Support, test.actor(Role::Support).await),
            (Who::Admin, test.actor(Role::Admin).await),
            (Who::Auditor, test.actor(Role::Auditor).await),
        ];
        let mut tried = 0;
        let mut allowed = 0;
        for status in JobStatus::ALL {
            reset(&test, &pair, id, *status).await;
            for who in EVERYBODY {
                let actor = match who {
                    Who::Client => &pair.client,
                    Who::Worker => &pair.worker,
                    other => &others.iter().find(|(who, _)| *who == other).unwrap().1,
                };
                for own in Status::ALL {
                    if matches!(who, Who::Client | Who::Worker) {
                        set_status(&test, actor.user_id().unwrap(), *own).await;
                    }
                    for action in JobAction::ALL {
                        let expected = expected(who, *own, Some(*status), *action, status.is_live());
                        let mut seen = vec![*own];
                        if matches!(who, Who::Client | Who::Worker) && *own != Status::Active {
                            // The token was checked just before the restriction: what counts is the account now.
                            seen.push(Status::Active);
                        }
                        for seen in seen {
                            let by = seen_as(actor, seen);
                            let answer = attempt(app, &by, who, &pair, id, *action).await;
                            tried += 1;
                            let at = format!("{who:?} ({own}, seen {seen}) {action} in {status}: {answer:?}");
                            assert_eq!(answer.is_ok(), expected, "{at}");
                            if expected {
                                allowed += 1;
                                reset(&test, &pair, id, *status).await;
                            } else {
                                let code = answer.unwrap_err().code();
                                let known =
                                    matches!(code, ErrorCode::Conflict | ErrorCode::Forbidden | ErrorCode::NotFound);
                                assert!(known, "{at}");
                                if who == Who::Stranger && seen == Status::Active {
                                    assert_eq!(code, ErrorCode::NotFound, "{at}");
                                }
                            }
                        }
                    }
                    if matches!(who, Who::Client | Who::Worker) {
                        set_status(&test, actor.user_id().unwrap(), Status::Active).await;
                    }
                }
            }
        }
        // Each row of the table was gone through, and much was refused.
        assert!(allowed >= transitions::TRANSITIONS.len() && tried > 6 * 6 * 5 * 8, "{allowed} of {tried}");
        test.close().await;
    }
}

/// Without a job at all, only the client of the thread begins one.
#[tokio::test]
async fn only_an_active_client_of_the_thread_begins() {
    for test in testing::apps().await {
        let pair = pair(&test).await;
        let stranger = test.actor(Role::Client).await;
        for who in [Who::Client, Who::Worker, Who::Stranger] {
            let actor = match who {
                Who::Client => &pair.client,
                Who::Worker => &pair.worker,
                _ => &stranger,
            };
            for own in Status::ALL {
                set_status(&test, actor.user_id().unwrap(), *own).await;
                let answer = party(test.app(), actor, &pair, JobId(uuid::Uuid::nil()), JobAction::Create).await;
                let expected = expected(who, *own, None, JobAction::Create, false);
                assert_eq!(answer.is_ok(), expected, "{who:?} {own}: {answer:?}");
                if expected {
                    let mine = jobs::own(&test.app().by(actor), &OwnJobFilter::default(), &PageRequest::first(1)).await;
                    let id = mine.unwrap().items[0].id;
                    jobs::cancel(&test.app().by(actor), id, because(JobReason::Other)).await.unwrap();
                }
                set_status(&test, actor.user_id().unwrap(), Status::Active).await;
            }
        }
        test.close().await;
    }
}
