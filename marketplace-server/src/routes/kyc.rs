//! The caller's own identity check. Once the upload has arrived, it is read field by field, each file into one buffer that
//! core encrypts in place.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use marketplace_core::{
    base::permission::Permission,
    error::{Error, ErrorCode, FieldError},
    kyc::{
        self, Submission,
        model::{DocumentType, OwnKyc},
    },
    platform::files::{MAX_FILE, Spool},
};
use multer::{Field, Multipart};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    body,
    ctx::Ctx,
    extract::{Asked, Caller},
    idempotency::{self, Key},
    openapi::IdempotencyKey,
    options::MULTIPART_LIMIT,
    problem::{Answer, Problem},
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(get_own_kyc, submit_kyc))
}

/// A submission, in any order of fields. File names and declared types are not looked at: content decides.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form for OpenAPI; it is read as a stream")]
pub(crate) struct SubmissionForm {
    /// What the document is.
    document_type: DocumentType,
    /// JPEG, PNG, WebP or PDF, at most 10 MiB.
    #[schema(value_type = String, format = Binary)]
    document: Vec<u8>,
    /// The person's face: JPEG, PNG or WebP, at most 10 MiB.
    #[schema(value_type = String, format = Binary)]
    selfie: Vec<u8>,
}

/// Where one's identity check stands.
#[utoipa::path(get, path = "/v1/me/kyc", tag = "me",
    responses((status = 200, description = "Status and attempts", body = OwnKyc)))]
pub(crate) async fn get_own_kyc(Asked(op): Asked) -> Answer<Json<OwnKyc>> {
    Ok(Json(kyc::own(&op).await?))
}

/// Submit identity documents.
#[utoipa::path(post, path = "/v1/me/kyc", tag = "me",
    request_body(content = SubmissionForm, content_type = "multipart/form-data"),
    params(IdempotencyKey),
    responses((status = 201, description = "Submitted", body = OwnKyc)))]
pub(crate) async fn submit_kyc(State(ctx): State<Ctx>, Caller(actor): Caller, request: Request) -> Answer<Response> {
    // Checked first, so that 20 MiB are not read for nothing.
    actor.require_own(Permission::OwnKyc)?;
    let mut key = Key::of(request.method().as_str(), request.uri().path(), request.headers())?;
    let boundary = boundary(request.headers())?;
    let came = body::received(request, &actor, MULTIPART_LIMIT as u64, &ctx).await?;
    let permit = kyc::submit_permit(&ctx.app.by(&actor)).await?;
    let form = read_form(came, boundary).await?;
    if let Some(key) = &mut key {
        key.add(form.document_type.as_str().as_bytes());
        key.add(&form.document);
        key.add(&form.selfie);
    }
    let (app, who) = (ctx.app.clone(), actor.clone());
    idempotency::once(
        &ctx,
        &actor,
        key,
        Box::pin(async move {
            let own = kyc::submit(&app.by(&who), form).await;
            drop(permit);
            own.map(|own| (StatusCode::CREATED, own))
        }),
    )
    .await
}

pub(super) fn boundary(headers: &HeaderMap) -> Answer<String> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    multer::parse_boundary(kind).map_err(|error| match error {
        multer::Error::NoBoundary => {
            Problem::malformed(Error::new(ErrorCode::Invalid, "the Content-Type names no boundary"))
        }
        _ => Error::new(ErrorCode::UnsupportedMedia, "the body must be multipart/form-data").into(),
    })
}

async fn read_form(came: Spool, boundary: String) -> Answer<Submission> {
    let mut document_type = None;
    let (mut document, mut selfie) = (None, None);
    {
        let capacity = usize::try_from(came.len().min(MAX_FILE)).unwrap_or(0);
        let mut form = Multipart::new(came.into_pieces(), boundary);
        while let Some(field) = form.next_field().await.map_err(refused)? {
            let name = field.name().unwrap_or_default().to_owned();
            let twice = match name.as_str() {
                "document_type" => document_type.replace(read_field(field, &name, 64, 64).await?).is_some(),
                "document" => document.replace(read_field(field, &name, MAX_FILE, capacity).await?).is_some(),
                "selfie" => selfie.replace(read_field(field, &name, MAX_FILE, capacity).await?).is_some(),
                other => {
                    let other: String = other.chars().filter(|c| !c.is_control()).take(64).collect();
                    return Err(Error::invalid(
                        format!("/{}", other.replace('~', "~0").replace('/', "~1")),
                        "is unknown; expected document_type, document and selfie",
                    )
                    .into());
                }
            };
            if twice {
                return Err(Error::invalid(format!("/{name}"), "is given twice").into());
            }
        }
    }
    let mut missing = Vec::new();
    for (name, is_missing) in
        [("document_type", document_type.is_none()), ("document", document.is_none()), ("selfie", selfie.is_none())]
    {
        if is_missing {
            missing.push(FieldError { pointer: format!("/{name}"), detail: "is required".into() });
        }
    }
    let (Some(document_type), Some(document), Some(selfie)) = (document_type, document, selfie) else {
        return Err(Error::invalid_fields(missing).into());
    };
    let document_type = String::from_utf8_lossy(&document_type)
        .trim()
        .parse()
        .map_err(|_| Error::invalid("/document_type", format!("must be one of {}", DocumentType::NAMES.join(", "))))?;
    Ok(Submission { document_type, document, selfie })
}

/// Reads one field into one buffer, no byte beyond `limit`.
pub(super) async fn read_field(mut field: Field<'_>, name: &str, limit: u64, capacity: usize) -> Answer<Vec<u8>> {
    // Pages of the buffer that are never written cost nothing, and a buffer that never grows is never copied.
    let mut bytes = Vec::with_capacity(capacity);
    while let Some(piece) = field.chunk().await.map_err(refused)? {
        if bytes.len() as u64 + piece.len() as u64 > limit {
            return Err(Error::too_large(name, limit)
                .with_fields(vec![FieldError {
                    pointer: format!("/{name}"),
                    detail: format!("must have at most {limit} bytes"),
                }])
                .into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

pub(super) fn refused(error: multer::Error) -> Problem {
    match error {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<Error>() {
            Ok(error) => (*error).into(),
            Err(other) => Error::internal(other).into(),
        },
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => body::truncated(),
        _ => Problem::malformed(Error::new(ErrorCode::Invalid, "the body is not well-formed multipart/form-data")),
    }
}
