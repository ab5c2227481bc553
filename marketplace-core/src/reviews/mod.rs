//! Reviews: what the two sides of a job say about each other afterwards.
//!
//! | to read about | open |
//! |---|---|
//! | what reviews are, when they show | [`model`] |

pub mod model;
mod store;

pub(crate) use store::count_flagged;

use model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary};

use crate::{
    actor::{Actor, Permission},
    admin::{Change, Changed},
    app::App,
    error::{Error, Result},
    ids::ReviewId,
    page::{Page, PageRequest},
};

/// Reviews, newest first; flagged ones longest waiting first.
pub async fn staff_list(
    _app: &App,
    actor: &Actor,
    _filter: &ReviewFilter,
    _page: &PageRequest,
) -> Result<Page<ReviewSummary>> {
    actor.require(Permission::ReviewsRead)?;
    Err(Error::unavailable("not built yet", "reviews"))
}
/// One review, with its flags.
pub async fn staff_show(_app: &App, actor: &Actor, _id: ReviewId) -> Result<ReviewDetail> {
    actor.require(Permission::ReviewsRead)?;
    Err(Error::unavailable("not built yet", "reviews"))
}
/// Dismisses flags, removes or restores.
pub async fn staff_act(
    _app: &App,
    actor: &Actor,
    _id: ReviewId,
    _action: &ReviewAction,
    _change: &Change,
) -> Result<Changed<ReviewDetail>> {
    actor.require(Permission::ReviewsWrite)?;
    Err(Error::unavailable("not built yet", "reviews"))
}
