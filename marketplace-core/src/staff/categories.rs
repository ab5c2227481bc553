//! Categories of services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::Checks,
    base::{
        change::{Change, Changed},
        page::Page,
        patch::Patch,
    },
    services::{
        self,
        model::{Category, CategoryDetail, MergedCategory, NewCategory, UpdateCategory},
    },
};

/// A new category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewCategoryInput {
    /// Its key, which never changes.
    pub key: Category,
    /// Its names by language (`en`, `de`, `pt-br`), English among them, up to 60 characters each.
    pub names: BTreeMap<String, String>,
    /// The one that it is part of, which is part of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Category>,
    /// Its place in lists: 0 to 1,000,000, the last without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1_000_000))]
    pub position: Option<i64>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl NewCategoryInput {
    /// Returns a new category as a body.
    pub fn new(new: NewCategory, change: &Change) -> Self {
        let NewCategory { key, names, parent, position } = new;
        Self { key, names, parent, position, dry_run: change.dry_run, if_version: change.if_version }
    }
}

/// What of a category shall change; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UpdateCategoryInput {
    /// Names by language; `null` takes one away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Option<String>>,
    /// The one that it is part of; `null` for none.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Category>))]
    pub parent: Patch<Category>,
    /// Its place in lists: 0 to 1,000,000.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0, maximum = 1_000_000))]
    pub position: Patch<i64>,
    /// Whether new services can be of it. Those that are stay, and are found.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = bool))]
    pub active: Patch<bool>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the category is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl UpdateCategoryInput {
    /// Returns an update as a body.
    pub fn new(update: UpdateCategory, change: &Change) -> Self {
        let UpdateCategory { names, parent, position, active } = update;
        let (position, active) = (position.map_or(Patch::Keep, Patch::Set), active.map_or(Patch::Keep, Patch::Set));
        Self { names, parent, position, active, dry_run: change.dry_run, if_version: change.if_version }
    }
}

/// The category that another one is merged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MergeCategoryInput {
    /// One that services can be of.
    pub into: Category,
    /// Changes nothing: the answer is what would have been, with how many services would be moved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the category is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl MergeCategoryInput {
    /// Returns a merge as a body.
    pub fn new(into: Category, change: &Change) -> Self {
        Self { into, dry_run: change.dry_run, if_version: change.if_version }
    }
}

bodies! {
    MergeCategoryInput: dry_run if_version;
    NewCategoryInput: dry_run if_version;
    UpdateCategoryInput: dry_run if_version;
}

operations! { "admin categories":
    /// Every category, in order.
    ListCategories = GET "/v1/admin/categories" needs ServicesRead,
    (op, (): (), (): (), (): ()) -> Page<CategoryDetail> as "All of them"
    with { const ID: &'static str = "ListAllCategories"; } {
        services::staff_categories(op).await
    }

    /// Add a category. The same again stays as it is.
    CreateCategory = POST "/v1/admin/categories" needs UsersAdmin,
    (op, (): (), (): (), input: NewCategoryInput) -> Changed<CategoryDetail> as "Made"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been made (`dry_run`)"); } {
        let NewCategoryInput { key, names, parent, position, .. } = input;
        services::create_category(op, NewCategory { key, names, parent, position }).await
    }

    /// Change a category: its names, its place, or whether new services can be of it.
    EditCategory = PATCH "/v1/admin/categories/{key}" needs UsersAdmin,
    (op, key: Category, (): (), input: UpdateCategoryInput) -> Changed<CategoryDetail> as "The category, as it is now" {
        let UpdateCategoryInput { names, parent, position, active, .. } = input;
        let mut checks = Checks::default();
        let position = checks.take(position.required("/position")).flatten();
        let active = checks.take(active.required("/active")).flatten();
        checks.finish()?;
        services::update_category(op, key, UpdateCategory { names, parent, position, active }).await
    }

    /// Merge a category into another one, which its key stands for from then on, in filters and links too. Its services are moved.
    MergeCategory = POST "/v1/admin/categories/{key}/merge" needs UsersAdmin,
    (op, key: Category, (): (), input: MergeCategoryInput) -> Changed<MergedCategory> as "Merged" {
        services::merge_category(op, key, input.into).await
    }
}
