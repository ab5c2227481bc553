//! `/openapi.json` and `/docs`.

use serde_json::Value;

use crate::harness::{expect, server};

#[test]
fn the_description_is_as_agreed() {
    insta::assert_json_snapshot!(marketplace_server::description());
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_its_own() {
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = Vec::new();
    for item in description["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn the_parameters_of_a_path_are_those_that_stand_in_it() {
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        let mut named: Vec<&str> =
            path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().trim_start_matches('*')).collect();
        named.sort_unstable();
        for operation in item.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let of_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
            let mut found: Vec<&str> = of_path.map(|parameter| parameter["name"].as_str().unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, named, "{path}");
        }
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "$ref" => references.push(text.clone()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let server = server().await;
    let document = expect(server.get("/openapi.json"), 200).await;
    assert_eq!(document, serde_json::to_value(marketplace_server::description()).unwrap());
    let page = server.get("/docs/").send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
    let html = page.text().await.unwrap();
    let mut references: Vec<String> = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        references.extend(html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert!(references.len() >= 3, "{html}");
    for reference in references {
        assert!(!reference.contains("//"), "{reference} is elsewhere");
        let name = reference.trim_start_matches("./");
        assert_eq!(server.get(&format!("/docs/{name}")).send().await.unwrap().status(), 200, "{reference}");
    }
    let start = server.get("/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    assert!(start.contains("/openapi.json"), "{start}");
    // A policy that forbids inline scripts, and a page that has none.
    assert!(!html.split("<script").skip(1).any(|tag| !tag.split('>').next().unwrap().contains("src=")), "{html}");
    server.stop().await;
}

#[tokio::test]
async fn the_links_in_mails_lead_to_a_page_that_calls_the_api() {
    let server = server().await;
    for path in [
        "/auth/verify-email",
        "/auth/email/confirm",
        "/auth/own-data/delete",
        "/auth/password/forgot",
        "/auth/password/reset",
    ] {
        let page = server.get(&format!("{path}?token=secret")).send().await.unwrap();
        assert_eq!((page.status().as_u16(), &page.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
        assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
        let url = page.url().clone();
        let html = page.text().await.unwrap();
        assert!(!html.contains("secret"), "{html}");
        // The one field that must not be read over a shoulder, and that password managers fill in: nothing keeps them from it.
        if path == "/auth/password/reset" {
            let field = html.split("<input").find(|field| field.contains("type=\"password\"")).expect("a hidden field");
            assert!(field.contains("autocomplete=\"new-password\""), "{field}");
        }
        assert!(!html.contains("onpaste") && !html.contains("autocomplete=\"off\""), "{html}");
        let attribute = |name: &str| {
            let value = html.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
            url.join(value).unwrap().path().to_owned()
        };
        assert_eq!(attribute("data-call"), format!("/v1{path}"));
        for part in ["src", "href"] {
            assert_eq!(server.get(&attribute(part)).send().await.unwrap().status(), 200);
        }
        // Whoever comes too late is offered another mail.
        assert_eq!(html.contains("data-again"), path == "/auth/verify-email");
        if path == "/auth/verify-email" {
            let resend = attribute("data-again");
            let body = serde_json::json!({"email": "nobody@example.org"});
            assert_eq!(server.post(&resend).json(&body).send().await.unwrap().status(), 202);
        }
        // What the page would send is understood.
        let answer =
            server.post(&attribute("data-call")).json(&serde_json::json!({"nonsense": true})).send().await.unwrap();
        assert_eq!(answer.status(), 422);
    }
    server.stop().await;
}

/// Programs generate clients from it: it is written by this test when it is run with `UPDATE_DOCS=1`.
#[test]
fn the_frames_are_as_described() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.yaml");
    let description = marketplace_server::frames_description();
    let mut references = Vec::new();
    collect(&description, &mut references);
    for reference in references {
        assert!(description.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    let text = serde_saphyr::to_string(&description).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == text, "the types have changed: run this with UPDATE_DOCS=1");
}
