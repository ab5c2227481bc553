//! Suggestions while a query is typed: words of titles and tags of services that the query finds, most frequent first.
//!
//! They are taken from a few of the newest services, so they cost the same however many there are.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    categories::known_categories,
    category::Merged,
    category_store,
    model::{Category, CategoryDetail, SearchFilter, SuggestFilter, Suggestion, Suggestions},
    search::Search,
    store, synonyms,
    tokenizer::{Word, words},
};
use crate::{
    app::App,
    base::error::{Error, Result},
};

/// Number of services from which suggestions are taken.
const SAMPLE: i64 = 40;
/// Number of suggestions unless another is asked for, and at most.
const COUNT: (i64, i64) = (8, 20);
/// Number of categories that are suggested at most.
const CATEGORIES: usize = 2;
/// Number of characters of a suggestion in a script that does not separate words.
const LONGEST: usize = 12;

/// Returns what may be meant by the beginning of a query.
///
/// # Errors
/// `invalid` for a query that is too long or a limit out of range.
pub async fn suggest(app: &App, filter: &SuggestFilter) -> Result<Suggestions> {
    let limit = filter.limit.unwrap_or(COUNT.0);
    if !(1..=COUNT.1).contains(&limit) {
        return Err(Error::invalid("/limit", format!("must be from 1 to {}", COUNT.1)));
    }
    let query = SearchFilter { q: Some(filter.q.clone()), ..SearchFilter::default() }.checked()?;
    let typed = words(&filter.q);
    let Some(last) = typed.last().filter(|last| last.at.end == filter.q.len()) else {
        return Ok(Suggestions::default());
    };
    // Where the last word begins, or the pairs of characters that stand for it.
    let first = if last.is_part {
        typed.iter().rposition(|word| !word.is_part).map_or(0, |at| at + 1)
    } else {
        typed.len() - 1
    };
    let beginning: Vec<&Word> = typed.get(first..).unwrap_or_default().iter().collect();
    let kept = beginning.first().and_then(|word| filter.q.get(..word.at.start)).unwrap_or_default();
    let names_categories = !last.is_part && kept.trim().is_empty();

    let now = app.now();
    let reading = app.db.read_lagging(move |conn| {
        Box::pin(async move {
            let numbers = Search::new(conn, now, query).completed(SAMPLE).await?;
            let texts = store::texts(conn, &numbers).await?;
            let all = if names_categories { category_store::all(conn).await? } else { Vec::new() };
            Ok((texts, all))
        })
    });
    let (texts, all) = reading.await?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for texts in texts {
        let found: BTreeSet<String> =
            std::iter::once(&texts.title).chain(&texts.tags).flat_map(|text| completions(text, &beginning)).collect();
        for completion in found {
            *counts.entry(completion).or_default() += 1;
        }
    }
    let mut completed: Vec<(String, usize)> = counts.into_iter().collect();
    completed.sort_by_key(|(text, count)| (Reverse(*count), text.chars().count(), text.clone()));
    let active: Vec<_> = all.into_iter().filter(|category| category.active).collect();
    let mut items = categories(&last.text, &active, &known_categories(app).await?.merged);
    items.truncate(CATEGORIES);
    let room = usize::try_from(limit).unwrap_or(0);
    items.truncate(room);
    let room = room - items.len();
    let words = completed.into_iter().take(room);
    items.splice(0..0, words.map(|(text, _)| Suggestion { text: format!("{kept}{text}"), category: None }));
    Ok(Suggestions { items })
}

/// Returns the words of a text that begin as the last word of a query does, in lower case.
fn completions(text: &str, beginning: &[&Word]) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    let Some((last, before)) = beginning.split_last() else { return found };
    for at in 0..words.len() {
        let here = words.get(at..at + beginning.len()).unwrap_or_default();
        let Some((word, pairs)) = here.split_last() else { continue };
        let begins = word.forms().any(|form| last.forms().any(|typed| form.starts_with(typed)))
            && pairs.iter().map(|pair| &pair.text).eq(before.iter().map(|pair| &pair.text));
        let Some(start) = here.first().map(|word| word.at.start).filter(|_| begins) else { continue };
        let end = if word.is_part {
            words
                .iter()
                .skip(at)
                .take_while(|word| word.is_part)
                .take(LONGEST)
                .last()
                .map_or(word.at.end, |word| word.at.end)
        } else {
            word.at.end
        };
        found.extend(text.get(start..end).map(str::to_lowercase));
    }
    found
}

/// Returns categories of which a name, or another word for what is done, begins with a text, each with that name or the English
/// one.
fn categories(text: &str, all: &[CategoryDetail], merged: &Merged) -> Vec<Suggestion> {
    let begins = |name: &&String| words(name).iter().any(|word| word.text.starts_with(text));
    let english = |category: &CategoryDetail| Some(category.name().to_owned()).filter(|name| begins(&name));
    let named = |category: &CategoryDetail| {
        english(category).or_else(|| category.names.values().find(begins).cloned()).map(|name| (category.key, name))
    };
    let mut found: Vec<(Category, String)> = all.iter().filter_map(named).collect();
    for key in synonyms::beginning_with(text).into_iter().map(|key| merged.resolve(key)) {
        let other = all.iter().find(|category| category.key == key && !found.iter().any(|(known, _)| *known == key));
        found.extend(other.map(|category| (key, category.name().to_owned())));
    }
    found.into_iter().map(|(key, text)| Suggestion { text, category: Some(key) }).collect()
}
