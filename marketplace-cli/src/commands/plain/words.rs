//! Lines as words and flags, and rows as sentences.

use std::borrow::Cow;

use marketplace_core::{reports::model::ReportAction, time::Timestamp};

use crate::{
    failure::{Failure, Outcome},
    output::{Kind, People, Row, at, plain, safe, time::relative},
};

/// Returns the words after an action as flags of its command: a reason, then a text.
pub(super) fn arguments(place: &str, act: &str, words: &[String]) -> Vec<String> {
    let flags = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
    let (bare, flags) = words.split_at(flags);
    let all = bare.join(" ");
    let mut out = Vec::new();
    let mut add = |flag: &str, value: &str| {
        if !value.is_empty() {
            out.extend([flag.to_owned(), value.to_owned()]);
        }
    };
    match (act, bare.split_first()) {
        (_, None) => {}
        ("remove-message", Some((id, rest))) => {
            add("--reason", rest.first().map_or("", String::as_str));
            out.insert(0, id.clone());
        }
        (_, Some((first, rest))) if (place, act) == ("reports", "dismiss") => {
            add("--reason", first);
            add("--note", &rest.join(" "));
        }
        ("resolve", Some((first, rest))) => {
            let done = rest.iter().take_while(|word| is_actions(word)).count();
            add("--reason", first);
            add("--action", &rest.iter().take(done).map(|word| word.trim_matches(',')).collect::<Vec<_>>().join(","));
            add("--note", &rest.iter().skip(done).cloned().collect::<Vec<_>>().join(" "));
        }
        ("snooze" | "assign", Some((first, rest))) => {
            let flag = if act == "assign" { "--to" } else { "--until" };
            // A name can have several words.
            let whole = act == "assign";
            add(flag, if whole { &all } else { first });
            add("--note", &if whole { String::new() } else { rest.join(" ") });
        }
        (
            "escalate" | "uphold" | "reverse" | "approve" | "unfreeze" | "unban" | "finalize" | "reopen" | "dismiss"
            | "restore",
            _,
        ) => {
            add("--note", &all);
        }
        ("note", _) => out.push(all),
        ("notice", _) => add("--content", &all),
        (_, Some((first, rest))) => {
            let flag = match act {
                "role" => "--role",
                "reset-totp" => "--proof",
                "export" => "--out",
                _ => "--reason",
            };
            add(flag, first);
            let text = rest.join(" ");
            add(if matches!(act, "retry" | "reject" | "revoke") { "--comment" } else { "--note" }, &text);
        }
    }
    out.extend_from_slice(flags);
    out
}

/// Returns whether a word is what can be done about reports; several with commas.
pub(super) fn is_actions(word: &str) -> bool {
    word.trim_matches(',').split(',').all(|name| ReportAction::NAMES.contains(&name))
}

/// Returns a row in one line: each of its columns by name.
pub(super) fn sentence<T: Row>(row: &T, now: Timestamp, people: &People) -> Outcome<String> {
    let value = serde_json::to_value(row).map_err(|error| Failure::Other(error.into()))?;
    let mut parts = Vec::new();
    for column in T::COLUMNS.iter().filter(|column| column.kind != Kind::Id) {
        let text = plain(at(&value, column.path));
        if text.is_empty() {
            continue;
        }
        let text = match text.parse::<Timestamp>() {
            Ok(time) if column.kind == Kind::Time => Cow::Owned(relative(now, time)),
            _ if column.kind == Kind::Who => Cow::Owned(safe::line(&people.name(&text)).into_owned()),
            _ => safe::line(&text),
        };
        parts.push(format!("{} {text}", column.head.to_lowercase()));
    }
    Ok(parts.join(", "))
}

/// Returns the words of a line; what is between quotes is one.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quote, mut open) = (None, false);
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '"' || (c == '\'' && !open) => {
                quote = Some(c);
                if !open {
                    words.push(String::new());
                    open = true;
                }
            }
            None if c.is_whitespace() => open = false,
            _ => {
                if !open {
                    words.push(String::new());
                    open = true;
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use marketplace_core::{
        audit::{AuditAction, AuditRow},
        base::{principal::Principal, text_enum::Name},
        ids::UserId,
        records::target::TargetKind,
    };

    use super::*;

    #[test]
    fn a_row_says_what_was_done_and_by_whom() {
        let lea = Principal::user(UserId(uuid::Uuid::nil()));
        let row = AuditRow {
            seq: 7,
            at: Timestamp::EPOCH,
            actor: lea.clone(),
            action: Name::Known(AuditAction::UsersBan),
            target_kind: Name::Known(TargetKind::User),
            target: "u".into(),
            reason: None,
            metadata: serde_json::json!({}),
            tag: String::new(),
        };
        let people = People::default();
        let said = |people: &People| sentence(&row, Timestamp::EPOCH, people).unwrap();
        assert!(said(&people).contains(&format!("by {lea}")), "{}", said(&people));
        people.learn(vec![(lea, "Lea Ortiz".into())]);
        assert!(said(&people).ends_with("action users.ban, by Lea Ortiz"), "{}", said(&people));
    }

    #[test]
    fn a_line_is_words_and_words_are_flags() {
        assert_eq!(words("reject  'too old' \"a b\"c it's"), ["reject", "too old", "a bc", "it's"]);
        let of = |line: &str| {
            let words = words(line);
            arguments("users", &words[0], &words[1..]).join("|")
        };
        let case = |place: &str, line: &str| {
            let words = words(line);
            arguments(place, &words[0], &words[1..]).join("|")
        };
        assert_eq!(case("kyc", "snooze 4h holiday"), "--until|4h|--note|holiday");
        assert_eq!(case("kyc", "assign Lea Ortiz"), "--to|Lea Ortiz");
        assert_eq!(case("kyc", "escalate look at the face"), "--note|look at the face");
        assert_eq!(
            case("reports", "resolve scam remove_message, freeze twice now"),
            "--reason|scam|--action|remove_message,freeze|--note|twice now"
        );
        assert_eq!(case("reports", "dismiss no_violation"), "--reason|no_violation");
        assert_eq!(
            of("reject document_expired look again --dry-run"),
            "--reason|document_expired|--comment|look again|--dry-run"
        );
        assert_eq!(of("approve looks fine"), "--note|looks fine");
        assert_eq!(of("note called them"), "called them");
        assert_eq!(of("role support"), "--role|support");
        assert_eq!(of("remove-message 7c1e7b2a spam"), "7c1e7b2a|--reason|spam");
        assert_eq!(of("freeze"), "");
    }
}
