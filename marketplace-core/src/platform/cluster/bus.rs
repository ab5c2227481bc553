//! Carries wake-ups ("look") and passing notes to the other servers and back. What a wake-up is about is in the event log: a lost
//! one costs only the time until the next look. Notes are stored nowhere, and losing one is harmless.

use std::time::Duration;

use tokio::sync::Notify;

use super::remote::{ClusterStore, Heard};

/// Pause between two attempts while the store is away.
const AGAIN: Duration = Duration::from_millis(250);

/// The pending wake-up for the other servers; several are merged into one.
#[derive(Debug, Default)]
pub(super) struct Bus(Notify);

impl Bus {
    /// Tells the other servers to look.
    pub(super) fn wake(&self) {
        self.0.notify_one();
    }

    /// Carries wake-ups in both directions, and passes on notes of others, forever.
    pub(super) async fn carry(&self, remote: &dyn ClusterStore, heard: &(dyn for<'n> Fn(Heard<'n>) + Send + Sync)) {
        let out = async {
            loop {
                self.0.notified().await;
                while remote.wake().await.is_err() {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
        let back = async {
            loop {
                if let Err(error) = remote.listen(heard).await {
                    tracing::debug!(?error, "other servers are not heard");
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::join!(out, back);
    }
}
