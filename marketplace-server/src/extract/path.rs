//! Ids in paths. A malformed id is `not_found`.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use marketplace_core::{
    error::Error,
    ids::{AttachmentId, Named, PhotoId},
};

use crate::{ctx::Ctx, problem::Problem};

fn parameter<T: Named>(params: &RawPathParams, name: &str) -> Result<T, Problem> {
    params
        .iter()
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| Error::not_found(T::NAME).into())
}

/// The `{id}` of the path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub T);

impl<T: Named> FromRequestParts<Ctx> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, ctx).await.map_err(|_| Error::not_found(T::NAME))?;
        parameter(&params, "id").map(Self)
    }
}

/// The `{provider}` of the path.
#[derive(Debug)]
pub(crate) struct ProviderName(pub String);

impl FromRequestParts<Ctx> for ProviderName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let unknown = || Error::not_found("provider");
        let params = RawPathParams::from_request_parts(parts, ctx).await.map_err(|_| unknown())?;
        let name = params.iter().find(|(key, _)| *key == "provider").map(|(_, value)| value.to_owned());
        Ok(Self(name.ok_or_else(unknown)?))
    }
}

/// The `{attachment_id}` of the path.
#[derive(Debug)]
pub(crate) struct Attached(pub AttachmentId);

impl FromRequestParts<Ctx> for Attached {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let params =
            RawPathParams::from_request_parts(parts, ctx).await.map_err(|_| Error::not_found(AttachmentId::NAME))?;
        parameter(&params, "attachment_id").map(Self)
    }
}

/// The `{n}` of the path, a place in a list: 1 for the first.
#[derive(Debug)]
pub(crate) struct Nth(pub usize);

impl FromRequestParts<Ctx> for Nth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let none = || Error::not_found(PhotoId::NAME);
        let params = RawPathParams::from_request_parts(parts, ctx).await.map_err(|_| none())?;
        let place = params.iter().find(|(key, _)| *key == "n").and_then(|(_, value)| value.parse().ok());
        Ok(Self(place.ok_or_else(none)?))
    }
}
