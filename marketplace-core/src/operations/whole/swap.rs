//! Exchanging what is in a folder, so that it can be undone.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::base::error::{Error, Result};

/// An exchange that is undone on drop, unless it was kept.
#[derive(Debug, Default)]
pub(super) struct Swap {
    /// What was renamed, in order: from, to.
    renamed: Vec<(PathBuf, PathBuf)>,
    /// Where what was there is kept now; for each folder.
    kept: Vec<PathBuf>,
}

impl Swap {
    /// Puts the `names` in `staged` into the folder `into`. What was there under one of `all` names is kept in the
    /// subfolder `before-restore-N`; empty folders are not.
    ///
    /// # Errors
    /// `unavailable` when something cannot be renamed.
    pub fn exchange(&mut self, staged: &Path, into: &Path, names: &[String], all: &[String]) -> Result<()> {
        let mut kept = None;
        for name in all {
            let path = into.join(name);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() && fs::remove_dir(&path).is_ok() => continue,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&path, error)),
            }
            let aside = match &kept {
                Some(aside) => aside,
                None => kept.insert(new_folder(into)?),
            };
            self.rename(path, aside.join(name))?;
        }
        self.kept.extend(kept);
        for name in names {
            self.rename(staged.join(name), into.join(name))?;
        }
        Ok(())
    }

    fn rename(&mut self, from: PathBuf, to: PathBuf) -> Result<()> {
        fs::rename(&from, &to).map_err(|error| failed(&from, error))?;
        self.renamed.push((from, to));
        Ok(())
    }

    /// Keeps what was exchanged. Returns the folders in which what was there is kept.
    pub fn keep(mut self) -> Vec<PathBuf> {
        self.renamed.clear();
        for path in &self.kept {
            // Durable, as far as the system allows; the files themselves are.
            let _ = path.parent().map(|folder| fs::File::open(folder).and_then(|folder| folder.sync_all()));
        }
        std::mem::take(&mut self.kept)
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        for (from, to) in self.renamed.drain(..).rev() {
            if let Err(error) = fs::rename(&to, &from) {
                tracing::error!(path = %to.display(), %error, "what was exchanged cannot be put back");
            }
        }
        for folder in self.kept.drain(..) {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Creates the first of the folders `before-restore-N` that is free.
fn new_folder(into: &Path) -> Result<PathBuf> {
    for number in 1_u32.. {
        let path = into.join(format!("before-restore-{number}"));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Err(Error::internal("no name is free"))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("{} cannot be put aside or exchanged: {error}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_undone_or_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (staged, into) = (folder.path().join("staged"), folder.path().join("into"));
        let names = ["a".to_owned(), "b".to_owned()];
        for (path, text) in [("staged/a", "new"), ("into/a", "old"), ("into/b", "old"), ("into/c", "other")] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let text = |path: &str| fs::read_to_string(folder.path().join(path)).ok();
        let mut swap = Swap::default();
        swap.exchange(&staged, &into, &names[..1], &names).unwrap();
        assert_eq!((text("into/a").as_deref(), text("into/b")), (Some("new"), None));
        drop(swap);
        assert_eq!((text("into/a").as_deref(), text("into/b").as_deref()), (Some("old"), Some("old")));
        assert_eq!(fs::read_dir(&into).unwrap().count(), 3);
        let mut swap = Swap::default();
        swap.exchange(&staged, &into, &names[..1], &names).unwrap();
        assert_eq!(swap.keep(), [into.join("before-restore-1")]);
        assert_eq!((text("into/a").as_deref(), text("into/before-restore-1/b").as_deref()), (Some("new"), Some("old")));
        assert_eq!(text("into/c").as_deref(), Some("other"));
    }
}
