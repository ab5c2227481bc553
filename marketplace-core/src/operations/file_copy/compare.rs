//! Going through two stores at once, in the order of their keys, and remembering keys outside memory.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::PathBuf,
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream, Peekable},
};

use crate::{
    base::error::{Error, Result},
    platform::files::{Entry, ObjectKey},
};

/// Age from which a file that was being written is a remnant of a program that ended.
const REMNANT: Duration = Duration::from_hours(1);

/// How one file of two stores compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The source has it, with this size, and the target does not.
    Missing(ObjectKey, u64),
    /// Both have it, with this size.
    Same(ObjectKey, u64),
    /// Both have it, the source with this size, the target with another.
    Differs(ObjectKey, u64),
    /// Only the target has it.
    Extra(ObjectKey),
    /// A file at the target that was being written when a program ended.
    Remnant(PathBuf),
    /// Something at the source that is no file of a marketplace.
    Ignored(String),
}

struct Side {
    entries: Peekable<BoxStream<'static, Result<Entry>>>,
    last: Option<ObjectKey>,
}

impl Side {
    fn new(entries: BoxStream<'static, Result<Entry>>) -> Self {
        Self { entries: entries.peekable(), last: None }
    }

    /// Returns the key of the next entry, if it is a file.
    async fn peek(&mut self) -> Option<(ObjectKey, u64)> {
        match std::pin::Pin::new(&mut self.entries).peek().await {
            Some(Ok(Entry::File(key, size))) => Some((*key, *size)),
            _ => None,
        }
    }

    async fn next(&mut self) -> Result<Option<Entry>> {
        let next = self.entries.next().await.transpose()?;
        if let Some(Entry::File(key, _)) = &next
            && self.last.replace(*key).is_some_and(|last| last >= *key)
        {
            return Err(Error::unavailable(
                "the store does not list its files in the order of their names, as S3 does",
                format!("{key} comes late"),
            ));
        }
        Ok(next)
    }

    /// Returns whether the next entry is something else than a file, or the error of the listing.
    async fn is_at_other(&mut self) -> bool {
        !matches!(std::pin::Pin::new(&mut self.entries).peek().await, None | Some(Ok(Entry::File(..))))
    }
}

/// Compares two listings, in the order of keys. Each is read as far as the other one is.
pub(crate) fn compare(
    source: BoxStream<'static, Result<Entry>>,
    target: BoxStream<'static, Result<Entry>>,
) -> impl Stream<Item = Result<Step>> {
    stream::try_unfold((Side::new(source), Side::new(target)), async |(mut source, mut target)| {
        let step = next(&mut source, &mut target).await?;
        Ok(step.map(|step| (step, (source, target))))
    })
}

async fn next(source: &mut Side, target: &mut Side) -> Result<Option<Step>> {
    loop {
        if source.is_at_other().await {
            match source.next().await? {
                Some(Entry::Other(name)) => return Ok(Some(Step::Ignored(name))),
                // What is being written will have its name later.
                _ => continue,
            }
        }
        if target.is_at_other().await {
            match target.next().await? {
                Some(Entry::Draft(path, age)) if age > REMNANT => return Ok(Some(Step::Remnant(path))),
                _ => continue,
            }
        }
        let step = match (source.peek().await, target.peek().await) {
            (Some((key, size)), there) if there.is_none_or(|(there, _)| key < there) => {
                source.next().await?;
                Step::Missing(key, size)
            }
            (Some((key, size)), Some((there, found))) if key == there => {
                source.next().await?;
                target.next().await?;
                if size == found { Step::Same(key, size) } else { Step::Differs(key, size) }
            }
            (_, Some((there, _))) => {
                target.next().await?;
                Step::Extra(there)
            }
            // The arms above take every file of the source.
            (_, None) => return Ok(None),
        };
        return Ok(Some(step));
    }
}

/// Keys in the order in which they were added, in an unnamed file.
#[derive(Debug)]
pub(crate) struct KeySpool {
    file: BufWriter<File>,
    len: u64,
}

fn unspooled(error: io::Error) -> Error {
    Error::unavailable(format!("the temporary folder cannot be used: {error}"), error)
}

impl KeySpool {
    /// Creates an empty one, in the system's temporary folder.
    pub fn new() -> Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile().map_err(unspooled)?), len: 0 })
    }

    /// Adds a key.
    pub fn push(&mut self, key: ObjectKey) -> Result<()> {
        self.len += 1;
        self.file.write_all(key.bytes()).map_err(unspooled)
    }

    /// Returns how many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns the keys.
    pub fn read(self) -> Result<impl Iterator<Item = Result<ObjectKey>> + Send + use<>> {
        let mut file = self.file.into_inner().map_err(|error| unspooled(error.into_error()))?;
        file.rewind().map_err(unspooled)?;
        let mut file = BufReader::new(file);
        Ok(std::iter::from_fn(move || {
            let mut key = [0; ObjectKey::SIZE];
            match file.read_exact(&mut key) {
                Ok(()) => Some(Ok(ObjectKey::of(key))),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                Err(error) => Some(Err(unspooled(error))),
            }
        }))
    }
}
