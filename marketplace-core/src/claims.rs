//! Claims on identity checks and reports that nobody can go on with: those of tokens that ended, and of accounts whose last
//! session did.

use crate::{
    base::{error::Result, principal::Principal},
    kyc,
    operation::Operation,
    platform::db::Conn,
    reports,
};

/// Gives back what these hold, inside the transaction that ended their way in. Each case is in the queue again at once.
pub(crate) async fn give_back(op: &Operation, conn: &mut Conn<'_>, holders: &[Principal]) -> Result<()> {
    kyc::end_claims(op, conn, holders).await?;
    reports::end_claims(op, conn, holders).await
}

/// Gives back what every account and token holds, whose sessions were ended.
pub(crate) async fn give_back_all(op: &Operation, conn: &mut Conn<'_>) -> Result<()> {
    let mut holders = kyc::holders(conn, op.now()).await?;
    holders.extend(reports::holders(conn, op.now()).await?);
    holders.retain(|holder| holder.0.starts_with("user:") || holder.0.starts_with("token:"));
    holders.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    holders.dedup();
    give_back(op, conn, &holders).await
}
