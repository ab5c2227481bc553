//! Sign-up, login, sessions and credentials.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use marketplace_core::{
    accounts::model::{Password, SignUp},
    auth::{self, Enrolment, Proof, RecoveryCodes, SessionView},
    export,
    ids::{CaseId, SessionId},
    page::{Page, PageRequest},
    reports::{
        self,
        model::{NewAppeal, OwnDecision},
    },
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, PasswordInput, TAKEN, download};
use crate::{
    cookies::{self, InCookies, SessionAnswer},
    ctx::Ctx,
    extract::{Asked, Client, Id, Input, Params},
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(verify_email))
        .routes(routes!(resend_verification))
        .routes(routes!(log_in))
        .routes(routes!(refresh_session))
        .routes(routes!(log_out))
        .routes(routes!(log_out_everywhere))
        .routes(routes!(request_password_reset))
        .routes(routes!(reset_password))
        .routes(routes!(change_password))
        .routes(routes!(request_email_change))
        .routes(routes!(confirm_email_change))
        .routes(routes!(delete_own_data))
        .routes(routes!(export_own_data))
        .routes(routes!(appeal_by_link))
        .routes(routes!(begin_totp, disable_totp))
        .routes(routes!(confirm_totp))
        .routes(routes!(list_sessions))
        .routes(routes!(revoke_session))
}

/// A one-time token from a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenInput {
    /// As the link in the mail carries it.
    token: String,
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailInput {
    /// Compared without regard to case.
    #[schema(max_length = 254)]
    email: String,
}

/// Address and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// Compared without regard to case.
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// The six digits that the device of the second factor shows, where the account has one.
    #[serde(default)]
    totp: Option<String>,
    /// In place of `totp`: a recovery code, which is used up.
    #[serde(default)]
    recovery_code: Option<String>,
}

/// A code of a new second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeInput {
    /// The six digits that the device shows.
    code: String,
}

/// Password and second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisableTotpInput {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// The six digits that the device shows.
    #[serde(default)]
    totp: Option<String>,
    /// In place of `totp`: a recovery code.
    #[serde(default)]
    recovery_code: Option<String>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshInput {
    /// The newest one of the session. With `X-Session-Mode: cookie` it is in the cookie instead.
    #[serde(default)]
    refresh_token: Option<String>,
}

/// A new password, by a token from a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetInput {
    /// As the link in the mail carries it.
    token: String,
    /// The new password: 8 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: Password,
}

/// A new password, by the old one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePasswordInput {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: Password,
    /// The new password: 8 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: Password,
}

/// A new address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeEmailInput {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// The new address.
    #[schema(max_length = 254)]
    email: String,
}

/// Sign up as a client or a worker. The answer is the same whether or not the address is taken; a mail says more.
#[utoipa::path(post, path = "/v1/auth/signup", tag = "auth", security(()), request_body = SignUp,
    responses((status = 202, description = "Taken; look into your mail")))]
pub(crate) async fn sign_up(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<SignUp>,
) -> Answer<StatusCode> {
    auth::signup(&ctx.app, &client, input).await?;
    Ok(TAKEN)
}

/// Confirm one's address with the token from the mail.
#[utoipa::path(post, path = "/v1/auth/verify-email", tag = "auth", security(()), request_body = TokenInput,
    responses((status = 204, description = "Confirmed")))]
pub(crate) async fn verify_email(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<TokenInput>,
) -> Answer<StatusCode> {
    auth::verify_email(&ctx.app, &client, &input.token).await?;
    Ok(DONE)
}

/// Ask for the mail again. The answer is the same whether or not there is such an account.
#[utoipa::path(post, path = "/v1/auth/verify-email/resend", tag = "auth", security(()), request_body = EmailInput,
    responses((status = 202, description = "Taken")))]
pub(crate) async fn resend_verification(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<EmailInput>,
) -> Answer<StatusCode> {
    auth::resend_verification(&ctx.app, &client, &input.email).await?;
    Ok(TAKEN)
}

/// Log in. Where the account has a second factor, the right password alone is answered 401 with `second_factor`.
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", security(()), request_body = Credentials,
    params(("x-session-mode" = Option<String>, Header, description = "`cookie`: the session is kept in cookies")),
    responses((status = 200, description = "A new session", body = SessionAnswer),
        (status = 401, description = "Address or password is wrong, or the account may not log in"),
        (status = 403, description = "The account is closed, or a page of this origin may not")))]
pub(crate) async fn log_in(
    State(ctx): State<Ctx>,
    Client(client): Client,
    in_cookies: InCookies,
    Input(input): Input<Credentials>,
) -> Answer<Response> {
    let proof = Proof::of(input.totp, input.recovery_code)?;
    let tokens = auth::login_with(&ctx.app, &client, &input.email, &input.password, proof.as_ref()).await?;
    in_cookies.answer(&ctx, tokens)
}

/// Begin to enrol a second factor (TOTP, RFC 6238): a secret for an authenticator app. It counts once a code was confirmed.
#[utoipa::path(post, path = "/v1/auth/totp", tag = "auth", request_body = PasswordInput,
    responses((status = 200, description = "The secret, this once", body = Enrolment),
        (status = 409, description = "A second factor is on")))]
pub(crate) async fn begin_totp(Asked(op): Asked, Input(input): Input<PasswordInput>) -> Answer<Json<Enrolment>> {
    Ok(Json(auth::begin_totp(&op, &input.password).await?))
}

/// Turn the second factor on, with a first code. Ends every other session.
#[utoipa::path(post, path = "/v1/auth/totp/confirm", tag = "auth", request_body = CodeInput,
    responses((status = 200, description = "On; recovery codes, this once", body = RecoveryCodes),
        (status = 409, description = "Nothing was begun")))]
pub(crate) async fn confirm_totp(Asked(op): Asked, Input(input): Input<CodeInput>) -> Answer<Json<RecoveryCodes>> {
    Ok(Json(auth::confirm_totp(&op, &input.code).await?))
}

/// Remove the second factor, with the password and a code. Ends every other session.
#[utoipa::path(delete, path = "/v1/auth/totp", tag = "auth", request_body = DisableTotpInput,
    responses((status = 204, description = "Removed"), (status = 409, description = "There is none")))]
pub(crate) async fn disable_totp(
    Asked(op): Asked,
    Client(client): Client,
    Input(input): Input<DisableTotpInput>,
) -> Answer<StatusCode> {
    let proof = Proof::of(input.totp, input.recovery_code)?;
    auth::disable_totp(&op, &client, &input.password, proof.as_ref()).await?;
    Ok(DONE)
}

/// Exchange the refresh token for new tokens. For 15 seconds after its first use it gives the same next one again; used later, it
/// ends the session.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", security((), ("refreshCookie" = [], "csrf" = [])), request_body = RefreshInput,
    params(("x-session-mode" = Option<String>, Header, description = "`cookie`: the session is kept in cookies")),
    responses((status = 200, description = "The session goes on", body = SessionAnswer),
        (status = 401, description = "The token is not, or no longer, valid"),
        (status = 403, description = "Under a cookie: without the session's CSRF token, or by a page that may not")))]
pub(crate) async fn refresh_session(
    State(ctx): State<Ctx>,
    Client(client): Client,
    in_cookies: InCookies,
    headers: HeaderMap,
    Input(input): Input<RefreshInput>,
) -> Answer<Response> {
    let token = in_cookies.refresh_token(&ctx, &headers, input.refresh_token)?;
    in_cookies.answer(&ctx, auth::refresh(&ctx.app, &client, &token).await?)
}

/// End this session, everywhere at once.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", responses((status = 204, description = "Ended")))]
pub(crate) async fn log_out(State(ctx): State<Ctx>, Asked(op): Asked, headers: HeaderMap) -> Answer<Response> {
    auth::logout(&op).await?;
    cookies::cleared(&ctx, &headers, DONE)
}

/// End every session of this account.
#[utoipa::path(post, path = "/v1/auth/logout-all", tag = "auth", responses((status = 204, description = "Ended")))]
pub(crate) async fn log_out_everywhere(
    State(ctx): State<Ctx>,
    Asked(op): Asked,
    headers: HeaderMap,
) -> Answer<Response> {
    auth::logout_all(&op).await?;
    cookies::cleared(&ctx, &headers, DONE)
}

/// Ask for a mail to set a new password. The answer is the same whether or not there is such an account.
#[utoipa::path(post, path = "/v1/auth/password/forgot", tag = "auth", security(()), request_body = EmailInput,
    responses((status = 202, description = "Taken")))]
pub(crate) async fn request_password_reset(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<EmailInput>,
) -> Answer<StatusCode> {
    auth::forgot_password(&ctx.app, &client, &input.email).await?;
    Ok(TAKEN)
}

/// Set a new password with the token from the mail. Ends every session.
#[utoipa::path(post, path = "/v1/auth/password/reset", tag = "auth", security(()), request_body = ResetInput,
    responses((status = 204, description = "Set")))]
pub(crate) async fn reset_password(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<ResetInput>,
) -> Answer<StatusCode> {
    auth::reset_password(&ctx.app, &client, &input.token, &input.password).await?;
    Ok(DONE)
}

/// Set a new password with the present one.
#[utoipa::path(post, path = "/v1/auth/password/change", tag = "auth", request_body = ChangePasswordInput,
    responses((status = 204, description = "Set")))]
pub(crate) async fn change_password(Asked(op): Asked, Input(input): Input<ChangePasswordInput>) -> Answer<StatusCode> {
    auth::change_password(&op, &input.current_password, &input.password).await?;
    Ok(DONE)
}

/// Ask to change the address. It changes when the new one is confirmed; the old one is told.
#[utoipa::path(post, path = "/v1/auth/email/change", tag = "auth", request_body = ChangeEmailInput,
    responses((status = 202, description = "Taken; look into the new address's mail")))]
pub(crate) async fn request_email_change(
    Asked(op): Asked,
    Input(input): Input<ChangeEmailInput>,
) -> Answer<StatusCode> {
    auth::change_email(&op, &input.password, &input.email).await?;
    Ok(TAKEN)
}

/// Confirm the new address with the token from the mail.
#[utoipa::path(post, path = "/v1/auth/email/confirm", tag = "auth", security(()), request_body = TokenInput,
    responses((status = 204, description = "Changed")))]
pub(crate) async fn confirm_email_change(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<TokenInput>,
) -> Answer<StatusCode> {
    auth::confirm_email(&ctx.app, &client, &input.token).await?;
    Ok(DONE)
}

/// Delete the data of a banned person, with the token from the mail about the ban.
#[utoipa::path(post, path = "/v1/auth/own-data/delete", tag = "auth", security(()), request_body = TokenInput,
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete_own_data(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<TokenInput>,
) -> Answer<StatusCode> {
    auth::delete_own_data(&ctx.app, &client, &input.token).await?;
    Ok(DONE)
}

/// Everything that is stored of a banned person, with the token from the mail about the ban; the token goes on working.
#[utoipa::path(post, path = "/v1/auth/own-data/export", tag = "auth", security(()), request_body = TokenInput,
    responses((status = 200, description = "The archive", content_type = "application/zip")))]
pub(crate) async fn export_own_data(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(input): Input<TokenInput>,
) -> Answer<Response> {
    download(&ctx, export::by_link(&ctx.app, &client, &input.token)).await
}

/// An appeal of a banned person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkAppealInput {
    /// As the link in the mail about the ban carries it.
    token: String,
    /// Why the decision is wrong, 1 to 2,000 characters.
    text: String,
    /// The decision's number, from the mail about it; without one, the newest that banned the person.
    #[serde(default)]
    decision: Option<CaseId>,
}

/// Appeal against a ban that was decided after reports, with the token from the mail about the ban; once, and within 14 days. The
/// token goes on working.
#[utoipa::path(post, path = "/v1/auth/own-data/appeal", tag = "auth", security(()), request_body = LinkAppealInput,
    responses((status = 200, description = "The decision with the appeal", body = OwnDecision),
        (status = 409, description = "There is another appeal, or the time is over")))]
pub(crate) async fn appeal_by_link(
    State(ctx): State<Ctx>,
    Client(client): Client,
    Input(LinkAppealInput { token, text, decision }): Input<LinkAppealInput>,
) -> Answer<Json<OwnDecision>> {
    let appeal = NewAppeal { text };
    Ok(Json(reports::appeal_by_link(&ctx.app, &client, &token, decision, &appeal).await?))
}

/// One's own sessions, newest first.
#[utoipa::path(get, path = "/v1/auth/sessions", tag = "auth", params(PageRequest),
    responses((status = 200, description = "A page", body = Page<SessionView>)))]
pub(crate) async fn list_sessions(
    Asked(op): Asked,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<SessionView>>> {
    Ok(Json(auth::sessions(&op, &page).await?))
}

/// End one of one's own sessions.
#[utoipa::path(delete, path = "/v1/auth/sessions/{id}", tag = "auth", params(("id" = SessionId, Path)),
    responses((status = 204, description = "Ended")))]
pub(crate) async fn revoke_session(Asked(op): Asked, Id(id): Id<SessionId>) -> Answer<StatusCode> {
    auth::revoke_session(&op, id).await?;
    Ok(DONE)
}
