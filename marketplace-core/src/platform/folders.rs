//! Folders that belong to the marketplace.

use std::path::Path;

use crate::base::error::{Error, Result};

/// Creates a folder that only its owner can enter, with its parents; leaves an existing one as it is.
pub fn make_private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::unavailable(format!("the folder {} cannot be made: {error}", path.display()), error))
}
