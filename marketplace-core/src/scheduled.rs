//! Runs due work, each item by itself.

use std::{fmt::Display, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, StreamExt, stream};

use crate::{
    app::App,
    base::{
        error::{Error, ErrorCode, Result},
        time::Timestamp,
    },
    platform::slots::{Late, Slots},
    timers::Timer,
};

/// Items of one kind that are worked on at the same time.
const TOGETHER: usize = 8;
/// How long one item may take. When it takes longer, its unit of work is not undone; it is only no longer waited for.
const ITEM_LIMIT: Duration = Duration::from_secs(10);

/// Works on items concurrently. One that fails, panics or hangs stops no other: it is counted, logged, and left alone for a
/// pause that grows. Returns how many things were done.
///
/// # Errors
/// `unavailable` or `busy` when something that items need is away: then they are tried again with the next run, as none of
/// them is at fault.
pub(crate) async fn each<T, F>(app: &App, timer: Timer, items: Vec<T>, work: impl Fn(T) -> F) -> Result<u64>
where
    T: Copy + Display,
    F: Future<Output = Result<u64>>,
{
    let now = app.now();
    let rested = items.into_iter().filter(|item| !app.timers.rests(timer, item, now));
    let mut outcomes = stream::iter(rested)
        .map(|item| contained(ITEM_LIMIT, work(item)).map(move |outcome| (item, outcome)))
        .buffer_unordered(TOGETHER);
    let (mut done, mut away) = (0, None);
    while let Some((item, outcome)) = outcomes.next().await {
        match outcome {
            Ok(count) => {
                app.timers.item_succeeded(timer, &item);
                done += count;
            }
            Err(error)
                if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Busy) && !Slots::was_late(&error) =>
            {
                away = Some(error);
            }
            Err(error) => app.timers.item_failed(timer, &item, &error, now),
        }
    }
    away.map_or(Ok(done), Err)
}

/// Returns how many more items to look at, so that those that rest do not hide the others.
pub(crate) fn resting(app: &App, timer: Timer) -> i64 {
    app.timers.resting(timer)
}

/// Awaits work for at most `limit`; a panic in it becomes an error.
pub(crate) async fn contained<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Error::internal("it panicked")),
        Err(_) => Err(Error::unavailable("it takes too long", Late(limit))),
    }
}

/// Stores the state of each kind. Of several servers, the latest times stay.
pub(crate) async fn record(app: &App) -> Result<u64> {
    let slots = app.timers.slots();
    app.db
        .write(move |conn| {
            async move {
                for (timer, slot) in slots {
                    let success = slot.last_success.unwrap_or(Timestamp::EPOCH);
                    let failure = slot.last_failure.unwrap_or(Timestamp::EPOCH);
                    q!(conn => exec,
                        "INSERT INTO timers (timer, last_success_at, last_failure_at, failure) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (timer) DO UPDATE SET \
                         last_success_at = CASE WHEN excluded.last_success_at > timers.last_success_at \
                           THEN excluded.last_success_at ELSE timers.last_success_at END, \
                         failure = CASE WHEN excluded.last_failure_at > timers.last_failure_at \
                           THEN excluded.failure ELSE timers.failure END, \
                         last_failure_at = CASE WHEN excluded.last_failure_at > timers.last_failure_at \
                           THEN excluded.last_failure_at ELSE timers.last_failure_at END",
                        timer, success, failure, slot.failure)?;
                }
                Ok(0)
            }
            .boxed()
        })
        .await
}
