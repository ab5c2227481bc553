//! Traces: a request is a part of its caller's, and has parts of its own; nobody's data is in them.

use std::time::{Duration, Instant};

use marketplace_tests::{
    Engine, Person, Server,
    cli::Cli,
    collector::{Collector, Span},
    http::Answer,
    people::PASSWORD,
    server::ROOMY,
    stories,
};
use reqwest::Method;

stories![a_request_is_a_part_of_its_callers_trace, only_trusted_callers_decide, a_collector_that_is_away_stops_nothing];

/// The trace of a caller, and its span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

async fn server(engine: Engine, collector: &Collector, settings: &[(&str, &str)]) -> Server {
    let settings = [ROOMY, &[("TRACES__URL", &collector.url), ("LOG__ACCESS", "true")], settings].concat();
    let mut server = Server::prepare(engine, &settings).await;
    server.extra_environment.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "100".to_owned()));
    server.run().await;
    server
}

async fn called(person: &Person, path: &str, trace: &str, flags: &str) {
    let request = person.request(Method::GET, path).header("traceparent", format!("00-{trace}-{CALLER}-{flags}"));
    Answer::of(request).await.ok();
}

fn is_request(span: &Span, name: &str) -> bool {
    span.name == name
}

async fn a_request_is_a_part_of_its_callers_trace(engine: Engine) {
    let collector = Collector::start().await;
    let hooks = [("WEBHOOKS__ALLOW_HTTP", "true"), ("WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8")];
    let mut server = server(engine, &collector, &hooks).await;
    let jon = server.as_client().await;
    // A stranger does not decide that it is left out.
    called(&jon, "/v1/me", TRACE, "00").await;
    jon.get("/v1/services?q=canarywords").await.ok();
    jon.get("/v1/nowhere-canarypath").await.refused(404, "not_found");

    let me = collector.span(|span| span.trace == TRACE && is_request(span, "GET /v1/me")).await;
    assert_eq!(me.parent, CALLER);
    assert_eq!(me.attribute("http.response.status_code"), Some("200"));
    assert_eq!(me.attribute("http.route"), Some("/v1/me"));
    let system = if engine == Engine::Sqlite { "sqlite" } else { "postgresql" };
    let read = collector.span(|span| span.parent == me.id && span.name == "db.read").await;
    assert_eq!((read.trace.as_str(), read.attribute("db.system.name")), (TRACE, Some(system)));
    let login = collector.span(|span| is_request(span, "POST /v1/auth/login")).await;
    assert_eq!(login.parent, "", "a trace of its own");
    for part in ["password.hash", "db.write"] {
        collector.span(|span| span.parent == login.id && span.name == part).await;
    }
    // Its lines in the log are found by the trace.
    let line = server.output();
    let line = line.lines().find(|line| line.contains("/v1/auth/login") && line.contains("answered")).unwrap();
    assert!(line.contains(&login.trace), "{line}");

    // What is sent on to others goes on with a trace.
    let cli = Cli::direct(&server);
    let url = format!("{}/hook", collector.url);
    cli.run(&["webhooks", "create", &url, "--kind", "job.changed", "--yes"]).await.ok();
    let id = cli.json(&["webhooks", "list"]).await[0]["id"].as_str().unwrap().to_owned();
    cli.run(&["webhooks", "test", &id, "--yes"]).await.ok();
    let sent = collector.span(|span| span.name == "webhook.send").await;
    assert!(collector.parents().contains(&format!("00-{}-{}-01", sent.trace, sent.id)), "{:?}", collector.parents());

    // What is left is sent at the end.
    called(&jon, "/v1/me", TRACE, "01").await;
    assert_eq!(server.stop().await, Some(0));
    let of_me = collector.spans().into_iter().filter(|span| span.trace == TRACE && is_request(span, "GET /v1/me"));
    assert_eq!(of_me.count(), 2);
    // Only what is part of a request or of a delivery is there, and nobody's data.
    for span in collector.spans() {
        assert!(
            span.parent.is_empty()
                || span.parent == CALLER
                || collector.spans().iter().any(|one| one.id == span.parent),
            "{span:?}"
        );
    }
    let bytes = collector.bytes();
    for canary in [&jon.email, &jon.id, &jon.refresh_token, PASSWORD, "canary", "127.0.0.1"] {
        assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()), "{canary}");
    }
}

async fn only_trusted_callers_decide(engine: Engine) {
    const OTHER: &str = "5bf92f3577b34da6a3ce929d0e0e4737";
    let collector = Collector::start().await;
    let of_none = server(engine, &collector, &[("TRACES__SAMPLE", "0")]).await;
    let jon = of_none.as_client().await;
    called(&jon, "/v1/me", TRACE, "01").await;
    drop((jon, of_none));
    let trusting = [("TRACES__SAMPLE", "0"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let mut of_proxies = server(engine, &collector, &trusting).await;
    let jon = of_proxies.as_client().await;
    called(&jon, "/v1/me", OTHER, "00").await;
    called(&jon, "/v1/me", OTHER, "01").await;
    assert_eq!(of_proxies.stop().await, Some(0));
    let requests: Vec<_> = collector.spans().into_iter().filter(|span| span.name.contains(" /v1/")).collect();
    assert!(matches!(&requests[..], [one] if one.trace == OTHER && one.parent == CALLER), "{requests:#?}");
}

async fn a_collector_that_is_away_stops_nothing(engine: Engine) {
    let collector = Collector::start().await;
    collector.refuse(true);
    let mut server = server(engine, &collector, &[]).await;
    let jon = server.as_client().await;
    let said = async |text: &str| {
        let begun = Instant::now();
        while !server.output().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", server.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    said("spans cannot be sent").await;
    for _ in 0..10 {
        jon.get("/v1/me").await.ok();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(server.output().matches("spans cannot be sent").count(), 1);
    collector.refuse(false);
    jon.get("/v1/me").await.ok();
    said("spans are sent again").await;
    // It is gone, and the server ends all the same.
    drop(collector);
    jon.get("/v1/me").await.ok();
    assert_eq!(server.stop().await, Some(0));
}
