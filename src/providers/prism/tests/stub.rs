//! A gRPC server that answers as it is told, down to the frames: tonic would not let one answer wrongly.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    Message(Vec<u8>),
    Status {
        code: i32,
        message: &'static str,
        details: Vec<u8>,
    },
    /// The message, and no status after it.
    NoStatus(Vec<u8>),
    /// A frame that promises more than it holds, and then the status.
    CutShort(Vec<u8>),
    /// These bytes where a frame should be, and these trailers.
    Bytes(Vec<u8>, Vec<(&'static str, String)>),
    /// Not gRPC at all.
    Html(u16),
    /// The call is broken off.
    HangUp,
    Never,
}

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    pub headers: HeaderMap,
    pub message: Bytes,
}

pub struct Stub {
    pub address: String,
    connections: Arc<AtomicUsize>,
    ends: Arc<Ends>,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// How connections are ended, all that there are.
#[derive(Default)]
struct Ends {
    cut: Notify,
    go_away: Notify,
}

impl Stub {
    /// Answers the first call with the first reply, and so on; the last one stays.
    pub async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::behind(None, replies).await
    }

    /// The same behind TLS, where there is a certificate for it.
    pub async fn behind(tls: Option<TlsAcceptor>, replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Arc<[Reply]> = replies.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (connections, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let ends = Arc::new(Ends::default());
        let stub =
            Self { address, connections: connections.clone(), ends: ends.clone(), calls: calls.clone() };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (replies, calls, ends) = (replies.clone(), calls.clone(), ends.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => attend(socket, replies, calls, ends).await,
                        // Where the client will not have it: that is what the test is about.
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                attend(socket, replies, calls, ends).await;
                            }
                        }
                    }
                });
            }
        });
        stub
    }

    /// Closes the connections as a server that dies.
    pub fn cut(&self) {
        self.ends.cut.notify_waiters();
    }

    /// Closes them as a server that is stopped: with a GOAWAY.
    pub fn go_away(&self) {
        self.ends.go_away.notify_waiters();
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn attend(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    replies: Arc<[Reply]>,
    calls: Arc<Mutex<Vec<Call>>>,
    ends: Arc<Ends>,
) {
    let service = service_fn(move |request| serve(request, replies.clone(), calls.clone()));
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = ends.cut.notified() => return,
        () = ends.go_away.notified() => connection.as_mut().graceful_shutdown(),
    }
    _ = connection.await;
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn serve(
    request: Request<Incoming>,
    replies: Arc<[Reply]>,
    calls: Arc<Mutex<Vec<Call>>>,
) -> Result<Response<Body>, std::io::Error> {
    let (head, body) = request.into_parts();
    let frame = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    assert_eq!(frame[0], 0, "messages are not compressed");
    assert_eq!(frame[1..5], u32::try_from(frame.len() - 5).unwrap().to_be_bytes());
    let reply = {
        let mut calls = calls.lock().unwrap();
        calls.push(Call {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            message: frame.slice(5..),
        });
        replies[(calls.len() - 1).min(replies.len() - 1)].clone()
    };
    let whole = |body: Vec<u8>, trailers: Option<HeaderMap>| {
        let body = Full::new(Bytes::from(body));
        match trailers {
            Some(trailers) => body.with_trailers(async { Some(Ok(trailers)) }).boxed_unsync(),
            None => body.boxed_unsync(),
        }
    };
    let (media_type, http, body) = match reply {
        Reply::Message(message) => {
            ("application/grpc", 200, whole(framed(&message), Some(status(0, "", &[]))))
        }
        Reply::Status { code, message, details } => {
            ("application/grpc", 200, whole(Vec::new(), Some(status(code, message, &details))))
        }
        Reply::NoStatus(message) => ("application/grpc", 200, whole(framed(&message), None)),
        Reply::CutShort(message) => {
            let mut frame = framed(&message);
            frame.pop();
            ("application/grpc", 200, whole(frame, Some(status(0, "", &[]))))
        }
        Reply::Bytes(frame, trailers) => {
            let named = trailers.into_iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::try_from(value).expect("a header's value"))
            });
            ("application/grpc", 200, whole(frame, Some(named.collect())))
        }
        Reply::Html(http) => ("text/html", http, whole(b"<html>Welcome to the WiFi</html>".to_vec(), None)),
        Reply::HangUp => return Err(std::io::Error::other("hangs up")),
        Reply::Never => std::future::pending().await,
    };
    let answer = Response::builder().status(http).header("content-type", media_type);
    let answer = answer.header("date", "Thu, 12 Mar 2026 09:30:00 GMT").header("x-request-id", "req-7Q");
    Ok(answer.body(body).unwrap())
}

/// Not compressed, length, bytes.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

fn status(code: i32, message: &str, details: &[u8]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    if !message.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_str(&message.replace(' ', "%20")).unwrap());
    }
    if !details.is_empty() {
        let details = STANDARD_NO_PAD.encode(details);
        trailers.insert("grpc-status-details-bin", HeaderValue::from_str(&details).unwrap());
    }
    trailers
}
