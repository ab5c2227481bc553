//! Files that only their owner may read, written completely or not at all.
//!
//! What somebody names as the place for a result is a [`NewFile`](marketplace_core::platform::new_file::NewFile): it is
//! created, and never replaces anything. The program's own files are replaced by [`write_private`].

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use marketplace_core::platform::new_file::require_free;

use crate::failure::{Failure, Outcome};

/// Returns whether a place for a result is stdout: `-`.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Checks the place for a result that is no text: a new file, or stdout (`-`) unless it is a terminal. Call it before any
/// work is done.
///
/// # Errors
/// `conflict` when there is anything at the path already; see
/// [`require_free`].
pub fn require_place(path: &Path) -> Outcome {
    if !is_stdout(path) {
        return Ok(require_free(path)?);
    }
    if std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "this is no text for a terminal",
            "send stdout to a file or a program, or name a file",
        ));
    }
    Ok(())
}

/// Writes a file that only its owner may read (0600). The write is atomic: a reader sees the old content or the new.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a link leads to is replaced, and not the link: settings are often kept elsewhere.
    let led_to = path.canonicalize();
    let path = led_to.as_deref().unwrap_or(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private_folder(folder)?;
    // Temporary files are created with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Creates a folder, and its missing parents, that only the owner may enter (0700). An existing one is left unchanged.
pub fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a temporary folder that only the owner may enter (0700); it is removed when the returned value is dropped.
pub fn private_temporary_folder(prefix: &str) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn private_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/secret");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_private(&link, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let folder = private_temporary_folder("marketplace-test-").unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
