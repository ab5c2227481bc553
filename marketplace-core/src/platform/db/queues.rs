//! Queues of callers that wait for a read by key: see `batch.rs`.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::sync::oneshot;

use super::Conn;
use crate::base::error::Result;

/// Maximum number of keys in one statement. This bounds how long the first of them waits.
const KEYS: usize = 256;
/// Number of statements of one kind that run concurrently.
const RUNNERS: usize = 1;

/// A kind of read by key that reads many keys in one statement; see `batch.rs`.
pub trait PointRead: 'static {
    /// The key of a row.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// The row that is returned.
    type Row: Clone + Send + Sync + 'static;

    /// Returns the rows of those keys that have one, in any order. Runs one statement.
    fn load(
        conn: &mut Conn<'_>,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Vec<(Self::Key, Self::Row)>>> + Send;
}

pub(super) type Answer<P> = oneshot::Sender<Result<Option<<P as PointRead>::Row>>>;
pub(super) type Asked<P> = (<P as PointRead>::Key, Answer<P>);

/// The callers that wait for one kind of read.
pub(super) struct Queue<P: PointRead>(Mutex<State<P>>);

pub(super) struct State<P: PointRead> {
    pub waiting: Vec<Asked<P>>,
    /// Number of running tasks that serve this queue.
    pub runners: usize,
}

impl<P: PointRead> Queue<P> {
    pub fn new() -> Self {
        Self(Mutex::new(State { waiting: Vec::new(), runners: 0 }))
    }

    /// Adds a caller. Returns `true` when a runner is needed, which is then already counted.
    pub fn push(&self, asked: Asked<P>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push(asked);
        let needed = state.runners < RUNNERS;
        state.runners += usize::from(needed);
        needed
    }

    /// Returns the callers to serve next. Empty when none is waiting; then the calling runner is no longer counted.
    pub fn take(&self) -> Vec<Asked<P>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            state.runners -= 1;
        }
        if state.waiting.len() <= KEYS {
            return std::mem::take(&mut state.waiting);
        }
        state.waiting.drain(..KEYS).collect()
    }
}

/// The queues of one database, one for each kind of read.
#[derive(Clone, Default)]
pub(super) struct Queues(Arc<RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queues")
    }
}

impl Queues {
    pub fn of<P: PointRead>(&self) -> Arc<Queue<P>> {
        let kind = TypeId::of::<P>();
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        let queue = known.unwrap_or_else(|| {
            let mut queues = self.0.write().unwrap_or_else(PoisonError::into_inner);
            queues.entry(kind).or_insert_with(|| Arc::new(Queue::<P>::new())).clone()
        });
        // The map stores each kind's queue under that kind, so the fallback is never used; only the type system requires
        // it.
        queue.downcast().unwrap_or_else(|_| Arc::new(Queue::new()))
    }
}
