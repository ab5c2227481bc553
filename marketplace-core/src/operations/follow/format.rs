//! What SQLite's files have in common.

use std::{fs::File, io, os::unix::fs::FileExt};

/// A running checksum.
pub(super) type Sums = [u32; 2];

/// Returns SQLite's checksum of some bytes, whose number is a multiple of 8, after others.
pub(super) fn checksum(is_big_endian: bool, bytes: &[u8], [mut one, mut other]: Sums) -> Sums {
    let number = |word: [u8; 4]| if is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
    let (pairs, _) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in pairs {
        one = one.wrapping_add(number([*a, *b, *c, *d])).wrapping_add(other);
        other = other.wrapping_add(number([*e, *f, *g, *h])).wrapping_add(one);
    }
    [one, other]
}

/// Reads as many bytes as `into` has; `false` when the file ends before.
pub(super) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(into, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
