//! The certificate that calls are encrypted with, read once, when the engine starts. What is wrong with it is told
//! before anything listens.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::GrpcConfig;

#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    #[error("cannot read the certificate {}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("there is no certificate in {}: it is PEM, and begins with BEGIN CERTIFICATE", .0.display())]
    NoCertificate(PathBuf),
    #[error(
        "there is no private key in what grpc.tls_key names: it is PEM, and begins with BEGIN PRIVATE KEY"
    )]
    NoKey,
    #[error("the certificate {} cannot be used with the key that grpc.tls_key names", .path.display())]
    Unusable { path: PathBuf, source: rustls::Error },
}

/// Whether the certificate, if there is one, can be used.
pub fn check(config: &GrpcConfig) -> Result<(), BadTls> {
    acceptor(config).map(|_| ())
}

/// Nothing without a certificate.
pub(super) fn acceptor(config: &GrpcConfig) -> Result<Option<TlsAcceptor>, BadTls> {
    let (Some(path), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    let path = || path.clone();
    let pem = std::fs::read(path()).map_err(|source| BadTls::Unreadable { path: path(), source })?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| BadTls::NoCertificate(path()))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| BadTls::NoKey)?;
    let unusable = |source| BadTls::Unusable { path: path(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = builder.map_err(unusable)?.with_no_client_auth();
    let mut tls = tls.with_single_cert(chain, key).map_err(unusable)?;
    // gRPC is HTTP/2, and nothing else is spoken here.
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}
