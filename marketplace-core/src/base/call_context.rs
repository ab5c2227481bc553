//! What a call found out besides its result, for code that presents the result or logs the call.

use std::{cell::Cell, net::IpAddr};

use crate::base::{ids::UserId, rate::Allowance};

/// What was recorded during one call; see [`recording()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CallContext {
    /// What is left of the limit that was checked last.
    pub allowance: Option<Allowance>,
    /// Whose token the call carried.
    pub user: Option<UserId>,
    /// Who reads what everybody may read.
    pub reader: Reader,
    /// The address that the call came from.
    pub address: Option<IpAddr>,
}

/// Who reads what everybody may read, as far as a token tells that may have been revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// A call without a token.
    #[default]
    Nobody,
    /// The account of a token that was issued here.
    Account(UserId),
    /// A call with a token that does not tell.
    Unknown,
}

tokio::task_local! {
    static CONTEXT: Cell<CallContext>;
}

/// Returns what `work` returns, with what was recorded meanwhile. `address` is where the call came from, if that is known.
pub async fn recording<T>(address: Option<IpAddr>, work: impl Future<Output = T>) -> (T, CallContext) {
    CONTEXT
        .scope(Cell::new(CallContext { address, ..CallContext::default() }), async {
            let answer = work.await;
            (answer, CONTEXT.with(Cell::get))
        })
        .await
}

/// Returns what was recorded so far.
pub fn current() -> CallContext {
    CONTEXT.try_with(Cell::get).unwrap_or_default()
}

/// Returns `work` as a part of the call that this was recorded for, to be run in a task of its own.
pub fn part_of<T>(call: CallContext, work: impl Future<Output = T>) -> impl Future<Output = T> {
    CONTEXT.scope(Cell::new(call), work)
}

/// Returns the owner of the token that the current call carried.
pub(crate) fn caller() -> Option<UserId> {
    current().user
}

/// Returns the address that the current call came from; none for work that no call asked for.
pub(crate) fn caller_address() -> Option<IpAddr> {
    current().address
}

/// Changes what is recorded for the current call. Does nothing outside [`recording()`], as in the command line.
pub(crate) fn record(change: impl FnOnce(&mut CallContext)) {
    let _ = CONTEXT.try_with(|noted| {
        let mut now = noted.get();
        change(&mut now);
        noted.set(now);
    });
}
