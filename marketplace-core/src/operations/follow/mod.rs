//! Continuous backup of SQLite: a follower reads the write-ahead log as it is written, and stores each second what changed.
//!
//! It takes no lock and holds no snapshot, so it never delays a writer, a checkpoint, or the emptying of the log after
//! an erasure: see `source`. What it stores is a base, which is a copy of the whole database, and after it one segment for
//! each second in which something was committed: see `segment` and `store`. A follower that cannot store, or cannot read,
//! says so once and tries on; what it missed in the log meanwhile is found by comparing the whole file.

mod format;
mod index;
mod pages;
mod restore;
mod segment;
mod source;
mod store;
mod wal;

#[cfg(test)]
mod tests;

pub use self::restore::{Restorable, RestoreProgress, RestoredTo, list, restore};

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

use self::{
    pages::{Pages, Slot},
    segment::{Head, Kind, Sum, first_sum, most_pages},
    source::{Compared, Cut, Known, Seen, Source},
    store::{Begun, Store, base_name, begun},
};
use crate::{
    actor::Actor,
    base::{
        error::{Error, ErrorCode, Result},
        time::{Clock, SystemClock, Timestamp},
    },
    operations::{backup, file_copy::require_apart, operator::name_of},
    platform::{
        config::Config,
        files::Location,
        sqlite_url::{Mode, SqliteUrl},
    },
};

/// How often the log is looked at, to be read when something was written.
const GLANCE: Duration = Duration::from_millis(100);
/// How often while it is being written to: an erasure empties it moments after the last transaction.
const GLIMPSE: Duration = Duration::from_millis(10);
/// For how long that is after a transaction.
const LIVELY: Duration = Duration::from_secs(2);
/// Pause before something that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of segments up to which no new base is made because of them: a small database changes as a whole.
const WORTH_A_BASE: u64 = 64 * 1024 * 1024;
/// How far a clock may be set back for times to stand still until it has caught up.
const STEADY: Duration = Duration::from_secs(5);
/// How late a look may be for what it finds to count as of the second that it was due.
const PUNCTUAL: Duration = Duration::from_millis(500);
/// How long a request to the store is awaited after it was told to end.
const GRACE: Duration = Duration::from_secs(5);

/// How a database is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowOptions {
    /// A new base is made when the last one is this old.
    pub base_every: Duration,
    /// Bases are removed when all times to which they are needed are this long ago.
    pub keep: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self { base_every: Duration::from_hours(24), keep: Duration::from_hours(24 * 7) }
    }
}

/// What became of a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowState {
    /// A base is whole; from now on each second is stored.
    Base,
    /// It cannot go on, and tries again.
    Waiting,
    /// It goes on.
    Well,
    /// It was told to end.
    Ended,
}

impl fmt::Display for FollowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Waiting => "waiting",
            Self::Well => "well",
            Self::Ended => "ended",
        })
    }
}

/// A change of a follower's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FollowEvent {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub state: FollowState,
    /// The base that is added to.
    pub base: Option<String>,
    /// The time to which the database can be restored.
    pub restorable: Option<Timestamp>,
    /// Number of segments of the base.
    pub segments: u64,
    /// Size of these in bytes.
    pub bytes: u64,
    /// Why it waits.
    pub detail: Option<String>,
}

/// Where a follower tells what it does.
#[derive(Debug)]
pub enum Told<'a> {
    /// Something changed.
    Event(&'a FollowEvent),
    /// How it is, about once in a second.
    Status(&'a FollowEvent),
}

/// Follows the configured database into a place (a folder, `file://<folder>` or `s3://<bucket>/<prefix>`) until it is told to
/// stop. Whether the beginning is in the database's audit log is passed to `begun`; see [`backup::BackedUp`].
///
/// # Errors
/// `invalid` for PostgreSQL and a database that is opened to be read; `not_found` without a database; `conflict` when another
/// program follows into the place, or it is a folder of other things; `unavailable` when the folder or the database cannot be
/// used at the beginning. Later only another follower into the same bucket ends it, as a `conflict`.
pub async fn follow(
    config: &Config,
    place: &str,
    options: FollowOptions,
    actor: &Actor,
    begun: impl FnOnce(bool),
    stop: &(dyn Fn() -> bool + Send + Sync),
    tell: &(dyn Fn(Told<'_>) + Send + Sync),
) -> Result<FollowEvent> {
    let url = SqliteUrl::parse(config.database_url().expose())?.ok_or_else(|| {
        let text = "is of PostgreSQL, which archives its log itself: follow it with pgBackRest or WAL-G";
        Error::invalid("/database_url", text)
    })?;
    if url.mode == Mode::ReadOnly {
        return Err(Error::invalid(
            "/database_url",
            "says mode=ro; leave that away, as the beginning is recorded there",
        ));
    }
    let location = Location::parse("/follow", place)?;
    let keys = config.keys_dir();
    let keys = std::path::absolute(&keys).map_err(|error| unreadable(&keys, error))?;
    for other in [Location::parse("/files_url", &config.files_url())?, Location::Folder(keys)] {
        require_apart("/follow", &other, &location)?;
    }
    backup::require_file(&url.path)?;
    let store = Store::create(&location)?;
    // All that is asked of SQLite comes first, and its connections are closed: see `source`.
    let recorded = backup::record_backup(config, &name_of(Path::new(&store.name())), actor).await?;
    begun(recorded);
    let path = std::path::absolute(&url.path).map_err(|error| unreadable(&url.path, error))?;
    let mut follower = Follower::new(store, path, options, &SystemClock, stop, tell);
    match follower.run().await {
        Ended::Failed(error) => Err(error),
        Ended::Stopped => {
            let ended = follower.told(FollowState::Ended, None);
            (follower.tell)(Told::Event(&ended));
            Ok(ended)
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used: {error}", path.display()), error)
}

/// Why following ends.
enum Ended {
    Stopped,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A base, and the segments that follow it.
#[derive(Debug)]
struct Chain {
    base: String,
    page_size: u32,
    next: u64,
    sum: Sum,
    /// What is in the chain, or will be when what was read last is stored.
    known: Known,
    /// Size in bytes of the base, and of what follows.
    base_bytes: u64,
    bytes: u64,
    /// The time of the last whole segment.
    at: Option<Timestamp>,
    /// When the database was last seen to be as it is stored.
    since: Timestamp,
}

impl Chain {
    fn new(base: String, now: Timestamp) -> Self {
        let sum = first_sum(&base);
        Self {
            base,
            page_size: 0,
            next: 0,
            sum,
            known: Known::default(),
            base_bytes: 0,
            bytes: 0,
            at: None,
            since: now,
        }
    }
}

/// What is told of the chain that is added to.
#[derive(Debug, Clone, Default)]
struct Shown {
    base: Option<String>,
    restorable: Option<Timestamp>,
    segments: u64,
    bytes: u64,
}

struct Follower<'a> {
    store: Store,
    path: PathBuf,
    options: FollowOptions,
    clock: &'a dyn Clock,
    stop: &'a (dyn Fn() -> bool + Send + Sync),
    tell: &'a (dyn Fn(Told<'_>) + Send + Sync),
    /// For what runs on other threads.
    stopping: Arc<AtomicBool>,
    source: Option<Source>,
    /// The chain that is added to; none before the first base is whole.
    chain: Option<Chain>,
    shown: Shown,
    /// The last time that was given to anything: clocks may be set back.
    last: Timestamp,
    /// When something was last committed.
    stirred: Timestamp,
    /// Why it waits.
    waits: Option<String>,
    /// That the clock was set back, until it is said.
    turned: Option<String>,
}

/// What a turn ended with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Everything is stored.
    Done,
    /// Another database is there.
    Replaced,
    /// The clock was set back by far.
    Turned,
}

impl<'a> Follower<'a> {
    /// Creates a follower that has read nothing yet.
    fn new(
        store: Store,
        path: PathBuf,
        options: FollowOptions,
        clock: &'a dyn Clock,
        stop: &'a (dyn Fn() -> bool + Send + Sync),
        tell: &'a (dyn Fn(Told<'_>) + Send + Sync),
    ) -> Self {
        Self {
            store,
            path,
            options,
            clock,
            stop,
            tell,
            stopping: Arc::default(),
            source: None,
            chain: None,
            shown: Shown::default(),
            last: Timestamp::EPOCH,
            stirred: Timestamp::EPOCH,
            waits: None,
            turned: None,
        }
    }

    async fn run(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.make_base().await {
                return ended;
            }
            let untidy = self.tidy().await.err().map(|error| format!("older bases cannot be removed: {error}"));
            let details: Vec<String> = self.turned.take().into_iter().chain(untidy).collect();
            self.event(FollowState::Base, (!details.is_empty()).then(|| details.join("; ")));
            loop {
                match self.turn().await {
                    Ok(Turn::Done) if self.needs_base() => break,
                    Ok(Turn::Done) => {}
                    Ok(Turn::Replaced) => {
                        (self.source, self.chain) = (None, None);
                        break;
                    }
                    // Nothing that has a wrong time is added to.
                    Ok(Turn::Turned) => {
                        self.chain = None;
                        break;
                    }
                    Err(ended) => return ended,
                }
            }
        }
    }

    /// Returns the time, which never goes back.
    fn now(&mut self) -> Timestamp {
        self.last = self.last.max(self.clock.now());
        self.last
    }

    /// Returns whether the clock is so far behind a time that was given to something that it was set back.
    fn is_behind(&self, time: Timestamp) -> bool {
        time.since(self.clock.now()) > STEADY
    }

    fn told(&self, state: FollowState, detail: Option<String>) -> FollowEvent {
        let Shown { base, restorable, segments, bytes } = self.shown.clone();
        FollowEvent { at: self.clock.now(), state, base, restorable, segments, bytes, detail }
    }

    fn event(&self, state: FollowState, detail: Option<String>) {
        (self.tell)(Told::Event(&self.told(state, detail)));
    }

    fn adopt(&mut self, chain: Chain) {
        self.shown = Shown {
            base: Some(chain.base.clone()),
            restorable: chain.at,
            segments: chain.next,
            bytes: chain.base_bytes + chain.bytes,
        };
        self.chain = Some(chain);
    }

    fn needs_base(&self) -> bool {
        let Some(chain) = &self.chain else { return true };
        let is_old = begun(&chain.base).is_none_or(|begun| self.clock.now().since(begun.at) >= self.options.base_every);
        is_old || chain.bytes > chain.base_bytes.max(WORTH_A_BASE)
    }

    /// Ends here if it was told to.
    fn heed(&self) -> Result<(), Ended> {
        if (self.stop)() {
            self.stopping.store(true, Ordering::Relaxed);
        }
        if self.stopping.load(Ordering::Relaxed) { Err(Ended::Stopped) } else { Ok(()) }
    }

    /// Waits before something that failed is tried again, and says why the first time.
    async fn wait(&mut self, error: &Error) -> Result<(), Ended> {
        let text = error.to_string();
        if self.waits.replace(text.clone()).is_none() {
            self.event(FollowState::Waiting, Some(text));
        }
        let until = Instant::now() + PAUSE;
        while Instant::now() < until {
            self.heed()?;
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    fn well(&mut self) {
        if self.waits.take().is_some() {
            self.event(FollowState::Well, None);
        }
    }

    /// Does something with the store until it succeeds.
    async fn patiently<T>(&mut self, work: impl AsyncFn(&Store) -> Result<T>) -> Result<T, Ended> {
        loop {
            let stop = self.stop;
            let done = tokio::select! {
                done = work(&self.store) => done,
                () = stopped(stop) => return Err(Ended::Stopped),
            };
            match done {
                Ok(done) => {
                    self.well();
                    return Ok(done);
                }
                Err(error) if error.code() == ErrorCode::Conflict => return Err(Ended::Failed(error)),
                Err(error) => self.wait(&error).await?,
            }
        }
    }

    /// Reads the database, on a thread of its own, until that succeeds.
    async fn read<T: Send + 'static>(
        &mut self,
        known: &mut Known,
        work: impl Fn(&mut Source, &mut Known, &AtomicBool) -> io::Result<T> + Clone + Send + 'static,
    ) -> Result<T, Ended> {
        loop {
            let (source, mut now) = (self.source.take(), std::mem::take(known));
            let (work, path, stopping) = (work.clone(), self.path.clone(), Arc::clone(&self.stopping));
            let mut task = tokio::task::spawn_blocking(move || {
                let mut source = match source.map_or_else(|| Source::open(&path), Ok) {
                    Ok(source) => source,
                    Err(error) => return (None, now, Err(error)),
                };
                let done = work(&mut source, &mut now, &stopping);
                (Some(source), now, done)
            });
            let (source, now, done) = loop {
                tokio::select! {
                    done = &mut task => break done.map_err(Error::internal)?,
                    // The task sees it.
                    () = tokio::time::sleep(GLANCE) => drop(self.heed()),
                }
            };
            (self.source, *known) = (source, now);
            match done {
                Ok(done) => {
                    self.well();
                    return Ok(done);
                }
                Err(error) => self.wait(&unreadable(&self.path, error)).await?,
            }
        }
    }

    /// Waits for the next second, or until much was written. Returns the time of what is read now.
    async fn await_turn(&mut self) -> Result<Timestamp, Ended> {
        let begun = self.clock.now();
        let due = Timestamp::from_unix_seconds(begun.unix_seconds() + 1);
        let mut stirred = self.stirred;
        loop {
            self.stirred = stirred;
            self.heed()?;
            let now = self.clock.now();
            // Or the clock was set back.
            if now >= due || now < begun {
                return Ok(self.label());
            }
            if self.source.as_mut().is_some_and(Source::is_stirred) {
                stirred = now;
                if self.read(&mut Known::default(), |source, _, _| source.gather()).await? {
                    return Ok(self.now());
                }
            }
            let pause = if now.since(stirred) < LIVELY { GLIMPSE } else { GLANCE };
            tokio::time::sleep(pause.min(due.since(now))).await;
        }
    }

    /// Returns the time of what is read at the beginning of a second: that second, so that all is in it that was committed before.
    fn label(&mut self) -> Timestamp {
        let now = self.now();
        let second = Timestamp::from_unix_seconds(now.unix_seconds());
        let since = self.chain.as_ref().map_or(Timestamp::EPOCH, |chain| chain.since);
        if now.since(second) < PUNCTUAL && second > since { second } else { now }
    }

    /// Stores what was committed since the last turn. When it was told to end, it looks for the last time.
    async fn turn(&mut self) -> Result<Turn, Ended> {
        let (at, end) = match self.await_turn().await {
            Ok(at) => (at, None),
            Err(ended) => (self.now(), Some(ended)),
        };
        if self.is_behind(self.last) {
            return end.map_or(Ok(Turn::Turned), Err);
        }
        let turn = self.follow_on(at).await;
        (self.tell)(Told::Status(&self.told(FollowState::Well, None)));
        match end {
            Some(end) => {
                if matches!(turn, Ok(Turn::Done)) {
                    self.end_chain(at).await;
                }
                Err(end)
            }
            None => turn,
        }
    }

    /// Stores that nothing follows any more, so that who restores to a later time learns that nothing is known of it. Another
    /// follower may have done that.
    async fn end_chain(&mut self, at: Timestamp) {
        let Some(mut chain) = self.chain.take() else { return };
        let cut = Cut { pages: Pages::new(chain.page_size), size: chain.known.size() };
        let _ = self.store_cut(&mut chain, Kind::End, cut, at, false).await;
        self.adopt(chain);
    }

    /// Adds to the chain what was committed since it was added to last.
    async fn follow_on(&mut self, at: Timestamp) -> Result<Turn, Ended> {
        let Some(mut chain) = self.chain.take() else { return Ok(Turn::Replaced) };
        let turn = self.add(&mut chain, at).await;
        self.adopt(chain);
        turn
    }

    async fn add(&mut self, chain: &mut Chain, mut at: Timestamp) -> Result<Turn, Ended> {
        let cut = match self.read(&mut chain.known, |source, known, _| source.look(known)).await? {
            Seen::Changes(cut) => cut,
            Seen::Replaced => return Ok(Turn::Replaced),
            Seen::Lost => match self.read(&mut chain.known, Source::compare).await? {
                Compared::Changes(cut) => {
                    at = self.now();
                    Some(cut)
                }
                Compared::Replaced => return Ok(Turn::Replaced),
                Compared::Stopped => return Err(Ended::Stopped),
            },
        };
        if let Some(cut) = cut {
            self.store_cut(chain, Kind::Changes, cut, at, true).await?;
        }
        chain.since = at;
        Ok(Turn::Done)
    }

    /// Creates a base. The chain before it, if there is one, is added to meanwhile.
    async fn make_base(&mut self) -> Result<(), Ended> {
        loop {
            let begun = self.begin().await?;
            let mut next = Chain::new(base_name(begun), begun.at);
            if self.copy(&mut next).await? == Turn::Done {
                next.page_size = self.source.as_ref().map_or(0, Source::page_size);
                match self.read(&mut next.known, Source::compare).await? {
                    Compared::Changes(cut) => {
                        let at = self.label().max(next.since);
                        self.store_cut(&mut next, Kind::Base, cut, at, true).await?;
                        next.since = at;
                        // Who restores to a time between learns that nothing is known of it.
                        if let Some(mut before) = self.chain.take() {
                            let (pages, size) = (Pages::new(next.page_size), next.known.size());
                            self.store_cut(&mut before, Kind::End, Cut { pages, size }, at, false).await?;
                        }
                        self.adopt(next);
                        return Ok(());
                    }
                    Compared::Replaced => {}
                    Compared::Stopped => return Err(Ended::Stopped),
                }
            }
            (self.source, self.chain) = (None, None);
        }
    }

    /// Returns when the next base is begun, after all that are there. When the clock was set back by far, it has the time as it is
    /// now all the same, and none that was stored by the wrong one is added to.
    async fn begin(&mut self) -> Result<Begun, Ended> {
        let newest = match &self.chain {
            Some(chain) => begun(&chain.base),
            None => self.patiently(end_last).await?,
        };
        let after = newest.map_or(Timestamp::EPOCH, |newest| newest.at + Duration::from_micros(1));
        let last = self.last.max(after);
        let mut turned = newest.map_or(0, |newest| newest.turned);
        if self.is_behind(last) {
            self.last = self.clock.now();
            (self.chain, self.stirred) = (None, self.last);
            turned += u32::from(after > self.last);
            self.turned = Some(format!(
                "the clock was set back: something was stored with the time {last}, and now it is {}; this base, and what follows it, \
                 has the time as it is now",
                self.last
            ));
        } else {
            self.last = self.now().max(after);
        }
        Ok(Begun { turned, at: self.last })
    }

    /// Copies the file as it is, while others write to it.
    async fn copy(&mut self, next: &mut Chain) -> Result<Turn, Ended> {
        let (begun, mut first) = (self.last, 1);
        loop {
            let raw = move |source: &mut Source, known: &mut Known, _: &AtomicBool| {
                let count = most_pages(source.page_size());
                Ok((source.raw(first, count, known)?, count))
            };
            let (pages, count) = self.read(&mut next.known, raw).await?;
            if pages.len() == 0 {
                return Ok(Turn::Done);
            }
            self.store_cut(next, Kind::Base, Cut { pages, size: 0 }, begun, false).await?;
            first = first.saturating_add(count);
            self.heed()?;
            let is_due = self.chain.as_ref().is_some_and(|chain| {
                let now = self.clock.now();
                now.unix_seconds() > chain.since.unix_seconds()
            });
            if is_due {
                let at = self.label();
                if self.follow_on(at).await? == Turn::Replaced {
                    return Ok(Turn::Replaced);
                }
            }
        }
    }

    /// Stores pages, in as many segments as they need; the last of them says whether the database is whole then.
    async fn store_cut(
        &mut self,
        chain: &mut Chain,
        kind: Kind,
        cut: Cut,
        at: Timestamp,
        is_whole: bool,
    ) -> Result<(), Ended> {
        let Cut { mut pages, size } = cut;
        let page_size = pages.page_size();
        let slots: Vec<(u32, Slot)> = pages.iter().collect();
        let mut parts: Vec<_> = slots.chunks(most_pages(page_size) as usize).map(<[_]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let last = parts.len() - 1;
        for (index, part) in parts.into_iter().enumerate() {
            let head = Head {
                kind,
                is_whole: is_whole && index == last,
                page_size,
                size,
                count: u32::try_from(part.len()).unwrap_or(u32::MAX),
                number: chain.next,
                at,
                since: chain.since,
                before: chain.sum,
            };
            let (segment, sum) = loop {
                let part = part.clone();
                let work = tokio::task::spawn_blocking(move || {
                    let written = segment::write(&head, &mut pages, part);
                    (pages, written)
                });
                let (back, written) = work.await.map_err(Error::internal)?;
                pages = back;
                match written {
                    Ok(written) => break written,
                    Err(error) => {
                        let text = format!("pages that were kept in a temporary file cannot be read: {error}");
                        self.wait(&Error::unavailable(text, error)).await?;
                    }
                }
            };
            let base = &chain.base;
            self.patiently(async |store| store.write(base, head.number, segment.clone()).await).await?;
            chain.next += 1;
            chain.sum = sum;
            match kind {
                Kind::Base => chain.base_bytes += segment.len() as u64,
                Kind::Changes | Kind::End => chain.bytes += segment.len() as u64,
            }
        }
        if is_whole {
            chain.at = Some(at);
        }
        Ok(())
    }

    /// Removes bases that are not needed any more: those that are not whole, and those after which another one was whole for as
    /// long as is kept.
    async fn tidy(&self) -> Result<()> {
        let Some(current) = self.shown.base.as_deref() else { return Ok(()) };
        let now = self.clock.now();
        let mut is_needed = true;
        for base in self.store.bases().await?.iter().rev() {
            let from = match base.as_str() {
                base if begun(base) > begun(current) => continue,
                base if base == current => self.shown.restorable,
                base => restore::whole_at(&self.store, base).await?,
            };
            if base != current && (!is_needed || from.is_none()) {
                self.store.remove(base).await?;
            } else if from.is_some_and(|from| now.since(from) >= self.options.keep) {
                // Whatever is before this one is for times before.
                is_needed = false;
            }
        }
        Ok(())
    }
}

/// Waits until a follower has been told to end for some seconds: what it does is awaited for so long.
async fn stopped(stop: &(dyn Fn() -> bool + Send + Sync)) {
    let mut since = None;
    loop {
        if stop() && since.get_or_insert_with(Instant::now).elapsed() > GRACE {
            return;
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Ends the chain of a follower before this one, which is told so if it is still there. Returns when the newest base was begun.
async fn end_last(store: &Store) -> Result<Option<Begun>> {
    let bases = store.bases().await?;
    let Some(base) = bases.last() else { return Ok(None) };
    let begun = begun(base);
    // Who writes into a folder has locked it.
    if !store.is_shared() {
        return Ok(begun);
    }
    let Some(last) = store.numbers(base).await?.pop() else { return Ok(begun) };
    let Some(segment) = store.read(base, last).await? else { return Ok(begun) };
    let (Ok(Some(head)), Some(sum)) = (Head::parse(&segment), segment::sum_of(&segment)) else { return Ok(begun) };
    if head.kind != Kind::End {
        // What is not whole does not count.
        let since = if head.is_whole { head.at } else { head.since };
        let end = Head { kind: Kind::End, is_whole: false, count: 0, number: last + 1, since, before: sum, ..head };
        let (segment, _) = segment::write(&end, &mut Pages::new(head.page_size), []).map_err(Error::internal)?;
        store.write(base, end.number, segment).await?;
    }
    Ok(begun)
}
