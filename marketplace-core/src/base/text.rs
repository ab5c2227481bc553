//! Validation of text from users: names, titles and texts must contain something visible, and no characters that affect how
//! they are displayed. Every operation that accepts text checks it here and nowhere else.
//!
//! Control characters and characters that override the writing direction are refused (`DOMAIN.md`, "Accounts"; Unicode
//! Technical Report 36, §2.10). Joiners (U+200C, U+200D) and direction marks between letters are kept: Persian, Hindi and
//! emoji need them. A multi-line text keeps its line breaks, as `\n`; its tabs become spaces.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, VariationSelector},
};

use crate::base::error::FieldError;

/// Maximum length of a staff note, in characters.
pub const MAX_NOTE: usize = 4_000;

/// Returns the trimmed name of a person or a token: one line of 1 to 100 characters.
pub fn check_name(name: &str) -> Result<String, FieldError> {
    check_line("/name", name, 1, 100)
}

/// Returns a trimmed text of one line. Its length is counted in characters (Unicode scalar values) after trimming; with a
/// `min` of 0 it may be empty.
pub fn check_line(pointer: &str, text: &str, min: usize, max: usize) -> Result<String, FieldError> {
    // Before trimming: a line break is refused at the ends too.
    if text.chars().any(breaks_line) {
        return Err(FieldError::new(pointer, "must be one line without control characters"));
    }
    checked(pointer, trimmed(text), min, max).map(str::to_owned)
}

/// Returns a trimmed text of one or several lines, with `\n` between lines and spaces for tabs. Its length is counted in
/// characters (Unicode scalar values) after that; with a `min` of 0 it may be empty.
pub fn check_text(pointer: &str, text: &str, min: usize, max: usize) -> Result<String, FieldError> {
    let text = text.replace("\r\n", "\n").replace('\t', " ").replace(['\u{2028}', '\u{2029}'], "\n");
    checked(pointer, trimmed(&text), min, max).map(str::to_owned)
}

/// Converts an external text to one line: characters that [`check_line`] refuses and runs of white space become a space,
/// and the rest is cut to `max` characters. Returns `None` when nothing visible remains.
pub fn clean_line(text: &str, max: usize) -> Option<String> {
    let acts = |c: char| if breaks_line(c) || overrides_direction(c) { ' ' } else { c };
    // Truncated before it is processed: the text may be of any length.
    let text: String = text.chars().take(max.saturating_mul(8)).map(acts).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = trimmed(&words.join(" ")).chars().take(max).collect();
    line.chars().any(is_visible).then(|| trimmed(&line).to_owned())
}

/// Returns a text that was stored before these rules, with spaces for the characters that they refuse.
pub fn clean_text(text: &str) -> String {
    let acts = |c: char| (breaks_line(c) && c != '\n') || overrides_direction(c);
    text.replace("\r\n", "\n").replace(acts, " ")
}

fn checked<'a>(pointer: &str, text: &'a str, min: usize, max: usize) -> Result<&'a str, FieldError> {
    let length = text.chars().take(max.saturating_add(1)).count();
    if length < min || length > max {
        return Err(FieldError::new(pointer, format!("must have {min} to {max} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(FieldError::new(pointer, "must not have control characters"));
    }
    if text.chars().any(overrides_direction) {
        return Err(FieldError::new(pointer, "must not have characters that override the direction of writing"));
    }
    if length > 0 && !text.chars().any(is_visible) {
        return Err(FieldError::new(pointer, "must have at least one visible character"));
    }
    Ok(text)
}

/// Removes invisible characters at the ends: white space, joiners that join nothing, byte order marks.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}'))
}

/// Returns whether a character must not reach a screen as it is: it would control the terminal, end a line, change the
/// direction of the text beside it, or be invisible. Joiners are included, as terminals disagree on the width of a word
/// that contains them.
pub fn is_unsafe(c: char) -> bool {
    breaks_line(c) || is_unseen(c)
}

/// Returns whether a character has no width and no glyph: by Unicode's list of characters that are ignored where they
/// cannot be drawn, and the annotation marks. Excludes characters that only select the shape of the preceding one.
pub(crate) fn is_unseen(c: char) -> bool {
    !c.is_ascii()
        && (matches!(c, '\u{FFF9}'..='\u{FFFB}')
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
                && !CodePointSetData::new::<VariationSelector>().contains(c))
}

/// Returns whether a character may not be drawn at all, by Unicode's list, including one that only selects a shape.
pub(crate) fn is_ignorable(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Returns whether a character is a control character or another one that ends a line.
fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Returns whether a character is an embedding, an override, an isolate, or a deprecated shaping control beside them.
fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}')
}

/// Returns whether a character is visible by itself: a letter, digit, sign or symbol that is not drawn as blank. Accents
/// alone are not, nor are characters to which no standard assigns a shape.
fn is_visible(c: char) -> bool {
    let group = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Punctuation)
        .union(GeneralCategoryGroup::Symbol);
    group.contains(CodePointMapData::<GeneralCategory>::new().get(c))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        // Symbols and letters by category, but drawn as blanks: a Braille cell without dots, a note without a head, two
        // spaces between hieroglyphs.
        && !matches!(c, '\u{2800}' | '\u{1D159}' | '\u{13441}' | '\u{13442}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_taken_as_they_are() {
        for name in [
            "Ada Obi",
            "Núria O’Brien-Åström",
            "李小龍",
            "עדה",
            "می\u{200C}خواهم",
            "क\u{94D}\u{200D}ष",
            "👩\u{200D}🔧",
            "❤\u{FE0F}",
            "שלום!\u{200F} טוב",
            "e\u{301}",
        ] {
            assert_eq!(check_name(name).as_deref(), Ok(name), "{name:?}");
        }
        assert_eq!(check_name(" \u{FEFF}Ada\u{200B} ").as_deref(), Ok("Ada"));
        assert_eq!(check_name(&"é".repeat(100)).unwrap().chars().count(), 100);
        assert!(check_name(&"é".repeat(101)).is_err());
    }

    #[test]
    fn names_that_act_on_their_reader_are_refused() {
        for c in (0..0x20).chain(0x7F..0xA0).chain(0x2028..0x202F).chain(0x2066..0x2070).filter_map(char::from_u32) {
            for name in [format!("Ada{c}Obi"), format!("{c}Ada"), format!("Ada{c}"), format!("Ada{c}\nBcc: x@y.z")] {
                assert!(check_name(&name).is_err(), "{name:?}");
            }
            let cleaned = clean_line(&format!("Ada{c}Obi"), 100);
            assert_eq!(cleaned.as_deref(), Some("Ada Obi"), "{c:?}");
        }
    }

    #[test]
    fn names_of_nothing_to_see_are_refused() {
        for name in [
            "",
            " ",
            "\u{200B}",
            "\u{200D}\u{200C}",
            "\u{3164}",
            "\u{FFA0}",
            "\u{115F}\u{1160}",
            "\u{2800}",
            "\u{AD}",
            "\u{34F}",
            "\u{61C}\u{200E}",
            "\u{2061}\u{2064}",
            "\u{180E}",
            "\u{FE0F}",
            "\u{E0041}\u{E007F}",
            "\u{301}\u{302}",
            "\u{E000}",
            "\u{FFFF}",
            "\u{3000}\u{A0}\u{2003}",
            "\u{17B4}",
            "\u{1D159}\u{1D173}",
            "\u{FFF9}\u{FFFB}",
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
            assert_eq!(clean_line(name, 100), None, "{name:?}");
            assert!(check_text("/text", name, 1, 100).is_err(), "{name:?}");
        }
        assert_eq!(check_line("/title", " \u{200B}", 0, 100).as_deref(), Ok(""));
        assert!(check_line("/title", "\u{3164}", 0, 100).is_err());
    }

    #[test]
    fn what_hides_or_steers_is_not_shown() {
        for c in "\0\u{1B}\u{7F}\u{9B}\n\t\r\u{AD}\u{61C}\u{3164}\u{FEFF}\u{FFF9}\u{E0041}".chars() {
            assert!(is_unsafe(c), "{c:?}");
        }
        let ranges = [0x200B..=0x200F, 0x2028..=0x202E, 0x2060..=0x206F];
        assert!(ranges.into_iter().flatten().filter_map(char::from_u32).all(is_unsafe));
        assert!(!"Núria e\u{301} 李小龍 שלום क\u{94D}ष 👩🔧 ❤\u{FE0F}\u{A0}\u{2003}\u{FFFD}".chars().any(is_unsafe));
    }

    #[test]
    fn texts_keep_their_lines_and_nothing_else_that_steers() {
        assert_eq!(check_text("/text", " a\r\nb\n\n\tc\u{2028}d\r\n", 1, 100).as_deref(), Ok("a\nb\n\n c\nd"));
        for bad in ["a\rb", "a\u{0}b", "a\u{1B}[2Jb", "a\u{B}b", "a\u{C}b", "a\u{85}b", "a\u{202E}b", "a\u{2066}b"] {
            assert!(check_text("/text", bad, 1, 100).is_err(), "{bad:?}");
        }
        let error = check_text("/text", &"x".repeat(11), 1, 10).unwrap_err();
        assert_eq!((error.pointer.as_str(), error.detail.as_str()), ("/text", "must have 1 to 10 characters"));
    }

    #[test]
    fn a_foreign_text_is_cut_to_a_line() {
        assert_eq!(clean_line(" Ada\r\n  Obi\t\u{202E} ", 100).as_deref(), Some("Ada Obi"));
        assert_eq!(clean_line(&"x".repeat(500), 100).map(|line| line.len()), Some(100));
        assert_eq!(clean_text("a\r\nb\rc\u{0}\n\u{202E}d"), "a\nb c \n d");
        assert_eq!(clean_line(&format!("Ada {}", "\u{0}".repeat(5_000)), 100).as_deref(), Some("Ada"));
    }
}
