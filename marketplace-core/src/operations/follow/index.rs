//! The index of SQLite's write-ahead log (`…-shm`), of which only the beginning is read: how many frames are committed, as those see it
//! that have the database open, and how many transactions were.
//!
//! The format is in <https://sqlite.org/walformat.html>. It is a map in the memory of those programs, without a promise of its own:
//! what is read counts only when both copies of it are the same and their checksum is right.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::format::{Sums, checksum, read_at};
use crate::platform::sqlite_url::beside;

/// Size in bytes of one copy of what an index begins with.
const COPY: usize = 48;
const TRIES: u32 = 3;

/// The state of a log, as its index has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    /// Number of committed frames.
    pub frames: u32,
    /// Number of transactions, of all logs since the index was made.
    pub changes: Changes,
    /// The checksum of the last committed frame.
    pub sums: Sums,
    /// Those of the log.
    pub salts: [u32; 2],
}

/// A number of transactions. Those of two indexes cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changes {
    index: u64,
    /// How many.
    pub count: u32,
}

impl Changes {
    /// Returns the number after so many more.
    pub fn and(self, more: u32) -> Self {
        Self { count: self.count.wrapping_add(more), ..self }
    }
}

impl Index {
    fn parse(index: u64, bytes: &[u8; COPY]) -> Option<Self> {
        let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word)).collect();
        let [version, _, changes, _, frames, _, sum_1, sum_2, salt_1, salt_2, check_1, check_2] =
            words.try_into().ok()?;
        let [_, _, _, _, _, _, _, _, _, _, _, _, is_ready, ..] = *bytes;
        let check = checksum(cfg!(target_endian = "big"), bytes.get(..COPY - 8)?, [0, 0]);
        (version == 3_007_000 && is_ready == 1 && check == [check_1, check_2]).then_some(Self {
            frames,
            changes: Changes { index, count: changes },
            sums: [sum_1, sum_2],
            // These are copied from the log as they stand there.
            salts: [u32::from_be(salt_1), u32::from_be(salt_2)],
        })
    }
}

/// The file of an index. It is kept open, so that no other one has its number.
#[derive(Debug)]
pub(super) struct IndexFile {
    path: PathBuf,
    open: Option<(File, (u64, u64))>,
    /// How many different files there were.
    number: u64,
}

impl IndexFile {
    /// Names the index of the database at `path`, which need not exist.
    pub fn of(database: &Path) -> Self {
        Self { path: beside(database, "-shm"), open: None, number: 0 }
    }

    /// Reads it; `None` when there is none, or it is being changed.
    pub fn read(&mut self) -> Option<Index> {
        let found = fs::metadata(&self.path).ok()?;
        let identity = (found.dev(), found.ino());
        if self.open.as_ref().is_none_or(|(_, known)| *known != identity) {
            let file = File::open(&self.path).ok()?;
            let found = file.metadata().ok()?;
            self.open = Some((file, (found.dev(), found.ino())));
            self.number += 1;
        }
        let (file, _) = self.open.as_ref()?;
        (0..TRIES).find_map(|_| {
            let mut bytes = [0; 2 * COPY];
            let is_there = read_at(file, &mut bytes, 0).unwrap_or(false);
            let (first, second) = bytes.split_first_chunk::<COPY>()?;
            if is_there && first == second { Index::parse(self.number, first) } else { None }
        })
    }
}
