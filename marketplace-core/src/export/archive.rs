//! A ZIP archive that is streamed while it is written: nothing of it is kept, so its size is not bounded here.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use crate::base::error::{Error, Result};

/// Bytes that are compressed before what came of them is sent on.
const PIECE: usize = 64 * 1024;
/// How long a reader may leave a piece untaken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the archive's writer wrote and nobody has taken yet.
#[derive(Debug, Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Out {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive under way to its reader.
pub(super) struct Archive {
    zip: ZipWriter<StreamWriter<Out>>,
    out: Out,
    reader: mpsc::Sender<Result<Bytes>>,
    options: SimpleFileOptions,
}

impl Archive {
    /// Creates an empty archive for `reader`.
    pub fn new(reader: mpsc::Sender<Result<Bytes>>) -> Self {
        let out = Out::default();
        // Only its owner can read what is unpacked; and the same data gives the same archive, whatever the hour.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .unix_permissions(0o600);
        Self { zip: ZipWriter::new_stream(out.clone()), out, reader, options }
    }

    /// Adds a file of bytes.
    pub async fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.zip.start_file(name, self.options).map_err(Error::internal)?;
        for piece in bytes.chunks(PIECE) {
            self.write(piece).await?;
        }
        self.send().await
    }

    /// Adds a file of one JSON value.
    pub async fn json(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(value).map_err(Error::internal)?;
        self.file(name, &bytes).await
    }

    /// Begins a file of a JSON list, to which [`Archive::items`] adds.
    pub async fn begin_list(&mut self, name: &str) -> Result<List> {
        self.zip.start_file(name, self.options).map_err(Error::internal)?;
        self.write(b"[").await?;
        Ok(List { empty: true })
    }

    /// Adds items to a list.
    pub async fn items<T: Serialize>(&mut self, list: &mut List, items: impl IntoIterator<Item = T>) -> Result<()> {
        let mut text = Vec::new();
        for item in items {
            text.extend_from_slice(if list.empty { b"\n" } else { b",\n" });
            list.empty = false;
            serde_json::to_writer(&mut text, &item).map_err(Error::internal)?;
        }
        for piece in text.chunks(PIECE) {
            self.write(piece).await?;
        }
        Ok(())
    }

    /// Ends a list.
    pub async fn end_list(&mut self, list: List) -> Result<()> {
        self.write(if list.empty { b"]\n" } else { b"\n]\n" }).await?;
        self.send().await
    }

    /// Writes the central directory, without which no reader accepts the archive as complete.
    pub async fn finish(self) -> Result<()> {
        let Self { zip, out, reader, .. } = self;
        zip.finish().map_err(Error::internal)?;
        deliver(&reader, out.take()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.zip.write_all(bytes).map_err(Error::internal)?;
        if self.out.0.lock().unwrap_or_else(PoisonError::into_inner).len() >= PIECE {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<()> {
        deliver(&self.reader, self.out.take()).await
    }
}

/// A list that is being written.
pub(super) struct List {
    empty: bool,
}

async fn deliver(reader: &mpsc::Sender<Result<Bytes>>, bytes: Vec<u8>) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    match tokio::time::timeout(PATIENCE, reader.send(Ok(bytes.into()))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Error::unavailable("the reader of the export has gone away", "nobody took the next piece")),
    }
}
