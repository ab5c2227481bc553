//! Every method of `AdminApi`, over the database and over HTTP, on both engines: equal answers and equal errors.
//!
//! One script is played twice, in two marketplaces that are alike: once with `Direct`, once with the command line's `Remote`
//! against a server. Ids and hashes are named in the order in which they are first seen; the clock stands still. A method
//! that the script does not call fails the last test.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

use std::{collections::HashMap, sync::Arc, time::Duration};

use marketplace_cli::remote::{Credentials, Remote};
use marketplace_core::{
    accounts::model::{NewUser, RestrictionReason, Status, UserAction},
    actor::{Principal, Role},
    admin::{AdminApi, AuditFilter, Change, Direct, KycFilter, UserFilter},
    error::{Error, Result},
    ids::{AttemptId, UserId},
    kyc::{
        self, Submission,
        model::{Decision, DecisionKind, DocumentType, FileKind, KycReason, KycStatus},
    },
    page::PageRequest,
    testing::{self, TestApp},
};
use marketplace_tests::pictures;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What was answered, step by step.
#[derive(Default)]
struct Script {
    steps: Vec<(String, Value)>,
    names: HashMap<String, String>,
}

impl Script {
    /// Writes down an answer or an error, with names for what differs between two worlds.
    fn note(&mut self, step: impl Into<String>, answer: Value) {
        let plain = self.plain(answer);
        self.steps.push((step.into(), plain));
    }

    fn heard<T: Serialize>(&mut self, step: impl Into<String>, answer: &Result<T>) {
        let answer = match answer {
            Ok(answer) => json!({ "ok": answer }),
            Err(error) => said(error),
        };
        self.note(step, answer);
    }

    fn plain(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.rename(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.plain(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(key, value)| (key, self.plain(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }

    /// Ids and hashes, wherever they are in a text, by order of appearance; cursors hold some, in base64.
    fn rename(&mut self, text: &str) -> String {
        let long = |part: &str| {
            (part.len() == 36 && part.parse::<UserId>().is_ok())
                || (part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        if let Some(plain) = decoded_cursor(text) {
            return format!("cursor({})", self.rename(&plain));
        }
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() || c == '-' {
                word.push(c);
                continue;
            }
            if long(&word) {
                let next = self.names.len();
                out += self.names.entry(word.clone()).or_insert_with(|| format!("#{next}"));
            } else {
                out += &word;
            }
            word.clear();
            out.push(c);
        }
        out.pop();
        out
    }
}

fn decoded_cursor(text: &str) -> Option<String> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (kind, rest) = plain.split_once(':')?;
    if !matches!(kind, "t" | "s" | "k") {
        return None;
    }
    // The simple form of an id, as ids are elsewhere.
    Some(
        rest.split(':')
            .map(|part| part.parse::<UserId>().map_or(part.to_owned(), |id| id.to_string()))
            .collect::<Vec<_>>()
            .join(":"),
    )
}

/// All of an error that crosses the wire.
fn said(error: &Error) -> Value {
    json!({
        "code": error.code(),
        "detail": error.detail(),
        "fields": error.fields(),
        "current": error.current(),
        "retry_after": error.retry_after_hint().map(|after| after.as_secs()),
        "retryable": error.code().retryable(),
    })
}

/// How the script's caller gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Remote,
}

/// One marketplace, and the ways into it.
struct World {
    test: TestApp,
    way: Way,
    url: String,
    server: tokio::task::JoinHandle<()>,
}

impl World {
    async fn open(test: TestApp, way: Way) -> Self {
        let router = marketplace_server::router(test.app().clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { test, way, url, server }
    }

    /// The API as a new member of staff, and their id.
    async fn staff(&self, role: Role) -> (Arc<dyn AdminApi>, UserId) {
        let id = self.user(role).await;
        (self.signed_in(id).await, id)
    }

    /// Somebody new. A second passes: ids of one moment have no order.
    async fn user(&self, role: Role) -> UserId {
        let id = self.test.user(role, Status::Active).await;
        self.test.advance(Duration::from_secs(1));
        id
    }

    async fn signed_in(&self, id: UserId) -> Arc<dyn AdminApi> {
        let (actor, token) = self.test.log_in(id).await;
        match self.way {
            Way::Direct => Arc::new(Direct::new(self.test.app().clone(), actor)),
            Way::Remote => Arc::new(Remote::new(&self.url, Credentials::token(token)).unwrap()),
        }
    }

    /// A worker with an attempt in the queue.
    async fn attempt(&self) -> (UserId, AttemptId) {
        let worker = self.user(Role::Worker).await;
        let (actor, _) = self.test.log_in(worker).await;
        let (document, selfie) = (pictures::png(1), pictures::jpeg(2));
        let submission = Submission { document_type: DocumentType::Passport, document, selfie };
        let own = kyc::submit(self.test.app(), &actor, submission).await.unwrap();
        self.test.advance(Duration::from_secs(1));
        (worker, own.attempts[0].id)
    }

    async fn close(self) {
        self.server.abort();
        self.test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_in_answer_alike() {
    let (directs, remotes) = (testing::apps().await, testing::apps().await);
    assert_eq!(directs.len(), remotes.len());
    for (direct, remote) in directs.into_iter().zip(remotes) {
        let engine = direct.app().db.engine();
        let (direct, remote) = (World::open(direct, Way::Direct).await, World::open(remote, Way::Remote).await);
        let (here, there) = (play(&direct).await, play(&remote).await);
        for (here, there) in here.steps.iter().zip(&there.steps) {
            assert_eq!(here, there, "{engine:?}");
        }
        assert_eq!(here.steps.len(), there.steps.len());
        every_method_is_called(&here);
        direct.close().await;
        remote.close().await;
    }
}

/// The trait's methods, by its text: one that is new and not in the script fails.
fn every_method_is_called(script: &Script) {
    let text =
        std::fs::read_to_string(marketplace_tests::binaries::workspace().join("marketplace-core/src/admin/mod.rs"))
            .unwrap();
    let methods: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("async fn "))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
        .collect();
    assert!(methods.len() >= 20, "{methods:?}");
    for method in methods {
        let called = |ok: bool| {
            script
                .steps
                .iter()
                .any(|(step, answer)| step.split(' ').next() == Some(method) && answer.get("ok").is_some() == ok)
        };
        assert!(called(true), "{method} never succeeds in the script");
        assert!(called(false), "{method} never fails in the script");
    }
}

async fn play(world: &World) -> Script {
    let mut script = Script::default();
    reads(world, &mut script).await;
    users(world, &mut script).await;
    checks(world, &mut script).await;
    refusals(world, &mut script).await;
    script
}

fn note(text: &str) -> Change {
    Change { note: Some(text.into()), ..Change::default() }
}

fn because(reason: RestrictionReason) -> Change {
    Change { reason: Some(reason), ..Change::default() }
}

fn dry() -> Change {
    Change { dry_run: true, ..Change::default() }
}

async fn reads(world: &World, script: &mut Script) {
    let (lea, _) = world.staff(Role::Admin).await;
    script.heard("whoami", &lea.whoami().await);
    script.heard("stats", &lea.stats().await);
    for _ in 0..3 {
        world.attempt().await;
    }
    script.heard("stats after", &lea.stats().await);
    for (name, page) in [
        ("first", PageRequest::first(2)),
        ("zero", PageRequest::first(0)),
        ("too many", PageRequest::first(201)),
        ("bad cursor", PageRequest { limit: 2, after: Some("nonsense".into()) }),
    ] {
        let kyc = lea.kyc_list(&KycFilter::default(), &page).await;
        script.heard(format!("kyc_list {name}"), &kyc);
        let users = lea.users_list(&UserFilter::default(), &page).await;
        script.heard(format!("users_list {name}"), &users);
        let audit = lea.audit_list(&AuditFilter::default(), &page).await;
        script.heard(format!("audit_list {name}"), &audit);
        if name == "first" {
            let next = |next: Option<String>| PageRequest { limit: 2, after: next };
            script.heard("kyc_list next", &lea.kyc_list(&KycFilter::default(), &next(kyc.unwrap().next)).await);
            script.heard("users_list next", &lea.users_list(&UserFilter::default(), &next(users.unwrap().next)).await);
            script.heard("audit_list next", &lea.audit_list(&AuditFilter::default(), &next(audit.unwrap().next)).await);
        }
    }
    let filter =
        KycFilter { status: Some(KycStatus::Pending), document_type: Some(DocumentType::Passport), user_id: None };
    script.heard("kyc_list filtered", &lea.kyc_list(&filter, &PageRequest::default()).await);
    let filter =
        UserFilter { q: Some("worker".into()), role: Some(Role::Worker), status: Some(Status::Active), reveal: false };
    script.heard("users_list filtered", &lea.users_list(&filter, &PageRequest::default()).await);
    let filter = UserFilter { q: Some("ünï % ' \" & + / ?".into()), ..UserFilter::default() };
    script.heard("users_list odd text", &lea.users_list(&filter, &PageRequest::default()).await);
    script.heard("audit_verify", &lea.audit_verify(1, 3).await);
    script.heard("audit_verify next", &lea.audit_verify(4, 1_000).await);
    script.heard("audit_verify bad", &lea.audit_verify(-1, 0).await);
    let newest = lea.events(None, 10).await;
    // Cursors hold numbers of transactions, which differ between databases.
    script.note("events newest", json!({ "ok": newest.as_ref().map(|page| page.items.len()).unwrap() }));
    world.attempt().await;
    let after = lea.events(Some(&newest.unwrap().cursor), 10).await.unwrap();
    let kinds: Vec<_> =
        after.items.iter().map(|event| json!([event.kind, event.target, event.at, event.user_id])).collect();
    script.note("events after", json!({ "ok": kinds }));
    script.heard("events bad cursor", &lea.events(Some("nonsense"), 10).await);
    script.heard("events bad limit", &lea.events(None, 0).await);
}

async fn users(world: &World, script: &mut Script) {
    let (lea, own) = world.staff(Role::Admin).await;
    let new = |email: &str, name: &str| NewUser {
        role: Role::Support,
        email: email.into(),
        name: name.into(),
        phone: Some("+442071838750".into()),
    };
    script.heard("users_create dry", &lea.users_create(&new("sam@example.org", "Sam Ito"), &dry()).await);
    let made = lea.users_create(&new("sam@example.org", "Sam Ito"), &note("a new colleague")).await;
    script.heard("users_create", &made);
    let id = made.unwrap().item.user.id;
    world.test.advance(Duration::from_secs(1));
    script.heard("users_create again", &lea.users_create(&new("SAM@example.org", "Sam"), &Change::default()).await);
    script.heard("users_create bad", &lea.users_create(&new("no address", " "), &Change::default()).await);
    script.heard("users_show", &lea.users_show(id).await);
    script.heard("users_reveal", &lea.users_reveal(id).await);
    let revealed = UserFilter { q: Some("sam".into()), reveal: true, ..UserFilter::default() };
    script.heard("users_list revealed", &lea.users_list(&revealed, &PageRequest::default()).await);
    script.heard("users_note dry", &lea.users_note(id, "hello", &dry()).await);
    script.heard("users_note", &lea.users_note(id, "hello\nthere — ünï 🐴", &Change::default()).await);
    script.heard("users_note empty", &lea.users_note(id, " ", &Change::default()).await);
    script.heard("users_note bell", &lea.users_note(id, "a\u{7}b", &Change::default()).await);
    script.heard("users_notes", &lea.users_notes(id, &PageRequest::first(1)).await);
    script.heard("users_notes bad", &lea.users_notes(id, &PageRequest::first(0)).await);

    let worker = world.user(Role::Worker).await;
    let fraud = || because(RestrictionReason::Fraud);
    for (name, action, change) in [
        ("freeze without reason", UserAction::Freeze, Change::default()),
        ("freeze dry", UserAction::Freeze, Change { dry_run: true, ..fraud() }),
        ("freeze at another version", UserAction::Freeze, Change { if_version: Some(99), ..fraud() }),
        ("freeze", UserAction::Freeze, Change { note: Some("odd".into()), ..fraud() }),
        ("freeze again", UserAction::Freeze, fraud()),
        ("unfreeze", UserAction::Unfreeze, Change::default()),
        ("unfreeze again", UserAction::Unfreeze, Change::default()),
        ("role", UserAction::SetRole { role: Role::Client }, Change::default()),
        ("role again", UserAction::SetRole { role: Role::Client }, Change::default()),
        ("revoke sessions", UserAction::RevokeSessions, Change::default()),
        ("ban", UserAction::Ban, fraud()),
        ("unfreeze a banned one", UserAction::Unfreeze, Change::default()),
        ("unban", UserAction::Unban, Change::default()),
        ("delete without reason", UserAction::Delete, Change::default()),
        ("delete", UserAction::Delete, because(RestrictionReason::UserRequest)),
        ("delete again", UserAction::Delete, because(RestrictionReason::UserRequest)),
        ("freeze a deleted one", UserAction::Freeze, fraud()),
    ] {
        script.heard(format!("users_act {name}"), &lea.users_act(worker, &action, &change).await);
    }
    script.heard("users_act oneself", &lea.users_act(own, &UserAction::Freeze, &fraud()).await);
    script.heard("users_show deleted", &lea.users_show(worker).await);
    script.heard("users_reveal deleted", &lea.users_reveal(worker).await);
}

async fn checks(world: &World, script: &mut Script) {
    let ((sam, sams_id), (lea, _)) = (world.staff(Role::Support).await, world.staff(Role::Support).await);
    let next = sam.kyc_next(&dry()).await;
    script.heard("kyc_next dry", &next);
    let next = sam.kyc_next(&Change::default()).await;
    script.heard("kyc_next", &next);
    let id = next.unwrap().unwrap().attempt.id;
    let show = sam.kyc_show(id).await;
    script.heard("kyc_show", &show);
    let fence = show.unwrap().attempt.claim.map(|claim| claim.fence);
    script.heard("kyc_show another's", &lea.kyc_show(id).await);
    script.heard("kyc_claim another's", &lea.kyc_claim(id, &Change::default()).await);
    script.heard("kyc_claim renewed", &sam.kyc_claim(id, &Change::default()).await);
    script.heard("kyc_release another's", &lea.kyc_release(id, &Change::default()).await);
    script.heard("kyc_release dry", &sam.kyc_release(id, &dry()).await);
    for kind in [FileKind::Document, FileKind::Selfie] {
        let file = sam.kyc_file(id, kind).await.unwrap();
        let same = [pictures::png(1), pictures::jpeg(2)].iter().any(|bytes| bytes == &file.bytes);
        script.note(format!("kyc_file {kind}"), json!({ "ok": [file.media_type, file.bytes.len(), same] }));
    }
    let decide = |kind, fence, reasons: &[KycReason], comment: Option<&str>| Decision {
        kind,
        fence,
        reasons: reasons.to_vec(),
        comment: comment.map(str::to_owned),
    };
    let reject =
        |fence| decide(DecisionKind::Reject, fence, &[KycReason::Other, KycReason::Underage], Some("Sorry — ünï"));
    for (name, api, decision, change) in [
        ("another's", &lea, reject(None), Change::default()),
        ("stale fence", &sam, reject(Some(-1)), Change::default()),
        ("no reasons", &sam, decide(DecisionKind::Reject, fence, &[], None), Change::default()),
        (
            "approval with reasons",
            &sam,
            decide(DecisionKind::Approve, fence, &[KycReason::Other], None),
            Change::default(),
        ),
        (
            "long comment",
            &sam,
            decide(DecisionKind::Retry, fence, &[KycReason::Other], Some(&"x".repeat(1_001))),
            Change::default(),
        ),
        ("another version", &sam, reject(fence), Change { if_version: Some(99), ..Change::default() }),
        ("dry", &sam, reject(fence), dry()),
        ("reject", &sam, reject(fence), note("internal")),
        ("reject again", &sam, reject(fence), Change::default()),
        ("approve what is rejected", &lea, Decision::approve(None), Change::default()),
    ] {
        script.heard(format!("kyc_decide {name}"), &api.kyc_decide(id, &decision, &change).await);
    }
    script.heard("kyc_undo another's", &lea.kyc_undo(id, &Change::default()).await);
    script.heard("kyc_undo dry", &sam.kyc_undo(id, &dry()).await);
    script.heard("kyc_undo", &sam.kyc_undo(id, &Change::default()).await);
    script.heard("kyc_undo again", &sam.kyc_undo(id, &Change::default()).await);
    script.heard("kyc_claim", &sam.kyc_claim(id, &note("mine")).await);
    script.heard("kyc_release", &sam.kyc_release(id, &Change::default()).await);
    script.heard("kyc_decide at once", &lea.kyc_decide(id, &Decision::approve(None), &Change::default()).await);
    world.test.advance(Duration::from_secs(11));
    script.heard("kyc_undo too late", &lea.kyc_undo(id, &Change::default()).await);
    let revoke = decide(DecisionKind::Revoke, None, &[KycReason::DocumentExpired], None);
    script.heard("kyc_decide revoke", &sam.kyc_decide(id, &revoke, &Change::default()).await);
    script.heard("kyc_show decided", &lea.kyc_show(id).await);
    let decided = KycFilter { status: Some(KycStatus::Revoked), ..KycFilter::default() };
    script.heard("kyc_list decided", &lea.kyc_list(&decided, &PageRequest::default()).await);
    // Empty the queue, to hear what an empty one says.
    for _ in 0..20 {
        let Some(case) = sam.kyc_next(&Change::default()).await.unwrap() else { break };
        let fence = case.attempt.claim.map(|claim| claim.fence);
        sam.kyc_decide(case.attempt.id, &Decision::approve(fence), &Change::default()).await.unwrap();
    }
    script.heard("kyc_next empty", &sam.kyc_next(&Change::default()).await);
    let by_sam = AuditFilter { actor: Some(Principal::user(sams_id)), ..AuditFilter::default() };
    script.heard("audit_list by one", &lea.audit_list(&by_sam, &PageRequest::first(200)).await);
    let about = AuditFilter { target: Some(id.to_string()), action: Some("kyc.view".into()), ..AuditFilter::default() };
    script.heard("audit_list about one", &lea.audit_list(&about, &PageRequest::first(200)).await);
    script.heard("stats at the end", &lea.stats().await);
}

/// Every method for unknown ids, for somebody without the permission, and for nobody.
async fn refusals(world: &World, script: &mut Script) {
    let (lea, _) = world.staff(Role::Admin).await;
    every_method(script, "unknown", lea.as_ref()).await;
    let client = world.user(Role::Client).await;
    let client = world.signed_in(client).await;
    every_method(script, "client", client.as_ref()).await;
    let (auditor, _) = world.staff(Role::Auditor).await;
    every_method(script, "auditor", auditor.as_ref()).await;
    // Direct has no caller without an account, so this one is told by hand what HTTP must say.
    let nobody: Arc<dyn AdminApi> = Arc::new(Remote::new(&world.url, Credentials::token("e30.e30.e30")).unwrap());
    script.heard("whoami nobody", &nobody.whoami().await);
    script.heard("kyc_next nobody", &nobody.kyc_next(&Change::default()).await);
}

async fn every_method(script: &mut Script, who: &str, api: &dyn AdminApi) {
    let (user, attempt): (UserId, AttemptId) = (
        "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap(),
        "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3e".parse().unwrap(),
    );
    let (change, page) = (Change::default(), PageRequest::first(1));
    let new = NewUser { role: Role::Client, email: format!("{who}@example.org"), name: who.into(), phone: None };
    let whoami = api.whoami().await.map(|identity| (identity.role, identity.permissions));
    script.heard(format!("whoami {who}"), &whoami);
    script.heard(format!("stats {who}"), &api.stats().await.map(|_| ()));
    script.heard(format!("kyc_list {who}"), &api.kyc_list(&KycFilter::default(), &page).await);
    script.heard(format!("kyc_show {who}"), &api.kyc_show(attempt).await);
    script.heard(format!("kyc_next {who}"), &api.kyc_next(&change).await);
    script.heard(format!("kyc_claim {who}"), &api.kyc_claim(attempt, &change).await);
    script.heard(format!("kyc_release {who}"), &api.kyc_release(attempt, &change).await);
    script.heard(format!("kyc_decide {who}"), &api.kyc_decide(attempt, &Decision::approve(None), &change).await);
    script.heard(format!("kyc_undo {who}"), &api.kyc_undo(attempt, &change).await);
    script
        .heard(format!("kyc_file {who}"), &api.kyc_file(attempt, FileKind::Selfie).await.map(|file| file.bytes.len()));
    script.heard(format!("users_list {who}"), &api.users_list(&UserFilter::default(), &page).await);
    script.heard(format!("users_show {who}"), &api.users_show(user).await);
    script.heard(format!("users_reveal {who}"), &api.users_reveal(user).await);
    script.heard(format!("users_create {who}"), &api.users_create(&new, &dry()).await.map(|made| made.changed));
    let ban = because(RestrictionReason::Fraud);
    script.heard(format!("users_act {who}"), &api.users_act(user, &UserAction::Ban, &ban).await);
    script.heard(format!("users_note {who}"), &api.users_note(user, "hello", &change).await);
    script.heard(format!("users_notes {who}"), &api.users_notes(user, &page).await);
    script.heard(format!("audit_list {who}"), &api.audit_list(&AuditFilter::default(), &page).await);
    script.heard(format!("audit_verify {who}"), &api.audit_verify(1, 1).await);
    script.heard(format!("events {who}"), &api.events(None, 1).await.map(|page| page.items.len()));
}
