//! One-time tokens: the links in mails.

use crate::{
    base::{ids::UserId, text_enum::text_enum},
    records::mail::Template,
};

text_enum! {
    /// What a one-time token is good for.
    pub enum OneTime {
        /// Confirms the address of a new account.
        VerifyEmail = "verify_email",
        /// Sets a password.
        ResetPassword = "reset_password",
        /// Makes another address take effect.
        ChangeEmail = "change_email",
        /// Lets a banned person delete their data.
        OwnData = "own_data",
    }
}

impl OneTime {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::VerifyEmail => "auth/verify-email",
            Self::ResetPassword => "auth/password/reset",
            Self::ChangeEmail => "auth/email/confirm",
            Self::OwnData => "auth/own-data/delete",
        }
    }

    /// Returns the subject under which a mail with such a link is queued, so that the mail is cancelled together with
    /// its link.
    pub(crate) fn mail_subject(self, user: UserId) -> String {
        format!("user:{user}:{self}")
    }

    /// Returns the kind of the link in a mail with this template; `None` when the mail has no such link.
    pub(super) fn of(template: Template) -> Option<Self> {
        match template {
            Template::VerifyEmail => Some(Self::VerifyEmail),
            Template::ResetPassword | Template::Invitation => Some(Self::ResetPassword),
            Template::ConfirmNewEmail => Some(Self::ChangeEmail),
            Template::Banned => Some(Self::OwnData),
            _ => None,
        }
    }
}
