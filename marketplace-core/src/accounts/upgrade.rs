//! Data of the previous release that must be rewritten.

use futures::FutureExt;

use super::{
    model::{Account, normalise_email},
    store,
};
use crate::{
    base::{
        error::{Error, Result},
        ids::UserId,
    },
    platform::db::{Conn, Db},
};

/// Number of accounts of one round.
const ROUND: i64 = 200;

/// Normalises addresses whose compared form has changed: domains are now in ASCII. Once that is done, a call costs one
/// read of an empty table.
pub(crate) async fn normalise_emails(db: &Db) -> Result<()> {
    loop {
        let mut reader = db.read().await?;
        let pending = store::unnormalised(&mut reader.conn(), ROUND).await?;
        drop(reader);
        if pending.is_empty() {
            return Ok(());
        }
        for user in pending {
            db.write(move |conn| async move { normalise(conn, user).await }.boxed()).await?;
        }
    }
}

async fn normalise(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    let account = store::lock(conn, user).await?.ok_or_else(|| Error::internal("an account is gone"))?;
    let norm = normalise_email(&account.email);
    if !norm.is_empty() {
        match store::by_email(conn, &norm).await?.map(|(holder, _)| holder).filter(|holder| holder.id != user) {
            None => store::set_email_norm(conn, user, &norm).await?,
            // Two accounts have one mailbox. It belongs to the account whose address was confirmed, or else to the one
            // that already has the form.
            Some(holder) if account.email_verified && !holder.email_verified => {
                set_aside(conn, &norm, &holder, &account).await?;
                store::set_email_norm(conn, user, &norm).await?;
            }
            Some(holder) => set_aside(conn, &norm, &account, &holder).await?,
        }
    }
    store::is_normalised(conn, user).await
}

/// Sets aside an account, so that its address no longer finds it. Its owner has the other account; staff see both.
async fn set_aside(conn: &mut Conn<'_>, norm: &str, account: &Account, other: &Account) -> Result<()> {
    tracing::warn!(user = %account.id, other = %other.id, "two accounts have one address; only the other is found by it");
    store::set_email_norm(conn, account.id, &format!("{norm} {}", account.id)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{ids::uuid_v7, random::OsRandom, time::Timestamp},
        testing,
    };

    /// The database is filled as the previous release filled it, when addresses had no normalised form and refresh
    /// tokens had rows.
    #[tokio::test]
    async fn a_filled_database_of_the_release_before_is_brought_up_to_date() {
        for test in testing::databases_at(14).await {
            let now = Timestamp::from_unix_seconds(1_772_445_600);
            let id = || UserId(uuid_v7(now, &OsRandom));
            let (jon, ada, session) = (id(), id(), id());
            test.db()
                .write(move |c| {
                    async move {
                        for (user, email, norm) in
                            [(jon, "Jon@MÜNCHEN.example", "jon@münchen.example"), (ada, "Ada@x.org", "ada@x.org")]
                        {
                            q!(c => exec,
                                "INSERT INTO users (id, role, status, email, email_norm, email_verified, name, kyc_status, kyc_prior, version, created_at, updated_at) \
                                 VALUES ($1, 'client', 'active', $2, $3, TRUE, 'Name', 'none', 'none', 1, $4, $4)", user, email, norm, now)?;
                            for term in [norm, "name", "+442071838750"] {
                                q!(c => exec, "INSERT INTO user_terms (term, user_id) VALUES ($1, $2)", term, user)?;
                            }
                        }
                        q!(c => exec,
                            "INSERT INTO sessions (id, user_id, user_agent, ip, created_at, last_used_at, expires_at, generation, access_jti, access_used) \
                             VALUES ($1, $2, '', '', $3, $3, $3, 1, $1, FALSE)", session, jon, now)?;
                        q!(c => exec, "INSERT INTO refresh_tokens (hash, session_id, generation) VALUES ($1, $2, 1)", vec![7_u8; 32], session)?;
                        q!(c => exec,
                            "INSERT INTO idempotency_keys (principal, key, fingerprint, status, body, created_at) VALUES ('user:x', 'k', $1, 200, $1, $2)",
                            vec![7_u8; 32], now)?;
                        Ok(())
                    }
                    .boxed()
                })
                .await
                .unwrap();
            assert!(test.db().migrate().await.unwrap().is_current());
            let mut reader = test.db().read().await.unwrap();
            assert_eq!(store::unnormalised(&mut reader.conn(), 10).await.unwrap(), [jon]);
            drop(reader);
            normalise_emails(test.db()).await.unwrap();
            let mut reader = test.db().read().await.unwrap();
            let mut conn = reader.conn();
            assert!(store::unnormalised(&mut conn, 10).await.unwrap().is_empty());
            for (norm, user) in [("jon@xn--mnchen-3ya.example", jon), ("ada@x.org", ada)] {
                assert_eq!(store::by_email(&mut conn, norm).await.unwrap().unwrap().0.id, user);
            }
            for (sql, count) in [
                ("SELECT CAST(count(*) AS BIGINT) FROM user_terms WHERE term LIKE '%@%'", 0_i64),
                ("SELECT CAST(count(*) AS BIGINT) FROM user_terms", 4),
                ("SELECT CAST(count(*) AS BIGINT) FROM sessions WHERE refresh_secret IS NULL", 1),
                ("SELECT CAST(count(*) AS BIGINT) FROM refresh_tokens", 1),
                ("SELECT CAST(count(*) AS BIGINT) FROM idempotency_keys WHERE users_listed IS NULL", 1),
            ] {
                let found = on!(&mut conn, |x, Engine| sqlx::query_scalar::<Engine, i64>(sql).fetch_one(x).await);
                assert_eq!(found.unwrap(), count, "{sql}");
            }
            drop(reader);
            test.close().await;
        }
    }
}
