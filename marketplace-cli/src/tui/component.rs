//! What a screen is. Keys become actions, actions go to the screen that is seen, and what it does not take goes to the whole.

use crossterm::event::KeyEvent;
use marketplace_core::events::Event;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{bulk::Bulk, ctx::Ctx, keymap::Action, message::Message, theme::Ink, widgets::form::Filled};

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
    /// Whether keys are text now.
    fn typing(&self) -> bool {
        false
    }
    /// Takes a key as text.
    fn key(&mut self, _key: KeyEvent, _ctx: &mut Ctx) {}
    /// Takes pasted text.
    fn paste(&mut self, _text: &str, _ctx: &mut Ctx) {}
    /// A filter from the command bar.
    fn filter(&mut self, _words: &str, ctx: &mut Ctx) {
        ctx.refuse("nothing to filter here");
    }
    /// Takes an answer that is meant for it, and gives back any other.
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message>;
    /// Something changed in the system.
    fn event(&mut self, _event: &Event, _ctx: &mut Ctx) {}
    /// The system is back, or everything was asked for again.
    fn reload(&mut self, ctx: &mut Ctx);
    /// Looks at the clock, and starts what is wanted. Called often.
    fn tick(&mut self, visible: bool, ctx: &mut Ctx);
    /// A form that it opened was confirmed. False when it was not its own.
    fn filled(&mut self, _filled: &Filled, _ctx: &mut Ctx) -> bool {
        false
    }
    /// A bulk action ended.
    fn bulk_ended(&mut self, _bulk: &Bulk, _ctx: &mut Ctx) {}
    /// A click, and whether on what was selected already is for it to say.
    fn click(&mut self, _at: Position, _ctx: &mut Ctx) {}
    /// Draws it; answers where the text cursor is, if there is one. Only layout is remembered while drawing.
    fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx);
    /// Draws what is typed over the status line.
    fn draw_input(&self, _bar: Rect, _buf: &mut Buffer, _ctx: &Ctx) -> Option<Position> {
        None
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
