//! What ends with somebody's rights.

use crate::{
    accounts::model::Account,
    base::{
        error::Result,
        permission::{Permission, Role, permissions},
        principal::Principal,
    },
    kyc,
    operation::Operation,
    platform::db::Conn,
    reports, tokens,
};

/// Ends what a member of staff is at work on who loses their rights, or has those of another role from now on.
pub(super) async fn end_reviews(
    op: &Operation,
    conn: &mut Conn<'_>,
    account: &Account,
    role: Option<Role>,
) -> Result<()> {
    let may = |permission| permissions(account.role).contains(&permission);
    if !may(Permission::KycWrite) && !may(Permission::ReportsWrite) {
        return Ok(());
    }
    let tokens = tokens::principals_of(conn, account.id).await?;
    let is_assignable = role.is_some_and(|role| permissions(role).contains(&Permission::KycWrite));
    kyc::end_rights(op, conn, account.id, tokens.clone(), is_assignable).await?;
    let holders: Vec<Principal> = tokens.into_iter().chain([Principal::user(account.id)]).collect();
    reports::end_claims(op, conn, &holders).await
}

/// Releases the claims of a member of staff, and of their tokens, whose sessions are ended.
pub(super) async fn give_back(op: &Operation, conn: &mut Conn<'_>, account: &Account) -> Result<()> {
    end_reviews(op, conn, account, Some(account.role)).await
}
