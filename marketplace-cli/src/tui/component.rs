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

/// Work that is still done when the console has ended.
pub type Farewell = Box<dyn FnOnce(Connection) -> BoxFuture<'static, ()>>;

/// A screen.
pub trait Screen {
    /// Its list, if it has one.
    fn lists(&self) -> Option<&dyn Lists> {
        None
    }
    /// The same, for changing it.
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        None
    }
    /// Takes an action; false when it means nothing here.
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool;
    /// Whether keys are text now.
    fn typing(&self) -> bool {
        self.lists().is_some_and(Lists::typing)
    }
    /// Takes a key as text.
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.key(key, ctx);
        }
    }
    /// Takes pasted text.
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.paste(pasted, ctx);
        }
    }
    /// A filter from the command bar.
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        match self.lists_mut() {
            Some(list) => list.filter(words, ctx),
            None => ctx.refuse("nothing to filter here"),
        }
    }
    /// What the row under the cursor, or the open one, belongs to: where jumps lead.
    fn relations(&self) -> Relations {
        Relations::default()
    }
    /// Goes to something of its own.
    fn go(&mut self, subject: &Subject, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.go(subject, ctx);
        }
    }
    /// Puts aside what it shows, before a jump leads here.
    fn stash(&mut self) -> Box<dyn Any> {
        match self.lists_mut() {
            Some(list) => list.stash(),
            None => Box::new(()),
        }
    }
    /// Shows again what was put aside.
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.restore(stashed, ctx);
        }
    }
    /// Takes an answer that is meant for it, and gives back any other.
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        match self.lists_mut() {
            Some(list) => list.message(message, ctx),
            None => Some(message),
        }
    }
    /// Something changed in the system.
    fn event(&mut self, _event: &Event, _ctx: &mut Ctx) {}
    /// The system is back, or everything was asked for again.
    fn reload(&mut self, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.reload(ctx);
        }
    }
    /// Looks at the clock, and starts what is wanted. Called often.
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.tick(visible, ctx);
        }
    }
    /// Takes a confirmed form that it opened.
    ///
    /// # Errors
    /// Gives any other back.
    fn confirmed(&mut self, confirmed: Confirmed, _ctx: &mut Ctx) -> Result<(), Confirmed> {
        Err(confirmed)
    }
    /// A bulk action ended.
    fn bulk_ended(&mut self, _bulk: &Bulk, ctx: &mut Ctx) {
        if let Some(list) = self.lists_mut() {
            list.bulk_ended(ctx);
        }
    }
    /// A click, and whether on what was selected already is for it to say.
    fn click(&mut self, at: Position, ctx: &mut Ctx) {
        if self.lists_mut().is_some_and(|list| list.click(at, ctx)) {
            self.action(Action::OPEN, ctx);
        }
    }
    /// Draws it; only layout is remembered while drawing.
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx);
    /// Draws what is typed over the status line; returns where the text cursor is, if there is one.
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.lists()?.draw_input(bar, buf, ctx)
    }
    /// What it says on the status line.
    fn status(&self, _ctx: &Ctx) -> Option<(String, Style)> {
        self.lists()?.marked("an action")
    }
    /// Whether an action would do something now; the footer shows only those.
    fn offers(&self, _action: Action) -> bool {
        true
    }
    /// Commands that do the same.
    fn commands(&self) -> Vec<String>;
    /// What is to be given back when it is over.
    fn farewells(&self) -> Vec<Farewell> {
        Vec::new()
    }
}

/// A screen as the registry has it.
pub trait Registered: Screen + Default + 'static {
    /// What it says of itself.
    const INFO: &'static ScreenInfo;
    /// The ways that lead here from something that belongs to these.
    fn links(_from: &Relations) -> Vec<Link> {
        Vec::new()
    }
}

/// A row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What the screen says of itself.
    pub info: &'static ScreenInfo,
    /// The ways that lead there.
    pub links: fn(&Relations) -> Vec<Link>,
    /// Creates the screen.
    pub create: fn() -> Box<dyn Screen>,
}

impl Entry {
    /// Of a screen.
    pub const fn of<S: Registered>() -> Self {
        Self { info: S::INFO, links: S::links, create: || Box::new(S::default()) }
    }
}
