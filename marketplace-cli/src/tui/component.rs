//! The traits of a screen. Keys become actions; the current screen handles them, and the application handles the rest.
//!
//! The list itself handles what all screens with a list share ([`Lists`]): a screen names its list, and overrides what
//! differs.

use marketplace_core::staff::Connection;
use std::any::Any;

use crossterm::event::KeyEvent;
use futures::future::BoxFuture;
use marketplace_core::events::Event;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{
    browser::listing::Lists,
    bulk::Bulk,
    ctx::{Confirmed, Ctx},
    jump::{Link, Relations, Subject},
    keymap::{Action, ScreenInfo},
    message::Message,
    theme::Style,
};

/// What an act on the open item decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What it is, and in which state.
    pub subject: String,
    /// Why not all of it is on the screen; `None` when it is.
    pub missing: Option<&'static str>,
}

/// Work that is still done after the console has ended.
pub type Farewell = Box<dyn FnOnce(Connection) -> BoxFuture<'static, ()>>;

/// A screen.
pub trait Screen {
    /// Returns its list, if it has one.
    fn lists(&self) -> Option<&dyn Lists> {
        None
    }
    /// Like [`Self::lists`], mutably.
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        None
    }
    /// Handles an action; returns false when it has no meaning here.
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool;
    /// Returns whether keys are text now.
    fn typing(&self) -> bool {
        self.lists().is_some_and(Lists::typing)
    }
    /// Handles a key as text.
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.key(key, ctx);
        }
    }
    /// Handles pasted text.
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.paste(pasted, ctx);
        }
    }
    /// Applies a filter from the command bar.
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        match self.lists_mut() {
            Some(list) => list.filter(words, ctx),
            None => ctx.refuse("nothing to filter here"),
        }
    }
    /// Returns what the row under the cursor, or the open one, belongs to: the destinations of jumps.
    fn relations(&self) -> Relations {
        Relations::default()
    }
    /// Goes to one of its own subjects.
    fn go(&mut self, subject: &Subject, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.go(subject, ctx);
        }
    }
    /// Stashes what it shows, before a jump leads here.
    fn stash(&mut self) -> Box<dyn Any> {
        match self.lists_mut() {
            Some(list) => list.stash(),
            None => Box::new(()),
        }
    }
    /// Restores what was stashed.
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.restore(stashed, ctx);
        }
    }
    /// Handles a result that is meant for it, and returns any other message.
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match self.lists_mut() {
            Some(list) => list.message(message, ctx),
            None => Some(message),
        }
    }
    /// Handles a change in the system.
    fn event(&mut self, _event: &Event, _ctx: &mut Ctx) {}
    /// Reloads, because the system is reachable again, or because the user asked for it.
    fn reload(&mut self, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.reload(ctx);
        }
    }
    /// Handles a change of the way in which pictures are drawn.
    fn pictures_changed(&mut self) {}
    /// Handles the passing of time, and starts pending loads. Called often.
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.tick(visible, ctx);
        }
    }
    /// Handles a confirmed form that it opened.
    ///
    /// # Errors
    /// Returns any other form.
    fn confirmed(&mut self, confirmed: Confirmed, _ctx: &mut Ctx) -> Result<(), Confirmed> {
        Err(confirmed)
    }
    /// Handles the end of a bulk action.
    fn bulk_ended(&mut self, bulk: &Bulk, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.bulk_ended(bulk, ctx);
        }
    }
    /// Handles a click; the screen decides what a click on a selected row means.
    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.lists_mut().is_some_and(|list| list.click(at, ctx)) {
            self.action(Action::OPEN, ctx);
        }
    }
    /// Draws the screen; drawing remembers only the layout.
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx);
    /// Draws the typed text over the status line; returns the position of the text cursor, if there is one.
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.lists()?.draw_input(bar, buf, ctx)
    }
    /// Returns its text for the status line.
    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.lists()?.marked("an action")
    }
    /// Returns whether an action would do something now; the footer shows only those.
    fn offers(&self, _action: Action) -> bool {
        true
    }
    /// Returns what the footer calls an action now, where that is not its usual label.
    fn label(&self, _action: Action) -> Option<&'static str> {
        None
    }
    /// Returns what the last frame showed of the item that an act would decide without another question; `None` for acts
    /// that ask, naming what they are about.
    fn sight(&self, _act: Action) -> Option<Sight> {
        None
    }
    /// Returns an act that needs what [`Self::sight`] tells, if there is one.
    fn acts_on_sight(&self) -> Option<Action> {
        None
    }
    /// Returns why an act on what keys apply to is not possible, if that is known beforehand.
    fn why_not(&self, _action: Action, _ctx: &Ctx) -> Option<String> {
        None
    }
    /// Returns whether what it was told to go to is there.
    fn ready(&self) -> bool {
        self.lists().is_none_or(Lists::ready)
    }
    /// Returns the commands that do the same.
    fn commands(&self) -> Vec<String>;
    /// Returns the work that remains when the console ends.
    fn farewells(&self) -> Vec<Farewell> {
        Vec::new()
    }
}

/// A screen with what the registry needs.
pub trait Registered: Screen + Default + 'static {
    /// Its description.
    const INFO: &'static ScreenInfo;
    /// Returns the links that lead here from something with these relations.
    fn links(_from: &Relations) -> Vec<Link> {
        Vec::new()
    }
}

/// A row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The screen's description.
    pub info: &'static ScreenInfo,
    /// The links that lead there.
    pub links: fn(&Relations) -> Vec<Link>,
    /// Creates the screen.
    pub create: fn() -> Box<dyn Screen>,
}

impl Entry {
    /// Creates the entry of a screen.
    pub const fn of<S: Registered>() -> Self {
        Self { info: S::INFO, links: S::links, create: || Box::new(S::default()) }
    }
}
