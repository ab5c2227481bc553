//! Tells a server to stop, and to read its certificate again.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{ctx::Ending, service_manager};

/// A handle that stops a server, or has it read its certificate again; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    begun: CancellationToken,
    hurried: CancellationToken,
    reload: Arc<Notify>,
}

impl From<CancellationToken> for Stop {
    fn from(begun: CancellationToken) -> Self {
        Self { begun, ..Self::default() }
    }
}

impl Stop {
    /// Begins the shutdown: the server reports that it is not ready, keeps serving for as long as a load balancer needs
    /// to notice ([`drain`](crate::Options::drain)), and then finishes what is in flight.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Skips the wait for load balancers.
    pub fn hurry(&self) {
        self.hurried.cancel();
    }

    /// Has the server read its certificate and the key of it again, for new connections.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Waits until something is to be read again.
    pub(crate) async fn reload_wanted(&self) {
        self.reload.notified().await;
    }

    /// Takes the first steps of the shutdown, each when it is due.
    pub(crate) async fn lead(self, ending: Ending, drain: Duration) {
        self.begun.cancelled().await;
        ending.begun.cancel();
        service_manager::stopping();
        if !drain.is_zero() {
            tracing::info!(seconds = drain.as_secs(), "stopping; served on until balancers have noticed");
        }
        // A client that keeps a connection open learns of the shutdown from a response, while new connections still
        // find the listener.
        self.pause(drain / 2).await;
        ending.closing.cancel();
        self.pause(drain.div_f64(2.0)).await;
        tracing::info!("stopping; what is in flight is finished");
        ending.stopping.cancel();
    }

    async fn pause(&self, time: Duration) {
        // The wait is over in either case.
        let _ = tokio::time::timeout(time, self.hurried.cancelled()).await;
    }
}
