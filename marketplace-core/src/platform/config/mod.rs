//! Configuration: one set of keys for every program. A flag overrides the environment, which overrides the file, which
//! overrides the default.

mod network;
pub mod origins;
mod parts;
mod private_way;
mod secret;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::Url;

pub use self::{
    network::Network,
    parts::{Argon2, Limits, Links, Log, LogFormat, Oidc, Retention, Tls, Traces, Webhooks},
    secret::Secret,
};
use crate::{
    base::error::{Error, FieldError, Result},
    platform::{input_file, redis_url::RedisUrl, sqlite_url::SqliteUrl},
};
pub use private_way::{is_loopback, is_private_way};

/// Returns this process's environment, without variables of others that are no text.
///
/// # Errors
/// `invalid` for a variable of this program that is no text.
pub fn environment() -> Result<Vec<(String, String)>> {
    let texts = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        match value.into_string() {
            Ok(value) => Some(Ok((name, value))),
            Err(_) if name.starts_with(ENV_PREFIX) => {
                Some(Err(Error::invalid("/config", format!("the environment variable {name} must be UTF-8"))))
            }
            Err(_) => None,
        }
    });
    texts.collect()
}

/// Prefix of environment variables: `MARKETPLACE_DATABASE_URL`, `MARKETPLACE_LOG__LEVEL` for `log.level`.
pub const ENV_PREFIX: &str = "MARKETPLACE_";

/// Variables with the prefix that configure the command line or the tests, not the marketplace.
const NOT_CONFIG: &[&str] = &["CONFIG", "PROFILE", "TOKEN", "TOKEN_FILE", "IMAGES", "DB", "API", "CONFIG_DIR"];

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder for everything that is not configured elsewhere: database, files, mails, logs, keys.
    pub data_dir: PathBuf,
    /// `sqlite://PATH` or `postgres://user:password@host/database`; default `sqlite://<data_dir>/marketplace.db`.
    pub database_url: Option<Secret>,
    /// `transaction` where a pooler such as `PgBouncer` gives each transaction another connection; default none.
    pub database_pooler: Option<String>,
    /// A replica of the PostgreSQL in `database_url`, for searches and lists that may lag; default none.
    pub database_read_url: Option<Secret>,
    /// Seconds that the replica may lag, 1 to 4; when it lags more, the primary is read.
    pub database_read_max_lag_seconds: u8,
    /// `redis://user:password@host:6379/0`, `rediss://…` for TLS, `redis+sentinel://host1,host2/service`, or `redis+cluster://host1,host2`: what several servers of one marketplace share besides
    /// the database, namely limits and wake-ups. Without it, each server counts by itself.
    pub redis_url: Option<Secret>,
    /// Maximum number of connections to the database; on PostgreSQL plus as many that are overdue, and two for long work.
    pub database_connections: u32,
    /// Where files are stored: `file:///PATH` or `s3://bucket/prefix`; default `<data_dir>/files`.
    pub files_url: Option<String>,
    /// Folder of the keys (mode 0700, files 0600); default `<data_dir>/keys`. Servers that share a database share it too.
    pub keys_dir: Option<PathBuf>,
    /// `smtp://user:password@host:587` or `smtps://…`; without it, mails are written to `<data_dir>/mail/`.
    pub smtp_url: Option<Secret>,
    /// Sender of mails.
    pub mail_from: String,
    /// Folder with the operator's own texts of mails, `en.toml` and so on, over those that come with this program.
    pub mail_texts: Option<PathBuf>,
    /// URL at which clients reach the server; links in mails start with it.
    pub public_url: Url,
    /// Address the server listens on.
    pub listen: SocketAddr,
    /// Address of the listener for operators: `/metrics`, `/healthz`, `/readyz`. Without it, the counters are not exposed.
    pub metrics_listen: Option<SocketAddr>,
    /// Seconds between the stop signal and closing the listener, during which `/readyz` reports that the server is stopping
    /// and everything else is still served: as long as a load balancer takes to notice.
    pub drain_seconds: u64,
    /// Certificate and key, both PEM; without them the server speaks plain HTTP.
    pub tls: Tls,
    /// Browser origins that may call the API.
    pub cors_origins: Vec<String>,
    /// Whether browser apps may keep their session in cookies.
    pub cookies: bool,
    /// Providers of social login (OpenID Connect), by the name used in routes.
    pub oidc: BTreeMap<String, Oidc>,
    /// Addresses of proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether staff need a second factor. Without one they can log in only to enroll it.
    pub require_staff_totp: bool,
    /// Whether all users need a second factor.
    pub require_totp: bool,
    /// By how many steps of 30 seconds a code may be early or late, as clocks differ: 0 or 1.
    pub totp_tolerance: u8,
    /// Logs.
    pub log: Log,
    /// Traces.
    pub traces: Traces,
    /// Password hashing.
    pub argon2: Argon2,
    /// A file of passwords known from breaches, as *Pwned Passwords* distributes them ordered by hash: one line
    /// `SHA-1:count` each. These passwords are refused. Without a file only the most common ones are refused.
    pub breached_passwords: Option<PathBuf>,
    /// Where `ClamAV`'s `clamd` listens, as `host:port` or the path of its socket. It scans every upload that is not
    /// re-encoded, and such uploads are refused while it does not respond. Without it, files are accepted unscanned.
    pub clamd: Option<String>,
    /// Where on the public site things are shown that mails and notifications are about.
    pub links: Links,
    /// Where webhooks may lead.
    pub webhooks: Webhooks,
    /// Rate and size limits.
    pub limits: Limits,
    /// Retention periods.
    pub retention: Retention,
}

impl Default for Config {
    #[expect(clippy::expect_used, reason = "constants, checked by a test")]
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            database_url: None,
            database_pooler: None,
            database_read_url: None,
            database_read_max_lag_seconds: 3,
            redis_url: None,
            database_connections: 8,
            files_url: None,
            keys_dir: None,
            smtp_url: None,
            mail_from: "Marketplace <no-reply@marketplace.example>".into(),
            mail_texts: None,
            links: Links::default(),
            public_url: "http://127.0.0.1:8080".parse().expect("a constant"),
            listen: "127.0.0.1:8080".parse().expect("a constant"),
            metrics_listen: None,
            drain_seconds: 0,
            tls: Tls::default(),
            cors_origins: Vec::new(),
            cookies: false,
            oidc: BTreeMap::new(),
            trusted_proxies: Vec::new(),
            require_staff_totp: false,
            require_totp: false,
            totp_tolerance: 1,
            log: Log::default(),
            traces: Traces::default(),
            argon2: Argon2::default(),
            breached_passwords: None,
            clamd: None,
            webhooks: Webhooks::default(),
            limits: Limits::default(),
            retention: Retention::default(),
        }
    }
}

impl Config {
    /// Loads the configuration from a file (strict: an unknown key is an error with its line), overridden by `environment`.
    ///
    /// `MARKETPLACE_<KEY>` sets a key, `__` separates a table from its key, and `MARKETPLACE_<KEY>_FILE` names a file with
    /// the value. Lists are separated by commas.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut table = toml::Table::new();
        let mut places = Places::default();
        if let Some(path) = file {
            let text = input_file::read_to_string(path)
                .map_err(|error| Error::invalid("/config", format!("{} cannot be read: {error}", path.display())))?;
            let wrong = |error: toml::de::Error| {
                Error::invalid("/config", format!("{}: {}", path.display(), error.to_string().trim()))
            };
            toml::from_str::<Self>(&text).map_err(wrong)?;
            table = toml::from_str(&text).map_err(wrong)?;
            places.file = Some((path.to_owned(), text));
        }
        for (name, value) in environment {
            let Some(key) = name.strip_prefix(ENV_PREFIX) else { continue };
            if NOT_CONFIG.contains(&key) || key.starts_with("TEST_") {
                continue;
            }
            set_from_environment(&mut table, &name, key, value)?;
            let key = key.strip_suffix("_FILE").unwrap_or(key).to_lowercase().replace("__", "/");
            places.variables.insert(key, name);
        }
        let config: Self = toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| Error::invalid("/config", error.message().to_owned()))?;
        config.checked().map_err(|error| places.named(error))
    }

    /// Checks what the types cannot express.
    pub fn checked(self) -> Result<Self> {
        let bad = |key: &str, rule: &str| Err(Error::invalid(format!("/{key}"), rule));
        let url = self.database_url();
        if SqliteUrl::parse(url.expose())?.is_none() && !url.expose().starts_with("postgres") {
            return bad("database_url", "must be sqlite://PATH or postgres://user:password@host/database");
        }
        if self.database_pooler.as_deref().is_some_and(|pooler| pooler != "transaction") {
            return bad("database_pooler", "must be transaction, or left away");
        }
        if let Some(replica) = &self.database_read_url {
            if !replica.expose().starts_with("postgres") {
                return bad("database_read_url", "must be postgres://user:password@host/database");
            }
            if !url.expose().starts_with("postgres") {
                return bad("database_read_url", "is of use only where database_url names a PostgreSQL");
            }
        }
        if !(1..=4).contains(&self.database_read_max_lag_seconds) {
            return bad("database_read_max_lag_seconds", "must be from 1 to 4");
        }
        if let Some(redis) = &self.redis_url {
            RedisUrl::parse(redis.expose())?;
        }
        let files = self.files_url();
        if !files.starts_with("file://") && !files.starts_with("s3://") {
            return bad("files_url", "must be file:///PATH or s3://bucket/prefix");
        }
        if !(8..=1_048_576).contains(&self.argon2.memory_kib) {
            return bad("argon2/memory_kib", "must be from 8 to 1048576");
        }
        if !(1..=64).contains(&self.argon2.iterations) || !(1..=16).contains(&self.argon2.parallelism) {
            return bad("argon2", "iterations must be from 1 to 64 and parallelism from 1 to 16");
        }
        if self.clamd.as_deref().is_some_and(|at| !at.starts_with('/') && !at.contains(':')) {
            return bad("clamd", "must be host:port, or the path of a socket");
        }
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return bad("tls", "needs both cert and key, or neither");
        }
        if self.totp_tolerance > 1 {
            return bad("totp_tolerance", "must be 0 or 1");
        }
        if self.retention.session_max_days < self.retention.session_days {
            return bad("retention/session_max_days", "must not be less than retention.session_days");
        }
        if self.retention.webhook_days < 4 {
            return bad("retention/webhook_days", "must be at least 4: webhooks are tried for three days");
        }
        if self.limits.uploads == 0 || self.limits.requests == 0 {
            return bad("limits", "requests and uploads must be at least 1");
        }
        if self.limits.connections == 0 || self.limits.connections_per_address == 0 {
            return bad("limits", "connections and connections_per_address must be at least 1");
        }
        if self.drain_seconds > 3_600 {
            return bad("drain_seconds", "must be from 0 to 3600");
        }
        if let Some(odd) = self.cors_origins.iter().find(|entry| !origins::is_valid(entry)) {
            let rule = "is no origin; it must be like https://app.example.org or https://*.example.org, without a path";
            return bad("cors_origins", &format!("`{odd}` {rule}"));
        }
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            return bad("metrics_listen", "must be another address than listen");
        }
        self.traces.check().map_err(|(key, rule)| Error::invalid(format!("/traces/{key}"), rule))?;
        let public = &self.public_url;
        self.links.check(public).map_err(|(key, rule)| Error::invalid(format!("/links/{key}"), rule))?;
        if (self.cookies || !self.oidc.is_empty()) && !is_private_way(public) {
            return bad("public_url", "must be https (or http on loopback) for cookies and social login");
        }
        for (name, provider) in &self.oidc {
            let fine = (1..=32).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_');
            if !fine {
                return bad(&format!("oidc/{name}"), "must be named with 1 to 32 of a-z, 0-9, - and _");
            }
            provider.check().map_err(|(key, rule)| Error::invalid(format!("/oidc/{name}/{key}"), rule))?;
        }
        Ok(self)
    }

    /// Returns who issues access tokens, and for whom: this marketplace, and its API.
    pub fn issuer(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// Returns whether an origin (RFC 6454, as text) is our own: that of `public_url`, or one of `cors_origins`.
    pub fn is_own_origin(&self, origin: &str) -> bool {
        let public = self.public_url.origin();
        self.cors_origins.iter().any(|ours| origins::covers(ours, origin))
            || public.is_tuple() && public.ascii_serialization() == origin
    }
    /// Returns the database's URL, or its default.
    pub fn database_url(&self) -> Secret {
        let Some(url) = &self.database_url else {
            return Secret::new(SqliteUrl::of(&self.data_dir.join("marketplace.db")));
        };
        self.pooled(url)
    }
    /// Returns the URL of the replica, if there is one.
    pub fn database_read_url(&self) -> Option<Secret> {
        self.database_read_url.as_ref().map(|url| self.pooled(url))
    }
    fn pooled(&self, url: &Secret) -> Secret {
        if self.database_pooler.is_none() || !url.expose().starts_with("postgres") {
            return url.clone();
        }
        let text = url.expose();
        let sign = if text.contains('?') { '&' } else { '?' };
        Secret::new(format!("{text}{sign}pooler=transaction"))
    }
    /// Returns how many connections are used at most. SQLite's are threads of this program, which from twice as many as there are
    /// cores mostly wait for each other (a page of messages takes 80 µs of CPU time with 4 on 2 cores, and 108 with 8).
    pub fn connections(&self) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let of_sqlite = u32::try_from(2 * cores).unwrap_or(u32::MAX).max(4);
        let is_sqlite = self.database_url().expose().starts_with("sqlite://");
        if is_sqlite { self.database_connections.min(of_sqlite) } else { self.database_connections }
    }
    /// Returns where files are stored, or the default.
    pub fn files_url(&self) -> String {
        self.files_url.clone().unwrap_or_else(|| format!("file://{}", self.data_dir.join("files").display()))
    }
    /// Returns the folder of the keys, or its default.
    pub fn keys_dir(&self) -> PathBuf {
        self.keys_dir.clone().unwrap_or_else(|| self.data_dir.join("keys"))
    }
    /// Returns the folder to which mails are written when there is no SMTP server.
    pub fn mail_dir(&self) -> PathBuf {
        self.data_dir.join("mail")
    }
    /// Returns the folder of the rotating log file, or its default.
    pub fn log_dir(&self) -> PathBuf {
        self.log.dir.clone().unwrap_or_else(|| self.data_dir.join("logs"))
    }
}

/// Where settings stand: in the file, or in the environment, which counts more.
#[derive(Default)]
struct Places {
    file: Option<(PathBuf, String)>,
    /// Variables by their keys, with `/` between the parts.
    variables: BTreeMap<String, String>,
}

impl Places {
    /// Returns an error of settings with the place of each.
    fn named(&self, error: Error) -> Error {
        let fields = error.fields().iter().map(|field| {
            let place = self.place(field.pointer.trim_start_matches('/'));
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            FieldError::new(field.pointer.clone(), format!("{}{place}", field.detail))
        });
        let fields: Vec<FieldError> = fields.collect();
        if fields.is_empty() { error } else { Error::invalid_fields(fields) }
    }

    fn place(&self, key: &str) -> Option<String> {
        let is_of = |set: &str| set == key || set.strip_prefix(key).is_some_and(|rest| rest.starts_with('/'));
        if let Some((_, name)) = self.variables.iter().find(|(set, _)| is_of(set)) {
            return Some(format!("set by {name}"));
        }
        let (path, text) = self.file.as_ref()?;
        let mut section = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
                section = name.trim_matches(['[', ' ']).replace(['.'], "/");
            }
            let name = line.split('=').next().unwrap_or_default().trim().replace('.', "/");
            let whole = if section.is_empty() { name } else { format!("{section}/{name}") };
            if is_of(&whole) && line.contains('=') {
                return Some(format!("{}, line {}", path.display(), index + 1));
            }
        }
        None
    }
}

fn set_from_environment(table: &mut toml::Table, name: &str, key: &str, value: String) -> Result<()> {
    let (key, value) = match key.strip_suffix("_FILE") {
        Some(key) => {
            let text = input_file::read_to_string(Path::new(&value))
                .map_err(|error| Error::invalid("/config", format!("{name}: {value} cannot be read: {error}")))?;
            (key, text.trim_end().to_owned())
        }
        None => (key, value),
    };
    let lower = key.to_lowercase();
    let mut path: Vec<&str> = lower.split("__").collect();
    let last = path.pop().unwrap_or_default();
    let mut inner = table;
    for part in path {
        let entry = inner.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let toml::Value::Table(next) = entry else {
            return Err(Error::invalid("/config", format!("{name}: `{part}` is not a table")));
        };
        inner = next;
    }
    inner.insert(last.to_owned(), environment_value(last, &value));
    // One variable at a time, so that the error can name it.
    let mut alone = toml::Table::new();
    let mut innermost = &mut alone;
    let mut parts = lower.split("__").peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            innermost.insert(part.to_owned(), environment_value(part, &value));
            break;
        }
        let entry = innermost.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let toml::Value::Table(next) = entry else { break };
        innermost = next;
    }
    toml::Value::Table(alone)
        .try_into::<Config>()
        .map(drop)
        .map_err(|error| Error::invalid("/config", format!("{name}: {}", error.message())))
}

/// Parses a variable's value. Numbers, booleans and lists are written as in the file; everything else is text.
fn environment_value(key: &str, value: &str) -> toml::Value {
    if matches!(key, "cors_origins" | "trusted_proxies" | "allow_networks") {
        let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
        return toml::Value::Array(parts.map(|part| toml::Value::String(part.to_owned())).collect());
    }
    if let ("access" | "allow_http" | "cookies" | "files" | "require_staff_totp" | "require_totp", Ok(flag)) =
        (key, value.parse())
    {
        return toml::Value::Boolean(flag);
    }
    // Some providers issue numeric ids, which are text all the same.
    if matches!(key, "client_id" | "client_secret") {
        return toml::Value::String(value.to_owned());
    }
    if key == "sample"
        && let Ok(share) = value.parse()
    {
        return toml::Value::Float(share);
    }
    match value.parse::<i64>() {
        Ok(number) => toml::Value::Integer(number),
        Err(_) => toml::Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()), environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn the_example_of_the_package_is_valid_with_every_key_that_it_names() {
        let text = include_str!("../../../../deploy/marketplace.toml");
        assert!(!load(text, &[]).unwrap().log.files);
        let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let whole: String = text
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| is_key(rest)).unwrap_or(line).to_owned() + "\n")
            .collect();
        assert_eq!(load(&whole, &[]).unwrap().drain_seconds, 5);
    }

    #[test]
    fn nothing_is_needed() {
        let config = Config::load(None, []).unwrap();
        assert_eq!(config.database_url().expose(), "sqlite://data/marketplace.db");
        assert_eq!(config.files_url(), "file://data/files");
    }

    #[test]
    fn an_unknown_key_names_its_line_and_what_is_allowed() {
        let error = load("listen = '127.0.0.1:1'\ndatabse_url = 'x'\n", &[]).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("databse_url") && error.contains("database_url"), "{error}");
        let error = load("[log]\nformat = 'xml'\n", &[]).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("pretty"), "{error}");
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let config = load(
            "[log]\nlevel = 'warn'\n[limits]\nrequests = 3",
            &[("MARKETPLACE_LOG__LEVEL", "debug"), ("MARKETPLACE_TRUSTED_PROXIES", "10.0.0.1, ::1"), ("PATH", "/bin")],
        )
        .unwrap();
        assert_eq!((config.log.level.as_str(), config.limits.requests), ("debug", 3));
        assert_eq!(config.trusted_proxies.len(), 2);
        let error = load("", &[("MARKETPLACE_LISTEN", "nowhere")]).unwrap_err().to_string();
        assert!(error.contains("MARKETPLACE_LISTEN"), "{error}");
        let error = load("", &[("MARKETPLACE_LISTENN", "127.0.0.1:1")]).unwrap_err().to_string();
        assert!(error.contains("MARKETPLACE_LISTENN"), "{error}");
    }

    #[test]
    fn a_bad_value_is_named_with_its_place() {
        for (text, variable, place) in [
            ("# mine\ndrain_seconds = 9999\n", None, "line 2"),
            ("[retention]\nsession_days = 9\nsession_max_days = 1\n", None, "line 3"),
            ("retention.session_days = 9\nretention.session_max_days = 1\n", None, "line 2"),
            ("[limits]\n\nrequests = 0\n", None, "line 3"),
            ("redis_url = 'redis://a'\n", Some(("MARKETPLACE_REDIS_URL", "http://b")), "set by MARKETPLACE_REDIS_URL"),
        ] {
            let error = load(text, variable.as_slice()).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }

    #[test]
    fn the_url_of_redis_is_checked_and_not_printed() {
        let config = load("redis_url = 'redis://me:hunter2@cache:6379/1'", &[]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        for bad in ["http://cache", "cache:6379", "redis:", "redis://"] {
            let error = load(&format!("redis_url = '{bad}'"), &[]).unwrap_err();
            assert_eq!(error.fields()[0].pointer, "/redis_url", "{bad}");
        }
    }

    #[test]
    fn only_what_cannot_leave_the_machine_is_loopback() {
        let is = |host: &str| is_loopback(&format!("http://{host}/").parse().unwrap());
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9", "2130706433", "[::1]:1"] {
            assert!(is(host), "{host}");
        }
        for host in ["shop.localhost", "localhost.", "localhost.example", "mylocalhost", "127.0.0.1.example", "0.0.0.0"]
        {
            assert!(!is(host), "{host}");
        }
        for (url, private) in [("https://a.example", true), ("http://[::1]", true), ("http://a.localhost", false)] {
            assert_eq!(is_private_way(&url.parse().unwrap()), private, "{url}");
        }
    }

    #[test]
    fn pages_of_two_kinds_are_ours() {
        let config = load("public_url = 'https://a.example/shop'\ncors_origins = ['https://b.example']", &[]).unwrap();
        assert!(config.is_own_origin("https://a.example") && config.is_own_origin("https://b.example"));
        for foreign in ["null", "", "http://a.example", "https://a.example/", "https://a.example.evil.example"] {
            assert!(!config.is_own_origin(foreign), "{foreign}");
        }
        let odd = Config { public_url: "data:,x".parse().unwrap(), ..Config::default() };
        assert!(!odd.is_own_origin("null"));
    }

    #[test]
    fn providers_come_from_the_file_and_the_environment_together() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let secret = file.path().to_str().unwrap();
        let google = "[oidc.google]\nissuer = 'https://accounts.google.com'\n";
        let config = load(
            google,
            &[
                ("MARKETPLACE_OIDC__GOOGLE__CLIENT_ID", "123456"),
                ("MARKETPLACE_OIDC__GOOGLE__CLIENT_SECRET_FILE", secret),
                ("MARKETPLACE_OIDC__HOUSE__ISSUER", "http://127.0.0.1:9000/realm"),
                ("MARKETPLACE_OIDC__HOUSE__CLIENT_ID", "market"),
                ("MARKETPLACE_OIDC__HOUSE__CLIENT_SECRET", "42"),
            ],
        )
        .unwrap();
        let google_set = &config.oidc["google"];
        assert_eq!(
            (google_set.issuer.as_str(), google_set.client_id.as_str()),
            ("https://accounts.google.com", "123456")
        );
        assert_eq!(google_set.client_secret.as_ref().unwrap().expose(), "hunter2");
        assert_eq!(config.oidc["house"].client_secret.as_ref().unwrap().expose(), "42");
        assert!(!format!("{config:?}").contains("hunter2"));
        for (text, named) in [
            (google, "oidc.google.client_id"),
            ("[oidc.x]\nissuer = 'http://example.org'\nclient_id = 'a'\nclient_secret = 'b'\n", "oidc.x.issuer"),
            ("[oidc.x]\nissuer = 'https://a.b?c'\nclient_id = 'a'\nclient_secret = 'b'\n", "oidc.x.issuer"),
            ("[oidc.x]\nissuer = 'https://a.b'\nclient_id = 'a'\n", "oidc.x.client_secret"),
            ("[oidc.'X Y']\nissuer = 'https://a.b'\nclient_id = 'a'\nclient_secret = 'b'\n", "named with"),
            ("cookies = true\npublic_url = 'http://market.example'\n", "public_url"),
        ] {
            let error = load(text, &[]).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let error = load("", &[("MARKETPLACE_OIDC__GOOGLE__SECRET", "x")]).unwrap_err().to_string();
        assert!(error.contains("MARKETPLACE_OIDC__GOOGLE__SECRET"), "{error}");
        assert!(load("", &[("MARKETPLACE_COOKIES", "true")]).unwrap().cookies);
    }

    #[test]
    fn secrets_come_from_files_and_are_not_printed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://me:hunter2@db/market\n").unwrap();
        let config = load("", &[("MARKETPLACE_DATABASE_URL_FILE", file.path().to_str().unwrap())]).unwrap();
        assert_eq!(config.database_url().expose(), "postgres://me:hunter2@db/market");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
