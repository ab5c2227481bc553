//! `Idempotency-Key`: a repeated request with the same key gets the first answer instead of doing the work twice.
//! Keys belong to their caller, and are kept for 24 hours.

use std::time::Duration;

use futures::FutureExt;

use crate::{
    actor::{Actor, Principal},
    app::App,
    db::{Conn, PRUNE_BATCH},
    error::{Error, Result},
    ids::{NoteId, UserId},
    time::Timestamp,
};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// After so long a call that never finished (its server was killed) may be repeated.
const LEASE: Duration = Duration::from_secs(60);

/// Whether the work is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// Nobody has done it: do it, then [`finish`] or [`abandon`].
    Fresh,
    /// It was done: this was the answer.
    Replay {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    status: Option<i64>,
    body: Option<Vec<u8>>,
    created_at: Timestamp,
}

/// Takes a key for a request whose method, path and body have this fingerprint.
///
/// `conflict` when the key was used for another request, or when the first call still runs.
pub async fn begin(app: &App, actor: &Actor, key: &str, fingerprint: [u8; 32]) -> Result<Begin> {
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid("/headers/idempotency-key", "must have 1 to 255 printable ASCII characters"));
    }
    let (principal, key, now) = (actor.principal(), key.to_owned(), app.now());
    app.db
        .write(move |c| {
            async move {
                let fingerprint = fingerprint.to_vec();
                let fresh = q!(c => exec,
                    "INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (principal, key) DO NOTHING",
                    &principal, &key, &fingerprint, now)?;
                if fresh == 1 {
                    return Ok(Begin::Fresh);
                }
                let row = q!(c => one Row,
                    "SELECT fingerprint, status, body, created_at FROM idempotency_keys WHERE principal = $1 AND key = $2",
                    &principal, &key)?;
                let past = now.since(row.created_at);
                if past >= KEPT || (row.status.is_none() && past >= LEASE) {
                    q!(c => exec,
                        "UPDATE idempotency_keys SET fingerprint = $3, status = NULL, body = NULL, created_at = $4 \
                         WHERE principal = $1 AND key = $2",
                        &principal, &key, &fingerprint, now)?;
                    return Ok(Begin::Fresh);
                }
                if row.fingerprint != fingerprint {
                    return Err(Error::conflict("this Idempotency-Key was used for another request; use a new one", ()));
                }
                match (row.status.and_then(|status| u16::try_from(status).ok()), row.body) {
                    (Some(status), Some(body)) => Ok(Begin::Replay { status, body }),
                    _ => Err(Error::conflict("the first request with this Idempotency-Key is still running", ())),
                }
            }
            .boxed()
        })
        .await
}

/// Keeps the answer for whoever repeats the request.
pub async fn finish(app: &App, actor: &Actor, key: &str, status: u16, body: Vec<u8>) -> Result<()> {
    let (principal, key) = (actor.principal(), key.to_owned());
    app.db
        .write(move |c| {
            async move {
                q!(c => exec, "UPDATE idempotency_keys SET status = $3, body = $4 WHERE principal = $1 AND key = $2",
                    &principal, &key, i64::from(status), body)?;
                Ok(())
            }
            .boxed()
        })
        .await
}

/// Gives the key back: the work failed on our side and may be repeated.
pub async fn abandon(app: &App, actor: &Actor, key: &str) -> Result<()> {
    let (principal, key): (Principal, String) = (actor.principal(), key.to_owned());
    app.db
        .write(move |c| {
            async move {
                q!(c => exec, "DELETE FROM idempotency_keys WHERE principal = $1 AND key = $2 AND status IS NULL",
                    &principal, &key)?;
                Ok(())
            }
            .boxed()
        })
        .await
}

/// Forgets the answers that somebody got, and those that others got about them: their id is in each, or that of a note.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId, notes: &[NoteId]) -> Result<()> {
    let principal = Principal::user(user);
    let ids = std::iter::once(user.to_string()).chain(notes.iter().map(ToString::to_string));
    for id in ids {
        q!(conn => exec, [
            sqlite: "DELETE FROM idempotency_keys WHERE principal = $1 OR instr(body, CAST($2 AS BLOB)) > 0",
            pg: "DELETE FROM idempotency_keys WHERE principal = $1 OR position(convert_to($2, 'UTF8') IN body) > 0",
        ], &principal, id)?;
    }
    Ok(())
}

/// Forgets answers that are past their time.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let before = app.now() - KEPT;
    let pruned = app.db.prune_in_batches(move |conn| {
        async move {
            Ok(q!(conn => exec,
                "DELETE FROM idempotency_keys WHERE (principal, key) IN \
                 (SELECT principal, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT ($2 + 0))",
                before, PRUNE_BATCH)?)
        }
        .boxed()
    });
    pruned.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ErrorCode, testing};

    #[tokio::test]
    async fn a_key_answers_once_for_one_request_and_forgets_after_a_day() {
        for test in testing::apps().await {
            let (app, actor) = (test.app(), testing::operator());
            let call = |key: &'static str, print: u8| begin(app, &testing::OPERATOR, key, [print; 32]);
            assert_eq!(call("k", 1).await.unwrap(), Begin::Fresh);
            assert_eq!(call("k", 1).await.unwrap_err().code(), ErrorCode::Conflict);
            finish(app, &actor, "k", 201, b"{}".to_vec()).await.unwrap();
            assert_eq!(call("k", 1).await.unwrap(), Begin::Replay { status: 201, body: b"{}".to_vec() });
            assert_eq!(call("k", 2).await.unwrap_err().code(), ErrorCode::Conflict);
            assert_eq!(call("other", 2).await.unwrap(), Begin::Fresh);
            abandon(app, &actor, "other").await.unwrap();
            assert_eq!(call("other", 3).await.unwrap(), Begin::Fresh);
            test.advance(KEPT);
            assert_eq!(call("k", 2).await.unwrap(), Begin::Fresh);
            assert_eq!(call("", 1).await.unwrap_err().code(), ErrorCode::Invalid);
            test.close().await;
        }
    }
}
