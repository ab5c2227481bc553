//! Checks that the keys on disk are those with which a database was written.
//!
//! The database names the files of its keys, with a fingerprint of each (`register`). A database that has
//! fingerprints, or any encrypted data, opens only with the keys that wrote it; new keys are created for a database
//! that has neither. A database from before fingerprints gets them once its keys have decrypted some of its data.

use std::{path::Path, sync::Arc};

use ring::hmac;

use crate::{
    auth::totp,
    base::{
        error::{Error, Result},
        ids::{AttachmentId, AttemptId, MailId, PhotoId, PictureId, UserId, WebhookId},
        random::Random,
        time::Timestamp,
    },
    platform::{
        db::{Conn, Db},
        files::{Owner, unwrap_key},
        keys::{Keys, MASTER, Rotation, foreign, missing, signing::Ring},
    },
};

/// How the keys of a folder and a database match, when they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The database was written without any key so far: any keys match, and missing ones are created when it is
    /// opened.
    Unused,
    /// The keys are those with which the database was written.
    Fit {
        /// Id of the master key.
        master: String,
        /// Id of the key that signs access tokens.
        signs: String,
    },
}

/// Fingerprint of a key with which a database was written.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow)]
pub(crate) struct Fingerprint {
    /// Name of its file in the folder of keys.
    pub file: String,
    /// Id of the key.
    pub key_id: String,
    /// MAC over both, under the master key.
    pub mac: Vec<u8>,
}

/// Returns how the keys in `dir` and a database match. Creates and changes nothing.
///
/// # Errors
/// `unavailable`, naming the file, when a key is missing, damaged, or another than the database was written with.
pub async fn check(db: &Db, dir: &Path) -> Result<KeyState> {
    let mut reader = db.read().await?;
    let mut conn = reader.conn();
    let known = known(&mut conn).await?;
    if !is_used(&mut conn, &known).await? {
        return Ok(KeyState::Unused);
    }
    let keys = fitting(&mut conn, &known, dir).await?;
    Ok(KeyState::Fit { master: keys.id(), signs: keys.signer()?.kid.clone() })
}

/// Opens the keys in `dir` for a database, creates them when it was never written with any, and registers them there.
///
/// # Errors
/// Those of [`check`].
pub(crate) async fn open(db: &Db, dir: &Path, random: &dyn Random, now: Timestamp) -> Result<Arc<Keys>> {
    let mut reader = db.read().await?;
    let mut conn = reader.conn();
    let before = known(&mut conn).await?;
    let keys = if is_used(&mut conn, &before).await? {
        fitting(&mut conn, &before, dir).await?
    } else if db.is_kept() {
        // Nothing is made for a database that is only read.
        Keys::read(dir)?
    } else {
        Keys::open(dir, random)?
    };
    drop(reader);
    if db.is_kept() {
        return Ok(Arc::new(keys));
    }
    // Usually there is nothing to write: then a read-only database can be opened as well.
    let wanted = fingerprints(&keys);
    if wanted.iter().any(|one| !before.contains(one)) {
        let after = db.write(move |conn| {
            Box::pin(async move {
                register(conn, &wanted, now).await?;
                known(conn).await
            })
        });
        // When two programs create keys of their own for a new database at the same time, only the first one's are
        // valid.
        require_fit(&after.await?, &keys)?;
    }
    Ok(Arc::new(keys))
}

/// Creates a new signing key in place of lost ones, for a database whose master key exists.
///
/// # Errors
/// Those of [`check`], as far as they are about the master key.
pub(crate) async fn replace_signing(db: &Db, dir: &Path) -> Result<(Arc<Keys>, Rotation)> {
    let mut reader = db.read().await?;
    let mut conn = reader.conn();
    let known = known(&mut conn).await?;
    let keys = Keys::read(dir)?;
    require_master(&mut conn, &known, &keys).await?;
    drop(reader);
    let last = known.iter().filter(|one| one.file != MASTER).map(|one| one.file.as_str()).max();
    let rotation = keys.signing.rotate(last)?;
    Ok((Arc::new(keys), rotation))
}

/// Stores the fingerprints that are new, inside the caller's transaction.
pub(crate) async fn register(conn: &mut Conn<'_>, wanted: &[Fingerprint], now: Timestamp) -> Result<()> {
    for one in wanted {
        q!(conn => exec,
            "INSERT INTO key_check (file, key_id, mac, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (file) DO NOTHING",
            &one.file, &one.key_id, &one.mac, now)?;
    }
    Ok(())
}

/// Deletes the fingerprints of signing keys that are not among `kept`, inside the caller's transaction.
pub(crate) async fn forget_others(conn: &mut Conn<'_>, kept: &[Fingerprint]) -> Result<()> {
    for one in known(conn).await?.iter().filter(|one| one.file != MASTER && !kept.contains(one)) {
        q!(conn => exec, "DELETE FROM key_check WHERE file = $1", &one.file)?;
    }
    Ok(())
}

/// Returns the fingerprints of keys, in the form that a database stores.
pub(crate) fn fingerprints(keys: &Keys) -> Vec<Fingerprint> {
    let master = Fingerprint::new(keys, MASTER, &keys.id());
    let signing = keys.signing.files().into_iter().map(|(file, id)| Fingerprint::new(keys, &file, &id));
    std::iter::once(master).chain(signing).collect()
}

/// Rejects keys in `dir` that do not match a database's fingerprints. Used for a backup of which only the fingerprints
/// can be read.
pub(crate) fn require_known(known: &[Fingerprint], dir: &Path) -> Result<()> {
    if known.is_empty() { Ok(()) } else { require_fit(known, &Keys::read(dir)?) }
}

impl Fingerprint {
    fn new(keys: &Keys, file: &str, key_id: &str) -> Self {
        let key = keys.mac_key(b"marketplace/key check/1");
        let mac = hmac::sign(&key, format!("{file}\n{key_id}").as_bytes()).as_ref().to_vec();
        Self { file: file.to_owned(), key_id: key_id.to_owned(), mac }
    }
}

/// Returns the files of signing keys that a database knows and that do not exist: what they signed is no longer valid.
pub(crate) async fn retired_and_missing(db: &Db, keys: &Keys) -> Result<Vec<String>> {
    let mut reader = db.read().await?;
    let known = known(&mut reader.conn()).await?;
    let present = keys.signing.files();
    let is_missing = |one: &Fingerprint| one.file != MASTER && !present.iter().any(|(file, _)| *file == one.file);
    Ok(known.into_iter().filter(is_missing).map(|one| one.file).collect())
}

/// Returns the fingerprints that a database stores.
pub(crate) async fn known(conn: &mut Conn<'_>) -> Result<Vec<Fingerprint>> {
    Ok(q!(conn => all Fingerprint, "SELECT file, key_id, mac FROM key_check ORDER BY file")?)
}

/// Returns whether a key was used for anything in the database.
async fn is_used(conn: &mut Conn<'_>, known: &[Fingerprint]) -> Result<bool> {
    Ok(!known.is_empty()
        || q!(conn => val bool,
            "SELECT EXISTS (SELECT 1 FROM totp) OR EXISTS (SELECT 1 FROM mail_outbox) OR EXISTS (SELECT 1 FROM audit_keys) OR EXISTS (SELECT 1 FROM webhooks) \
             OR EXISTS (SELECT 1 FROM kyc_attempts WHERE wrapped_key IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM attachments WHERE wrapped_key IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM pictures WHERE wrapped_key IS NOT NULL) OR EXISTS (SELECT 1 FROM service_photos)")?)
}

/// Reads the keys in `dir`, all of which must exist and match.
async fn fitting(conn: &mut Conn<'_>, known: &[Fingerprint], dir: &Path) -> Result<Keys> {
    let keys = Keys::read(dir)?;
    require_master(conn, known, &keys).await?;
    require_fit(known, &keys)?;
    Ok(keys)
}

/// Checks the master key: by its fingerprint, or, in a database that has none, by decrypting some of its data.
async fn require_master(conn: &mut Conn<'_>, known: &[Fingerprint], keys: &Keys) -> Result<()> {
    if known.iter().any(|one| one.file == MASTER) {
        return require_master_fit(known, keys);
    }
    if opens_something(conn, keys).await? {
        return Ok(());
    }
    let detail = format!(
        "{} opens nothing of what is encrypted in this database: it is another one's key; restore the right one from a backup",
        keys.dir.join(MASTER).display()
    );
    Err(Error::unavailable(detail, "a foreign master key"))
}

/// Rejects a master key that does not match a database's fingerprints, when there are any.
pub(crate) fn require_master_fit(known: &[Fingerprint], keys: &Keys) -> Result<()> {
    let (mine, path) = (Fingerprint::new(keys, MASTER, &keys.id()), keys.dir.join(MASTER));
    match known.iter().find(|one| one.file == MASTER) {
        Some(one) if one.key_id != mine.key_id => Err(foreign(&path, &one.key_id, &mine.key_id)),
        Some(one) if one.mac != mine.mac => {
            let detail = format!("the fingerprint of {} in the database (key_check) was altered", path.display());
            Err(Error::unavailable(detail, "a fingerprint does not verify"))
        }
        _ => Ok(()),
    }
}

/// Checks the master key, and the newest of the signing keys, because other servers sign with that one.
fn require_fit(known: &[Fingerprint], keys: &Keys) -> Result<()> {
    require_master_fit(known, keys)?;
    let present = keys.signing.files();
    // A fingerprint that does not verify was not written by this program, and is ignored.
    let ours = known.iter().filter(|one| one.file != MASTER && **one == Fingerprint::new(keys, &one.file, &one.key_id));
    for one in ours.clone() {
        // This includes keys that only verify.
        if let Some((_, other)) = present.iter().find(|(file, id)| *file == one.file && *id != one.key_id) {
            return Err(foreign(&keys.dir.join(&one.file), &one.key_id, other));
        }
    }
    let Some(newest) = ours.max_by(|one, other| one.file.cmp(&other.file)) else {
        // The database is from before fingerprints: there was one signing key.
        return if present.is_empty() { Err(missing(&keys.dir.join(Ring::FIRST))) } else { Ok(()) };
    };
    if present.iter().any(|(_, id)| *id == newest.key_id) {
        return Ok(());
    }
    Err(missing(&keys.dir.join(&newest.file)))
}

/// Returns whether the master key decrypts one of the newest values of any encrypted kind. One is enough: single rows
/// may be damaged.
async fn opens_something(conn: &mut Conn<'_>, keys: &Keys) -> Result<bool> {
    let master = keys.master();
    let secrets = q!(conn => all (UserId, Vec<u8>), "SELECT user_id, sealed FROM totp ORDER BY user_id DESC LIMIT 20")?;
    let mails = q!(conn => all (MailId, Vec<u8>), "SELECT id, sealed FROM mail_outbox ORDER BY id DESC LIMIT 20")?;
    let webhooks = q!(conn => all (WebhookId, Vec<u8>), "SELECT id, sealed FROM webhooks ORDER BY id DESC LIMIT 20")?;
    let attempts = q!(conn => all (AttemptId, Vec<u8>),
        "SELECT id, wrapped_key FROM kyc_attempts WHERE wrapped_key IS NOT NULL ORDER BY id DESC LIMIT 20")?;
    let attachments = q!(conn => all (AttachmentId, Vec<u8>),
        "SELECT id, wrapped_key FROM attachments WHERE wrapped_key IS NOT NULL ORDER BY id DESC LIMIT 20")?;
    let pictures = q!(conn => all (PictureId, Vec<u8>),
        "SELECT id, wrapped_key FROM pictures WHERE wrapped_key IS NOT NULL ORDER BY id DESC LIMIT 20")?;
    let photos =
        q!(conn => all (PhotoId, Vec<u8>), "SELECT id, wrapped_key FROM service_photos ORDER BY id DESC LIMIT 20")?;
    Ok(secrets.iter().any(|(user, sealed)| keys.open_sealed(&totp::context(*user), sealed).is_ok())
        || mails.iter().any(|(id, sealed)| keys.open_sealed(id.0.as_bytes(), sealed).is_ok())
        || webhooks
            .iter()
            .any(|(id, sealed)| keys.open_sealed(&crate::records::webhooks::context(*id), sealed).is_ok())
        || attempts.iter().any(|(id, wrapped)| unwrap_key(master, Owner::Attempt(*id), wrapped).is_ok())
        || attachments.iter().any(|(id, wrapped)| unwrap_key(master, Owner::Attachment(*id), wrapped).is_ok())
        || pictures.iter().any(|(id, wrapped)| unwrap_key(master, Owner::Picture(*id), wrapped).is_ok())
        || photos.iter().any(|(id, wrapped)| unwrap_key(master, Owner::Photo(*id), wrapped).is_ok())
        || crate::records::audit::is_begun_by(conn, keys).await?)
}

#[cfg(test)]
mod tests;
