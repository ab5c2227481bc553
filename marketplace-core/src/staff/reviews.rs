//! Reviews.

use super::{
    connection::Connection,
    input::{PlainInput, ReasonedInput},
    operation::ListQuery,
};
use crate::{
    base::{
        change::{Change, Changed},
        error::Result,
        ids::ReviewId,
        page::Page,
    },
    messaging::model::RemovalReason,
    reviews::{
        self,
        model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewSummary},
    },
};

operations! { "admin reviews":
    /// Reviews, newest first; flagged ones, longest waiting first. Names are masked.
    ListReviews = GET "/v1/admin/reviews" needs ReviewsRead,
    (op, (): (), list: ListQuery<ReviewFilter>, (): ()) -> Page<ReviewSummary> as "A page" {
        reviews::staff_list(op, &list.filter, &list.page).await
    }

    /// One review, with its flags.
    ShowReview = GET "/v1/admin/reviews/{id}" needs ReviewsRead,
    (op, id: ReviewId, (): (), (): ()) -> ReviewDetail as "The review"
    with { const VERSION: Option<fn(&ReviewDetail) -> i64> = Some(|detail| detail.review.version); } {
        reviews::staff_show(op, id).await
    }

    /// Dismiss a review's flags: they mean nothing.
    DismissFlags = POST "/v1/admin/reviews/{id}/dismiss" needs ReviewsWrite,
    (op, id: ReviewId, (): (), _: PlainInput) -> Changed<ReviewDetail> as "The review, as it is now" {
        reviews::staff_act(op, id, &ReviewAction::Dismiss).await
    }

    /// Remove a review: it shows no more, and counts no more.
    RemoveReview = POST "/v1/admin/reviews/{id}/remove" needs ReviewsWrite,
    (op, id: ReviewId, (): (), input: ReasonedInput<RemovalReason>) -> Changed<ReviewDetail> as "The review, as it is now" {
        reviews::staff_act(op, id, &ReviewAction::Remove { reason: input.reason }).await
    }

    /// Restore a removed review.
    RestoreReview = POST "/v1/admin/reviews/{id}/restore" needs ReviewsWrite,
    (op, id: ReviewId, (): (), _: PlainInput) -> Changed<ReviewDetail> as "The review, as it is now" {
        reviews::staff_act(op, id, &ReviewAction::Restore).await
    }
}

/// Does something to a review that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn act_on_review(
    connection: &Connection,
    id: ReviewId,
    action: &ReviewAction,
    change: Change,
) -> Result<Changed<ReviewDetail>> {
    match action {
        ReviewAction::Dismiss => connection.call::<DismissFlags>(id, (), change.into()).await,
        ReviewAction::Remove { reason } => {
            connection.call::<RemoveReview>(id, (), ReasonedInput::new(*reason, change)).await
        }
        ReviewAction::Restore => connection.call::<RestoreReview>(id, (), change.into()).await,
    }
}
