//! The checked filter of a search, and the conditions that it sets on the words in the index. No SQL, no I/O.
//!
//! Each word of a query is a [`Term`]: lists of tokens by which a service may have it, from the word in the title to a typo
//! anywhere. A [`Tier`] is a condition on all terms, and its place in the ranking: first those for services that have every
//! word, from all in the title to all with typos; then those for services that lack some words, few before many. Every
//! condition is a conjunction of disjunctions of tokens, so both engines' indexes answer it, and so does [`Tier::matches`].

use std::collections::BTreeSet;

use super::{
    category::Merged,
    index_text::{ANYWHERE, CATEGORY, HEAD, PLACE, PRICE, STEM, TITLE, magnitude},
    languages::{is_stop_word, without_phrases},
    model::{Category, CategoryDetail, SearchFilter, ServiceSort},
    place::{FARTHEST, Place},
    search_sql::{Clauses, Token, Wanted, fits},
    synonyms::{self, Meaning},
    tokenizer::{Language, Word, words},
    typos::{distance, tolerance},
};
use crate::{
    accounts::model::Checks,
    base::{
        error::{FieldError, Result},
        money::Money,
        page::Cursor,
    },
    profiles::model::check_place,
};

/// Maximum number of words of a query, or of a location.
const MAX_WORDS: usize = 8;
/// Maximum number of known words for which a word of a query may be a typo, nearest first, besides those that it
/// begins.
const MAX_TYPOS: usize = 12;
/// Number of letters up to which the index lists the beginnings of words. Longer ones are completed by the known words.
const LISTED: usize = 4;
/// Maximum number of known words by which a beginning is completed; when there are more, the index is asked for it.
pub(super) const MAX_COMPLETIONS: usize = 32;
/// Number of pairs of characters up to which a run of them is one word.
const LONGEST_UNIT: usize = 4;
/// Maximum number of clauses of the condition that some of the words must be there.
const MAX_CLAUSES: usize = 40;

/// How well a service has a word; each level includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// In the title, exactly.
    Exact,
    /// In the title, in another form.
    Title,
    /// Or as its place.
    Place,
    /// Or in a tag.
    Tag,
    /// Or as another word for it in title or tags.
    Named,
    /// Or as its category.
    Head,
    /// Or in description or name.
    Anywhere,
    /// Or as the beginning of a word in title, tags or place.
    HeadPrefix,
    /// Or as the beginning of any word.
    Prefix,
    /// Or with a typo in title, tags or place.
    HeadTypo,
    /// Or with a typo anywhere.
    Typo,
    /// Or in a category of which the word names a part.
    Related,
}

/// A word of a query, and the tokens by which a service may have it.
#[derive(Debug, Clone, Default)]
pub(super) struct Term {
    /// The word, folded; empty for a pair of characters, which is neither completed nor corrected.
    pub word: String,
    /// Whether it stands in quotes: only services with exactly this word are found.
    is_required: bool,
    /// Whether it names what is done rather than where, how or for whom.
    is_trade: bool,
    /// The run of pairs of characters to which it belongs, from 1; 0 for a word.
    run: usize,
    /// Whether it says nothing about what is looked for. It counts when there is nothing else.
    is_idle: bool,
    /// Other words for it.
    synonyms: BTreeSet<String>,
    exact: Vec<Token>,
    title: Vec<Token>,
    place: Vec<Token>,
    category: Vec<Token>,
    head: Vec<Token>,
    synonym: Vec<Token>,
    anywhere: Vec<Token>,
    head_prefix: Vec<Token>,
    prefix: Vec<Token>,
    head_typo: Vec<Token>,
    typo: Vec<Token>,
    related: Vec<Token>,
}

/// A condition and its position in the ranking.
#[derive(Debug, Clone)]
pub(super) struct Tier {
    pub id: i64,
    /// What a service must have.
    pub has: Clauses,
    /// What it must not have, as it is ranked higher then.
    pub lacks: Vec<Clauses>,
}

/// Known words that a search needs to complete and to correct its own.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    /// For each term, the known words that begin with its word, at most one more than [`MAX_COMPLETIONS`].
    pub completions: Vec<Vec<String>>,
    /// Words that may be near to one of the terms.
    pub neighbours: Vec<String>,
    /// Other words for a term that occur.
    pub synonyms: BTreeSet<String>,
}

/// Words that stand next to each other in this order, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    words: Vec<Word>,
    is_excluded: bool,
}

impl Phrase {
    /// Returns whether a service with these texts, as [`query_words`], may be found.
    pub fn fits(&self, texts: &[Vec<Word>]) -> bool {
        let is_same = |a: &Word, b: &Word| a.forms().any(|form| b.forms().any(|other| form == other));
        let holds = |part: &[Word]| part.iter().zip(&self.words).all(|(a, b)| is_same(a, b));
        texts.iter().any(|text| text.windows(self.words.len()).any(holds)) != self.is_excluded
    }
}

/// A search with a valid filter.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub terms: Vec<Term>,
    pub phrases: Vec<Phrase>,
    /// Conditions besides the terms.
    pub others: Wanted,
    /// Whether completions and corrections were added to the terms.
    pub is_learned: bool,
    pub place: Option<Place>,
    /// Maximum distance from the place in metres.
    pub radius: Option<i64>,
    pub sort: ServiceSort,
    /// Whether a text of the filter contains no word, so that nothing matches it.
    pub hopeless: bool,
}

fn check_words(pointer: &str, text: Option<&str>, most: usize) -> Result<Option<String>, FieldError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(FieldError::new(
            pointer,
            format!("must have at most {most} characters, and no control characters"),
        ));
    }
    Ok(Some(text.to_owned()))
}

fn whole(mark: &str, word: &str) -> Token {
    Token { text: format!("{mark}{word}"), prefix: false }
}

fn begins(mark: &str, word: &str) -> Token {
    Token { text: format!("{mark}{word}"), prefix: true }
}

/// The parts of a query as it was typed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    free: Vec<String>,
    phrases: Vec<String>,
    excluded: Vec<String>,
}

/// Divides a query into phrases in quotes, words and phrases to exclude, and the rest.
fn divided(text: &str) -> Typed {
    let mut typed = Typed::default();
    let mut rest = text;
    let is_quote = |c: char| {
        matches!(c, '"' | '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{AB}' | '\u{BB}' | '\u{300C}' | '\u{300D}')
    };
    while let Some(c) = rest.chars().next() {
        let begins_word = rest.len() == text.len()
            || text.get(..text.len() - rest.len()).is_some_and(|before| before.ends_with(char::is_whitespace));
        let (is_excluded, part) = match rest.strip_prefix('-') {
            Some(part) if begins_word && part.starts_with(|c: char| c.is_alphanumeric() || is_quote(c)) => (true, part),
            _ => (false, rest),
        };
        let quoted = part.strip_prefix(is_quote).and_then(|inner| Some((inner, inner.find(is_quote)?)));
        if let Some((inner, end)) = quoted {
            let phrase = inner.get(..end).unwrap_or_default().to_owned();
            if is_excluded {
                typed.excluded.push(phrase);
            } else {
                typed.phrases.push(phrase);
            }
            rest = inner.get(end..).and_then(|rest| rest.strip_prefix(is_quote)).unwrap_or_default();
        } else if is_excluded {
            let end = part.find(char::is_whitespace).unwrap_or(part.len());
            typed.excluded.push(part.get(..end).unwrap_or_default().to_owned());
            rest = part.get(end..).unwrap_or_default();
        } else {
            let next = rest.get(c.len_utf8()..).unwrap_or_default();
            let end = next
                .char_indices()
                .find(|(at, c)| {
                    is_quote(*c)
                        || (*c == '-'
                            && next.get(..*at).is_some_and(|b| b.is_empty() || b.ends_with(char::is_whitespace)))
                })
                .map_or(next.len(), |(at, _)| at);
            let length = c.len_utf8() + end;
            typed.free.push(rest.get(..length).unwrap_or_default().to_owned());
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    typed
}

/// Returns the words of a text as a query has them: without the last single character of a run of pairs, which the pair before it includes.
pub(super) fn query_words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    for word in words(text) {
        if found.last().is_some_and(|last| word.is_part && last.is_part && last.at.end == word.at.end) {
            continue;
        }
        found.push(word);
    }
    found
}

/// Returns whether a form of a word may well be another word, as the language of a query is not known: all that it lacks is an
/// `e` at the end (`car` is no form of `care`, while `lamp` is one of `Lampe`).
fn is_guess(word: &Word, form: &str) -> bool {
    word.forms().any(|text| text.strip_suffix('e') == Some(form))
}

impl Term {
    /// Creates the term for a free word. `joined` are the words that it makes with its neighbours.
    fn free(word: &Word, meaning: Meaning, joined: &[Word]) -> Self {
        let mut term = Self { is_trade: meaning.is_known, synonyms: meaning.words, ..Self::default() };
        if !word.is_part {
            term.word.clone_from(&word.text);
        }
        word.forms().for_each(|form| term.exact_tokens(form, word.is_single));
        let mut forms: BTreeSet<String> = word.stems(Language::ALL);
        for other in joined {
            term.place.extend(other.forms().map(|form| whole(PLACE, form)));
            forms.extend(other.stems(Language::ALL));
            forms.extend(other.forms().cloned());
        }
        for (mark, tokens) in [(TITLE, &mut term.title), (HEAD, &mut term.head), (ANYWHERE, &mut term.anywhere)] {
            if !word.is_part {
                tokens.extend(word.forms().map(|form| whole(mark, &format!("{STEM}{form}"))));
            }
            for form in &forms {
                if !is_guess(word, form) {
                    tokens.push(whole(mark, form));
                }
                tokens.push(whole(mark, &format!("{STEM}{form}")));
            }
        }
        let of = |category: &Category| whole(CATEGORY, category.as_str());
        term.category.extend(meaning.categories.iter().map(of));
        term.related.extend(meaning.related.iter().map(of));
        term
    }

    /// Creates the term for a word in quotes.
    fn required(word: &Word) -> Self {
        let mut term = Self { is_required: true, ..Self::default() };
        word.forms().for_each(|form| term.exact_tokens(form, word.is_single));
        term
    }

    /// Returns the tokens that a service with an excluded word has.
    fn excluded(word: &Word) -> Vec<Token> {
        let mut tokens = Vec::new();
        for form in word.forms() {
            tokens.extend([whole(ANYWHERE, form), whole(PLACE, form)]);
            if !word.is_part {
                tokens.push(whole(STEM, form));
            }
        }
        for stem in word.stems(Language::ALL).iter().filter(|stem| !is_guess(word, stem)) {
            tokens.extend([whole(ANYWHERE, stem), whole(STEM, stem)]);
        }
        tokens
    }

    fn exact_tokens(&mut self, text: &str, prefix: bool) {
        let token = |mark: &str| Token { text: format!("{mark}{text}"), prefix };
        self.exact.push(token(TITLE));
        self.place.push(token(PLACE));
        self.head.push(token(HEAD));
        self.anywhere.push(token(ANYWHERE));
    }

    /// Adds what the known words tell: completions, corrections and other words for it.
    fn learn(&mut self, completions: &[String], neighbours: &[String], synonyms: &BTreeSet<String>) {
        for synonym in self.synonyms.intersection(synonyms) {
            self.synonym.push(whole(HEAD, synonym));
            self.anywhere.push(whole(ANYWHERE, synonym));
        }
        if self.word.is_empty() {
            return;
        }
        let word = self.word.as_str();
        let length = word.chars().count();
        if length <= LISTED || completions.len() > MAX_COMPLETIONS {
            self.head_prefix.extend([begins(HEAD, word), begins(PLACE, word)]);
            self.prefix.push(begins(ANYWHERE, word));
        } else {
            for other in completions.iter().filter(|other| *other != word) {
                self.head_prefix.extend([whole(HEAD, other), whole(PLACE, other)]);
                self.prefix.push(whole(ANYWHERE, other));
            }
        }
        // In a word that is known, a second typo is not likely.
        let is_known = neighbours.iter().any(|other| other == word);
        let most = if is_known { tolerance(word).min(1) } else { tolerance(word) };
        let mut near: Vec<(usize, &String)> = neighbours
            .iter()
            .filter(|other| most > 0 && !other.starts_with(word))
            .filter_map(|other| Some((distance(word, other, most)?, other)))
            .collect();
        near.sort_unstable();
        near.dedup();
        // The nearest ones only: a second typo is assumed when one does not explain the word.
        let nearest = near.first().map_or(0, |(distance, _)| *distance);
        for (_, other) in near.into_iter().filter(|(distance, _)| *distance == nearest).take(MAX_TYPOS) {
            self.head_typo.extend([whole(HEAD, other), whole(PLACE, other)]);
            self.typo.push(whole(ANYWHERE, other));
        }
    }

    /// Returns the tokens by which a service has the word at a level. A token that another one includes is left out: the
    /// words of titles are among those of heads, and these among all words.
    fn at(&self, level: Level) -> Vec<Token> {
        let lists: &[&Vec<Token>] = match level {
            Level::Exact => &[&self.exact],
            Level::Title => &[&self.exact, &self.title],
            Level::Place => &[&self.exact, &self.title, &self.place],
            Level::Tag => &[&self.head, &self.place],
            Level::Named => &[&self.head, &self.synonym, &self.place],
            Level::Head => &[&self.head, &self.synonym, &self.place, &self.category],
            Level::Anywhere => &[&self.anywhere, &self.place, &self.category],
            Level::HeadPrefix => &[&self.anywhere, &self.place, &self.category, &self.head_prefix],
            Level::Prefix => &[&self.anywhere, &self.prefix, &self.place, &self.category, &self.head_prefix],
            Level::HeadTypo => {
                &[&self.anywhere, &self.prefix, &self.place, &self.category, &self.head_prefix, &self.head_typo]
            }
            Level::Typo | Level::Related => &[
                &self.anywhere,
                &self.prefix,
                &self.typo,
                &self.place,
                &self.category,
                &self.head_prefix,
                &self.head_typo,
            ],
        };
        let related = (level == Level::Related).then_some(&self.related);
        let mut tokens = distinct(lists.iter().copied().chain(related).flatten().cloned());
        if level > Level::Anywhere {
            let all = tokens.clone();
            let includes = |token: &Token, plain: &str| {
                all.iter().any(|other| other.text == plain && other.prefix >= token.prefix)
            };
            tokens.retain(|token| !token.text.strip_prefix(HEAD).is_some_and(|plain| includes(token, plain)));
        }
        tokens
    }
}

/// What the text of a query asks for.
#[derive(Debug, Default)]
struct Asked {
    terms: Vec<Term>,
    phrases: Vec<Phrase>,
    excluded: Vec<Clauses>,
}

impl Asked {
    fn of(text: &str) -> Self {
        let typed = divided(text);
        let mut asked = Self::default();
        for phrase in typed.phrases.iter().map(|phrase| query_words(phrase)).filter(|words| !words.is_empty()) {
            let room = MAX_WORDS.saturating_sub(asked.terms.len());
            asked.terms.extend(phrase.iter().take(room).map(Term::required));
            if phrase.len() > 1 {
                asked.phrases.push(Phrase { words: phrase, is_excluded: false });
            }
        }
        for part in &typed.free {
            let words = query_words(&synonyms::separated(&without_phrases(part)));
            let words = if words.is_empty() { query_words(part) } else { words };
            asked.add(&words, words.iter().all(is_stop_word));
        }
        if asked.terms.iter().any(|term| !term.is_idle) {
            asked.terms.retain(|term| !term.is_idle);
        }
        for excluded in &typed.excluded {
            let words = query_words(excluded);
            match words.as_slice() {
                [] => {}
                [word] => asked.excluded.push(vec![Term::excluded(word)]),
                _ => asked.phrases.push(Phrase { words, is_excluded: true }),
            }
        }
        asked
    }

    /// Adds neighbouring words. Those that say nothing are marked as idle.
    fn add(&mut self, words: &[Word], are_idle: bool) {
        let mut meanings = synonyms::of_parts(words).into_iter();
        let (mut run, mut end) = (self.terms.len(), 0);
        for (at, word) in words.iter().enumerate() {
            // The next pair of a run begins inside this one.
            run += usize::from(word.at.start >= end);
            end = word.at.end;
            let mut meaning = meanings.next().unwrap_or_default();
            if (is_stop_word(word) && !are_idle) || self.terms.len() >= MAX_WORDS {
                continue;
            }
            let neighbour = |at: Option<usize>| at.and_then(|at| words.get(at)).filter(|word| !is_stop_word(word));
            let joined = [
                neighbour(at.checked_sub(1)).and_then(|before| before.joined(word)),
                neighbour(at.checked_add(1)).and_then(|next| word.joined(next)),
            ];
            let joined: Vec<Word> = joined.into_iter().flatten().collect();
            meaning.extend(synonyms::of_word(word));
            for joined in &joined {
                let joined = synonyms::of_word(joined);
                meaning.related.extend(joined.categories.into_iter().chain(joined.related));
            }
            let mut term = Term::free(word, meaning, &joined);
            term.run = if word.is_part { run } else { 0 };
            term.is_idle = are_idle || (word.is_single && words.len() > 1);
            if !self.terms.iter().any(|other| !other.is_required && other.exact == term.exact) {
                self.terms.push(term);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.excluded.is_empty() && self.phrases.is_empty()
    }
}

impl SearchFilter {
    /// Returns the filter as a query, or each parameter that breaks a rule.
    pub(super) fn checked(&self) -> Result<Query> {
        let mut checks = Checks::default();
        let q = checks.take(check_words("/q", self.q.as_deref(), 200)).flatten();
        let location = checks.take(check_words("/location", self.location.as_deref(), 100)).flatten();
        let place = checks.take(self.place()).flatten();
        let radius = checks.take(self.radius()).flatten();
        if self.sort == Some(ServiceSort::Distance) && (self.lat.is_none() || self.lon.is_none()) {
            checks.take::<()>(Err(FieldError::new("/sort", "by distance needs lat and lon")));
        }
        let min_rating = checks.take(self.min_rating()).flatten();
        let price = checks.take(self.price()).flatten();
        checks.finish()?;
        let mut has: Clauses = Vec::new();
        has.extend(self.category.map(|category| vec![whole(CATEGORY, category.as_str())]));
        let places = query_words(location.as_deref().unwrap_or_default());
        has.extend(places.iter().take(MAX_WORDS).map(|word| word.forms().map(|form| begins(PLACE, form)).collect()));
        let asked = q.as_deref().map(Asked::of).unwrap_or_default();
        let hopeless = (location.is_some() && places.is_empty()) || (q.is_some() && asked.is_empty());
        if let Some((currency, from, to)) = &price {
            let currency = currency.to_ascii_lowercase();
            let (low, high) = (magnitude(*from), magnitude(*to));
            has.push(if (*from, *to) == (0, Money::MAX) {
                vec![whole(PRICE, &currency)]
            } else {
                (low..=high.max(low)).map(|digits| whole(PRICE, &format!("{currency}{digits}"))).collect()
            });
        }
        let sort = self.sort.unwrap_or(ServiceSort::Relevance);
        Ok(Query {
            sort: if sort == ServiceSort::Relevance && asked.terms.is_empty() { ServiceSort::Newest } else { sort },
            terms: asked.terms,
            phrases: asked.phrases,
            is_learned: false,
            others: Wanted {
                has,
                lacks: asked.excluded,
                category: self.category,
                available: self.available == Some(true),
                min_rating,
                price,
                placed: radius.is_some() || sort == ServiceSort::Distance,
                ..Wanted::default()
            },
            place,
            radius,
            hopeless,
        })
    }

    fn place(&self) -> Result<Option<Place>, FieldError> {
        let place = check_place(("lat", "lon"), self.lat, self.lon)?;
        Ok(place.map(|(latitude, longitude)| Place { latitude, longitude }))
    }

    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    fn radius(&self) -> Result<Option<i64>, FieldError> {
        let Some(radius) = self.radius_km else { return Ok(None) };
        if !(0.0..=20_100.0).contains(&radius) {
            return Err(FieldError::new("/radius_km", "must be from 0 to 20100"));
        }
        if self.lat.is_none() || self.lon.is_none() {
            return Err(FieldError::new("/radius_km", "needs lat and lon"));
        }
        Ok(Some(((radius * 1_000.0).round() as i64).min(FARTHEST)))
    }

    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    fn min_rating(&self) -> Result<Option<i64>, FieldError> {
        let Some(stars) = self.min_rating else { return Ok(None) };
        if (1.0..=5.0).contains(&stars) {
            Ok(Some((stars * 1_000.0).round() as i64))
        } else {
            Err(FieldError::new("/min_rating", "must be from 1 to 5"))
        }
    }

    fn price(&self) -> Result<Option<(String, i64, i64)>, FieldError> {
        let Some(currency) = &self.currency else {
            return match (self.min_price, self.max_price) {
                (None, None) => Ok(None),
                _ => Err(FieldError::new("/currency", "is needed together with a price, such as EUR")),
            };
        };
        Money::new(0, currency.as_str()).check("").map_err(|error| FieldError::new("/currency", error.detail))?;
        for (pointer, given) in [("/min_price", self.min_price), ("/max_price", self.max_price)] {
            if given.is_some_and(|amount| !(0..=Money::MAX).contains(&amount)) {
                return Err(FieldError::new(pointer, format!("must be from 0 to {} minor units", Money::MAX)));
            }
        }
        Ok(Some((currency.clone(), self.min_price.unwrap_or(0), self.max_price.unwrap_or(Money::MAX))))
    }
}

impl Query {
    /// Has words mean the categories that admins gave such names: a name of one word means it, and of a longer one each word
    /// may.
    pub fn name_categories(&mut self, named: &[CategoryDetail]) {
        for category in named {
            let token = whole(CATEGORY, category.key.as_str());
            for name in category.names.values() {
                let mut words = query_words(name);
                words.retain(|word| !is_stop_word(word));
                let is_alone = words.len() == 1;
                for word in &words {
                    let is_it = |term: &&mut Term| !term.is_required && word.forms().any(|form| *form == term.word);
                    for term in self.terms.iter_mut().filter(is_it) {
                        let list = if is_alone { &mut term.category } else { &mut term.related };
                        list.push(token.clone());
                    }
                }
            }
        }
    }

    /// Has the filter by a category find what has one of some keys.
    pub fn among(&mut self, category: Category, keys: &[Category]) {
        let of = |key: &Category| whole(CATEGORY, key.as_str());
        let asked = vec![of(&category)];
        for clause in self.others.has.iter_mut().filter(|clause| **clause == asked) {
            *clause = keys.iter().map(of).collect();
        }
        // Of one key there is an index.
        self.others.category = if let [only] = keys { Some(*only) } else { None };
    }

    /// Has words that mean a category which was merged mean the other one as well.
    pub fn follow(&mut self, merged: &Merged) {
        for merge in &merged.0 {
            let (from, into) = (whole(CATEGORY, merge.from.as_str()), whole(CATEGORY, merge.into.as_str()));
            for list in self.terms.iter_mut().flat_map(|term| [&mut term.category, &mut term.related]) {
                if list.contains(&from) && !list.contains(&into) {
                    list.push(into.clone());
                }
            }
        }
    }

    /// Adds what the known words tell about the terms.
    pub fn learn(&mut self, vocabulary: &Vocabulary) {
        let none = Vec::new();
        for (at, term) in self.terms.iter_mut().enumerate() {
            let completions = vocabulary.completions.get(at).unwrap_or(&none);
            term.learn(completions, &vocabulary.neighbours, &vocabulary.synonyms);
        }
        self.is_learned = true;
    }

    /// Returns other words for the terms, of which only those that occur are of use.
    pub fn synonyms(&self) -> BTreeSet<&str> {
        self.terms.iter().flat_map(|term| &term.synonyms).map(String::as_str).collect()
    }

    /// Returns whether one of a word's tokens is one for which a term was found anywhere.
    pub fn has_token(&self, tokens: &mut [String]) -> bool {
        tokens.sort_unstable();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let lists = |term: &Term| {
            [&term.anywhere, &term.prefix, &term.typo].into_iter().flatten().any(|token| token.is_in(&tokens))
        };
        self.terms.iter().any(lists)
    }

    /// Returns the beginnings to be completed by known words, for each term.
    pub fn beginnings(&self) -> Vec<Option<&str>> {
        let is_long = |term: &&Term| term.word.chars().count() > LISTED;
        self.terms.iter().map(|term| Some(term).filter(is_long).map(|term| term.word.as_str())).collect()
    }

    fn all(&self, level: Level) -> Clauses {
        self.terms.iter().map(|term| term.at(level)).collect()
    }

    /// Returns the clause that one of the terms must be in title or tags, itself or as another word for it.
    fn one_in_head(terms: &[&Term], with_synonyms: bool) -> Vec<Token> {
        let synonyms = |term: &&Term| if with_synonyms { term.synonym.clone() } else { Vec::new() };
        distinct(terms.iter().flat_map(|term| term.head.iter().cloned().chain(synonyms(term))))
    }

    /// Returns the clause that one of the terms must be there at a level.
    fn one(terms: &[&Term], level: Level) -> Vec<Token> {
        distinct(terms.iter().flat_map(|term| term.at(level)))
    }

    /// Returns the tiers of services that have every word, best first. Their conditions are nested.
    pub fn full_tiers(&self) -> Vec<Tier> {
        let terms: Vec<&Term> = self.terms.iter().collect();
        let with = |mut clauses: Clauses, one: Vec<Token>| {
            if terms.len() == 1 {
                return vec![one];
            }
            clauses.push(one);
            clauses
        };
        let conditions = [
            self.all(Level::Exact),
            self.all(Level::Title),
            with(self.all(Level::Place), Self::one(&terms, Level::Title)),
            with(self.all(Level::Tag), Self::one_in_head(&terms, false)),
            with(self.all(Level::Named), Self::one_in_head(&terms, true)),
            with(self.all(Level::Head), Self::one_in_head(&terms, true)),
            self.all(Level::Head),
            self.all(Level::Anywhere),
            self.all(Level::HeadPrefix),
            self.all(Level::Prefix),
            self.all(Level::HeadTypo),
            self.all(Level::Typo),
            self.all(Level::Related),
        ];
        Self::chain(0, conditions, &[])
    }

    /// Returns tiers with an exclusion of the tier before each, and of what is ranked before all of them; without those
    /// that add nothing.
    fn chain(first: i64, conditions: impl IntoIterator<Item = Clauses>, before: &[Clauses]) -> Vec<Tier> {
        let mut tiers: Vec<Tier> = Vec::new();
        for (id, has) in (first..).zip(conditions) {
            let mut lacks: Vec<Clauses> = Vec::new();
            if let Some(last) = tiers.last() {
                if last.has == has {
                    continue;
                }
                lacks.push(last.has.clone());
            }
            lacks.extend(before.iter().cloned());
            tiers.push(Tier { id, has, lacks });
        }
        tiers
    }

    /// Returns the tiers of services that lack some of the words: few before many, and for as many words, those that name
    /// what is done before those that say where or how. In chains of nested conditions.
    pub fn partial_tiers(&self) -> Vec<Vec<Tier>> {
        let required: Vec<&Term> = self.terms.iter().filter(|term| term.is_required).collect();
        let units = self.units();
        let (trades, others): (Vec<&Vec<&Term>>, Vec<&Vec<&Term>>) =
            units.iter().partition(|unit| unit.iter().any(|term| term.is_trade));
        let all: Vec<&Term> = units.iter().flatten().copied().collect();
        let trade_terms: Vec<&Term> = trades.iter().copied().flatten().copied().collect();
        let mut tiers = Vec::new();
        let mut before = self.all(Level::Related);
        for missing in 1..units.len() {
            // At least so many of them: one of each `missing + 1`.
            let groups: Vec<Vec<&Term>> =
                subsets(&units, missing + 1).iter().flat_map(|units| one_of_each(units)).collect();
            if groups.len() > MAX_CLAUSES {
                continue;
            }
            let at = |level: Level, must: &[&Term]| -> Clauses {
                let must = required.iter().chain(must).map(|term| term.at(level));
                must.chain(groups.iter().map(|group| Self::one(group, level))).collect()
            };
            let conditions = |must: &[&Term]| {
                let head = if must.is_empty() { &all } else { must };
                let with = |mut clauses: Clauses, one: Vec<Token>| {
                    clauses.push(one);
                    clauses
                };
                [
                    at(Level::Title, must),
                    with(at(Level::Place, must), Self::one(head, Level::Title)),
                    with(at(Level::Tag, must), Self::one_in_head(head, false)),
                    with(at(Level::Named, must), Self::one_in_head(head, true)),
                    with(at(Level::Head, must), Self::one_in_head(head, true)),
                    at(Level::Head, must),
                    at(Level::Anywhere, must),
                    at(Level::Prefix, must),
                    at(Level::Typo, must),
                    at(Level::Related, must),
                ]
            };
            let first = i64::try_from(missing).unwrap_or(0) * 100;
            let mut ranked_before = vec![before.clone()];
            if !trades.is_empty() && others.len() >= missing {
                tiers.push(Self::chain(first, conditions(&trade_terms), &ranked_before));
                ranked_before.push(at(Level::Related, &trade_terms));
            }
            tiers.push(Self::chain(first + 50, conditions(&[]), &ranked_before));
            before = at(Level::Related, &[]);
        }
        tiers
    }

    /// Returns the terms that may be missing, those of one run of pairs together.
    fn units(&self) -> Vec<Vec<&Term>> {
        let mut units: Vec<(usize, Vec<&Term>)> = Vec::new();
        for term in self.terms.iter().filter(|term| !term.is_required) {
            match units.last_mut() {
                Some((run, unit)) if term.run > 0 && *run == term.run => unit.push(term),
                _ => units.push((term.run, vec![term])),
            }
        }
        // A long run is more than one word.
        let parts = units.into_iter().flat_map(|(_, unit)| {
            if unit.len() <= LONGEST_UNIT { vec![unit] } else { unit.into_iter().map(|term| vec![term]).collect() }
        });
        parts.collect()
    }

    /// Returns everything that a service of a tier must meet, the filter included.
    pub fn wanted(&self, tier: &Tier) -> Wanted {
        let mut wanted = self.others.clone();
        wanted.has.splice(0..0, tier.has.iter().cloned());
        wanted.lacks.splice(0..0, tier.lacks.iter().cloned());
        wanted
    }

    /// Returns the condition that every word is there, and the last one begins a word of title, tags or place.
    pub fn completed(&self) -> Wanted {
        let mut has = self.all(Level::Head);
        if let (Some(last), Some(term)) = (has.last_mut(), self.terms.last()) {
            *last = distinct(term.head.iter().take(1).chain(&term.head_prefix).cloned());
        }
        self.wanted(&Tier { id: 0, has, lacks: Vec::new() })
    }

    /// Returns sets of services of which the first that is not empty is what a search in another order than by relevance
    /// finds: with every word; with every word or typos of it; with most of the words.
    pub fn choices(&self) -> Vec<Wanted> {
        let tier = |has: Clauses| self.wanted(&Tier { id: 0, has, lacks: Vec::new() });
        let mut choices = vec![tier(self.all(Level::Prefix))];
        if !self.terms.is_empty() {
            choices.extend([tier(self.all(Level::Typo)), tier(self.all(Level::Related))]);
            let ends = self.partial_tiers().into_iter().filter_map(|mut chain| chain.pop());
            choices.extend(ends.map(|end| tier(end.has)));
        }
        choices
    }
}

fn distinct(tokens: impl Iterator<Item = Token>) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for token in tokens {
        if !found.contains(&token) {
            found.push(token);
        }
    }
    found
}

/// Returns all subsets of a size.
fn subsets<T>(of: &[T], size: usize) -> Vec<Vec<&T>> {
    let mut found = Vec::new();
    for bits in 0..1_u32 << of.len().min(16) {
        if bits.count_ones() as usize == size {
            found.push(of.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, one)| one).collect());
        }
    }
    found
}

/// Returns every choice of one term of each unit: a service has one of the units if it has one term of each choice.
fn one_of_each<'a>(units: &[&Vec<&'a Term>]) -> Vec<Vec<&'a Term>> {
    let mut choices: Vec<Vec<&Term>> = vec![Vec::new()];
    for unit in units {
        choices = choices
            .iter()
            .flat_map(|choice| unit.iter().map(move |term| choice.iter().copied().chain([*term]).collect()))
            .collect();
    }
    choices
}

impl Tier {
    /// Returns whether a service with these tokens, in order, meets the condition.
    pub fn matches(&self, tokens: &[&str]) -> bool {
        fits(&self.has, tokens)
    }
}

/// Position in a list of services: the sort key, and the service's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SearchCursor {
    pub sort: ServiceSort,
    /// The tier, the thousandths of a star, or the metres; 0 when ordered by age.
    pub key: i64,
    pub number: i64,
}

impl Cursor for SearchCursor {
    fn text(&self) -> String {
        format!("{}:{}:{}", self.sort, self.key, self.number)
    }
    fn parse(text: &str) -> Option<Self> {
        let (sort, rest) = text.split_once(':')?;
        let (key, number) = rest.split_once(':')?;
        Some(Self { sort: sort.parse().ok()?, key: key.parse().ok()?, number: number.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> SearchFilter {
        serde_json::from_str(text).unwrap()
    }

    fn query(q: &str) -> Query {
        SearchFilter { q: Some(q.into()), ..SearchFilter::default() }.checked().unwrap()
    }

    fn words_of(q: &str) -> Vec<String> {
        query(q).terms.into_iter().map(|term| term.exact[0].text.clone()).collect()
    }

    #[test]
    fn odd_parameters_are_named() {
        for (text, pointer) in [
            (r#"{"q": "a\u0000b"}"#, "/q"),
            (r#"{"location": "a\nb"}"#, "/location"),
            (r#"{"lat": 1}"#, "/lon"),
            (r#"{"lat": 91, "lon": 0}"#, "/lat"),
            (r#"{"lat": 0, "lon": -180.1}"#, "/lon"),
            (r#"{"radius_km": 5}"#, "/radius_km"),
            (r#"{"lat": 0, "lon": 0, "radius_km": -1}"#, "/radius_km"),
            (r#"{"sort": "distance"}"#, "/sort"),
            (r#"{"min_rating": 5.1}"#, "/min_rating"),
            (r#"{"min_price": 5}"#, "/currency"),
            (r#"{"currency": "eur"}"#, "/currency"),
            (r#"{"currency": "EUR", "max_price": -1}"#, "/max_price"),
        ] {
            assert_eq!(filter(text).checked().unwrap_err().fields()[0].pointer, pointer, "{text}");
        }
        let nan = SearchFilter { lat: Some(f64::NAN), lon: Some(0.0), ..SearchFilter::default() };
        assert_eq!(nan.checked().unwrap_err().fields()[0].pointer, "/lat");
        assert!(filter(r#"{"q": "?!"}"#).checked().unwrap().hopeless);
        assert_eq!(filter(r#"{"q": " "}"#).checked().unwrap().sort, ServiceSort::Newest);
    }

    #[test]
    fn prices_are_looked_for_by_magnitude() {
        let filter = SearchFilter { currency: Some("EUR".into()), max_price: Some(5), ..SearchFilter::default() };
        let clause = &filter.checked().unwrap().others.has[0];
        assert_eq!(
            clause.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(),
            ["$eur0", "$eur1", "$eur2", "$eur3"]
        );
    }

    #[test]
    fn queries_are_divided() {
        let typed = |text: &str| {
            let typed = divided(text);
            (typed.free.concat().trim().to_owned(), typed.phrases.join("|"), typed.excluded.join("|"))
        };
        for (text, free, phrases, excluded) in [
            ("plumber -leaking", "plumber", "", "leaking"),
            ("-leaking", "", "", "leaking"),
            ("x-ray - a", "x-ray - a", "", ""),
            ("\"hot water\" now", "now", "hot water", ""),
            ("a -\"hot water\" b", "a  b", "", "hot water"),
            ("„hot water“", "", "hot water", ""),
            ("\"hot water", "\"hot water", "", ""),
            ("水 「修理」", "水", "修理", ""),
        ] {
            assert_eq!(typed(text), (free.into(), phrases.into(), excluded.into()), "{text}");
        }
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        assert_eq!(words_of("I need a plumber in Berlin"), ["=plumber", "=berlin"]);
        assert_eq!(words_of("the"), ["=the"]);
        assert_eq!(words_of("我想找人打扫"), ["=打扫"]);
        assert_eq!(words_of("ガラスの修理をお願いします"), ["=ガラ", "=ラス", "=修理"]);
        assert_eq!(words_of(&"word number ".repeat(10)).len(), 2);
    }

    #[test]
    fn conditions_are_nested_and_few() {
        let all = "one two three four five six seven eight nine";
        assert_eq!(query(all).terms.len(), MAX_WORDS);
        for text in ["plumber", "plumber berlin", "ガラス修理", all] {
            let query = query(text);
            let chains: Vec<Vec<Tier>> = std::iter::once(query.full_tiers()).chain(query.partial_tiers()).collect();
            assert!(chains.iter().flatten().all(|tier| tier.has.len() <= MAX_CLAUSES + MAX_WORDS), "{text}");
            let ids: Vec<i64> = chains.iter().flatten().map(|tier| tier.id).collect();
            assert!(ids.is_sorted() && ids.len() >= 3, "{text}: {ids:?}");
        }
        assert!(query("ガラス").partial_tiers().is_empty(), "a word of pairs is one word");
        assert!(query("\"hot water\"").partial_tiers().is_empty());
        // What is done is not left out for where it is done.
        let chains = query("plumber berlin").partial_tiers();
        assert_eq!(chains.iter().map(|chain| chain[0].id).collect::<Vec<_>>(), [100, 150]);
    }

    #[test]
    fn typos_stand_for_their_neighbours() {
        let mut query = query("Paino lessonz xyz");
        let known = ["piano", "painter", "lessons", "lesson", "xyzz", "pains"].map(str::to_owned);
        query.learn(&Vocabulary { neighbours: known.to_vec(), ..Vocabulary::default() });
        let typos = |term: &Term| term.typo.iter().map(|token| token.text.clone()).collect::<Vec<_>>();
        assert_eq!(
            query.terms.iter().map(typos).collect::<Vec<_>>(),
            [vec!["pains", "piano"], vec!["lesson", "lessons"], vec![]]
        );
    }
}
