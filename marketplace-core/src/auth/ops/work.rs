//! What ends with somebody's last session.

use crate::{
    accounts::model::Account,
    auth::store,
    base::{error::Result, principal::Principal},
    claims,
    operation::Operation,
    platform::db::Conn,
};

/// Gives back what a member of staff has claimed, once they have no session left in which to go on with it.
pub(crate) async fn end_work(op: &Operation, conn: &mut Conn<'_>, account: &Account) -> Result<()> {
    if !account.role.is_staff() || store::is_logged_in(conn, account.id, op.now()).await? {
        return Ok(());
    }
    claims::give_back(op, conn, &[Principal::user(account.id)]).await
}
