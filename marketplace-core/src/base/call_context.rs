//! What was found out along a call and does not stand in its answer, for whoever presents the answer or writes it down.

use std::{cell::Cell, net::IpAddr};

use crate::base::{ids::UserId, rate::Allowance};

/// See [`recording()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CallContext {
    /// What the last limit that was met said.
    pub allowance: Option<Allowance>,
    /// Whose token the call carried.
    pub user: Option<UserId>,
    /// From where the call came.
    pub address: Option<IpAddr>,
}

tokio::task_local! {
    static CONTEXT: Cell<CallContext>;
}

/// Returns what `work` returns, with what was noted meanwhile. `address` is where the call came from, if that is known.
pub async fn recording<T>(address: Option<IpAddr>, work: impl Future<Output = T>) -> (T, CallContext) {
    CONTEXT
        .scope(Cell::new(CallContext { address, ..CallContext::default() }), async {
            let answer = work.await;
            (answer, CONTEXT.with(Cell::get))
        })
        .await
}

/// Returns what was noted so far.
pub fn current() -> CallContext {
    CONTEXT.try_with(Cell::get).unwrap_or_default()
}

/// Returns `work` as a part of the call of which this was noted, for a task of its own.
pub fn part_of<T>(call: CallContext, work: impl Future<Output = T>) -> impl Future<Output = T> {
    CONTEXT.scope(Cell::new(call), work)
}

/// Returns whose token the call carried that is worked on.
pub(crate) fn caller() -> Option<UserId> {
    current().user
}

/// Returns where the call came from that is worked on; none for what no call asked for.
pub(crate) fn caller_address() -> Option<IpAddr> {
    current().address
}

/// Nobody waits for it where there is no answer to present, as in the command line.
pub(crate) fn record(change: impl FnOnce(&mut CallContext)) {
    let _ = CONTEXT.try_with(|noted| {
        let mut now = noted.get();
        change(&mut now);
        noted.set(now);
    });
}
