//! Turns at scarce work: a caller with many requests waits behind its own requests, not ahead of those of others.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::base::error::{Error, Result};

/// One key (an address, an account) may take this fraction of the free part of the queue: a quarter.
const PART: usize = 4;

/// A limited number of concurrent turns. A caller that has to wait does so in the queue of its key, and the queues are
/// served in rotation. Cheap to clone.
pub struct Turns<K: Copy + Eq + Hash>(Arc<Inner<K>>);

struct Inner<K> {
    at_once: usize,
    at_once_per_key: usize,
    waiting: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    running: usize,
    running_by_key: HashMap<K, usize>,
    queues: HashMap<K, VecDeque<oneshot::Sender<()>>>,
    /// Keys with a queue; the first one is served next.
    order: VecDeque<K>,
    waiting: usize,
}

impl<K: Copy + Eq + Hash> Turns<K> {
    /// Creates `at_once` turns, of which a key may have `at_once_per_key`, and room for `waiting` waiting callers.
    pub fn new(at_once: usize, at_once_per_key: usize, waiting: usize) -> Self {
        let state = State {
            running: 0,
            running_by_key: HashMap::new(),
            queues: HashMap::new(),
            order: VecDeque::new(),
            waiting: 0,
        };
        let (at_once, at_once_per_key) = (at_once.max(1), at_once_per_key.max(1));
        Self(Arc::new(Inner { at_once, at_once_per_key, waiting, state: Mutex::new(state) }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// Returns `busy` with `why` when too many callers are already waiting, of this key or in total.
    pub async fn take(&self, key: K, why: &'static str) -> Result<Turn<K>> {
        let mut waiter = {
            let mut state = self.0.lock();
            let running = state.running_by_key.get(&key).copied().unwrap_or_default();
            if state.running < self.0.at_once && running < self.0.at_once_per_key {
                state.begin(key);
                return Ok(Turn { turns: self.clone(), key, is_aside: false });
            }
            let ahead = state.queues.get(&key).map_or(0, VecDeque::len);
            let room = self.0.waiting.saturating_sub(state.waiting);
            if room == 0 || ahead > room / PART {
                return Err(Error::busy(why));
            }
            let (called, call) = oneshot::channel();
            state.push(key, called);
            Waiter { turns: self, key, call }
        };
        (&mut waiter.call).await.map_err(Error::internal)?;
        Ok(Turn { turns: self.clone(), key, is_aside: false })
    }
}

impl<K: Copy + Eq + Hash> Turns<K> {
    /// Returns how many callers wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting
    }
}

impl<K: Copy + Eq + Hash> Inner<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // No code panics while the numbers change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a turn.
    fn end(&self, key: K) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        state.end_of(key);
        self.call(&mut state);
    }

    /// Calls waiting callers, as far as there is room.
    fn call(&self, state: &mut State<K>) {
        // Each key is examined once: a key that has all its turns keeps its position.
        let mut left = state.order.len();
        while state.running < self.at_once && left > 0 {
            left -= 1;
            let Some(next) = state.order.pop_front() else { return };
            let running = state.running_by_key.get(&next).copied().unwrap_or_default();
            let has_room = running < self.at_once_per_key;
            let called = if has_room { state.pop(next) } else { None };
            if state.queues.contains_key(&next) {
                state.order.push_back(next);
            }
            // A call to a caller that has gone away is not a turn.
            if called.is_some_and(|called| called.send(()).is_ok()) {
                state.begin(next);
                left = state.order.len();
            }
        }
    }
}

impl<K: Copy + Eq + Hash> State<K> {
    fn begin(&mut self, key: K) {
        self.running += 1;
        *self.running_by_key.entry(key).or_default() += 1;
    }

    fn end_of(&mut self, key: K) {
        if let Some(running) = self.running_by_key.get_mut(&key) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.running_by_key.remove(&key);
            }
        }
    }

    fn push(&mut self, key: K, called: oneshot::Sender<()>) {
        self.waiting += 1;
        let queue = self.queues.entry(key).or_default();
        if queue.is_empty() {
            self.order.push_back(key);
        }
        queue.push_back(called);
    }

    /// Removes and returns the first caller in a key's queue that is still waiting.
    fn pop(&mut self, key: K) -> Option<oneshot::Sender<()>> {
        let queue = self.queues.get_mut(&key)?;
        let called = queue.pop_front();
        self.waiting = self.waiting.saturating_sub(usize::from(called.is_some()));
        if queue.is_empty() {
            self.queues.remove(&key);
        }
        called
    }

    /// Removes the callers of a key that are no longer waiting.
    fn forget(&mut self, key: K) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        let before = queue.len();
        queue.retain(|called| !called.is_closed());
        self.waiting = self.waiting.saturating_sub(before - queue.len());
        if queue.is_empty() {
            self.queues.remove(&key);
            self.order.retain(|other| *other != key);
        }
    }
}

/// A waiting caller, removed from its queue when dropped.
struct Waiter<'t, K: Copy + Eq + Hash> {
    turns: &'t Turns<K>,
    key: K,
    call: oneshot::Receiver<()>,
}

impl<K: Copy + Eq + Hash> Drop for Waiter<'_, K> {
    fn drop(&mut self) {
        if self.call.is_terminated() {
            return;
        }
        self.call.close();
        if self.call.try_recv().is_ok() {
            // It was called but has not noticed: the turn passes to the next caller.
            self.turns.0.end(self.key);
        } else {
            self.turns.0.lock().forget(self.key);
        }
    }
}

/// A turn, which ends when this is dropped.
pub struct Turn<K: Copy + Eq + Hash> {
    turns: Turns<K>,
    key: K,
    is_aside: bool,
}

impl<K: Copy + Eq + Hash> Turn<K> {
    /// Makes room for another key. Its own key keeps this turn until it ends.
    pub fn step_aside(&mut self) {
        if !std::mem::replace(&mut self.is_aside, true) {
            let mut state = self.turns.0.lock();
            state.running = state.running.saturating_sub(1);
            self.turns.0.call(&mut state);
        }
    }
}

impl<K: Copy + Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        if self.is_aside {
            let mut state = self.turns.0.lock();
            state.end_of(self.key);
            self.turns.0.call(&mut state);
        } else {
            self.turns.0.end(self.key);
        }
    }
}

impl<K: Copy + Eq + Hash> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> fmt::Debug for Turns<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        write!(f, "Turns({} of {}, {} wait)", state.running, self.0.at_once, state.waiting)
    }
}

impl<K: Copy + Eq + Hash> fmt::Debug for Turn<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::{FutureExt, future::BoxFuture, poll};

    use super::*;
    use crate::base::error::ErrorCode;

    type Waiting = BoxFuture<'static, Result<Turn<char>>>;

    /// Starts waiting in the queue.
    async fn wait(turns: &Turns<char>, key: char) -> Waiting {
        let turns = turns.clone();
        let mut waiting = async move { turns.take(key, "busy").await }.boxed();
        assert!(poll!(&mut waiting).is_pending(), "{key} does not wait");
        waiting
    }

    #[tokio::test]
    async fn keys_take_turns() {
        let turns = Turns::new(1, 1, 100);
        let mut running = turns.take('a', "busy").await.unwrap();
        let mut crowd = Vec::new();
        for _ in 0..5 {
            crowd.push(wait(&turns, 'a').await);
        }
        let mut other = wait(&turns, 'b').await;
        // One of the earlier callers, and then the other one.
        drop(running);
        running = crowd.remove(0).await.unwrap();
        drop(running);
        running = match poll!(&mut other) {
            Poll::Ready(turn) => turn.unwrap(),
            Poll::Pending => panic!("the other one waits behind the crowd"),
        };
        drop(running);
        for waiting in crowd {
            drop(waiting.await.unwrap());
        }
        assert_eq!(format!("{turns:?}"), "Turns(0 of 1, 0 wait)");
    }

    #[tokio::test]
    async fn a_crowd_leaves_room_in_the_queue() {
        let turns = Turns::new(1, 1, 40);
        let _running = turns.take('a', "busy").await.unwrap();
        let mut crowd = Vec::new();
        for key in ['a', 'b', 'c'] {
            loop {
                let turns = turns.clone();
                let mut waiting = async move { turns.take(key, "busy").await }.boxed();
                match poll!(&mut waiting) {
                    Poll::Pending => crowd.push(waiting),
                    Poll::Ready(refused) => {
                        assert_eq!(refused.unwrap_err().code(), ErrorCode::Busy);
                        break;
                    }
                }
            }
        }
        assert!(crowd.len() < 30, "{}", crowd.len());
        drop(wait(&turns, 'd').await);
        // A caller that goes away leaves the queue.
        drop(crowd);
        assert_eq!(format!("{turns:?}"), "Turns(1 of 1, 0 wait)");
    }

    #[tokio::test]
    async fn a_turn_that_nobody_hears_of_goes_on() {
        let turns = Turns::new(1, 1, 100);
        let running = turns.take('a', "busy").await.unwrap();
        let (called, mut next) = (wait(&turns, 'a').await, wait(&turns, 'b').await);
        drop(running);
        // It was called, and is dropped before it notices.
        drop(called);
        let Poll::Ready(turn) = poll!(&mut next) else { panic!("the turn is lost") };
        drop(turn.unwrap());
        assert_eq!(format!("{turns:?}"), "Turns(0 of 1, 0 wait)");
    }

    #[tokio::test]
    async fn a_key_has_its_own_turns_at_most() {
        let turns = Turns::new(4, 2, 100);
        let held = [turns.take('a', "busy").await.unwrap(), turns.take('a', "busy").await.unwrap()];
        let third = wait(&turns, 'a').await;
        let other = turns.take('b', "busy").await.unwrap();
        drop(other);
        let [first, _second] = held;
        drop(first);
        let _third = third.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_steps_aside_makes_room_for_others_and_not_for_their_own() {
        let turns = Turns::new(1, 1, 100);
        let mut slow = turns.take('a', "busy").await.unwrap();
        let (own, other) = (wait(&turns, 'a').await, wait(&turns, 'b').await);
        slow.step_aside();
        slow.step_aside();
        drop(other.await.unwrap());
        let mut own = own;
        assert!(poll!(&mut own).is_pending(), "the key has its turn already");
        drop(slow);
        drop(own.await.unwrap());
        assert_eq!(format!("{turns:?}"), "Turns(0 of 1, 0 wait)");
    }
}
