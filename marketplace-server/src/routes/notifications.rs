//! Notifications, and switching their mails off.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{Extensions, HeaderMap, StatusCode},
    response::Response,
};
use marketplace_core::{
    base::rate::Class,
    error::Error,
    notifications::{
        self,
        model::{
            Notification, NotificationFilter, NotificationSettings, NotificationsRead, Unread, Unsubscribe,
            UpdateNotificationSettings,
        },
    },
    page::{Page, PageRequest},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, versioned};
use crate::{
    ctx::Ctx,
    extract::{Asked, IfMatch, Input, List, Params, address_of},
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_notifications))
        .routes(routes!(count_unread_notifications))
        .routes(routes!(mark_notifications_read))
        .routes(routes!(get_notification_settings, update_notification_settings))
        .routes(routes!(unsubscribe_from_mails))
}

/// What concerns the caller, newest first. Titles are in the language of their settings.
#[utoipa::path(get, path = "/v1/me/notifications", tag = "me", params(NotificationFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<Notification>)))]
pub(crate) async fn list_notifications(
    Asked(op): Asked,
    List(filter, page): List<NotificationFilter>,
) -> Answer<Json<Page<Notification>>> {
    Ok(Json(notifications::list(&op, filter, &page).await?))
}

/// How many notifications are unread.
#[utoipa::path(get, path = "/v1/me/notifications/unread", tag = "me",
    responses((status = 200, description = "The number", body = Unread)))]
pub(crate) async fn count_unread_notifications(Asked(op): Asked) -> Answer<Json<Unread>> {
    Ok(Json(notifications::unread(&op).await?))
}

/// Mark notifications as read: some by their ids, or one and all older ones. No mail is sent of what was read. Those that are not
/// the caller's are passed over.
#[utoipa::path(post, path = "/v1/me/notifications/read", tag = "me", request_body = NotificationsRead,
    responses((status = 200, description = "What is left", body = Unread)))]
pub(crate) async fn mark_notifications_read(
    Asked(op): Asked,
    Input(read): Input<NotificationsRead>,
) -> Answer<Json<Unread>> {
    Ok(Json(notifications::mark_read(&op, read).await?))
}

/// The language of mails and titles, and which kinds are mailed.
#[utoipa::path(get, path = "/v1/me/notification-settings", tag = "me",
    responses((status = 200, description = "The settings", body = NotificationSettings, headers(("etag" = String)))))]
pub(crate) async fn get_notification_settings(Asked(op): Asked) -> Answer<Response> {
    let settings = notifications::settings(&op).await?;
    Ok(versioned(settings.version, settings))
}

/// Change the language, or which kinds are mailed. A member that is left out stays.
#[utoipa::path(patch, path = "/v1/me/notification-settings", tag = "me", request_body = UpdateNotificationSettings,
    params(("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The settings", body = NotificationSettings, headers(("etag" = String)))))]
pub(crate) async fn update_notification_settings(
    Asked(op): Asked,
    if_match: IfMatch,
    Input(update): Input<UpdateNotificationSettings>,
) -> Answer<Response> {
    let settings = notifications::update_settings(&if_match.at(&op), update).await?;
    Ok(versioned(settings.version, settings))
}

/// The query of a mail's `List-Unsubscribe`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnsubscribeQuery {
    /// The token of the mail, as programs that read mails send it (RFC 8058); then the body does not matter.
    pub token: Option<String>,
}

/// Switch off mails of one kind, with the token of a mail and without logging in. Doing it again changes nothing.
#[utoipa::path(post, path = "/v1/unsubscribe", tag = "me", security(()), params(UnsubscribeQuery),
    request_body = Option<Unsubscribe>,
    responses((status = 204, description = "No more mails of this kind are sent")))]
pub(crate) async fn unsubscribe_from_mails(
    State(ctx): State<Ctx>,
    Params(query): Params<UnsubscribeQuery>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Answer<StatusCode> {
    ctx.app.admit_address(Class::Public, address_of(&extensions, &headers, &ctx)).await?;
    let asked = match query.token {
        Some(token) => Unsubscribe { token },
        None => serde_json::from_slice(&body).map_err(|_| Error::invalid("/token", "is required"))?,
    };
    notifications::unsubscribe(&ctx.app, &asked).await?;
    Ok(DONE)
}
