//! Passwords known from breaches, when the operator has a list of them.
//!
//! The list is a file as *Pwned Passwords* distributes it in one piece, ordered by hash: one line `SHA-1 in upper case
//! hexadecimal:count` for each password. It is 40 GB or larger, so it is searched on disk: some 35 reads of 128 bytes.
//! Nothing about a password leaves the machine.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::{
    accounts::model::Password,
    base::error::{Error, Result},
};

/// Length of a hash in characters.
const HASH: usize = 40;
/// Upper bound for the length of a line: a hash, a colon, a count, `\r\n`.
const LINE: u64 = 64;

/// A list of hashes; `None` when none is configured.
#[derive(Clone, Debug)]
pub(crate) struct Breached(Option<PathBuf>);

impl Breached {
    /// Checks the configured list.
    ///
    /// # Errors
    /// Returns `invalid` when the file cannot be read or is not such a list.
    pub(crate) fn new(file: Option<&Path>) -> Result<Self> {
        if let Some(path) = file {
            let wrong = |why: String| Error::invalid("/breached_passwords", format!("{}: {why}", path.display()));
            let mut first = Vec::new();
            let read = File::open(path).and_then(|file| file.take(LINE).read_to_end(&mut first));
            read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
            if hash_at_start(&first).is_none() {
                return Err(wrong("must have lines of a SHA-1 in upper case hexadecimal, a colon and a count".into()));
            }
        }
        Ok(Self(file.map(Path::to_owned)))
    }

    /// Refuses a password that is on the list.
    pub(crate) async fn check(&self, password: &Password) -> Result<()> {
        let Some(path) = self.0.clone() else { return Ok(()) };
        let hash = hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.prepared().as_bytes()));
        let found = tokio::task::spawn_blocking(move || contains(&mut File::open(path)?, hash.as_bytes()));
        if found.await.map_err(Error::internal)?.map_err(Error::internal)? {
            let detail = "is known from a breach of another service; choose another";
            return Err(Error::invalid("/password", detail));
        }
        Ok(())
    }
}

/// Looks for a line that begins with `hash`, by binary search over where it can begin.
fn contains(file: &mut File, hash: &[u8]) -> io::Result<bool> {
    let (mut low, mut high) = (0, file.seek(SeekFrom::End(0))?);
    while low < high {
        let middle = low + (high - low) / 2;
        // The first line that begins at or after `middle`: read from the byte before, and skip to the end of that line.
        let from = middle.saturating_sub(1);
        file.seek(SeekFrom::Start(from))?;
        let mut piece = Vec::new();
        file.take(2 * LINE).read_to_end(&mut piece)?;
        let begins = if middle == 0 { Some(0) } else { piece.iter().position(|byte| *byte == b'\n').map(|at| at + 1) };
        let line = begins.and_then(|at| piece.get(at..)).filter(|line| !line.is_empty());
        let Some(line) = line else {
            high = middle;
            continue;
        };
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "a line of the list of breached passwords has no hash");
        match hash_at_start(line).ok_or_else(bad)?.cmp(hash) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Less => low = middle + 1,
        }
    }
    Ok(false)
}

fn hash_at_start(line: &[u8]) -> Option<&[u8]> {
    let (hash, rest) = line.split_at_checked(HASH)?;
    let is_hash = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    (is_hash && rest.first() == Some(&b':')).then_some(hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn list(hashes: impl Iterator<Item = (String, u32)>, end: &str) -> tempfile::NamedTempFile {
        let mut lines: Vec<String> = hashes.map(|(hash, count)| format!("{hash}:{count}{end}")).collect();
        lines.sort();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.concat().as_bytes()).unwrap();
        file
    }

    #[tokio::test]
    async fn passwords_on_the_list_are_refused() {
        let known = ["whales sing at noon", "P@55phrase of 2019", "třináct koček"];
        let hash = |word: &&str| hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, word.as_bytes()));
        let file = list(known.iter().map(|word| (hash(word), 3)), "\r\n");
        let breached = Breached::new(Some(file.path())).unwrap();
        for word in known {
            let refused = breached.check(&Password::new(word)).await.unwrap_err();
            assert!(refused.to_string().contains("breach") || format!("{refused:?}").contains("breach"));
        }
        breached.check(&Password::new("whales sing at Noon")).await.unwrap();
        Breached::new(None).unwrap().check(&Password::new(known[0])).await.unwrap();
    }

    #[test]
    fn what_is_no_such_list_is_refused_at_the_start() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(Breached::new(Some(empty.path())).is_err());
        std::fs::write(empty.path(), "password:1\n").unwrap();
        assert!(Breached::new(Some(empty.path())).is_err());
        assert!(Breached::new(Some(&empty.path().join("none"))).is_err());
    }

    proptest! {
        /// Lines of any length, anywhere in the file, with either line ending.
        #[test]
        fn each_line_is_found_and_nothing_else(
            hashes in proptest::collection::btree_map("[0-9A-F]{40}", 1_u32..4_000_000, 1..60), others in proptest::collection::vec("[0-9A-F]{40}", 5), dos: bool,
        ) {
            let file = list(hashes.clone().into_iter(), if dos { "\r\n" } else { "\n" });
            let mut file = file.reopen().unwrap();
            for hash in hashes.keys() {
                prop_assert!(contains(&mut file, hash.as_bytes()).unwrap());
            }
            for other in others {
                prop_assert_eq!(contains(&mut file, other.as_bytes()).unwrap(), hashes.contains_key(&other));
            }
        }
    }
}
