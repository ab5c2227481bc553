//! Segments: what a continuous backup consists of. Each has some pages, the hash of the one before it, and its own.
//!
//! All integers are big-endian:
//!
//! | bytes | |
//! |---|---|
//! | 8 | `MKTFOLLO` |
//! | 2 | version of the format: 1 |
//! | 1 | kind: 0 for a part of the base, 1 for changes, 2 for the end |
//! | 1 | 1 when the database is whole after it, 0 when the next segment belongs to it |
//! | 4 | size of a page in bytes |
//! | 4 | number of pages of the database |
//! | 4 | number of pages in the segment |
//! | 8 | number of the segment |
//! | 8 | time of the database in microseconds since 1970 |
//! | 8 | time up to which it is known to have been as before |
//! | 32 | SHA-256 of the segment before; that of the name of the base for the first |
//! | … | the pages, each with its number (4 bytes), compressed (zlib) |
//! | 32 | SHA-256 of everything before |

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use sha2::{Digest, Sha256};

use super::pages::{Pages, Slot};
use crate::base::{
    error::{Error, Result},
    time::Timestamp,
};

const MAGIC: [u8; 8] = *b"MKTFOLLO";
const VERSION: u16 = 1;
/// Size in bytes of what is before the pages.
pub(super) const HEAD: usize = 80;
const TAIL: usize = 32;
/// Number of bytes of pages in one segment: what a store is given at once.
const LARGEST: u32 = 16 * 1024 * 1024;

/// A SHA-256.
pub(super) type Sum = [u8; 32];

/// Returns the hash before the first segment of a base.
pub(super) fn first_sum(base: &str) -> Sum {
    Sha256::digest(base).into()
}

/// Returns how many pages a segment has at most.
pub(super) fn most_pages(page_size: u32) -> u32 {
    (LARGEST / page_size.max(1)).max(1)
}

/// What a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of the copy of the whole database that a chain begins with.
    Base,
    /// What changed.
    Changes,
    /// Nothing follows any more.
    End,
}

/// What stands before the pages of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub kind: Kind,
    /// Whether the database is whole after it.
    pub is_whole: bool,
    pub page_size: u32,
    /// Number of pages of the database.
    pub size: u32,
    /// Number of pages in the segment.
    pub count: u32,
    pub number: u64,
    /// When the database was as it is after this.
    pub at: Timestamp,
    /// Until when it was as it is before this.
    pub since: Timestamp,
    /// The hash of the segment before.
    pub before: Sum,
}

impl Head {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.push(match self.kind {
            Kind::Base => 0,
            Kind::Changes => 1,
            Kind::End => 2,
        });
        bytes.push(u8::from(self.is_whole));
        for number in [self.page_size, self.size, self.count] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.at.micros().to_be_bytes());
        bytes.extend(self.since.micros().to_be_bytes());
        bytes.extend(self.before);
        bytes
    }

    /// Parses the beginning of a segment; `None` when it is none.
    ///
    /// # Errors
    /// `unavailable` when it is of a newer program.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(bytes) = bytes.first_chunk::<HEAD>().filter(|bytes| bytes.starts_with(&MAGIC)) else {
            return Ok(None);
        };
        let mut rest = bytes.get(8..).unwrap_or_default();
        if take(&mut rest).map(u16::from_be_bytes) != Some(VERSION) {
            return Err(Error::unavailable("the backup was written by a newer program; use that one", "its version"));
        }
        Ok(Self::parse_rest(rest))
    }

    fn parse_rest(mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let [kind, is_whole] = take(rest)?;
        Some(Self {
            kind: match kind {
                0 => Kind::Base,
                1 => Kind::Changes,
                2 => Kind::End,
                _ => return None,
            },
            is_whole: is_whole == 1,
            page_size: u32::from_be_bytes(take(rest)?),
            size: u32::from_be_bytes(take(rest)?),
            count: u32::from_be_bytes(take(rest)?),
            number: u64::from_be_bytes(take(rest)?),
            at: Timestamp::from_micros(i64::from_be_bytes(take(rest)?)),
            since: Timestamp::from_micros(i64::from_be_bytes(take(rest)?)),
            before: take(rest)?,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk::<N>()?;
    *rest = others;
    Some(*first)
}

/// Writes a segment with some of `pages`. Also returns its hash.
///
/// # Errors
/// When the pages cannot be read.
pub(super) fn write(
    head: &Head,
    pages: &mut Pages,
    chosen: impl IntoIterator<Item = (u32, Slot)>,
) -> std::io::Result<(Bytes, Sum)> {
    let mut body = ZlibEncoder::new(head.bytes(), Compression::fast());
    let mut bytes = vec![0; head.page_size as usize];
    for (page, slot) in chosen {
        pages.read(slot, &mut bytes)?;
        body.write_all(&page.to_be_bytes())?;
        body.write_all(&bytes)?;
    }
    let mut segment = body.finish()?;
    let sum: Sum = Sha256::digest(&segment).into();
    segment.extend(sum);
    Ok((segment.into(), sum))
}

/// Returns the hash that a whole segment ends with; `None` when it does not have that hash.
pub(super) fn sum_of(segment: &[u8]) -> Option<Sum> {
    let (before, sum) = segment.split_last_chunk::<TAIL>()?;
    let found: Sum = Sha256::digest(before).into();
    (found == *sum).then_some(found)
}

/// Calls `each` with the number and the bytes of each page of a segment that is whole; `None` when its pages are not what
/// it says.
pub(super) fn read(
    head: &Head,
    segment: &[u8],
    mut each: impl FnMut(u32, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<Option<()>> {
    let body = segment.get(HEAD..segment.len().saturating_sub(TAIL)).unwrap_or_default();
    let mut body = ZlibDecoder::new(body);
    let is_sane = head.page_size.is_power_of_two()
        && (512..=65_536).contains(&head.page_size)
        && head.count <= most_pages(head.page_size);
    if !is_sane {
        return Ok(None);
    }
    let mut bytes = vec![0; head.page_size as usize];
    for _ in 0..head.count {
        let mut page = [0; 4];
        if body.read_exact(&mut page).is_err() || body.read_exact(&mut bytes).is_err() {
            return Ok(None);
        }
        match u32::from_be_bytes(page) {
            0 => return Ok(None),
            page => each(page, &bytes)?,
        }
    }
    Ok((body.read(&mut [0]).is_ok_and(|more| more == 0)).then_some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_comes_back_as_it_was_written() {
        let mut pages = Pages::new(512);
        for page in [3, 900, 7] {
            let slot = pages.stage(&[u8::try_from(page % 251).unwrap(); 512]).unwrap();
            pages.set(page, slot);
        }
        let chosen: Vec<_> = pages.iter().collect();
        let head = Head {
            kind: Kind::Changes,
            is_whole: true,
            page_size: 512,
            size: 1_000,
            count: 3,
            number: 77,
            at: "2026-03-02T10:00:01Z".parse().unwrap(),
            since: "2026-03-02T10:00:00.5Z".parse().unwrap(),
            before: first_sum("base"),
        };
        let (segment, sum) = write(&head, &mut pages, chosen).unwrap();
        assert_eq!((Head::parse(&segment).unwrap(), sum_of(&segment)), (Some(head), Some(sum)));
        let mut found = Vec::new();
        let read_on = read(&head, &segment, |page, bytes| {
            found.push((page, bytes[0], bytes.len()));
            Ok(())
        });
        assert_eq!(read_on.unwrap(), Some(()));
        assert_eq!(found, [(3, 3, 512), (7, 7, 512), (900, 147, 512)]);
        for at in [0, 11, 60, 90, segment.len() - 1] {
            let mut damaged = segment.to_vec();
            damaged[at] ^= 1;
            assert_eq!(sum_of(&damaged), None, "byte {at}");
        }
        assert_eq!(sum_of(&segment[..segment.len() - 5]), None);
        assert_eq!(read(&Head { count: 4, ..head }, &segment, |_, _| Ok(())).unwrap(), None);
        assert_eq!(read(&Head { count: 2, ..head }, &segment, |_, _| Ok(())).unwrap(), None);
        let mut newer = segment.to_vec();
        newer[9] = 2;
        assert!(Head::parse(&newer).is_err());
    }
}
