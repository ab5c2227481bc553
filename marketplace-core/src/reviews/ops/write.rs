//! Writing reviews, replies and flags.

use super::{lock_review, publish, recount, shown_to_subject, tell, trader, view_for};
use crate::{
    accounts::model::Status,
    base::{
        error::{Error, Result},
        ids::{JobId, ReviewId, UserId},
        text::check_text,
    },
    jobs::{
        self,
        model::{JobStatus, Side},
    },
    notifications::{self, model::NotificationKind},
    operation::Operation,
    platform::db::Conn,
    records::events::{self, EventKind},
    reports::model::{ReportTarget, ReportedContent},
    reviews::{
        model::{NewFlag, NewReply, NewReview, ReviewStatus, ReviewView, UpdateReview, WINDOW},
        row::Review,
        store,
    },
    rules::{self, About, Caught, model::RulePlace},
};

fn about(id: ReviewId, author: UserId) -> About {
    About { kind: ReportTarget::Review, id: id.0, thread: None, subject: author }
}

fn reported(rating: i64, text: String) -> ReportedContent {
    ReportedContent { text, rating: Some(rating), ..ReportedContent::default() }
}

/// Creates a review of the other side of a finalized job. It is hidden until the other side's is in or the window closes.
///
/// # Errors
/// `not_found` for other people's jobs; `conflict` unless the job was finalized less than 14 days ago, and with the
/// caller's review as `current` when there is one.
pub async fn create(op: &Operation, job: JobId, new: NewReview) -> Result<ReviewView> {
    let me = trader(op.actor())?;
    let NewReview { rating, text } = new.checked()?;
    // Also brings the job to where it is by now.
    let seen = jobs::get(op, job).await?;
    if seen.status != JobStatus::Finalized {
        return Err(Error::conflict("reviews open when the job is finalized", seen));
    }
    let caught = Caught::of(&*rules::current(op).await?, RulePlace::Reviews, &[("/text", &text)]);
    caught.allow()?;

    op.write(unit!(|op, conn| {
        let made = create_in(&op, conn, me, job, rating, text.clone()).await?;
        caught.store(&op, conn, about(made.id, me), &reported(rating, text)).await?;
        Ok(made)
    }))
    .await
}

async fn create_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    me: UserId,
    id: JobId,
    rating: i64,
    text: String,
) -> Result<ReviewView> {
    let now = op.now();
    let job = store::lock_job(conn, id).await?.ok_or_else(|| Error::not_found("job"))?;
    let (side, subject) =
        if me == job.client_id { (Side::Client, job.worker_id) } else { (Side::Worker, job.client_id) };
    let finalized = job.finalized_at.filter(|_| job.status == JobStatus::Finalized);
    let closes_at = finalized.ok_or_else(|| Error::conflict("reviews open when the job is finalized", ()))? + WINDOW;
    let others = store::of_job(conn, id).await?;
    if let Some(own) = others.iter().find(|review| review.side == side) {
        let own = view_for(conn, now, &own.clone().at(now), me).await?;
        return Err(Error::conflict("you have reviewed this job; a review can be changed while it is hidden", own));
    }
    if closes_at <= now {
        return Err(Error::conflict("the 14 days for reviews of this job are over", ()));
    }
    let mut review = Review {
        id: ReviewId::new(now, op.random.as_ref()),
        job_id: id,
        side,
        author_id: me,
        subject_id: subject,
        rating,
        content: text,
        status: ReviewStatus::Hidden,
        closes_at,
        published_at: None,
        reply: None,
        replied_at: None,
        removed_reason: None,
        note: None,
        flags: 0,
        flagged_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
        author_name: String::new(),
        author_status: Status::Active,
        subject_name: String::new(),
        subject_status: Status::Active,
        author_picture: None,
        subject_picture: None,
    };
    let hidden = review.clone();
    if !others.is_empty() {
        review.status = ReviewStatus::Published;
        review.published_at = Some(now);
    }
    if !store::insert(conn, &review).await? {
        return Err(Error::conflict("you have reviewed this job", ()));
    }
    recount(conn, &hidden, &review).await?;
    tell(op, conn, &review).await?;
    notifications::done(conn, me, NotificationKind::ReviewDue, id, now).await?;
    if review.status == ReviewStatus::Published {
        shown_to_subject(op, conn, &review).await?;
    }
    for other in others.iter().filter(|other| other.status == ReviewStatus::Hidden) {
        publish(op, conn, other, now).await?;
    }
    let made = store::get(conn, review.id).await?.ok_or_else(|| Error::internal("the new review is gone"))?;
    view_for(conn, now, &made, me).await
}

/// Changes a review of the caller's while it is hidden. An update that changes nothing makes no new version.
///
/// # Errors
/// `conflict` with the review as `current` once it shows or was removed.
pub async fn edit(op: &Operation, id: ReviewId, update: UpdateReview) -> Result<ReviewView> {
    let me = trader(op.actor())?;
    let rules = rules::current(op).await?;

    op.write(unit!(|op, conn| {
        // Not taken: what its time has brought is stored by others, and shows here all the same.
        let stored = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("review"))?;
        let review = stored.at(op.now());
        let view = view_for(conn, op.now(), &review, me).await?;
        if me != review.author_id {
            return Err(Error::forbidden("a review is changed by its author alone"));
        }
        op.check_version(review.version)?;
        if review.status != ReviewStatus::Hidden {
            return Err(Error::conflict("a review is fixed once it shows", view));
        }
        let before = NewReview { rating: review.rating, text: review.content.clone() };
        let changed = update.apply(before.clone())?;
        if changed == before {
            return Ok(view);
        }
        let caught = Caught::of_change(&rules, RulePlace::Reviews, &[("/text", &changed.text)], &[&before.text]);
        caught.allow()?;
        caught.store(&op, conn, about(id, me), &reported(changed.rating, changed.text.clone())).await?;
        let mut after = review.clone();
        after.rating = changed.rating;
        after.content = changed.text;
        after.version += 1;
        after.updated_at = op.now();
        store::update(conn, &review, &after).await?;
        tell(&op, conn, &after).await?;
        view_for(conn, op.now(), &after, me).await
    }))
    .await
}

/// Adds the subject's one public reply to a review that shows.
///
/// # Errors
/// `conflict` with the review as `current` when there is a reply, or when it was removed.
pub async fn reply(op: &Operation, id: ReviewId, reply: NewReply) -> Result<ReviewView> {
    let me = trader(op.actor())?;
    let text = check_text("/text", &reply.text, 1, 2_000)?;
    let caught = Caught::of(&*rules::current(op).await?, RulePlace::Reviews, &[("/text", &text)]);

    op.write(unit!(|op, conn| {
        let review = lock_review(&op, conn, id).await?.ok_or_else(|| Error::not_found("review"))?;
        let view = view_for(conn, op.now(), &review, me).await?;
        if me != review.subject_id {
            return Err(Error::forbidden("a review is answered by whom it is about"));
        }
        op.check_version(review.version)?;
        if review.status != ReviewStatus::Published {
            return Err(Error::conflict("the review was removed", view));
        }
        if review.reply.is_some() {
            return Err(Error::conflict("there is one reply to a review, and it was given", view));
        }
        caught.allow()?;
        // Not about the review: that is somebody else's.
        let content = ReportedContent { text: text.clone(), ..ReportedContent::default() };
        caught.store(&op, conn, About::user(me), &content).await?;
        let mut after = review.clone();
        after.reply = Some(text);
        after.replied_at = Some(op.now());
        after.updated_at = op.now();
        after.version += 1;
        store::update(conn, &review, &after).await?;
        tell(&op, conn, &after).await?;
        notifications::tell(&op, conn, after.author_id, NotificationKind::ReviewReply, id, op.now()).await?;
        view_for(conn, op.now(), &after, me).await
    }))
    .await
}

/// Flags a review that the caller can see, once for each caller. It only brings the review to the attention of staff.
///
/// # Errors
/// `not_found` for a review that the caller cannot see; `forbidden` for the caller's own; `conflict` when it was removed.
pub async fn flag(op: &Operation, id: ReviewId, flag: NewFlag) -> Result<()> {
    let me = trader(op.actor())?;
    let comment = flag.comment.as_deref().filter(|comment| !comment.trim().is_empty());
    let comment = comment.map(|comment| check_text("/comment", comment, 1, 1_000)).transpose()?;

    op.write(unit!(|op, conn| {
        let review = lock_review(&op, conn, id).await?.ok_or_else(|| Error::not_found("review"))?;
        let view = view_for(conn, op.now(), &review, me).await?;
        if me == review.author_id {
            return Err(Error::forbidden("nobody flags their own review"));
        }
        if review.status != ReviewStatus::Published {
            return Err(Error::conflict("the review was removed", view));
        }
        if !store::add_flag(conn, id, me, flag.reason, comment.as_deref(), op.now()).await? {
            return Err(Error::conflict("you have flagged this review; staff will look at it", ()));
        }
        events::append(&op, conn, EventKind::ReviewFlagged, &id.to_string(), None).await
    }))
    .await
}
