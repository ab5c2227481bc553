//! A scam in a thread: reported, claimed, decided with two actions, told to both sides, appealed, and taken back by a colleague.
//! People act over HTTP; one colleague works over the API, the other with the database at hand.

use marketplace_tests::{Answer, Engine, Market, cli::Cli, market::id, pictures, stories};
use reqwest::Method;
use serde_json::{Value, json};

stories!(a_scam_is_reported_decided_and_taken_back_on_appeal,);

async fn a_scam_is_reported_decided_and_taken_back_on_appeal(engine: Engine) {
    let market = Market::open(engine).await;
    let (ada, jon, thread) = (&market.ada, &market.jon, &market.thread);
    let put = ada.request(Method::PUT, &format!("/v1/services/{}/photos/1?alt=The%20piano", market.service));
    let put = Answer::of(put.header("content-type", "image/jpeg").body(pictures::jpeg(3))).await.ok();
    let nobody = market.app.as_nobody();
    let listed = nobody.get("/v1/services?q=piano").await.ok();
    assert_eq!(listed["items"][0]["photo"], put["photos"][0], "the first one is shown in lists");
    let photo = format!("/v1/photos/{}?size=thumb", id(&put["photos"][0]));
    let shown = nobody.get(&photo).await;
    assert!(shown.status == 200 && shown.headers["cache-control"].to_str().unwrap().contains("immutable"));
    let again = nobody.request(Method::GET, &photo).header("if-none-match", shown.headers["etag"].clone());
    assert_eq!(Answer::of(again).await.status, 304);
    let said = ada
        .post(
            &format!("/v1/threads/{thread}/messages"),
            json!({ "client_msg_id": "scam", "content": "Send 50 euros to my other account first." }),
        )
        .await
        .ok();
    let message = id(&said);
    let report =
        json!({ "target_kind": "message", "target_id": message, "reason": "scam", "text": "wants money first" });
    let filed = jon.post("/v1/reports", report.clone()).await;
    assert_eq!(filed.status, 201);
    assert_eq!(jon.post("/v1/reports", report).await.status, 200, "the same again");
    let stranger = market.app.as_client().await;
    let theirs = json!({ "target_kind": "message", "target_id": message, "reason": "spam" });
    stranger.post("/v1/reports", theirs).await.refused(404, "not_found");

    // One over the API.
    let support = market.app.as_staff("support").await;
    let remote = Cli::remote(&market.app, support.http.token.as_deref().unwrap_or_default());
    let case = remote.json(&["reports", "next", "--yes"]).await;
    let number = case["case"]["id"].as_str().unwrap().to_owned();
    assert_eq!(case["reports"][0]["content"]["text"], "Send 50 euros to my other account first.");
    let line = ["reports", "resolve", &number, "--reason", "scam", "--action", "remove_message,freeze", "--yes"];
    remote.run(&[&line[..], &["--dry-run"][..]].concat()).await.ok();
    let first = |answer: Value| answer["items"][0].clone();
    assert_eq!(first(jon.get("/v1/me/reports").await.ok())["status"], "open");
    remote.run(&line).await.ok();
    let removed = jon.messages(thread).await.into_iter().find(|one| one["id"] == message.as_str()).unwrap();
    assert_eq!(removed["removed"], true);
    assert_eq!(ada.get("/v1/me").await.ok()["status"], "frozen");
    nobody.get(&photo).await.refused(404, "not_found");
    assert_eq!(ada.get("/v1/me/decisions").await.ok()["items"], json!([]), "it can still be undone");
    market.app.past_undo().await;
    assert_eq!(first(jon.get("/v1/me/reports").await.ok())["status"], "resolved");
    let decision = first(ada.get("/v1/me/decisions").await.ok());
    assert_eq!(decision["actions"], json!(["remove_message", "freeze"]));
    assert!(!decision.to_string().contains(&jon.id), "the subject is not told by whom");

    // Its subject appeals, and the other colleague, with the database at hand, takes it back.
    let appeal = format!("/v1/reports/{number}/appeal");
    jon.post(&appeal, json!({ "text": "I agree" })).await.refused(404, "not_found");
    ada.post(&appeal, json!({ "text": "It was for the material." })).await.ok();
    let reverse = ["reports", "reverse", &number, "--yes"];
    let refused = remote.run(&reverse).await;
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    let direct = Cli::direct(&market.app);
    let waiting = direct.run(&["reports", "list", "--status", "appealed", "-o", "id"]).await;
    assert_eq!(waiting.ok().stdout.trim(), number);
    direct.run(&reverse).await.ok();
    let again = jon.messages(thread).await.into_iter().find(|one| one["id"] == message.as_str()).unwrap();
    assert_eq!((&again["removed"], &again["content"]), (&json!(false), &said["content"]));
    assert_eq!(ada.get("/v1/me").await.ok()["status"], "active");
    assert_eq!(nobody.get(&photo).await.status, 200);
    assert_eq!(first(ada.get("/v1/me/decisions").await.ok())["status"], "reversed");
    assert_eq!(first(jon.get("/v1/me/reports").await.ok())["status"], "reversed");
    // Both ways show the same.
    let (here, there) =
        (direct.json(&["reports", "show", &number]).await, remote.json(&["reports", "show", &number]).await);
    assert_eq!(here, there);
    let verified = market.sam.get("/v1/admin/audit/verify?from=1&limit=1000").await.ok();
    assert_eq!(verified["broken"], Value::Null);
}
