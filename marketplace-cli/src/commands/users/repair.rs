//! `marketplace users edit`, `warn`, `resend-verification`, `send-password-reset` and `sessions`: what staff put right.

use marketplace_core::{
    auth::SessionView,
    base::{
        change::{Change, Changed, RestrictionReason},
        patch::Patch,
    },
    ids::{SessionId, UserId},
    staff::{
        EditUser, EditUserInput, EndUserSession, ListQuery, ListUserSessions, PlainInput, ResendUserVerification,
        SendPasswordReset, WarnUser, WarningInput,
    },
    users::model::{self, SessionFilter, UserDetail},
};
use serde::Deserialize;

use super::acting::{Acting, Overrides, describe};
use crate::{
    args::{BatchArgs, ChangeArgs, Range, VersionedArgs},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::Ref,
};

/// What is put right.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// A line of a batch of edits.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EditLine {
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    reason: Option<RestrictionReason>,
    note: Option<String>,
    if_version: Option<i64>,
}

/// A line of a batch of warnings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WarnLine {
    comment: Option<String>,
    reason: Option<RestrictionReason>,
    note: Option<String>,
    if_version: Option<i64>,
}

/// Asks a person for the reason, where there is none.
async fn reasoned(context: &Context, acting: Acting) -> Outcome<Acting> {
    let reason = context.reason(acting.reason, RestrictionReason::NAMES, &acting.change).await?;
    Ok(Acting { reason, ..acting })
}

pub(super) async fn edit(context: &Context, batch: &BatchArgs, fields: Fields, acting: Acting) -> Outcome {
    let acting = &reasoned(context, acting).await?;
    let api = context.connect_to_change::<UserDetail>(batch, &acting.change).await?;
    let patch =
        |line: Option<String>, flag: &Option<String>| line.or_else(|| flag.clone()).map_or(Patch::Keep, Patch::Set);
    let apply = async |id: UserId, line: EditLine| -> Outcome<Changed<UserDetail>> {
        let edit = model::EditUser {
            name: patch(line.name, &fields.name),
            email: patch(line.email, &fields.email),
            phone: patch(line.phone, &fields.phone),
        };
        let overrides =
            Overrides { reason: line.reason, note: line.note, if_version: line.if_version, ..Overrides::default() };
        Ok(api.call::<EditUser>(id, (), EditUserInput::new(edit, acting.change(&overrides))).await?)
    };
    let describe = async |id| describe(&api, id).await;
    context.change("Change", batch, &acting.change, Care::Ask, describe, apply).await
}

pub(super) async fn warn(context: &Context, batch: &BatchArgs, comment: Option<String>, acting: Acting) -> Outcome {
    let acting = &reasoned(context, acting).await?;
    let api = context.connect_to_change::<UserDetail>(batch, &acting.change).await?;
    let is_batch = batch.stdin || batch.ids.len() > 1;
    let apply = async |id: UserId, line: WarnLine| -> Outcome<Changed<UserDetail>> {
        let overrides =
            Overrides { reason: line.reason, note: line.note, if_version: line.if_version, ..Overrides::default() };
        let input = WarningInput::new(line.comment.or_else(|| comment.clone()), acting.change(&overrides));
        if !is_batch {
            return Ok(api.call::<WarnUser>(id, (), input).await?);
        }
        // Nothing of a person says that they were warned of the same already, so the batch keeps it in mind.
        let (done, is_repeated) = api.call_once::<WarnUser>("", id, (), input).await?;
        Ok(Changed { changed: done.changed && !is_repeated, ..done })
    };
    let describe = async |id| describe(&api, id).await;
    context.change("Warn", batch, &acting.change, Care::Ask, describe, apply).await
}

pub(super) async fn resend(context: &Context, batch: &BatchArgs, how: &VersionedArgs) -> Outcome {
    let api = context.connect_to_change::<UserDetail>(batch, &how.change).await?;
    let apply = async |id: UserId, line: Line| -> Outcome<Changed<UserDetail>> {
        Ok(api.call::<ResendUserVerification>(id, (), line.change(how).into()).await?)
    };
    let describe = async |id| describe(&api, id).await;
    context.change("Send the mail that confirms the address of", batch, &how.change, Care::Ask, describe, apply).await
}

pub(super) async fn reset(context: &Context, batch: &BatchArgs, how: &VersionedArgs) -> Outcome {
    let api = context.connect_to_change::<UserDetail>(batch, &how.change).await?;
    let apply = async |id: UserId, line: Line| -> Outcome<Changed<UserDetail>> {
        Ok(api.call::<SendPasswordReset>(id, (), line.change(how).into()).await?)
    };
    let describe = async |id| describe(&api, id).await;
    context.change("Send a link to set a new password to", batch, &how.change, Care::Ask, describe, apply).await
}

pub(super) async fn sessions(
    context: &Context,
    id: &Ref<UserId>,
    end: Option<SessionId>,
    filter: SessionFilter,
    range: &Range,
    change: &ChangeArgs,
) -> Outcome {
    let Some(session) = end else {
        context.out.check::<SessionView>()?;
        let api = context.connect().await?;
        let id = id.find(&api).await?;
        return context
            .stream(range, async |page| api.call::<ListUserSessions>(id, ListQuery::new(&filter, &page), ()).await)
            .await;
    };
    context.check_change::<Changed<UserDetail>>(change)?;
    context.confirm("End the session?", change, Care::Ask).await?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    let asked = Change { note: change.note.clone(), dry_run: change.dry_run, ..Change::default() };
    let ended = api.call::<EndUserSession>((id, session), (), PlainInput::from(asked)).await?;
    context.print_change(&ended, change)
}
