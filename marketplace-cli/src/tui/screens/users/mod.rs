//! Users: the list, one in full, and what staff can do to them.

mod actions;
pub mod details;

use std::{sync::Arc, time::Duration};

use crossterm::event::KeyEvent;
use marketplace_core::{
    accounts::model::{RestrictionReason, UserAction},
    admin::{AdminApi, PersonalData, UserDetail, UserFilter, UserSummary},
    error::{ErrorCode, Result},
    events::Event,
    ids::UserId,
    kyc::model::KycStatus,
    page::PageRequest,
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::super::{
    bulk::Bulk,
    component::Screen,
    ctx::{Ctx, REVEAL, Request},
    filter::Typed,
    keymap::{Action, on},
    message::{LoadId, Message},
    paged::{Paged, Row},
    theme::Ink,
    widgets::{form::Filled, palette::FilterBar},
};

/// After the cursor came to rest on a row, before the user is loaded.
const REST: Duration = Duration::from_millis(120);
/// After an event, so that a burst is one look.
const SOON: Duration = Duration::from_millis(300);
/// Most rows that "all that match" may mean.
pub const MOST: usize = 10_000;

impl Row for UserSummary {
    type Id = UserId;
    fn id(&self) -> UserId {
        self.id
    }
}

/// The latest action, for repeating it.
#[derive(Debug, Clone)]
struct Last {
    action: UserAction,
    reason: Option<RestrictionReason>,
    note: Option<String>,
}

/// Users.
#[derive(Default)]
pub struct Users {
    list: Paged<UserSummary>,
    bar: FilterBar<UserFilter>,
    detail: Option<UserDetail>,
    detail_load: Option<(LoadId, UserId, Timestamp)>,
    detail_due: Option<(UserId, Timestamp)>,
    revealed: Option<(PersonalData, Timestamp)>,
    reveal_load: Option<(LoadId, UserId)>,
    changes: Vec<(LoadId, String, &'static str)>,
    matching: Option<LoadId>,
    refresh_due: Option<Timestamp>,
    last: Option<Last>,
    /// The detail has the keys; on a narrow terminal it has the whole screen.
    in_detail: bool,
    /// Both panes are seen.
    wide: bool,
    scroll: usize,
    shown_rows: (usize, usize),
}

impl Users {
    /// Goes to a user, whether or not the list has them.
    pub fn show(&mut self, id: UserId, ctx: &mut Ctx) {
        if !self.list.select(id) {
            // An id is a filter too.
            self.filter(&id.to_string(), ctx);
        }
        self.in_detail = true;
        self.load_detail(id, ctx);
    }

    fn load_detail(&mut self, id: UserId, ctx: &mut Ctx) {
        self.detail_due = None;
        let load = ctx.load(Message::User, |api| async move { api.users_show(id).await });
        self.detail_load = Some((load, id, ctx.now()));
        if self.detail.as_ref().is_some_and(|detail| detail.user.id != id) {
            self.detail = None;
            self.scroll = 0;
        }
        if self.revealed.as_ref().is_some_and(|(data, _)| data.id != id) {
            self.revealed = None;
        }
    }

    /// The user that keys are about: the open one, or the one under the cursor.
    fn subject(&self) -> Option<&UserSummary> {
        match (&self.detail, self.in_detail) {
            (Some(detail), true) => Some(&detail.user),
            _ => self.list.selected(),
        }
    }

    fn take_detail(&mut self, detail: UserDetail) {
        self.list.replace(&detail.user);
        let shown = self.detail.as_ref().is_none_or(|shown| shown.user.id == detail.user.id);
        if shown {
            self.detail = Some(detail);
        }
    }

    fn reveal(&mut self, ctx: &mut Ctx) {
        let Some(id) = self.subject().map(|user| user.id) else { return };
        if self.revealed.as_ref().is_some_and(|(data, _)| data.id == id) {
            self.revealed = None;
            return;
        }
        if self.detail.as_ref().is_none_or(|detail| detail.user.id != id) {
            self.load_detail(id, ctx);
        }
        self.reveal_load = Some((ctx.load(Message::Revealed, |api| async move { api.users_reveal(id).await }), id));
    }

    fn mark_all(&mut self, ctx: &mut Ctx) {
        if self.list.clear_marks() {
            return;
        }
        let filter = self.bar.filter.clone();
        self.matching = Some(ctx.load(Message::MatchingUsers, |api| matching(api, filter)));
        ctx.say("looking for all that match…");
    }

    fn moved(&mut self, ctx: &Ctx) {
        self.detail_due = self.list.selected().map(|row| (row.id, ctx.now() + REST));
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
}

/// All that match, up to a bound; and whether there are more.
async fn matching(api: Arc<dyn AdminApi>, filter: UserFilter) -> Result<(Vec<UserSummary>, bool)> {
    let mut rows = Vec::new();
    let mut request = PageRequest::first(200);
    loop {
        let page = api.users_list(&filter, &request).await?;
        rows.extend(page.items);
        match page.next {
            Some(next) if rows.len() < MOST => request.after = Some(next),
            Some(_) => return Ok((rows, true)),
            None => return Ok((rows, false)),
        }
    }
}

impl Screen for Users {
    fn on(&self) -> u8 {
        on::USERS
    }
    fn home(&self) -> Action {
        Action::Users
    }
    fn name(&self) -> &'static str {
        "users"
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::Filter => {
                self.in_detail = false;
                self.bar.open();
            }
            Action::Open | Action::Right => {
                if let Some(id) = self.list.selected().map(|row| row.id) {
                    self.in_detail = true;
                    if self.detail.as_ref().is_none_or(|detail| detail.user.id != id) {
                        self.load_detail(id, ctx);
                    }
                }
            }
            Action::Left => self.in_detail = false,
            Action::Focus => {
                if self.in_detail {
                    self.in_detail = false;
                } else {
                    return self.action(Action::Open, ctx);
                }
            }
            Action::Back => {
                if self.in_detail {
                    self.in_detail = false;
                } else if !self.list.clear_marks() && !self.bar.text().is_empty() && self.bar.set("", ctx) {
                    self.list.reset();
                }
            }
            Action::Mark => {
                self.list.mark();
                self.moved(ctx);
            }
            Action::MarkRange => {
                if self.list.mark_range() {
                    ctx.say("marking: move, then V again");
                }
            }
            Action::MarkAll => self.mark_all(ctx),
            Action::Reveal => self.reveal(ctx),
            Action::GoKyc => {
                match self.subject() {
                    Some(user) if user.kyc_status == KycStatus::None => ctx.say("no identity check so far"),
                    // What waits is listed without a status; anything else has to be asked for.
                    Some(user) => {
                        let status = Some(user.kyc_status).filter(|status| !status.is_open());
                        ctx.requests.push(Request::UserKyc(user.id, status));
                    }
                    None => {}
                }
            }
            Action::GoAudit => {
                if let Some(user) = self.subject() {
                    ctx.requests.push(Request::Audit(user.id.to_string()));
                }
            }
            Action::CopyId => {
                if let Some(user) = self.subject() {
                    ctx.requests.push(Request::Copy(user.id.to_string(), "the id is copied".into()));
                }
            }
            Action::CopyRow => {
                if let Some(Ok(json)) = self.subject().map(serde_json::to_string) {
                    ctx.requests.push(Request::Copy(json, "the row is copied as JSON".into()));
                }
            }
            Action::Freeze => self.ask(&UserAction::Freeze, ctx),
            Action::Unfreeze => self.ask(&UserAction::Unfreeze, ctx),
            Action::Ban => self.ask(&UserAction::Ban, ctx),
            Action::Unban => self.ask(&UserAction::Unban, ctx),
            Action::Delete => self.ask(&UserAction::Delete, ctx),
            Action::Sessions => self.ask(&UserAction::RevokeSessions, ctx),
            Action::Role => self.ask_role(ctx),
            Action::Comment => self.ask_note(ctx),
            Action::Repeat => self.repeat(ctx),
            _ if self.in_detail => return self.scroll(action),
            _ => {
                let moved = self.list.moved(action);
                if moved {
                    self.moved(ctx);
                }
                return moved;
            }
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
            Message::UsersPage(id, answer) => match self.list.answered(id, answer) {
                Some(Err(error)) => ctx.fail("users", &error),
                Some(Ok(())) => self.moved(ctx),
                None => {}
            },
            Message::User(id, answer) => {
                if self.detail_load.is_some_and(|(pending, ..)| pending == id) {
                    let wanted = self.detail_load.take().map(|(_, wanted, _)| wanted);
                    match answer {
                        Ok(detail) => {
                            if self.detail.as_ref().is_some_and(|shown| Some(shown.user.id) != wanted) {
                                self.detail = None;
                            }
                            self.take_detail(detail);
                        }
                        Err(error) => ctx.fail("user", &error),
                    }
                }
            }
            Message::Revealed(id, answer) => {
                if self.reveal_load.is_none_or(|(pending, _)| pending != id) {
                    return Some(Message::Revealed(id, answer));
                }
                self.reveal_load = None;
                match answer {
                    Ok(data) => self.revealed = Some((data, ctx.now() + REVEAL)),
                    Err(error) => ctx.fail("reveal", &error),
                }
            }
            Message::UserChanged(id, answer) => {
                let at = self.changes.iter().position(|(pending, ..)| *pending == id)?;
                let (_, name, done) = self.changes.remove(at);
                match answer {
                    Ok(changed) => {
                        let done = if changed.changed { done } else { "unchanged: was so already" };
                        ctx.say(format!("{name}: {done}"));
                        self.take_detail(changed.item);
                    }
                    Err(error) => {
                        ctx.fail(&name, &error);
                        if error.code() == ErrorCode::PreconditionFailed {
                            self.reload(ctx);
                        }
                    }
                }
            }
            Message::Noted(id, answer) => {
                let at = self.changes.iter().position(|(pending, ..)| *pending == id)?;
                let (_, name, _) = self.changes.remove(at);
                match answer {
                    Ok(_) => {
                        ctx.say(format!("{name}: noted"));
                        if let Some(id) = self.detail.as_ref().map(|detail| detail.user.id) {
                            self.load_detail(id, ctx);
                        }
                    }
                    Err(error) => ctx.fail(&name, &error),
                }
            }
            Message::MatchingUsers(id, answer) => {
                if self.matching == Some(id) {
                    self.matching = None;
                    match answer {
                        Ok((_, true)) => ctx.refuse(format!(
                            "more than {MOST} match: narrow the filter, or use the command line (! shows how)"
                        )),
                        Ok((rows, false)) => {
                            ctx.say(format!("{} marked", rows.len()));
                            self.list.mark_rows(rows);
                        }
                        Err(error) => ctx.fail("mark all", &error),
                    }
                }
            }
            other => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.kind.starts_with("user") || event.kind.starts_with("kyc") || event.kind.starts_with("session") {
            self.refresh_due.get_or_insert(ctx.now() + SOON);
        }
    }

    fn reload(&mut self, ctx: &mut Ctx) {
        self.list.refresh();
        if let Some(id) = self.detail.as_ref().map(|detail| detail.user.id) {
            self.load_detail(id, ctx);
        }
    }

    fn bulk_ended(&mut self, _bulk: &Bulk, ctx: &mut Ctx) {
        self.list.clear_marks();
        self.reload(ctx);
    }

    fn filled(&mut self, filled: &Filled, ctx: &mut Ctx) -> bool {
        self.confirmed(filled, ctx)
    }

    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.revealed.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.revealed = None;
            ctx.dirty = true;
        }
        if self.bar.tick(now) {
            self.list.restart();
        }
        if !visible {
            return;
        }
        if self.refresh_due.is_some_and(|due| now >= due) {
            self.refresh_due = None;
            self.reload(ctx);
        }
        if let Some((id, due)) = self.detail_due
            && now >= due
        {
            self.detail_due = None;
            let known = self.detail.as_ref().is_some_and(|detail| detail.user.id == id)
                || self.detail_load.is_some_and(|(_, loading, _)| loading == id);
            if self.wide && !self.in_detail && !known {
                self.load_detail(id, ctx);
            }
        }
        while let Some((want, request)) = self.list.take_want() {
            let filter = self.bar.filter.clone();
            let id = ctx.load(Message::UsersPage, |api| async move { api.users_list(&filter, &request).await });
            self.list.started(id, want, now);
        }
    }

    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        match self.list.click(at) {
            Some(true) => {
                self.action(Action::Open, ctx);
            }
            Some(false) => {
                self.in_detail = false;
                self.moved(ctx);
            }
            None => self.in_detail = self.wide && self.detail.is_some(),
        }
    }

    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.draw_all(area, buf, ctx);
    }
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.bar.draw(bar, buf, ctx)
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Ink)> {
        if let Some((_, until)) = &self.revealed {
            let left = super::super::text::seconds_left(*until, ctx.now());
            return Some((format!("revealed, masked again in {left}s"), Ink::Warn));
        }
        let marked = self.list.marked_count();
        (marked > 0).then(|| (format!("◆ {marked} marked: an action is for all of them · Esc clears"), Ink::Accent))
    }

    fn offers(&self, action: Action) -> bool {
        use marketplace_core::accounts::model::Status;
        let many = self.list.marked_count() > 0;
        let status = self.subject().map(|user| user.status);
        match action {
            Action::Freeze => many || matches!(status, Some(Status::Active | Status::Unverified)),
            Action::Unfreeze => many || status == Some(Status::Frozen),
            Action::Ban => many || status.is_some_and(|status| !matches!(status, Status::Banned | Status::Deleted)),
            Action::Unban => many || status == Some(Status::Banned),
            Action::Delete | Action::Role | Action::Sessions | Action::Reveal => {
                many || status.is_some_and(|status| status != Status::Deleted)
            }
            Action::Comment | Action::GoKyc | Action::GoAudit => status.is_some(),
            Action::Open | Action::Mark => !self.in_detail && status.is_some(),
            _ => true,
        }
    }

    fn commands(&self) -> Vec<String> {
        self.command_lines()
    }
}

/// Flags of the filter, for the command line.
fn flags(filter: &UserFilter) -> String {
    filter.flags()
}
