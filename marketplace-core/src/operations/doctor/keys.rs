//! Checks that the keys on disk exist, that only their owner has access, and that they are those of a database.

use std::path::Path;

use crate::{
    base::random::OsRandom,
    operations::{
        doctor::finding::{Finding, open_to_others},
        key_check::{KeyState, check, retired_and_missing},
    },
    platform::{config::Config, db::Db, keys::Keys},
};

const NAME: &str = "keys";

/// Checks the keys of a marketplace, and creates none. Also returns them if the database was written with them.
pub(crate) async fn examine(config: &Config, db: &Db) -> (Vec<Finding>, Option<Keys>) {
    let dir = config.keys_dir();
    match check(db, &dir).await {
        Err(error) => return (vec![Finding::error(NAME, &error)], None),
        Ok(KeyState::Unused) => {
            let detail =
                format!("nothing was written with keys so far; those in {} are made on first use", dir.display());
            return (vec![Finding::ok(NAME, detail)], None);
        }
        Ok(KeyState::Fit { .. }) => {}
    }
    let keys = match Keys::open(&dir, &OsRandom) {
        Ok(keys) => keys,
        Err(error) => return (vec![Finding::error(NAME, &error)], None),
    };
    let mut found = vec![permissions(&dir)];
    match retired_and_missing(db, &keys).await {
        Ok(files) if files.is_empty() => {}
        Ok(files) => {
            let files = files.join(", ");
            let detail = format!("{files} in {} is missing; what it signed is not valid any more", dir.display());
            found.push(Finding::warning(NAME, detail));
        }
        Err(error) => found.push(Finding::error(NAME, &error)),
    }
    (found, Some(keys))
}

/// Checks that only their owner may read them.
fn permissions(dir: &Path) -> Finding {
    let paths = match std::fs::read_dir(dir) {
        Ok(files) => files.flatten().map(|file| file.path()).chain([dir.to_owned()]),
        Err(error) => return Finding::failed(NAME, format!("{} cannot be read: {error}", dir.display())),
    };
    let open = paths.into_iter().find_map(|path| Some((open_to_others(&path)?, path)));
    match open {
        Some((mode, path)) => {
            let right = if path.is_dir() { "700" } else { "600" };
            Finding::failed(NAME, format!("{} is open to others ({mode:o}): chmod {right} it", path.display()))
        }
        None => Finding::ok(NAME, format!("{} is its owner's only, and fits the database", dir.display())),
    }
}
