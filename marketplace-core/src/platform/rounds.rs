//! Work that one caller does for all who wait for it.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::Mutex;

use crate::base::error::{Error, Result};

/// Rounds of such work, each of which does a number of things with names. A caller is served by a round that begins after
/// its call.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// How many have called.
    called: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// Whose calls the last round served: the first so many.
    served: u64,
    /// Whether the last round failed.
    failed: bool,
    /// What the last round did, and the one before it.
    done: [HashSet<String>; 2],
}

impl Rounds {
    /// Waits for a round, and returns whether it or the one before did everything in `names`. Without a round that
    /// another caller begins, this one begins it: `work` returns the names of what it did.
    ///
    /// # Errors
    /// The error of `work`; `unavailable` when that of another caller failed for all whom it served.
    pub async fn join(&self, names: &[&str], work: impl Future<Output = Result<Vec<String>>>) -> Result<bool> {
        let place = self.called.fetch_add(1, Ordering::SeqCst);
        // In the order of their calls.
        let mut last = self.last.lock().await;
        if last.served <= place {
            let serves = self.called.load(Ordering::SeqCst);
            let outcome = work.await;
            (last.served, last.failed) = (serves, outcome.is_err());
            let [now, before] = &mut last.done;
            *before = std::mem::replace(now, outcome?.into_iter().collect());
        } else if last.failed {
            return Err(Error::unavailable(
                "the database did not do what many wait for",
                "another caller has the error",
            ));
        }
        Ok(names.iter().all(|name| last.done.iter().any(|done| done.contains(*name))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_served_together_and_by_a_round_that_begins_later() {
        let (rounds, begun) = (Rounds::default(), AtomicUsize::new(0));
        let round = || async {
            let round = begun.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(vec![format!("of {round}")])
        };
        let done = futures::future::join_all((0..50).map(|_| rounds.join(&["of 1"], round()))).await;
        // The first begins alone; all others called before the second round.
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        let served = done.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        assert!(!served[0] && served[1..].iter().all(|served| *served));
        assert!(rounds.join(&["of 1", "of 2"], round()).await.unwrap(), "the round before counts");
        // Nobody waits for one failure after the other.
        let failure = || async {
            begun.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(Error::not_found("it"))
        };
        let done = futures::future::join_all((0..50).map(|_| rounds.join(&["of 1"], failure()))).await;
        assert!(done.iter().all(Result::is_err));
        assert_eq!(begun.load(Ordering::SeqCst), 5);
        assert!(rounds.join(&["of 5"], round()).await.unwrap());
    }
}
