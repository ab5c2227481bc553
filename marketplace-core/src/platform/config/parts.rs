//! The tables of the configuration and their defaults.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{Network, Secret, private_way::is_private_way};
use crate::base::text_enum::text_enum;

text_enum! {
    /// How log lines look.
    pub enum LogFormat {
        /// For people.
        Pretty = "pretty",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Certificate and key of the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file of the private key.
    pub key: Option<PathBuf>,
}

/// A provider of social login (OpenID Connect). All three fields are required; [`Config::checked`](super::Config::checked)
/// reports which is missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer, exactly as in its tokens and its discovery document; `https`, or `http` on loopback.
    pub issuer: String,
    /// The id under which the provider knows this marketplace.
    pub client_id: String,
    /// The secret that authenticates this marketplace to the provider.
    pub client_secret: Option<Secret>,
}

/// Where webhooks may lead.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Whether addresses may be `http`: anybody on the way reads what is sent there.
    pub allow_http: bool,
    /// Networks that webhooks may lead to although they are not public, such as `10.20.0.0/16`; single addresses too.
    pub allow_networks: Vec<Network>,
}

/// Log settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Format of log lines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,sqlx=warn`.
    pub level: String,
    /// Whether each request is logged: id, method, route, status and time; no addresses, no queries, no accounts.
    pub access: bool,
    /// Statements that take at least this many milliseconds are logged, without their values; 0 logs none.
    pub slow_statement_ms: u64,
    /// Whether log lines also go to daily files; not needed where something else keeps what the program prints.
    pub files: bool,
    /// Folder of the rotating file; default `<data_dir>/logs`.
    pub dir: Option<PathBuf>,
}

/// Traces: how long requests take, and which parts of them, for OpenTelemetry.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where a collector takes OTLP over HTTP, such as `http://127.0.0.1:4318`; without it, there are no traces.
    pub url: Option<Url>,
    /// The share of traces that is recorded, from 0 to 1. Callers behind `trusted_proxies` decide for theirs.
    pub sample: f64,
}

impl Default for Traces {
    fn default() -> Self {
        Self { url: None, sample: 1.0 }
    }
}

impl Traces {
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_fine = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
        };
        if !self.url.as_ref().is_none_or(is_fine) {
            return Err(("url", "must be like http://127.0.0.1:4318, without user, password and query"));
        }
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(("sample", "must be from 0 to 1"));
        }
        Ok(())
    }
}

/// Password hashing (argon2id). Defaults: OWASP Password Storage Cheat Sheet, second of its equivalent settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Argon2 {
    /// Memory of one hash, in KiB; 8 to 1,048,576.
    pub memory_kib: u32,
    /// Number of passes; 1 to 64.
    pub iterations: u32,
    /// Number of lanes; 1 to 16.
    pub parallelism: u32,
}

/// Addresses of pages, with `{id}` in the place of the id; without one, a page of `public_url`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// A thread; default `<public_url>/threads/{id}`.
    pub thread: Option<String>,
    /// A job; default `<public_url>/jobs/{id}`.
    pub job: Option<String>,
    /// A review; default `<public_url>/reviews/{id}`.
    pub review: Option<String>,
    /// The state of one's identity check; default `<public_url>/kyc`.
    pub kyc: Option<String>,
    /// One's account; default `<public_url>/account`.
    pub account: Option<String>,
}

impl Links {
    fn all(&self) -> [(&'static str, Option<&str>, bool); 5] {
        [
            ("thread", self.thread.as_deref(), true),
            ("job", self.job.as_deref(), true),
            ("review", self.review.as_deref(), true),
            ("kyc", self.kyc.as_deref(), false),
            ("account", self.account.as_deref(), false),
        ]
    }

    /// Checks that each is an address, and has its `{id}`. Returns the key of one that is not, and the rule.
    pub(super) fn check(&self, public: &Url) -> Result<(), (&'static str, String)> {
        for (key, pattern, has_id) in self.all() {
            let Some(pattern) = pattern else { continue };
            if has_id && !pattern.contains("{id}") {
                return Err((key, "must have {id} in the place of the id".to_owned()));
            }
            let url = Url::parse(&pattern.replace("{id}", "0"));
            // An app's own scheme, such as `market://jobs/{id}`, is an address as well.
            if !url.is_ok_and(|url| !matches!(url.scheme(), "javascript" | "data" | "vbscript" | "file")) {
                return Err((
                    key,
                    format!("must be an address, such as {}/{key}s/{{id}}", public.as_str().trim_end_matches('/')),
                ));
            }
        }
        Ok(())
    }
}

/// Rate and size limits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Concurrent connections. Above this, the longest idle ones are closed, and if none is idle, the new ones.
    pub connections: usize,
    /// Concurrent connections of one client address (IPv6: of one /64), handled likewise; those of trusted proxies are not
    /// counted.
    pub connections_per_address: usize,
    /// Requests processed concurrently, at most half of them for one client address; further requests get 503.
    pub requests: usize,
    /// Logins, sign-ups and requested mails, per client address and minute.
    pub auth_per_ip_minute: u32,
    /// Failed logins per client address and account in 15 minutes; afterwards only that address has to wait.
    pub failed_logins: u32,
    /// Failed logins per account and hour over all addresses; slows down a botnet.
    pub failed_logins_account_hour: u32,
    /// Mails to one address per hour.
    pub mails_per_account_hour: u32,
    /// Reads of public data, per client address and minute; 0 for no limit, as in the following limits.
    pub public_per_ip_minute: u32,
    /// Searches for services, per client address and minute.
    pub searches_per_ip_minute: u32,
    /// Reads with an account, per account and minute; ten times as many for staff, as in the following limits.
    pub reads_per_account_minute: u32,
    /// Writes, per account and minute.
    pub writes_per_account_minute: u32,
    /// Uploaded files, per account and minute.
    pub uploads_per_account_minute: u32,
    /// Uploads held in memory at once, counted once an upload has arrived completely.
    pub uploads: usize,
}

/// Retention periods, in days.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// A session that is not used.
    pub session_days: u32,
    /// A session in total, however much it is used; afterwards a new login is required.
    pub session_max_days: u32,
    /// The event log.
    pub event_days: u32,
    /// Notifications.
    pub notification_days: u32,
    /// What webhooks were sent, and what waits for one that is switched off; at least 4, as things are tried for 3.
    pub webhook_days: u32,
    /// An approval of an identity, which expires after this time.
    pub kyc_approval_days: u32,
    /// The files of an approved identity check, from the approval on. Here and below, 0 means as long as the account
    /// exists.
    pub kyc_files_approved_days: u32,
    /// The files of a check after which the worker was asked to try again, from that time on.
    pub kyc_files_retry_days: u32,
    /// The files of a rejected check, from the rejection on.
    pub kyc_files_rejected_days: u32,
    /// The files of an approval that was revoked, from the revocation on.
    pub kyc_files_revoked_days: u32,
    /// The files of an approval that expired, from the expiry on.
    pub kyc_files_expired_days: u32,
}

impl Log {
    /// Returns from when on a statement counts as slow, when such are logged.
    pub fn slow_statement(&self) -> Option<Duration> {
        Some(self.slow_statement_ms).filter(|millis| *millis > 0).map(Duration::from_millis)
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Pretty,
            level: "info".into(),
            access: false,
            slow_statement_ms: 0,
            files: true,
            dir: None,
        }
    }
}
impl Default for Argon2 {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 2_000,
            requests: 2_048,
            auth_per_ip_minute: 300,
            failed_logins: 10,
            failed_logins_account_hour: 100,
            mails_per_account_hour: 5,
            public_per_ip_minute: 30_000,
            searches_per_ip_minute: 6_000,
            reads_per_account_minute: 30_000,
            writes_per_account_minute: 6_000,
            uploads_per_account_minute: 300,
            uploads: 4,
        }
    }
}
impl Default for Retention {
    fn default() -> Self {
        Self {
            session_days: 30,
            session_max_days: 180,
            event_days: 7,
            notification_days: 90,
            webhook_days: 30,
            kyc_approval_days: 730,
            // Evidence of an identity that still counts is kept; evidence that no decision rests on is deleted within a
            // year.
            kyc_files_approved_days: 0,
            kyc_files_retry_days: 90,
            kyc_files_rejected_days: 365,
            kyc_files_revoked_days: 365,
            kyc_files_expired_days: 90,
        }
    }
}

impl Oidc {
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let issuer = Url::parse(&self.issuer).ok();
        // OpenID Connect Discovery 1.0 §3: no query, no fragment.
        let fine = |url: &Url| {
            let plain = url.query().is_none() && url.fragment().is_none();
            is_private_way(url) && plain && url.username().is_empty() && url.password().is_none()
        };
        if !issuer.as_ref().is_some_and(fine) {
            return Err(("issuer", "must be the provider's issuer, such as https://accounts.google.com"));
        }
        if self.client_id.is_empty() {
            return Err(("client_id", "is needed: the provider gives one out"));
        }
        if self.client_secret.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
            return Err(("client_secret", "is needed: the provider gives one out"));
        }
        Ok(())
    }
}
