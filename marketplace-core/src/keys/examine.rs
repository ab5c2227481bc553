//! Whether the keys on disk are there, are their owner's only, and are those of a database.

use std::path::Path;

use super::{Keys, MASTER};
use crate::{
    config::Config,
    db::{Conn, Db},
    doctor::{Finding, open_to_others},
    error::Result,
    kyc,
};

const NAME: &str = "keys";

/// Whether there are keys in a folder; looking makes none.
fn are_there(dir: &Path) -> bool {
    let signs = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("jwt-");
    dir.join(MASTER).exists()
        && std::fs::read_dir(dir).is_ok_and(|files| files.flatten().any(|file| signs(&file.file_name())))
}

/// Looks at the keys of a marketplace, and makes none. Answers also whether they can be used.
pub(crate) async fn examine(config: &Config, db: &Db) -> (Vec<Finding>, bool) {
    let dir = config.keys_dir();
    if !are_there(&dir) {
        let missing = match sealed_rows(db).await {
            Ok(false) => Finding::ok(NAME, format!("{} is made on first use", dir.display())),
            Ok(true) => Finding::failed(
                NAME,
                format!(
                    "the keys in {} are missing, and the database has what they encrypted; restore them from a backup, or set keys_dir",
                    dir.display()
                ),
            ),
            Err(error) => Finding::error(NAME, &error),
        };
        return (vec![missing], false);
    }
    let paths = match std::fs::read_dir(&dir) {
        Ok(files) => files.flatten().map(|file| file.path()).chain([dir.clone()]),
        Err(error) => {
            return (vec![Finding::failed(NAME, format!("{} cannot be read: {error}", dir.display()))], false);
        }
    };
    let mut found: Vec<Finding> = paths
        .filter_map(|path| {
            let mode = open_to_others(&path)?;
            let right = if path.is_dir() { "700" } else { "600" };
            Some(Finding::failed(NAME, format!("{} is open to others ({mode:o}): chmod {right} it", path.display())))
        })
        .take(1)
        .collect();
    let fit = belongs(&dir, db).await;
    match &fit {
        Ok(()) if found.is_empty() => found.push(Finding::ok(NAME, format!("{} is its owner's only", dir.display()))),
        Ok(()) => {}
        Err(error) => found.push(Finding::error(NAME, error)),
    }
    (found, fit.is_ok())
}

/// Whether these keys open what the database has.
async fn belongs(dir: &Path, db: &Db) -> Result<()> {
    let keys = Keys::open(dir, &crate::random::OsRandom)?;
    let mut reader = db.read().await?;
    kyc::check_master_key(&mut reader.conn(), keys.master(), dir).await
}

/// Whether the database has anything that only its keys open.
async fn sealed_rows(db: &Db) -> Result<bool> {
    let mut reader = db.read().await?;
    let conn: &mut Conn<'_> = &mut reader.conn();
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM kyc_attempts WHERE wrapped_key IS NOT NULL) OR EXISTS (SELECT 1 FROM mail_outbox)")?)
}
