//! Other people's threads, jobs, drafts, files and reviews are not there, whether an id stands in the path, in the body, or in
//! a frame of a socket.

use marketplace_tests::{
    Answer, Engine, Market, Person, Socket,
    market::{id, offer, service},
    stories,
};
use reqwest::Method;
use serde_json::{Value, json};

stories![strangers_find_nothing_by_path, ids_in_bodies_and_frames_are_checked_like_ids_in_paths];

/// What there is of Jon and Ada that is nobody else's.
struct Theirs {
    market: Market,
    draft: String,
    attachment: String,
    job: String,
    /// Hidden: only one side has written.
    review: String,
}

async fn theirs(engine: Engine) -> Theirs {
    let market = Market::open(engine).await;
    let draft = market.ada.draft("Not yet public").await;
    let attachment = id(&market.jon.attach(&market.thread, 1).await.ok());
    let body = json!({ "client_msg_id": "a", "content": "See here", "attachments": [attachment] });
    market.jon.post(&format!("/v1/threads/{}/messages", market.thread), body).await.ok();
    let job = market.job("finalized").await;
    let review = id(&market.jon.act(&job, "reviews", json!({ "rating": 2, "text": "Late" })).await.ok());
    Theirs { market, draft, attachment, job, review }
}

async fn strangers_find_nothing_by_path(engine: Engine) {
    let theirs = theirs(engine).await;
    let (thread, job) = (format!("/v1/threads/{}", theirs.market.thread), format!("/v1/jobs/{}", theirs.job));
    let (draft, review) = (format!("/v1/services/{}", theirs.draft), format!("/v1/reviews/{}", theirs.review));
    let reason = json!({ "reason": "other" });
    let app = &theirs.market.app;
    let (eve, mallory) = (app.as_client().await, app.as_worker().await);
    let file = format!("{thread}/attachments/{}", theirs.attachment);
    let calls: Vec<(Method, String, Value)> = vec![
        (Method::GET, thread.clone(), Value::Null),
        (Method::GET, format!("{thread}/messages"), Value::Null),
        (Method::POST, format!("{thread}/messages"), json!({ "client_msg_id": "x", "content": "Hello" })),
        (Method::POST, format!("{thread}/read"), json!({ "seq": 1 })),
        (Method::GET, file, Value::Null),
        (Method::GET, job.clone(), Value::Null),
        (Method::GET, format!("{job}/history"), Value::Null),
        (Method::GET, format!("{job}/reviews"), Value::Null),
        (Method::POST, format!("{job}/offers"), json!({ "revision": 1, "offer": offer(1) })),
        (Method::POST, format!("{job}/accept"), json!({ "revision": 1 })),
        (Method::POST, format!("{job}/reject"), reason.clone()),
        (Method::POST, format!("{job}/cancel"), reason.clone()),
        (Method::POST, format!("{job}/complete"), json!({})),
        (Method::POST, format!("{job}/request-changes"), json!({ "comment": "More" })),
        (Method::POST, format!("{job}/finalize"), json!({})),
        (Method::POST, format!("{job}/reviews"), json!({ "rating": 5 })),
        (Method::GET, review.clone(), Value::Null),
        (Method::PATCH, review.clone(), json!({ "rating": 5 })),
        (Method::POST, format!("{review}/reply"), json!({ "text": "No" })),
        (Method::POST, format!("{review}/flag"), reason.clone()),
        (Method::GET, draft.clone(), Value::Null),
        (Method::PATCH, draft.clone(), json!({ "title": "Mine now" })),
        (Method::DELETE, draft.clone(), json!({})),
        (Method::POST, format!("{draft}/publish"), json!({})),
        (Method::POST, format!("{draft}/close"), json!({})),
    ];
    for (who, stranger) in [("a client", &eve), ("a worker", &mallory)] {
        for (method, path, body) in &calls {
            let answer = Answer::of(stranger.request(method.clone(), path).json(body)).await;
            // A role that never may is told so; nobody learns whether the thing exists.
            let unknown = unknown(stranger, method, path, body, &theirs).await;
            assert_eq!(
                (answer.status, &answer.problem()["code"]),
                (unknown.status, &unknown.problem()["code"]),
                "{who}"
            );
            assert!([403, 404].contains(&answer.status.as_u16()), "{who}: {} {}", answer.asked, answer.text());
            if *method == Method::GET || stranger.id == eve.id && path.contains("/threads/") {
                answer.refused(404, "not_found");
            }
        }
        stranger.attach(&theirs.market.thread, 2).await.refused(404, "not_found");
        for list in ["/v1/threads", "/v1/me/jobs", "/v1/me/reviews", "/v1/me/services"] {
            let answer = stranger.get(list).await;
            if answer.status.is_success() {
                assert_eq!(answer.json()["items"], json!([]), "{who}: {list}");
            }
        }
    }
    // And the published service of somebody else is there, but not theirs to change.
    let published = format!("/v1/services/{}", theirs.market.service);
    mallory.patch(&published, json!({ "title": "Mine now" })).await.refused(404, "not_found");
    mallory.delete(&published, json!({})).await.refused(404, "not_found");
    assert_eq!(eve.get(&published).await.ok()["title"], "Piano lessons");
}

/// The same call about something that does not exist.
async fn unknown(person: &Person, method: &Method, path: &str, body: &Value, theirs: &Theirs) -> Answer {
    let mut path = path.to_owned();
    for real in [&theirs.market.thread, &theirs.job, &theirs.review, &theirs.draft, &theirs.attachment] {
        path = path.replace(real.as_str(), crate::ids::UNKNOWN);
    }
    Answer::of(person.request(method.clone(), &path).json(body)).await
}

async fn ids_in_bodies_and_frames_are_checked_like_ids_in_paths(engine: Engine) {
    let theirs = theirs(engine).await;
    let market = &theirs.market;
    let (eve, thread) = market.another_client().await;
    // Somebody else's thread, draft and file, in bodies of one's own.
    let foreign = json!({ "thread_id": market.thread, "offer": offer(1) });
    eve.post("/v1/jobs", foreign).await.refused(404, "not_found");
    eve.post("/v1/threads", json!({ "service_id": theirs.draft })).await.refused(404, "not_found");
    let loose = id(&market.jon.attach(&market.thread, 3).await.ok());
    for file in [&theirs.attachment, &loose] {
        let body = json!({ "client_msg_id": "steal", "content": "Mine", "attachments": [file] });
        let answer = eve.post(&format!("/v1/threads/{thread}/messages"), body).await;
        assert!([404, 409, 422].contains(&answer.status.as_u16()), "{}", answer.text());
        answer.problem();
    }
    // One's own thread in the path does not open somebody else's file.
    eve.get(&format!("/v1/threads/{thread}/attachments/{loose}")).await.refused(404, "not_found");
    // A file carried by one message is not carried by another.
    let again = json!({ "client_msg_id": "again", "content": "Twice", "attachments": [theirs.attachment] });
    let twice = market.jon.post(&format!("/v1/threads/{}/messages", market.thread), again).await;
    assert!(twice.status.is_client_error(), "{}", twice.text());
    // Ids of one kind are not ids of another.
    for (path, body) in [
        ("/v1/jobs", json!({ "thread_id": market.service, "offer": offer(1) })),
        ("/v1/threads", json!({ "service_id": market.thread })),
        ("/v1/threads", json!({ "service_id": market.ada.id })),
    ] {
        eve.post(path, body).await.refused(404, "not_found");
    }
    // By socket.
    let mut socket = Socket::connect(&eve, None).await;
    for frame in [
        json!({ "type": "send", "thread_id": market.thread, "client_msg_id": "x", "content": "Hello" }),
        json!({ "type": "read", "thread_id": market.thread, "seq": 1 }),
        json!({ "type": "typing", "thread_id": market.thread }),
        json!({ "type": "send", "thread_id": crate::ids::UNKNOWN, "client_msg_id": "x", "content": "Hello" }),
    ] {
        socket.say(frame).await;
        let error = socket.frame("error").await;
        assert_eq!(error["code"], "not_found", "{error}");
    }
    assert_eq!(market.jon.messages(&market.thread).await.len(), 5, "one message and four notices of the job");
    assert_eq!(eve.messages(&thread).await.len(), 0);
    // A draft is its owner's alone until it is published.
    let mallory = market.app.as_worker().await;
    let drafts = mallory.post("/v1/services", service("Mine")).await.ok();
    assert_ne!(drafts["id"], theirs.draft.as_str());
}
