//! A rule in words, and as commands.

use std::fmt::Write as _;

use marketplace_core::rules::model::{NewRule, Rule, RulePlace};

use super::super::super::{browser::filter::quoted, ctx::Ctx, text, widgets::popup::PopLine};

/// Returns where a rule looks.
pub fn places(places: &[RulePlace]) -> String {
    if places.len() == RulePlace::ALL.len() {
        return "everywhere".into();
    }
    places.iter().map(|place| place.as_str()).collect::<Vec<_>>().join(" ")
}

/// Returns how many reports a rule opened.
pub fn reports(rule: &Rule) -> String {
    match rule.reports {
        0 => "–".into(),
        1_000.. => format!("{}+", text::thousands(rule.reports)),
        some => some.to_string(),
    }
}

/// Returns the lines of a rule in full.
pub fn detail(rule: &Rule, ctx: &Ctx) -> Vec<PopLine> {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let holds = if rule.enabled { "yes" } else { "no" };
    let mut lines = vec![
        pair("rule", rule.id.to_string()),
        pair("kind", text::words(rule.kind.as_str())),
        pair("value", rule.value.clone()),
        pair("holds", holds.into()),
        pair("does", format!("{}s", rule.action)),
    ];
    if !rule.places.is_empty() {
        lines.push(pair("where", places(&rule.places)));
    }
    lines.push(pair("reports as", text::words(rule.reason.as_str())));
    lines.push(pair("reports", reports(rule)));
    lines.extend(rule.note.as_ref().map(|note| pair("note", note.clone())));
    lines.push(pair("made", format!("{} by {}", text::exact(rule.created_at, ctx.times), ctx.who(&rule.created_by))));
    lines.push(pair("version", rule.version.to_string()));
    lines
}

fn flags(rule: &NewRule) -> String {
    let mut flags = format!("{} {}", rule.kind, quoted(&rule.value));
    if let Some(places) = &rule.places {
        let places: Vec<&str> = places.iter().map(|place| place.as_str()).collect();
        let _ = write!(flags, " --place {}", places.join(","));
    }
    flags
}

/// Returns the command that makes a rule, as a dry run.
pub fn command(rule: &NewRule) -> String {
    let mut line = format!("marketplace rules create {}", flags(rule));
    if let Some(action) = rule.action {
        let _ = write!(line, " --action {action}");
    }
    if let Some(reason) = rule.reason {
        let _ = write!(line, " --as {reason}");
    }
    if let Some(note) = &rule.note {
        let _ = write!(line, " --note {}", quoted(note));
    }
    line.push_str(" --dry-run");
    line
}

/// Returns the command that tries a rule.
pub fn trial(rule: &NewRule) -> String {
    format!("marketplace rules test {}", flags(rule))
}
