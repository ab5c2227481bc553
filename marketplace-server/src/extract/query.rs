//! Query strings. An invalid one is 400, with a pointer to the parameter.

use axum::{extract::FromRequestParts, http::request::Parts};
use marketplace_core::{
    error::Error,
    page::PageRequest,
    staff::{ListQuery, Query, QueryReader},
};
use serde::de::DeserializeOwned;

use crate::{ctx::Ctx, problem::Problem};

/// The whole query string as one type.
#[derive(Debug)]
pub(crate) struct Params<T>(pub T);

/// The query string of a list: a filter, and the page that is requested.
#[derive(Debug)]
pub(crate) struct List<F>(pub F, pub PageRequest);

/// A query string that is read in parts.
pub(crate) struct QueryText<'q>(pub &'q str);

impl QueryReader for QueryText<'_> {
    type Error = Problem;

    fn read<T: DeserializeOwned>(&self, takes: impl Fn(&str) -> bool) -> Result<T, Problem> {
        let pairs = self.0.split('&').filter(|pair| takes(pair.split('=').next().unwrap_or_default()));
        parse(&pairs.collect::<Vec<_>>().join("&"))
    }

    fn refuse(error: Error) -> Problem {
        Problem::malformed(error)
    }
}

impl<T: DeserializeOwned> FromRequestParts<Ctx> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _ctx: &Ctx) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<F> FromRequestParts<Ctx> for List<F>
where
    ListQuery<F>: Query,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _ctx: &Ctx) -> Result<Self, Problem> {
        let ListQuery { filter, page } = ListQuery::read(&QueryText(parts.uri.query().unwrap_or_default()))?;
        Ok(Self(filter, page))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    for (name, value) in pairs {
        if name.contains('\0') || value.contains('\0') {
            let name = name.replace('\0', "");
            return Err(Problem::malformed(Error::invalid(format!("/{name}"), "must not have NUL characters")));
        }
    }
    let values = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(values).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        Problem::malformed(Error::invalid_fields(vec![super::input::field_error(&path_pointer(&path), &text)]))
    })
}

fn path_pointer(path: &str) -> String {
    if path == "." { String::new() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use marketplace_core::{accounts::summary::UserFilter, kyc::model::KycFilter};

    use super::*;

    #[test]
    fn values_are_typed() {
        let filter: UserFilter = parse("q=ada%20obi&role=worker&reveal=true").unwrap();
        assert_eq!((filter.q.as_deref(), filter.reveal), (Some("ada obi"), true));
        assert_eq!(parse::<UserFilter>("").unwrap(), UserFilter::default());
    }

    #[test]
    fn what_does_not_fit_names_the_parameter() {
        let pointer = |problem: Problem| (problem.status().as_u16(), problem.error().fields()[0].pointer.clone());
        let page = |query: &str| pointer(parse::<PageRequest>(query).unwrap_err());
        assert_eq!(page("limit=99999999999999999999"), (400, "/limit".into()));
        assert_eq!(page("limit=ten"), (400, "/limit".into()));
        assert_eq!(page("limit=1&limit=2"), (400, "/limit".into()));
        assert_eq!(pointer(parse::<KycFilter>("status=done").unwrap_err()), (400, "/status".into()));
        assert_eq!(pointer(parse::<KycFilter>("nonsense=1").unwrap_err()), (400, "/nonsense".into()));
        assert_eq!(pointer(parse::<UserFilter>("q=a%00b").unwrap_err()), (400, "/q".into()));
    }
}
