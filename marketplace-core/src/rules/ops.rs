//! Operations with which staff manage rules, and the check of an address.

use uuid::Uuid;

use super::{
    model::{NewRule, Rule, RuleFilter, RuleKind, domains},
    store,
};
use crate::{
    app::App,
    base::{
        change::Changed,
        error::{Error, Result},
        ids::RuleId,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        target::TargetKind,
    },
};

/// Returns rules, newest first.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, filter: &RuleFilter, page: &PageRequest) -> Result<Page<Rule>> {
    op.actor().require(Permission::UsersRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("rules")?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter.kind, before, limit + 1).await?;
    Ok(Page::of_list("rules", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}

/// Creates a rule. When there is one like it, that one is returned, unchanged.
///
/// # Errors
/// `invalid` for a value that is none of its kind; `forbidden` without the permission.
pub async fn create(op: &Operation, new: &NewRule) -> Result<Changed<Rule>> {
    op.actor().require(Permission::UsersAdmin)?;
    let NewRule { kind, value } = new.checked()?;

    op.write(unit!(|op, conn| {
        let id = RuleId::new(op.now(), op.random.as_ref());
        let rule = Rule { id, kind, value, created_by: op.actor().principal(), created_at: op.now() };
        if !store::insert(conn, &rule).await? {
            let found = store::find(conn, kind, &rule.value).await?;
            let item = found.ok_or_else(|| Error::busy("the rule was taken away just now; try again"))?;
            return Ok(Changed { changed: false, item });
        }
        record(&op, conn, AuditAction::RulesCreate, &rule).await?;
        Ok(Changed { changed: true, item: rule })
    }))
    .await
}

/// Takes a rule away. Returns it as it was.
///
/// # Errors
/// `not_found` when there is no such rule; `forbidden` without the permission.
pub async fn delete(op: &Operation, id: RuleId) -> Result<Changed<Rule>> {
    op.actor().require(Permission::UsersAdmin)?;

    op.write(unit!(|op, conn| {
        let rule = store::remove(conn, id).await?.ok_or_else(|| Error::not_found("rule"))?;
        record(&op, conn, AuditAction::RulesDelete, &rule).await?;
        Ok(Changed { changed: true, item: rule })
    }))
    .await
}

async fn record(op: &Operation, conn: &mut Conn<'_>, action: AuditAction, rule: &Rule) -> Result<()> {
    let metadata = serde_json::json!({ "kind": rule.kind, "value": rule.value });
    let entry = Entry { action, target_kind: TargetKind::Rule, target: rule.id.to_string(), reason: None, metadata };
    audit::append(op, conn, entry).await
}

/// Refuses a new address of a blocked domain.
pub(crate) async fn refuse_blocked(app: &App, email: &str) -> Result<()> {
    let mut reader = app.db.read().await?;
    refuse_blocked_in(&mut reader.conn(), email).await
}

/// Refuses a new address of a blocked domain, inside a transaction.
pub(crate) async fn refuse_blocked_in(conn: &mut Conn<'_>, email: &str) -> Result<()> {
    if store::any(conn, RuleKind::BlockedDomain, &domains(email)).await? {
        return Err(Error::invalid("/email", "is of a domain whose addresses are not accepted here; use another one"));
    }
    Ok(())
}
