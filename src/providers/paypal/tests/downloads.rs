//! Certificates from where they really come: an HTTPS server. What it may do to whoever downloads, and who it must be.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::TimeDelta;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{account, fixture, json, key_file, now, paypal_with};
use crate::clock::Clock;
use crate::providers::http::{TimeOuts, install_crypto};
use crate::providers::paypal::Paypal;
use crate::providers::{Account, Delivery, NotReady, Provider, Refusal, Verified};

/// Short enough that a server which stops in the middle holds up no test.
const TIME_OUTS: TimeOuts = TimeOuts { connect_ms: 5_000, read_ms: 300, total_ms: 5_000 };

/// What the server answers with.
#[derive(Debug, Clone)]
enum Answer {
    Body(Bytes),
    Head(String),
    /// The beginning of a body, and then nothing.
    Stalls,
    /// A body that does not end.
    Floods,
}

/// Who the server says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    Sound,
    Expired,
    OfAnotherName,
    /// Of an authority that is not the one that is trusted.
    OfAStranger,
}

struct Server {
    origin: String,
    root: reqwest::Certificate,
    /// The paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::being(Identity::Sound, answers).await
    }

    /// The last answer is given to everybody who comes later.
    async fn being(identity: Identity, answers: impl IntoIterator<Item = Answer>) -> Self {
        install_crypto();
        let (acceptor, root) = tls(identity);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answers, seen): (Vec<Answer>, _) = (answers.into_iter().collect(), asked.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, seen, answers) = (acceptor.clone(), seen.clone(), answers.clone());
                tokio::spawn(async move { serve(socket, acceptor, &seen, &answers).await });
            }
        });
        Self { origin, root, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// An error is a client that went away.
async fn serve(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    seen: &Mutex<Vec<String>>,
    answers: &[Answer],
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let mut seen = seen.lock().unwrap();
        seen.push(path);
        answers[(seen.len() - 1).min(answers.len() - 1)].clone()
    };
    give(&mut stream, answer).await?;
    stream.shutdown().await
}

async fn give(stream: &mut TlsStream<TcpStream>, answer: Answer) -> std::io::Result<()> {
    let begin =
        |length: usize| format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    match answer {
        Answer::Body(body) => {
            stream.write_all(begin(body.len()).as_bytes()).await?;
            stream.write_all(&body).await
        }
        Answer::Head(head) => stream.write_all(head.as_bytes()).await,
        Answer::Stalls => {
            stream.write_all(begin(4_000).as_bytes()).await?;
            stream.write_all(b"-----BEGIN CERTIFICATE-----\n").await?;
            stream.flush().await?;
            // Until the client gives up.
            stream.read_u8().await.map(|_| ())
        }
        Answer::Floods => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            let chunk = [b"1000\r\n".as_slice(), &[b'A'; 0x1000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
    }
}

/// The server's side, and the authority that its client trusts.
fn tls(identity: Identity) -> (TlsAcceptor, reqwest::Certificate) {
    let authority = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        (root.der().to_vec(), Issuer::new(params, key))
    };
    let ((root, known), (_, stranger)) = (authority(), authority());
    let name = if identity == Identity::OfAnotherName { "api.paypal.example" } else { "localhost" };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if identity == Identity::Expired {
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    }
    let key = KeyPair::generate().unwrap();
    let issuer = if identity == Identity::OfAStranger { &stranger } else { &known };
    let chain = vec![params.signed_by(&key, issuer).unwrap().der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), reqwest::Certificate::from_der(&root).unwrap())
}

/// PayPal's adapter, which may ask that server, trusts its authority, and takes the certificates of `root.pem`.
fn asking(server: &Server, clock: Clock) -> Paypal {
    let authorities = key_file("root.pem");
    let settings = [("certificate_origins", &*server.origin), ("certificate_authorities", &*authorities)];
    let mut p = paypal_with(&settings, clock);
    p.keyring.download_by(|http| http.trusting(server.root.clone(), TIME_OUTS));
    p
}

/// A genuine delivery whose certificate is at the server.
fn naming(server: &Server, id: &str) -> (Delivery, Account) {
    let mut vector = json(fixture!("vectors"))[0].take();
    vector["headers"]["paypal-cert-url"] = format!("{}/v1/notifications/certs/{id}", server.origin).into();
    let headers = vector["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())).collect();
    let body = Bytes::from(vector["body"].as_str().unwrap().to_owned());
    let account = account(&[vector["webhook_ids"][0].as_str().unwrap()], None);
    (Delivery { headers, body, url: None }, account)
}

/// Downloads, where there is something to download, and judges.
async fn take(p: &Paypal, server: &Server) -> (Option<Result<(), NotReady>>, Result<Verified, Refusal>) {
    let (delivery, account) = naming(server, "CERT-1");
    let prepared = match p.prepare(&delivery, &account) {
        Some(preparing) => Some(preparing.await),
        None => None,
    };
    (prepared, p.verify(delivery, &account, now()))
}

fn pem(name: &str) -> Answer {
    Answer::Body(std::fs::read(key_file(name)).unwrap().into())
}

#[tokio::test]
async fn a_certificate_comes_by_tls_once_and_proves_what_it_signed() {
    let server = Server::answering([pem("chain.pem")]).await;
    let clock = Clock::frozen_at(now());
    let p = asking(&server, clock.clone());
    let (prepared, verified) = take(&p, &server).await;
    assert_eq!(prepared, Some(Ok(())));
    verified.unwrap();
    assert_eq!(*server.asked.lock().unwrap(), ["/v1/notifications/certs/CERT-1"]);
    // It is at hand for a day.
    for (hours, prepared, asked) in [(0, None, 1), (23, None, 1), (2, Some(Ok(())), 2)] {
        clock.advance(TimeDelta::hours(hours));
        let (told, verified) = take(&p, &server).await;
        assert_eq!((told, server.asked()), (prepared, asked));
        verified.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused_and_asked_for_again_after_a_while_alone() {
    let redirect = "HTTP/1.1 302 Found\r\nconnection: close\r\ncontent-length: 0\r\nlocation: \
                    /v1/notifications/certs/CERT-2\r\n\r\n";
    for (answer, why) in [
        (Answer::Head(redirect.to_owned()), "HTTP 302"),
        (Answer::Body(Bytes::from_static(b"<html>Welcome to the WiFi</html>")), "no certificate"),
        (Answer::Body(Bytes::new()), "no certificate"),
        (pem("expired.pem"), "its chain does not hold"),
        (pem("other_name.pem"), "and not for paypal.com"),
        (pem("self_made.pem"), "no authority known here issued it"),
        // Without the certificate between it and its authority.
        (pem("leaf.pem"), "no authority known here issued it"),
    ] {
        let server = Server::answering([answer.clone(), pem("chain.pem")]).await;
        let clock = Clock::frozen_at(now());
        let p = asking(&server, clock.clone());
        for prepared in [Some(Ok(())), None] {
            let (told, verified) = take(&p, &server).await;
            let refusal = verified.unwrap_err().to_string();
            assert_eq!((told, server.asked()), (prepared, 1), "{answer:?}: no other address, and not again");
            assert!(refusal.contains(why), "{answer:?}: {refusal}");
        }
        clock.advance(TimeDelta::minutes(6));
        let (told, verified) = take(&p, &server).await;
        assert_eq!((told, server.asked()), (Some(Ok(())), 2));
        verified.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stops_or_never_ends_is_left_and_the_sender_comes_again() {
    for (answer, why) in
        [(Answer::Stalls, "no whole answer came"), (Answer::Floods, "larger than 65536 bytes")]
    {
        let server = Server::answering([answer.clone(), pem("chain.pem")]).await;
        let p = asking(&server, Clock::frozen_at(now()));
        let (told, verified) = take(&p, &server).await;
        let told = told.unwrap().unwrap_err().why;
        assert!(told.contains(why), "{answer:?}: {told}");
        assert!(verified.is_err(), "{answer:?}");
        let (told, verified) = take(&p, &server).await;
        assert_eq!((told, server.asked()), (Some(Ok(())), 2), "{answer:?}");
        verified.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_prove_who_it_is_is_not_even_asked() {
    for identity in [Identity::Expired, Identity::OfAnotherName, Identity::OfAStranger] {
        let server = Server::being(identity, [pem("chain.pem")]).await;
        let p = asking(&server, Clock::frozen_at(now()));
        let (told, verified) = take(&p, &server).await;
        assert!(told.unwrap().unwrap_err().why.contains("the certificate was not fetched"), "{identity:?}");
        assert!(verified.is_err(), "{identity:?}");
        assert_eq!(server.asked(), 0, "{identity:?}");
    }
}

#[tokio::test]
async fn an_address_that_nobody_allowed_is_not_asked_whatever_an_account_says() {
    let server = Server::answering([pem("chain.pem")]).await;
    let mut p = paypal_with(&[], Clock::frozen_at(now()));
    p.keyring.download_by(|http| http.trusting(server.root.clone(), TIME_OUTS));
    let (told, verified) = take(&p, &server).await;
    assert!(told.is_none());
    assert!(verified.unwrap_err().to_string().contains("no address that certificates may come from"));
    assert_eq!(server.asked(), 0);
}
