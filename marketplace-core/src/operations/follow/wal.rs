//! SQLite's write-ahead log as it lies on the disk, read without SQLite: no lock is taken, and nobody waits.
//!
//! The format is in <https://sqlite.org/fileformat2.html#the_write_ahead_log>: a header with two random numbers (salts), and
//! frames, each with one page, the same salts and a checksum over everything before. What a transaction wrote counts once
//! its last frame, the one with the size of the database, is there and the checksums match up to it. When all of the log was
//! copied into the database, the next transaction writes over it from its beginning, with the first salt one higher and the
//! second a new one; the frames that are not overwritten yet stay as they were.

use std::{fs::File, io};

use super::{
    format::{Sums, checksum, read_at},
    index::{Changes, Index},
    pages::{Hash, Pages},
};

const HEADER: usize = 32;
const FRAME: usize = 24;
/// Number of frames of the last transaction that are remembered.
const REMEMBERED: usize = 4_096;

/// What a log begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    is_big_endian: bool,
    /// Size of a page in bytes.
    pub page_size: u32,
    salts: [u32; 2],
    sums: Sums,
}

impl Header {
    /// Reads the header of a log; `None` when there is none, or not all of it yet.
    pub fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER];
        Ok(if read_at(file, &mut bytes, 0)? { Self::parse(&bytes) } else { None })
    }

    fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let [magic, format, page_size, _, salt_1, salt_2, sum_1, sum_2] = words(bytes)?;
        let is_big_endian = match magic {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let sums = checksum(is_big_endian, bytes.first_chunk::<24>()?, [0, 0]);
        let is_page_size = page_size.is_power_of_two() && (512..=65_536).contains(&page_size);
        (format == 3_007_000 && is_page_size && sums == [sum_1, sum_2]).then_some(Self {
            is_big_endian,
            page_size,
            salts: [salt_1, salt_2],
            sums,
        })
    }

    /// Returns whether an index is of this log.
    pub fn has(&self, index: &Index) -> bool {
        index.salts == self.salts
    }

    /// Returns whether this is the log that was begun anew after `before`, and no other between.
    pub fn is_next_of(&self, before: &Self) -> bool {
        let [salt, other] = self.salts;
        let [old, old_other] = before.salts;
        self.page_size == before.page_size && salt == old.wrapping_add(1) && other != old_other
    }
}

/// A frame of the last transaction that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    sums: Sums,
    /// Number of the page.
    pub page: u32,
    /// Of the page.
    pub hash: Hash,
}

/// Up to where a log was read: always to the end of a transaction.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// Of the log.
    pub header: Header,
    /// Number of frames that were read.
    pub frames: u32,
    /// Number of pages of the database after the last transaction; 0 before the first.
    pub size: u32,
    sums: Sums,
    /// Number of frames before the last transaction.
    first: u32,
    /// The first frames of the last transaction.
    pub last: Vec<Remembered>,
    /// Number of transactions that were read.
    pub commits: u32,
    /// Number of transactions of this log and those before, if its index says so.
    pub changes: Option<Changes>,
}

impl Position {
    /// Returns the beginning of a log.
    pub fn start(header: Header) -> Self {
        let sums = header.sums;
        Self { header, frames: 0, size: 0, sums, first: 0, last: Vec::new(), commits: 0, changes: None }
    }

    /// Returns whether, by the index, all frames up to this position are committed, and no others.
    pub fn is_end_of(&self, index: &Index) -> bool {
        self.header.has(index) && index.frames == self.frames && (self.frames == 0 || index.sums == self.sums)
    }

    /// Returns the same position of a database with so many pages.
    pub fn with_size(self, size: u32) -> Self {
        Self { size, ..self }
    }

    fn offset(&self, frame: u32) -> u64 {
        offset(self.header.page_size, frame)
    }

    /// Returns the size in bytes that a log has at least that was read so far.
    pub fn end(&self) -> u64 {
        self.offset(self.frames)
    }

    /// Returns whether the last frame that was read is still there. If so, all behind it are, too: a log is written over from
    /// its beginning.
    pub fn is_intact(&self, file: &File) -> io::Result<bool> {
        let Some(at) = self.frames.checked_sub(1) else { return Ok(false) };
        let head = FrameHead::read(file, self.offset(at))?;
        Ok(head.is_some_and(|head| head.salts == self.header.salts && head.sums == self.sums))
    }

    /// Returns whether the last transaction that was read is still there as it was. It is not when its commit failed after it
    /// was written, and another one was written in its place.
    pub fn is_unchanged(&self, file: &File) -> io::Result<bool> {
        for (frame, known) in (self.first..).zip(&self.last) {
            let head = FrameHead::read(file, self.offset(frame))?;
            if !head.is_some_and(|head| head.salts == self.header.salts && head.sums == known.sums) {
                return Ok(false);
            }
        }
        Ok(self.frames == 0 || self.is_intact(file)?)
    }

    /// Returns whether there is a frame of this log so many frames behind the position.
    pub fn has_grown(&self, file: &File, frames: u32) -> io::Result<bool> {
        let head = FrameHead::read(file, self.offset(self.frames.saturating_add(frames)))?;
        Ok(head.is_some_and(|head| head.salts == self.header.salts))
    }

    /// Reads all transactions that were committed after this position: the last version of each page goes into `pages`. Returns
    /// the position behind them. If the log has an index, it says what is committed; otherwise the log itself does.
    ///
    /// # Errors
    /// When the log cannot be read, or the pages cannot be kept; `pages` may then have some of them.
    pub fn read_on(&self, file: &File, index: Option<&Index>, pages: &mut Pages) -> io::Result<Self> {
        let index = index.filter(|index| self.header.has(index));
        let mut next = match index {
            Some(index) => self.read_to(file, index.frames, pages)?,
            None => match self.last_commit(file)? {
                Some(last) => self.read_to(file, last + 1, pages)?,
                None => self.clone(),
            },
        };
        if let Some(index) = index.filter(|index| next.is_end_of(index)) {
            next.changes = Some(index.changes);
        } else if next.frames != self.frames {
            next.changes = None;
        }
        Ok(next)
    }

    /// Reads up to so many frames.
    fn read_to(&self, file: &File, end: u32, pages: &mut Pages) -> io::Result<Self> {
        let mut at = self.clone();
        let mut bytes = vec![0; FRAME + self.header.page_size as usize];
        let (mut sums, mut staged) = (self.sums, Vec::new());
        for frame in self.frames..end {
            if !read_at(file, &mut bytes, self.offset(frame))? {
                break;
            }
            let Some((head, page)) = bytes.split_first_chunk::<FRAME>() else { break };
            let Some(parsed) = FrameHead::parse(head) else { break };
            let (start, _) = head.split_at(8);
            sums = checksum(self.header.is_big_endian, page, checksum(self.header.is_big_endian, start, sums));
            if parsed.salts != self.header.salts || parsed.sums != sums || parsed.page == 0 {
                break;
            }
            let slot = pages.stage(page)?;
            staged.push((parsed.page, sums, slot));
            if parsed.size == 0 {
                continue;
            }
            let kept = staged.iter().take(REMEMBERED);
            at.last = kept.map(|(page, sums, slot)| Remembered { sums: *sums, page: *page, hash: slot.hash }).collect();
            at.first = frame + 1 - u32::try_from(staged.len()).unwrap_or(u32::MAX);
            (at.frames, at.size, at.sums) = (frame + 1, parsed.size, sums);
            at.commits += 1;
            for (page, _, slot) in staged.drain(..) {
                pages.set(page, slot);
            }
        }
        for (_, _, slot) in staged {
            pages.drop_staged(slot);
        }
        Ok(at)
    }

    /// Returns the number of the last frame behind the position that may end a transaction, without reading pages: what a long
    /// transaction has written so far is not read over and over.
    fn last_commit(&self, file: &File) -> io::Result<Option<u32>> {
        let mut found = None;
        for frame in self.frames..u32::MAX {
            match FrameHead::read(file, self.offset(frame))? {
                Some(head) if head.salts == self.header.salts => {
                    if head.size != 0 {
                        found = Some(frame);
                    }
                }
                _ => break,
            }
        }
        Ok(found)
    }
}

/// Returns where a frame begins.
fn offset(page_size: u32, frame: u32) -> u64 {
    HEADER as u64 + u64::from(frame) * (FRAME as u64 + u64::from(page_size))
}

struct FrameHead {
    page: u32,
    size: u32,
    salts: [u32; 2],
    sums: Sums,
}

impl FrameHead {
    fn read(file: &File, at: u64) -> io::Result<Option<Self>> {
        let mut bytes = [0; FRAME];
        Ok(if read_at(file, &mut bytes, at)? { Self::parse(&bytes) } else { None })
    }

    fn parse(bytes: &[u8; FRAME]) -> Option<Self> {
        let [page, size, salt_1, salt_2, sum_1, sum_2] = words(bytes)?;
        Some(Self { page, size, salts: [salt_1, salt_2], sums: [sum_1, sum_2] })
    }
}

/// Returns the big-endian integers that some bytes are.
fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, _) = bytes.as_chunks::<4>();
    let words: Vec<u32> = chunks.iter().map(|word| u32::from_be_bytes(*word)).collect();
    words.try_into().ok()
}
