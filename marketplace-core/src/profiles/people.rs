//! Favourites and blocks.

use super::{
    model::{Blocked, PublicWorker},
    ops::lock_own,
    store,
};
use crate::{
    base::{
        error::{Error, Result},
        ids::UserId,
        page::{Page, PageRequest, TextCursor, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    operation::Operation,
};

/// Favourites, and blocks, that one person may have.
const MOST: i64 = 2_000;

/// Returns the caller's favourite workers, those that the public sees, newest first.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn favorites(op: &Operation, page: &PageRequest) -> Result<Page<PublicWorker>> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    let limit = page.checked_limit()?;
    let newest = TimeCursor { at: Timestamp::MAX, id: uuid::Uuid::max() };
    let before = page.cursor::<TimeCursor>()?.unwrap_or(newest);
    let mut reader = op.db.read().await?;
    let rows = store::favorites(&mut reader.conn(), op.now(), user, before, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |(since, worker)| TimeCursor { at: *since, id: worker.id.0 })
        .map(|(_, worker)| worker))
}

/// Adds a worker to the caller's favourites, or removes them. Doing it twice changes nothing.
///
/// # Errors
/// `not_found` for somebody whom the public does not see; `conflict` beyond 2,000.
pub async fn favorite(op: &Operation, worker: UserId, wanted: bool) -> Result<()> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;

    op.write(unit!(|op, conn| {
        if !wanted {
            return store::drop_favorite(conn, user, worker).await;
        }
        lock_own(conn, user).await?;
        let known = store::public_worker(conn, op.now(), worker).await?;
        known.ok_or_else(|| Error::not_found("worker"))?;
        if store::count_favorites(conn, user, MOST).await? >= MOST {
            return Err(too_many("favourites"));
        }
        store::add_favorite(conn, user, worker, op.now()).await
    }))
    .await
}

/// Returns the people whom the caller blocks.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn blocks(op: &Operation, page: &PageRequest) -> Result<Page<Blocked>> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    let limit = page.checked_limit()?;
    let after = page.cursor::<TextCursor>()?.map_or(uuid::Uuid::nil(), |cursor| cursor.id);
    let mut reader = op.db.read().await?;
    let rows = store::blocks(&mut reader.conn(), user, after, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |blocked| TextCursor { key: String::new(), id: blocked.id.0 }))
}

/// Blocks or unblocks a person. A block means no new threads between the two, and messages only while a job of theirs is
/// live.
/// Doing it twice changes nothing.
///
/// # Errors
/// `not_found` for staff and for who is gone; `forbidden` about oneself; `conflict` beyond 2,000.
pub async fn block(op: &Operation, other: UserId, wanted: bool) -> Result<()> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    if user == other {
        return Err(Error::forbidden("nobody blocks themselves"));
    }

    op.write(unit!(|op, conn| {
        if !wanted {
            return store::drop_block(conn, user, other).await;
        }
        lock_own(conn, user).await?;
        if !store::is_somebody(conn, other).await? {
            return Err(Error::not_found("user"));
        }
        if store::count_blocks(conn, user, MOST).await? >= MOST {
            return Err(too_many("blocks"));
        }
        store::add_block(conn, user, other, op.now()).await
    }))
    .await
}

fn too_many(what: &str) -> Error {
    Error::conflict(format!("there are {MOST} {what} already; remove some first"), serde_json::json!({ "most": MOST }))
}
