//! Work that may hang for as long as something outside likes: a file system whose server is gone, a bucket that does not
//! answer. So much of it runs at once, and each caller waits for so long. What hangs keeps its slot until it ends, so that it
//! never takes all threads: the callers after it are refused in time, and when it ends, all works again.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// A number of slots; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    permits: Arc<Semaphore>,
    limit: Duration,
    /// What callers are told when it hangs.
    detail: &'static str,
}

impl Slots {
    /// So many at once, each waited for up to `limit`, the wait for a slot included.
    pub fn new(count: usize, limit: Duration, detail: &'static str) -> Self {
        Self { permits: Arc::new(Semaphore::new(count)), limit, detail }
    }

    /// Runs `work` to its end, also when nobody waits for it any more. `unavailable` when it takes too long.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let permits = Arc::clone(&self.permits);
        let done = async {
            let permit = permits.acquire_owned().await.map_err(Error::internal)?;
            let task = tokio::spawn(async move {
                let done = work.await;
                drop(permit);
                done
            });
            task.await.map_err(Error::internal)?
        };
        match tokio::time::timeout(self.limit, done).await {
            Ok(done) => done,
            Err(_) => Err(Error::unavailable(self.detail, format!("no answer within {} s", self.limit.as_secs()))),
        }
    }

    /// Runs what blocks its thread.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(async { tokio::task::spawn_blocking(work).await.map_err(Error::internal)? }).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::error::ErrorCode;

    #[tokio::test]
    async fn what_hangs_keeps_its_slot_and_nobody_waits_for_it() {
        let slots = Slots::new(2, Duration::from_millis(100), "it hangs");
        let (end, ended) = mpsc::channel::<()>();
        let hung = slots.run_blocking(move || ended.recv().map_err(Error::internal)).await.unwrap_err();
        assert_eq!((hung.code(), hung.detail()), (ErrorCode::Unavailable, "it hangs"));
        assert_eq!(slots.run_blocking(|| Ok(1)).await.unwrap(), 1);
        let (second_end, second_ended) = mpsc::channel::<()>();
        slots.run_blocking(move || second_ended.recv().map_err(Error::internal)).await.unwrap_err();
        assert_eq!(slots.run_blocking(|| Ok(1)).await.unwrap_err().code(), ErrorCode::Unavailable);
        drop((end, second_end));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(slots.run_blocking(|| Ok(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_gives_the_slot_back() {
        let slots = Slots::new(1, Duration::from_secs(5), "it hangs");
        for _ in 0..2 {
            let failed = slots.run_blocking::<()>(|| panic!("as planned")).await.unwrap_err();
            assert_eq!(failed.code(), ErrorCode::Internal);
        }
    }
}
