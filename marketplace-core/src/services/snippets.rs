//! Parts of titles and descriptions in which the words that were found are marked.

use std::ops::Range;

use super::{
    index_text::{ANYWHERE, STEM},
    languages::languages,
    model::{ServiceCard, Snippet, SnippetPart},
    query::Query,
    store,
    tokenizer::{Language, Word, words},
};
use crate::{base::error::Result, platform::db::Conn};

/// Number of characters of a description that are shown.
const LONGEST: usize = 200;
/// Number of characters that are shown before the first word found.
const BEFORE: usize = 60;

/// Adds to each card a snippet for the query.
pub(super) async fn add(conn: &mut Conn<'_>, query: &Query, numbers: &[i64], cards: &mut [ServiceCard]) -> Result<()> {
    for texts in store::texts(conn, numbers).await? {
        if let Some(card) = cards.iter_mut().find(|card| card.id == texts.id) {
            let (title, description) = (words(&texts.title), words(&texts.description));
            let tags: Vec<Word> = texts.tags.iter().flat_map(|tag| words(tag)).collect();
            let languages = languages(title.iter().chain(&tags).chain(&description));
            let title_hits = hits(query, &title, &languages);
            let text_hits = hits(query, &description, &languages);
            card.snippet = Some(Snippet {
                title: parts(&texts.title, 0..texts.title.len(), &title_hits),
                text: excerpt(&texts.description, &text_hits),
            });
        }
    }
    Ok(())
}

/// Returns where the words of a query stand in a text.
fn hits(query: &Query, words: &[Word], languages: &[Language]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let mut tokens: Vec<String> = word.forms().map(|form| format!("{ANYWHERE}{form}")).collect();
        tokens.extend(word.stems(languages.iter().copied()).iter().map(|stem| format!("{STEM}{stem}")));
        if query.has_token(&mut tokens) {
            found.push(word.at.clone());
            continue;
        }
        if let Some(joined) = words.get(at + 1).and_then(|next| word.joined(next)) {
            let mut tokens: Vec<String> = joined.forms().map(|form| format!("{STEM}{form}")).collect();
            if query.has_token(&mut tokens) {
                found.push(joined.at);
            }
        }
    }
    // Pairs of characters overlap.
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Divides a part of a text into what is found and what is not.
fn parts(text: &str, within: Range<usize>, hits: &[Range<usize>]) -> Vec<SnippetPart> {
    let mut parts = Vec::new();
    let mut push = |range: Range<usize>, found: bool| {
        if let Some(text) = text.get(range).filter(|text| !text.is_empty()) {
            parts.push(SnippetPart { text: text.to_owned(), found });
        }
    };
    let mut from = within.start;
    for hit in hits.iter().filter(|hit| hit.start >= within.start && hit.end <= within.end) {
        push(from..hit.start, false);
        push(hit.clone(), true);
        from = hit.end;
    }
    push(from..within.end, false);
    parts
}

/// Returns the part of a text around the first word found, or its beginning.
fn excerpt(text: &str, hits: &[Range<usize>]) -> Vec<SnippetPart> {
    let first = hits.first().map_or(0, |hit| hit.start);
    let before: Vec<usize> =
        text.get(..first).unwrap_or_default().char_indices().rev().take(BEFORE).map(|(at, _)| at).collect();
    let mut start = before.last().copied().unwrap_or(first);
    if start > 0 {
        // At the beginning of a word, when one begins before the hit.
        let blank = text.get(start..first).and_then(|part| part.find(char::is_whitespace));
        start = blank.map_or(start, |at| start + at + 1);
    }
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| start + at);
    let mut found = parts(text, start..end, hits);
    let dots = || SnippetPart { text: "…".into(), found: false };
    if start > 0 {
        found.insert(0, dots());
    }
    if end < text.len() {
        found.push(dots());
    }
    found
}
