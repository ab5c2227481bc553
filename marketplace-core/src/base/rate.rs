//! Kinds of calls whose rate is limited, and what is left of a limit.

use std::time::Duration;

use crate::base::text_enum::text_enum;

text_enum! {
    /// Kinds of calls that are counted together.
    pub enum Class {
        /// Logins, sign-ups, mails: by address.
        Auth = "auth",
        /// What everybody may read: by address.
        Public = "public",
        /// Looking for services: by address.
        Search = "search",
        /// Reading with an account: by account.
        Read = "read",
        /// Changing something: by account.
        Write = "write",
        /// Sending files: by account.
        Upload = "upload",
    }
}

/// How much of a limit is left, for a caller to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Of which kind of calls.
    pub class: Class,
    /// Calls in a window, and at once.
    pub quota: u32,
    /// Calls that may follow at once.
    pub remaining: u32,
    /// Until all of them may.
    pub reset: Duration,
}

impl Allowance {
    /// The time over which a quota is refilled.
    pub const WINDOW: Duration = Duration::from_secs(60);
}
