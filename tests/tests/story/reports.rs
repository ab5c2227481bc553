//! A scam in a thread: reported, claimed, decided with two actions, told to both sides, appealed, and taken back by a colleague.
//! People act over HTTP; colleagues work with commands over the API and with the database at hand, over HTTP alone, and in the
//! console.

use marketplace_tests::{Answer, Engine, Market, Person, cli::Cli, market::id, pictures, stories, terminal::Terminal};
use reqwest::Method;
use serde_json::{Value, json};

stories!(
    a_scam_is_reported_decided_and_taken_back_on_appeal,
    a_scam_is_decided_over_the_api_alone,
    a_scam_is_decided_in_the_console_in_four_keys,
    a_photo_is_removed_and_put_back,
);

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

/// A message of Ada's that Jon reported as a scam; returns it.
async fn scam(market: &Market) -> String {
    let said = json!({ "client_msg_id": "scam", "content": "Send 50 euros to my other account first." });
    let said = market.ada.post(&format!("/v1/threads/{}/messages", market.thread), said).await.ok();
    let report = json!({ "target_kind": "message", "target_id": id(&said), "reason": "scam", "text": "money first" });
    assert_eq!(market.jon.post("/v1/reports", report).await.status, 201);
    id(&said)
}

async fn is_removed(market: &Market, message: &str) -> bool {
    let all = market.jon.messages(&market.thread).await;
    all.into_iter().find(|one| one["id"] == message).unwrap()["removed"] == true
}

/// What was decided about Ada, and what became of Jon's report, as each of them sees it.
async fn outcome(market: &Market) -> (Value, Value) {
    let first = |answer: Value| answer["items"][0].clone();
    (
        first(market.ada.get("/v1/me/decisions").await.ok()),
        first(market.jon.get("/v1/me/reports").await.ok())["status"].clone(),
    )
}

async fn appeal(market: &Market, decision: &Value) {
    let path = format!("/v1/reports/{}/appeal", id(decision));
    market.ada.post(&path, json!({ "text": "It was for the material." })).await.ok();
}

async fn a_scam_is_decided_over_the_api_alone(engine: Engine) {
    let market = Market::open(engine).await;
    let message = scam(&market).await;
    let (support, colleague) = (market.app.as_staff("support").await, market.app.as_staff("support").await);
    let case = support.post("/v1/admin/reports/next", json!({})).await.ok();
    let path = format!("/v1/admin/reports/{}", id(&case["case"]));
    colleague.post(&format!("{path}/claim"), json!({})).await.refused(409, "conflict");
    let fence = &case["case"]["claim"]["fence"];
    let decision = json!({ "reasons": ["scam"], "actions": ["remove_message", "freeze"], "fence": fence });
    support.post(&format!("{path}/resolve"), decision).await.ok();
    assert!(is_removed(&market, &message).await);
    market.app.past_undo().await;
    let (decided, told) = outcome(&market).await;
    assert_eq!((&decided["actions"], &told), (&json!(["remove_message", "freeze"]), &json!("resolved")));
    appeal(&market, &decided).await;
    support.post(&format!("{path}/reverse"), json!({})).await.refused(403, "forbidden");
    colleague.post(&format!("{path}/reverse"), json!({ "comment": "You are right." })).await.ok();
    assert!(!is_removed(&market, &message).await);
    let (decided, told) = outcome(&market).await;
    assert_eq!((&decided["appeal"]["comment"], &told), (&json!("You are right."), &json!("reversed")));
    assert_eq!(market.ada.get("/v1/me").await.ok()["status"], "active");
}

fn console(cli: &Cli) -> Terminal {
    Terminal::run(&cli.command(&["tui"]), 120, 36, &[])
}

fn as_remote(market: &Market, person: &Person) -> Cli {
    Cli::remote(&market.app, person.http.token.as_deref().unwrap_or_default())
}

async fn a_scam_is_decided_in_the_console_in_four_keys(engine: Engine) {
    let market = Market::open(engine).await;
    let message = scam(&market).await;
    let support = market.app.as_staff("support").await;
    let mut first = console(&as_remote(&market, &support));
    first.wait_for("connected");
    first.keys("8");
    first.wait_for("○ open");
    first.keys("\r");
    first.wait_for("Send 50 euros");
    // What was reported is chosen already: act, take the message away, freeze, do it.
    let keys = ["a", "M", "F", "\r"];
    for (key, shown) in keys.into_iter().zip(["Act on", "[x] remove message", "[x] freeze", "u undo"]) {
        first.keys(key);
        first.wait_for(shown);
    }
    for _ in 0..100 {
        if is_removed(&market, &message).await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(market.ada.get("/v1/me").await.ok()["status"], "frozen");
    first.keys("q");
    first.ended();
    market.app.past_undo().await;
    let (decided, told) = outcome(&market).await;
    assert_eq!((&decided["actions"], &told), (&json!(["remove_message", "freeze"]), &json!("resolved")));
    appeal(&market, &decided).await;

    // A colleague with the database at hand takes it back; for good, so a word is typed.
    let mut second = console(&Cli::direct(&market.app));
    second.wait_for("connected");
    second.keys("8");
    second.wait_for("appealed");
    second.keys("\r");
    second.wait_for("It was for the material.");
    second.keys("a");
    second.wait_for("Take back the decision");
    second.keys("\r");
    second.wait_for("type `reverse`");
    second.keys("reverse\r");
    second.wait_for("taken back");
    second.keys("q");
    second.ended();
    assert!(!is_removed(&market, &message).await);
    assert_eq!(outcome(&market).await.1, "reversed");
    assert_eq!(market.ada.get("/v1/me").await.ok()["status"], "active");
}

/// One photo of a service is removed by a decision, over the command line, and put back on appeal.
async fn a_photo_is_removed_and_put_back(engine: Engine) {
    let market = Market::open(engine).await;
    let (ada, jon) = (&market.ada, &market.jon);
    for place in [1, 2] {
        let path = format!("/v1/services/{}/photos/{place}?alt=Photo%20{place}", market.service);
        let put = ada.request(Method::PUT, &path).header("content-type", "image/jpeg").body(pictures::jpeg(3));
        Answer::of(put).await.ok();
    }
    let shown =
        async || market.app.as_nobody().get(&format!("/v1/services/{}", market.service)).await.ok()["photos"].clone();
    let photos = shown().await;
    let report = json!({ "target_kind": "service", "target_id": market.service, "reason": "sexual", "text": "" });
    assert_eq!(jon.post("/v1/reports", report).await.status, 201);
    let support = market.app.as_staff("support").await;
    let remote = as_remote(&market, &support);
    let case = remote.json(&["reports", "next", "--yes"]).await;
    let (number, photo) = (id(&case["case"]), id(&photos[0]));
    assert_eq!(case["reports"][0]["content"]["photos"], photos);
    let line = ["reports", "resolve", &number, "--reason", "sexual", "--action", "remove_photo", "--yes"];
    assert_eq!(remote.run(&line).await.code, 2, "which one?");
    remote.run(&[&line[..], &["--photo", &photo][..]].concat()).await.ok();
    assert_eq!(shown().await, json!([photos[1]]));
    market.app.as_nobody().get(&format!("/v1/photos/{photo}")).await.refused(404, "not_found");
    assert_eq!(support.get(&format!("/v1/admin/photos/{photo}")).await.status, 200);
    market.app.past_undo().await;
    let decided = ada.get("/v1/me/decisions").await.ok()["items"][0].clone();
    assert_eq!(decided["actions"], json!(["remove_photo"]));
    appeal(&market, &decided).await;
    Cli::direct(&market.app).run(&["reports", "reverse", &number, "--yes"]).await.ok();
    assert_eq!(shown().await, photos);
}
