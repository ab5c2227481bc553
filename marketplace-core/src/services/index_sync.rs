//! Updates of services that follow from changes elsewhere: of their worker, or of reviews. Each is called inside the
//! transaction that makes the change.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{
    content_terms::{self, Kind},
    index_text::{plain, search_text},
    model::ServiceStatus,
    photo_store, store,
    typos::parts,
};
use crate::{
    accounts,
    app::App,
    base::{
        error::{Error, Result},
        ids::{ServiceId, UserId},
        time::Timestamp,
    },
    platform::db::Conn,
};

/// Includes a worker's services in searches or excludes them, after a change of the worker's status, role or identity
/// check.
pub(crate) async fn worker_changed(conn: &mut Conn<'_>, now: Timestamp, worker: UserId) -> Result<()> {
    let visible = store::may_show(conn, worker, now).await?;
    if visible {
        // Words that only hidden services have are forgotten with the next service that has them.
        let texts = store::hidden_texts(conn, worker).await?;
        learn(conn, texts.iter().flat_map(|text| plain(text))).await?;
    }
    store::set_visible(conn, worker, visible).await
}

/// Updates the search text of a worker's services after a change of the worker's name, by which they are found.
pub(crate) async fn name_changed(conn: &mut Conn<'_>, worker: UserId, name: &str) -> Result<()> {
    let mut old: BTreeSet<String> = BTreeSet::new();
    for service in store::all_of(conn, worker).await? {
        if service.status == ServiceStatus::Deleted {
            continue;
        }
        let text = search_text(&service.content()?, name);
        if text != service.search_text {
            if service.status == ServiceStatus::Published {
                learn(conn, plain(&text)).await?;
            }
            store::set_search_text(conn, service.id, &text).await?;
            old.extend(plain(&service.search_text).map(str::to_owned));
        }
    }
    forget(conn, old.iter().map(String::as_str)).await
}

/// Stores a worker's new average rating with their services: thousandths of a star, 0 without reviews.
pub(crate) async fn rating_changed(conn: &mut Conn<'_>, worker: UserId, thousandths: i64) -> Result<()> {
    store::set_rating(conn, worker, thousandths).await
}

/// Deletes everything that a worker wrote in services; services that threads are about stay, without the worker's
/// text.
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, worker: UserId) -> Result<()> {
    photo_store::erase(conn, worker, app.now()).await?;
    let mut words: BTreeSet<String> = BTreeSet::new();
    for service in store::all_of(conn, worker).await? {
        let (threads, _) = store::ties(conn, service.id).await?;
        if threads {
            store::blank(conn, service.id, "Deleted service", app.now()).await?;
        } else {
            store::remove(conn, service.id).await?;
        }
        let title = service.content()?.title;
        content_terms::replace(conn, Kind::Service, (service.created_at, service.id.0), &title, "").await?;
        words.extend(plain(&service.search_text).map(str::to_owned));
    }
    forget(conn, words.iter().map(String::as_str)).await
}

/// Removes the words of deleted services from the search index, a bounded part of it in each unit of work.
pub(crate) async fn sweep_index(app: &App) -> Result<()> {
    let mut begin = true;
    loop {
        let more =
            app.db.patient().write(move |conn| async move { store::merge_index(conn, begin).await }.boxed()).await?;
        if !more {
            return Ok(());
        }
        begin = false;
    }
}

/// Number of services that one run indexes again, and how many of them at the same time.
const REINDEXED: (i64, usize) = (2_000, 32);

/// Writes the indexed texts of services again that an earlier release wrote, some in each run. Until then, those services
/// are found by their words, but not by other forms of them. Returns how many were written.
pub(crate) async fn reindex(app: &App) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let ids = store::unindexed(&mut reader.conn(), REINDEXED.0).await?;
    drop(reader);
    let done = u64::try_from(ids.len()).unwrap_or(0);
    let work = |id| app.db.write(move |conn| async move { reindex_one(conn, id).await }.boxed());
    stream::iter(ids).map(work).buffer_unordered(REINDEXED.1).try_collect::<Vec<()>>().await?;
    Ok(done)
}

/// Indexes titles for staff that were written before there was such an index. Returns how many.
pub(crate) async fn reindex_titles(app: &App) -> Result<u64> {
    content_terms::reindex(app, Kind::Service, |conn, id| index_title(conn, ServiceId(id)).boxed()).await
}

async fn index_title(conn: &mut Conn<'_>, id: ServiceId) -> Result<()> {
    let Some(service) = store::lock(conn, id).await? else { return Ok(()) };
    content_terms::replace(conn, Kind::Service, (service.created_at, id.0), "", &service.content()?.title).await
}

async fn reindex_one(conn: &mut Conn<'_>, id: ServiceId) -> Result<()> {
    if let Some(service) = store::lock(conn, id).await?.filter(|service| service.status != ServiceStatus::Deleted) {
        let worker = accounts::store::get(conn, service.worker_id).await?;
        let text = search_text(&service.content()?, worker.as_ref().map_or("", |worker| &worker.name));
        if service.status == ServiceStatus::Published {
            learn(conn, plain(&text)).await?;
        }
        store::set_search_text(conn, id, &text).await?;
        let new: BTreeSet<&str> = plain(&text).collect();
        forget(conn, plain(&service.search_text).filter(|word| !new.contains(word)).collect::<Vec<_>>()).await?;
    }
    store::is_indexed(conn, id).await
}

/// Stores the words for which typos are tolerated. A word that is already known costs one read.
///
/// # Errors
/// Errors of the database.
pub async fn learn(conn: &mut Conn<'_>, words: impl Iterator<Item = &str> + Send) -> Result<()> {
    let words: BTreeSet<&str> = words.filter(|word| !parts(word).is_empty()).collect();
    if words.is_empty() {
        return Ok(());
    }
    store::take_turn(conn).await?;
    let unknown = store::unknown_words(conn, &json(&words)?).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let pairs: Vec<(String, &String)> =
        unknown.iter().flat_map(|word| parts(word).into_iter().map(move |part| (part, word))).collect();
    store::add_words(conn, &json(&unknown)?, &json(&pairs)?).await
}

/// Deletes words that no service has any more: they may be somebody's name.
pub(super) async fn forget(conn: &mut Conn<'_>, words: impl IntoIterator<Item = &str> + Send) -> Result<()> {
    let words: BTreeSet<&str> = words.into_iter().collect();
    if words.is_empty() {
        return Ok(());
    }
    store::take_turn(conn).await?;
    store::drop_words(conn, &json(&words)?).await
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
