//! `marketplace jobs bundle`: what is known of a job, for a dispute.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
};

use marketplace_core::{
    error::{Error, ErrorCode},
    ids::JobId,
    messaging::model::{AccessReason, MessagesQuery, StaffMessage},
    page::{MAX_LIMIT, PageRequest},
    platform::new_file::NewFile,
    staff::{Connection, FileReason, ListJobHistory, ReadThread, ReadingQuery, ShowJob, ShowThread, ViewThreadFile},
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

/// Bytes that are copied at once.
const PIECE: usize = 64 * 1024;

/// Saves the archive to a new file that only its owner may read, or writes it to stdout (`-`). Reading the thread and each of
/// its files is on the audit log, with the reason.
pub(super) async fn run(context: &Context, id: &Ref<JobId>, reason: AccessReason, path: &Path) -> Outcome {
    require_place(path)?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    let job = api.call::<ShowJob>(id, (), ()).await?;
    let thread_id = job.job.thread_id;
    let thread = api.call::<ShowThread>(thread_id, (), ()).await?;
    let mut archive = Archive(ZipWriter::new(tempfile::tempfile()?));
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

    let mut files = 0;
    for message in &messages {
        files += archive.add_files(&api, message, reason, context).await?;
    }

    let mut whole = archive.finish()?;
    let mut piece = vec![0; PIECE];
    let mut to = if is_stdout(path) { None } else { Some(NewFile::create(path)?) };
    loop {
        let length = whole.read(&mut piece)?;
        let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        match &mut to {
            Some(file) => file.write(bytes)?,
            None => context.out.write(bytes)?,
        }
    }
    if let Some(file) = to {
        let (written, count) = (file.finish()?, messages.len());
        context.out.note(&format!("{} ({}, {count} messages, {files} files)", path.display(), size(written)));
    }
    Ok(())
}

/// An archive in a file that has no name, and goes with the program.
struct Archive(ZipWriter<File>);

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

    /// Adds the files of a message, under names of ours. Returns how many.
    async fn add_files(
        &mut self,
        api: &Connection,
        message: &StaffMessage,
        reason: AccessReason,
        context: &Context,
    ) -> Outcome<u64> {
        let mut added = 0;
        for file in &message.attachments {
            let found = api.call::<ViewThreadFile>((message.thread_id, file.id), FileReason { reason }, ()).await;
            let shown = match found {
                // Its sender was erased meanwhile.
                Err(error) if error.code() == ErrorCode::NotFound => {
                    context.out.note(&format!("the file {} of message {} is gone", file.id, message.seq));
                    continue;
                }
                found => found?,
            };
            let ending = match shown.media_type.as_str() {
                "image/jpeg" => "jpg",
                "image/png" => "png",
                "image/webp" => "webp",
                "application/pdf" => "pdf",
                _ => "bin",
            };
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            let name = format!("files/{:06}-{}.{ending}", message.seq, file.id);
            self.0.start_file(name, options).map_err(Error::internal)?;
            self.0.write_all(&shown.bytes)?;
            added += 1;
        }
        Ok(added)
    }

    fn finish(self) -> Outcome<File> {
        let mut whole = self.0.finish().map_err(Error::internal)?;
        whole.rewind()?;
        Ok(whole)
    }
}
