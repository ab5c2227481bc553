//! Every `PATCH` is a merge patch (RFC 7396), and does what the description says of `null`.

use marketplace_tests::{Engine, Market, market::id, server::number, stories};
use serde_json::{Value, json};

stories!(every_patch_is_a_merge_patch);

async fn every_patch_is_a_merge_patch(engine: Engine) {
    let market = Market::open(engine).await;
    let job = market.job("finalized").await;
    let (ada, jon) = (&market.ada, &market.jon);
    let written = json!({ "rating": 4, "text": "She knows what she does." });
    let review = id(&jon.post(&format!("/v1/jobs/{job}/reviews"), written).await.ok());
    let description = jon.get("/openapi.json").await.ok();
    for (template, item) in description["paths"].as_object().unwrap() {
        let Some(operation) = item.get("patch") else { continue };
        let (person, path) = match template.as_str() {
            "/v1/me" | "/v1/me/worker-profile" => (ada, template.clone()),
            "/v1/me/client-profile" | "/v1/me/notification-settings" => (jon, template.clone()),
            "/v1/services/{id}" => (ada, format!("/v1/services/{}", market.service)),
            "/v1/reviews/{id}" => (jon, format!("/v1/reviews/{review}")),
            // What staff change often needs a reason: the contract has it.
            other if other.starts_with("/v1/admin/") => continue,
            other => panic!("this story does not know {other}"),
        };
        let (first, events) = (person.patch(&path, json!({})).await.ok(), recorded(&market).await);
        assert_eq!(person.patch(&path, json!({})).await.ok(), first, "{path}: nothing changes");
        assert_eq!(recorded(&market).await, events, "{path}: nothing is recorded");

        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().unwrap().trim_start_matches('#');
        let members = description.pointer(name).unwrap()["properties"].as_object().unwrap();
        for (member, schema) in members {
            let mut body = json!({ member: null });
            // A place has both.
            if member.ends_with("itude") {
                body = json!({ "latitude": null, "longitude": null });
            }
            let answer = person.patch(&path, body).await;
            if is_nullable(schema) {
                let now = &answer.ok()[member];
                assert!(now.is_null() || now == "" || *now == json!([]), "{path} {member}: {now}");
            } else {
                let problem = answer.refused(422, "invalid");
                assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"), "{path}");
            }
        }
    }
}

/// Returns how many events there are.
async fn recorded(market: &Market) -> i64 {
    let db = market.app.db().await;
    let count = number(&db, "SELECT CAST(count(*) AS BIGINT) FROM events").await;
    db.close().await;
    count
}

fn is_nullable(schema: &Value) -> bool {
    let types = schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
    types || schema["oneOf"].as_array().is_some_and(|items| items.iter().any(|item| item["type"] == "null"))
}
