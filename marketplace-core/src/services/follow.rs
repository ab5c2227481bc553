//! What follows for services from what happens elsewhere: to their worker, to reviews. Each is called inside the
//! transaction in which it happens.

use std::collections::BTreeSet;

use futures::FutureExt;

use super::{
    model::ServiceStatus,
    store,
    words::{parts, plain, search_text},
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::UserId,
        time::Timestamp,
    },
    platform::db::Conn,
};

/// A worker's status, role or identity check changed: their services are looked at by searches, or not.
pub(crate) async fn worker_changed(conn: &mut Conn<'_>, now: Timestamp, worker: UserId) -> Result<()> {
    let visible = store::may_show(conn, worker, now).await?;
    store::set_visible(conn, worker, visible).await
}

/// A worker's name changed, by which their services are found.
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

/// A worker's average changed: thousandths of a star, 0 without reviews.
pub(crate) async fn rating_changed(conn: &mut Conn<'_>, worker: UserId, thousandths: i64) -> Result<()> {
    store::set_rating(conn, worker, thousandths).await
}

/// Everything that a worker wrote in services goes; those that threads are about stay, without a word of theirs.
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, worker: UserId) -> Result<()> {
    let mut words: BTreeSet<String> = BTreeSet::new();
    for service in store::all_of(conn, worker).await? {
        let (threads, _) = store::ties(conn, service.id).await?;
        if threads {
            store::blank(conn, service.id, "Deleted service", app.now()).await?;
        } else {
            store::remove(conn, service.id).await?;
        }
        words.extend(plain(&service.search_text).map(str::to_owned));
    }
    forget(conn, words.iter().map(String::as_str)).await
}

/// Takes the words of services that are gone out of the search index, a bounded part of it in each unit of work.
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

/// Keeps the words that typos are tolerated of. A word that is known already costs a look.
///
/// # Errors
/// What the database returns.
pub async fn learn(conn: &mut Conn<'_>, words: impl Iterator<Item = &str> + Send) -> Result<()> {
    store::take_turn(conn).await?;
    let words: BTreeSet<&str> = words.filter(|word| !parts(word).is_empty()).collect();
    let unknown = store::unknown_words(conn, &json(&words)?).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let pairs: Vec<(String, &String)> =
        unknown.iter().flat_map(|word| parts(word).into_iter().map(move |part| (part, word))).collect();
    store::add_words(conn, &json(&unknown)?, &json(&pairs)?).await
}

/// Forgets words that no service has any more: they may be somebody's name.
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
