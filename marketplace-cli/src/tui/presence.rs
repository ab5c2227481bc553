//! Who else is at work on what is open: colleagues who have it open too, and whose looks at it and acts on it the audit log has, a
//! moment ago. Claims are shown where the claimed thing is.

use std::time::Duration;

use marketplace_core::{
    audit::{AuditAction, AuditFilter, AuditRow},
    base::{permission::Permission, principal::Principal},
    page::PageRequest,
    presence::{Viewed, Viewer},
    staff::{Connection, ListAudit, ListQuery, View, ViewInput},
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
const EVERY: Duration = Duration::from_secs(5);
/// Rows of the log that are looked at for each thing.
const ROWS: u16 = 20;

/// Who else has it open, and the newest of what others did, if anything.
#[derive(Debug, Default)]
struct Seen {
    viewers: Vec<Viewer>,
    latest: Option<AuditRow>,
}

/// Who else is at work on one thing.
#[derive(Debug, Default)]
pub struct Presence {
    viewed: Option<Viewed>,
    seen: Seen,
    load: Option<LoadId>,
    due: Option<Timestamp>,
}

impl Presence {
    /// Looks for others at work on something, and tells them that it is open here: what is open, and the ids under which the log
    /// has it. From now on, if it was another thing.
    pub fn tick(&mut self, viewed: Option<Viewed>, logged: &[String], visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.viewed != viewed {
            *self = Self { viewed, ..Self::default() };
        }
        let wanted = visible && self.load.is_none() && self.due.is_none_or(|due| now >= due) && !ctx.gate.away();
        let Some(viewed) = viewed.filter(|_| wanted) else { return };
        let Some(me) = ctx.identity.as_ref().map(|identity| identity.principal.clone()) else { return };
        self.due = Some(now + EVERY);
        let logged = if ctx.may(Permission::AuditRead) { logged.to_vec() } else { Vec::new() };
        self.load = Some(ctx.load(std::convert::identity, |api| async move {
            // What cannot be had is as if nobody was there.
            let viewers = api.call::<View>((), (), ViewInput::new(viewed)).await.unwrap_or_default().others;
            Seen { viewers, latest: latest(&api, logged, &me, now).await }
        }));
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
            Ok((_, seen)) => {
                self.seen = seen;
                ctx.dirty = true;
                None
            }
            Err(other) => Some(other),
        }
    }

    /// Returns who has it open too, and who did something last and what, a line each.
    pub fn lines(&self, ctx: &Ctx) -> Vec<Line<'static>> {
        let said = self.open_too(ctx).into_iter().chain(self.done(ctx));
        said.map(|said| Line::styled(format!("◐ {said}"), ctx.theme.style(Style::Warn))).collect()
    }

    fn open_too(&self, ctx: &Ctx) -> Option<String> {
        let who = |viewer: &Viewer| ctx.who(&viewer.viewer);
        let people = match self.seen.viewers.as_slice() {
            [] => return None,
            [one] => {
                let since = text::age(ctx.now().since(one.since));
                return Some(format!("{} has this open too, for {since}", who(one)));
            }
            [first, second, rest @ ..] if rest.len() > 1 => {
                format!("{}, {} and {} others", who(first), who(second), rest.len())
            }
            few => few.iter().map(who).collect::<Vec<_>>().join(", "),
        };
        Some(format!("{people} have this open too"))
    }

    fn done(&self, ctx: &Ctx) -> Option<String> {
        let row = self.seen.latest.as_ref().filter(|row| ctx.now().since(row.at) < RECENT)?;
        let did = match row.action.known() {
            Some(AuditAction::KycView) => "saw the documents".to_owned(),
            Some(AuditAction::UsersReveal) => "saw contact data".to_owned(),
            Some(AuditAction::KycClaim) => "claimed it".to_owned(),
            Some(AuditAction::KycRelease) => "gave it back".to_owned(),
            _ => row.action.to_string(),
        };
        Some(format!("{} {did}, {} ago", ctx.who(&row.actor), text::age(ctx.now().since(row.at))))
    }
}

/// Returns the newest of what other people did.
async fn latest(api: &Connection, logged: Vec<String>, me: &Principal, now: Timestamp) -> Option<AuditRow> {
    let mut rows = Vec::new();
    for target in logged {
        let filter = AuditFilter { target: Some(target), ..AuditFilter::default() };
        let page = api.call::<ListAudit>((), ListQuery::new(&filter, &PageRequest::first(ROWS)), ()).await;
        rows.extend(page.into_iter().flat_map(|page| page.items));
    }
    let other = |row: &AuditRow| row.actor != *me && row.actor != Principal::system() && now.since(row.at) < RECENT;
    rows.into_iter().filter(other).max_by_key(|row| row.seq)
}
