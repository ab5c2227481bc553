//! `marketplace reviews`.

use clap::Subcommand;
use marketplace_core::staff::{self, Connection, ListQuery, ListReviews, ShowReview};
use marketplace_core::{
    base::change::Changed,
    ids::{ReviewId, UserId},
    messaging::model::RemovalReason,
    reviews::model::{ReviewAction, ReviewDetail, ReviewFilter, ReviewStatus, ReviewSummary},
};

use crate::{
    args::{BatchArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::{Ref, optional, reference},
};

/// What can be done with reviews.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Reviews, newest first; flagged ones, longest waiting first
    #[command(after_help = "Examples:\n  \
        marketplace reviews list --flagged\n  \
        marketplace reviews list --subject-id 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --status published")]
    List {
        /// Only with these words in the text or the reply, or of people whom this finds, as `users list --q` does: words of the
        /// name, an address, a number, an id; '"in quotes"', only texts are searched
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        /// Only those with flags that nobody has dismissed
        #[arg(long)]
        flagged: bool,
        /// Only in this state
        #[arg(long, value_parser = one_of::<ReviewStatus>(ReviewStatus::NAMES))]
        status: Option<ReviewStatus>,
        /// Only about this person
        #[arg(long, alias = "subject", value_name = "ID", value_parser = reference::<UserId>)]
        subject_id: Option<Ref<UserId>>,
        /// Only by this person
        #[arg(long, alias = "author", value_name = "ID", value_parser = reference::<UserId>)]
        author_id: Option<Ref<UserId>>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One review, with its flags and the other side's review
    #[command(after_help = "Example:\n  marketplace reviews show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The review
        #[arg(value_parser = reference::<ReviewId>)]
        id: Ref<ReviewId>,
    },
    /// Dismiss the flags of reviews: they mean nothing
    #[command(after_help = "Lines of --stdin may override: note, if_version.\n\n\
        Example:\n  marketplace reviews dismiss 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Dismiss {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Remove reviews: they show no more, and count no more
    #[command(after_help = "Lines of --stdin may override: reason, note, if_version.\n\n\
        Examples:\n  \
        marketplace reviews remove 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason abuse\n  \
        marketplace reviews remove --stdin --yes --reason spam --continue-on-error < ids.txt")]
    Remove {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<RemovalReason>(RemovalReason::NAMES))]
        reason: Option<RemovalReason>,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Restore removed reviews
    #[command(after_help = "Lines of --stdin may override: note, if_version.\n\n\
        Example:\n  marketplace reviews restore 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Restore {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let out = &context.out;
    match verb {
        Verb::List { q, flagged, status, subject_id, author_id, range } => {
            out.check::<ReviewSummary>()?;
            let api = context.connect().await?;
            let subject_id = optional(&api, subject_id.as_ref()).await?;
            let author_id = optional(&api, author_id.as_ref()).await?;
            let filter = ReviewFilter { q, flagged, status, subject_id, author_id };
            let range = Range { is_reordered: flagged, ..range };
            context
                .stream(&range, async |page| api.call::<ListReviews>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Show { id } => {
            out.check::<ReviewDetail>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            out.item(&api.call::<ShowReview>(id, (), ()).await?)
        }
        Verb::Dismiss { batch, how } => {
            plain(context, "Dismiss the flags of", &batch, &how, ReviewAction::Dismiss).await
        }
        Verb::Restore { batch, how } => plain(context, "Restore", &batch, &how, ReviewAction::Restore).await,
        Verb::Remove { batch, reason, how } => {
            let reason = context.reason(reason, RemovalReason::NAMES, &how.change).await?;
            if !batch.stdin {
                Line::default().reason(reason)?;
            }
            let api = context.connect_to_change::<ReviewDetail>(&batch, &how.change).await?;
            let apply = async |id: ReviewId, line: Line<RemovalReason>| -> Outcome<Changed<ReviewDetail>> {
                let action = ReviewAction::Remove { reason: line.reason(reason)? };
                Ok(staff::act_on_review(&api, id, &action, line.change(&how)).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Remove", &batch, &how.change, Care::Ask, describe, apply).await
        }
    }
}

/// Runs an action that needs no reason.
async fn plain(context: &Context, verb: &str, batch: &BatchArgs, how: &VersionedArgs, action: ReviewAction) -> Outcome {
    let api = context.connect_to_change::<ReviewDetail>(batch, &how.change).await?;
    let apply = async |id: ReviewId, line: Line| -> Outcome<Changed<ReviewDetail>> {
        Ok(staff::act_on_review(&api, id, &action, line.change(how)).await?)
    };
    let describe = async |id| describe(&api, id).await;
    context.change(verb, batch, &how.change, Care::Ask, describe, apply).await
}

async fn describe(api: &Connection, id: ReviewId) -> Outcome<String> {
    let ReviewSummary { author_name, subject_name, rating, status, flags, .. } =
        api.call::<ShowReview>(id, (), ()).await?.review;
    Ok(format!("{author_name}'s review of {subject_name} ({rating} stars, {status}, {flags} flags)"))
}
