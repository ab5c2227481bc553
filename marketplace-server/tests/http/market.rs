//! Profiles, services and their search over HTTP.

use marketplace_core::{accounts::model::Status, base::permission::Role};
use serde_json::{Value, json};

use crate::harness::{Server, expect, problem, servers};

/// A worker whose identity is confirmed: id and access token.
async fn worker(server: &Server) -> (String, String) {
    let (id, token) = server.user(Role::Worker, Status::Active).await;
    server.test.approve(id).await;
    (id.to_string(), token)
}

fn service(title: &str) -> Value {
    json!({"title": title, "category": "music", "location": "Lyon", "latitude": 45.76, "longitude": 4.84,
        "price": {"amount": 4_000, "currency": "EUR"}, "tags": ["keys"]})
}

async fn published(server: &Server, token: &str, title: &str) -> Value {
    let made = expect(server.post("/v1/services").bearer_auth(token).json(&service(title)), 201).await;
    let path = format!("/v1/services/{}/publish", made["id"].as_str().unwrap());
    expect(server.post(&path).bearer_auth(token), 200).await
}

async fn titles(server: &Server, query: &str) -> Vec<String> {
    let page = expect(server.get(&format!("/v1/services?{query}")), 200).await;
    page["items"].as_array().unwrap().iter().map(|card| card["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_service_goes_public_and_is_found() {
    for server in servers().await {
        let (worker_id, token) = worker(&server).await;
        let draft = server.post("/v1/services").bearer_auth(&token).json(&service("Piano lessons"));
        let draft = expect(draft.header("idempotency-key", "k"), 201).await;
        let again = server.post("/v1/services").bearer_auth(&token).json(&service("Piano lessons"));
        assert_eq!(expect(again.header("idempotency-key", "k"), 201).await["id"], draft["id"]);
        let path = format!("/v1/services/{}", draft["id"].as_str().unwrap());
        problem(server.get(&path), 404, "not_found").await;
        let stranger = server.token(Role::Worker).await;
        problem(server.post(&format!("{path}/publish")).bearer_auth(&stranger), 404, "not_found").await;
        let own = format!("/v1/me/services/{}", draft["id"].as_str().unwrap());
        problem(server.get(&own).bearer_auth(&stranger), 404, "not_found").await;
        assert_eq!(expect(server.get(&own).bearer_auth(&token), 200).await, draft);
        let shown = expect(server.post(&format!("{path}/publish")).bearer_auth(&token), 200).await;
        assert_eq!((shown["status"].as_str(), shown["public"].as_bool()), (Some("published"), Some(true)));

        let answer = server.get(&path).send().await.unwrap();
        assert!(answer.headers()["etag"].to_str().unwrap().starts_with("\"2-"));
        let public: Value = answer.json().await.unwrap();
        assert_eq!(
            (public["worker"]["id"].as_str(), public["price"]["amount"].as_i64()),
            (Some(&*worker_id), Some(4_000))
        );
        let change =
            server.request("PATCH".parse().unwrap(), &path).bearer_auth(&token).json(&json!({"title": "Violin"}));
        problem(change.header("if-match", "\"1\""), 412, "precondition_failed").await;
        for (query, expected) in [
            ("q=pian", 1),
            ("q=paino+lessons", 1),
            ("q=drums", 0),
            ("category=music&location=lyon", 1),
            ("category=pets", 0),
            ("lat=45.7&lon=4.8&radius_km=20&sort=distance", 1),
            ("lat=45.7&lon=4.8&radius_km=1", 0),
            ("currency=EUR&max_price=4000", 1),
            ("currency=EUR&max_price=3999", 0),
            ("min_rating=1", 0),
            ("available=true", 1),
        ] {
            assert_eq!(titles(&server, query).await.len(), expected, "{query}");
        }
        let found =
            expect(server.get("/v1/services?q=lessons&total=true&facets=true&snippets=true&sort=price"), 200).await;
        assert_eq!(found["total"], json!({"value": 1, "exact": true}));
        assert_eq!(found["facets"]["categories"], json!([{"category": "music", "count": 1}]));
        assert_eq!(found["items"][0]["snippet"]["title"][1], json!({"text": "lessons", "found": true}));
        let suggested = expect(server.get("/v1/services/suggest?q=less"), 200).await;
        assert_eq!(suggested["items"][0], json!({"text": "lessons"}));
        let of = expect(server.get(&format!("/v1/workers/{worker_id}/services")), 200).await;
        assert_eq!(of["items"].as_array().unwrap().len(), 1);
        let page = expect(server.get(&format!("/v1/workers/{worker_id}")), 200).await;
        assert_eq!(page["rating"]["count"], 0);
        assert!(expect(server.get("/v1/categories"), 200).await.as_array().unwrap().len() > 10);
        for (accepted, name) in [
            ("de-AT,de;q=0.9", "Reinigung"),
            ("pt, es;q=0.3, fr;q=0.7", "Nettoyage"),
            ("fr;q=0, *", "Cleaning"),
            ("en-GB, de", "Cleaning"),
            (";;q=x,,", "Cleaning"),
        ] {
            let answer = server.get("/v1/categories").header("accept-language", accepted).send().await.unwrap();
            assert_eq!(answer.headers()["vary"], "accept-language");
            let found: serde_json::Value = answer.json().await.unwrap();
            let cleaning = found.as_array().unwrap().iter().find(|category| category["code"] == "cleaning").unwrap();
            assert_eq!((&cleaning["name"], &cleaning["names"]["es"]), (&json!(name), &json!("Limpieza")), "{accepted}");
        }
        expect(server.request("DELETE".parse().unwrap(), &path).bearer_auth(&token), 204).await;
        problem(server.get(&path), 404, "not_found").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn odd_queries_are_refused_and_never_a_fault() {
    for server in servers().await {
        let (_, token) = worker(&server).await;
        published(&server, &token, "Piano lessons").await;
        for (query, status) in [
            ("q=a%00b", 400),
            ("limit=0", 400),
            ("limit=99999999999999999999", 400),
            ("sort=best", 400),
            ("category=spaceflight", 422),
            ("radius_km=ten", 400),
            ("nonsense=1", 400),
            ("after=99999999999", 422),
            ("after=%FF", 422),
            ("lat=NaN&lon=0", 422),
            ("lat=inf&lon=0", 422),
            ("lat=1e400&lon=0", 422),
            ("lat=1", 422),
            ("radius_km=5", 422),
            ("sort=distance", 422),
            ("min_rating=9", 422),
            ("max_price=5", 422),
            ("currency=EUR&min_price=-9223372036854775808", 422),
            ("location=a%0Ab", 422),
        ] {
            let body = problem(server.get(&format!("/v1/services?{query}")), status, "invalid").await;
            assert!(!body["errors"].as_array().unwrap().is_empty(), "{query}: {body}");
        }
        for query in [
            "q=%22%27%28%29%2A%3A%26%7C%21",
            "q=%F0%9F%8E%B9",
            "q=%",
            &format!("q={}", "a+".repeat(99)),
            "lat=90&lon=180&radius_km=20100&sort=distance",
            "lat=-90&lon=-180&radius_km=0",
            "lat=0.1&lon=179.99999&radius_km=5000&q=pian&sort=rating",
        ] {
            assert_eq!(server.get(&format!("/v1/services?{query}")).send().await.unwrap().status(), 200, "{query}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_picture_is_put_seen_and_gone_with_its_owner() {
    for server in servers().await {
        let (id, token) = worker(&server).await;
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(300, 300).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let put =
            |body: Vec<u8>| server.request("PUT".parse().unwrap(), "/v1/me/picture").bearer_auth(&token).body(body);
        let picture = expect(put(bytes.into_inner()), 200).await;
        problem(put(b"GIF89a".to_vec()), 415, "unsupported_media").await;
        problem(put(vec![0; 11 * 1024 * 1024]), 413, "too_large").await;
        let path = format!("/v1/pictures/{}?size=thumb", picture["id"].as_str().unwrap());
        let seen = server.get(&path).send().await.unwrap();
        assert_eq!(seen.headers()["content-type"], "image/jpeg");
        assert_eq!(seen.headers()["cache-control"], "public, max-age=3600, must-revalidate, immutable");
        assert_eq!(seen.headers()["x-content-type-options"], "nosniff");
        assert!(seen.bytes().await.unwrap().starts_with(&[0xFF, 0xD8]));
        let change = marketplace_core::base::change::Change {
            reason: Some(marketplace_core::base::change::RestrictionReason::Other),
            ..Default::default()
        };
        let ban = marketplace_core::accounts::model::UserAction::Ban;
        let operator = marketplace_core::testing::operator();
        marketplace_core::users::act(&server.test.app().by(&operator).with(change.clone()), id.parse().unwrap(), &ban)
            .await
            .unwrap();
        let body = problem(server.get(&path), 404, "not_found").await;
        assert_eq!(body["code"], "not_found");
        problem(server.get(&format!("/v1/workers/{id}")), 404, "not_found").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn profiles_favourites_and_blocks() {
    for server in servers().await {
        let (worker_id, token) = worker(&server).await;
        let (client_id, client) = server.user(Role::Client, Status::Active).await;
        let patch = |path: &str, token: &str, body: Value| {
            server.request("PATCH".parse().unwrap(), path).bearer_auth(token).json(&body)
        };
        let profile =
            expect(patch("/v1/me/worker-profile", &token, json!({"headline": "Pianist", "skills": ["piano"]})), 200)
                .await;
        assert_eq!((profile["version"].as_i64(), profile["available"].as_bool()), (Some(1), Some(true)));
        let stale = patch("/v1/me/worker-profile", &token, json!({"about": "x"})).header("if-match", "\"0\"");
        problem(stale, 412, "precondition_failed").await;
        let wrong = problem(patch("/v1/me/worker-profile", &token, json!({"latitude": 5})), 422, "invalid").await;
        assert_eq!(wrong["errors"][0]["pointer"], "/longitude");
        problem(patch("/v1/me/client-profile", &token, json!({})), 403, "forbidden").await;
        expect(patch("/v1/me/client-profile", &client, json!({"about": "Learns"})), 200).await;
        assert_eq!(expect(server.get(&format!("/v1/clients/{client_id}")), 200).await["about"], "Learns");
        let call = |method: &str, path: String| server.request(method.parse().unwrap(), &path).bearer_auth(&client);
        expect(call("PUT", format!("/v1/me/favorites/{worker_id}")), 204).await;
        let favorites = expect(call("GET", "/v1/me/favorites".into()), 200).await;
        assert_eq!(favorites["items"][0]["headline"], "Pianist");
        expect(call("DELETE", format!("/v1/me/favorites/{worker_id}")), 204).await;
        problem(call("PUT", format!("/v1/me/favorites/{client_id}")), 404, "not_found").await;
        expect(call("PUT", format!("/v1/me/blocks/{worker_id}")), 204).await;
        assert_eq!(expect(call("GET", "/v1/me/blocks".into()), 200).await["items"][0]["id"], worker_id.as_str());
        expect(call("DELETE", format!("/v1/me/blocks/{worker_id}")), 204).await;
        problem(call("PUT", format!("/v1/me/blocks/{client_id}")), 403, "forbidden").await;
        server.stop().await;
    }
}
