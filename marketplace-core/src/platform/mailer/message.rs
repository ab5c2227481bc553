//! A mail on its way out.

use std::time::Duration;

#[cfg(feature = "smtp")]
use lettre::address::Envelope;

/// How long one try may take in all: connecting, the greeting, every reply.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A mail as it goes out.
#[cfg(feature = "smtp")]
pub(crate) struct LaidOut {
    pub envelope: Envelope,
    pub bytes: Vec<u8>,
}
