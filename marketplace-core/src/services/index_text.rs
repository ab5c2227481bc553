//! The text by which a service is indexed: its words, each marked by where it stands, and their stems.
//!
//! Both engines index exactly these tokens, so both find exactly the same services.

use std::collections::BTreeSet;

use super::{
    languages::languages,
    model::NewService,
    tokenizer::{Language, Word, is_unspaced, words},
};

/// Marks a word of the title.
pub(super) const TITLE: &str = "=";
/// Marks a word of the title or of a tag.
pub(super) const HEAD: &str = "+";
/// Marks a word of the location.
pub(super) const PLACE: &str = "#";
/// Marks the category.
pub(super) const CATEGORY: &str = "@";
/// Marks the currency of the price, and the currency together with the number of binary digits of the amount.
pub(super) const PRICE: &str = "$";
/// A word without a mark: anywhere in title, tags, description or the worker's name.
pub(super) const ANYWHERE: &str = "";
/// Marks a stem, or two neighbouring words written together, after the mark of where it stands. Not an ASCII character,
/// all of which separate tokens in SQLite's full-text index, except for the marks above.
pub(super) const STEM: &str = "·";

/// Returns the indexed text of a service: every token once, in order, separated by blanks.
pub fn search_text(service: &NewService, worker: &str) -> String {
    let title = words(&service.title);
    let tags: Vec<Vec<Word>> = service.tags.iter().map(|tag| words(tag)).collect();
    let description = words(&service.description);
    let languages = languages(title.iter().chain(tags.iter().flatten()).chain(&description));
    let mut tokens = BTreeSet::new();
    add(&mut tokens, &title, &[TITLE, HEAD, ANYWHERE], &languages);
    for tag in &tags {
        add(&mut tokens, tag, &[HEAD, ANYWHERE], &languages);
    }
    add(&mut tokens, &description, &[ANYWHERE], &languages);
    tokens.extend(words(worker).iter().flat_map(Word::forms).cloned());
    tokens.extend(words(&service.location).iter().flat_map(Word::forms).map(|form| format!("{PLACE}{form}")));
    tokens.insert(format!("{CATEGORY}{}", service.category));
    if let Some(price) = &service.price {
        let currency = price.currency.to_ascii_lowercase();
        tokens.insert(format!("{PRICE}{currency}"));
        tokens.insert(format!("{PRICE}{currency}{}", magnitude(price.amount)));
    }
    tokens.into_iter().collect::<Vec<_>>().join(" ")
}

/// Adds the words of one text and their stems. Titles and tags are short and say most: their neighbouring words are also
/// found when they are written together.
fn add(tokens: &mut BTreeSet<String>, words: &[Word], marks: &[&str], languages: &[Language]) {
    let mut insert = |text: &str, is_word: bool| {
        let stem = if is_word { "" } else { STEM };
        tokens.extend(marks.iter().map(|mark| format!("{mark}{stem}{text}")));
    };
    for word in words {
        word.forms().for_each(|form| insert(form, true));
        word.stems(languages.iter().copied()).iter().for_each(|stem| insert(stem, false));
    }
    if marks.contains(&HEAD) {
        for joined in words.iter().zip(words.iter().skip(1)).filter_map(|(word, next)| word.joined(next)) {
            joined.forms().for_each(|form| insert(form, false));
            joined.stems(languages.iter().copied()).iter().for_each(|stem| insert(stem, false));
        }
    }
}

/// Returns the number of binary digits of an amount: 0 has none.
pub(super) fn magnitude(amount: i64) -> u32 {
    i64::BITS - amount.max(0).leading_zeros()
}

/// Returns the words of an indexed text that are completed and in which typos are tolerated: those of the texts and of
/// the place.
pub fn plain(search_text: &str) -> impl Iterator<Item = &str> {
    search_text
        .split(' ')
        .map(|token| token.strip_prefix(PLACE).unwrap_or(token))
        .filter(|word| word.starts_with(char::is_alphanumeric) && !is_unspaced(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::model::Category;

    #[test]
    fn the_index_says_where_words_stand() {
        let service = NewService {
            title: "Piano lessons".into(),
            description: "Lessons at home".into(),
            category: Category::Music,
            tags: vec!["Keyboard".into()],
            location: "Lyon".into(),
            latitude: None,
            longitude: None,
            price: None,
        };
        let text = search_text(&service, "Ada Obi");
        assert_eq!(
            text,
            "#lyon +keyboard +lessons +piano +·lesson +·pianolesson +·pianolessons =lessons =piano =·lesson =·pianolesson \
             =·pianolessons @music ada at home keyboard lessons obi piano ·lesson ·pianolesson ·pianolessons"
        );
        assert_eq!(
            plain(&text).collect::<Vec<_>>(),
            ["lyon", "ada", "at", "home", "keyboard", "lessons", "obi", "piano"]
        );
        let unspaced =
            NewService { title: "窓ガラス修理".into(), tags: Vec::new(), description: String::new(), ..service };
        assert_eq!(plain(&search_text(&unspaced, "ตู้เย็น")).collect::<Vec<_>>(), ["lyon"]);
    }
}
