//! Threads for work that takes a core for tens of milliseconds: as many as there are cores, begun when first needed, and
//! behind all others of the program, so that who waits for an answer that is soon made does not wait for them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

use crate::error::{Error, Result};

/// How far behind the first of them is (`setpriority(2)`): it gets a third of what others do when all want more than there is,
/// so that logins do not starve on a machine that has other work. The rest run when nobody else wants to (`SCHED_IDLE`): a
/// thread that wakes up takes their core at once, while it would wait for a slice of a nice one, 3 ms, to end. With all of
/// them nice, 64 clients that log in made the slowest hundredth of other answers take 2.8 times as long; so, 1.3 times.
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

fn begin() -> Sender<Work> {
    let (sender, work) = channel();
    let work = Arc::new(Mutex::new(work));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for number in 0..cores {
        let work = Arc::clone(&work);
        // A system that gives no thread is told of when nobody takes the work.
        let begun = std::thread::Builder::new().name("passwords".into()).spawn(move || take(&work, number == 0));
        if let Err(error) = begun {
            tracing::error!(%error, "a thread that hashes passwords could not be started");
        }
    }
    sender
}

#[cfg(target_os = "linux")]
fn step_back(first: bool) -> Result<(), String> {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    if first {
        let me = Some(rustix::thread::gettid());
        return rustix::process::setpriority_process(me, NICE).map_err(|error| error.to_string());
    }
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).map_err(|error| error.to_string())
}

fn take(queue: &Mutex<Receiver<Work>>, first: bool) {
    #[cfg(target_os = "linux")]
    if let Err(error) = step_back(first) {
        tracing::debug!(error, "passwords are hashed at the usual priority");
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
