//! How texts become words, for the index and for queries alike: folded, so that spelling variants of one word are equal;
//! in pairs of characters where a script does not separate words; and with stems by language.
//!
//! Folding is by script. Latin, Greek and Cyrillic letters lose their accents, Arabic its short vowels, its article and
//! the variants of its letters; the sound marks of Japanese and the vowels of Thai and Hindi distinguish words, and stay.
//! No SQL, no I/O.

use std::{collections::BTreeSet, ops::Range};

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::characters::{Kind, is_accent, is_invisible, kind, loses_accents, plain_letter, unified};

/// Maximum number of letters of a word; longer words are cut, in texts and in queries alike.
const LONGEST: usize = 40;
/// Minimum number of letters of two words that are written together.
const SHORTEST_JOINED: usize = 5;
/// Minimum number of letters of a word that loses an ending or an article.
const SHORTEST_STEM: usize = 3;

/// A language of which words have stems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Language {
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
pub(crate) struct Word {
    /// Its folded form: what is compared. It has no blank and no sign in it, which would divide it in an index.
    pub text: String,
    /// Its folded form with `ae`, `oe` and `ue` for umlauts, if it has any: as it is written where the letters are missing.
    pub spelled_out: Option<String>,
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
pub(crate) fn is_unspaced(word: &str) -> bool {
    word.chars().next().is_some_and(|c| matches!(kind(c), Kind::Han | Kind::Other))
}

/// Returns the words of a text, in its order.
pub(crate) fn words(text: &str) -> Vec<Word> {
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

/// Returns the words of a run of letters: more than one when a character in it stands for several.
fn spaced(run: &str, start: usize) -> impl Iterator<Item = Word> {
    let at = start..start + run.len();
    lower(run).into_iter().filter_map(move |lower| Word::of(lower, at.clone()))
}

/// Appends each two neighbouring characters of a run, and its last one: so every character begins a word, and is found
/// alone too. Marks belong to the character before them.
fn pairs(run: &str, start: usize, found: &mut Vec<Word>) {
    let mut characters: Vec<(String, Range<usize>)> = Vec::new();
    for (at, c) in run.char_indices() {
        let from = start + at;
        let until = from + c.len_utf8();
        match characters.last_mut() {
            // Sound marks of their own and half-width ones are marks, too.
            Some((text, range))
                if is_combining_mark(c) || matches!(c, '\u{309B}' | '\u{309C}' | '\u{FF9E}' | '\u{FF9F}') =>
            {
                text.push(c);
                range.end = until;
            }
            _ => characters.push((c.to_string(), from..until)),
        }
    }
    for character in &mut characters {
        character.0 = character.0.nfkd().filter(|c| kind(*c) != Kind::Gap).nfc().map(unified).collect();
    }
    for (at, (first, range)) in characters.iter().enumerate() {
        let next = characters.get(at + 1);
        let (text, end) = match next {
            Some((second, next)) => (format!("{first}{second}"), next.end),
            None => (first.clone(), range.end),
        };
        found.push(Word {
            lower: text.clone(),
            text,
            spelled_out: None,
            at: range.start..end,
            is_part: true,
            is_single: next.is_none(),
        });
    }
}

/// Returns the lower-case words of a run, with their accents. A character that stands for several can divide it.
fn lower(run: &str) -> Vec<String> {
    let lower: String = run.nfkc().flat_map(char::to_lowercase).filter(|c| !is_invisible(*c)).collect();
    let words = lower.split(|c| kind(c) == Kind::Gap).filter(|word| !word.is_empty());
    words.map(|word| word.chars().take(LONGEST).collect()).collect()
}

/// Returns the form of a lower-case word that is compared.
fn canonical(lower: &str) -> String {
    without_article(&without_accents(lower)).to_owned()
}

/// Returns the form of a lower-case word that is compared, with its umlauts spelled out; `None` without umlauts.
fn spelled_out(lower: &str) -> Option<String> {
    const UMLAUTS: [(char, &str); 4] = [('ä', "ae"), ('ö', "oe"), ('ø', "oe"), ('ü', "ue")];
    lower.contains(UMLAUTS.map(|(letter, _)| letter)).then(|| {
        let spelled = UMLAUTS.iter().fold(lower.to_owned(), |word, (letter, two)| word.replace(*letter, two));
        canonical(&spelled)
    })
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
    /// Returns the word of a lower-case form; `None` when nothing of it is compared.
    fn of(lower: String, at: Range<usize>) -> Option<Self> {
        let text = canonical(&lower);
        let spelled_out = spelled_out(&lower);
        (!text.is_empty()).then_some(Self { text, spelled_out, at, is_part: false, is_single: false, lower })
    }

    /// Returns the forms in which the word is compared.
    pub fn forms(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.text).chain(&self.spelled_out)
    }

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
                if let Some(spelled_out) = &self.spelled_out {
                    stems.insert(canonical(&stemmer.stem(spelled_out)));
                }
            }
        }
        stems.retain(|stem| self.forms().all(|form| form != stem) && is_long(stem));
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
        Self::of(format!("{}{}", self.lower, next.lower), self.at.start..next.at.end)
    }
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
            &["Müller", "Muller", "MÜLLER", "Mu\u{308}ller"][..],
            &["große", "grosse", "GROẞE", "GROSSE"],
            &["ışık", "isik", "IŞIK"],
            &["København", "kobenhavn"],
            &["Łódź", "lodz"],
            &["München", "munchen"],
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
            ("poet", "pot"),
            ("Bauer", "Baur"),
            ("ال", "لا"),
        ] {
            assert_ne!(found(a), found(b), "{a} {b}");
        }
        assert_eq!(found("shoe queen neue"), ["shoe", "queen", "neue"]);
    }

    #[test]
    fn umlauts_are_spelled_out() {
        for (text, spelled_out) in
            [("Müller", "mueller"), ("MU\u{308}LLER", "mueller"), ("København", "koebenhavn"), ("Käse", "kaese")]
        {
            assert_eq!(words(text)[0].forms().nth(1).unwrap(), spelled_out);
        }
        assert_eq!(words("Mueller")[0].spelled_out, None);
        assert!(words("Gärtners")[0].stems([Language::German]).contains("gaertn"));
    }

    #[test]
    fn no_character_divides_a_word_in_the_index() {
        assert_eq!(found("a⒈b ⑴ ﷺ"), ["a1", "b", "1", "صلي", "الله", "عليه", "وسلم"]);
        assert_eq!(found("カ゛ラス"), found("ガラス"));
        assert_eq!(found("Fenster\u{AD}reinigung \u{200F}plumber"), ["fensterreinigung", "plumber"]);
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            for word in found(&format!("x{c}修")) {
                let is_plain = |c: char| !c.is_whitespace() && (!c.is_ascii() || c.is_ascii_alphanumeric());
                assert!(!word.is_empty() && word.chars().all(is_plain), "{c:?} {word:?}");
            }
        }
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
        assert_eq!(stems("Gärten", Language::German), ["gaert", "gart"]);
        assert_eq!(stems("Häuser", Language::German), ["haeus", "haus"]);
        assert_eq!(stems("Hauses", Language::German), ["haus"]);
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
