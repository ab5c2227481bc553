//! Results of background work. Components never await: they start a load, and its result arrives as a message.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc::UnboundedSender;

/// The request that a result belongs to. The requester keeps the number of its latest request, and drops all other
/// results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoadId(pub u64);

/// A result. The type of its content is known only to its requester, so a new screen needs no entry here.
pub struct Message {
    id: LoadId,
    content: Box<dyn Any + Send>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Message {
    /// Returns the request that it is the result of.
    pub fn id(&self) -> LoadId {
        self.id
    }

    /// Returns the content.
    ///
    /// # Errors
    /// Returns `self` when the content is not a `T`.
    pub fn open<T: Any>(self) -> Result<(LoadId, T), Self> {
        let Self { id, content } = self;
        match content.downcast() {
            Ok(content) => Ok((id, *content)),
            Err(content) => Err(Self { id, content }),
        }
    }
}

/// The destination of results, and the number of loads in progress.
#[derive(Debug)]
pub struct Loads {
    sender: UnboundedSender<Message>,
    in_flight: Arc<AtomicUsize>,
    latest: u64,
}

impl Loads {
    /// Creates one whose results go to `sender`.
    pub fn new(sender: UnboundedSender<Message>) -> Self {
        Self { sender, in_flight: Arc::default(), latest: 0 }
    }

    /// Begins a piece of work.
    pub fn begin(&mut self) -> Outlet {
        self.latest += 1;
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        Outlet { id: LoadId(self.latest), sender: self.sender.clone(), in_flight: Arc::clone(&self.in_flight) }
    }

    /// Returns how much work is in progress.
    #[cfg(test)]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// The outlet for the results of one piece of work, which counts as in progress until this is dropped.
#[derive(Debug)]
pub struct Outlet {
    id: LoadId,
    sender: UnboundedSender<Message>,
    in_flight: Arc<AtomicUsize>,
}

impl Outlet {
    /// Returns the number of the request.
    pub fn id(&self) -> LoadId {
        self.id
    }

    /// Sends a result. The receiver is gone only when the console ends.
    pub fn send<T: Any + Send>(&self, content: T) {
        drop(self.sender.send(Message { id: self.id, content: Box::new(content) }));
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
