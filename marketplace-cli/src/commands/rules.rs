//! `marketplace rules`.

use clap::Subcommand;
use marketplace_core::{
    base::change::{Change, Changed},
    ids::RuleId,
    rules::model::{NewRule, Rule, RuleFilter, RuleKind},
    staff::{CreateRule, DeleteRule, ListQuery, ListRules, NewRuleInput},
};

use crate::{
    args::{BatchArgs, ChangeArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
};

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What is not let in, newest first
    #[command(after_help = "Example:\n  marketplace rules list --kind blocked_domain --limit 0")]
    List {
        /// Only of this kind
        #[arg(long, value_parser = one_of::<RuleKind>(RuleKind::NAMES))]
        kind: Option<RuleKind>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// Do not let something in: addresses of a domain and its subdomains, at sign-up and as a new address
    #[command(after_help = "Who has such an address already keeps it.\n\n\
        Example:\n  marketplace rules create blocked_domain throwaway.example --yes")]
    Create {
        /// What it is about
        #[arg(value_parser = one_of::<RuleKind>(RuleKind::NAMES))]
        kind: RuleKind,
        /// The domain
        value: String,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Take rules away
    #[command(after_help = "Example:\n  marketplace rules delete 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Delete {
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
        Verb::List { kind, range } => {
            context.out.check::<Rule>()?;
            let api = context.connect().await?;
            let filter = RuleFilter { kind };
            context
                .stream(&range, async |page| api.call::<ListRules>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Create { kind, value, dry_run, yes } => {
            let change = ChangeArgs { note: None, dry_run, yes };
            context.check_change::<Changed<Rule>>(&change)?;
            context.confirm(&format!("Make the rule {kind} {value}?"), &change, Care::Ask).await?;
            let asked = Change { dry_run, ..Change::default() };
            let input = NewRuleInput::new(NewRule { kind, value }, &asked);
            let made = context.connect().await?.call::<CreateRule>((), (), input).await?;
            context.print_change(&made, &change)
        }
        Verb::Delete { batch, change } => {
            let api = context.connect_to_change::<Rule>(&batch, &change).await?;
            let how = VersionedArgs { if_version: None, change: change.clone() };
            let describe = async |id: RuleId| -> Outcome<String> { Ok(format!("the rule {id}")) };
            let apply = async |id: RuleId, line: Line| -> Outcome<Changed<Rule>> {
                Ok(api.call::<DeleteRule>(id, (), line.change(&how).into()).await?)
            };
            context.change("Take away", &batch, &change, Care::Ask, describe, apply).await
        }
    }
}
