//! The dashboard: what waits, current numbers, and recent actions of colleagues.

use marketplace_core::staff::{ListAudit, ListQuery, ShowStats, Stats};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use marketplace_core::{
    accounts::model::Status,
    audit::{AuditAction, AuditFilter, AuditRow},
    base::{count::Count, permission::Permission, principal::Principal},
    error::Result,
    events::Event,
    jobs::model::JobStatus,
    page::{Page, PageRequest},
    records::target::TargetKind,
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
    widgets::{Sparkline, Widget},
};

use super::super::{
    browser::{
        list,
        paged::{Paged, Row},
    },
    colleagues,
    component::{Registered, Screen},
    ctx::{Ctx, PATIENCE, Request},
    jump::Relations,
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    text,
    theme::{self, Style},
    widgets::{
        columns::Column,
        popup::{PopLine, Popup},
        rows::{self, count},
    },
};
use super::{
    audit,
    charts::Charts,
    waits::{self, Known, Waiting},
};

/// The interval of loading the numbers while they are visible.
const SEEN: Duration = Duration::from_secs(2);
/// The interval of loading the numbers for the top line only.
const UNSEEN: Duration = Duration::from_secs(10);
/// The delay after a change, so that a burst of changes causes one look.
const SOON: Duration = Duration::from_millis(300);

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "dashboard", keys: "1", label: "dashboard", rank: 0, needs: None, help: "Dashboard" });

actions! {
    SPAN, "span", "s", "24 h, 7 d, 30 d", 0, None, "The charts over 24 hours, 7 days or 30 days";
}

/// Rows of the audit log of which the recent actions are made.
const LOOKED_AT: u16 = 100;
/// The interval of the samples that the charts are drawn from, and how many are kept.
const SAMPLE: Duration = Duration::from_secs(10);
const SAMPLES: usize = 360;
/// Columns from which the charts stand beside what waits, and the rows that they take.
const CHARTS: (u16, u16) = (120, 7);
/// The intervals of looking at what the numbers do not tell about what waits: while it is visible, and for what is urgent.
const KNOWN: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// The columns of the recent actions.
const COLUMNS: [Column; 5] = [
    Column::time("when", 1).falling(),
    Column::text("what", 12, 0),
    Column::text("who", 8, 0),
    Column::text("of", 12, 2),
    Column::text("why", 8, 3),
];

/// A row of the recent actions: what somebody did, or how often something was done that is not worth a row of its own.
#[derive(Debug, Clone)]
struct Recent {
    /// The newest row of the audit log that belongs to it.
    row: AuditRow,
    /// How often each was done, when it stands for several.
    folded: Vec<(String, usize)>,
}

impl Row for Recent {
    type Id = i64;
    fn id(&self) -> i64 {
        self.row.seq
    }
}

/// Returns whether a row is no decision of anybody's: timers and retention, claims, and looking.
fn is_routine(row: &AuditRow) -> bool {
    row.actor == Principal::system()
        || row.action.known().is_some_and(|action| {
            matches!(
                action,
                AuditAction::KycClaim
                    | AuditAction::KycRelease
                    | AuditAction::KycView
                    | AuditAction::KycExpire
                    | AuditAction::KycFilesDeleted
                    | AuditAction::UsersSearch
                    | AuditAction::ThreadsRead
            )
        })
}

/// Returns what people did; what is routine is one row for each who did it, with counts.
fn fold(rows: Vec<AuditRow>) -> Vec<Recent> {
    let mut out: Vec<Recent> = Vec::new();
    for row in rows {
        let routine = is_routine(&row);
        let known = out.iter_mut().find(|known| routine && !known.folded.is_empty() && known.row.actor == row.actor);
        let what = row.action.to_string();
        match known {
            Some(known) => match known.folded.iter_mut().find(|(action, _)| *action == what) {
                Some((_, times)) => *times += 1,
                None => known.folded.push((what, 1)),
            },
            None => out.push(Recent { folded: if routine { vec![(what, 1)] } else { Vec::new() }, row }),
        }
    }
    // A single one is as short by itself.
    for recent in &mut out {
        if matches!(recent.folded.as_slice(), [(_, 1)]) {
            recent.folded.clear();
        }
    }
    out
}

impl Recent {
    fn cells(&self, ctx: &Ctx) -> Vec<Span<'static>> {
        // The number of a row tells nothing here.
        let mut cells = audit::cells(&self.row, ctx).into_iter().skip(1).collect::<Vec<_>>();
        if !self.folded.is_empty() {
            let mut counts = self.folded.iter().map(|(what, times)| format!("{times} × {what}"));
            let first = counts.next().unwrap_or_default();
            let others = counts.collect::<Vec<_>>().join(", ");
            let faint = ctx.theme.style(Style::Faint);
            for (at, cell) in cells.iter_mut().enumerate() {
                match at {
                    1 => *cell = Span::styled(first.clone(), faint),
                    3 => *cell = Span::styled(others.clone(), faint),
                    4 => *cell = Span::raw(""),
                    _ => {}
                }
            }
        }
        cells
    }

    fn detail(&self, ctx: &Ctx) -> Popup {
        if self.folded.is_empty() {
            return audit::detail(&self.row, ctx);
        }
        let mut lines = vec![PopLine::Pair("who".into(), ctx.who(&self.row.actor))];
        lines.extend(self.folded.iter().map(|(what, times)| PopLine::Pair(what.clone(), format!("{times} times"))));
        lines.push(PopLine::Text(String::new()));
        lines.push(PopLine::Text(format!(
            "Of the newest {LOOKED_AT} rows of the audit log, which has each of them: :audit actor:{}",
            self.row.actor
        )));
        Popup::new("Routine", lines)
    }
}

/// A result.
enum Came {
    /// The numbers.
    Stats(Result<Box<Stats>>),
    /// What else is to be known of what waits.
    Known(Result<Known>),
    /// The newest audit rows.
    Recent(Result<Page<Recent>>),
    /// Names of colleagues.
    Names(Vec<(Principal, String)>),
}

/// The numbers at a time, for the charts.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Timestamp,
    waiting: u64,
    messages: u64,
    decided: u64,
}

/// The number of a sample that a chart shows.
type Series = fn(&Sample) -> u64;

/// The dashboard.
#[derive(Debug)]
pub struct Dashboard {
    stats: Option<(LoadId, Timestamp)>,
    recent_load: Option<LoadId>,
    recent: Paged<Recent>,
    samples: VecDeque<Sample>,
    charts: Charts,
    due: Timestamp,
    failed: bool,
    known: Known,
    known_load: Option<LoadId>,
    known_due: Timestamp,
    /// The row of what waits that the cursor was moved to; the most urgent one until then.
    chosen: Option<&'static str>,
    /// Whether the cursor is among the recent actions.
    in_recent: bool,
    /// Where what waits was drawn.
    waits_area: Rect,
    /// What is known to wait, and whether it is late: more than that is told.
    told: Option<BTreeMap<&'static str, (bool, bool)>>,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self {
            stats: None,
            recent_load: None,
            recent: Paged::default(),
            samples: VecDeque::new(),
            charts: Charts::default(),
            due: Timestamp::EPOCH,
            failed: false,
            known: Known::default(),
            known_load: None,
            known_due: Timestamp::EPOCH,
            chosen: None,
            in_recent: false,
            waits_area: Rect::ZERO,
            told: None,
        }
    }
}

impl Registered for Dashboard {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Dash",
        title: "the dashboard",
        rows: Rows::None,
        own: ACTIONS,
        chosen: &[Action::GO_USER, Action::GO_KYC],
        by_id: None,
    };
}

impl Screen for Dashboard {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        let waiting = waits::waiting(&self.known, ctx);
        if self.in_recent {
            match action {
                Action::OPEN => {
                    if let Some(row) = self.recent.selected() {
                        ctx.requests.push(Request::Popup(row.detail(ctx)));
                    }
                }
                Action::BACK | Action::UP | Action::TOP if action == Action::BACK || self.recent.position() == 1 => {
                    self.in_recent = false;
                    self.chosen = waiting.last().filter(|_| action == Action::UP).map(|row| row.name);
                }
                _ => return self.recent.moved(action),
            }
            return true;
        }
        let at = self.cursor(&waiting);
        match action {
            Action::OPEN => {
                if let Some(row) = waiting.get(at) {
                    ctx.requests.push(Request::Go(row.to.clone()));
                }
            }
            Action::UP => self.chosen = waiting.get(at.saturating_sub(1)).map(|row| row.name),
            Action::DOWN if at + 1 < waiting.len() => self.chosen = waiting.get(at + 1).map(|row| row.name),
            Action::TOP => self.chosen = None,
            Action::DOWN | Action::PAGE_DOWN => self.in_recent = !self.recent.is_empty(),
            Action::BOTTOM if !self.recent.is_empty() => {
                self.in_recent = true;
                return self.recent.moved(action);
            }
            SPAN => self.charts.turn(ctx),
            _ => return false,
        }
        true
    }

    fn relations(&self) -> Relations {
        let one = self.recent.selected().filter(|recent| self.in_recent && recent.folded.is_empty());
        one.map(|recent| Relations::of_audit(&recent.row)).unwrap_or_default()
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message.open() {
            Ok((id, Came::Stats(answer))) => {
                if self.stats.is_some_and(|(pending, _)| pending == id) {
                    self.stats = None;
                    self.failed = answer.is_err();
                    match answer {
                        Ok(stats) => {
                            self.sample(&stats);
                            ctx.heard(*stats);
                            self.tell(ctx);
                        }
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
            Ok((id, Came::Known(answer))) => {
                if self.known_load.take_if(|load| *load == id).is_some() {
                    match answer {
                        Ok(known) => self.known = known,
                        Err(error) => ctx.fail_quietly("what waits", &error),
                    }
                    ctx.dirty = true;
                }
                None
            }
            Ok((_, Came::Names(names))) => {
                ctx.colleagues.learn(names);
                ctx.dirty = true;
                None
            }
            Err(other) => self.charts.message(other, ctx),
        }
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        self.due = self.due.min(ctx.now() + SOON);
        if !matches!(event.target_kind(), Some(TargetKind::Attempt | TargetKind::Review)) {
            return;
        }
        self.known_due = self.known_due.min(ctx.now() + SEEN);
    }

    fn reload(&mut self, ctx: &mut Ctx) {
        self.stats = None;
        self.recent_load = None;
        self.known_load = None;
        self.due = ctx.now();
        self.known_due = self.due;
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        self.charts.tick(visible, ctx);
        if !ctx.gate.away()
            && let Some(others) = ctx.colleagues.due(now)
        {
            ctx.load(Came::Names, |api| colleagues::load(api, others));
        }
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
        let id = ctx.load(Came::Stats, |api| async move { api.call::<ShowStats>((), (), ()).await.map(Box::new) });
        self.stats = Some((id, now));
        if visible {
            self.known_due = self.known_due.min(now + KNOWN[0]);
        }
        if self.known_load.is_none() && now >= self.known_due && ctx.identity.is_some() {
            self.known_due = now + if visible { KNOWN[0] } else { KNOWN[1] };
            let (kyc, reviews) = (ctx.may(Permission::KycRead), ctx.may(Permission::ReviewsRead));
            self.known_load = Some(ctx.load(Came::Known, |api| Known::load(api, kyc, reviews)));
        }
        if visible && self.recent_load.is_none() {
            self.recent.refresh();
            if let Some((want, _)) = self.recent.take_want() {
                let id = ctx.load(Came::Recent, |api| async move {
                    let page = PageRequest::first(LOOKED_AT);
                    let page = api.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &page), ()).await?;
                    Ok(Page { items: fold(page.items), next: None })
                });
                self.recent.started(id, want, now);
                self.recent_load = Some(id);
            }
        }
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if let Some(again) = self.recent.click(at) {
            if again && self.in_recent {
                self.action(Action::OPEN, ctx);
            }
            self.in_recent = true;
        } else if self.waits_area.contains(at) {
            let waiting = waits::waiting(&self.known, ctx);
            let row = usize::from(at.y - self.waits_area.y).checked_sub(1).filter(|row| *row < waiting.len());
            let Some(row) = row else { return };
            let again = !self.in_recent && self.cursor(&waiting) == row;
            self.in_recent = false;
            self.chosen = waiting.get(row).map(|row| row.name);
            if again {
                self.action(Action::OPEN, ctx);
            }
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let taken = ctx
            .stats
            .as_ref()
            .map_or_else(String::new, |stats| format!("{} ago", text::age(ctx.now().since(stats.at))));
        let taken = if self.failed { format!("✖ {taken}") } else { taken };
        let rest = self.draw_waits(area, buf, ctx, &taken);
        let recent = if area.width < COMPACT.0 || rest.height < COMPACT.1 {
            Self::draw_compact(rest, buf, ctx)
        } else {
            self.draw_panes(rest, buf, ctx)
        };
        let inner = rows::pane(recent, buf, ctx.theme, "Recent actions", "", self.in_recent);
        list::draw(inner, buf, ctx, &mut self.recent, self.in_recent, "Nothing was done yet.", &COLUMNS, |row| {
            row.cells(ctx)
        });
    }

    fn offers(&self, action: Action) -> bool {
        self.in_recent || !matches!(action, Action::JUMP | Action::GO_USER | Action::GO_KYC)
    }

    fn commands(&self) -> Vec<String> {
        vec!["marketplace stats".into(), "marketplace audit list --limit 50".into()]
    }
}

/// Columns and rows below which the numbers are drawn without frames and bars.
const COMPACT: (u16, u16) = (80, 17);

impl Dashboard {
    /// Returns the row of what waits that the cursor is on.
    fn cursor(&self, waiting: &[Waiting]) -> usize {
        self.chosen.and_then(|name| waiting.iter().position(|row| row.name == name)).unwrap_or(0)
    }

    /// Tells somebody who does not look what has become urgent, and the terminal's title how much waits.
    fn tell(&mut self, ctx: &mut Ctx) {
        let waiting = waits::waiting(&self.known, ctx);
        let before = self.told.take();
        let now: BTreeMap<_, _> =
            waiting.iter().map(|row| (row.name, (row.count() > 0 && row.is_open_to_all(), row.is_late()))).collect();
        if let Some(before) = before {
            for row in &waiting {
                let (some, late) = now.get(row.name).copied().unwrap_or_default();
                // What was not known before is no news.
                let (had_some, was_late) = before.get(row.name).copied().unwrap_or((true, true));
                if late && !was_late {
                    ctx.requests.push(Request::Alert(format!("{}: the oldest waits too long", row.label)));
                } else if some && !had_some {
                    ctx.requests.push(Request::Alert(format!("{}: {} waiting", row.label, row.count())));
                }
            }
        }
        let late = if now.values().any(|(_, late)| *late) { "! " } else { "" };
        let all: i64 = waiting.iter().filter(|row| row.is_open_to_all()).map(Waiting::count).sum();
        ctx.title = format!("{late}{} waiting · {}", text::thousands(all), text::clean(&ctx.options.system));
        self.told = Some(now);
    }

    /// Draws what waits, with the charts beside it where there is room; returns the area that is left.
    fn draw_waits(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx, taken: &str) -> Rect {
        let waiting = waits::waiting(&self.known, ctx);
        let charts = area.width >= CHARTS.0;
        let least = if charts { CHARTS.1 } else { 0 };
        let high = u16::try_from(waiting.len().max(2) + 3).unwrap_or(u16::MAX).max(least);
        let [top, rest] = area.layout(&Layout::vertical([Constraint::Length(high), Constraint::Min(3)]));
        let mut left = top;
        if charts {
            let [waits, right] =
                top.layout(&Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]));
            left = waits;
            if self.charts.is_loaded() {
                self.charts.draw(right, buf, ctx);
            } else {
                self.draw_charts(right, buf, ctx);
            }
        }
        let begins = format!("{} begins", ctx.keymap.key(Action::OPEN));
        let title = if taken.is_empty() { "What waits".to_owned() } else { format!("What waits · {taken}") };
        self.waits_area = rows::pane(left, buf, ctx.theme, &title, &begins, !self.in_recent);
        let cursor = (!self.in_recent).then(|| self.cursor(&waiting));
        if ctx.stats.is_some() {
            waits::draw(self.waits_area, buf, ctx, &waiting, cursor);
        } else if self.stats.is_some_and(|(_, since)| ctx.now().since(since) >= PATIENCE) {
            rows::skeleton(self.waits_area, buf, ctx.theme);
        }
        rest
    }

    fn sample(&mut self, stats: &Stats) {
        if self.samples.back().is_some_and(|last| stats.at.since(last.at) < SAMPLE) {
            return;
        }
        let number = |count: Count| u64::try_from(count.value).unwrap_or(0);
        self.samples.push_back(Sample {
            at: stats.at,
            waiting: number(stats.kyc_pending),
            messages: number(stats.messages_1h),
            decided: number(stats.kyc_decided_24h),
        });
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Draws the numbers in panes; returns the area that is left.
    fn draw_panes(&self, area: Rect, buf: &mut Buffer, ctx: &Ctx) -> Rect {
        let [left, right] = area.layout(&Layout::horizontal([Constraint::Length(38), Constraint::Min(20)]));
        // On a low terminal only a few recent actions are shown, with the numbers side by side.
        let (trade, recent) = if area.height < 29 {
            let [trade, recent] = right.layout(&Layout::vertical([Constraint::Length(12), Constraint::Min(3)]));
            (trade, recent)
        } else {
            (Rect::ZERO, right)
        };
        let [kyc, users, low] =
            left.layout(&Layout::vertical([Constraint::Length(5), Constraint::Length(12), Constraint::Min(0)]));
        let trade = if trade.is_empty() { low } else { trade };
        let panes = [
            rows::pane(kyc, buf, ctx.theme, "Identity checks", "", false),
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
        recent
    }

    /// Draws how some of the numbers went while the console has been open.
    fn draw_charts(&self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let theme = ctx.theme;
        let since = self
            .samples
            .front()
            .map_or_else(String::new, |first| format!("since {} {}", ctx.times.clock(first.at), ctx.times.zone()));
        let thirds = area.layout::<3>(&Layout::horizontal([Constraint::Fill(1); 3]));
        let charts: [(&str, Series); 3] = [
            ("Waiting", |sample| sample.waiting),
            ("Messages, 1 h", |sample| sample.messages),
            ("Decided, 24 h", |sample| sample.decided),
        ];
        for ((title, of), area) in charts.into_iter().zip(thirds) {
            let values: Vec<u64> = self.samples.iter().map(of).collect();
            let most = values.iter().copied().max().unwrap_or(0);
            let inner = rows::pane(area, buf, theme, &format!("{title}, to {most}"), &since, false);
            let room = usize::from(inner.width);
            let newest = values.get(values.len().saturating_sub(room)..).unwrap_or_default();
            Sparkline::default().data(newest).max(most.max(1)).style(theme.style(Style::Accent)).render(inner, buf);
        }
    }

    /// Draws all numbers in three columns; returns the area that is left.
    fn draw_compact(area: Rect, buf: &mut Buffer, ctx: &Ctx) -> Rect {
        let theme = ctx.theme;
        let Some(stats) = &ctx.stats else {
            // Recent actions that would not stay in sight are not drawn at all.
            let [_, rest] = area.layout(&Layout::vertical([Constraint::Length(8), Constraint::Min(3)]));
            return rest;
        };
        let counted =
            |(glyph, word, style): (&str, &str, Style), value: Count| (format!("{glyph} {word}"), count(value), style);
        let plain = |label: &str, value: String| (label.to_owned(), value, Style::Plain);
        let mut jobs: Vec<_> = stats.jobs.iter().map(|job| counted(theme::job_status(job.status), job.count)).collect();
        jobs.push(plain("services found", count(stats.services_visible)));
        let mut users: Vec<_> =
            stats.users.iter().map(|user| counted(theme::user_status(user.status), user.count)).collect();
        users.push(plain("new, 24 h", count(stats.signups_24h)));
        users.push(plain("mails waiting", count(stats.mails_waiting)));
        let queues = vec![
            plain("in review", count(stats.kyc_in_review)),
            plain("decided 24h", count(stats.kyc_decided_24h)),
            plain("messages 1h", count(stats.messages_1h)),
            plain("audit", text::thousands(stats.audit_seq)),
        ];
        let rows_of = [&queues, &users, &jobs].iter().map(|column| column.len()).max().unwrap_or(0);
        let high = u16::try_from(rows_of + 1).unwrap_or(u16::MAX);
        let [numbers, rest] = area.layout(&Layout::vertical([Constraint::Length(high), Constraint::Min(3)]));
        rows::put(buf, numbers, 0, &Line::styled(" Identity checks, users, jobs", theme.style(Style::Title)));
        let body = Rect { y: numbers.y + 1, height: numbers.height.saturating_sub(1), ..numbers };
        let columns = body.layout::<3>(
            &Layout::horizontal([Constraint::Fill(18), Constraint::Fill(20), Constraint::Fill(22)]).spacing(1),
        );
        for (column, area) in [queues, users, jobs].iter().zip(columns) {
            for (row, (label, value, style)) in (0..).zip(column) {
                let room = usize::from(area.width).saturating_sub(text::width(label) + 1);
                let line = Line::from(vec![
                    Span::styled(format!(" {label}"), theme.style(*style)),
                    Span::raw(text::right(value, room)),
                ]);
                rows::put(buf, area, row, &line);
            }
        }
        rest
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
    let lines = [
        number(theme, "waiting", &count(stats.kyc_pending), "", Style::Title),
        number(theme, "in review now", &count(stats.kyc_in_review), "◐", Style::Plain),
        number(theme, "decided, 24 h", &count(stats.kyc_decided_24h), "", Style::Plain),
    ];
    for (row, line) in (0..).zip(&lines) {
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

#[cfg(test)]
mod tests {
    use marketplace_core::{base::text_enum::Name, records::target::TargetKind};

    use super::*;

    fn row(seq: i64, actor: &str, action: AuditAction) -> AuditRow {
        AuditRow {
            seq,
            at: Timestamp::EPOCH,
            actor: Principal(actor.into()),
            action: Name::Known(action),
            target_kind: Name::Known(TargetKind::User),
            target: "u".into(),
            reason: None,
            metadata: serde_json::json!({}),
            tag: String::new(),
        }
    }

    #[test]
    fn what_is_routine_is_counted_and_what_people_did_is_listed() {
        let rows = vec![
            row(9, "system", AuditAction::KycFilesDeleted),
            row(8, "user:a", AuditAction::KycApprove),
            row(7, "user:a", AuditAction::KycView),
            row(6, "system", AuditAction::KycExpire),
            row(5, "user:a", AuditAction::KycView),
            row(4, "system", AuditAction::KycFilesDeleted),
            row(3, "user:b", AuditAction::UsersBan),
            row(2, "user:b", AuditAction::ThreadsRead),
        ];
        let folded = fold(rows);
        let shown: Vec<_> = folded.iter().map(|recent| (recent.row.seq, recent.folded.clone())).collect();
        assert_eq!(
            shown,
            [
                (9, vec![("kyc.files_deleted".to_owned(), 2), ("kyc.expire".to_owned(), 1)]),
                (8, vec![]),
                (7, vec![("kyc.view".to_owned(), 2)]),
                (3, vec![]),
                (2, vec![]),
            ]
        );
    }
}
