//! What holds for every change, whatever it is about.

use std::collections::HashMap;

use serde_json::Value;

use crate::script::Script;

/// The methods whose steps come with a look at the subject afterwards.
const CHANGES: [&str; 5] = ["jobs_act", "threads_act", "threads_notice", "message_remove", "reviews_act"];

/// Dry runs and refusals change nothing, repetitions say `unchanged`, conflicts tell how things stand, who may only read is
/// refused, and what does not exist is not found.
pub fn hold(script: &Script) {
    let mut shown: HashMap<String, &Value> = HashMap::new();
    let mut untouched = false;
    let mut looks = 0;
    for (step, answer) in &script.steps {
        let (method, name) = step.split_once(' ').unwrap_or((step, ""));
        let code = answer["code"].as_str();
        if CHANGES.contains(&method) {
            untouched = code.is_some() || name.contains("dry") || name.ends_with("again");
            match name {
                "auditor" | "client" => assert_eq!(code, Some("forbidden"), "{step}"),
                "unknown" => assert_eq!(code, Some("not_found"), "{step}"),
                _ if name.ends_with("at another version") => assert_eq!(code, Some("precondition_failed"), "{step}"),
                _ if name.ends_with("again") => assert_eq!(answer["ok"]["changed"], false, "{step}: {answer}"),
                _ if name.contains("long") => assert_eq!(code, Some("invalid"), "{step}"),
                _ => {}
            }
            if matches!(code, Some("conflict" | "precondition_failed")) {
                assert!(!answer["current"].is_null(), "{step}: {answer}");
            }
        }
        if let ("jobs_show" | "threads_show" | "reviews_show", Some(item)) = (method, answer.get("ok")) {
            let id = ["/job/id", "/review/id", "/id"].iter().find_map(|path| item.pointer(path)?.as_str());
            let before = shown.insert(id.unwrap().to_owned(), item);
            if let (true, true, Some(before)) = (untouched, name.starts_with("after "), before) {
                looks += 1;
                assert_eq!(before, item, "{step}");
            }
        }
    }
    assert!(looks > 20, "only {looks} looks at what must not have changed");
}
