//! SQL queries for categories.

use super::category::{Category, CategoryDetail};
use crate::{
    base::{
        error::{Error, Result},
        time::Timestamp,
    },
    platform::db::Conn,
};

#[derive(sqlx_macros::FromRow)]
struct Row {
    key: Category,
    names: String,
    parent: Option<Category>,
    position: i64,
    active: bool,
    merged_into: Option<Category>,
    moving: bool,
    version: i64,
    named: bool,
}

impl Row {
    fn detail(self) -> Result<CategoryDetail> {
        let names = serde_json::from_str(&self.names).map_err(Error::internal)?;
        let Self { key, parent, position, active, merged_into, moving, version, .. } = self;
        Ok(CategoryDetail { key, names, parent, position, active, merged_into, moving, version })
    }
}

/// Returns every category, in order. There are few.
pub(super) async fn all(conn: &mut Conn<'_>) -> Result<Vec<CategoryDetail>> {
    Ok(all_named(conn).await?.into_iter().map(|(category, _)| category).collect())
}

/// Returns every category, in order, and whether admins wrote its names.
pub(super) async fn all_named(conn: &mut Conn<'_>) -> Result<Vec<(CategoryDetail, bool)>> {
    let mut rows = q!(conn => all Row,
        "SELECT key, names, parent, position, active, merged_into, moving, version, named FROM categories ORDER BY key")?;
    rows.sort_by_key(|row| row.position);
    let with_mark = |row: Row| {
        let named = row.named;
        Ok((row.detail()?, named))
    };
    rows.into_iter().map(with_mark).collect()
}

/// Returns whether services can be of a category; `None` when there is none.
pub(super) async fn is_active(conn: &mut Conn<'_>, key: Category) -> Result<Option<bool>> {
    Ok(q!(conn => optval bool, "SELECT active FROM categories WHERE key = $1", key)?)
}

/// Returns the same, and keeps it so until the end of the transaction.
pub(super) async fn stays_active(conn: &mut Conn<'_>, key: Category) -> Result<Option<bool>> {
    Ok(q!(conn => optval bool, [
        sqlite: "SELECT active FROM categories WHERE key = $1",
        pg: "SELECT active FROM categories WHERE key = $1 FOR SHARE",
    ], key)?)
}

/// Has the key of a category stand for another one, and those of what was merged into it.
pub(super) async fn merge(conn: &mut Conn<'_>, key: Category, into: Category, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE categories SET merged_into = $2, version = version + 1, updated_at = $3 WHERE merged_into = $1", key, into, now)?;
    q!(conn => exec,
        "UPDATE categories SET merged_into = $2, moving = TRUE, active = FALSE, version = version + 1, updated_at = $3 WHERE key = $1",
        key, into, now)?;
    Ok(())
}

/// Returns the categories from which services are still to be moved, and where to.
pub(super) async fn moving(conn: &mut Conn<'_>) -> Result<Vec<(Category, Category)>> {
    Ok(q!(conn => all (Category, Category),
        "SELECT key, merged_into FROM categories WHERE moving AND merged_into IS NOT NULL")?)
}

/// Notes that all services were moved from a category that was merged, unless there still is one.
pub(super) async fn moved(conn: &mut Conn<'_>, key: Category) -> Result<()> {
    q!(conn => exec,
        "UPDATE categories SET moving = FALSE, version = version + 1 WHERE key = $1 AND moving \
         AND NOT EXISTS (SELECT 1 FROM services WHERE category = $1)", key)?;
    Ok(())
}

/// Locks out other changes of categories until the end of the transaction. SQLite has only one writer anyway.
pub(super) async fn take_turn(conn: &mut Conn<'_>) -> Result<()> {
    if let Conn::Pg(_) = conn {
        // The number identifies this lock; no other lock uses it.
        q!(conn => exec, [sqlite: "SELECT 1", pg: "SELECT pg_advisory_xact_lock(7305804386)"])?;
    }
    Ok(())
}

/// Stores a category, a new one or a changed one.
pub(super) async fn put(conn: &mut Conn<'_>, category: &CategoryDetail, named: bool, now: Timestamp) -> Result<()> {
    let texts = serde_json::to_string(&category.names).map_err(Error::internal)?;
    q!(conn => exec,
        "INSERT INTO categories (key, names, parent, position, active, named, version, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (key) DO UPDATE SET names = excluded.names, parent = excluded.parent, position = excluded.position, \
         active = excluded.active, named = categories.named OR excluded.named, version = excluded.version, updated_at = excluded.updated_at",
        category.key, texts, category.parent, category.position, category.active, named, category.version, now)?;
    Ok(())
}
