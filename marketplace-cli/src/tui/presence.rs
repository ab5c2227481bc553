//! Who else is at work on what is open: colleagues whose looks at it and acts on it the audit log has, a moment ago.
//! Claims are shown where the claimed thing is.

use std::time::Duration;

use marketplace_core::{
    audit::{AuditAction, AuditFilter, AuditRow},
    base::{permission::Permission, principal::Principal},
    page::PageRequest,
    staff::{Connection, ListAudit, ListQuery},
    time::Timestamp,
};
use ratatui::text::Line;

use super::{
    ctx::Ctx,
    message::{LoadId, Message},
    text,
    theme::Style,
};

/// How long somebody counts as being there.
const RECENT: Duration = Duration::from_secs(5 * 60);
/// The interval of looking.
const EVERY: Duration = Duration::from_secs(10);
/// Rows of the log that are looked at for each thing.
const ROWS: u16 = 20;

/// The newest of what others did, if anything.
struct Seen(Option<AuditRow>);

/// Who else is at work on one thing.
#[derive(Debug, Default)]
pub struct Presence {
    /// The ids under which the log has it.
    of: Vec<String>,
    latest: Option<AuditRow>,
    load: Option<LoadId>,
    due: Option<Timestamp>,
}

impl Presence {
    /// Looks for others at work on something, by the ids under which the log has it; from now on, if it was another thing.
    pub fn tick(&mut self, of: &[String], visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.of != of {
            *self = Self { of: of.to_vec(), ..Self::default() };
        }
        let wanted = visible && !of.is_empty() && self.load.is_none() && self.due.is_none_or(|due| now >= due);
        let Some(me) = ctx.identity.as_ref().filter(|_| wanted).map(|identity| identity.principal.clone()) else {
            return;
        };
        if !ctx.may(Permission::AuditRead) || ctx.gate.away() {
            return;
        }
        self.due = Some(now + EVERY);
        let of = self.of.clone();
        self.load = Some(ctx.load(Seen, |api| async move { latest(&api, of, &me, now).await }));
    }

    /// Looks again in a moment, because something happened.
    pub fn soon(&mut self) {
        self.due = None;
    }

    /// Handles a result of its own, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        if self.load != Some(message.id()) {
            return Some(message);
        }
        self.load = None;
        match message.open() {
            Ok((_, Seen(latest))) => {
                self.latest = latest;
                ctx.dirty = true;
                None
            }
            Err(other) => Some(other),
        }
    }

    /// Returns who was there last, and what they did.
    pub fn line(&self, ctx: &Ctx) -> Option<Line<'static>> {
        let row = self.latest.as_ref().filter(|row| ctx.now().since(row.at) < RECENT)?;
        let did = match row.action.known() {
            Some(AuditAction::KycView) => "saw the documents".to_owned(),
            Some(AuditAction::UsersReveal) => "saw contact data".to_owned(),
            Some(AuditAction::KycClaim) => "claimed it".to_owned(),
            Some(AuditAction::KycRelease) => "gave it back".to_owned(),
            _ => row.action.to_string(),
        };
        let said = format!("◐ {} {did}, {} ago", ctx.who(&row.actor), text::age(ctx.now().since(row.at)));
        Some(Line::styled(said, ctx.theme.style(Style::Warn)))
    }
}

/// Returns the newest of what other people did. What cannot be had is as if nobody was there.
async fn latest(api: &Connection, of: Vec<String>, me: &Principal, now: Timestamp) -> Option<AuditRow> {
    let mut rows = Vec::new();
    for target in of {
        let filter = AuditFilter { target: Some(target), ..AuditFilter::default() };
        let page = api.call::<ListAudit>((), ListQuery::new(&filter, &PageRequest::first(ROWS)), ()).await;
        rows.extend(page.into_iter().flat_map(|page| page.items));
    }
    let other = |row: &AuditRow| row.actor != *me && row.actor != Principal::system() && now.since(row.at) < RECENT;
    rows.into_iter().filter(other).max_by_key(|row| row.seq)
}
