//! Identity checks: the queue beside the case, decisions, and prefetching of the next case.

mod case;
mod decide;
mod decision;
mod draw;
mod open;
mod queue;
mod triage;

pub use open::Seek;

use marketplace_core::records::target::TargetKind;
use marketplace_core::staff::{ReleaseAttempt, ShowAttempt, ShowUser};
use std::any::Any;

use marketplace_core::{
    accounts::summary::UserSummary,
    base::{
        change::{Change, Changed},
        permission::Permission,
    },
    error::Result,
    events::{Event, EventKind},
    ids::{AttemptId, UserId},
    kyc::{
        model::{DecisionKind, KycCase, KycSummary},
        status::KycStatus,
    },
    presence::Viewed,
    time::Timestamp,
    users::model::{PersonalData, UserDetail},
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use self::{
    case::OpenCase,
    decision::{Batch, Cases, Last, SentDecision, verbs},
};
use super::super::{
    browser::{
        filter::Typed,
        listing::{Listing, Lists, copies},
    },
    bulk::Bulk,
    component::{Farewell, Registered, Screen, Sight},
    ctx::{Confirmed, Ctx},
    jump::{Link, Relations, Subject},
    keymap::{Action, Rows, ScreenInfo, Spec, actions},
    message::{LoadId, Message},
    text,
    theme::Style,
};

/// The action that leads here.
pub const HOME: Action =
    Action::new(&Spec { name: "kyc", keys: "2", label: "KYC", rank: 0, needs: None, help: "KYC queue" });

actions! {
    APPROVE, "approve", "a", "approve", 1, Some(Permission::KycWrite), "Approve the open case (or the marked ones)";
    RETRY, "retry", "t", "ask again", 2, Some(Permission::KycWrite), "Ask for another attempt: reasons, comment";
    REJECT, "reject", "x", "reject", 3, Some(Permission::KycWrite), "Reject for good: reasons, comment";
    NEXT, "next", "n s", "next", 4, Some(Permission::KycWrite), "Skip: claim and open the next case; this one comes again after all others";
    UNDO, "undo", "u", "undo", 5, Some(Permission::KycWrite), "Take the latest decision back, or the latest batch of them, within 10 s";
    SNOOZE, "snooze", "S", "snooze", 0, Some(Permission::KycWrite), "Set the case (or the marked ones) aside until a time";
    ASSIGN, "assign", "@", "assign", 0, Some(Permission::KycWrite), "Give the case (or the marked ones) to a colleague, or back to everybody";
    ESCALATE, "escalate", "T", "escalate", 0, Some(Permission::KycWrite), "Pass the case (or the marked ones) up to the admins, with a note";
    REVOKE, "revoke", "v", "revoke", 0, Some(Permission::KycWrite), "Take an approval back: reasons, comment";
}

/// The pictures that are visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zoom {
    /// Side by side, with the text below.
    #[default]
    Both,
    /// The document alone.
    Document,
    /// The selfie alone.
    Selfie,
}

/// A result.
enum Came {
    /// The user whose identity checks were requested.
    Whose(Result<UserDetail>),
    /// A requested case.
    Case(Result<KycCase>),
    /// The case after the open one.
    Next(Result<case::Next>),
    /// A claim that was renewed.
    Renewed(Result<Changed<KycCase>>),
    /// The result of a decision.
    Decided(Result<Changed<KycCase>>),
    /// Those who may be given a case.
    Reviewers(Result<Vec<UserSummary>>),
    /// The result of a snooze, an assignment or an escalation.
    SetAside(Result<Changed<KycCase>>),
    /// The result of an undo.
    Undone(Result<Changed<KycCase>>),
    /// The open case, because something changed about it.
    Watched(Result<KycCase>),
    /// The person's data.
    Revealed(Result<PersonalData>),
    /// A file was opened in the desktop's viewer.
    Opened(Result<String>),
}

/// Identity checks.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Kyc {
    list: Listing<KycSummary>,
    open: Option<OpenCase>,
    opening: Option<(LoadId, AttemptId, Timestamp, bool)>,
    next: Option<OpenCase>,
    fetching: Option<(LoadId, Timestamp)>,
    /// Whether the next case is shown as soon as it arrives.
    want_next: bool,
    sent: Vec<SentDecision>,
    undoing: Vec<(LoadId, OpenCase)>,
    /// Cases that are being set aside, given to somebody, or escalated.
    aside: Vec<(LoadId, OpenCase)>,
    /// Cases that are to be given to one of the colleagues whose names are loading.
    assigning: Option<(LoadId, String, Cases)>,
    batch: Option<Batch>,
    /// Cases that were skipped, in this order: they come again once every other case has come.
    skipped: Vec<AttemptId>,
    /// Whether no claim of an earlier console is left to be taken up.
    orphans_sought: bool,
    watching: Option<LoadId>,
    /// The case that the last frame showed.
    drawn: Option<AttemptId>,
    renewing: Vec<LoadId>,
    active_at: Option<Timestamp>,
    renewed_at: Option<Timestamp>,
    /// The end of the claim that was told of.
    warned: Option<Timestamp>,
    reveal_load: Option<(LoadId, AttemptId)>,
    whose: Option<LoadId>,
    opened: Option<LoadId>,
    last: Option<Last>,
    /// Whether the case has the focus; on a narrow terminal it then has the whole screen.
    in_case: bool,
    /// Whether a jump led to the case, so that going back leaves it.
    arrived: bool,
    wide: bool,
    zoom: Zoom,
    scroll: usize,
    shown_rows: (usize, usize),
}

impl Kyc {
    /// Returns the attempts that are claimed by this console.
    fn claims(&self) -> Vec<AttemptId> {
        [&self.open, &self.next]
            .into_iter()
            .flatten()
            .filter(|open| open.case.attempt.claim.as_ref().is_some_and(|claim| claim.mine))
            .map(OpenCase::id)
            .collect()
    }

    /// Returns whether the queue shows open cases, and therefore loses decided ones.
    fn shows_open(&self) -> bool {
        self.list.bar.filter.status.is_none_or(KycStatus::is_open)
    }

    fn pan(&mut self, action: Action) -> bool {
        self.zoomed().is_some_and(|file| file.shown.pan(action))
    }

    /// Returns the picture that keys apply to: the enlarged one, otherwise the document.
    fn zoomed(&mut self) -> Option<&mut case::CaseFile> {
        let at = usize::from(self.zoom == Zoom::Selfie);
        self.open.as_mut()?.files.get_mut(at)
    }

    fn scroll(&mut self, action: Action) -> bool {
        let last = self.shown_rows.1.saturating_sub(self.shown_rows.0);
        let half = (self.shown_rows.0 / 2).max(1);
        self.scroll = match action {
            Action::DOWN => self.scroll + 1,
            Action::UP => self.scroll.saturating_sub(1),
            Action::PAGE_DOWN => self.scroll + half,
            Action::PAGE_UP => self.scroll.saturating_sub(half),
            Action::TOP => 0,
            Action::BOTTOM => last,
            _ => return false,
        }
        .min(last);
        true
    }

    fn looks(&mut self, action: Action) -> bool {
        match action {
            Action::ZOOM => {
                self.zoom = match self.zoom {
                    Zoom::Both => Zoom::Document,
                    Zoom::Document => Zoom::Selfie,
                    Zoom::Selfie => Zoom::Both,
                };
                self.in_case |= self.open.is_some();
            }
            _ => return self.zoomed().is_some_and(|file| file.shown.looks(action)),
        }
        true
    }

    /// Returns the attempt that keys apply to: the open one, or the one under the cursor.
    fn subject(&self) -> Option<&KycSummary> {
        match (&self.open, self.in_case) {
            (Some(open), true) => Some(&open.case.attempt),
            _ => self.list.rows.selected(),
        }
    }

    /// Handles the state of a user's identity checks: open cases are listed without a status, anything else has to be
    /// requested.
    fn whose_came(&mut self, answer: Result<UserDetail>, ctx: &mut Ctx) {
        match answer {
            Ok(detail) if detail.user.kyc_status == KycStatus::None => ctx.say("no identity check so far"),
            Ok(detail) if detail.user.kyc_status.is_open() => {}
            Ok(detail) => {
                let words = format!("status:{} user_id:{}", detail.user.kyc_status, detail.user.id);
                self.list.start_at(&words, ctx);
            }
            Err(error) => ctx.fail("user", &error),
        }
    }
}

impl Registered for Kyc {
    const INFO: &'static ScreenInfo = &ScreenInfo {
        home: HOME,
        tab: "KYC",
        title: "identity checks",
        rows: Rows::Marked,
        own: ACTIONS,
        chosen: &[
            Action::REVEAL,
            Action::GO_USER,
            Action::ZOOM,
            Action::ROTATE,
            Action::ZOOM_IN,
            Action::ZOOM_OUT,
            Action::OUTSIDE,
        ],
        by_id: Some(("case", "open an identity check")),
    };
    fn links(from: &Relations) -> Vec<Link> {
        let to = |label: String, target| vec![Link::new('k', label, HOME, target)];
        match (from.get("attempt"), from.person()) {
            (Some(attempt), _) => to("the identity check".into(), Subject::One(attempt.id)),
            (_, Some((id, whose))) => to(format!("{whose} identity checks"), Subject::Of(id)),
            _ => Vec::new(),
        }
    }
}

impl Screen for Kyc {
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        self.active_at = Some(ctx.now());
        if self.in_case && self.pan(action) || self.looks(action) || copies(self.subject(), action, ctx) {
            return true;
        }
        match action {
            Action::FILTER => {
                self.in_case = false;
                return self.list.action(action, ctx);
            }
            Action::OPEN => self.open_selected(ctx),
            Action::RIGHT => self.in_case = self.open.is_some(),
            Action::LEFT => self.in_case = false,
            Action::FOCUS => self.in_case = !self.in_case && self.open.is_some(),
            Action::BACK => {
                if self.zoom != Zoom::Both && self.in_case {
                    self.zoom = Zoom::Both;
                } else if self.in_case
                    || (self.open.is_some() && self.list.rows.marked_count() == 0 && self.list.at_base())
                {
                    self.close(ctx);
                    // The same key goes back from a case that a jump led to.
                    return !std::mem::take(&mut self.arrived);
                } else {
                    return self.list.back(ctx);
                }
            }
            NEXT => self.skip(ctx),
            APPROVE => self.approve(ctx),
            RETRY => self.ask(DecisionKind::Retry, ctx),
            REJECT => self.ask(DecisionKind::Reject, ctx),
            REVOKE => self.ask(DecisionKind::Revoke, ctx),
            UNDO => self.undo(ctx),
            SNOOZE | ASSIGN | ESCALATE => self.set_aside(action, ctx),
            Action::REPEAT => self.repeat(ctx),
            Action::OUTSIDE => self.open_outside(ctx),
            Action::REVEAL => self.reveal(ctx),
            Action::MARK | Action::MARK_RANGE | Action::MARK_ALL => return self.list.action(action, ctx),
            _ if self.in_case => return self.scroll(action),
            _ => return self.list.action(action, ctx),
        }
        true
    }

    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.list)
    }
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        self.in_case &= !self.list.set(words, ctx);
    }

    fn relations(&self) -> Relations {
        let Some(row) = self.subject() else { return Relations::default() };
        Relations::of(row.id).with("user", row.user_id.0, &row.name)
    }
    fn go(&mut self, subject: &Subject, ctx: &mut Ctx) {
        match subject {
            Subject::One(id) => {
                self.arrived = true;
                self.look(AttemptId(*id), ctx);
            }
            Subject::Of(id) => {
                let id = UserId(*id);
                self.in_case = false;
                self.list.start_at(&format!("user_id:{id}"), ctx);
                self.whose = Some(ctx.load(Came::Whose, |api| async move { api.call::<ShowUser>(id, (), ()).await }));
            }
            Subject::List(words) => {
                self.in_case = false;
                self.list.start_at(words, ctx);
            }
            Subject::Next => {
                self.in_case = self.open.is_some();
                if !self.in_case && ctx.may(Permission::KycWrite) && ctx.gate.check().is_ok() {
                    self.advance(ctx);
                }
            }
        }
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new((std::mem::take(&mut self.list), std::mem::take(&mut self.in_case), std::mem::take(&mut self.arrived)))
    }
    fn restore(&mut self, stashed: Box<dyn Any>, _ctx: &mut Ctx) {
        if let Ok(stashed) = stashed.downcast() {
            (self.list, self.in_case, self.arrived) = *stashed;
            self.in_case &= self.open.is_some();
            self.list.resume();
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let message = match self.list.take(message, ctx) {
            Ok(page) => {
                // The cursor stays with the case that is being worked on.
                if page
                    && self.in_case
                    && let Some(open) = &self.open
                {
                    self.list.rows.select(open.id());
                }
                return None;
            }
            Err(message) => message,
        };
        match message.open() {
            Ok((id, Came::Whose(answer))) => {
                if self.whose.take_if(|load| *load == id).is_some() {
                    self.whose_came(answer, ctx);
                }
            }
            Ok((id, Came::Case(answer))) => self.case_came(id, answer, ctx),
            Ok((id, Came::Next(answer))) => self.next_came(id, answer, ctx),
            Ok((id, Came::Renewed(answer))) => self.renewed(id, answer, ctx),
            Ok((id, Came::Decided(answer))) => self.decided(id, answer, ctx),
            Ok((id, Came::Reviewers(answer))) => self.reviewers_came(id, answer, ctx),
            Ok((id, Came::SetAside(answer))) => self.set_aside_came(id, answer, ctx),
            Ok((id, Came::Undone(answer))) => self.undone(id, answer, ctx),
            Ok((id, Came::Watched(answer))) => self.watched(id, answer, ctx),
            Ok((id, Came::Revealed(answer))) => self.revealed(id, answer, ctx),
            Ok((id, Came::Opened(answer))) => {
                if self.opened.take_if(|load| *load == id).is_some() {
                    match answer {
                        Ok(said) => ctx.say(said),
                        Err(error) => ctx.fail("open outside", &error),
                    }
                }
            }
            Err(other) => {
                let sent = self.sent.iter_mut().map(|sent| &mut sent.open);
                let cases = [&mut self.open, &mut self.next].into_iter().flatten().chain(sent);
                let mut message = other;
                for case in cases {
                    message = case.message(message, ctx)?;
                }
                return Some(message);
            }
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.target_kind() == Some(TargetKind::Attempt) {
            self.list.soon(ctx);
        }
        if let Some(open) = &mut self.open {
            let id = open.id();
            // Nobody but ourselves claims and releases what is ours; looking would renew the claim.
            let ours = open.fence(ctx.now()).is_some() && matches!(event.kind.known(), Some(EventKind::KycClaimed));
            if ours {
                return;
            }
            if event.target == id.to_string() || event.user_id == Some(open.case.attempt.user_id) {
                open.presence.soon();
                self.watching =
                    Some(ctx.load(Came::Watched, |api| async move { api.call::<ShowAttempt>(id, (), ()).await }));
            }
        }
    }
    fn pictures_changed(&mut self) {
        for open in [&mut self.open, &mut self.next].into_iter().flatten() {
            open.draw_again();
        }
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        // A claim may have been granted while the connection was lost.
        self.orphans_sought = false;
        self.list.reload(ctx);
    }
    fn bulk_ended(&mut self, bulk: &Bulk, ctx: &mut Ctx) {
        if let Some(batch) = &mut self.batch {
            batch.ended(bulk, ctx.now());
        }
        self.batch.take_if(|batch| batch.until.is_none());
        self.list.bulk_ended(bulk, ctx);
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        match confirmed.open() {
            Ok((intent, filled)) => self.go_ahead(intent, filled, ctx),
            Err(other) => {
                let (intent, filled) = other.open()?;
                self.put_aside(intent, filled, ctx);
            }
        }
        Ok(())
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        self.sent.retain(|sent| sent.load.is_some() || sent.until.is_some_and(|until| now < until));
        self.batch.take_if(|batch| batch.until.is_some_and(|until| now >= until));
        if let Some(open) = &mut self.open {
            if open.revealed.as_ref().is_some_and(|(_, until)| now >= *until) {
                open.revealed = None;
                ctx.dirty = true;
            }
            open.render(ctx);
            let of = [open.id().to_string(), open.case.attempt.user_id.to_string()];
            open.presence.tick(Some(Viewed::Attempt(open.id())), &of, visible, ctx);
        }
        self.keep_claims(ctx);
        self.warn_of_end(ctx);
        self.list.tick(visible, ctx);
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        match self.list.rows.click(at) {
            Some(true) => self.open_selected(ctx),
            Some(false) => self.in_case = false,
            None => self.in_case = self.open.is_some(),
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.draw_all(area, buf, ctx);
    }
    fn status(&self, ctx: &Ctx) -> Option<(String, Style)> {
        let marked = self.list.marked("a decision");
        if marked.is_some() {
            return marked;
        }
        if let Some((batch, until)) = self.undoable_batch(ctx.now()) {
            let (key, left) = (ctx.keymap.key(UNDO), text::seconds_left(until, ctx.now()));
            let (_, done) = verbs(batch.kind);
            let text = format!("{done} {} cases · {key} takes all of them back, {left}s", batch.cases.len());
            return Some((text, Style::Accent));
        }
        let sent = self.sent.last()?;
        let (doing, done) = verbs(sent.kind);
        let name = text::clean(sent.open.name());
        match sent.until {
            None => Some((format!("{doing} {name}…"), Style::Faint)),
            Some(until) => {
                let key = ctx.keymap.key(UNDO);
                Some((format!("{done} {name} · {key} undo {}s", text::seconds_left(until, ctx.now())), Style::Accent))
            }
        }
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.list.rows.marked_count() > 0;
        let status = self.open.as_ref().map(|open| open.case.attempt.status);
        match action {
            APPROVE | RETRY | REJECT => many || status.is_some_and(KycStatus::is_open),
            SNOOZE | ASSIGN | ESCALATE => many || self.subject().is_some_and(|row| row.status.is_open()),
            REVOKE => status == Some(KycStatus::Approved),
            UNDO => !self.sent.is_empty() || self.batch.is_some(),
            Action::ZOOM | Action::ROTATE | Action::OUTSIDE | Action::REVEAL => self.open.is_some(),
            Action::OPEN | Action::MARK => !self.in_case && !self.list.rows.is_empty(),
            Action::GO_USER | Action::GO_AUDIT => self.subject().is_some(),
            _ => true,
        }
    }

    fn sight(&self, act: Action) -> Option<Sight> {
        let by_sight = matches!(act, APPROVE | RETRY | REJECT | REVOKE | Action::REPEAT);
        let open = self.open.as_ref().filter(|_| by_sight && self.list.rows.marked_count() == 0)?;
        let missing = if self.drawn != Some(open.id()) {
            Some("this case is not on the screen: open it first, nothing was decided")
        } else if open.files.iter().any(|file| !file.shown.seen) {
            Some("its pictures are not all on the screen: nothing was decided")
        } else {
            None
        };
        Some(Sight { subject: format!("{} {}", open.id(), open.case.attempt.status), missing })
    }
    fn ready(&self) -> bool {
        self.opening.is_none()
    }
    fn acts_on_sight(&self) -> Option<Action> {
        Some(APPROVE)
    }

    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!("marketplace kyc list{}", self.list.bar.filter.flags())];
        if let Some(row) = self.subject() {
            lines.push(format!("marketplace kyc show {}", row.id));
        }
        if let (Some(last), Some(row)) = (&self.last, self.subject()) {
            lines.push(format!("{} --dry-run", last.command(row.id)));
        }
        lines
    }

    fn farewells(&self) -> Vec<Farewell> {
        let release = |id| -> Farewell {
            Box::new(move |api| {
                Box::pin(async move { drop(api.call::<ReleaseAttempt>(id, (), Change::default()).await) })
            })
        };
        self.claims().into_iter().map(release).collect()
    }
}
