//! Files that somebody names as the place for a result. They are created; whatever is there already stays as it is: a file,
//! a folder, a link, a device.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::base::error::{Error, ErrorCode, Result};

/// A new file that only its owner can read (0600). It has its name only once it is complete; it is deleted on drop before
/// that.
#[derive(Debug)]
pub struct NewFile {
    draft: PathBuf,
    path: PathBuf,
    file: File,
}

/// Checks that a file can be created at `path`: nothing is there, and its folder is. Call it before the work.
///
/// # Errors
/// Those of [`NewFile::create`].
pub fn require_free(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => return Err(exists(path)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(error) => return Err(unusable(path, error)),
    }
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        let error = Error::invalid("/file", format!("must be the name of a file, and {} is not", path.display()));
        return Err(about(path, error));
    }
    if folder(path).is_dir() {
        return Ok(());
    }
    let missing = format!("there is no folder {}, and none is made; name another place", folder(path).display());
    Err(about(path, Error::new(ErrorCode::NotFound, missing)))
}

impl NewFile {
    /// Begins a file in the folder of `path`.
    ///
    /// # Errors
    /// `conflict` when anything is at `path`, a dangling link too; `not_found` without its folder; `invalid` when it names no
    /// file; `unavailable` when the folder cannot be used.
    pub fn create(path: &Path) -> Result<Self> {
        require_free(path)?;
        for number in 0_u32.. {
            let draft = with_suffix(path, &format!(".{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft) {
                Ok(file) => return Ok(Self { draft, path: path.to_owned(), file }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unusable(path, error)),
            }
        }
        Err(unusable(path, io::ErrorKind::AlreadyExists.into()))
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// Those of [`NewFile::create`] and [`NewFile::finish`].
    pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<u64> {
        let mut new = Self::create(path)?;
        new.write(bytes)?;
        new.finish()
    }

    /// Appends to the file.
    ///
    /// # Errors
    /// `unavailable` when it cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| unusable(&self.path, error))
    }

    /// Keeps the first `length` bytes of what will not be complete, and returns where they are.
    pub fn keep(mut self, length: u64) -> PathBuf {
        // What cannot be cut is kept as it is.
        let _ = self.file.set_len(length);
        std::mem::take(&mut self.draft)
    }

    /// Returns the path under which the file is while it is not complete.
    pub(crate) fn draft(&self) -> &Path {
        &self.draft
    }

    /// Makes the file durable, and gives it its name. Returns its size in bytes.
    ///
    /// # Errors
    /// `conflict` when something is at its path by now; `unavailable` when it cannot be written.
    pub fn finish(self) -> Result<u64> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => unusable(&self.path, error),
        };
        // Opened anew: another program may have written the draft.
        let bytes = File::open(&self.draft).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
        let bytes = bytes.map_err(failed)?.len();
        match fs::hard_link(&self.draft, &self.path) {
            // File systems without links.
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
                copy_new(&self.draft, &self.path).map_err(failed)?;
            }
            linked => linked.map_err(failed)?,
        }
        File::open(folder(&self.path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(bytes)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.draft.as_os_str().is_empty() {
            return;
        }
        let _ = fs::remove_file(&self.draft);
    }
}

fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut copy)).and_then(|_| copy.sync_all());
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn exists(path: &Path) -> Error {
    Error::conflict(
        format!("{} exists already, and nothing is ever replaced", path.display()),
        serde_json::json!({ "exists": path.display().to_string() }),
    )
}

fn unusable(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let folder = folder(path).display();
        let text = format!(
            "{} cannot be written: this user may not write into the folder {folder}; name a file in another one",
            path.display()
        );
        return about(path, Error::unavailable(text, error));
    }
    about(path, Error::unavailable(format!("{} cannot be written: {error}", path.display()), error))
}

/// Returns an error that says that it is about the place for a result.
fn about(path: &Path, error: Error) -> Error {
    error.with_current(Some(serde_json::json!({ "file": path.display().to_string() })))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn whatever_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "mine").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for name in ["file", "folder", "link", "dangling", "socket"] {
            let error = NewFile::write_whole(&at(name), b"new").unwrap_err();
            assert_eq!(error.code(), ErrorCode::Conflict, "{name}");
        }
        assert_eq!(NewFile::write_whole(Path::new("/dev/null"), b"new").unwrap_err().code(), ErrorCode::Conflict);
        assert_eq!(fs::read(at("file")).unwrap(), b"mine");
        assert!(!at("nowhere").exists());
        for (path, code) in
            [("no/such/file", ErrorCode::NotFound), ("file/x", ErrorCode::NotFound), ("new/", ErrorCode::Invalid)]
        {
            let error = NewFile::write_whole(&at(path), b"new").unwrap_err();
            assert_eq!(error.code(), code, "{path}: {error}");
        }
        assert!(!at("no").exists(), "no folder is made");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let mut new = NewFile::create(&path).unwrap();
        new.write(b"half").unwrap();
        assert!(!path.exists());
        drop(new);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut new = NewFile::create(&path).unwrap();
        new.write(b"whole, ha").unwrap();
        let kept = new.keep(5);
        assert_eq!((fs::read(&kept).unwrap(), path.exists()), (b"whole".to_vec(), false));
        fs::remove_file(kept).unwrap();
        let mut late = NewFile::create(&path).unwrap();
        late.write(b"late").unwrap();
        assert_eq!(NewFile::write_whole(&path, b"first").unwrap(), 5);
        assert_eq!(late.finish().unwrap_err().code(), ErrorCode::Conflict);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
