//! Carrying one file from a store to another.

use bytes::Bytes;

use crate::{
    base::error::Error,
    platform::files::{Depot, Digest, ObjectKey, Trouble},
};

/// Number of files that are carried at the same time; each is in memory once, and has 10 MiB at most.
pub(crate) const PARALLEL: usize = 8;
/// Number of tries until what is read back is what was written.
const TRIES: usize = 3;

/// How the carrying of a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    /// It is at the target, and was read back.
    Whole(Digest),
    /// The source does not have it, and so neither does the target.
    Gone,
}

/// Copies a file, reads it back and compares it. A file that was deleted from the source meanwhile is deleted from the
/// target as well.
///
/// # Errors
/// When the source's file is not the `expected` one, the target does not give back what it got, or one cannot be used.
pub(crate) async fn carry(
    source: &Depot,
    target: &Depot,
    key: ObjectKey,
    expected: Option<[u8; 32]>,
) -> Result<Carried, Trouble> {
    let Some(bytes) = source.read(key).await? else {
        if source.lacks(key).await? {
            target.delete(key).await?;
        }
        return Ok(Carried::Gone);
    };
    let digest = Digest::of(&bytes);
    if expected.is_some_and(|expected| expected != digest.sha256) {
        let text = format!("{key} in {} is damaged: it is not what was stored", source.location());
        return Err(Error::unavailable(text, "another hash").into());
    }
    write_and_compare(target, key, bytes, digest).await?;
    if expected.is_none() && source.lacks(key).await? {
        target.delete(key).await?;
        return Ok(Carried::Gone);
    }
    Ok(Carried::Whole(digest))
}

async fn write_and_compare(target: &Depot, key: ObjectKey, bytes: Bytes, digest: Digest) -> Result<(), Trouble> {
    for _ in 0..TRIES {
        target.write(key, bytes.clone()).await?;
        if target.digest(key).await? == Some(digest) {
            return Ok(());
        }
    }
    // Nothing that is not whole stays under a name that says so.
    target.delete(key).await?;
    let text = format!("{key}: {} gives back other bytes than it was given", target.location());
    Err(Error::unavailable(text, "what was read back differs").into())
}
