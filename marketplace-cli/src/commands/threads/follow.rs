//! Reading a thread: a range of its messages, or following it live.

use marketplace_core::events::EventKind;
use marketplace_core::staff::{AfterQuery, Connection, ListEvents, ReadThread, ReadingQuery, ShowThread};
use std::time::Duration;

use marketplace_core::{
    error::{ErrorCode, Result},
    ids::ThreadId,
    messaging::model::{AccessReason, MessagesQuery, StaffMessage, ThreadStatus},
    page::MAX_LIMIT,
};

use crate::{
    args::Format,
    context::Context,
    failure::{Failure, Outcome},
    find::Ref,
};

/// The interval at which a followed thread is polled.
const POLL: Duration = Duration::from_millis(500);

/// Which messages.
#[derive(Debug, clap::Args)]
pub struct Span {
    /// Those after this number, oldest first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    after_seq: Option<i64>,
    /// Those before this number, the newest of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..), conflicts_with = "after_seq")]
    before_seq: Option<i64>,
    /// Messages at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32))]
    limit: u32,
}

/// Where to begin.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// Messages to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    lines: u16,
    /// Begin after this number instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..), conflicts_with = "lines")]
    after_seq: Option<i64>,
}

/// Prints a range of a thread, page by page. Numbers have no gaps, so the start of a range is known beforehand.
pub async fn messages(context: &Context, id: &Ref<ThreadId>, reason: AccessReason, span: &Span) -> Outcome {
    context.out.check::<StaffMessage>()?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    let wanted = if span.limit == 0 { i64::MAX } else { i64::from(span.limit) };
    let end = match (span.after_seq, span.before_seq) {
        (Some(after), _) => after.saturating_add(wanted),
        (None, Some(before)) => before - 1,
        (None, None) => api.call::<ShowThread>(id, (), ()).await?.last_seq,
    };
    let begin = span.after_seq.unwrap_or_else(|| (end - wanted.min(end)).max(0));
    let mut reader = Reader { api, id, reason, last: begin };
    let mut list = context.out.list::<StaffMessage>();
    loop {
        let limit = (end - reader.last).clamp(1, i64::from(MAX_LIMIT));
        let page = match reader.read(u16::try_from(limit).unwrap_or(MAX_LIMIT)).await {
            Ok(page) => page,
            Err(error) => {
                if list.rows() > 0 {
                    list.finish()?;
                }
                return Err(error.into());
            }
        };
        // A thread that is empty, or ends before the requested range, is still read, so that a caller without
        // permission gets the error.
        let shown: Vec<_> = page.items.into_iter().take_while(|message| message.seq <= end).collect();
        list.page(&shown)?;
        if shown.is_empty() || !page.more_after || reader.last >= end {
            let (rows, reached) = (list.rows(), reader.last);
            list.finish()?;
            if page.more_after && span.before_seq.is_none() && rows > 0 {
                context
                    .out
                    .note(&format!("there is more: go on with --after-seq {reached}, or take all with --limit 0"));
            } else if begin > 0 && span.after_seq.is_none() {
                let first = begin + 1;
                context.out.note(&format!("there are older ones: --before-seq {first}, or take all with --limit 0"));
            } else if rows == 0 && context.out.format == Format::Table {
                context.out.note("nothing found");
            }
            return Ok(());
        }
    }
}

/// Prints the end of a thread, and then each new message. Messages are requested by number, so none is missed or shown
/// twice, even after a broken connection; events only say when to ask, so that a silent thread is not read over and
/// over.
pub async fn watch(context: &Context, id: &Ref<ThreadId>, reason: AccessReason, start: &Start) -> Outcome {
    let out = &context.out;
    out.check::<StaffMessage>()?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    // Taken before the first read, so that events in between are seen afterwards.
    let cursor = api.call::<ListEvents>((), AfterQuery::new(None, 1), ()).await?.cursor;
    let thread = api.call::<ShowThread>(id, (), ()).await?;
    let last = start.after_seq.unwrap_or_else(|| (thread.last_seq - i64::from(start.lines)).max(0));
    let reader = Reader { api, id, reason, last };
    let mut follower = Follower { reader, cursor, behind: true, status: thread.status, turned: None };
    let mut rows = out.list::<StaffMessage>();
    if out.format == Format::Json {
        out.note("following: the array ends when this is stopped; -o jsonl gives a message a line");
    }
    context.interrupt.finish_steps();
    let (mut begun, mut away) = (false, false);
    loop {
        let next = tokio::select! {
            biased;
            () = context.interrupt.wait() => break,
            next = follower.next() => next,
        };
        match next {
            Ok(fresh) => {
                (begun, away) = (true, false);
                if !fresh.is_empty() {
                    rows.page(&fresh)?;
                }
                if let Some(status) = follower.turned.take() {
                    out.note(&format!("the thread is {status} now"));
                }
            }
            Err(error) if begun && error.code().retryable() => {
                if !away {
                    out.note(&format!("{error}; trying again"));
                }
                away = true;
            }
            Err(error) => {
                if rows.rows() > 0 {
                    rows.finish()?;
                }
                return Err(error.into());
            }
        }
        if follower.behind && !away {
            continue;
        }
        tokio::select! {
            () = context.interrupt.wait() => break,
            () = tokio::time::sleep(POLL) => {}
        }
    }
    rows.finish()?;
    Err(Failure::Interrupted("stopped".into()))
}

/// Reads a thread incrementally.
struct Reader {
    api: Connection,
    id: ThreadId,
    reason: AccessReason,
    last: i64,
}

struct ReadOn {
    items: Vec<StaffMessage>,
    more_after: bool,
}

impl Reader {
    async fn read(&mut self, limit: u16) -> Result<ReadOn> {
        let query = MessagesQuery { after_seq: Some(self.last), before_seq: None, limit: Some(limit) };
        let page = self.api.call::<ReadThread>(self.id, ReadingQuery::new(self.reason, query), ()).await?;
        self.last = page.items.last().map_or(self.last, |message| message.seq);
        Ok(ReadOn { items: page.items, more_after: page.more_after })
    }
}

struct Follower {
    reader: Reader,
    /// The position up to which the event log was read.
    cursor: String,
    /// Whether there may be unread messages.
    behind: bool,
    status: ThreadStatus,
    /// The thread's new state, until it has been printed.
    turned: Option<ThreadStatus>,
}

impl Follower {
    /// Returns the messages written since, at most one page; empty when there are none.
    async fn next(&mut self) -> Result<Vec<StaffMessage>> {
        if !self.behind {
            self.behind = self.stirred().await?;
        }
        if !self.behind {
            return Ok(Vec::new());
        }
        let page = self.reader.read(MAX_LIMIT).await?;
        self.behind = page.more_after;
        if !self.behind {
            let status = self.reader.api.call::<ShowThread>(self.reader.id, (), ()).await?.status;
            if status != self.status {
                (self.status, self.turned) = (status, Some(status));
            }
        }
        Ok(page.items)
    }

    /// Returns whether any event may concern the thread.
    async fn stirred(&mut self) -> Result<bool> {
        let api = &self.reader.api;
        match api.call::<ListEvents>((), AfterQuery::new(Some(&self.cursor), MAX_LIMIT), ()).await {
            // There are more events than are worth examining: the thread is read in any case, and everything before
            // this point is covered by that.
            Ok(page) if page.items.len() == usize::from(MAX_LIMIT) => {
                self.cursor = api.call::<ListEvents>((), AfterQuery::new(None, 1), ()).await?.cursor;
                Ok(true)
            }
            Ok(page) => {
                self.cursor = page.cursor;
                Ok(page.items.iter().any(|event| {
                    [EventKind::Message, EventKind::Job, EventKind::Thread].iter().any(|kind| event.kind == *kind)
                }))
            }
            // The log was restarted, after a restore.
            Err(error) if error.code() == ErrorCode::Invalid => {
                self.cursor = api.call::<ListEvents>((), AfterQuery::new(None, 1), ()).await?.cursor;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
