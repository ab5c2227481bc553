use std::time::Duration;

use super::*;
use crate::{
    accounts::model::Status,
    base::{error::ErrorCode, money::Money, patch::Patch, permission::Role},
    messaging::model::RemovalReason,
    records::mail::Template,
    services::{
        model::{OwnServices, ServiceFilter},
        store,
    },
    users::{UpdateMe, update_me},
};

async fn refused<T: std::fmt::Debug>(answer: impl Future<Output = crate::base::error::Result<T>>, code: ErrorCode) {
    assert_eq!(answer.await.unwrap_err().code(), code);
}

#[tokio::test]
async fn from_draft_to_publication_and_back() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let draft = create(&app.by(&worker), new("Piano lessons")).await.unwrap();
        assert_eq!((draft.status, draft.public, draft.version), (ServiceStatus::Draft, false, 1));
        refused(get(app, draft.id), ErrorCode::NotFound).await;
        refused(async { close(&app.by(&worker), draft.id).await }, ErrorCode::Conflict).await;
        let shown = publish(&app.by(&worker).at_version(Some(1)), draft.id).await.unwrap();
        assert_eq!((shown.status, shown.public, shown.version), (ServiceStatus::Published, true, 2));
        refused(async { publish(&app.by(&worker).at_version(Some(1)), draft.id).await }, ErrorCode::PreconditionFailed)
            .await;
        // Again changes nothing.
        assert_eq!(publish(&app.by(&worker), draft.id).await.unwrap(), shown);
        assert_eq!(get(app, draft.id).await.unwrap().worker.id, id(&worker));
        assert_eq!(found(&test, &q("piano")).await, ["Piano lessons"]);
        let price = Patch::Set(Money::new(4_000, "EUR").into());
        let change = UpdateService { title: Patch::Set("Violin lessons".into()), price, ..UpdateService::default() };
        let changed = update(&app.by(&worker).at_version(Some(2)), draft.id, change).await.unwrap();
        assert_eq!((changed.version, changed.price.as_ref().unwrap().amount), (3, 4_000));
        let same = update(&app.by(&worker).at_version(Some(3)), draft.id, UpdateService::default()).await.unwrap();
        assert_eq!(same, changed, "an empty update changes nothing");
        assert!(found(&test, &q("piano")).await.is_empty());
        assert_eq!(found(&test, &q("violin")).await, ["Violin lessons"]);
        let closed = close(&app.by(&worker), draft.id).await.unwrap();
        assert_eq!((closed.status, closed.version), (ServiceStatus::Closed, 4));
        assert_eq!(close(&app.by(&worker), draft.id).await.unwrap(), closed);
        refused(get(app, draft.id), ErrorCode::NotFound).await;
        assert!(found(&test, &q("violin")).await.is_empty());
        publish(&app.by(&worker), draft.id).await.unwrap();
        assert_eq!(found(&test, &q("violin")).await, ["Violin lessons"]);
        delete(&app.by(&worker), draft.id).await.unwrap();
        refused(async { own_one(&app.by(&worker), draft.id).await }, ErrorCode::NotFound).await;
        refused(async { delete(&app.by(&worker), draft.id).await }, ErrorCode::NotFound).await;
        assert!(found(&test, &SearchFilter::default()).await.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn only_its_worker_touches_a_service() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let (draft, shown) =
            (create(&app.by(&worker), new("Draft")).await.unwrap(), published(&test, &worker, new("Shown")).await);
        let stranger = test.approved_worker().await;
        for service in [draft.id, shown.id] {
            refused(async { own_one(&app.by(&stranger), service).await }, ErrorCode::NotFound).await;
            refused(async { update(&app.by(&stranger), service, UpdateService::default()).await }, ErrorCode::NotFound)
                .await;
            refused(async { publish(&app.by(&stranger), service).await }, ErrorCode::NotFound).await;
            refused(async { close(&app.by(&stranger), service).await }, ErrorCode::NotFound).await;
            refused(async { delete(&app.by(&stranger), service).await }, ErrorCode::NotFound).await;
        }
        refused(get(app, draft.id), ErrorCode::NotFound).await;
        let client = test.actor(Role::Client).await;
        refused(async { create(&app.by(&client), new("Mine")).await }, ErrorCode::Forbidden).await;
        refused(
            async { own(&app.by(&client), &OwnServices::default(), &PageRequest::first(1)).await },
            ErrorCode::Forbidden,
        )
        .await;
        let page = own(&app.by(&worker), &OwnServices::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.items.len(), 2);
        let drafts = OwnServices { status: Some(ServiceStatus::Draft) };
        let page = own(&app.by(&worker), &drafts, &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.items.iter().map(|service| service.id).collect::<Vec<_>>(), [draft.id]);
        test.close().await;
    }
}

#[tokio::test]
async fn publishing_needs_an_active_worker_with_an_approval_in_effect() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Worker, Status::Active).await;
        let (worker, _) = test.log_in(user).await;
        let draft = create(&app.by(&worker), new("Piano")).await.unwrap();
        refused(async { publish(&app.by(&worker), draft.id).await }, ErrorCode::Forbidden).await;
        test.approve(user).await;
        // What the actor knew when the call began does not matter.
        publish(&app.by(&worker), draft.id).await.unwrap();
        close(&app.by(&worker), draft.id).await.unwrap();
        act(&test, user, UserAction::Freeze).await;
        refused(async { publish(&app.by(&worker), draft.id).await }, ErrorCode::Forbidden).await;
        refused(async { create(&app.by(&worker), new("Another")).await }, ErrorCode::Forbidden).await;
        act(&test, user, UserAction::Unfreeze).await;
        test.advance(Duration::from_hours(24 * 366));
        refused(async { publish(&app.by(&worker), draft.id).await }, ErrorCode::Forbidden).await;
        test.close().await;
    }
}

#[tokio::test]
async fn services_vanish_with_their_worker_and_come_back() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let service = published(&test, &worker, new("Piano lessons")).await;
        let other = test.approved_worker().await;
        published(&test, &other, new("Piano tuning")).await;
        let seen = async || {
            let page = of_worker(app, id(&worker), &PageRequest::first(5)).await;
            let counts = (found(&test, &q("piano")).await.len(), found(&test, &SearchFilter::default()).await.len());
            (counts, get(app, service.id).await.is_ok(), page.map_or(0, |page| page.items.len()))
        };
        assert_eq!(seen().await, ((2, 2), true, 1));
        for (action, back) in [(UserAction::Ban, UserAction::Unban), (UserAction::Freeze, UserAction::Unfreeze)] {
            act(&test, id(&worker), action).await;
            assert_eq!(seen().await, ((1, 1), false, 0));
            let visible = store::count_visible(&mut app.db.read().await.unwrap().conn(), 9).await.unwrap();
            assert_eq!(visible, 1);
            act(&test, id(&worker), back).await;
            assert_eq!(seen().await, ((2, 2), true, 1));
        }
        // The end of an approval counts before any timer has run, and after.
        test.advance(Duration::from_hours(24 * 364));
        test.approve(id(&other)).await;
        test.advance(Duration::from_hours(24 * 2));
        assert_eq!(seen().await, ((1, 1), false, 0));
        app.run_due().await.unwrap();
        assert_eq!(seen().await, ((1, 1), false, 0));
        assert_eq!(store::count_visible(&mut app.db.read().await.unwrap().conn(), 9).await.unwrap(), 1);
        test.approve(id(&worker)).await;
        assert_eq!(seen().await, ((2, 2), true, 1));
        test.close().await;
    }
}

#[tokio::test]
async fn a_name_finds_its_worker_s_services_until_it_changes_or_is_erased() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        published(&test, &worker, new("Piano lessons")).await;
        let name = |name: &str| UpdateMe { name: Patch::Set(name.into()), ..UpdateMe::default() };
        update_me(&app.by(&worker), name("Zdenka Novotná")).await.unwrap();
        assert_eq!(found(&test, &q("novotna")).await.len(), 1);
        assert_eq!(found(&test, &q("zdenca")).await.len(), 1);
        update_me(&app.by(&worker), name("Ada Obi")).await.unwrap();
        assert!(found(&test, &q("novotna")).await.is_empty());
        let words = async || {
            let mut reader = app.db.read().await.unwrap();
            q!(&mut reader.conn() => vals String, "SELECT word FROM search_words ORDER BY word").unwrap()
        };
        assert_eq!(words().await, ["ada", "lessons", "lyon", "obi", "piano"]);
        act(&test, id(&worker), UserAction::Delete).await;
        assert!(found(&test, &SearchFilter::default()).await.is_empty());
        assert!(words().await.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn a_service_that_a_thread_is_about_leaves_its_title() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, client) = (test.approved_worker().await, test.actor(Role::Client).await);
        let mut ids = Vec::new();
        for title in ["Piano lessons", "Violin lessons"] {
            let service = published(&test, &worker, new(title)).await;
            let (service, client, worker) = (service.id, id(&client), id(&worker));
            let thread = crate::base::ids::ThreadId::new(app.now(), app.random.as_ref());
            let now = app.now();
            let write = app.db.write(move |conn| {
                Box::pin(async move {
                    q!(conn => exec,
                        "INSERT INTO threads (id, service_id, client_id, worker_id, status, last_seq, last_at, client_read, worker_read, \
                         client_unread, worker_unread, version, created_at) VALUES ($1, $2, $3, $4, 'open', 0, $5, 0, 0, 0, 0, 1, $5)",
                        thread, service, client, worker, now)?;
                    Ok(())
                })
            });
            write.await.unwrap();
            ids.push(service);
        }
        let title = async |id: ServiceId| {
            let mut reader = app.db.read().await.unwrap();
            q!(&mut reader.conn() => one (String, ServiceStatus), "SELECT title, status FROM services WHERE id = $1", id).unwrap()
        };
        assert_eq!(title(ids[0]).await, ("Piano lessons".into(), ServiceStatus::Published));
        delete(&app.by(&worker), ids[0]).await.unwrap();
        assert_eq!(title(ids[0]).await, ("Piano lessons".into(), ServiceStatus::Deleted));
        refused(async { own_one(&app.by(&worker), ids[0]).await }, ErrorCode::NotFound).await;
        act(&test, id(&worker), UserAction::Delete).await;
        assert_eq!(title(ids[0]).await.0, "Deleted service");
        assert_eq!(title(ids[1]).await, ("Deleted service".into(), ServiceStatus::Deleted));
        test.close().await;
    }
}

#[tokio::test]
async fn what_staff_close_stays_closed_until_they_take_it_back() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, support) = (test.approved_worker().await, test.actor(Role::Support).await);
        let shown = published(&test, &worker, new("Magic powder")).await;
        test.advance(Duration::from_secs(1));
        let draft = create(&app.by(&worker), new("More of it")).await.unwrap();
        let by = app.by(&support);
        refused(staff_close(&app.by(&worker), shown.id, RemovalReason::Fraud), ErrorCode::Forbidden).await;
        let stale = by.at_version(Some(9));
        refused(staff_close(&stale, shown.id, RemovalReason::Fraud), ErrorCode::PreconditionFailed).await;
        let closed = staff_close(&by, shown.id, RemovalReason::Fraud).await.unwrap();
        assert_eq!((closed.changed, closed.item.service.status), (true, ServiceStatus::Closed));
        assert_eq!(closed.item.service.closed_reason, Some(RemovalReason::Fraud));
        assert!(!staff_close(&by, shown.id, RemovalReason::Spam).await.unwrap().changed);
        assert!(staff_close(&by, draft.id, RemovalReason::Fraud).await.unwrap().changed);
        assert!(found(&test, &q("magic")).await.is_empty());
        for service in [shown.id, draft.id] {
            refused(async { publish(&app.by(&worker), service).await }, ErrorCode::Conflict).await;
        }
        let own = own_one(&app.by(&worker), shown.id).await.unwrap();
        assert_eq!(own.closed_reason, Some(RemovalReason::Fraud));
        let told = test.mails().await.into_iter().filter(|mail| mail.template == Template::ServiceClosed);
        let mut told: Vec<String> = told.filter_map(|mail| mail.comment).collect();
        told.sort();
        assert_eq!(told, ["“Magic powder”: fraud", "“More of it”: fraud"]);

        let list = async |filter: ServiceFilter| staff_list(&by, &filter, &PageRequest::default()).await;
        let closed = ServiceFilter { status: Some(ServiceStatus::Closed), ..ServiceFilter::default() };
        let all = list(closed).await.unwrap().items;
        assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [draft.id, shown.id]);
        assert!(all.iter().all(|row| row.worker_name.contains('•')), "{all:?}");
        let theirs = ServiceFilter { worker_id: worker.user_id(), ..ServiceFilter::default() };
        assert_eq!(list(theirs).await.unwrap().items.len(), 2);
        assert_eq!(list(ServiceFilter::default()).await.unwrap().items.len(), 2);

        assert!(staff_reopen(&by, shown.id).await.unwrap().changed);
        assert!(!staff_reopen(&by, shown.id).await.unwrap().changed);
        publish(&app.by(&worker), shown.id).await.unwrap();
        assert_eq!(found(&test, &q("magic")).await, ["Magic powder"]);
        delete(&app.by(&worker), shown.id).await.unwrap();
        refused(staff_close(&by, shown.id, RemovalReason::Spam), ErrorCode::NotFound).await;
        test.close().await;
    }
}
