//! `marketplace kyc`: identity checks.

use marketplace_core::staff::{
    self, ClaimAttempt, ClaimNextAttempt, Connection, FileOf, ListAttempts, ListQuery, ReleaseAttempt, ShowAttempt,
    UndoDecision, ViewAttemptFile,
};
use std::path::PathBuf;

use clap::Subcommand;
use marketplace_core::{
    base::change::{Change, Changed, RestrictionReason},
    ids::{AttemptId, UserId},
    kyc::{
        model::{Decision, DecisionKind, DocumentType, FileKind, KycCase, KycFilter, KycReason, KycSummary, Triage},
        status::KycStatus,
    },
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    moves::{AssignLine, Assignee, PlainLine, SnoozeLine, assignee},
    open,
};
use crate::{
    args::{AheadOrNow, BatchArgs, ChangeArgs, Format, Range, ahead_or_now, one_of},
    change::Care,
    context::Context,
    failure::{Failure, Outcome},
    files::require_place,
    find::{Ref, colleagues, optional, reference},
};

/// What can be done with identity checks.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The queue, oldest first
    #[command(after_help = "Examples:\n  \
        marketplace kyc list\n  \
        marketplace kyc list --status rejected --limit 0 -o csv\n  \
        marketplace kyc list --document-type passport --fields id,name,submitted_at")]
    List {
        /// Only of people whom this finds, as `users list --q` does: words of the name, an address, a number, an id
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        /// Only in this state; without one, all that wait for a decision
        #[arg(long, value_parser = one_of::<KycStatus>(KycStatus::NAMES))]
        status: Option<KycStatus>,
        /// Only of this kind of document
        #[arg(long, value_parser = one_of::<DocumentType>(DocumentType::NAMES))]
        document_type: Option<DocumentType>,
        /// Only of this user
        #[arg(long, value_name = "ID", value_parser = reference::<UserId>)]
        user_id: Option<Ref<UserId>>,
        /// Only those that were given to this colleague: me, an address, an id or a name
        #[arg(long, value_name = "WHO", conflicts_with_all = ["snoozed", "escalated"])]
        assigned_to: Option<String>,
        /// Only those that this colleague holds a claim on: me, an address, an id or a name
        #[arg(long, value_name = "WHO")]
        claimed_by: Option<String>,
        /// Only those that are set aside until a time
        #[arg(long, conflicts_with = "escalated")]
        snoozed: bool,
        /// Only those that wait for an admin
        #[arg(long)]
        escalated: bool,
        /// All that wait, what is set aside or for somebody else among them
        #[arg(long, conflicts_with_all = ["assigned_to", "snoozed", "escalated"])]
        all: bool,
        /// Only those that you hold a claim on
        #[arg(long)]
        mine: bool,
        /// Go on, and print each one that is new or changes, until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One attempt, with all that is needed to decide
    #[command(after_help = "Example:\n  marketplace kyc show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The attempt
        #[arg(value_parser = reference::<AttemptId>)]
        id: Ref<AttemptId>,
    },
    /// Claim the next attempt that nobody holds: given to you, escalated (admins), then the oldest; skipped ones last
    #[command(
        after_help = "An empty queue answers nothing (null in JSON), with exit code 0 unless --empty names another.\n\n\
        Examples:\n  \
        marketplace kyc next --yes -o id\n  \
        marketplace kyc next --yes -o id --empty 3"
    )]
    Next {
        /// The exit code of an empty queue
        #[arg(long, value_name = "CODE", default_value_t = 0)]
        empty: u8,
        /// How the change is made.
        #[command(flatten)]
        claiming: Claiming,
    },
    /// Claim attempts for ten minutes, or renew your claims
    #[command(after_help = "Example:\n  marketplace kyc claim 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Claim {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        claiming: Claiming,
    },
    /// Give your claims back to the queue
    #[command(after_help = "Example:\n  marketplace kyc release 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Release {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        claiming: Claiming,
    },
    /// Put cases behind the others, for you alone
    #[command(after_help = "Example:\n  \
        marketplace kyc skip 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --note 'cannot read the script' --yes")]
    Skip {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Set cases aside until a time, when they come back by themselves
    #[command(after_help = "Lines of --stdin may override: until, note.\n\n\
        Examples:\n  \
        marketplace kyc snooze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --until 4h --yes\n  \
        marketplace kyc snooze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --until now --yes")]
    Snooze {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Until when, at most 30 days away: 4h, 2d, 2026-03-02 or 2026-03-02T10:00:00Z; `now` takes them up again
        #[arg(long, alias = "for", value_name = "TIME", required_unless_present = "stdin", value_parser = ahead_or_now)]
        until: Option<AheadOrNow>,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Give cases to a colleague
    #[command(after_help = "Lines of --stdin may override: to, note.\n\n\
        Examples:\n  \
        marketplace kyc assign 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --to lea@example.org --yes\n  \
        marketplace kyc assign 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --to nobody --yes")]
    Assign {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// To whom: me, an address, an id or a name; `nobody` gives them back to everybody
        #[arg(long, value_name = "WHO", required_unless_present = "stdin")]
        to: Option<String>,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Give cases to the admins, with a --note
    #[command(after_help = "Example:\n  \
        marketplace kyc escalate 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --note 'same face as attempt 3f2a' --yes")]
    Escalate {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Approve: the person is who they say
    #[command(after_help = "Lines of --stdin may override: reason, comment, note, fence.\n\n\
        Examples:\n  \
        marketplace kyc approve 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d\n  \
        marketplace kyc approve --stdin --yes --continue-on-error < ids.txt")]
    Approve(Deciding),
    /// Ask for another attempt
    #[command(after_help = "Example:\n  \
        marketplace kyc retry 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason document_unreadable --yes")]
    Retry(Deciding),
    /// Refuse for good
    #[command(after_help = "Example:\n  \
        marketplace kyc reject 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason suspected_forgery,underage --yes")]
    Reject(Deciding),
    /// Take an approval back
    #[command(after_help = "Example:\n  \
        marketplace kyc revoke 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason document_expired --yes")]
    Revoke(Deciding),
    /// Take your own decision back, within 10 seconds
    #[command(after_help = "Example:\n  marketplace kyc undo 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Undo {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        claiming: Claiming,
    },
    /// Look at a file of an attempt in an external viewer, or save it; each view is audited
    #[command(
        after_help = "The file is removed again once the viewer is closed, or on Enter. --output makes a new file, and replaces nothing.\n\n\
        Examples:\n  \
        marketplace kyc open 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d\n  \
        marketplace kyc open 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d selfie --viewer feh\n  \
        marketplace kyc open 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d document --output passport.jpg"
    )]
    Open {
        /// The attempt
        #[arg(value_parser = reference::<AttemptId>)]
        id: Ref<AttemptId>,
        /// Which file
        #[arg(default_value = "document", value_parser = one_of::<FileKind>(FileKind::NAMES))]
        kind: FileKind,
        /// The viewer; the file's path is its last argument
        #[arg(long, value_name = "COMMAND")]
        viewer: Option<String>,
        /// Save to this new file instead of viewing; - for stdout
        #[arg(long = "output", value_name = "FILE", conflicts_with = "viewer")]
        save_to: Option<PathBuf>,
    },
}

/// How claims are made and ended.
#[derive(Debug, clap::Args)]
pub struct Claiming {
    /// Why, as a code
    #[arg(long, value_name = "CODE", value_parser = one_of::<RestrictionReason>(RestrictionReason::NAMES))]
    reason: Option<RestrictionReason>,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Claiming {
    fn change(&self, line: ClaimLine) -> Change {
        let Self { reason, change } = self;
        let note = line.note.or_else(|| change.note.clone());
        Change { reason: line.reason.or(*reason), note, dry_run: change.dry_run, ..Change::default() }
    }
}

/// How attempts are decided.
#[derive(Debug, clap::Args)]
pub struct Deciding {
    #[command(flatten)]
    batch: BatchArgs,
    /// Why; several with commas. Needed unless approving
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = one_of::<KycReason>(KycReason::NAMES))]
    reason: Vec<KycReason>,
    /// Text for the worker, instead of the reasons' own texts
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The claim's fencing number; without one the attempt is claimed and decided at once
    #[arg(long, value_name = "N")]
    fence: Option<i64>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// The values that a line of a batch of decisions may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DecisionOverrides {
    #[serde(alias = "reasons")]
    reason: Option<OneOrMany>,
    comment: Option<String>,
    note: Option<String>,
    fence: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(KycReason),
    Many(Vec<KycReason>),
}

impl From<OneOrMany> for Vec<KycReason> {
    fn from(reasons: OneOrMany) -> Self {
        match reasons {
            OneOrMany::One(reason) => vec![reason],
            OneOrMany::Many(reasons) => reasons,
        }
    }
}

/// The values that a line of a batch of claims may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClaimLine {
    reason: Option<RestrictionReason>,
    note: Option<String>,
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let out = &context.out;
    match verb {
        Verb::List {
            q,
            status,
            document_type,
            user_id,
            assigned_to,
            claimed_by,
            snoozed,
            escalated,
            all,
            mine,
            watch,
            range,
        } => {
            out.check::<KycSummary>()?;
            let api = context.connect().await?;
            let user_id = optional(&api, user_id.as_ref()).await?;
            let assigned_to = colleagues(&api, assigned_to.as_deref()).await?;
            let claimed_by = colleagues(&api, claimed_by.as_deref()).await?;
            let filter =
                KycFilter { q, status, document_type, user_id, assigned_to, claimed_by, snoozed, escalated, all };
            let fetch = async |page| {
                let mut page = api.call::<ListAttempts>((), ListQuery::new(&filter, &page), ()).await?;
                if mine {
                    page.items.retain(|row| row.claim.as_ref().is_some_and(|claim| claim.mine));
                }
                Ok(page)
            };
            if watch { context.watch(&range, fetch).await } else { context.stream(&range, fetch).await }
        }
        Verb::Show { id } => {
            out.check::<KycCase>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            let case = api.call::<ShowAttempt>(id, (), ()).await?;
            out.item(&case)
        }
        Verb::Next { empty, claiming } => {
            context.check_change::<KycCase>(&claiming.change)?;
            context.require_consent(&claiming.change)?;
            let asked = claiming.change(ClaimLine::default());
            let next = context.connect().await?.call::<ClaimNextAttempt>((), (), asked.clone()).await?;
            if let Some(case) = next {
                return context.print_change(&case, &claiming.change);
            }
            if matches!(out.format, Format::Json | Format::Yaml) && !out.transforms() {
                out.write(b"null\n")?;
            }
            out.note("the queue is empty");
            if empty == 0 { Ok(()) } else { Err(Failure::Chosen(empty)) }
        }
        Verb::Claim { batch, claiming } => claims(context, "Claim", &batch, &claiming, AdminCall::Claim).await,
        Verb::Release { batch, claiming } => claims(context, "Release", &batch, &claiming, AdminCall::Release).await,
        Verb::Undo { batch, claiming } => {
            claims(context, "Undo the decision on", &batch, &claiming, AdminCall::Undo).await
        }
        Verb::Skip { batch, change } => triage(context, "Skip", &batch, &change, Plainly(Triage::Skip)).await,
        Verb::Escalate { batch, change } => {
            triage(context, "Escalate", &batch, &change, Plainly(Triage::Escalate)).await
        }
        Verb::Snooze { batch, until, change } => triage(context, "Set aside", &batch, &change, Snoozing(until)).await,
        Verb::Assign { batch, to, change } => {
            context.check_change::<KycCase>(&change)?;
            let to = match to {
                Some(to) => Some(assignee(&context.connect().await?, &to).await?),
                None => None,
            };
            triage(context, "Assign", &batch, &change, Assigning(to)).await
        }
        Verb::Approve(deciding) => decide(context, DecisionKind::Approve, deciding).await,
        Verb::Retry(deciding) => decide(context, DecisionKind::Retry, deciding).await,
        Verb::Reject(deciding) => decide(context, DecisionKind::Reject, deciding).await,
        Verb::Revoke(deciding) => decide(context, DecisionKind::Revoke, deciding).await,
        Verb::Open { id, kind, viewer, save_to } => {
            if let Some(path) = &save_to {
                // Each view is audited, so what cannot be saved is not fetched.
                require_place(path)?;
            }
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            let file = api.call::<ViewAttemptFile>(FileOf(id, kind), (), ()).await?;
            match save_to {
                Some(path) => open::save(context, &file, &path),
                None => open::view(context, &file, kind.as_str(), viewer.as_deref()).await,
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum AdminCall {
    Claim,
    Release,
    Undo,
}

async fn claims(context: &Context, verb: &str, batch: &BatchArgs, claiming: &Claiming, call: AdminCall) -> Outcome {
    let api = context.connect_to_change::<KycCase>(batch, &claiming.change).await?;
    let describe = async |id: AttemptId| Ok(id.to_string());
    let apply = async |id: AttemptId, line: ClaimLine| {
        let asked = claiming.change(line);
        Ok(match call {
            AdminCall::Claim => api.call::<ClaimAttempt>(id, (), asked.clone()).await?,
            AdminCall::Release => api.call::<ReleaseAttempt>(id, (), asked.clone()).await?,
            AdminCall::Undo => api.call::<UndoDecision>(id, (), asked.clone()).await?,
        })
    };
    context.change(verb, batch, &claiming.change, Care::Light, describe, apply).await
}

/// Something that is done to the place of cases, with what a line may override of it.
trait Placing {
    type Line: DeserializeOwned + Default;
    /// Returns what is done, and the note of the line.
    async fn of(&self, api: &Connection, line: Self::Line) -> Outcome<(Triage, Option<String>)>;
}

struct Plainly(Triage);
struct Snoozing(Option<AheadOrNow>);
struct Assigning(Option<Assignee>);

impl Placing for Plainly {
    type Line = PlainLine;
    async fn of(&self, _: &Connection, line: PlainLine) -> Outcome<(Triage, Option<String>)> {
        Ok((self.0, line.note))
    }
}
impl Placing for Snoozing {
    type Line = SnoozeLine;
    async fn of(&self, _: &Connection, line: SnoozeLine) -> Outcome<(Triage, Option<String>)> {
        Ok((Triage::Snooze { until: line.until(self.0)? }, line.note))
    }
}
impl Placing for Assigning {
    type Line = AssignLine;
    async fn of(&self, api: &Connection, line: AssignLine) -> Outcome<(Triage, Option<String>)> {
        Ok((Triage::Assign { to: line.to(api, self.0).await? }, line.note))
    }
}

async fn triage<P: Placing>(context: &Context, verb: &str, batch: &BatchArgs, change: &ChangeArgs, what: P) -> Outcome {
    let api = context.connect_to_change::<KycCase>(batch, change).await?;
    let describe = async |id: AttemptId| Ok(id.to_string());
    let apply = async |id: AttemptId, line: P::Line| {
        let (what, note) = what.of(&api, line).await?;
        let note = note.or_else(|| change.note.clone());
        let asked = Change { note, dry_run: change.dry_run, ..Change::default() };
        Ok(staff::triage(&api, id, what, asked.clone()).await?)
    };
    context.change(verb, batch, change, Care::Light, describe, apply).await
}

async fn decide(context: &Context, kind: DecisionKind, deciding: Deciding) -> Outcome {
    let Deciding { batch, mut reason, comment, fence, change } = deciding;
    if kind != DecisionKind::Approve && reason.is_empty() {
        reason.extend(context.reason::<KycReason>(None, KycReason::NAMES, &change).await?);
    }
    if !batch.stdin {
        // An invalid decision is refused before anybody is asked; core defines what is invalid.
        Decision { kind, fence, reasons: reason.clone(), comment: comment.clone() }.checked()?;
    }
    let api = context.connect_to_change::<KycCase>(&batch, &change).await?;
    let describe = async |id: AttemptId| describe(&api, id).await;
    let apply = async |id: AttemptId, line: DecisionOverrides| -> Outcome<Changed<KycCase>> {
        let decision = Decision {
            kind,
            fence: line.fence.or(fence),
            reasons: line.reason.map_or_else(|| reason.clone(), Vec::from),
            comment: line.comment.or_else(|| comment.clone()),
        };
        let note = line.note.or_else(|| change.note.clone());
        let asked = Change { note, dry_run: change.dry_run, ..Change::default() };
        Ok(staff::decide(&api, id, decision.clone(), asked.clone()).await?)
    };
    let verb = match kind {
        DecisionKind::Approve => "Approve",
        DecisionKind::Retry => "Ask again about",
        DecisionKind::Reject => "Reject for good",
        DecisionKind::Revoke => "Revoke the approval of",
    };
    context.change(verb, &batch, &change, Care::Ask, describe, apply).await
}

async fn describe(api: &Connection, id: AttemptId) -> Outcome<String> {
    let case = api.call::<ShowAttempt>(id, (), ()).await?;
    let attempt = case.attempt;
    Ok(format!("{} ({}, attempt {}, {})", attempt.name, attempt.document_type, attempt.number, attempt.status))
}
