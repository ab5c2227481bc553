//! The stream of events.

use std::time::Duration;

use marketplace_core::{
    accounts::model::{Status, UserAction},
    base::{
        change::{Change, RestrictionReason},
        permission::Role,
    },
    testing,
};
use marketplace_server::Options;
use serde_json::Value;

use crate::harness::{PATIENCE, Server, expect, problem, server, server_with, servers};

struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(server: &Server, token: &str, last: Option<&str>) -> Self {
        let mut request = server.get("/v1/admin/events").bearer_auth(token).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next block; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something comes");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next event: its id and its data.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = field("data: ") {
                return (field("id: ").unwrap(), serde_json::from_str(&data).unwrap());
            }
        }
    }

    async fn ends(&mut self) {
        while self.block().await.is_some() {}
    }
}

async fn freeze(server: &Server, id: marketplace_core::ids::UserId, action: UserAction) {
    let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
    marketplace_core::users::act(&server.test.app().by(&testing::operator()).with(change.clone()), id, &action)
        .await
        .unwrap();
}

#[tokio::test]
async fn one_account_leaves_streams_for_others() {
    let server = server().await;
    let (greedy, other) = (server.token(Role::Auditor).await, server.token(Role::Auditor).await);
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Stream::open(&server, &greedy, None).await);
    }
    let one_more = server.get("/v1/admin/events").bearer_auth(&greedy).header("accept", "text/event-stream");
    problem(one_more, 429, "rate_limited").await;
    drop(Stream::open(&server, &other, None).await);
    drop(open);
    // They are given back.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let again = server.get("/v1/admin/events").bearer_auth(&greedy).header("accept", "text/event-stream");
        if again.send().await.unwrap().status() == 200 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the streams are not given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn each_event_comes_once_in_order_and_a_reconnect_misses_none() {
    for server in servers().await {
        let token = server.token(Role::Auditor).await;
        let user = server.test.user(Role::Client, Status::Active).await;
        let mut stream = Stream::open(&server, &token, None).await;
        let first = stream.block().await.unwrap();
        assert!(first.contains("id: "), "{first}");
        freeze(&server, user, UserAction::Freeze).await;
        // PostgreSQL may show what was committed just before a little later: the stream's "now" lies before it then.
        let (seen, event) = loop {
            let (id, event) = stream.event().await;
            if event["target"] == user.to_string() && event["kind"] == "user.changed" {
                break (id, event);
            }
        };
        assert_eq!(event["cursor"], seen.as_str());
        drop(stream);
        freeze(&server, user, UserAction::Unfreeze).await;
        freeze(&server, user, UserAction::Freeze).await;
        let mut stream = Stream::open(&server, &token, Some(&seen)).await;
        let (second, _) = stream.event().await;
        let (third, _) = stream.event().await;
        assert!(seen != second && second != third);
        // The pages say the same.
        let page = expect(server.get(&format!("/v1/admin/events?after={seen}")).bearer_auth(&token), 200).await;
        let cursors: Vec<_> = page["items"].as_array().unwrap().iter().map(|event| event["cursor"].clone()).collect();
        assert_eq!(cursors, [Value::from(second), Value::from(third)]);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_session() {
    for server in servers().await {
        let (_, token) = server.user(Role::Support, Status::Active).await;
        let mut stream = Stream::open(&server, &token, None).await;
        stream.block().await.unwrap();
        expect(server.post("/v1/auth/logout").bearer_auth(&token), 204).await;
        stream.ends().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_powers_and_with_the_server() {
    let server = server().await;
    let (id, token) = server.user(Role::Support, Status::Active).await;
    let mut demoted = Stream::open(&server, &token, None).await;
    demoted.block().await.unwrap();
    let other = server.token(Role::Auditor).await;
    let mut stays = Stream::open(&server, &other, None).await;
    stays.block().await.unwrap();
    freeze(&server, id, UserAction::Freeze).await;
    demoted.ends().await;
    server.shutdown.cancel();
    stays.ends().await;
    server.stopped().await;
}

#[tokio::test]
async fn signs_of_life() {
    let options =
        Options { heartbeat: Duration::from_millis(50), event_poll: Duration::from_millis(20), ..Options::default() };
    let server = server_with(|_| (), options).await;
    let token = server.token(Role::Auditor).await;
    let mut stream = Stream::open(&server, &token, None).await;
    loop {
        if stream.block().await.unwrap().starts_with(": still here") {
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn streams_are_bounded_and_cursors_checked() {
    let server = server_with(|_| (), Options { streams: 1, ..Options::default() }).await;
    let token = server.token(Role::Auditor).await;
    let ask = || server.get("/v1/admin/events").bearer_auth(&token).header("accept", "text/event-stream");
    problem(ask().header("last-event-id", "nonsense"), 422, "invalid").await;
    let stream = Stream::open(&server, &token, None).await;
    problem(ask(), 503, "busy").await;
    drop(stream);
    server.stop().await;
}
