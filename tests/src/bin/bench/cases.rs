//! Loads the database, and says what is asked in each case.

use marketplace_core::staff::{Connection, ListQuery, ListThreads, ListUsers};
use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result};
use marketplace_core::{
    accounts::{
        model::{NewUser, Password, Status},
        summary::{UserFilter, UserSummary},
    },
    actor::{Actor, Operator},
    app::App,
    auth::{self, ClientInfo},
    base::permission::Role,
    ids::{ServiceId, ThreadId, UserId},
    messaging::{
        self,
        model::{NewMessage, ThreadFilter, ThreadStatus},
    },
    page::{Page, PageRequest, TimeCursor},
    services::{
        self,
        model::{SearchFilter, ServiceSort},
    },
    time::Timestamp,
};
use marketplace_seed as seed;
use marketplace_tests::{Server, people::PASSWORD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::load::{Ask, CONNECTIONS};

/// Rows on a page in the cases.
const PAGE: u16 = 50;

/// Rows on a page of what clients and workers read.
const OWN_PAGE: u16 = 20;
/// Messages that each measured conversation has at least.
const MESSAGES: usize = 40;
/// Connections of the cases in which latency is measured rather than throughput.
const MODERATE: usize = 4;
/// Places in the table of users for requests with random ids.
const PLACES: u64 = 20_000;
/// Search queries: common words, beginnings of words, a typo, several words, and a place.
const SEARCHES: [&str; 8] = [
    "q=repair",
    "q=clean",
    "q=guit",
    "q=plumbr",
    "q=garden%20lawn",
    "q=photo&sort=rating",
    "q=lessons&sort=newest",
    "lat=52.52&lon=13.405&radius_km=50&sort=distance",
];

/// Beginnings of queries as they are typed: frequent and rare, one character and several words, and one without results.
const TYPED: [&str; 16] = [
    "p",
    "pl",
    "plu",
    "plumb",
    "re",
    "clean",
    "g",
    "gar",
    "garden%20l",
    "photo",
    "wedding%20ph",
    "math",
    "s",
    "piano%20les",
    "berlin%20pl",
    "zzq",
];

/// A case: the requests, and over how many connections they are sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Requests, distributed over the connections.
    pub asks: Vec<Ask>,
    /// The number of connections.
    pub connections: usize,
}

/// A conversation and its two participants.
#[derive(Debug, Clone)]
pub struct Talk {
    /// The thread.
    pub thread: ThreadId,
    /// The client's token.
    pub client: String,
    /// The worker's token.
    pub worker: String,
}

/// The result of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The cases, in the order in which they are run.
    pub plans: Vec<Plan>,
    /// One conversation for each connection.
    pub talks: Vec<Talk>,
    /// Requests while others log in.
    pub crowd: Crowd,
}

/// A crowd that logs in, and users who are already logged in.
#[derive(Debug)]
pub struct Crowd {
    /// Reads of the caller's own account, and of services.
    pub reads: Vec<Ask>,
    /// Logins, one for each connection.
    pub logins: Vec<Ask>,
}

/// Loads a database, and returns the cases with the requests of each connection.
pub async fn load(server: &Server, rows: u64) -> Result<Loaded> {
    let app = server.open_app().await?;
    let market = seed::Volume { services: Some(rows), messages: Some(rows * 2), ..seed::Volume::default() };
    let plan = seed::Plan { users: rows, images: seed::Images::None, market, ..seed::Plan::default() };
    seed::run(&app, &plan, &|_| ()).await?;
    let operator = Actor::Operator(Operator { os_user: "bench".into(), host: "localhost".into() });
    let api = Connection::direct(app.clone(), operator.clone());

    let workers = workers(&api).await?;
    let emails: Vec<String> = workers.iter().map(|worker| worker.email.clone()).collect();
    let mut tokens = Vec::new();
    for email in &emails {
        tokens.push(log_in(&app, email).await?);
    }
    let talks = talks(&app, &api, &operator).await?;
    let services = services(&app).await?;
    let staff = staff_token(server, &app, &operator).await?;
    let middle = middle_of_users(&api, rows).await?;
    let random = random(&app, &api, &staff).await?;
    app.close().await;

    let each = |path: &str| tokens.iter().map(|token| Ask::get(path, token)).collect();
    let of_client = |path: &dyn Fn(ThreadId) -> String| {
        talks.iter().map(|talk| Ask::get(path(talk.thread), &talk.client)).collect::<Vec<_>>()
    };
    let message =
        json!({ "client_msg_id": "bench-{n}", "content": "Could you come on Thursday at nine? The key is next door." });
    let send =
        |talk: &Talk| Ask::post(format!("/v1/threads/{}/messages", talk.thread), Some(talk.client.clone()), &message);
    let login =
        |email: &String| Ask::post("/v1/auth/login", None, &json!({ "email": email, "password": seed::PASSWORD }));
    let services: Vec<Ask> = services.iter().map(|id| Ask::public(format!("/v1/services/{id}"))).collect();
    let me: Vec<Ask> = each("/v1/me");
    let logins: Vec<Ask> = emails.iter().map(login).collect();
    let both = me.iter().zip(&services).flat_map(|(one, other)| [one.clone(), other.clone()]);
    let crowd = Crowd { reads: both.collect(), logins: logins.clone() };
    // Each is on the audit log before it is answered.
    let reveals = workers
        .iter()
        .map(|worker| Ask::post(format!("/v1/admin/users/{}/reveal", worker.id), Some(staff.clone()), &json!({})));
    let many = |name: &str, asks| Plan { name: name.to_owned(), asks, connections: CONNECTIONS };
    let plans = vec![
        many("me", me),
        many("service", services),
        Plan {
            name: "search".to_owned(),
            asks: SEARCHES.iter().map(|query| Ask::public(format!("/v1/services?limit={OWN_PAGE}&{query}"))).collect(),
            connections: MODERATE,
        },
        Plan {
            name: "suggest".to_owned(),
            asks: TYPED.iter().map(|typed| Ask::public(format!("/v1/services/suggest?q={typed}"))).collect(),
            connections: MODERATE,
        },
        many("threads", of_client(&|_| format!("/v1/threads?limit={PAGE}"))),
        many("messages", of_client(&|thread| format!("/v1/threads/{thread}/messages?limit={OWN_PAGE}"))),
        many("send", talks.iter().map(send).collect()),
        many("users_first", vec![Ask::get(format!("/v1/admin/users?limit={PAGE}"), &staff)]),
        many("users_deep", vec![Ask::get(format!("/v1/admin/users?limit={PAGE}&after={middle}"), &staff)]),
        many("kyc_queue", vec![Ask::get(format!("/v1/admin/kyc?limit={PAGE}"), &staff)]),
        many("jobs_page", vec![Ask::get(format!("/v1/admin/jobs?limit={PAGE}"), &staff)]),
        many("random", random),
        many("staff_actions", reveals.collect()),
        many("login", logins),
    ];
    Ok(Loaded { plans, talks, crowd })
}

async fn log_in(app: &App, email: &str) -> Result<String> {
    Ok(auth::login(app, &client(), email, &Password::new(seed::PASSWORD)).await?.access_token)
}

/// Returns conversations of as many clients as there are connections, in which both may write, with enough messages for
/// a page.
async fn talks(app: &App, api: &Connection, operator: &Actor) -> Result<Vec<Talk>> {
    let filter = ThreadFilter { status: Some(ThreadStatus::Open), ..ThreadFilter::default() };
    let (mut page, mut talks, mut clients) = (PageRequest::first(200), Vec::new(), HashSet::new());
    while talks.len() < CONNECTIONS {
        let found = api.call::<ListThreads>((), ListQuery::new(&filter, &page), ()).await?;
        for thread in found.items {
            if talks.len() == CONNECTIONS || clients.contains(&thread.client_id) {
                continue;
            }
            let client = token_of(app, operator, thread.client_id).await;
            let worker = token_of(app, operator, thread.worker_id).await;
            // A banned user cannot log in, and a frozen or blocked one cannot write.
            if let (Ok(client), Ok(worker)) = (client, worker)
                && talk(app, thread.id, &client).await.is_ok()
            {
                clients.insert(thread.client_id);
                talks.push(Talk { thread: thread.id, client, worker });
            }
        }
        page.after = Some(found.next.context("there are too few conversations")?);
    }
    Ok(talks)
}

async fn token_of(app: &App, operator: &Actor, user: UserId) -> Result<String> {
    let email = marketplace_core::users::reveal(&app.by(operator), user, None).await?.email;
    log_in(app, &email).await
}

/// Sends a few more messages.
async fn talk(app: &App, thread: ThreadId, token: &str) -> Result<()> {
    let actor = auth::authenticate(app, token).await?;
    let said = (0..MESSAGES).map(|n| {
        let message = NewMessage {
            client_msg_id: format!("before-{n}"),
            content: format!(
                "Message {n}, of about the length that people write to each other when they agree on something."
            ),
            attachments: Vec::new(),
        };
        let op = app.by(&actor);
        async move { messaging::send(&op, thread, message).await }
    });
    futures::future::try_join_all(said).await?;
    Ok(())
}

/// Returns services that everybody may see, one for each connection.
async fn services(app: &App) -> Result<Vec<ServiceId>> {
    let filter = SearchFilter { sort: Some(ServiceSort::Newest), ..SearchFilter::default() };
    let found = services::search(app, &filter, &PageRequest::first(u16::try_from(CONNECTIONS)?)).await?;
    Ok(found.items.into_iter().map(|service| service.id).collect())
}

fn client() -> ClientInfo {
    ClientInfo { ip: [127, 0, 0, 1].into(), user_agent: "bench".into(), language: None }
}

/// Returns one worker for each connection.
async fn workers(api: &Connection) -> Result<Vec<UserSummary>> {
    let filter =
        UserFilter { role: Some(Role::Worker), status: Some(Status::Active), reveal: true, ..UserFilter::default() };
    let page = api
        .call::<ListUsers>((), ListQuery::new(&filter, &PageRequest::first(u16::try_from(CONNECTIONS)?)), ())
        .await?;
    Ok(page.items)
}

/// Returns the token of an admin, who is created and invited by mail like any other.
async fn staff_token(server: &Server, app: &App, operator: &Actor) -> Result<String> {
    let email = "bench.admin@example.org";
    let new = NewUser { role: Role::Admin, email: email.into(), name: "Bench".into(), phone: None };
    marketplace_core::users::create(&app.by(operator), &new).await?;
    app.run_due().await?;
    let token = server.mail(email, 1).await.token();
    auth::reset_password(app, &client(), &token, &Password::new(PASSWORD)).await?;
    Ok(auth::login(app, &client(), email, &Password::new(PASSWORD)).await?.access_token)
}

/// Returns requests for accounts, profiles and services all over the tables, so that few of their pages are read twice.
async fn random(app: &App, api: &Connection, staff: &str) -> Result<Vec<Ask>> {
    let list = async |before: Timestamp| {
        let place = TimeCursor { at: before, id: Uuid::max() };
        let page = PageRequest { limit: 1, after: Page::of_list("users", vec![(), ()], 1, |()| place).next };
        api.call::<ListUsers>((), ListQuery::new(&UserFilter::default(), &page), ()).await
    };
    let newest = list(Timestamp::MAX).await?.items.pop().context("there are no users")?.created_at;
    let mut oldest = newest;
    let mut step = Duration::from_hours(1);
    while let Some(user) = list(newest - step).await?.items.pop() {
        oldest = user.created_at;
        step = step.saturating_mul(2);
    }
    let span = u64::try_from(newest.since(oldest).as_micros())?;
    let mut asks = Vec::new();
    // The golden ratio spreads any number of points evenly, and in no order that a cache would like.
    for place in (0..PLACES).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % span.max(1)) {
        let Some(user) = list(oldest + Duration::from_micros(place)).await?.items.pop() else { continue };
        asks.push(Ask::get(format!("/v1/admin/users/{}", user.id), staff));
        if user.role == Role::Worker && user.status == Status::Active {
            let Ok(offered) = services::of_worker(app, user.id, &PageRequest::first(1)).await else { continue };
            asks.push(Ask::public(format!("/v1/workers/{}", user.id)));
            asks.extend(offered.items.into_iter().map(|service| Ask::public(format!("/v1/services/{}", service.id))));
        }
    }
    Ok(asks)
}

/// Returns the cursor in the middle of all users.
async fn middle_of_users(api: &Connection, rows: u64) -> Result<String> {
    let mut page = PageRequest::first(200);
    for _ in 0..(rows / 400).max(1) {
        page.after = api.call::<ListUsers>((), ListQuery::new(&UserFilter::default(), &page), ()).await?.next;
    }
    page.after.context("there are too few users for a page in the middle")
}
