//! Due work: what becomes due with time. Each kind runs by itself, with a time limit of its own: none waits for another, and
//! one that fails, panics or hangs stops nothing else. Within a kind, items are isolated in the same way (`each`).
//!
//! A server runs every kind in a task of its own ([`run`]); a program without a server runs all of them in turn
//! ([`App::run_due`]). The state of each is kept in memory ([`App::timers`]) and, once a minute, in the database,
//! where a command beside the server can read it ([`crate::timers::recorded`]).

use std::time::Instant;

use crate::{
    app::App,
    auth,
    base::{error::Result, time::Timestamp},
    jobs, kyc, messaging, notifications, oidc, operations, presence, profiles,
    records::{audit, events, idempotency, mail, partitions, webhooks},
    reports, reviews, services,
    timers::{self, Timer},
    tokens, users,
};

impl Timer {
    async fn work(self, app: &App) -> Result<u64> {
        match self {
            Self::Mail => mail::send_due(app).await,
            Self::FailedMails => operations::mail::prune(app).await,
            Self::KycExpiry => kyc::expire_due(app).await,
            Self::KycFiles => kyc::drop_due_files(app).await,
            Self::FileDeletions => kyc::delete_due_objects(app).await,
            Self::LostFiles => kyc::sweep_objects(app).await,
            Self::FileSealing => app.seal_stored().await,
            Self::SearchIndex => {
                let found = services::reindex(app).await? + services::reindex_titles(app).await?;
                Ok(found + reviews::reindex(app).await? + services::move_merged(app).await?)
            }
            Self::Erasures => users::sweep(app).await,
            Self::Freezes => users::lift_due(app).await,
            Self::Jobs => jobs::run_due(app).await,
            Self::Notifications => notifications::run_due(app).await,
            Self::OldNotifications => notifications::prune(app).await,
            Self::Webhooks => webhooks::send_due(app).await,
            Self::OldDeliveries => webhooks::prune(app).await,
            Self::LooseFiles => messaging::run_due(app).await,
            Self::RuleReports => reports::file_caught(app).await,
            Self::Reviews => reviews::run_due(app).await,
            Self::Keys => refresh_keys(app).await,
            Self::Events => events::prune(app).await,
            Self::Partitions => partitions::extend(app).await,
            Self::IdempotencyKeys => idempotency::prune(app).await,
            Self::ThreadReads => messaging::prune(app).await,
            Self::Sessions => auth::prune(app).await,
            Self::SocketTickets => Ok(auth::prune_tickets(app).await? + presence::prune(app).await?),
            Self::SocialLogins => oidc::prune(app).await,
            Self::ApiTokens => tokens::prune(app).await,
            Self::Series => messaging::count_hours(app).await,
            Self::AuditSeals => audit::seal_left(app).await,
            Self::TimerRecords => {
                reports::note_oldest(app).await?;
                crate::scheduled::record(app).await
            }
        }
    }
}

/// Runs one kind of due work once. Running it twice, or on two servers, does nothing more. Returns how many things were done.
///
/// # Errors
/// When the kind as a whole failed: a dependency is away, or it took too long. Items that failed alone are counted in
/// [`App::timers`] and tried again after a pause.
pub async fn run(app: &App, timer: Timer) -> Result<u64> {
    let begun = Instant::now();
    let outcome = crate::scheduled::contained(timer.limit(), timer.work(app)).await;
    app.timers.ran(timer, &outcome, app.now(), begun.elapsed());
    outcome
}

impl App {
    /// Runs every kind of due work once, even if others fail: for programs without a server, and for tests.
    /// Returns how many things were done.
    ///
    /// # Errors
    /// The error of the first kind that failed.
    pub async fn run_due(&self) -> Result<u64> {
        let mut all = Ok(0);
        for timer in Timer::ALL.iter().copied().filter(|timer| self.timers.is_due(*timer, self.now())) {
            let done = match timer {
                // Nobody would be left to send them.
                Timer::Mail => run(self, timer).await.and(Ok(self.mailer.idle().await)),
                Timer::Webhooks => run(self, timer).await.and(Ok(self.webhooks.idle().await)),
                timer => run(self, timer).await,
            };
            all = match (all, done) {
                (Ok(sum), Ok(done)) => Ok(sum + done),
                (Err(first), _) | (_, Err(first)) => Err(first),
            };
        }
        all
    }

    /// Returns since when the oldest of each queue waits for staff, as it was a moment ago.
    pub fn oldest_waiting(&self) -> Vec<(timers::Queue, Option<Timestamp>)> {
        self.timers.oldest()
    }

    /// Returns the state of each kind of due work, in the order of [`Timer::ALL`].
    pub fn timers(&self) -> Vec<timers::TimerState> {
        self.timers.states()
    }
}

impl App {
    /// Seals older files that are not sealed yet, a few at a time. Returns how many.
    pub(crate) async fn seal_stored(&self) -> Result<u64> {
        // One run at a time; when another is running, there is nothing to do.
        let Ok(mut rounds) = self.sealing.try_lock() else { return Ok(0) };
        let (attachments, pictures) = &mut *rounds;
        let mut done = 0;
        if attachments.is_due(self.now()) {
            done += messaging::seal_stored(self, attachments).await?;
        }
        if pictures.is_due(self.now()) {
            done += profiles::seal_stored(self, pictures).await?;
        }
        Ok(done)
    }
}

async fn refresh_keys(app: &App) -> Result<u64> {
    let keys = app.keys.clone();
    app.timers.keys.run_blocking(move || keys.refresh()).await.map(|()| 0)
}

#[cfg(test)]
mod tests;
