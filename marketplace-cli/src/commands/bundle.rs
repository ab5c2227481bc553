//! `marketplace jobs bundle`: what is known of a job, for a dispute.

use std::{
    io::{Cursor, Write},
    path::Path,
};

use marketplace_core::{
    error::Error,
    ids::JobId,
    messaging::model::{AccessReason, MessagesQuery},
    page::{MAX_LIMIT, PageRequest},
    platform::new_file::NewFile,
    staff::{ListJobHistory, ReadThread, ReadingQuery, ShowJob, ShowThread},
};
use serde::Serialize;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    files::{is_stdout, require_place},
    find::Ref,
    output::size,
};

/// Saves the archive to a new file that only its owner may read, or writes it to stdout (`-`). Reading the thread is on the
/// audit log, with the reason.
pub(super) async fn run(context: &Context, id: &Ref<JobId>, reason: AccessReason, path: &Path) -> Outcome {
    require_place(path)?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    let job = api.call::<ShowJob>(id, (), ()).await?;
    let thread_id = job.job.thread_id;
    let thread = api.call::<ShowThread>(thread_id, (), ()).await?;
    let mut archive = Archive::default();
    archive.add("job.json", &[&job], true)?;
    archive.add("thread.json", &[&thread], true)?;

    let (mut history, mut page) = (Vec::new(), PageRequest::first(MAX_LIMIT));
    loop {
        let answer = api.call::<ListJobHistory>(id, page.clone(), ()).await?;
        history.extend(answer.items);
        match answer.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    archive.add("history.jsonl", &history.iter().collect::<Vec<_>>(), false)?;

    let (mut messages, mut last) = (Vec::new(), 0);
    loop {
        let query = MessagesQuery { after_seq: Some(last), before_seq: None, limit: Some(MAX_LIMIT) };
        let answer = api.call::<ReadThread>(thread_id, ReadingQuery::new(reason, query), ()).await?;
        last = answer.items.last().map_or(last, |message| message.seq);
        let is_over = !answer.more_after || answer.items.is_empty();
        messages.extend(answer.items);
        if is_over {
            break;
        }
    }
    archive.add("messages.jsonl", &messages.iter().collect::<Vec<_>>(), false)?;

    let bytes = archive.finish()?;
    if is_stdout(path) {
        return context.out.write(&bytes);
    }
    let written = NewFile::write_whole(path, &bytes)?;
    context.out.note(&format!("{} ({}, {} messages)", path.display(), size(written), messages.len()));
    Ok(())
}

struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Default for Archive {
    fn default() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }
}

impl Archive {
    /// Adds a file of values, one a line unless they are laid out.
    fn add<T: Serialize>(&mut self, name: &str, values: &[&T], is_pretty: bool) -> Outcome {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.0.start_file(name, options).map_err(Error::internal)?;
        for value in values {
            let text = if is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            let text = text.map_err(|error| Failure::Other(error.into()))?;
            self.0.write_all(text.as_bytes())?;
            self.0.write_all(b"\n")?;
        }
        Ok(())
    }

    fn finish(self) -> Outcome<Vec<u8>> {
        Ok(self.0.finish().map_err(Error::internal)?.into_inner())
    }
}
