//! How each kind of due work went: in memory, in the log at each change, and in the database for whoever looks from beside.

use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;

use super::{Timer, pause};
use crate::{
    app::App,
    db::Db,
    error::{Error, Result},
    slots::Slots,
    time::Timestamp,
};

/// The pause after the first failure of an item, which doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_hours(4);
/// Items that can rest at once; what fails beyond them is tried again at once.
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
}

/// What the database says of a kind of due work, whichever server did it.
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
    /// Whether it should have run again by now: it is written down every minute, and others may be under way.
    pub fn is_late(&self, now: Timestamp) -> bool {
        now.since(self.last_success_at) > Duration::from_mins(5)
    }
}

/// The states of all kinds.
#[derive(Debug)]
pub(crate) struct Timers {
    inner: Mutex<Inner>,
    /// Where keys are read.
    pub keys: Slots,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<Timer, Slot>,
    resting: HashMap<(Timer, String), Rest>,
}

#[derive(Debug, Default, Clone)]
struct Slot {
    last_run: Option<Timestamp>,
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    failing: Option<String>,
    failure: Option<String>,
    failures: u64,
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
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a kind that runs now and then should run again. One that runs every second always should.
    pub fn is_due(&self, timer: Timer, now: Timestamp) -> bool {
        let last_run = self.inner().slots.get(&timer).and_then(|slot| slot.last_run);
        timer.every() <= Duration::from_secs(1) || last_run.is_none_or(|last| now.since(last) >= timer.every())
    }

    /// Records how a run went. One log line at each change.
    pub fn ran(&self, timer: Timer, outcome: &Result<u64>, now: Timestamp) {
        let mut inner = self.inner();
        let slot = inner.slots.entry(timer).or_default();
        slot.last_run = Some(now);
        match outcome {
            Ok(done) => {
                slot.last_success = Some(now);
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

    /// An item failed by itself: it rests.
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

    /// An item was done.
    pub fn item_succeeded(&self, timer: Timer, item: &impl Display) {
        let mut inner = self.inner();
        // Nearly always empty.
        if !inner.resting.is_empty() && inner.resting.remove(&(timer, item.to_string())).is_some() {
            tracing::info!(%timer, %item, "an item of due work that had failed is done");
        }
    }

    /// Counts an item's failure that is kept elsewhere.
    pub fn count_failure(&self, timer: Timer, reason: String, now: Timestamp) {
        self.inner().slots.entry(timer).or_default().failed(now, reason);
    }

    /// Whether an item is to be left alone.
    pub fn rests(&self, timer: Timer, item: &impl Display, now: Timestamp) -> bool {
        let inner = self.inner();
        !inner.resting.is_empty() && inner.resting.get(&(timer, item.to_string())).is_some_and(|rest| now < rest.until)
    }

    /// How many items of a kind failed and may be due.
    pub fn resting(&self, timer: Timer) -> i64 {
        let count = self.inner().resting.keys().filter(|(kind, _)| *kind == timer).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    pub fn states(&self) -> Vec<TimerState> {
        let inner = self.inner();
        let state = |timer: &Timer| {
            let slot = inner.slots.get(timer).cloned().unwrap_or_default();
            let Slot { last_success, last_failure, failing, failures, .. } = slot;
            TimerState { timer: *timer, last_success, last_failure, failing, failures }
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

/// For the log and for operators.
fn reason(error: &Error) -> String {
    let reason = error.internal_text().unwrap_or_else(|| error.detail().to_owned());
    crate::text::clean_line(&reason, 300).unwrap_or_default()
}

/// Writes down how each kind went. Of several servers, the latest times stay.
pub(super) async fn record(app: &App) -> Result<u64> {
    let slots: Vec<(Timer, Slot)> =
        app.timers.inner().slots.iter().map(|(timer, slot)| (*timer, slot.clone())).collect();
    app.db
        .write(move |conn| {
            async move {
                for (timer, slot) in slots {
                    let success = slot.last_success.unwrap_or(Timestamp::EPOCH);
                    let failure = slot.last_failure.unwrap_or(Timestamp::EPOCH);
                    q!(conn => exec,
                        "INSERT INTO timers (timer, last_success_at, last_failure_at, failure) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (timer) DO UPDATE SET \
                         last_success_at = CASE WHEN excluded.last_success_at > timers.last_success_at \
                           THEN excluded.last_success_at ELSE timers.last_success_at END, \
                         failure = CASE WHEN excluded.last_failure_at > timers.last_failure_at \
                           THEN excluded.failure ELSE timers.failure END, \
                         last_failure_at = CASE WHEN excluded.last_failure_at > timers.last_failure_at \
                           THEN excluded.last_failure_at ELSE timers.last_failure_at END",
                        timer, success, failure, slot.failure)?;
                }
                Ok(0)
            }
            .boxed()
        })
        .await
}

/// Returns what the database says of each kind of due work, by name: what servers wrote down in the last minute. Empty when
/// none ever ran.
pub async fn recorded(db: &Db) -> Result<Vec<RecordedTimer>> {
    let mut reader = db.read().await?;
    Ok(q!(&mut reader.conn() => all RecordedTimer,
        "SELECT timer, last_success_at, last_failure_at, failure FROM timers ORDER BY timer")?)
}
