//! Classes of calls whose rate is limited, and the remainder of a limit.

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

/// The remainder of a limit, for display to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The class of calls.
    pub class: Class,
    /// Number of calls in a window, and at once.
    pub quota: u32,
    /// Number of calls that may follow at once.
    pub remaining: u32,
    /// Time until the full quota is available again.
    pub reset: Duration,
}

impl Allowance {
    /// The time over which a quota is refilled.
    pub const WINDOW: Duration = Duration::from_secs(60);
}
