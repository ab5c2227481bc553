//! Checks whether files of identity checks can be opened, for operators. They are shown to nobody.

use super::review;
use crate::{
    app::App,
    base::{error::Result, ids::AttemptId},
    kyc::store,
};

/// Reads and decrypts the newest stored file, and returns whose attempt's it is; none when there is no file.
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
