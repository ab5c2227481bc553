//! Deletes expired rows at any rate of arrival, without delaying other callers.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{Conn, Db};
use crate::base::error::Result;

/// Maximum number of rows that one unit removes. On SQLite every other write waits that long: some milliseconds.
pub(crate) const PRUNE_BATCH: i64 = 500;
/// Pause between two units, for other callers.
const PAUSE: Duration = Duration::from_millis(5);
/// Time limit of one call; the next call continues.
const ENOUGH: Duration = Duration::from_secs(20);

impl Db {
    /// Runs `unit`, which removes at most [`PRUNE_BATCH`] rows and returns how many, repeatedly until it removes fewer, for
    /// at most 20 s. Returns the total number of removed rows.
    ///
    /// Two servers that prune the same table take turns at its rows, and the later one ends early.
    pub(crate) async fn prune_in_batches<F>(&self, unit: F) -> Result<u64>
    where
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<u64>> + Clone + Send + 'static,
    {
        let begun = Instant::now();
        let mut removed = 0;
        loop {
            let some = self.write(unit.clone()).await?;
            removed += some;
            if some < PRUNE_BATCH.unsigned_abs() || begun.elapsed() >= ENOUGH {
                return Ok(removed);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::{
        auth,
        base::time::Timestamp,
        records::{events, idempotency},
        testing,
    };

    /// Regression test: the rate was once limited to a thousand events a minute and 500 sessions, and what arrived faster
    /// was kept forever.
    #[tokio::test]
    async fn whatever_arrived_is_forgotten_in_one_call() {
        const ROWS: i64 = 2 * PRUNE_BATCH + 7;
        for test in testing::apps().await {
            let app = test.app();
            let user = test.user(crate::base::permission::Role::Client, crate::accounts::model::Status::Active).await;
            let old = Timestamp::EPOCH;
            let filled = app.db.write(move |conn| {
                async move {
                    for n in 0..ROWS {
                        q!(conn => exec, "INSERT INTO events (at, kind, target) VALUES ($1, 'user.changed', 'x')", old)?;
                        q!(conn => exec, "INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ('x', $1, $2, $3)",
                            n.to_string(), vec![1_u8], old)?;
                        q!(conn => exec, "INSERT INTO socket_tickets (hash, user_id, session_id, expires_at) VALUES ($1, $2, $2, $3)",
                            n.to_be_bytes().to_vec(), user, old)?;
                        q!(conn => exec, "INSERT INTO oidc_codes (hash, user_id, challenge, expires_at) VALUES ($1, $2, 'x', $3)",
                            n.to_be_bytes().to_vec(), user, old)?;
                        q!(conn => exec, "INSERT INTO oidc_logins (state_hash, browser_hash, provider, role, expires_at) VALUES ($1, $1, 'x', 'client', $2)",
                            n.to_be_bytes().to_vec(), old)?;
                        q!(conn => exec, "INSERT INTO sessions (id, user_id, user_agent, ip, created_at, last_used_at, expires_at, generation, access_jti, access_used) \
                                          VALUES ($1, $2, '', '', $3, $3, $3, 0, $1, TRUE)",
                            uuid::Uuid::from_u64_pair(7, n.unsigned_abs()), user, old)?;
                    }
                    Ok(())
                }
                .boxed()
            });
            filled.await.unwrap();
            assert!(events::prune(app).await.unwrap() >= ROWS.unsigned_abs());
            assert_eq!(idempotency::prune(app).await.unwrap(), ROWS.unsigned_abs());
            let tickets = auth::prune_tickets(app).await.unwrap() + crate::oidc::prune(app).await.unwrap();
            assert!(auth::prune(app).await.unwrap() + tickets >= 4 * ROWS.unsigned_abs());
            assert_eq!(events::prune(app).await.unwrap() + idempotency::prune(app).await.unwrap(), 0);
            test.close().await;
        }
    }
}
