//! Tells a server to stop.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ctx::Ending;

/// How a server is told to stop; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    begun: CancellationToken,
    hurried: CancellationToken,
}

impl From<CancellationToken> for Stop {
    fn from(begun: CancellationToken) -> Self {
        Self { begun, hurried: CancellationToken::new() }
    }
}

impl Stop {
    /// Tells it to stop: it says that it is not ready, serves on for as long as a balancer takes to notice
    /// ([`drain`](crate::Options::drain)), and then finishes what is in flight.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Tells it that nobody needs to notice.
    pub fn hurry(&self) {
        self.hurried.cancel();
    }

    /// Takes the first steps of the end, each when its time has come.
    pub(crate) async fn lead(self, ending: Ending, drain: Duration) {
        self.begun.cancelled().await;
        ending.begun.cancel();
        if !drain.is_zero() {
            tracing::info!(seconds = drain.as_secs(), "stopping; served on until balancers have noticed");
        }
        // Who keeps a connection open learns of the end by an answer, while new connections still find the listener.
        self.pause(drain / 2).await;
        ending.closing.cancel();
        self.pause(drain.div_f64(2.0)).await;
        tracing::info!("stopping; what is in flight is finished");
        ending.stopping.cancel();
    }

    async fn pause(&self, time: Duration) {
        // Either way it is over.
        let _ = tokio::time::timeout(time, self.hurried.cancelled()).await;
    }
}
