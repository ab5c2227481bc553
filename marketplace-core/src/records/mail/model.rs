//! Waiting mails, and mails as staff see them. No SQL, no I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Template;
use crate::{
    accounts::model::Account,
    base::{
        ids::{MailId, UserId},
        language::Language,
        text_enum::text_enum,
        time::Timestamp,
    },
    timers,
};

/// Pause after the first try, which doubles with each further try, and its maximum.
const PAUSES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(4));

/// How long a mail that could not be sent is kept.
pub(crate) const KEPT_FOR: Duration = Duration::from_hours(14 * 24);

/// Returns how long a mail waits after so many tries, counted from when the last one began.
pub(crate) fn pause_after(attempts: i64) -> Duration {
    timers::pause(attempts, PAUSES.0, PAUSES.1)
}

/// A mail as it waits.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    /// Recipient's address.
    pub to: String,
    /// Recipient's name, if the address is known to be theirs.
    pub name: Option<String>,
    /// Which text it has.
    pub template: Template,
    /// Target of its link, if it has one.
    pub link: Option<String>,
    /// Text that a person wrote for the recipient, if any.
    pub comment: Option<String>,
    /// Account that it is about. When the account is erased, so is the mail's file in the folder.
    #[serde(default)]
    pub user: Option<UserId>,
    /// Language of the text: the one of the account, once it is queued.
    #[serde(default)]
    pub language: Language,
    /// How many things it is about, where the text says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Token that switches mails of this kind off (RFC 8058).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<String>,
}

impl Mail {
    /// Returns a mail about an account, to its address. Until the address is confirmed the mail contains nothing that
    /// a person chose, including the name: the person who signed up may have entered a stranger's address.
    pub fn to_owner(account: &Account, template: Template) -> Self {
        let name = account.email_verified.then(|| account.name.clone());
        Self { name, user: Some(account.id), ..Self::to_stranger(&account.email, template) }
    }

    /// Returns a mail to an address whose owner is not known.
    pub fn to_stranger(address: &str, template: Template) -> Self {
        Self {
            to: address.to_owned(),
            name: None,
            template,
            link: None,
            comment: None,
            user: None,
            language: Language::default(),
            count: None,
            unsubscribe: None,
        }
    }
}

text_enum! {
    /// What becomes of a mail.
    pub enum MailStatus {
        /// It is tried, again and again if need be.
        Waiting = "waiting",
        /// It could not be sent and is not tried any more.
        Failed = "failed",
    }
}

/// A mail that was not sent yet, as staff see it. One that was sent is gone from the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MailSummary {
    /// Its id.
    pub id: MailId,
    /// What becomes of it.
    pub status: MailStatus,
    /// Which text; none when it cannot be read any more.
    pub template: Option<Template>,
    /// The recipient's address, masked.
    pub to: Option<String>,
    /// Whose account it is about.
    pub user_id: Option<UserId>,
    /// How often it was tried.
    pub attempts: i64,
    /// Why the last try failed.
    pub failure: Option<String>,
    /// When it is tried next; none once it has failed.
    pub next_try_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// Which mails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct MailFilter {
    /// Only those; without it, all that were not sent yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<MailStatus>,
}
