//! Due work: what time brings. Each kind of it runs by itself, with a time limit of its own: none waits for another, and one
//! that fails, panics or hangs stops nothing else. Within a kind, items are isolated in the same way (`each`).
//!
//! A server runs every kind in a task of its own ([`run`]); a program without a server runs all of them in turn
//! ([`App::run_due`]). How each went is kept in memory ([`App::timers`]) and, once a minute, in the database, so that a
//! command beside the server can tell ([`recorded`]).

mod state;

use std::{fmt::Display, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, StreamExt, stream};

pub(crate) use self::state::Timers;
pub use self::state::{RecordedTimer, TimerState, recorded};
use crate::{
    accounts,
    app::App,
    auth,
    error::{Error, ErrorCode, Result},
    events, idempotency, jobs, kyc, mail, messaging, reviews,
    slots::{Late, Slots},
    text_enum, tokens,
};

/// Items of one kind that are worked on at the same time.
const TOGETHER: usize = 8;
/// How long one item may take. Its unit of work is not undone when it takes longer: only nobody waits for it any more.
const ITEM_LIMIT: Duration = Duration::from_secs(10);

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
        /// What erasures leave beside the rows is swept.
        Erasures = "erasures",
        /// Negotiations lapse, and finished work is finalized.
        Jobs = "jobs",
        /// Files that no message carries are forgotten.
        LooseFiles = "loose_files",
        /// Reviews whose window has closed are published.
        Reviews = "reviews",
        /// Keys that another program made are noticed.
        Keys = "keys",
        /// Old events are forgotten.
        Events = "events",
        /// Answers kept for repeated requests are forgotten.
        IdempotencyKeys = "idempotency_keys",
        /// Which threads staff read lately is forgotten; the audit log has it.
        ThreadReads = "thread_reads",
        /// Ended sessions and one-time tokens are forgotten.
        Sessions = "sessions",
        /// Tickets for sockets that nobody used are forgotten.
        SocketTickets = "socket_tickets",
        /// Social logins that nobody came back from are forgotten.
        SocialLogins = "social_logins",
        /// Tokens for scripts that ended long ago are forgotten.
        ApiTokens = "api_tokens",
        /// How each kind went is written down.
        TimerRecords = "timer_records",
    }
}

impl Timer {
    /// Returns how often it runs.
    pub fn every(self) -> Duration {
        match self {
            Self::FailedMails
            | Self::Events
            | Self::IdempotencyKeys
            | Self::ThreadReads
            | Self::Sessions
            | Self::SocketTickets
            | Self::SocialLogins
            | Self::ApiTokens
            | Self::TimerRecords => Duration::from_mins(1),
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

    async fn work(self, app: &App) -> Result<u64> {
        match self {
            Self::Mail => mail::send_due(app).await,
            Self::FailedMails => mail::prune(app).await,
            Self::KycExpiry => kyc::expire_due(app).await,
            Self::KycFiles => kyc::drop_due_files(app).await,
            Self::FileDeletions => kyc::delete_due_objects(app).await,
            Self::LostFiles => kyc::sweep_objects(app).await,
            Self::FileSealing => app.seal_stored().await,
            Self::Erasures => accounts::sweep(app).await,
            Self::Jobs => jobs::run_due(app).await,
            Self::LooseFiles => messaging::run_due(app).await,
            Self::Reviews => reviews::run_due(app).await,
            Self::Keys => refresh_keys(app).await,
            Self::Events => events::prune(app).await,
            Self::IdempotencyKeys => idempotency::prune(app).await,
            Self::ThreadReads => messaging::prune(app).await,
            Self::Sessions => auth::prune(app).await,
            Self::SocketTickets => auth::prune_tickets(app).await,
            Self::SocialLogins => auth::oidc::prune(app).await,
            Self::ApiTokens => tokens::prune(app).await,
            Self::TimerRecords => state::record(app).await,
        }
    }
}

/// Runs one kind of due work once. Running it twice, or on two servers, does nothing more. Returns how many things were done.
///
/// # Errors
/// When the kind as a whole could not be worked on: what it needs is away, or it took too long. Items that failed alone are
/// counted in [`App::timers`] and tried again after a pause.
pub async fn run(app: &App, timer: Timer) -> Result<u64> {
    let outcome = contained(timer.limit(), timer.work(app)).await;
    app.timers.ran(timer, &outcome, app.now());
    outcome
}

impl App {
    /// Runs every kind of due work once, each whatever became of the others: for programs without a server, and for tests.
    /// Returns how many things were done.
    ///
    /// # Errors
    /// The first of the kinds that failed.
    pub async fn run_due(&self) -> Result<u64> {
        let mut all = Ok(0);
        for timer in Timer::ALL.iter().copied().filter(|timer| self.timers.is_due(*timer, self.now())) {
            let done = match timer {
                // Nobody would be left to send them.
                Timer::Mail => run(self, timer).await.and(Ok(self.mailer.idle().await)),
                timer => run(self, timer).await,
            };
            all = match (all, done) {
                (Ok(sum), Ok(done)) => Ok(sum + done),
                (Err(first), _) | (_, Err(first)) => Err(first),
            };
        }
        all
    }

    /// Returns how each kind of due work went, in the order of [`Timer::ALL`].
    pub fn timers(&self) -> Vec<TimerState> {
        self.timers.states()
    }
}

/// Works on each of some items, side by side. One that fails, panics or hangs stops no other: it is counted, logged, and left
/// alone for a while that grows. Returns how many things were done.
///
/// # Errors
/// When something that items need is away: then they are tried again with the next run, as none of them is at fault.
pub(crate) async fn each<T, F>(app: &App, timer: Timer, items: Vec<T>, work: impl Fn(T) -> F) -> Result<u64>
where
    T: Copy + Display,
    F: Future<Output = Result<u64>>,
{
    let now = app.now();
    let rested = items.into_iter().filter(|item| !app.timers.rests(timer, item, now));
    let mut outcomes = stream::iter(rested)
        .map(|item| contained(ITEM_LIMIT, work(item)).map(move |outcome| (item, outcome)))
        .buffer_unordered(TOGETHER);
    let (mut done, mut away) = (0, None);
    while let Some((item, outcome)) = outcomes.next().await {
        match outcome {
            Ok(count) => {
                app.timers.item_succeeded(timer, &item);
                done += count;
            }
            Err(error)
                if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Busy) && !Slots::was_late(&error) =>
            {
                away = Some(error);
            }
            Err(error) => app.timers.item_failed(timer, &item, &error, now),
        }
    }
    away.map_or(Ok(done), Err)
}

/// How many more items are to be looked at, so that those that rest do not hide the others.
pub(crate) fn resting(app: &App, timer: Timer) -> i64 {
    app.timers.resting(timer)
}

/// A pause that doubles with each try: `first` after the first one.
pub(crate) fn pause(attempts: i64, first: Duration, longest: Duration) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    first.saturating_mul(1 << doublings).min(longest)
}

/// Awaits work for so long; a panic in it is its failure.
async fn contained<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Error::internal("it panicked")),
        Err(_) => Err(Error::unavailable("it takes too long", Late(limit))),
    }
}

async fn refresh_keys(app: &App) -> Result<u64> {
    let keys = app.keys.clone();
    app.timers.keys.run_blocking(move || keys.refresh()).await.map(|()| 0)
}

#[cfg(test)]
mod tests;
