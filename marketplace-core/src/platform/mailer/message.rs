//! An outgoing mail.

use std::time::Duration;

#[cfg(feature = "smtp")]
use lettre::address::Envelope;

/// Time limit of one attempt in total: connecting, the greeting, every reply.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A mail ready to be sent.
#[cfg(feature = "smtp")]
pub(crate) struct LaidOut {
    pub envelope: Envelope,
    pub bytes: Vec<u8>,
}
