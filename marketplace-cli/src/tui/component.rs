//! What a screen is. Keys become actions, actions go to the screen that is seen, and what it does not take goes to the whole.

use std::any::Any;

use crossterm::event::KeyEvent;
use marketplace_core::events::Event;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{
    bulk::Bulk,
    ctx::{Confirmed, Ctx},
    jump::{Links, Place},
    keymap::Action,
    listing::Lists,
    message::Message,
    theme::Ink,
};

/// A screen.
pub trait Screen {
    /// Which one, as in [`super::keymap::on`].
    fn on(&self) -> u8;
    /// The action that leads here.
    fn home(&self) -> Action;
    /// In help.
    fn name(&self) -> &'static str;
    /// Takes an action; false when it means nothing here.
    fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool;
    /// Its list, if it has one: what is typed goes there.
    fn lists(&self) -> Option<&dyn Lists> {
        None
    }
    /// The same, for typing.
    fn lists_mut(&mut self) -> Option<&mut dyn Lists> {
        None
    }
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
    fn links(&self) -> Links {
        Links::default()
    }
    /// Goes to a place of its own.
    fn go(&mut self, _place: &Place, _ctx: &mut Ctx) {}
    /// Puts aside what it shows, before a jump leads here.
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new(())
    }
    /// Shows again what was put aside.
    fn restore(&mut self, _stashed: Box<dyn Any>, _ctx: &mut Ctx) {}
    /// Takes an answer that is meant for it, and gives back any other.
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message>;
    /// Something changed in the system.
    fn event(&mut self, _event: &Event, _ctx: &mut Ctx) {}
    /// The system is back, or everything was asked for again.
    fn reload(&mut self, ctx: &mut Ctx);
    /// Looks at the clock, and starts what is wanted. Called often.
    fn tick(&mut self, visible: bool, ctx: &mut Ctx);
    /// Takes a confirmed form that it opened, and gives back any other.
    fn confirmed(&mut self, confirmed: Confirmed, _ctx: &mut Ctx) -> Option<Confirmed> {
        Some(confirmed)
    }
    /// A bulk action ended.
    fn bulk_ended(&mut self, _bulk: &Bulk, _ctx: &mut Ctx) {}
    /// A click, and whether on what was selected already is for it to say.
    fn click(&mut self, _at: Position, _ctx: &mut Ctx) {}
    /// Draws it; answers where the text cursor is, if there is one. Only layout is remembered while drawing.
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx);
    /// Draws what is typed over the status line.
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.lists()?.draw_input(bar, buf, ctx)
    }
    /// What it says on the status line.
    fn status(&self, _ctx: &Ctx) -> Option<(String, Ink)> {
        None
    }
    /// Whether an action would do something now; the footer shows only those.
    fn offers(&self, _action: Action) -> bool {
        true
    }
    /// Commands that do the same.
    fn commands(&self) -> Vec<String>;
}
