//! A database that other programs write, read from its files alone.
//!
//! A reader of SQLite would hold back the end of the write-ahead log for as long as it reads, and with it the emptying of the
//! log after an erasure. So nothing here asks SQLite for anything: what is committed is read from the log as it is
//! written, and what cannot be had from there any more is found by comparing the whole file with what was read before.
//!
//! **No connection of SQLite may be open in this process meanwhile.** Closing a file gives up all locks that the process has on
//! it, those of SQLite's connections too.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{
    format::read_at,
    index::{Changes, Index, IndexFile},
    pages::{Hash, Pages, Slot, hash},
    wal::{Header, Position},
};
use crate::{
    base::time::{Clock, SystemClock, Timestamp},
    platform::sqlite_url::beside,
};

/// Number of frames by which a log grows before it is read out of turn.
const EARLY: u32 = 1_000;
/// Bytes of the database that are read at a time.
const CHUNK: u64 = 4 * 1024 * 1024;
/// How often a comparison is begun anew because the log was emptied meanwhile.
const ROUNDS: u32 = 8;
/// How long ago a file was last changed, for its time of change to tell the next one: clocks of files are coarse.
const SETTLED: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };
/// How long a comparison waits for that, or for a transaction in the log.
const WAITS: u32 = 100;
const WAIT: Duration = Duration::from_millis(50);
/// Number of transactions up to which their count proves nothing: after a crash it begins at 0 again.
const FEW: u32 = 64;
/// Size in bytes of what a database begins with.
const HEAD: usize = 100;

/// What can be read of a database at one moment.
#[derive(Debug)]
pub(super) struct Cut {
    /// The pages that changed.
    pub pages: Pages,
    /// Number of pages of the database.
    pub size: u32,
}

/// What a look at the log found.
#[derive(Debug)]
pub(super) enum Seen {
    /// What was committed since the last one; nothing when nothing was.
    Changes(Option<Cut>),
    /// Part of it is no longer in the log: [`Source::compare`] finds it.
    Lost,
    /// Another database is there.
    Replaced,
}

/// What a comparison found.
#[derive(Debug)]
pub(super) enum Compared {
    /// What changed.
    Changes(Cut),
    /// Another database is there.
    Replaced,
    /// It was told to stop.
    Stopped,
}

/// What is known of the pages of a database: their hashes, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Known {
    hashes: Vec<Hash>,
    /// Number of pages of the database.
    size: u32,
}

impl Known {
    /// Returns the number of pages of the database.
    pub fn size(&self) -> u32 {
        self.size
    }

    fn has(&self, page: u32, hash: Hash) -> bool {
        self.hashes.get(index(page)).is_some_and(|known| *known == hash)
    }

    fn set(&mut self, page: u32, hash: Hash) {
        let at = index(page);
        if self.hashes.len() <= at {
            self.hashes.resize(at + 1, Hash::default());
        }
        if let Some(known) = self.hashes.get_mut(at) {
            *known = hash;
        }
    }

    /// Takes over what a cut has. Pages that are known already, or beyond the end, are removed from it.
    fn learn(&mut self, mut cut: Cut) -> Cut {
        for (page, slot) in cut.pages.iter().collect::<Vec<_>>() {
            if page > cut.size || self.has(page, slot.hash) {
                cut.pages.remove(page);
            } else {
                self.set(page, slot.hash);
            }
        }
        self.hashes.truncate(cut.size as usize);
        self.size = cut.size;
        cut
    }
}

fn index(page: u32) -> usize {
    (page as usize).saturating_sub(1)
}

/// When a file was last changed, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    seconds: i64,
    nanos: i64,
    bytes: u64,
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self { seconds: found.mtime(), nanos: found.mtime_nsec(), bytes: found.len() }
    }

    fn is_settled(&self) -> bool {
        let at = Timestamp::from_micros(self.seconds.saturating_mul(1_000_000).saturating_add(self.nanos / 1_000));
        // A clock that was set back says nothing.
        SystemClock.now().since(at) > SETTLED
    }
}

/// Up to where the database is known.
#[derive(Debug)]
enum State {
    /// It is not.
    Lost,
    /// The log has nothing, and the file was last changed then.
    Bare(Stamp),
    /// The log was emptied after so many transactions, all of which were read.
    Emptied(Changes),
    /// Up to there in the log.
    Log(Log, Position),
}

/// An open log. As long as it is open, no other file has its number.
#[derive(Debug)]
struct Log {
    file: File,
    identity: (u64, u64),
}

/// A database that other programs write.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    log: PathBuf,
    file: File,
    identity: (u64, u64),
    page_size: u32,
    index: IndexFile,
    state: State,
    /// What was read and is in no cut yet, and the number of pages of the database after it.
    gathered: Option<(Pages, u32)>,
    /// Frames behind the position at which a log without an index is read out of turn.
    early: u32,
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

impl Source {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let log = beside(path, "-wal");
        let file = File::open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let page_size = match page_size(&file)? {
            Some(size) => size,
            // Everything may still be in the log.
            None => match File::open(&log).ok().map(|log| Header::read(&log)).transpose()?.flatten() {
                Some(header) => header.page_size,
                None => return Err(io::Error::other("it is no SQLite database")),
            },
        };
        let identity = identity(&found);
        let index = IndexFile::of(path);
        let path = path.to_owned();
        Ok(Self { path, log, file, identity, page_size, index, state: State::Lost, gathered: None, early: EARLY })
    }

    /// Returns the size of a page in bytes.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Returns whether something was committed, as far as that can be seen for next to nothing: with an index of the log. Without
    /// one, whether much was written to the log, or it was begun anew.
    pub fn is_stirred(&mut self) -> bool {
        let index = self.index.read();
        match &self.state {
            State::Lost => false,
            State::Bare(_) => {
                let much = u64::from(EARLY) * u64::from(self.page_size);
                fs::metadata(&self.log).is_ok_and(|log| log.len() > much)
            }
            State::Emptied(before) => index.is_none_or(|index| index.frames > 0 || index.changes != *before),
            State::Log(log, at) => match index {
                Some(index) if at.changes.is_some() => !at.is_end_of(&index),
                _ => {
                    let header = Header::read(&log.file).ok().flatten();
                    header != Some(at.header) || at.has_grown(&log.file, self.early).unwrap_or(true)
                }
            },
        }
    }

    /// Reads what was committed since the last time, for the next look. The sooner it is read, the less is lost when the log is emptied.
    /// Returns whether there is much.
    ///
    /// # Errors
    /// When something cannot be read or kept; then nothing was read.
    pub fn gather(&mut self) -> io::Result<bool> {
        let mut pages = Pages::new(self.page_size);
        match self.collect(&mut pages)? {
            Collected::Lost => {
                (self.state, self.gathered) = (State::Lost, None);
                Ok(true)
            }
            Collected::Replaced => Ok(true),
            Collected::Size(None) => Ok(false),
            Collected::Size(Some(size)) => {
                let gathered = match self.gathered.take() {
                    None => pages,
                    Some((mut before, _)) => match before.absorb(&mut pages) {
                        Ok(()) => before,
                        Err(error) => {
                            self.state = State::Lost;
                            return Err(error);
                        }
                    },
                };
                let is_much = gathered.len() >= EARLY as usize;
                self.gathered = Some((gathered, size));
                Ok(is_much)
            }
        }
    }

    /// Returns what was committed since the last look.
    ///
    /// # Errors
    /// When something cannot be read or kept; then nothing was looked at.
    pub fn look(&mut self, known: &mut Known) -> io::Result<Seen> {
        // Also what was just committed.
        self.gather()?;
        if matches!(self.state, State::Lost) {
            return Ok(Seen::Lost);
        }
        let found = fs::metadata(&self.path)?;
        if identity(&found) != self.identity {
            return Ok(Seen::Replaced);
        }
        Ok(Seen::Changes(self.gathered.take().and_then(|(pages, size)| {
            let before = known.size;
            let cut = known.learn(Cut { pages, size });
            (cut.pages.len() > 0 || size != before).then_some(cut)
        })))
    }

    /// Reads pages of the file from number `first` on, as they are: what changes meanwhile is found by [`Source::compare`].
    /// None are left behind the end.
    ///
    /// # Errors
    /// When they cannot be read or kept.
    pub fn raw(&self, first: u32, count: u32, known: &mut Known) -> io::Result<Pages> {
        let mut pages = Pages::new(self.page_size);
        let end = self.pages_in_file()?;
        let mut bytes = vec![0; self.page_size as usize];
        for page in first..first.saturating_add(count).min(end.saturating_add(1)) {
            if !read_at(&self.file, &mut bytes, self.place(page))? {
                break;
            }
            let slot = pages.stage(&bytes)?;
            pages.set(page, slot);
            known.set(page, slot.hash);
        }
        Ok(pages)
    }

    /// Compares the whole database with what is known of it, as it is at the end of the comparison.
    ///
    /// Everything that a checkpoint changes in the file meanwhile is in the log, and all of that is collected from before the first
    /// page is read until after the last; a page that is in there is taken from there. When the log is emptied
    /// meanwhile, the comparison begins anew.
    ///
    /// # Errors
    /// When something cannot be read or kept, or the log was emptied in each of many rounds.
    pub fn compare(&mut self, known: &mut Known, stop: &AtomicBool) -> io::Result<Compared> {
        (self.state, self.gathered) = (State::Lost, None);
        tracing::info!(path = %self.path.display(), "the whole database is compared with what is stored");
        for _ in 0..ROUNDS {
            match self.round(known, stop) {
                Ok(Some(Compared::Changes(cut))) => return Ok(Compared::Changes(known.learn(cut))),
                // What was collected is gone.
                other => {
                    self.state = State::Lost;
                    if let Some(other) = other? {
                        return Ok(other);
                    }
                }
            }
        }
        let text = format!("its write-ahead log was emptied {ROUNDS} times while the database was read");
        Err(io::Error::other(text))
    }

    /// Compares once; `None` when it has to be done again.
    fn round(&mut self, known: &Known, stop: &AtomicBool) -> io::Result<Option<Compared>> {
        let mut log = Pages::new(self.page_size);
        let mut size = match self.begin(&mut log, stop)? {
            Begun::Size(size) => size,
            Begun::Replaced => return Ok(Some(Compared::Replaced)),
            Begun::Stopped => return Ok(Some(Compared::Stopped)),
            Begun::Never => return Ok(None),
        };
        let mut found = Pages::new(self.page_size);
        let page_size = self.page_size as usize;
        let per_chunk = u32::try_from(CHUNK / u64::from(self.page_size)).unwrap_or(1);
        let mut chunk = vec![0; page_size * per_chunk as usize];
        let mut next = 1_u32;
        while next <= size {
            if stop.load(Ordering::Relaxed) {
                return Ok(Some(Compared::Stopped));
            }
            let read = read_some(&self.file, &mut chunk, self.place(next))?;
            // Pages behind the end of the file were never written, and nothing is in them.
            chunk.iter_mut().skip(read).for_each(|byte| *byte = 0);
            for (page, bytes) in (next..=size).zip(chunk.chunks_exact(page_size)) {
                if log.find(page).is_none() && !known.has(page, hash(bytes)) {
                    let slot = found.stage(bytes)?;
                    found.set(page, slot);
                }
            }
            next = next.saturating_add(per_chunk);
            match self.collect(&mut log)? {
                Collected::Size(None) => {}
                Collected::Size(Some(now)) => size = now,
                Collected::Lost => return Ok(None),
                Collected::Replaced => return Ok(Some(Compared::Replaced)),
            }
        }
        found.absorb(&mut log)?;
        Ok(Some(Compared::Changes(Cut { pages: found, size })))
    }

    /// Begins at a moment from which on nothing is missed: reads all that the log has, or waits until it is certain that the
    /// file is not changed.
    fn begin(&mut self, pages: &mut Pages, stop: &AtomicBool) -> io::Result<Begun> {
        for _ in 0..WAITS {
            let found = fs::metadata(&self.path)?;
            if identity(&found) != self.identity {
                return Ok(Begun::Replaced);
            }
            let index = self.index.read();
            let (stamp, log) = (Stamp::of(&found), self.open_log()?);
            if let Some((log, header)) = log {
                if header.page_size != self.page_size {
                    return Ok(Begun::Replaced);
                }
                let at = Position::start(header).read_on(&log.file, index.as_ref(), pages)?;
                if at.frames > 0 {
                    let size = at.size;
                    self.state = State::Log(log, at);
                    return Ok(Begun::Size(size));
                }
            }
            if let Some(index) = index.filter(|index| index.frames == 0 && index.changes.count > FEW) {
                let size = self.pages_in_file()?;
                self.state = State::Emptied(index.changes);
                return Ok(Begun::Size(size));
            }
            if stamp.is_settled() && !self.is_changed_otherwise()? {
                if page_size(&self.file)?.is_some_and(|size| size != self.page_size) {
                    return Ok(Begun::Replaced);
                }
                let size = self.pages_in_file()?;
                self.state = State::Bare(stamp);
                return Ok(Begun::Size(size));
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(Begun::Stopped);
            }
            std::thread::sleep(WAIT);
        }
        Ok(Begun::Never)
    }

    /// Returns whether a program is in the middle of changing the file itself, without a write-ahead log.
    fn is_changed_otherwise(&self) -> io::Result<bool> {
        match fs::metadata(beside(&self.path, "-journal")) {
            Ok(journal) => Ok(journal.len() > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what was committed since the last time. Changes the state only if it succeeds.
    fn collect(&mut self, pages: &mut Pages) -> io::Result<Collected> {
        let found = fs::metadata(&self.path)?;
        if identity(&found) != self.identity {
            return Ok(Collected::Replaced);
        }
        // Before the log: what it counts is there.
        let index = self.index.read();
        let next = match &self.state {
            State::Lost => return Ok(Collected::Lost),
            State::Bare(stamp) => {
                let log = self.open_log()?.filter(|(_, header)| header.page_size == self.page_size);
                let next = match log {
                    None => None,
                    Some((log, header)) => {
                        let at = Position::start(header).read_on(&log.file, index.as_ref(), pages)?;
                        (at.frames > 0).then_some((log, at))
                    }
                };
                // Another log may have been written, copied into the file and emptied since.
                if Stamp::of(&fs::metadata(&self.path)?) != *stamp {
                    return Ok(Collected::Lost);
                }
                next.map_or(Next::Same, |(log, at)| Next::Log(log, at))
            }
            State::Emptied(before) => self.resume(*before, index.as_ref(), pages)?,
            State::Log(log, at) => match self.read_on(log, at, index.as_ref(), pages)? {
                Read::Same(changes) => {
                    if let (State::Log(_, at), Some(changes)) = (&mut self.state, changes) {
                        at.changes = Some(changes);
                    }
                    Next::Same
                }
                Read::On(next) => Next::Log(Log { file: log.file.try_clone()?, identity: log.identity }, next),
                Read::Lost => match at.changes {
                    Some(before) if before.count > FEW => self.resume(before, index.as_ref(), pages)?,
                    _ => Next::Lost,
                },
            },
        };
        Ok(match next {
            Next::Lost => Collected::Lost,
            Next::Same => {
                self.note_growth();
                Collected::Size(None)
            }
            Next::Emptied(changes) => {
                self.state = State::Emptied(changes);
                Collected::Size(None)
            }
            Next::Log(log, at) => {
                let size = (at.size > 0).then_some(at.size);
                self.state = State::Log(log, at);
                self.early = EARLY;
                Collected::Size(size)
            }
        })
    }

    /// Goes on after the log was emptied, or begun anew more than once. If as many transactions were committed since as are in it now,
    /// none was in a log that is gone.
    fn resume(&self, before: Changes, index: Option<&Index>, pages: &mut Pages) -> io::Result<Next> {
        let Some(index) = index else { return Ok(Next::Lost) };
        if index.frames == 0 {
            return Ok(if index.changes == before { Next::Emptied(before) } else { Next::Lost });
        }
        let Some((log, header)) = self.open_log()? else { return Ok(Next::Lost) };
        if !header.has(index) || header.page_size != self.page_size {
            return Ok(Next::Lost);
        }
        let at = Position::start(header).read_on(&log.file, Some(index), pages)?;
        let is_all = at.changes == Some(before.and(at.commits));
        Ok(if is_all { Next::Log(log, at) } else { Next::Lost })
    }

    /// A transaction that is not over yet makes the log grow, too: it is read out of turn only after as much again.
    fn note_growth(&mut self) {
        if let State::Log(log, at) = &self.state {
            while at.has_grown(&log.file, self.early).unwrap_or(false) && self.early < u32::MAX / 2 {
                self.early *= 2;
            }
        }
    }

    fn read_on(&self, log: &Log, at: &Position, index: Option<&Index>, pages: &mut Pages) -> io::Result<Read> {
        let now = match fs::metadata(&self.log) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Lost),
            Err(error) => return Err(error),
        };
        if identity(&now) != log.identity || now.len() < at.end() {
            return Ok(Read::Lost);
        }
        // Not there while it is being written.
        let Some(header) = Header::read(&log.file)? else {
            return Ok(if log.file.metadata()?.len() == 0 { Read::Lost } else { Read::Same(None) });
        };
        if header == at.header {
            // What the index has cannot be taken back.
            if at.changes.is_none() && !at.is_unchanged(&log.file)? {
                return Ok(Read::Lost);
            }
            let next = at.read_on(&log.file, index, pages)?;
            return Ok(if next.frames == at.frames { Read::Same(next.changes) } else { Read::On(next) });
        }
        if !header.is_next_of(&at.header) {
            return Ok(Read::Lost);
        }
        // Begun anew, once. What is left of the log before is behind the frames that were written over.
        let mut rest = Pages::new(self.page_size);
        let end = at.read_on(&log.file, None, &mut rest)?;
        if !at.is_intact(&log.file)? {
            return Ok(Read::Lost);
        }
        let mut fresh = Pages::new(self.page_size);
        let next = Position::start(header).read_on(&log.file, index, &mut fresh)?;
        if !self.is_in_file(&end, &rest, &next, &fresh)? {
            return Ok(Read::Lost);
        }
        pages.absorb(&mut rest)?;
        pages.absorb(&mut fresh)?;
        Ok(Read::On(if next.size > 0 { next } else { next.with_size(end.size) }))
    }

    /// Returns whether the end of a log that was begun anew is in the file, as it must be. It is not when the last commit failed
    /// after it was written: then it never happened, and nothing was written over it. Pages that were written since cannot
    /// be compared, and need not be.
    fn is_in_file(&self, end: &Position, rest: &Pages, next: &Position, fresh: &Pages) -> io::Result<bool> {
        let mut expected: BTreeMap<u32, Hash> = end.last.iter().map(|frame| (frame.page, frame.hash)).collect();
        expected.extend(rest.iter().map(|(page, Slot { hash, .. })| (page, hash)));
        let size = if next.size > 0 { end.size.min(next.size) } else { end.size };
        let mut bytes = vec![0; self.page_size as usize];
        for (page, expected) in expected {
            if page > size || fresh.find(page).is_some() {
                continue;
            }
            if !read_at(&self.file, &mut bytes, self.place(page))? || hash(&bytes) != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open_log(&self) -> io::Result<Option<(Log, Header)>> {
        let file = match File::open(&self.log) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let identity = identity(&file.metadata()?);
        Ok(Header::read(&file)?.map(|header| (Log { file, identity }, header)))
    }

    fn place(&self, page: u32) -> u64 {
        u64::from(page - 1) * u64::from(self.page_size)
    }

    fn pages_in_file(&self) -> io::Result<u32> {
        let pages = self.file.metadata()?.len() / u64::from(self.page_size);
        u32::try_from(pages).map_err(io::Error::other)
    }
}

enum Begun {
    /// Number of pages of the database.
    Size(u32),
    Replaced,
    Stopped,
    /// It was changed all the time.
    Never,
}

enum Collected {
    /// Number of pages of the database, if something was committed.
    Size(Option<u32>),
    Lost,
    Replaced,
}

enum Read {
    /// Also the number of transactions, if the index says it.
    Same(Option<Changes>),
    On(Position),
    Lost,
}

enum Next {
    Same,
    Log(Log, Position),
    Emptied(Changes),
    Lost,
}

/// Returns the size of a page, if the file begins as databases do.
fn page_size(file: &File) -> io::Result<Option<u32>> {
    let mut head = [0; HEAD];
    if !read_at(file, &mut head, 0)? || !head.starts_with(b"SQLite format 3\0") {
        return Ok(None);
    }
    let size = head.get(16..18).and_then(|size| size.first_chunk()).map_or(0, |size| u16::from_be_bytes(*size));
    Ok(Some(if size == 1 { 65_536 } else { u32::from(size) }).filter(|size| size.is_power_of_two() && *size >= 512))
}

/// Reads as much as there is, up to the length of `into`. Returns how much.
fn read_some(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
