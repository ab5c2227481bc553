//! The state of each kind of due work: in memory, in the log at each change, and in the database for other programs.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    base::{
        error::{Error, Result},
        text_enum::text_enum,
        time::Timestamp,
    },
    platform::{db::Db, slots::Slots},
};

text_enum! {
    /// A kind of due work.
    pub enum Timer {
        /// Mails are sent.
        Mail = "mail",
        /// Mails that could not be sent are forgotten after a while.
        FailedMails = "failed_mails",
        /// Approvals of identities end.
        KycExpiry = "kyc_expiry",
        /// Files of identity checks go when their time is over.
        KycFiles = "kyc_files",
        /// Objects that no row needs any more are deleted from the file store.
        FileDeletions = "file_deletions",
        /// Objects that no row knows are looked for.
        LostFiles = "lost_files",
        /// Files that lie in the clear from before they were sealed are sealed.
        FileSealing = "file_sealing",
        /// Services that an earlier release indexed are indexed again, and those of merged categories moved.
        SearchIndex = "search_index",
        /// What erasures leave beside the rows is swept.
        Erasures = "erasures",
        /// Freezes that name their end are lifted.
        Freezes = "freezes",
        /// Negotiations lapse, and finished work is finalized.
        Jobs = "jobs",
        /// Mails are made of notifications.
        Notifications = "notifications",
        /// Old notifications are forgotten.
        OldNotifications = "old_notifications",
        /// The operator's own systems are told of what happened.
        Webhooks = "webhooks",
        /// What they were told long ago is forgotten.
        OldDeliveries = "old_deliveries",
        /// Files that no message carries are forgotten.
        LooseFiles = "loose_files",
        /// What rules caught becomes reports.
        RuleReports = "rule_reports",
        /// Reviews whose window has closed are published.
        Reviews = "reviews",
        /// Keys that another program made are noticed.
        Keys = "keys",
        /// Old events are forgotten.
        Events = "events",
        /// PostgreSQL's tables get ranges for the time that comes.
        Partitions = "partitions",
        /// Answers kept for repeated requests are forgotten.
        IdempotencyKeys = "idempotency_keys",
        /// Which threads staff read lately is forgotten; the audit log has it.
        ThreadReads = "thread_reads",
        /// Ended sessions and one-time tokens are forgotten.
        Sessions = "sessions",
        /// Tickets for sockets that nobody used are forgotten, and who had something open.
        SocketTickets = "socket_tickets",
        /// Social logins that nobody came back from are forgotten.
        SocialLogins = "social_logins",
        /// Tokens for scripts that ended long ago are forgotten.
        ApiTokens = "api_tokens",
        /// Rows of the audit log that a stopped program left unsealed are sealed.
        AuditSeals = "audit_seals",
        /// What happened in hours that are over is counted.
        Series = "series",
        /// How each kind went is written down.
        TimerRecords = "timer_records",
    }
}

text_enum! {
    /// Something that waits for staff.
    pub enum Queue {
        /// Identity checks.
        Kyc = "kyc",
        /// Flagged reviews.
        Flags = "flags",
        /// Cases of reports.
        Reports = "reports",
    }
}

impl Timer {
    /// Returns how often it runs.
    pub fn every(self) -> Duration {
        match self {
            Self::FailedMails
            | Self::Events
            | Self::Partitions
            | Self::IdempotencyKeys
            | Self::ThreadReads
            | Self::Sessions
            | Self::SocketTickets
            | Self::SocialLogins
            | Self::ApiTokens
            | Self::Series
            | Self::TimerRecords
            | Self::OldNotifications
            | Self::OldDeliveries => Duration::from_mins(1),
            _ => Duration::from_secs(1),
        }
    }

    /// Returns how long one run may take.
    pub fn limit(self) -> Duration {
        match self {
            // It lists every object that there is.
            Self::LostFiles => Duration::from_mins(30),
            Self::Keys => Duration::from_secs(10),
            _ => Duration::from_mins(2),
        }
    }
}

/// The pause after the first failure of an item, which doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_hours(4);
/// Items that can rest at the same time; those that fail beyond that number are tried again without a pause.
const MOST_RESTING: usize = 10_000;

/// How one kind of due work went since the program started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerState {
    /// Which one.
    pub timer: Timer,
    /// When it last ran to its end.
    pub last_success: Option<Timestamp>,
    /// When it, or an item of it, last failed.
    pub last_failure: Option<Timestamp>,
    /// Why the last run failed, when it did.
    pub failing: Option<String>,
    /// Runs and items that failed.
    pub failures: u64,
    /// Runs that came to their end.
    pub runs: u64,
    /// Things that these runs did.
    pub done: u64,
    /// How long all runs took together.
    pub busy: Duration,
}

/// The state of a kind of due work in the database, whichever server did it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow)]
pub struct RecordedTimer {
    /// Which one, by its name: another release may have others.
    pub timer: String,
    /// When it last ran to its end; the epoch when it never did.
    pub last_success_at: Timestamp,
    /// When it, or an item of it, last failed; the epoch when it never did.
    pub last_failure_at: Timestamp,
    /// Why it failed then.
    pub failure: Option<String>,
}

impl RecordedTimer {
    /// Returns whether it should have run again by now: it has not succeeded for five minutes. The state is stored every
    /// minute, and other work may be running.
    pub fn is_late(&self, now: Timestamp) -> bool {
        now.since(self.last_success_at) > Duration::from_mins(5)
    }
}

/// The states of all kinds.
#[derive(Debug)]
pub(crate) struct Timers {
    inner: Mutex<Inner>,
    /// The threads that read keys.
    pub keys: Slots,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<Timer, Slot>,
    resting: HashMap<(Timer, String), Rest>,
    oldest: BTreeMap<Queue, Option<Timestamp>>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Slot {
    last_run: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    failing: Option<String>,
    pub failure: Option<String>,
    failures: u64,
    runs: u64,
    done: u64,
    busy: Duration,
}

/// An item that failed.
#[derive(Debug)]
struct Rest {
    failures: i64,
    until: Timestamp,
}

impl Default for Timers {
    fn default() -> Self {
        let keys = Slots::new(1, Duration::from_secs(5), "the folder of keys does not answer");
        Self { inner: Mutex::default(), keys }
    }
}

impl Timers {
    /// Notes since when the oldest of a queue waits; nothing when it is empty.
    pub(crate) fn set_oldest(&self, queue: Queue, since: Option<Timestamp>) {
        self.inner().oldest.insert(queue, since);
    }

    /// Returns since when the oldest of each queue waits, as it was a moment ago.
    pub fn oldest(&self) -> Vec<(Queue, Option<Timestamp>)> {
        self.inner().oldest.iter().map(|(queue, since)| (*queue, *since)).collect()
    }

    /// Returns the state of each kind that ran.
    pub(crate) fn slots(&self) -> Vec<(Timer, Slot)> {
        self.inner().slots.iter().map(|(timer, slot)| (*timer, slot.clone())).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a kind should run again. One that runs every second always should.
    pub fn is_due(&self, timer: Timer, now: Timestamp) -> bool {
        let last_run = self.inner().slots.get(&timer).and_then(|slot| slot.last_run);
        timer.every() <= Duration::from_secs(1) || last_run.is_none_or(|last| now.since(last) >= timer.every())
    }

    /// Records the outcome of a run. Writes one log line at each change.
    pub fn ran(&self, timer: Timer, outcome: &Result<u64>, now: Timestamp, took: Duration) {
        let mut inner = self.inner();
        let slot = inner.slots.entry(timer).or_default();
        slot.last_run = Some(now);
        slot.busy += took;
        match outcome {
            Ok(done) => {
                slot.last_success = Some(now);
                slot.runs += 1;
                slot.done += done;
                // While what failed rests there is nothing to do, which tells nothing.
                let is_told = *done > 0 || timer != Timer::FileDeletions;
                if is_told && slot.failing.take().is_some() {
                    tracing::info!(%timer, failures = slot.failures, "due work of this kind runs again");
                }
            }
            Err(error) => {
                let reason = reason(error);
                if slot.failing.is_none() {
                    tracing::error!(%timer, code = %error.code(), reason, "due work of this kind fails; it is tried again");
                }
                slot.failing = Some(reason.clone());
                slot.failed(now, reason);
            }
        }
    }

    /// Records that one item failed: it rests for a pause that grows.
    pub fn item_failed(&self, timer: Timer, item: &impl Display, error: &Error, now: Timestamp) {
        let (key, reason) = ((timer, item.to_string()), reason(error));
        let mut inner = self.inner();
        inner.slots.entry(timer).or_default().failed(now, format!("{item}: {reason}"));
        if inner.resting.len() >= MOST_RESTING {
            inner.resting.retain(|_, rest| now < rest.until);
        }
        if inner.resting.len() >= MOST_RESTING && !inner.resting.contains_key(&key) {
            return;
        }
        let rest = inner.resting.entry(key).or_insert(Rest { failures: 0, until: now });
        rest.failures += 1;
        rest.until = now + pause(rest.failures, FIRST_PAUSE, LONGEST_PAUSE);
        tracing::error!(%timer, %item, reason, failures = rest.failures, until = %rest.until, "an item of due work failed; it is tried again");
    }

    /// Records that an item succeeded.
    pub fn item_succeeded(&self, timer: Timer, item: &impl Display) {
        let mut inner = self.inner();
        // Nearly always empty.
        if !inner.resting.is_empty() && inner.resting.remove(&(timer, item.to_string())).is_some() {
            tracing::info!(%timer, %item, "an item of due work that had failed is done");
        }
    }

    /// Counts the failure of an item whose state is kept elsewhere.
    pub fn count_failure(&self, timer: Timer, reason: String, now: Timestamp) {
        self.inner().slots.entry(timer).or_default().failed(now, reason);
    }

    /// Returns whether an item rests after a failure.
    pub fn rests(&self, timer: Timer, item: &impl Display, now: Timestamp) -> bool {
        let inner = self.inner();
        !inner.resting.is_empty() && inner.resting.get(&(timer, item.to_string())).is_some_and(|rest| now < rest.until)
    }

    /// Returns how many items of a kind failed and may be due.
    pub fn resting(&self, timer: Timer) -> i64 {
        let count = self.inner().resting.keys().filter(|(kind, _)| *kind == timer).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    pub fn states(&self) -> Vec<TimerState> {
        let inner = self.inner();
        let state = |timer: &Timer| {
            let slot = inner.slots.get(timer).cloned().unwrap_or_default();
            let Slot { last_success, last_failure, failing, failures, runs, done, busy, .. } = slot;
            TimerState { timer: *timer, last_success, last_failure, failing, failures, runs, done, busy }
        };
        Timer::ALL.iter().map(state).collect()
    }
}

impl Slot {
    fn failed(&mut self, now: Timestamp, reason: String) {
        self.failures += 1;
        self.last_failure = Some(now);
        self.failure = Some(reason);
    }
}

/// Returns the reason of a failure, for the log and for operators.
fn reason(error: &Error) -> String {
    let reason = error.internal_text().unwrap_or_else(|| error.detail().to_owned());
    crate::base::text::clean_line(&reason, 300).unwrap_or_default()
}

/// Returns the stored state of each kind of due work, by name, at most a minute old. Empty when none ever ran.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn recorded(db: &Db) -> Result<Vec<RecordedTimer>> {
    let mut reader = db.read().await?;
    Ok(q!(&mut reader.conn() => all RecordedTimer,
        "SELECT timer, last_success_at, last_failure_at, failure FROM timers ORDER BY timer")?)
}

/// Returns a pause that doubles with each try: `first` after the first one, `longest` at most.
pub(crate) fn pause(attempts: i64, first: Duration, longest: Duration) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    first.saturating_mul(1 << doublings).min(longest)
}
