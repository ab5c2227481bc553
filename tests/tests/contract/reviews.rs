//! Reviews.

use marketplace_core::staff::{self, ListAudit, ListQuery, ListReviews, ShowReview, ShowStats};
use marketplace_core::{
    audit::AuditFilter,
    base::{change::Change, permission::Role},
    messaging::model::RemovalReason,
    page::PageRequest,
    reviews::model::{ReviewAction, ReviewFilter, ReviewStatus},
    testing::Trade,
};

use crate::{dry, note, script::Script, world::World};

pub async fn reviews(world: &World, trade: &Trade, script: &mut Script) {
    let ((sam, _), (lea, _)) = (world.staff(Role::Support).await, world.staff(Role::Auditor).await);
    let all = ReviewFilter::default();
    let first = lea.call::<ListReviews>((), ListQuery::new(&all, &PageRequest::first(1)), ()).await;
    script.heard("reviews_list first", &first);
    let next = PageRequest { limit: 200, after: first.unwrap().next };
    script.heard("reviews_list next", &lea.call::<ListReviews>((), ListQuery::new(&all, &next), ()).await);
    let bad = PageRequest { limit: 1, after: Some("nonsense".into()) };
    script.heard("reviews_list bad cursor", &lea.call::<ListReviews>((), ListQuery::new(&all, &bad), ()).await);
    script.heard(
        "reviews_list too many",
        &lea.call::<ListReviews>((), ListQuery::new(&all, &PageRequest::first(201)), ()).await,
    );
    let (client, worker) = (trade.client.user_id(), trade.worker.user_id());
    for flagged in [true, false] {
        let q = ReviewFilter { q: worker.map(|id| id.to_string()), flagged, ..ReviewFilter::default() };
        let found = lea.call::<ListReviews>((), ListQuery::new(&q, &PageRequest::default()), ()).await;
        assert!(flagged || found.as_ref().is_ok_and(|page| !page.items.is_empty()), "{found:?}");
        script.heard(format!("reviews_list of whom q finds {flagged}"), &found);
    }
    let flagged = || ReviewFilter { flagged: true, ..ReviewFilter::default() };
    for (name, filter) in [
        ("flagged", flagged()),
        ("hidden", ReviewFilter { status: Some(ReviewStatus::Hidden), ..ReviewFilter::default() }),
        ("about", ReviewFilter { subject_id: worker, ..ReviewFilter::default() }),
        ("by", ReviewFilter { author_id: client, status: Some(ReviewStatus::Published), ..ReviewFilter::default() }),
        ("about and by", ReviewFilter { subject_id: worker, author_id: client, ..ReviewFilter::default() }),
        ("flagged about", ReviewFilter { subject_id: worker, ..flagged() }),
        ("flagged and removed", ReviewFilter { status: Some(ReviewStatus::Removed), ..flagged() }),
    ] {
        script.heard(
            format!("reviews_list {name}"),
            &lea.call::<ListReviews>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
    }
    for (name, id) in [("flagged", trade.flagged), ("reply", trade.published), ("hidden", trade.hidden)] {
        script.heard(format!("reviews_show {name}"), &lea.call::<ShowReview>(id, (), ()).await);
    }
    let remove = |reason| ReviewAction::Remove { reason };
    let at = |version| Change { if_version: Some(version), ..Change::default() };
    for (name, id, action, change) in [
        ("restore what was not removed", trade.flagged, ReviewAction::Restore, Change::default()),
        ("dismiss dry", trade.flagged, ReviewAction::Dismiss, dry()),
        ("dismiss at another version", trade.flagged, ReviewAction::Dismiss, at(99)),
        ("dismiss with a long note", trade.flagged, ReviewAction::Dismiss, note(&"x".repeat(4_001))),
        ("dismiss", trade.flagged, ReviewAction::Dismiss, note("it is fair — ünï")),
        ("dismiss again", trade.flagged, ReviewAction::Dismiss, Change::default()),
        ("remove dry", trade.flagged, remove(RemovalReason::Abuse), dry()),
        ("remove", trade.flagged, remove(RemovalReason::Abuse), note("on second thought")),
        ("remove again", trade.flagged, remove(RemovalReason::Abuse), Change::default()),
        ("dismiss a removed one", trade.flagged, ReviewAction::Dismiss, Change::default()),
        ("restore dry", trade.flagged, ReviewAction::Restore, dry()),
        ("restore", trade.flagged, ReviewAction::Restore, Change::default()),
        ("restore again", trade.flagged, ReviewAction::Restore, Change::default()),
        ("remove a hidden one", trade.hidden, remove(RemovalReason::OffTopic), Change::default()),
        ("restore a hidden one", trade.hidden, ReviewAction::Restore, Change::default()),
    ] {
        script.heard(format!("reviews_act {name}"), &staff::act_on_review(&sam, id, &action, change.clone()).await);
        script.heard(format!("reviews_show after {name}"), &lea.call::<ShowReview>(id, (), ()).await);
    }
    for action in ["reviews.dismiss", "reviews.remove", "reviews.restore"] {
        let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
        script.heard(
            format!("audit_list {action}"),
            &lea.call::<ListAudit>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
    }
    script.heard("stats with reviews", &lea.call::<ShowStats>((), (), ()).await);
}
