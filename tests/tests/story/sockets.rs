//! Sockets: who may open one, when it ends, and how whoever was away hears of what was missed.

use std::time::Duration;

use futures::future::join_all;
use marketplace_tests::{
    Answer, Engine, Http, Market, Person, Server, Socket,
    server::{self, ROOMY},
    socket::{End, Heard, Opening},
    stories,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

stories![
    sockets_open_for_people_who_are_logged_in,
    a_foreign_page_opens_no_socket,
    sockets_end_with_what_let_them_in,
    frames_that_are_none_harm_nobody,
    typing_is_told_and_not_stored_and_reading_reaches_other_devices,
    a_slow_client_is_closed_and_resumes,
    whoever_was_away_hears_each_thing_once,
    a_cursor_that_is_too_old_asks_for_a_new_start,
    two_servers_reach_each_others_sockets,
    sockets_hear_of_notifications_once_and_resume,
];

async fn ticket(person: &Person) -> String {
    person.post("/v1/ws/ticket", json!({})).await.ok()["ticket"].as_str().unwrap().to_owned()
}

/// The status with which a socket is refused.
async fn refused(app: &Server, opening: Opening) -> u16 {
    match Socket::open(&app.url, &opening).await {
        Ok(_) => panic!("a socket opened: {opening:?}"),
        Err(status) => status,
    }
}

async fn sockets_open_for_people_who_are_logged_in(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let with = |ticket: &str| Opening { ticket: Some(ticket.to_owned()), ..Opening::default() };
    assert_eq!(refused(&app, Opening::default()).await, 401);
    assert_eq!(refused(&app, with("nonsense")).await, 401);
    assert_eq!(refused(&app, Opening { token: Some("e30.e30.e30".into()), ..Opening::default() }).await, 401);
    // An access token is no ticket; a ticket is used once.
    assert_eq!(refused(&app, with(jon.http.token.as_deref().unwrap())).await, 401);
    let once = ticket(&jon).await;
    let mut socket = Socket::open(&app.url, &with(&once)).await.unwrap();
    assert_eq!(socket.hello(None).await.unwrap()["type"], "ready");
    assert_eq!(refused(&app, with(&once)).await, 401);
    socket.say(json!({ "type": "ping" })).await;
    socket.frame("pong").await;
    // Of many at once with one ticket, one gets in.
    let once = ticket(&jon).await;
    let openings = with(&once);
    let opened = join_all((0..6).map(|_| Socket::open(&app.url, &openings))).await;
    assert_eq!(opened.iter().filter(|socket| socket.is_ok()).count(), 1);
    // A ticket ends with the session that asked for it.
    let late = ticket(&jon).await;
    jon.post("/v1/auth/logout", json!({})).await.ok();
    assert_eq!(refused(&app, with(&late)).await, 401);
    assert_eq!(refused(&app, Opening { token: jon.http.token.clone(), ..Opening::default() }).await, 401);
    app.as_nobody().post("/v1/ws/ticket", json!({})).await.refused(401, "unauthenticated");
    // Without an upgrade it is no socket, and that is told in the usual way.
    let bea = app.as_client().await;
    let plain = bea.get("/v1/ws").await;
    assert!(plain.status.is_client_error(), "{}", plain.text());
    plain.problem();
}

async fn a_foreign_page_opens_no_socket(engine: Engine) {
    let settings: Vec<_> = ROOMY.iter().copied().chain([("CORS_ORIGINS", "https://app.example")]).collect();
    let app = Server::start_with(engine, &settings).await;
    let jon = app.as_client().await;
    let from = |origin: &str, token: Option<String>, ticket: Option<String>| Opening {
        origin: Some(origin.to_owned()),
        token,
        ticket,
        ..Opening::default()
    };
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        assert_eq!(refused(&app, from(origin, jon.http.token.clone(), None)).await, 403, "{origin}");
        let one = ticket(&jon).await;
        assert_eq!(refused(&app, from(origin, None, Some(one))).await, 403, "{origin}");
    }
    let one = ticket(&jon).await;
    let mut socket = Socket::open(&app.url, &from("https://app.example", None, Some(one))).await.unwrap();
    assert_eq!(socket.hello(None).await.unwrap()["type"], "ready");
}

/// Opens sockets, does something that ends them, and asserts that all end; the quickest of them within a second. The others
/// may be later where the machine has more to do than it can.
async fn end_with<F: Future<Output = ()>>(what: &str, http: &Http, act: impl FnOnce() -> F) {
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::connect(http, None).await);
    }
    let (ends, ()) = tokio::join!(join_all(sockets.iter_mut().map(Socket::end)), act());
    let quickest = ends.iter().map(|(_, time)| *time).min().unwrap();
    println!("{what}: {quickest:?}");
    for (end, _) in &ends {
        assert!(matches!(end, End::Closed(_)), "{what}: {end:?}");
    }
    let again = Socket::try_connect(http, None).await;
    assert_eq!(again.err(), Some(401), "{what}");
    assert!(quickest < Duration::from_secs(1), "{what}: {quickest:?}");
}

async fn sockets_end_with_what_let_them_in(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    // One session of two.
    let jon = app.as_client().await;
    let elsewhere = app.person(&jon.email).await;
    let mut stays = Socket::connect(&elsewhere, None).await;
    end_with("logged out", &jon, || async { drop(jon.post("/v1/auth/logout", json!({})).await.ok()) }).await;
    stays.is_quiet().await;
    // All of them.
    let act = || async { drop(elsewhere.post("/v1/auth/logout-all", json!({})).await.ok()) };
    end_with("logged out everywhere", &elsewhere, act).await;
    assert!(matches!(stays.end().await.0, End::Closed(_)));
    // By staff; the last one by the person.
    for (verb, body) in [
        ("revoke-sessions", json!({ "reason": "other" })),
        ("ban", json!({ "reason": "fraud" })),
        ("delete", json!({ "reason": "user_request" })),
    ] {
        let bea = app.as_client().await;
        let user = format!("/v1/admin/users/{}", bea.id);
        let act = || async {
            let request = if verb == "delete" {
                lea.request(Method::DELETE, &user)
            } else {
                lea.request(Method::POST, &format!("{user}/{verb}"))
            };
            Answer::of(request.json(&body)).await.ok();
        };
        end_with(verb, &bea, act).await;
    }
    let cleo = app.as_client().await;
    app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": cleo.email })).await.ok();
    let token = app.mail(&cleo.email, 2).await.token();
    let act = || async {
        let body = json!({ "token": token, "password": "an entirely new phrase" });
        app.as_nobody().post("/v1/auth/password/reset", body).await.ok();
    };
    end_with("another password", &cleo, act).await;
}

async fn frames_that_are_none_harm_nobody(engine: Engine) {
    let market = Market::open(engine).await;
    let mut fine = Socket::connect(&market.ada, None).await;
    let frames = [
        "",
        "{",
        "null",
        "[]",
        "\"hello\"",
        "{}",
        "{\"type\":\"\"}",
        "{\"type\":\"frob\"}",
        "{\"type\":7}",
        "{\"type\":\"send\"}",
        "{\"type\":\"read\",\"thread_id\":\"x\",\"seq\":1}",
        "{\"type\":\"hello\",\"cursor\":7}",
        "{\"type\":\"typing\",\"thread_id\":null}",
        "\u{0}",
    ];
    for text in frames {
        let mut socket = Socket::connect(&market.jon, None).await;
        socket.say_raw(Message::text(text)).await;
        // It is told, and goes on or is closed; both are fine, silence is not.
        match socket.heard(Duration::from_secs(30)).await {
            Heard::Frame(frame) => assert_eq!(frame["type"], "error", "{text}: {frame}"),
            Heard::End(End::Closed(_)) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    let mut socket = Socket::connect(&market.jon, None).await;
    for seq in [json!(-1), json!(0), json!(i64::MAX), json!(1.5), json!("1"), Value::Null] {
        socket.say(json!({ "type": "read", "thread_id": market.thread, "seq": seq })).await;
    }
    socket.say_raw(Message::binary(vec![0xFF, 0x00])).await;
    socket.say_raw(Message::text("x".repeat(8 * 1024 * 1024))).await;
    socket.end().await;
    // Everybody else is as before.
    market.jon.message(&market.thread, "after", "Still here").await.ok();
    assert_eq!(fine.frame("message").await["message"]["content"], "Still here");
    assert!(!market.app.output().contains("panic"), "{}", market.app.output());
}

async fn typing_is_told_and_not_stored_and_reading_reaches_other_devices(engine: Engine) {
    let market = Market::open(engine).await;
    let mut his = Socket::connect(&market.jon, None).await;
    let mut hers = Socket::connect(&market.ada, None).await;
    let mut her_desk = Socket::connect(&market.ada, None).await;
    let start = hers.cursor.clone();
    his.say(json!({ "type": "typing", "thread_id": market.thread })).await;
    let typing = hers.frame("typing").await;
    assert_eq!(typing["thread_id"], market.thread.as_str(), "{typing}");
    his.send_and_wait(&market.thread, "1", "Hello").await;
    hers.frame("message").await;
    hers.say(json!({ "type": "read", "thread_id": market.thread, "seq": 1 })).await;
    for socket in [&mut his, &mut her_desk] {
        let read = socket.frame("read").await;
        assert_eq!(
            (read["thread_id"].as_str(), read["seq"].as_i64()),
            (Some(market.thread.as_str()), Some(1)),
            "{read}"
        );
    }
    assert_eq!(market.ada.get(&format!("/v1/threads/{}", market.thread)).await.ok()["unread"], 0);
    // Later, only what is stored is told again.
    let mut again = Socket::connect(&market.ada, Some(&start)).await;
    let mut told = Vec::new();
    loop {
        match again.heard(Duration::from_secs(30)).await {
            Heard::Frame(frame) => {
                told.push(frame["type"].as_str().unwrap().to_owned());
                if frame["type"] == "read" {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, ["message", "notification", "read"]);
}

async fn a_slow_client_is_closed_and_resumes(engine: Engine) {
    let market = Market::open(engine).await;
    let opening = Opening { token: market.ada.http.token.clone(), receive_buffer: Some(4_096), ..Opening::default() };
    let mut slow = Socket::open(&market.app.url, &opening).await.unwrap();
    assert_eq!(slow.hello(None).await.unwrap()["type"], "ready");
    // Sixteen kilobytes each, far more in all than the machine and the server keep for a socket that nobody reads.
    let text = "🐴".repeat(4_000);
    let (lanes, each) = (5, 160);
    join_all((0..lanes).map(|lane| {
        let (market, text) = (&market, &text);
        async move {
            let mut quick = Socket::connect(&market.jon, None).await;
            for n in 0..each {
                quick.send_and_wait(&market.thread, &format!("{lane}-{n}"), text).await;
            }
        }
    }))
    .await;
    let count = lanes * each;
    let mut seen = Vec::new();
    let mut note = |frame: &Value| {
        if frame["type"] == "message" {
            seen.push(frame["message"]["seq"].as_i64().unwrap());
        }
        seen.len()
    };
    let end = loop {
        match slow.heard(Duration::from_secs(30)).await {
            Heard::Frame(frame) => assert!(note(&frame) < count, "it was never too slow"),
            Heard::End(end) => break end,
            Heard::Nothing => panic!("it is neither closed nor told anything"),
        }
    };
    // The server waits a moment for the client to take its good-bye, and then goes.
    assert!(matches!(end, End::Closed(1013) | End::Broken(_)), "{end:?}");
    println!("the slow one ended: {end:?}");
    let mut again = Socket::connect(&market.ada, Some(&slow.cursor)).await;
    while note(&again.frame("message").await) < count {}
    assert_eq!(seen, (1..=i64::try_from(count).unwrap()).collect::<Vec<_>>(), "each once, in order");
}

async fn whoever_was_away_hears_each_thing_once(engine: Engine) {
    let market = Market::open(engine).await;
    let mut cursor = Socket::connect(&market.ada, None).await.cursor;
    assert!(!cursor.is_empty());
    let mut expected = 1;
    for round in 0..4 {
        for n in 0..30 {
            market.jon.message(&market.thread, &format!("{round}-{n}"), "While you were away").await.ok();
        }
        let mut socket = Socket::connect(&market.ada, Some(&cursor)).await;
        // And one who comes in while it is catching up.
        market.jon.message(&market.thread, &format!("{round}-last"), "Now").await.ok();
        for _ in 0..31 {
            let frame = socket.frame("message").await;
            assert_eq!(frame["message"]["seq"], expected);
            expected += 1;
        }
        socket.is_quiet().await;
        cursor = socket.cursor;
    }
    // A cursor is nobody's secret and nobody's key: Eve hears what is hers with it.
    let eve = market.app.as_client().await;
    let mut socket = Socket::connect(&eve, Some(&cursor)).await;
    socket.is_quiet().await;
}

async fn a_cursor_that_is_too_old_asks_for_a_new_start(engine: Engine) {
    let mut market = Market::open(engine).await;
    let old = Socket::connect(&market.ada, None).await.cursor;
    market.jon.message(&market.thread, "1", "Missed").await.ok();
    market.app.kill();
    let db = market.app.db().await;
    let week = match engine {
        Engine::Sqlite => "UPDATE events SET at = at - 8 * 86400000000",
        Engine::Postgres => "UPDATE events SET at = at - interval '8 days'",
    };
    assert!(server::execute(&db, week).await > 0);
    market.app.run().await;
    for _ in 0..300 {
        if server::number(&db, "SELECT CAST(count(*) AS BIGINT) FROM events").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ada = market.app.still(&market.ada);
    for cursor in [old.as_str(), "nonsense", "99999999999.99999999999", ""] {
        let mut socket =
            Socket::open(ada.base(), &Opening { token: ada.token.clone(), ..Opening::default() }).await.unwrap();
        let answer = socket.hello(Some(cursor)).await.unwrap();
        assert_eq!(answer["type"], "resync_required", "{cursor}: {answer}");
        // It goes on from now, with nothing missing after it.
        let sent = market.app.still(&market.jon).message(&market.thread, &format!("new {cursor}"), "New").await.ok();
        assert_eq!(socket.frame("message").await["message"]["seq"], sent["seq"]);
    }
}

/// Only on PostgreSQL: one SQLite file is one server's.
async fn two_servers_reach_each_others_sockets(engine: Engine) {
    if engine == Engine::Sqlite {
        return;
    }
    let market = Market::open(engine).await;
    let other = market.app.beside().await;
    let there = |person: &Person| Http::new(&other.url).with_token(person.http.token.clone().unwrap());
    let mut hers = Socket::connect(&there(&market.ada), None).await;
    let mut his = Socket::connect(&market.jon, None).await;
    let mut near_ear = Socket::connect(&market.ada, None).await;
    let mut far_ear = Socket::connect(&there(&market.jon), None).await;
    for n in 1..=20 {
        let (text, name) = (format!("number {n}"), format!("m{n}"));
        match n % 4 {
            0 => drop(market.jon.message(&market.thread, &name, &text).await.ok()),
            1 => drop(his.send_and_wait(&market.thread, &name, &text).await),
            2 => drop(hers.send_and_wait(&market.thread, &name, &text).await),
            _ => {
                let path = format!("/v1/threads/{}/messages", market.thread);
                there(&market.jon).post(&path, json!({ "client_msg_id": name, "content": text })).await.ok();
            }
        }
    }
    for ear in [&mut near_ear, &mut far_ear] {
        for n in 1..=20 {
            let frame = ear.frame("message").await;
            assert_eq!(
                (frame["message"]["seq"].as_i64(), frame["message"]["content"].as_str()),
                (Some(n), Some(format!("number {n}").as_str()))
            );
        }
    }
    // And a ban here ends sockets there.
    let ban = format!("/v1/admin/users/{}/ban", market.ada.id);
    let act = || async { drop(market.sam.post(&ban, json!({ "reason": "fraud" })).await.ok()) };
    end_with("a ban on the other server", &there(&market.ada), act).await;
}

/// The notifications that arrive at a socket until it is quiet: kind and number of unread ones.
async fn notified(socket: &mut Socket) -> Vec<(String, i64)> {
    let mut told = Vec::new();
    socket.say(json!({ "type": "ping" })).await;
    loop {
        match socket.heard(Duration::from_secs(30)).await {
            Heard::Frame(frame) if frame["type"] == "pong" => return told,
            Heard::Frame(frame) if frame["type"] == "notification" => {
                let (about, unread) = (&frame["notification"], frame["unread"].as_i64().unwrap());
                assert!(about["id"].is_string() && about["link"].is_string() && about["title"].is_string(), "{frame}");
                assert!(about["read_at"].is_null() && frame["cursor"].is_string(), "{frame}");
                if about["kind"] == "kyc_approved" {
                    // From before, and announced about now.
                    continue;
                }
                told.push((about["kind"].as_str().unwrap().to_owned(), unread));
            }
            Heard::Frame(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn sockets_hear_of_notifications_once_and_resume(engine: Engine) {
    let market = Market::open(engine).await;
    // On SQLite one server has the file.
    let other = if engine == Engine::Postgres { Some(market.app.beside().await) } else { None };
    let url = other.as_ref().map_or(market.app.url.clone(), |other| other.url.clone());
    let there = Http::new(&url).with_token(market.ada.http.token.clone().unwrap());
    let unread = async || market.ada.get("/v1/me/notifications/unread").await.ok()["unread"].as_i64().unwrap();
    let before = unread().await;
    let kind = |kind: &'static str| move |frame: &Value| frame["notification"]["kind"] == kind;
    let begun = Socket::connect(&there, None).await.cursor;
    let mut hers = Socket::connect(&there, Some(&begun)).await;
    let mut his = Socket::connect(&market.jon, None).await;
    market.jon.message(&market.thread, "1", "Hello").await.ok();
    let frame = hers.wait_for("a notification", kind("message")).await;
    assert_eq!((frame["type"].as_str(), frame["unread"].as_i64()), (Some("notification"), Some(before + 1)), "{frame}");
    market.jon.message(&market.thread, "2", "Hello?").await.ok();
    assert_eq!(hers.frame("message").await["message"]["seq"], 2);
    assert!(notified(&mut hers).await.is_empty(), "one for a thread until it is read");
    let job = market.jon.begin_job(&market.thread).await.ok()["id"].as_str().unwrap().to_owned();
    let frame = hers.wait_for("a notification", kind("offer")).await;
    assert_eq!(frame["unread"].as_i64(), Some(before + 2), "{frame}");
    assert_eq!(frame["notification"]["target"], job.as_str());
    assert!(notified(&mut his).await.is_empty(), "it was his own doing");
    market.ada.act(&job, "accept", json!({ "revision": 1 })).await.ok();
    let frame = his.wait_for("a notification", kind("offer_accepted")).await;
    assert_eq!(frame["unread"].as_i64(), Some(1), "{frame}");

    // Whoever was away hears of each once, as it is now, wherever they come back.
    for http in [&there, &market.ada.http] {
        let mut again = Socket::connect(http, Some(&begun)).await;
        let told = notified(&mut again).await;
        assert_eq!(told, [("message".to_owned(), before + 2), ("offer".to_owned(), before + 2)]);
        let mut after = Socket::connect(http, Some(&again.cursor)).await;
        assert!(notified(&mut after).await.is_empty());
    }
    assert_eq!(unread().await, before + 2, "the number of the list");
}
