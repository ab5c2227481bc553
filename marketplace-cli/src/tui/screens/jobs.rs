//! Jobs: the list, a job with its offers and its history, and the staff actions on it.

use marketplace_core::records::target::TargetKind;
use marketplace_core::staff::{self, Connection, ListJobs, ListQuery, ShowJob};
use std::fmt::Write as _;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Change, permission::Permission},
    error::Result,
    events::Event,
    ids::JobId,
    jobs::model::{HistoryRow, JobAction, JobDetail, JobFilter, JobReason, JobStatus, JobSummary, StaffJobAction},
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use uuid::Uuid;

use super::super::{
    browser::{
        Browser, Detailed, Target,
        filter::{Typed, flag, quoted},
        heading,
        listing::{Key, Listed, Lists},
        paged::Row,
    },
    component::{Registered, Screen},
    confirmation,
    ctx::{Confirmed, Ctx},
    jump::{Link, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    privacy, text,
    theme::{self, Style},
    widgets::{
        columns::{Column, SPARE},
        form::{Choice, Filled, Form},
        rows,
    },
};

/// How often a client may request changes.
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

/// The columns of the list.
const COLUMNS: [Column; 7] = [
    Column::time("began", 3).falling(),
    Column::new("status", 2),
    Column::text("about", 12, 0),
    Column::text("client", 7, 0),
    Column::text("worker", 7, 0),
    Column::number("price", 4),
    Column::time("changed", SPARE),
];

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "jobs", keys: "4", label: "jobs", rank: 0, needs: None, help: "Jobs" });

actions! {
    CANCEL, "cancel", "x", "cancel", 1, Some(Permission::JobsWrite), "Call the job off: reason, note";
    FINALIZE, "finalize", "f", "finalize", 2, Some(Permission::JobsWrite), "End a completed job well, in the client's place";
}

impl Row for JobSummary {
    type Id = JobId;
    fn id(&self) -> JobId {
        self.id
    }
}

impl Typed for JobFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("status", JobStatus::NAMES), ("user_id", &[]), ("thread_id", &[])];
    const FREE_TEXT: bool = true;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            "user_id" => self.user_id = Some(value.parse().map_err(|_| String::new())?),
            _ => self.thread_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn text(&mut self, text: String) {
        self.q = Some(text);
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "user-id", self.user_id);
        flag(&mut flags, "thread-id", self.thread_id);
        flag(&mut flags, "q", self.q.as_ref());
        flags
    }
}

impl Listed for JobSummary {
    type Filter = JobFilter;
    const WHAT: &'static str = "jobs";
    fn list(api: Connection, filter: JobFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListJobs>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "began" => Key::time(self.created_at),
            "status" => Key::text(self.status.as_str()),
            "client" => Key::text(&self.client_name),
            "worker" => Key::text(&self.worker_name),
            "price" => Key::Number(self.price.amount),
            "changed" => Key::time(self.updated_at),
            _ => Key::text(&self.title),
        }
    }
}

impl Detailed for JobSummary {
    type Detail = JobDetail;
    const ONE: &'static str = "job";
    const MANY: &'static str = "jobs";
    fn by_id(id: Uuid) -> JobId {
        JobId(id)
    }
    fn show(api: Connection, id: JobId) -> BoxFuture<'static, Result<JobDetail>> {
        Box::pin(async move { api.call::<ShowJob>(id, (), ()).await })
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

/// An action on jobs, without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobVerb {
    /// Cancel.
    Cancel,
    /// Finalize.
    Finalize,
}

/// The intent of a form; the reason comes from the choice.
struct Intent {
    kind: JobVerb,
    targets: Vec<Target<JobId>>,
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    kind: JobVerb,
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
    fn ask(&self, kind: JobVerb, reason: Option<usize>, note: Option<&str>, ctx: &mut Ctx) {
        let targets = self.browser.targets();
        if targets.is_empty() {
            return;
        }
        let form = match kind {
            JobVerb::Cancel => Form::new(heading("Cancel", &targets, "jobs"))
                .line("Calls it off for both sides; they see the reason. It cannot be taken back.")
                .line("")
                .choices(REASONS.iter().map(|(key, reason)| Choice::of(*key, reason.as_str())).collect(), false)
                .with_picked(reason.as_slice()),
            JobVerb::Finalize => Form::new(heading("Finalize", &targets, "jobs"))
                .line("Ends it well, in the client's place: both may review it then. It cannot be taken back.")
                .line(""),
        };
        let act = if kind == JobVerb::Cancel { confirmation::CANCEL } else { confirmation::FINALIZE };
        let form = form.with_note(note).about(targets.iter().map(|target| target.id));
        ctx.ask(form.confirmed_by(act, targets.len()), Intent { kind, targets });
    }

    fn repeat(&mut self, ctx: &mut Ctx) {
        let Some(last) = self.last.clone() else {
            ctx.say("nothing to repeat yet");
            return;
        };
        if self.browser.advance(ctx) {
            self.ask(last.kind, last.reason, last.note.as_deref(), ctx);
        }
    }

    fn go_ahead(&mut self, Intent { kind, targets }: Intent, filled: Filled, ctx: &mut Ctx) {
        let picked = filled.picked.first().copied();
        let (action, verb, done) = match (kind, picked.and_then(|at| REASONS.get(at))) {
            (JobVerb::Cancel, Some((_, reason))) => (StaffJobAction::Cancel { reason: *reason }, "Cancel", "cancelled"),
            (JobVerb::Cancel, None) => return,
            (JobVerb::Finalize, _) => (StaffJobAction::Finalize, "Finalize", "finalized"),
        };
        self.last = Some(Last { kind, reason: picked, note: filled.note.clone() });
        let note = filled.note;
        self.browser.change(&targets, verb, done, ctx, move |api, id, if_version| {
            let (action, change) = (action.clone(), Change { note: note.clone(), if_version, ..Change::default() });
            Box::pin(async move { staff::act_on_job(&api, id, &action, change.clone()).await })
        });
    }

    fn can(&self, action: JobAction) -> bool {
        match (&self.browser.detail, self.browser.subject()) {
            (Some(detail), Some(row)) if detail.job.id == row.id => detail.actions.contains(&action),
            (_, row) => row.is_some_and(|row| row.status.is_live()),
        }
    }
}

impl Registered for Jobs {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Jobs",
        title: "jobs",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::GO_WORKER, Action::GO_CLIENT, Action::GO_THREADS, Action::GO_REVIEWS, Action::GO_KYC],
        by_id: Some(("job", "open a job")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let to = |label: String, target| vec![Link::new('j', label, HOME, target)];
        match (from.get("job"), from.get("thread"), from.person()) {
            (Some(job), ..) => to("the job".into(), Subject::One(job.id)),
            (_, Some(thread), _) => to("the thread's jobs".into(), Subject::List(format!("thread_id:{}", thread.id))),
            (.., Some((id, whose))) => to(format!("{whose} jobs"), Subject::List(format!("user_id:{id}"))),
            _ => Vec::new(),
        }
    }
}

impl Screen for Jobs {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            CANCEL => self.ask(JobVerb::Cancel, None, None, ctx),
            FINALIZE => self.ask(JobVerb::Finalize, None, None, ctx),
            Action::REPEAT => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn relations(&self) -> Relations {
        let Some(job) = self.browser.subject() else { return Relations::default() };
        Relations::of(job.id)
            .with("worker", job.worker_id.0, &job.worker_name)
            .with("client", job.client_id.0, &job.client_name)
            .with("thread", job.thread_id.0, "")
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.target_kind() == Some(TargetKind::Job) {
            self.browser.list.soon(ctx);
        }
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let (intent, filled) = confirmed.open()?;
        self.go_ahead(intent, filled, ctx);
        Ok(())
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = self.browser.panes(area);
        let (now, exact, theme) = (ctx.now(), ctx.times, ctx.theme);
        if let Some(list) = list {
            let words = ("Jobs", "No job matches. Esc clears the filter.");
            self.browser.draw_list(list, buf, ctx, words, &COLUMNS, |job| {
                vec![
                    rows::time(theme, job.created_at, now, exact),
                    rows::short_state(theme, theme::job_status(job.status)),
                    Span::raw(job.title.clone()),
                    Span::styled(job.client_name.clone(), theme.style(Style::Faint)),
                    Span::styled(job.worker_name.clone(), theme.style(Style::Faint)),
                    Span::raw(money(&job.price)),
                    rows::time(theme, job.updated_at, now, exact),
                ]
            });
        }
        if let Some(detail) = detail {
            self.browser.draw_detail(detail, buf, ctx, |detail, width| lines(detail, ctx, now, width));
        }
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.browser.list.rows.marked_count() > 0;
        match action {
            CANCEL => many || self.can(JobAction::Cancel),
            FINALIZE => many || self.can(JobAction::Finalize),
            Action::OPEN | Action::MARK => !self.browser.in_detail && self.browser.subject().is_some(),
            Action::JUMP | Action::GO_WORKER | Action::GO_CLIENT | Action::GO_THREADS | Action::GO_REVIEWS => {
                self.browser.subject().is_some()
            }
            _ => true,
        }
    }

    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        if self.browser.list.rows.marked_count() > 0 {
            return None;
        }
        let status = self.browser.subject()?.status;
        let why = match action {
            CANCEL if !status.is_live() => format!("it is {status} already"),
            FINALIZE if status != JobStatus::Completed => format!("only a completed job can be; it is {status}"),
            _ => return None,
        };
        Some(format!("{}: {why}", action.label))
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
            let verb = if last.kind == JobVerb::Cancel { "cancel" } else { "finalize" };
            lines.extend(self.browser.command(&format!("marketplace jobs {verb}"), &rest));
        }
        lines
    }
}

/// Formats an amount with thousands separators.
pub fn money(price: &marketplace_core::money::Money) -> String {
    let plain = price.to_string();
    let (whole, rest) = plain.split_at(plain.find(['.', ' ']).unwrap_or(plain.len()));
    whole.parse().map_or_else(|_| plain.clone(), |whole| format!("{}{rest}", text::thousands(whole)))
}

/// Returns the lines of a job in full.
fn lines(detail: &JobDetail, ctx: &Ctx, now: Timestamp, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let job = &detail.job;
    let when = |at| text::ago(at, now, ctx.times);
    let head = |title: &str| Line::styled(title.to_owned(), theme.style(Style::Title));
    let mut out = vec![
        Line::from(vec![
            Span::styled(text::left("status", 11), theme.style(Style::Faint)),
            rows::state(theme, theme::job_status(job.status), 14),
        ]),
        rows::field(theme, "worker", &*job.worker_name),
        rows::field(theme, "client", &*job.client_name),
        rows::field(theme, "price", format!("{} · offer {}", money(&job.price), job.revision)),
        rows::field(theme, "began", when(job.created_at)),
        rows::field(theme, "changed", format!("{} · version {}", when(job.updated_at), job.version)),
    ];
    if let Some(due) = job.due_at {
        let due =
            if ctx.times.exact { text::exact(due, ctx.times) } else { format!("in {}", text::age(due.since(now))) };
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
        out.push(Line::styled("! the history does not end in this status", theme.style(Style::Bad)));
    }
    out.push(Line::raw(""));
    out.push(head("Offers"));
    for offer in &detail.offers {
        out.push(Line::from(vec![
            Span::raw(text::right(&offer.revision.to_string(), 3)),
            Span::raw("  "),
            Span::styled(text::left(offer.by.as_str(), 8), theme.style(Style::Faint)),
            Span::raw(text::right(&money(&offer.price), 14)),
            Span::styled(format!("  {}", text::when(offer.at, now, ctx.times)), theme.style(Style::Faint)),
        ]));
        for part in [&offer.schedule, &offer.scope] {
            out.extend(privacy::written(part, 5, width, ratatui::style::Style::new()));
        }
    }
    out
}

/// Returns a history from its beginning: each state once, with what led there. Consecutive offers are one row.
fn timeline(history: &[HistoryRow], ctx: &Ctx, now: Timestamp, width: usize) -> Vec<Line<'static>> {
    let theme = ctx.theme;
    let mut out = Vec::new();
    let mut state = None;
    let mut at = 0;
    while let Some(row) = history.get(at) {
        let offers = |row: &&HistoryRow| row.action == JobAction::Offer;
        let run = history.iter().skip(at).take_while(offers).count().max(1);
        let last = history.get(at + run - 1).unwrap_or(row);
        let (glyph, word, style) = theme::job_status(last.to);
        let (glyph, word) = if state == Some(last.to) { ("│", "") } else { (glyph, word) };
        state = Some(last.to);
        let time = if ctx.times.exact { 25 } else { 5 };
        let what = match (row.action, run) {
            (JobAction::Offer, 1) | (JobAction::Create, _) => format!("offer {}", row.revision),
            (JobAction::Offer, _) => format!("offers {} to {}", row.revision, last.revision),
            (action, _) => text::words(action.as_str()),
        };
        let sides = history.iter().skip(at).take(run).map(|row| row.side);
        let by = if sides.clone().all(|side| side == row.side) { row.side.as_str() } else { "in turn" };
        out.push(Line::from(vec![
            Span::styled(text::right(&text::when(last.at, now, ctx.times), time), theme.style(Style::Faint)),
            Span::raw("  "),
            Span::styled(text::left(&format!("{glyph} {word}"), 15), theme.style(style)),
            Span::styled(text::left(by, 8), theme.style(Style::Faint)),
            Span::raw(text::cut(&what, width.saturating_sub(time + 25))),
        ]));
        let mut said: Vec<String> = last.reason.iter().map(|reason| text::words(reason.as_str())).collect();
        said.extend(last.comment.iter().map(|comment| format!("“{comment}”")));
        if last.side == marketplace_core::jobs::model::Side::Staff {
            said.push(ctx.who(&last.actor));
        }
        if !said.is_empty() {
            // A comment is what somebody wrote; a reason is not.
            let (said, pad) = (said.join(" · "), time + 4);
            if last.comment.is_some() {
                out.extend(privacy::written(&said, pad, width, theme.style(Style::Faint)));
            } else {
                let wrapped = text::wrap(&said, width.saturating_sub(pad)).into_iter();
                let line = |line| Line::styled(format!("{}{line}", " ".repeat(pad)), theme.style(Style::Faint));
                out.extend(wrapped.map(line));
            }
        }
        at += run;
    }
    out
}
