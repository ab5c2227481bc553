//! Services, jobs and reviews: who may begin what, what ends, and what is shown of whom.

use futures::future::join_all;
use marketplace_tests::{
    Answer, Engine, Market, Person, Server,
    market::{folds_to, id},
    stories,
};
use serde_json::{Value, json};

stories![
    an_outsider_attaches_no_job_and_closes_no_thread,
    an_ended_job_ends_once_and_every_end_is_reached,
    reviews_are_of_finished_jobs_only,
    of_concurrent_reviews_one_is_kept,
    a_flag_is_set_once_and_seen_by_staff,
    an_unchecked_worker_lists_nothing,
    a_rejected_check_shows_nothing_as_verified,
    services_of_a_restricted_worker_are_nowhere,
    a_fresh_worker_has_a_public_profile,
];

async fn an_outsider_attaches_no_job_and_closes_no_thread(engine: Engine) {
    let market = Market::open(engine).await;
    let eve = market.app.as_client().await;
    let mallory = market.app.as_worker().await;
    let new = json!({ "thread_id": market.thread, "offer": marketplace_tests::market::offer(1) });
    for outsider in [&eve, &mallory] {
        outsider.post("/v1/jobs", new.clone()).await.refused(404, "not_found");
    }
    // Nor does the worker of the thread: a job is the client's to begin.
    let by_worker = market.ada.post("/v1/jobs", new).await;
    assert!(by_worker.status.is_client_error(), "{}", by_worker.text());
    // No accomplice can reject it, which would close the thread.
    let job = market.job("negotiating").await;
    for verb in ["reject", "cancel"] {
        mallory.act(&job, verb, json!({ "reason": "other" })).await.refused(404, "not_found");
    }
    let rejected = market.jon.act(&job, "reject", json!({ "reason": "other" })).await;
    assert!(rejected.status.is_client_error(), "the client cancels; only the worker rejects: {}", rejected.text());
    assert_eq!(market.jon.get(&format!("/v1/threads/{}", market.thread)).await.ok()["status"], "open");
    assert_eq!(folds_to(&market.ada.history(&job).await, "negotiating"), 1);
    market.ada.message(&market.thread, "1", "It is open").await.ok();
}

/// Everything that anybody can do to a job.
async fn try_everything(market: &Market, job: &str, status: &str) {
    let reason = json!({ "reason": "other" });
    for person in [&market.ada, &market.jon] {
        for (verb, body) in [
            ("accept", json!({ "revision": 1 })),
            ("offers", json!({ "revision": 1, "offer": marketplace_tests::market::offer(5) })),
            ("reject", reason.clone()),
            ("cancel", reason.clone()),
            ("complete", json!({})),
            ("request-changes", json!({ "comment": "More" })),
            ("finalize", json!({})),
        ] {
            let answer = person.act(job, verb, body).await;
            assert!([403, 409].contains(&answer.status.as_u16()), "{status}: {} {}", answer.asked, answer.text());
            let problem = answer.problem();
            if answer.status.as_u16() == 409 {
                assert_eq!(problem["current"]["status"], status, "{problem}");
            }
        }
    }
}

async fn an_ended_job_ends_once_and_every_end_is_reached(engine: Engine) {
    let market = Market::open(engine).await;
    // The last one closes the thread.
    for status in ["cancelled", "finalized", "rejected"] {
        let job = market.job(status).await;
        let before = market.jon.history(&job).await;
        try_everything(&market, &job, status).await;
        // Staff do not end it again either; to do the same once more is harmless and changes nothing.
        for (verb, body) in [("cancel", json!({ "reason": "other" })), ("finalize", json!({}))] {
            let answer = market.sam.post(&format!("/v1/admin/jobs/{job}/{verb}"), body).await;
            if answer.status.is_success() {
                assert_eq!(answer.json()["changed"], false, "{status}: {} {}", answer.asked, answer.text());
            } else {
                answer.refused(409, "conflict");
            }
        }
        let after = market.jon.history(&job).await;
        assert_eq!(before, after, "{status}");
        folds_to(&after, status);
    }
}

async fn reviews_are_of_finished_jobs_only(engine: Engine) {
    let market = Market::open(engine).await;
    let review = json!({ "rating": 5, "text": "Patient and kind" });
    for status in ["negotiating", "accepted", "cancelled", "completed"] {
        // One job at a time in a thread: the one before is called off.
        let live = market.jon.get(&format!("/v1/me/jobs?thread_id={}&limit=1", market.thread)).await.ok();
        if let Some(job) = live["items"].as_array().unwrap().first()
            && ["negotiating", "accepted"].contains(&job["status"].as_str().unwrap())
        {
            let job = id(job);
            market.jon.act(&job, "cancel", json!({ "reason": "not_needed" })).await.ok();
        }
        let job = market.job(status).await;
        for person in [&market.ada, &market.jon] {
            person.act(&job, "reviews", review.clone()).await.refused(409, "conflict");
        }
        if status == "completed" {
            market.jon.act(&job, "finalize", json!({})).await.ok();
            market.app.as_client().await.act(&job, "reviews", review.clone()).await.refused(404, "not_found");
            market.jon.act(&job, "reviews", review.clone()).await.ok();
        }
    }
    assert_eq!(rating(&market, &market.ada).await["count"], 0, "nothing shows before both are in");
}

async fn rating(market: &Market, worker: &Person) -> Value {
    market.app.as_nobody().get(&format!("/v1/workers/{}/rating", worker.id)).await.ok()
}

async fn of_concurrent_reviews_one_is_kept(engine: Engine) {
    let market = Market::open(engine).await;
    let job = market.job("finalized").await;
    let reviews = join_all((0..8).map(|n| market.jon.act(&job, "reviews", json!({ "rating": 1 + n % 5 })))).await;
    let kept: Vec<&Answer> = reviews.iter().filter(|answer| answer.status.is_success()).collect();
    assert_eq!(kept.len(), 1, "{reviews:#?}");
    for answer in reviews.iter().filter(|answer| !answer.status.is_success()) {
        answer.refused(409, "conflict");
    }
    market.ada.act(&job, "reviews", json!({ "rating": 4, "text": "On time" })).await.ok();
    let rating = rating(&market, &market.ada).await;
    assert_eq!((rating["count"].as_i64(), rating["average"].as_f64()), (Some(1), kept[0].json()["rating"].as_f64()));
    let written = market.jon.get("/v1/me/reviews").await.ok();
    assert_eq!(written["items"].as_array().unwrap().len(), 1);
}

async fn a_flag_is_set_once_and_seen_by_staff(engine: Engine) {
    let market = Market::open(engine).await;
    let job = market.job("finalized").await;
    let review = id(&market.jon.act(&job, "reviews", json!({ "rating": 1, "text": "Never came" })).await.ok());
    market.ada.act(&job, "reviews", json!({ "rating": 5 })).await.ok();
    let flag = format!("/v1/reviews/{review}/flag");
    let flags = join_all((0..4).map(|_| market.ada.post(&flag, json!({ "reason": "false" })))).await;
    for answer in &flags {
        assert!(answer.status.is_success() || answer.status.as_u16() == 409, "{}", answer.text());
    }
    let listed = market.sam.get("/v1/admin/reviews?flagged=true").await.ok();
    let row = &listed["items"][0];
    assert_eq!((row["id"].as_str(), row["flags"].as_i64()), (Some(review.as_str()), Some(1)), "{listed}");
    // It hides nothing by itself; staff do, and can take that back.
    assert_eq!(rating(&market, &market.ada).await["count"], 1);
    let staff = |verb: &str| format!("/v1/admin/reviews/{review}/{verb}");
    market.sam.post(&staff("remove"), json!({ "reason": "abuse" })).await.ok();
    assert_eq!(rating(&market, &market.ada).await["count"], 0);
    market.sam.post(&staff("restore"), json!({})).await.ok();
    assert_eq!(rating(&market, &market.ada).await["count"], 1);
}

/// Nobody finds any of these, in any way there is.
async fn is_nowhere(app: &Server, worker: &Person, service: &str) {
    let nobody = app.as_nobody();
    nobody.get(&format!("/v1/services/{service}")).await.refused(404, "not_found");
    nobody.get(&format!("/v1/workers/{}", worker.id)).await.refused(404, "not_found");
    for list in ["services", "reviews", "rating"] {
        let answer = nobody.get(&format!("/v1/workers/{}/{list}", worker.id)).await;
        answer.refused(404, "not_found");
    }
    for query in ["", "?q=piano", "?category=music", "?sort=rating", "?lat=38.72&lon=-9.14&sort=distance"] {
        let found = nobody.get(&format!("/v1/services{query}")).await.ok();
        assert!(!found.to_string().contains(service), "{query}: {found}");
    }
    // Whoever has a thread about it keeps it; nobody opens another.
    let other = app.as_client().await;
    other.post("/v1/threads", json!({ "service_id": service })).await.refused(404, "not_found");
}

async fn an_unchecked_worker_lists_nothing(engine: Engine) {
    let app = Server::start(engine).await;
    let (sam, jon) = (app.as_staff("support").await, app.as_client().await);
    // Without an address that was confirmed, not even a draft.
    let email = app.sign_up("worker", "Unverified").await;
    let unverified = app.person(&email).await;
    unverified.post("/v1/services", marketplace_tests::market::service("Piano")).await.refused(403, "forbidden");
    jon.post("/v1/services", marketplace_tests::market::service("Piano")).await.refused(403, "forbidden");
    // Without a check that was passed, a draft that cannot be published.
    let ada = app.as_worker().await;
    let service = ada.draft("Piano lessons").await;
    let publish = format!("/v1/services/{service}/publish");
    ada.post(&publish, json!({})).await.refused(403, "forbidden");
    let attempt = ada.submit_good(1).await;
    ada.post(&publish, json!({})).await.refused(403, "forbidden");
    sam.decide(&attempt, "approve", json!({})).await.ok();
    ada.post(&publish, json!({})).await.refused(403, "forbidden");
    is_nowhere(&app, &ada, &service).await;
    assert_eq!(ada.get("/v1/me/services").await.ok()["items"][0]["status"], "draft");
}

async fn a_rejected_check_shows_nothing_as_verified(engine: Engine) {
    let market = Market::open(engine).await;
    let cases = market.sam.get(&format!("/v1/admin/kyc?status=approved&user_id={}", market.ada.id)).await.ok();
    let attempt = id(&cases["items"][0]);
    market.sam.decide(&attempt, "revoke", json!({ "reasons": ["suspected_forgery"] })).await.ok();
    market.app.past_undo().await;
    for _ in 0..100 {
        if market.ada.get("/v1/me/kyc").await.ok()["status"] == "revoked" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    is_nowhere(&market.app, &market.ada, &market.service).await;
    let publish = format!("/v1/services/{}/publish", market.service);
    let answer = market.ada.post(&publish, json!({})).await;
    assert!(answer.status.is_client_error(), "{}", answer.text());
}

async fn services_of_a_restricted_worker_are_nowhere(engine: Engine) {
    let market = Market::open(engine).await;
    let job = market.job("accepted").await;
    let found = market.app.as_nobody().get("/v1/services?q=piano").await.ok();
    assert_eq!(found["items"][0]["id"], market.service.as_str());
    let user = format!("/v1/admin/users/{}", market.ada.id);
    market.sam.post(&format!("{user}/freeze"), json!({ "reason": "other" })).await.ok();
    is_nowhere(&market.app, &market.ada, &market.service).await;
    market.sam.post(&format!("{user}/unfreeze"), json!({})).await.ok();
    market.app.as_nobody().get(&format!("/v1/services/{}", market.service)).await.ok();
    market.sam.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.ok();
    is_nowhere(&market.app, &market.ada, &market.service).await;
    // With the ban, in one piece, went the work that was under way.
    let history = market.jon.history(&job).await;
    folds_to(&history, "cancelled");
    let last = history.last().unwrap();
    assert_eq!((last["side"].as_str(), last["reason"].as_str()), (Some("system"), Some("banned")));
}

async fn a_fresh_worker_has_a_public_profile(engine: Engine) {
    let app = Server::start(engine).await;
    let (sam, ada) = (app.as_staff("support").await, app.as_worker().await);
    // Nothing was ever written about Ada but the sign-up.
    let own = ada.get("/v1/me/worker-profile").await.ok();
    assert_eq!((own["headline"].as_str(), own["available"].as_bool()), (Some(""), Some(true)));
    app.approve(&sam, &ada).await;
    let public = app.as_nobody().get(&format!("/v1/workers/{}", ada.id)).await.ok();
    assert_eq!(public["name"], "Ada Obi");
    assert_eq!(public["rating"]["count"], 0);
    for list in ["services", "reviews"] {
        let list = app.as_nobody().get(&format!("/v1/workers/{}/{list}", ada.id)).await.ok();
        assert_eq!(list["items"], json!([]));
    }
    let jon = app.as_client().await;
    assert_eq!(app.as_nobody().get(&format!("/v1/clients/{}", jon.id)).await.ok()["name"], "Jon Lee");
    assert_eq!(jon.get("/v1/me/client-profile").await.ok()["about"], "");
}
