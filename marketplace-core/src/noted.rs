//! What was found out along a call and does not stand in its answer, for whoever presents the answer or writes it down.

use std::cell::Cell;

use crate::{ids::UserId, limiter::Allowance};

/// See [`noted()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    /// What the last limit that was met said.
    pub allowance: Option<Allowance>,
    /// Whose token the call carried.
    pub user: Option<UserId>,
}

tokio::task_local! {
    static NOTED: Cell<Noted>;
}

/// What `work` answers, with what was noted meanwhile.
pub async fn noted<T>(work: impl Future<Output = T>) -> (T, Noted) {
    NOTED
        .scope(Cell::default(), async {
            let answer = work.await;
            (answer, NOTED.with(Cell::get))
        })
        .await
}

/// Nobody waits for it where there is no answer to present, as in the command line.
pub(crate) fn note(change: impl FnOnce(&mut Noted)) {
    let _ = NOTED.try_with(|noted| {
        let mut now = noted.get();
        change(&mut now);
        noted.set(now);
    });
}
