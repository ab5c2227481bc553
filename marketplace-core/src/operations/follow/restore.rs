//! Putting a database together from a base and what changed since, as it was at a chosen time.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Serialize;

use super::{
    segment::{self, Head, Kind, Sum, first_sum},
    store::{Store, begun},
};
use crate::{
    actor::Actor,
    base::{
        error::{Error, ErrorCode, Result},
        time::Timestamp,
    },
    operations::backup::{self, Draft},
    platform::{
        config::Config,
        files::Location,
        folders::make_private_folder,
        sqlite_url::{Mode, SqliteUrl},
    },
};

/// Number of segments that are read at once.
const AHEAD: usize = 8;

/// A base, and to when a database can be restored with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restorable {
    /// Name of the base.
    pub base: String,
    /// The first time to which it can be restored; nothing when it cannot.
    pub from: Option<Timestamp>,
    /// The time of the last change to which it can be.
    pub to: Option<Timestamp>,
    /// Number of segments.
    pub segments: u64,
    /// What is damaged or missing, as far as that can be seen without reading all of it.
    pub damage: Option<String>,
}

/// Result of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredTo {
    /// Number of the newest migration in the backup; see [`backup::Restored`].
    pub schema: i64,
    /// Path of the database that was replaced, if there was one.
    pub kept: Option<PathBuf>,
    /// The time of the last change that is in it.
    pub at: Timestamp,
    /// Changes of the time between these two were stored together, after the time that was asked for, and are not in it: the
    /// follower was not there, could not store them, or was late. When none was there since, the second is that time itself.
    pub unknown: Option<(Timestamp, Timestamp)>,
}

/// Progress of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreProgress {
    /// Segments that were read.
    pub done: u64,
    /// Segments of the base at most.
    pub total: u64,
}

/// Returns what can be restored from a place (a folder, `file://<folder>` or `s3://<bucket>/<prefix>`), oldest first, and what is
/// damaged there.
///
/// # Errors
/// `not_found` when nothing is there; `invalid`, naming a damaged segment, when nothing else is; `unavailable` when it cannot be read.
pub async fn list(place: &str) -> Result<Vec<Restorable>> {
    let store = Store::open(&Location::parse("/from", place)?)?;
    let (mut found, mut damage) = (Vec::new(), None);
    for base in store.bases().await? {
        match Chain::find(&store, base.clone()).await {
            Ok(None) => {}
            Ok(Some(chain)) => found.push(chain.restorable(&store)),
            Err(error) if error.code() == ErrorCode::Invalid => {
                let segments = store.numbers(&base).await?.len() as u64;
                found.push(Restorable { base, from: None, to: None, segments, damage: Some(error.to_string()) });
                damage.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if found.iter().any(|found| found.from.is_some()) {
        Ok(found)
    } else {
        Err(damage.unwrap_or_else(|| nothing(&store)))
    }
}

/// Puts the configured database back as it was at a time, or as it was last; the rest is as in [`backup::restore`].
///
/// Each segment is verified, and that none is missing.
///
/// # Errors
/// Those of [`backup::restore`] and [`list`]; `invalid` when the time is before the first base.
pub async fn restore(
    config: &Config,
    place: &str,
    at: Option<Timestamp>,
    force: bool,
    actor: &Actor,
    progress: &(dyn Fn(RestoreProgress) + Send + Sync),
) -> Result<RestoredTo> {
    let url = match SqliteUrl::parse(config.database_url().expose())? {
        Some(url) if url.mode == Mode::ReadOnly => {
            return Err(Error::invalid("/database_url", "says mode=ro; leave that away to restore there"));
        }
        Some(url) => url,
        None => {
            let text = "is of PostgreSQL, and what was followed is SQLite: restore there, and use `db copy` to move it";
            return Err(Error::invalid("/database_url", text));
        }
    };
    let store = Store::open(&Location::parse("/from", place)?)?;
    let chain = choose(&store, at).await?;
    if let Some(folder) = url.path.parent() {
        make_private_folder(folder)?;
    }
    let draft = Draft::beside(&url.path)?;
    let built = chain.build(&store, at, draft.path(), progress).await?;
    let unknown = match at {
        Some(at) => unknown_at(&store, &chain, built, at).await?,
        None => None,
    };
    backup::forget_place(draft.path()).await?;
    let name = store.name();
    let name = format!("{} at {}", name.rsplit('/').next().unwrap_or_default(), built.at);
    let mut prepared = backup::prepare(config, draft.path(), &name, force, actor).await?;
    prepared.replace().await?;
    let restored = prepared.finish(config).await?;
    Ok(RestoredTo { schema: restored.schema, kept: restored.kept, at: built.at, unknown })
}

/// Returns the time of which is not known what changed then, if the one that was asked for is in it.
async fn unknown_at(
    store: &Store,
    chain: &Chain,
    built: Built,
    at: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>> {
    let (since, until) = match built.then {
        // What was asked for is the last change.
        _ if built.at >= at => return Ok(None),
        Some(Then::Changed { since, at }) => (since, Some(at)),
        Some(Then::Ended { since }) => (since.max(built.at), None),
        None => (built.at, None),
    };
    if since >= at {
        return Ok(None);
    }
    let next = next_base(store, &chain.base).await?;
    // A follower that is killed does not say when, and one that has nothing to store says nothing.
    let is_open = until.is_none() && next.is_none() && built.then.is_none();
    let until = until.into_iter().chain(next).filter(|until| *until > at).min().unwrap_or(at);
    // A second is what was promised.
    let is_late = until.since(since) > std::time::Duration::from_millis(1_500);
    Ok((is_late && !is_open).then_some((since, until)))
}

/// Returns when the next base was whole after another one; one that is damaged is passed over.
async fn next_base(store: &Store, base: &str) -> Result<Option<Timestamp>> {
    for next in store.bases().await? {
        if begun(&next) > begun(base)
            && let Some(chain) = Chain::find(store, next).await.or_else(pass_damage)?
        {
            return Ok(Some(chain.from));
        }
    }
    Ok(None)
}

/// Passes over damage: it is named where it counts.
fn pass_damage<T>(error: Error) -> Result<Option<T>> {
    if error.code() == ErrorCode::Invalid { Ok(None) } else { Err(error) }
}

/// Finds the last base that was whole at a time, or the last one.
pub(super) async fn choose(store: &Store, at: Option<Timestamp>) -> Result<Chain> {
    let mut first = None;
    for base in store.bases().await?.into_iter().rev() {
        if at.is_some_and(|at| begun(&base).is_none_or(|begun| begun.at > at)) {
            first = Some(base);
            continue;
        }
        match Chain::find(store, base.clone()).await? {
            Some(chain) if at.is_none_or(|at| chain.from <= at) => return Ok(chain),
            Some(_) => first = Some(base),
            None => {}
        }
    }
    // From when to when, for whoever asked for an earlier time.
    let found: Vec<Restorable> = match first {
        Some(_) => list(&store.name()).await?,
        None => Vec::new(),
    };
    let first = found.iter().find_map(|found| found.from);
    let last = found.iter().rev().find_map(|found| found.to);
    match (at, first, last) {
        (Some(at), Some(first), Some(last)) => {
            let text = format!("{at} is before the first base: it can be restored from {first} to {last}");
            Err(Error::invalid("/at", text))
        }
        _ => Err(nothing(store)),
    }
}

/// Returns when a base was whole; `None` when it is not. One that is damaged is taken for whole: it is not for nothing that it is
/// kept.
pub(super) async fn whole_at(store: &Store, base: &str) -> Result<Option<Timestamp>> {
    match Chain::find(store, base.to_owned()).await {
        Ok(chain) => Ok(chain.map(|chain| chain.from)),
        Err(error) if error.code() == ErrorCode::Invalid => Ok(begun(base).map(|begun| begun.at)),
        Err(error) => Err(error),
    }
}

fn nothing(store: &Store) -> Error {
    let name = store.name();
    Error::not_found(format_args!("continuous backup at {name}: no whole base is there"))
        .with_current(Some(serde_json::json!({ "backup": name })))
}

/// A whole base, and what follows it.
#[derive(Debug)]
pub(super) struct Chain {
    base: String,
    numbers: Vec<u64>,
    from: Timestamp,
    to: Timestamp,
    /// Number of the first segment that is missing, with others after it.
    gap: Option<u64>,
}

impl Chain {
    /// Reads where a chain begins and ends; `None` when its base is not whole.
    async fn find(store: &Store, base: String) -> Result<Option<Self>> {
        let numbers = store.numbers(&base).await?;
        if numbers.first() != Some(&0) {
            return Ok(None);
        }
        let head = async |at: usize| {
            let number = numbers.get(at).copied().unwrap_or_default();
            let bytes = store.head(&base, number).await?.ok_or_else(|| missing(store, &base, number, None))?;
            let head = Head::parse(&bytes)?.filter(|head| head.number == number);
            head.ok_or_else(|| damaged(store, &base, number, None))
        };
        // One that is damaged is named by who reads all of it; whatever is before it is of use.
        let lenient = async |at: usize| match head(at).await {
            Ok(head) => Ok(Some(head)),
            Err(error) if error.code() == ErrorCode::Invalid => Ok(None),
            Err(error) => Err(error),
        };
        // The parts of the base come first.
        let (mut low, mut high) = (0, numbers.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let is_base = lenient(middle).await?.is_some_and(|head| head.kind == Kind::Base);
            if is_base { low = middle + 1 } else { high = middle }
        }
        let Some(last_of_base) = low.checked_sub(1) else {
            return Err(damaged(store, &base, 0, None));
        };
        let whole = head(last_of_base).await?;
        if !whole.is_whole {
            // Whatever follows a base was written after its last part.
            let is_lost = low < numbers.len() && head(low).await?.kind == Kind::Changes;
            return if is_lost { Err(missing(store, &base, whole.number + 1, None)) } else { Ok(None) };
        }
        let gap = numbers.iter().zip(0_u64..).position(|(found, expected)| *found != expected);
        if let Some(gap) = gap.filter(|gap| *gap <= last_of_base) {
            return Err(missing(store, &base, gap as u64, None));
        }
        let (mut at, mut to) = (gap.unwrap_or(numbers.len()) - 1, whole.at);
        while at > last_of_base {
            if let Some(found) = lenient(at).await?.filter(|found| found.is_whole && found.kind == Kind::Changes) {
                to = found.at;
                break;
            }
            at -= 1;
        }
        Ok(Some(Self { base, from: whole.at, to, numbers, gap: gap.map(|gap| gap as u64) }))
    }

    fn restorable(&self, store: &Store) -> Restorable {
        Restorable {
            base: self.base.clone(),
            from: Some(self.from),
            to: Some(self.to),
            segments: self.numbers.len() as u64,
            damage: self.gap.map(|gap| missing(store, &self.base, gap, Some(self.to)).to_string()),
        }
    }

    /// Builds the database in an empty file.
    pub(super) async fn build(
        &self,
        store: &Store,
        at: Option<Timestamp>,
        to: &Path,
        progress: &(dyn Fn(RestoreProgress) + Send + Sync),
    ) -> Result<Built> {
        let file = OpenOptions::new().write(true).open(to).map_err(|error| unwritable(to, error))?;
        let mut building =
            Building { store, base: &self.base, file, to, sum: first_sum(&self.base), held: Vec::new(), built: None };
        let total = self.numbers.len() as u64;
        let segments =
            stream::iter(self.numbers.clone()).map(async |number| (number, store.read(&self.base, number).await));
        let mut segments = std::pin::pin!(segments.buffered(AHEAD));
        let mut next = 0;
        while let Some((number, segment)) = segments.next().await {
            let known = building.built.map(|built| built.at);
            // What comes after may be damaged: it is not needed.
            if known.zip(at).is_some_and(|(known, at)| known >= at) {
                break;
            }
            if number != next {
                return Err(missing(store, &self.base, next, known));
            }
            let segment = segment?.ok_or_else(|| missing(store, &self.base, number, known))?;
            if !building.add(number, &segment, at).await? {
                break;
            }
            next += 1;
            progress(RestoreProgress { done: next, total });
        }
        building.built.ok_or_else(|| missing(store, &self.base, next, None))
    }
}

/// What was built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Built {
    at: Timestamp,
    /// What is known of the time after it; nothing when nothing follows.
    then: Option<Then>,
}

/// What follows what was built.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// The next change that was stored, and until when nothing had changed.
    Changed { since: Timestamp, at: Timestamp },
    /// The follower ended, or went on to another base; until then nothing had changed.
    Ended { since: Timestamp },
}

struct Building<'a> {
    store: &'a Store,
    base: &'a str,
    file: File,
    to: &'a Path,
    /// The hash of the segment before.
    sum: Sum,
    /// Parts of changes whose last part was not read yet, with their hashes.
    held: Vec<(u64, Sum)>,
    built: Option<Built>,
}

impl Building<'_> {
    /// Adds a segment; returns `false` when it is after the time, and nothing more is needed.
    async fn add(&mut self, number: u64, segment: &Bytes, at: Option<Timestamp>) -> Result<bool> {
        let known = self.built.map(|built| built.at);
        let broken = || damaged(self.store, self.base, number, known);
        let sum = segment::sum_of(segment).ok_or_else(broken)?;
        let head = Head::parse(segment)?.ok_or_else(broken)?;
        // The kind is in order, as it is in the chain.
        if head.number != number || head.before != self.sum {
            return Err(broken());
        }
        self.sum = sum;
        if let (Some(at), Some(built)) = (at, &mut self.built)
            && head.kind != Kind::Base
            && (head.at > at || head.kind == Kind::End)
        {
            built.then = Some(match head.kind {
                Kind::End => Then::Ended { since: head.since },
                Kind::Base | Kind::Changes => Then::Changed { since: head.since, at: head.at },
            });
            return Ok(false);
        }
        match head.kind {
            Kind::End => return Ok(false),
            Kind::Base => {}
            Kind::Changes => {
                if !head.is_whole {
                    self.held.push((number, sum));
                    return Ok(true);
                }
                for (number, sum) in std::mem::take(&mut self.held) {
                    let part = self.store.read(self.base, number).await?;
                    let part = part.filter(|part| segment::sum_of(part) == Some(sum));
                    let broken = || damaged(self.store, self.base, number, known);
                    let part = part.ok_or_else(broken)?;
                    let head = Head::parse(&part)?.ok_or_else(broken)?;
                    self.apply(number, &head, &part)?;
                }
            }
        }
        self.apply(number, &head, segment)?;
        if head.is_whole {
            let length = u64::from(head.size) * u64::from(head.page_size);
            self.file.set_len(length).map_err(|error| unwritable(self.to, error))?;
            self.built = Some(Built { at: head.at, then: None });
        }
        Ok(true)
    }

    fn apply(&self, number: u64, head: &Head, segment: &[u8]) -> Result<()> {
        let read = segment::read(head, segment, |page, bytes| {
            self.file.write_all_at(bytes, u64::from(page - 1) * u64::from(head.page_size))
        });
        let read = read.map_err(|error| unwritable(self.to, error))?;
        read.ok_or_else(|| damaged(self.store, self.base, number, self.built.map(|built| built.at)))
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be written: {error}", path.display()), error)
}

fn damaged(store: &Store, base: &str, number: u64, known: Option<Timestamp>) -> Error {
    broken(store, base, number, "is damaged", known)
}

fn missing(store: &Store, base: &str, number: u64, known: Option<Timestamp>) -> Error {
    broken(store, base, number, "is missing", known)
}

fn broken(store: &Store, base: &str, number: u64, what: &str, known: Option<Timestamp>) -> Error {
    let place = store.name();
    let advice = match known {
        Some(at) => format!("up to {at} it can be restored (--at {at})"),
        None => "a time before this base may be restored (--at)".to_owned(),
    };
    Error::invalid("/from", format!("{place}/{base}/{number:09}.seg {what}; {advice}"))
}
