//! Contact details in texts: addresses, numbers, links and names at messengers, also where they are spelt apart or with
//! characters that look like others. Time grows with the length of the text, whatever it says. No SQL, no I/O.
//!
//! What people write about their work stays free: dates, times, prices and ranges of them are no telephone numbers, and an
//! address of the marketplace itself is no link.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::model::ContactDetail;
use crate::base::text::is_ignorable;

/// A full stop, or the word for it in brackets or between blanks.
const DOT: &str = r"(?:\.|\s{1,2}\.\s{1,2}|\s{0,2}[(\[{<]\s?(?:dot|punkt|point|punto|ponto|\.)\s?[)\]}>]\s{0,2}|\s{1,2}(?:dot|punkt|punto|ponto)\s{1,2})";
/// An at sign, or the word for it in brackets.
const AT: &str = r"(?:\s{0,3}@\s{0,3}|\s{0,2}[(\[{<]\s?(?:at|a|arroba|chez|@)\s?[)\]}>]\s{0,2})";
/// Where most people have their mail.
const MAIL: &str = r"(?:gmail|googlemail|hotmail|yahoo|ymail|icloud|protonmail|gmx|yandex|outlook)";
/// Ends of domains that are no words of a sentence whose full stop lacks its blank.
const ENDS: &str = r"(?:com|net|org|info|biz|io|app|dev|de|fr|ch|pl|uk|eu|ru|ua|br|mx|cn|jp|nl|dk|fi|cz|gr|shop|site|online|store|link|ly|gg|tv|xyz|club|page)";
/// The same where the full stop is a word.
const SPOKEN_ENDS: &str = r"(?:com|net|org|info|de|fr|ch|uk|io|eu|nl|pl|ru|br|mx)";
/// Messengers whose names are no other word.
const MESSENGERS: &str = r"(?:whats\s?app|telegram|viber|wechat|weixin|skype|discord|instagram|insta|facebook|snapchat|threema|tiktok|kik|kakao(?:talk)?|zalo)";

/// Returns a pattern of ours.
#[expect(clippy::expect_used, reason = "a constant of this file; a test compiles it")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of ours")
}

fn patterns(texts: &[String]) -> Vec<Regex> {
    texts.iter().map(|text| pattern(text)).collect()
}

static EMAIL: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let name = r"[a-z0-9][a-z0-9._+-]*";
    patterns(&[
        format!(r"{name}{AT}[a-z0-9-]+(?:{DOT}[a-z0-9-]+)*?{DOT}[a-z]{{2,}}\b"),
        format!(
            r"{name}\s+(?:at|arroba|chez)\s+[a-z0-9-]+\s*[(\[{{<]?\s?(?:dot|punkt|point|punto|ponto)\s?[)\]}}>]?\s*{SPOKEN_ENDS}\b"
        ),
        format!(r"(?:@|\b(?:at|arroba|chez|bei)\s)\s*{MAIL}\b"),
        format!(r"\b{MAIL}\s*(?:\.|\(?dot\)?|punkt|point|punto|\s)\s*com\b"),
    ])
});

static LINK: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    patterns(&[
        r"\bh(?:tt|xx)ps?\s?:\s?/\s?/\s?([a-z0-9.-]*)".to_owned(),
        format!(r"\bwww\s?{DOT}\s?([a-z0-9-]+(?:\.[a-z0-9-]+)*)"),
        format!(r"(?:^|[^a-z0-9@.-])([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*{DOT}{ENDS})\b"),
        r"(?:^|[^a-z0-9@.-])([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,6})/[a-z0-9@_+-]".to_owned(),
    ])
});

static HANDLE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let of = r"(?:id|user(?:name)?|nick(?:name)?|name|account|handle)";
    let name = r"@?[a-z0-9_][a-z0-9_.-]{2,}";
    let odd = r"[a-z][a-z.]*[0-9_][a-z0-9_.]*";
    patterns(&[
        r"(?:^|[^a-z0-9@._+-])@[a-z_][a-z0-9_.]{2,}".to_owned(),
        r"\b(?:wa|t|m|ig|telegram|signal)\.me/|\bdiscord\.gg\b|\b(?:chat|api)\.whatsapp\.com\b".to_owned(),
        format!(r"\b{MESSENGERS}\b\s*{of}?\s*(?::|=|->|@)\s*{name}"),
        format!(r"\b{MESSENGERS}\b\s*{of}?\s*(?:me|my|is|ist|est|es)?\W{{1,3}}{odd}"),
        format!(r"\b(?:line|signal|messenger|snap|fb|ig|tg|wa)\s*(?:@|{of}\s*(?::|=|is)?)\s*{name}"),
        format!(r"\b(?:fb|ig|tg|wa|snap)\s?(?::|=)\s*{name}"),
    ])
});

/// What has digits and is no number to call, each with what must not stand beside it.
static NO_NUMBERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let (day, month) = ("(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])");
    let time = "(?:[01]?[0-9]|2[0-3])[.h][0-5][0-9]";
    patterns(&[
        format!(r"\b20[0-9]{{2}}[-./]{month}[-./]{day}\b"),
        format!(r"\b{day}[-./]{month}[-./](?:20)?[23][0-9]\b"),
        format!(r"\b{time}\s?-\s?{time}\b"),
        r"\b[1-9][0-9]{0,2}[.'][0-9]{3}\b".to_owned(),
        r"\b[1-9][0-9]{2,4}\s?-\s?[1-9][0-9]{2,4}\b".to_owned(),
    ])
});

/// The zeros of scripts that have digits of their own.
const ZEROS: [u32; 18] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040,
    0x17E0, 0x1810,
];

/// Returns a text as contact details are looked for in it: in lower case, without marks and what is not seen, with Latin
/// letters and digits for those that look like them.
fn folded(text: &str) -> String {
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c) && !is_ignorable(*c));
    plain.flat_map(char::to_lowercase).map(plain_character).collect()
}

fn plain_character(c: char) -> char {
    match c {
        '\0'..='\u{7F}' => c,
        'а' | 'α' => 'a',
        'е' | 'ё' => 'e',
        'о' | 'ο' | 'ø' => 'o',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'х' => 'x',
        'у' => 'y',
        'і' | 'ι' | 'ı' => 'i',
        'ѕ' => 's',
        'ј' => 'j',
        'һ' => 'h',
        'ԁ' => 'd',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '。' | '·' | '•' | '∙' => '.',
        '〇' | '零' => '0',
        '一' => '1',
        '二' => '2',
        '三' => '3',
        '四' => '4',
        '五' => '5',
        '六' => '6',
        '七' => '7',
        '八' => '8',
        '九' => '9',
        _ if c.is_whitespace() => ' ',
        _ => {
            let code = u32::from(c);
            let zero = ZEROS.iter().rfind(|zero| **zero <= code);
            zero.and_then(|zero| char::from_digit(code - zero, 10)).unwrap_or(c)
        }
    }
}

/// A text in which contact details are looked for.
pub(super) struct Looked<'a> {
    folded: String,
    /// The host of the marketplace's own pages.
    site: &'a str,
}

impl<'a> Looked<'a> {
    pub fn new(text: &str, site: &'a str) -> Self {
        Self { folded: folded(text), site }
    }

    /// Returns whether the text has such a detail.
    pub fn has(&self, detail: ContactDetail) -> bool {
        match detail {
            ContactDetail::Any => ContactDetail::ALL.iter().any(|one| *one != ContactDetail::Any && self.has(*one)),
            ContactDetail::Email => EMAIL.iter().any(|pattern| pattern.is_match(&self.folded)),
            ContactDetail::Link => LINK.iter().any(|pattern| self.has_foreign(pattern)),
            ContactDetail::Handle => HANDLE.iter().any(|pattern| pattern.is_match(&self.folded)),
            ContactDetail::Phone => has_phone(&self.folded),
        }
    }

    fn has_foreign(&self, pattern: &Regex) -> bool {
        pattern.captures_iter(&self.folded).any(|found| {
            let host = found.get(1).map_or("", |host| host.as_str()).trim_end_matches('.');
            let rest = host.strip_suffix(self.site).filter(|_| !self.site.is_empty());
            !rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// Digits that follow each other, with what stands between them.
#[derive(Debug, Default)]
struct Run {
    digits: usize,
    /// Digits that are letters by themselves.
    alike: usize,
    groups: usize,
    starts_like_one: bool,
    /// Whether a word before it says that a number follows.
    is_announced: bool,
}

impl Run {
    fn push(&mut self, digits: usize, alike: usize, starts_like_one: bool) {
        if self.digits == 0 {
            self.starts_like_one |= starts_like_one;
        }
        self.digits += digits;
        self.alike += alike;
        self.groups += 1;
    }

    fn is_phone(&self) -> bool {
        self.alike * 2 <= self.digits
            && match self.digits {
                0..=6 => false,
                7 => self.starts_like_one || self.is_announced,
                8 => self.starts_like_one || self.is_announced || self.groups > 2,
                _ => true,
            }
    }
}

fn has_phone(text: &str) -> bool {
    let breaks = no_numbers(text);
    let mut breaks = breaks.iter().peekable();
    let mut run = Run::default();
    let mut rest = text.char_indices().peekable();
    let mut between = 0;
    while let Some((at, c)) = rest.next() {
        while breaks.next_if(|range| range.end <= at).is_some() {}
        let is_broken = breaks.peek().is_some_and(|range| range.contains(&at));
        if !is_broken && c.is_alphanumeric() {
            let mut word = String::from(c);
            while let Some((_, c)) = rest.next_if(|(_, c)| c.is_alphanumeric()) {
                word.push(c);
            }
            between = 0;
            if let Some((digits, alike)) = digits(&word, run.digits > 0) {
                run.push(digits, alike, word.starts_with(['0', 'o']) || ZERO.contains(&word.as_str()));
                continue;
            }
            if run.is_phone() {
                return true;
            }
            run = Run { is_announced: ANNOUNCED.contains(&word.as_str()), ..Run::default() };
            continue;
        }
        between += 1;
        let joins = matches!(c, ' ' | '-' | '.' | '/' | '(' | ')' | '+' | '_' | '*' | '~' | '|');
        if is_broken || (run.digits > 0 && (!joins || between > 4)) {
            if run.is_phone() {
                return true;
            }
            run = Run { is_announced: !is_broken && run.digits == 0 && run.is_announced, ..Run::default() };
        }
        if c == '+' && run.digits == 0 {
            run.starts_like_one = true;
        }
    }
    run.is_phone()
}

/// Where dates, times, prices and ranges stand, in order.
fn no_numbers(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let joins = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|c| b"-./' ".contains(c));
    let mut found: Vec<Range<usize>> = Vec::new();
    for (n, pattern) in NO_NUMBERS.iter().enumerate() {
        for at in pattern.find_iter(text).map(|found| found.range()) {
            // A part of a longer number is none of them. Beside a range, and beside a day, a blank may stand.
            let strict = n == 4;
            let is_near = |edge: Option<usize>, next: Option<usize>| {
                let sign = edge.and_then(|at| bytes.get(at)).copied();
                joins(edge) && is_digit(next) && (strict || sign != Some(b' '))
            };
            let before = is_near(at.start.checked_sub(1), at.start.checked_sub(2));
            let after = is_near(Some(at.end), Some(at.end + 1));
            if !before && !after {
                found.push(at);
            }
        }
    }
    found.sort_unstable_by_key(|range| range.start);
    found
}

/// Zero in words.
const ZERO: [&str; 4] = ["zero", "null", "cero", "oh"];
/// What announces a number.
const ANNOUNCED: [&str; 14] = [
    "tel",
    "telefon",
    "telephone",
    "telefono",
    "phone",
    "mobile",
    "handy",
    "movil",
    "call",
    "whatsapp",
    "numero",
    "nummer",
    "number",
    "sms",
];

/// Returns how many digits a word stands for, and how many of them are letters that look like digits; none when it is no
/// number. A lone letter counts only `within` digits.
fn digits(word: &str, within: bool) -> Option<(usize, usize)> {
    const WORDS: [&str; 36] = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "eins", "zwei", "zwo", "drei", "vier",
        "funf", "sechs", "sieben", "acht", "neun", "un", "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf",
        "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve",
    ];
    if ZERO.contains(&word) || WORDS.contains(&word) {
        return Some((1, 0));
    }
    let (mut real, mut alike) = (0, 0);
    for c in word.chars() {
        match c {
            '0'..='9' => real += 1,
            'o' | 'l' | 'i' | 's' | 'b' | 'z' => alike += 1,
            _ => return None,
        }
    }
    (real > 0 || (within && alike == 1)).then_some((real + alike, alike))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<ContactDetail> {
        let looked = Looked::new(text, "market.example");
        ContactDetail::ALL.iter().copied().filter(|one| *one != ContactDetail::Any && looked.has(*one)).collect()
    }

    #[test]
    fn contact_details_are_found_however_they_are_written() {
        use ContactDetail::{Email, Handle, Link, Phone};
        for (detail, texts) in [
            (
                Email,
                &[
                    "write to ada.obi@example.org",
                    "ADA@Example.ORG",
                    "ada @ example . org",
                    "ada (at) example (dot) org",
                    "ada[at]example[dot]com",
                    "ada at example dot com",
                    "ada arroba ejemplo punto com",
                    "ada (ät) beispiel punkt de",
                    "аdа@ехаmрlе.org",
                    "ada＠example．org",
                    "a\u{200B}da@exam\u{AD}ple.org",
                    "I am ada at gmail",
                    "ada.obi gmail com",
                ][..],
            ),
            (
                Phone,
                &[
                    "call +44 20 7946 0958",
                    "0171/5551234",
                    "06.12.34.56.78",
                    "06 12 34 56 78",
                    "612 345 678",
                    "612.345.678",
                    "(030) 123 45 67",
                    "O6 I2 34 56 7B",
                    "0 6 1 2 3 4 5 6 7 8",
                    "zero six one two 34 five six seven eight",
                    "null eins sieben eins fünf fünf fünf eins zwei",
                    "٠٦١٢٣٤٥٦٧٨",
                    "０６１２３４５６７８",
                    "➀➁ 0️⃣6️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣",
                    "一三八零零一三八零零零",
                    "my number 555 0199",
                    "12 34 56 78",
                ],
            ),
            (
                Link,
                &[
                    "see https://example.org/x",
                    "hxxp://example.org",
                    "www.example.es",
                    "www (dot) example (dot) es",
                    "my page is example.com",
                    "example dot com",
                    "bit.ly/3xYz",
                    "notmarket.example.com",
                    "https://evil-market.example",
                ],
            ),
            (
                Handle,
                &[
                    "I am @ada_obi there",
                    "t.me/adaobi",
                    "wa.me/4917",
                    "telegram: adaobi",
                    "WhatsApp me ada_82",
                    "insta is ada.obi82",
                    "line id adaobi",
                    "tg: adaobi",
                    "ｔｅｌｅｇｒａｍ＝adaobi",
                ],
            ),
        ] {
            for text in texts {
                assert!(found(text).contains(&detail), "{text:?} has {:?}", found(text));
            }
        }
        assert!(Looked::new("ada@example.org", "").has(ContactDetail::Any));
    }

    #[test]
    fn talk_about_work_is_no_contact_detail() {
        for text in [
            "",
            "Hi, are you free on Friday after 3 pm?",
            "Friday 27.11.2026 or 28.11.26, from 14:00 to 16:30",
            "2026-11-27 14:00 to 2026-11-28 09:30",
            "between 8.30-10.00 and 14.00-16.30",
            "It costs 1500-2000 EUR, at most 10.000 - 15.000",
            "60.00 EUR an hour, 3 hours, 180 in all",
            "The flat has 3 rooms, 85 m2, on floor 2 of house 12",
            "I can do 10, 20, 30, 40, 50 or 60 hours",
            "The signal is weak and the line is broken. Facebook is fine.",
            "See https://market.example/services/1 and www.market.example, on market.example/help",
            "Look at this point in the plan. It is fine.then we go on",
            "I have one or two questions about the three doors",
            "Meet me at home. Come at nine",
            "6 x 1200 mm, 4 x 800 mm, RAL 9010",
            "Bitte um 8 Uhr, am 3. oder 4. Mai",
            "Je suis libre le 3 mai, vers 10h30",
        ] {
            assert_eq!(found(text), [], "{text:?}");
        }
    }

    #[test]
    fn long_texts_take_little() {
        for part in ["0 ", "a@", "a.", "1-", "@", "(", " dot ", "one ", "http://"] {
            let text = part.repeat(20_000 / part.len());
            let begin = std::time::Instant::now();
            found(&text);
            assert!(begin.elapsed().as_secs() < 4, "{part:?} takes {:?}", begin.elapsed());
        }
    }
}
