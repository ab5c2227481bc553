//! What the limits said, for whoever presents the answer: the answer's own type need not carry it.

use std::cell::Cell;

use super::Allowance;

tokio::task_local! {
    static NOTED: Cell<Option<Allowance>>;
}

/// What `work` answers, with what the last limit that it met said, if it met any.
pub async fn noted<T>(work: impl Future<Output = T>) -> (T, Option<Allowance>) {
    NOTED
        .scope(Cell::new(None), async {
            let answer = work.await;
            (answer, NOTED.with(Cell::get))
        })
        .await
}

/// Nobody waits for it where there is no answer to present, as in the command line.
pub(super) fn note(allowance: Allowance) {
    let _ = NOTED.try_with(|noted| noted.set(Some(allowance)));
}
