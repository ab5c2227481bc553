//! Login through OpenID Connect providers, and the identities that are linked to the caller's account.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use marketplace_core::{
    auth::{Proof, Tokens},
    ids::IdentityId,
    oidc::{
        model::{BeginLogin, Callback, IdentityView, Outcome, ProviderView},
        ops,
    },
    page::{Page, PageRequest},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::DONE;
use crate::{
    cookies::{self, Cookie, InCookies, SessionAnswer},
    ctx::Ctx,
    extract::{Asked, Client, Id, Input, Params, ProviderName},
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_providers))
        .routes(routes!(begin_provider_login))
        .routes(routes!(finish_provider_login))
        .routes(routes!(exchange_login_code))
        .routes(routes!(list_identities))
        .routes(routes!(remove_identity))
}

/// What a page came back with, and what it kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExchangeInput {
    /// The `code` in the query of the redirect; good once, for two minutes.
    code: String,
    /// The secret whose hash was the login's `code_challenge` (RFC 7636).
    code_verifier: String,
    /// The six digits that the device of the second factor shows, where the account has one.
    #[serde(default)]
    totp: Option<String>,
    /// In place of `totp`: a recovery code, which is used up.
    #[serde(default)]
    recovery_code: Option<String>,
}

/// The providers that people can log in through.
#[utoipa::path(get, path = "/v1/auth/oidc", tag = "auth", security(()),
    responses((status = 200, description = "All of them", body = Page<ProviderView>)))]
pub(crate) async fn list_providers(State(ctx): State<Ctx>) -> Json<Page<ProviderView>> {
    Json(ops::providers(&ctx.app))
}

/// Log in through a provider: a browser that comes here is sent there. With an address that the provider vouches for, a first
/// login makes an account, or adds a way into the verified account with that address.
#[utoipa::path(get, path = "/v1/auth/oidc/{provider}/login", tag = "auth", security(()),
    params(("provider" = String, Path, description = "Its name"), BeginLogin),
    responses((status = 302, description = "To the provider's page; a cookie binds the login to this browser for ten minutes"),
        (status = 429, description = "Too many tries; `Retry-After` says when to come back")))]
pub(crate) async fn begin_provider_login(
    State(ctx): State<Ctx>,
    Client(client): Client,
    ProviderName(provider): ProviderName,
    Params(wish): Params<BeginLogin>,
) -> Answer<Response> {
    let begun = ops::begin_login(&ctx.app, &client, &provider, &wish).await?;
    let cookie = cookies::login_begun(&ctx, &begun.browser)?;
    Ok((StatusCode::FOUND, [cookie, (LOCATION, location(&begun.location)?)]).into_response())
}

/// Where the provider sends the browser back to. A login that was begun with `redirect` goes on there, with `code` or with
/// `error` and `error_description` in the query; without one, the tokens are answered here.
#[utoipa::path(get, path = "/v1/auth/oidc/{provider}/callback", tag = "auth", security(()),
    params(("provider" = String, Path, description = "Its name"), Callback),
    responses((status = 200, description = "A new session", body = Tokens),
        (status = 302, description = "To the page that began the login"),
        (status = 401, description = "Not begun in this browser, or the provider's answer does not hold"),
        (status = 403, description = "The account is closed, or the provider does not vouch for the address"),
        (status = 429, description = "Too many tries; `Retry-After` says when to come back")))]
pub(crate) async fn finish_provider_login(
    State(ctx): State<Ctx>,
    Client(client): Client,
    ProviderName(provider): ProviderName,
    Params(answer): Params<Callback>,
    headers: HeaderMap,
) -> Answer<Response> {
    let browser = Cookie::Login.read(&ctx.app.config, &headers);
    let outcome = ops::finish_login(&ctx.app, &client, &provider, &answer, browser).await?;
    let done = [Cookie::Login.header(&ctx.app.config, "", 0)?];
    Ok(match outcome {
        Outcome::Tokens(tokens) => (done, Json(tokens)).into_response(),
        Outcome::Redirect(page) => (StatusCode::FOUND, done, [(LOCATION, location(&page)?)]).into_response(),
    })
}

/// For pages: exchange the code of a redirect for a session. Where the account has a second factor, the code alone is answered 401
/// with `second_factor`, and can be sent again with one.
#[utoipa::path(post, path = "/v1/auth/oidc/exchange", tag = "auth", security(()), request_body = ExchangeInput,
    params(("x-session-mode" = Option<String>, Header, description = "`cookie`: the session is kept in cookies")),
    responses((status = 200, description = "A new session", body = SessionAnswer),
        (status = 401, description = "A second factor is needed as well"),
        (status = 403, description = "The account is closed, or a page of this origin may not")))]
pub(crate) async fn exchange_login_code(
    State(ctx): State<Ctx>,
    Client(client): Client,
    in_cookies: InCookies,
    Input(input): Input<ExchangeInput>,
) -> Answer<Response> {
    let proof = Proof::of(input.totp, input.recovery_code)?;
    let tokens = ops::exchange(&ctx.app, &client, &input.code, &input.code_verifier, proof.as_ref()).await?;
    in_cookies.answer(&ctx, tokens)
}

/// The ways into one's account through providers, newest first.
#[utoipa::path(get, path = "/v1/me/identities", tag = "me", params(PageRequest),
    responses((status = 200, description = "A page", body = Page<IdentityView>)))]
pub(crate) async fn list_identities(
    Asked(op): Asked,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<IdentityView>>> {
    Ok(Json(ops::identities(&op, &page).await?))
}

/// Close one of them. The last way into an account without a password stays.
#[utoipa::path(delete, path = "/v1/me/identities/{id}", tag = "me", params(("id" = IdentityId, Path)),
    responses((status = 204, description = "Closed"),
        (status = 409, description = "It is the last way into the account")))]
pub(crate) async fn remove_identity(Asked(op): Asked, Id(id): Id<IdentityId>) -> Answer<StatusCode> {
    ops::remove_identity(&op, id).await?;
    Ok(DONE)
}

fn location(url: &url::Url) -> Answer<axum::http::HeaderValue> {
    use marketplace_core::error::Error;
    Ok(axum::http::HeaderValue::try_from(url.as_str()).map_err(Error::internal)?)
}
