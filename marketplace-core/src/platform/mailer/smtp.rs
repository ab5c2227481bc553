//! The conversation with a mail server (RFC 5321), one mail at a time and within a time limit. It uses lettre's parts in
//! our own order, as the meaning of a failure depends on how far the conversation has come.

use std::fmt;

use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt},
    extension::{ClientId, MailParameter},
};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::message::{LaidOut, PATIENCE};
use crate::base::error::{Error, Result};

/// Time limit for QUIT; the mail is already accepted by then.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

/// Why a mail was not sent.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server cannot be reached, breaks off, is silent, or currently serves no client.
    Away(String),
    /// The server does not accept this mail now.
    Later(String),
    /// The server will never accept this mail.
    Final(String),
}

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connection,
    Sender,
    Recipient,
    Content,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connecting",
            Self::Sender => "the sender's address",
            Self::Recipient => "the recipient's address",
            Self::Content => "the content",
        })
    }
}

/// How the conversation is encrypted.
enum Encryption {
    None,
    /// From the first byte on.
    Whole(TlsParameters),
    /// After STARTTLS, which is required.
    Begun(TlsParameters),
    /// After STARTTLS, if the server supports it.
    BegunIfPossible(TlsParameters),
}

/// A mail server that relays mails.
pub(crate) struct Relay {
    host: String,
    port: u16,
    hello: ClientId,
    encryption: Encryption,
    credentials: Option<Credentials>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({}:{})", self.host, self.port)
    }
}

impl Relay {
    /// Parses `smtps://user:password@host:port/name`, or `smtp://…` with `?tls=required`, `?tls=opportunistic`, or neither,
    /// as lettre's own transport does.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = || Error::invalid("/smtp_url", "must be smtps://user:password@host, or smtp://…?tls=required");
        let url = Url::parse(url).map_err(|_| wrong())?;
        let host = match url.host().ok_or_else(wrong)? {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        let parameters = || TlsParameters::new(host.clone()).map_err(|_| wrong());
        let tls = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
        let (encryption, port) = match (url.scheme(), tls.as_deref()) {
            ("smtps", _) => (Encryption::Whole(parameters()?), 465),
            ("smtp", Some("required")) => (Encryption::Begun(parameters()?), 587),
            ("smtp", Some("opportunistic")) => (Encryption::BegunIfPossible(parameters()?), 587),
            ("smtp", None) => (Encryption::None, 25),
            _ => return Err(wrong()),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| wrong());
        let credentials = match url.password() {
            Some(password) => Some(Credentials::new(decoded(url.username())?, decoded(password)?)),
            None => None,
        };
        let name = url.path().trim_matches('/');
        let hello = if name.is_empty() { ClientId::default() } else { ClientId::Domain(name.to_owned()) };
        Ok(Self { port: url.port().unwrap_or(port), host, hello, encryption, credentials })
    }

    /// Hands one mail over. When this returns `Ok`, the server has accepted it.
    pub async fn send(&self, message: &LaidOut) -> Result<(), Failure> {
        let mut stage = Stage::Connection;
        match tokio::time::timeout(PATIENCE, self.converse(message, &mut stage)).await {
            Ok(Ok(mut connection)) => {
                // The mail is accepted; QUIT is only a courtesy.
                let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
                Ok(())
            }
            Ok(Err(error)) => Err(meaning(stage, &error)),
            Err(_) => {
                let reason = format!("{stage}: no answer within {} s", PATIENCE.as_secs());
                // The server may be verifying this one recipient; other recipients are unaffected.
                Err(if stage == Stage::Recipient { Failure::Later(reason) } else { Failure::Away(reason) })
            }
        }
    }

    async fn converse(&self, message: &LaidOut, stage: &mut Stage) -> Result<AsyncSmtpConnection, SmtpError> {
        let whole = match &self.encryption {
            Encryption::Whole(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &self.hello, whole, None).await?;
        match &self.encryption {
            Encryption::Begun(parameters) => connection.starttls(parameters.clone(), &self.hello).await?,
            Encryption::BegunIfPossible(parameters) if connection.can_starttls() => {
                connection.starttls(parameters.clone(), &self.hello).await?;
            }
            _ => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        *stage = Stage::Sender;
        let ascii =
            message.envelope.to().iter().chain(message.envelope.from()).all(|to| AsRef::<str>::as_ref(to).is_ascii());
        let unicode = (!ascii).then_some(MailParameter::SmtpUtfEight);
        connection.command(Mail::new(message.envelope.from().cloned(), unicode.into_iter().collect())).await?;
        *stage = Stage::Recipient;
        for recipient in message.envelope.to() {
            connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        *stage = Stage::Content;
        connection.command(Data).await?;
        connection.message(&message.bytes).await?;
        Ok(connection)
    }
}

/// Returns what a failure means for the mail. A permanent refusal (5xx) is final once it concerns the mail. Before that,
/// and where the server requires a login first (RFC 4954 §6), it concerns our setup, which an operator will fix.
fn meaning(stage: Stage, error: &SmtpError) -> Failure {
    let code = error.status().map(u16::from);
    let reason = match code {
        Some(code) => format!("{stage}: the server answers {code}{}", enhanced(error)),
        None => format!("{stage}: {}", with_sources(error)),
    };
    match code {
        _ if stage == Stage::Connection => Failure::Away(reason),
        Some(421 | 530..=539) | None => Failure::Away(reason),
        Some(500..) => Failure::Final(reason),
        Some(_) => Failure::Later(reason),
    }
}

/// Returns the enhanced status code of a reply (RFC 3463 §2), such as ` 5.1.1`. The text beside it is discarded: servers
/// often include the recipient's address in it, in one form or another.
fn enhanced(error: &SmtpError) -> String {
    let words = with_sources(error);
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_code = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        matches!(parts.as_slice(), ["2" | "4" | "5", subject, detail] if is_number(subject) && is_number(detail))
    };
    words.split_whitespace().find(is_code).map(|code| format!(" {code}")).unwrap_or_default()
}

fn with_sources(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
