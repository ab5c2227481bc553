//! Threads for work that occupies a core for tens of milliseconds: one fewer than there are cores, started when first
//! needed, with a lower priority than all other threads of the program, so that short requests do not wait for them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

use crate::base::error::{Error, Result};

/// The nice value of the threads (`setpriority(2)`): under full load they get a third of what other threads get, so that
/// logins do not starve on a machine that has other work. The priority alone is not enough, whatever its value: a thread
/// that wakes up often waits for the next scheduler tick (4 ms). With one core left to the others, 64 clients that log in
/// made the slowest hundredth of other responses take 1.3 to 2 times as long; without it, 3 to 4 times (2 cores,
/// `tests/bench`, `busy_login`).
///
/// A thread cannot raise its priority again, so these threads do nothing else.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

type Work = Box<dyn FnOnce() + Send>;

/// The threads; see the [module](self). They end when the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads(Arc<OnceLock<Sender<Work>>>);

impl Threads {
    /// Runs `work` after earlier work. The caller bounds how much is waiting.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.0.get_or_init(begin).send(Box::new(work)).map_err(|_| Error::internal("no thread that hashes is left"))
    }
}

/// Returns the number of threads.
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

fn begin() -> Sender<Work> {
    let (sender, work) = channel();
    let work = Arc::new(Mutex::new(work));
    for _ in 0..count() {
        let work = Arc::clone(&work);
        // If the system provides no thread, that is reported when no thread accepts the work.
        let begun = std::thread::Builder::new().name("passwords".into()).spawn(move || take(&work));
        if let Err(error) = begun {
            tracing::error!(%error, "a thread that hashes passwords could not be started");
        }
    }
    sender
}

fn take(queue: &Mutex<Receiver<Work>>) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "passwords are hashed at the usual priority");
    }
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // The caller notices because it gets no result.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}
