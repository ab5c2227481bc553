//! `marketplace mail`.

use clap::Subcommand;
use marketplace_core::staff::{ListMails, ListQuery, RetryMail, ShowMail};
use marketplace_core::{
    base::change::Changed,
    ids::MailId,
    mail::model::{MailFilter, MailStatus, MailSummary},
};

use crate::{
    args::{BatchArgs, ChangeArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::{Ref, reference},
};

/// What can be done with mails that were not sent yet.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Mails that wait or could not be sent, newest first
    #[command(after_help = "Example:\n  marketplace mail list --status failed")]
    List {
        /// Only those
        #[arg(long, value_parser = one_of::<MailStatus>(MailStatus::NAMES))]
        status: Option<MailStatus>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One mail that was not sent yet
    #[command(after_help = "Example:\n  marketplace mail show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The mail
        #[arg(value_parser = reference::<MailId>)]
        id: Ref<MailId>,
    },
    /// Have mails tried again now, whose last try failed
    #[command(after_help = "Lines of --stdin may override: note.\n\n\
        Examples:\n  \
        marketplace mail retry 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes\n  \
        marketplace mail list --status failed --limit 0 -o id | marketplace mail retry --stdin --yes")]
    Retry {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::List { status, range } => {
            context.out.check::<MailSummary>()?;
            let api = context.connect().await?;
            let filter = MailFilter { status };
            context
                .stream(&range, async |page| api.call::<ListMails>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Show { id } => {
            context.out.check::<MailSummary>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.out.item(&api.call::<ShowMail>(id, (), ()).await?)
        }
        Verb::Retry { batch, change } => {
            let api = context.connect_to_change::<MailSummary>(&batch, &change).await?;
            let how = VersionedArgs { if_version: None, change: change.clone() };
            let describe = async |id: MailId| -> Outcome<String> { Ok(format!("the mail {id}")) };
            let apply = async |id: MailId, line: Line| -> Outcome<Changed<MailSummary>> {
                Ok(api.call::<RetryMail>(id, (), line.change(&how).into()).await?)
            };
            context.change("Try again", &batch, &change, Care::Ask, describe, apply).await
        }
    }
}
