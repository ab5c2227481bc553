//! Reads the access token from the `Authorization` header.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use marketplace_core::error::Error;

use crate::problem::Problem;

/// Upper limit of a token's bytes; an access token has about 400, and anything longer is rejected unread.
const TOKEN_LIMIT: usize = 4_096;

/// Returns the token of the single `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let missing = || Error::unauthenticated("this needs `Authorization: Bearer <access token>`; log in to get one");
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(Error::unauthenticated("there is more than one Authorization header").into());
    }
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing().into());
    }
    if token.len() > TOKEN_LIMIT {
        return Err(Error::unauthenticated("the access token is not valid").into());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned).ok()
        };
        assert_eq!(with(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["bearer abc"]).as_deref(), Some("abc"));
        for bad in [&[][..], &["abc"], &["Basic abc"], &["Bearer "], &["Bearer a", "Bearer b"]] {
            assert_eq!(with(bad), None, "{bad:?}");
        }
        assert_eq!(with(&[&format!("Bearer {}", "a".repeat(5_000))]), None);
    }
}
