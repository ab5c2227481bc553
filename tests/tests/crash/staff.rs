//! Killing the server at any moment under write load loses nothing that was acknowledged.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use marketplace_tests::{Answer, Engine, Server, people::Person, pictures, stories};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

stories![everything_acknowledged_survives_a_kill];

const KILLS: u32 = 4;
const WRITERS: u32 = 8;

/// What a writer was told that it did.
#[derive(Debug, Clone)]
enum Told {
    /// A note on a user, by its text.
    Note(String),
    /// A new account, by its address.
    Account(String),
    /// A freeze (true) or the end of one, with the version that it led to.
    Version(i64),
}

async fn everything_acknowledged_survives_a_kill(engine: Engine) {
    let mut app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let jon = app.as_client().await;
    let seed = marketplace_tests::database::random_id();
    let mut random = StdRng::seed_from_u64(seed.as_u64_pair().1);
    let mut all: Vec<Told> = Vec::new();
    for round in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::new(Mutex::new(Vec::new()));
        let lea_now = Person { http: app.as_nobody().with_token(lea.http.token.clone().unwrap()), ..lea.clone() };
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (lea, jon, stop, told) = (lea_now.clone(), jon.id.clone(), stop.clone(), told.clone());
                tokio::spawn(async move {
                    let mut count = 0_u32;
                    while !stop.load(Ordering::SeqCst) {
                        count += 1;
                        let name = format!("{round}-{writer}-{count}");
                        match write_one(&lea, &jon, &name, count + writer).await {
                            Some(done) => told.lock().unwrap().push(done),
                            None => tokio::time::sleep(Duration::from_millis(1)).await,
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(150..900))).await;
        app.kill();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        all.append(&mut told.lock().unwrap());
        app.run().await;
        check(&app, &lea, &jon, &all).await;
    }
    assert!(all.len() > 20, "the load was no load: {} writes", all.len());
    println!("{} acknowledged writes survived {KILLS} kills", all.len());
    // And it works as before.
    let ada = app.as_worker().await;
    ada.submit(pictures::jpeg(1), pictures::jpeg(2)).await.ok();
}

/// One write; what was acknowledged, or nothing when the server did not live to say so.
async fn write_one(lea: &Person, jon: &str, name: &str, kind: u32) -> Option<Told> {
    let user = format!("/v1/admin/users/{jon}");
    let (path, body) = match kind % 3 {
        0 => (format!("{user}/notes"), json!({ "body": name })),
        1 => {
            let email = format!("made.{name}@example.org");
            ("/v1/admin/users".to_owned(), json!({ "role": "client", "email": email, "name": "Made" }))
        }
        _ if kind.is_multiple_of(2) => (format!("{user}/freeze"), json!({ "reason": "other" })),
        _ => (format!("{user}/unfreeze"), json!({})),
    };
    let answer = Answer::try_of(lea.request(Method::POST, &path).json(&body)).await.ok()?;
    let done = answer.ok();
    Some(match kind % 3 {
        0 => Told::Note(name.to_owned()),
        1 => Told::Account(format!("made.{name}@example.org")),
        _ => Told::Version(done["item"]["user"]["version"].as_i64().unwrap()),
    })
}

async fn check(app: &Server, lea: &Person, jon: &Person, all: &[Told]) {
    let lea = app.as_nobody().with_token(lea.http.token.clone().unwrap());
    let mut notes = std::collections::HashSet::new();
    let mut after = String::new();
    loop {
        let page = lea.get(&format!("/v1/admin/users/{}/notes?limit=200{after}", jon.id)).await.ok();
        notes.extend(page["items"].as_array().unwrap().iter().map(|note| note["body"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let version = lea.get(&format!("/v1/admin/users/{}", jon.id)).await.ok()["user"]["version"].as_i64().unwrap();
    for told in all {
        match told {
            Told::Note(body) => assert!(notes.contains(body), "the note {body} is gone"),
            Told::Version(told) => assert!(version >= *told, "version {told} was acknowledged, and it is at {version}"),
            Told::Account(email) => {
                let found = lea.get(&format!("/v1/admin/users?q={email}&reveal=true")).await.ok();
                assert_eq!(found["items"][0]["email"], email.as_str(), "the account is gone");
            }
        }
    }
    let mut from = Some(1);
    while let Some(seq) = from {
        let found = lea.get(&format!("/v1/admin/audit/verify?from={seq}&limit=1000")).await.ok();
        assert_eq!(found["broken"], Value::Null);
        from = found["next"].as_i64();
    }
}
