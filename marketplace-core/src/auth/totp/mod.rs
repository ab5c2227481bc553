//! The second factor: codes by time (TOTP, RFC 6238) and recovery codes for when the device is lost.
//!
//! The secret is encrypted by the master key; recovery codes are kept as hashes. A code is taken once, and so is a recovery
//! code: both are used up in the transaction that writes the session. A password reset does not remove a second factor.

pub(crate) mod code;
mod ops;
mod required;
pub(crate) mod store;

pub(crate) use ops::{Used, check, consume, context};
pub use ops::{begin_totp, confirm_totp, disable_totp};
pub(crate) use required::{is_required, must_enrol};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};

/// What shows that somebody has the second factor.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// The six digits that the device shows now.
    Code(String),
    /// One of the recovery codes, which is used up.
    Recovery(String),
}

impl Proof {
    /// From the two fields of a request, of which at most one may be there.
    pub fn of(totp: Option<String>, recovery_code: Option<String>) -> Result<Option<Self>> {
        match (totp, recovery_code) {
            (Some(_), Some(_)) => Err(Error::invalid("/recovery_code", "must not be there together with totp")),
            (Some(code), None) => Ok(Some(Self::Code(code))),
            (None, Some(code)) => Ok(Some(Self::Recovery(code))),
            (None, None) => Ok(None),
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code(_) => "Proof::Code(…)",
            Self::Recovery(_) => "Proof::Recovery(…)",
        })
    }
}

/// What an authenticator needs to show codes. It counts once a first code was confirmed.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enrolment {
    /// The secret, base32 without padding, for typing it in.
    pub secret: String,
    /// `otpauth://totp/…` with the secret, for a QR code.
    pub otpauth_url: String,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment(…)")
    }
}

/// Ten codes, each of which stands once for a code of the device. Shown this once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    /// The codes.
    pub recovery_codes: Vec<String>,
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryCodes({})", self.recovery_codes.len())
    }
}

#[cfg(test)]
mod tests;
