//! What people call the services of a category, and words for the same thing: data in `synonyms.txt`. They are applied to
//! queries only, so the index does not depend on them. No SQL, no I/O.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use super::{
    model::Category,
    tokenizer::{self, Language, Word},
};

/// Minimum number of letters of a stem by which a word of the table is found.
const SHORTEST_STEM: usize = 4;

/// Words for one thing, folded.
#[derive(Debug)]
struct Group {
    category: Category,
    kind: Kind,
    words: Vec<String>,
}

/// What a group's words say about its category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// They name it.
    Name,
    /// They name a part of it, and who looks for that may want the rest as well.
    Part,
    /// They name something else in it.
    Apart,
}

#[derive(Debug, Default)]
struct Table {
    groups: Vec<Group>,
    /// The groups in which a word, or a stem of one, stands.
    by_word: HashMap<String, BTreeSet<usize>>,
    by_stem: HashMap<String, BTreeSet<usize>>,
    /// Words of scripts that do not separate words, as their pairs of characters, and their groups.
    unspaced: Vec<(Vec<String>, usize)>,
    /// Those words as they are written, longest first.
    runs: Vec<String>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("synonyms.txt")));

fn read(text: &str) -> Table {
    let mut table = Table::default();
    let mut category = None;
    let mut is_first = true;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(code) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            category = code.parse().ok();
            is_first = true;
            continue;
        }
        let Some(category) = category.filter(|_| !line.trim().is_empty()) else { continue };
        let (line, kind) = match line.strip_prefix("- ") {
            Some(line) => (line, Kind::Apart),
            None => (line, if is_first { Kind::Name } else { Kind::Part }),
        };
        is_first = false;
        let at = table.groups.len();
        let mut words = Vec::new();
        for entry in line.split_whitespace() {
            let parts = tokenizer::words(entry);
            match parts.as_slice() {
                [word] if !word.is_part => {
                    for form in word.forms() {
                        table.by_word.entry(form.clone()).or_default().insert(at);
                    }
                    for stem in word.stems(Language::ALL).into_iter().filter(|stem| is_long(stem)) {
                        table.by_stem.entry(stem).or_default().insert(at);
                    }
                    words.extend(word.forms().cloned());
                }
                [] => {}
                parts => {
                    let texts: Vec<String> = parts.iter().map(|part| part.text.clone()).collect();
                    table.unspaced.push((texts, at));
                    if parts.len() > 1 {
                        table.runs.push(entry.to_owned());
                    }
                }
            }
        }
        table.groups.push(Group { category, kind, words });
    }
    table.runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
    table
}

/// Returns a query with blanks around the words that are known, in scripts that do not separate words.
pub(super) fn separated(query: &str) -> String {
    if query.is_ascii() {
        return query.to_owned();
    }
    let mut separated = String::with_capacity(query.len());
    let mut rest = query;
    'next: while let Some(c) = rest.chars().next() {
        if !c.is_ascii() {
            for run in &TABLE.runs {
                if let Some(after) = rest.strip_prefix(run.as_str()) {
                    separated.extend([" ", run, " "]);
                    rest = after;
                    continue 'next;
                }
            }
        }
        separated.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    separated
}

fn is_long(stem: &str) -> bool {
    stem.chars().nth(SHORTEST_STEM - 1).is_some()
}

/// What a word of a query may also mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// Other words for it, folded.
    pub words: BTreeSet<String>,
    /// Categories that it names.
    pub categories: BTreeSet<Category>,
    /// Categories of which it names a part.
    pub related: BTreeSet<Category>,
    /// Whether it is in the table at all.
    pub is_known: bool,
}

impl Meaning {
    /// Adds what another word means.
    pub fn extend(&mut self, other: Self) {
        self.words.extend(other.words);
        self.categories.extend(other.categories);
        self.related.extend(other.related);
        self.is_known |= other.is_known;
    }

    fn add(&mut self, group: &Group) {
        self.is_known = true;
        match group.kind {
            Kind::Name => self.categories.insert(group.category),
            Kind::Part => self.related.insert(group.category),
            Kind::Apart => false,
        };
        self.words.extend(group.words.iter().cloned());
    }
}

/// Returns what a word may also mean, by itself or through a stem.
pub(super) fn of_word(word: &Word) -> Meaning {
    let mut meaning = Meaning::default();
    if word.is_part {
        return meaning;
    }
    let table = &*TABLE;
    let mut found: BTreeSet<usize> = table.by_word.get(&word.text).cloned().unwrap_or_default();
    if found.is_empty() {
        found.extend(table.by_stem.get(&word.text).into_iter().flatten());
        for stem in word.stems(Language::ALL).iter().filter(|stem| is_long(stem)) {
            found.extend(table.by_stem.get(stem).into_iter().flatten());
            found.extend(table.by_word.get(stem).into_iter().flatten());
        }
    }
    found.iter().filter_map(|at| table.groups.get(*at)).for_each(|group| meaning.add(group));
    meaning.words.remove(&word.text);
    meaning
}

/// Returns for each pair of characters of a query what the words may also mean of which it is part.
pub(super) fn of_parts(words: &[Word]) -> Vec<Meaning> {
    let mut meanings: Vec<Meaning> = words.iter().map(|_| Meaning::default()).collect();
    if !words.iter().any(|word| word.is_part) {
        return meanings;
    }
    for (parts, group) in &TABLE.unspaced {
        let Some(group) = TABLE.groups.get(*group) else { continue };
        // The last character of a word is in the pair before it.
        let pairs = parts.get(..(parts.len() - 1).max(1)).unwrap_or(parts);
        for from in 0..words.len() {
            let here = words.get(from..from + pairs.len()).unwrap_or_default();
            if !here.is_empty() && here.iter().zip(pairs).all(|(word, pair)| word.is_part && word.text == *pair) {
                meanings.iter_mut().skip(from).take(pairs.len()).for_each(|meaning| meaning.add(group));
            }
        }
    }
    meanings
}

/// Returns the categories of which a word begins with a text, for suggestions.
pub(super) fn beginning_with(text: &str) -> BTreeSet<Category> {
    let begins = |group: &&Group| group.kind != Kind::Apart && group.words.iter().any(|word| word.starts_with(text));
    TABLE.groups.iter().filter(begins).map(|group| group.category).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories(text: &str) -> Vec<Category> {
        let words = tokenizer::words(text);
        let meanings = words.iter().map(of_word).chain(of_parts(&words));
        let found: BTreeSet<Category> =
            meanings.flat_map(|meaning| meaning.categories.into_iter().chain(meaning.related)).collect();
        found.into_iter().collect()
    }

    /// What the first categories are called is known by this table, not by their stored names.
    #[test]
    fn the_names_of_the_first_categories_mean_them() {
        let migration = include_str!("../../../migrations/sqlite/0051_category_names.sql");
        let mut unknown = Vec::new();
        for line in migration.lines().filter_map(|line| line.strip_prefix("UPDATE categories SET names = '")) {
            let (names, rest) = line.split_once("' WHERE key = '").unwrap();
            let key: Category = rest.split_once('\'').unwrap().0.parse().unwrap();
            let names: std::collections::BTreeMap<String, String> = serde_json::from_str(names).unwrap();
            if key == Category::Other {
                continue;
            }
            for (language, name) in names {
                if !categories(&name).contains(&key) {
                    unknown.push(format!("{key} {language} {name}: {:?}", categories(&name)));
                }
            }
        }
        assert!(unknown.is_empty(), "{unknown:#?}");
    }

    #[test]
    fn words_in_any_language_mean_a_category() {
        for (text, category) in [
            ("puppies", Category::Pets),
            ("movers", Category::Moving),
            ("plumbers", Category::Plumbing),
            ("Klempner", Category::Plumbing),
            ("plombiers", Category::Plumbing),
            ("fontaneria", Category::Plumbing),
            ("Umzüge", Category::Moving),
            ("babysitters", Category::Childcare),
            ("السباكة", Category::Plumbing),
            ("水道修理業者", Category::Plumbing),
            ("ช่างประปา", Category::Plumbing),
            ("ตู้เย็น", Category::Handyman),
            ("狗", Category::Pets),
        ] {
            assert!(categories(text).contains(&category), "{text}: {:?}", categories(text));
        }
        assert_eq!(categories("orchidarium 鯨 piano"), []);
        assert_eq!(separated("上海搬家"), "上海 搬家 ");
        let piano = of_word(&tokenizer::words("pianos")[0]);
        assert!(piano.is_known && piano.words.contains("klavier"));
    }

    #[test]
    fn every_category_has_a_section() {
        let named: Vec<Category> = include_str!("synonyms.txt")
            .lines()
            .filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
            .map(|code| code.parse().unwrap())
            .collect();
        assert_eq!(named, Category::FIRST);
    }
}
