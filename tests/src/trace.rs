//! What a story was answered, step by step, without what differs between two runs: ids and addresses by the order in which
//! they appear, times and cursors by their kind.

use std::collections::HashMap;

use serde_json::Value;

/// Responses in order.
#[derive(Debug, Default)]
pub struct Trace {
    steps: Vec<String>,
    names: HashMap<String, String>,
}

impl Trace {
    /// Records a response.
    pub fn note(&mut self, step: &str, answer: &Value) {
        let (step, plain) = (self.text("", step), self.plain("", answer));
        self.steps.push(format!("{step}: {plain:#}"));
    }

    /// Returns what was recorded.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    fn plain(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(key, text)),
            Value::Array(items) => items.iter().map(|item| self.plain(key, item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| (key.clone(), self.plain(key, value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    fn text(&mut self, key: &str, text: &str) -> String {
        if matches!(key, "cursor" | "next" | "request_id" | "hash") {
            return format!("<{key}>");
        }
        if is_time(text) {
            return "<time>".into();
        }
        // Ids, alone or within a text, with or without dashes.
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() || c == '-' {
                word.push(c);
                continue;
            }
            if (word.len() == 36 || word.len() == 32) && word.parse::<uuid::Uuid>().is_ok() {
                let next = self.names.len();
                out += self.names.entry(word.clone()).or_insert_with(|| format!("#{next}"));
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

/// Returns whether it is a time of RFC 3339, as the server writes them: `2026-01-31T12:00:00Z`, with or without a
/// fraction.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && text.ends_with('Z')
}
