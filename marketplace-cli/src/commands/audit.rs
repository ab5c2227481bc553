//! `marketplace audit`: the audit log.

use marketplace_core::base::text_enum::Name;
use marketplace_core::staff::{Connection, ListAudit, ListQuery, StretchQuery, VerifyAudit, WhoAmI};
use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::{
    audit::{AuditAction, AuditFilter, AuditHead, AuditRow, AuditVerification, VERIFY_LIMIT},
    base::principal::Principal,
    error::{Error, ErrorCode},
    ids::UserId,
    page::{MAX_LIMIT, PageRequest, SeqCursor, cursor_of},
};

use crate::{
    args::{Format, Range, one_of},
    context::Context,
    failure::{Failure, Outcome},
    find::{anything, colleague, reference},
    output::{Card, Column, Kind, Row, Tone, View},
};

/// The interval at which a followed log is polled.
const POLL: Duration = Duration::from_secs(1);

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The log, newest first
    #[command(after_help = "Examples:\n  \
        marketplace audit list --action users.ban\n  \
        marketplace audit list --target 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --limit 0")]
    List {
        /// Which rows.
        #[command(flatten)]
        filter: Filter,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One row, whole
    #[command(after_help = "Example:\n  marketplace audit show 4711")]
    Show {
        /// The row's number
        #[arg(value_parser = clap::value_parser!(i64).range(1..i64::MAX))]
        seq: i64,
    },
    /// Recompute the chain of tags; exit code 1 when a row was edited, added or is missing
    #[command(
        after_help = "Keep what it prints as the head apart from the database: --expect tells later whether the log \
        still has that row, so that it was neither cut off nor rebuilt.\n\n\
        Examples:\n  \
        marketplace audit verify\n  \
        marketplace audit verify --quiet -o jsonl --fields head\n  \
        marketplace audit verify --expect 4711:6f0c2b1de4a79c83b5f0617d2e98ca4406f3d1b7805e4c9a2b6d8f1073ec5a94"
    )]
    Verify {
        /// Begin at this row
        #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
        from: i64,
        /// The head as an earlier run printed it: its row must still be there
        #[arg(long, value_name = "SEQ:TAG")]
        expect: Option<AuditHead>,
    },
    /// The newest rows, and then each new one as it comes, until Ctrl-C
    #[command(after_help = "Example:\n  marketplace audit tail -n 20 -o jsonl")]
    Tail {
        /// Which rows.
        #[command(flatten)]
        filter: Filter,
        /// Rows to begin with
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=i64::from(MAX_LIMIT)))]
        lines: u16,
    },
}

/// Which rows.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only by this actor: a colleague's name or address, user:ID, token:ID, local:USER@HOST or system
    #[arg(long)]
    actor: Option<String>,
    /// Only what you did
    #[arg(long, conflicts_with = "actor")]
    mine: bool,
    /// Only this action, such as users.ban or threads.read
    #[arg(long, value_parser = one_of::<AuditAction>(AuditAction::NAMES))]
    action: Option<AuditAction>,
    /// Only about this user, attempt, job, thread, message or review
    #[arg(long, value_name = "ID")]
    target: Option<String>,
}

impl Filter {
    async fn resolved(self, api: &Connection) -> Outcome<AuditFilter> {
        let actor = match self.actor {
            None if self.mine => Some(api.call::<WhoAmI>((), (), ()).await?.principal),
            // An address stands for an account, as everywhere.
            Some(actor) if actor.contains('@') && !actor.contains(':') => {
                let named = reference::<UserId>(&actor).map_err(|error| Failure::usage(error, "name user:ID"))?;
                Some(Principal::user(named.find(api).await?))
            }
            // And so does a colleague's name; what is none is refused as no actor.
            Some(actor) if !actor.contains(':') && actor != "system" => match colleague(api, &actor).await {
                Ok(id) => Some(Principal::user(id)),
                Err(Failure::Core(error)) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Forbidden) => {
                    Some(Principal(actor))
                }
                Err(failure) => return Err(failure),
            },
            actor => actor.map(Principal),
        };
        let target = match self.target {
            Some(target) => Some(anything(api, &target).await?),
            None => None,
        };
        Ok(AuditFilter { actor, action: self.action.map(Name::Known), target })
    }
}

impl Row for AuditVerification {
    const COLUMNS: &'static [Column] = &[
        Column::new("CHECKED", "checked", Kind::Number),
        Column::optional("HEAD", "head", Kind::Id),
        Column::new("BROKEN AT", "broken.seq", Kind::Number),
        Column::new("HOW", "broken.detail", Kind::Text),
    ];
    fn id() -> String {
        "broken.seq".into()
    }
    fn fields() -> Vec<String> {
        ["checked", "next", "head", "broken.seq", "broken.detail"].map(String::from).to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let card = Card::default().pair("rows checked", self.checked);
        Some(match &self.broken {
            None => card.toned("chain", "whole", Tone::Good).maybe("head", self.head.as_ref()),
            Some(link) => card.toned("chain", format!("broken: row {} {}", link.seq, link.detail), Tone::Bad),
        })
    }
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::List { filter, range } => {
            context.out.check::<AuditRow>()?;
            let api = context.connect().await?;
            let filter = filter.resolved(&api).await?;
            context
                .stream(&range, async |page| api.call::<ListAudit>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Show { seq } => {
            context.out.check::<AuditRow>()?;
            let api = context.connect().await?;
            // The list is newest first: the row after the cursor of the next number is this one.
            let after = Some(cursor_of("audit", &SeqCursor(seq + 1)));
            let page = api
                .call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &PageRequest { limit: 1, after }), ())
                .await?;
            let row = page.items.into_iter().find(|row| row.seq == seq);
            context.out.item(&row.ok_or_else(|| Error::not_found("row of the audit log"))?)
        }
        Verb::Verify { from, expect } => verify(context, from, expect.as_ref()).await,
        Verb::Tail { filter, lines } => {
            context.out.check::<AuditRow>()?;
            tail(context, filter, lines).await
        }
    }
}

async fn verify(context: &Context, from: i64, expect: Option<&AuditHead>) -> Outcome {
    context.out.check::<AuditVerification>()?;
    if expect.is_some_and(|expect| expect.seq < from && from > 1) {
        return Err(Failure::usage(
            "--expect names a row before --from, which this walk does not come to",
            "leave --from away, or begin at the row that is expected",
        ));
    }
    let api = context.connect().await?;
    let newest = api.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &PageRequest::first(1)), ()).await?;
    let rows = newest.items.first().map_or(0, |row| row.seq - from + 1);
    let bar = if context.out.shows_progress() {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} rows · {eta}");
        ProgressBar::new(u64::try_from(rows).unwrap_or(0))
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let mut whole = AuditVerification { checked: 0, next: Some(from), head: None, broken: None };
    while let Some(next) = whole.next {
        let part = api.call::<VerifyAudit>((), StretchQuery::new(next, VERIFY_LIMIT, expect), ()).await?;
        whole = AuditVerification { checked: whole.checked + part.checked, ..part };
        bar.set_position(u64::try_from(whole.checked).unwrap_or(0));
    }
    bar.finish_and_clear();
    context.out.item(&whole)?;
    match whole.broken {
        None => Ok(()),
        Some(link) => Err(Failure::Check {
            message: format!("the audit log does not hold: row {} {}", link.seq, link.detail),
            hint: "keep a copy of the database as it is, and find out who could write to it".into(),
        }),
    }
}

/// Follows the log by number: numbers have no gaps, so nothing is missed or shown twice, even after a broken
/// connection.
async fn tail(context: &Context, filter: Filter, lines: u16) -> Outcome {
    let api = context.connect().await?;
    let filter = &filter.resolved(&api).await?;
    let newest = api.call::<ListAudit>((), ListQuery::new(&AuditFilter::default(), &PageRequest::first(1)), ()).await?;
    let mut last = newest.items.first().map_or(0, |row| row.seq);
    let mut rows = context.out.list::<AuditRow>();
    if lines > 0 {
        let mut page = api.call::<ListAudit>((), ListQuery::new(filter, &PageRequest::first(lines)), ()).await?.items;
        page.reverse();
        last = page.last().map_or(last, |row| row.seq.max(last));
        rows.page(&page)?;
    }
    if context.out.format == Format::Json {
        context.out.note("following: the array ends when this is stopped; -o jsonl gives a row a line");
    }
    context.interrupt.finish_steps();
    let mut away = false;
    loop {
        tokio::select! {
            () = context.interrupt.wait() => break,
            () = tokio::time::sleep(POLL) => {}
        }
        match since(&api, filter, last).await {
            Ok(fresh) => {
                away = false;
                last = fresh.last().map_or(last, |row| row.seq);
                if !fresh.is_empty() {
                    rows.page(&fresh)?;
                }
            }
            Err(error) if error.code().retryable() => {
                if !away {
                    context.out.note(&format!("{error}; trying again"));
                }
                away = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    rows.finish()?;
    Err(Failure::Interrupted("stopped".into()))
}

/// Returns the rows after `last`, oldest first.
async fn since(api: &Connection, filter: &AuditFilter, last: i64) -> Result<Vec<AuditRow>, Error> {
    let mut rows = Vec::new();
    let mut page = PageRequest::first(MAX_LIMIT);
    loop {
        let answer = api.call::<ListAudit>((), ListQuery::new(filter, &page), ()).await?;
        let before = rows.len();
        let whole = answer.items.len();
        rows.extend(answer.items.into_iter().take_while(|row| row.seq > last));
        match answer.next {
            Some(next) if rows.len() - before == whole => page.after = Some(next),
            _ => break,
        }
    }
    rows.reverse();
    Ok(rows)
}
