//! The caller's own threads: reading and sending messages.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use marketplace_core::{
    base::permission::Permission,
    error::Error,
    ids::{AttachmentId, ThreadId},
    kyc,
    messaging::{
        self, AddressQuery, AttachmentSize, SignedAddress,
        model::{Attachment, Message, MessagePage, MessagesQuery, NewMessage, OpenThread, ReadState, ThreadSummary},
    },
    page::{Page, PageRequest},
    platform::files::{MAX_FILE, Spool},
};
use multer::Multipart;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::kyc as forms;
use crate::{
    body,
    ctx::Ctx,
    extract::{Asked, Attached, Caller, Id, Params},
    idempotency::{self, IdempotentRequest, Key},
    openapi::IdempotencyKey,
    options::MULTIPART_LIMIT,
    problem::Answer,
    routes::shown_attachment,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_threads, open_thread))
        .routes(routes!(get_thread))
        .routes(routes!(list_messages, send_message))
        .routes(routes!(mark_thread_read))
        .routes(routes!(upload_attachment))
        .routes(routes!(download_attachment))
        .routes(routes!(sign_attachment_address))
        .routes(routes!(download_signed_attachment))
}

/// One's threads, newest activity first.
#[utoipa::path(get, path = "/v1/threads", tag = "threads", params(PageRequest),
    responses((status = 200, description = "A page", body = Page<ThreadSummary>)))]
pub(crate) async fn list_threads(
    Asked(op): Asked,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<ThreadSummary>>> {
    Ok(Json(messaging::list(&op, &page).await?))
}

/// Open a thread about a service. A client has one per service: opening it again answers the same.
#[utoipa::path(post, path = "/v1/threads", tag = "threads", request_body = OpenThread,
    params(IdempotencyKey),
    responses(
        (status = 200, description = "The thread", body = ThreadSummary),
        (status = 404, description = "There is no such service, or nobody may see it"),
        (status = 409, description = "The thread is closed, or `client_msg_id` was used for another message")))]
pub(crate) async fn open_thread(command: IdempotentRequest<OpenThread>) -> Answer<Response> {
    command.run(|op, new| async move { Ok((StatusCode::OK, messaging::open(&op, new).await?)) }).await
}

/// One thread of one's own.
#[utoipa::path(get, path = "/v1/threads/{id}", tag = "threads", params(("id" = ThreadId, Path, description = "The thread")),
    responses((status = 200, description = "The thread", body = ThreadSummary)))]
pub(crate) async fn get_thread(Asked(op): Asked, Id(id): Id<ThreadId>) -> Answer<Json<ThreadSummary>> {
    Ok(Json(messaging::get(&op, id).await?))
}

/// Messages in the order of their numbers.
#[utoipa::path(get, path = "/v1/threads/{id}/messages", tag = "threads",
    params(("id" = ThreadId, Path, description = "The thread"), MessagesQuery),
    responses((status = 200, description = "A page", body = MessagePage<Message>)))]
pub(crate) async fn list_messages(
    Asked(op): Asked,
    Id(id): Id<ThreadId>,
    Params(query): Params<MessagesQuery>,
) -> Answer<Json<MessagePage<Message>>> {
    Ok(Json(messaging::messages(&op, id, &query).await?))
}

/// Send a message. Sending the same `client_msg_id` again answers the first one.
#[utoipa::path(post, path = "/v1/threads/{id}/messages", tag = "threads", request_body = NewMessage,
    params(("id" = ThreadId, Path, description = "The thread"),
        IdempotencyKey),
    responses(
        (status = 201, description = "Stored", body = Message),
        (status = 409, description = "The thread is closed, a file is not there, or `client_msg_id` was used for another message")))]
pub(crate) async fn send_message(Id(id): Id<ThreadId>, command: IdempotentRequest<NewMessage>) -> Answer<Response> {
    command.run(move |op, new| async move { Ok((StatusCode::CREATED, messaging::send(&op, id, new).await?)) }).await
}

/// How far was read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadInput {
    /// The number of the newest message that was read.
    seq: i64,
}

/// Move one's read pointer forward. One that stands further already stays.
#[utoipa::path(post, path = "/v1/threads/{id}/read", tag = "threads", request_body = ReadInput,
    params(("id" = ThreadId, Path, description = "The thread"), IdempotencyKey),
    responses(
        (status = 200, description = "The pointer, and what is unread after it", body = ReadState),
        (status = 409, description = "The `Idempotency-Key` was used for something else")))]
pub(crate) async fn mark_thread_read(Id(id): Id<ThreadId>, command: IdempotentRequest<ReadInput>) -> Answer<Response> {
    command.run(move |op, input| async move { Ok((StatusCode::OK, messaging::read(&op, id, input.seq).await?)) }).await
}

/// A file for a message. Its name and declared type are not looked at: content decides.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form for OpenAPI; it is read as a stream")]
pub(crate) struct AttachmentForm {
    /// JPEG, PNG, WebP or PDF, at most 10 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Upload a file for a message that is sent afterwards. One that no message carries is deleted after a day.
#[utoipa::path(post, path = "/v1/threads/{id}/attachments", tag = "threads",
    request_body(content = AttachmentForm, content_type = "multipart/form-data"),
    params(("id" = ThreadId, Path, description = "The thread"),
        IdempotencyKey),
    responses(
        (status = 201, description = "Taken", body = Attachment),
        (status = 409, description = "The thread is closed, or too many files wait for a message")))]
pub(crate) async fn upload_attachment(
    State(ctx): State<Ctx>,
    Caller(actor): Caller,
    Id(id): Id<ThreadId>,
    request: Request,
) -> Answer<Response> {
    actor.require_own(Permission::Trade)?;
    let mut key = Key::of(request.method().as_str(), request.uri().path(), request.headers())?;
    let boundary = forms::boundary(request.headers())?;
    let came = body::received(request, &actor, MULTIPART_LIMIT as u64, &ctx).await?;
    // Limits the memory that uploads use together.
    let permit = kyc::submit_permit(&ctx.app.by(&actor)).await?;
    let (file, name) = read_form(came, boundary).await?;
    if let Some(key) = &mut key {
        key.add(&file);
        key.add(name.as_deref().unwrap_or_default().as_bytes());
    }
    let (app, who) = (ctx.app.clone(), actor.clone());
    idempotency::once(
        &ctx,
        &actor,
        key,
        Box::pin(async move {
            let taken = messaging::attach(&app.by(&who), id, file, name.as_deref()).await;
            drop(permit);
            taken.map(|taken| (StatusCode::CREATED, taken))
        }),
    )
    .await
}

/// Returns the file of the form, and its name.
async fn read_form(came: Spool, boundary: String) -> Answer<(Vec<u8>, Option<String>)> {
    let capacity = usize::try_from(came.len().min(MAX_FILE)).unwrap_or(0);
    let mut form = Multipart::new(came.into_pieces(), boundary);
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(forms::refused)? {
        if field.name() != Some("file") {
            return Err(Error::invalid("/file", "is the only field of this form").into());
        }
        let name = field.file_name().map(str::to_owned);
        if file.replace((forms::read_field(field, "file", MAX_FILE, capacity).await?, name)).is_some() {
            return Err(Error::invalid("/file", "is given twice").into());
        }
    }
    file.ok_or_else(|| Error::invalid("/file", "is required").into())
}

/// A file of a thread.
#[utoipa::path(get, path = "/v1/threads/{id}/attachments/{attachment_id}", tag = "threads",
    params(("id" = ThreadId, Path, description = "The thread"),
        ("attachment_id" = AttachmentId, Path, description = "The file"), SizeQuery,
        ("range" = Option<String>, Header, description = "A part of it, such as `bytes=0-1023`")),
    responses(
        (status = 200, description = "The file", content(
            (String = "image/jpeg"), (String = "image/png"), (String = "image/webp"), (String = "application/pdf"))),
        (status = 206, description = "The part", content(
            (String = "image/jpeg"), (String = "image/png"), (String = "image/webp"), (String = "application/pdf"))),
        (status = 416, description = "The part is beyond the end")))]
pub(crate) async fn download_attachment(
    Asked(op): Asked,
    Id(id): Id<ThreadId>,
    Attached(file): Attached,
    Params(SizeQuery { size }): Params<SizeQuery>,
) -> Answer<Response> {
    shown_attachment(messaging::attachment(&op, id, file, size.unwrap_or(AttachmentSize::Full)).await?)
}

/// Which rendering of a file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SizeQuery {
    /// `full`, or `thumb`: a picture made small, 320 pixels a side at most.
    #[param(inline)]
    size: Option<AttachmentSize>,
}

/// An address of a file that needs no access token, for `<img>`: good for five minutes, and only as long as the caller may see the
/// file. Whoever has it sees the file.
#[utoipa::path(post, path = "/v1/threads/{id}/attachments/{attachment_id}/address", tag = "threads",
    params(("id" = ThreadId, Path, description = "The thread"),
        ("attachment_id" = AttachmentId, Path, description = "The file")),
    responses((status = 200, description = "The address", body = SignedAddress)))]
pub(crate) async fn sign_attachment_address(
    Asked(op): Asked,
    Id(id): Id<ThreadId>,
    Attached(file): Attached,
) -> Answer<Json<SignedAddress>> {
    Ok(Json(messaging::attachment_address(&op, id, file).await?))
}

/// A file at its signed address.
#[utoipa::path(get, path = "/v1/attachments/{id}", tag = "threads", security(()),
    params(("id" = AttachmentId, Path, description = "The file"), AddressQuery),
    responses(
        (status = 200, description = "The file", content(
            (String = "image/jpeg"), (String = "image/png"), (String = "image/webp"), (String = "application/pdf"))),
        (status = 404, description = "The address is wrong or over, or the person it was made for may not see the file any more")))]
pub(crate) async fn download_signed_attachment(
    State(ctx): State<Ctx>,
    Id(id): Id<AttachmentId>,
    Params(query): Params<AddressQuery>,
) -> Answer<Response> {
    shown_attachment(messaging::addressed_attachment(&ctx.app, id, &query).await?)
}
