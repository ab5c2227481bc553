//! The OpenAPI 3.1 description, generated from the handlers. What all routes of a kind share (authentication, possible
//! errors) is added here, so that no handler can omit it.
//!
//! A route needs an access token unless its handler declares `security(())`; `tests/http/access.rs` tries each.

use utoipa::{
    IntoParams, Modify, OpenApi,
    openapi::{
        Components, Content, HttpMethod, RefOr, Required, ResponseBuilder, Schema,
        content::ContentBuilder,
        header::HeaderBuilder,
        path::{Operation, Parameter, ParameterIn},
        schema::{
            AdditionalProperties, ArrayItems, KnownFormat, Object, ObjectBuilder, Ref, SchemaFormat, SchemaType, Type,
        },
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::Document;

/// The header with which a request that is sent again is harmless; the handler takes an `IdempotentRequest` or a `Key`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; it is read elsewhere")]
pub(crate) struct IdempotencyKey {
    /// Makes sending it again harmless, for 24 h: 1 to 255 ASCII characters of one's own choice.
    #[param(rename = "idempotency-key", min_length = 1, max_length = 255)]
    key: Option<String>,
}

/// The header that makes a change depend on the version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; it is read elsewhere")]
pub(crate) struct IfMatchHeader {
    /// The `ETag` of the version that the change is meant for.
    #[param(rename = "if-match")]
    version: Option<String>,
}

/// The document without its paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Marketplace",
        description = "Clients hire workers for the services they list. Errors are `application/problem+json` (RFC 9457) \
                       with a stable `code`. Calls are limited: `RateLimit` and `RateLimit-Policy` say how much is left. Lists are `{items, next}`; pass `next` as `after`. Every answer carries \
                       `X-Request-Id`. `PATCH` is a merge patch (RFC 7396).",
        contact(name = "Whoever runs this marketplace")
    ),
    servers((url = "/", description = "The server that this description comes from")),
    components(schemas(Document)),
    tags(
        (name = "auth", description = "Signing up and in, sessions, passwords"),
        (name = "me", description = "One's own account"),
        (name = "threads", description = "Conversations of a client and a worker, live as well"),
        (name = "jobs", description = "What a client and a worker agree on, from the first offer to the end"),
        (name = "reviews", description = "What the two sides of a job say about each other, and ratings"),
        (name = "reports", description = "What people report to staff, and appeals against decisions"),
        (name = "market", description = "What everybody sees: services, workers, clients"),
        (name = "services", description = "A worker's own services"),
        (name = "admin", description = "For staff"),
        (name = "admin kyc", description = "For staff: identity checks"),
        (name = "admin users", description = "For staff: users"),
        (name = "admin jobs", description = "For staff: jobs"),
        (name = "admin threads", description = "For staff: threads and messages"),
        (name = "admin reviews", description = "For staff: reviews and flags"),
        (name = "admin reports", description = "For staff: reports, decisions, appeals"),
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
    paths.filter(move |(_, item)| item.get.as_ref().is_some_and(is_public)).map(|(path, _)| path.as_str())
}

/// Returns whether an operation can be called without saying who calls.
fn is_public(operation: &Operation) -> bool {
    let none = SecurityRequirement::default();
    operation.security.as_ref().is_some_and(|ways| ways.is_empty() || ways.contains(&none))
}

struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in security_schemes() {
            components.security_schemes.insert(name.to_owned(), RefOr::T(scheme));
        }
        refer_to_items(components);
        for schema in components.schemas.values_mut() {
            without_defaults(schema);
        }
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
                    complete_operation(path, &method, operation, components);
                }
            }
        }
    }
}

/// Returns the ways to say who calls.
fn security_schemes() -> [(&'static str, SecurityScheme); 5] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "Access token of `POST /v1/auth/login`, valid for 10 minutes; on staff's routes also a token for scripts \
             (`mkt_…`, `POST /v1/admin/tokens`), within its scopes",
        ))
        .build();
    let cookie = |name, text: &str| SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, text)));
    let csrf = "The `csrf_token` of the session; needed besides the cookie by everything that changes something";
    [
        ("bearer", SecurityScheme::Http(bearer)),
        (
            "cookie",
            cookie(
                "__Host-marketplace",
                "Access token of a page that logged in with `X-Session-Mode: cookie`, where `cookies = true` (without \
                 `__Host-` on loopback without TLS)",
            ),
        ),
        (
            "refreshCookie",
            cookie("__Host-marketplace-refresh", "Refresh token of such a page, for `POST /v1/auth/refresh`"),
        ),
        ("csrf", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-CSRF-Token", csrf)))),
        (
            "ticket",
            SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(
                "ticket",
                "One-use ticket of `POST /v1/ws/ticket`",
            ))),
        ),
    ]
}

/// Replaces what a generic schema holds of the schema that it is named after by a reference: `Page_Message` has `Message`s.
fn refer_to_items(components: &mut Components) {
    let known = components.schemas.clone();
    for (name, schema) in &mut components.schemas {
        let item = name.split_once('_').map_or("", |(_, item)| item);
        if let Some(item_schema) = known.get(item) {
            each_part(schema, &mut |part| {
                if part == item_schema {
                    *part = Ref::from_schema_name(item).into();
                }
            });
        }
    }
}

/// Removes the defaults of members: a generator would make them members that are always sent.
fn without_defaults(schema: &mut RefOr<Schema>) {
    let remove = |schema: &mut RefOr<Schema>| {
        let RefOr::T(schema) = schema else { return };
        match schema {
            Schema::Array(inner) => inner.default = None,
            Schema::Object(inner) => inner.default = None,
            Schema::OneOf(inner) => inner.default = None,
            Schema::AllOf(inner) => inner.default = None,
            Schema::AnyOf(inner) => inner.default = None,
            _ => {}
        }
    };
    each_part(schema, &mut { remove });
}

/// Visits the schemas within a schema, the inner ones first.
fn each_part(schema: &mut RefOr<Schema>, visit: &mut impl FnMut(&mut RefOr<Schema>)) {
    let RefOr::T(schema) = schema else { return };
    let mut part = |part: &mut RefOr<Schema>| {
        each_part(part, visit);
        visit(part);
    };
    match schema {
        Schema::Object(object) => {
            object.properties.values_mut().for_each(&mut part);
            if let Some(AdditionalProperties::RefOr(rest)) = object.additional_properties.as_deref_mut() {
                part(rest);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                part(items);
            }
        }
        Schema::OneOf(list) => list.items.iter_mut().for_each(part),
        Schema::AllOf(list) => list.items.iter_mut().for_each(part),
        Schema::AnyOf(list) => list.items.iter_mut().for_each(part),
        _ => {}
    }
}

fn complete_operation(path: &str, method: &HttpMethod, operation: &mut Operation, components: &Components) {
    let is_public = is_public(operation);
    match &mut operation.security {
        // Anybody, and nobody has another way.
        Some(ways) if is_public && ways.len() == 1 => ways.clear(),
        Some(_) => {}
        None => operation.security = Some(signed_in(method)),
    }
    operation.operation_id = operation.operation_id.take().map(|name| camel_case(&name));
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.iter_mut().for_each(binary);
        let is_needed = body.content.values().any(|content| !may_be_empty(content, components));
        body.required = Some(if is_needed { Required::True } else { Required::False });
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.iter_mut().for_each(binary);
        }
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema.iter_mut().for_each(never_null);
        }
    }
    for (status, text) in errors(path, operation, is_public) {
        let response = || ResponseBuilder::new().description(text).build().into();
        operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            response.content.insert("application/problem+json".to_owned(), problem.into());
        }
        if status == "429" {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).description(Some("Seconds"));
            let header = HeaderBuilder::new().schema(Some(seconds)).build();
            response.headers.insert("retry-after".to_owned(), header.into());
        }
    }
}

/// Describes a parameter that can be left out as such: a text has no way to say `null`.
fn never_null(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(Object { schema_type, .. })) = schema
        && let SchemaType::Array(types) = schema_type
        && let Some(only) = types.iter().find(|one| **one != Type::Null)
    {
        *schema_type = SchemaType::Type(only.clone());
    }
}

/// Returns the ways in which somebody with a session calls.
fn signed_in(method: &HttpMethod) -> Vec<SecurityRequirement> {
    let requires = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    let cookie = requires("cookie");
    let is_safe = matches!(method, HttpMethod::Get);
    vec![requires("bearer"), if is_safe { cookie } else { cookie.add("csrf", Vec::<String>::new()) }]
}

/// Describes bytes that are neither JSON nor a form nor text as such.
fn binary((media_type, content): (&String, &mut RefOr<Content>)) {
    let RefOr::T(content) = content else { return };
    if ["image/", "application/pdf", "application/zip", "application/octet-stream"]
        .iter()
        .any(|kind| media_type.starts_with(kind))
    {
        let bytes =
            ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        content.schema = Some(bytes.into());
    }
}

/// Returns whether a body may be left out: an empty one stands for an object without members.
fn may_be_empty(content: &RefOr<Content>, components: &Components) -> bool {
    let RefOr::T(content) = content else { return false };
    let schema = match &content.schema {
        Some(RefOr::Ref(reference)) => {
            reference.ref_location.rsplit('/').next().and_then(|name| components.schemas.get(name))
        }
        other => other.as_ref(),
    };
    matches!(schema, Some(RefOr::T(Schema::Object(object))) if object.format.is_none() && object.required.is_empty())
}

/// Returns the name of a function or of an operation as the name of an operation: `list_services` and `ListServices` as `listServices`.
fn camel_case(name: &str) -> String {
    let mut starts_word = false;
    let letter = |(at, letter): (usize, char)| {
        let begins = std::mem::replace(&mut starts_word, letter == '_');
        match letter {
            '_' => None,
            _ if at == 0 => Some(letter.to_ascii_lowercase()),
            _ if begins => Some(letter.to_ascii_uppercase()),
            _ => Some(letter),
        }
    };
    name.chars().enumerate().filter_map(letter).collect()
}

/// Returns every error that a route of this shape can respond with, besides those that it declares itself.
fn errors(path: &str, operation: &Operation, is_public: bool) -> Vec<(&'static str, &'static str)> {
    let mut errors = Vec::new();
    if !path.starts_with("/v1/") {
        if path == "/readyz" {
            errors.push(("503", "Not ready"));
        }
        return errors;
    }
    let has = |wanted: &dyn Fn(&Parameter) -> bool| {
        operation.parameters.iter().flatten().any(|parameter| matches!(parameter, RefOr::T(found) if wanted(found)))
    };
    let is_in = |place: ParameterIn| has(&move |parameter| parameter.parameter_in == place);
    let has_header = |name: &str| has(&|parameter| parameter.name == name);
    let has_body = operation.request_body.is_some();
    errors.push(("500", "A fault of ours; the log has it under the request id"));
    errors.push(("503", "Busy, or something that is needed cannot be reached; try again"));
    if has_body || is_in(ParameterIn::Query) || is_in(ParameterIn::Header) {
        errors.push(("400", "The request is not well-formed"));
    }
    if has_body || is_in(ParameterIn::Query) {
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
    if is_in(ParameterIn::Path) {
        errors.push(("404", "There is no such thing, or it is not for the caller to know of"));
    }
    if has_header("idempotency-key") {
        errors.push(("409", "Somebody else was first, or the thing is in another state; `current` says which"));
    }
    if has_header("if-match") {
        errors.push(("412", "`If-Match` named another version"));
    }
    errors.push(("429", "Too many calls; `Retry-After` says when to come back"));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_in_camel_case() {
        for (name, id) in [("list_services", "listServices"), ("BanUser", "banUser"), ("get", "get")] {
            assert_eq!(camel_case(name), id);
        }
    }
}
