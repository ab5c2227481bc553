//! Queries the terminal's graphics support, with a short timeout: a terminal that does not respond must not delay the
//! start, and no key that is pressed meanwhile may be lost. Answers that come later, from a terminal far away, arrive
//! among the keys: [`LateAnswers`] takes them out.

use std::{
    fs::File,
    io::{Read, Write},
    time::{Duration, Instant},
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui_image::picker::{
    Picker, ProtocolType,
    cap_parser::{Parser, QueryStdioOptions, Response},
};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::picture::Images;

/// The time limit for the terminal's reply.
const PATIENCE: Duration = Duration::from_millis(250);
/// The time limit for the rest of a reply that has begun.
const REST: Duration = Duration::from_millis(500);
/// The parts of one answer arrive within this time.
const TOGETHER: Duration = Duration::from_millis(100);
/// No answer that matters here is longer.
const LONGEST: usize = 200;

/// Returns how pictures are drawn here, and the keys that were pressed during the query.
pub fn query() -> (Images, Vec<KeyEvent>) {
    let plain = || Images::without_graphics(env);
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
    // The last answer ends the wait, and every terminal sends it.
    while start.elapsed() < if escaped { REST } else { PATIENCE } {
        let count = reading.0.read(&mut bytes)?;
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

/// Takes a terminal's answers that come late out of the events. Crossterm drops those that it knows; the others arrive as
/// Alt with the character that begins them, followed by their text as if it was typed.
#[derive(Debug, Default)]
pub struct LateAnswers {
    /// What may be an answer, from its beginning.
    held: Vec<Event>,
    text: String,
    last: Option<Instant>,
    kitty: bool,
}

impl LateAnswers {
    /// Returns the events that are no part of an answer, in their order.
    pub fn sift(&mut self, event: Event, now: Instant) -> Vec<Event> {
        let mut out = self.expire(now);
        let key = match &event {
            Event::Key(key) if key.kind == KeyEventKind::Press => *key,
            _ if self.held.is_empty() => {
                out.push(event);
                return out;
            }
            _ => {
                out.append(&mut self.release());
                out.push(event);
                return out;
            }
        };
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            // APC, OSC, DCS.
            KeyCode::Char(c @ ('_' | ']' | 'P')) if alt && !control => {
                out.append(&mut self.release());
                self.text.push(c);
                self.held.push(event);
                self.last = Some(now);
            }
            _ if self.held.is_empty() => out.push(event),
            KeyCode::Char('\\') if alt => self.end(),
            KeyCode::Char('g') if control => self.end(),
            KeyCode::Char(c) if !alt && !control && self.fits(c) => {
                self.text.push(c);
                self.held.push(event);
                self.last = Some(now);
            }
            _ => {
                out.append(&mut self.release());
                out.push(event);
            }
        }
        out
    }

    /// Returns what was held back in vain: nothing followed that makes it an answer.
    pub fn expire(&mut self, now: Instant) -> Vec<Event> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= TOGETHER) {
            self.release()
        } else {
            Vec::new()
        }
    }

    /// Returns how pictures are drawn, once an answer says that the terminal can do better than was known.
    pub fn images(&mut self) -> Option<Images> {
        std::mem::take(&mut self.kitty).then(|| interpret(&[Response::Kitty]))?
    }

    /// Returns whether a character can be the next one of what has begun: answers of kitty's protocol begin with `G`, those
    /// about colours and the like with a number, those about settings with `>`, `0`, `1` or `!`.
    fn fits(&self, c: char) -> bool {
        let mut begun = self.text.chars();
        match (begun.next(), begun.next()) {
            (Some('_'), None) => c == 'G',
            (Some(']'), None) => c.is_ascii_digit(),
            (Some('P'), None) => c.is_ascii_digit() || matches!(c, '>' | '!'),
            _ => self.text.len() < LONGEST,
        }
    }

    fn end(&mut self) {
        self.kitty |= self.text.starts_with("_G") && self.text.ends_with(";OK");
        self.forget();
    }

    fn forget(&mut self) {
        self.held.clear();
        self.text.clear();
        self.last = None;
    }

    /// Returns what was held back as keys, unless so much of it arrived at once that nobody typed it.
    fn release(&mut self) -> Vec<Event> {
        let held = if self.text.len() > 2 { Vec::new() } else { std::mem::take(&mut self.held) };
        self.forget();
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes as crossterm reads them.
    fn events(bytes: &str) -> Vec<Event> {
        let mut events = Vec::new();
        let mut alt = false;
        for c in bytes.chars() {
            if c == '\u{1b}' {
                alt = true;
                continue;
            }
            let modifiers = if alt { KeyModifiers::ALT } else { KeyModifiers::NONE };
            alt = false;
            events.push(Event::Key(match c {
                '\u{7}' => KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL),
                c => KeyEvent::new(KeyCode::Char(c), modifiers),
            }));
        }
        events
    }

    fn sifted(late: &mut LateAnswers, bytes: &str) -> Vec<Event> {
        let now = Instant::now();
        let mut out: Vec<_> = events(bytes).into_iter().flat_map(|event| late.sift(event, now)).collect();
        out.extend(late.expire(now + TOGETHER));
        out
    }

    #[test]
    fn late_answers_are_no_keys() {
        for answer in [
            "\u{1b}_Gi=31;OK\u{1b}\\",
            "\u{1b}_Gi=31;ENOTSUPPORTED:no\u{1b}\\",
            "\u{1b}]11;rgb:1e1e/1e1e/1e1e\u{1b}\\",
            "\u{1b}]11;rgb:1e1e/1e1e/1e1e\u{7}",
            "\u{1b}P>|kitty(0.36)\u{1b}\\",
        ] {
            let mut late = LateAnswers::default();
            assert_eq!(sifted(&mut late, &format!("a{answer}x")), events("ax"), "{answer:?}");
            assert_eq!(late.kitty, answer.ends_with(";OK\u{1b}\\"));
        }
    }

    #[test]
    fn an_answer_whose_rest_is_lost_ends_by_itself() {
        let (mut late, now) = (LateAnswers::default(), Instant::now());
        for event in events("\u{1b}_Gi=31;O") {
            assert_eq!(late.sift(event, now), []);
        }
        let key = events("x").remove(0);
        assert_eq!(late.sift(key.clone(), now + TOGETHER), [key]);
    }

    #[test]
    fn keys_stay_keys() {
        for typed in ["a_]P\\G", "\u{1b}_x", "\u{1b}]j", "\u{1b}P", "\u{1b}_", "\u{1b}\\", "\u{7}"] {
            assert_eq!(sifted(&mut LateAnswers::default(), typed), events(typed), "{typed:?}");
        }
    }
}
