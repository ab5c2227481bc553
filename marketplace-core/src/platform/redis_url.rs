//! URLs of a Redis that sentinels watch: `redis+sentinel://user:password@host1:26379,host2:26379/service/0`, or
//! `rediss+sentinel://…` for TLS. `?sentinel_password=…` is for the sentinels themselves.

use url::Url;

use crate::base::error::{Error, Result};

/// The port of sentinels, unless the URL says otherwise.
const PORT: u16 = 26379;

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

impl Sentinels {
    /// Reads a URL; `None` for that of a Redis itself.
    ///
    /// # Errors
    /// `invalid`.
    pub fn parse(url: &str) -> Result<Option<Self>> {
        let bad = || {
            let rule = "must be redis://user:password@host:6379/0, rediss://… for TLS, or redis+sentinel://host1,host2/service";
            Error::invalid("/redis_url", rule)
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let scheme = match scheme {
            "redis+sentinel" => "redis",
            "rediss+sentinel" => "rediss",
            "redis" | "rediss" => {
                return if Url::parse(url).is_ok_and(|url| url.has_host()) { Ok(None) } else { Err(bad()) };
            }
            _ => return Err(bad()),
        };
        let (authority, rest) = rest.split_once('/').ok_or_else(bad)?;
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
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
        let urls = hosts.split(',').map(|host| {
            let mut url = Url::parse(&format!("{scheme}://{host}/")).ok().filter(Url::has_host).ok_or_else(bad)?;
            let port = url.port().unwrap_or(PORT);
            url.set_port(Some(port)).map_err(|()| bad())?;
            url.set_password(password.as_deref()).map_err(|()| bad())?;
            Ok(Secret(url.into()))
        });
        let urls = urls.collect::<Result<_>>()?;
        Ok(Some(Self { urls, service, scheme, login: Secret(login), database }))
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
        let found = Sentinels::parse(url).unwrap().unwrap();
        let urls: Vec<_> = found.urls.iter().map(Secret::expose).collect();
        assert_eq!(urls, ["rediss://:x%2Fy@a:1/", "rediss://:x%2Fy@b:26379/", "rediss://:x%2Fy@[::1]:3/"]);
        assert_eq!((found.service.as_str(), found.database.as_str()), ("mine", "2"));
        assert_eq!(found.server("10.0.0.7", 6380).expose(), "rediss://me:p%40ss@10.0.0.7:6380/2");
        assert_eq!(found.server("::2", 6380).expose(), "rediss://me:p%40ss@[::2]:6380/2");
        assert!(!format!("{found:?}").contains("p%40ss"));
        assert_eq!(Sentinels::parse("redis://h:6379/0").unwrap(), None);
        for bad in [
            "http://h",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel://a:x/s",
            "redis+sentinel://a/s/b",
            "redis:",
        ] {
            assert!(Sentinels::parse(bad).is_err(), "{bad}");
        }
    }
}
