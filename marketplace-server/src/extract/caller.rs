//! The caller of a request, and their address.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::{
        Extensions, HeaderMap,
        header::{ACCEPT_LANGUAGE, USER_AGENT},
        request::Parts,
    },
};
use marketplace_core::{
    actor::Actor,
    auth::{self, ClientInfo},
    base::language::Language,
    error::Error,
    operation::Operation,
};

use crate::{
    cookies::credential,
    ctx::{Ctx, Peer},
    limits,
    problem::Problem,
    slot,
};

/// The actor that the access token identifies, in `Authorization: Bearer …` or, where cookies are enabled, in a cookie.
/// A handler with this extractor is not public.
#[derive(Debug)]
pub(crate) struct Caller(pub Actor);

impl FromRequestParts<Ctx> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let token = credential(&ctx.app, &parts.method, &parts.headers)?;
        let actor = auth::authenticate(&ctx.app, token).await?;
        if let Some(user) = actor.user_id() {
            slot::belongs_to(ctx, user).map_err(Error::from)?;
        }
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let class = limits::by_account(&parts.method, route);
        ctx.app.admit(class, &actor).await?;
        Ok(Self(actor))
    }
}

/// The state of the server, for a page that everybody may read. With a replica, records whose token the call carries, if any:
/// those who wrote something a short time ago do not read from it.
#[derive(Debug)]
pub(crate) struct Anybody(pub Ctx);

impl FromRequestParts<Ctx> for Anybody {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Infallible> {
        if ctx.app.db.has_replica()
            && let Ok(token) = credential(&ctx.app, &parts.method, &parts.headers)
        {
            auth::record_reader(&ctx.app, token);
        }
        Ok(Self(ctx.clone()))
    }
}

/// The operation context of the caller: see [`Caller`].
#[derive(Debug)]
pub(crate) struct Asked(pub Operation);

impl FromRequestParts<Ctx> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let Caller(actor) = Caller::from_request_parts(parts, ctx).await?;
        Ok(Self(Operation::new(&ctx.app, actor)))
    }
}

/// The origin of a request, for limits and for the list of sessions.
#[derive(Debug)]
pub(crate) struct Client(pub ClientInfo);

impl FromRequestParts<Ctx> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepted = parts.headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(ClientInfo {
            ip: address_of(&parts.extensions, &parts.headers, ctx),
            user_agent: user_agent.to_owned(),
            language: Language::preferred(&accepted.collect::<Vec<_>>().join(",")),
        }))
    }
}

/// Returns the address of the client, by which limits count.
pub(crate) fn address_of(extensions: &Extensions, headers: &HeaderMap, ctx: &Ctx) -> IpAddr {
    let peer = extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    client_ip(peer, headers, &ctx.app.config.trusted_proxies)
}

/// Returns the address of the client: the peer's, unless the peer is a trusted proxy. Then it is the rightmost address
/// of `X-Forwarded-For` that is not a trusted proxy, because everything to the left of it was written by the client.
fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let mut client = peer.to_canonical();
    let is_trusted = |ip: IpAddr| trusted.iter().any(|proxy| proxy.to_canonical() == ip);
    if !is_trusted(client) {
        return client;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(value) = value.to_str() else { return client };
        for hop in value.rsplit(',') {
            let Some(ip) = address(hop.trim()) else { return client };
            client = ip.to_canonical();
            if !is_trusted(client) {
                return client;
            }
        }
    }
    client
}

/// Parses `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .or_else(|_| hop.trim_matches(['[', ']']).parse())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpAddr> = trusted.iter().map(|ip| ip.parse().unwrap()).collect();
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn forwarding_is_believed_of_trusted_proxies_only() {
        assert_eq!(seen("192.0.2.9", &["198.51.100.1"], &[]), "192.0.2.9");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"], &["10.0.0.1"]), "198.51.100.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"], &["10.0.0.1"]), "198.51.100.1");
    }

    #[test]
    fn what_the_client_wrote_is_not_believed() {
        assert_eq!(seen("10.0.0.1", &["1.2.3.4, 198.51.100.1"], &["10.0.0.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["1.2.3.4", "198.51.100.1, 10.0.0.2"], &["10.0.0.1", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["junk"], &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]:4711"], &["10.0.0.1"]), "2001:db8::1");
    }
}
