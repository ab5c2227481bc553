use marketplace_core::staff::{self, ClaimNextAttempt, ListQuery, ListUsers, ShowStats, WhoAmI};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use marketplace_core::{
    accounts::{model::UserAction, summary::UserFilter},
    base::change::Change,
    error::ErrorCode,
    ids::{AttemptId, UserId},
    kyc::model::Decision,
    page::PageRequest,
    staff::Connection,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A request as it came in.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    line: String,
    headers: String,
    body: String,
}

impl Request {
    fn token(&self) -> &str {
        let line = self.headers.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or("")
    }
}

type Answers = Arc<dyn Fn(&Request) -> (u16, String, &'static str) + Send + Sync>;

/// A server of one page of code: answers each request as told, one per connection.
async fn serve(answers: Answers) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, answers.clone(), log.clone()));
        }
    });
    (url, seen)
}

async fn answer(mut stream: TcpStream, answers: Answers, log: Arc<Mutex<Vec<Request>>>) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length =
                text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            break (end + 4, length.unwrap_or(0));
        }
    };
    while bytes.len() < head + length {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..read]);
    }
    let text = String::from_utf8(bytes).unwrap();
    let (line, headers) = text[..head].split_once("\r\n").unwrap();
    let request =
        Request { line: line.trim_end_matches(" HTTP/1.1").into(), headers: headers.into(), body: text[head..].into() };
    let (status, body, extra) = answers(&request);
    log.lock().unwrap().push(request);
    let answer =
        format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n{extra}\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

const IDENTITY: &str = r#"{"principal":"user:x","name":"Lea","role":"support","permissions":["kyc:read"]}"#;

fn tokens(number: usize) -> Tokens {
    Tokens { access_token: format!("access-{number}"), refresh_token: format!("refresh-{number}") }
}

/// Takes the newest access token only; each refresh token works once and gives the next pair.
fn rotating() -> (Answers, Arc<AtomicUsize>) {
    let newest = Arc::new(AtomicUsize::new(1));
    let number = newest.clone();
    let answers: Answers = Arc::new(move |request: &Request| {
        let now = number.load(Ordering::SeqCst);
        if request.line == "POST /v1/auth/refresh" {
            if request.body.contains(&format!("\"refresh-{}\"", now - 1))
                || request.body.contains(&format!("\"refresh-{now}\""))
            {
                number.store(now + 1, Ordering::SeqCst);
                return (200, serde_json::to_string(&tokens(now + 1)).unwrap(), "");
            }
            return (401, r#"{"code":"unauthenticated","detail":"the session is over"}"#.into(), "");
        }
        if request.token() == format!("access-{now}") {
            (200, IDENTITY.into(), "content-type: application/json\r\n")
        } else {
            (401, r#"{"code":"unauthenticated","detail":"the token has run out"}"#.into(), "")
        }
    });
    (answers, newest)
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed_once_and_kept() {
    let (answers, newest) = rotating();
    newest.store(2, Ordering::SeqCst);
    let (url, seen) = serve(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c/tokens.json");
    crate::files::write_private(&path, &serde_json::to_vec(&tokens(1)).unwrap()).unwrap();
    let remote = Connection::remote(Remote::new(&url, Credentials::file(TokenFile::new(&path))).unwrap());
    assert_eq!(remote.call::<WhoAmI>((), (), ()).await.unwrap().name, "Lea");
    assert_eq!(remote.call::<WhoAmI>((), (), ()).await.unwrap().name, "Lea");
    let lines: Vec<String> = seen.lock().unwrap().iter().map(|request| request.line.clone()).collect();
    assert_eq!(
        lines,
        ["GET /v1/admin/whoami", "POST /v1/auth/refresh", "GET /v1/admin/whoami", "GET /v1/admin/whoami"]
    );
    let kept: Tokens = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept, tokens(3));
}

#[tokio::test]
async fn two_programs_renew_one_after_the_other() {
    let (answers, newest) = rotating();
    newest.store(2, Ordering::SeqCst);
    let (url, seen) = serve(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    crate::files::write_private(&path, &serde_json::to_vec(&tokens(1)).unwrap()).unwrap();
    // Credentials of their own each, as two processes have: only the file is between them.
    let remote = || Connection::remote(Remote::new(&url, Credentials::file(TokenFile::new(&path))).unwrap());
    let (one, other) = (remote(), remote());
    let (one, other) = tokio::join!(one.call::<WhoAmI>((), (), ()), other.call::<WhoAmI>((), (), ()));
    assert_eq!((one.unwrap().name, other.unwrap().name), ("Lea".into(), "Lea".into()));
    let refreshes = seen.lock().unwrap().iter().filter(|request| request.line == "POST /v1/auth/refresh").count();
    assert_eq!(refreshes, 1);
}

#[tokio::test]
async fn a_revoked_session_is_forgotten() {
    let answers: Answers = Arc::new(|_: &Request| {
        (401, r#"{"code":"unauthenticated","detail":"the session was revoked","request_id":"r-9"}"#.into(), "")
    });
    let (url, _) = serve(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    crate::files::write_private(&path, &serde_json::to_vec(&tokens(1)).unwrap()).unwrap();
    let remote = Connection::remote(Remote::new(&url, Credentials::file(TokenFile::new(&path))).unwrap());
    let error = remote.call::<ShowStats>((), (), ()).await.unwrap_err();
    assert_eq!((error.code(), error.request_id()), (ErrorCode::Unauthenticated, Some("r-9")));
    assert!(!path.exists());
    assert_eq!(crate::report::next_step(&error.into()).unwrap(), "log in with: marketplace auth login");
    let error = remote.call::<WhoAmI>((), (), ()).await.unwrap_err();
    assert!(error.detail().contains("not logged in"));
}

#[tokio::test]
async fn a_token_from_outside_is_never_renewed() {
    let answers: Answers = Arc::new(|_: &Request| (401, r#"{"code":"unauthenticated"}"#.into(), ""));
    let (url, seen) = serve(answers).await;
    let remote = Connection::remote(Remote::new(&url, Credentials::token("from-env")).unwrap());
    assert_eq!(remote.call::<WhoAmI>((), (), ()).await.unwrap_err().code(), ErrorCode::Unauthenticated);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_sent_is_as_agreed() {
    let answers: Answers = Arc::new(|_: &Request| (200, "null".into(), ""));
    let (url, seen) = serve(answers).await;
    let remote = Connection::remote(Remote::new(&format!("{url}/v1/"), Credentials::token("t")).unwrap());
    let change = Change { note: Some("n".into()), dry_run: true, if_version: Some(4), ..Change::default() };
    let id: UserId = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap();
    // The answers do not fit; what matters here is what was asked.
    drop(remote.call::<ClaimNextAttempt>((), (), Change::default()).await);
    drop(staff::decide(&remote, AttemptId(id.0), Decision::approve(Some(7)), change.clone()).await);
    drop(staff::act_on_user(&remote, id, &UserAction::Delete, change.clone()).await);
    drop(staff::act_on_user(&remote, id, &UserAction::RevokeSessions, Change::default()).await);
    let filter = UserFilter { q: Some("ada obi".into()), ..UserFilter::default() };
    drop(
        remote
            .call::<ListUsers>((), ListQuery::new(&filter, &PageRequest { limit: 3, after: Some("c".into()) }), ())
            .await,
    );
    let seen = seen.lock().unwrap();
    let sent: Vec<(&str, &str)> = seen.iter().map(|request| (request.line.as_str(), request.body.as_str())).collect();
    let path = "/v1/admin/users/019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";
    assert_eq!(
        sent,
        [
            ("POST /v1/admin/kyc/next", "{}"),
            (format!("POST /v1/admin/kyc/{id}/approve").as_str(), r#"{"dry_run":true,"fence":7,"note":"n"}"#),
            (format!("DELETE {path}").as_str(), r#"{"dry_run":true,"note":"n"}"#),
            (format!("POST {path}/revoke-sessions").as_str(), "{}"),
            ("GET /v1/admin/users?q=ada+obi&after=c&limit=3", ""),
        ]
    );
    assert!(seen[1].headers.to_lowercase().contains("if-match: \"4\""));
    assert!(seen.iter().all(|request| request.token() == "t"));
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_tokens_follow_no_redirect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Connection::remote(Remote::new(&url, Credentials::token("t")).unwrap())
        .call::<ShowStats>((), (), ())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(crate::report::next_step(&error.into()).unwrap().contains("doctor"));

    let answers: Answers = Arc::new(|_: &Request| (302, String::new(), "location: https://elsewhere.example/\r\n"));
    let (url, seen) = serve(answers).await;
    let error = Connection::remote(Remote::new(&url, Credentials::token("t")).unwrap())
        .call::<ShowStats>((), (), ())
        .await
        .unwrap_err();
    assert!(error.detail().contains("elsewhere.example"), "{error}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[test]
fn addresses_are_checked_and_nothing_secret_is_printed() {
    for bad in ["", "market.example.org", "ftp://a", "https://me:hunter2@a.example", "https://a/?x=1", "http://"] {
        assert!(check_base(bad).is_err(), "{bad}");
    }
    assert_eq!(check_base("https://a.example/base/v1/").unwrap().as_str(), "https://a.example/base");
    let remote = Remote::new("https://a.example", Credentials::token("hunter2")).unwrap();
    let memory = Credentials::memory(Some(tokens(1)));
    let text = format!("{remote:?} {:?} {memory:?} {:?}", remote.credentials, tokens(1));
    assert!(!text.contains("hunter2") && !text.contains("access-1"), "{text}");
}
