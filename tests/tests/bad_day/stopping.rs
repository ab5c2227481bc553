//! A server that is stopped while others go on: nobody is refused.

use std::{
    net::TcpListener,
    os::unix::net::UnixDatagram,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use marketplace_tests::{
    Engine, Http, Server,
    server::{ROOMY, signal},
    stories,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::hostile::PATIENCE;

stories! {
    nobody_is_refused_over_a_rolling_stop,
    whoever_has_connected_is_answered_by_a_server_that_stops,
    a_second_signal_waits_for_no_balancer,
    a_service_manager_is_told_and_its_listener_outlives_a_restart,
}

const QUESTION: &[u8] = b"GET /v1/services HTTP/1.1\r\nhost: market\r\n\r\n";

/// What a balancer knows of a server.
struct Backend {
    http: Http,
    is_ready: AtomicBool,
}

impl Backend {
    fn new(url: &str) -> Arc<Self> {
        let backend = Arc::new(Self { http: Http::new(url), is_ready: AtomicBool::new(true) });
        let looked = Arc::clone(&backend);
        // As balancers do: now and then, and it takes two looks to believe that a server is not ready.
        tokio::spawn(async move {
            let mut bad = 0;
            loop {
                let ready = looked.http.request(reqwest::Method::GET, "/readyz").send().await;
                bad = if ready.is_ok_and(|answer| answer.status() == 200) { 0 } else { bad + 1 };
                looked.is_ready.store(bad < 2, Ordering::SeqCst);
                sleep(Duration::from_millis(200)).await;
            }
        });
        backend
    }
}

async fn nobody_is_refused_over_a_rolling_stop(engine: Engine) {
    let mut settings = ROOMY.to_vec();
    settings.push(("DRAIN_SECONDS", "4"));
    let mut server = Server::start_with(engine, &settings).await;
    let beside = server.beside().await;
    let backends = Arc::new([Backend::new(&server.url), Backend::new(&beside.url)]);
    let (asked, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (backends, asked, over) = (Arc::clone(&backends), Arc::clone(&asked), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    // In turn, of those that are ready.
                    let turn = asked.fetch_add(1, Ordering::SeqCst);
                    let ready = |n: &usize| backends[*n].is_ready.load(Ordering::SeqCst);
                    let Some(backend) = [turn % 2, (turn + 1) % 2].into_iter().find(ready) else {
                        panic!("no server is ready");
                    };
                    let answer = backends[backend].http.request(reqwest::Method::GET, "/v1/services").send().await;
                    let status = answer.unwrap_or_else(|error| panic!("refused: {error:?}")).status();
                    assert_eq!(status, 200);
                    sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    let pid = server.pid().unwrap();
    signal(pid, "TERM");
    assert_eq!(server.ended().await, Some(0));
    sleep(Duration::from_secs(1)).await;
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert!(asked.load(Ordering::SeqCst) > 100);
}

async fn whoever_has_connected_is_answered_by_a_server_that_stops(engine: Engine) {
    let mut server = Server::start_with(engine, ROOMY).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    // One that has connected, and is slow to ask.
    let mut slow = TcpStream::connect(&address).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    // As on a busy machine: the connections are there before the server looks, and so is the signal.
    server.freeze();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = TcpStream::connect(&address).await.unwrap();
        client.write_all(QUESTION).await.unwrap();
        clients.push(client);
    }
    signal(server.pid().unwrap(), "TERM");
    server.thaw();
    sleep(Duration::from_millis(100)).await;
    slow.write_all(QUESTION).await.unwrap();
    clients.push(slow);
    for (n, mut client) in clients.into_iter().enumerate() {
        let mut answer = String::new();
        let read = client.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "client {n}: {read:?} {answer:?}");
    }
    assert_eq!(server.ended().await, Some(0));
}

async fn a_second_signal_waits_for_no_balancer(engine: Engine) {
    let mut server = Server::start_with(engine, &[("DRAIN_SECONDS", "3600")]).await;
    let pid = server.pid().unwrap();
    signal(pid, "TERM");
    let deadline = Instant::now() + PATIENCE;
    while server.as_nobody().get("/readyz").await.status != 503 {
        assert!(Instant::now() < deadline, "it stays ready");
    }
    assert_eq!(server.as_nobody().get("/v1/services").await.status, 200);
    signal(pid, "TERM");
    assert_eq!(server.ended().await, Some(0));
}

async fn a_service_manager_is_told_and_its_listener_outlives_a_restart(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = |wanted: &str| {
        loop {
            let mut said = [0; 256];
            let length = manager.recv(&mut said).unwrap_or_else(|error| panic!("{wanted} is not said: {error}"));
            let said = String::from_utf8_lossy(&said[..length]).into_owned();
            if said.lines().any(|line| line == wanted) {
                return said;
            }
        }
    };
    let mut server = Server::prepare(engine, ROOMY).await;
    server.extra_environment = vec![
        ("NOTIFY_SOCKET".to_owned(), path.display().to_string()),
        ("WATCHDOG_USEC".to_owned(), "400000".to_owned()),
    ];
    server.listener = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    server.run().await;
    told("READY=1");
    told("WATCHDOG=1");
    signal(server.pid().unwrap(), "HUP");
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    server.stop().await;
    told("STOPPING=1");
    // Nobody serves, and yet a client that comes now is not refused.
    let waiting = tokio::spawn({
        let http = Http::new(&server.url);
        async move { http.get("/v1/services").await.status }
    });
    sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    server.run().await;
    assert_eq!(waiting.await.unwrap(), 200);
}
