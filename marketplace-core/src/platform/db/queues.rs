//! Who waits for a read by key: see `batch.rs`.

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

/// Keys in one statement at most: bounds how long the first of them waits.
const KEYS: usize = 256;
/// Statements of one kind that run at once.
const RUNNERS: usize = 1;

/// A kind of read by key that reads many keys in one statement; see `batch.rs`.
pub trait PointRead: 'static {
    /// What it is asked by.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// What it returns.
    type Row: Clone + Send + Sync + 'static;

    /// The rows of those keys that have one, in any order. One statement.
    fn load(
        conn: &mut Conn<'_>,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Vec<(Self::Key, Self::Row)>>> + Send;
}

pub(super) type Answer<P> = oneshot::Sender<Result<Option<<P as PointRead>::Row>>>;
pub(super) type Asked<P> = (<P as PointRead>::Key, Answer<P>);

/// Who waits for one kind of read.
pub(super) struct Queue<P: PointRead>(Mutex<State<P>>);

pub(super) struct State<P: PointRead> {
    pub waiting: Vec<Asked<P>>,
    /// Tasks that are answering.
    pub runners: usize,
}

impl<P: PointRead> Queue<P> {
    pub fn new() -> Self {
        Self(Mutex::new(State { waiting: Vec::new(), runners: 0 }))
    }

    /// Adds a caller; `true` when a runner is needed and is counted already.
    pub fn push(&self, asked: Asked<P>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push(asked);
        let needed = state.runners < RUNNERS;
        state.runners += usize::from(needed);
        needed
    }

    /// Those to answer next; none when nobody waits, and then the runner that asks is no longer counted.
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
        // The map has the queue of a kind under that kind, so this is no second choice but the type system's due.
        queue.downcast().unwrap_or_else(|_| Arc::new(Queue::new()))
    }
}
