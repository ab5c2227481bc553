//! Audit records of what an operator does to a whole database; this needs only the keys.

use std::{path::Path, sync::Arc};

use crate::{
    actor::Actor,
    base::{
        error::Result,
        random::OsRandom,
        time::{Clock, SystemClock},
    },
    operations::key_check,
    platform::{db::Db, keys::Keys},
    records::{
        audit::{self, Adopt, AuditAction, Entry},
        target::TargetKind,
    },
};

/// Opens the keys in `dir` for a database that is open, as the marketplace does.
pub(crate) async fn open_keys(db: &Db, dir: &Path, adopt: Adopt) -> Result<Arc<Keys>> {
    let now = SystemClock.now();
    let keys = key_check::open(db, dir, &OsRandom, now).await?;
    audit::begin(db, &keys, now, adopt).await?;
    Ok(keys)
}

/// Appends to the audit log what is done to the database.
pub(crate) async fn record(
    db: &Db,
    keys: &Arc<Keys>,
    actor: &Actor,
    action: AuditAction,
    metadata: serde_json::Value,
) -> Result<()> {
    let (keys, actor) = (Arc::clone(keys), actor.clone());
    let entry = Entry { action, target_kind: TargetKind::Database, target: "database".into(), reason: None, metadata };
    let now = SystemClock.now();
    db.write(move |conn| Box::pin(async move { audit::append_sealed(&keys, conn, now, &actor, vec![entry]).await }))
        .await
}

/// Returns the name of a file without its folder, for the audit log.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
