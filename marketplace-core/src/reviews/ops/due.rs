//! Due work on reviews, and the erasure of a person's reviews.

use futures::FutureExt;

use super::{publish, store};
use crate::{
    app::App,
    base::{
        error::Result,
        ids::{ReviewId, UserId},
    },
    operation::Operation,
    platform::db::Conn,
    services::content_terms::{self, Kind},
    timers::{Queue, Timer},
};

/// Reviews that one call works on at most.
const BATCH: i64 = 200;

/// Publishes the hidden reviews whose window has closed. Doing it twice, or on two servers, does nothing more. Returns how many
/// things were done.
pub async fn run_due(app: &App) -> Result<u64> {
    let limit = BATCH + crate::scheduled::resting(app, Timer::Reviews);
    let mut reader = app.db.read().await?;
    let due = store::due(&mut reader.conn(), app.now(), limit).await?;
    let oldest = store::oldest_flagged(&mut reader.conn()).await?;
    drop(reader);
    app.timers.set_oldest(Queue::Flags, oldest);
    crate::scheduled::each(app, Timer::Reviews, due, async |id| settle(app, id).await.map(u64::from)).await
}

/// Publishes one hidden review if its window has closed.
pub(super) async fn settle(app: &App, id: ReviewId) -> Result<bool> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let review = store::lock(conn, id).await?.filter(|review| review.is_due(op.now()));
            let Some(review) = review else { return Ok(false) };
            let end = review.closes_at;
            publish(&op, conn, &review, end).await.map(|_| true)
        }))
        .await
}

/// Removes from an erased person's reviews what nobody else needs: hidden ones, which nobody has seen; the words of removed
/// ones; their replies and complaints; what staff wrote. What shows stays, with its stars, by "Deleted user".
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    store::erase(conn, user, app.now()).await
}

/// Indexes texts for staff that were written before there was such an index. Returns how many.
pub(crate) async fn reindex(app: &App) -> Result<u64> {
    content_terms::reindex(app, Kind::Review, |conn, id| store::index(conn, ReviewId(id)).boxed()).await
}
