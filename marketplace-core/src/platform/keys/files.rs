//! Key files.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use crate::base::{error::Error, random};

pub(super) fn damaged(path: &Path) -> Error {
    Error::unavailable(
        format!("the key {} is damaged; restore it from a backup", path.display()),
        "a key file does not parse",
    )
}

/// Reads a file, creating it if it is missing. Of two programs that start at once, one creates it and both read it.
pub(super) fn read_or_make(path: &Path, make: impl FnOnce() -> String) -> std::io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        answer => return answer,
    }
    // A random name, not the process id: programs in containers share the same ids.
    let draft = path.with_extension(format!("{}.tmp", hex::encode(random::bytes::<8>(&random::OsRandom))));
    let linked = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(make().as_bytes())?;
        file.sync_all()?;
        fs::hard_link(&draft, path)
    });
    // Also when the disk was full: a partial key is useless.
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed?,
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    fs::read_to_string(path)
}
