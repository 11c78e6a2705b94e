//! One call, from its head to its status: who asks, whether the key is good for it, then the message, bounded in size
//! and time, and the answer framed. Nothing is read for whoever is not let in. Reflection and health are open, as
//! tools and load balancers want them, and tell nothing of anybody's disputes.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use prost::Message;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use super::ask;
use super::call::Call;
use super::headers::{self, Said};
use super::refusal::{self, invalid};
use crate::desk::{Caller, Desk, Scope, Taken};
use crate::grpc_code;
use crate::observe::record;

/// The paths under which the calls are answered.
pub(super) const SERVICES: [&str; 2] = ["types.DisputeService", "ucs.v2.DisputeService"];

/// Messages without evidence are some hundred bytes.
const SMALL_BYTES: usize = 64 << 10;
/// The head of a message: whether it is compressed, and its length.
const HEAD_BYTES: usize = 5;
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_CHARS_MAX: usize = 128;

pub(super) struct Door {
    pub desk: Desk,
    /// Reflection, health, and what there is not.
    pub others: Routes,
    pub message_bytes_max: usize,
    pub message_timeout: Duration,
    pub wait_max: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Defend,
    Accept,
    SubmitEvidence,
    Get,
}

impl Method {
    fn named(word: &str) -> Option<Self> {
        let all = [Method::Defend, Method::Accept, Method::SubmitEvidence, Method::Get];
        all.into_iter().find(|method| method.as_str() == word)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Method::Defend => "Defend",
            Method::Accept => "Accept",
            Method::SubmitEvidence => "SubmitEvidence",
            Method::Get => "Get",
        }
    }

    const fn scope(self) -> Scope {
        match self {
            Method::Defend | Method::Accept | Method::SubmitEvidence => Scope::DisputesWrite,
            Method::Get => Scope::DisputesRead,
        }
    }
}

/// Somebody with a good key, and the head of the call.
struct Let {
    caller: Caller,
    said: Said,
}

/// A message, and the room that it takes, if it is a large one.
struct Held {
    message: Bytes,
    room: Option<Taken>,
}

impl Door {
    pub fn new(desk: Desk, others: Routes, message_bytes_max: usize, times: (Duration, Duration)) -> Self {
        let (message_timeout, wait_max) = times;
        Self { desk, others, message_bytes_max, message_timeout, wait_max }
    }

    /// Answers whatever comes. The request's id comes back, or gets one, as Prism's servers do.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let request_id = request_id(request.headers());
        let path = request.uri().path();
        let (ours, method) = match path.trim_start_matches('/').split_once('/') {
            Some((service, method)) => (SERVICES.contains(&service), Method::named(method)),
            None => (false, None),
        };
        let media_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if !media_type.starts_with(MEDIA_TYPE.as_bytes()) {
            return not_grpc();
        }
        let answered = async {
            match (ours, method) {
                (true, Some(method)) => self.take(method, request).await.unwrap_or_else(refused),
                (true, None) => refused(Status::unimplemented(
                    "there are Defend, Accept, SubmitEvidence and Get here, and no other calls",
                )),
                (false, _) => {
                    // Nobody has shown a key here: a message that never ends is not waited for.
                    let asked = self.others.clone().oneshot(request);
                    match tokio::time::timeout(self.message_timeout, asked).await {
                        Ok(Ok(answer)) => answer,
                        Err(_) => refused(Status::deadline_exceeded("the message did not arrive in time")),
                    }
                }
            }
        };
        let mut response = AssertUnwindSafe(answered).catch_unwind().await.unwrap_or_else(|_panic| {
            tracing::error!(
                "a gRPC call ended in a panic and was answered with INTERNAL: this is a defect of respondby"
            );
            refused(Status::internal("this is a defect of respondby, and its log tells more"))
        });
        response.headers_mut().insert(REQUEST_ID, request_id);
        let name = method.filter(|_| ours).map_or("other", Method::as_str);
        record::grpc_call(name, grpc_code::word(code_of(response.headers())));
        response
    }

    async fn take<B>(&self, method: Method, request: Request<B>) -> Result<Response<Body>, Status>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let came_at = Instant::now();
        let (head, body) = request.into_parts();
        let Let { caller, said } = self.admit(method, &head.headers).await?;
        // Credentials of the caller's, if any were there, end here.
        drop(head);
        let until = came_at + said.patience.unwrap_or(self.message_timeout).min(self.message_timeout);
        let bytes_max = if method == Method::SubmitEvidence { self.message_bytes_max } else { SMALL_BYTES };
        let Held { message, room } = self.read(body, &caller, bytes_max, until).await?;
        let call = Call { desk: &self.desk, caller: &caller, said: &said, came_at, wait_max: self.wait_max };
        match method {
            Method::Defend => carry_out(message, |request| call.defend(request)).await,
            Method::Accept => carry_out(message, |request| call.accept(request)).await,
            Method::SubmitEvidence => {
                ask::few_documents(&message)?;
                carry_out(message, |request| call.submit_evidence(request, room)).await
            }
            Method::Get => carry_out(message, |request| call.get(request)).await,
        }
    }

    async fn admit(&self, method: Method, headers: &HeaderMap) -> Result<Let, Status> {
        let shown = headers::authorization(headers);
        let caller = self.desk.authenticate(shown).await.map_err(refusal::denied)?;
        caller.needs(method.scope()).map_err(|lacks| refusal::lacks(&lacks))?;
        Ok(Let { caller, said: headers::read(headers)? })
    }

    /// The one message of a call. A large one takes room, as its head says that it is.
    async fn read<B>(
        &self,
        body: B,
        caller: &Caller,
        bytes_max: usize,
        until: Instant,
    ) -> Result<Held, Status>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let announced = body.size_hint().lower();
        if announced > (bytes_max + HEAD_BYTES) as u64 {
            return Err(too_large(bytes_max));
        }
        let mut body = pin!(Limited::new(body, bytes_max + HEAD_BYTES));
        let (mut frame, mut room) = (BytesMut::new(), None);
        while let Some(piece) = timeout_at(until, body.frame()).await.map_err(|_| too_slow())? {
            let piece = piece.map_err(|error| match error.is::<LengthLimitError>() {
                true => too_large(bytes_max),
                false => Status::cancelled("the call ended before its message"),
            })?;
            // Trailers say nothing that is wanted.
            let Ok(piece) = piece.into_data() else { continue };
            frame.extend_from_slice(&piece);
            if frame.len() <= SMALL_BYTES + HEAD_BYTES {
                continue;
            }
            let whole = length(&frame).filter(|whole| *whole <= bytes_max);
            let whole = whole.ok_or_else(|| too_large(bytes_max))?;
            let Some(rest) = (whole + HEAD_BYTES).checked_sub(frame.len()) else {
                return Err(other_length(whole, frame.len() - HEAD_BYTES));
            };
            if room.is_none() {
                room = Some(self.room(caller, whole, until).await?);
                frame.reserve(rest);
            }
        }
        Ok(Held { message: unframed(frame.freeze())?, room })
    }

    /// Not waited for to the end: the message has to come yet.
    async fn room(&self, caller: &Caller, bytes: usize, until: Instant) -> Result<Taken, Status> {
        let now = Instant::now();
        let half = now + until.saturating_duration_since(now) / 2;
        self.desk.room(caller, bytes, half).await.ok_or_else(|| {
            Status::unavailable("other large messages are being read: come again in some seconds")
        })
    }
}

fn too_slow() -> Status {
    Status::deadline_exceeded("the message did not arrive in time: nothing was changed")
}

fn other_length(told: usize, came: usize) -> Status {
    invalid(format!("the head of the message tells of {told} bytes, and {came} came"))
}

/// How long a message is, as its head says.
fn length(frame: &[u8]) -> Option<usize> {
    let (head, _) = frame.split_first_chunk::<HEAD_BYTES>()?;
    Some(u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize)
}

/// What gRPC is not: told in HTTP's words.
fn not_grpc() -> Response<Body> {
    let text = "gRPC is spoken here: HTTP/2 with content-type application/grpc\n";
    let mut response = Response::new(Body::new(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn too_large(bytes_max: usize) -> Status {
    Status::resource_exhausted(format!("the message is too large: {bytes_max} bytes are taken here"))
}

/// The message behind its head, which must tell its length truly.
fn unframed(frame: Bytes) -> Result<Bytes, Status> {
    let (Some(length), Some(flag)) = (length(&frame), frame.first()) else {
        return Err(invalid("there is no message: the call ended before the head of one"));
    };
    if *flag != 0 {
        return Err(Status::unimplemented("the message is compressed, and messages are taken as they are"));
    }
    let came = frame.len() - HEAD_BYTES;
    if length != came {
        return Err(other_length(length, came));
    }
    Ok(frame.slice(HEAD_BYTES..))
}

/// The message goes with what is made of it: a call may be waited for long after.
async fn carry_out<Q, A, F>(message: Bytes, call: impl FnOnce(Q) -> F) -> Result<Response<Body>, Status>
where
    Q: Message + Default,
    A: Message,
    F: Future<Output = Result<A, Status>>,
{
    let request = Q::decode(message).map_err(|error| {
        invalid(format!("the message is not what this call takes: {error}; reflection tells its fields"))
    })?;
    Ok(framed(&call(request).await?))
}

fn framed(message: &impl Message) -> Response<Body> {
    let message = message.encode_to_vec();
    let mut frame = BytesMut::with_capacity(HEAD_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(frame.freeze()).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response
}

fn refused(status: Status) -> Response<Body> {
    status.into_http()
}

fn code_of(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// The caller's, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| (1..=REQUEST_ID_CHARS_MAX).contains(&id.len());
    let id = given.filter(fits).map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unnamed"))
}
