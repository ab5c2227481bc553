//! All SQL queries for reviews.
//!
//! Each list uses one index: by author or subject and time, by status and time, flagged reviews by the first flag.

use std::collections::HashMap;

use super::{
    model::{FlagReason, ReviewStatus},
    row::{FlagRow, Review},
};
use crate::{
    base::{
        error::{Error, Result},
        ids::{JobId, ReviewId, UserId},
        page::TimeCursor,
        time::Timestamp,
    },
    jobs::model::JobStatus,
    platform::db::Conn,
    profiles::shown_picture,
    services::content_terms::{self, Kind, Words, has_word},
};

/// Expands to the columns of [`Review`].
macro_rules! review_columns {
    ($form:ident) => {
        $crate::column_list!($form: id "r.id", id "r.job_id", text "r.side", id "r.author_id", id "r.subject_id", int "r.rating",
            text "r.content", text "r.status", time "r.closes_at", time "r.published_at", text "r.reply", time "r.replied_at",
            text "r.removed_reason", text "r.note", int "r.flags", time "r.flagged_at", int "r.version", time "r.created_at",
            time "r.updated_at", text "a.name" => "author_name", text "a.status" => "author_status",
            text "s.name" => "subject_name", text "s.status" => "subject_status",
            opt_id shown_picture!("a") => "author_picture", opt_id shown_picture!("s") => "subject_picture")
    };
}

/// Expands to the rows that [`review_columns`] are read from, with a condition.
macro_rules! reviews {
    ($rest:literal) => {
        concat!("FROM reviews r JOIN users a ON a.id = r.author_id JOIN users s ON s.id = r.subject_id WHERE ", $rest)
    };
}

/// Expands to a query of whole reviews.
macro_rules! review {
    ($rest:literal) => {
        concat!("SELECT ", review_columns!(rows), " ", reviews!($rest))
    };
}

const NEWEST: TimeCursor = TimeCursor { at: Timestamp::MAX, id: uuid::Uuid::max() };
const OLDEST: TimeCursor = TimeCursor { at: Timestamp::EPOCH, id: uuid::Uuid::nil() };

/// Returns one review.
pub(super) async fn get(conn: &mut Conn<'_>, id: ReviewId) -> Result<Option<Review>> {
    Ok(q!(conn => opt Review, review!("r.id = $1"), id)?)
}

/// The data of a job that a review needs.
#[derive(Debug, Clone, Copy, sqlx_macros::FromRow)]
pub(super) struct JobFacts {
    pub client_id: UserId,
    pub worker_id: UserId,
    pub status: JobStatus,
    pub finalized_at: Option<Timestamp>,
}

/// Returns a job, and locks it: nobody else writes or changes a review of it before the end of the transaction.
pub(super) async fn lock_job(conn: &mut Conn<'_>, id: JobId) -> Result<Option<JobFacts>> {
    Ok(q!(conn => opt JobFacts, [
        sqlite: "SELECT client_id, worker_id, status, finalized_at FROM jobs WHERE id = $1",
        pg: "SELECT client_id, worker_id, status, finalized_at FROM jobs WHERE id = $1 FOR UPDATE",
    ], id)?)
}

/// Returns one review, and locks it until the end of the transaction.
pub(super) async fn lock(conn: &mut Conn<'_>, id: ReviewId) -> Result<Option<Review>> {
    let job = q!(conn => optval JobId, "SELECT job_id FROM reviews WHERE id = $1", id)?;
    let Some(job) = job else { return Ok(None) };
    lock_job(conn, job).await?;
    get(conn, id).await
}

/// Returns the reviews of a job, the client's first.
pub(super) async fn of_job(conn: &mut Conn<'_>, job: JobId) -> Result<Vec<Review>> {
    Ok(q!(conn => page Review, review_columns, reviews!("r.job_id = $1 ORDER BY r.side"), job)?)
}

/// Stores a new review. Returns `false` when that side has already written one.
pub(super) async fn insert(conn: &mut Conn<'_>, new: &Review) -> Result<bool> {
    let made = q!(conn => exec,
        "INSERT INTO reviews (id, job_id, side, author_id, subject_id, rating, content, status, closes_at, published_at, flags, \
         version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $12) \
         ON CONFLICT (job_id, side) DO NOTHING",
        new.id, new.job_id, new.side, new.author_id, new.subject_id, new.rating, &new.content, new.status, new.closes_at,
        new.published_at, new.version, new.created_at)?;
    if made == 1 {
        content_terms::replace(conn, Kind::Review, (new.created_at, new.id.0), "", &new.said()).await?;
    }
    Ok(made == 1)
}

/// Stores a changed review. Fails with `conflict` when it has changed since `from` was read.
pub(super) async fn update(conn: &mut Conn<'_>, from: &Review, to: &Review) -> Result<()> {
    let changed = q!(conn => exec,
        "UPDATE reviews SET rating = $4, content = $5, status = $6, published_at = $7, reply = $8, replied_at = $9, \
         removed_reason = $10, note = $11, flags = $12, flagged_at = $13, version = $14, updated_at = $15 \
         WHERE id = $1 AND status = $2 AND version = $3",
        from.id, from.status, from.version, to.rating, &to.content, to.status, to.published_at, &to.reply, to.replied_at,
        to.removed_reason, &to.note, to.flags, to.flagged_at, to.version, to.updated_at)?;
    if changed != 1 {
        return Err(Error::conflict("it was changed meanwhile; load it again", ()));
    }
    content_terms::replace(conn, Kind::Review, (to.created_at, to.id.0), &from.said(), &to.said()).await
}

/// Stores a flag. Returns `false` when that user has already flagged the review.
pub(super) async fn add_flag(
    conn: &mut Conn<'_>,
    id: ReviewId,
    user: UserId,
    reason: FlagReason,
    comment: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let made = q!(conn => exec,
        "INSERT INTO review_flags (review_id, user_id, reason, comment, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (review_id, user_id) DO NOTHING",
        id, user, reason, comment, now)?;
    if made == 1 {
        q!(conn => exec,
            "UPDATE reviews SET flags = flags + 1, flagged_at = coalesce(flagged_at, $2) WHERE id = $1", id, now)?;
    }
    Ok(made == 1)
}

/// Marks the flags of a review as handled.
pub(super) async fn dismiss_flags(conn: &mut Conn<'_>, id: ReviewId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE review_flags SET dismissed_at = $2 WHERE review_id = $1 AND dismissed_at IS NULL", id, now)?;
    Ok(())
}

/// Returns the flags of a review, newest first.
pub(super) async fn flags(conn: &mut Conn<'_>, id: ReviewId, limit: i64) -> Result<Vec<FlagRow>> {
    Ok(q!(conn => all FlagRow,
        "SELECT user_id, reason, comment, created_at, dismissed_at FROM review_flags WHERE review_id = $1 \
         ORDER BY created_at DESC, user_id DESC LIMIT ($2 + 0)",
        id, limit)?)
}

/// Returns the published reviews of a worker, newest first.
pub(super) async fn of_worker(
    conn: &mut Conn<'_>,
    worker: UserId,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    let before = before.unwrap_or(NEWEST);
    Ok(q!(conn => page Review, review_columns,
        reviews!("r.subject_id = $1 AND r.status = 'published' AND r.side = 'client' AND (r.published_at, r.id) < ($2, $3) \
                 ORDER BY r.published_at DESC, r.id DESC LIMIT ($4 + 0)"),
        worker, before.at, before.id, limit)?)
}

/// Returns the reviews that a user wrote, newest first.
pub(super) async fn written(
    conn: &mut Conn<'_>,
    author: UserId,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    let before = before.unwrap_or(NEWEST);
    Ok(q!(conn => page Review, review_columns,
        reviews!("r.author_id = $1 AND (r.created_at, r.id) < ($2, $3) ORDER BY r.created_at DESC, r.id DESC LIMIT ($4 + 0)"),
        author, before.at, before.id, limit)?)
}

/// Returns the reviews about a user that were published, newest first.
pub(super) async fn received(
    conn: &mut Conn<'_>,
    subject: UserId,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    let before = before.unwrap_or(NEWEST);
    Ok(q!(conn => page Review, review_columns,
        reviews!("r.subject_id = $1 AND r.published_at IS NOT NULL AND (r.published_at, r.id) < ($2, $3) \
                 ORDER BY r.published_at DESC, r.id DESC LIMIT ($4 + 0)"),
        subject, before.at, before.id, limit)?)
}

/// Filter of the reviews that staff list.
pub(super) struct Wanted {
    pub status: Option<ReviewStatus>,
    pub subject: Option<UserId>,
    pub author: Option<UserId>,
    pub now: Timestamp,
}

/// Returns reviews with unhandled flags, longest waiting first.
pub(super) async fn flagged(
    conn: &mut Conn<'_>,
    wanted: &Wanted,
    after: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    let after = after.unwrap_or(OLDEST);
    Ok(q!(conn => page Review, review_columns,
        reviews!("r.flags > 0 AND (r.flagged_at, r.id) > ($1, $2) AND (r.status = $3 OR $3 IS NULL) \
                 AND (r.subject_id = $4 OR $4 IS NULL) AND (r.author_id = $5 OR $5 IS NULL) \
                 ORDER BY r.flagged_at, r.id LIMIT ($6 + 0)"),
        after.at, after.id, wanted.status, wanted.subject, wanted.author, limit)?)
}

/// Returns all reviews, newest first. Each combination of filters that has its own index has its own SQL text.
pub(super) async fn page(
    conn: &mut Conn<'_>,
    wanted: &Wanted,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    let before = before.unwrap_or(NEWEST);
    let (at, id) = (before.at, before.id);
    // A review that is stored as hidden is visible from the end of its window on.
    Ok(match (wanted.author, wanted.subject, wanted.status) {
        (Some(author), subject, status) => q!(conn => page Review, review_columns,
            reviews!("r.author_id = $4 AND (r.subject_id = $5 OR $5 IS NULL) AND (r.status = $6 OR $6 IS NULL) \
                     AND NOT (r.status = 'hidden' AND r.closes_at <= $7 AND $6 IS NOT NULL) \
                     AND (r.created_at, r.id) < ($1, $2) ORDER BY r.created_at DESC, r.id DESC LIMIT ($3 + 0)"),
            at, id, limit, author, subject, status, wanted.now)?,
        (None, Some(subject), status) => q!(conn => page Review, review_columns,
            reviews!("r.subject_id = $4 AND (r.status = $5 OR $5 IS NULL) \
                     AND NOT (r.status = 'hidden' AND r.closes_at <= $6 AND $5 IS NOT NULL) \
                     AND (r.created_at, r.id) < ($1, $2) ORDER BY r.created_at DESC, r.id DESC LIMIT ($3 + 0)"),
            at, id, limit, subject, status, wanted.now)?,
        (None, None, Some(status)) => q!(conn => page Review, review_columns,
            reviews!("r.status = CAST($4 AS TEXT) AND NOT (r.status = 'hidden' AND r.closes_at <= $5) \
                     AND (r.created_at, r.id) < ($1, $2) ORDER BY r.created_at DESC, r.id DESC LIMIT ($3 + 0)"),
            at, id, limit, status, wanted.now)?,
        (None, None, None) => q!(conn => page Review, review_columns,
            reviews!("(r.created_at, r.id) < ($1, $2) ORDER BY r.created_at DESC, r.id DESC LIMIT ($3 + 0)"), at, id, limit)?,
    })
}

/// Returns reviews with these words, newest first.
pub(super) async fn by_words(
    conn: &mut Conn<'_>,
    words: &Words,
    wanted: &Wanted,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    let before = before.unwrap_or(NEWEST);
    let lookup = words.lookup(conn, Kind::Review).await?;
    let mut found: Vec<ReviewId> = Vec::new();
    for form in &lookup.first {
        macro_rules! by_form {
            ($engine:ident, $join:literal) => {
                concat!(
                    "SELECT r.id FROM content_terms t ", $join, " reviews r ON r.id = t.id WHERE t.kind = 'review' AND t.term = $1 \
                     AND (t.created_at, t.id) < ($2, $3) AND ", has_word!($engine "4"), " AND ", has_word!($engine "5"), " AND ",
                    has_word!($engine "6"), " AND (r.author_id = $7 OR $7 IS NULL) AND (r.subject_id = $8 OR $8 IS NULL) \
                     AND (r.status = $9 OR $9 IS NULL) AND NOT (r.status = 'hidden' AND r.closes_at <= $10 AND $9 IS NOT NULL) \
                     ORDER BY t.created_at DESC, t.id DESC LIMIT ($11 + 0)"
                )
            };
        }
        let [second, third, fourth] = &lookup.others;
        found.extend(q!(conn => vals ReviewId, [sqlite: by_form!(sqlite, "CROSS JOIN"), pg: by_form!(pg, "JOIN")],
            form, before.at, before.id, second, third, fourth, wanted.author, wanted.subject, wanted.status, wanted.now, limit)?);
    }
    found.sort_unstable();
    found.dedup();
    let mut rows = Vec::with_capacity(found.len());
    for id in found {
        rows.extend(get(conn, id).await?);
    }
    Ok(rows)
}

/// Indexes the text of a review that has no words yet.
pub(super) async fn index(conn: &mut Conn<'_>, id: ReviewId) -> Result<()> {
    let Some(review) = lock(conn, id).await? else { return Ok(()) };
    content_terms::replace(conn, Kind::Review, (review.created_at, id.0), "", &review.said()).await
}

/// Returns the reviews by and about a user.
async fn all_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Review>> {
    let mut all = q!(conn => page Review, review_columns, reviews!("r.author_id = $1"), user)?;
    all.extend(q!(conn => page Review, review_columns, reviews!("r.subject_id = $1"), user)?);
    Ok(all)
}

/// Returns hidden reviews whose window has closed, oldest end first.
pub(super) async fn due(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<ReviewId>> {
    // SQLite would otherwise read all hidden reviews and sort them.
    Ok(q!(conn => vals ReviewId, [
        sqlite: "SELECT id FROM reviews INDEXED BY reviews_due WHERE status = 'hidden' AND closes_at <= $1 ORDER BY closes_at LIMIT ($2 + 0)",
        pg: "SELECT id FROM reviews WHERE status = 'hidden' AND closes_at <= $1 ORDER BY closes_at LIMIT ($2 + 0)",
    ], now, limit)?)
}

/// Returns hidden reviews about a user whose window has closed.
pub(super) async fn due_about(conn: &mut Conn<'_>, subject: UserId, now: Timestamp) -> Result<Vec<ReviewId>> {
    Ok(q!(conn => vals ReviewId,
        "SELECT id FROM reviews WHERE subject_id = $1 AND status = 'hidden' AND closes_at <= $2", subject, now)?)
}

/// How many reviews of 1, 2, 3, 4 and 5 stars a worker has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx_macros::FromRow)]
pub(super) struct Stars {
    stars_1: i64,
    stars_2: i64,
    stars_3: i64,
    stars_4: i64,
    stars_5: i64,
}

impl Stars {
    /// Returns the numbers as a list.
    pub fn distribution(self) -> [i64; 5] {
        [self.stars_1, self.stars_2, self.stars_3, self.stars_4, self.stars_5]
    }
}

/// Returns a worker's stored star counts.
pub(super) async fn stars(conn: &mut Conn<'_>, worker: UserId) -> Result<Stars> {
    Ok(q!(conn => opt Stars,
        "SELECT stars_1, stars_2, stars_3, stars_4, stars_5 FROM worker_ratings WHERE user_id = $1", worker)?
    .unwrap_or_default())
}

/// Adds `by` to the number of a worker's reviews with `rating` stars.
pub(super) async fn count(conn: &mut Conn<'_>, worker: UserId, rating: i64, by: i64) -> Result<Stars> {
    let of = |stars: i64| if rating == stars { by } else { 0 };
    Ok(q!(conn => one Stars,
        "INSERT INTO worker_ratings (user_id, stars_1, stars_2, stars_3, stars_4, stars_5) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (user_id) DO UPDATE SET stars_1 = worker_ratings.stars_1 + excluded.stars_1, \
         stars_2 = worker_ratings.stars_2 + excluded.stars_2, stars_3 = worker_ratings.stars_3 + excluded.stars_3, \
         stars_4 = worker_ratings.stars_4 + excluded.stars_4, stars_5 = worker_ratings.stars_5 + excluded.stars_5 \
         RETURNING stars_1, stars_2, stars_3, stars_4, stars_5",
        worker, of(1), of(2), of(3), of(4), of(5))?)
}

/// Deletes from an erased user's reviews what nobody else needs: hidden reviews, which nobody has seen; the text of
/// removed ones; the user's replies and complaints; what staff wrote. Published reviews stay, by "Deleted user".
pub(super) async fn erase(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<()> {
    let before = all_of(conn, user).await?;
    q!(conn => exec,
        "DELETE FROM review_flags WHERE review_id IN \
         (SELECT id FROM reviews WHERE author_id = $1 AND (status || '') = 'hidden' AND closes_at > $2)",
        user, now)?;
    q!(conn => exec, "DELETE FROM reviews WHERE author_id = $1 AND (status || '') = 'hidden' AND closes_at > $2", user, now)?;
    q!(conn => exec, "UPDATE reviews SET content = '' WHERE author_id = $1 AND (status || '') = 'removed'", user)?;
    q!(conn => exec, "UPDATE reviews SET note = NULL WHERE author_id = $1 AND note IS NOT NULL", user)?;
    q!(conn => exec,
        "UPDATE reviews SET reply = NULL, note = NULL WHERE subject_id = $1 AND (reply IS NOT NULL OR note IS NOT NULL)",
        user)?;
    q!(conn => exec, "UPDATE review_flags SET comment = NULL WHERE user_id = $1 AND comment IS NOT NULL", user)?;
    // The words of what is gone are forgotten.
    let left: HashMap<ReviewId, String> =
        all_of(conn, user).await?.into_iter().map(|review| (review.id, review.said())).collect();
    for review in before {
        let new = left.get(&review.id).map_or("", String::as_str);
        content_terms::replace(conn, Kind::Review, (review.created_at, review.id.0), &review.said(), new).await?;
    }
    Ok(())
}

/// A complaint as its author exports it.
#[derive(serde::Serialize, sqlx_macros::FromRow)]
pub(crate) struct Complaint {
    review_id: ReviewId,
    reason: FlagReason,
    comment: Option<String>,
    created_at: Timestamp,
}

/// Returns the complaints that a user made, at most one for each review.
pub(crate) async fn complaints(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Complaint>> {
    Ok(q!(conn => all Complaint,
        "SELECT review_id, reason, comment, created_at FROM review_flags WHERE user_id = $1 ORDER BY created_at, review_id",
        user)?)
}

/// Returns since when the flagged review waits that has waited longest.
pub(super) async fn oldest_flagged(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    Ok(q!(conn => optval Timestamp, "SELECT flagged_at FROM reviews WHERE flags > 0 ORDER BY flagged_at, id LIMIT 1")?)
}

/// Counts the reviews with flags that wait for staff, up to `limit`.
pub(crate) async fn count_flagged(conn: &mut Conn<'_>, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM reviews WHERE flags > 0 LIMIT ($1 + 0)) AS capped", limit)?)
}
