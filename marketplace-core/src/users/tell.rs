//! What webhooks are told of accounts.

use crate::{
    accounts::model::Status,
    base::{error::Result, ids::UserId, permission::Role},
    operation::Operation,
    platform::db::Conn,
    records::webhooks::{self, model::WebhookKind},
};

/// Emits an account's new status to webhooks.
pub(super) async fn tell(op: &Operation, conn: &mut Conn<'_>, id: UserId, role: Role, status: Status) -> Result<()> {
    let data = serde_json::json!({ "user_id": id, "role": role, "status": status });
    webhooks::emit(op, conn, WebhookKind::UserChanged, id, data, op.now()).await
}
