//! The audit log as it grows: newest first, following, filtered, each row in full.

use std::{any::Any, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use marketplace_core::{
    admin::AdminApi,
    audit::{AuditFilter, AuditRow},
    error::Result,
    events::Event,
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::Span,
};

use super::super::{
    component::Screen,
    ctx::{Ctx, Request},
    filter::{Typed, quoted},
    jump::{Links, Place},
    keymap::{Action, on},
    listing::{Answer, Listed, Listing, Lists, copies},
    message::Message,
    paged::Row,
    text,
    theme::{Ink, Theme},
    widgets::{
        popup::{PopLine, Popup},
        rows,
    },
};

/// Between two looks while following: not every row comes with an event.
const EVERY: Duration = Duration::from_secs(2);
/// After an event, so that a burst is one look.
const SOON: Duration = Duration::from_millis(300);

impl Listed for AuditRow {
    type Filter = AuditFilter;
    const WHAT: &'static str = "audit log";
    fn list(api: Arc<dyn AdminApi>, filter: AuditFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.audit_list(&filter, &page).await })
    }
    fn wrap(answer: Answer<Self>) -> Message {
        Message::AuditRows(answer)
    }
    fn id_text(&self) -> String {
        self.target.clone()
    }
}

impl Row for AuditRow {
    type Id = i64;
    fn id(&self) -> i64 {
        self.seq
    }
}

/// The audit log.
pub struct Audit {
    list: Listing<AuditRow>,
    follow: bool,
    due: Timestamp,
}

impl Default for Audit {
    fn default() -> Self {
        Self { list: Listing::default(), follow: true, due: Timestamp::EPOCH }
    }
}

/// A row in columns.
pub fn cells(row: &AuditRow, width: usize, now: Timestamp, exact: bool, theme: Theme) -> Vec<Span<'static>> {
    let time = if exact { 20 } else { 5 };
    let action = 16;
    let actor = if width > 90 { 26 } else { 16 };
    let rest = width.saturating_sub(time + action + actor + 2);
    let reason = row.reason.as_deref().map_or_else(String::new, |reason| format!("  {}", text::words(reason)));
    let ink = match row.action.rsplit('.').next().unwrap_or("") {
        "ban" | "delete" | "reject" | "revoke" => Ink::Bad,
        "freeze" | "retry" | "reveal" | "role" => Ink::Warn,
        "approve" | "unban" | "unfreeze" => Ink::Good,
        _ => Ink::Plain,
    };
    vec![
        Span::styled(text::right(&text::when(row.at, now, exact), time - 1), theme.ink(Ink::Faint)),
        Span::raw("  "),
        Span::styled(text::left(&row.action, action), theme.ink(ink)),
        Span::raw(text::left(&text::who(&row.actor), actor)),
        Span::raw(text::left(&format!("{} {}{reason}", row.target_kind, text::short_id(&row.target)), rest)),
    ]
}

/// A row in full.
pub fn detail(row: &AuditRow) -> Popup {
    let pair = |key: &str, value: String| PopLine::Pair(key.into(), value);
    let mut lines = vec![
        pair("row", text::thousands(row.seq)),
        pair("when", format!("{} UTC", text::exact(row.at))),
        pair("who", row.actor.to_string()),
        pair("what", row.action.clone()),
        pair(&row.target_kind, row.target.clone()),
        pair("reason", row.reason.clone().unwrap_or_else(|| "–".into())),
    ];
    match row.metadata.as_object() {
        Some(fields) => lines.extend(fields.iter().map(|(key, value)| pair(key, value.to_string()))),
        None => lines.push(pair("metadata", row.metadata.to_string())),
    }
    lines.push(pair("tag", row.tag.clone()));
    Popup::new(format!("Audit row {}", row.seq), lines)
}

impl Screen for Audit {
    fn on(&self) -> u8 {
        on::AUDIT
    }
    fn home(&self) -> Action {
        Action::Audit
    }
    fn name(&self) -> &'static str {
        "the audit log"
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::Follow => {
                self.follow = !self.follow;
                if self.follow {
                    self.list.rows.moved(Action::Top);
                    self.list.rows.restart();
                }
            }
            Action::Open => {
                if let Some(row) = self.list.rows.selected() {
                    ctx.requests.push(Request::Popup(detail(row)));
                }
            }
            Action::Back => return self.list.back(ctx),
            _ => return copies(self.list.rows.selected(), action, ctx) || self.list.action(action, ctx),
        }
        true
    }

    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.list)
    }
    fn links(&self) -> Links {
        self.list.rows.selected().map(Links::of_audit).unwrap_or_default()
    }
    fn go(&mut self, place: &Place, ctx: &mut Ctx) {
        if let Place::List(_, words) = place {
            self.list.start_at(words, ctx);
        }
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new(std::mem::take(&mut self.list))
    }
    fn restore(&mut self, stashed: Box<dyn Any>, _ctx: &mut Ctx) {
        if let Ok(list) = stashed.downcast() {
            self.list = *list;
            self.list.resume();
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message {
            Message::AuditRows(answer) => {
                // A newer row at the top pushes the selected one down: while following, the top stays selected.
                let top = self.follow && self.list.rows.selected_index() == 0;
                if self.list.answered(answer, ctx) && top {
                    self.list.rows.moved(Action::Top);
                }
                None
            }
            other => Some(other),
        }
    }

    fn event(&mut self, _event: &Event, ctx: &mut Ctx) {
        self.due = self.due.min(ctx.now() + SOON);
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        self.due = ctx.now();
        self.list.rows.refresh();
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if visible && self.follow && now >= self.due && !ctx.gate.away() {
            self.due = now + EVERY;
            if self.list.rows.selected_index() == 0 {
                self.list.rows.refresh();
            }
        }
        self.list.tick(visible, ctx);
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.list.rows.click(at) == Some(true) {
            self.action(Action::Open, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let title = self.list.title("Audit log");
        let follow = match (self.follow, self.list.rows.selected_index()) {
            (true, 0) => "▼ following",
            (true, _) => "paused: g goes to the newest",
            (false, _) => "not following",
        };
        let inner = rows::pane(area, buf, ctx.theme, &title, follow, true);
        let (now, exact, theme) = (ctx.now(), ctx.exact, ctx.theme);
        rows::list(inner, buf, ctx, &mut self.list.rows, true, "No row matches.", |row, width| {
            let mut spans =
                vec![Span::styled(text::right(&text::thousands(row.seq), 8), theme.ink(Ink::Faint)), Span::raw(" ")];
            spans.extend(cells(row, width.saturating_sub(9), now, exact, theme));
            spans
        });
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace audit list{flags}"), format!("marketplace audit tail{flags}")];
        if let Some(row) = self.list.rows.selected() {
            lines.push(format!("marketplace audit show {}", quoted(&row.seq.to_string())));
        }
        lines
    }
}
