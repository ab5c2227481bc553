//! Tokens for scripts. Secrets differ between two worlds, and are compared by their form.

use marketplace_core::staff::{CreateToken, ListQuery, ListTokens, NewTokenInput, RevokeToken};
use std::time::Duration;

use marketplace_core::{
    base::{
        change::Change,
        permission::{Permission, Role},
    },
    page::PageRequest,
    tokens::model::{NewToken, TokenFilter},
};
use serde_json::json;

use crate::{dry, note, script::Script, world::World};

pub async fn tokens(world: &World, script: &mut Script) {
    let ((lea, own), (sam, sams_id)) = (world.staff(Role::Admin).await, world.staff(Role::Support).await);
    let wish = |scopes: &[Permission], expires_in, owner_id| NewToken {
        name: "Night job — ünï".into(),
        scopes: scopes.to_vec(),
        expires_in,
        owner_id,
    };
    let read = [Permission::UsersRead, Permission::KycRead];
    let mut ids = Vec::new();
    for (name, new, change) in [
        ("dry", wish(&read, 3_600, None), dry()),
        ("own", wish(&read, 3_600, None), Change::default()),
        ("another's", wish(&read, 7_200, Some(sams_id)), note("for the queue")),
        ("no scopes", wish(&[], 3_600, None), Change::default()),
        ("no scope of tokens", wish(&[Permission::OwnAccount], 3_600, None), Change::default()),
        ("not the owner's", wish(&[Permission::UsersAdmin], 3_600, Some(sams_id)), Change::default()),
        ("too long", wish(&read, 365 * 86_400 + 1, None), Change::default()),
        ("long note", wish(&read, 3_600, None), note(&"x".repeat(4_001))),
    ] {
        let made = lea.call::<CreateToken>((), (), NewTokenInput::new(new.clone(), change.clone())).await;
        world.test.advance(Duration::from_secs(1));
        if let Ok(made) = &made
            && made.item.secret.is_some()
        {
            ids.push(made.item.token.id);
        }
        let step = format!("tokens_create {name}");
        match &made {
            Ok(made) => {
                let secret = made.item.secret.as_ref().map(|secret| (secret[..4].to_owned(), secret.len()));
                script.note(step, json!({ "ok": [made.changed, made.item.token, secret] }));
            }
            Err(_) => script.heard(step, &made),
        }
    }
    script.heard(
        "tokens_create by support",
        &sam.call::<CreateToken>((), (), NewTokenInput::new(wish(&read, 3_600, None), Change::default())).await,
    );
    script.heard(
        "tokens_list",
        &lea.call::<ListTokens>((), ListQuery::new(&TokenFilter::default(), &PageRequest::default()), ()).await,
    );
    script.heard(
        "tokens_list first",
        &sam.call::<ListTokens>((), ListQuery::new(&TokenFilter::default(), &PageRequest::first(1)), ()).await,
    );
    let leas = TokenFilter { owner_id: Some(own) };
    script.heard(
        "tokens_list of one",
        &sam.call::<ListTokens>((), ListQuery::new(&leas, &PageRequest::default()), ()).await,
    );
    script
        .heard("tokens_list bad", &sam.call::<ListTokens>((), ListQuery::new(&leas, &PageRequest::first(0)), ()).await);
    script.heard("tokens_revoke by support", &sam.call::<RevokeToken>(ids[0], (), Change::default().into()).await);
    script.heard("tokens_revoke dry", &lea.call::<RevokeToken>(ids[0], (), dry().into()).await);
    script.heard("tokens_revoke", &lea.call::<RevokeToken>(ids[0], (), note("leaked").into()).await);
    script.heard("tokens_revoke again", &lea.call::<RevokeToken>(ids[0], (), Change::default().into()).await);
    world.test.advance(Duration::from_secs(7_200));
    // A session's access token has ended by then as well.
    let lea = world.signed_in(own).await;
    script.heard("tokens_revoke ended", &lea.call::<RevokeToken>(ids[1], (), Change::default().into()).await);
    script.heard(
        "tokens_list ended",
        &lea.call::<ListTokens>((), ListQuery::new(&TokenFilter::default(), &PageRequest::default()), ()).await,
    );
}
