//! Due work on jobs, and what happens to them when one of the two sides is banned or erased.

use super::{by_system, list::settle};
use crate::{
    app::App,
    base::{error::Result, ids::UserId},
    jobs::{
        model::{JobAction, JobReason, JobStatus},
        store,
        transitions::Asked,
    },
    messaging,
    operation::Operation,
    platform::db::Conn,
    timers::Timer,
};

/// Jobs that one call works on at most.
const BATCH: i64 = 200;

/// Cancels negotiations without a new offer for 6 days, and finalizes what was completed 14 days ago. Doing it twice, or on
/// two servers, does nothing more. Returns how many things were done.
///
/// # Errors
/// `unavailable` when the database cannot be used.
pub async fn run_due(app: &App) -> Result<u64> {
    let limit = BATCH + crate::scheduled::resting(app, Timer::Jobs);
    let mut reader = app.db.read().await?;
    let due = store::due(&mut reader.conn(), app.now(), limit).await?;
    drop(reader);
    crate::scheduled::each(app, Timer::Jobs, due, async |id| settle(app, id).await.map(u64::from)).await
}

/// Locks the threads of a person's live jobs, before every other write of the transaction that restricts them.
pub(crate) async fn lock_live_threads_of(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    for live in store::live_of(conn, user).await? {
        messaging::lock_thread(conn, live.thread_id).await?;
    }
    Ok(())
}

/// Cancels what a banned person negotiates or works on, inside the transaction that bans them and after [`lock_live_threads_of`].
///
/// Completed jobs stay: the table gives the system no such transition, because the work is done. The client finalizes it,
/// or the system does after 14 days, or an admin cancels it.
pub(crate) async fn cancel_live_of(op: &Operation, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    let asked = Asked { action: JobAction::Cancel, revision: None, reason: Some(JobReason::Banned) };
    for live in store::live_of(conn, user).await? {
        if live.status == JobStatus::Completed {
            continue;
        }
        // One that began since is held late, and only its thread's order of events is at stake.
        messaging::lock_thread(conn, live.thread_id).await?;
        if let Some(job) = store::get(conn, live.id).await?
            && matches!(job.status, JobStatus::Negotiating | JobStatus::Accepted)
        {
            by_system(op, conn, &job, &asked).await?;
        }
    }
    Ok(())
}

/// Returns whether a person has live jobs: then the account is not deleted.
pub(crate) async fn any_live(conn: &mut Conn<'_>, user: UserId) -> Result<bool> {
    Ok(!store::live_of(conn, user).await?.is_empty())
}

/// Removes from an erased person's jobs what nobody else needs: what they wrote in the history, what staff wrote about their
/// jobs, and the words of offers that were never agreed to. The agreed terms and the history itself stay, as the other side
/// needs them.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    store::erase(conn, user).await
}
