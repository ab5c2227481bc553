//! What was answered, comparable between two worlds.

use std::{collections::HashMap, sync::Arc};

use marketplace_core::{
    error::{Error, Result},
    ids::UserId,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::world::Calls;

/// What was answered, step by step.
pub struct Script {
    pub steps: Vec<(String, Value)>,
    /// Of each operation, whether a call succeeded, and whether one failed.
    pub outcomes: HashMap<&'static str, (bool, bool)>,
    names: HashMap<String, String>,
    calls: Arc<Calls>,
}

impl Script {
    pub fn new(calls: Arc<Calls>) -> Self {
        Self { steps: Vec::new(), outcomes: HashMap::new(), names: HashMap::new(), calls }
    }

    /// Writes down an answer or an error, with names for what differs between two worlds.
    pub fn note(&mut self, step: impl Into<String>, answer: Value) {
        if let Some(called) = self.calls.0.lock().unwrap().take() {
            let (succeeded, failed) = self.outcomes.entry(called).or_default();
            *if answer.get("ok").is_some() { succeeded } else { failed } = true;
        }
        let plain = self.plain(answer);
        self.steps.push((step.into(), plain));
    }

    pub fn heard<T: Serialize>(&mut self, step: impl Into<String>, answer: &Result<T>) {
        let answer = match answer {
            Ok(answer) => json!({ "ok": answer }),
            Err(error) => said(error),
        };
        self.note(step, answer);
    }

    fn plain(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.rename(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.plain(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(key, value)| (key, self.plain(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }

    /// Ids and hashes, wherever they are in a text, by order of appearance; cursors hold some, in base64.
    fn rename(&mut self, text: &str) -> String {
        let long = |part: &str| {
            (part.len() == 36 && part.parse::<UserId>().is_ok())
                || (part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        if let Some(plain) = decoded_cursor(text) {
            return format!("cursor({})", self.rename(&plain));
        }
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() || c == '-' {
                word.push(c);
                continue;
            }
            if long(&word) {
                let next = self.names.len();
                out += self.names.entry(word.clone()).or_insert_with(|| format!("#{next}"));
            } else if out.ends_with('…') && word.len() == 8 {
                // The end of an id, by which an error tells people of one name apart.
                let whole = self.names.iter().find(|(id, _)| id.ends_with(&word));
                out += whole.map_or("#end", |(_, name)| name);
            } else {
                out += &word;
            }
            word.clear();
            out.push(c);
        }
        out.pop();
        out
    }
}

fn decoded_cursor(text: &str) -> Option<String> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (_list, plain) = plain.split_once('/')?;
    let (kind, rest) = plain.split_once(':')?;
    if !matches!(kind, "t" | "s" | "k") {
        return None;
    }
    // The simple form of an id, as ids are elsewhere.
    Some(
        rest.split(':')
            .map(|part| part.parse::<UserId>().map_or(part.to_owned(), |id| id.to_string()))
            .collect::<Vec<_>>()
            .join(":"),
    )
}

/// All of an error that crosses the wire.
fn said(error: &Error) -> Value {
    json!({
        "code": error.code(),
        "detail": error.detail(),
        "fields": error.fields(),
        "current": error.current(),
        "retry_after": error.retry_after_hint().map(|after| after.as_secs()),
        "retryable": error.code().retryable(),
    })
}
