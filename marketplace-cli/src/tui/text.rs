//! Text for the screen: sanitized and cut to width; relative times.

use std::time::Duration;

use marketplace_core::{base::principal::Principal, time::Timestamp};
use ratatui::text::Span;
use unicode_truncate::{Alignment, UnicodeTruncateStr};

pub use crate::output::safe::line as clean;

/// Returns the lines of a text, each cleaned.
pub fn clean_lines(text: &str) -> Vec<String> {
    text.split('\n').map(|line| clean(line.trim_end_matches('\r')).into_owned()).collect()
}

/// Returns the columns that a text needs.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Returns the text cleaned and cut to at most `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    let text = clean(text);
    match columns {
        _ if width(&text) <= columns => text.into_owned(),
        0 => String::new(),
        _ => format!("{}…", text.unicode_truncate(columns - 1).0),
    }
}

/// Returns the text in exactly `columns`, cut or padded on the right.
pub fn left(text: &str, columns: usize) -> String {
    cut(text, columns).unicode_pad(columns, Alignment::Left, false).into_owned()
}

/// Returns the text in exactly `columns`, cut or padded on the left.
pub fn right(text: &str, columns: usize) -> String {
    cut(text, columns).unicode_pad(columns, Alignment::Right, false).into_owned()
}

/// Wraps the words of a text in lines of at most `columns`; longer words are broken.
///
/// Does not use the crate `textwrap`, which adds up the widths of single characters, so that `❤\u{fe0f}❤\u{fe0f} b`
/// fits into four columns (0.16.4) where the screen needs six, and the end of the line is not visible.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in clean_lines(text) {
        let mut line = String::new();
        for mut word in paragraph.split(' ') {
            loop {
                let gap = usize::from(!line.is_empty());
                if width(&line) + gap + width(word) <= columns {
                    line.push_str(if gap == 1 { " " } else { "" });
                    line.push_str(word);
                    break;
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    continue;
                }
                // A character that is wider than the line still gets a line of its own.
                let fits = word.unicode_truncate(columns).0.len().max(word.ceil_char_boundary(1));
                let (head, rest) = word.split_at(fits);
                lines.push(head.to_owned());
                word = rest;
            }
        }
        lines.push(line);
    }
    lines
}

/// Formats a number with thousands separators: `1,204`.
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// Formats a duration in the largest unit that fits: `8s`, `5m`, `3h`, `2d`, `7w`, `2y`.
pub fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        172_800..1_209_600 => format!("{}d", seconds / 86_400),
        1_209_600..63_072_000 => format!("{}w", seconds / 604_800),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

/// Formats the remaining time as minutes and seconds: `9:42`. Rounded up, so that it reaches 0:00 when it is over.
pub fn countdown(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1_000);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Returns the whole seconds that remain, rounded up.
pub fn seconds_left(until: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(until.since(now).as_millis().div_ceil(1_000)).unwrap_or(0)
}

/// Formats a time as a date and a time of day, UTC: `2026-03-02 10:00:00`.
pub fn exact(at: Timestamp) -> String {
    let (hour, minute, second) = at.to_offset().to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02}", at.date())
}

/// Formats a time as requested: exact, or how long ago.
pub fn when(at: Timestamp, now: Timestamp, in_full: bool) -> String {
    if in_full { exact(at) } else { age(now.since(at)) }
}

/// Returns a code as words: `document_expired` → `document expired`.
pub fn words(code: &str) -> String {
    code.replace('_', " ")
}

/// Formats an ordinal: 1st, 2nd, 3rd, 4th, 11th …
pub fn ordinal(number: i64) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Returns the name of a principal, with its id shortened.
pub fn who(principal: &Principal) -> String {
    match principal.user_id() {
        Some(id) => format!("user {}", short_id(&id)),
        None => clean(&principal.0).into_owned(),
    }
}

/// Returns the last eight digits of an id, after `…`: the first ones are a time, and similar to each other. Other names
/// are not shortened.
pub fn short_id(id: &impl ToString) -> String {
    let id = id.to_string();
    match id.get(id.len().saturating_sub(8)..) {
        Some(end) if id.len() == 36 => format!("…{end}"),
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        assert_eq!(cut("Ferreira", 8), "Ferreira");
        assert_eq!(cut("Ferreira", 5), "Ferr…");
        assert_eq!(cut("青木青木", 5), "青木…");
        assert_eq!(left("ab", 4), "ab  ");
        assert_eq!(right("ab", 4), "  ab");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("青木 a", 1), ["青", "木", "a"]);
        assert_eq!(wrap("❤\u{fe0f}❤\u{fe0f} b", 4), ["❤\u{fe0f}❤\u{fe0f}", "b"]);
        assert_eq!(cut("❤\u{fe0f}❤\u{fe0f}b", 4), "❤\u{fe0f}…");
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(thousands(1_204), "1,204");
        assert_eq!(thousands(-12), "-12");
        assert_eq!(age(Duration::from_secs(59)), "59s");
        assert_eq!(age(Duration::from_secs(3 * 3_600)), "3h");
        assert_eq!(countdown(Duration::from_millis(581_200)), "9:42");
        assert_eq!(ordinal(2), "2nd");
        assert_eq!(ordinal(12), "12th");
    }
}
