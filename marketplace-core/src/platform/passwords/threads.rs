//! Threads for work that occupies a core for tens of milliseconds: as many as there are cores, started when first needed, with
//! a lower priority than all other threads of the program. The last of them works only while nothing else is asked of the
//! program, so that short requests always find a core, and log-ins use all of them when there is nothing else.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
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

/// How long after other work the last thread stays idle. Requests that are further apart than this are few.
const QUIET: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce() + Send>;

/// The threads; see the [module](self). They end when the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads(Arc<Owner>);

/// What ends the threads when it is dropped.
#[derive(Debug, Default)]
struct Owner {
    begun: OnceLock<Arc<Shared>>,
    other_work: Arc<OtherWork>,
}

impl Threads {
    /// Runs `work` after earlier work. The caller bounds how much is waiting.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let shared = self.0.begun.get_or_init(|| begin(count(), QUIET, Arc::clone(&self.0.other_work)));
        shared.put(Box::new(work))
    }

    /// Notes that the program has other work.
    pub(super) fn note_other_work(&self) {
        self.0.other_work.note();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(shared) = self.begun.get() {
            shared.queue().is_over = true;
            shared.changed.notify_all();
        }
    }
}

/// When there was other work, in milliseconds since the start.
#[derive(Debug)]
struct OtherWork {
    start: Instant,
    last: AtomicU64,
}

impl Default for OtherWork {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl OtherWork {
    fn now(&self) -> u64 {
        // One more, so that zero means never.
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn note(&self) {
        let now = self.now();
        // All requests write here: only when there is something new.
        if self.last.load(Ordering::Relaxed) != now {
            self.last.store(now, Ordering::Relaxed);
        }
    }

    /// Returns how long it takes until there was none for `quiet`; zero when that is so.
    fn ends_in(&self, quiet: Duration) -> Duration {
        match self.last.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            last => quiet.saturating_sub(Duration::from_millis(self.now().saturating_sub(last))),
        }
    }
}

/// The work that waits.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    threads: usize,
    is_over: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    other_work: Arc<OtherWork>,
    quiet: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, work: Work) -> Result<()> {
        let mut queue = self.queue();
        if queue.threads == 0 {
            return Err(Error::internal("no thread that hashes is left"));
        }
        queue.waiting.push_back(work);
        drop(queue);
        self.changed.notify_all();
        Ok(())
    }

    /// Returns the next work, when there is some that this thread may do; none at the end.
    fn next(&self, is_last: bool) -> Option<Work> {
        let mut queue = self.queue();
        while !queue.is_over {
            let rest = if is_last { self.other_work.ends_in(self.quiet) } else { Duration::ZERO };
            queue = if queue.waiting.is_empty() {
                self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
            } else if rest.is_zero() {
                return queue.waiting.pop_front();
            } else {
                self.changed.wait_timeout(queue, rest).unwrap_or_else(PoisonError::into_inner).0
            };
        }
        None
    }
}

/// Returns the number of threads.
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn begin(count: usize, quiet: Duration, other_work: Arc<OtherWork>) -> Arc<Shared> {
    let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), other_work, quiet });
    for number in 1..=count {
        let own = Arc::clone(&shared);
        // One core is not enough for a thread of its own that may be idle.
        let is_last = number == count && count > 1;
        // If the system provides no thread, that is reported when no thread accepts the work.
        let begun = std::thread::Builder::new().name("passwords".into()).spawn(move || take(&own, is_last));
        match begun {
            Ok(_) => shared.queue().threads += 1,
            Err(error) => {
                tracing::error!(%error, "a thread that hashes passwords could not be started");
                break;
            }
        }
    }
    shared
}

fn take(shared: &Shared, is_last: bool) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "passwords are hashed at the usual priority");
    }
    while let Some(work) = shared.next(is_last) {
        // The caller notices because it gets no result.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(300);

    /// Puts work that says when it begins and waits until it may end.
    fn put(shared: &Shared, begun: &Sender<()>) -> Sender<()> {
        let (end, ended) = channel();
        let begun = begun.clone();
        let work: Work = Box::new(move || {
            begun.send(()).unwrap();
            let _ = ended.recv();
        });
        shared.put(work).unwrap();
        end
    }

    fn begins(begun: &Receiver<()>) {
        begun.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn all_cores_are_used_while_there_is_nothing_else() {
        let shared = begin(2, LONG, Arc::default());
        let (begun, seen) = channel();
        let _ends = [put(&shared, &begun), put(&shared, &begun)];
        begins(&seen);
        begins(&seen);
    }

    #[test]
    fn a_core_is_given_back_at_once_and_used_again_after_a_while() {
        let other_work = Arc::new(OtherWork::default());
        let shared = begin(2, Duration::from_secs(3), Arc::clone(&other_work));
        let (begun, seen) = channel();
        other_work.note();
        let first = put(&shared, &begun);
        begins(&seen);
        let second = put(&shared, &begun);
        assert!(seen.recv_timeout(SHORT).is_err(), "the last thread works beside other work");
        // What waits is done by the threads that always work.
        drop(first);
        begins(&seen);
        let _third = put(&shared, &begun);
        begins(&seen);
        drop(second);
    }

    #[test]
    fn one_thread_always_works() {
        let other_work = Arc::new(OtherWork::default());
        other_work.note();
        let (begun, seen) = channel();
        let shared = begin(1, LONG, other_work);
        let _end = put(&shared, &begun);
        begins(&seen);
    }

    #[test]
    fn threads_end_with_their_owner_and_outlive_a_panic() {
        let threads = Threads::default();
        let (done, seen) = channel();
        threads.run(|| panic!("as a test")).unwrap();
        for _ in 0..2 {
            let done = done.clone();
            threads.run(move || done.send(()).unwrap()).unwrap();
            begins(&seen);
        }
        let shared = Arc::downgrade(threads.0.begun.get().unwrap());
        drop(threads);
        let start = Instant::now();
        while shared.strong_count() > 0 {
            assert!(start.elapsed() < LONG, "the threads go on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
