//! All SQL queries for profiles.

use uuid::Uuid;

use super::model::{Blocked, ClientProfile, Picture, PublicClient, PublicWorker, WorkerProfile, small_picture};
use crate::{
    accounts::model::Status,
    base::{
        error::{Error, Result},
        ids::{PictureId, UserId},
        money::Money,
        page::TimeCursor,
        permission::Role,
        time::Timestamp,
    },
    platform::{db::Conn, files::Sealed},
    reviews::model::Rating,
};

/// Expands to the condition that the identity check of a row of `users` aliased `u` is approved and in effect at the
/// time `$n`, as [`crate::accounts::model::Account::visible_kyc`] defines it: a decision counts once it can no longer
/// be undone.
macro_rules! approved_in_effect {
    ($now:literal) => {
        concat!(
            "(CASE WHEN u.kyc_effective_at > ",
            $now,
            " THEN u.kyc_prior = 'approved' ELSE u.kyc_status = 'approved' AND (u.kyc_expires_at IS NULL OR u.kyc_expires_at > ",
            $now,
            ") END)"
        )
    };
}
pub(crate) use approved_in_effect;

/// Expands to the condition that a row of `users` aliased `u` is a worker whom the public sees at the time `$n`.
macro_rules! worker_is_public {
    ($now:literal) => {
        concat!("u.role = 'worker' AND u.status = 'active' AND ", $crate::profiles::approved_in_effect!($now))
    };
}
pub(crate) use worker_is_public;

/// Expands to the id of the picture of a row of `users` with this alias, if everybody sees it.
macro_rules! shown_picture {
    ($user:literal) => {
        concat!(
            "(SELECT x.id FROM pictures x WHERE x.user_id = ",
            $user,
            ".id AND ",
            $user,
            ".status = 'active' AND (",
            $user,
            ".role = 'client' OR ",
            $user,
            ".kyc_status = 'approved') ORDER BY x.created_at DESC LIMIT 1)"
        )
    };
}
pub(crate) use shown_picture;

/// Expands to the condition that one of two users has blocked the other.
macro_rules! one_blocks_the_other {
    ($a:literal, $b:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = ",
            $a,
            " AND b.blocked_id = ",
            $b,
            ") OR EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = ",
            $b,
            " AND b.blocked_id = ",
            $a,
            "))"
        )
    };
}
pub(crate) use one_blocks_the_other;

/// The columns of a profile's picture.
#[derive(sqlx_macros::FromRow)]
struct PictureColumns {
    picture_id: Option<PictureId>,
    picture_width: Option<i64>,
    picture_height: Option<i64>,
}

impl PictureColumns {
    fn picture(self) -> Option<Picture> {
        Some(Picture { id: self.picture_id?, width: self.picture_width?, height: self.picture_height? })
    }
}

#[derive(sqlx_macros::FromRow)]
struct ClientRow {
    about: String,
    location: String,
    version: i64,
    #[sqlx(flatten)]
    picture: PictureColumns,
}

#[derive(sqlx_macros::FromRow)]
struct WorkerRow {
    headline: String,
    about: String,
    location: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    rate_amount: Option<i64>,
    rate_currency: Option<String>,
    skills: String,
    languages: String,
    available: bool,
    away_until: Option<Timestamp>,
    version: i64,
    #[sqlx(flatten)]
    picture: PictureColumns,
}

impl WorkerRow {
    fn profile(self) -> Result<WorkerProfile> {
        Ok(WorkerProfile {
            headline: self.headline,
            about: self.about,
            location: self.location,
            latitude: self.latitude,
            longitude: self.longitude,
            hourly_rate: self.rate_amount.zip(self.rate_currency).map(|(amount, currency)| Money { amount, currency }),
            skills: serde_json::from_str(&self.skills).map_err(Error::internal)?,
            languages: serde_json::from_str(&self.languages).map_err(Error::internal)?,
            available: self.available,
            away_until: self.away_until,
            version: self.version,
            picture: self.picture.picture(),
        })
    }
}

/// Returns a client's profile, or the defaults when no row is stored.
pub(super) async fn client(conn: &mut Conn<'_>, user: UserId) -> Result<ClientProfile> {
    let row = q!(conn => opt ClientRow,
        "SELECT c.about, c.location, c.version, p.id AS picture_id, p.width AS picture_width, p.height AS picture_height \
         FROM client_profiles c LEFT JOIN pictures p ON p.id = c.picture_id WHERE c.user_id = $1", user)?;
    Ok(row.map_or(ClientProfile { about: String::new(), location: String::new(), picture: None, version: 0 }, |row| {
        ClientProfile { about: row.about, location: row.location, picture: row.picture.picture(), version: row.version }
    }))
}

/// Returns a worker's profile, or the defaults when no row is stored.
pub(super) async fn worker(conn: &mut Conn<'_>, user: UserId) -> Result<WorkerProfile> {
    let row = q!(conn => opt WorkerRow,
        "SELECT w.headline, w.about, w.location, w.latitude, w.longitude, w.rate_amount, w.rate_currency, w.skills, w.languages, \
         w.available, w.away_until, w.version, p.id AS picture_id, p.width AS picture_width, p.height AS picture_height \
         FROM worker_profiles w LEFT JOIN pictures p ON p.id = w.picture_id WHERE w.user_id = $1", user)?;
    row.map_or(Ok(WorkerProfile::default()), WorkerRow::profile)
}

/// Stores a client's profile if the stored version is the one that the profile carries. Returns the new version.
pub(super) async fn put_client(
    conn: &mut Conn<'_>,
    user: UserId,
    profile: &ClientProfile,
    now: Timestamp,
) -> Result<i64> {
    let picture = profile.picture.map(|picture| picture.id);
    Ok(q!(conn => val i64,
        "INSERT INTO client_profiles (user_id, about, location, picture_id, version, updated_at) VALUES ($1, $2, $3, $4, 1, $5) \
         ON CONFLICT (user_id) DO UPDATE SET about = excluded.about, location = excluded.location, \
         picture_id = excluded.picture_id, version = client_profiles.version + 1, updated_at = excluded.updated_at RETURNING version",
        user, &profile.about, &profile.location, picture, now)?)
}

/// Stores a worker's profile if the stored version is the one that the profile carries. Returns the new version.
pub(super) async fn put_worker(
    conn: &mut Conn<'_>,
    user: UserId,
    profile: &WorkerProfile,
    now: Timestamp,
) -> Result<i64> {
    let picture = profile.picture.map(|picture| picture.id);
    let skills = serde_json::to_string(&profile.skills).map_err(Error::internal)?;
    let languages = serde_json::to_string(&profile.languages).map_err(Error::internal)?;
    let (amount, currency) = profile.hourly_rate.as_ref().map(|rate| (rate.amount, &rate.currency)).unzip();
    Ok(q!(conn => val i64,
        "INSERT INTO worker_profiles (user_id, headline, about, location, latitude, longitude, rate_amount, rate_currency, \
         skills, languages, available, away_until, picture_id, version, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14) \
         ON CONFLICT (user_id) DO UPDATE SET headline = excluded.headline, about = excluded.about, location = excluded.location, \
         latitude = excluded.latitude, longitude = excluded.longitude, rate_amount = excluded.rate_amount, \
         rate_currency = excluded.rate_currency, skills = excluded.skills, languages = excluded.languages, \
         available = excluded.available, away_until = excluded.away_until, picture_id = excluded.picture_id, \
         version = worker_profiles.version + 1, updated_at = excluded.updated_at RETURNING version",
        user, &profile.headline, &profile.about, &profile.location, profile.latitude, profile.longitude, amount, currency,
        skills, languages, profile.available, profile.away_until, picture, now)?)
}

#[derive(sqlx_macros::FromRow)]
struct PublicClientRow {
    id: UserId,
    name: String,
    created_at: Timestamp,
    about: Option<String>,
    location: Option<String>,
    #[sqlx(flatten)]
    picture: PictureColumns,
}

/// Returns a client whom the public sees.
pub(super) async fn public_client(conn: &mut Conn<'_>, id: UserId) -> Result<Option<PublicClient>> {
    let row = q!(conn => opt PublicClientRow,
        "SELECT u.id, u.name, u.created_at, c.about, c.location, \
         p.id AS picture_id, p.width AS picture_width, p.height AS picture_height \
         FROM users u LEFT JOIN client_profiles c ON c.user_id = u.id LEFT JOIN pictures p ON p.id = c.picture_id \
         WHERE u.id = $1 AND u.role = 'client' AND u.status = 'active'", id)?;
    Ok(row.map(|row| PublicClient {
        id: row.id,
        name: row.name,
        about: row.about.unwrap_or_default(),
        location: row.location.unwrap_or_default(),
        picture: row.picture.picture(),
        member_since: row.created_at,
    }))
}

#[derive(sqlx_macros::FromRow)]
struct PublicWorkerRow {
    id: UserId,
    name: String,
    created_at: Timestamp,
    headline: Option<String>,
    about: Option<String>,
    location: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    rate_amount: Option<i64>,
    rate_currency: Option<String>,
    skills: Option<String>,
    languages: Option<String>,
    available: Option<bool>,
    away_until: Option<Timestamp>,
    #[sqlx(flatten)]
    picture: PictureColumns,
    stars_1: Option<i64>,
    stars_2: Option<i64>,
    stars_3: Option<i64>,
    stars_4: Option<i64>,
    stars_5: Option<i64>,
}

impl PublicWorkerRow {
    fn worker(self, now: Timestamp) -> Result<PublicWorker> {
        let list = |text: Option<String>| text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
        let away_until = self.away_until.filter(|until| *until > now);
        let stars = [self.stars_1, self.stars_2, self.stars_3, self.stars_4, self.stars_5];
        Ok(PublicWorker {
            id: self.id,
            name: self.name,
            headline: self.headline.unwrap_or_default(),
            about: self.about.unwrap_or_default(),
            location: self.location.unwrap_or_default(),
            latitude: self.latitude,
            longitude: self.longitude,
            hourly_rate: self.rate_amount.zip(self.rate_currency).map(|(amount, currency)| Money { amount, currency }),
            skills: list(self.skills).map_err(Error::internal)?,
            languages: list(self.languages).map_err(Error::internal)?,
            available: self.available.unwrap_or(true) && away_until.is_none(),
            away_until,
            picture: self.picture.picture(),
            rating: Rating::of(stars.map(Option::unwrap_or_default)),
            member_since: self.created_at,
        })
    }
}

macro_rules! public_workers {
    ($more:literal) => {
        concat!(
            "SELECT u.id, u.name, u.created_at, w.headline, w.about, w.location, w.latitude, w.longitude, w.rate_amount, \
             w.rate_currency, w.skills, w.languages, w.available, w.away_until, \
             p.id AS picture_id, p.width AS picture_width, p.height AS picture_height, \
             r.stars_1, r.stars_2, r.stars_3, r.stars_4, r.stars_5",
            $more,
            " JOIN users u ON u.id = x.id LEFT JOIN worker_profiles w ON w.user_id = u.id \
             LEFT JOIN pictures p ON p.id = w.picture_id LEFT JOIN worker_ratings r ON r.user_id = u.id WHERE "
        )
    };
}

/// Returns a worker whom the public sees.
pub(super) async fn public_worker(conn: &mut Conn<'_>, now: Timestamp, id: UserId) -> Result<Option<PublicWorker>> {
    let row = q!(conn => opt PublicWorkerRow,
        concat!(public_workers!(" FROM (SELECT id FROM users WHERE id = $1) x"), worker_is_public!("$2")), id, now)?;
    row.map(|row| row.worker(now)).transpose()
}

#[derive(sqlx_macros::FromRow)]
struct FavoriteRow {
    since: Timestamp,
    #[sqlx(flatten)]
    worker: PublicWorkerRow,
}

/// Returns those of a user's favourites that the public sees, with the times at which they were added, newest first.
pub(super) async fn favorites(
    conn: &mut Conn<'_>,
    now: Timestamp,
    user: UserId,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<(Timestamp, PublicWorker)>> {
    let rows = q!(conn => all FavoriteRow,
        concat!(public_workers!(", x.created_at AS since FROM (SELECT worker_id AS id, created_at FROM favorites WHERE user_id = $1 \
             AND (created_at, worker_id) < ($3, $4)) x"),
            worker_is_public!("$2"), " ORDER BY x.created_at DESC, x.id DESC LIMIT ($5 + 0)"),
        user, now, before.at, before.id, limit)?;
    rows.into_iter().map(|row| Ok((row.since, row.worker.worker(now)?))).collect()
}

pub(super) async fn add_favorite(conn: &mut Conn<'_>, user: UserId, worker: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO favorites (user_id, worker_id, created_at) VALUES ($1, $2, $3) ON CONFLICT (user_id, worker_id) DO NOTHING",
        user, worker, now)?;
    Ok(())
}

pub(super) async fn drop_favorite(conn: &mut Conn<'_>, user: UserId, worker: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM favorites WHERE user_id = $1 AND worker_id = $2", user, worker)?;
    Ok(())
}

pub(super) async fn count_favorites(conn: &mut Conn<'_>, user: UserId, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM favorites WHERE user_id = $1 LIMIT ($2 + 0)) AS capped", user, limit)?)
}

/// Returns whether a user is a client or worker who was not deleted.
pub(super) async fn is_somebody(conn: &mut Conn<'_>, id: UserId) -> Result<bool> {
    let known = q!(conn => optval i64,
        "SELECT CAST(1 AS BIGINT) FROM users WHERE id = $1 AND role IN ('client', 'worker') AND status <> 'deleted'", id)?;
    Ok(known.is_some())
}

pub(super) async fn add_block(conn: &mut Conn<'_>, user: UserId, blocked: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO blocks (user_id, blocked_id, created_at) VALUES ($1, $2, $3) ON CONFLICT (user_id, blocked_id) DO NOTHING",
        user, blocked, now)?;
    Ok(())
}

pub(super) async fn drop_block(conn: &mut Conn<'_>, user: UserId, blocked: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2", user, blocked)?;
    Ok(())
}

pub(super) async fn count_blocks(conn: &mut Conn<'_>, user: UserId, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM blocks WHERE user_id = $1 LIMIT ($2 + 0)) AS capped", user, limit)?)
}

/// Returns the users whom a user blocks, in the order of their ids.
pub(super) async fn blocks(conn: &mut Conn<'_>, user: UserId, after: Uuid, limit: i64) -> Result<Vec<Blocked>> {
    let rows = q!(conn => all (UserId, String, Timestamp, Option<PictureId>),
        concat!("SELECT u.id, u.name, b.created_at, ", shown_picture!("u"), " FROM blocks b JOIN users u ON u.id = b.blocked_id \
         WHERE b.user_id = $1 AND b.blocked_id > $2 ORDER BY b.blocked_id LIMIT ($3 + 0)"), user, after, limit)?;
    let blocked = |(id, name, since, picture): (_, _, _, Option<PictureId>)| Blocked {
        id,
        name,
        picture: picture.map(small_picture),
        since,
    };
    Ok(rows.into_iter().map(blocked).collect())
}

/// Returns whether one of two users has blocked the other.
pub(crate) async fn blocked_between(conn: &mut Conn<'_>, a: UserId, b: UserId) -> Result<bool> {
    Ok(q!(conn => val bool, concat!("SELECT ", one_blocks_the_other!("$1", "$2")), a, b)?)
}

/// A picture to be stored.
pub(super) struct NewPicture<'a> {
    pub picture: Picture,
    pub user: UserId,
    /// The sealed full-size picture and thumbnail.
    pub sealed: &'a Sealed,
    pub media_type: &'a str,
}

pub(super) async fn insert_picture(conn: &mut Conn<'_>, new: &NewPicture<'_>, now: Timestamp) -> Result<()> {
    let [full, thumb] = new.sealed.object_keys.as_slice() else {
        return Err(Error::internal("a picture has two files"));
    };
    q!(conn => exec,
        "INSERT INTO pictures (id, user_id, full_key, thumb_key, wrapped_key, media_type, width, height, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.picture.id, new.user, full, thumb, &new.sealed.wrapped_key, new.media_type, new.picture.width,
        new.picture.height, now)?;
    Ok(())
}

/// Locations of the files of a picture.
#[derive(Clone, sqlx_macros::FromRow)]
pub(crate) struct StoredFiles {
    pub full_key: String,
    pub thumb_key: String,
    /// Encrypted key; `None` for files that were stored before files were sealed.
    pub wrapped_key: Option<Vec<u8>>,
}

/// Returns pictures whose files are stored unencrypted, after an id.
pub(super) async fn clear_pictures(conn: &mut Conn<'_>, after: Uuid, limit: i64) -> Result<Vec<OwnPicture>> {
    Ok(q!(conn => all OwnPicture,
        "SELECT id, full_key, thumb_key, wrapped_key, media_type FROM pictures WHERE wrapped_key IS NULL AND id > $1 \
         ORDER BY id LIMIT ($2 + 0)", after, limit)?)
}

/// Replaces unencrypted files with sealed ones and queues the old ones for deletion. Returns `false` when those no
/// longer exist.
pub(super) async fn seal_picture(
    conn: &mut Conn<'_>,
    id: PictureId,
    before: &StoredFiles,
    sealed: &Sealed,
    now: Timestamp,
) -> Result<bool> {
    let [full, thumb] = sealed.object_keys.as_slice() else {
        return Err(Error::internal("a picture has two files"));
    };
    let replaced = q!(conn => exec,
        "UPDATE pictures SET full_key = $3, thumb_key = $4, wrapped_key = $5 \
         WHERE id = $1 AND full_key = $2 AND wrapped_key IS NULL",
        id, &before.full_key, full, thumb, &sealed.wrapped_key)?;
    if replaced == 1 {
        for key in [&before.full_key, &before.thumb_key] {
            q!(conn => exec,
                "INSERT INTO file_deletions (object_key, created_at) VALUES ($1, $2) ON CONFLICT (object_key) DO NOTHING",
                key, now)?;
        }
    }
    Ok(replaced == 1)
}

/// Deletes all pictures of a user but one, and queues their files for deletion. Returns how many were deleted.
pub(super) async fn drop_pictures(
    conn: &mut Conn<'_>,
    user: UserId,
    but: Option<PictureId>,
    now: Timestamp,
) -> Result<u64> {
    let but = but.map_or(Uuid::nil(), |but| but.0);
    q!(conn => exec,
        "INSERT INTO file_deletions (object_key, created_at) SELECT full_key, $3 FROM pictures WHERE user_id = $1 AND id <> $2 \
         ON CONFLICT (object_key) DO NOTHING", user, but, now)?;
    q!(conn => exec,
        "INSERT INTO file_deletions (object_key, created_at) SELECT thumb_key, $3 FROM pictures WHERE user_id = $1 AND id <> $2 \
         ON CONFLICT (object_key) DO NOTHING", user, but, now)?;
    Ok(q!(conn => exec, "DELETE FROM pictures WHERE user_id = $1 AND id <> $2", user, but)?)
}

/// Location of a picture, and the status of its owner.
#[derive(sqlx_macros::FromRow)]
pub(super) struct StoredPicture {
    pub user_id: UserId,
    #[sqlx(flatten)]
    pub stored: StoredFiles,
    pub media_type: String,
    pub role: Role,
    pub status: Status,
    pub approved: bool,
}

pub(super) async fn stored_picture(
    conn: &mut Conn<'_>,
    now: Timestamp,
    id: PictureId,
) -> Result<Option<StoredPicture>> {
    Ok(q!(conn => opt StoredPicture,
        concat!("SELECT p.user_id, p.full_key, p.thumb_key, p.wrapped_key, p.media_type, u.role, u.status, ", approved_in_effect!("$2"), " AS approved \
         FROM pictures p JOIN users u ON u.id = p.user_id WHERE p.id = $1"), id, now)?)
}

/// Returns what a user entered in their profiles: as a client, as a worker, or both when they changed their role.
pub(crate) async fn told(conn: &mut Conn<'_>, user: UserId) -> Result<serde_json::Value> {
    let (client, worker) = (client(conn, user).await?, worker(conn, user).await?);
    // Version 0 marks defaults, which are not stored.
    let (client, worker) = (Some(client).filter(|row| row.version > 0), Some(worker).filter(|row| row.version > 0));
    Ok(serde_json::json!({ "client": client, "worker": worker }))
}

/// Location of a user's picture.
#[derive(Clone, sqlx_macros::FromRow)]
pub(crate) struct OwnPicture {
    pub id: PictureId,
    #[sqlx(flatten)]
    pub stored: StoredFiles,
    pub media_type: String,
}

/// Returns a user's pictures, newest first; usually there is one at most.
pub(crate) async fn pictures_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<OwnPicture>> {
    Ok(q!(conn => all OwnPicture,
        "SELECT id, full_key, thumb_key, wrapped_key, media_type FROM pictures WHERE user_id = $1 ORDER BY created_at DESC, id DESC", user)?)
}

/// Returns all favourites of a user, whether the public sees them or not, newest first. Their number is limited.
pub(crate) async fn favorite_ids(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<(UserId, Timestamp)>> {
    Ok(q!(conn => all (UserId, Timestamp),
        "SELECT worker_id, created_at FROM favorites WHERE user_id = $1 ORDER BY created_at DESC, worker_id DESC", user)?)
}

/// Returns all users whom a user blocks. Their number is limited.
pub(crate) async fn blocked_by(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Blocked>> {
    blocks(conn, user, Uuid::nil(), i64::MAX).await
}

/// Deletes everything that a user entered in their profiles, and the favourites and blocks of others that point to
/// them.
pub(super) async fn erase(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<()> {
    drop_pictures(conn, user, None, now).await?;
    q!(conn => exec, "DELETE FROM client_profiles WHERE user_id = $1", user)?;
    q!(conn => exec, "DELETE FROM worker_profiles WHERE user_id = $1", user)?;
    q!(conn => exec, "DELETE FROM favorites WHERE user_id = $1", user)?;
    q!(conn => exec, "DELETE FROM favorites WHERE worker_id = $1", user)?;
    q!(conn => exec, "DELETE FROM blocks WHERE user_id = $1", user)?;
    q!(conn => exec, "DELETE FROM blocks WHERE blocked_id = $1", user)?;
    Ok(())
}
