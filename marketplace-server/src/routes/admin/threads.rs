//! Threads, and what is written in them.

use axum::{Json, response::Response};
use marketplace_core::{
    admin::AdminApi,
    base::change::{Change, Changed},
    ids::{MessageId, ThreadId},
    messaging::model::{
        AccessReason, CloseReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter,
        ThreadInfo,
    },
    page::{Page, PageRequest},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, PlainInput, ReasonedInput, made, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, List, Params},
    idempotency::Command,
    problem::Answer,
    routes::versioned,
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(messages))
        .routes(routes!(close))
        .routes(routes!(reopen))
        .routes(routes!(notice))
        .routes(routes!(remove_message))
}

/// Which messages, and why they are read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    /// Why staff read what two people wrote to each other; goes to the audit log.
    #[param(inline)]
    reason: AccessReason,
    /// Those after this one, oldest first.
    after_seq: Option<i64>,
    /// Those before this one, the newest of them; without either, the newest of all.
    before_seq: Option<i64>,
    /// Rows wanted.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// A notice for the two of a thread.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticeInput {
    /// What they read, 1 to 4,000 characters.
    content: String,
    /// What only staff see, at most 4,000 characters.
    #[serde(default)]
    note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default)]
    dry_run: bool,
}

/// Threads, newest activity first, without their content. Names are masked.
#[utoipa::path(get, path = "/v1/admin/threads", tag = "admin threads", params(ThreadFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<ThreadInfo>)))]
pub(crate) async fn list(
    Admin(admin): Admin,
    List(filter, page): List<ThreadFilter>,
) -> Answer<Json<Page<ThreadInfo>>> {
    Ok(Json(admin.threads_list(&filter, &page).await?))
}

/// One thread, without its content.
#[utoipa::path(get, path = "/v1/admin/threads/{id}", tag = "admin threads", params(("id" = ThreadId, Path)),
    responses((status = 200, description = "The thread", body = ThreadInfo, headers(("etag" = String)))))]
pub(crate) async fn show(Admin(admin): Admin, Id(id): Id<ThreadId>) -> Answer<Response> {
    let thread = admin.threads_show(id).await?;
    Ok(versioned(thread.version, thread))
}

/// A thread's content, removed messages too. Needs a reason, and is audited.
#[utoipa::path(get, path = "/v1/admin/threads/{id}/messages", tag = "admin threads",
    params(("id" = ThreadId, Path), Reading),
    responses((status = 200, description = "Messages, lowest number first", body = MessagePage<StaffMessage>)))]
pub(crate) async fn messages(
    Admin(admin): Admin,
    Id(id): Id<ThreadId>,
    Params(reading): Params<Reading>,
) -> Answer<Json<MessagePage<StaffMessage>>> {
    let Reading { reason, after_seq, before_seq, limit } = reading;
    Ok(Json(admin.threads_messages(id, reason, &MessagesQuery { after_seq, before_seq, limit }).await?))
}

/// Close a thread: it takes no more messages.
#[utoipa::path(post, path = "/v1/admin/threads/{id}/close", tag = "admin threads",
    request_body = ReasonedInput<CloseReason>, params(("id" = ThreadId, Path)),
    responses((status = 200, description = "The thread, as it is now", body = Changed<ThreadInfo>)))]
pub(crate) async fn close(Id(id): Id<ThreadId>, command: Command<ReasonedInput<CloseReason>>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let (reason, change) = input.split(if_version);
            admin.threads_act(id, &ThreadAction::Close { reason }, &change).await.map(ok)
        })
        .await
}

/// Reopen a thread.
#[utoipa::path(post, path = "/v1/admin/threads/{id}/reopen", tag = "admin threads", request_body = PlainInput,
    params(("id" = ThreadId, Path)),
    responses((status = 200, description = "The thread, as it is now", body = Changed<ThreadInfo>)))]
pub(crate) async fn reopen(Id(id): Id<ThreadId>, command: Command<PlainInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            admin.threads_act(id, &ThreadAction::Reopen, &input.change(if_version)).await.map(ok)
        })
        .await
}

/// Post a notice that the two see; in a closed thread too.
#[utoipa::path(post, path = "/v1/admin/threads/{id}/notice", tag = "admin threads", request_body = NoticeInput,
    params(("id" = ThreadId, Path)),
    responses((status = 201, description = "Posted", body = Changed<StaffMessage>),
        (status = 200, description = "What would have been posted (`dry_run`)", body = Changed<StaffMessage>)))]
pub(crate) async fn notice(Id(id): Id<ThreadId>, command: Command<NoticeInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let NoticeInput { content, note, dry_run } = input;
            let change = Change { note, dry_run, if_version, ..Change::default() };
            admin.threads_notice(id, &content, &change).await.map(made(dry_run))
        })
        .await
}

/// Take a message from the two's view; staff still see it.
#[utoipa::path(post, path = "/v1/admin/messages/{id}/remove", tag = "admin threads",
    request_body = ReasonedInput<RemovalReason>, params(("id" = MessageId, Path)),
    responses((status = 200, description = "The message, as it is now", body = Changed<StaffMessage>)))]
pub(crate) async fn remove_message(
    Id(id): Id<MessageId>,
    command: Command<ReasonedInput<RemovalReason>>,
) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let (reason, change) = input.split(if_version);
            admin.message_remove(id, reason, &change).await.map(ok)
        })
        .await
}
