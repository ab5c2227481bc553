//! Folders that are filled under another name, and get their own once they are whole.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::base::error::{Error, Result};

/// The file that is locked while a folder is being filled, and by which it is known as one.
const LOCK: &str = ".lock";

/// A folder that only its owner can enter. It is removed on drop, unless it was given its name; what a program left that
/// was killed is removed by the next one that fills the same.
#[derive(Debug)]
pub(crate) struct DraftFolder {
    path: PathBuf,
    /// Locked until the folder is finished or removed.
    _lock: File,
}

impl DraftFolder {
    /// Creates the folder `path`.
    ///
    /// # Errors
    /// `conflict` when another program fills it, or something else is there; `unavailable` when it cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| unusable(path, error);
        let held = |what: &str| {
            let text = format!("{} is there: {what}", path.display());
            Error::conflict(text, serde_json::json!({ "exists": path.display().to_string() }))
        };
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is =
                    |path: &Path, kind: fn(&fs::Metadata) -> bool| fs::symlink_metadata(path).is_ok_and(|at| kind(&at));
                if !is(path, fs::Metadata::is_dir) || !is(&path.join(LOCK), fs::Metadata::is_file) {
                    return Err(held("remove it, or name another place"));
                }
            }
            Err(error) => return Err(failed(error)),
        }
        let mut options = OpenOptions::new();
        let lock =
            options.write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held("another program is at work there")),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let draft = Self { path: path.to_owned(), _lock: lock };
        // What a program left that was killed.
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name() == LOCK {
                continue;
            }
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            let removed = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            removed.map_err(failed)?;
        }
        Ok(draft)
    }

    /// Returns where it is meanwhile.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the folder to the disk, and gives it its name.
    ///
    /// # Errors
    /// `conflict` when something is there by now.
    pub fn finish(self, to: &Path) -> Result<()> {
        let failed = |error: io::Error| unusable(to, error);
        sync(&self.path).map_err(failed)?;
        rename_new(&self.path, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => Error::conflict(
                format!("{} exists already, and nothing is ever replaced", to.display()),
                serde_json::json!({ "exists": to.display().to_string() }),
            ),
            _ => failed(error),
        })?;
        // Last: a program that is killed before leaves a folder that is known as a draft, or one that is whole.
        fs::remove_file(to.join(LOCK)).map_err(failed)?;
        sync(to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))).map_err(failed)
    }
}

impl Drop for DraftFolder {
    fn drop(&mut self) {
        // It no longer exists under this name if it was finished.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Writes the names in a folder to the disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(target_os = "linux")]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot; an empty folder would be replaced there.
        Err(rustix::io::Errno::INVAL) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

fn unusable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("the folder {} cannot be made: {error}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorCode;

    #[test]
    fn a_folder_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (folder.path().join("new.partial"), folder.path().join("new"));
        let draft = DraftFolder::create(&path).unwrap();
        fs::write(draft.path().join("half"), "half").unwrap();
        assert_eq!(DraftFolder::create(&path).unwrap_err().code(), ErrorCode::Conflict, "two at once");
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // What a program left that was killed.
        fs::create_dir(&path).unwrap();
        fs::write(path.join(LOCK), "").unwrap();
        fs::create_dir(path.join("files")).unwrap();
        fs::write(path.join("files/half"), "half").unwrap();
        let draft = DraftFolder::create(&path).unwrap();
        assert!(!path.join("files").exists());
        fs::write(path.join("whole"), "whole").unwrap();
        draft.finish(&to).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
        let draft = DraftFolder::create(&path).unwrap();
        assert_eq!(draft.finish(&to).unwrap_err().code(), ErrorCode::Conflict);
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
        // Somebody else's folder of that name.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mine"), "mine").unwrap();
        assert_eq!(DraftFolder::create(&path).unwrap_err().code(), ErrorCode::Conflict);
        assert!(path.join("mine").exists());
    }
}
