//! Work that may hang because of something outside: a file system whose server is gone, a bucket that does not respond. A
//! bounded amount of it runs at once, and each caller waits for a bounded time. Work that hangs keeps its slot until it ends,
//! so that it never uses all threads: later callers are refused in time, and everything works again when it ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::base::error::{Error, Result};

/// An operation did not respond within this time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
pub(crate) struct Late(pub Duration);

/// A number of slots. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    permits: Arc<Semaphore>,
    limit: Duration,
    /// The text of the error when the work hangs.
    detail: &'static str,
}

impl Slots {
    /// Creates `count` slots. Callers wait for up to `limit`, including the wait for a slot.
    pub fn new(count: usize, limit: Duration, detail: &'static str) -> Self {
        Self { permits: Arc::new(Semaphore::new(count)), limit, detail }
    }

    /// Runs `work` to its end, even when the caller stops waiting.
    ///
    /// # Errors
    /// Returns `unavailable` when the work takes too long, and otherwise the error of the work.
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
            Err(_) => Err(Error::unavailable(self.detail, Late(self.limit))),
        }
    }

    /// Returns whether an error only reports a timeout.
    pub fn was_late(error: &Error) -> bool {
        std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<Late>)
    }

    /// Runs work that blocks its thread; otherwise like [`Slots::run`].
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(async { tokio::task::spawn_blocking(work).await.map_err(Error::internal)? }).await
    }
}

/// Records that a resource hangs, so that callers do not wait for it before it responds again. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hanging(Arc<AtomicBool>);

impl Hanging {
    /// Interval between probes.
    const ASK_EVERY: Duration = Duration::from_secs(1);
    /// Number of probes that may wait for a response at the same time.
    const QUESTIONS: usize = 8;

    /// Returns whether the resource hangs.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Marks the resource as hanging until it responds. `answers` probes it.
    pub fn watch<F>(&self, answers: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        if self.0.swap(true, Ordering::Relaxed) {
            return;
        }
        let hangs = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut questions = JoinSet::new();
            loop {
                // A new probe each second, as earlier ones may hang for longer than the resource does.
                if questions.len() < Self::QUESTIONS {
                    questions.spawn(answers());
                }
                let answered = async {
                    while let Some(answer) = questions.join_next().await {
                        if answer.unwrap_or(false) {
                            return;
                        }
                    }
                    std::future::pending::<()>().await;
                };
                if tokio::time::timeout(Self::ASK_EVERY, answered).await.is_ok() {
                    break;
                }
            }
            hangs.store(false, Ordering::Relaxed);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::base::error::ErrorCode;

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
    async fn what_hangs_is_asked_until_it_answers() {
        let (hanging, well) = (Hanging::default(), Arc::new(AtomicBool::default()));
        let is_well = Arc::clone(&well);
        assert!(!hanging.is_so());
        hanging.watch(move || {
            let is_well = Arc::clone(&is_well);
            async move {
                if !is_well.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_secs(4)).await;
                }
                is_well.load(Ordering::Relaxed)
            }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(hanging.is_so());
        well.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!hanging.is_so());
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
