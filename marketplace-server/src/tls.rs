//! TLS with rustls, when a certificate is configured.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use marketplace_core::{
    config::Tls,
    error::{Error, Result},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// Accepts TLS with the certificate that was last read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Acceptor(Arc<RwLock<TlsAcceptor>>);

impl Acceptor {
    /// Creates the acceptor for the configured certificate; `None` without one.
    pub fn new(tls: &Tls) -> Result<Option<Self>> {
        Ok(read(tls)?.map(|acceptor| Self(Arc::new(RwLock::new(acceptor)))))
    }

    /// Returns the acceptor for one connection.
    pub fn current(&self) -> TlsAcceptor {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the certificate and its key again, for the connections from now on. On failure the old ones stay.
    pub fn reload(&self, tls: &Tls) {
        match read(tls) {
            Ok(Some(acceptor)) => {
                *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
                tracing::info!("the certificate was read again");
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

fn read(tls: &Tls) -> Result<Option<TlsAcceptor>> {
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
