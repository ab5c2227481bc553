//! Submitting documents.

use marketplace_core::{accounts::model::Status, base::permission::Role};
use reqwest::{
    RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::Value;

use crate::harness::{Server, expect, problem, servers};

/// A PNG of one colour per seed, large enough to pass.
fn picture(seed: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_fn(240, 240, |x, y| image::Rgb([seed, x.to_le_bytes()[0], y.to_le_bytes()[0]]));
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn file(bytes: Vec<u8>, name: &str) -> Part {
    Part::bytes(bytes).file_name(name.to_owned())
}

fn form() -> Form {
    Form::new()
        .text("document_type", "passport")
        .part("document", file(picture(1), "../../etc/passwd"))
        .part("selfie", file(picture(2), "C:\\selfie.exe"))
}

fn submit(server: &Server, token: &str, form: Form) -> RequestBuilder {
    server.post("/v1/me/kyc").bearer_auth(token).multipart(form)
}

async fn own(server: &Server, token: &str) -> Value {
    expect(server.get("/v1/me/kyc").bearer_auth(token), 200).await
}

#[tokio::test]
async fn a_submission_is_reviewed_over_http() {
    for server in servers().await {
        let worker = server.token(Role::Worker).await;
        let support = server.token(Role::Support).await;
        let made = expect(submit(&server, &worker, form()), 201).await;
        assert_eq!((made["status"].as_str(), made["may_submit"].as_bool()), (Some("pending"), Some(false)));
        problem(submit(&server, &worker, form()), 409, "conflict").await;

        let post = |path: String| server.post(&path).bearer_auth(&support);
        let case = expect(post("/v1/admin/kyc/next".into()), 200).await;
        let id = case["attempt"]["id"].as_str().unwrap().to_owned();
        let fence = case["attempt"]["claim"]["fence"].as_i64().unwrap();
        let shown = server.get(&format!("/v1/admin/kyc/{id}")).bearer_auth(&support).send().await.unwrap();
        assert!(shown.headers()["etag"].to_str().unwrap().starts_with('"'));
        let path = format!("/v1/admin/kyc/{id}/files/document");
        let sent = server.get(&path).bearer_auth(&support).send().await.unwrap();
        assert_eq!(sent.headers()["content-type"], "image/png");
        assert_eq!(sent.headers()["cache-control"], "no-store");
        assert_eq!(sent.headers()["content-disposition"], "inline; filename=\"document.png\"");
        assert_eq!(sent.headers()["x-content-type-options"], "nosniff");
        assert_eq!(sent.bytes().await.unwrap(), picture(1));

        let reject = |fence: i64| {
            let body = serde_json::json!({"fence": fence, "reasons": ["document_unreadable"], "note": "dark"});
            post(format!("/v1/admin/kyc/{id}/retry")).json(&body)
        };
        problem(reject(fence + 1), 409, "conflict").await;
        assert_eq!(expect(reject(fence), 200).await["item"]["attempt"]["status"], "retry");
        let undone = expect(post(format!("/v1/admin/kyc/{id}/undo")), 200).await;
        assert_eq!(undone["changed"], true);
        // It is back with whoever undid it, so the queue has no next one.
        assert_eq!(undone["item"]["attempt"]["claim"]["mine"], true);
        assert_eq!(expect(post("/v1/admin/kyc/next".into()), 200).await, Value::Null);
        assert_eq!(expect(server.get("/v1/admin/kyc").bearer_auth(&support), 200).await["items"][0]["id"], id.as_str());
        server.stop().await;
    }
}

#[tokio::test]
async fn fields_come_in_any_order() {
    for server in servers().await {
        let worker = server.token(Role::Worker).await;
        let form = Form::new()
            .part("selfie", file(picture(1), "a"))
            .part("document", file(picture(2), "b"))
            .text("document_type", "national_id");
        let made = expect(submit(&server, &worker, form), 201).await;
        assert_eq!(made["attempts"][0]["document_type"], "national_id");
        server.stop().await;
    }
}

#[tokio::test]
async fn bad_forms_get_a_clear_error_and_change_nothing() {
    for server in servers().await {
        let worker = server.token(Role::Worker).await;
        let pointer = |body: &Value| body["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        let with = |name: &'static str, part: Part| form_without(name).part(name, part);
        for (form, status, code, field) in [
            (form_without("selfie"), 422, "invalid", "/selfie"),
            (form_without("document_type"), 422, "invalid", "/document_type"),
            (form_without("document_type").text("document_type", "library_card"), 422, "invalid", "/document_type"),
            (form().text("document_type", "passport"), 422, "invalid", "/document_type"),
            (form().text("status", "approved"), 422, "invalid", "/status"),
            (with("document", file(vec![0; 11 * 1024 * 1024], "big")), 413, "too_large", "/document"),
            (
                form_without("document_type").text("document_type", "a".repeat(5_000)),
                413,
                "too_large",
                "/document_type",
            ),
        ] {
            let body = problem(submit(&server, &worker, form), status, code).await;
            assert_eq!(pointer(&body), field, "{body}");
        }
        // Decided by content.
        let mut junk = picture(1);
        junk.truncate(64);
        junk.extend_from_slice(&[7; 4_096]);
        for bytes in [b"GIF89a".to_vec(), junk, vec![], b"<script>".to_vec()] {
            let answer = submit(&server, &worker, with("document", file(bytes, "passport.png"))).send().await.unwrap();
            assert!(matches!(answer.status().as_u16(), 415 | 422), "{}", answer.text().await.unwrap());
        }
        let whole = server.post("/v1/me/kyc").bearer_auth(&worker);
        problem(whole.json(&serde_json::json!({})), 415, "unsupported_media").await;
        let whole = server.post("/v1/me/kyc").bearer_auth(&worker).header("content-type", "multipart/form-data");
        problem(whole.body("x"), 400, "invalid").await;
        let state = own(&server, &worker).await;
        assert_eq!((state["status"].as_str(), state["attempts"].as_array().unwrap().len()), (Some("none"), 0));
        server.stop().await;
    }
}

fn form_without(missing: &str) -> Form {
    let mut form = Form::new();
    if missing != "document_type" {
        form = form.text("document_type", "passport");
    }
    for (name, seed) in [("document", 1), ("selfie", 2)] {
        if name != missing {
            form = form.part(name, file(picture(seed), name));
        }
    }
    form
}

#[tokio::test]
async fn a_truncated_form_is_refused_and_changes_nothing() {
    for server in servers().await {
        let worker = server.token(Role::Worker).await;
        let mut body = Vec::new();
        for (name, content) in
            [("document_type", b"passport".to_vec()), ("selfie", picture(1)), ("document", picture(2))]
        {
            body.extend_from_slice(
                format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n");
        }
        // All parts are there; the end of the last one, and of the whole, is missing.
        for length in [body.len(), body.len() - 1_000, 100, 30, 0] {
            let request = server
                .post("/v1/me/kyc")
                .bearer_auth(&worker)
                .header("content-type", "multipart/form-data; boundary=cut")
                .body(body[..length].to_vec());
            let answer = request.send().await.unwrap();
            assert!(matches!(answer.status().as_u16(), 400 | 422), "{length}: {}", answer.text().await.unwrap());
        }
        assert_eq!(own(&server, &worker).await["status"], "none");
        body.extend_from_slice(b"--cut--\r\n");
        let request = server
            .post("/v1/me/kyc")
            .bearer_auth(&worker)
            .header("content-type", "multipart/form-data; boundary=cut")
            .body(body);
        expect(request, 201).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_submission_sent_twice_with_a_key_is_one() {
    for server in servers().await {
        let worker = server.token(Role::Worker).await;
        let first = expect(submit(&server, &worker, form()).header("idempotency-key", "k"), 201).await;
        let again = expect(submit(&server, &worker, form()).header("idempotency-key", "k"), 201).await;
        assert_eq!(first, again);
        let other = form_without("selfie").part("selfie", file(picture(9), "x"));
        problem(submit(&server, &worker, other).header("idempotency-key", "k"), 422, "invalid").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn only_verified_workers_submit() {
    for server in servers().await {
        let (_, unverified) = server.user(Role::Worker, Status::Unverified).await;
        problem(submit(&server, &unverified, form()), 403, "forbidden").await;
        let client = server.token(Role::Client).await;
        problem(submit(&server, &client, form()), 403, "forbidden").await;
        problem(server.post("/v1/me/kyc").multipart(form()), 401, "unauthenticated").await;
        server.stop().await;
    }
}
