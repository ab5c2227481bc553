//! Carries "look" to the other servers and back. The content is in the log of events: a wake-up that is lost costs the
//! time until the next look, nothing else.

use std::time::Duration;

use tokio::sync::Notify;

use super::remote::ClusterStore;

/// Between two tries while the store is away.
const AGAIN: Duration = Duration::from_millis(250);

/// What waits to be told to others: one thing.
#[derive(Debug, Default)]
pub(super) struct Bus(Notify);

impl Bus {
    /// The others should look.
    pub(super) fn wake(&self) {
        self.0.notify_one();
    }

    /// Both ways, for ever.
    pub(super) async fn carry(&self, remote: &dyn ClusterStore, woken: &(dyn Fn() + Send + Sync)) {
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
                if let Err(error) = remote.listen(woken).await {
                    tracing::debug!(?error, "other servers are not heard");
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::join!(out, back);
    }
}
