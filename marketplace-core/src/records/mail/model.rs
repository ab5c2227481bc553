//! Mails as they wait, and as staff see them. No SQL, no I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Template;
use crate::{
    accounts::model::Account,
    base::{
        ids::{MailId, UserId},
        text_enum::text_enum,
        time::Timestamp,
    },
    timers,
};

/// The pause after the first try, which doubles with each that follows, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(4));

/// How long one that could not be sent stays to be seen.
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
    /// Recipient's name, where the address is known to be theirs.
    pub name: Option<String>,
    /// Which text.
    pub template: Template,
    /// Where its link goes, if it has one.
    pub link: Option<String>,
    /// What somebody wrote for the recipient, if anything.
    pub comment: Option<String>,
    /// Whose account it is about: with it goes what was written of it to the folder.
    #[serde(default)]
    pub user: Option<UserId>,
}

impl Mail {
    /// A mail about an account, to its address. Until that is confirmed it says nothing that somebody chose, the name
    /// included: whoever signed up may have given the address of a stranger.
    pub fn to_owner(account: &Account, template: Template) -> Self {
        let name = account.email_verified.then(|| account.name.clone());
        Self { name, user: Some(account.id), ..Self::to_stranger(&account.email, template) }
    }

    /// A mail to whoever has that address.
    pub fn to_stranger(address: &str, template: Template) -> Self {
        Self { to: address.to_owned(), name: None, template, link: None, comment: None, user: None }
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
