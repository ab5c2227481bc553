//! Delays and failures to order, and a record of calls.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::BoxFuture;
use marketplace_core::{
    error::{Error, Result},
    staff::{Effect, ExportUser, Guard, ReadThread, Request, RevealUser, StaffOperation, ViewAttemptFile},
};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

/// Those that look at what is personal, and so are recorded like changes.
const LOOKS: [&str; 4] = [ViewAttemptFile::NAME, RevealUser::NAME, ReadThread::NAME, ExportUser::NAME];

/// What happens to calls on their way.
#[derive(Default)]
pub struct Simulator {
    state: Mutex<State>,
    down: AtomicBool,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    fail: HashMap<&'static str, VecDeque<Error>>,
    held: HashMap<&'static str, VecDeque<oneshot::Sender<()>>>,
}

impl Simulator {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whether every call returns `unavailable`.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// What was changed or looked at since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// The next call of an operation fails so.
    pub fn fail<O: StaffOperation>(&self, error: Error) {
        self.state().fail.entry(O::NAME).or_default().push_back(error);
    }

    /// Calls of an operation do not get through until let go.
    pub fn hold<O: StaffOperation>(&self) {
        self.state().held.entry(O::NAME).or_default();
    }

    /// One call of an operation gets through, the one that waits longest.
    pub fn let_one_go<O: StaffOperation>(&self) {
        let first = self.state().held.get_mut(O::NAME).unwrap().pop_front();
        first.unwrap().send(()).unwrap();
    }

    /// All calls of an operation get through again.
    pub fn let_go<O: StaffOperation>(&self) {
        let held = self.state().held.remove(O::NAME);
        // Whoever waits goes on when its sender is gone.
        drop(held);
    }

    /// How many calls wait to be let go.
    pub fn waiting(&self) -> usize {
        self.state().held.values().map(VecDeque::len).sum()
    }

    /// Returns once one more call waits.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

impl Guard for Simulator {
    fn admit<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let turn = {
                let mut state = self.state();
                if request.effect == Effect::Change || LOOKS.contains(&request.name) {
                    state.calls.push(words(request));
                }
                state.held.get_mut(request.name).map(|queue| {
                    let (sender, turn) = oneshot::channel();
                    queue.push_back(sender);
                    turn
                })
            };
            if let Some(turn) = turn {
                self.arrived.notify_one();
                drop(turn.await);
            }
            if self.down.load(Ordering::SeqCst) {
                return Err(Error::unavailable("the database does not answer", "refused"));
            }
            let failure = self.state().fail.get_mut(request.name).and_then(VecDeque::pop_front);
            failure.map_or(Ok(()), Err)
        })
    }
}

/// A call in words: what is done to which number of its kind, and the values that say how.
fn words(request: &Request) -> String {
    let parts: Vec<&str> = request.path.trim_start_matches("/v1/admin/").split('/').collect();
    let number = parts.get(1).and_then(|id| id.parse::<Uuid>().ok()).map_or(0, |id| id.as_u128() & 0xffff);
    let query = |name: &str| request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut text = match parts.as_slice() {
        ["kyc", _, "files", kind] => format!("view {kind} of {number}"),
        ["threads", _, "messages"] => format!("view {number} for {}", query("reason").unwrap()),
        ["messages", _, verb] => format!("{verb} message {number}"),
        [_, _, verb] => format!("{verb} {number}"),
        [_, "next"] => "next".into(),
        _ => format!("delete {number}"),
    };
    for (name, word) in [("after_seq", "after"), ("before_seq", "before")] {
        if let Some(value) = query(name) {
            let _ = write!(text, " {word} {value}");
        }
    }
    for name in ["role", "reasons", "reason", "comment", "note", "body", "content"] {
        match request.body.as_ref().and_then(|body| body.get(name)) {
            Some(Value::Array(codes)) => {
                let codes: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
                let _ = write!(text, " [{}]", codes.join(" "));
            }
            Some(Value::String(code)) if name.starts_with('r') => {
                let _ = write!(text, " {code}");
            }
            Some(Value::String(free)) => {
                let _ = write!(text, " {free:?}");
            }
            _ => {}
        }
    }
    text
}
