//! Sessions in cookies, for browser apps that keep their tokens out of reach of scripts; off unless `cookies = true`.
//!
//! A page requests it with `X-Session-Mode: cookie` at login, refresh or exchange of a code. Browsers send cookies
//! whichever page makes the request, so a cookie alone authorizes no change: unsafe methods also need the session's
//! `X-CSRF-Token`, and an `Origin` that is allowed (OWASP, Cross-Site Request Forgery Prevention Cheat Sheet).
//! `Authorization` takes precedence.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use cookie::{Cookie as RawCookie, SameSite, time::Duration};
use marketplace_core::{
    app::App,
    auth::{self, Tokens},
    config::Config,
    error::{Error, ErrorCode},
    ids::SessionId,
    oidc::model::LOGIN,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    extract::bearer,
    problem::{Answer, Problem},
};

/// The header that asks for cookies in place of tokens.
pub(crate) static X_SESSION_MODE: HeaderName = HeaderName::from_static("x-session-mode");
/// The header that shows that one of our own pages sends the request.
pub(crate) static X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// A cookie that a browser keeps for this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The access token.
    Access,
    /// The session and its refresh token.
    Refresh,
    /// A login in progress at a provider.
    Login,
}

impl Cookie {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "marketplace",
            Self::Refresh => "marketplace-refresh",
            Self::Login => "marketplace-login",
        }
    }

    /// The way back from a provider is a link from another site, with which a `Strict` cookie would not be sent.
    fn same_site(self) -> SameSite {
        if self == Self::Login { SameSite::Lax } else { SameSite::Strict }
    }

    /// The `__Host-` prefix keeps other hosts and plain connections from setting the cookie (RFC 6265bis §4.1.3.2). A
    /// server on loopback without TLS has to do without it: browsers accept the prefix over TLS only.
    fn prefix(config: &Config) -> &'static str {
        if config.public_url.scheme() == "https" { "__Host-" } else { "" }
    }

    /// Returns its value, when there is exactly one cookie of its name.
    pub fn read<'h>(self, config: &Config, headers: &'h HeaderMap) -> Option<&'h str> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let cookies = lines.flat_map(RawCookie::split_parse).filter_map(Result::ok);
        let is_ours = |cookie: &RawCookie<'_>| cookie.name().strip_prefix(Self::prefix(config)) == Some(self.name());
        let mut found = cookies.filter(is_ours).filter_map(|cookie| cookie.value_raw());
        let value = found.next()?;
        found.next().is_none().then_some(value).filter(|value| !value.is_empty())
    }

    /// Returns the header that sets the cookie for `seconds`; with 0 seconds, the header that removes it.
    pub fn header(self, config: &Config, value: &str, seconds: u64) -> Answer<(HeaderName, HeaderValue)> {
        let prefix = Self::prefix(config);
        let cookie = RawCookie::build((format!("{prefix}{}", self.name()), value))
            .path("/")
            .secure(!prefix.is_empty())
            .http_only(true)
            .same_site(self.same_site())
            .max_age(Duration::seconds(seconds.try_into().map_err(Error::internal)?));
        Ok((SET_COOKIE, HeaderValue::try_from(cookie.to_string()).map_err(Error::internal)?))
    }
}

/// Returns the token of a request: from `Authorization`, or from the cookie of a page that may use cookies.
pub(crate) fn credential<'h>(app: &App, method: &Method, headers: &'h HeaderMap) -> Answer<&'h str> {
    let config = &app.config;
    let in_cookie = Some(Cookie::Access).filter(|_| config.cookies && !headers.contains_key(AUTHORIZATION));
    let Some(token) = in_cookie.and_then(|cookie| cookie.read(config, headers)) else { return bearer(headers) };
    if !method.is_safe() {
        check_page(config, headers)?;
        check_csrf(app, auth::csrf(app, token)?.session, headers)?;
    }
    Ok(token)
}

fn check_csrf(app: &App, session: SessionId, headers: &HeaderMap) -> Answer<()> {
    let given = headers.get(&X_CSRF_TOKEN).and_then(|value| value.to_str().ok());
    let missing = || Error::forbidden("a change under a cookie needs the session's X-CSRF-Token");
    Ok(auth::check_csrf(app, session, given.ok_or_else(missing)?)?)
}

/// Checks which page sends the request, as browsers state it: only our own pages, and those of `cors_origins`, may use
/// cookies for changes. A caller that does not state it is no browser, and has no use for cookies.
fn check_page(config: &Config, headers: &HeaderMap) -> Answer<()> {
    let ours = match headers.get(ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| config.is_own_origin(origin)),
        None => headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
    };
    if ours { Ok(()) } else { Err(Error::forbidden("pages of this origin change nothing here").into()) }
}

/// Whether a page wants its session in cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InCookies(pub bool);

impl FromRequestParts<Ctx> for InCookies {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let Some(mode) = parts.headers.get(&X_SESSION_MODE) else { return Ok(Self(false)) };
        let refused = |text: &'static str| Problem::malformed(Error::new(ErrorCode::Invalid, text));
        if mode != "cookie" {
            return Err(refused("X-Session-Mode must be `cookie`; without it, tokens are answered"));
        }
        if !ctx.app.config.cookies {
            return Err(refused("sessions in cookies are not turned on here (`cookies = true`)"));
        }
        check_page(&ctx.app.config, &parts.headers)?;
        Ok(Self(true))
    }
}

/// A session that begins or goes on: its tokens, or that they are in cookies.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum SessionAnswer {
    /// For apps.
    Tokens(Tokens),
    /// For pages that asked with `X-Session-Mode: cookie`.
    Cookies(CookieSession),
}

/// What a page gets when its tokens are in cookies.
#[derive(Serialize, ToSchema)]
pub(crate) struct CookieSession {
    /// For the header `X-CSRF-Token` of everything that changes something. It lives as long as the session.
    csrf_token: String,
    /// Seconds until the session must be refreshed.
    expires_in: u64,
}

impl InCookies {
    /// Returns the tokens in the way that was asked for.
    pub fn answer(self, ctx: &Ctx, tokens: Tokens) -> Answer<Response> {
        if !self.0 {
            return Ok(Json(SessionAnswer::Tokens(tokens)).into_response());
        }
        let config = &ctx.app.config;
        let csrf = auth::csrf(&ctx.app, &tokens.access_token)?;
        let refresh = format!("{}.{}", csrf.session, tokens.refresh_token);
        let life = u64::from(config.retention.session_days) * 86_400;
        let answer = CookieSession { csrf_token: csrf.token, expires_in: tokens.expires_in };
        let mut response = Json(SessionAnswer::Cookies(answer)).into_response();
        for (name, value) in [
            Cookie::Access.header(config, &tokens.access_token, tokens.expires_in)?,
            Cookie::Refresh.header(config, &refresh, life)?,
        ] {
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }

    /// Returns the refresh token: from the body, or from the cookie of a page that sends its session's `X-CSRF-Token`.
    pub fn refresh_token(self, ctx: &Ctx, headers: &HeaderMap, given: Option<String>) -> Answer<String> {
        if !self.0 {
            return given.ok_or_else(|| Error::invalid("/refresh_token", "is required").into());
        }
        let ended = || Error::unauthenticated("there is no session in the cookies; log in");
        let cookie = Cookie::Refresh.read(&ctx.app.config, headers).ok_or_else(ended)?;
        let (session, token) = cookie.split_once('.').ok_or_else(ended)?;
        check_csrf(&ctx.app, session.parse().map_err(|_| ended())?, headers)?;
        Ok(token.to_owned())
    }
}

/// Returns `answer` with headers that remove the session's cookies from a browser that had them.
pub(crate) fn cleared(ctx: &Ctx, headers: &HeaderMap, answer: impl IntoResponse) -> Answer<Response> {
    let config = &ctx.app.config;
    let mut response = answer.into_response();
    if config.cookies {
        for cookie in [Cookie::Access, Cookie::Refresh] {
            if cookie.read(config, headers).is_some() {
                let (name, value) = cookie.header(config, "", 0)?;
                response.headers_mut().append(name, value);
            }
        }
    }
    Ok(response)
}

/// Stores in this browser, and nowhere else, that it began a login at a provider.
pub(crate) fn login_begun(ctx: &Ctx, browser: &str) -> Answer<(HeaderName, HeaderValue)> {
    Cookie::Login.header(&ctx.app.config, browser, LOGIN.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(public_url: &str) -> Config {
        Config {
            public_url: public_url.parse().unwrap(),
            cors_origins: vec!["https://app.example".into()],
            cookies: true,
            ..Config::default()
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn attributes_are_as_strict_as_they_can_be() {
        let set =
            |url: &str, cookie: Cookie| cookie.header(&config(url), "v", 60).unwrap().1.to_str().unwrap().to_owned();
        assert_eq!(
            set("https://market.example", Cookie::Access),
            "__Host-marketplace=v; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=60"
        );
        assert_eq!(
            set("https://market.example", Cookie::Refresh),
            "__Host-marketplace-refresh=v; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=60"
        );
        assert_eq!(
            set("https://market.example", Cookie::Login),
            "__Host-marketplace-login=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60"
        );
        assert_eq!(
            set("http://127.0.0.1:8080", Cookie::Access),
            "marketplace=v; HttpOnly; SameSite=Strict; Path=/; Max-Age=60"
        );
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name_and_once() {
        let read = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            Cookie::Access.read(&config("https://market.example"), &headers(&lines)).map(str::to_owned)
        };
        assert_eq!(read(&["a=b; __Host-marketplace=v; c=d"]).as_deref(), Some("v"));
        assert_eq!(read(&["a=b", "__Host-marketplace=v=w"]).as_deref(), Some("v=w"));
        for bad in [
            &["marketplace=v"][..],
            &["__host-marketplace=v"],
            &["__Host-marketplace-refresh=v"],
            &["x__Host-marketplace=v"],
            &["__Host-marketplace="],
            &["__Host-marketplace=v; __Host-marketplace=w"],
            &["__Host-marketplace=v", "__Host-marketplace=w"],
            &[],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_our_pages_change_something() {
        let config = config("https://market.example/shop");
        let may = |pairs: &[(&'static str, &str)]| check_page(&config, &headers(pairs)).is_ok();
        assert!(may(&[("origin", "https://market.example")]));
        assert!(may(&[("origin", "https://app.example")]));
        assert!(may(&[("sec-fetch-site", "same-origin")]));
        for bad in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://market.example.evil.example")],
            &[("origin", "http://market.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!may(bad), "{bad:?}");
        }
    }
}
