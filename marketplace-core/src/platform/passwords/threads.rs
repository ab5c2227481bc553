//! Threads for work that takes a core for tens of milliseconds: one fewer than there are cores, begun when first needed, and
//! behind all others of the program, so that who waits for an answer that is soon made does not wait for them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

use crate::base::error::{Error, Result};

/// How far behind (`setpriority(2)`): they get a third of what others do when all want more than there is, so that logins do
/// not starve on a machine that has other work. That alone is not enough, whatever the priority: a thread that wakes up often
/// waits until the system next looks around (4 ms). With a core left to the others, 64 clients that log in made the slowest
/// hundredth of other answers take 1.3 to 2 times as long; without, 3 to 4 times (2 cores, `tests/bench`, `busy_login`).
///
/// A thread cannot take it back, so these do nothing else.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

type Work = Box<dyn FnOnce() + Send>;

/// See the [module](self); they end when the last of these is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads(Arc<OnceLock<Sender<Work>>>);

impl Threads {
    /// Runs `work` after what came before. Its caller bounds how much waits.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.0.get_or_init(begin).send(Box::new(work)).map_err(|_| Error::internal("no thread that hashes is left"))
    }
}

/// Returns how many threads there are.
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

fn begin() -> Sender<Work> {
    let (sender, work) = channel();
    let work = Arc::new(Mutex::new(work));
    for _ in 0..count() {
        let work = Arc::clone(&work);
        // A system that gives no thread is told of when nobody takes the work.
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
        // Its caller hears of it by getting no answer.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}
