//! The tables of the configuration, and what stands in them when nobody says otherwise.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::{Secret, private_way::is_private_way};
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

/// A provider of social login (OpenID Connect). All three are needed; [`Config::checked`](super::Config::checked) says which is missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// Its issuer, exactly as its tokens and its discovery document have it; `https`, or `http` on loopback.
    pub issuer: String,
    /// What it knows this marketplace by.
    pub client_id: String,
    /// What proves that to it.
    pub client_secret: Option<Secret>,
}

/// Logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,sqlx=warn`.
    pub level: String,
    /// Folder of the rotating file; default `<data_dir>/logs`.
    pub dir: Option<PathBuf>,
}

/// Password hashing (argon2id). Defaults: OWASP Password Storage Cheat Sheet, second of its equivalent settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Argon2 {
    /// Memory of one hash, in KiB; 8 to 1,048,576.
    pub memory_kib: u32,
    /// Passes; 1 to 64.
    pub iterations: u32,
    /// Lanes; 1 to 16.
    pub parallelism: u32,
}

/// How much of something in how long.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once; for more, those that have idled longest are closed, and when none idles the new ones.
    pub connections: usize,
    /// Connections of one client address (IPv6: of one /64) at once, likewise; those of trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Requests that are worked on at once, half of them for one client address; more are answered 503.
    pub requests: usize,
    /// Logins, signups and mails asked for, per client address and minute.
    pub auth_per_ip_minute: u32,
    /// Failed logins per client address and account in 15 minutes; afterwards that address waits, nobody else.
    pub failed_logins: u32,
    /// Failed logins per account and hour over all addresses; keeps a botnet slow.
    pub failed_logins_account_hour: u32,
    /// Mails to one address per hour.
    pub mails_per_account_hour: u32,
    /// Reads of what is public, per client address and minute; 0 for no limit, as in those that follow.
    pub public_per_ip_minute: u32,
    /// Searches for services, per client address and minute.
    pub searches_per_ip_minute: u32,
    /// Reads with an account, per account and minute; ten times as many for staff, as in those that follow.
    pub reads_per_account_minute: u32,
    /// Changes, per account and minute.
    pub writes_per_account_minute: u32,
    /// Files sent, per account and minute.
    pub uploads_per_account_minute: u32,
    /// Uploads in memory at once, from when all of one has come.
    pub uploads: usize,
}

/// How long things are kept, in days.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// A session without use.
    pub session_days: u32,
    /// A session in all, however much it is used; then it takes a login again.
    pub session_max_days: u32,
    /// The event log.
    pub event_days: u32,
    /// An approval of an identity; it expires then.
    pub kyc_approval_days: u32,
    /// The files of an approved identity check, from the approval on. This and those below: 0 is as long as the account.
    pub kyc_files_approved_days: u32,
    /// The files of a check after which the worker was asked again, from then on.
    pub kyc_files_retry_days: u32,
    /// The files of a rejected check, from the rejection on.
    pub kyc_files_rejected_days: u32,
    /// The files of an approval that was revoked, from then on.
    pub kyc_files_revoked_days: u32,
    /// The files of an approval that expired, from then on.
    pub kyc_files_expired_days: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, level: "info".into(), dir: None }
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
            kyc_approval_days: 730,
            // What confirms an identity that still counts stays; what no decision rests on any more goes in a year at most.
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
