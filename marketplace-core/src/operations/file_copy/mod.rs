//! Copying all files of one store to another, encrypted as they lie: between folders and buckets, in any direction.
//!
//! Files never change once they are stored, so what a copy left unfinished is continued by running it again. Each file that
//! is written is read back and compared by size and SHA-256. A copy goes through both stores twice: the second time it
//! copies what came meanwhile, and deletes from the destination what was deleted from the source meanwhile, so that an
//! erasure reaches both. What was there before is deleted on request only: files that are at the destination and not at the
//! source may have been erased since an earlier copy, or uploaded there.

pub(crate) mod compare;
pub(crate) mod transfer;

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use self::{
    compare::{KeySpool, Step, compare},
    transfer::{Carried, PARALLEL, carry},
};
use crate::{
    base::error::{Error, Result},
    platform::files::{Depot, Entry, Location, ObjectKey, Trouble},
};

/// Number of failures that are named.
const NAMED: usize = 20;
/// Number of files that may fail one after the other, before a store is taken to be away.
const IN_A_ROW: u64 = 10;

/// How files are copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Delete files of a marketplace at the destination that the source does not have.
    pub delete: bool,
    /// Compare the contents of files that both have, not only their sizes.
    pub checksum: bool,
    /// Change nothing.
    pub dry_run: bool,
}

/// Progress of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileProgress {
    /// Files that were examined so far.
    pub done: u64,
    /// Files at the source when the copy began.
    pub total: u64,
}

/// A file that could not be copied or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedFile {
    /// Its key.
    pub file: String,
    /// What happened.
    pub reason: String,
}

/// Result of a copy. In a dry run, what it would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilesCopied {
    /// Files at the source that were examined.
    pub files: u64,
    /// Files that were copied, and read back.
    pub copied: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Files that the destination had.
    pub unchanged: u64,
    /// Files that were deleted from the source meanwhile, and so are not at the destination.
    pub gone: u64,
    /// Files that were deleted because the source does not have them.
    pub deleted: u64,
    /// Files that the destination has, and the source does not.
    pub extra: u64,
    /// What else is in the source's folders, and is no file of a marketplace; it is left where it is.
    pub ignored: u64,
    /// Files that could not be copied or deleted.
    pub failed: u64,
    /// The first of these.
    pub failures: Vec<FailedFile>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// Copies the files of `from` to `to`; each is a folder, `file://<folder>` or `s3://<bucket>/<prefix>`.
///
/// # Errors
/// `invalid` when one is neither, or is the other or in it; `not_found` when the source is not there; `conflict` when all
/// would be deleted because the source is empty; `unavailable` when a store cannot be used. A file that fails alone is
/// counted in the result.
pub async fn copy(
    from: &str,
    to: &str,
    options: CopyOptions,
    progress: &(dyn Fn(FileProgress) + Send + Sync),
) -> Result<FilesCopied> {
    let (from, to) = (Location::parse("/from", from)?, Location::parse("/to", to)?);
    require_apart("/to", &from, &to)?;
    let source = Depot::open(&from)?;
    let total = count(&source).await?;
    let target = if options.dry_run { Depot::find(&to)? } else { Some(Depot::create(&to)?) };
    if options.delete && total == 0 {
        let text = format!("{from} has no files, and so {to} would lose all of its own; is the source the right one?");
        return Err(Error::conflict(text, serde_json::json!({ "files": 0 })));
    }
    let mut seen = KeySpool::new()?;
    let mut copy = Copy {
        source,
        target,
        options,
        progress,
        total,
        result: FilesCopied { dry_run: options.dry_run, ..FilesCopied::default() },
        in_a_row: 0,
    };
    copy.first(&mut seen).await?;
    if !options.dry_run {
        copy.second(seen).await?;
    }
    Ok(copy.result)
}

/// Refuses two places of which one is the other, or in it.
pub(crate) fn require_apart(pointer: &'static str, from: &Location, to: &Location) -> Result<()> {
    if from.overlaps(to) {
        return Err(Error::invalid(pointer, format!("{to} and {from} are the same place, or one is in the other")));
    }
    Ok(())
}

/// Returns how many files a store has.
pub(crate) async fn count(source: &Depot) -> Result<u64> {
    source.list().try_fold(0, async |files, entry| Ok(files + u64::from(matches!(entry, Entry::File(..))))).await
}

struct Copy<'a> {
    source: Depot,
    /// None when it is not there, in a dry run.
    target: Option<Depot>,
    options: CopyOptions,
    progress: &'a (dyn Fn(FileProgress) + Send + Sync),
    total: u64,
    result: FilesCopied,
    /// Failures since the last success.
    in_a_row: u64,
}

/// What became of one file.
enum Done {
    Copied(u64),
    Unchanged,
    Gone,
    Deleted,
    /// Left as it is, because the source has it again.
    Kept,
    Failed(ObjectKey, Trouble),
}

impl Copy<'_> {
    /// Copies what is missing or differs, and remembers in `seen` what the source has.
    async fn first(&mut self, seen: &mut KeySpool) -> Result<()> {
        let (source, target, options) = (self.source.clone(), self.target.clone(), self.options);
        let there = target.as_ref().map_or_else(|| futures::stream::empty().boxed(), Depot::list);
        let steps = compare(source.list(), there).map(|step| {
            let step = step?;
            if let Step::Missing(key, _) | Step::Same(key, _) | Step::Differs(key, _) = step {
                seen.push(key)?;
            }
            Ok::<_, Error>(step)
        });
        let work = steps.map(|step| {
            let (source, target) = (source.clone(), target.clone());
            async move {
                Ok::<_, Error>(match (step?, target) {
                    (Step::Ignored(_) | Step::Remnant(_), _) => None,
                    (Step::Extra(key), _) => Some((key, Err(()))),
                    (Step::Missing(key, size) | Step::Differs(key, size), None) => Some((key, Ok(Done::Copied(size)))),
                    (Step::Missing(key, size) | Step::Differs(key, size), _) if options.dry_run => {
                        Some((key, Ok(Done::Copied(size))))
                    }
                    (Step::Missing(key, _) | Step::Differs(key, _), Some(target)) => {
                        Some((key, Ok(carried(&source, &target, key).await)))
                    }
                    (Step::Same(key, _), Some(target)) if options.checksum => {
                        Some((key, Ok(checked(&source, &target, key, options.dry_run).await)))
                    }
                    (Step::Same(key, _), _) => Some((key, Ok(Done::Unchanged))),
                })
            }
        });
        let mut work = std::pin::pin!(work.buffer_unordered(PARALLEL));
        while let Some(done) = work.try_next().await? {
            match done {
                None => self.result.ignored += 1,
                Some((_, Ok(done))) => {
                    self.result.files += 1;
                    self.tell(done)?;
                }
                // Whether it is deleted is decided at the end; a dry run ends here.
                Some((_, Err(()))) if options.dry_run && options.delete => self.result.deleted += 1,
                Some((_, Err(()))) if options.dry_run => self.result.extra += 1,
                Some((_, Err(()))) => {}
            }
        }
        Ok(())
    }

    /// Goes through both again: copies what came meanwhile, and deletes what the source does not have any more.
    async fn second(&mut self, seen: KeySpool) -> Result<()> {
        let (source, options) = (self.source.clone(), self.options);
        let Some(target) = self.target.clone() else { return Ok(()) };
        let mut seen = seen.read()?.peekable();
        let mut had = move |key: ObjectKey| -> Result<bool> {
            while let Some(next) = seen.next_if(|next| next.as_ref().is_ok_and(|next| *next < key)) {
                next?;
            }
            Ok(seen.peek().is_some_and(|next| next.as_ref().is_ok_and(|next| *next == key)))
        };
        let steps = compare(source.list(), target.list()).map(|step| {
            let step = step?;
            let had =
                if let Step::Missing(key, _) | Step::Same(key, _) | Step::Differs(key, _) | Step::Extra(key) = step {
                    had(key)?
                } else {
                    false
                };
            Ok::<_, Error>((step, had))
        });
        let work = steps.map(|step| {
            let (source, target) = (source.clone(), target.clone());
            async move {
                Ok::<_, Error>(match step? {
                    // One that failed in the first round is not tried again.
                    (Step::Missing(key, _) | Step::Differs(key, _), false) => {
                        (true, Some(carried(&source, &target, key).await))
                    }
                    (Step::Extra(key), had) if had || options.delete => {
                        (had, Some(removed(&source, &target, key, had).await))
                    }
                    (Step::Extra(_), _) => (false, None),
                    (Step::Remnant(path), _) if options.delete => {
                        // Whatever it held is copied under its name, or was deleted.
                        let _ = tokio::fs::remove_file(path).await;
                        (false, Some(Done::Kept))
                    }
                    _ => (false, Some(Done::Kept)),
                })
            }
        });
        let mut work = std::pin::pin!(work.buffer_unordered(PARALLEL));
        while let Some((is_new, done)) = work.try_next().await? {
            let Some(done) = done else {
                self.result.extra += 1;
                continue;
            };
            self.result.files += u64::from(is_new && !matches!(done, Done::Gone | Done::Deleted));
            if let Done::Gone = done {
                // It was counted as copied or found before.
                self.result.gone += 1;
                continue;
            }
            self.tell(done)?;
        }
        Ok(())
    }

    /// Counts what became of a file.
    ///
    /// # Errors
    /// The reason of a failure that would fail every other file too.
    fn tell(&mut self, done: Done) -> Result<()> {
        let result = &mut self.result;
        match done {
            Done::Copied(bytes) => {
                result.copied += 1;
                result.bytes += bytes;
            }
            Done::Unchanged => result.unchanged += 1,
            Done::Gone => result.gone += 1,
            Done::Deleted => result.deleted += 1,
            Done::Kept => return Ok(()),
            Done::Failed(key, Trouble { error, is_general }) => {
                self.in_a_row += 1;
                if is_general || self.in_a_row >= IN_A_ROW {
                    let text = format!(
                        "{}; {} files were copied, and running it again continues",
                        error.detail(),
                        result.copied
                    );
                    return Err(Error::unavailable(text, error));
                }
                result.failed += 1;
                if result.failures.len() < NAMED {
                    result.failures.push(FailedFile { file: key.to_string(), reason: error.detail().to_owned() });
                }
                return Ok(());
            }
        }
        self.in_a_row = 0;
        (self.progress)(FileProgress { done: self.result.files, total: self.total.max(self.result.files) });
        Ok(())
    }
}

/// Copies one file. What the source deletes meanwhile does not stay at the target.
async fn carried(source: &Depot, target: &Depot, key: ObjectKey) -> Done {
    match carry(source, target, key, None).await {
        Ok(Carried::Whole(digest)) => Done::Copied(digest.size),
        Ok(Carried::Gone) => Done::Gone,
        Err(trouble) => Done::Failed(key, trouble),
    }
}

/// Compares the contents of one file, and copies it when they differ.
async fn checked(source: &Depot, target: &Depot, key: ObjectKey, dry_run: bool) -> Done {
    match (source.digest(key).await, target.digest(key).await) {
        (Err(trouble), _) | (_, Err(trouble)) => Done::Failed(key, trouble),
        (Ok(one), Ok(other)) if one == other => Done::Unchanged,
        (Ok(Some(digest)), _) if dry_run => Done::Copied(digest.size),
        _ => carried(source, target, key).await,
    }
}

/// Deletes a file from the target, if the source lacks it.
async fn removed(source: &Depot, target: &Depot, key: ObjectKey, had: bool) -> Done {
    let removed = async {
        if !source.lacks(key).await? {
            return Ok(Done::Kept);
        }
        target.delete(key).await?;
        Ok(if had { Done::Gone } else { Done::Deleted })
    };
    removed.await.unwrap_or_else(|trouble| Done::Failed(key, trouble))
}

#[cfg(test)]
mod tests;
