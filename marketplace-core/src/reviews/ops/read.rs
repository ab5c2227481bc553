//! Reading reviews and ratings.

use super::{due::settle, subject_shows, trader, view_for};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{JobId, ReviewId, UserId},
        page::{Page, PageRequest, TimeCursor},
        time::Timestamp,
    },
    jobs,
    operation::Operation,
    platform::db::Conn,
    reviews::{
        model::{OwnReviewFilter, PublicReview, Rating, ReviewDirection, ReviewStatus, ReviewView},
        row::Review,
        store,
    },
};

/// Returns one review that the caller may see: their own, one about them that shows, or one that everybody sees.
///
/// # Errors
/// `not_found` when there is none that the caller may see.
pub async fn get(op: &Operation, id: ReviewId) -> Result<ReviewView> {
    let me = trader(op.actor())?;
    let now = op.now();
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let review = store::get(&mut conn, id).await?.ok_or_else(|| Error::not_found("review"))?;
    view_for(&mut conn, now, &review.at(now), me).await
}

/// Returns the author, the stars and the text of a published review that a person sees; none when they do not.
pub(crate) async fn seen(
    conn: &mut Conn<'_>,
    now: Timestamp,
    id: ReviewId,
    viewer: UserId,
) -> Result<Option<(UserId, i64, String)>> {
    let Some(review) = store::get(conn, id).await?.map(|review| review.at(now)) else { return Ok(None) };
    let is_party = viewer == review.author_id || viewer == review.subject_id;
    let shows =
        review.status == ReviewStatus::Published && (is_party || subject_shows(conn, now, review.subject_id).await?);
    Ok(shows.then_some((review.author_id, review.rating, review.content)))
}

/// Returns the reviews of one of the caller's jobs, as far as the caller may see them; two at most.
///
/// # Errors
/// `not_found` for other people's jobs.
pub async fn of_job(op: &Operation, job: JobId) -> Result<Page<ReviewView>> {
    let me = trader(op.actor())?;
    jobs::get(op, job).await?;
    let now = op.now();
    let mut reader = op.db.read().await?;
    let rows = store::of_job(&mut reader.conn(), job).await?;
    Ok(Page { items: rows.into_iter().filter_map(|review| review.at(now).view(me, false)).collect(), next: None })
}

/// Returns the caller's reviews, newest first: those they wrote, or those about them as far as they show.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn own(op: &Operation, filter: &OwnReviewFilter, page: &PageRequest) -> Result<Page<ReviewView>> {
    let me = trader(op.actor())?;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?;
    let now = op.now();
    let written = filter.direction != Some(ReviewDirection::Received);
    if !written {
        settle_about(op, me, now).await?;
    }
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let rows = if written {
        store::written(&mut conn, me, before, limit + 1).await?
    } else {
        store::received(&mut conn, me, before, limit + 1).await?
    };
    let position = |review: &Review| TimeCursor {
        at: if written { review.created_at } else { review.published_at.unwrap_or(now) },
        id: review.id.0,
    };
    let page = Page::from_rows(rows, limit, position);
    let items = page.items.into_iter().filter_map(|review| review.at(now).view(me, false)).collect();
    Ok(Page { items, next: page.next })
}

/// Reviews for a person's export, and the cursor to continue from.
pub(crate) struct Told {
    pub items: Vec<ReviewView>,
    pub next: Option<TimeCursor>,
}

/// Returns reviews that a person wrote, or those about them as far as they show, newest first.
pub(crate) async fn told(
    conn: &mut Conn<'_>,
    now: Timestamp,
    user: UserId,
    written: bool,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Told> {
    let rows = if written {
        store::written(conn, user, before, limit).await?
    } else {
        store::received(conn, user, before, limit).await?
    };
    let next = rows.last().map(|review| TimeCursor {
        at: if written { review.created_at } else { review.published_at.unwrap_or(now) },
        id: review.id.0,
    });
    Ok(Told { items: rows.into_iter().filter_map(|review| review.at(now).view(user, false)).collect(), next })
}

/// Returns the published reviews of a worker whom the public sees, newest first.
///
/// # Errors
/// `not_found` for a worker whom the public does not see; `invalid` for a limit or cursor that is not valid.
pub async fn of_worker(app: &App, worker: UserId, page: &PageRequest) -> Result<Page<PublicReview>> {
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?;
    let now = app.now();
    public_worker(app, worker, now).await?;
    settle_about(app, worker, now).await?;
    let rows = app.db.read_lagging(move |conn| Box::pin(store::of_worker(conn, worker, before, limit + 1))).await?;
    let position = |review: &Review| TimeCursor { at: review.published_at.unwrap_or(now), id: review.id.0 };
    let page = Page::from_rows(rows, limit, position);
    Ok(Page { items: page.items.into_iter().filter_map(Review::public).collect(), next: page.next })
}

/// Returns the rating of a worker whom the public sees.
///
/// # Errors
/// `not_found` for a worker whom the public does not see.
pub async fn rating(app: &App, worker: UserId) -> Result<Rating> {
    let now = app.now();
    public_worker(app, worker, now).await?;
    settle_about(app, worker, now).await?;
    let mut reader = app.db.read().await?;
    rating_of(&mut reader.conn(), worker).await
}

/// Returns a worker's stored rating. It lags behind the end of a window by a second at most.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn rating_of(conn: &mut Conn<'_>, worker: UserId) -> Result<Rating> {
    Ok(Rating::of(store::stars(conn, worker).await?.distribution()))
}

async fn public_worker(app: &App, worker: UserId, now: Timestamp) -> Result<()> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let account = crate::accounts::store::get(&mut conn, worker).await?;
    let is_worker = account.is_some_and(|account| account.role == crate::base::permission::Role::Worker);
    if is_worker && subject_shows(&mut conn, now, worker).await? { Ok(()) } else { Err(Error::not_found("worker")) }
}

/// Publishes the reviews about a person that are due now, without waiting for the timer: a list or a number that is read
/// after the end of a window has what the window held back.
async fn settle_about(app: &App, subject: UserId, now: Timestamp) -> Result<()> {
    let mut reader = app.db.read().await?;
    let due = store::due_about(&mut reader.conn(), subject, now).await?;
    drop(reader);
    for id in due {
        settle(app, id).await?;
    }
    Ok(())
}
