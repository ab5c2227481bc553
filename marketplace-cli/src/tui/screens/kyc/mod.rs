//! Identity checks: the queue beside the case, decisions, and the next case at hand before it is asked for.

mod case;
mod decide;
mod draw;
mod open;

use std::time::Duration;

use crossterm::event::KeyEvent;
use marketplace_core::{
    admin::KycFilter,
    events::Event,
    ids::AttemptId,
    kyc::model::{DecisionKind, KycReason, KycStatus, KycSummary},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use self::case::OpenCase;
use super::super::{
    bulk::Bulk,
    component::Screen,
    ctx::{Ctx, Request},
    filter::Typed,
    keymap::{Action, on},
    message::{LoadId, Message},
    paged::{Paged, Row},
    text,
    theme::Ink,
    widgets::{form::Filled, palette::FilterBar},
};

/// After an event, so that a burst is one look.
const SOON: Duration = Duration::from_millis(300);

impl Row for KycSummary {
    type Id = AttemptId;
    fn id(&self) -> AttemptId {
        self.id
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
pub struct Kyc {
    queue: Paged<KycSummary>,
    bar: FilterBar<KycFilter>,
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
    matching: Option<LoadId>,
    opened: Option<LoadId>,
    refresh_due: Option<Timestamp>,
    last: Option<Last>,
    /// The case has the keys; on a narrow terminal it has the whole screen.
    in_case: bool,
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
        self.bar.filter.status.is_none_or(KycStatus::is_open)
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
            _ => self.queue.selected(),
        }
    }

    fn goes(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        let Some(row) = self.subject() else { return false };
        let request = match action {
            Action::GoUser => Request::User(row.user_id),
            Action::GoAudit => Request::Audit(row.id.to_string()),
            Action::CopyId => Request::Copy(row.id.to_string(), "the id is copied".into()),
            Action::CopyRow => match serde_json::to_string(row) {
                Ok(json) => Request::Copy(json, "the row is copied as JSON".into()),
                Err(_) => return true,
            },
            _ => return false,
        };
        ctx.requests.push(request);
        true
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
        if self.in_case && self.pan(action) || self.looks(action) || self.goes(action, ctx) {
            return true;
        }
        match action {
            Action::Filter => {
                self.in_case = false;
                self.bar.open();
            }
            Action::Open => self.open_selected(ctx),
            Action::Right => self.in_case = self.open.is_some(),
            Action::Left => self.in_case = false,
            Action::Focus => self.in_case = !self.in_case && self.open.is_some(),
            Action::Back => {
                if self.zoom != Zoom::Both && self.in_case {
                    self.zoom = Zoom::Both;
                } else if self.in_case
                    || (self.open.is_some() && self.queue.marked_count() == 0 && self.bar.text().is_empty())
                {
                    self.close(ctx);
                } else if !self.queue.clear_marks() && !self.bar.text().is_empty() && self.bar.set("", ctx) {
                    self.queue.reset();
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
            Action::Mark => self.queue.mark(),
            Action::MarkRange => {
                if self.queue.mark_range() {
                    ctx.say("marking: move, then V again");
                }
            }
            Action::MarkAll => self.mark_all(ctx),
            _ if self.in_case => return self.scroll(action),
            _ => return self.queue.moved(action),
        }
        true
    }

    fn typing(&self) -> bool {
        self.bar.typing()
    }
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) {
        if self.bar.key(key, ctx) {
            self.queue.restart();
        }
    }
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx) {
        self.bar.paste(pasted, ctx.now());
    }
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        if self.bar.set(words, ctx) {
            self.in_case = false;
            self.queue.reset();
        }
    }

    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match message {
            Message::KycPage(id, answer) => {
                match self.queue.answered(id, answer) {
                    Some(Err(error)) => ctx.fail("KYC queue", &error),
                    // The cursor stays with the case that is worked on.
                    Some(Ok(())) if self.in_case => {
                        if let Some(open) = &self.open {
                            self.queue.select(open.id());
                        }
                    }
                    _ => {}
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
            Message::MatchingCases(id, answer) => self.matched(id, answer, ctx),
            other => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.kind.starts_with("kyc") {
            self.refresh_due.get_or_insert(ctx.now() + SOON);
        }
    }
    fn reload(&mut self, _ctx: &mut Ctx) {
        self.queue.refresh();
    }
    fn bulk_ended(&mut self, _bulk: &Bulk, _ctx: &mut Ctx) {
        self.queue.clear_marks();
        self.queue.refresh();
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
        if self.bar.tick(now) {
            self.queue.restart();
        }
        if !visible {
            return;
        }
        if self.refresh_due.is_some_and(|due| now >= due) {
            self.refresh_due = None;
            self.queue.refresh();
        }
        while let Some((want, request)) = self.queue.take_want() {
            let filter = self.bar.filter.clone();
            let id = ctx.load(Message::KycPage, |api| async move { api.kyc_list(&filter, &request).await });
            self.queue.started(id, want, now);
        }
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        match self.queue.click(at) {
            Some(true) => self.open_selected(ctx),
            Some(false) => self.in_case = false,
            None => self.in_case = self.open.is_some(),
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.draw_all(area, buf, ctx);
    }
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.bar.draw(bar, buf, ctx)
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Ink)> {
        let marked = self.queue.marked_count();
        if marked > 0 {
            return Some((format!("◆ {marked} marked: a decision is for all of them · Esc clears"), Ink::Accent));
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
        let many = self.queue.marked_count() > 0;
        let status = self.open.as_ref().map(|open| open.case.attempt.status);
        match action {
            Action::Approve | Action::Retry | Action::Reject => many || status.is_some_and(KycStatus::is_open),
            Action::Revoke => status == Some(KycStatus::Approved),
            Action::Undo => !self.made.is_empty(),
            Action::Zoom | Action::Rotate | Action::Outside | Action::Reveal => self.open.is_some(),
            Action::Open | Action::Mark => !self.in_case && !self.queue.is_empty(),
            Action::GoUser | Action::GoAudit => self.subject().is_some(),
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        let mut lines = vec![format!("marketplace kyc list{}", self.bar.filter.flags())];
        if let Some(row) = self.subject() {
            lines.push(format!("marketplace kyc show {}", row.id));
        }
        if let (Some(last), Some(row)) = (&self.last, self.subject()) {
            lines.push(decide::command(last, row.id));
        }
        lines
    }
}
