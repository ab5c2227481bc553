//! `marketplace replay`: plays a recording of the console in the terminal.

use std::{
    fs::File,
    io::{BufRead, BufReader, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crossterm::{
    cursor,
    event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    execute, terminal,
};
use marketplace_core::{
    error::{Error, ErrorCode},
    platform::input_file,
};
use serde::Deserialize;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

/// Upper limit of the bytes of one event; a whole frame is far smaller.
const MAX_LINE: u64 = 8 * 1024 * 1024;
/// Upper limit of the characters of a control sequence; what draws needs fewer.
const MAX_SEQUENCE: usize = 64;
/// How often it is looked whether a key was pressed.
const LOOK: Duration = Duration::from_millis(20);

/// What is played, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recording (asciicast v2)
    pub file: PathBuf,
    /// How much faster
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub speed: f64,
    /// Seconds of a pause in which nothing happens at most
    #[arg(long, value_name = "SECONDS", value_parser = factor)]
    pub idle_limit: Option<f64>,
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.01..=1_000.0).contains(&number) => Ok(number),
        _ => Err("not a number from 0.01 to 1000".into()),
    }
}

/// Plays a recording until its end, or until `q`.
pub async fn run(args: Args, context: &Context) -> Outcome {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "a recording is played on a terminal, and this is none",
            "the file is lines of JSON (asciicast v2), for programs to read",
        ));
    }
    let mut recording = Recording::open(&args.file)?;
    let size = terminal::size()?;
    if size.0 < recording.size.0 || size.1 < recording.size.1 {
        let (width, height) = recording.size;
        return Err(Failure::usage(
            format!("the recording needs {width}×{height} characters, and this terminal has {}×{}", size.0, size.1),
            "make the window larger, or the letters smaller",
        ));
    }
    // It restores the terminal itself.
    context.interrupt.ignore();
    tokio::task::spawn_blocking(move || play(&mut recording, &args)).await.map_err(Error::internal)?
}

/// The terminal while a recording is played; restored when dropped.
struct Stage;

impl Stage {
    fn enter() -> std::io::Result<Self> {
        terminal::enable_raw_mode()?;
        let stage = Self;
        execute!(std::io::stdout(), terminal::EnterAlternateScreen, terminal::DisableLineWrap, cursor::Hide)?;
        Ok(stage)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // There is nothing left to restore when the terminal is gone.
        let _ = execute!(
            std::io::stdout(),
            crossterm::style::ResetColor,
            terminal::EnableLineWrap,
            terminal::LeaveAlternateScreen,
            cursor::Show
        );
        let _ = terminal::disable_raw_mode();
    }
}

fn play(recording: &mut Recording, args: &Args) -> Outcome {
    let _stage = Stage::enter()?;
    let mut out = std::io::stdout().lock();
    let mut filter = Filter::default();
    let (mut at, mut due) = (0.0, Instant::now());
    let mut skips = false;
    while let Some(Moment { time, what }) = recording.next()? {
        let pause = (time - at).max(0.0).min(args.idle_limit.unwrap_or(f64::MAX)) / args.speed;
        at = time;
        // A day at most: the file may say anything.
        due += Duration::from_secs_f64(pause.min(86_400.0));
        if skips {
            due = Instant::now();
        }
        match wait(&mut due)? {
            Wish::Leave => return Ok(()),
            Wish::NextMarker => skips = true,
            Wish::GoOn => {}
        }
        match what {
            What::Output(text) => {
                out.write_all(filter.drawing(&text).as_bytes())?;
                out.flush()?;
            }
            What::Marker => skips = false,
            What::Other => {}
        }
    }
    // The last frame stays until a key is pressed.
    due = Instant::now() + Duration::from_hours(24);
    wait(&mut due)?;
    Ok(())
}

/// What somebody wants who presses a key.
enum Wish {
    GoOn,
    NextMarker,
    Leave,
}

/// Waits until a time, or a key; a pause moves the time.
fn wait(due: &mut Instant) -> Outcome<Wish> {
    let mut paused: Option<Instant> = None;
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if paused.is_none() && left.is_zero() && !event::poll(Duration::ZERO)? {
            return Ok(Wish::GoOn);
        }
        if !event::poll(if paused.is_some() { LOOK } else { left.min(LOOK) })? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        let ends = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if key.kind == KeyEventKind::Release => {}
            KeyCode::Char('q') | KeyCode::Esc => return Ok(Wish::Leave),
            _ if ends => return Ok(Wish::Leave),
            KeyCode::Char('n') => return Ok(Wish::NextMarker),
            KeyCode::Char(' ') => match paused.take() {
                Some(since) => *due += since.elapsed(),
                None => paused = Some(Instant::now()),
            },
            _ => {}
        }
    }
}

/// The first line.
#[derive(Deserialize)]
struct Header {
    version: u32,
    width: u16,
    height: u16,
}

/// An event, and its time in seconds.
struct Moment {
    time: f64,
    what: What,
}

enum What {
    Output(String),
    Marker,
    Other,
}

/// A recording that is being read.
struct Recording {
    lines: BufReader<File>,
    number: u64,
    name: String,
    size: (u16, u16),
}

impl Recording {
    fn open(path: &Path) -> Outcome<Self> {
        let name = path.display().to_string();
        if path.is_dir() {
            return Err(Failure::Core(Error::invalid("/file", format!("{name} is a folder, and no recording"))));
        }
        let file = input_file::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(ErrorCode::NotFound, format!("there is no file {name}")),
            _ => Error::unavailable(format!("{name} cannot be read"), error),
        })?;
        let mut recording = Self { lines: BufReader::new(file), number: 0, name, size: (0, 0) };
        let header = recording.line()?.and_then(|line| serde_json::from_str::<Header>(&line).ok());
        match header {
            Some(Header { version: 2, width, height }) if width > 0 && height > 0 => recording.size = (width, height),
            _ => return Err(recording.unfit("is no recording (asciicast v2)")),
        }
        Ok(recording)
    }

    fn unfit(&self, what: &str) -> Failure {
        Failure::Core(Error::invalid("/file", format!("{}, line {}: {what}", self.name, self.number)))
    }

    fn line(&mut self) -> Outcome<Option<String>> {
        let mut line = Vec::new();
        self.number += 1;
        let length = self.lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if length as u64 == MAX_LINE {
            return Err(self.unfit("is too long"));
        }
        Ok((length > 0).then(|| String::from_utf8_lossy(&line).trim().to_owned()))
    }

    fn next(&mut self) -> Outcome<Option<Moment>> {
        let line = loop {
            match self.line()? {
                Some(line) if line.is_empty() => {}
                Some(line) => break line,
                None => return Ok(None),
            }
        };
        let Ok((time, code, data)) = serde_json::from_str::<(f64, String, String)>(&line) else {
            return Err(self.unfit("is no event"));
        };
        let what = match code.as_str() {
            "o" => What::Output(data),
            "m" => What::Marker,
            _ => What::Other,
        };
        Ok(Some(Moment { time, what }))
    }
}

/// Lets through what draws, and nothing else that a terminal would obey: a recording may come from anybody.
#[derive(Debug, Default)]
struct Filter {
    state: State,
    sequence: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// A control sequence that may draw.
    Control,
    /// A text for the terminal itself (its title, the clipboard, a picture), until its end.
    Told,
    /// Perhaps the end of one.
    ToldEscape,
    /// One more character that belongs to what is left out.
    Dropped,
}

impl Filter {
    /// Returns the part of a text that draws. A sequence may go on in the next text.
    #[expect(clippy::match_same_arms, reason = "a line for each way")]
    fn drawing(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            self.state = match (self.state, c) {
                (State::Told, '\u{7}' | '\u{9c}') => State::Text,
                (State::Told, '\u{1b}') => State::ToldEscape,
                (State::Told, _) => State::Told,
                (State::ToldEscape, '\\') | (State::Dropped, _) => State::Text,
                (State::ToldEscape, _) => State::Told,
                (_, '\u{1b}') => State::Escape,
                (State::Escape, '[') => {
                    self.sequence.clear();
                    State::Control
                }
                (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Told,
                (State::Escape, ' '..='/') => State::Dropped,
                (State::Escape, _) => State::Text,
                (State::Control, '@'..='~') => {
                    if draws(&self.sequence, c) {
                        out.push_str("\u{1b}[");
                        out.push_str(&self.sequence);
                        out.push(c);
                    }
                    State::Text
                }
                (State::Control, ' '..='?') => {
                    if self.sequence.len() <= MAX_SEQUENCE {
                        self.sequence.push(c);
                    }
                    State::Control
                }
                (State::Control, _) => State::Text,
                (State::Text, '\r' | '\n') => {
                    out.push(c);
                    State::Text
                }
                // Their eight-bit forms.
                (State::Text, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => State::Told,
                (State::Text, '\u{9b}') => State::Dropped,
                (State::Text, c) if c.is_control() => State::Text,
                (State::Text, c) => {
                    out.push(c);
                    State::Text
                }
            };
        }
        out
    }
}

/// Returns whether a control sequence only draws: it moves the cursor, clears, or chooses how letters look.
fn draws(parameters: &str, last: char) -> bool {
    let is_plain =
        parameters.len() <= MAX_SEQUENCE && parameters.chars().all(|c| c.is_ascii_digit() || ";:".contains(c));
    match last {
        'A'..='H' | 'J' | 'K' | 'd' | 'f' | 'm' => is_plain,
        'h' | 'l' => parameters == "?25",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_draws_and_does_nothing_else() {
        let drawn = |text: &str| Filter::default().drawing(text);
        let fine = "\u{1b}[2J\u{1b}[1;31mAda 上海\u{1b}[0m\r\n\u{1b}[3;4H\u{1b}[?25l\u{1b}[38:2::1:2:3mx";
        assert_eq!(drawn(fine), fine);
        for hostile in [
            "\u{1b}]0;title\u{7}",
            "\u{1b}]52;c;cm0gLXJmIH4=\u{1b}\\",
            "\u{1b}Pq#0;2;0;0;0\u{1b}\\",
            "\u{1b}_Ga=T,f=100;AAAA\u{1b}\\",
            "\u{1b}[6n",
            "\u{1b}[?1049l",
            "\u{1b}[?1000h",
            "\u{1b}[20t",
            "\u{1b}[1$r",
            "\u{1b}c",
            "\u{1b}(0",
            "\u{9b}",
            "\u{9d}0;title\u{9c}",
            "\u{7}\u{8}\u{0}\u{7f}",
        ] {
            let shown = drawn(&format!("a{hostile}b"));
            assert!(matches!(shown.as_str(), "ab" | "a"), "{hostile:?}: {shown:?}");
        }
        // In pieces as well.
        let mut filter = Filter::default();
        let pieces: String =
            ["a\u{1b}", "]52;c;x", "\u{1b}", "\\b\u{1b}[", "1", "mc"].map(|piece| filter.drawing(piece)).concat();
        assert_eq!(pieces, "ab\u{1b}[1mc");
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.cast");
        assert_eq!(Recording::open(&path).err().map(|failure| failure.exit_code()), Some(3));
        for text in
            ["", "hello", "{\"version\":3,\"width\":80,\"height\":24}", "{\"version\":2,\"width\":0,\"height\":24}"]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Recording::open(&path).err().map(|failure| failure.exit_code()), Some(2), "{text}");
        }
        std::fs::write(&path, "{\"version\":2,\"width\":80,\"height\":24}\n[0.5,\"m\",\"x\"]\n\n[1,\"o\"]\n").unwrap();
        let mut recording = Recording::open(&path).unwrap();
        assert!(matches!(recording.next().unwrap(), Some(Moment { what: What::Marker, .. })));
        assert_eq!(recording.next().err().map(|failure| failure.exit_code()), Some(2));
    }
}
