//! What the release before left to be rewritten.

use futures::FutureExt;

use super::{
    model::{Account, normalise_email},
    store,
};
use crate::{
    db::{Conn, Db},
    error::{Error, Result},
    ids::UserId,
};

/// Accounts of one round.
const ROUND: i64 = 200;

/// Brings addresses into the form in which they are compared now, where it is another: domains in ASCII. Costs a look at an
/// empty table once that is done.
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
            // One mailbox, two accounts. The one whose address was confirmed answers to it, or the one that has it already.
            Some(holder) if account.email_verified && !holder.email_verified => {
                set_aside(conn, &norm, &holder, &account).await?;
                store::set_email_norm(conn, user, &norm).await?;
            }
            Some(holder) => set_aside(conn, &norm, &account, &holder).await?,
        }
    }
    store::is_normalised(conn, user).await
}

/// An account that its address does not reach any more. Its owner has the other one; staff see both.
async fn set_aside(conn: &mut Conn<'_>, norm: &str, account: &Account, other: &Account) -> Result<()> {
    tracing::warn!(user = %account.id, other = %other.id, "two accounts have one address; only the other is found by it");
    store::set_email_norm(conn, account.id, &format!("{norm} {}", account.id)).await
}
