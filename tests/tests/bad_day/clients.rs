//! Clients that are slow, silent, many or greedy take nothing that others need.

use std::time::Duration;

use futures::future::join_all;
use marketplace_tests::{Engine, Http, Server, Socket, http::Answer, pictures, server::ROOMY, stories};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::hostile::{Bystander, PATIENCE, connect, may_open, post, say, two, until_closed};

stories! {
    bodies_that_do_not_come_stop_nobody,
    slow_uploads_of_one_account_stop_nobodys_uploads,
    idle_connections_make_room,
    answers_that_nobody_takes_are_given_up,
    floods_of_http2_frames_end_their_connections,
    hostile_log_ins_take_no_memory,
    a_crowd_that_logs_in_is_not_waited_for,
}

/// A form's head, and more than is said here.
const FORM: &str = "multipart/form-data; boundary=x";

async fn bodies_that_do_not_come_stop_nobody(engine: Engine) {
    if !may_open(8_000) {
        return;
    }
    let server = Server::start(engine).await;
    let bystander = Bystander::new(&server).await;
    let mut open = Vec::new();
    // 2,100 streams on 21 connections, and 2,100 connections; what a log-in begins with, and one byte of its body.
    for _ in 0..21 {
        let mut text = two::preface(&[]);
        text.extend((0..100).flat_map(|n| two::begun(2 * n + 1, "/v1/auth/login")));
        open.push(say(&server, 1, text).await);
    }
    bystander.is_served(&server).await;
    let paths = ["/v1/auth/login", "/v1/auth/signup", "/v1/auth/password/forgot", "/v1/jobs"];
    for n in 0..2_100 {
        let head = post(paths[n % paths.len()], None, "application/json", 100);
        open.push(say(&server, 1, head + "{").await);
        if n % 700 == 0 {
            bystander.is_served(&server).await;
        }
    }
    bystander.is_served(&server).await;
    // Nobody waits for them for ever.
    let deadline = Instant::now() + PATIENCE * 2;
    while server.metric("http_connections").await > 200.0 {
        assert!(Instant::now() < deadline, "the bodies are waited for:\n{}", server.metrics().await);
        sleep(Duration::from_millis(200)).await;
    }
    assert!(server.metric("http_bodies_cut_total").await > 0.0);
    let mut last = open.pop().unwrap();
    assert!(until_closed(&mut last).await.starts_with("HTTP/1.1 408"));
    drop(open);
    bystander.is_served(&server).await;
}

async fn slow_uploads_of_one_account_stop_nobodys_uploads(engine: Engine) {
    let server = Server::start(engine).await;
    let bystander = Bystander::new(&server).await;
    let (greedy, other) = (server.as_worker().await, server.as_worker().await);
    let token = greedy.http.token.as_deref();
    let mut open = Vec::new();
    // Four that say ten bytes now and then, and 68 that say nothing more.
    for n in 0..72 {
        open.push(say(&server, 1, post("/v1/me/kyc", token, FORM, 20_000_000) + "--x\r\ncontent").await);
        if n == 3 {
            sleep(Duration::from_millis(300)).await;
        }
    }
    let mut trickle: Vec<TcpStream> = open.drain(..4).collect();
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        for stream in &mut trickle {
            let _ = stream.write_all(b"-disposit").await;
        }
        sleep(Duration::from_millis(500)).await;
    }
    other.submit_good(7).await;
    let picture = other.request(reqwest::Method::PUT, "/v1/me/picture").body(pictures::jpeg(3));
    Answer::of(picture).await.ok();
    bystander.is_served(&server).await;
    // More than four of one account are not waited for at all.
    let answers = join_all(open.iter_mut().map(until_closed)).await;
    let told = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    assert_eq!(told("HTTP/1.1 429"), 68, "{:?}", answers.first());
    for stream in &mut trickle {
        let answer = until_closed(stream).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    // And then it is as ever.
    greedy.submit_good(9).await;
}

async fn idle_connections_make_room(engine: Engine) {
    if !may_open(4_000) {
        return;
    }
    let mut settings = ROOMY.to_vec();
    settings.extend([("LIMITS__CONNECTIONS", "600"), ("LIMITS__CONNECTIONS_PER_ADDRESS", "200")]);
    let server = Server::start_with(engine, &settings).await;
    let bystander = Bystander::new(&server).await;
    let kept = "GET /v1/categories HTTP/1.1\r\nhost: x\r\n\r\n";
    let (half, body) =
        ("GET /v1/categories HTTP/1.1\r\nhost: x\r\nx-", post("/v1/auth/login", None, "application/json", 9) + "{");
    let two = two::preface(&[]);
    let texts: [&[u8]; 5] = [b"", kept.as_bytes(), half.as_bytes(), body.as_bytes(), &two];
    // Of one host, and then of several: more than all of the places.
    for hosts in [&[1][..], &[2, 3, 4, 5, 6]] {
        let mut open = Vec::new();
        for text in texts {
            for n in 0..250 {
                open.push(say(&server, hosts[n % hosts.len()], text).await);
            }
            bystander.is_served(&server).await;
            let connections = server.metric("http_connections").await;
            assert!(connections <= 600.0, "{connections}");
        }
        assert!(server.metric("http_connections_shed_total").await > 0.0);
        assert!(server.output().contains("there are too many connections"), "{}", server.output());
    }
    // What is in use stays: a socket of somebody who says nothing for long, too.
    let person = server.as_client().await;
    let mut socket = Socket::connect(&person.http, None).await;
    let mut open = Vec::new();
    for _ in 0..400 {
        open.push(connect(&server, 1).await);
    }
    bystander.is_served(&server).await;
    socket.say(json!({"type": "ping"})).await;
    socket.frame("pong").await;
}

async fn answers_that_nobody_takes_are_given_up(engine: Engine) {
    let server = Server::start(engine).await;
    let bystander = Bystander::new(&server).await;
    let before = server.resident();
    let mut open = Vec::new();
    // No window for any byte of any answer: each of them stays with the server.
    for _ in 0..30 {
        let mut text = two::preface(&[(4, 0)]);
        text.extend((0..100).flat_map(|n| two::get(2 * n + 1, "/healthz")));
        open.push(say(&server, 1, text).await);
    }
    // And over HTTP/1, from a client whose buffer is full.
    for _ in 0..30 {
        open.push(say(&server, 1, "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(500)).await);
    }
    for _ in 0..3 {
        bystander.is_served(&server).await;
        sleep(Duration::from_millis(300)).await;
    }
    if let (Some(before), Some(now)) = (before, server.resident()) {
        assert!(now < before + 64 * 1024 * 1024, "{} MB more", (now - before) >> 20);
    }
}

async fn floods_of_http2_frames_end_their_connections(engine: Engine) {
    let server = Server::start(engine).await;
    let bystander = Bystander::new(&server).await;
    let before = server.resident();
    let reset = |stream: u32| two::frame(3, 0, stream, &8_u32.to_be_bytes());
    let endless = |_: u32| two::frame(9, 0, 1, &[0x00; 16_000]);
    let rapid = |n: u32| [two::get(2 * n + 1, "/v1/services"), reset(2 * n + 1)].concat();
    // Requests that are taken back at once (CVE-2023-44487), and a head without an end (CVE-2024-27316).
    let mut continued = two::preface(&[]);
    continued.extend(two::frame(1, 0, 1, &two::headers("GET", "/v1/services")));
    for (name, begin, next) in [
        ("resets", two::preface(&[]), Box::new(rapid) as Box<dyn Fn(u32) -> Vec<u8>>),
        ("continuations", continued, Box::new(endless)),
    ] {
        let mut stream = say(&server, 1, begin).await;
        let (mut read, mut write) = stream.split();
        let flood = async {
            for n in 0..200_000 {
                if write.write_all(&next(n)).await.is_err() {
                    return;
                }
            }
            panic!("{name}: the server takes all of it");
        };
        let hear = async {
            let mut heard = Vec::new();
            let _ = read.read_to_end(&mut heard).await;
        };
        tokio::select! {
            () = flood => {}
            () = hear => {}
            () = sleep(PATIENCE) => panic!("{name}: the connection stays"),
        }
        bystander.is_served(&server).await;
    }
    if let (Some(before), Some(now)) = (before, server.resident()) {
        assert!(now < before + 64 * 1024 * 1024, "{} MB more", (now - before) >> 20);
    }
}

async fn hostile_log_ins_take_no_memory(engine: Engine) {
    let server = Server::start(engine).await;
    let bystander = Bystander::new(&server).await;
    let http = server.as_nobody();
    // What the first ones take belongs to the server.
    let hostile = async |n: usize| {
        let long = format!("{n}{}", "x".repeat(60_000));
        let password = "a password that fits nobody";
        let bodies = [
            ("/v1/auth/login", json!({"email": format!("{long}@example.org"), "password": password})),
            ("/v1/auth/login", json!({"email": format!("{n}@example.org"), "password": long})),
            ("/v1/auth/password/forgot", json!({"email": long})),
            ("/v1/auth/verify-email/resend", json!({"email": long})),
            ("/v1/auth/verify-email", json!({"token": long})),
            ("/v1/auth/refresh", json!({"refresh_token": long})),
        ];
        for (path, body) in bodies {
            let request = http.request(reqwest::Method::POST, path).json(&body);
            let request = request.header("user-agent", "x".repeat(8_000)).header("x-request-id", "y".repeat(8_000));
            assert!(request.send().await.unwrap().status().as_u16() < 500, "{path}");
        }
        for query in ["q", "location"] {
            let path = format!("/v1/services?{query}={}", "z".repeat(20_000));
            assert!(http.request(reqwest::Method::GET, &path).send().await.unwrap().status().as_u16() < 500);
        }
        let path = format!("/v1/ws?ticket={n}{}", "t".repeat(20_000));
        let socket = http.request(reqwest::Method::GET, &path).header("sec-websocket-key", "x");
        assert!(socket.send().await.unwrap().status().as_u16() < 500);
    };
    for n in 0..20 {
        hostile(n).await;
    }
    let before = server.resident();
    // 3,000 log-ins of 64 kB took 400 MB, and so would a third of them take 130.
    for n in 0..20 {
        join_all((0..16).map(|m| hostile(1_000 + 16 * n + m))).await;
    }
    if let (Some(before), Some(now)) = (before, server.resident()) {
        assert!(now < before + 40 * 1024 * 1024, "{} MB more", (now - before) >> 20);
    }
    bystander.is_served(&server).await;
}

async fn a_crowd_that_logs_in_is_not_waited_for(engine: Engine) {
    let server = Server::start(engine).await;
    let bystander = Bystander::new(&server).await;
    let body = json!({"email": "nobody@example.org", "password": "a password that fits nobody"});
    let crowd: Vec<_> = (0..400)
        .map(|_| {
            let http = Http::from(&server.url, [127, 0, 0, 7].into());
            let body = body.clone();
            tokio::spawn(async move { http.post("/v1/auth/login", body).await.status.as_u16() })
        })
        .collect();
    sleep(Duration::from_millis(200)).await;
    bystander.is_served(&server).await;
    for one in crowd {
        let status = one.await.unwrap();
        assert!([401, 503].contains(&status), "{status}");
    }
}
