//! The cryptography of TLS, for every connection that the program opens or accepts: ring.

/// Makes rustls use ring. Calling it again does nothing.
///
/// Opening a marketplace does this; what speaks TLS without one does it itself, before it sets up its client.
pub fn install_provider() {
    // An error says that one is installed already; only whoever embeds us could have chosen another.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
