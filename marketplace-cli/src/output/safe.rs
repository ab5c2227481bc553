//! Sanitizes untrusted text: for terminals (control sequences, and characters that hide or reorder text), and for
//! spreadsheets (formulas). Core's [`is_unsafe`] alone decides which characters are unsafe.

use std::{borrow::Cow, fmt::Write};

use marketplace_core::text::is_unsafe;

/// Returns a visible substitute: the control pictures of Unicode for the C0 set, the replacement character for the
/// rest.
fn stand_in(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

/// Sanitizes text for one line of a terminal: line breaks and tabs become blanks, unsafe characters are substituted.
///
/// Joiners between letters are kept, as words of some scripts and emoji are spelt with them; where they join nothing they
/// are left out. So are the marks of direction: they have no shape, and a line of cells has its own order. The characters
/// that spell a flag are kept behind the flag that they belong to.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let letter = |c: char| !c.is_whitespace() && !is_unsafe(c);
        before = match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{200c}' | '\u{200d}' if letter(before) && chars.peek().is_some_and(|next| letter(*next)) => c,
            '\u{200c}'..='\u{200f}' | '\u{61c}' => continue,
            '\u{e0020}'..='\u{e007f}' if matches!(before, '\u{1f3f4}' | '\u{e0020}'..='\u{e007e}') => c,
            c if is_unsafe(c) => stand_in(c),
            c => c,
        };
        out.push(before);
    }
    Cow::Owned(out)
}

/// Sanitizes text for several lines of a terminal: line breaks are kept.
pub fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(line)
}

/// Sanitizes text for a cell of a CSV file: as for a terminal, but with its line breaks and joiners, which some scripts
/// need in words; and a spreadsheet cannot read it as a formula (OWASP "CSV Injection"). Plain numbers and telephone
/// numbers stay unchanged.
pub fn csv(text: &str) -> String {
    let kept = |c| matches!(c, '\n' | '\t' | '\u{200c}' | '\u{200d}') || !is_unsafe(c);
    let clean: String = text.chars().map(|c| if kept(c) { c } else { stand_in(c) }).collect();
    let number = clean
        .strip_prefix(['+', '-'])
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.'));
    if clean.starts_with(['=', '+', '-', '@', '\t', '\n']) && !number { format!("'{clean}") } else { clean }
}

/// Returns whether a text should not be written raw into JSON or YAML, where line breaks are harmless.
pub fn needs_escape(text: &str) -> bool {
    text.chars().any(|c| is_unsafe(c) && c != '\n')
}

/// Escapes unsafe characters in serialised JSON: the meaning stays the same.
pub fn json(text: String) -> String {
    escaped(text, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _infallible = write!(out, "\\u{unit:04x}");
        }
    })
}

/// Escapes unsafe characters in serialised YAML; strings that need it must be double-quoted.
pub fn yaml(text: String) -> String {
    escaped(text, |out, c| {
        let _infallible = write!(out, "\\U{:08x}", u32::from(c));
    })
}

fn escaped(text: String, escape: impl Fn(&mut String, char)) -> String {
    if !needs_escape(&text) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(line("Ada\x1b]0;owned\x07\r\n\u{9b}31m\u{202e}x\x7f"), "Ada␛]0;owned␇  \u{fffd}31m\u{fffd}x␡");
        assert_eq!(line("a\u{200b}d\u{feff}m\u{ad}in"), "a\u{fffd}d\u{fffd}m\u{fffd}in");
        assert_eq!(line("Zoë 🐴 مرحبا"), "Zoë 🐴 مرحبا");
        assert_eq!(line("a\u{e0041}"), "a\u{fffd}");
        assert_eq!(lines("a\x08\nb").collect::<Vec<_>>(), ["a␈", "b"]);
    }

    #[test]
    fn names_are_shown_as_they_are_written() {
        for name in [
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦",
            "❤\u{fe0f}\u{200d}🔥",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "Vie\u{302}\u{323}t",
        ] {
            assert_eq!(line(name), name);
            // What makes the whole text be looked at changes nothing about it.
            assert_eq!(line(&format!("\t{name}")), format!(" {name}"));
        }
        assert_eq!(line("שלום!\u{200f} טוב\u{200e}"), "שלום! טוב");
        assert_eq!(line("\u{200d}Ada\u{200c} \u{200d}Obi\u{200d}"), "Ada Obi");
        assert_eq!(line("a\u{200d}\u{200d}b"), "a\u{200d}b");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (text, cell) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+44•••50", "'+44•••50"),
            ("-", "'-"),
            ("+442071838750", "+442071838750"),
            ("-3.5", "-3.5"),
            ("plain", "plain"),
            ("\x1b[2J", "␛[2J"),
            ("\u{feff}=1", "\u{fffd}=1"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ] {
            assert_eq!(csv(text), cell);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let name = "a\u{9b}b\u{202e}c\x7f\u{200b}\u{e0041}";
        let text = json(serde_json::to_string(name).unwrap());
        assert_eq!(text, r#""a\u009bb\u202ec\u007f\u200b\udb40\udc41""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }
}
