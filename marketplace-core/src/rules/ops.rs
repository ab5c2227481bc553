//! Operations with which staff manage rules, and the checks of texts and sign-ups.

use std::{net::IpAddr, sync::Arc};

use uuid::Uuid;

use super::{
    matcher::Compiled,
    model::{MOST_COMPILED, NewRule, Rule, RuleAction, RuleEdit, RuleFilter, RuleKind, RulePlace, domains},
    store::{self, Hit},
};
use crate::{
    app::App,
    base::{
        change::Changed,
        error::{Error, ErrorCode, FieldError, Result},
        ids::{ReportId, RuleId, ThreadId, UserId},
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
    reports::model::{ReportTarget, ReportedContent},
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
    let mut rows = store::page(&mut reader.conn(), filter.kind, before, limit + 1).await?;
    store::count_reports(&mut reader.conn(), &mut rows).await?;
    Ok(Page::of_list("rules", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}

/// Creates a rule. When there is one like it, that one is returned, unchanged.
///
/// # Errors
/// `invalid` for a value that is none of its kind; `conflict` beyond 2,000 rules about texts and networks; `forbidden` without
/// the permission.
pub async fn create(op: &Operation, new: &NewRule) -> Result<Changed<Rule>> {
    op.actor().require(Permission::UsersAdmin)?;
    let new = new.checked()?;

    op.write(unit!(|op, conn| {
        store::note_change(conn).await?;
        let (kind, value) = (new.kind, new.value.clone());
        if let Some(item) = store::find(conn, kind, &value).await? {
            return Ok(Changed { changed: false, item: counted(conn, item).await? });
        }
        let id = RuleId::new(op.now(), op.random.as_ref());
        let rule = new.made(id, op.actor().principal(), op.now());
        require_room(conn, &rule).await?;
        if !store::insert(conn, &rule).await? {
            return Err(Error::busy("the same rule is made just now; try again"));
        }
        record(&op, conn, AuditAction::RulesCreate, &rule).await?;
        Ok(Changed { changed: true, item: rule })
    }))
    .await
}

async fn require_room(conn: &mut Conn<'_>, rule: &Rule) -> Result<()> {
    if rule.is_compiled() && store::count_compiled(conn).await? >= MOST_COMPILED {
        let detail = format!("there are {MOST_COMPILED} rules about texts and networks already; take some away first");
        return Err(Error::conflict(detail, serde_json::json!({ "most": MOST_COMPILED })));
    }
    Ok(())
}

/// Changes what a rule does, where, and whether it holds. What it is about stays: that would be another rule. An edit that
/// changes nothing makes no new version.
///
/// # Errors
/// `not_found` when there is no such rule; `invalid` for places that are none of its kind; `conflict` beyond 2,000 rules about
/// texts and networks; `precondition_failed` at another version; `forbidden` without the permission.
pub async fn edit(op: &Operation, id: RuleId, edit: RuleEdit) -> Result<Changed<Rule>> {
    op.actor().require(Permission::UsersAdmin)?;

    op.write(unit!(|op, conn| {
        store::note_change(conn).await?;
        let before = store::get(conn, id).await?;
        op.check_version(before.version)?;
        let rule = edit.apply(before.clone())?;
        if rule == before {
            return Ok(Changed { changed: false, item: counted(conn, before).await? });
        }
        if !before.is_compiled() {
            require_room(conn, &rule).await?;
        }
        store::update(conn, &rule).await?;
        record(&op, conn, AuditAction::RulesEdit, &rule).await?;
        let rule = store::get(conn, id).await?;
        Ok(Changed { changed: true, item: counted(conn, rule).await? })
    }))
    .await
}

/// Takes a rule away. Returns it as it was; one that was taken away before is unchanged, and has neither its note nor its reports.
///
/// # Errors
/// `not_found` when there is and was no such rule; `forbidden` without the permission.
pub async fn delete(op: &Operation, id: RuleId) -> Result<Changed<Rule>> {
    op.actor().require(Permission::UsersAdmin)?;

    let deleted = op.write(unit!(|op, conn| {
        store::note_change(conn).await?;
        let rule = store::remove(conn, id).await?.ok_or_else(|| Error::not_found("rule"))?;
        record(&op, conn, AuditAction::RulesDelete, &rule).await?;
        Ok(Changed { changed: true, item: counted(conn, rule).await? })
    }));
    let missing = match deleted.await {
        Err(error) if error.code() == ErrorCode::NotFound => error,
        deleted => return deleted,
    };
    let row = audit::earlier(op, AuditAction::RulesDelete, id, |_| true).await?;
    let item = row.and_then(|row| recorded(id, row.metadata)).ok_or(missing)?;
    Ok(Changed { changed: false, item })
}

/// Returns a rule from what was recorded when it was taken away.
fn recorded(id: RuleId, mut metadata: serde_json::Value) -> Option<Rule> {
    metadata.as_object_mut()?.insert("id".to_owned(), serde_json::json!(id));
    serde_json::from_value(metadata).ok()
}

/// Returns a rule with how many reports it opened.
async fn counted(conn: &mut Conn<'_>, mut rule: Rule) -> Result<Rule> {
    store::count_reports(conn, std::slice::from_mut(&mut rule)).await?;
    Ok(rule)
}

async fn record(op: &Operation, conn: &mut Conn<'_>, action: AuditAction, rule: &Rule) -> Result<()> {
    let app = App::clone(op);
    op.after_commit(async move { app.rules.expire() });
    let Rule { kind, value, action: does, places, reason, enabled, created_by, created_at, version, .. } = rule;
    let metadata = serde_json::json!({
        "kind": kind, "value": value, "action": does, "places": places, "reason": reason, "enabled": enabled,
        "created_by": created_by, "created_at": created_at, "version": version,
    });
    let entry = Entry { action, target_kind: TargetKind::Rule, target: rule.id.to_string(), reason: None, metadata };
    audit::append(op, conn, entry).await
}

/// Returns the rules about texts and networks that hold. A process looks once a second whether they changed; whoever comes while
/// it does uses those of before.
pub(crate) async fn current(app: &App) -> Result<Arc<Compiled>> {
    if let Some(rules) = app.rules.fresh(app.now()) {
        return Ok(rules);
    }
    let last = app.rules.last();
    let _reading = match (&last, app.rules.reading.try_lock()) {
        (_, Ok(reading)) => reading,
        (Some((rules, _)), Err(_)) => return Ok(Arc::clone(rules)),
        (None, Err(_)) => app.rules.reading.lock().await,
    };
    // Somebody else may have read them while this one waited.
    if let Some(rules) = app.rules.fresh(app.now()) {
        return Ok(rules);
    }
    let kept = last.as_ref().map(|(rules, _)| Arc::clone(rules));
    match read(app, last).await {
        // As good as those of a second ago: whoever stores something finds out by itself that the database is away.
        Err(error) => kept.ok_or(error),
        read => read,
    }
}

async fn read(app: &App, last: Option<(Arc<Compiled>, i64)>) -> Result<Arc<Compiled>> {
    let now = app.now();
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    // Before the rules: what changes in between is read once more.
    let version = store::version(&mut conn).await?;
    let rules = match last {
        Some((rules, known)) if known == version => rules,
        _ => {
            let rules = store::compiled(&mut conn, MOST_COMPILED).await?;
            Arc::new(Compiled::new(rules, app.site())?)
        }
    };
    app.rules.keep(&rules, version, now);
    Ok(rules)
}

/// What rules caught in something that is about to be stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caught {
    reported: Vec<Rule>,
    /// With the fields that they are about.
    refused: Vec<(Rule, &'static str, RulePlace)>,
}

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub kind: ReportTarget,
    pub id: Uuid,
    pub thread: Option<ThreadId>,
    pub subject: UserId,
}

impl About {
    /// A person.
    pub fn user(id: UserId) -> Self {
        Self { kind: ReportTarget::User, id: id.0, thread: None, subject: id }
    }
}

impl Caught {
    /// Holds texts, each with the field that it is of, against the rules for a place.
    pub fn of(rules: &Compiled, place: RulePlace, texts: &[(&'static str, &str)]) -> Self {
        let mut caught = Self::default();
        if !rules.is_idle(place) {
            for (field, text) in texts {
                caught.add(rules.broken_by(place, text), field, place);
            }
        }
        caught
    }

    /// Like [`Caught::of`], for a change: what stands in one of the texts `before` stays, and is not caught again.
    pub fn of_change(rules: &Compiled, place: RulePlace, texts: &[(&'static str, &str)], before: &[&str]) -> Self {
        let new: Vec<_> = texts.iter().copied().filter(|(_, text)| !before.contains(text)).collect();
        Self::of(rules, place, &new)
    }

    fn add<'a>(&mut self, rules: impl IntoIterator<Item = &'a Rule>, field: &'static str, place: RulePlace) {
        for rule in rules {
            match rule.action {
                RuleAction::Refuse => self.refused.push((rule.clone(), field, place)),
                RuleAction::Report if self.reported.iter().all(|other| other.id != rule.id) => {
                    self.reported.push(rule.clone());
                }
                RuleAction::Report => {}
            }
        }
    }

    /// Returns whether nothing was caught, as nearly always.
    pub fn is_empty(&self) -> bool {
        self.reported.is_empty() && self.refused.is_empty()
    }

    /// Leaves contact details out when a job was agreed in the thread.
    pub async fn unless_agreed(mut self, conn: &mut Conn<'_>, thread: ThreadId) -> Result<Self> {
        let is_contact = |rule: &Rule| rule.kind == RuleKind::ContactDetails;
        let any = self.reported.iter().chain(self.refused.iter().map(|(rule, ..)| rule)).any(is_contact);
        if any && store::is_agreed(conn, thread).await? {
            self.reported.retain(|rule| !is_contact(rule));
            self.refused.retain(|(rule, ..)| !is_contact(rule));
        }
        Ok(self)
    }

    /// Refuses what a rule refuses.
    ///
    /// # Errors
    /// `invalid` with the fields and what is in them.
    pub fn allow(&self) -> Result<()> {
        let mut fields: Vec<FieldError> = Vec::new();
        for (rule, field, place) in &self.refused {
            let error = FieldError::new(*field, rule.refusal(*place));
            if !fields.contains(&error) {
                fields.push(error);
            }
        }
        if fields.is_empty() { Ok(()) } else { Err(Error::invalid_fields(fields)) }
    }

    /// Stores what is to be reported, in the transaction that stores the content.
    pub async fn store(&self, app: &App, conn: &mut Conn<'_>, about: About, content: &ReportedContent) -> Result<()> {
        for rule in &self.reported {
            let hit = Hit {
                id: ReportId::new(app.now(), app.random.as_ref()),
                rule_id: rule.id,
                target_kind: about.kind,
                target_id: about.id,
                thread_id: about.thread,
                subject_id: about.subject,
                reason: rule.reason,
                text: rule.named(),
                content: serde_json::to_string(content).map_err(Error::internal)?,
            };
            store::insert_hit(conn, &hit).await?;
        }
        Ok(())
    }
}

/// Returns what rules catch of a new address.
///
/// # Errors
/// `invalid` for an address of a domain that is refused.
pub(crate) async fn caught_domains(conn: &mut Conn<'_>, email: &str) -> Result<Caught> {
    let rules = store::of_domains(conn, &domains(email)).await?;
    let mut caught = Caught::default();
    caught.add(&rules, "/email", RulePlace::Profiles);
    if caught.refused.is_empty() {
        return Ok(caught);
    }
    Err(Error::invalid("/email", "is of a domain whose addresses are not accepted here; use another one"))
}

/// Refuses a new address of a blocked domain, which staff give somebody.
///
/// # Errors
/// `invalid` for an address of a domain that is refused.
pub(crate) async fn refuse_domain(app: &App, email: &str) -> Result<()> {
    let mut reader = app.db.read().await?;
    caught_domains(&mut reader.conn(), email).await.map(drop)
}

/// Returns what rules catch of a sign-up.
///
/// # Errors
/// `forbidden` from a network, and `invalid` for an address or a name, that is refused.
pub(crate) async fn caught_at_sign_up(
    conn: &mut Conn<'_>,
    rules: &Compiled,
    email: &str,
    name: &str,
    ip: IpAddr,
) -> Result<Caught> {
    let networks = rules.of_address(ip);
    if networks.iter().any(|rule| rule.action == RuleAction::Refuse) {
        return Err(Error::forbidden("sign-ups from this network are not accepted; write to us if that is wrong"));
    }
    let mut caught = caught_domains(conn, email).await?;
    caught.add(networks, "", RulePlace::Profiles);
    caught.add(rules.broken_by(RulePlace::Profiles, name), "/name", RulePlace::Profiles);
    caught.allow()?;
    Ok(caught)
}
