//! NUL bytes, numbers out of range and other people's cursors, in profiles, services, searches, threads, jobs and reviews.

use marketplace_tests::{Answer, Engine, Market, market::offer, stories};
use reqwest::Method;
use serde_json::{Value, json};

use crate::refused;

stories![nul_bytes_and_wrong_values_in_the_market, searches_and_pages_out_of_range];

async fn nul_bytes_and_wrong_values_in_the_market(engine: Engine) {
    let market = Market::open(engine).await;
    let job = market.job("negotiating").await;
    let before = market.jon.history(&job).await;
    let nul = "a\u{0}b";
    let priced = |amount: Value, currency: &str| {
        let mut offer = offer(1);
        offer["price"] = json!({ "amount": amount, "currency": currency });
        json!({ "revision": 1, "offer": offer })
    };
    let said = |key: &str| {
        let mut offer = offer(1);
        offer[key] = json!(nul);
        json!({ "revision": 1, "offer": offer })
    };
    let offers = format!("/v1/jobs/{job}/offers");
    for body in [
        said("schedule"),
        said("scope"),
        priced(json!(-1), "EUR"),
        priced(json!(1.5), "EUR"),
        priced(json!("1"), "EUR"),
        priced(json!(i64::MAX), "EUR"),
        priced(json!(1), "eur"),
        priced(json!(1), "EURO"),
        priced(json!(1), ""),
        json!({ "revision": "1", "offer": offer(1) }),
        json!({ "offer": offer(1) }),
        json!({ "revision": 1 }),
    ] {
        refused(&market.ada.post(&offers, body).await);
    }
    for revision in [json!(0), json!(-1), json!(2), json!(i64::MAX)] {
        market.ada.act(&job, "accept", json!({ "revision": revision })).await.refused(409, "conflict");
    }
    for (verb, body) in [
        ("reject", json!({})),
        ("reject", json!({ "reason": "because" })),
        ("reject", json!({ "reason": "banned" })),
        ("reject", json!({ "reason": "other", "comment": nul })),
        ("reject", json!({ "reason": "other", "comment": "x".repeat(1_001) })),
    ] {
        refused(&market.ada.act(&job, verb, body).await);
    }
    assert_eq!(market.jon.history(&job).await, before, "nothing of it happened");
    let service = format!("/v1/services/{}", market.service);
    for change in [
        json!({ "description": nul }),
        json!({ "tags": [nul] }),
        json!({ "tags": vec!["x"; 11] }),
        json!({ "category": "spaceflight" }),
        json!({ "latitude": 91, "longitude": 0 }),
        json!({ "latitude": 1 , "longitude": null }),
        json!({ "price": { "amount": -5, "currency": "EUR" } }),
        json!({ "status": "published" }),
        json!({ "worker_id": market.jon.id }),
    ] {
        refused(&market.ada.patch(&service, change).await);
    }
    for change in [json!({ "about": nul }), json!({ "headline": "x".repeat(121) }), json!({ "rating": 5 })] {
        refused(&market.ada.patch("/v1/me/worker-profile", change).await);
    }
    refused(&market.jon.message(&market.thread, "n", nul).await);
    for rating in [json!(0), json!(6), json!(-1), json!(4.5), json!("5"), Value::Null] {
        refused(&market.jon.act(&job, "reviews", json!({ "rating": rating })).await);
    }
    market.jon.attach_bytes(&market.thread, vec![0xFF; 10 * 1024 * 1024 + 1]).await.refused(413, "too_large");
    for file in [b"".to_vec(), b"<svg onload='alert(1)'/>".to_vec(), vec![0; 64]] {
        refused(&market.jon.attach_bytes(&market.thread, file.clone()).await);
        let picture = market.ada.request(Method::PUT, "/v1/me/picture").header("content-type", "image/png").body(file);
        refused(&Answer::of(picture).await);
    }
}

async fn searches_and_pages_out_of_range(engine: Engine) {
    let market = Market::open(engine).await;
    let thread = &market.thread;
    market.jon.message(thread, "1", "Hello").await.ok();
    for query in [
        "limit=0",
        "limit=201",
        "limit=99999999999999999999",
        "after=x",
        "after=%00",
        "sort=cheapest",
        "sort=distance",
        "category=spaceflight",
        "min_rating=6",
        "min_rating=x",
        "lat=91&lon=0",
        "lat=1",
        "lat=NaN&lon=0",
        "lat=inf&lon=0",
        "lat=1&lon=1&radius_km=-1",
        "available=maybe",
        "nonsense=1",
        "offset=99999999999",
    ] {
        refused(&market.app.as_nobody().get(&format!("/v1/services?{query}")).await);
    }
    // Any text can be searched for; operators of a search language are only words.
    for q in [
        "%25",
        "_",
        "'",
        "%22",
        "%5C",
        "a*",
        "(",
        "NEAR(a%20b)",
        "a%20AND",
        "-",
        ":",
        "%F0%9F%90%B4",
        "%20",
        "piano*",
        "title:piano",
    ] {
        let answer = market.app.as_nobody().get(&format!("/v1/services?q={q}")).await;
        if !answer.status.is_success() {
            refused(&answer);
        }
    }
    let long = "x%20".repeat(1_500);
    let answer = market.app.as_nobody().get(&format!("/v1/services?q={long}")).await;
    assert!(!answer.status.is_server_error(), "{}", answer.text());
    let nul = market.app.as_nobody().get("/v1/services?q=pia%00no").await;
    assert!(!nul.status.is_server_error(), "{}", nul.text());
    for query in
        ["limit=0", "limit=201", "after_seq=x", "after_seq=-1.5", "before_seq=99999999999999999999", "after=AAAA"]
    {
        refused(&market.jon.get(&format!("/v1/threads/{thread}/messages?{query}")).await);
    }
    // Far away is an empty page, not a fault.
    for query in ["after_seq=9223372036854775807", "before_seq=1", "before_seq=-9223372036854775808"] {
        let answer = market.jon.get(&format!("/v1/threads/{thread}/messages?{query}")).await;
        assert!(!answer.status.is_server_error(), "{}", answer.text());
        if answer.status.is_success() {
            assert_eq!(answer.json()["items"], json!([]), "{query}");
        }
    }
    for seq in [json!(-1), json!(i64::MIN), json!("1"), Value::Null] {
        let answer = market.ada.post(&format!("/v1/threads/{thread}/read"), json!({ "seq": seq })).await;
        assert!(!answer.status.is_server_error(), "{}", answer.text());
    }
    // Beyond the end, a pointer stands at the end.
    let read = market.ada.post(&format!("/v1/threads/{thread}/read"), json!({ "seq": i64::MAX })).await;
    if read.status.is_success() {
        assert_eq!(read.json()["read_seq"], 1);
    } else {
        refused(&read);
    }
}
