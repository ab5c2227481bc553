//! `marketplace reports`: what people report, and appeals.

use clap::Subcommand;
use marketplace_core::{
    base::change::{Change, Changed},
    ids::{CaseId, PhotoId, UserId},
    reports::model::{
        AppealVerdict, Deciding, DismissReason, ReportAction, ReportCase, ReportFilter, ReportReason, ReportStatus,
        ReportSummary, ReportTarget, Verdict,
    },
    staff::{
        self, AssignReport, AssignReportInput, ClaimNextReport, ClaimReport, Connection, EscalateReport, ListQuery,
        ListReports, ReleaseReport, ShowReport, SkipReport, SnoozeReport, SnoozeReportInput, UndoReport,
    },
};
use serde::Deserialize;

use super::moves::{AssignLine, Assignee, PlainLine, SnoozeLine, assignee};
use crate::{
    args::{AheadOrNow, BatchArgs, ChangeArgs, Format, Range, ahead_or_now, one_of},
    change::Care,
    context::Context,
    failure::{Failure, Outcome},
    find::{Ref, colleagues, optional, reference},
};

/// What can be done with reports.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The queue, oldest first: everything reported about one thing is one case
    #[command(after_help = "Examples:\n  \
        marketplace reports list\n  \
        marketplace reports list --status appealed\n  \
        marketplace reports list --escalated\n  \
        marketplace reports list --subject-id ada@example.org -o jsonl\n  \
        marketplace reports list --target-kind message --watch")]
    List {
        /// Only in this state; without one, all that wait for a decision and are not put off
        #[arg(long, value_parser = one_of::<ReportStatus>(ReportStatus::NAMES))]
        status: Option<ReportStatus>,
        /// Only about this kind of thing
        #[arg(long, value_parser = one_of::<ReportTarget>(ReportTarget::NAMES))]
        target_kind: Option<ReportTarget>,
        /// Only about this person, of every state, newest first
        #[arg(long, value_name = "ID", value_parser = reference::<UserId>)]
        subject_id: Option<Ref<UserId>>,
        /// Only those that were given to this colleague: me, an address, an id or a name
        #[arg(long, value_name = "WHO")]
        assigned_to: Option<String>,
        /// Only those that this colleague holds a claim on: me, an address, an id or a name
        #[arg(long, value_name = "WHO")]
        claimed_by: Option<String>,
        /// Only those that are put off until a time
        #[arg(long, conflicts_with_all = ["escalated", "status"])]
        snoozed: bool,
        /// Only those that wait for an admin
        #[arg(long)]
        escalated: bool,
        /// Only those that you hold a claim on, or that are assigned to you
        #[arg(long)]
        mine: bool,
        /// Go on, and print each one that is new or changes, until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One case, with all that is needed to decide
    #[command(after_help = "Example:\n  marketplace reports show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The case
        #[arg(value_parser = reference::<CaseId>)]
        id: Ref<CaseId>,
    },
    /// Claim the case that is your next: assigned to you, else the oldest
    #[command(
        after_help = "An empty queue answers nothing (null in JSON), with exit code 0 unless --empty names another.\n\n\
        Examples:\n  \
        marketplace reports next --yes -o id\n  \
        marketplace reports next --yes -o id --empty 3"
    )]
    Next {
        /// The exit code of an empty queue
        #[arg(long, value_name = "CODE", default_value_t = 0)]
        empty: u8,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Claim cases for ten minutes, or renew your claims
    #[command(after_help = "Example:\n  marketplace reports claim 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Claim(Plain),
    /// Give your claims back to the queue
    #[command(after_help = "Example:\n  marketplace reports release 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Release(Plain),
    /// Act on what was reported; each action needs its own permission
    #[command(
        after_help = "Lines of --stdin may override: reason, action, photo, comment_to_reporter, comment_to_subject, note, fence.\n\n\
        Examples:\n  \
        marketplace reports resolve 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason scam --action remove_message,freeze --yes\n  \
        marketplace reports resolve 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason sexual --action remove_photo \
        --photo 019a8f3e-0000-7b2a-9d55-0c4f6a1b2c3d --yes\n  \
        marketplace reports resolve --stdin --reason spam --action warn --yes --continue-on-error < ids.txt"
    )]
    Resolve {
        /// Which rules were broken; several with commas
        #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = one_of::<ReportReason>(ReportReason::NAMES))]
        reason: Vec<ReportReason>,
        /// What is done; several with commas
        #[arg(long, value_name = "ACTION", value_delimiter = ',', value_parser = one_of::<ReportAction>(ReportAction::NAMES))]
        action: Vec<ReportAction>,
        /// The photo that `remove_photo` removes; `reports show` has their ids
        #[arg(long, value_name = "ID", value_parser = crate::args::id::<PhotoId>)]
        photo: Option<PhotoId>,
        /// Text for whose it is, instead of the reasons' own texts
        #[arg(long, value_name = "TEXT")]
        comment_to_subject: Option<String>,
        /// What both decisions have.
        #[command(flatten)]
        common: Common,
    },
    /// Leave what was reported as it is
    #[command(after_help = "Lines of --stdin may override: reason, comment_to_reporter, note, fence.\n\n\
        Example:\n  marketplace reports dismiss 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason no_violation --yes")]
    Dismiss {
        /// Why; several with commas
        #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = one_of::<DismissReason>(DismissReason::NAMES))]
        reason: Vec<DismissReason>,
        /// What both decisions have.
        #[command(flatten)]
        common: Common,
    },
    /// Take your own decision back, within 10 seconds, with what it did
    #[command(after_help = "Example:\n  marketplace reports undo 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Undo(Plain),
    /// Put cases behind the others for yourself
    #[command(
        after_help = "Example:\n  marketplace reports skip 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --note 'needs Italian' --yes"
    )]
    Skip(Plain),
    /// Put cases off for a while
    #[command(after_help = "Lines of --stdin may override: until, note.\n\n\
        Examples:\n  \
        marketplace reports snooze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --until 2d --yes\n  \
        marketplace reports snooze 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --until now --yes")]
    Snooze {
        /// Until when, at most 30 days away: 4h, 2d, 2026-03-02 or 2026-03-02T10:00:00Z; `now` takes them up again
        #[arg(long, alias = "for", value_name = "TIME", required_unless_present = "stdin", value_parser = ahead_or_now)]
        until: Option<AheadOrNow>,
        /// Which ones, and how the change is made.
        #[command(flatten)]
        plain: Plain,
    },
    /// Give cases to a colleague, or to nobody in particular
    #[command(after_help = "Lines of --stdin may override: to, note.\n\n\
        Examples:\n  \
        marketplace reports assign 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --to sam@example.org --yes\n  \
        marketplace reports assign 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Assign {
        /// To whom: me, an address, an id or a name; `nobody`, or without it, nobody in particular
        #[arg(long, value_name = "WHO")]
        to: Option<String>,
        /// Which ones, and how the change is made.
        #[command(flatten)]
        plain: Plain,
    },
    /// Have an admin decide; --note tells why
    #[command(
        after_help = "Example:\n  marketplace reports escalate 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --note 'a colleague' --yes"
    )]
    Escalate(Plain),
    /// Decide about an appeal that the decision stays; for good
    #[command(after_help = "Lines of --stdin may override: comment, note, fence.\n\n\
        Example:\n  marketplace reports uphold 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Uphold(Appealing),
    /// Decide about an appeal that it is right, and take back what was done; for good
    #[command(after_help = "Lines of --stdin may override: comment, note, fence.\n\n\
        Example:\n  marketplace reports reverse 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Reverse(Appealing),
}

/// Which cases, and how the change is made.
#[derive(Debug, clap::Args)]
pub struct Plain {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What both decisions about reports have.
#[derive(Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    batch: BatchArgs,
    /// Text for who reported, instead of our own
    #[arg(long, value_name = "TEXT")]
    comment_to_reporter: Option<String>,
    /// The claim's fencing number; without one the case is claimed and decided at once
    #[arg(long, value_name = "N")]
    fence: Option<i64>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// How appeals are decided.
#[derive(Debug, clap::Args)]
pub struct Appealing {
    #[command(flatten)]
    batch: BatchArgs,
    /// Text for who appealed, instead of our own
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The claim's fencing number; without one the case is claimed and decided at once
    #[arg(long, value_name = "N")]
    fence: Option<i64>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// One, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(some: OneOrMany<T>) -> Self {
        match some {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

/// The values that a line of a batch of decisions may give for its item.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, bound(deserialize = "R: Deserialize<'de>"))]
struct Line<R> {
    #[serde(alias = "reasons")]
    reason: Option<OneOrMany<R>>,
    #[serde(alias = "actions")]
    action: Option<OneOrMany<ReportAction>>,
    photo: Option<PhotoId>,
    comment_to_reporter: Option<String>,
    comment_to_subject: Option<String>,
    note: Option<String>,
    fence: Option<i64>,
}

impl<R> Default for Line<R> {
    fn default() -> Self {
        Self {
            reason: None,
            action: None,
            photo: None,
            comment_to_reporter: None,
            comment_to_subject: None,
            note: None,
            fence: None,
        }
    }
}

/// The values that a line of a batch of decisions about appeals may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AppealLine {
    comment: Option<String>,
    note: Option<String>,
    fence: Option<i64>,
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let out = &context.out;
    match verb {
        Verb::List {
            status,
            target_kind,
            subject_id,
            assigned_to,
            claimed_by,
            snoozed,
            escalated,
            mine,
            watch,
            range,
        } => {
            out.check::<ReportSummary>()?;
            let api = context.connect().await?;
            let subject_id = optional(&api, subject_id.as_ref()).await?;
            let me = if mine { Some(api.call::<staff::WhoAmI>((), (), ()).await?.principal) } else { None };
            let assigned_to = colleagues(&api, assigned_to.as_deref()).await?;
            let claimed_by = colleagues(&api, claimed_by.as_deref()).await?;
            let filter = ReportFilter { status, target_kind, subject_id, assigned_to, claimed_by, snoozed, escalated };
            let fetch = async |page| {
                let mut page = api.call::<ListReports>((), ListQuery::new(&filter, &page), ()).await?;
                if mine {
                    page.items.retain(|row| row.claim.as_ref().is_some_and(|claim| claim.mine) || row.assignee == me);
                }
                Ok(page)
            };
            if watch { context.watch(&range, fetch).await } else { context.stream(&range, fetch).await }
        }
        Verb::Show { id } => {
            out.check::<ReportCase>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            out.item(&api.call::<ShowReport>(id, (), ()).await?)
        }
        Verb::Next { empty, change } => next(context, empty, &change).await,
        Verb::Claim(plain) => moves(context, "Claim", &plain, Move::Claim).await,
        Verb::Release(plain) => moves(context, "Release", &plain, Move::Release).await,
        Verb::Undo(plain) => moves(context, "Undo the decision on", &plain, Move::Undo).await,
        Verb::Skip(plain) => moves(context, "Skip", &plain, Move::Skip).await,
        Verb::Snooze { until, plain } => snooze(context, until, &plain).await,
        Verb::Assign { to, plain } => assign(context, to.as_deref(), &plain).await,
        Verb::Escalate(plain) => {
            if plain.change.note.is_none() && !plain.batch.stdin {
                return Err(Failure::usage("the note is missing", "add --note TEXT: why an admin shall decide"));
            }
            moves(context, "Escalate", &plain, Move::Escalate).await
        }
        Verb::Resolve { mut reason, action, photo, comment_to_subject, common } => {
            if reason.is_empty() {
                reason.extend(context.reason::<ReportReason>(None, ReportReason::NAMES, &common.change).await?);
            }
            let verdict = |line: &mut Line<ReportReason>| Verdict::Resolve {
                reasons: line.reason.take().map_or_else(|| reason.clone(), Vec::from),
                actions: line.action.take().map_or_else(|| action.clone(), Vec::from),
                comment_to_subject: line.comment_to_subject.take().or_else(|| comment_to_subject.clone()),
                photo: line.photo.or(photo),
            };
            decide(context, "Act on", &common, verdict).await
        }
        Verb::Dismiss { mut reason, common } => {
            if reason.is_empty() {
                reason.extend(context.reason::<DismissReason>(None, DismissReason::NAMES, &common.change).await?);
            }
            let verdict = |line: &mut Line<DismissReason>| Verdict::Dismiss {
                reasons: line.reason.take().map_or_else(|| reason.clone(), Vec::from),
            };
            decide(context, "Dismiss", &common, verdict).await
        }
        Verb::Uphold(appealing) => appeal(context, "Uphold the decision on", &appealing, false).await,
        Verb::Reverse(appealing) => appeal(context, "Take back the decision on", &appealing, true).await,
    }
}

async fn next(context: &Context, empty: u8, change: &ChangeArgs) -> Outcome {
    let out = &context.out;
    context.check_change::<ReportCase>(change)?;
    context.require_consent(change)?;
    let asked = Change { note: change.note.clone(), dry_run: change.dry_run, ..Change::default() };
    let next = context.connect().await?.call::<ClaimNextReport>((), (), asked).await?;
    if let Some(case) = next {
        return context.print_change(&case, change);
    }
    if matches!(out.format, Format::Json | Format::Yaml) && !out.transforms() {
        out.write(b"null\n")?;
    }
    out.note("the queue is empty");
    if empty == 0 { Ok(()) } else { Err(Failure::Chosen(empty)) }
}

/// What is done with a case besides deciding.
#[derive(Debug, Clone, Copy)]
enum Move {
    Claim,
    Release,
    Undo,
    Skip,
    Escalate,
}

async fn moves(context: &Context, verb: &str, plain: &Plain, to: Move) -> Outcome {
    let Plain { batch, change } = plain;
    let api = context.connect_to_change::<ReportCase>(batch, change).await?;
    let describe = async |id: CaseId| Ok(id.to_string());
    let apply = async |id: CaseId, line: PlainLine| -> Outcome<Changed<ReportCase>> {
        let asked = asked(line.note, change);
        Ok(match to {
            Move::Claim => api.call::<ClaimReport>(id, (), asked).await?,
            Move::Release => api.call::<ReleaseReport>(id, (), asked).await?,
            Move::Undo => api.call::<UndoReport>(id, (), asked).await?,
            Move::Skip => api.call::<SkipReport>(id, (), asked.into()).await?,
            Move::Escalate => api.call::<EscalateReport>(id, (), asked.into()).await?,
        })
    };
    context.change(verb, batch, change, Care::Light, describe, apply).await
}

/// Returns the change, with the note of a line where it has one.
fn asked(note: Option<String>, change: &ChangeArgs) -> Change {
    Change { note: note.or_else(|| change.note.clone()), dry_run: change.dry_run, ..Change::default() }
}

async fn snooze(context: &Context, until: Option<AheadOrNow>, plain: &Plain) -> Outcome {
    let Plain { batch, change } = plain;
    let api = context.connect_to_change::<ReportCase>(batch, change).await?;
    let describe = async |id: CaseId| Ok(id.to_string());
    let apply = async |id: CaseId, line: SnoozeLine| -> Outcome<Changed<ReportCase>> {
        let until = line.until(until)?;
        let input = SnoozeReportInput::new(until, asked(line.note, change));
        Ok(api.call::<SnoozeReport>(id, (), input).await?)
    };
    context.change("Put off", batch, change, Care::Light, describe, apply).await
}

async fn assign(context: &Context, to: Option<&str>, plain: &Plain) -> Outcome {
    let Plain { batch, change } = plain;
    let api = context.connect_to_change::<ReportCase>(batch, change).await?;
    let to = match to {
        Some(to) => assignee(&api, to).await?,
        None => Assignee(None),
    };
    let describe = async |id: CaseId| Ok(id.to_string());
    let apply = async |id: CaseId, line: AssignLine| -> Outcome<Changed<ReportCase>> {
        let to = line.to(&api, Some(to)).await?;
        Ok(api.call::<AssignReport>(id, (), AssignReportInput::new(to, asked(line.note, change))).await?)
    };
    context.change("Assign", batch, change, Care::Light, describe, apply).await
}

async fn decide<R: for<'de> Deserialize<'de>>(
    context: &Context,
    verb: &str,
    common: &Common,
    verdict: impl Fn(&mut Line<R>) -> Verdict,
) -> Outcome {
    let Common { batch, comment_to_reporter, fence, change } = common;
    let deciding = |mut line: Line<R>| Deciding {
        fence: line.fence.or(*fence),
        verdict: verdict(&mut line),
        comment_to_reporter: line.comment_to_reporter.or_else(|| comment_to_reporter.clone()),
    };
    if !batch.stdin {
        // An invalid decision is refused before anybody is asked; core defines what is invalid.
        deciding(Line::default()).checked()?;
    }
    let api = context.connect_to_change::<ReportCase>(batch, change).await?;
    let describe = async |id: CaseId| describe(&api, id).await;
    let apply = async |id: CaseId, mut line: Line<R>| -> Outcome<Changed<ReportCase>> {
        let note = line.note.take().or_else(|| change.note.clone());
        let asked = Change { note, dry_run: change.dry_run, ..Change::default() };
        Ok(staff::decide_reports(&api, id, deciding(line), asked).await?)
    };
    context.change(verb, batch, change, Care::Ask, describe, apply).await
}

async fn appeal(context: &Context, verb: &str, appealing: &Appealing, reverse: bool) -> Outcome {
    let Appealing { batch, comment, fence, change } = appealing;
    let api = context.connect_to_change::<ReportCase>(batch, change).await?;
    let describe = async |id: CaseId| describe(&api, id).await;
    let apply = async |id: CaseId, line: AppealLine| -> Outcome<Changed<ReportCase>> {
        let comment = line.comment.or_else(|| comment.clone());
        let verdict = AppealVerdict { fence: line.fence.or(*fence), reverse, comment };
        Ok(staff::decide_appeal(&api, id, verdict, asked(line.note, change)).await?)
    };
    context.change(verb, batch, change, Care::Ask, describe, apply).await
}

async fn describe(api: &Connection, id: CaseId) -> Outcome<String> {
    let ReportSummary { target_kind, subject_name, reports, status, .. } =
        api.call::<ShowReport>(id, (), ()).await?.case;
    let several = if reports == 1 { "report" } else { "reports" };
    Ok(format!("{target_kind} of {subject_name} ({reports} {several}, {status})"))
}
