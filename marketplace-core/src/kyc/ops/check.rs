//! Whether files of identity checks open, for whoever looks after the machine. They are shown to nobody.

use std::path::Path;

use super::review;
use crate::{
    app::App,
    db::Conn,
    error::{Error, Result},
    ids::AttemptId,
    kyc::{files, store},
};

/// Reads and decrypts the newest stored file, and answers whose attempt's it is; none when there is no file.
///
/// # Errors
/// `internal` when it is missing, was altered, or does not open with this key; `unavailable` without the store.
pub(crate) async fn open_newest_file(app: &App) -> Result<Option<AttemptId>> {
    let mut reader = app.db.read().await?;
    let newest = store::newest_file(&mut reader.conn()).await?;
    drop(reader);
    let Some((id, kind, mut stored)) = newest else { return Ok(None) };
    let wrapped_key = stored.wrapped_key.take().unwrap_or_default();
    review::open(app, id, kind, stored, &wrapped_key).await?;
    Ok(Some(id))
}

/// Refuses a master key that does not open the newest key that it should have encrypted.
pub(crate) async fn check_master_key(conn: &mut Conn<'_>, master: &[u8; 32], keys_dir: &Path) -> Result<()> {
    let Some((id, wrapped_key)) = store::newest_key(conn).await? else { return Ok(()) };
    files::unwrap_key(master, id, &wrapped_key).map(drop).map_err(|error| {
        let text = format!(
            "the keys in {} are not those of this database; set keys_dir, or restore them from a backup",
            keys_dir.display()
        );
        Error::unavailable(text, error)
    })
}
