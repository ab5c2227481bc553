//! `marketplace rules`.

use clap::{Args, Subcommand};
use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
    },
    ids::RuleId,
    reports::model::ReportReason,
    rules::model::{NewRule, Rule, RuleAction, RuleEdit, RuleFilter, RuleKind, RulePlace, RuleTrial},
    staff::{
        CreateRule, DeleteRule, EditRule, EditRuleInput, ListQuery, ListRules, NewRuleInput, TestRule, TestRuleInput,
    },
};

use crate::{
    args::{BatchArgs, ChangeArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::{Ref, reference},
};

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What is not let in, or looked at, newest first
    #[command(after_help = "Example:\n  marketplace rules list --kind blocked_domain --limit 0")]
    List {
        /// Only of this kind
        #[arg(long, value_parser = one_of::<RuleKind>(RuleKind::NAMES))]
        kind: Option<RuleKind>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// Refuse something, or have staff look at it
    #[command(
        alias = "add",
        after_help = "blocked_domain   new addresses of a domain and its subdomains\n\
        contact_details  any, email, phone, link or handle; in messages, until a job is agreed\n\
        words            a word, or words in this order\n\
        ip_range         sign-ups from a network\n\n\
        Domains and networks are refused, texts are reported, unless --action says otherwise. Who is in already stays.\n\n\
        Examples:\n  marketplace rules create blocked_domain throwaway.example --yes\n  \
        marketplace rules create contact_details phone --action refuse\n  \
        marketplace rules create words 'gift card' --place messages,services --as scam"
    )]
    Create {
        /// What it is about
        #[arg(value_parser = one_of::<RuleKind>(RuleKind::NAMES))]
        kind: RuleKind,
        /// The domain, the kind of contact details, the words, or the network
        value: String,
        /// What it does.
        #[command(flatten)]
        does: Does,
        /// Make it without letting it hold yet
        #[arg(long)]
        disabled: bool,
        /// What to remember about it
        #[arg(long)]
        note: Option<String>,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Change what a rule does, where, and whether it holds
    #[command(after_help = "Example:\n  marketplace rules edit 0c4f6a1b2c3d --action refuse --enable")]
    Edit {
        /// Its id
        #[arg(value_parser = reference::<RuleId>)]
        id: Ref<RuleId>,
        /// What it does.
        #[command(flatten)]
        does: Does,
        /// Let it hold
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Let it rest
        #[arg(long)]
        disable: bool,
        /// What to remember about it; nothing when empty
        #[arg(long)]
        note: Option<String>,
        /// Refuse unless it is at this version
        #[arg(long)]
        if_version: Option<i64>,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Take rules away
    #[command(
        alias = "remove",
        after_help = "Example:\n  marketplace rules delete 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes"
    )]
    Delete {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Show what a rule would have caught in the last 30 days
    #[command(after_help = "It changes nothing. What it shows is on record.\n\n\
        Example:\n  marketplace rules test words 'gift card' --examples 10")]
    Test {
        /// What it is about
        #[arg(value_parser = one_of::<RuleKind>(RuleKind::NAMES))]
        kind: RuleKind,
        /// The domain, the kind of contact details, the words, or the network
        value: String,
        /// Where it looks: messages, services, reviews, profiles, offers
        #[arg(long = "place", value_delimiter = ',', value_parser = one_of::<RulePlace>(RulePlace::NAMES))]
        places: Option<Vec<RulePlace>>,
        /// How many examples to show
        #[arg(long, default_value_t = 5)]
        examples: usize,
    },
}

/// What a rule does.
#[derive(Debug, Args)]
pub struct Does {
    /// What happens to what it catches
    #[arg(long, value_parser = one_of::<RuleAction>(RuleAction::NAMES))]
    action: Option<RuleAction>,
    /// Where it looks: messages, services, reviews, profiles, offers
    #[arg(long = "place", value_delimiter = ',', value_parser = one_of::<RulePlace>(RulePlace::NAMES))]
    places: Option<Vec<RulePlace>>,
    /// The reason of the reports that it opens
    #[arg(long = "as", value_name = "REASON", value_parser = one_of::<ReportReason>(ReportReason::NAMES))]
    reason: Option<ReportReason>,
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
        Verb::Create { kind, value, does, disabled, note, dry_run, yes } => {
            let change = ChangeArgs { note: None, dry_run, yes };
            context.check_change::<Changed<Rule>>(&change)?;
            context.confirm(&format!("Make the rule {kind} {value}?"), &change, Care::Ask).await?;
            let asked = Change { dry_run, ..Change::default() };
            let Does { action, places, reason } = does;
            let rule = NewRule { kind, value, action, places, reason, enabled: !disabled, note };
            let input = NewRuleInput::new(rule, &asked);
            let made = context.connect().await?.call::<CreateRule>((), (), input).await?;
            context.print_change(&made, &change)
        }
        Verb::Edit { id, does, enable, disable, note, if_version, dry_run, yes } => {
            let change = ChangeArgs { note: None, dry_run, yes };
            context.check_change::<Changed<Rule>>(&change)?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.confirm(&format!("Change the rule {id}?"), &change, Care::Ask).await?;
            let edit = RuleEdit {
                action: set(does.action),
                places: set(does.places),
                reason: set(does.reason),
                enabled: set((enable || disable).then_some(enable)),
                note: match note {
                    Some(note) if note.trim().is_empty() => Patch::Clear,
                    note => set(note),
                },
            };
            let asked = Change { dry_run, if_version, ..Change::default() };
            let made = api.call::<EditRule>(id, (), EditRuleInput::new(edit, &asked)).await?;
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
        Verb::Test { kind, value, places, examples } => {
            context.out.check::<RuleTrial>()?;
            let api = context.connect().await?;
            let mut total: Option<RuleTrial> = None;
            loop {
                let shown = total.as_ref().map_or(0, |total| total.examples.len());
                let input = TestRuleInput {
                    kind,
                    value: value.clone(),
                    places: places.clone(),
                    examples: i64::try_from(examples.saturating_sub(shown).min(20)).ok(),
                    after: total.as_mut().and_then(|total| total.next.take()),
                    if_version: None,
                };
                let part = api.call::<TestRule>((), (), input).await?;
                let sum = match total.take() {
                    None => part,
                    Some(mut sum) => {
                        sum.checked += part.checked;
                        sum.caught += part.caught;
                        sum.examples.extend(part.examples);
                        RuleTrial { next: part.next, ..sum }
                    }
                };
                let is_done = sum.next.is_none();
                total = Some(sum);
                if is_done {
                    break;
                }
            }
            total.map_or(Ok(()), |total| context.out.item(&total))
        }
    }
}

fn set<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}
