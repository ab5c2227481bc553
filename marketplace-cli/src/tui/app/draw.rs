//! Draws the application, and resolves what the mouse points at.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::Line,
};

use super::{
    super::{
        ctx::Confirmed,
        keymap::Action,
        privacy, text,
        widgets::{form::Outcome, rows},
    },
    App, Recording, frame,
};

impl App {
    /// Draws everything; returns the position of the text cursor. What may be recorded of it is kept where it is wanted.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let cursor = self.draw_all(area, buf);
        if let Recording::On(frame) = &mut self.recording {
            *frame = Some(privacy::recordable(buf));
        }
        privacy::strip(buf);
        cursor
    }

    fn draw_all(&mut self, area: Rect, buf: &mut Buffer) -> Option<Position> {
        self.ctx.dirty = false;
        if let Some(why) = &self.over {
            frame::ended(why, area, buf, &self.ctx);
            return None;
        }
        self.small = frame::too_small(area.width, area.height);
        if self.small {
            self.sight = None;
            // A letter belongs to what is being typed, also where that is not shown.
            let leave = if self.typing() { "^c".to_owned() } else { self.ctx.keymap.key(Action::QUIT) };
            let line = format!(
                "terminal too small: {}×{}, needs {}×{}; {leave} leaves",
                area.width,
                area.height,
                frame::SMALLEST.0,
                frame::SMALLEST.1
            );
            for (row, line) in text::wrap(&line, usize::from(area.width)).iter().enumerate() {
                rows::put(buf, area, u16::try_from(row).unwrap_or(u16::MAX), &Line::raw(line.as_str()));
            }
            return None;
        }
        let [header, tabs, body, status, footer] = area.layout(&Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
            Constraint::Length(1),
        ]));
        let running = self.bulk.as_ref().is_some_and(|bulk| bulk.running());
        self.ctx.covered = self.form.is_some() || self.popup.is_some() || self.palette.is_some() || running;
        frame::header(header, buf, &self.ctx, self.heartbeat.state());
        self.tabs = frame::tabs(tabs, buf, &self.ctx, self.active);
        let (screen, ctx) = self.screen();
        screen.draw(body, buf, ctx);
        self.saw();
        let theme = self.ctx.theme;
        let seen = self.seen();
        frame::status(status, buf, &self.ctx, self.heartbeat.state(), seen.status(&self.ctx));
        frame::footer(footer, buf, &self.ctx, self.active, seen);
        let mut cursor = seen.draw_input(status, buf, &self.ctx);
        if let Some(palette) = &self.palette {
            cursor = Some(palette.draw(status, buf, theme, &self.ctx.keymap, self.active));
        }
        if let Some(bulk) = self.bulk.as_ref().filter(|bulk| bulk.running()) {
            bulk.draw(body, buf, theme);
        }
        if let Some((form, _)) = &self.form {
            cursor = form.draw(body, buf, theme);
        }
        if let Some(popup) = &mut self.popup {
            popup.draw(body, buf, theme);
            cursor = None;
        }
        theme.finish(buf);
        cursor
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent) {
        let lines = match mouse.kind {
            MouseEventKind::ScrollDown => 3,
            MouseEventKind::ScrollUp => -3,
            MouseEventKind::Down(MouseButton::Left) => 0,
            _ => return,
        };
        self.ctx.dirty = true;
        let at = Position::new(mouse.column, mouse.row);
        if let Some(popup) = &mut self.popup {
            if lines != 0 {
                popup.scroll(lines);
            } else if !popup.contains(at) && !popup.is_held() {
                self.close_popup();
            }
            return;
        }
        if let Some((form, _)) = &mut self.form {
            if lines != 0 {
                form.scroll(lines.signum());
            } else if let Outcome::Filled(filled) = form.click(at)
                && let Some((form, intent)) = self.form.take()
            {
                self.confirmed(&form, Confirmed::new(filled, intent));
            }
            return;
        }
        if let Some(palette) = &mut self.palette {
            if lines != 0 {
                palette.scroll(lines.signum());
            } else if palette.click(at) {
                self.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
            }
            return;
        }
        if lines == 0 {
            if let Some((_, action)) = self.tabs.iter().find(|(area, _)| area.contains(at)) {
                self.act(*action);
            } else {
                let (screen, ctx) = self.screen();
                screen.click(at, ctx);
            }
        } else {
            let action = if lines > 0 { Action::DOWN } else { Action::UP };
            for _ in 0..lines.unsigned_abs() {
                let (screen, ctx) = self.screen();
                screen.action(action, ctx);
            }
        }
    }
}
