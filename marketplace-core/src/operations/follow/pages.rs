//! Pages of a database that were read and are not stored yet: a little in memory, more in a file without a name.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

use tempfile::SpooledTempFile;

/// Number of bytes that are kept in memory.
const IN_MEMORY: usize = 16 * 1024 * 1024;

/// The hash of a page: the first half of its SHA-256. Whoever writes to the database chooses what is in its pages, so that
/// no weaker one would do.
pub(super) type Hash = [u8; 16];

/// Returns the hash of a page.
pub(super) fn hash(page: &[u8]) -> Hash {
    let whole = ring::digest::digest(&ring::digest::SHA256, page);
    whole.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Where a page is, and its hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    at: u64,
    /// Of the page.
    pub hash: Hash,
}

/// The last version of each of some pages, all of one size.
#[derive(Debug)]
pub(super) struct Pages {
    page_size: u32,
    slots: BTreeMap<u32, Slot>,
    free: Vec<u64>,
    used: u64,
    spool: SpooledTempFile,
}

impl Pages {
    /// Creates an empty set of pages of `page_size` bytes.
    pub fn new(page_size: u32) -> Self {
        Self { page_size, slots: BTreeMap::new(), free: Vec::new(), used: 0, spool: SpooledTempFile::new(IN_MEMORY) }
    }

    /// Returns the size of each in bytes.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Returns how many pages there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether a page is there, and where.
    pub fn find(&self, page: u32) -> Option<Slot> {
        self.slots.get(&page).copied()
    }

    /// Returns the numbers of all pages with their places, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Slot)> {
        self.slots.iter().map(|(page, slot)| (*page, *slot))
    }

    /// Keeps the bytes of a page, without saying yet that they are its version.
    pub fn stage(&mut self, bytes: &[u8]) -> io::Result<Slot> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        });
        let slot = Slot { at, hash: hash(bytes) };
        let kept = self.seek(at).and_then(|()| self.spool.write_all(bytes));
        if let Err(error) = kept {
            self.free.push(at);
            return Err(error);
        }
        Ok(slot)
    }

    /// Sets staged bytes as the version of a page.
    pub fn set(&mut self, page: u32, slot: Slot) {
        if let Some(before) = self.slots.insert(page, slot) {
            self.free.push(before.at);
        }
    }

    /// Forgets staged bytes.
    pub fn drop_staged(&mut self, slot: Slot) {
        self.free.push(slot.at);
    }

    /// Forgets a page.
    pub fn remove(&mut self, page: u32) {
        if let Some(before) = self.slots.remove(&page) {
            self.free.push(before.at);
        }
    }

    /// Reads the bytes of a page, whose size `into` has.
    pub fn read(&mut self, slot: Slot, into: &mut [u8]) -> io::Result<()> {
        self.seek(slot.at)?;
        self.spool.read_exact(into)
    }

    /// Takes over all pages of another set.
    pub fn absorb(&mut self, other: &mut Self) -> io::Result<()> {
        let mut bytes = vec![0; self.page_size as usize];
        for (page, slot) in other.slots.clone() {
            other.read(slot, &mut bytes)?;
            let slot = self.stage(&bytes)?;
            self.set(page, slot);
        }
        Ok(())
    }

    fn seek(&mut self, at: u64) -> io::Result<()> {
        self.spool.seek(SeekFrom::Start(at * u64::from(self.page_size))).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_kept_once_in_their_last_version() {
        let mut pages = Pages::new(512);
        for round in 0..5_u8 {
            for page in 1..=20 {
                let slot = pages.stage(&[round; 512]).unwrap();
                pages.set(page, slot);
            }
            let slot = pages.stage(&[9; 512]).unwrap();
            pages.drop_staged(slot);
        }
        assert_eq!((pages.len(), pages.used), (20, 21));
        let mut bytes = [0; 512];
        let slot = pages.find(7).unwrap();
        pages.read(slot, &mut bytes).unwrap();
        assert_eq!((bytes, slot.hash), ([4; 512], hash(&[4; 512])));
        pages.remove(7);
        assert!(pages.find(7).is_none() && pages.iter().count() == 19);
        let mut other = Pages::new(512);
        other.absorb(&mut pages).unwrap();
        assert_eq!(other.len(), 19);
    }
}
