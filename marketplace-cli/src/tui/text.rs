//! Text for the screen: sanitized and cut to width; relative times.

use std::time::Duration;

use jiff::tz::TimeZone;
use marketplace_core::{base::principal::Principal, text::is_unsafe, time::Timestamp};
use ratatui::{
    buffer::CellWidth,
    style::Style,
    text::{Line, Span},
};

pub use crate::output::safe::line as clean;

/// Returns the lines of a text, each cleaned.
pub fn clean_lines(text: &str) -> Vec<String> {
    text.split('\n').map(|line| clean(line.trim_end_matches('\r')).into_owned()).collect()
}

/// Returns the bytes of the longest beginning of a text that fits into so many columns, and the columns that it needs.
///
/// Counts cells as they are drawn, cluster by cluster. The width of a whole text may be less, because the crate
/// `unicode-width` joins Arabic letters across clusters; what follows would be drawn too far on the left.
fn fitting(text: &str, columns: usize) -> (usize, usize) {
    if text.is_ascii() {
        let end = text.len().min(columns);
        return (end, end);
    }
    let (mut bytes, mut used) = (0, 0);
    for grapheme in Span::raw(text).styled_graphemes(Style::new()) {
        let width = usize::from(grapheme.symbol.cell_width());
        if used + width > columns {
            break;
        }
        used += width;
        bytes += grapheme.symbol.len();
    }
    (bytes, used)
}

/// Returns the columns that a text needs.
pub fn width(text: &str) -> usize {
    fitting(text, usize::MAX).1
}

/// Returns the columns that a line needs.
pub fn line_width(line: &Line<'_>) -> usize {
    line.spans.iter().map(|span| width(&span.content)).sum()
}

/// Returns the text cleaned and cut to at most `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    let text = clean(text);
    match columns {
        _ if width(&text) <= columns => text.into_owned(),
        0 => String::new(),
        _ => format!("{}…", text.get(..fitting(&text, columns - 1).0).unwrap_or_default()),
    }
}

/// Returns the text in at most `columns` with `…` at its end: more would follow.
pub fn ended(text: &str, columns: usize) -> String {
    let text = clean(text);
    if width(&text) < columns { format!("{text}…") } else { cut(&format!("{text}……"), columns) }
}

/// Returns the text in exactly `columns`, cut or padded on the right.
pub fn left(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    text.push_str(&" ".repeat(columns.saturating_sub(width(&text))));
    text
}

/// Returns the text in exactly `columns`, cut or padded on the left.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(&text))))
}

/// Returns pasted text as it may be inserted: without escape sequences and control characters; line breaks of any kind
/// become `\n`, tabs become blanks.
pub fn pasted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' => out.push(' '),
            '\u{1b}' | '\u{80}'..='\u{9f}' => skip_sequence(c, &mut chars),
            '\u{200c}' | '\u{200d}' | '\u{e0020}'..='\u{e007f}' => out.push(c),
            c if is_unsafe(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Like [`pasted`], in one line.
pub fn pasted_line(text: &str) -> String {
    pasted(text).split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Skips the rest of an escape sequence (ECMA-48, "Control functions").
fn skip_sequence(first: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match first {
        '\u{1b}' => chars.next_if(|c| !c.is_control()),
        '\u{9b}' => Some('['),
        '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => Some(']'),
        _ => None,
    };
    match kind {
        Some('[') => {
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        // A string for the terminal, up to its end; one without an end is no longer than its line.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next_if(|c| !matches!(c, '\n' | '\r')) {
                match c {
                    '\u{7}' | '\u{9c}' => return,
                    '\u{1b}' => {
                        chars.next_if_eq(&'\\');
                        return;
                    }
                    _ => {}
                }
            }
        }
        Some(' '..='/') => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
        _ => {}
    }
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
                let fits = match fitting(word, columns).0 {
                    0 => word.len().min(fitting(word, columns + 2).0.max(word.ceil_char_boundary(1))),
                    fits => fits,
                };
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

/// How times are shown: exact or relative, and in which zone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Whether they are exact.
    pub exact: bool,
    /// The zone of this machine, where it is to be used in place of UTC.
    local: Option<&'static TimeZone>,
}

impl Times {
    /// Creates relative times, and exact ones in UTC or in the zone of this machine.
    pub fn new(local: bool) -> Self {
        // Read once, and needed until the end.
        Self { exact: false, local: local.then(|| &*Box::leak(Box::new(TimeZone::system()))) }
    }

    #[cfg(test)]
    pub fn in_zone(zone: TimeZone) -> Self {
        Self { exact: true, local: Some(Box::leak(Box::new(zone))) }
    }

    /// Returns what a heading says of the zone: times of summer and winter have different names.
    pub fn zone(self) -> &'static str {
        if self.local.is_some() { "local" } else { "UTC" }
    }

    fn format(self, at: Timestamp, utc: &'static str) -> String {
        match (self.local, jiff::Timestamp::from_microsecond(at.micros())) {
            (Some(zone), Ok(time)) => time.to_zoned(zone.clone()).strftime(utc).to_string(),
            (None, Ok(time)) => time.to_zoned(TimeZone::UTC).strftime(utc).to_string(),
            (_, Err(_)) => at.to_string(),
        }
    }

    /// Formats a time as a date and a time of day, where a heading names the zone: `2026-03-02 10:00:00`.
    pub fn stamp(self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%d %H:%M:%S")
    }
    /// Formats a time as a date.
    pub fn date(self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%d")
    }
    /// Formats a time as a time of day: `10:00`.
    pub fn clock(self, at: Timestamp) -> String {
        self.format(at, "%H:%M")
    }
}

/// Formats a time as a date and a time of day with the zone: `2026-03-02 10:00:00 UTC`.
pub fn exact(at: Timestamp, times: Times) -> String {
    times.format(at, "%Y-%m-%d %H:%M:%S %Z")
}

/// Formats a time as requested: exact, or how long ago.
pub fn when(at: Timestamp, now: Timestamp, times: Times) -> String {
    if times.exact { exact(at, times) } else { age(now.since(at)) }
}

/// Formats a time as requested for a sentence: exact, or `3h ago`.
pub fn ago(at: Timestamp, now: Timestamp, times: Times) -> String {
    if times.exact { exact(at, times) } else { format!("{} ago", age(now.since(at))) }
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
        assert_eq!(wrap("👩\u{200d}👧 x", 1), ["👩\u{200d}👧", "x"]);
    }

    #[test]
    fn texts_fill_exactly_the_cells_that_they_are_drawn_in() {
        for name in [
            "Ada Obi",
            "علاء الدين",
            "می\u{200c}خواهم",
            "שָׁלוֹם כהן",
            "क\u{94d}\u{200d}ष प्रिया",
            "สมชาย ใจดี กำ",
            "青木 真司",
            "김민준",
            "தமிழ்ச்செல்வி",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 Kim",
            "Nguye\u{302}\u{303}n Vie\u{323}\u{302}t",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            for columns in 1..24 {
                for text in [left(name, columns), right(name, columns)] {
                    let mut buf = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 40, 1));
                    let (x, _) = buf.set_stringn(0, 0, &text, 40, Style::new());
                    assert_eq!(usize::from(x), columns, "{name} in {columns}: {text:?}");
                }
            }
        }
    }

    #[test]
    fn pasting_keeps_lines_and_drops_what_steers() {
        for (text, kept) in [
            ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
            ("a\u{1b}[31mred\u{1b}[0m b", "ared b"),
            ("\u{1b}[38;2;1;2;3mx\u{9b}1Ky", "xy"),
            ("\u{1b}]8;;https://a.example\u{7}link\u{1b}]8;;\u{1b}\\.", "link."),
            ("\u{1b}Pq#0\u{1b}\\x", "x"),
            ("\u{1b}]0;no end\nnext", "\nnext"),
            ("\u{1b}(Bx\u{1b}7y\u{1b}", "xy"),
            ("a\tb\u{8}\u{202e}c", "a bc"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ] {
            assert_eq!(pasted(text), kept, "{text:?}");
        }
        assert_eq!(pasted_line(" a \r\n\r\n b\n"), "a b");
    }

    #[test]
    fn exact_times_name_their_zone() {
        let (winter, summer) = ("2026-03-02T23:30:00Z".parse().unwrap(), "2026-07-01T10:00:00Z".parse().unwrap());
        assert_eq!(exact(winter, Times::default()), "2026-03-02 23:30:00 UTC");
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let times = Times::in_zone(zone);
        assert_eq!(exact(winter, times), "2026-03-03 00:30:00 CET");
        assert_eq!(exact(summer, times), "2026-07-01 12:00:00 CEST");
        assert_eq!(
            (times.date(winter).as_str(), times.clock(summer).as_str(), times.zone()),
            ("2026-03-03", "12:00", "local")
        );
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
