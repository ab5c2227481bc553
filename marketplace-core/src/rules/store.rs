//! SQL queries for rules.

use super::model::{Rule, RuleKind};
use crate::{
    base::{
        error::{Error, Result},
        ids::RuleId,
        page::TimeCursor,
    },
    platform::db::Conn,
};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, kind, value, created_by, created_at FROM rules WHERE ", $rest)
    };
}

/// Returns rules, newest first.
pub(super) async fn page(
    conn: &mut Conn<'_>,
    kind: Option<RuleKind>,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<Rule>> {
    Ok(q!(conn => all Rule,
        select!("(created_at, id) < ($1, $2) AND (kind = $3 OR $3 IS NULL) ORDER BY created_at DESC, id DESC LIMIT ($4 + 0)"),
        before.at, RuleId(before.id), kind, limit)?)
}

pub(super) async fn find(conn: &mut Conn<'_>, kind: RuleKind, value: &str) -> Result<Option<Rule>> {
    Ok(q!(conn => opt Rule, select!("kind = $1 AND value = $2"), kind, value)?)
}

/// Stores a rule. Returns `false` when there is one like it.
pub(super) async fn insert(conn: &mut Conn<'_>, rule: &Rule) -> Result<bool> {
    Ok(q!(conn => exec,
        "INSERT INTO rules (id, kind, value, created_by, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, value) DO NOTHING",
        rule.id, rule.kind, &rule.value, &rule.created_by, rule.created_at)?
        == 1)
}

/// Deletes a rule, and returns it as it was.
pub(super) async fn remove(conn: &mut Conn<'_>, id: RuleId) -> Result<Option<Rule>> {
    Ok(q!(conn => opt Rule, "DELETE FROM rules WHERE id = $1 RETURNING id, kind, value, created_by, created_at", id)?)
}

/// Returns whether there is a rule of a kind about one of these values.
pub(super) async fn any(conn: &mut Conn<'_>, kind: RuleKind, values: &[String]) -> Result<bool> {
    let values = serde_json::to_string(values).map_err(Error::internal)?;
    Ok(q!(conn => val bool, [
        sqlite: "SELECT EXISTS (SELECT 1 FROM rules WHERE kind = $1 AND value IN (SELECT value FROM json_each($2)))",
        pg: "SELECT EXISTS (SELECT 1 FROM rules WHERE kind = $1 AND value IN (SELECT json_array_elements_text($2::json)))",
    ], kind, values)?)
}
