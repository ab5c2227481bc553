//! Merging a category into another one: its key stands for that one at once, and its services are moved some at a time, while
//! everybody goes on.

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{
    categories::{append, forget},
    category::{Category, CategoryDetail, MergedCategory},
    category_store,
    index_text::search_text,
    model::ServiceStatus,
    ops::changed,
    store,
};
use crate::{
    accounts,
    app::App,
    base::{
        change::Changed,
        count::Count,
        error::{Error, Result},
        ids::ServiceId,
        permission::Permission,
    },
    operation::Operation,
    platform::db::Conn,
    records::audit::AuditAction,
};

/// Services that one run moves, those that are read at once, and those that are moved at the same time.
const MOVED: u64 = 2_000;
const READ: i64 = 200;
const TOGETHER: usize = 32;

/// Merges a category into another one. From then on its key stands for that one: filters and links that have it find what the
/// other one has, what its names meant in searches means the other one, and new services cannot be of it. Its parts become parts
/// of the other one. Its services are moved at once as far as they are few, and within moments otherwise; until then they are
/// found like the others. The same again changes nothing, also after the other one was merged in its turn.
///
/// # Errors
/// `not_found` when there is none; `invalid` for another one that is not there, that services cannot be of, or that cannot take
/// its parts; `conflict` with where it was merged before; `forbidden` without the permission; `precondition_failed` at another
/// version.
pub async fn merge_category(op: &Operation, key: Category, into: Category) -> Result<Changed<MergedCategory>> {
    op.actor().require(Permission::UsersAdmin)?;

    let stored = op
        .write(unit!(|op, conn| {
            category_store::take_turn(conn).await?;
            let all = category_store::all(conn).await?;
            let before = all.iter().find(|category| category.key == key).ok_or_else(|| Error::not_found("category"))?;
            let services = Count::bounded(store::count_of_category(conn, key, Count::CAP + 1).await?);
            op.check_version(before.version)?;
            // What the other one was merged into since is what both keys stand for.
            let stays = all.iter().find(|other| other.key == into).and_then(|other| other.merged_into).unwrap_or(into);
            if before.merged_into == Some(stays) && key != into {
                return Ok(Changed { changed: false, item: MergedCategory { category: before.clone(), services } });
            }
            if before.merged_into.is_some() {
                return Err(Error::conflict("it was merged into another category before", before));
            }
            let parts = parts_for(&all, key, into)?;
            for mut part in parts {
                part.parent = Some(into);
                part.version += 1;
                category_store::put(conn, &part, false, op.now()).await?;
            }
            category_store::merge(conn, key, into, op.now()).await?;
            let metadata = serde_json::json!({ "into": into, "services": services.value, "more": services.capped });
            append(&op, conn, AuditAction::CategoriesMerge, key, metadata).await?;
            let category = CategoryDetail {
                active: false,
                merged_into: Some(into),
                moving: true,
                version: before.version + 1,
                ..before.clone()
            };
            Ok(Changed { changed: true, item: MergedCategory { category, services } })
        }))
        .await;
    forget(op);
    let mut merged = stored?;
    if merged.changed && !op.change().dry_run {
        // What this does not do, the next run of due work does.
        match move_merged(op).await {
            Ok(_) => {
                let all = category_store::all(&mut op.db.read().await?.conn()).await?;
                let now = all.into_iter().find(|category| category.key == key);
                merged.item.category = now.unwrap_or(merged.item.category);
            }
            Err(error) => tracing::warn!(%error, "services of a merged category are moved later"),
        }
    }
    Ok(merged)
}

/// Returns the parts of a category, which become parts of the other one.
fn parts_for(all: &[CategoryDetail], key: Category, into: Category) -> Result<Vec<CategoryDetail>> {
    let wrong = |detail: &str| Err(Error::invalid("/into", detail.to_owned()));
    if key == into {
        return wrong("is the category itself");
    }
    let Some(other) = all.iter().find(|other| other.key == into) else {
        return wrong("is none of the categories");
    };
    if let Some(merged) = other.merged_into {
        return wrong(&format!("was merged into {merged}: name that one"));
    }
    if !other.active {
        return wrong("is a category that services cannot newly be of: make it active first");
    }
    if other.parent == Some(key) {
        return wrong("is a part of it: make it a part of none first");
    }
    let parts: Vec<CategoryDetail> = all.iter().filter(|part| part.parent == Some(key)).cloned().collect();
    if !parts.is_empty() && other.parent.is_some() {
        return wrong("is a part of another one, and cannot have the parts of this one: there are two levels");
    }
    Ok(parts)
}

/// Moves services of merged categories to those that they were merged into, some in each run. Returns how many.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn move_merged(app: &App) -> Result<u64> {
    let mut moved = 0;
    let all = category_store::moving(&mut app.db.read().await?.conn()).await?;
    for (from, into) in all {
        loop {
            let ids = store::of_category(&mut app.db.read().await?.conn(), from, READ).await?;
            if ids.is_empty() {
                app.db.write(move |conn| async move { finish(conn, from).await }.boxed()).await?;
                forget(app);
                break;
            }
            let op = &Operation::system(app);
            let work = |id| op.write(unit!(|op, conn| { move_one(&op, conn, id, (from, into)).await }));
            moved += u64::try_from(ids.len()).unwrap_or(0);
            stream::iter(ids).map(work).buffer_unordered(TOGETHER).try_collect::<Vec<()>>().await?;
            if moved >= MOVED {
                return Ok(moved);
            }
        }
    }
    Ok(moved)
}

async fn finish(conn: &mut Conn<'_>, from: Category) -> Result<()> {
    category_store::take_turn(conn).await?;
    category_store::moved(conn, from).await
}

async fn move_one(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: ServiceId,
    (from, into): (Category, Category),
) -> Result<()> {
    let Some(found) = store::find(conn, id).await? else { return Ok(()) };
    // The account before its service, as everywhere.
    let worker = accounts::store::lock(conn, found.worker_id).await?;
    let Some(service) = store::lock(conn, id).await? else { return Ok(()) };
    let mut content = service.content()?;
    if content.category != from {
        return Ok(());
    }
    content.category = into;
    let is_deleted = service.status == ServiceStatus::Deleted;
    let name = worker.as_ref().map_or("", |worker| worker.name.as_str());
    let text = if is_deleted { String::new() } else { search_text(&content, name) };
    store::set_category(conn, id, into, &text, op.now()).await?;
    if is_deleted { Ok(()) } else { changed(op, conn, id, service.worker_id, service.status).await }
}
