//! Operations with which admins manage categories, and with which everybody reads them.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    category::{
        Category, CategoryDetail, CategoryInfo, Known, MAX_CATEGORIES, Merge, Merged, NewCategory, POSITIONS,
        UpdateCategory, check_names, with_position,
    },
    category_store as store,
};
use crate::{
    app::App,
    base::{
        change::Changed,
        error::{Error, Result},
        page::Page,
        permission::Permission,
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        target::TargetKind,
    },
};

/// Between the places of two categories, so that another one fits.
const STEP: i64 = 10;

/// How old the categories may be that everybody reads. On the server that changed them they are new at once.
const FRESH: Duration = Duration::from_secs(1);

/// Returns the categories that services can be of, in order: those of the last second.
///
/// # Errors
/// Errors of the database.
pub async fn categories(app: &App) -> Result<Arc<[CategoryInfo]>> {
    Ok(Arc::clone(&known_categories(app).await?.active))
}

/// Returns the categories that services can be of, and those that were merged: those of the last second.
pub(super) async fn known_categories(app: &App) -> Result<Arc<Known>> {
    let now = app.now();
    let kept = app.categories.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((read_at, all)) = kept
        && read_at <= now // A clock that was set back must not keep them.
        && now.since(read_at) < FRESH
    {
        return Ok(all);
    }
    let all = store::all_named(&mut app.db.read().await?.conn()).await?;
    let named = all.iter().filter(|(_, named)| *named).map(|(category, _)| category.clone()).collect();
    let all: Vec<CategoryDetail> = all.into_iter().map(|(category, _)| category).collect();
    let merge = |category: &CategoryDetail| {
        category.merged_into.map(|into| Merge { from: category.key, into, moving: category.moving })
    };
    let merged = Merged(all.iter().filter_map(merge).collect());
    let info = |category: CategoryDetail| {
        let name = category.name().to_owned();
        CategoryInfo { code: category.key, name, names: category.names, parent: category.parent }
    };
    let active = all.into_iter().filter(|category| category.active).map(info).collect();
    let known = Arc::new(Known { active, merged, named });
    *app.categories.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&known)));
    Ok(known)
}

/// Drops the kept categories, so that the next reader reads them anew.
pub(super) fn forget(app: &App) {
    *app.categories.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Returns every category, in order.
///
/// # Errors
/// `forbidden` without the permission.
pub async fn staff_categories(op: &Operation) -> Result<Page<CategoryDetail>> {
    op.actor().require(Permission::ServicesRead)?;
    let items = store::all(&mut op.db.read().await?.conn()).await?;
    Ok(Page { items, next: None })
}

/// Adds a category. The same again changes nothing.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `conflict` with the one that has the key already; `forbidden` without the
/// permission.
pub async fn create_category(op: &Operation, new: NewCategory) -> Result<Changed<CategoryDetail>> {
    op.actor().require(Permission::UsersAdmin)?;
    let names = with_position(check_names(&new.names), new.position)?;

    let stored = op
        .write(unit!(|op, conn| {
            store::take_turn(conn).await?;
            let all = store::all(conn).await?;
            let last = all.last().map_or(0, |category| category.position);
            let position = new.position.unwrap_or(last.saturating_add(STEP).min(*POSITIONS.end()));
            if let Some(there) = all.iter().find(|category| category.key == new.key) {
                let is_same = there.names == names
                    && there.parent == new.parent
                    && new.position.is_none_or(|at| at == there.position);
                return if is_same {
                    Ok(Changed { changed: false, item: there.clone() })
                } else {
                    Err(Error::conflict("there is a category with this key", there))
                };
            }
            if all.len() >= MAX_CATEGORIES {
                return Err(Error::conflict(
                    "there are too many categories",
                    serde_json::json!({ "most": MAX_CATEGORIES }),
                ));
            }
            let NewCategory { key, parent, .. } = new;
            let made = CategoryDetail {
                key,
                names,
                parent,
                position,
                active: true,
                merged_into: None,
                moving: false,
                version: 1,
            };
            check_parent(&all, &made)?;
            store::put(conn, &made, true, op.now()).await?;
            record(&op, conn, AuditAction::CategoriesCreate, &made).await?;
            Ok(Changed { changed: true, item: made })
        }))
        .await;
    forget(op);
    stored
}

/// Changes a category. Searches know its names from then on. What changes nothing makes no new version.
///
/// # Errors
/// `not_found` when there is none; `invalid` with each field that breaks a rule; `conflict` for one that was merged and shall be
/// active again; `forbidden` without the permission; `precondition_failed` at another version.
pub async fn update_category(op: &Operation, key: Category, update: UpdateCategory) -> Result<Changed<CategoryDetail>> {
    op.actor().require(Permission::UsersAdmin)?;

    let stored = op
        .write(unit!(|op, conn| {
            store::take_turn(conn).await?;
            let all = store::all(conn).await?;
            let before = all.iter().find(|category| category.key == key).ok_or_else(|| Error::not_found("category"))?;
            op.check_version(before.version)?;
            let mut after = update.apply(before)?;
            if after == *before {
                return Ok(Changed { changed: false, item: after });
            }
            if after.active && after.merged_into.is_some() {
                return Err(Error::conflict("it was merged into another category, which its key stands for", before));
            }
            check_parent(&all, &after)?;
            after.version += 1;
            store::put(conn, &after, after.names != before.names, op.now()).await?;
            record(&op, conn, AuditAction::CategoriesUpdate, &after).await?;
            Ok(Changed { changed: true, item: after })
        }))
        .await;
    forget(op);
    stored
}

/// Checks that a category is part of another one that is part of none: there are two levels.
fn check_parent(all: &[CategoryDetail], category: &CategoryDetail) -> Result<()> {
    let Some(parent) = category.parent else { return Ok(()) };
    let found = all.iter().find(|other| other.key == parent && other.key != category.key && other.parent.is_none());
    if let Some(into) = found.and_then(|found| found.merged_into) {
        return Err(Error::invalid("/parent", format!("was merged into {into}: name that one")));
    }
    let has_parts = all.iter().any(|other| other.parent == Some(category.key));
    if found.is_some() && !has_parts {
        return Ok(());
    }
    Err(Error::invalid(
        "/parent",
        "must be another category, and there are two levels: neither has more above or below",
    ))
}

async fn record(op: &Operation, conn: &mut Conn<'_>, action: AuditAction, category: &CategoryDetail) -> Result<()> {
    let CategoryDetail { parent, position, active, .. } = category;
    let metadata = serde_json::json!({ "parent": parent, "position": position, "active": active });
    append(op, conn, action, category.key, metadata).await
}

pub(super) async fn append(
    op: &Operation,
    conn: &mut Conn<'_>,
    action: AuditAction,
    key: Category,
    metadata: serde_json::Value,
) -> Result<()> {
    let target = key.to_string();
    audit::append(op, conn, Entry { action, target_kind: TargetKind::Category, target, reason: None, metadata }).await
}

/// Refuses a category that services cannot newly be of. Until the end of the transaction it is merged into no other.
pub(super) async fn require_active(conn: &mut Conn<'_>, key: Category) -> Result<()> {
    if store::stays_active(conn, key).await? == Some(true) { Ok(()) } else { Err(unknown()) }
}

/// Refuses a category that there is not.
pub(super) async fn require_known(conn: &mut Conn<'_>, key: Category) -> Result<()> {
    // Those from the start are never taken away.
    if Category::FIRST.contains(&key) || store::is_active(conn, key).await?.is_some() { Ok(()) } else { Err(unknown()) }
}

fn unknown() -> Error {
    Error::invalid("/category", "is none of the categories (`GET /v1/categories`)")
}
