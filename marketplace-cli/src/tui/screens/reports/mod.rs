//! Reports: the queue, one case with all that is needed to decide, and the decisions.
//!
//! Opening a case claims it, and leaving it gives it back. A decision asks for its reasons (and what is done) and goes on to the
//! next case. Moving over the list shows no content: what people wrote to each other is only looked at when a case is opened.

mod decision;
mod lines;

use std::time::Duration;

use futures::future::BoxFuture;
use marketplace_core::{
    base::{change::Change, permission::Permission},
    error::{Error, Result},
    events::Event,
    ids::CaseId,
    kyc::model::UNDO,
    page::{MAX_LIMIT, Page, PageRequest},
    records::target::TargetKind,
    reports::model::{ReportCase, ReportFilter, ReportStatus, ReportSummary, ReportTarget},
    staff::{
        self, AssignReport, AssignReportInput, ClaimNextReport, ClaimReport, Connection, EscalateReport, ListQuery,
        ListReports, ReleaseReport, ShowReport, SkipReport, SnoozeReport, SnoozeReportInput, UndoReport,
    },
    time::Timestamp,
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};
use uuid::Uuid;

use self::decision::{Asked, Last, SNOOZES, choices, snoozes};
use super::super::{
    browser::{
        Browser, Detailed, Target, WIDE,
        filter::{Typed, flag},
        listing::{Key, Listed, Lists},
        paged::Row,
    },
    component::{Farewell, Registered, Screen},
    ctx::{Confirmed, Ctx},
    jump::{Link, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    text,
    theme::Style,
    widgets::{
        columns::Column,
        form::{Filled, Form},
        rows,
    },
};

/// The columns of the list.
const COLUMNS: [Column; 7] = [
    Column::time("waits", 4),
    Column::new("status", 0),
    Column::new("about", 0),
    Column::text("of", 10, 1),
    Column::new("reports", 3),
    Column::text("reasons", 8, 1),
    Column::text("with", 6, 0),
];

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "reports", keys: "8", label: "reports", rank: 0, needs: None, help: "Reports" });

actions! {
    ACT, "act-on-report", "a", "act", 1, Some(Permission::ReportsWrite), "Act on what was reported; of an appeal: take the decision back";
    DISMISS, "dismiss-report", "x", "dismiss", 2, Some(Permission::ReportsWrite), "Leave it as it is; of an appeal: uphold the decision";
    NEXT, "next-report", "n", "next", 3, Some(Permission::ReportsWrite), "Give this case back, and claim and open the next one";
    SKIP, "skip-report", "s", "skip", 4, Some(Permission::ReportsWrite), "Put this case behind the others for yourself, and open the next one";
    UNDO_LAST, "undo-report", "u", "undo", 5, Some(Permission::ReportsWrite), "Take the latest decision back, with what it did, within 10 s";
    SNOOZE, "snooze-report", "S", "put off", 6, Some(Permission::ReportsWrite), "Put the case off for a while";
    MINE, "assign-report", "@", "take over", 0, Some(Permission::ReportsWrite), "Assign the case to yourself";
    ESCALATE, "escalate-report", "T", "escalate", 7, Some(Permission::ReportsWrite), "Have an admin decide; a note tells why";
}

impl Row for ReportSummary {
    type Id = CaseId;
    fn id(&self) -> CaseId {
        self.id
    }
}

impl Typed for ReportFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("status", ReportStatus::NAMES),
        ("target_kind", ReportTarget::NAMES),
        ("subject_id", &[]),
        ("assigned_to", &[]),
        ("claimed_by", &[]),
        ("snoozed", &["yes", "no"]),
        ("escalated", &["yes", "no"]),
    ];
    const COLLEAGUES: &'static [(&'static str, &'static str)] = &[("assigned_to", ""), ("claimed_by", "")];
    const FREE_TEXT: bool = false;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            "target_kind" => self.target_kind = Some(value.parse()?),
            "assigned_to" => self.assigned_to = Some(value.parse().map_err(|_| String::new())?),
            "claimed_by" => self.claimed_by = Some(value.parse().map_err(|_| String::new())?),
            "snoozed" | "escalated" if !matches!(value, "yes" | "no") => return Err(String::new()),
            "snoozed" => self.snoozed = value == "yes",
            "escalated" => self.escalated = value == "yes",
            _ => self.subject_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "target-kind", self.target_kind);
        flag(&mut flags, "subject-id", self.subject_id);
        flag(&mut flags, "assigned-to", self.assigned_to);
        flag(&mut flags, "claimed-by", self.claimed_by);
        for (is_asked, name) in [(self.snoozed, " --snoozed"), (self.escalated, " --escalated")] {
            flags.push_str(if is_asked { name } else { "" });
        }
        flags
    }
}

impl Listed for ReportSummary {
    type Filter = ReportFilter;
    const WHAT: &'static str = "reports";
    const DEFAULT: &'static str = "";
    fn list(api: Connection, filter: ReportFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListReports>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "waits" => Key::time(self.queued_at.or(self.closed_at).unwrap_or(self.opened_at)),
            "status" => Key::text(self.status.as_str()),
            "about" => Key::text(self.target_kind.as_str()),
            "of" => Key::text(&self.subject_name),
            "reports" => Key::Number(self.reports),
            "reasons" => Key::text(lines::reasons(self)),
            _ => Key::text(lines::with(self)),
        }
    }
}

impl Detailed for ReportSummary {
    type Detail = ReportCase;
    const ONE: &'static str = "report";
    const MANY: &'static str = "reports";
    fn by_id(id: Uuid) -> CaseId {
        CaseId(id)
    }
    fn show(api: Connection, id: CaseId) -> BoxFuture<'static, Result<ReportCase>> {
        Box::pin(async move { api.call::<ShowReport>(id, (), ()).await })
    }
    fn row(detail: &ReportCase) -> &Self {
        &detail.case
    }
    fn name(&self) -> String {
        format!("{} of {}", self.target_kind, self.subject_name)
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        format!("subject_id:{}", self.subject_id)
    }
}

/// The next case, claimed.
#[derive(Debug)]
struct Came(Result<Option<ReportCase>>);

/// A decision that can still be taken back.
#[derive(Debug, Clone)]
struct Sent {
    target: Target<CaseId>,
    until: Timestamp,
}

/// Reports.
#[derive(Default)]
pub struct Reports {
    browser: Browser<ReportSummary>,
    /// The next case, while it is claimed.
    next: Option<LoadId>,
    sent: Option<Sent>,
    last: Option<Last>,
    /// Whether cases were looked for that this person had begun elsewhere, or before.
    is_sought: bool,
}

impl Reports {
    /// Returns the open case, if it waits for a decision.
    fn open(&self) -> Option<&ReportSummary> {
        let detail = self.browser.detail.as_ref().filter(|_| self.browser.in_detail)?;
        Some(&detail.case).filter(|case| case.status.is_waiting())
    }

    /// Returns the open case, if it is claimed by this console's user and can be decided. Shows a notice otherwise.
    fn held(&self, ctx: &mut Ctx) -> Option<ReportSummary> {
        if self.browser.list.rows.marked_count() > 0 {
            ctx.refuse("each case of reports is decided for itself: Esc clears the marks");
            return None;
        }
        let Some(case) = self.open() else {
            ctx.refuse("open a case that waits first (Enter)");
            return None;
        };
        let now = ctx.now();
        match case.claim.as_ref().filter(|claim| now < claim.expires_at) {
            Some(claim) if claim.mine => Some(case.clone()),
            Some(claim) => {
                let left = text::countdown(claim.expires_at.since(now));
                ctx.refuse(format!("{} has this case for {left} more", text::clean(&claim.label)));
                None
            }
            None => {
                ctx.refuse("the claim on this case ended: Enter claims it again");
                None
            }
        }
    }

    fn target(case: &ReportSummary) -> Target<CaseId> {
        Target { id: case.id, name: case.name(), version: None }
    }

    /// Opens the row under the cursor: claims it where it can be claimed, and shows it only where it cannot.
    fn look(&mut self, action: Action, ctx: &mut Ctx) {
        let Some(row) = self.browser.subject().cloned() else { return };
        let claim = row.claim.as_ref().filter(|claim| ctx.now() < claim.expires_at);
        if self.open().is_some() && claim.is_some_and(|claim| claim.mine) {
            return;
        }
        let is_free = row.status.is_waiting() && claim.is_none_or(|claim| claim.mine);
        if is_free && ctx.may(Permission::ReportsWrite) && ctx.gate.check().is_ok() {
            self.browser.in_detail = true;
            self.browser.detail.take_if(|detail| detail.case.id != row.id);
            self.browser.change(&[Self::target(&row)], "Claim", "claimed", ctx, |api, id, _| {
                Box::pin(async move { api.call::<ClaimReport>(id, (), Change::default()).await })
            });
        } else if self.browser.in_detail && self.browser.detail.is_none() {
            self.browser.load(row.id, ctx);
        } else {
            self.browser.action(action, ctx);
        }
    }

    /// Gives the open case back.
    fn give_back(&self, ctx: &mut Ctx) {
        if let Some(id) =
            self.open().filter(|case| case.claim.as_ref().is_some_and(|claim| claim.mine)).map(|case| case.id)
        {
            // If this fails, the claim expires.
            ctx.detach(|api| async move { drop(api.call::<ReleaseReport>(id, (), Change::default()).await) });
        }
    }

    /// Claims and opens the next case.
    fn advance(&mut self, along: Along, ctx: &mut Ctx) {
        if self.next.is_some() {
            return;
        }
        // What was begun and given up comes first, unless another console of the same person may be at work on it.
        let seeks = ctx.options.alone && !std::mem::replace(&mut self.is_sought, true);
        let claim = |api: Connection| async move {
            if seeks && let Some(own) = begun(&api, along).await? {
                let own = api.call::<ClaimReport>(own, (), Change::default()).await?.item;
                if let Along::ReleaseAfter(id) = along {
                    // If this fails, the claim expires.
                    drop(api.call::<ReleaseReport>(id, (), Change::default()).await);
                }
                return Ok(Some(own));
            }
            if let Along::SkipFirst(id) = along {
                api.call::<SkipReport>(id, (), Change::default().into()).await?;
            }
            let next = api.call::<ClaimNextReport>((), (), Change::default()).await?;
            if let (Along::ReleaseAfter(id), Some(_)) = (along, &next) {
                // If this fails, the claim expires.
                drop(api.call::<ReleaseReport>(id, (), Change::default()).await);
            }
            Ok(next)
        };
        self.next = Some(ctx.act("", Came, claim));
    }

    fn arrived(&mut self, answer: Result<Option<ReportCase>>, ctx: &mut Ctx) {
        match answer {
            Ok(Some(next)) => {
                self.browser.list.rows.replace(&next.case);
                self.browser.list.rows.select(next.case.id);
                self.browser.detail = Some(next);
                self.browser.in_detail = true;
            }
            Ok(None) => {
                self.browser.in_detail = self.browser.detail.is_some();
                ctx.say("nothing else waits");
                self.browser.list.rows.refresh();
            }
            Err(error) => self.failed(&error, ctx),
        }
    }

    fn failed(&mut self, error: &Error, ctx: &mut Ctx) {
        self.browser.in_detail = false;
        ctx.fail_to_load("next case", error);
    }

    /// Opens the form of a decision.
    fn ask(&mut self, acts: bool, ctx: &mut Ctx) {
        let Some(case) = self.held(ctx) else { return };
        let asked = match (case.appealed, acts) {
            (false, true) => Asked::Act,
            (false, false) => Asked::Dismiss,
            (true, true) => Asked::Reverse,
            (true, false) => Asked::Uphold,
        };
        let mut form = Form::new(format!("{} · {}", asked.title(), text::clean(&case.name()))).line(asked.means());
        let letters = choices(asked, case.target_kind);
        if !letters.is_empty() {
            form = form.choices(letters, true);
        }
        let form = form.with_comment().with_note(None).about([case.id]).confirmed_by(asked.confirmation(), 1);
        ctx.ask(form, (asked, case));
    }

    /// Asks what is needed to move the open case in the queue.
    fn ask_to_move(&mut self, to: Moving, ctx: &mut Ctx) {
        let Some(case) = self.held(ctx) else { return };
        let name = text::clean(&case.name()).into_owned();
        let form = match to {
            Moving::Snooze => Form::new(format!("Put off · {name}")).choices(snoozes(), false),
            Moving::Escalate => {
                Form::new(format!("Escalate · {name}")).line("An admin decides from then on.").with_needed_note()
            }
        };
        ctx.ask(form.about([case.id]), (to, case));
    }

    fn decide(&mut self, asked: Asked, case: &ReportSummary, filled: Filled, ctx: &mut Ctx) {
        let fence = case.claim.as_ref().map(|claim| claim.fence);
        let last = Last::new(asked, case.target_kind, filled);
        if let Some(missing) = last.missing() {
            ctx.refuse(missing);
            return;
        }
        let request = last.clone();
        self.last = Some(last);
        let target = Self::target(case);
        if !asked.is_final() {
            self.sent = Some(Sent { target: target.clone(), until: ctx.now() + UNDO });
        }
        self.browser.change(&[target], asked.title(), asked.done(), ctx, move |api, id, _| {
            let request = request.clone();
            Box::pin(async move { request.send(&api, id, fence).await })
        });
        self.leave_to_next(case.id, ctx);
    }

    /// Takes a case that is dealt with from the list, and goes on.
    fn leave_to_next(&mut self, id: CaseId, ctx: &mut Ctx) {
        self.browser.list.rows.remove(id);
        self.browser.detail = None;
        self.advance(Along::Nothing, ctx);
    }

    fn skip(&mut self, ctx: &mut Ctx) {
        let Some(case) = self.held(ctx) else { return };
        self.browser.detail = None;
        self.advance(Along::SkipFirst(case.id), ctx);
    }

    fn take_over(&mut self, ctx: &mut Ctx) {
        let me = ctx.identity.as_ref().and_then(|identity| identity.principal.user_id());
        let (Some(case), Some(me)) = (self.open().cloned(), me) else {
            ctx.refuse("only people who are logged in can be assigned a case");
            return;
        };
        self.browser.change(&[Self::target(&case)], "Assign", "assigned to you", ctx, move |api, id, _| {
            let input = AssignReportInput::new(Some(me), Change::default());
            Box::pin(async move { api.call::<AssignReport>(id, (), input).await })
        });
    }

    fn undo(&mut self, ctx: &mut Ctx) {
        let now = ctx.now();
        let Some(sent) = self.sent.take_if(|sent| now < sent.until) else {
            ctx.refuse("nothing to undo: a decision can be taken back for 10 s");
            return;
        };
        self.give_back(ctx);
        let id = sent.target.id;
        self.browser.detail = None;
        self.browser.change(&[sent.target], "Take back", "taken back", ctx, |api, id, _| {
            Box::pin(async move { api.call::<UndoReport>(id, (), Change::default()).await })
        });
        self.browser.in_detail = true;
        self.browser.list.rows.refresh();
        self.browser.list.rows.select(id);
    }
}

/// What becomes of the open case when the next one is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Nothing,
    /// It is skipped before: the next one may be it again.
    SkipFirst(CaseId),
    /// It is given back once there is another.
    ReleaseAfter(CaseId),
}

/// Returns a case that the caller holds and that is not the open one.
async fn begun(api: &Connection, along: Along) -> Result<Option<CaseId>> {
    let open = match along {
        Along::Nothing => None,
        Along::SkipFirst(id) | Along::ReleaseAfter(id) => Some(id),
    };
    let filter = ReportFilter { status: Some(ReportStatus::InReview), ..ReportFilter::default() };
    let page = api.call::<ListReports>((), ListQuery::new(&filter, &PageRequest::first(MAX_LIMIT)), ()).await?;
    let is_mine = |case: &ReportSummary| case.claim.as_ref().is_some_and(|claim| claim.mine);
    Ok(page.items.iter().find(|case| is_mine(case) && Some(case.id) != open).map(|case| case.id))
}

/// What is asked about besides decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moving {
    Snooze,
    Escalate,
}

impl Registered for Reports {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "Reports",
        title: "reports",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[Action::GO_USER, Action::GO_THREADS, Action::GO_KYC],
        by_id: Some(("report", "open a report")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let to = |label: &str, target| vec![Link::new('p', label, HOME, target)];
        match (from.get("report"), from.get("user")) {
            (Some(case), _) => to("the reports", Subject::One(case.id)),
            (_, Some(user)) => to("reports about them", Subject::List(format!("subject_id:{}", user.id))),
            _ => Vec::new(),
        }
    }
}

impl Screen for Reports {
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            ACT => self.ask(true, ctx),
            DISMISS => self.ask(false, ctx),
            NEXT => {
                let mine = self.open().filter(|case| case.claim.as_ref().is_some_and(|claim| claim.mine));
                let along = mine.map_or(Along::Nothing, |case| Along::ReleaseAfter(case.id));
                self.advance(along, ctx);
            }
            SKIP => self.skip(ctx),
            UNDO_LAST => self.undo(ctx),
            SNOOZE => self.ask_to_move(Moving::Snooze, ctx),
            ESCALATE => self.ask_to_move(Moving::Escalate, ctx),
            MINE => self.take_over(ctx),
            Action::REPEAT => ctx.refuse("each case of reports is decided for itself"),
            Action::OPEN | Action::RIGHT => {
                self.look(action, ctx);
            }
            Action::BACK | Action::LEFT if self.browser.in_detail => {
                self.give_back(ctx);
                return self.browser.action(action, ctx);
            }
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        if self.next != Some(message.id()) {
            return self.browser.message(message, ctx);
        }
        self.next = None;
        match message.open::<Came>() {
            Ok((_, Came(answer))) => {
                self.arrived(answer, ctx);
                None
            }
            Err(other) => Some(other),
        }
    }

    fn go(&mut self, subject: &Subject, ctx: &mut Ctx) {
        match subject {
            Subject::Next => {
                self.browser.in_detail = self.open().is_some();
                if !self.browser.in_detail && ctx.may(Permission::ReportsWrite) && ctx.gate.check().is_ok() {
                    self.advance(Along::Nothing, ctx);
                }
            }
            other => self.browser.go(other, ctx),
        }
    }

    fn relations(&self) -> Relations {
        let Some(case) = self.browser.subject() else { return Relations::default() };
        let relations = Relations::of(case.id).with("user", case.subject_id.0, &case.subject_name);
        match case.thread_id {
            Some(thread) => relations.with("thread", thread.0, ""),
            None => relations,
        }
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.target_kind() == Some(TargetKind::Report) {
            self.browser.list.soon(ctx);
        }
    }

    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        let confirmed = match confirmed.open::<(Asked, ReportSummary)>() {
            Ok(((asked, case), filled)) => {
                self.decide(asked, &case, filled, ctx);
                return Ok(());
            }
            Err(other) => other,
        };
        let ((to, case), filled) = confirmed.open::<(Moving, ReportSummary)>()?;
        let change = Change { note: filled.note, ..Change::default() };
        match to {
            Moving::Escalate => {
                self.browser.change(&[Self::target(&case)], "Escalate", "escalated", ctx, move |api, id, _| {
                    let change = change.clone();
                    Box::pin(async move { api.call::<EscalateReport>(id, (), change.into()).await })
                });
            }
            Moving::Snooze => {
                let picked = filled.picked.first().and_then(|at| SNOOZES.get(*at));
                let Some((.., hours)) = picked else { return Ok(()) };
                // Without a time, it is taken up again.
                let until = (*hours > 0).then(|| ctx.now() + Duration::from_hours(*hours));
                self.browser.change(&[Self::target(&case)], "Put off", "put off", ctx, move |api, id, _| {
                    let input = SnoozeReportInput::new(until, change.clone());
                    Box::pin(async move { api.call::<SnoozeReport>(id, (), input).await })
                });
            }
        }
        self.leave_to_next(case.id, ctx);
        Ok(())
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let (list, detail) = if self.browser.in_detail { self.browser.panes(area) } else { (Some(area), None) };
        // Moving over the list loads nothing: see the module.
        self.browser.wide = self.browser.in_detail && area.width >= WIDE;
        let (now, exact, theme) = (ctx.now(), ctx.times, ctx.theme);
        if let Some(list) = list {
            let title = ("Reports", "Nothing waits. `/status:resolved` lists what was decided.");
            self.browser.draw_list(list, buf, ctx, title, &COLUMNS, |case| {
                let at = case.queued_at.or(case.closed_at).unwrap_or(case.opened_at);
                vec![
                    rows::time(theme, at, now, exact),
                    rows::short_state(theme, lines::status(case.status)),
                    Span::raw(case.target_kind.as_str()),
                    Span::raw(case.subject_name.clone()),
                    Span::raw(case.reports.to_string()),
                    Span::raw(lines::reasons(case)),
                    Span::styled(lines::with(case), theme.style(Style::Faint)),
                ]
            });
        }
        if let Some(detail) = detail {
            self.browser.draw_detail(detail, buf, ctx, |detail, width| lines::case(detail, ctx, width));
        }
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Style)> {
        let sent = self.sent.as_ref().filter(|sent| ctx.now() < sent.until);
        sent.map_or_else(
            || self.browser.marked("an action"),
            |sent| {
                let left = text::seconds_left(sent.until, ctx.now());
                Some((format!("decided: {} · u undo {left}s", text::clean(&sent.target.name)), Style::Good))
            },
        )
    }

    fn label(&self, action: Action) -> Option<&'static str> {
        let is_appealed = self.open().is_some_and(|case| case.appealed);
        match action {
            ACT if is_appealed => Some("take back"),
            DISMISS if is_appealed => Some("uphold"),
            _ => None,
        }
    }

    fn offers(&self, action: Action) -> bool {
        let open = self.open().is_some();
        match action {
            ACT | DISMISS | SKIP | SNOOZE | ESCALATE | MINE => open,
            UNDO_LAST => self.sent.is_some(),
            Action::OPEN | Action::MARK => !self.browser.in_detail && self.browser.subject().is_some(),
            Action::JUMP | Action::GO_USER | Action::GO_KYC => self.browser.subject().is_some(),
            Action::GO_THREADS => self.browser.subject().is_some_and(|case| case.thread_id.is_some()),
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        let flags = self.browser.list.bar.filter.flags();
        let mut lines = vec![format!("marketplace reports list{flags}")];
        if let Some(case) = self.browser.subject() {
            lines.push(format!("marketplace reports show {}", case.id));
        }
        if let (Some(last), [id, ..]) = (&self.last, self.browser.acted.as_slice()) {
            lines.push(last.command(*id));
        }
        lines
    }

    fn farewells(&self) -> Vec<Farewell> {
        let release = |id| -> Farewell {
            Box::new(move |api| {
                Box::pin(async move { drop(api.call::<ReleaseReport>(id, (), Change::default()).await) })
            })
        };
        let mine = self.open().filter(|case| case.claim.as_ref().is_some_and(|claim| claim.mine));
        mine.map(|case| release(case.id)).into_iter().collect()
    }
}

impl Last {
    async fn send(
        self,
        api: &Connection,
        id: CaseId,
        fence: Option<i64>,
    ) -> Result<marketplace_core::base::change::Changed<ReportCase>> {
        let change = Change { note: self.note.clone(), ..Change::default() };
        match self.request(fence) {
            decision::Request::Reports(deciding) => staff::decide_reports(api, id, deciding, change).await,
            decision::Request::Appeal(verdict) => staff::decide_appeal(api, id, verdict, change).await,
        }
    }
}
