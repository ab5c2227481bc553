//! Messages: what is sent is there at once for everybody, and nothing is stored that should not be.

use std::time::Duration;

use futures::future::join_all;
use marketplace_tests::{Answer, Engine, Market, Socket, market::gapless, socket::Heard, stories};
use reqwest::Method;
use serde_json::json;

stories![
    messages_sent_by_rest_reach_sockets_and_the_other_way_round,
    a_sent_message_is_in_every_list_from_then_on,
    huge_and_empty_messages_and_titles_are_refused,
    the_same_message_again_is_one_message,
];

async fn messages_sent_by_rest_reach_sockets_and_the_other_way_round(engine: Engine) {
    let market = Market::open(engine).await;
    let (ada, jon) = (&market.ada, &market.jon);
    let mut phone = Socket::connect(jon, None).await;
    let mut desk = Socket::connect(jon, None).await;
    let mut hers = Socket::connect(ada, None).await;
    let eve = market.app.as_client().await;
    let mut strangers = Socket::connect(&eve, None).await;

    ada.message(&market.thread, "by-rest", "Hello by REST").await.ok();
    let ack = phone.send_and_wait(&market.thread, "by-socket", "Hello by socket").await;
    assert_eq!(ack["seq"], 2);
    for (socket, whose) in [(&mut desk, "Jon's other device"), (&mut hers, "Ada")] {
        for (seq, text) in [(1, "Hello by REST"), (2, "Hello by socket")] {
            let frame = socket.frame("message").await;
            assert_eq!(frame["message"]["seq"], seq, "{whose}: {frame}");
            assert_eq!(frame["message"]["content"], text, "{whose}: {frame}");
            assert_eq!(frame["message"]["thread_id"], market.thread.as_str());
        }
    }
    // What the two do is nobody else's: the first that Eve hears of is what she does herself.
    let thread = eve.open_thread(&market.service).await;
    eve.message(&thread, "mine", "Good evening").await.ok();
    loop {
        match strangers.heard(Duration::from_secs(30)).await {
            Heard::Frame(frame) => {
                assert!(!frame.to_string().contains(&market.thread), "{frame}");
                if frame["type"] == "message" {
                    assert_eq!(frame["message"]["content"], "Good evening");
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn a_sent_message_is_in_every_list_from_then_on(engine: Engine) {
    let market = Market::open(engine).await;
    let (ada, jon, thread) = (&market.ada, &market.jon, &market.thread);
    // While lists are being read without a pause, what was acknowledged is in the very next one.
    let (one, newest) = (format!("/v1/threads/{thread}"), format!("/v1/threads/{thread}/messages?limit=1"));
    let readers = join_all((0..4).map(|_| async {
        for _ in 0..50 {
            ada.get("/v1/threads").await.ok();
            gapless(&ada.messages(thread).await);
        }
    }));
    let writer = async {
        for n in 1..=40 {
            let sent = jon.message(thread, &format!("m{n}"), &format!("number {n}")).await.ok();
            assert_eq!(sent["seq"], n);
            let (list, own, page) = tokio::join!(ada.get("/v1/threads"), jon.get(&one), ada.get(&newest));
            let row = &list.ok()["items"][0];
            assert_eq!((row["last_seq"].as_i64(), row["unread"].as_i64()), (Some(n), Some(n)), "{row}");
            assert_eq!(own.ok()["last_seq"], n);
            assert_eq!(page.ok()["items"][0]["seq"], n);
        }
    };
    tokio::join!(readers, writer);
    // Pointers only advance, and never beyond what there is.
    for (seq, then) in [(30, 30), (10, 30), (40, 40)] {
        let state = ada.post(&format!("/v1/threads/{thread}/read"), json!({ "seq": seq })).await.ok();
        assert_eq!((state["read_seq"].as_i64(), state["unread"].as_i64()), (Some(then), Some(40 - then)), "{state}");
    }
}

async fn huge_and_empty_messages_and_titles_are_refused(engine: Engine) {
    let market = Market::open(engine).await;
    let (ada, jon, thread) = (&market.ada, &market.jon, &market.thread);
    let megabytes = "x".repeat(20 * 1024 * 1024);
    let path = format!("/v1/threads/{thread}/messages");
    let huge = jon.request(Method::POST, &path).json(&json!({ "client_msg_id": "huge", "content": megabytes }));
    // A connection may be closed on a sender who goes on for so long.
    if let Ok(answer) = Answer::try_of(huge).await {
        answer.refused(413, "too_large");
    }
    for content in ["", "  \n\t ", "\u{0}", "a\u{0}b", "x".repeat(4_001).as_str(), "é".repeat(4_001).as_str()] {
        jon.message(thread, "bad", content).await.refused(422, "invalid");
    }
    for name in ["", "\u{0}", "x".repeat(101).as_str()] {
        jon.message(thread, name, "Hello").await.refused(422, "invalid");
    }
    let mut socket = Socket::connect(jon, None).await;
    for content in ["", "  ", "x".repeat(4_001).as_str()] {
        socket.send(thread, "bad", content).await;
        let error = socket.frame("error").await;
        assert_eq!(error["code"], "invalid", "{error}");
    }
    for title in ["", "   ", "ab", "x".repeat(101).as_str(), "a\u{0}bc"] {
        let new = marketplace_tests::market::service(title);
        ada.post("/v1/services", new).await.refused(422, "invalid");
        let change = ada.patch(&format!("/v1/services/{}", market.service), json!({ "title": title })).await;
        change.refused(422, "invalid");
    }
    assert_eq!(jon.messages(thread).await, Vec::<serde_json::Value>::new());
    jon.message(thread, "good", &"é".repeat(4_000)).await.ok();
    assert_eq!(jon.messages(thread).await.len(), 1);
}

async fn the_same_message_again_is_one_message(engine: Engine) {
    let market = Market::open(engine).await;
    let (ada, jon, thread) = (&market.ada, &market.jon, &market.thread);
    let sent = join_all((0..8).map(|_| jon.message(thread, "once", "Only once"))).await;
    for answer in &sent {
        assert_eq!(answer.ok()["seq"], 1, "{}", answer.text());
        assert_eq!(answer.ok()["id"], sent[0].ok()["id"]);
    }
    // The socket knows it as well; another text under the name is a conflict, and the name is each one's own.
    let mut socket = Socket::connect(jon, None).await;
    assert_eq!(socket.send_and_wait(thread, "once", "Only once").await["seq"], 1);
    jon.message(thread, "once", "Something else").await.refused(409, "conflict");
    assert_eq!(ada.message(thread, "once", "Mine").await.ok()["seq"], 2);
    assert_eq!(jon.messages(thread).await.len(), 2);
}
