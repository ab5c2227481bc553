//! Whom lists of other things are filtered by: people found as the list of users finds them.

use super::{search::Query, store, summary::UserFilter};
use crate::{
    base::{
        error::{Error, Result},
        ids::UserId,
        permission::Permission,
    },
    operation::Operation,
    records::{
        audit::{self, AuditAction, Entry},
        target::TargetKind,
    },
};

/// People by whom a list is filtered at most: what each has is looked up by an index.
const MOST: usize = 100;

/// Returns the people whom `q` finds, under the rules of the list of users: contact data is found by its beginnings only by
/// whoever may see it in full, by others not too often, and the search is audited.
///
/// # Errors
/// `forbidden` without `users:read`; `invalid` for a text that is no search, or that finds more than 100 people.
pub(crate) async fn matching(op: &Operation, q: &str) -> Result<Vec<UserId>> {
    op.actor().require(Permission::UsersRead)?;
    let q = Query::checked(q)?;
    if let Ok(id) = q.parse::<UserId>() {
        return Ok(vec![id]);
    }
    let reveals = op.actor().may(Permission::UsersReveal);
    let Some(query) = Query::parse(q, reveals) else { return Ok(Vec::new()) };
    if let Some(account) = op.actor().user_id().filter(|_| query.by_contact && !reveals) {
        op.limiter.contact_search(account).await?;
    }
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let mut reader = op.db.read().await?;
    let found =
        store::search(&mut reader.conn(), &query, &UserFilter::default(), ("", uuid::Uuid::nil()), limit).await?;
    drop(reader);
    if found.len() > MOST {
        return Err(Error::invalid("/q", format!("finds more than {MOST} people: write more of the name")));
    }
    let ids: Vec<UserId> = found.into_iter().map(|found| found.account.id).collect();
    if query.by_contact {
        // The text is not recorded, as it is personal data.
        let shown = ids.clone();
        op.write(unit!(|op, conn| {
            let metadata = serde_json::json!({ "ids": shown });
            let (action, target_kind) = (AuditAction::UsersSearch, TargetKind::Users);
            audit::append(&op, conn, Entry { action, target_kind, target: "list".into(), reason: None, metadata }).await
        }))
        .await?;
    }
    Ok(ids)
}
