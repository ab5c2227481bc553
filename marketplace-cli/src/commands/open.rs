//! Opens files in an external viewer, or saves them.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    process::Stdio,
};

use marketplace_core::{kyc::model::FileContent, platform::new_file::NewFile};

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    files::{is_stdout, private_temporary_folder},
};

/// The command that opens a file with the user's preferred program.
const DEFAULT_VIEWER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Saves to a new file that only its owner may read, or writes to stdout (`-`).
pub fn save(context: &Context, file: &FileContent, path: &Path) -> Outcome {
    if is_stdout(path) {
        return context.out.write(&file.bytes);
    }
    NewFile::write_whole(path, &file.bytes)?;
    context.out.note(&format!("{} ({}, {} bytes)", path.display(), file.media_type, file.bytes.len()));
    Ok(())
}

/// Shows a file in a viewer. The file is in a private folder meanwhile, and is removed afterwards, even after an
/// interruption: dropping the folder removes it.
pub async fn view(context: &Context, file: &FileContent, name: &str, viewer: Option<&str>) -> Outcome {
    let folder = private_temporary_folder("marketplace-")?;
    let path = folder.path().join(format!("{name}.{}", extension(&file.media_type)));
    let mut copy = tempfile::NamedTempFile::new_in(folder.path())?;
    copy.write_all(&file.bytes)?;
    copy.persist(&path).map_err(|error| error.error)?;

    let command = viewer.unwrap_or(DEFAULT_VIEWER);
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| Failure::usage("the viewer has no name", "give --viewer a command"))?;
    let status = tokio::process::Command::new(program)
        .args(words)
        .arg(&path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| {
            Failure::usage(
                format!("the viewer `{program}` cannot be started: {error}"),
                "name one with --viewer COMMAND, or save the file with --output FILE",
            )
        })?;
    if !status.success() {
        return Err(Failure::Other(anyhow::anyhow!("the viewer `{program}` ended with {status}")));
    }
    // The default opener passes the file to another program and exits at once: the file must outlive it.
    if viewer.is_none() && std::io::stdin().is_terminal() {
        context.out.note("Enter removes the file again");
        let pressed = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        pressed.await.map_err(|error| Failure::Other(error.into()))??;
    }
    Ok(())
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}
