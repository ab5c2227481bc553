//! Nothing that is secret or personal gets into the logs, at any level. A binary of its own, because there is one
//! subscriber in a process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "all of this is tests; Clippy knows it only of the functions marked so"
)]

#[path = "../http/harness.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod harness;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use marketplace_core::{
    base::permission::Role,
    config::{Log, LogFormat},
};
use serde_json::{Value, json};

use harness::{Server, server_with};
use marketplace_server::Options;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const EMAIL: &str = "canary.address@example.org";
const NAME: &str = "Canary Lastname";
const PHONE: &str = "+447700900123";
const PASSWORD: &str = "canary password 1";
const NEW_PASSWORD: &str = "canary password 2";
const QUERY: &str = "canaryquery";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOTE: &str = "canary note about somebody";

/// The newest mail's link token.
async fn token_from_mail(server: &Server, contains: &str) -> String {
    let dir = server.test.app().config.mail_dir();
    for _ in 0..200 {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let text =
                std::fs::read_to_string(entry.path()).unwrap_or_default().replace("=\r\n", "").replace("=3D", "=");
            if text.contains(contains)
                && let Some((_, rest)) = text.split_once("token=")
            {
                return rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no mail came");
}

/// A person's way through the API, with what goes wrong on it. Answers every secret that was handed out.
async fn story(server: &Server) -> Vec<String> {
    let post = |path: &str, body: Value| server.post(path).json(&body);
    let sign_up = json!({"role": "worker", "email": EMAIL, "password": PASSWORD, "name": NAME, "phone": PHONE});
    assert_eq!(post("/v1/auth/signup", sign_up.clone()).send().await.unwrap().status(), 202);
    let one_time = token_from_mail(server, "auth/verify-email").await;
    assert_eq!(post("/v1/auth/verify-email", json!({"token": one_time})).send().await.unwrap().status(), 204);
    // Again, and wrong.
    post("/v1/auth/signup", sign_up).send().await.unwrap();
    post("/v1/auth/verify-email", json!({"token": one_time})).send().await.unwrap();
    post("/v1/auth/login", json!({"email": EMAIL, "password": NEW_PASSWORD})).send().await.unwrap();
    post("/v1/auth/login", json!({"email": EMAIL, "password": 5, "x": NAME})).send().await.unwrap();
    let login = post("/v1/auth/login", json!({"email": EMAIL, "password": PASSWORD})).send().await.unwrap();
    assert_eq!(login.status(), 200);
    let tokens: Value = login.json().await.unwrap();
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    server.get("/v1/me").header("traceparent", parent).bearer_auth(&access).send().await.unwrap();
    assert_eq!(server.get("/v1/admin/users").bearer_auth(&access).send().await.unwrap().status(), 403);
    server.get(&format!("/v1/me?q={QUERY}")).bearer_auth(format!("{access}x")).send().await.unwrap();
    post("/v1/auth/password/forgot", json!({"email": EMAIL})).send().await.unwrap();
    let change = json!({"current_password": PASSWORD, "password": NEW_PASSWORD});
    assert_eq!(post("/v1/auth/password/change", change).bearer_auth(&access).send().await.unwrap().status(), 204);
    let rotated: Value =
        post("/v1/auth/refresh", json!({"refresh_token": refresh})).send().await.unwrap().json().await.unwrap();
    post("/v1/auth/refresh", json!({"refresh_token": format!("{refresh}x")})).send().await.unwrap();
    let admin = server.token(Role::Admin).await;
    let found: Value = server
        .get(&format!("/v1/admin/users?q={EMAIL}&reveal=true"))
        .bearer_auth(&admin)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(found["items"][0]["email"], EMAIL, "{found}");
    let id = found["items"][0]["id"].as_str().unwrap();
    let freeze = json!({"reason": "fraud", "note": NOTE});
    let path = format!("/v1/admin/users/{id}/freeze");
    assert_eq!(post(&path, freeze).bearer_auth(&admin).send().await.unwrap().status(), 200);
    // With the database gone, everything fails inside.
    server.test.app().db.close().await;
    let failed = post("/v1/auth/login", json!({"email": EMAIL, "password": PASSWORD})).send().await.unwrap();
    assert_eq!(failed.status(), 503);
    let rotated = rotated["refresh_token"].as_str().unwrap_or("none was given").to_owned();
    vec![one_time, access, refresh, rotated, admin]
}

#[test]
fn no_secret_and_no_personal_datum_is_logged() {
    let captured = Captured::default();
    let folder = tempfile::tempdir().unwrap();
    let log =
        Log { format: LogFormat::Json, level: "trace".into(), access: true, slow_statement_ms: 1, ..Log::default() };
    let settings = log.clone();
    let writer = captured.clone();
    let (subscriber, guard) =
        marketplace_server::logging::subscriber(&log, folder.path(), move || writer.clone(), false, None).unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let secrets = runtime.block_on(async {
        let server = server_with(|config| config.log = settings.clone(), Options::default()).await;
        let secrets = story(&server).await;
        server.stop().await;
        secrets
    });
    drop(guard);
    let terminal = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let mut file = String::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        file.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for (place, text) in [("terminal", &terminal), ("file", &file)] {
        assert!(text.contains("/v1/auth/login"), "{place} has the requests:\n{text}");
        assert!(text.contains("request failed"), "{place} has the failures:\n{text}");
        let personal = [EMAIL, NAME, PHONE, PASSWORD, NEW_PASSWORD, QUERY, NOTE, "Lastname", "canary"];
        for canary in personal.into_iter().chain(secrets.iter().map(String::as_str)) {
            assert!(!text.contains(canary), "{place} has {canary}:\n{text}");
        }
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &lines {
            assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "in UTC: {line}");
            assert!(line["level"].is_string(), "{line}");
        }
        let found = |message: &str, fits: &dyn Fn(&Value) -> bool| {
            let mut all = lines.iter().filter(|line| line["message"] == message);
            assert!(all.any(fits), "{place} has `{message}`");
        };
        let whose = |fields: &Value| fields["user"].as_str().is_some_and(|id| id.len() == 36);
        found("logged in", &|fields| whose(fields) && fields["session"].is_string());
        found("a login failed: unknown address or wrong password", &whose);
        let forbidden = |fields: &Value| fields["route"] == "/v1/admin/users" && fields["status"] == 403;
        found("refused", &|fields| forbidden(fields) && whose(fields) && fields["request_id"].is_string());
        let is_access =
            |fields: &Value| fields["target"] == "access" && fields["route"] == "/v1/me" && fields["status"] == 200;
        found("answered", &|fields| is_access(fields) && fields["trace_id"] == TRACE && fields["millis"].is_number());
        assert!(lines.iter().any(|line| line["target"] == "sqlx::query"), "{place} has no slow statement");
        found("refused", &|fields| fields["status"] == 401 && fields["route"] == "/v1/me");
        found("refused", &|fields| fields["status"] == 422 && fields["route"] == "/v1/auth/login");
    }
}
