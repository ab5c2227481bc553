//! Reports: the queue, one case with all that is needed to decide, and the decisions.
//!
//! Opening a case claims it, and leaving it gives it back. A decision asks for its reasons (and what is done) and goes on to the
//! next case. Moving over the list shows no content: what people wrote to each other is only looked at when a case is opened.

mod decision;
mod lines;
mod list;
mod queue;

use std::time::Duration;

use marketplace_core::{
    base::{change::Change, permission::Permission},
    error::{Error, Result},
    events::Event,
    ids::{CaseId, PhotoId, ServiceId},
    kyc::model::UNDO,
    presence::Viewed,
    records::target::TargetKind,
    reports::model::{ReportCase, ReportSummary, ReportTarget},
    staff::{
        AssignReport, AssignReportInput, ClaimNextReport, ClaimReport, Connection, EscalateReport, ReleaseReport,
        SkipReport, SnoozeReport, SnoozeReportInput, UndoReport,
    },
    time::Timestamp,
};
use ratatui::{buffer::Buffer, layout::Rect, text::Span};

use self::{
    decision::{Asked, Last, PHOTO_KEY, SNOOZES, choices, snoozes},
    list::COLUMNS,
    queue::{Along, begun},
};
use super::{
    super::{
        browser::{Browser, Detailed, Target, WIDE, filter::Typed as _, listing::Lists},
        component::{Farewell, Registered, Screen},
        ctx::{Confirmed, Ctx},
        jump::{Link, Relations, Subject},
        keymap::{Action, Rows, ScreenInfo, Spec, actions},
        message::{LoadId, Message},
        presence::Presence,
        text,
        theme::Style,
        widgets::{
            form::{Filled, Form},
            rows,
        },
    },
    photos::{self, Photos},
};

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
    /// The photos of the service that the open case is about.
    photos: Photos,
    /// Who else is at work on the open case.
    presence: Presence,
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
        let mut form = Form::new(format!("{} · {}", asked.title(), text::clean(&case.name())));
        let seen = self.photos.seen(ctx);
        // What is decided about comes before what it means: it is read last where there is little room.
        if asked == Asked::Act && self.photos.current().is_some() {
            form = form.line(match &seen {
                Ok(_) => format!("{PHOTO_KEY} removes {}", self.photos.said()),
                Err(why) => format!("No photo can be removed: {why}"),
            });
        }
        form = form.line(asked.means());
        let photo = seen.ok().map(|photo| photo.id);
        if let Some(photo) = photo {
            form = form.bound(PHOTO_KEY, photo);
        }
        let place = self.photos.place();
        let letters = choices(asked, case.target_kind, photo.map(|photo| (photo, place.as_str())));
        if !letters.is_empty() {
            // What the reports say is usually why: it need not be said again.
            let said = case.reasons.as_slice();
            let picked = decision::reported(asked, said);
            form = form.choices(letters, true).with_picked(picked.as_slice());
        }
        let about = (case.target_kind, photo);
        let form = form.with_comment().with_note(None).about([case.id]).confirmed_by(asked.confirmation(), 1);
        let form = form.checked_by(move |filled| Last::check(asked, about, filled));
        ctx.ask(form, (asked, case, photo));
    }

    /// Keeps the photos those that were reported with the open case.
    fn follow(&mut self) {
        let open = self.browser.detail.as_ref().filter(|_| self.browser.in_detail);
        let Some(detail) = open.filter(|detail| detail.case.target_kind == ReportTarget::Service) else {
            return self.photos.none();
        };
        let contents = detail.reports.iter().rev().filter_map(|report| report.content.as_ref());
        let kept = contents.map(|content| content.photos.as_slice()).find(|photos| !photos.is_empty());
        self.photos.of(ServiceId(detail.case.target_id), kept.unwrap_or_default());
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

    fn decide(
        &mut self,
        asked: Asked,
        (case, photo): (&ReportSummary, Option<PhotoId>),
        filled: Filled,
        ctx: &mut Ctx,
    ) {
        let fence = case.claim.as_ref().map(|claim| claim.fence);
        let last = Last::new(asked, (case.target_kind, photo), filled);
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
        self.advance(Along::Done(id), ctx);
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
        chosen: &[
            Action::GO_USER,
            Action::GO_THREADS,
            Action::GO_KYC,
            Action::ZOOM,
            Action::ROTATE,
            Action::ZOOM_IN,
            Action::ZOOM_OUT,
            Action::PHOTO_NEXT,
            Action::PHOTO_BACK,
            Action::OUTSIDE,
        ],
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
        if self.photos.action(action, ctx) {
            return true;
        }
        match action {
            Action::BACK if self.photos.back() => {}
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
        let message = self.photos.message(message, ctx)?;
        let message = self.presence.message(message, ctx)?;
        if self.next != Some(message.id()) {
            let left = self.browser.message(message, ctx);
            self.follow();
            return left;
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

    fn pictures_changed(&mut self) {
        self.photos.draw_again();
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        self.browser.tick(visible, ctx);
        self.follow();
        self.photos.tick(visible, ctx);
        let open = self.browser.detail.as_ref().filter(|_| self.browser.in_detail).map(|detail| detail.case.id);
        let logged = open.map(|id| id.to_string());
        self.presence.tick(open.map(Viewed::Report), logged.as_slice(), visible, ctx);
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
        let confirmed = match confirmed.open::<(Asked, ReportSummary, Option<PhotoId>)>() {
            Ok(((asked, case, photo), filled)) => {
                self.decide(asked, (&case, photo), filled, ctx);
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
        self.photos.begin_frame(self.browser.in_detail);
        let (list, detail) = match (self.browser.in_detail, self.photos.large) {
            (true, true) => (None, Some(area)),
            (true, false) => self.browser.panes(area),
            (false, _) => (Some(area), None),
        };
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
            let photos = &self.photos;
            let split = |inner| photos.split(inner);
            let others = self.presence.lines(ctx);
            let text = |detail: &ReportCase, width| {
                let mut lines = lines::case(detail, ctx, width);
                lines.splice(0..0, others.clone());
                lines
            };
            if let Some(place) = self.browser.draw_detail_beside(detail, buf, ctx, split, text) {
                self.photos.draw(place, buf, ctx);
            }
        }
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Style)> {
        let sent = self.sent.as_ref().filter(|sent| ctx.now() < sent.until);
        sent.map(|sent| {
            let left = text::seconds_left(sent.until, ctx.now());
            (format!("decided: {} · u undo {left}s", text::clean(&sent.target.name)), Style::Good)
        })
    }

    fn why_not(&self, action: Action, _ctx: &Ctx) -> Option<String> {
        let marks = matches!(action, Action::MARK | Action::MARK_RANGE | Action::MARK_ALL);
        marks.then(|| "no marks here: each case of reports is decided for itself".into())
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
            other if photos::ACTIONS.contains(&other) => self.photos.current().is_some(),
            Action::OPEN => !self.browser.in_detail && self.browser.subject().is_some(),
            Action::MARK => false,
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
