//! Passwords, tokens, sessions: who is calling.

pub(crate) mod password;
pub mod token;

use std::net::IpAddr;

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's own address, not a proxy's.
    pub ip: IpAddr,
    /// What it calls itself; shown in the list of sessions, cut at 200 characters.
    pub user_agent: String,
}
