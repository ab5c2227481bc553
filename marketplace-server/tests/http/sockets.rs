//! What is told over sockets.

use std::{collections::HashMap, time::Duration};

use marketplace_core::{
    accounts::model::{Status, UserAction},
    app::App,
    base::{
        change::{Change, RestrictionReason},
        permission::Role,
    },
    messaging::{self, model::NewMessage},
    testing,
};
use marketplace_server::Options;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{PATIENCE, Server, expect, server, server_with, servers},
    socket::{Heard, Socket, Talk},
};

async fn send(server: &Server, token: &str, thread: &str, name: &str, content: &str) -> Value {
    let request = server.post(&format!("/v1/threads/{thread}/messages")).bearer_auth(token);
    expect(request.json(&json!({"client_msg_id": name, "content": content})), 201).await
}

#[tokio::test]
async fn what_is_sent_by_http_reaches_sockets_and_the_other_way_round() {
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        let (mut client, ready) = Socket::hello(&server, &talk.client_token, None).await;
        assert_eq!(ready["type"], "ready");
        let (mut worker, _) = Socket::hello(&server, &talk.worker_token, None).await;
        let sent = send(&server, &talk.client_token, &talk.thread, "a", "by HTTP").await;
        let own = client.next("message").await;
        assert_eq!(own["message"], sent);
        let told = worker.next("message").await;
        assert_eq!((&told["message"]["content"], &told["message"]["seq"]), (&json!("by HTTP"), &json!(1)));
        // The sender's name for it is the sender's own.
        assert_eq!((&own["message"]["client_msg_id"], &told["message"]["client_msg_id"]), (&json!("a"), &Value::Null));

        let frame = json!({"type": "send", "thread_id": talk.thread, "client_msg_id": "b", "content": "by socket"});
        worker.say(&frame).await;
        let ack = worker.next("ack").await;
        assert_eq!((&ack["client_msg_id"], &ack["seq"]), (&json!("b"), &json!(2)));
        assert_eq!(client.next("message").await["message"]["content"], "by socket");
        let page = server.get(&format!("/v1/threads/{}/messages", talk.thread)).bearer_auth(&talk.client_token);
        assert_eq!(expect(page, 200).await["items"][1]["id"], ack["message_id"]);

        client.say(&json!({"type": "read", "thread_id": talk.thread, "seq": 2})).await;
        for socket in [&mut client, &mut worker] {
            let read = socket.next("read").await;
            assert_eq!((&read["seq"], &read["thread_id"]), (&json!(2), &json!(talk.thread)));
            assert_eq!(read["user_id"], talk.client.user_id().unwrap().to_string());
        }
        client.say(&json!({"type": "typing", "thread_id": talk.thread})).await;
        let typing = worker.next("typing").await;
        assert_eq!(typing["user_id"], talk.client.user_id().unwrap().to_string());
        assert_eq!(typing.get("cursor"), None);
        client.is_quiet().await;
        drop((client, worker));
        server.stop().await;
    }
}

#[tokio::test]
async fn a_frame_that_comes_to_nothing_says_why_and_harms_nothing() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let other = Talk::new(&server.test).await;
    let mut socket = Socket::silent(&server, &talk.client_token).await;
    let send = |thread: &str, name: &str, content: &str| json!({"type": "send", "thread_id": thread, "client_msg_id": name, "content": content});
    socket.say(&send(&talk.thread, "early", "x")).await;
    assert_eq!(socket.frame().await["client_msg_id"], "early");
    socket.say(&json!({"type": "hello"})).await;
    assert_eq!(socket.frame().await["type"], "ready");
    for (frame, code) in [
        (json!("words"), "invalid"),
        (json!({"type": "sing"}), "invalid"),
        (send(&talk.thread, "1", ""), "invalid"),
        (send(&talk.thread, "1", "a\0b"), "invalid"),
        (send(&talk.thread, "1", &"x".repeat(4_001)), "invalid"),
        (send(&other.thread, "1", "x"), "not_found"),
        (json!({"type": "read", "thread_id": talk.thread, "seq": 9}), "invalid"),
        (json!({"type": "read", "thread_id": other.thread, "seq": 0}), "not_found"),
        (json!({"type": "typing", "thread_id": other.thread}), "not_found"),
    ] {
        socket.say(&frame).await;
        let answer = socket.frame().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{frame}");
    }
    socket.send(Message::text("{\"type\":")).await;
    assert_eq!(socket.frame().await["code"], "invalid");
    // None of it used up a number.
    socket.say(&send(&talk.thread, "1", "x")).await;
    assert_eq!(socket.next("ack").await["seq"], 1);
    socket.say(&send(&talk.thread, "1", "y")).await;
    let conflict = socket.next("error").await;
    assert_eq!((&conflict["code"], &conflict["current"]["seq"]), (&json!("conflict"), &json!(1)));
    drop(socket);
    server.stop().await;
}

#[tokio::test]
async fn large_frames_and_frames_of_bytes_end_a_socket() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let (mut large, _) = Socket::hello(&server, &talk.client_token, None).await;
    let sending = async {
        large.send(Message::text("x".repeat(20 * 1024 * 1024))).await;
        large.end().await
    };
    // Whoever is still sending when the other side closes has the code all the same.
    let end = tokio::time::timeout(PATIENCE, sending).await.expect("it ends");
    assert_eq!(end, Some(1009));
    let (mut little, _) = Socket::hello(&server, &talk.client_token, None).await;
    little.send(Message::text("x".repeat(70 * 1024))).await;
    assert_eq!(little.end().await, Some(1009));
    let (mut bytes, _) = Socket::hello(&server, &talk.client_token, None).await;
    bytes.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(bytes.end().await, Some(1003));
    let page = server.get(&format!("/v1/threads/{}", talk.thread)).bearer_auth(&talk.client_token);
    assert_eq!(expect(page, 200).await["last_seq"], 0);
    server.stop().await;
}

#[tokio::test]
async fn tickets_and_origins() {
    let server =
        server_with(|config| config.cors_origins = vec!["https://app.example.org".into()], Options::default()).await;
    let talk = Talk::new(&server.test).await;
    let bearer = format!("Bearer {}", talk.client_token);
    let ticket = async || {
        let answer = expect(server.post("/v1/ws/ticket").bearer_auth(&talk.client_token), 200).await;
        format!("?ticket={}", answer["ticket"].as_str().unwrap())
    };
    let once = ticket().await;
    // A plain request does not use it up.
    assert_eq!(server.get(&format!("/v1/ws{once}")).send().await.unwrap().status(), 426);
    let mut socket = Socket::open(&server, &once, &[]).await.unwrap();
    socket.say(&json!({"type": "hello"})).await;
    assert_eq!(socket.frame().await["type"], "ready");
    assert_eq!(Socket::open(&server, &once, &[]).await.err(), Some(401));
    assert_eq!(Socket::open(&server, "", &[]).await.err(), Some(401));
    assert_eq!(Socket::open(&server, "?ticket=nonsense", &[]).await.err(), Some(401));
    let origin =
        async |origin: &str| Socket::open(&server, "", &[("authorization", &bearer), ("origin", origin)]).await.err();
    let own = server.test.app().config.public_url.origin().ascii_serialization();
    assert_eq!(origin("https://app.example.org").await, None);
    assert_eq!(origin(&own).await, None);
    // Libraries name the address that they connect to; a page that a browser shows cannot send a token along.
    let named = format!("http://{}", server.address);
    assert_eq!(origin(&named).await, None);
    let unnamed = ticket().await;
    assert_eq!(Socket::open(&server, &unnamed, &[("origin", &named)]).await.err(), Some(403));
    for foreign in ["https://evil.example.org", "null", "http://app.example.org", "https://app.example.org.evil.org"] {
        assert_eq!(origin(foreign).await, Some(403), "{foreign}");
    }
    let kept = ticket().await;
    assert_eq!(Socket::open(&server, &kept, &[("origin", "https://evil.example.org")]).await.err(), Some(403));
    let staff = server.token(Role::Support).await;
    let staff = Socket::open(&server, "", &[("authorization", &format!("Bearer {staff}"))]).await;
    assert_eq!(staff.err(), Some(403));
    drop(socket);
    server.stop().await;
}

#[tokio::test]
async fn a_socket_ends_with_its_login() {
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        let (mut logged_out, _) = Socket::hello(&server, &talk.client_token, None).await;
        // Another login of the same person stays.
        let client = talk.client.user_id().unwrap();
        let (_, second) = server.test.log_in(client).await;
        let (mut stays, _) = Socket::hello(&server, &second, None).await;
        expect(server.post("/v1/auth/logout").bearer_auth(&talk.client_token), 204).await;
        assert_eq!(logged_out.end().await, Some(4401));
        stays.is_alive().await;
        let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        marketplace_core::users::act(
            &server.test.app().by(&testing::operator()).with(change.clone()),
            client,
            &UserAction::Ban,
        )
        .await
        .unwrap();
        assert_eq!(stays.end().await, Some(4401));
        // By another program too.
        let (mut worker, _) = Socket::hello(&server, &talk.worker_token, None).await;
        let other = App::open((*server.test.app().config).clone()).await.unwrap();
        let op = other.by(&testing::operator()).with(change.clone());
        marketplace_core::users::act(&op, talk.worker.user_id().unwrap(), &UserAction::Ban).await.unwrap();
        assert_eq!(worker.end().await, Some(4401));
        other.close().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn sockets_resume_where_they_were_however_often_they_break() {
    const MESSAGES: i64 = 200;
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        let thread = talk.thread.parse().unwrap();
        let (first, ready) = Socket::hello(&server, &talk.worker_token, None).await;
        let mut cursor = ready["cursor"].as_str().unwrap().to_owned();
        drop(first);
        let writes = async {
            for round in 0..MESSAGES / 10 {
                let sends = (0..10).map(|n| {
                    let sender = if n % 3 == 0 { &talk.worker } else { &talk.client };
                    let client_msg_id = format!("{round}-{n}");
                    let new = NewMessage { client_msg_id, content: "x".into(), attachments: Vec::new() };
                    let op = server.test.app().by(sender);
                    async move { messaging::send(&op, thread, new).await }
                });
                for sent in futures::future::join_all(sends).await {
                    sent.unwrap();
                }
            }
        };
        let listening = async {
            let mut numbers = Vec::new();
            let mut turn = 0;
            while numbers.last() != Some(&MESSAGES) {
                let (mut socket, first) = Socket::hello(&server, &talk.worker_token, Some(&cursor)).await;
                assert_eq!(first["type"], "ready");
                turn += 1;
                for _ in 0..turn * 7 % 23 {
                    let message = socket.next("message").await;
                    cursor.clone_from(&socket.cursor);
                    numbers.push(message["message"]["seq"].as_i64().unwrap());
                    if numbers.last() == Some(&MESSAGES) {
                        break;
                    }
                }
            }
            numbers
        };
        let both = futures::future::join(writes, listening);
        let ((), numbers) = tokio::time::timeout(PATIENCE * 3, both).await.expect("everything is told");
        assert_eq!(numbers, (1..=MESSAGES).collect::<Vec<_>>());
        server.stop().await;
    }
}

#[tokio::test]
async fn a_socket_that_stays_is_told_each_thing_once_in_order() {
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        let thread = talk.thread.parse().unwrap();
        let (_, ready) = Socket::hello(&server, &talk.client_token, None).await;
        let cursor = ready["cursor"].as_str().unwrap().to_owned();
        let sends = async {
            for n in 0..60 {
                let sender = if n % 2 == 0 { &talk.worker } else { &talk.client };
                let new = NewMessage { client_msg_id: n.to_string(), content: "x".into(), attachments: Vec::new() };
                messaging::send(&server.test.app().by(sender), thread, new).await.unwrap();
            }
        };
        // Each joins at another moment, from the same cursor: while it catches up, more is written.
        let listen = |delay: u64| {
            let (server, cursor, token) = (&server, cursor.clone(), talk.client_token.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                let (mut socket, _) = Socket::hello(server, &token, Some(&cursor)).await;
                let mut numbers = Vec::new();
                while numbers.last() != Some(&60) {
                    numbers.push(socket.next("message").await["message"]["seq"].as_i64().unwrap());
                }
                socket.is_quiet().await;
                numbers
            }
        };
        let listeners = futures::future::join_all((0..8).map(|n| listen(n * 15)));
        let ((), heard) = futures::future::join(sends, listeners).await;
        for numbers in heard {
            assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn an_unknown_cursor_is_told_to_load_anew_and_then_follows() {
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        for unknown in ["nonsense", "999999999999999999.7", ""] {
            let (mut socket, first) = Socket::hello(&server, &talk.client_token, Some(unknown)).await;
            assert_eq!(first["type"], "resync_required", "{unknown}");
            assert_eq!(socket.frame().await["type"], "ready");
            let sent = send(&server, &talk.worker_token, &talk.thread, &format!("after {unknown}"), "x").await;
            loop {
                if socket.next("message").await["message"]["id"] == sent["id"] {
                    break;
                }
            }
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn programs_on_one_database_reach_each_others_sockets() {
    for server in servers().await {
        let talk = Talk::new(&server.test).await;
        let (mut socket, _) = Socket::hello(&server, &talk.client_token, None).await;
        let other = App::open((*server.test.app().config).clone()).await.unwrap();
        let new = NewMessage { client_msg_id: "a".into(), content: "from elsewhere".into(), attachments: Vec::new() };
        messaging::send(&other.by(&talk.worker), talk.thread.parse().unwrap(), new).await.unwrap();
        assert_eq!(socket.next("message").await["message"]["content"], "from elsewhere");
        other.close().await;
        drop(socket);
        server.stop().await;
    }
}

#[tokio::test]
async fn sockets_outlive_idle_connections_and_end_with_the_server() {
    let options = Options {
        idle_timeout: Duration::from_millis(200),
        socket_heartbeat: Duration::from_millis(600),
        ..Options::default()
    };
    let server = server_with(|_| (), options).await;
    let talk = Talk::new(&server.test).await;
    let (mut socket, _) = Socket::hello(&server, &talk.client_token, None).await;
    let mut never_greets = Socket::silent(&server, &talk.client_token).await;
    assert_eq!(never_greets.end().await, Some(1008));
    // Whoever hears and answers stays for many times the idle timeout; whoever does not is gone.
    let (mut deaf, _) = Socket::hello(&server, &talk.worker_token, None).await;
    let stays = async {
        for _ in 0..10 {
            socket.is_quiet().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let ((), ()) = futures::future::join(stays, deaf.sleeps(Duration::from_secs(2))).await;
    assert_eq!(deaf.end().await, None);
    server.shutdown.cancel();
    assert_eq!(socket.end().await, Some(1001));
    server.stopped().await;
}

#[tokio::test]
async fn frames_count_as_changes_do_and_far_too_many_end_the_socket() {
    let server = server_with(|config| config.limits.writes_per_account_minute = 10, Options::default()).await;
    let talk = Talk::new(&server.test).await;
    let frames = [
        json!({"type": "read", "thread_id": talk.thread, "seq": 0}),
        json!({"type": "ping"}),
        json!({"type": "send", "thread_id": talk.thread, "client_msg_id": "a", "content": "b"}),
        json!({"type": "typing", "thread_id": talk.thread}),
    ];
    for frame in frames {
        // Somebody who has not said anything yet.
        let talk = Talk::new(&server.test).await;
        let mut frame = frame;
        if frame.get("thread_id").is_some() {
            frame["thread_id"] = json!(talk.thread);
        }
        let (mut socket, _) = Socket::hello(&server, &talk.client_token, None).await;
        for _ in 0..12 {
            socket.say(&frame).await;
        }
        let refused = socket.next("error").await;
        assert_eq!(refused["code"], "rate_limited", "{frame}");
        // A notice that comes too soon after the last one says nothing of its thread.
        assert!(frame["type"] == "typing" || refused.get("thread_id") == frame.get("thread_id"), "{refused}");
        assert_eq!(refused.get("client_msg_id"), frame.get("client_msg_id"));
        // It counts wherever the account calls from, and nobody else is concerned.
        let read = server.post(&format!("/v1/threads/{}/read", talk.thread));
        let status = read.bearer_auth(&talk.client_token).json(&json!({"seq": 0})).send().await.unwrap().status();
        assert_eq!(status, 429);
        let read = server.post(&format!("/v1/threads/{}/read", talk.thread)).bearer_auth(&talk.worker_token);
        expect(read.json(&json!({"seq": 0})), 200).await;
        for _ in 0..150 {
            socket.say(&frame).await;
        }
        assert_eq!(socket.end().await, Some(1008), "{frame}");
    }
    // A ping of the protocol below is a frame as well.
    let (mut socket, _) = Socket::hello(&server, &talk.worker_token, None).await;
    for _ in 0..200 {
        socket.send(Message::Ping(Vec::new().into())).await;
    }
    assert_eq!(socket.end().await, Some(1008));
    server.stop().await;
}

#[tokio::test]
async fn sockets_of_one_person_are_bounded() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let bearer = format!("Bearer {}", talk.client_token);
    let mut open = Vec::new();
    let refused = loop {
        match Socket::open(&server, "", &[("authorization", &bearer)]).await {
            Ok(socket) => open.push(socket),
            Err(status) => break status,
        }
    };
    assert_eq!((open.len(), refused), (20, 429));
    // A place is free again once one is gone.
    open.pop();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while Socket::open(&server, "", &[("authorization", &bearer)]).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the place stays taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(open);
    server.stop().await;
}

#[tokio::test]
async fn typing_is_told_to_nobody_who_blocked() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let (mut client, _) = Socket::hello(&server, &talk.client_token, None).await;
    let (mut worker, _) = Socket::hello(&server, &talk.worker_token, None).await;
    let blocked = talk.client.user_id().unwrap();
    marketplace_core::profiles::block(&server.test.app().by(&talk.worker), blocked, true).await.unwrap();
    client.say(&json!({"type": "typing", "thread_id": talk.thread})).await;
    client.is_quiet().await;
    worker.is_quiet().await;
    server.stop().await;
}

#[tokio::test]
async fn a_removed_message_is_told_as_a_tombstone() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let (mut client, _) = Socket::hello(&server, &talk.client_token, None).await;
    let sent = send(&server, &talk.worker_token, &talk.thread, "a", "bad words").await;
    assert_eq!(client.next("message").await["message"]["content"], "bad words");
    let support = server.user(Role::Support, Status::Active).await.1;
    let path = format!("/v1/admin/messages/{}/remove", sent["id"].as_str().unwrap());
    expect(server.post(&path).bearer_auth(support).json(&json!({"reason": "abuse"})), 200).await;
    let told = client.next("message").await["message"].clone();
    assert_eq!((&told["id"], &told["removed"], &told["content"]), (&sent["id"], &json!(true), &json!("")));
    server.stop().await;
}

/// So that nothing is told by accident in the wrong form: every event has a type that the page on frames names.
#[tokio::test]
async fn every_frame_that_is_heard_is_described() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let (mut client, _) = Socket::hello(&server, &talk.client_token, None).await;
    send(&server, &talk.worker_token, &talk.thread, "a", "x").await;
    let support = server.user(Role::Support, Status::Active).await.1;
    let path = format!("/v1/admin/threads/{}/close", talk.thread);
    expect(server.post(&path).bearer_auth(support).json(&json!({"reason": "abuse"})), 200).await;
    let description = marketplace_server::description();
    let page = serde_json::to_value(description).unwrap()["paths"]["/v1/ws"]["get"]["description"].to_string();
    let frames = marketplace_server::frames_description();
    let mut heard: HashMap<String, Value> = HashMap::new();
    while !heard.contains_key("thread") {
        let Heard::Frame(frame) = client.hear().await else { panic!("it goes on") };
        heard.insert(frame["type"].as_str().unwrap().to_owned(), frame);
    }
    assert!(heard.contains_key("message"));
    assert_eq!(heard["thread"]["thread"]["status"], "closed");
    for kind in heard.keys() {
        assert!(page.contains(&format!("`{kind} ")), "{kind}");
        let described = &frames["components"]["messages"][format!("server_{kind}")]["payload"];
        for name in described["required"].as_array().unwrap() {
            assert!(heard[kind].get(name.as_str().unwrap()).is_some(), "{kind}: {name}");
        }
        for name in heard[kind].as_object().unwrap().keys() {
            assert!(described["properties"].get(name).is_some(), "{kind}: {name}");
        }
    }
    server.stop().await;
}
