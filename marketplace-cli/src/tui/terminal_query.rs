//! Queries the terminal's graphics support, with a short timeout: a terminal that does not respond must not delay the
//! start, and no key that is pressed meanwhile may be lost.

use std::{
    fs::File,
    io::{Read, Write},
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_image::picker::{
    Picker, ProtocolType,
    cap_parser::{Parser, QueryStdioOptions, Response},
};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::picture::Images;

/// The time limit for the terminal's reply.
const PATIENCE: Duration = Duration::from_millis(250);

/// Returns how pictures are drawn here, and the keys that were pressed during the query.
pub fn query() -> (Images, Vec<KeyEvent>) {
    let plain = || Images::Pixels(Box::new(Picker::halfblocks()));
    match ask() {
        Ok((answers, keys)) => (interpret(&answers).unwrap_or_else(plain), keys),
        Err(_) => (plain(), Vec::new()),
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Returns whether this is tmux, where queries to the outer terminal must be wrapped.
fn in_tmux() -> bool {
    env("TERM").starts_with("tmux") || env("TERM_PROGRAM") == "tmux"
}

fn interpret(answers: &[Response]) -> Option<Images> {
    let terminal = env("TERM_PROGRAM");
    let known = ["iTerm", "WezTerm", "mintty", "vscode", "Tabby", "rio", "WarpTerminal"];
    let iterm = known.iter().any(|name| terminal.contains(name)) || env("LC_TERMINAL").contains("iTerm");
    // These report support for the kitty protocol, but lack the part of it that is used here.
    let no_kitty = !env("WEZTERM_EXECUTABLE").is_empty() || !env("KONSOLE_VERSION").is_empty();
    let cell = answers.iter().find_map(|answer| match answer {
        Response::CellSize(Some(size)) => Some(*size),
        _ => None,
    });
    let (width, height) = cell.or_else(|| {
        let size = tcgetwinsize(std::io::stdout()).ok()?;
        Some((size.ws_xpixel.checked_div(size.ws_col)?, size.ws_ypixel.checked_div(size.ws_row)?))
    })?;
    if width == 0 || height == 0 {
        return None;
    }
    let protocol = if answers.contains(&Response::Kitty) && !no_kitty {
        ProtocolType::Kitty
    } else if iterm {
        ProtocolType::Iterm2
    } else if answers.contains(&Response::Sixel) && env("KONSOLE_VERSION").is_empty() {
        ProtocolType::Sixel
    } else {
        return None;
    };
    #[expect(deprecated, reason = "the question was asked here, with a shorter patience")]
    let mut picker = Picker::from_fontsize((width, height).into());
    picker.set_protocol_type(protocol);
    Some(Images::Pixels(Box::new(picker)))
}

/// Restores the terminal's input mode.
struct Reading(File, Termios);

impl Drop for Reading {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = tcsetattr(&self.0, OptionalActions::Now, &self.1);
    }
}

fn ask() -> std::io::Result<(Vec<Response>, Vec<KeyEvent>)> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut brief = before.clone();
    // A read waits for a tenth of a second at most.
    brief.special_codes[SpecialCodeIndex::VMIN] = 0;
    brief.special_codes[SpecialCodeIndex::VTIME] = 1;
    tcsetattr(&terminal, OptionalActions::Now, &brief)?;
    let mut reading = Reading(terminal, before);

    let mut out = std::io::stdout().lock();
    out.write_all(Parser::query(in_tmux(), QueryStdioOptions::default()).as_bytes())?;
    out.flush()?;
    drop(out);

    let mut parser = Parser::new();
    let mut answers = Vec::new();
    let mut keys = Vec::new();
    let start = Instant::now();
    let mut bytes = [0; 256];
    let mut escaped = false;
    while start.elapsed() < PATIENCE {
        let count = reading.0.read(&mut bytes)?;
        if count == 0 {
            // After a tenth of a second of silence, before or after a reply, nothing more is expected.
            break;
        }
        for byte in bytes.iter().take(count) {
            // Replies begin with Escape; anything before was typed.
            escaped |= *byte == 0x1b;
            if escaped {
                let found = parser.push(char::from(*byte));
                let end = !found.is_empty();
                let last = found.contains(&Response::Status);
                answers.extend(found);
                if end {
                    escaped = false;
                }
                if last {
                    return Ok((answers, keys));
                }
            } else if let Some(key) = typed(*byte) {
                keys.push(key);
            }
        }
    }
    Ok((answers, keys))
}

fn typed(byte: u8) -> Option<KeyEvent> {
    let code = match byte {
        b'\r' | b'\n' => KeyCode::Enter,
        b'\t' => KeyCode::Tab,
        b' '..=b'~' => KeyCode::Char(char::from(byte)),
        3 => return Some(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        _ => return None,
    };
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}
