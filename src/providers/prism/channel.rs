//! One call over gRPC: one pooled connection per address, a deadline, one message each way, and a failure told
//! apart by whether the request can have arrived. tonic repeats nothing by itself. Knows neither the messages nor
//! what an answer means.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, Utc};
use http_body_util::BodyExt as _;
use hyper::http::uri::PathAndQuery;
use hyper::http::{self, HeaderValue};
use hyper_util::client::legacy::connect::HttpConnector;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, ConnectError, Request, Response, Status, TimeoutExpired};
use tower::ServiceExt;

use crate::clock::Clock;
use crate::grpc_code;
use crate::providers::CallLog;
use crate::providers::http::{BODY_BYTES_MAX, TimeOuts, install_crypto, parse_http_date};
use crate::providers::shared::plausible;

/// Idle connections are asked for a sign of life this often, while calls are under way.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(20);

pub struct Channels {
    open: Mutex<BTreeMap<String, Channel>>,
    time_outs: TimeOuts,
    tls: ClientTlsConfig,
    clock: Clock,
}

/// A message that came whole, with the status that says so.
#[derive(Debug, Clone)]
pub struct Answered {
    pub message: Bytes,
    /// The answer's `date`, or our own time at sending without one.
    pub as_of: DateTime<Utc>,
}

/// Why there is none.
#[derive(Debug, Clone)]
pub enum Failure {
    /// No byte of the request can have arrived.
    NotSent(String),
    /// The request may have arrived, and its answer did not, or not whole.
    Lost(String),
    /// The deadline passed before the answer came.
    Late,
    /// The server's own word. Where it stands for something that was made up on the way (an answer that is cut
    /// short is INTERNAL), it has no `details`.
    Status { code: Code, message: String, details: Bytes },
}

impl Channels {
    /// `authorities` are whom servers' certificates are traced to, in place of those of this machine.
    pub fn new(time_outs: TimeOuts, authorities: Option<Certificate>, clock: Clock) -> Self {
        install_crypto();
        let tls = ClientTlsConfig::new();
        let tls = match authorities {
            Some(authorities) => tls.ca_certificate(authorities),
            None => tls.with_native_roots(),
        };
        Self { open: Mutex::default(), time_outs, tls, clock }
    }

    /// Calls once. Never fails: what went wrong is in the outcome.
    pub async fn call(
        &self,
        address: &str,
        path: &'static str,
        metadata: MetadataMap,
        message: Vec<u8>,
    ) -> (Result<Answered, Failure>, CallLog) {
        let sent_at = self.clock.now();
        let mut log = CallLog {
            request: format!("gRPC {path}"),
            status: None,
            provider_request_ref: None,
            latency_ms: 0,
            error: None,
        };
        let started = Instant::now();
        let outcome = self.exchange(address, path, metadata, message, sent_at, &mut log).await;
        log.latency_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        log.error = outcome.as_ref().err().map(Failure::words);
        (outcome, log)
    }

    async fn exchange(
        &self,
        address: &str,
        path: &'static str,
        metadata: MetadataMap,
        message: Vec<u8>,
        sent_at: DateTime<Utc>,
        log: &mut CallLog,
    ) -> Result<Answered, Failure> {
        let channel = self.channel(address).map_err(Failure::NotSent)?;
        let deadline = self.deadline();
        let mut request = Request::new(Bytes::from(message));
        *request.metadata_mut() = metadata;
        // Tells the server too; the wait below is what is relied on.
        request.set_timeout(deadline);
        let channel = ServiceExt::<http::Request<Body>>::map_response(channel, legible);
        let mut client = Grpc::new(channel).max_decoding_message_size(BODY_BYTES_MAX);
        let call = async {
            client.ready().await.map_err(|e| Failure::NotSent(not_connected(&e)))?;
            client
                .unary(request, PathAndQuery::from_static(path), Raw::default())
                .await
                .map_err(|s| failure(&s, log))
        };
        // tonic watches the deadline as well, and not while it waits for a connection.
        let answer = tokio::time::timeout(deadline, call).await.unwrap_or(Err(Failure::Late))?;
        log.provider_request_ref = request_ref(answer.metadata());
        let answered = whole(answer, sent_at)?;
        log.status = Some(200);
        Ok(answered)
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.time_outs.read_ms.min(self.time_outs.total_ms))
    }

    /// The connection to that address. It is made by the first call and mended by the next one after it broke.
    fn channel(&self, address: &str) -> Result<Channel, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(address) {
            return Ok(channel.clone());
        }
        let channel = self.connect(address).map_err(|why| format!("no channel to `{address}`: {why}"))?;
        open.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    fn connect(&self, address: &str) -> Result<Channel, String> {
        let words = |e: tonic::transport::Error| chain(&e);
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(words)?;
        let endpoint =
            endpoint.user_agent(concat!("respondby/", env!("CARGO_PKG_VERSION"))).map_err(words)?;
        let endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE_EVERY);
        let (scheme, host) = (endpoint.uri().scheme_str(), endpoint.uri().host());
        let endpoint = match (scheme, host) {
            (Some("http"), Some(_)) => endpoint,
            (Some("https"), Some(_)) => endpoint.tls_config(self.tls.clone()).map_err(words)?,
            _ => return Err("an address begins with http:// or https:// and a host".to_owned()),
        };
        // A time-out of the endpoint's own would look like one of the call; a connector's does not.
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(Duration::from_millis(self.time_outs.connect_ms)));
        Ok(endpoint.connect_with_connector_lazy(tcp))
    }
}

impl Failure {
    pub fn words(&self) -> String {
        match self {
            Failure::NotSent(why) => format!("the request was not sent: {why}"),
            Failure::Lost(why) => format!("the request was sent and no whole answer came: {why}"),
            Failure::Late => "the request was sent and no answer came in time".to_owned(),
            Failure::Status { code, message, .. } => format!("{}: {message}", grpc_code::word(*code)),
        }
    }
}

/// An answer counts when it is gRPC's and its status has come: without one it was cut short after the message,
/// and tonic would let it pass.
fn whole(answer: Response<Bytes>, sent_at: DateTime<Utc>) -> Result<Answered, Failure> {
    let header = |name: &str| answer.metadata().get(name).and_then(|v| v.to_str().ok());
    let media_type = header("content-type").unwrap_or("nothing");
    if !media_type.starts_with("application/grpc") {
        let shown: String = media_type.chars().take(64).collect();
        return Err(Failure::Lost(format!("it was answered with {shown}, which is not gRPC")));
    }
    if header("grpc-status") != Some("0") {
        return Err(Failure::Lost("the answer ended before its status".to_owned()));
    }
    let date = header("date").and_then(parse_http_date).and_then(plausible::possible);
    let as_of = date.unwrap_or(sent_at);
    Ok(Answered { message: answer.into_inner(), as_of })
}

fn failure(status: &Status, log: &mut CallLog) -> Failure {
    log.provider_request_ref = request_ref(status.metadata());
    let mut cause = status.source();
    while let Some(e) = cause {
        if e.is::<ConnectError>() {
            return Failure::NotSent(not_connected(e));
        }
        if e.is::<TimeoutExpired>() {
            return Failure::Late;
        }
        cause = e.source();
    }
    match status.source() {
        Some(e) => Failure::Lost(chain(e)),
        None => Failure::Status {
            code: status.code(),
            message: status.message().chars().take(500).collect(),
            details: Bytes::copy_from_slice(status.details()),
        },
    }
}

fn request_ref(metadata: &MetadataMap) -> Option<String> {
    Some(metadata.get("x-request-id")?.to_str().ok()?.chars().take(128).collect())
}

/// Where a status has its details.
const DETAILS: &str = "grpc-status-details-bin";
/// Base64 of what is no message.
const NO_MESSAGE: HeaderValue = HeaderValue::from_static("/w");
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The answer, with details that can be decoded: tonic panics at a header that is not base64.
fn legible<B: hyper::body::Body<Data = Bytes>>(
    mut answer: http::Response<B>,
) -> http::Response<impl hyper::body::Body<Data = Bytes, Error = B::Error>> {
    decodable(answer.headers_mut());
    answer.map(|body| {
        body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                decodable(trailers);
            }
            frame
        })
    })
}

fn decodable(headers: &mut http::HeaderMap) {
    let Some(given) = headers.get(DETAILS) else { return };
    let details = ANY_PADDING.decode(given.as_bytes()).ok();
    let details = details.and_then(|bytes| HeaderValue::try_from(ANY_PADDING.encode(bytes)).ok());
    headers.insert(DETAILS, details.unwrap_or(NO_MESSAGE));
}

/// Why there is no connection, and what to do about a certificate.
fn not_connected(e: &(dyn Error + 'static)) -> String {
    let words = chain(e);
    let refused = words.contains("invalid peer certificate");
    let todo = if refused && words.contains("not valid for name") {
        "the server's certificate is for other names: write one of those into `base_url`"
    } else if refused && (words.contains("UnknownIssuer") || words.contains("BadSignature")) {
        "no authority that is trusted here has signed the server's certificate: name a PEM file with the one that has \
         as providers.prism.certificate_authorities"
    } else {
        return words;
    };
    format!("{todo} ({words})")
}

fn chain(e: &(dyn Error + 'static)) -> String {
    let mut out = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let words = e.to_string();
        if !out.ends_with(&words) {
            out = format!("{out}: {words}");
        }
        cause = e.source();
    }
    out
}

/// Messages as the bytes they are: which message it is, is for others to know. One each way.
#[derive(Default)]
struct Raw {
    decoded: bool,
}

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw::default()
    }

    fn decoder(&mut self) -> Raw {
        Raw::default()
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // tonic would take the first of two answers.
        if std::mem::replace(&mut self.decoded, true) {
            return Err(Status::internal("there is more than one message"));
        }
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
