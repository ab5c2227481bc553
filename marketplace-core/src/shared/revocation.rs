//! Asks the store which sessions were ended: in one question for all calls that wait, as [`crate::db`] reads rows.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures::FutureExt;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Remote;
use crate::error::{Error, Result};

/// Sessions in one question at most.
const AT_ONCE: usize = 512;

type Waiting = Vec<(Uuid, oneshot::Sender<Result<bool>>)>;

/// Who waits for an answer.
#[derive(Debug)]
pub(super) struct Asking {
    remote: Arc<dyn Remote>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// Whether a task is asking.
    is_asked: bool,
}

impl Asking {
    #[cfg(any(test, feature = "redis"))]
    pub(super) fn new(remote: Arc<dyn Remote>) -> Self {
        Self { remote, state: Mutex::default() }
    }

    /// Whether a session was ended. Never answered from what was asked before.
    pub(super) async fn is_revoked(self: &Arc<Self>, session: Uuid) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        if self.push(session, answer) {
            // A task of its own: callers may go away, also the first.
            tokio::spawn(Arc::clone(self).run());
        }
        let gone = |_| Err(Error::unavailable("sessions cannot be checked just now; try again", "the task ended"));
        answered.await.unwrap_or_else(gone)
    }

    /// Adds a caller; `true` when nobody asks, and then the caller has to see to it.
    fn push(&self, session: Uuid, answer: oneshot::Sender<Result<bool>>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push((session, answer));
        !std::mem::replace(&mut state.is_asked, true)
    }

    /// Whom to answer next; nobody, and then the task that asks must end.
    fn take(&self) -> Waiting {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_asked = !state.waiting.is_empty();
        let count = state.waiting.len().min(AT_ONCE);
        state.waiting.drain(..count).collect()
    }

    /// Answers until nobody waits.
    async fn run(self: Arc<Self>) {
        loop {
            // Whoever is about to ask does so first.
            tokio::task::yield_now().await;
            let batch = self.take();
            if batch.is_empty() {
                return;
            }
            let sessions: Vec<Uuid> = batch.iter().map(|(session, _)| *session).collect();
            let panicked = |_| Err(Error::internal("the store of ended sessions panicked"));
            let asked = AssertUnwindSafe(self.remote.revoked(&sessions)).catch_unwind().await.unwrap_or_else(panicked);
            let known = asked.map(|ended| sessions.into_iter().zip(ended).collect::<HashMap<_, _>>());
            for (session, answer) in batch {
                // A caller that has gone away hears nothing, which is fine.
                let _ = answer.send(match &known {
                    // A session of which nothing was said is not one that lives.
                    Ok(known) => Ok(known.get(&session).copied().unwrap_or(true)),
                    Err(error) => Err(error.told_again()),
                });
            }
        }
    }
}
