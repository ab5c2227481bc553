//! `marketplace users export`: writes the archive completely or not at all.

use marketplace_core::staff::ExportUser;
use std::{
    io::{IsTerminal, Write},
    path::Path,
};

use anyhow::Context as _;
use futures::StreamExt;
use marketplace_core::{export::Export, ids::UserId};

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::size,
};

/// Saves a user's data to a new file that only its owner may read, or writes it to stdout (`-`).
pub(super) async fn run(context: &Context, id: UserId, path: &Path) -> Outcome {
    if path == Path::new("-") {
        if std::io::stdout().is_terminal() {
            return Err(Failure::usage("an archive is no text for a terminal", "send stdout to a file, or name one"));
        }
        let mut export = context.connect().await?.call::<ExportUser>(id, (), ()).await?;
        while let Some(piece) = export.body.next().await {
            context.out.write(&piece?)?;
        }
        return Ok(());
    }
    if path.exists() {
        let hint = "name another file, or remove it first";
        return Err(Failure::usage(format!("{} is there already", path.display()), hint));
    }
    let export = context.connect().await?.call::<ExportUser>(id, (), ()).await?;
    let written = save(export, path).await?;
    context.out.note(&format!("{} ({})", path.display(), size(written)));
    Ok(())
}

/// Writes to a temporary file in the same folder first, so that an interrupted export leaves nothing. Temporary files
/// are created with mode 0600.
async fn save(mut export: Export, path: &Path) -> Outcome<u64> {
    let cannot = || format!("{} cannot be written", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    let mut written = 0;
    while let Some(piece) = export.body.next().await {
        let piece = piece?;
        file.write_all(&piece).with_context(cannot)?;
        written += piece.len() as u64;
    }
    file.as_file().sync_all().with_context(cannot)?;
    file.persist_noclobber(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(written)
}
