//! Prism behind TLS, with a certificate of an authority of one's own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::calling::{Called, accept, acknowledged, status};
use super::stub::{Reply, Stub};
use super::{ADYEN, account, trusting};
use crate::providers::Answer;
use crate::providers::http::install_crypto;

/// A server whose certificate is for `localhost`, and the PEM of the authority that signed it.
async fn server() -> (Stub, String) {
    install_crypto();
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![leaf.der().clone()], private).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsAcceptor::from(Arc::new(config));
    (Stub::behind(Some(tls), [Reply::Message(status(3))]).await, authority)
}

/// An Accept at that host, with the authorities of a file with that text.
async fn called(stub: &Stub, host: &str, authorities: &str) -> Called {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorities.pem");
    std::fs::write(&file, authorities).unwrap();
    let file = if authorities.is_empty() { "" } else { file.to_str().unwrap() };
    let address = stub.address.replace("http://127.0.0.1", &format!("https://{host}"));
    accept(&trusting(file, "stub", 20_000).unwrap(), &account(ADYEN, &address)).await
}

#[tokio::test]
async fn a_server_of_an_authority_that_is_named_is_called() {
    let (stub, authority) = server().await;
    let (_, other) = server().await;
    for authorities in [authority.clone(), format!("{other}{authority}")] {
        let (answer, logs) = called(&stub, "localhost", &authorities).await;
        assert!(acknowledged(&answer), "{answer:?}");
        assert_eq!((logs.len(), logs[0].status), (1, Some(200)));
    }
    assert_eq!(stub.calls().len(), 2);
    assert!(stub.calls()[0].headers.contains_key("x-connector-config"));
}

#[tokio::test]
async fn a_server_of_an_authority_that_is_not_is_told_nothing() {
    let (stub, _) = server().await;
    let (_, other) = server().await;
    for authorities in ["", other.as_str()] {
        let (answer, logs) = called(&stub, "localhost", authorities).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
        let why = logs[0].error.as_deref().unwrap();
        for words in ["not sent", "no authority", "providers.prism.certificate_authorities"] {
            assert!(why.contains(words), "{words}: {why}");
        }
    }
    assert!(stub.calls().is_empty(), "no credential has left");
}

#[tokio::test]
async fn a_server_of_another_name_is_told_nothing() {
    let (stub, authority) = server().await;
    let (answer, logs) = called(&stub, "127.0.0.1", &authority).await;
    assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    let why = logs[0].error.as_deref().unwrap();
    assert!(why.contains("for other names") && why.contains("base_url"), "{why}");
    assert!(stub.calls().is_empty(), "no credential has left");
}

#[test]
fn a_file_without_authorities_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n";
    for (name, text) in [("empty.pem", ""), ("text.pem", "our CA\n"), ("broken.pem", broken)] {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let why = trusting(file.to_str().unwrap(), "stub", 1_000).err().expect(name);
        let why = format!("{why:#}");
        assert!(why.contains("certificate_authorities") && why.contains(name), "{why}");
    }
    let why = format!("{:#}", trusting("/nowhere/ca.pem", "stub", 1_000).err().unwrap());
    assert!(why.contains("/nowhere/ca.pem"), "{why}");
}
