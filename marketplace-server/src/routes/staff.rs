//! What staff can do: a route for each operation that core declares, described from the same declaration.

use axum::{
    body::{Body as HttpBody, Bytes},
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{
        HeaderMap, HeaderValue, Method as HttpMethod, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, ETAG},
        request::Parts,
    },
    response::Response,
    routing::{MethodFilter, on},
};
use futures::{FutureExt, future::BoxFuture};
use marketplace_core::{
    base::permission::Permission,
    error::{Error, ErrorCode, Result},
    operation::Operation,
    staff::{
        self, AfterQuery, Answer as _, Body as _, Content, ContentKind, Effect, ListEvents, Method,
        PathParameters as _, Query as _, StaffOperation, Visitor, describe,
    },
};
use utoipa::{
    IntoParams as _,
    openapi::{
        self, ContentBuilder, HeaderBuilder, Ref, Required, ResponseBuilder,
        path::{HttpMethod as DescribedMethod, OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
    },
};
use utoipa_axum::router::OpenApiRouter;

use super::{download, shown_file};
use crate::{
    cookies::credential,
    ctx::Ctx,
    extract::{Caller, IfMatch, QueryText, json, read_json},
    idempotency::{Key, once_bytes},
    live,
    openapi::{IdempotencyKey, IfMatchHeader},
    problem::{Answer, Problem},
};

/// Returns all staff routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    let mut mount = Mount(OpenApiRouter::new());
    staff::visit(&mut mount);
    let mut router = mount.0.route(ListEvents::PATH, axum::routing::get(events));
    describe_stream(router.get_openapi_mut());
    router
}

/// What axum calls for an operation. The type is the same for all, so that axum's part is compiled once.
type Handler = fn(State<Ctx>, Request) -> BoxFuture<'static, Answer<Response>>;

struct Mount(OpenApiRouter<Ctx>);

impl Visitor for Mount {
    fn visit<O: StaffOperation>(&mut self) {
        let mut router = std::mem::take(&mut self.0);
        describe::<O>(router.get_openapi_mut());
        let filter = match O::METHOD {
            Method::GET => MethodFilter::GET,
            Method::POST => MethodFilter::POST,
            Method::PATCH => MethodFilter::PATCH,
            Method::DELETE => MethodFilter::DELETE,
        };
        let handler: Handler = |state, request| handle::<O>(state, request).boxed();
        self.0 = if O::IS_MOUNTED { router.route(O::PATH, on(filter, handler)) } else { router };
    }
}

/// Runs an operation for a request: the caller is checked first, then the input.
async fn handle<O: StaffOperation>(State(ctx): State<Ctx>, request: Request) -> Answer<Response> {
    let (mut parts, body) = request.into_parts();
    let Caller(actor) = Caller::from_request_parts(&mut parts, &ctx).await?;
    let path = path_of::<O>(&mut parts, &ctx).await?;
    let query = O::Query::read(&QueryText(parts.uri.query().unwrap_or_default()))?;
    let last = path.segments().pop().unwrap_or_default();
    let op = Operation::new(&ctx.app, actor);
    if O::EFFECT == Effect::Change {
        return change::<O>(&ctx, &parts, body, op, path, query).await;
    }
    let bytes = if O::Body::IS_PRESENT { read_json(&parts.headers, body).await? } else { Bytes::new() };
    let run = staff::run::<O>(&op, path, query, body_of::<O>(&bytes)?);
    if O::Answer::KIND == ContentKind::Archive {
        let archive = async {
            match run.await?.encode()? {
                Content::Archive(archive) => Ok(archive),
                Content::File(_) | Content::Json(_) => Err(Error::internal("an archive is no archive")),
            }
        };
        return download(&ctx, archive).await;
    }
    let answer = run.await?;
    let version = O::VERSION.map(|version| version(&answer));
    match answer.encode()? {
        Content::Json(body) => {
            let mut response = Response::new(HttpBody::from(body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Some(tag) = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok()) {
                headers.insert(ETAG, tag);
            }
            Ok(response)
        }
        Content::File(file) => shown_file(file, &last),
        Content::Archive(_) => Err(Error::internal("an archive where there is none").into()),
    }
}

/// Runs a change, once for each `Idempotency-Key`.
async fn change<O: StaffOperation>(
    ctx: &Ctx,
    parts: &Parts,
    body: HttpBody,
    op: Operation,
    path: O::Path,
    query: O::Query,
) -> Answer<Response> {
    let op = IfMatch::of(&parts.headers)?.at(&op);
    let key = if O::KEEPS_RESPONSE { Key::of(parts.method.as_str(), parts.uri.path(), &parts.headers)? } else { None };
    let bytes = read_json(&parts.headers, body).await?;
    let key = key.map(|key| key.with(&bytes));
    let mut input = body_of::<O>(&bytes)?;
    input.set_version(op.change().if_version);
    let is_created = O::DRY_RUN.is_some() && !input.change().dry_run;
    let actor = op.actor().clone();
    let work = async move {
        match staff::run::<O>(&op, path, query, input).await?.encode()? {
            Content::Json(body) => Ok((if is_created { StatusCode::CREATED } else { StatusCode::OK }, body)),
            Content::File(_) | Content::Archive(_) => Err(Error::internal("a change returns JSON")),
        }
    };
    once_bytes(ctx, &actor, key, work.boxed()).await
}

/// Parses the body; an operation without a body ignores one.
fn body_of<O: StaffOperation>(bytes: &[u8]) -> Answer<O::Body> {
    if O::Body::IS_PRESENT {
        return json(bytes);
    }
    Ok(serde_json::from_value(serde_json::Value::Null).map_err(Error::internal)?)
}

async fn path_of<O: StaffOperation>(parts: &mut Parts, ctx: &Ctx) -> Result<O::Path> {
    // A path segment that cannot be decoded cannot be an id.
    match RawPathParams::from_request_parts(parts, ctx).await {
        Ok(found) => O::Path::parse(&found.iter().map(|(_, value)| value).collect::<Vec<_>>()),
        Err(_) => O::Path::parse(&[]),
    }
}

fn describe<O: StaffOperation>(document: &mut openapi::OpenApi) {
    let method = match O::METHOD {
        Method::GET => DescribedMethod::Get,
        Method::POST => DescribedMethod::Post,
        Method::PATCH => DescribedMethod::Patch,
        Method::DELETE => DescribedMethod::Delete,
    };
    let path_schemas = O::Path::schemas();
    let names = O::PATH.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names.zip(&path_schemas).map(|(name, (schema, _))| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(Ref::from_schema_name(schema)))
            .build()
    });
    let mut parameters: Vec<_> = in_path.chain(O::Query::parameters()).collect();
    if O::EFFECT == Effect::Change {
        parameters.extend(IfMatchHeader::into_params(|| None));
        if O::KEEPS_RESPONSE {
            parameters.extend(IdempotencyKey::into_params(|| None));
        }
    }
    let answer = O::Answer::describe();
    let response = |text: &str| {
        let mut response = ResponseBuilder::new().description(text);
        for (media_type, schema) in &answer.media_types {
            response = response.content(*media_type, ContentBuilder::new().schema(schema.clone()).build());
        }
        if O::VERSION.is_some() {
            let text = ObjectBuilder::new().schema_type(Type::String);
            response = response.header("etag", HeaderBuilder::new().schema(Some(text)).build());
        }
        response.build()
    };
    let mut lines = O::DOC.iter().map(|line| line.trim());
    let summary = lines.next().unwrap_or_default();
    let description = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
    let mut operation = OperationBuilder::new().tag(O::TAG).summary(Some(summary)).operation_id(Some(O::ID));
    if !description.is_empty() {
        operation = operation.description(Some(description));
    }
    if !parameters.is_empty() {
        operation = operation.parameters(Some(parameters));
    }
    operation = match O::DRY_RUN {
        Some(dry_run) => operation.response("201", response(O::RETURNS)).response("200", response(dry_run)),
        None => operation.response("200", response(O::RETURNS)),
    };
    let mut schemas = path_schemas;
    schemas.extend(answer.schemas);
    schemas.extend(O::items());
    if O::Body::IS_PRESENT {
        let (name, needed) = describe::body::<O::Body>();
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
        schemas.extend(needed);
    }
    document.paths.add_path_operation(O::PATH, vec![method], operation.build());
    document.components.get_or_insert_default().schemas.extend(schemas);
}

/// Returns events in pages, or as a stream where `Accept` asks for one.
async fn events(
    State(ctx): State<Ctx>,
    Caller(actor): Caller,
    query: axum::http::Uri,
    headers: HeaderMap,
) -> Answer<Response> {
    let start = AfterQuery::read(&QueryText(query.query().unwrap_or_default()))?;
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/event-stream") {
        let Content::Json(page) = staff::run::<ListEvents>(&ctx.app.by(&actor), (), start, ()).await?.encode()? else {
            return Err(Error::internal("a page is JSON").into());
        };
        let mut response = Response::new(HttpBody::from(page));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    }
    actor.require(Permission::StatsRead)?;
    let resume = match headers.get("last-event-id") {
        Some(value) => Some(value.to_str().map_err(|_| not_a_cursor())?.to_owned()),
        None => start.after,
    };
    let token = credential(&ctx.app, &HttpMethod::GET, &headers)?.to_owned();
    live::stream(ctx, actor, token, resume).await
}

fn not_a_cursor() -> Problem {
    Problem::malformed(Error::new(ErrorCode::Invalid, "Last-Event-ID is not a cursor that was given out"))
}

/// Adds the stream to the description of the pages.
fn describe_stream(document: &mut openapi::OpenApi) {
    let pages = document.paths.paths.get_mut(ListEvents::PATH).and_then(|item| item.get.as_mut());
    let Some(operation) = pages else { return };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let resume = ParameterBuilder::new()
        .name("last-event-id")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Cursor to resume a stream from"))
        .schema(Some(text()));
    operation.parameters.get_or_insert_default().push(openapi::RefOr::T(resume.build()));
    let gap = ResponseBuilder::new().description("Events after this cursor may be missing; begin anew at `current`");
    operation.responses.responses.insert("409".to_owned(), gap.build().into());
    if let Some(openapi::RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        let stream = ContentBuilder::new().schema(Some(text())).build();
        response.content.insert("text/event-stream".to_owned(), stream.into());
    }
}
