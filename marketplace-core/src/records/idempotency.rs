//! `Idempotency-Key`: a repeated request with the same key gets the first response instead of doing the work twice.
//! Keys belong to their caller, and are kept for 24 hours.

use std::{collections::BTreeSet, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    actor::Actor,
    app::App,
    base::{
        error::{Error, ErrorCode, Result},
        ids::{NoteId, UserId},
        principal::Principal,
        time::Timestamp,
    },
    platform::db::{Conn, Db, PRUNE_BATCH, json},
};

/// How long a response is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// After so long a call that never finished (its server was killed) may be repeated.
const LEASE: Duration = Duration::from_secs(60);

/// Where errors say that the key is wrong.
const KEY: &str = "/headers/idempotency-key";

/// The pause between two tries to release a key, and until somebody else should ask for it again.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether the work must be done, or has been done.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// Nobody has done it: do it, then [`finish`] or [`abandon`].
    Fresh {
        /// Since when the key is this call's.
        since: Timestamp,
    },
    /// It was done: this was the response.
    Replay {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    status: Option<i64>,
    body: Option<Vec<u8>>,
    created_at: Timestamp,
}

/// Acquires a key for a request whose method, path and body have this fingerprint.
///
/// # Errors
/// `invalid` when the key was used for another request; `conflict`, with a time to wait, while the first call still runs, as
/// far as is known: it may also have ended without releasing the key, so the caller should try again.
pub async fn begin(app: &App, actor: &Actor, key: &str, fingerprint: [u8; 32]) -> Result<Begin> {
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid(KEY, "must have 1 to 255 printable ASCII characters"));
    }
    let (principal, now, kept_key) = (actor.principal(), app.now(), key.to_owned());
    let begun = app
        .db
        .write(move |c| {
            async move {
                let key = kept_key;
                let fingerprint = fingerprint.to_vec();
                let fresh = q!(c => exec,
                    "INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (principal, key) DO NOTHING",
                    &principal, &key, &fingerprint, now)?;
                if fresh == 1 {
                    return Ok(Begin::Fresh { since: now });
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
                    return Ok(Begin::Fresh { since: now });
                }
                if row.fingerprint != fingerprint {
                    return Err(Error::invalid(KEY, "was used for another request; use a new one"));
                }
                if let (Some(status), Some(body)) = (row.status.and_then(|status| u16::try_from(status).ok()), row.body) {
                    Ok(Begin::Replay { status, body })
                } else {
                    let text = "the first request with this Idempotency-Key is still running; ask again";
                    Err(Error::conflict(text, ()).retry_after(AGAIN))
                }
            }
            .boxed()
        })
        .await;
    if begun.as_ref().is_err_and(|error| error.code() == ErrorCode::Unavailable) {
        // It may have been committed all the same, and nobody would do the work.
        abandon(app, actor, key, now).await;
    }
    begun
}

/// Ids that are extracted from a response, at most.
const IDS: usize = 500;

/// Returns the ids in a path and a response; none when there are too many to list.
fn ids_in(path: &str, body: &[u8]) -> Option<Vec<Uuid>> {
    let pieces = |text: &[u8]| {
        let pieces = text.split(|byte| !(byte.is_ascii_hexdigit() || *byte == b'-')).filter(|piece| piece.len() == 36);
        pieces.filter_map(|piece| Uuid::try_parse_ascii(piece).ok()).collect::<Vec<_>>()
    };
    let ids: BTreeSet<Uuid> = pieces(path.as_bytes()).into_iter().chain(pieces(body)).collect();
    (ids.len() <= IDS).then(|| ids.into_iter().collect())
}

/// Stores the response to a request for `path`, for repetitions of the request.
///
/// # Errors
/// `unavailable` when the database cannot be used.
pub async fn finish(app: &App, actor: &Actor, key: &str, path: &str, status: u16, body: Vec<u8>) -> Result<()> {
    let (principal, key) = (actor.principal(), key.to_owned());
    let ids = ids_in(path, &body);
    app.db
        .write(move |c| {
            async move {
                let listed = ids.as_ref().map(|_| true);
                let kept = q!(c => exec,
                    "UPDATE idempotency_keys SET status = $3, body = $4, users_listed = $5 WHERE principal = $1 AND key = $2",
                    &principal, &key, i64::from(status), body, listed)?;
                if kept == 1
                    && let Some(ids) = ids
                {
                    q!(c => exec, [
                        sqlite: "INSERT INTO idempotency_users (user_id, principal, key) SELECT u.id, $2, $3 \
                                 FROM json_each($1) k CROSS JOIN users u ON u.id = unhex(k.value, '-') WHERE TRUE ON CONFLICT DO NOTHING",
                        pg: "INSERT INTO idempotency_users (user_id, principal, key) SELECT u.id, $2, $3 \
                             FROM json_array_elements_text($1::json) k(value) JOIN users u ON u.id = k.value::uuid ON CONFLICT DO NOTHING",
                    ], json::keys(&ids), &principal, &key)?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
}

/// Releases the key that was acquired at `since`: the work failed on our side and may be repeated. While the database is away it is
/// tried again for as long as the key would be kept from others.
pub async fn abandon(app: &App, actor: &Actor, key: &str, since: Timestamp) {
    let (db, principal, key) = (app.db.clone(), actor.principal(), key.to_owned());
    if forget(&db, &principal, &key, since).await.is_err() {
        let trying = async move {
            let begun = Instant::now();
            while begun.elapsed() < LEASE {
                tokio::time::sleep(AGAIN).await;
                if forget(&db, &principal, &key, since).await.is_ok() {
                    return;
                }
            }
        };
        tokio::spawn(trying);
    }
}

async fn forget(db: &Db, principal: &Principal, key: &str, since: Timestamp) -> Result<()> {
    let (principal, key) = (principal.clone(), key.to_owned());
    db.write(move |c| {
        async move {
            q!(c => exec,
                "DELETE FROM idempotency_keys WHERE principal = $1 AND key = $2 AND status IS NULL AND created_at = $3",
                &principal, &key, since)?;
            Ok(())
        }
        .boxed()
    })
    .await
}

/// Deletes the responses that a person got, and those that others got about them: their id is in each, or that of a note.
pub(crate) async fn erase(conn: &mut Conn<'_>, now: Timestamp, user: UserId, notes: &[NoteId]) -> Result<()> {
    q!(conn => exec, "DELETE FROM idempotency_keys WHERE principal = $1", Principal::user(user))?;
    q!(conn => exec,
        "DELETE FROM idempotency_keys WHERE (principal, key) IN (SELECT principal, key FROM idempotency_users WHERE user_id = $1)", user)?;
    // What is not listed: answers of the release before, of which the last is gone after a day, and very long ones.
    let since = now - KEPT;
    let ids = std::iter::once(user.to_string()).chain(notes.iter().map(ToString::to_string));
    for id in ids {
        q!(conn => exec, [
            sqlite: "DELETE FROM idempotency_keys WHERE body IS NOT NULL AND users_listed IS NULL AND created_at >= $1 \
                     AND instr(body, CAST($2 AS BLOB)) > 0",
            pg: "DELETE FROM idempotency_keys WHERE body IS NOT NULL AND users_listed IS NULL AND created_at >= $1 \
                 AND position(convert_to($2, 'UTF8') IN body) > 0",
        ], since, id)?;
    }
    Ok(())
}

/// Deletes responses that are older than [`KEPT`].
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
    use crate::testing;

    #[tokio::test]
    async fn a_key_answers_once_for_one_request_and_forgets_after_a_day() {
        for test in testing::apps().await {
            let (app, actor) = (test.app(), testing::operator());
            let call = |key: &'static str, print: u8| begin(app, &testing::OPERATOR, key, [print; 32]);
            assert_eq!(call("k", 1).await.unwrap(), Begin::Fresh { since: app.now() });
            let running = call("k", 1).await.unwrap_err();
            assert_eq!((running.code(), running.retry_after_hint()), (ErrorCode::Conflict, Some(AGAIN)));
            finish(app, &actor, "k", "/v1/x", 201, b"{}".to_vec()).await.unwrap();
            assert_eq!(call("k", 1).await.unwrap(), Begin::Replay { status: 201, body: b"{}".to_vec() });
            assert_eq!(call("k", 2).await.unwrap_err().code(), ErrorCode::Invalid);
            assert_eq!(call("other", 2).await.unwrap(), Begin::Fresh { since: app.now() });
            // Another call's is left alone.
            abandon(app, &actor, "other", app.now() - Duration::from_secs(1)).await;
            assert_eq!(call("other", 2).await.unwrap_err().code(), ErrorCode::Conflict);
            abandon(app, &actor, "other", app.now()).await;
            assert_eq!(call("other", 3).await.unwrap(), Begin::Fresh { since: app.now() });
            test.advance(KEPT);
            assert_eq!(call("k", 2).await.unwrap(), Begin::Fresh { since: app.now() });
            assert_eq!(call("", 1).await.unwrap_err().code(), ErrorCode::Invalid);
            test.close().await;
        }
    }

    /// Both those that the program lists by whom they are about, and those of a release that did not.
    #[tokio::test]
    async fn an_erasure_takes_the_answers_about_somebody_and_no_others() {
        use crate::{accounts::model::Status, base::permission::Role};
        for test in testing::apps().await {
            let (app, actor) = (test.app(), testing::operator());
            let (gone, stays) =
                (test.user(Role::Client, Status::Active).await, test.user(Role::Client, Status::Active).await);
            let note = NoteId::new(app.now(), app.random.as_ref());
            let about =
                |user: UserId| format!("{{\"user\":{{\"id\":\"{user}\"}},\"other\":\"{}\"}}", uuid::Uuid::max());
            let answers = [
                ("in the body", "/v1/admin/kyc/next".to_owned(), about(gone)),
                ("in the path", format!("/v1/admin/users/{gone}/notes"), format!("{{\"id\":\"{note}\"}}")),
                ("of before", "/v1/x".to_owned(), about(gone)),
                ("of before, a note", "/v1/x".to_owned(), format!("{{\"id\":\"{note}\"}}")),
                ("of another", format!("/v1/admin/users/{stays}/notes"), about(stays)),
                ("of another, before", "/v1/x".to_owned(), about(stays)),
            ];
            for (key, path, body) in answers {
                let key: String = key.replace(' ', "-");
                begin(app, &actor, &key, [1; 32]).await.unwrap();
                finish(app, &actor, &key, &path, 200, body.into_bytes()).await.unwrap();
            }
            app.db
                .write(|c| {
                    async move {
                        q!(c => exec, "DELETE FROM idempotency_users WHERE key LIKE '%before%'")?;
                        q!(c => exec, "UPDATE idempotency_keys SET users_listed = NULL WHERE key LIKE '%before%'")?;
                        Ok(())
                    }
                    .boxed()
                })
                .await
                .unwrap();
            let now = app.now();
            app.db.write(move |c| async move { erase(c, now, gone, &[note]).await }.boxed()).await.unwrap();
            let mut reader = app.db.read().await.unwrap();
            let left = q!(&mut reader.conn() => vals String, "SELECT key FROM idempotency_keys ORDER BY key").unwrap();
            assert_eq!(left, ["of-another", "of-another,-before"]);
            let listed = q!(&mut reader.conn() => vals UserId, "SELECT user_id FROM idempotency_users").unwrap();
            assert_eq!(listed, [stays]);
            drop(reader);
            test.close().await;
        }
    }

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let [one, two] = [1, 2].map(uuid::Uuid::from_u128);
        let body = format!("{{\"a\":\"{one}\",\"b\":\"user:{two}\",\"c\":\"x{one}y\",\"d\":\"{}\"}}", one.simple());
        assert_eq!(ids_in("/v1/x", body.as_bytes()).unwrap(), [one, two]);
        assert_eq!(ids_in(&format!("/v1/users/{two}/notes"), b"").unwrap(), [two]);
        let many: Vec<String> = (0..=IDS as u128).map(|n| format!("\"{}\"", uuid::Uuid::from_u128(n))).collect();
        let many = many.concat();
        assert_eq!(ids_in("", many.as_bytes()), None, "looked through instead");
    }
}
