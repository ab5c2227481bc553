//! TLS with rustls, when a certificate is configured.

use std::{path::Path, sync::Arc};

use marketplace_core::{
    config::Tls,
    error::{Error, Result},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// Creates the acceptor for the configured certificate; `None` without one.
pub(crate) fn acceptor(tls: &Tls) -> Result<Option<TlsAcceptor>> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unusable("/tls/cert", cert, &error))?;
    if chain.is_empty() {
        return Err(unusable("/tls/cert", cert, &"it holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("/tls/key", key, &error))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| unusable("/tls/key", key, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn unusable(pointer: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::invalid(pointer, format!("{} cannot be used: {error}", path.display()))
}
