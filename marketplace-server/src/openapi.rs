//! The OpenAPI 3.1 description, generated from the handlers. What all routes of a kind share (authentication, possible
//! errors) is added here, so that no handler can omit it.
//!
//! A route needs an access token unless its handler declares `security(())`; `tests/http/access.rs` tries each.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        HttpMethod, PathItem, RefOr, Response, ResponseBuilder,
        content::ContentBuilder,
        path::{Operation, Parameter, ParameterIn},
        schema::Ref,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::Document;

/// The document without its paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Marketplace",
        description = "Clients hire workers for the services they list. Errors are `application/problem+json` (RFC 9457) \
                       with a stable `code`. Calls are limited: `RateLimit` and `RateLimit-Policy` say how much is left. Lists are `{items, next}`; pass `next` as `after`. Every answer carries \
                       `X-Request-Id`."
    ),
    components(schemas(Document)),
    tags(
        (name = "auth", description = "Signing up and in, sessions, passwords"),
        (name = "me", description = "One's own account"),
        (name = "threads", description = "Conversations of a client and a worker, live as well"),
        (name = "jobs", description = "What a client and a worker agree on, from the first offer to the end"),
        (name = "reviews", description = "What the two sides of a job say about each other, and ratings"),
        (name = "market", description = "What everybody sees: services, workers, clients"),
        (name = "services", description = "A worker's own services"),
        (name = "admin", description = "For staff"),
        (name = "admin kyc", description = "For staff: identity checks"),
        (name = "admin users", description = "For staff: users"),
        (name = "admin jobs", description = "For staff: jobs"),
        (name = "admin threads", description = "For staff: threads and messages"),
        (name = "admin reviews", description = "For staff: reviews and flags"),
        (name = "admin tokens", description = "For staff: tokens for scripts"),
        (name = "admin mail", description = "For staff: mails that were not sent yet"),
        (name = "admin audit", description = "For staff: who did what"),
        (name = "ops", description = "For whoever runs the server"),
    )
)]
pub(crate) struct Base;

/// Completes the document: see the [module](self).
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    Common.modify(document);
}

/// Returns the paths of a complete description that anybody may read.
pub(crate) fn public_to_read(document: &utoipa::openapi::OpenApi) -> impl Iterator<Item = &str> {
    let paths = document.paths.paths.iter();
    let open = |item: &PathItem| item.get.as_ref().is_some_and(|operation| operation.security.is_none());
    paths.filter(move |(_, item)| open(item)).map(|(path, _)| path.as_str())
}

struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "Access token of `POST /v1/auth/login`, valid for 10 minutes; on staff's routes also a token for scripts \
                 (`mkt_…`, `POST /v1/admin/tokens`), within its scopes",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .security_schemes
            .insert("bearer".to_owned(), RefOr::T(SecurityScheme::Http(bearer)));
        for (path, item) in &mut document.paths.paths {
            let operations = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    complete_operation(path, &method, operation);
                }
            }
        }
    }
}

fn complete_operation(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let is_public = operation.security.take().is_some();
    if !is_public {
        operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
    // Ids must be unique in the whole document, and a verb alone is not.
    let id = path.trim_start_matches("/v1/").replace(['/', '-'], "_").replace(['{', '}'], "");
    operation.operation_id = Some(format!("{}_{id}", verb(method)));
    for (status, text) in errors(path, method, operation, is_public) {
        let problem = Ref::from_schema_name("Problem");
        let response = ResponseBuilder::new()
            .description(text)
            .content("application/problem+json", ContentBuilder::new().schema(Some(problem)).build())
            .build();
        match operation.responses.responses.entry(status.to_owned()) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(RefOr::T(response));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                if let RefOr::T(Response { content, .. }) = entry.get_mut()
                    && content.is_empty()
                {
                    *content = response.content;
                }
            }
        }
    }
}

fn verb(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "get",
        HttpMethod::Post => "post",
        HttpMethod::Put => "put",
        HttpMethod::Patch => "patch",
        HttpMethod::Delete => "delete",
        HttpMethod::Head => "head",
        HttpMethod::Options => "options",
        HttpMethod::Trace => "trace",
    }
}

/// Returns every error that a route of this shape can respond with.
fn errors(
    path: &str,
    method: &HttpMethod,
    operation: &Operation,
    is_public: bool,
) -> Vec<(&'static str, &'static str)> {
    let mut errors = Vec::new();
    if !path.starts_with("/v1/") {
        if path == "/readyz" {
            errors.push(("503", "Not ready"));
        }
        return errors;
    }
    let has = |place: &ParameterIn| {
        let at = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(found) if found.parameter_in == *place);
        operation.parameters.iter().flatten().any(at)
    };
    let has_body = operation.request_body.is_some();
    let changes = !matches!(method, HttpMethod::Get);
    errors.push(("500", "A fault of ours; the log has it under the request id"));
    errors.push(("503", "Busy, or something that is needed cannot be reached; try again"));
    if has_body || has(&ParameterIn::Query) || has(&ParameterIn::Header) {
        errors.push(("400", "The request is not well-formed"));
        errors.push(("422", "The input breaks a rule; `errors` says which field"));
    }
    if has_body {
        errors.push(("408", "The body came too slowly"));
        errors.push(("413", "The body is too large"));
        errors.push(("415", "The body is of a type that is not taken here"));
    }
    if !is_public {
        errors.push(("401", "No access token, or one that is not or no longer valid"));
        errors.push(("403", "The caller may not do this"));
    }
    let names_others = changes && has_body && !is_public && !path.starts_with("/v1/auth/");
    if has(&ParameterIn::Path) || names_others {
        errors.push(("404", "There is no such thing, or it is not for the caller to know of"));
    }
    if changes && !is_public && !path.starts_with("/v1/auth/") {
        errors.push(("409", "Somebody else was first, or the thing is in another state; `current` says which"));
        errors.push(("412", "`If-Match` named another version"));
    }
    errors.push(("429", "Too many calls; `Retry-After` says when to come back"));
    errors
}
