//! The dashboard and the alerts of `docs/monitoring` ask for nothing that a server does not say.

use std::collections::BTreeSet;

use marketplace_core::config::Secret;
use marketplace_server::Options;
use serde_json::Value;

use crate::harness::server_with;

const ALERTS: &str = include_str!("../../../docs/monitoring/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../docs/monitoring/grafana.json");
/// What Prometheus itself says of a server.
const OF_PROMETHEUS: &str = "up";

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_alerts_ask_for_what_there_is() {
    // Nothing listens there: whether Redis answers or not, it is counted.
    let away =
        |config: &mut marketplace_core::config::Config| config.redis_url = Some(Secret::new("redis://127.0.0.1:1/"));
    let server = server_with(away, Options::default()).await;
    server.get("/v1/services").send().await.unwrap();
    let mut said = String::new();
    // The first round of due work says how its kinds went.
    for _ in 0..100 {
        said = server.operator("/metrics").send().await.unwrap().text().await.unwrap();
        if said.contains("queue_oldest_seconds{queue=\"reports\"}") && said.contains("timer_last_success") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.stop().await;
    let lines = || said.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let names: BTreeSet<&str> =
        lines().filter_map(|line| line.split(['{', ' ']).next()).chain([OF_PROMETHEUS]).collect();
    for line in lines() {
        assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "no number: {line}");
    }

    let mut asked = expressions(&serde_saphyr::from_str(ALERTS).unwrap());
    let alerts = asked.len();
    asked.extend(expressions(&serde_json::from_str(DASHBOARD).unwrap()));
    assert!(alerts > 10 && asked.len() > alerts + 20, "{alerts} of {}", asked.len());
    let mut used = BTreeSet::new();
    for expression in &asked {
        let here: BTreeSet<String> = metrics(expression);
        assert!(!here.is_empty(), "no metric in {expression}");
        for name in here {
            assert!(names.contains(name.as_str()), "there is no {name}, as in {expression}\n{said}");
            used.insert(name);
        }
    }
    // And what a server says is shown somewhere.
    let unused: Vec<_> = names.iter().filter(|name| !used.contains(**name)).collect();
    assert!(unused.is_empty(), "neither on the dashboard nor in an alert: {unused:?}");
}

/// Returns every `expr` in a document.
fn expressions(document: &Value) -> Vec<String> {
    match document {
        Value::Array(all) => all.iter().flat_map(expressions).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str().filter(|_| key == "expr") {
                Some(expression) => vec![expression.to_owned()],
                None => expressions(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns the metrics in an expression of `PromQL`: its words that are no functions, labels, keywords or numbers.
fn metrics(expression: &str) -> BTreeSet<String> {
    let mut text = String::new();
    let mut inside = 0;
    // Without what is about labels or times.
    for character in expression.chars() {
        match character {
            '{' | '[' => inside += 1,
            '}' | ']' => inside -= 1,
            other if inside == 0 => text.push(other),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut rest = text.as_str();
    while let Some(begin) = rest.find(is_part) {
        let word = &rest[begin..];
        let end = word.find(|character| !is_part(character)).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        rest = behind;
        if matches!(word, "by" | "without" | "on" | "ignoring") {
            rest = behind.split_once(')').map_or("", |(_, rest)| rest);
        } else if !matches!(word, "and" | "or" | "unless")
            && !behind.trim_start().starts_with('(')
            && !word.starts_with(|character: char| character.is_ascii_digit())
            // `count by (x) (…)`, `topk by (x) (…)`
            && !behind.trim_start().starts_with("by ")
        {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn metrics_are_found_in_expressions() {
    let found =
        metrics("sum by (le, x) (rate(a_bucket{b=\"c\"}[5m])) / on (x) d_total > 0.5 and count(e == 0) or vector(0)");
    assert_eq!(found, ["a_bucket", "d_total", "e"].map(str::to_owned).into());
}
