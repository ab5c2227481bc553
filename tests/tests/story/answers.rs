//! Every operation, as everybody: whatever it answers is described. [`marketplace_tests::Http`] holds each answer against the
//! description; here is what no other story calls.

use marketplace_tests::{Answer, Engine, Market, stories};
use reqwest::Method;
use serde_json::{Value, json};

stories!(every_operation_answers_as_described);

/// Operations that would end the callers' logins.
const LEFT_OUT: [&str; 3] = ["/v1/auth/logout", "/v1/auth/logout-all", "/v1/admin/sessions/revoke-all"];

async fn every_operation_answers_as_described(engine: Engine) {
    let market = Market::open(engine).await;
    let job = market.job("finalized").await;
    let nobody = market.app.as_nobody();
    let description = nobody.get("/openapi.json").await.ok();
    let known = [
        ("/services/", &market.service),
        ("/threads/", &market.thread),
        ("/jobs/", &job),
        ("/clients/", &market.jon.id),
        ("", &market.ada.id),
    ];
    let mut count = 0;
    for (template, item) in description["paths"].as_object().unwrap() {
        if LEFT_OUT.contains(&template.as_str()) {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            // One that there is, and one that nothing has.
            let (_, id) = known.iter().find(|(part, _)| template.contains(part)).unwrap();
            for id in [id.as_str(), "01890000-0000-7000-8000-000000000000"] {
                let path: Vec<&str> = template
                    .split('/')
                    .map(|part| match part {
                        "{kind}" => "document",
                        "{provider}" => "nobody",
                        _ if part.starts_with('{') => id,
                        _ => part,
                    })
                    .collect();
                let path = path.join("/");
                for caller in [&nobody, &market.jon.http, &market.ada.http, &market.sam.http] {
                    let ask = |query: &str| caller.request(method.clone(), &format!("{path}{query}"));
                    if method == Method::GET {
                        Answer::of(ask("")).await;
                        Answer::of(ask("?limit=none&nonsense=1")).await;
                    } else {
                        for body in [json!({ "nonsense": true }), json!([]), Value::Null] {
                            Answer::of(ask("").json(&body)).await;
                        }
                        Answer::of(ask("").header("content-type", "application/json").body("{")).await;
                        Answer::of(ask("").header("content-type", "text/plain").body("?")).await;
                        Answer::of(ask("").header("if-match", "?").header("idempotency-key", "").json(&json!({})))
                            .await;
                    }
                }
            }
            count += 1;
        }
    }
    assert!(count > 130, "{count}");
}
