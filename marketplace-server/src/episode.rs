//! Conditions that repeat once they have begun: counted each time, and logged when they begin and when they are over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::Counter;

/// An episode is over when the event has not happened for this long.
const OVER: Duration = Duration::from_secs(10);

/// See the [module](self).
pub(crate) struct Episode {
    what: &'static str,
    counter: Counter,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_on: AtomicBool,
    times: AtomicU64,
}

impl Episode {
    /// Creates an episode of the event `what`, which is its name in the log.
    pub fn new(what: &'static str, counter: Counter) -> Self {
        Self { what, counter, state: Arc::default() }
    }

    /// Records one occurrence.
    pub fn happened(&self) {
        self.counter.increment(1);
        self.state.times.fetch_add(1, Ordering::Relaxed);
        if self.state.is_on.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!("{}", self.what);
        let (what, state) = (self.what, Arc::clone(&self.state));
        tokio::spawn(async move {
            let mut seen = 0;
            while state.times.load(Ordering::Relaxed) != seen {
                seen = state.times.load(Ordering::Relaxed);
                tokio::time::sleep(OVER).await;
            }
            let times = state.times.swap(0, Ordering::Relaxed);
            state.is_on.store(false, Ordering::Relaxed);
            tracing::info!(times, "over: {what}");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_begins_and_is_over() {
        let episode = Episode::new("it rains", Counter::noop());
        for _ in 0..5 {
            episode.happened();
            tokio::time::sleep(OVER / 2).await;
            assert!(episode.state.is_on.load(Ordering::Relaxed));
        }
        tokio::time::sleep(OVER * 2).await;
        assert!(!episode.state.is_on.load(Ordering::Relaxed));
        episode.happened();
        assert!(episode.state.is_on.load(Ordering::Relaxed));
    }
}
