//! `ETag`s, conditional requests, compression, caching, and what a request's head must have.

use std::io::Read as _;

use marketplace_core::{accounts::model::Status, base::permission::Role};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    harness::{Server, expect, problem, server, servers},
    socket::Talk,
};

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    for server in servers().await {
        let token = server.token(Role::Client).await;
        let get = |path: &str| server.get(path).bearer_auth(&token);
        for (path, cache) in [
            ("/v1/me", "private, no-cache"),
            ("/v1/threads", "private, no-cache"),
            ("/v1/me/client-profile", "private, no-cache"),
            ("/v1/auth/sessions", "no-store"),
            ("/v1/services", "public, max-age=30, must-revalidate"),
            ("/v1/categories", "public, max-age=300, must-revalidate"),
            ("/openapi.json", "public, max-age=300, must-revalidate"),
        ] {
            let first = send(get(path)).await;
            assert_eq!((first.status().as_u16(), header(&first, "cache-control").as_str()), (200, cache), "{path}");
            let tag = header(&first, "etag");
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{path}: {tag}");
            for list in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
                for method in [Method::GET, Method::HEAD] {
                    let request = server.request(method, path).bearer_auth(&token).header("if-none-match", &list);
                    let same = send(request).await;
                    assert_eq!(same.status(), 304, "{path} {list}");
                    assert_eq!((header(&same, "etag"), header(&same, "cache-control").as_str()), (tag.clone(), cache));
                    assert_eq!(header(&same, "content-type"), "");
                    assert!(header(&same, "x-request-id").len() > 5);
                    assert_eq!(same.bytes().await.unwrap().len(), 0);
                }
            }
            let lines = get(path).header("if-none-match", "\"x\"").header("if-none-match", &tag);
            assert_eq!(send(lines).await.status(), 304, "{path}");
            let other = send(get(path).header("if-none-match", "\"x\"")).await;
            assert_eq!((other.status().as_u16(), header(&other, "etag")), (200, tag.clone()));
            let head = send(server.request(Method::HEAD, path).bearer_auth(&token)).await;
            assert_eq!((head.status().as_u16(), header(&head, "etag")), (200, tag), "{path}");
            let length = first.bytes().await.unwrap().len().to_string();
            assert_eq!(header(&head, "content-length"), length, "{path}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_tag_changes_with_everything_in_the_body_and_a_version_is_matched() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let patch = |name: &str| {
        let request = server.request(Method::PATCH, "/v1/me").bearer_auth(&talk.client_token);
        request.json(&json!({"name": name}))
    };
    let tag = async || header(&send(server.get("/v1/me").bearer_auth(&talk.client_token)).await, "etag");
    let first = tag().await;
    let changed = send(patch("Other Name").header("if-match", format!("\"x\", {first}"))).await;
    assert_eq!(changed.status(), 200);
    let second = header(&changed, "etag");
    assert_ne!(second, first);
    assert_eq!(tag().await, second);
    // A weak tag never matches, nor does one of something else; an asterisk matches whatever there is.
    for stale in [first.clone(), format!("W/{second}"), "\"x\"".to_owned(), format!("{first}, W/{second}")] {
        problem(patch("Third Name").header("if-match", stale), 412, "precondition_failed").await;
    }
    expect(patch("Third Name").header("if-match", "*"), 200).await;
    // A thread's summary counts what is unread, which is no version of it.
    let address = format!("/v1/threads/{}", talk.thread);
    let thread = async || header(&send(server.get(&address).bearer_auth(&talk.client_token)).await, "etag");
    let before = thread().await;
    assert_eq!(thread().await, before);
    let message = json!({"client_msg_id": "a", "content": "hello"});
    expect(server.post(&format!("{address}/messages")).bearer_auth(&talk.worker_token).json(&message), 201).await;
    assert_ne!(thread().await, before);
    server.stop().await;
}

#[tokio::test]
async fn large_answers_are_compressed_when_asked_for() {
    let server = server().await;
    let token = server.token(Role::Admin).await;
    let get = async |path: &str, accepts: &str| {
        send(server.get(path).bearer_auth(&token).header("accept-encoding", accepts)).await
    };
    let varies = |response: &Response| {
        let all = response.headers().get_all("vary").iter().map(|names| names.to_str().unwrap().to_owned());
        all.collect::<Vec<_>>().join(", ")
    };
    for (path, vary) in [
        ("/openapi.json", "accept-encoding"),
        ("/v1/categories", "accept-language, accept-encoding"),
        ("/docs/swagger-ui.css", "accept-encoding"),
    ] {
        let plain = send(server.get(path)).await;
        assert_eq!((header(&plain, "content-encoding").as_str(), varies(&plain).as_str()), ("", vary));
        let tag = header(&plain, "etag");
        let plain = plain.bytes().await.unwrap();
        for (accepts, coding) in [("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0.1, gzip", "gzip")] {
            let answer = get(path, accepts).await;
            assert_eq!(header(&answer, "content-encoding"), coding, "{path}");
            assert_eq!(varies(&answer), vary);
            let own = header(&answer, "etag");
            assert_ne!(own, tag, "a strong tag is of one coding");
            let length: usize = header(&answer, "content-length").parse().unwrap();
            let bytes = answer.bytes().await.unwrap();
            assert!(bytes.len() < plain.len() / 2 && bytes.len() == length, "{path} {coding}: {length}");
            let mut text = Vec::new();
            match coding {
                "br" => brotli::BrotliDecompress(&mut &*bytes, &mut text).unwrap(),
                _ => _ = flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut text).unwrap(),
            }
            assert!(text == plain, "{path} {coding}");
            let again = server.get(path).header("accept-encoding", accepts).header("if-none-match", &own);
            let again = send(again).await;
            assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, own));
        }
        for accepts in ["identity", "zstd", "br;q=0, gzip;q=0"] {
            assert_eq!(header(&get(path, accepts).await, "content-encoding"), "", "{accepts}");
        }
    }
    // Small ones are not, nor is anything with a secret in it.
    for path in ["/v1/me", "/healthz"] {
        assert_eq!(header(&get(path, "gzip, br").await, "content-encoding"), "", "{path}");
    }
    for _ in 0..12 {
        let login = server.test.log_in(server.test.user(Role::Client, Status::Active).await).await;
        assert!(!login.1.is_empty());
    }
    server.stop().await;
}

async fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let server = server().await;
    let end = "connection: close\r\n\r\n";
    for (version, hosts, status) in [
        ("1.1", "host: a.example\r\n", 200),
        ("1.1", "host: 127.0.0.1:8080\r\n", 200),
        ("1.1", "host: [::1]:8080\r\n", 200),
        ("1.1", "", 400),
        ("1.1", "host: a.example\r\nhost: b.example\r\n", 400),
        ("1.1", "host: a.example\r\nhost: a.example\r\n", 400),
        ("1.1", "host: a.example, b.example\r\n", 400),
        ("1.1", "host: a.example/x\r\n", 400),
        ("1.1", "host: u@a.example\r\n", 400),
        ("1.1", "host:\r\n", 400),
        ("1.0", "", 200),
        ("1.0", "host: a.example\r\nhost: b.example\r\n", 400),
    ] {
        let answer = raw(&server, &format!("GET /healthz HTTP/{version}\r\n{hosts}{end}")).await;
        assert!(answer.contains(&format!(" {status} ")), "{version} {hosts}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_encoded_body_is_not_guessed_at() {
    let server = server().await;
    let token = server.token(Role::Client).await;
    let patch = |coding: &'static str| {
        let request = server.request(Method::PATCH, "/v1/me").bearer_auth(&token).header("content-encoding", coding);
        request.json(&json!({"name": "Some Name"}))
    };
    for coding in ["gzip", "br", "identity, gzip", "nonsense"] {
        let answer = send(patch(coding)).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "accept-encoding").as_str()), (415, "identity"));
        problem(patch(coding), 415, "unsupported_media").await;
    }
    expect(patch("identity"), 200).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_created_is_located() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let created = async |path: &str, token: &str, body: Value| {
        let answer = send(server.post(path).bearer_auth(token).header("idempotency-key", path).json(&body)).await;
        assert_eq!(answer.status(), 201, "{path}");
        let place = header(&answer, "location");
        let made: Value = answer.json().await.unwrap();
        // The same again has the same.
        let again = send(server.post(path).bearer_auth(token).header("idempotency-key", path).json(&body)).await;
        assert_eq!((again.status().as_u16(), header(&again, "location")), (201, place.clone()));
        let shown = expect(server.get(&place).bearer_auth(token), 200).await;
        let id_of = |value: &Value| {
            let places = ["/items/0/id", "/item/user/id", "/item/id", "/user/id", "/id"];
            places.iter().find_map(|place| value.pointer(place)?.as_str().map(str::to_owned))
        };
        let (found, id) = (id_of(&shown), id_of(&made));
        assert!(id.is_some() && found == id, "{path}: {place}: {shown}");
        made
    };
    let service = json!({"title": "Hedges", "category": "gardening"});
    created("/v1/services", &talk.worker_token, service).await;
    let path = format!("/v1/threads/{}/messages", talk.thread);
    created(&path, &talk.client_token, json!({"client_msg_id": "a", "content": "b"})).await;
    let offer = json!({"price": {"amount": 5_000, "currency": "EUR"}, "schedule": "Monday", "scope": "The hedge"});
    created("/v1/jobs", &talk.client_token, json!({"thread_id": talk.thread, "offer": offer})).await;
    let admin = server.token(Role::Admin).await;
    let user = json!({"role": "client", "email": "made@example.org", "name": "Made"});
    let made = created("/v1/admin/users", &admin, user).await;
    let notes = format!("/v1/admin/users/{}/notes", made["item"]["user"]["id"].as_str().unwrap());
    created(&notes, &admin, json!({"body": "Called"})).await;
    // What has no address of its own is located where it shows.
    let notice = format!("/v1/admin/threads/{}/notice", talk.thread);
    let token = json!({"name": "night", "scopes": ["kyc:read"], "expires_in": 60});
    for (path, body) in [(notice.as_str(), json!({"content": "Hello"})), ("/v1/admin/tokens", token)] {
        let answer = send(server.post(path).bearer_auth(&admin).json(&body)).await;
        assert_eq!(answer.status(), 201, "{path}");
        expect(server.get(&header(&answer, "location")).bearer_auth(&admin), 200).await;
    }
    server.stop().await;
}
