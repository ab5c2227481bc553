//! Two servers on one database mail notifications, and one of them is killed amid it: each mail arrives, and only what was on
//! its way at that moment arrives twice, as the same mail.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::future::join_all;
use marketplace_core::testing::smtp::{Accepted, Fault, MailServer, Step};
use marketplace_tests::{Engine, Http, Market, server, stories};
use serde_json::json;

stories![each_notification_is_mailed_though_a_server_is_killed];

/// Clients who begin jobs and cancel them.
const CLIENTS: usize = 5;
/// How often each does.
const ROUNDS: usize = 12;
/// Of the mails about an offer, and about the end of a job.
const SUBJECTS: [&str; 2] = ["You have a new offer", "A job was cancelled"];
/// Mails that a server sends at the same time.
const TOGETHER: usize = 8;

async fn within_two_minutes(what: &str, done: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_mins(2), "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Only on PostgreSQL: one SQLite file is one server's.
async fn each_notification_is_mailed_though_a_server_is_killed(engine: Engine) {
    if engine == Engine::Sqlite {
        return;
    }
    let mut market = Market::open(engine).await;
    let mut clients = vec![(market.jon.clone(), market.thread.clone())];
    clients.extend(join_all((1..CLIENTS).map(|_| market.another_client())).await);
    let mails = MailServer::start().await;
    market.app.kill();
    market.app.set("SMTP_URL", &mails.url());
    market.app.run().await;
    let other = market.app.beside().await;
    let to_ada = || -> Vec<Accepted> {
        let is_about_a_job = |mail: &Accepted| mail.header("Subject").is_some_and(|text| SUBJECTS.contains(&text));
        let to_ada = |mail: &Accepted| mail.to.eq_ignore_ascii_case(&market.ada.email) && is_about_a_job(mail);
        mails.accepted().into_iter().filter(to_ada).collect()
    };

    // Everything is asked of the server that lives; both send.
    let busy = join_all(clients.iter().map(|(person, thread)| {
        let http = Http::new(&other.url).with_token(person.http.token.clone().unwrap());
        async move {
            for _ in 0..ROUNDS {
                let body = json!({ "thread_id": thread, "offer": marketplace_tests::market::offer(40_000) });
                let job = http.post("/v1/jobs", body).await.ok()["id"].as_str().unwrap().to_owned();
                let why = json!({ "reason": "not_needed" });
                http.post(&format!("/v1/jobs/{job}/cancel"), why).await.ok();
            }
        }
    }));
    let killing = async {
        within_two_minutes("mails begin to arrive", async || to_ada().len() > 20).await;
        // What is taken from now on is taken without either server knowing it yet.
        mails.fail(Step::Content, Fault::Trickle);
        let before = to_ada().len();
        within_two_minutes("both servers are amid sending", async || to_ada().len() >= before + 2).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let ((), _) = tokio::join!(killing, busy);
    market.app.kill();
    let at_kill = to_ada().len();
    mails.recover();

    let db = market.app.db().await;
    let number = async |sql: &'static str| server::number(&db, sql).await;
    within_two_minutes("the other server goes on", async || {
        number("SELECT count(*) FROM notifications WHERE mail_at <= now()").await == 0
            && number("SELECT count(*) FROM mail_outbox WHERE attempts = 0").await == 0
    })
    .await;
    // Its own slow ones end; what the other had taken waits for its next try, which is brought forward.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let left = number("SELECT count(*) FROM mail_outbox").await;
    assert!(usize::try_from(left).unwrap() <= TOGETHER, "{left} wait");
    server::execute(&db, "UPDATE mail_outbox SET not_before = now()").await;
    within_two_minutes("everything is sent", async || number("SELECT count(*) FROM mail_outbox").await == 0).await;

    // In the list each is once.
    let expected = 2 * CLIENTS * ROUNDS;
    let listed = number(
        "SELECT count(*) FROM notifications n JOIN users u ON u.id = n.user_id \
         WHERE u.role = 'worker' AND n.kind IN ('offer', 'job_cancelled')",
    )
    .await;
    assert_eq!(usize::try_from(listed).unwrap(), expected);
    assert_eq!(
        number("SELECT count(*) FROM (SELECT DISTINCT user_id, kind, target FROM notifications) AS each").await,
        number("SELECT count(*) FROM notifications").await
    );
    // And each was mailed; twice only what was on its way.
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    let arrived = to_ada();
    for (at, mail) in arrived.iter().enumerate() {
        by_id.entry(mail.header("Message-ID").unwrap().to_owned()).or_default().push(at);
    }
    assert_eq!(by_id.len(), expected, "each is mailed");
    let twice: Vec<_> = by_id.values().filter(|places| places.len() > 1).collect();
    assert!(twice.len() <= TOGETHER, "{} twice", twice.len());
    for places in &twice {
        assert!(places.len() == 2 && places[0] < at_kill && places[1] >= at_kill, "{places:?}, killed at {at_kill}");
        let [first, second] = [&arrived[places[0]], &arrived[places[1]]];
        assert_eq!(first.header("Subject"), second.header("Subject"));
    }
    println!("{expected} notifications; {} mails on their way at the kill arrived twice", twice.len());
    db.close().await;
}
