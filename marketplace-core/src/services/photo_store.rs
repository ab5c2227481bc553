//! SQL queries for the files of photos.

use crate::{
    accounts::model::Status,
    base::{
        error::{Error, Result},
        ids::{PhotoId, ServiceId, UserId},
        permission::Role,
        time::Timestamp,
    },
    platform::{
        db::{Conn, json},
        files::Sealed,
    },
    profiles::approved_in_effect,
    services::model::{PhotoSize, ServiceStatus},
};

/// Locations of the files of a photo.
#[derive(Debug, Clone, sqlx_macros::FromRow)]
pub(crate) struct StoredPhoto {
    pub id: PhotoId,
    pub worker_id: UserId,
    full_key: String,
    medium_key: String,
    thumb_key: String,
    pub wrapped_key: Vec<u8>,
}

impl StoredPhoto {
    pub fn key(&self, size: PhotoSize) -> &str {
        match size {
            PhotoSize::Full => &self.full_key,
            PhotoSize::Medium => &self.medium_key,
            PhotoSize::Thumb => &self.thumb_key,
        }
    }
}

/// A photo's files, and whether everybody sees its service.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct Viewed {
    #[sqlx(flatten)]
    pub stored: StoredPhoto,
    service_status: Option<ServiceStatus>,
    role: Role,
    status: Status,
    approved: bool,
}

impl Viewed {
    pub fn is_public(&self) -> bool {
        self.service_status == Some(ServiceStatus::Published)
            && self.role == Role::Worker
            && self.status == Status::Active
            && self.approved
    }

    /// Returns whether it is one of a service's still.
    pub fn is_of_service(&self) -> bool {
        self.service_status.is_some()
    }
}

macro_rules! select {
    ($more:expr, $rest:literal) => {
        concat!(
            "SELECT p.id, p.worker_id, p.full_key, p.medium_key, p.thumb_key, p.wrapped_key",
            $more,
            " FROM service_photos p ",
            $rest
        )
    };
}

pub(super) async fn find(conn: &mut Conn<'_>, now: Timestamp, id: PhotoId) -> Result<Option<Viewed>> {
    Ok(q!(conn => opt Viewed,
        select!(concat!(", s.status AS service_status, u.role, u.status, ", approved_in_effect!("$2"), " AS approved"),
            "JOIN users u ON u.id = p.worker_id LEFT JOIN services s ON s.id = p.service_id WHERE p.id = $1"), id, now)?)
}

/// Returns a page of a worker's photos, those that are only kept as they were reported too.
pub(super) async fn of_worker(
    conn: &mut Conn<'_>,
    worker: UserId,
    after: PhotoId,
    limit: i64,
) -> Result<Vec<StoredPhoto>> {
    Ok(q!(conn => all StoredPhoto,
        select!("", "WHERE p.worker_id = $1 AND p.id > $2 ORDER BY p.id LIMIT ($3 + 0)"), worker, after, limit)?)
}

/// Stores where the files of a new photo are.
pub(super) async fn insert(
    conn: &mut Conn<'_>,
    id: PhotoId,
    worker: UserId,
    service: ServiceId,
    sealed: &Sealed,
    now: Timestamp,
) -> Result<()> {
    let [full, medium, thumb] = sealed.object_keys.as_slice() else {
        return Err(Error::internal("a photo has three files"));
    };
    q!(conn => exec,
        "INSERT INTO service_photos (id, worker_id, service_id, full_key, medium_key, thumb_key, wrapped_key, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id, worker, service, full, medium, thumb, &sealed.wrapped_key, now)?;
    Ok(())
}

/// Marks the photos of a service as reported.
pub(super) async fn keep(conn: &mut Conn<'_>, service: ServiceId) -> Result<()> {
    q!(conn => exec, "UPDATE service_photos SET reported = TRUE WHERE service_id = $1 AND NOT reported", service)?;
    Ok(())
}

/// Removes photos from their service. Those that were reported stay for staff; of the others, the files are queued for deletion.
pub(super) async fn drop_some(conn: &mut Conn<'_>, photos: &[PhotoId], now: Timestamp) -> Result<()> {
    let ids = json::keys(photos);
    q!(conn => exec, [
        sqlite: "UPDATE service_photos SET service_id = NULL WHERE id IN (SELECT unhex(value, '-') FROM json_each($1)) AND reported",
        pg: "UPDATE service_photos SET service_id = NULL \
             WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::json)) AND reported",
    ], &ids)?;
    q!(conn => exec, [
        sqlite: "INSERT INTO file_deletions (object_key, created_at) SELECT k.value, $2 FROM service_photos p, \
                 json_each(json_array(p.full_key, p.medium_key, p.thumb_key)) AS k \
                 WHERE p.id IN (SELECT unhex(value, '-') FROM json_each($1)) AND NOT p.reported ON CONFLICT (object_key) DO NOTHING",
        pg: "INSERT INTO file_deletions (object_key, created_at) SELECT k.value, $2 FROM service_photos p, \
             unnest(ARRAY[p.full_key, p.medium_key, p.thumb_key]) AS k (value) \
             WHERE p.id IN (SELECT value::uuid FROM json_array_elements_text($1::json)) AND NOT p.reported \
             ON CONFLICT (object_key) DO NOTHING",
    ], &ids, now)?;
    q!(conn => exec, [
        sqlite: "DELETE FROM service_photos WHERE id IN (SELECT unhex(value, '-') FROM json_each($1)) AND NOT reported",
        pg: "DELETE FROM service_photos WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::json)) AND NOT reported",
    ], &ids)?;
    Ok(())
}

/// Removes a photo from its service, and keeps it for staff with what is needed to put it back.
pub(super) async fn take(conn: &mut Conn<'_>, photo: PhotoId, removed: &str) -> Result<()> {
    q!(conn => exec,
        "UPDATE service_photos SET service_id = NULL, reported = TRUE, removed = $2 WHERE id = $1", photo, removed)?;
    Ok(())
}

/// Returns what is needed to put a photo back that was removed so from something of a worker.
pub(super) async fn removed(conn: &mut Conn<'_>, photo: PhotoId, worker: UserId) -> Result<Option<String>> {
    Ok(q!(conn => optval Option<String>,
        "SELECT removed FROM service_photos WHERE id = $1 AND worker_id = $2 AND service_id IS NULL", photo, worker)?
    .flatten())
}

/// Restores a photo to its service.
pub(super) async fn put_back(conn: &mut Conn<'_>, photo: PhotoId, service: ServiceId) -> Result<()> {
    q!(conn => exec, "UPDATE service_photos SET service_id = $2, removed = NULL WHERE id = $1", photo, service)?;
    Ok(())
}

/// Deletes all photos of a worker, reported ones too, and queues their files for deletion.
pub(super) async fn erase(conn: &mut Conn<'_>, worker: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec, [
        sqlite: "INSERT INTO file_deletions (object_key, created_at) SELECT k.value, $2 FROM service_photos p, \
                 json_each(json_array(p.full_key, p.medium_key, p.thumb_key)) AS k \
                 WHERE p.worker_id = $1 ON CONFLICT (object_key) DO NOTHING",
        pg: "INSERT INTO file_deletions (object_key, created_at) SELECT k.value, $2 FROM service_photos p, \
             unnest(ARRAY[p.full_key, p.medium_key, p.thumb_key]) AS k (value) \
             WHERE p.worker_id = $1 ON CONFLICT (object_key) DO NOTHING",
    ], worker, now)?;
    q!(conn => exec, "DELETE FROM service_photos WHERE worker_id = $1", worker)?;
    Ok(())
}
