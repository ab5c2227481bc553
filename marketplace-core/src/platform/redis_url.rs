//! URLs of more than one Redis, with `rediss` instead of `redis` for TLS.
//!
//! - One that sentinels watch: `redis+sentinel://user:password@host1:26379,host2:26379/service/0`. `?sentinel_password=…` is for
//!   the sentinels themselves.
//! - A cluster: `redis+cluster://user:password@host1:6379,host2:6379`. A few of its nodes will do.

use url::Url;

use crate::base::error::{Error, Result};

/// The port of sentinels, unless the URL says otherwise.
const SENTINEL: u16 = 26379;
/// The port of nodes of a cluster, unless the URL says otherwise.
const NODE: u16 = 6379;

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisUrl {
    /// At one address, which the URL is.
    Single,
    /// Where sentinels say.
    Watched(Sentinels),
    /// On the nodes of a cluster, some of which are given as URLs of one Redis each.
    Cluster(Vec<Secret>),
}

/// A Redis whose address sentinels know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinels {
    /// Where they are, as URLs of one Redis each.
    pub urls: Vec<Secret>,
    /// The name under which they watch it.
    pub service: String,
    scheme: &'static str,
    login: Secret,
    /// The number of the database.
    pub database: String,
}

/// Text that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

fn bad() -> Error {
    let rule = "must be redis://user:password@host:6379/0, rediss://… for TLS, redis+sentinel://host1,host2/service, or \
                redis+cluster://host1,host2";
    Error::invalid("/redis_url", rule)
}

/// Divides what stands between `://` and the path: the login, with its `@`, and the hosts.
fn login_and_hosts(authority: &str) -> (String, impl Iterator<Item = &str>) {
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    (login, hosts.split(','))
}

/// Returns the URL of one host of a list.
fn one(scheme: &str, login: &str, host: &str, port: u16) -> Result<Url> {
    let mut url = Url::parse(&format!("{scheme}://{login}{host}/")).ok().filter(Url::has_host).ok_or_else(bad)?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(bad());
    }
    let port = url.port().unwrap_or(port);
    url.set_port(Some(port)).map_err(|()| bad())?;
    Ok(url)
}

impl RedisUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// `invalid`.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        match scheme {
            "redis" | "rediss" if Url::parse(url).is_ok_and(|url| url.has_host()) => Ok(Self::Single),
            "redis+sentinel" => Sentinels::parse("redis", rest).map(Self::Watched),
            "rediss+sentinel" => Sentinels::parse("rediss", rest).map(Self::Watched),
            "redis+cluster" => cluster("redis", rest).map(Self::Cluster),
            "rediss+cluster" => cluster("rediss", rest).map(Self::Cluster),
            _ => Err(bad()),
        }
    }
}

/// Reads the nodes of a cluster. It has no numbered databases.
fn cluster(scheme: &str, rest: &str) -> Result<Vec<Secret>> {
    let authority = rest.strip_suffix("/0").or(rest.strip_suffix('/')).unwrap_or(rest);
    let (login, hosts) = login_and_hosts(authority);
    hosts.map(|host| one(scheme, &login, host, NODE).map(|url| Secret(url.into()))).collect()
}

impl Sentinels {
    fn parse(scheme: &'static str, rest: &str) -> Result<Self> {
        let (authority, rest) = rest.split_once('/').ok_or_else(bad)?;
        let (login, hosts) = login_and_hosts(authority);
        // The rest as an address of its own, for its parts.
        let rest = Url::parse(&format!("redis://service/{rest}")).map_err(|_| bad())?;
        let mut parts = rest.path().trim_start_matches('/').split('/');
        let service = parts.next().filter(|name| !name.is_empty()).ok_or_else(bad)?.to_owned();
        let database = parts.next().unwrap_or_default().to_owned();
        if parts.next().is_some() || !database.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let password =
            rest.query_pairs().find(|(key, _)| key == "sentinel_password").map(|(_, value)| value.into_owned());
        let urls = hosts.map(|host| {
            let mut url = one(scheme, "", host, SENTINEL)?;
            url.set_password(password.as_deref()).map_err(|()| bad())?;
            Ok(Secret(url.into()))
        });
        let urls = urls.collect::<Result<_>>()?;
        Ok(Self { urls, service, scheme, login: Secret(login), database })
    }

    /// Returns the URL of the Redis at an address that a sentinel named.
    pub fn server(&self, host: &str, port: u16) -> Secret {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Secret(format!("{}://{}{host}:{port}/{}", self.scheme, self.login.expose(), self.database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_sentinels() {
        let url = "rediss+sentinel://me:p%40ss@a:1,b,[::1]:3/mine/2?sentinel_password=x%2Fy";
        let RedisUrl::Watched(found) = RedisUrl::parse(url).unwrap() else { panic!("no sentinels") };
        let urls: Vec<_> = found.urls.iter().map(Secret::expose).collect();
        assert_eq!(urls, ["rediss://:x%2Fy@a:1/", "rediss://:x%2Fy@b:26379/", "rediss://:x%2Fy@[::1]:3/"]);
        assert_eq!((found.service.as_str(), found.database.as_str()), ("mine", "2"));
        assert_eq!(found.server("10.0.0.7", 6380).expose(), "rediss://me:p%40ss@10.0.0.7:6380/2");
        assert_eq!(found.server("::2", 6380).expose(), "rediss://me:p%40ss@[::2]:6380/2");
        assert!(!format!("{found:?}").contains("p%40ss"));
        assert_eq!(RedisUrl::parse("redis://h:6379/0").unwrap(), RedisUrl::Single);
        for bad in [
            "http://h",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel://a:x/s",
            "redis+sentinel://a/s/b",
            "redis:",
        ] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_of_clusters() {
        for (url, nodes) in [
            ("redis+cluster://a,b:7000", vec!["redis://a:6379/", "redis://b:7000/"]),
            (
                "rediss+cluster://me:p%40ss@a,[::1]:3/0",
                vec!["rediss://me:p%40ss@a:6379/", "rediss://me:p%40ss@[::1]:3/"],
            ),
        ] {
            let RedisUrl::Cluster(found) = RedisUrl::parse(url).unwrap() else { panic!("no cluster") };
            assert_eq!(found.iter().map(Secret::expose).collect::<Vec<_>>(), nodes);
            assert!(!format!("{found:?}").contains("p%40ss"));
        }
        for bad in [
            "redis+cluster://",
            "redis+cluster://a,",
            "redis+cluster://a/1",
            "redis+cluster://a:x",
            "redis+cluster://a?b=c",
        ] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
