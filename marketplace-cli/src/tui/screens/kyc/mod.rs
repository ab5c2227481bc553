//! Identity checks: the queue beside the case, decisions, and the next case at hand before it is asked for.

mod case;
mod decide;
mod draw;
mod open;

use std::{any::Any, sync::Arc};

use futures::future::BoxFuture;
use marketplace_core::{
    admin::AdminApi,
    error::Result,
    events::Event,
    ids::AttemptId,
    kyc::{
        model::{DecisionKind, KycFilter, KycReason, KycSummary},
        status::KycStatus,
    },
    page::{Page, PageRequest},
    time::Timestamp,
    users::model::UserDetail,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use self::case::OpenCase;
use super::super::{
    bulk::Bulk,
    component::Screen,
    ctx::Ctx,
    filter::Typed,
    jump::{Links, Place},
    keymap::{Action, on},
    listing::{Answer, Listed, Listing, Lists, copies},
    message::{LoadId, Message},
    paged::Row,
    text,
    theme::Ink,
    widgets::form::Filled,
};

impl Row for KycSummary {
    type Id = AttemptId;
    fn id(&self) -> AttemptId {
        self.id
    }
}

impl Listed for KycSummary {
    type Filter = KycFilter;
    const WHAT: &'static str = "KYC queue";
    fn list(api: Arc<dyn AdminApi>, filter: KycFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.kyc_list(&filter, &page).await })
    }
    fn wrap(answer: Answer<Self>) -> Message {
        Message::KycRows(answer)
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
}

/// Which pictures are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zoom {
    /// Side by side, with what is known below.
    #[default]
    Both,
    /// The document alone.
    Document,
    /// The selfie alone.
    Selfie,
}

/// A decision that was sent, as long as it can be undone.
#[derive(Debug)]
struct Made {
    load: Option<LoadId>,
    kind: DecisionKind,
    open: OpenCase,
    until: Option<Timestamp>,
    undo: bool,
}

/// The latest decision's words, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    kind: DecisionKind,
    reasons: Vec<KycReason>,
    comment: Option<String>,
    note: Option<String>,
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
    /// The next case goes on the screen as soon as it is there.
    want_next: bool,
    made: Vec<Made>,
    undoing: Vec<(LoadId, OpenCase)>,
    renewing: Vec<LoadId>,
    active_at: Option<Timestamp>,
    renewed_at: Option<Timestamp>,
    reveal_load: Option<(LoadId, AttemptId)>,
    whose: Option<LoadId>,
    opened: Option<LoadId>,
    last: Option<Last>,
    /// The case has the keys; on a narrow terminal it has the whole screen.
    in_case: bool,
    /// A jump led to the case, so that going back leads away from it.
    arrived: bool,
    wide: bool,
    zoom: Zoom,
    scroll: usize,
    shown_rows: (usize, usize),
}

impl Kyc {
    /// The attempts that are claimed by this console.
    pub fn claims(&self) -> Vec<AttemptId> {
        [&self.open, &self.next]
            .into_iter()
            .flatten()
            .filter(|open| open.case.attempt.claim.as_ref().is_some_and(|claim| claim.mine))
            .map(OpenCase::id)
            .collect()
    }

    /// Whether the queue shows what waits, and so loses what is decided.
    fn shows_open(&self) -> bool {
        self.list.bar.filter.status.is_none_or(KycStatus::is_open)
    }

    fn pan(&mut self, action: Action) -> bool {
        let (dx, dy) = match action {
            Action::Left => (-1, 0),
            Action::Right => (1, 0),
            Action::Up => (0, -1),
            Action::Down => (0, 1),
            _ => return false,
        };
        let Some(face) = self.zoomed() else { return false };
        if face.view.scale > 1 {
            face.view.pan(dx, dy);
            return true;
        }
        false
    }

    /// The picture that keys are about: the one that is large, else the document.
    fn zoomed(&mut self) -> Option<&mut case::Face> {
        let at = usize::from(self.zoom == Zoom::Selfie);
        self.open.as_mut()?.faces.get_mut(at)
    }

    fn scroll(&mut self, action: Action) -> bool {
        let last = self.shown_rows.1.saturating_sub(self.shown_rows.0);
        let half = (self.shown_rows.0 / 2).max(1);
        self.scroll = match action {
            Action::Down => self.scroll + 1,
            Action::Up => self.scroll.saturating_sub(1),
            Action::PageDown => self.scroll + half,
            Action::PageUp => self.scroll.saturating_sub(half),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        }
        .min(last);
        true
    }

    fn looks(&mut self, action: Action) -> bool {
        match action {
            Action::Zoom => {
                self.zoom = match self.zoom {
                    Zoom::Both => Zoom::Document,
                    Zoom::Document => Zoom::Selfie,
                    Zoom::Selfie => Zoom::Both,
                };
                self.in_case |= self.open.is_some();
            }
            Action::Rotate | Action::ZoomIn | Action::ZoomOut => {
                if let Some(face) = self.zoomed() {
                    match action {
                        Action::Rotate => face.view.turn(),
                        Action::ZoomIn => face.view.closer(),
                        _ => face.view.farther(),
                    }
                }
            }
            _ => return false,
        }
        true
    }

    /// The attempt that keys are about: the open one, or the one under the cursor.
    fn subject(&self) -> Option<&KycSummary> {
        match (&self.open, self.in_case) {
            (Some(open), true) => Some(&open.case.attempt),
            _ => self.list.rows.selected(),
        }
    }

    /// The state of a user's identity checks is known now: what waits is listed without a status, anything else has to be
    /// asked for.
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

impl Screen for Kyc {
    fn on(&self) -> u8 {
        on::KYC
    }
    fn home(&self) -> Action {
        Action::Kyc
    }
    fn name(&self) -> &'static str {
        "identity checks"
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        self.active_at = Some(ctx.now());
        if self.in_case && self.pan(action) || self.looks(action) || copies(self.subject(), action, ctx) {
            return true;
        }
        match action {
            Action::Filter => {
                self.in_case = false;
                return self.list.action(action, ctx);
            }
            Action::Open => self.open_selected(ctx),
            Action::Right => self.in_case = self.open.is_some(),
            Action::Left => self.in_case = false,
            Action::Focus => self.in_case = !self.in_case && self.open.is_some(),
            Action::Back => {
                if self.zoom != Zoom::Both && self.in_case {
                    self.zoom = Zoom::Both;
                } else if self.in_case
                    || (self.open.is_some() && self.list.rows.marked_count() == 0 && self.list.at_base())
                {
                    self.close(ctx);
                    // A jump that led to this case leads away from it with the same key.
                    return !std::mem::take(&mut self.arrived);
                } else {
                    return self.list.back(ctx);
                }
            }
            Action::Next => self.skip(ctx),
            Action::Approve => self.approve(ctx),
            Action::Retry => self.ask(DecisionKind::Retry, ctx),
            Action::Reject => self.ask(DecisionKind::Reject, ctx),
            Action::Revoke => self.ask(DecisionKind::Revoke, ctx),
            Action::Undo => self.undo(ctx),
            Action::Repeat => self.repeat(ctx),
            Action::Outside => self.open_outside(ctx),
            Action::Reveal => self.reveal(ctx),
            Action::Mark | Action::MarkRange | Action::MarkAll => return self.list.action(action, ctx),
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

    fn links(&self) -> Links {
        let Some(row) = self.subject() else { return Links::default() };
        let user = Some((row.user_id, row.name.clone()));
        Links { user, attempt: None, audit: Some(row.id.to_string()), ..Links::default() }
    }
    fn go(&mut self, place: &Place, ctx: &mut Ctx) {
        match place {
            Place::Attempt(id) => {
                self.arrived = true;
                self.look(*id, ctx);
            }
            Place::KycOf(id) => {
                let id = *id;
                self.in_case = false;
                self.list.start_at(&format!("user_id:{id}"), ctx);
                self.whose = Some(ctx.load(Message::KycOf, |api| async move { api.users_show(id).await }));
            }
            Place::List(_, words) => {
                self.in_case = false;
                self.list.start_at(words, ctx);
            }
            _ => {}
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
        match message {
            Message::KycRows(answer) => {
                // The cursor stays with the case that is worked on.
                if self.list.answered(answer, ctx)
                    && self.in_case
                    && let Some(open) = &self.open
                {
                    self.list.rows.select(open.id());
                }
            }
            Message::KycOf(id, answer) => {
                if self.whose.take_if(|load| *load == id).is_some() {
                    self.whose_came(answer, ctx);
                }
            }
            Message::Case(id, answer) => self.case_came(id, answer, ctx),
            Message::Prefetched(id, answer) => self.next_came(id, answer, ctx),
            Message::Renewed(id, answer) => self.renewed(id, answer, ctx),
            Message::Decided(id, answer) => self.decided(id, answer, ctx),
            Message::Undone(id, answer) => self.undone(id, answer, ctx),
            Message::File(id, answer) => {
                let mut answer = Some(answer);
                let made = self.made.iter_mut().map(|made| &mut made.open);
                for open in [&mut self.open, &mut self.next].into_iter().flatten().chain(made) {
                    if let Some(given) = answer.take() {
                        answer = open.file(id, given);
                    }
                }
            }
            Message::Rendered(id, done) => {
                if let Some(open) = &mut self.open {
                    drop(open.rendered(id, done));
                }
            }
            Message::Revealed(id, answer) => self.revealed(id, answer, ctx),
            Message::Opened(id, answer) => {
                if self.opened == Some(id) {
                    self.opened = None;
                    match answer {
                        Ok(said) => ctx.say(said),
                        Err(error) => ctx.fail("open outside", &error),
                    }
                }
            }
            other => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.kind.starts_with("kyc") {
            self.list.soon(ctx);
        }
    }
    fn reload(&mut self, _ctx: &mut Ctx) {
        self.list.rows.refresh();
    }
    fn bulk_ended(&mut self, _bulk: &Bulk, _ctx: &mut Ctx) {
        self.list.rows.clear_marks();
        self.list.rows.refresh();
    }
    fn filled(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        self.confirmed(filled, ctx)
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        self.made.retain(|made| made.load.is_some() || made.until.is_some_and(|until| now < until));
        if let Some(open) = &mut self.open {
            if open.revealed.as_ref().is_some_and(|(_, until)| now >= *until) {
                open.revealed = None;
                ctx.dirty = true;
            }
            open.render(ctx);
        }
        self.keep_claims(ctx);
        if visible && self.list.due(now) {
            self.list.rows.refresh();
        }
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
    fn status(&self, ctx: &Ctx) -> Option<(String, Ink)> {
        let marked = self.list.marked("a decision");
        if marked.is_some() {
            return marked;
        }
        let made = self.made.last()?;
        let (doing, done) = decide::verbs(made.kind);
        let name = text::clean(made.open.name());
        match made.until {
            None => Some((format!("{doing} {name}…"), Ink::Faint)),
            Some(until) => {
                let key = ctx.keymap.key(Action::Undo);
                Some((format!("{done} {name} · {key} undo {}s", text::seconds_left(until, ctx.now())), Ink::Accent))
            }
        }
    }

    fn offers(&self, action: Action) -> bool {
        let many = self.list.rows.marked_count() > 0;
        let status = self.open.as_ref().map(|open| open.case.attempt.status);
        match action {
            Action::Approve | Action::Retry | Action::Reject => many || status.is_some_and(KycStatus::is_open),
            Action::Revoke => status == Some(KycStatus::Approved),
            Action::Undo => !self.made.is_empty(),
            Action::Zoom | Action::Rotate | Action::Outside | Action::Reveal => self.open.is_some(),
            Action::Open | Action::Mark => !self.in_case && !self.list.rows.is_empty(),
            Action::GoUser | Action::GoAudit => self.subject().is_some(),
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!("marketplace kyc list{}", self.list.bar.filter.flags())];
        if let Some(row) = self.subject() {
            lines.push(format!("marketplace kyc show {}", row.id));
        }
        if let (Some(last), Some(row)) = (&self.last, self.subject()) {
            lines.push(decide::command(last, row.id));
        }
        lines
    }
}
