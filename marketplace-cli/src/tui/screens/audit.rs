//! The audit log as it grows: newest first, following, filtered, each row in full.

use std::time::Duration;

use crossterm::event::KeyEvent;
use marketplace_core::{
    admin::{AuditFilter, AuditRow},
    events::Event,
    ids::{AttemptId, UserId},
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
    keymap::{Action, on},
    message::Message,
    paged::{Paged, Row},
    text,
    theme::{Ink, Theme},
    widgets::{
        palette::FilterBar,
        popup::{PopLine, Popup},
        rows,
    },
};

/// Between two looks while following: not every row comes with an event.
const EVERY: Duration = Duration::from_secs(2);
/// After an event, so that a burst is one look.
const SOON: Duration = Duration::from_millis(300);

impl Row for AuditRow {
    type Id = i64;
    fn id(&self) -> i64 {
        self.seq
    }
}

/// The audit log.
pub struct Audit {
    list: Paged<AuditRow>,
    bar: FilterBar<AuditFilter>,
    follow: bool,
    due: Timestamp,
}

impl Default for Audit {
    fn default() -> Self {
        Self { list: Paged::default(), bar: FilterBar::default(), follow: true, due: Timestamp::EPOCH }
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
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&row.metadata) {
        Ok(fields) => lines.extend(fields.iter().map(|(key, value)| pair(key, value.to_string()))),
        Err(_) => lines.push(pair("metadata", row.metadata.clone())),
    }
    lines.push(pair("hash", row.hash.clone()));
    Popup::new(format!("Audit row {}", row.seq), lines)
}

impl Audit {
    fn go(&self, ctx: &mut Ctx, kyc: bool) {
        let Some(row) = self.list.selected() else { return };
        let user = |id: UserId| if kyc { Request::UserKyc(id, None) } else { Request::User(id) };
        let metadata: serde_json::Value = serde_json::from_str(&row.metadata).unwrap_or_default();
        let named = metadata.get("user_id").and_then(|id| id.as_str()).and_then(|id| id.parse().ok());
        let target = match row.target_kind.as_str() {
            "user" => row.target.parse().ok().map(user),
            "attempt" if kyc => row.target.parse::<AttemptId>().ok().map(Request::Attempt),
            _ => named.map(user),
        };
        match target {
            Some(request) => ctx.requests.push(request),
            None => ctx.refuse("this row names no user; K opens an attempt"),
        }
    }
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
            Action::Filter => self.bar.open(),
            Action::Follow => {
                self.follow = !self.follow;
                if self.follow {
                    self.list.moved(Action::Top);
                    self.list.restart();
                }
            }
            Action::Open => {
                if let Some(row) = self.list.selected() {
                    ctx.requests.push(Request::Popup(detail(row)));
                }
            }
            Action::Back => {
                if !self.bar.text().is_empty() && self.bar.set("", ctx) {
                    self.list.reset();
                }
            }
            Action::GoUser => self.go(ctx, false),
            Action::GoKyc => self.go(ctx, true),
            Action::CopyId => {
                if let Some(row) = self.list.selected() {
                    ctx.requests.push(Request::Copy(row.target.clone(), "the target's id is copied".into()));
                }
            }
            Action::CopyRow => {
                if let Some(Ok(json)) = self.list.selected().map(serde_json::to_string) {
                    ctx.requests.push(Request::Copy(json, "the row is copied as JSON".into()));
                }
            }
            _ => return self.list.moved(action),
        }
        true
    }

    fn typing(&self) -> bool {
        self.bar.typing()
    }
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) {
        if self.bar.key(key, ctx) {
            self.list.restart();
        }
    }
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx) {
        self.bar.paste(pasted, ctx.now());
    }
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        if self.bar.set(words, ctx) {
            self.list.reset();
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message {
            Message::AuditPage(id, answer) => {
                // A newer row at the top pushes the selected one down: while following, the top stays selected.
                let top = self.follow && self.list.selected_index() == 0;
                if let Some(Err(error)) = self.list.answered(id, answer) {
                    ctx.fail("audit log", &error);
                } else if top {
                    self.list.moved(Action::Top);
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
        self.list.refresh();
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.bar.tick(now) {
            self.list.restart();
        }
        if !visible {
            return;
        }
        if self.follow && now >= self.due && !ctx.gate.away() {
            self.due = now + EVERY;
            if self.list.selected_index() == 0 {
                self.list.refresh();
            }
        }
        while let Some((want, request)) = self.list.take_want() {
            let filter = self.bar.filter.clone();
            let id = ctx.load(Message::AuditPage, |api| async move { api.audit_list(&filter, &request).await });
            self.list.started(id, want, now);
        }
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.list.click(at) == Some(true) {
            self.action(Action::Open, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let title = if self.bar.text().is_empty() {
            "Audit log".to_owned()
        } else {
            format!("Audit log · {}", self.bar.text())
        };
        let follow = match (self.follow, self.list.selected_index()) {
            (true, 0) => "▼ following",
            (true, _) => "paused: g goes to the newest",
            (false, _) => "not following",
        };
        let inner = rows::pane(area, buf, ctx.theme, &title, follow, true);
        let (now, exact, theme) = (ctx.now(), ctx.exact, ctx.theme);
        rows::list(inner, buf, ctx, &mut self.list, true, "No row matches.", |row, width| {
            let mut spans =
                vec![Span::styled(text::right(&text::thousands(row.seq), 8), theme.ink(Ink::Faint)), Span::raw(" ")];
            spans.extend(cells(row, width.saturating_sub(9), now, exact, theme));
            spans
        });
    }

    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.bar.draw(bar, buf, ctx)
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.bar.filter.flags();
        let mut lines = vec![format!("marketplace audit list{flags}"), format!("marketplace audit tail{flags}")];
        if let Some(row) = self.list.selected() {
            lines.push(format!("marketplace audit show {}", quoted(&row.seq.to_string())));
        }
        lines
    }
}
