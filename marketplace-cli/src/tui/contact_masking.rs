//! Contact details in messages: masked until they are revealed, and highlighted.

use std::ops::Range;

/// Digits of the shortest number with a country code, and of the shortest without one.
const SHORTEST: (usize, usize) = (7, 9);
/// The replacement for what is masked.
const DOTS: &str = "•••";

/// Returns the text with addresses, links and telephone numbers masked; `None` when there are none.
pub fn masked(text: &str) -> Option<String> {
    let places = places(text);
    if places.is_empty() {
        return None;
    }
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for place in places {
        let (before, detail) = (text.get(at..place.start)?, text.get(place.clone())?);
        out.push_str(before);
        let kept = if detail.contains('@') { 1 } else { 3 };
        out.extend(detail.chars().take(kept));
        out.push_str(DOTS);
        at = place.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// Returns where in the text there are addresses, links and telephone numbers, but for those that are masked already.
pub fn places(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut rest = text;
    let mut fresh = true;
    while let Some(c) = rest.chars().next() {
        // A match begins only where a word begins.
        let length = if fresh { word(rest).or_else(|| number(rest)) } else { None };
        if let Some((detail, after)) = length.and_then(|length| rest.split_at_checked(length)) {
            if !detail.contains('•') {
                let begin = text.len() - rest.len();
                places.push(begin..begin + detail.len());
            }
            rest = after;
            fresh = false;
            continue;
        }
        fresh = !c.is_alphanumeric() && c != '+';
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    places
}

/// Returns the bytes of an address or a link at the beginning of the text.
fn word(text: &str) -> Option<usize> {
    let word = text.split(|c: char| c.is_whitespace() || "<>\"(),;`“”‘’«»[]{}|".contains(c)).next()?;
    let word = word.trim_end_matches(['.', '!', '?', ':', '\'']);
    let host = |host: &str| {
        let host = host.split(['/', '?', '#', ':']).next().unwrap_or("");
        host.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        })
    };
    let lower = word.to_ascii_lowercase();
    let mail = word.split_once('@').is_some_and(|(name, at)| !name.is_empty() && host(at));
    let link =
        ["http://", "https://"].iter().any(|scheme| lower.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
            || lower.strip_prefix("www.").is_some_and(host)
            || lower.split_once('/').is_some_and(|(name, path)| host(name) && !path.is_empty());
    (mail || link).then_some(word.len())
}

/// Returns the bytes of a telephone number at the beginning of the text.
fn number(text: &str) -> Option<usize> {
    let plus = text.starts_with('+');
    if !plus && !text.starts_with(['0', '(']) {
        return american(text);
    }
    let (mut digits, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => {
                digits += 1;
                end = at + 1;
            }
            '+' if at == 0 => {}
            ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/' => {}
            _ => break,
        }
    }
    let enough = if plus { SHORTEST.0 } else { SHORTEST.1 };
    (digits >= enough && digits <= 15).then_some(end)
}

/// Returns the bytes of a number written as `555-123-4567`.
fn american(text: &str) -> Option<usize> {
    let number = text.get(..12)?.as_bytes();
    let fits = number.iter().enumerate().all(|(at, byte)| match at {
        3 | 7 => matches!(byte, b'-' | b'.' | b' '),
        _ => byte.is_ascii_digit(),
    });
    let ends = text.get(12..)?.chars().next().is_none_or(|c| !c.is_ascii_digit());
    (fits && ends).then_some(12)
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn contact_details_are_masked() {
        for (said, shown) in [
            ("Pay me outside the app: +44 20 7183 8750 please", "Pay me outside the app: +44••• please"),
            ("call (0)30 1234567.", "call (0)•••."),
            ("06 12 34 56 78", "06 •••"),
            ("555-123-4567", "555•••"),
            ("mail ada@mail.example.org, or not", "mail a•••, or not"),
            ("see https://wa.me/4420 now", "see htt••• now"),
            ("t.me/ada", "t.m•••"),
            ("www.example.org!", "www•••!"),
        ] {
            assert_eq!(masked(said).as_deref(), Some(shown), "{said}");
        }
    }

    #[test]
    fn prices_dates_and_times_are_not() {
        for said in [
            "Yes, after 3 pm. 60.00 EUR",
            "on 2026-03-02 at 14:00 or 15:30",
            "02.03.2026, number 12345678",
            "a/b and/or e.g. this @ noon",
            "job 7c1e negotiating → accepted (offer 2, 55.00 EUR)",
            "naïve 10,000 steps",
            "",
        ] {
            assert_eq!(masked(said), None, "{said}");
        }
    }
}
