//! The words by which staff find what people wrote: titles of services, texts of reviews. Each word stands in a table with when
//! the text was written, so that the newest that have a word, or several, are found without reading others.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use uuid::Uuid;

use super::{
    index_text::STEM,
    languages::{is_stop_word, languages},
    tokenizer::{Language, Word, words},
};
use crate::{
    accounts,
    app::App,
    base::{
        error::{Error, ErrorCode, Result},
        ids::UserId,
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
};

/// Words of a text at most.
const MOST_TERMS: usize = 250;
/// Words of a search at most; further ones are not looked at.
const MOST_WORDS: usize = 4;
/// How far the texts with a word are counted, to begin with the word that fewest have.
const COUNTED: i64 = 1_000;
/// Texts that one run indexes, and how many of them at the same time.
const REINDEXED: (i64, usize) = (2_000, 32);

/// What a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The title of a service.
    Service,
    /// What a review says, and the reply to it.
    Review,
}

impl Kind {
    /// Returns its name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Review => "review",
        }
    }
}

/// Returns the words of a text, with their stems, each once.
pub fn content_terms(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let spoken = languages(&words);
    let mut terms = BTreeSet::new();
    for word in words.iter().filter(|word| !is_stop_word(word)) {
        if terms.len() >= MOST_TERMS {
            break;
        }
        terms.extend(word.forms().cloned());
        terms.extend(word.stems(spoken.iter().copied()).into_iter().map(|stem| format!("{STEM}{stem}")));
    }
    terms
}

/// Stores the words of a text that was `old` before; either is empty where there is none.
pub(crate) async fn replace(
    conn: &mut Conn<'_>,
    kind: Kind,
    (at, id): (Timestamp, Uuid),
    old: &str,
    new: &str,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let (old, new) = (content_terms(old), content_terms(new));
    let json = |terms: Vec<&String>| serde_json::to_string(&terms).map_err(Error::internal);
    let gone: Vec<&String> = old.difference(&new).collect();
    if !gone.is_empty() {
        q!(conn => exec, [
            sqlite: "DELETE FROM content_terms WHERE kind = $1 AND created_at = $2 AND id = $3 \
                     AND term IN (SELECT value FROM json_each($4))",
            pg: "DELETE FROM content_terms WHERE kind = $1 AND created_at = $2 AND id = $3 \
                 AND term IN (SELECT value COLLATE \"C\" FROM json_array_elements_text($4::json) AS k (value))",
        ], kind.as_str(), at, id, json(gone)?)?;
    }
    let added: Vec<&String> = new.difference(&old).collect();
    if !added.is_empty() {
        q!(conn => exec, [
            sqlite: "INSERT INTO content_terms (kind, term, created_at, id) SELECT $1, value, $2, $3 FROM json_each($4) WHERE TRUE \
                     ON CONFLICT DO NOTHING",
            pg: "INSERT INTO content_terms (kind, term, created_at, id) \
                 SELECT $1::text, value, $2::timestamptz, $3::uuid FROM json_array_elements_text($4::json) AS k (value) \
                 ON CONFLICT DO NOTHING",
        ], kind.as_str(), at, id, json(added)?)?;
    }
    Ok(())
}

/// The words of a search: a text must have each, in one of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(Vec<BTreeSet<String>>);

/// The words of a search as they are looked up: the forms of the word that fewest texts have, and those of the others, each as
/// JSON.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// Forms of the first word.
    pub first: Vec<String>,
    /// The other words.
    pub others: [Option<String>; MOST_WORDS - 1],
}

impl Words {
    /// Parses a search; `None` when nothing in it is a word that says anything.
    pub fn parse(q: &str) -> Option<Self> {
        let forms = |word: &Word| {
            let forms = word.forms().cloned().chain(word.stems(Language::ALL));
            // What is looked for can be the stem of what was written, and the other way round.
            forms.flat_map(|form| [format!("{STEM}{form}"), form]).collect()
        };
        let found = words(q);
        // The last character of a run stands alone only where the run ends so in the text as well.
        let counts = |word: &&Word| !is_stop_word(word) && (!word.is_single || found.len() == 1);
        let told = found.iter().filter(counts);
        let words: Vec<BTreeSet<String>> = told.take(MOST_WORDS).map(forms).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// Returns whether a text has all of them.
    pub fn are_in(&self, text: &str) -> bool {
        let terms = content_terms(text);
        self.0.iter().all(|forms| !forms.is_disjoint(&terms))
    }

    /// Prepares looking them up.
    pub async fn lookup(&self, conn: &mut Conn<'_>, kind: Kind) -> Result<Lookup> {
        let mut words = Vec::with_capacity(self.0.len());
        for forms in &self.0 {
            let json = serde_json::to_string(forms).map_err(Error::internal)?;
            let many = if self.0.len() == 1 { 0 } else { count(conn, kind, &json).await? };
            words.push((many, json, forms));
        }
        words.sort_by_key(|(many, ..)| *many);
        let mut words = words.into_iter();
        let first = words.next().map(|(.., forms)| forms.iter().cloned().collect()).unwrap_or_default();
        Ok(Lookup { first, others: std::array::from_fn(|_| words.next().map(|(_, json, _)| json)) })
    }

    /// Returns whether more texts than this have all of the words, as far as can be told by the rarest of them.
    pub async fn are_in_more_than(&self, conn: &mut Conn<'_>, kind: Kind, most: i64) -> Result<bool> {
        let mut least = i64::MAX;
        for forms in &self.0 {
            least = least.min(count(conn, kind, &serde_json::to_string(forms).map_err(Error::internal)?).await?);
        }
        Ok(least > most)
    }

    /// Returns the forms of each word, as JSON.
    pub fn json(&self) -> Result<[Option<String>; MOST_WORDS]> {
        let mut all: [Option<String>; MOST_WORDS] = Default::default();
        for (place, forms) in all.iter_mut().zip(&self.0) {
            *place = Some(serde_json::to_string(forms).map_err(Error::internal)?);
        }
        Ok(all)
    }
}

/// Counts the texts with a word, up to a limit.
async fn count(conn: &mut Conn<'_>, kind: Kind, forms: &str) -> Result<i64> {
    Ok(q!(conn => val i64, [
        sqlite: "SELECT count(*) FROM (SELECT 1 FROM content_terms WHERE kind = $1 AND term IN (SELECT value FROM json_each($2)) \
                 LIMIT ($3 + 0)) AS capped",
        pg: "SELECT count(*) FROM (SELECT 1 FROM json_array_elements_text($2::json) AS k (value) CROSS JOIN LATERAL \
             (SELECT 1 FROM content_terms WHERE kind = $1 AND term = k.value COLLATE \"C\" OFFSET 0) t LIMIT ($3 + 0)) AS capped",
    ], kind.as_str(), forms, COUNTED + 1)?)
}

/// Expands to the condition that the text of `t`, a row of `content_terms`, has one of the forms of another word as well: a
/// placeholder of JSON, which may be NULL. The first is for SQLite, the second for PostgreSQL; both
/// look each form up, whatever the planner knows.
macro_rules! has_word {
    (sqlite $forms:literal) => {
        concat!(
            "($",
            $forms,
            " IS NULL OR EXISTS (SELECT 1 FROM json_each($",
            $forms,
            ") k CROSS JOIN content_terms o \
             ON o.kind = t.kind AND o.term = k.value AND o.created_at = t.created_at AND o.id = t.id))"
        )
    };
    (pg $forms:literal) => {
        concat!(
            "(CAST($",
            $forms,
            " AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM json_array_elements_text($",
            $forms,
            "::json) AS k (value) \
             CROSS JOIN LATERAL (SELECT 1 FROM content_terms WHERE kind = t.kind AND term = k.value COLLATE \"C\" \
             AND created_at = t.created_at AND id = t.id OFFSET 0) o))"
        )
    };
}
pub(crate) use has_word;

/// What a list is searched for: people, and words of what was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sought {
    /// The people.
    pub people: Vec<UserId>,
    /// The words.
    pub words: Option<Words>,
}

/// Returns what `q` means: people, as in the list of users, and words; in quotes nothing but words.
///
/// # Errors
/// Those of [`accounts::matching`]; in quotes `invalid` without a word.
pub(crate) async fn sought(op: &Operation, q: &str) -> Result<Sought> {
    let typed = q.trim();
    if let Some(quoted) = typed.strip_prefix('"') {
        let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
        let words = Words::parse(quoted).ok_or_else(|| Error::invalid("/q", "has no word that could be looked for"))?;
        return Ok(Sought { people: Vec::new(), words: Some(words) });
    }
    // Contact data and ids are of people.
    let is_name = !typed.contains('@') && !typed.starts_with('+') && typed.parse::<Uuid>().is_err();
    let words = if is_name { Words::parse(typed) } else { None };
    let people = accounts::matching(op, q).await.map_err(|error| match (&words, error.code()) {
        (Some(_), ErrorCode::Invalid) if typed.chars().count() <= 254 && !typed.chars().any(char::is_control) => {
            Error::invalid("/q", "finds more than 100 people: write more of the name, or words of a text in \"quotes\"")
        }
        _ => error,
    })?;
    Ok(Sought { people, words })
}

/// Indexes texts of a kind that were written before there was an index, some in each run, with what indexes one and forgets
/// that it was not. Returns how many.
pub(crate) async fn reindex(
    app: &App,
    kind: Kind,
    one: for<'a, 'c> fn(&'a mut Conn<'c>, Uuid) -> BoxFuture<'a, Result<()>>,
) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let ids = q!(&mut reader.conn() => vals Uuid,
        "SELECT id FROM unindexed_contents WHERE kind = $1 ORDER BY id LIMIT ($2 + 0)", kind.as_str(), REINDEXED.0)?;
    drop(reader);
    let done = u64::try_from(ids.len()).unwrap_or(0);
    let work = |id: Uuid| {
        app.db.write(move |conn| {
            async move {
                one(conn, id).await?;
                q!(conn => exec, "DELETE FROM unindexed_contents WHERE kind = $1 AND id = $2", kind.as_str(), id)?;
                Ok(())
            }
            .boxed()
        })
    };
    stream::iter(ids).map(work).buffer_unordered(REINDEXED.1).try_collect::<Vec<()>>().await?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_words_in_any_of_their_forms() {
        let text = "The plumber was late for both lessons, and asked for WhatsApp. 窓ガラス修理";
        for (q, found) in [
            ("plumber", true),
            ("plumbers", true),
            ("lesson", true),
            ("LESSONS late", true),
            ("whatsapp", true),
            ("ガラス", true),
            ("plumber telegram", false),
            ("what", false),
        ] {
            assert_eq!(Words::parse(q).is_some_and(|words| words.are_in(text)), found, "{q}");
        }
        for nothing in ["", " ", "the and", "!?"] {
            assert_eq!(Words::parse(nothing), None, "{nothing}");
        }
        assert!(content_terms(&"word ".repeat(9)).len() <= 2);
    }
}
