use std::io::{Cursor, Read};

use futures::TryStreamExt;
use serde_json::Value;
use zip::ZipArchive;

use super::*;
use crate::{
    accounts::model::UserAction,
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        page::PageRequest,
        permission::{Permission, Role},
        text_enum::Name,
    },
    kyc::{self, Submission, model::DocumentType},
    messaging::{self, model::NewMessage},
    records::{
        audit::{AuditAction, AuditFilter},
        mail::Template,
    },
    testing::{self, TestApp, client, operator},
    tokens::{self, model::NewToken},
};

struct Unpacked(ZipArchive<Cursor<Vec<u8>>>);

impl Unpacked {
    async fn of(export: Export) -> Self {
        let pieces: Vec<Bytes> = export.body.try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() < 256 * 1024), "it comes in pieces");
        Self(ZipArchive::new(Cursor::new(pieces.concat())).unwrap())
    }
    fn names(&self) -> Vec<String> {
        self.0.file_names().map(|name| name.unwrap().into_owned()).collect()
    }
    fn bytes(&mut self, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }
    fn json(&mut self, name: &str) -> Value {
        serde_json::from_slice(&self.bytes(name)).unwrap()
    }
}

fn photo() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::new(220, 200).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn exported(test: &TestApp) -> usize {
    let filter = AuditFilter { action: Some(Name::Known(AuditAction::UsersExport)), ..AuditFilter::default() };
    audit::list(&test.app().by(&operator()), &filter, &PageRequest::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn an_export_has_all_that_is_the_persons_and_nothing_of_the_staffs() {
    for test in testing::apps().await {
        let (app, trade) = (test.app(), test.marketplace().await);
        let reason = Some(RestrictionReason::Other);
        let note = Change { reason, note: Some("the staff's own words".into()), ..Change::default() };
        let id = trade.worker.user_id().unwrap();
        crate::users::act(&app.by(&operator()).with(note.clone()), id, &UserAction::Freeze).await.unwrap();
        crate::users::act(&app.by(&operator()), id, &UserAction::Unfreeze).await.unwrap();
        let file = messaging::attach(&app.by(&trade.worker), trade.thread, photo(), None).await.unwrap();
        let sent = NewMessage { client_msg_id: "f".into(), content: String::new(), attachments: vec![file.id] };
        messaging::send(&app.by(&trade.worker), trade.thread, sent).await.unwrap();

        let mut zip = Unpacked::of(own(&app.by(&trade.worker)).await.unwrap()).await;
        let mut whole = String::new();
        for name in zip.names().iter().filter(|name| name.contains(".json")) {
            whole.push_str(&zip.json(name).to_string());
        }
        assert!(!whole.contains("the staff's own words"));
        assert_eq!(zip.json("account.json")["account"]["id"], id.to_string());
        let own_words = zip.json("messages.json");
        let said: Vec<&str> =
            own_words.as_array().unwrap().iter().filter_map(|message| message["content"].as_str()).collect();
        assert!(said.contains(&"I do, at ten.") && said.contains(&"Perfect — ünï 🎹"), "{said:?}");
        assert_eq!(zip.bytes(&format!("attachments/{}.png", file.id)).get(..4), Some(&b"\x89PNG"[..]));
        assert_eq!(zip.json("jobs.json").as_array().unwrap().len(), trade.jobs.len() + 1);
        assert!(zip.json("jobs.json")[0]["history"].as_array().is_some_and(|rows| !rows.is_empty()));
        let reviews = zip.json("reviews.json");
        let texts: Vec<&str> =
            reviews.as_array().unwrap().iter().filter_map(|review| review["text"].as_str()).collect();
        // Written, received; what the client wrote and the worker may not see yet is the client's.
        assert!(
            texts.contains(&"Pays at once.") && texts.contains(&"Always late.") && !texts.contains(&"Good scales.")
        );
        assert_eq!(zip.json("complaints.json")[0]["comment"], "it was once");
        assert!(zip.json("services.json").as_array().unwrap().len() > 2);
        assert_eq!(zip.json("sessions.json")[0]["user_agent"], "test");
        assert_eq!(exported(&test).await, 1);

        let mut other = Unpacked::of(own(&app.by(&trade.client)).await.unwrap()).await;
        let hidden = other.json("reviews.json").to_string();
        assert!(hidden.contains("Good scales.") && !other.names().iter().any(|name| name.starts_with("attachments/")));
        test.close().await;
    }
}

#[tokio::test]
async fn an_export_has_the_documents_that_were_submitted_decrypted() {
    for test in testing::apps().await {
        let (app, worker) = (test.app(), test.actor(Role::Worker).await);
        let submission = Submission { document_type: DocumentType::Passport, document: photo(), selfie: photo() };
        kyc::submit(&app.by(&worker), submission).await.unwrap();
        let export = of_user(&app.by(&operator()), worker.user_id().unwrap(), None).await.unwrap();
        assert!(export.file_name.is_ascii() && export.file_name.contains(".zip"));
        let mut zip = Unpacked::of(export).await;
        assert_eq!(zip.bytes("identity_checks/1-document.png"), photo());
        assert_eq!(zip.bytes("identity_checks/1-selfie.png"), photo());
        let attempt = &zip.json("identity_checks.json")[0];
        assert_eq!((attempt["number"].as_i64(), attempt.get("note"), attempt.get("claim")), (Some(1), None, None));
        test.close().await;
    }
}

#[tokio::test]
async fn who_may_export_whom() {
    for test in testing::apps().await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Unverified).await;
        let (unverified, _) = test.log_in(id).await;
        drop(Unpacked::of(own(&app.by(&unverified)).await.unwrap()).await);
        for role in [Role::Support, Role::Auditor, Role::Client, Role::Worker] {
            let refused = of_user(&app.by(&test.actor(role).await), id, None).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Forbidden, "{role}");
        }
        drop(Unpacked::of(of_user(&app.by(&test.actor(Role::Admin).await), id, None).await.unwrap()).await);
        let nobody = UserId(uuid::Uuid::from_u128(1));
        assert_eq!(of_user(&app.by(&operator()), nobody, None).await.unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(own(&app.by(&operator())).await.unwrap_err().code(), ErrorCode::Forbidden);
        assert_eq!(exported(&test).await, 2);

        // The same twice at once is refused; once read, or given up, it can be had again.
        let first = of_user(&app.by(&operator()), id, None).await.unwrap();
        assert_eq!(of_user(&app.by(&operator()), id, None).await.unwrap_err().code(), ErrorCode::Busy);
        drop(Unpacked::of(first).await);
        let deleted = Change { reason: Some(RestrictionReason::UserRequest), ..Change::default() };
        crate::users::act(&app.by(&operator()).with(deleted.clone()), id, &UserAction::Delete).await.unwrap();
        let mut gone = of_user(&app.by(&operator()), id, None).await.unwrap_err();
        while gone.code() == ErrorCode::Busy {
            tokio::task::yield_now().await;
            gone = of_user(&app.by(&operator()), id, None).await.unwrap_err();
        }
        assert_eq!(gone.code(), ErrorCode::NotFound);
        test.close().await;
    }
}

#[tokio::test]
async fn a_banned_person_exports_through_the_link_and_deletes_afterwards() {
    for test in testing::apps().await {
        let app = test.app();
        test.user(Role::Client, Status::Banned).await;
        let token = test.token(Template::Banned).await;
        for _ in 0..2 {
            let mut zip = None;
            while zip.is_none() {
                // The one before may still be letting go.
                zip = by_link(app, &client(), &token).await.ok();
                tokio::task::yield_now().await;
            }
            assert_eq!(Unpacked::of(zip.unwrap()).await.json("account.json")["restriction"]["reason"], "other");
        }
        assert_eq!(by_link(app, &client(), "nonsense").await.unwrap_err().code(), ErrorCode::Invalid);
        auth::delete_own_data(app, &client(), &token).await.unwrap();
        assert_eq!(by_link(app, &client(), &token).await.unwrap_err().code(), ErrorCode::Invalid);
        test.close().await;
    }
}

#[tokio::test]
async fn an_export_that_cannot_be_made_whole_is_no_archive() {
    let test = testing::app().await;
    let (app, worker) = (test.app(), test.actor(Role::Worker).await);
    let submission = Submission { document_type: DocumentType::Passport, document: photo(), selfie: photo() };
    kyc::submit(&app.by(&worker), submission).await.unwrap();
    std::fs::remove_dir_all(app.config.data_dir.join("files")).unwrap();
    let pieces: Vec<Result<Bytes>> = own(&app.by(&worker)).await.unwrap().body.collect().await;
    assert!(pieces.last().unwrap().is_err());
    let read: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
    assert!(ZipArchive::new(Cursor::new(read)).is_err());
    test.close().await;
}

#[tokio::test]
async fn an_export_of_staff_has_their_tokens_without_secrets() {
    for test in testing::apps().await {
        let app = test.app();
        let admin = test.actor(Role::Admin).await;
        let wish = NewToken {
            name: "Night job".into(),
            scopes: vec![Permission::KycRead],
            expires_in: 3_600,
            owner_id: admin.user_id(),
        };
        let made = tokens::create(&app.by(&operator()), &wish).await.unwrap().item;
        let mut zip = Unpacked::of(own(&app.by(&admin)).await.unwrap()).await;
        let listed = zip.json("api_tokens.json");
        assert_eq!(listed[0]["name"], "Night job");
        assert!(!listed.to_string().contains(&made.secret.unwrap()));
        assert_eq!(zip.json("account.json")["second_factor"], false);
        test.close().await;
    }
}
