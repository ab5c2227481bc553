//! The server's description of itself, against which every answer of every story is held.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(marketplace_server::description()).unwrap());

/// Validators by their schemas; making one costs more than using it.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Returns what is wrong with an answer: its status, its type or its body is not described. Paths that are not described, and
/// methods that a path does not have, are not looked at.
pub(crate) fn fault(
    method: &Method,
    path: &str,
    status: StatusCode,
    content_type: Option<&str>,
    body: &[u8],
) -> Option<String> {
    let (template, item) = item(path)?;
    // Of every `GET` that is asked for with `If-None-Match`; described once, in docs/api.md.
    if status == StatusCode::NOT_MODIFIED && method == Method::GET && body.is_empty() {
        return None;
    }
    let method = method.as_str().to_ascii_lowercase();
    let responses = item.get(&method)?["responses"].as_object()?;
    let status = status.as_str();
    let Some(response) = responses.get(status) else {
        return Some(format!("{method} {template} is not described to answer {status}"));
    };
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let contents = response["content"].as_object();
    let Some(contents) = contents.filter(|contents| !contents.is_empty()) else {
        return (!body.is_empty()).then(|| format!("{method} {template} {status} is described without a body"));
    };
    let Some(content) = contents.get(kind) else {
        return Some(format!("{method} {template} {status} is not described to be `{kind}`"));
    };
    if !kind.ends_with("json") {
        return None;
    }
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return Some(format!("{method} {template} {status} is no JSON: {error}")),
    };
    let validator = validator(&content["schema"]);
    let faults: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{} at `{}`", error, error.instance_path())).collect();
    (!faults.is_empty()).then(|| format!("{method} {template} {status}: {}", faults.join("; ")))
}

/// Returns the template that a path fits, and what is described there; one without parameters is preferred.
fn item(path: &str) -> Option<(&'static String, &'static Map<String, Value>)> {
    let segments: Vec<&str> = path.split('/').collect();
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == segments.len()
            && wanted.iter().zip(&segments).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
    };
    let found = paths.iter().filter(|(template, _)| fits(template));
    let (template, item) = found.min_by_key(|(template, _)| template.matches('{').count())?;
    Some((template, item.as_object()?))
}

fn validator(schema: &Value) -> Arc<Validator> {
    let mut known = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry(schema.to_string()).or_insert_with(|| {
        // References lead into the description's components. Those that are not needed would cost more than all the rest.
        let mut needed = Map::new();
        add_references(schema, &mut needed);
        let whole = json!({ "allOf": [schema], "components": { "schemas": needed } });
        Arc::new(jsonschema::options().should_validate_formats(true).build(&whole).unwrap())
    });
    made.clone()
}

/// Adds the schemas that a schema leads to.
fn add_references(schema: &Value, needed: &mut Map<String, Value>) {
    match schema {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(|to| to.as_str()?.strip_prefix("#/components/schemas/"));
            if let Some(name) = name.filter(|name| !needed.contains_key(*name)) {
                let found = &DESCRIPTION["components"]["schemas"][name];
                needed.insert(name.to_owned(), found.clone());
                add_references(found, needed);
            }
            members.values().for_each(|value| add_references(value, needed));
        }
        Value::Array(items) => items.iter().for_each(|item| add_references(item, needed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_described_is_a_fault() {
        let categories = |status: u16, kind: &str, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            fault(&Method::GET, "/v1/categories", status, Some(kind), body.as_bytes())
        };
        let music = r#"[{"code": "music", "name": "Music", "names": {"en": "Music"}, "parent": null}]"#;
        assert_eq!(categories(200, "application/json", music), None);
        for (status, kind, body) in [
            (418, "application/json", music),
            (200, "text/plain", music),
            (200, "application/json", "[{"),
            (
                200,
                "application/json",
                r#"[{"code": "Space flight", "name": "Music", "names": {"en": "Music"}, "parent": null}]"#,
            ),
            (200, "application/json", r#"[{"code": "music"}]"#),
            (429, "application/problem+json", r#"{"code": "rate_limited"}"#),
        ] {
            assert!(categories(status, kind, body).is_some(), "{status} {kind} {body}");
        }
        let deleted = |body| fault(&Method::DELETE, "/v1/me/picture", StatusCode::NO_CONTENT, None, body);
        assert_eq!((deleted(b""), deleted(b"{}").is_some()), (None, true));
        // A path without parameters is not the one with them.
        assert_eq!(item("/v1/admin/kyc/next").unwrap().0, "/v1/admin/kyc/next");
    }
}
