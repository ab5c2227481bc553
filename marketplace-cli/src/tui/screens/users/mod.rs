//! Users: the list, one in full, and what staff can do to them.

mod actions;
pub mod details;

use std::{any::Any, sync::Arc};

use futures::future::BoxFuture;
use marketplace_core::{
    accounts::{
        model::UserAction,
        summary::{UserFilter, UserSummary},
    },
    admin::AdminApi,
    base::change::RestrictionReason,
    error::Result,
    events::Event,
    ids::UserId,
    page::{Page, PageRequest},
    time::Timestamp,
    users::model::{PersonalData, UserDetail},
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::super::{
    browser::{Browser, Detailed, Shown},
    bulk::Bulk,
    component::Screen,
    ctx::{Ctx, REVEAL},
    filter::Typed,
    jump::{Links, Place},
    keymap::{Action, on},
    listing::{Answer, Listed, Lists},
    message::{LoadId, Message},
    paged::Row,
    theme::Ink,
    widgets::form::Filled,
};

impl Row for UserSummary {
    type Id = UserId;
    fn id(&self) -> UserId {
        self.id
    }
}

impl Listed for UserSummary {
    type Filter = UserFilter;
    const WHAT: &'static str = "users";
    fn list(api: Arc<dyn AdminApi>, filter: UserFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.users_list(&filter, &page).await })
    }
    fn wrap(answer: Answer<Self>) -> Message {
        Message::UserRows(answer)
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
}

impl Detailed for UserSummary {
    type Detail = UserDetail;
    const ONE: &'static str = "user";
    const MANY: &'static str = "users";
    fn show(api: Arc<dyn AdminApi>, id: UserId) -> BoxFuture<'static, Result<UserDetail>> {
        Box::pin(async move { api.users_show(id).await })
    }
    fn shown(answer: Shown<Self>) -> Message {
        Message::User(answer)
    }
    fn row(detail: &UserDetail) -> &Self {
        &detail.user
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        // An id is a filter too.
        self.id.to_string()
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
    browser: Browser<UserSummary>,
    revealed: Option<(PersonalData, Timestamp)>,
    reveal_load: Option<(LoadId, UserId)>,
    noting: Vec<(LoadId, String)>,
    last: Option<Last>,
}

impl Users {
    fn reveal(&mut self, ctx: &mut Ctx) {
        let Some(id) = self.browser.subject().map(|user| user.id) else { return };
        if self.revealed.take_if(|(data, _)| data.id == id).is_some() {
            return;
        }
        if self.browser.detail.as_ref().is_none_or(|detail| detail.user.id != id) {
            self.browser.load(id, ctx);
        }
        self.reveal_load = Some((ctx.load(Message::Revealed, |api| async move { api.users_reveal(id).await }), id));
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
    fn lists(&self) -> Option<&dyn Lists> {
        Some(&self.browser.list)
    }
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        Some(&mut self.browser.list)
    }

    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::Reveal => self.reveal(ctx),
            Action::Freeze => self.ask(&UserAction::Freeze, ctx),
            Action::Unfreeze => self.ask(&UserAction::Unfreeze, ctx),
            Action::Ban => self.ask(&UserAction::Ban, ctx),
            Action::Unban => self.ask(&UserAction::Unban, ctx),
            Action::Delete => self.ask(&UserAction::Delete, ctx),
            Action::Sessions => self.ask(&UserAction::RevokeSessions, ctx),
            Action::Role => self.ask_role(ctx),
            Action::Comment => self.ask_note(ctx),
            Action::Repeat => self.repeat(ctx),
            _ => return self.browser.action(action, ctx),
        }
        true
    }

    fn links(&self) -> Links {
        let Some(user) = self.browser.subject() else { return Links::default() };
        Links {
            user: Some((user.id, user.name.clone())),
            audit: Some(user.id.to_string()),
            here: Some('u'),
            ..Links::default()
        }
    }
    fn go(&mut self, place: &Place, ctx: &mut Ctx) {
        match place {
            Place::User(id) => self.browser.go(*id, ctx),
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
            Message::UserRows(answer) => self.browser.rows(answer, ctx),
            Message::User(answer) => self.browser.shown(answer, ctx),
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
            Message::Noted(id, answer) => {
                let at = self.noting.iter().position(|(pending, _)| *pending == id)?;
                let (_, name) = self.noting.remove(at);
                match answer {
                    Ok(_) => {
                        ctx.say(format!("{name}: noted"));
                        self.browser.reload(ctx);
                    }
                    Err(error) => ctx.fail(&name, &error),
                }
            }
            other => return Some(other),
        }
        None
    }

    fn event(&mut self, event: &Event, ctx: &mut Ctx) {
        if event.kind.starts_with("user") || event.kind.starts_with("kyc") || event.kind.starts_with("session") {
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
        let now = ctx.now();
        let other = self.browser.detail.as_ref().map(|detail| detail.user.id);
        if self.revealed.take_if(|(data, until)| now >= *until || other.is_some_and(|id| id != data.id)).is_some() {
            ctx.dirty = true;
        }
        self.browser.tick(visible, ctx);
    }
    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.browser.click(at, ctx) {
            self.action(Action::Open, ctx);
        }
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        self.draw_all(area, buf, ctx);
    }

    fn status(&self, ctx: &Ctx) -> Option<(String, Ink)> {
        if let Some((_, until)) = &self.revealed {
            let left = super::super::text::seconds_left(*until, ctx.now());
            return Some((format!("revealed, masked again in {left}s"), Ink::Warn));
        }
        self.browser.list.marked("an action")
    }

    fn offers(&self, action: Action) -> bool {
        use marketplace_core::accounts::model::Status;
        let many = self.browser.list.rows.marked_count() > 0;
        let status = self.browser.subject().map(|user| user.status);
        match action {
            Action::Freeze => many || matches!(status, Some(Status::Active | Status::Unverified)),
            Action::Unfreeze => many || status == Some(Status::Frozen),
            Action::Ban => many || status.is_some_and(|status| !matches!(status, Status::Banned | Status::Deleted)),
            Action::Unban => many || status == Some(Status::Banned),
            Action::Delete | Action::Role | Action::Sessions | Action::Reveal => {
                many || status.is_some_and(|status| status != Status::Deleted)
            }
            Action::Comment | Action::GoKyc | Action::GoAudit => status.is_some(),
            Action::Open | Action::Mark => !self.browser.in_detail && status.is_some(),
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
