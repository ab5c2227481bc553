//! The staff's use cases about reviews.

use super::{lock_review, recount, store, tell};
use crate::{
    base::{
        change::Changed,
        error::{Error, Result},
        ids::ReviewId,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction},
        events::{self, EventKind},
        target::TargetKind,
    },
    reviews::{
        model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewStatus, ReviewSummary},
        row::Review,
    },
    services::content_terms::{self, Sought},
};

/// Flags that are shown with a review.
const FLAGS_SHOWN: i64 = 50;

/// Returns reviews, newest first; flagged ones longest waiting first.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn staff_list(op: &Operation, filter: &ReviewFilter, page: &PageRequest) -> Result<Page<ReviewSummary>> {
    op.actor().require(Permission::ReviewsRead)?;
    let limit = page.checked_limit()?;
    let cursor = page.cursor_in::<TimeCursor>("reviews")?;
    let now = op.now();
    let wanted = store::Wanted { status: filter.status, subject: filter.subject_id, author: filter.author_id, now };
    let sought = match &filter.q {
        Some(q) => Some(content_terms::sought(op, q).await?),
        None => None,
    };
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let rows = if let Some(sought) = sought {
        found(&mut conn, &sought, filter, now, cursor, limit + 1).await?
    } else if filter.flagged {
        store::flagged(&mut conn, &wanted, cursor, limit + 1).await?
    } else {
        store::page(&mut conn, &wanted, cursor, limit + 1).await?
    };
    let position = |review: &Review| TimeCursor {
        at: review.flagged_at.filter(|_| filter.flagged).unwrap_or(review.created_at),
        id: review.id.0,
    };
    Ok(Page::of_list("reviews", rows, limit, position).map(|review| review.at(now).summary()))
}

/// Returns the reviews by or about the people, and those with the words, that pass the filter, in its order.
async fn found(
    conn: &mut Conn<'_>,
    Sought { people, words }: &Sought,
    filter: &ReviewFilter,
    now: Timestamp,
    mut cursor: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Review>> {
    /// Flagged reviews that are read at a time.
    const CHUNK: i64 = 500;
    let wanted = |author, subject| store::Wanted { status: filter.status, subject, author, now };
    let mut rows: Vec<Review> = Vec::new();
    if filter.flagged {
        // They are a queue, which staff keep short: it is gone through.
        let all = wanted(filter.author_id, filter.subject_id);
        loop {
            let chunk = store::flagged(conn, &all, cursor, CHUNK).await?;
            let last =
                chunk.last().map(|row| TimeCursor { at: row.flagged_at.unwrap_or(row.created_at), id: row.id.0 });
            let is_end = chunk.len() < usize::try_from(CHUNK).unwrap_or_default();
            let found = |row: &Review| {
                let has_words = || words.as_ref().is_some_and(|words| words.are_in(&row.said()));
                people.contains(&row.author_id) || people.contains(&row.subject_id) || has_words()
            };
            rows.extend(chunk.into_iter().filter(found));
            if is_end || i64::try_from(rows.len()).is_ok_and(|rows| rows >= limit) {
                break;
            }
            cursor = last;
        }
    } else {
        for person in people {
            if filter.author_id.is_none_or(|author| author == *person) {
                rows.extend(store::page(conn, &wanted(Some(*person), filter.subject_id), cursor, limit).await?);
            }
            if filter.subject_id.is_none_or(|subject| subject == *person) {
                rows.extend(store::page(conn, &wanted(filter.author_id, Some(*person)), cursor, limit).await?);
            }
        }
        if let Some(words) = words {
            let wanted = wanted(filter.author_id, filter.subject_id);
            rows.extend(store::by_words(conn, words, &wanted, cursor, limit).await?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        rows.dedup_by_key(|row| row.id);
    }
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(rows)
}

/// Returns one review, with its flags.
///
/// # Errors
/// `not_found` when there is no such review; `forbidden` without the permission.
pub async fn staff_show(op: &Operation, id: ReviewId) -> Result<ReviewDetail> {
    op.actor().require(Permission::ReviewsRead)?;
    let now = op.now();
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let review = store::get(&mut conn, id).await?.ok_or_else(|| none(id))?;
    detail(&mut conn, now, review.at(now)).await
}

fn none(id: ReviewId) -> Error {
    Error::not_found(format_args!("review {id}"))
}

async fn detail(conn: &mut Conn<'_>, now: Timestamp, review: Review) -> Result<ReviewDetail> {
    let both = store::of_job(conn, review.job_id).await?;
    Ok(ReviewDetail {
        review: review.summary(),
        flags: store::flags(conn, review.id, FLAGS_SHOWN).await?.into_iter().map(Into::into).collect(),
        counterpart: both.into_iter().find(|other| other.id != review.id).map(|other| other.at(now).summary()),
        note: review.note,
        reply: review.reply,
    })
}

/// Dismisses the flags of a review, removes it or restores it. One that already is as asked is unchanged.
///
/// # Errors
/// `not_found` when there is no such review; `forbidden` without the permission; `precondition_failed` at another version.
pub async fn staff_act(op: &Operation, id: ReviewId, action: &ReviewAction) -> Result<Changed<ReviewDetail>> {
    let note = op.note()?;
    let action = action.clone();
    op.write(unit!(|op, conn| { staff_act_in(&op, conn, id, &action, note).await })).await
}

/// Like [`staff_act`], inside a transaction.
pub(crate) async fn staff_act_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: ReviewId,
    action: &ReviewAction,
    note: Option<String>,
) -> Result<Changed<ReviewDetail>> {
    op.actor().require(Permission::ReviewsWrite)?;
    let now = op.now();
    let review = lock_review(op, conn, id).await?.ok_or_else(|| none(id))?;
    op.actor().require_other(review.author_id)?;
    op.actor().require_other(review.subject_id)?;
    op.check_version(review.version)?;
    let mut after = review.clone();
    let (name, reason) = match action {
        ReviewAction::Dismiss => {
            if review.flags == 0 {
                return Ok(Changed { changed: false, item: detail(conn, now, review).await? });
            }
            store::dismiss_flags(conn, id, now).await?;
            (AuditAction::ReviewsDismiss, None)
        }
        ReviewAction::Remove { reason } => {
            if review.status == ReviewStatus::Removed {
                return Ok(Changed { changed: false, item: detail(conn, now, review).await? });
            }
            after.status = ReviewStatus::Removed;
            after.removed_reason = Some(*reason);
            (AuditAction::ReviewsRemove, Some(reason.to_string()))
        }
        ReviewAction::Restore => {
            if review.status != ReviewStatus::Removed {
                return Ok(Changed { changed: false, item: detail(conn, now, review).await? });
            }
            restore(conn, &mut after, now).await?;
            store::dismiss_flags(conn, id, now).await?;
            (AuditAction::ReviewsRestore, None)
        }
    };
    // Whatever was decided, the flags have been dealt with.
    after.flags = 0;
    after.flagged_at = None;
    let noted = note.is_some();
    after.note = note;
    after.version += 1;
    if after.status != review.status {
        after.updated_at = now;
    }
    store::update(conn, &review, &after).await?;
    recount(conn, &review, &after).await?;
    if after.status == review.status {
        events::append(op, conn, EventKind::ReviewDismissed, &id.to_string(), None).await?;
    } else {
        tell(op, conn, &after).await?;
    }
    let entry = audit::Entry {
        action: name,
        target_kind: TargetKind::Review,
        target: id.to_string(),
        reason,
        metadata: serde_json::json!({
            "job": review.job_id, "author": review.author_id, "subject": review.subject_id, "from": review.status,
            "flags": review.flags, "note": noted,
        }),
    };
    audit::append(op, conn, entry).await?;
    Ok(Changed { changed: true, item: detail(conn, now, after).await? })
}

/// Restores a removed review to the state that it would have now: shown, if it was, or if its window has closed meanwhile.
async fn restore(conn: &mut Conn<'_>, review: &mut Review, now: Timestamp) -> Result<()> {
    let both = store::of_job(conn, review.job_id).await?.len() > 1;
    review.removed_reason = None;
    review.status = ReviewStatus::Hidden;
    if review.published_at.is_some() {
        review.status = ReviewStatus::Published;
    } else if both || review.closes_at <= now {
        review.status = ReviewStatus::Published;
        review.published_at = Some(now);
    }
    Ok(())
}
