//! Client addresses as limits count them.

use std::net::IpAddr;

use marketplace_core::limiter::network;

/// Addresses that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    /// Returns the network of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(network(address))
    }
}
