//! How texts become words, for the index and for queries alike: folded, so that spelling variants of one word are equal;
//! in pairs of characters where a script does not separate words; and with stems by language.
//!
//! Folding is by script. Latin, Greek and Cyrillic letters lose their accents, Arabic its short vowels, its article and
//! the variants of its letters; the sound marks of Japanese and the vowels of Thai and Hindi distinguish words, and stay.
//! No SQL, no I/O.

use std::{collections::BTreeSet, ops::Range};

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::characters::{Kind, is_accent, kind, loses_accents, plain_letter, unified};

/// Maximum number of letters of a word; longer words are cut, in texts and in queries alike.
const LONGEST: usize = 40;
/// Minimum number of letters of two words that are written together.
const SHORTEST_JOINED: usize = 5;
/// Minimum number of letters of a word that loses an ending, an article or the sign of an umlaut.
const SHORTEST_STEM: usize = 3;

/// A language of which words have stems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Language {
    English,
    German,
    French,
    Spanish,
    Portuguese,
    Italian,
    Dutch,
}

impl Language {
    pub const ALL: [Self; 7] =
        [Self::English, Self::German, Self::French, Self::Spanish, Self::Portuguese, Self::Italian, Self::Dutch];
}

/// A word of a text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Its folded form: what is compared.
    pub text: String,
    /// Its bytes in the text.
    pub at: Range<usize>,
    /// Whether it is a pair of characters (or a single one) of a script that does not separate words.
    pub is_part: bool,
    /// Whether it is a single one of those.
    pub is_single: bool,
    /// Its lower-case form with accents, from which stems are made.
    lower: String,
}

/// Returns whether a word is of a script that does not separate words.
pub(super) fn is_unspaced(word: &str) -> bool {
    word.chars().next().is_some_and(|c| matches!(kind(c), Kind::Han | Kind::Other))
}

/// Returns the words of a text, in its order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let kind_of_run = kind(first);
        let mut end = start + first.len_utf8();
        while let Some((at, c)) = rest.next_if(|(_, c)| kind(*c) == kind_of_run) {
            end = at + c.len_utf8();
        }
        let Some(run) = text.get(start..end) else { continue };
        match kind_of_run {
            Kind::Gap => {}
            Kind::Spaced => found.extend(spaced(run, start)),
            Kind::Han | Kind::Other => pairs(run, start, &mut found),
        }
    }
    found
}

fn spaced(run: &str, start: usize) -> Option<Word> {
    let lower = lower(run);
    let text = canonical(&lower);
    (!text.is_empty()).then(|| Word { text, at: start..start + run.len(), is_part: false, is_single: false, lower })
}

/// Appends each two neighbouring characters of a run, and its last one: so every character begins a word, and is found
/// alone too. Marks belong to the character before them.
fn pairs(run: &str, start: usize, found: &mut Vec<Word>) {
    let mut characters: Vec<(String, Range<usize>)> = Vec::new();
    for (at, c) in run.char_indices() {
        let from = start + at;
        let until = from + c.len_utf8();
        match characters.last_mut() {
            // Half-width sound marks are marks, too.
            Some((text, range)) if is_combining_mark(c) || matches!(c, '\u{FF9E}' | '\u{FF9F}') => {
                text.push(c);
                range.end = until;
            }
            _ => characters.push((c.to_string(), from..until)),
        }
    }
    for character in &mut characters {
        character.0 = character.0.nfkc().map(unified).collect();
    }
    for (at, (first, range)) in characters.iter().enumerate() {
        let next = characters.get(at + 1);
        let (text, end) = match next {
            Some((second, next)) => (format!("{first}{second}"), next.end),
            None => (first.clone(), range.end),
        };
        found.push(Word { lower: text.clone(), text, at: range.start..end, is_part: true, is_single: next.is_none() });
    }
}

/// Returns the lower-case form of a word, with its accents.
fn lower(run: &str) -> String {
    run.nfkc().flat_map(char::to_lowercase).filter(|c| !matches!(c, '\u{200C}' | '\u{200D}')).take(LONGEST).collect()
}

/// Returns the form of a lower-case word that is compared.
fn canonical(lower: &str) -> String {
    let plain = without_accents(lower);
    let plain = without_article(&plain);
    without_umlaut_signs(plain)
}

/// Returns a lower-case word with plain letters, whatever marks stand on them.
fn without_accents(lower: &str) -> String {
    let mut plain = String::with_capacity(lower.len());
    for c in lower.chars() {
        match c {
            // The last is a letter of its own; the accent of other letters of the script is one.
            'a'..='z' | '0'..='9' | 'й' => plain.push(c),
            _ if loses_accents(c) => {
                plain.extend(std::iter::once(c).nfd().filter(|c| !is_accent(*c)).map(plain_letter));
            }
            'ـ' => {}
            _ if is_accent(c) => {}
            _ => plain.push(plain_letter(c)),
        }
    }
    // Letters of which each stands for two.
    for (letter, two) in [('ß', "ss"), ('æ', "ae"), ('œ', "oe"), ('þ', "th"), ('ĳ', "ij")] {
        if plain.contains(letter) {
            plain = plain.replace(letter, two);
        }
    }
    plain
}

fn is_long(rest: &str) -> bool {
    rest.chars().nth(SHORTEST_STEM - 1).is_some()
}

/// Returns an Arabic word without the article, and without what is written together with it.
fn without_article(word: &str) -> &str {
    if !word.starts_with(['ا', 'و', 'ب', 'ك', 'ف', 'ل']) {
        return word;
    }
    let articles = ["وال", "بال", "كال", "فال", "ال", "لل"];
    articles.iter().find_map(|article| word.strip_prefix(article).filter(|rest| is_long(rest))).unwrap_or(word)
}

/// Returns a word with `a`, `o` and `u` for `ae`, `oe` and `ue`, as umlauts are written where the letters are missing.
/// At the end of a word, and after another vowel or `q`, those letters are no umlaut.
fn without_umlaut_signs(word: &str) -> String {
    let bytes = word.as_bytes();
    if bytes.len() < 4 || !bytes.contains(&b'e') {
        return word.to_owned();
    }
    let mut plain = String::with_capacity(word.len());
    let mut letters = word.chars().peekable();
    let mut before = None;
    while let Some(c) = letters.next() {
        plain.push(c);
        let follows_vowel = matches!(before, Some('a' | 'e' | 'i' | 'o' | 'u' | 'q'));
        before = Some(c);
        if matches!(c, 'a' | 'o' | 'u') && !follows_vowel && letters.peek() == Some(&'e') {
            letters.next();
            if letters.peek().is_none() {
                plain.push('e');
            }
        }
    }
    plain
}

fn algorithm(language: Language) -> Algorithm {
    match language {
        Language::English => Algorithm::English,
        Language::German => Algorithm::German,
        Language::French => Algorithm::French,
        Language::Spanish => Algorithm::Spanish,
        Language::Portuguese => Algorithm::Portuguese,
        Language::Italian => Algorithm::Italian,
        Language::Dutch => Algorithm::Dutch,
    }
}

impl Word {
    /// Returns the word's stems in some languages, without the word itself. With and without its accents, because one
    /// may be missing on either side.
    pub fn stems(&self, languages: impl IntoIterator<Item = Language>) -> BTreeSet<String> {
        let mut stems = BTreeSet::new();
        if self.is_part {
            return stems;
        }
        if self.text.starts_with(|c: char| ('\u{600}'..='\u{6FF}').contains(&c)) {
            stems.extend(["ات", "ه"].iter().find_map(|ending| self.text.strip_suffix(ending)).map(str::to_owned));
        } else if self.lower.starts_with(loses_accents) {
            let plain = without_accents(&self.lower);
            for language in languages {
                let stemmer = Stemmer::create(algorithm(language));
                stems.insert(canonical(&stemmer.stem(&plain)));
                if plain != self.lower {
                    stems.insert(canonical(&stemmer.stem(&self.lower)));
                }
            }
        }
        stems.retain(|stem| *stem != self.text && is_long(stem));
        stems
    }

    /// Returns whether the word has no letters beyond ASCII.
    pub fn has_plain_letters(&self) -> bool {
        self.lower.is_ascii()
    }

    /// Returns this word and the next one, written together.
    pub fn joined(&self, next: &Self) -> Option<Self> {
        let length = self.lower.chars().count() + next.lower.chars().count();
        if self.is_part || next.is_part || !(SHORTEST_JOINED..=LONGEST).contains(&length) {
            return None;
        }
        let lower = format!("{}{}", self.lower, next.lower);
        Some(Self { text: canonical(&lower), at: self.at.start..next.at.end, is_part: false, is_single: false, lower })
    }
}

/// Returns the folded form of a single word of data.
pub(super) fn fold(word: &str) -> String {
    canonical(&lower(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn texts_become_words() {
        assert_eq!(found("Ménage à  domicile — L’Été, 24/7!"), ["menage", "a", "domicile", "l", "ete", "24", "7"]);
        assert_eq!(found("Ｆｕｌｌ ﬁt STRASSE straße"), ["full", "fit", "strasse", "strasse"]);
        assert_eq!(found("\0 \t=+@# ·$%_*\"'"), Vec::<String>::new());
        assert_eq!(found(&"a".repeat(100))[0].len(), LONGEST);
        assert_eq!(words("Hot  Wäter")[1].at, 5..11);
    }

    #[test]
    fn spellings_of_one_word_are_equal() {
        for spellings in [
            &["Müller", "Mueller", "Muller", "MÜLLER", "Mu\u{308}ller"][..],
            &["große", "grosse", "GROẞE", "GROSSE"],
            &["ışık", "isik", "IŞIK"],
            &["København", "kobenhavn", "koebenhavn"],
            &["Łódź", "lodz"],
            &["München", "muenchen", "munchen"],
            &["Đà", "da"],
            &["þór", "thor"],
            &["œuf", "oeuf"],
            &["Æble", "aeble"],
            &["naïve", "naive"],
            &["Ñandú", "nandu"],
            &["Αθήνα", "αθηνα", "ΑΘΗΝΑ"],
            &["ремонтёр", "ремонтер"],
            &["سباكة", "السباكة", "سِباكه", "والسباكة", "سبـاكة"],
            &["أحمد", "احمد", "إحمد"],
            &["مكتبى", "مكتبي", "مکتبی"],
            &["ガラス", "ｶﾞﾗｽ", "がらす", "カ\u{3099}ラス"],
            &["清潔", "清洁"],
        ] {
            let folded: Vec<_> = spellings.iter().map(|spelling| found(spelling)).collect();
            assert!(folded.iter().all(|other| *other == folded[0]), "{spellings:?}: {folded:?}");
        }
    }

    #[test]
    fn what_distinguishes_words_stays() {
        for (a, b) in [
            ("ガラス", "カラス"),
            ("パン", "ハン"),
            ("भाषा", "भष"),
            ("ตู้", "ตู"),
            ("май", "маи"),
            ("blue", "blu"),
            ("queen", "quen"),
            ("Bauer", "Baur"),
            ("ال", "لا"),
        ] {
            assert_ne!(found(a), found(b), "{a} {b}");
        }
        assert_eq!(found("shoe queen neue"), ["shoe", "queen", "neue"]);
    }

    #[test]
    fn unspaced_scripts_become_pairs() {
        assert_eq!(found("窓ガラス修理"), ["窓ガ", "ガラ", "ラス", "ス修", "修理", "理"]);
        assert_eq!(found("ตู้เย็น"), ["ตู้เ", "เย็", "ย็น", "น"]);
        assert_eq!(found("猫 PC修理"), ["猫", "pc", "修理", "理"]);
        assert_eq!(words("修理")[0].at, 0..6);
        assert!(words("修理")[0].is_part);
    }

    #[test]
    fn stems_are_by_language() {
        let stems = |text: &str, language| words(text)[0].stems([language]).into_iter().collect::<Vec<_>>();
        assert_eq!(stems("cleaning", Language::English), ["clean"]);
        assert_eq!(stems("plumbers", Language::English), ["plumber"]);
        assert_eq!(stems("puppies", Language::English), ["puppi"]);
        assert_eq!(stems("Gärten", Language::German), ["gart"]);
        assert_eq!(stems("Häuser", Language::German), stems("Hauses", Language::German));
        assert_eq!(stems("fontaneros", Language::Spanish), ["fontaner"]);
        assert_eq!(stems("سباكة", Language::English), ["سباك"]);
        assert_eq!(stems("修理", Language::English), Vec::<String>::new());
        assert_eq!(stems("сантехники", Language::English), Vec::<String>::new());
    }

    #[test]
    fn neighbours_can_be_joined() {
        let words = words("Baby Sitter 修理 a b");
        assert_eq!(words[0].joined(&words[1]).unwrap().text, "babysitter");
        assert_eq!(words[0].joined(&words[1]).unwrap().at, 0..11);
        assert_eq!(words[1].joined(&words[2]), None);
        assert_eq!(words[4].joined(&words[5]), None);
    }
}
