//! Ending the sessions of all users at once: when keys, a backup or a server may be in other hands.

use uuid::Uuid;

use crate::{
    app::App,
    auth::store,
    base::{
        change::RestrictionReason,
        error::{Error, Result},
        ids::SessionId,
        permission::Permission,
    },
    claims,
    operation::Operation,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EVERYBODY, EventKind},
        target::TargetKind,
    },
    tokens,
    users::model::EndedSessions,
};

/// Sessions of one unit: more would keep others from writing.
const ROUND: i64 = 2_000;

/// Ends every session and every API token of all users, the caller's too. Needs a reason, and is audited before the first
/// one ends. Sessions end in rounds: after an interruption it can be repeated.
///
/// # Errors
/// `invalid` without a reason; `forbidden` without the permission.
pub async fn end_all_sessions(op: &Operation) -> Result<EndedSessions> {
    op.actor().require(Permission::UsersAdmin)?;
    let Some(reason) = op.change().reason else {
        let known = RestrictionReason::NAMES.join(", ");
        return Err(Error::invalid("/reason", format!("is needed: one of {known}")));
    };
    if op.change().note.is_some() {
        return Err(Error::invalid("/note", "has nobody with whom it would be kept; the reason is on record"));
    }

    if op.change().dry_run {
        let mut reader = op.db.read().await?;
        let mut conn = reader.conn();
        let sessions = store::count_alive(&mut conn, op.now()).await?;
        return Ok(EndedSessions { sessions, tokens: tokens::count_alive(&mut conn, op.now()).await? });
    }

    let tokens = op
        .write(unit!(|op, c| {
            let entry = Entry {
                action: AuditAction::AuthEndAllSessions,
                target_kind: TargetKind::Session,
                target: EVERYBODY.into(),
                reason: Some(reason.to_string()),
                metadata: serde_json::json!({}),
            };
            audit::append(&op, c, entry).await?;
            tokens::revoke_everybodys(c, &op.actor().principal(), op.now()).await
        }))
        .await?;
    // All that began until now. Ids sort by time, and a login that was under way may be written behind where a pass is.
    let last = SessionId(uuid::Builder::from_unix_timestamp_millis(op.now().unix_millis(), &[0xff; 10]).into_uuid());
    let mut sessions = 0;
    loop {
        let ended = one_pass(op, last).await?;
        sessions += ended;
        if ended == 0 {
            break;
        }
    }
    op.write(unit!(|op, c| {
        events::append(&op, c, EventKind::SessionRevoked, EVERYBODY, None).await?;
        claims::give_back_all(&op, c).await
    }))
    .await?;
    tracing::warn!(sessions, tokens, "everybody's sessions were ended");
    Ok(EndedSessions { sessions, tokens })
}

/// Ends all up to one, in the order of their ids. Returns how many.
async fn one_pass(app: &App, last: SessionId) -> Result<u64> {
    let (mut after, mut done) = (SessionId(Uuid::nil()), 0);
    loop {
        let unit = Operation::system(app);
        let unit = unit.write(unit!(|op, c| {
            let Some(end) = store::end_of_round(c, after, last, ROUND).await? else { return Ok(None) };
            Ok(Some((end, store::revoke_range(c, after, end, op.now()).await?)))
        }));
        let Some((end, ended)) = unit.await? else { return Ok(done) };
        done += ended;
        after = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::model::Status,
        auth,
        base::{change::Change, error::ErrorCode, page::PageRequest, permission::Role, text_enum::Name},
        records::audit::AuditFilter,
        testing::{self, OPERATOR},
        tokens::model::NewToken,
    };

    #[tokio::test]
    async fn everybody_is_logged_out_at_once_and_it_is_on_record() {
        for test in testing::apps().await {
            let app = test.app();
            let mut access = Vec::new();
            for role in [Role::Client, Role::Worker, Role::Support, Role::Admin, Role::Auditor] {
                let id = test.user(role, Status::Active).await;
                for _ in 0..2 {
                    access.push(test.log_in(id).await.1);
                }
            }
            let (admin, of_admin) = test.log_in(test.user(Role::Admin, Status::Active).await).await;
            access.push(of_admin);
            let new = NewToken {
                name: "Night job".into(),
                scopes: vec![Permission::UsersAdmin],
                expires_in: 3_600,
                owner_id: None,
            };
            let made = crate::tokens::create(&app.by(&admin), &new).await.unwrap();
            access.push(made.item.secret.unwrap());
            let script = auth::authenticate(app, access.last().unwrap()).await.unwrap();
            for role in [Role::Client, Role::Support, Role::Auditor] {
                let other = test.actor(role).await;
                let refused = end_all_sessions(&app.by(&other)).await.unwrap_err();
                assert_eq!(refused.code(), ErrorCode::Forbidden);
            }
            let because = Change { reason: Some(RestrictionReason::Security), ..Change::default() };
            for (pointer, bad) in [
                ("/reason", Change::default()),
                ("/note", Change { note: Some("keys were copied".into()), ..because.clone() }),
            ] {
                let refused = end_all_sessions(&app.by(&script).with(bad.clone())).await.unwrap_err();
                assert_eq!(refused.fields()[0].pointer, pointer);
            }
            let preview = Change { dry_run: true, ..because.clone() };
            let counted = end_all_sessions(&app.by(&script).with(preview.clone())).await.unwrap();
            assert_eq!((counted.sessions, counted.tokens), (14, 1));
            for token in &access {
                auth::authenticate(app, token).await.unwrap();
            }
            assert_eq!(end_all_sessions(&app.by(&script).with(because.clone())).await.unwrap(), counted);
            for token in &access {
                let gone = auth::authenticate(app, token).await.unwrap_err();
                assert_eq!(gone.code(), ErrorCode::Unauthenticated);
            }
            assert_eq!(end_all_sessions(&app.by(&OPERATOR).with(because.clone())).await.unwrap().sessions, 0);
            let filter =
                AuditFilter { action: Some(Name::Known(AuditAction::AuthEndAllSessions)), ..AuditFilter::default() };
            let rows = audit::list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items;
            assert_eq!((rows.len(), rows[1].actor.clone()), (2, script.principal()));
            assert_eq!(rows[1].reason.as_deref(), Some("security"));
            // And everybody may come in again.
            let (again, _) = test.log_in(admin.user_id().unwrap()).await;
            crate::users::me(&app.by(&again)).unwrap();
            test.close().await;
        }
    }
}
