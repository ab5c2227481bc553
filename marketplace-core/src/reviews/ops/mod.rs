//! The use cases of reviews, one function each.
//!
//! A change of a review locks its job: so the second of two that come in at once finds the first, and a worker's rating
//! counts each review once that begins or ceases to show.

mod due;
mod read;
mod staff;
mod write;

pub use due::run_due;
pub(crate) use due::{erase, reindex};
pub use read::{get, of_job, of_worker, own, rating, rating_of};
pub(crate) use read::{seen, told};
pub(crate) use staff::staff_act_in;
pub use staff::{staff_act, staff_list, staff_show};
pub use write::{create, edit, flag, reply};

use super::{
    model::Rating,
    row::{Review, shows_to_everybody},
    store,
};
use crate::{
    accounts,
    actor::Actor,
    base::{
        error::{Error, Result},
        ids::{ReviewId, UserId},
        permission::Permission,
        time::Timestamp,
    },
    notifications::{self, model::NotificationKind},
    operation::Operation,
    platform::db::Conn,
    records::{
        events::{self, EventKind},
        webhooks::{self, model::WebhookKind},
    },
    reviews::model::{ReviewStatus, ReviewView},
    services,
};

/// Returns the caller, who must be one of those who write and read reviews.
fn trader(actor: &Actor) -> Result<UserId> {
    Ok(actor.require_own(Permission::Trade)?.account.id)
}

/// Locks one review for a change, as it is now: if it is due to be published, that is stored first.
async fn lock_review(op: &Operation, conn: &mut Conn<'_>, id: ReviewId) -> Result<Option<Review>> {
    let Some(review) = store::lock(conn, id).await? else { return Ok(None) };
    if !review.is_due(op.now()) {
        return Ok(Some(review));
    }
    let end = review.closes_at;
    publish(op, conn, &review, end).await.map(Some)
}

/// Publishes a hidden review from `at` on.
async fn publish(op: &Operation, conn: &mut Conn<'_>, review: &Review, at: Timestamp) -> Result<Review> {
    let mut shown = review.clone();
    shown.publish(at);
    store::update(conn, review, &shown).await?;
    recount(conn, review, &shown).await?;
    tell(op, conn, &shown).await?;
    shown_to_subject(op, conn, &shown).await?;
    Ok(shown)
}

/// Tells the subject of a review that it shows.
async fn shown_to_subject(op: &Operation, conn: &mut Conn<'_>, review: &Review) -> Result<()> {
    notifications::tell(op, conn, review.subject_id, NotificationKind::ReviewPublished, review.id, op.now()).await
}

/// Updates a worker's rating to the reviews that show.
async fn recount(conn: &mut Conn<'_>, before: &Review, after: &Review) -> Result<()> {
    let by = i64::from(after.counts()) - i64::from(before.counts());
    if by == 0 {
        return Ok(());
    }
    let stars = store::count(conn, after.subject_id, after.rating, by).await?;
    let thousandths = Rating::thousandths(stars.distribution()).unwrap_or(0);
    services::rating_changed(conn, after.subject_id, thousandths).await
}

/// Records that a review changed, for its author; for its subject only if they ever saw it.
async fn tell(op: &Operation, conn: &mut Conn<'_>, review: &Review) -> Result<()> {
    let shows = review.status != ReviewStatus::Hidden && review.published_at.is_some();
    let event = events::New {
        kind: EventKind::Review,
        target: &review.id.to_string(),
        user_id: Some(review.author_id),
        peer_id: shows.then_some(review.subject_id),
        thread_id: None,
        n: None,
    };
    let data = serde_json::json!({
        "review_id": review.id, "status": review.status, "version": review.version, "job_id": review.job_id,
        "author_id": review.author_id, "subject_id": review.subject_id,
    });
    webhooks::emit(op, conn, WebhookKind::ReviewChanged, review.id, data, op.now()).await?;
    events::record(op, conn, &event).await
}

/// Returns a review as a viewer sees it; `not_found` when they do not.
async fn view_for(conn: &mut Conn<'_>, now: Timestamp, review: &Review, viewer: UserId) -> Result<ReviewView> {
    let is_party = viewer == review.author_id || viewer == review.subject_id;
    let subject_shows = !is_party && subject_shows(conn, now, review.subject_id).await?;
    review.view(viewer, subject_shows).ok_or_else(|| Error::not_found("review"))
}

/// Returns whether the public sees a person.
async fn subject_shows(conn: &mut Conn<'_>, now: Timestamp, subject: UserId) -> Result<bool> {
    let account = accounts::store::get(conn, subject).await?;
    Ok(account.is_some_and(|account| shows_to_everybody(&account, now)))
}

#[cfg(test)]
mod tests;
