//! What staff send with a change, and what a change returns.

use serde::{Deserialize, Serialize};

use crate::base::{
    error::FieldError,
    text::{MAX_NOTE, check_text},
    text_enum::text_enum,
    time::Timestamp,
};

/// How a change is asked for. All of it is optional, but restrictions need a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Why, as a code; goes to the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestrictionReason>,
    /// How it was made sure who asks. Needed to remove somebody's second factor; goes to the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<IdentityProof>,
    /// When a freeze ends by itself; without it, staff end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Free text that only staff see, at most 4,000 characters; kept with the subject and erased with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Goes through everything and changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses with `precondition_failed` unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl Change {
    /// Returns the note, checked; none when it is empty.
    ///
    /// # Errors
    /// The field when the note is too long, or has characters that a note cannot have.
    pub(crate) fn checked_note(&self) -> Result<Option<String>, FieldError> {
        let note = self.note.as_deref().filter(|note| !note.trim().is_empty());
        note.map(|note| check_text("/note", note, 1, MAX_NOTE)).transpose()
    }
}

/// What a change led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changed<T> {
    /// False when the subject already was as asked: repeating a change is harmless.
    pub changed: bool,
    /// The subject, as it is now.
    pub item: T,
}

text_enum! {
    /// Why an account was restricted.
    pub enum RestrictionReason {
        /// Deceives others for gain.
        Fraud = "fraud",
        /// Unwanted advertising.
        Spam = "spam",
        /// Threats, harassment, hate.
        Abuse = "abuse",
        /// Not of age.
        Underage = "underage",
        /// Is not who they say they are.
        Identity = "identity",
        /// The account seems to be in somebody else's hands.
        Security = "security",
        /// An open dispute about money.
        PaymentDispute = "payment_dispute",
        /// The owner asked for it.
        UserRequest = "user_request",
        /// See the note.
        Other = "other",
    }
}

text_enum! {
    /// How it was made sure that whoever asks is who they say they are.
    pub enum IdentityProof {
        /// They were seen in person, with a document.
        InPerson = "in_person",
        /// They were seen in a video call, with a document.
        VideoCall = "video_call",
        /// They were called at the number, or written to at the address, that was on record before.
        KnownContact = "known_contact",
        /// They submitted documents anew, which match the identity check.
        IdentityCheck = "identity_check",
        /// A colleague who knows them confirmed it.
        Colleague = "colleague",
    }
}
