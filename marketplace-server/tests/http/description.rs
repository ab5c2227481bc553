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
    let ids: Vec<String> = operations(&description)
        .iter()
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    for id in ids {
        assert!(id.starts_with(|first: char| first.is_ascii_lowercase()) && id.contains(char::is_uppercase), "{id}");
        assert!(id.chars().all(|letter| letter.is_ascii_alphanumeric()), "{id}");
    }
}

/// Returns every operation.
fn operations(description: &Value) -> Vec<&Value> {
    let items = description["paths"].as_object().unwrap().values();
    items.flat_map(|item| item.as_object().unwrap().values()).collect()
}

/// A generator would have an optional member with a default always be sent.
#[test]
fn members_have_no_defaults() {
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema.get("default").is_none(), "{name}.{member}");
        }
    }
}

#[test]
fn what_holds_another_schema_refers_to_it() {
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let mut count = 0;
    for (name, schema) in schemas {
        let Some((_, item)) = name.split_once('_') else { continue };
        let mut references = Vec::new();
        collect(schema, &mut references);
        assert!(references.contains(&format!("#/components/schemas/{item}")), "{name}");
        count += 1;
    }
    assert!(count > 20);
}

#[test]
fn every_operation_says_who_may_call_it() {
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    let schemes = description["components"]["securitySchemes"].as_object().unwrap();
    for operation in operations(&description) {
        for way in operation["security"].as_array().unwrap() {
            assert!(way.as_object().unwrap().keys().all(|scheme| schemes.contains_key(scheme)), "{operation}");
        }
    }
}

#[test]
fn bytes_are_described_as_bytes_and_bodies_that_can_be_empty_as_optional() {
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    let is_bytes = |kind: &str| !kind.contains("json") && !kind.starts_with("text/") && !kind.starts_with("multipart/");
    for operation in operations(&description) {
        let responses = operation["responses"].as_object().unwrap().values();
        for holder in responses.chain(operation.get("requestBody")) {
            for (kind, content) in holder["content"].as_object().into_iter().flatten() {
                let is_binary = content["schema"]["format"] == "binary";
                assert_eq!(is_binary, is_bytes(kind), "{}: {kind}", operation["operationId"]);
            }
        }
    }
    let body = |path: &str, method: &str| description["paths"][path][method]["requestBody"]["required"].clone();
    assert_eq!(body("/v1/jobs/{id}/complete", "post"), false);
    assert_eq!(body("/v1/admin/kyc/{id}/claim", "post"), false);
    assert_eq!(body("/v1/auth/login", "post"), true);
    assert_eq!(body("/v1/me/picture", "put"), true);
}

/// A handler that takes the header says so, and one that says so takes it.
#[test]
fn idempotency_is_declared_where_it_works() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for handler in text.split("#[utoipa::path(").skip(1) {
            let (declared, code) = handler.split_once(")]\n").unwrap();
            let code = code.split("\n}\n").next().unwrap();
            let works = code.contains("IdempotentRequest<") || code.contains("Key::of(");
            assert_eq!(declared.contains("IdempotencyKey"), works, "{}: {code}", path.display());
            count += usize::from(works);
        }
    }
    assert!(count > 15, "{count}");
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

/// The library keeps one of two types of one name, without a word. Types are found where they are declared; that each schema
/// of the description is among them shows that none is missed.
#[test]
fn no_two_types_have_one_name_in_the_description() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut places: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    let mut folders = vec![root.join("marketplace-core/src"), root.join("marketplace-server/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                for name in described_types(&std::fs::read_to_string(&path).unwrap()) {
                    places.entry(name).or_default().push(path.display().to_string());
                }
            }
        }
    }
    for (name, places) in &places {
        assert_eq!(places.len(), 1, "{name}: {places:?}");
    }
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    for name in description["components"]["schemas"].as_object().unwrap().keys() {
        for part in name.split('_') {
            assert!(places.contains_key(part), "{name} is declared where this test does not look");
        }
    }
}

/// Returns the names in the description of the types that a file declares.
fn described_types(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut is_described, mut other_name) = (false, None);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        is_described |= line.contains("ToSchema)") && line.starts_with("#[") || line == "text_enum! {";
        let renamed = line.split_once("schema(as = ").and_then(|(_, rest)| rest.split([',', ')']).next());
        other_name = renamed.map(str::to_owned).or(other_name);
        // `UserId = "user",`, in the list of ids.
        let id = line.split_once(" = \"").map(|(name, _)| name.trim()).filter(|name| name.ends_with("Id"));
        names.extend(id.map(str::to_owned));
        let by_hand = line.strip_prefix("impl utoipa::ToSchema for ").and_then(|rest| rest.split(' ').next());
        names.extend(by_hand.map(str::to_owned));
        let words: Vec<&str> = line.split([' ', '{', '<', '(', ';']).collect();
        let item = words.iter().position(|word| matches!(*word, "struct" | "enum" | "trait" | "fn" | "impl"));
        let Some(at) = item.filter(|_| !line.starts_with("//") && !line.starts_with('#')) else { continue };
        if is_described && matches!(words[at], "struct" | "enum") && !words[at + 1].starts_with('$') {
            names.push(other_name.take().unwrap_or_else(|| words[at + 1].to_owned()));
        }
        (is_described, other_name) = (false, None);
    }
    names
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
