//! A provider that others wrote: the npm package `oidc-provider`, with its own pages for logging in and for consent.
//!
//! It needs `node`, and the package: `npm ci` in `tests/oidc-provider`, or in a copy of it that
//! `MARKETPLACE_TEST_OIDC_PROVIDER` names, as `tests/run` does.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use marketplace_tests::{
    Answer, Engine, Server, binaries, database::random_id, provider::Browser, server::ROOMY, stories,
};
use reqwest::{Method, header};
use serde_json::json;
use url::Url;

stories![a_real_provider_logs_people_in,];

/// The process; it ends with this. What it says is not read, but taken: it would end when nobody did.
struct Node(Child, Option<BufReader<ChildStdout>>);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, or says why not.
fn start(port: u16) -> Result<Node, String> {
    let folder = std::env::var_os("MARKETPLACE_TEST_OIDC_PROVIDER")
        .map_or_else(|| binaries::workspace().join("tests/oidc-provider"), PathBuf::from);
    if !folder.join("node_modules/oidc-provider").is_dir() {
        return Err(format!("the npm package oidc-provider is not in {} (npm ci)", folder.display()));
    }
    let mut command = Command::new("node");
    command.arg(folder.join("server.mjs")).arg(port.to_string());
    command.arg("http://127.0.0.1:8080/v1/auth/oidc/real/callback");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut node = Node(command.spawn().map_err(|error| format!("node does not run: {error}"))?, None);
    let said = node.1.insert(BufReader::new(node.0.stdout.take().unwrap()));
    let ready = said.lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "the provider does not start: node {} {port}", folder.join("server.mjs").display());
    Ok(node)
}

/// Somebody in front of the provider's pages, with the cookies that it sets.
struct Visitor {
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    issuer: Url,
}

impl Visitor {
    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = Answer::of(request.header(header::COOKIE, cookies.join("; "))).await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Goes from page to page, logging in as `name` and agreeing, until it is sent elsewhere.
    async fn walk(&mut self, page: Url, name: &str) -> Url {
        let mut request = self.client.get(page.clone());
        let mut here = page;
        for _ in 0..12 {
            let answer = self.send(request).await;
            if let Some(next) = answer.headers.get(header::LOCATION) {
                here = here.join(next.to_str().unwrap()).unwrap();
                if here.origin() != self.issuer.origin() {
                    return here;
                }
                request = self.client.get(here.clone());
                continue;
            }
            let html = answer.text();
            assert!(answer.status.is_success(), "{html}");
            let form = if html.contains("name=\"login\"") {
                format!("prompt=login&login={name}&password=whatever")
            } else {
                "prompt=consent".to_owned()
            };
            let kind = "application/x-www-form-urlencoded";
            request = self.client.request(Method::POST, here.clone()).header(header::CONTENT_TYPE, kind).body(form);
        }
        panic!("the provider's pages do not end: {here}");
    }
}

async fn a_real_provider_logs_people_in(engine: Engine) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
    let _node = match start(port) {
        Ok(node) => node,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let issuer = format!("http://127.0.0.1:{port}");
    let mut settings = ROOMY.to_vec();
    let own = [("OIDC__REAL__ISSUER", issuer.as_str()), ("OIDC__REAL__CLIENT_ID", "market")];
    settings.extend(own.into_iter().chain([("OIDC__REAL__CLIENT_SECRET", "s3cret")]));
    let app = Server::start_with(engine, &settings).await;
    let name = format!("kim-{}", random_id().simple());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let client = marketplace_tests::http::client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut visitor = Visitor { client, cookies: BTreeMap::new(), issuer: issuer.parse().unwrap() };
        let mut browser = Browser::new(&app);
        let page = marketplace_tests::provider::location(&browser.ask("real", "role=worker").await);
        let back = visitor.walk(page, &name).await;
        let back = browser.follow(&back);
        let tokens = browser.come_back(&back).await.ok();
        browser.come_back(&back).await.refused(401, "unauthenticated");
        let me = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
        assert_eq!(
            (&me["email"], &me["role"], &me["name"]),
            (&json!(format!("{name}@example.org")), &json!("worker"), &json!("Kim Park"))
        );
        ids.push(me["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "the second login finds the account of the first");
}
