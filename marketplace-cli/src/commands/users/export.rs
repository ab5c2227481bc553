//! `marketplace users export`: writes the archive completely or not at all.

use marketplace_core::staff::{ExportUser, WhyQuery};
use std::path::Path;

use futures::StreamExt;
use marketplace_core::{export::Export, ids::UserId, platform::new_file::NewFile};

use crate::{
    context::Context,
    failure::Outcome,
    files::{is_stdout, require_place},
    find::Ref,
    output::size,
};

/// Saves a user's data to a new file that only its owner may read, or writes it to stdout (`-`).
pub(super) async fn run(context: &Context, id: &Ref<UserId>, why: WhyQuery, path: &Path) -> Outcome {
    require_place(path)?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    if is_stdout(path) {
        let mut export = api.call::<ExportUser>(id, why, ()).await?;
        while let Some(piece) = export.body.next().await {
            context.out.write(&piece?)?;
        }
        return Ok(());
    }
    let export = api.call::<ExportUser>(id, why, ()).await?;
    let written = save(export, path).await?;
    context.out.note(&format!("{} ({})", path.display(), size(written)));
    Ok(())
}

/// Writes the archive as it comes; an interrupted export leaves nothing.
async fn save(mut export: Export, path: &Path) -> Outcome<u64> {
    let mut file = NewFile::create(path)?;
    while let Some(piece) = export.body.next().await {
        file.write(&piece?)?;
    }
    Ok(file.finish()?)
}
