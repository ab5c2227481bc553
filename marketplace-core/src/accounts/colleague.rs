//! Names of colleagues, for errors that say who was faster.

use super::store;
use crate::{
    base::{error::Result, permission::Permission, principal::Principal},
    operation::Operation,
    platform::db::Conn,
};

/// Returns the name of who did something; none when the caller may not know it, or there is none.
pub(crate) async fn colleague(op: &Operation, conn: &mut Conn<'_>, who: Option<&Principal>) -> Result<Option<String>> {
    match who {
        Some(who) if op.actor().may(Permission::UsersRead) => store::name_of(conn, who).await,
        _ => Ok(None),
    }
}
