//! The heartbeat: polls for events a few times a second, to learn what changed, and whether the system is reachable.

use marketplace_core::staff::{AfterQuery, ListEvents};
use std::time::Duration;

use marketplace_core::{
    error::{ErrorCode, Result as Answered},
    events::{Event, EventPage},
    time::Timestamp,
};

use super::{
    ctx::Ctx,
    message::{LoadId, Message},
};

/// The pause between the result of a heartbeat and the next heartbeat.
const EVERY: Duration = Duration::from_millis(300);
/// A heartbeat that takes longer than this is slow.
const SLOW: Duration = Duration::from_millis(500);
/// A heartbeat without a result means that the system is unreachable when it has taken this long, and this many times
/// longer than heartbeats take here. (A connection that is refused is noticed at once.)
const DEAD: (Duration, u32) = (Duration::from_secs(2), 4);
/// A heartbeat that takes this long is abandoned, and another one is sent. This is also how long the first one may take.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Upper limit of the pause between attempts while the system is unreachable.
const SLOWEST: Duration = Duration::from_secs(5);

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No result yet.
    Connecting,
    /// Connected.
    Connected,
    /// Connected, with this delay.
    Slow(Duration),
    /// Unreachable.
    Away {
        /// Since when.
        since: Timestamp,
        /// The reason.
        why: String,
    },
}

/// The events since the last heartbeat.
struct Beat(Answered<EventPage>);

/// The heartbeat, and the state of the connection that it has determined.
#[derive(Debug)]
pub struct Heartbeat {
    state: State,
    cursor: Option<String>,
    pending: Option<(LoadId, Timestamp)>,
    next: Timestamp,
    wait: Duration,
    /// How long heartbeats take here.
    delay: Option<Duration>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { state: State::Connecting, cursor: None, pending: None, next: Timestamp::EPOCH, wait: EVERY, delay: None }
    }
}

impl Heartbeat {
    /// Returns the state of the connection.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Sends a heartbeat when it is due. Returns true when the state changed.
    pub fn tick(&mut self, ctx: &mut Ctx) -> bool {
        let now = ctx.now();
        let before = self.state.clone();
        if let Some((_, since)) = self.pending {
            let taken = now.since(since);
            if taken >= self.patience() {
                self.away(ctx, now, "no answer");
            } else if taken >= SLOW && matches!(self.state, State::Connected | State::Slow(_)) {
                self.state = State::Slow(seconds(taken.max(self.delay.unwrap_or_default())));
            }
            if now.since(since) >= GIVEN_UP {
                self.pending = None;
                self.later(now);
            }
        }
        if std::mem::take(&mut ctx.lost) && matches!(self.state, State::Connected | State::Slow(_)) {
            // Another request found the system unreachable; the next heartbeat shows whether that lasts.
            self.away(ctx, now, "not reached");
            self.next = now;
        }
        if self.pending.is_none() && now >= self.next {
            let cursor = self.cursor.clone();
            let id = ctx.load(Beat, |api| async move {
                api.call::<ListEvents>((), AfterQuery::new(cursor.as_deref(), 200), ()).await
            });
            self.pending = Some((id, now));
        }
        self.state != before
    }

    /// Handles the result of a heartbeat: returns the events since the last one, and whether the system has just become
    /// reachable.
    ///
    /// # Errors
    /// Returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Result<(Vec<Event>, bool), Message> {
        let (id, Beat(answer)) = message.open()?;
        Ok(self.answered(id, answer, ctx))
    }

    fn answered(&mut self, id: LoadId, answer: Answered<EventPage>, ctx: &mut Ctx) -> (Vec<Event>, bool) {
        let Some((_, since)) = self.pending.take_if(|(pending, _)| *pending == id) else {
            return (Vec::new(), false);
        };
        let now = ctx.now();
        // Half of the news, so that one slow answer does not make everything after it slow.
        let taken = now.since(since);
        self.delay = Some(self.delay.map_or(taken, |before| (before + taken) / 2));
        let back = matches!(self.state, State::Away { .. } | State::Connecting);
        match answer {
            Ok(page) => {
                self.cursor = Some(page.cursor);
                self.here(ctx, now);
                (page.items, back)
            }
            // The system was reached, and refused for a reason unrelated to the connection.
            Err(error) if matches!(error.code(), ErrorCode::Forbidden | ErrorCode::RateLimited) => {
                self.here(ctx, now);
                self.next = now + error.retry_after_hint().unwrap_or(SLOWEST);
                (Vec::new(), back)
            }
            // The cursor is older than the retained events: start from the newest, and reload everything.
            Err(error) if matches!(error.code(), ErrorCode::Invalid | ErrorCode::Conflict | ErrorCode::NotFound) => {
                self.cursor = None;
                self.here(ctx, now);
                (Vec::new(), true)
            }
            Err(error) => {
                ctx.fail_quietly("heartbeat", &error);
                let why = if error.code() == ErrorCode::Unauthenticated {
                    "signed out: run `marketplace auth login`".to_owned()
                } else {
                    error.detail().to_owned()
                };
                self.away(ctx, now, &why);
                self.later(now);
                (Vec::new(), false)
            }
        }
    }

    fn here(&mut self, ctx: &mut Ctx, now: Timestamp) {
        self.state = match self.delay.filter(|delay| *delay >= SLOW) {
            Some(delay) => State::Slow(seconds(delay)),
            None => State::Connected,
        };
        ctx.gate.set_away(false);
        ctx.lost = false;
        self.wait = EVERY;
        self.next = now + EVERY;
    }

    /// Returns how long a heartbeat may take before the system counts as unreachable.
    fn patience(&self) -> Duration {
        self.delay.map_or(GIVEN_UP, |delay| (delay * DEAD.1).clamp(DEAD.0, GIVEN_UP))
    }

    fn away(&mut self, ctx: &mut Ctx, now: Timestamp, why: &str) {
        let since = match &self.state {
            State::Away { since, .. } => *since,
            _ => now,
        };
        self.state = State::Away { since, why: why.to_owned() };
        ctx.gate.set_away(true);
    }

    fn later(&mut self, now: Timestamp) {
        self.next = now + self.wait;
        self.wait = (self.wait * 2).min(SLOWEST);
    }
}

/// Rounds to tenths of a second, so that the screen does not change with every heartbeat.
fn seconds(delay: Duration) -> Duration {
    Duration::from_millis(u64::try_from(delay.as_millis() / 100 * 100).unwrap_or(u64::MAX))
}
