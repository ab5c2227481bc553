//! Reads the log once for all sockets of this server, and passes on the events that concern them. Operations of this server
//! wake it; it polls for events of other programs.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use marketplace_core::{
    error::{Error, Result},
    events::{self, EventCursor},
    ids::UserId,
    live,
    messaging::{Delivery, UserEvent, model::Typing},
    page::Cursor,
};
use tokio::{sync::broadcast, time::Instant};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{
    frames::{self, Close, ServerFrame},
    hub::{Hub, Listener, Queued},
};
use crate::ctx::Ctx;

/// Events that are read in one query.
const BATCH: i64 = 500;
/// The interval between two looks without a notification, because other programs write too.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The minimum interval between two looks, so that many changes at once cause one look.
const PAUSE: Duration = Duration::from_millis(3);
/// The interval at which the dispatcher checks that the log is still the same one; it is another after a restore or a
/// failover.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait for a reply of the database before asking again on another connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// Sessions that are checked in one query.
const SESSIONS: usize = 500;
/// The interval between two checks for sessions that have ended.
const SESSIONS_EVERY: Duration = Duration::from_millis(500);

/// Runs until the last socket of the server has ended.
pub(crate) async fn run(ctx: Ctx) {
    let notes = pass_notes(ctx.clone());
    tokio::join!(follow(ctx), notes);
}

/// Passes on who is typing.
async fn pass_notes(ctx: Ctx) {
    let mut notes = ctx.app.notes();
    loop {
        let note = tokio::select! {
            () = ctx.ending.over.cancelled() => return,
            note = notes.recv() => note,
        };
        match note.as_deref().map(Typing::of) {
            Ok(Some(Typing { thread_id, from, to })) => ctx.hub.tell(to, || {
                let text = ServerFrame::Typing { thread_id, user_id: from }.text();
                Queued { cursor: None, text: Utf8Bytes::from(text) }
            }),
            // Of a newer server, or too many at once.
            Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Follows the log. Survives database outages and panics, and continues where it was.
async fn follow(ctx: Ctx) {
    let now = Instant::now();
    let mut dispatcher = Dispatcher {
        ctx,
        cursor: None,
        checked_at: now,
        doubtful: Vec::new(),
        sessions_at: now,
        looked_at: now,
        failures: 0,
    };
    let mut wake = dispatcher.ctx.app.subscribe();
    while !dispatcher.ctx.ending.over.is_cancelled() {
        let outcome = AssertUnwindSafe(dispatcher.look()).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("following the log of events panicked")));
        // However much there is to dispatch, other work is done between two batches.
        if dispatcher.judge(outcome) {
            continue;
        }
        tokio::select! {
            () = dispatcher.ctx.ending.over.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
            heard = wake.recv() => {
                // The channel is never closed, because the app that holds its sender is alive here.
                if matches!(heard, Err(broadcast::error::RecvError::Closed)) {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        while matches!(wake.try_recv(), Ok(()) | Err(broadcast::error::TryRecvError::Lagged(_))) {}
    }
}

struct Dispatcher {
    ctx: Ctx,
    /// `None` until the end of the log has been found.
    cursor: Option<EventCursor>,
    /// When the log was last verified to be the one that is followed.
    checked_at: Instant,
    /// Sockets whose login may have ended.
    doubtful: Vec<Arc<Listener>>,
    sessions_at: Instant,
    /// When all events that existed had been dispatched.
    looked_at: Instant,
    failures: u32,
}

impl Dispatcher {
    fn hub(&self) -> &Hub {
        &self.ctx.hub
    }

    /// Returns whether to look again at once.
    fn judge(&mut self, outcome: Result<bool>) -> bool {
        let inside = match outcome {
            Ok(more) => {
                self.failures = 0;
                self.looked_at = Instant::now();
                return more;
            }
            Err(error) => error.internal_text().unwrap_or_else(|| error.to_string()),
        };
        self.ctx.metrics.event_lag.set(self.looked_at.elapsed().as_secs_f64());
        if self.failures.is_multiple_of(100) {
            tracing::error!(
                inside,
                failures = self.failures,
                "the log of events cannot be followed; it is tried again"
            );
        }
        self.failures = self.failures.saturating_add(1);
        false
    }

    /// Dispatches new events, and closes the sockets whose login has ended. Returns whether there may be more.
    async fn look(&mut self) -> Result<bool> {
        if let Some(cursor) = self.cursor
            && self.checked_at.elapsed() >= CHECK_EVERY
        {
            self.checked_at = Instant::now();
            if !answered(live::is_current(&self.ctx.app, cursor)).await? {
                tracing::warn!("the log of events is another one; every socket has to come back");
                self.cursor = None;
                self.hub().end_all(Close::TryAgain);
            }
        }
        let cursor = match self.cursor {
            Some(cursor) => cursor,
            None => answered(live::end(&self.ctx.app)).await?,
        };
        self.cursor = Some(cursor);
        self.hub().follows();
        let found = answered(live::tail(&self.ctx.app, cursor, BATCH)).await?;
        let now = self.ctx.app.now();
        self.ctx.metrics.event_lag.set(found.iter().map(|event| now.since(event.at).as_secs_f64()).fold(0.0, f64::max));
        if let Some(last) = found.last() {
            let told: Vec<EventCursor> = found
                .iter()
                .filter(|event| event.is_delivered() && self.hub().anybody(&event.users))
                .map(|event| event.cursor)
                .collect();
            for event in answered(live::rendered(&self.ctx.app, &told)).await? {
                dispatch(self.hub(), &event);
            }
            for user in found.iter().filter(|event| event.may_end_logins()).flat_map(|event| event.users).flatten() {
                let doubtful = self.hub().of(user);
                self.doubtful.extend(doubtful);
            }
            if found.iter().any(events::Raw::ends_all_logins) {
                self.doubtful = self.hub().all();
            }
            self.cursor = Some(last.cursor);
        }
        if self.doubtful.is_empty() && self.sessions_at.elapsed() >= SESSIONS_EVERY {
            let past = self.hub().past(now);
            self.doubtful.extend(past);
            self.sessions_at = Instant::now();
        }
        self.end_logins().await?;
        Ok(i64::try_from(found.len()).is_ok_and(|count| count >= BATCH))
    }

    /// Checks the logins in doubt. While the database is away they stay in doubt.
    async fn end_logins(&mut self) -> Result<()> {
        while !self.doubtful.is_empty() {
            let from = self.doubtful.len().saturating_sub(SESSIONS);
            let some: Vec<Arc<Listener>> = self.doubtful.iter().skip(from).cloned().collect();
            answered(check_logins(&self.ctx, &some)).await?;
            self.doubtful.truncate(from);
        }
        Ok(())
    }
}

/// Waits for a reply of the database, for a limited time.
async fn answered<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|elapsed| Err(Error::unavailable("the database does not answer", elapsed)))
}

/// Closes the sockets whose sessions have ended.
pub(super) async fn check_logins(ctx: &Ctx, listeners: &[Arc<Listener>]) -> Result<()> {
    let sessions: Vec<_> = listeners.iter().map(|listener| listener.session).collect();
    let living: std::collections::HashMap<_, _> =
        marketplace_core::auth::live_sessions(&ctx.app, &sessions).await?.into_iter().collect();
    for listener in listeners {
        match living.get(&listener.session) {
            Some(end) => listener.lives_until(*end),
            None => listener.end(Close::LoggedOut),
        }
    }
    Ok(())
}

/// Sends an event to each user whom it concerns.
fn dispatch(hub: &Hub, event: &UserEvent) {
    let cursor = event.cursor.text();
    for user in event.users.into_iter().flatten() {
        hub.tell(user, || render_for(event.what.clone(), user, event.cursor, &cursor));
    }
}

/// Renders an event as a frame for one of the two users.
pub(super) fn render_for(what: Delivery, user: UserId, cursor: EventCursor, text: &str) -> Queued {
    let text = frames::event(&what.told_to(user), text);
    Queued { cursor: Some(cursor), text: Utf8Bytes::from(text) }
}
