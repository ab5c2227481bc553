//! The listeners of this server. Each socket has a bounded queue: a socket that is too slow for it is closed and resumes by
//! cursor, so that slow clients neither use memory nor delay others.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use marketplace_core::{
    error::{Error, Result},
    events::EventCursor,
    ids::{SessionId, UserId},
    time::Timestamp,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::task::TaskTracker;

use super::frames::Close;

/// Upper limit of the frames that wait for one socket.
pub(super) const QUEUE: usize = 256;
/// The interval at which sockets are closed, one after the other, when the server stops; shorter when they are many.
const BETWEEN: Duration = Duration::from_millis(20);
/// Upper limit of one user's sockets on one server.
const PER_USER: usize = 20;

/// A frame on its way to a socket.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    /// The cursor of an event; `None` for what is not in the log.
    pub cursor: Option<EventCursor>,
    pub text: Utf8Bytes,
}

/// One socket, from the hub's point of view.
#[derive(Debug)]
pub(super) struct Listener {
    pub user: UserId,
    pub session: SessionId,
    queue: mpsc::Sender<Queued>,
    end: watch::Sender<Option<Close>>,
    /// When its session expires, in microseconds.
    ends_at: AtomicI64,
}

impl Listener {
    /// Ends the socket; the first reason counts.
    pub fn end(&self, why: Close) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(why);
            }
            first
        });
    }

    /// Sets the time when its session expires.
    pub fn lives_until(&self, at: Timestamp) {
        self.ends_at.store(at.micros(), Ordering::Relaxed);
    }

    fn tell(&self, frame: Queued) {
        match self.queue.try_send(frame) {
            // A closed socket is already ending.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.end(Close::TryAgain),
        }
    }
}

/// All sockets of this server.
#[derive(Debug)]
pub(crate) struct Hub {
    listeners: Mutex<HashMap<UserId, Vec<Arc<Listener>>>>,
    /// Sockets that may be open at once.
    places: Arc<tokio::sync::Semaphore>,
    /// Whether the server is stopping.
    closed: AtomicBool,
    /// Whether the dispatcher has its position in the log: before that, a socket could miss events.
    follows: AtomicBool,
    /// Running socket tasks, which a shutdown waits for.
    pub(super) tasks: TaskTracker,
}

/// A socket's place in the hub; dropping it leaves the hub.
#[derive(Debug)]
pub(super) struct Place {
    pub listener: Arc<Listener>,
    pub queue: mpsc::Receiver<Queued>,
    pub end: watch::Receiver<Option<Close>>,
    hub: Arc<Hub>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listeners = self.hub.lock();
        if let Some(of_user) = listeners.get_mut(&self.listener.user) {
            of_user.retain(|other| !Arc::ptr_eq(other, &self.listener));
            if of_user.is_empty() {
                listeners.remove(&self.listener.user);
            }
        }
    }
}

impl Hub {
    /// Creates a hub with `places` places.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            listeners: Mutex::default(),
            places: Arc::new(tokio::sync::Semaphore::new(places.min(tokio::sync::Semaphore::MAX_PERMITS))),
            closed: AtomicBool::new(false),
            follows: AtomicBool::new(false),
            tasks: TaskTracker::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Vec<Arc<Listener>>>> {
        // A panic while the lock was held cannot have left the map inconsistent.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every socket has ended.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends all sockets one after the other, spread over `within`, so that their clients do not all reconnect at the
    /// same moment. No other socket can join.
    pub async fn dismiss(&self, within: Duration) {
        self.closed.store(true, Ordering::SeqCst);
        let all: Vec<_> = self.lock().values().flatten().cloned().collect();
        let pause = (within / u32::try_from(all.len().max(1)).unwrap_or(u32::MAX)).min(BETWEEN);
        let mut next = Instant::now();
        for listener in all {
            tokio::time::sleep_until(next).await;
            listener.end(Close::GoingAway);
            next += pause;
        }
    }

    /// Records that the dispatcher has its position in the log.
    pub(super) fn follows(&self) {
        self.follows.store(true, Ordering::SeqCst);
    }

    /// Returns a place for another socket. From now on events are queued for it.
    ///
    /// # Errors
    /// `busy` or `rate_limited` when there are too many sockets; `unavailable` while the log cannot be followed.
    pub(super) fn join(self: &Arc<Self>, user: UserId, session: SessionId) -> Result<Place> {
        if !self.follows.load(Ordering::SeqCst) {
            return Err(Error::unavailable(
                "events cannot be followed just now; try again",
                "the dispatcher has not begun",
            ));
        }
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Error::busy("too many sockets are open; try again"))?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let (ender, end) = watch::channel(None);
        let listener = Arc::new(Listener { user, session, queue: sender, end: ender, ends_at: AtomicI64::new(0) });
        let mut listeners = self.lock();
        // Checked under the lock, so that every socket that joined before is ended.
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the server stops; come back", "it was told to"));
        }
        let of_user = listeners.entry(user).or_default();
        if of_user.len() >= PER_USER {
            return Err(Error::rate_limited(Duration::from_secs(10)));
        }
        of_user.push(Arc::clone(&listener));
        drop(listeners);
        Ok(Place { listener, queue, end, hub: Arc::clone(self), _permit: permit })
    }

    /// Returns whether any of these users has a socket here.
    pub(super) fn anybody(&self, users: &[Option<UserId>]) -> bool {
        let listeners = self.lock();
        users.iter().flatten().any(|user| listeners.contains_key(user))
    }

    /// Sends a frame to all sockets of a user.
    pub(super) fn tell(&self, user: UserId, frame: impl FnOnce() -> Queued) {
        let listeners = self.lock();
        let Some(of_user) = listeners.get(&user) else { return };
        let frame = frame();
        for listener in of_user {
            listener.tell(frame.clone());
        }
    }

    /// Ends all sockets.
    pub(super) fn end_all(&self, why: Close) {
        self.lock().values().flatten().for_each(|listener| listener.end(why));
    }

    /// Returns the sockets of a user.
    pub(super) fn of(&self, user: UserId) -> Vec<Arc<Listener>> {
        self.lock().get(&user).cloned().unwrap_or_default()
    }

    /// Returns all sockets.
    pub(super) fn all(&self) -> Vec<Arc<Listener>> {
        self.lock().values().flatten().cloned().collect()
    }

    /// Returns the sockets whose sessions have ended by `now`, as far as is known.
    pub(super) fn past(&self, now: Timestamp) -> Vec<Arc<Listener>> {
        let listeners = self.lock();
        let past = |listener: &&Arc<Listener>| listener.ends_at.load(Ordering::Relaxed) <= now.micros();
        listeners.values().flatten().filter(past).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use marketplace_core::ids::{SessionId, UserId};

    use super::*;

    fn ids(n: u64) -> (UserId, SessionId) {
        let id = format!("01890000-0000-7000-8000-{n:012}");
        (id.parse().unwrap(), id.parse().unwrap())
    }

    fn frame(n: i64) -> Queued {
        Queued { cursor: Some(EventCursor { tx: 0, seq: n }), text: n.to_string().into() }
    }

    #[test]
    fn a_full_queue_ends_its_socket_and_nobody_elses() {
        let hub = Hub::new(9);
        let ((user, session), (other, _)) = (ids(1), ids(2));
        assert!(hub.join(user, session).is_err(), "nobody joins before the log is followed");
        hub.follows();
        let slow = hub.join(user, session).unwrap();
        let mut quick = hub.join(user, session).unwrap();
        assert!(hub.anybody(&[None, Some(user)]) && !hub.anybody(&[None, Some(other)]));
        for n in 0..=i64::try_from(QUEUE).unwrap() {
            hub.tell(user, || frame(n));
            assert_eq!(quick.queue.try_recv().unwrap().text.as_str(), n.to_string());
        }
        assert_eq!((*slow.end.borrow(), *quick.end.borrow()), (Some(Close::TryAgain), None));
        // The first reason counts.
        slow.listener.end(Close::LoggedOut);
        assert_eq!(*slow.end.borrow(), Some(Close::TryAgain));
        drop((slow, quick));
        assert!(!hub.anybody(&[Some(user)]));
    }

    #[test]
    fn places_are_bounded_in_all_and_per_person() {
        let hub = Hub::new(PER_USER + 1);
        hub.follows();
        let (user, session) = ids(1);
        let own: Vec<_> = (0..PER_USER).map(|_| hub.join(user, session).unwrap()).collect();
        assert!(hub.join(user, session).is_err());
        let (other, session) = ids(2);
        let last = hub.join(other, session).unwrap();
        assert!(hub.join(ids(3).0, session).is_err());
        drop((own, last));
        assert!(hub.join(user, session).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_sent_away_one_after_the_other_and_none_joins_any_more() {
        for (count, least) in [(3, BETWEEN * 2), (2_000, Duration::from_secs(9))] {
            let hub = Hub::new(count);
            hub.follows();
            let join = |n| {
                let (user, session) = ids(n);
                hub.join(user, session)
            };
            let places: Vec<_> = (0..count).map(|n| join(n as u64).unwrap()).collect();
            let began = Instant::now();
            hub.dismiss(Duration::from_secs(10)).await;
            assert!((least..=Duration::from_secs(10)).contains(&began.elapsed()), "{:?}", began.elapsed());
            assert!(places.iter().all(|place| *place.end.borrow() == Some(Close::GoingAway)));
            drop(places);
            assert!(join(0).is_err());
        }
    }

    #[test]
    fn sessions_that_are_over_are_found() {
        let hub = Hub::new(2);
        hub.follows();
        let (user, session) = ids(1);
        let place = hub.join(user, session).unwrap();
        let end = Timestamp::from_micros(1_000);
        place.listener.lives_until(end);
        assert!(hub.past(Timestamp::from_micros(999)).is_empty());
        assert_eq!(hub.past(end).len(), 1);
    }
}
