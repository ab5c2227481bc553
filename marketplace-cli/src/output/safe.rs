//! Text that others wrote, made harmless: for terminals (control sequences), for spreadsheets (formulas).

use std::borrow::Cow;

/// Characters that steer a terminal or turn the direction of the text around them, instead of being shown.
fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A visible stand-in: the control pictures of Unicode for the C0 set, the replacement character for the rest.
fn stand_in(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

/// For one line of a terminal: line breaks and tabs are blanks, and nothing steers the terminal.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| steers(c) || matches!(c, '\n' | '\t')) {
        Cow::Owned(
            text.chars()
                .map(|c| match c {
                    '\n' | '\t' => ' ',
                    c if steers(c) => stand_in(c),
                    c => c,
                })
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// For several lines of a terminal: line breaks stay.
pub fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(line)
}

/// For a cell of a CSV file: nothing steers a terminal, and nothing is a formula to a spreadsheet (OWASP "CSV Injection").
/// Plain numbers and telephone numbers stay as they are.
pub fn csv(text: &str) -> String {
    let clean: String = text.chars().map(|c| if steers(c) { stand_in(c) } else { c }).collect();
    let number = clean
        .strip_prefix(['+', '-'])
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.'));
    if clean.starts_with(['=', '+', '-', '@', '\t', '\n']) && !number { format!("'{clean}") } else { clean }
}

/// JSON and YAML text as serialised, with what could still steer a terminal escaped: the meaning stays the same.
pub fn escaped(text: String) -> String {
    if !text.chars().any(steers) {
        return text;
    }
    let escape = |c: char| format!("\\u{:04x}", u32::from(c));
    text.chars().map(|c| if steers(c) { escape(c) } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(line("Ada\x1b]0;owned\x07\r\n\u{9b}31m\u{202e}x\x7f"), "Ada␛]0;owned␇␍ \u{fffd}31m\u{fffd}x␡");
        assert_eq!(line("Zoë 🐴 مرحبا"), "Zoë 🐴 مرحبا");
        assert_eq!(lines("a\x08\nb").collect::<Vec<_>>(), ["a␈", "b"]);
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
        ] {
            assert_eq!(csv(text), cell);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let name = "a\u{9b}b\u{202e}c\x7f";
        let text = escaped(serde_json::to_string(name).unwrap());
        assert_eq!(text, r#""a\u009bb\u202ec\u007f""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }
}
