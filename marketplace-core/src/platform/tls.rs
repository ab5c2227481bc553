//! The cryptography of TLS, for every connection that the program opens or accepts: ring.

/// Makes rustls use ring. Calling it again does nothing.
///
/// Opening a marketplace calls this. Code that uses TLS without opening one calls it before it sets up its client.
pub fn install_provider() {
    // An error means that a provider is already installed, which only a program that embeds this crate could have chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
