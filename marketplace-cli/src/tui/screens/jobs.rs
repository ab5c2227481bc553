//! Jobs: the list, one with its offers and its history, and what staff can do to them.

use std::{any::Any, fmt::Write as _, sync::Arc};

use futures::future::BoxFuture;
use marketplace_core::{
    admin::AdminApi,
    base::change::Change,
    error::Result,
    events::Event,
    ids::JobId,
    jobs::model::{HistoryRow, JobAction, JobDetail, JobFilter, JobReason, JobSummary, StaffJobAction},
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::super::{
    browser::{Browser, Detailed, Shown, heading},
    bulk::Bulk,
    component::Screen,
    ctx::{Ctx, Request},
    filter::{Typed, quoted},
    jump::{Links, Place},
    keymap::{Action, on},
    listing::{Answer, Listed, Lists},
    message::Message,
    paged::Row,
    text,
    theme::{self, Ink},
    widgets::{
        form::{Choice, Filled, Form, Intent, JobDeed},
        rows,
    },
};

/// How often a client may ask for changes.
const MOST_CHANGES: i64 = 3;

/// The reasons that staff give, each with its letter; the others are the system's.
const REASONS: [(char, JobReason); 10] = [
    ('d', JobReason::Dispute),
    ('f', JobReason::Fraud),
    ('y', JobReason::Safety),
    ('q', JobReason::Quality),
    ('r', JobReason::NoResponse),
    ('s', JobReason::ScopeChanged),
    ('p', JobReason::Price),
    ('u', JobReason::Unavailable),
    ('n', JobReason::NotNeeded),
    ('o', JobReason::Other),
];

impl Row for JobSummary {
    type Id = JobId;
    fn id(&self) -> JobId {
        self.id
    }
}

impl Listed for JobSummary {
    type Filter = JobFilter;
    const WHAT: &'static str = "jobs";
    fn list(api: Arc<dyn AdminApi>, filter: JobFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.jobs_list(&filter, &page).await })
    }
    fn wrap(answer: Answer<Self>) -> Message {
        Message::JobRows(answer)
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
}

impl Detailed for JobSummary {
    type Detail = JobDetail;
    const ONE: &'static str = "job";
    const MANY: &'static str = "jobs";
    fn show(api: Arc<dyn AdminApi>, id: JobId) -> BoxFuture<'static, Result<JobDetail>> {
        Box::pin(async move { api.jobs_show(id).await })
    }
    fn shown(answer: Shown<Self>) -> Message {
        Message::Job(answer)
    }
    fn row(detail: &JobDetail) -> &Self {
        &detail.job
    }
    fn name(&self) -> String {
        format!("“{}” {}", self.title, text::short_id(&self.id))
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        format!("thread_id:{}", self.thread_id)
    }
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    deed: JobDeed,
    reason: Option<usize>,
    note: Option<String>,
}

/// Jobs.
#[derive(Default)]
pub struct Jobs {
    browser: Browser<JobSummary>,
    last: Option<Last>,
}

impl Jobs {
    fn ask(&self, deed: JobDeed, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let intent = |targets| Intent::Job(deed, targets);
        let form = match deed {
            JobDeed::Cancel => Form::new(heading("Cancel", &targets, "jobs"), intent(targets))
                .line("Calls it off for both sides; they see the reason. It cannot be taken back.")
                .line("")
                .choices(REASONS.iter().map(|(key, reason)| choice(*key, reason.as_str())).collect(), false)
                .with_picked(reason.as_slice()),
            JobDeed::Finalize => Form::new(heading("Finalize", &targets, "jobs"), intent(targets))
                .line("Ends it well, in the client's place: both may review it then. It cannot be taken back.")
                .line(""),
        };
        ctx.requests.push(Request::Form(Box::new(form.with_note(note))));
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.browser.advance(ctx) {
            self.ask(last.deed, last.reason, last.note.as_deref(), ctx);
        }
    }

    fn confirmed(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        let Intent::Job(deed, targets) = &filled.intent else { return false };
        let picked = filled.picked.first().copied();
        let (action, verb, done) = match (deed, picked.and_then(|at| REASONS.get(at))) {
            (JobDeed::Cancel, Some((_, reason))) => (StaffJobAction::Cancel { reason: *reason }, "Cancel", "cancelled"),
            (JobDeed::Cancel, None) => return true,
            (JobDeed::Finalize, _) => (StaffJobAction::Finalize, "Finalize", "finalized"),
        };
        self.last = Some(Last { deed: *deed, reason: picked, note: filled.note.clone() });
        let note = filled.note.clone();
        self.browser.change(targets, verb, done, ctx, move |api, id, if_version| {
            let (action, change) = (action.clone(), Change { note: note.clone(), if_version, ..Change::default() });
            Box::pin(async move { api.jobs_act(id, &action, &change).await })
        });
        true
    }

    fn can(&self, action: JobAction) -> bool {
        match (&self.browser.detail, self.browser.subject()) {
            (Some(detail), Some(row)) if detail.job.id == row.id => detail.actions.contains(&action),
            (_, row) => row.is_some_and(|row| row.status.is_live()),
        }
    }
}

/// A reason with its letter.
pub fn choice(key: char, code: &str) -> Choice {
    Choice { key, label: text::words(code), template: "" }
}

impl Screen for Jobs {
    fn on(&self) -> u8 {
        on::JOBS
    }
    fn home(&self) -> Action {
        Action::Jobs
    }
    fn name(&self) -> &'static str {
        "jobs"
    }
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser.list)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::Cancel => self.ask(JobDeed::Cancel, None, None, ctx),
            Action::Finalize => self.ask(JobDeed::Finalize, None, None, ctx),
            Action::Repeat => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn links(&self) -> Links {
        let Some(job) = self.browser.subject() else { return Links::default() };
        Links {
            worker: Some((job.worker_id, job.worker_name.clone())),
            client: Some((job.client_id, job.client_name.clone())),
            thread: Some(job.thread_id),
            audit: Some(job.id.to_string()),
            ..Links::default()
        }
    }
    fn go(&mut self, place: &Place, ctx: &mut Ctx) {
        match place {
            Place::Job(id) => self.browser.go(*id, ctx),
            Place::List(_, words) => self.browser.list.start_at(words, ctx),
            _ => {}
        }
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new(self.browser.stash())
    }
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        if let Ok(browser) = stashed.downcast() {
            self.browser.restore(*browser, ctx);
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message {
            Message::JobRows(answer) => self.browser.rows(answer, ctx),
            Message::Job(answer) => self.browser.shown(answer, ctx),
            other => return Some(other),
        }
        None
    }
    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.kind.starts_with("job") {
            self.browser.list.soon(ctx);
        }
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        self.browser.reload(ctx);
    }
    fn bulk_ended(&mut self, _bulk: &Bulk, ctx: &mut Ctx) {
        self.browser.bulk_ended(ctx);
    }
    fn filled(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        self.confirmed(filled, ctx)
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.browser.tick(visible, ctx);
    }
    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.browser.click(at, ctx) {
            self.action(Action::Open, ctx);
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = self.browser.panes(area);
        let (now, exact, theme) = (ctx.now(), ctx.exact, ctx.theme);
        if let Some(list) = list {
            let words = ("Jobs", "No job matches. Esc clears the filter.");
            self.browser.draw_list(list, buf, ctx, words, |job, width| {
                let (time, status, price) = (if exact { 20 } else { 5 }, 14, 13);
                let who = (width / 4).max(14);
                let title = width.saturating_sub(time + status + price + who + 4);
                vec![
                    Span::styled(text::right(&text::when(job.updated_at, now, exact), time), theme.ink(Ink::Faint)),
                    Span::raw("  "),
                    rows::state(theme, theme::job_status(job.status), status),
                    Span::raw(text::left(&job.title, title)),
                    Span::raw("  "),
                    Span::styled(
                        text::left(&between(&job.client_name, &job.worker_name, who), who),
                        theme.ink(Ink::Faint),
                    ),
                    Span::raw(text::right(&money(&job.price), price)),
                ]
            });
        }
        if let Some(detail) = detail {
            self.browser.draw_detail(detail, buf, ctx, |detail, width| lines(detail, ctx, now, width));
        }
    }

    fn status(&self, _ctx: &Ctx) -> Option<(String, Ink)> {
        self.browser.list.marked("an action")
    }
    fn offers(&self, action: Action) -> bool {
        let many = self.browser.list.rows.marked_count() > 0;
        match action {
            Action::Cancel => many || self.can(JobAction::Cancel),
            Action::Finalize => many || self.can(JobAction::Finalize),
            Action::Open | Action::Mark => !self.browser.in_detail && self.browser.subject().is_some(),
            Action::Jump | Action::GoWorker | Action::GoClient | Action::GoThreads | Action::GoReviews => {
                self.browser.subject().is_some()
            }
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.browser.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace jobs list{flags}")];
        let Some(job) = self.browser.subject() else { return lines };
        lines.push(format!("marketplace jobs show {}", job.id));
        lines.push(format!("marketplace jobs history {}", job.id));
        if let Some(last) = &self.last {
            let mut rest = String::new();
            if let Some((_, reason)) = last.reason.and_then(|at| REASONS.get(at)) {
                let _ = write!(rest, " --reason {reason}");
            }
            if let Some(note) = &last.note {
                let _ = write!(rest, " --note {}", quoted(note));
            }
            let verb = if last.deed == JobDeed::Cancel { "cancel" } else { "finalize" };
            lines.push(format!("marketplace jobs {verb} {}{rest}", job.id));
            lines.push(format!(
                "marketplace jobs list{flags} --limit 0 -o id | marketplace jobs {verb} --stdin --yes{rest}"
            ));
        }
        lines
    }
}

/// Two names in so many columns.
pub fn between(from: &str, to: &str, columns: usize) -> String {
    let each = columns.saturating_sub(4) / 2;
    format!("{} → {}", text::cut(from, each), text::cut(to, each))
}

/// An amount with its thousands apart.
fn money(price: &marketplace_core::money::Money) -> String {
    let plain = price.to_string();
    let (whole, rest) = plain.split_at(plain.find(['.', ' ']).unwrap_or(plain.len()));
    whole.parse().map_or_else(|_| plain.clone(), |whole| format!("{}{rest}", text::thousands(whole)))
}

/// A job in full.
fn lines(detail: &JobDetail, ctx: &Ctx, now: Timestamp, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let job = &detail.job;
    let when = |at| if ctx.exact { text::exact(at) } else { format!("{} ago", text::age(now.since(at))) };
    let head = |title: &str| Line::styled(title.to_owned(), theme.ink(Ink::Title));
    let mut out = vec![
        Line::from(vec![
            Span::styled(text::left("status", 11), theme.ink(Ink::Faint)),
            rows::state(theme, theme::job_status(job.status), 14),
        ]),
        rows::field(theme, "worker", &*job.worker_name),
        rows::field(theme, "client", &*job.client_name),
        rows::field(theme, "price", format!("{} · offer {}", money(&job.price), job.revision)),
        rows::field(theme, "began", when(job.created_at)),
        rows::field(theme, "changed", format!("{} · version {}", when(job.updated_at), job.version)),
    ];
    if let Some(due) = job.due_at {
        let due = if ctx.exact { text::exact(due) } else { format!("in {}", text::age(due.since(now))) };
        out.push(rows::field(theme, "due", format!("{due}: the system goes on by itself then")));
    }
    if detail.change_requests > 0 {
        out.push(rows::field(theme, "reworked", format!("{} of {MOST_CHANGES} times", detail.change_requests)));
    }
    out.push(rows::field(theme, "id", job.id.to_string()));
    out.push(rows::field(theme, "thread", job.thread_id.to_string()));
    out.push(Line::raw(""));
    out.push(head("History"));
    out.extend(timeline(&detail.history, ctx, now, width));
    if detail.history.last().is_some_and(|last| last.to != job.status && last.version == job.version) {
        out.push(Line::styled("! the history does not end in this status", theme.ink(Ink::Bad)));
    }
    out.push(Line::raw(""));
    out.push(head("Offers"));
    for offer in &detail.offers {
        out.push(Line::from(vec![
            Span::raw(text::right(&offer.revision.to_string(), 3)),
            Span::raw("  "),
            Span::styled(text::left(offer.by.as_str(), 8), theme.ink(Ink::Faint)),
            Span::raw(text::right(&money(&offer.price), 14)),
            Span::styled(format!("  {}", text::when(offer.at, now, ctx.exact)), theme.ink(Ink::Faint)),
        ]));
        for part in [&offer.schedule, &offer.scope] {
            let wrapped = text::wrap(part, width.saturating_sub(5));
            out.extend(wrapped.into_iter().map(|line| Line::raw(format!("     {line}"))));
        }
    }
    out
}

/// A history from its beginning: each state once, with what led there. Offers that follow one another are one row.
fn timeline(history: &[HistoryRow], ctx: &Ctx, now: Timestamp, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let mut out = Vec::new();
    let mut state = None;
    let mut at = 0;
    while let Some(row) = history.get(at) {
        let offers = |row: &&HistoryRow| row.action == JobAction::Offer;
        let run = history.iter().skip(at).take_while(offers).count().max(1);
        let last = history.get(at + run - 1).unwrap_or(row);
        let (glyph, word, ink) = theme::job_status(last.to);
        let (glyph, word) = if state == Some(last.to) { ("│", "") } else { (glyph, word) };
        state = Some(last.to);
        let time = if ctx.exact { 20 } else { 5 };
        let deed = match (row.action, run) {
            (JobAction::Offer, 1) | (JobAction::Create, _) => format!("offer {}", row.revision),
            (JobAction::Offer, _) => format!("offers {} to {}", row.revision, last.revision),
            (action, _) => text::words(action.as_str()),
        };
        let by = if run > 1 { "both".to_owned() } else { row.side.to_string() };
        out.push(Line::from(vec![
            Span::styled(text::right(&text::when(last.at, now, ctx.exact), time), theme.ink(Ink::Faint)),
            Span::raw("  "),
            Span::styled(text::left(&format!("{glyph} {word}"), 15), theme.ink(ink)),
            Span::styled(text::left(&by, 8), theme.ink(Ink::Faint)),
            Span::raw(text::cut(&deed, width.saturating_sub(time + 25))),
        ]));
        let mut said: Vec<String> = last.reason.iter().map(|reason| text::words(reason.as_str())).collect();
        said.extend(last.comment.iter().map(|comment| format!("“{comment}”")));
        if last.side == marketplace_core::jobs::model::Side::Staff {
            said.push(text::who(&last.actor));
        }
        if !said.is_empty() {
            let pad = " ".repeat(time + 4);
            let wrapped = text::wrap(&said.join(" · "), width.saturating_sub(time + 4));
            out.extend(wrapped.into_iter().map(|line| Line::styled(format!("{pad}{line}"), theme.ink(Ink::Faint))));
        }
        at += run;
    }
    out
}
