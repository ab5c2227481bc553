//! The dashboard: pending work, current numbers, and recent actions of colleagues.

use marketplace_core::staff::{ListAudit, ListQuery, ShowStats, Stats};
use std::time::Duration;

use marketplace_core::{
    accounts::model::Status,
    audit::{AuditFilter, AuditRow},
    base::count::Count,
    error::Result,
    events::Event,
    jobs::model::JobStatus,
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
};

use super::super::{
    browser::{list, paged::Paged},
    component::{Registered, Screen},
    ctx::{Ctx, PATIENCE, Request},
    jump::Relations,
    keymap::{Action, Rows, ScreenInfo, Spec},
    message::{LoadId, Message},
    text,
    theme::{self, Style},
    widgets::rows::{self, count},
};
use super::audit;

/// The interval of loading the numbers while they are visible.
const SEEN: Duration = Duration::from_secs(2);
/// The interval of loading the numbers for the top line only.
const UNSEEN: Duration = Duration::from_secs(10);
/// The delay after a change, so that a burst of changes causes one look.
const SOON: Duration = Duration::from_millis(300);

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "dashboard", keys: "1", label: "dashboard", rank: 0, needs: None, help: "Dashboard" });

/// A result.
enum Came {
    /// The numbers.
    Stats(Result<Stats>),
    /// The newest audit rows.
    Recent(Result<Page<AuditRow>>),
}

/// The dashboard.
#[derive(Debug)]
pub struct Dashboard {
    stats: Option<(LoadId, Timestamp)>,
    recent_load: Option<LoadId>,
    recent: Paged<AuditRow>,
    due: Timestamp,
    failed: bool,
}

impl Default for Dashboard {
    fn default() -> Self {
        let recent = Paged::default();
        Self { stats: None, recent_load: None, recent, due: Timestamp::EPOCH, failed: false }
    }
}

impl Registered for Dashboard {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Dash",
        title: "the dashboard",
        rows: Rows::None,
        own: &[],
        chosen: &[Action::GO_USER, Action::GO_KYC],
        by_id: None,
    };
}

impl Screen for Dashboard {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::OPEN => {
                if let Some(row) = self.recent.selected() {
                    ctx.requests.push(Request::Popup(audit::detail(row)));
                }
                true
            }
            _ => self.recent.moved(action),
        }
    }

    fn relations(&self) -> Relations {
        self.recent.selected().map(Relations::of_audit).unwrap_or_default()
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message.open() {
            Ok((id, Came::Stats(answer))) => {
                if self.stats.is_some_and(|(pending, _)| pending == id) {
                    self.stats = None;
                    self.failed = answer.is_err();
                    match answer {
                        Ok(stats) => ctx.heard(stats),
                        Err(error) => ctx.fail_quietly("numbers", &error),
                    }
                }
                None
            }
            Ok((id, Came::Recent(answer))) => {
                if self.recent_load == Some(id) {
                    self.recent_load = None;
                    if let Some(Err(error)) = self.recent.answered(id, answer) {
                        ctx.fail_quietly("recent actions", &error);
                    }
                }
                None
            }
            Err(other) => Some(other),
        }
    }

    fn event(&mut self, _event: &Event, ctx: &mut Ctx) {
        self.due = self.due.min(ctx.now() + SOON);
    }

    fn reload(&mut self, ctx: &mut Ctx) {
        self.stats = None;
        self.recent_load = None;
        self.due = ctx.now();
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        // A response that never arrives must not stop the numbers for good.
        if self.stats.is_some_and(|(_, since)| now.since(since) > UNSEEN) {
            self.stats = None;
        }
        if visible && self.due > now + SEEN {
            self.due = now + SEEN;
        }
        if now < self.due || self.stats.is_some() || (ctx.gate.away() && ctx.stats.is_some()) {
            return;
        }
        self.due = now + if visible { SEEN } else { UNSEEN };
        let id = ctx.load(Came::Stats, |api| async move { api.call::<ShowStats>((), (), ()).await });
        self.stats = Some((id, now));
        if visible && self.recent_load.is_none() {
            self.recent.refresh();
            if let Some((want, _)) = self.recent.take_want() {
                let id = ctx.load(Came::Recent, |api| async move {
                    api.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &PageRequest::first(50)), ())
                        .await
                        .map(|mut page| {
                            page.next = None;
                            page
                        })
                });
                self.recent.started(id, want, now);
                self.recent_load = Some(id);
            }
        }
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.recent.click(at) == Some(true) {
            self.action(Action::OPEN, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let [left, right] = area.layout(&Layout::horizontal([Constraint::Length(38), Constraint::Min(20)]));
        // On a low terminal only a few recent actions are shown, with the numbers side by side.
        let (trade, recent) = if area.height < 32 {
            let [trade, recent] = right.layout(&Layout::vertical([Constraint::Length(12), Constraint::Min(3)]));
            (trade, recent)
        } else {
            (Rect::ZERO, right)
        };
        let [kyc, users, low] =
            left.layout(&Layout::vertical([Constraint::Length(8), Constraint::Length(12), Constraint::Min(0)]));
        let trade = if trade.is_empty() { low } else { trade };
        let taken = ctx
            .stats
            .as_ref()
            .map_or_else(String::new, |stats| format!("{} ago", text::age(ctx.now().since(stats.at))));
        let taken = if self.failed { format!("✖ {taken}") } else { taken };
        let panes = [
            rows::pane(kyc, buf, ctx.theme, "Identity checks", &taken, false),
            rows::pane(users, buf, ctx.theme, "Users", "", false),
            rows::pane(trade, buf, ctx.theme, "Marketplace", "", false),
        ];
        if let Some(stats) = &ctx.stats {
            for (area, draw) in panes.into_iter().zip([draw_kyc, draw_users, draw_trade]) {
                draw(area, buf, ctx, stats);
            }
        } else if self.stats.is_some_and(|(_, since)| ctx.now().since(since) >= PATIENCE) {
            for area in panes {
                rows::skeleton(area, buf, ctx.theme);
            }
        }
        let inner = rows::pane(recent, buf, ctx.theme, "Recent actions", "", true);
        let (now, exact) = (ctx.now(), ctx.exact);
        let theme = ctx.theme;
        list::draw(inner, buf, ctx, &mut self.recent, true, "Nothing was done yet.", |row, width| {
            audit::cells(row, width, now, exact, theme)
        });
    }

    fn commands(&self) -> Vec<String> {
        vec!["marketplace stats".into(), "marketplace audit list --limit 50".into()]
    }
}

fn number(theme: theme::Theme, label: &str, value: &str, note: &str, style: Style) -> Line<'static> {
    Line::from(vec![
        Span::raw(format!(" {}", text::left(label, 16))),
        Span::styled(text::right(value, 8), theme.style(style)),
        Span::styled(format!("  {note}"), theme.style(Style::Faint)),
    ])
}

fn draw_kyc(area: Rect, buf: &mut Buffer, ctx: &Ctx, stats: &Stats) {
    let theme = ctx.theme;
    let now = ctx.now();
    let waiting = stats.kyc_oldest_at.map(|at| now.since(at));
    let (word, style) = match waiting {
        Some(age) if age > Duration::from_secs(86_400) => ("! late", Style::Bad),
        Some(age) if age > Duration::from_secs(4 * 3_600) => ("! getting late", Style::Warn),
        _ => ("", Style::Plain),
    };
    let oldest = waiting.map_or_else(|| "–".to_owned(), text::age);
    let lines = [
        number(theme, "waiting", &count(stats.kyc_pending), "", Style::Title),
        number(theme, "in review now", &count(stats.kyc_in_review), "◐", Style::Plain),
        number(theme, "oldest", &oldest, word, style),
        number(theme, "decided, 24 h", &count(stats.kyc_decided_24h), "", Style::Plain),
    ];
    for (row, line) in (1..).zip(&lines) {
        rows::put(buf, area, row, line);
    }
}

/// Returns a state with its count and a bar.
fn bar(
    area: Rect,
    theme: theme::Theme,
    (glyph, word, style): (&str, &str, Style),
    count_of: Count,
    most: i64,
) -> Line<'static> {
    let room = i64::from(area.width.saturating_sub(27)).max(1);
    let length = usize::try_from(count_of.value * room / most.max(1)).unwrap_or(0);
    Line::from(vec![
        Span::styled(text::left(&format!(" {glyph} {word}"), 15), theme.style(style)),
        Span::raw(text::right(&count(count_of), 9)),
        Span::raw("  "),
        Span::styled("▇".repeat(length.max(usize::from(count_of.value > 0))), theme.style(style)),
    ])
}

fn draw_users(area: Rect, buf: &mut Buffer, ctx: &Ctx, stats: &Stats) {
    let theme = ctx.theme;
    let most = stats.users.iter().map(|status| status.count.value).max().unwrap_or(1);
    let mut lines: Vec<_> = Status::ALL
        .iter()
        .filter_map(|status| stats.users.iter().find(|counted| counted.status == *status))
        .map(|counted| bar(area, theme, theme::user_status(counted.status), counted.count, most))
        .collect();
    lines.push(Line::raw(""));
    lines.push(number(theme, "new, 24 h", &count(stats.signups_24h), "", Style::Plain));
    lines.push(number(theme, "mails waiting", &count(stats.mails_waiting), "", Style::Plain));
    lines.push(number(theme, "audit rows", &text::thousands(stats.audit_seq), "", Style::Plain));
    for (row, line) in (0..).zip(&lines) {
        rows::put(buf, area, row, line);
    }
}

fn draw_trade(area: Rect, buf: &mut Buffer, ctx: &Ctx, stats: &Stats) {
    let theme = ctx.theme;
    let most = stats.jobs.iter().map(|job| job.count.value).max().unwrap_or(1);
    let flagged = if stats.reviews_flagged.value > 0 { ("⚑", Style::Warn) } else { ("", Style::Plain) };
    let mut lines = vec![
        number(theme, "services found", &count(stats.services_visible), "", Style::Plain),
        number(theme, "messages, 1 h", &count(stats.messages_1h), "", Style::Plain),
        number(theme, "flagged reviews", &count(stats.reviews_flagged), flagged.0, flagged.1),
        Line::raw(""),
    ];
    lines.extend(
        JobStatus::ALL
            .iter()
            .filter_map(|status| stats.jobs.iter().find(|counted| counted.status == *status))
            .map(|counted| bar(area, theme, theme::job_status(counted.status), counted.count, most)),
    );
    for (row, line) in (0..).zip(&lines) {
        rows::put(buf, area, row, line);
    }
}
