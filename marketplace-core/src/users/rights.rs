//! What ends with somebody's rights.

use crate::{
    accounts::model::Account,
    base::{
        error::Result,
        permission::{Permission, Role, permissions},
    },
    kyc,
    operation::Operation,
    platform::db::Conn,
    tokens,
};

/// Ends what a member of staff is at work on who loses their rights, or has those of another role from now on.
pub(super) async fn end_reviews(
    op: &Operation,
    conn: &mut Conn<'_>,
    account: &Account,
    role: Option<Role>,
) -> Result<()> {
    if !permissions(account.role).contains(&Permission::KycWrite) {
        return Ok(());
    }
    let tokens = tokens::principals_of(conn, account.id).await?;
    let is_assignable = role.is_some_and(|role| permissions(role).contains(&Permission::KycWrite));
    kyc::end_rights(op, conn, account.id, tokens, is_assignable).await
}
