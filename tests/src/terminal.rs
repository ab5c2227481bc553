//! A terminal to run the console in: a pseudo-terminal with a screen behind it.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A program in its own terminal.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    state: Arc<Mutex<State>>,
}

struct State {
    screen: vt100::Parser,
    /// Everything that the program wrote, for what is not visible on the screen.
    raw: Vec<u8>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Terminal {
    /// Runs a command in a terminal of so many columns and rows. Of the tests' environment, only `PATH` is passed on;
    /// `TERM` is `xterm-256color`.
    pub fn run(command: &std::process::Command, columns: u16, rows: u16, environment: &[(&str, &str)]) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env_clear();
        builder.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        builder.env("TERM", "xterm-256color");
        builder.env("LANG", "C.UTF-8");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                builder.env(name, value);
            }
        }
        for (name, value) in environment {
            builder.env(name, value);
        }
        if let Some(folder) = command.get_current_dir() {
            builder.cwd(folder);
        }
        let child = pair.slave.spawn_command(builder).expect("the console's binary runs");
        drop(pair.slave);
        let state = Arc::new(Mutex::new(State { screen: vt100::Parser::new(rows, columns, 0), raw: Vec::new() }));
        let mut reader = pair.master.try_clone_reader().expect("a terminal can be read");
        let seen = Arc::clone(&state);
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(count) = reader.read(&mut buffer) {
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
                let mut state = seen.lock().unwrap();
                state.screen.process(bytes);
                state.raw.extend_from_slice(bytes);
            }
        });
        let keyboard = pair.master.take_writer().expect("a terminal can be typed into");
        Self { child, master: pair.master, keyboard, state }
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush()).expect("the terminal is open");
        if keys.ends_with('\x1b') {
            // Any terminal program reads an escape and what follows at once as one key.
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Changes the size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a terminal can be resized");
        self.state.lock().unwrap().screen.screen_mut().set_size(rows, columns);
    }

    /// Returns the text of the screen, a line for each row.
    pub fn text(&self) -> String {
        self.state.lock().unwrap().screen.screen().contents()
    }

    /// Returns the screen with its colours.
    pub fn screen(&self) -> vt100::Screen {
        self.state.lock().unwrap().screen.screen().clone()
    }

    /// Returns everything that was written, including escape sequences.
    pub fn raw(&self) -> Vec<u8> {
        self.state.lock().unwrap().raw.clone()
    }

    /// Waits until the screen satisfies a condition; at most 20 s, as slow machines need.
    #[track_caller]
    pub fn wait(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        self.wait_within(what, Duration::from_secs(20), condition)
    }

    /// Waits until the screen satisfies a condition, for `limit` at most.
    #[track_caller]
    pub fn wait_within(&self, what: &str, limit: Duration, condition: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if condition(&text) {
                return text;
            }
            assert!(begun.elapsed() < limit, "never seen: {what}. The screen:\n{text}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the screen holds a text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Returns the process's id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a running program has an id")
    }

    /// Waits for the program's end, at most 20 s. Returns its exit code.
    pub fn ended(&mut self) -> u32 {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                // The last output may not have reached the screen yet.
                thread::sleep(Duration::from_millis(100));
                return status.exit_code();
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end. The screen:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asserts that the terminal is as a shell expects it: first screen, cursor shown, no mouse, echo and lines.
    pub fn assert_restored(&self) {
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "still on the second screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is captured");
        #[cfg(unix)]
        {
            let modes = self.master.get_termios().expect("a terminal has modes");
            let modes = format!("{:?}", modes.local_flags);
            assert!(modes.contains("ICANON") && modes.contains("ECHO"), "raw mode is on: {modes}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
