//! Tests of the console against the real operations: keys in, screens and calls out.

mod day;
mod decisions;
mod heartbeat;
mod jumps;
mod leaving;
mod lists;
mod looks;
mod people;
mod photos;
mod reports;
mod safety;
mod settings;
mod system;
mod talks;
mod trade;
mod trade_looks;

use marketplace_core::staff::Guard;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{Terminal, backend::TestBackend};
use ratatui_image::picker::Picker;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    Options, app::App, ctx::Ctx, keymap::Keymap, message::Message, picture::Images, screens, write_guard::Gate,
};
use system::System;

/// A console with somebody at it.
struct Console {
    app: Box<App>,
    system: Arc<System>,
    receiver: UnboundedReceiver<Message>,
    terminal: Terminal<TestBackend>,
    pulse: Arc<Mutex<Instant>>,
}

fn options() -> Options {
    Options { system: "test".into(), way: "db".into(), ..Options::default() }
}

impl Console {
    /// Started, with the first answers in.
    async fn start(system: &Arc<System>) -> Self {
        Self::start_with(system, options(), (120, 40)).await
    }

    async fn start_with(system: &Arc<System>, options: Options, size: (u16, u16)) -> Self {
        let mut console = Self::cold(system, options, size);
        console.settle().await;
        console
    }

    /// Started, before any answer.
    fn cold(system: &Arc<System>, options: Options, (width, height): (u16, u16)) -> Self {
        let gate = Arc::new(Gate::new(options.read_only));
        let guarded = system.connection().guarded(Arc::clone(&gate) as Arc<dyn Guard>);
        let (sender, receiver) = unbounded_channel();
        let keymap = Keymap::new(screens::infos(), &options.keys).unwrap();
        let images = if options.no_color { Images::Dots } else { Images::Pixels(Box::new(Picker::halfblocks())) };
        let clock = system.clock();
        let mut ctx = Ctx::new(guarded, gate, options, keymap, images, clock, sender);
        let pulse = Arc::new(Mutex::new(Instant::now()));
        let shared = Arc::clone(&pulse);
        ctx.pulse = Arc::new(move || *shared.lock().unwrap());
        let app = Box::new(App::new(ctx));
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        Self { app, system: Arc::clone(system), receiver, terminal, pulse }
    }

    /// Goes on with another session, as after logging in again.
    fn resume(&mut self) {
        let gate = Arc::new(Gate::new(false));
        let guarded = self.system.connection().guarded(Arc::clone(&gate) as Arc<dyn Guard>);
        self.app.resume(guarded, gate);
    }

    fn draw(&mut self) {
        let app = &mut *self.app;
        self.terminal
            .draw(|frame| {
                let area = frame.area();
                if let Some(cursor) = app.draw(area, frame.buffer_mut()) {
                    frame.set_cursor_position(cursor);
                }
            })
            .unwrap();
    }

    /// Until nothing is under way but what is held.
    async fn settle(&mut self) {
        loop {
            self.draw();
            self.app.tick();
            let mut message = self.receiver.try_recv().ok();
            if message.is_none() {
                if self.app.ctx.in_flight() <= self.system.waiting() && self.receiver.is_empty() {
                    break;
                }
                // An answer, one more call that is held, or work that ended without either.
                tokio::select! {
                    next = self.receiver.recv() => message = next,
                    () = self.system.arrived() => {}
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                }
            }
            for message in message.into_iter().chain(std::iter::from_fn(|| self.receiver.try_recv().ok())) {
                self.app.message(message);
            }
        }
        self.draw();
    }

    /// Time that passes at the desk, but not on the clock of the system.
    fn pass(&self, by: Duration) {
        *self.pulse.lock().unwrap() += by;
    }

    /// Keys apart by blanks, each a second after the one before, and answered before the next.
    async fn press(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            self.pass(Duration::from_secs(1));
            self.key(key);
            self.settle().await;
        }
    }

    /// Enter, then the word that is asked for, then Enter again.
    async fn confirm(&mut self, word: &str) {
        self.press("enter").await;
        self.shows(&format!("type `{word}` to confirm"));
        self.write(word).await;
        self.press("enter").await;
    }

    /// One key, without waiting for what it leads to.
    fn key(&mut self, key: &str) {
        let (code, modifiers) = match key {
            "enter" => (KeyCode::Enter, KeyModifiers::NONE),
            "esc" => (KeyCode::Esc, KeyModifiers::NONE),
            "tab" => (KeyCode::Tab, KeyModifiers::NONE),
            "space" => (KeyCode::Char(' '), KeyModifiers::NONE),
            "down" => (KeyCode::Down, KeyModifiers::NONE),
            "up" => (KeyCode::Up, KeyModifiers::NONE),
            "backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
            other => match other.strip_prefix("ctrl-") {
                Some(rest) => (KeyCode::Char(rest.chars().next().unwrap()), KeyModifiers::CONTROL),
                None => (KeyCode::Char(other.chars().next().unwrap()), KeyModifiers::NONE),
            },
        };
        self.app.event(Event::Key(KeyEvent::new(code, modifiers)));
    }

    /// Text, then the time that a filter takes to hold.
    async fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.app.event(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self.later(Duration::from_millis(100)).await;
    }

    async fn click(&mut self, column: u16, row: u16) {
        let kind = MouseEventKind::Down(MouseButton::Left);
        self.app.event(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
        self.settle().await;
    }

    /// A key held down, as a terminal that reports no releases sends it: a pause, then press after press.
    async fn hold(&mut self, key: &str, pause: u64, every: u64, during: u64) {
        self.pass(Duration::from_secs(1));
        self.key(key);
        self.settle().await;
        let mut now = 0;
        for at in (pause..during).step_by(usize::try_from(every).unwrap()) {
            self.pass(Duration::from_millis(at - now));
            now = at;
            self.app.tick();
            self.key(key);
            self.settle().await;
        }
        for _ in 0..10 {
            self.pass(Duration::from_millis(100));
            self.settle().await;
        }
    }

    async fn later(&mut self, by: Duration) {
        self.pass(by);
        self.system.advance(by);
        self.settle().await;
    }

    /// What is on the screen.
    fn screen(&self) -> String {
        self.terminal.backend().to_string()
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "`{text}` is not on the screen:\n{screen}");
    }
    #[track_caller]
    fn hides(&self, text: &str) {
        let screen = self.screen();
        assert!(!screen.contains(text), "`{text}` is on the screen:\n{screen}");
    }
}

/// The calls, without the looks at files.
fn changes(system: &System) -> Vec<String> {
    system.calls().into_iter().filter(|call| !call.starts_with("view")).collect()
}
