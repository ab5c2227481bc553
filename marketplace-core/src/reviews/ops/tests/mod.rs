//! Stories of reviews, on both engines.

mod blind;
mod ratings;
mod staff;
mod stories;

use std::time::Duration;

use super::*;
use crate::{
    accounts::model::{Password, UserAction},
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        ids::JobId,
        page::PageRequest,
        patch::Patch,
        permission::Role,
    },
    jobs::{
        self,
        model::{JobStatus, Side},
        ops::tests::{Pair, job_in, pair, refused},
    },
    messaging::model::RemovalReason,
    reviews::{
        self,
        model::{
            FlagReason, NewFlag, NewReply, NewReview, OwnReviewFilter, PublicReview, ReviewAction, ReviewDirection,
            ReviewFilter, UpdateReview, WINDOW,
        },
    },
    testing::{self, TestApp, operator},
};

fn stars(rating: i64) -> NewReview {
    NewReview { rating, text: format!("{rating} stars") }
}

/// A pair with a finalized job.
async fn finished(test: &TestApp) -> (Pair, JobId) {
    let pair = pair(test).await;
    let job = job_in(test, &pair, JobStatus::Finalized).await.id;
    (pair, job)
}

async fn public(test: &TestApp, worker: UserId) -> Vec<PublicReview> {
    reviews::of_worker(test.app(), worker, &PageRequest::default()).await.unwrap().items
}

fn received() -> OwnReviewFilter {
    OwnReviewFilter { direction: Some(ReviewDirection::Received) }
}

fn reply_with(text: &str) -> NewReply {
    NewReply { text: text.into() }
}

fn complaint() -> NewFlag {
    NewFlag { reason: FlagReason::False, comment: Some("I never did".into()) }
}

/// A worker's rating, computed anew over what shows: what the kept one must equal.
async fn recomputed(test: &TestApp, worker: UserId) -> Rating {
    let mut reader = test.app().db.read().await.unwrap();
    let now = test.app().now();
    let rows = q!(&mut reader.conn() => vals i64,
        "SELECT rating FROM reviews WHERE subject_id = $1 AND side = 'client' \
         AND (status = 'published' OR (status = 'hidden' AND closes_at <= $2))", worker, now)
    .unwrap();
    let mut distribution = [0; 5];
    for rating in rows {
        distribution[usize::try_from(rating).unwrap() - 1] += 1;
    }
    Rating::of(distribution)
}

fn restrict() -> Change {
    Change { reason: Some(RestrictionReason::Other), ..Change::default() }
}
