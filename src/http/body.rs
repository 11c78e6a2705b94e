//! Reading a body: bounded in size, in time, and in what all bodies together may take of memory.
//! Knows nothing of what a body means.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody as _;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Bodies up to this size need no room: the limit on connections bounds what they take together, and a
/// webhook is some kilobytes. So nobody can shut webhooks out by sending large bodies slowly.
const SMALL_BYTES: u64 = 64 << 10;
/// What larger bodies may take together.
const LARGE_TOGETHER_BYTES: usize = 32 << 20;
const KIB: u64 = 1 << 10;

/// How much of a body that is too large is read and thrown away, so that the sender gets to read why, and
/// for how long.
const DISCARD_BYTES: usize = 8 << 20;
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoBody {
    #[error("the body is too large")]
    TooLarge,
    #[error("other large bodies are being read")]
    NoRoom,
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The sender went away, or sent what is no body.
    #[error("the body ended before its end")]
    Broken,
}

/// A body, and the room it takes until it is kept.
pub(super) struct Held {
    pub bytes: Bytes,
    pub room: Option<OwnedSemaphorePermit>,
}

/// What a body that comes in pieces may take of memory. It is given back once everything that is kept with it is
/// dropped.
#[derive(Clone)]
pub(super) struct Room {
    _held: Option<Arc<OwnedSemaphorePermit>>,
}

impl Room {
    /// The same bytes, and as long as they are held, the room.
    pub fn keep_with(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Roomed { bytes, _room: self.clone() })
    }
}

struct Roomed {
    bytes: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body as it comes.
pub(super) struct Pieces {
    body: Body,
    left: usize,
}

impl Pieces {
    /// Reads on without keeping anything, so that the sender gets to read the answer.
    pub async fn discard(self) {
        discard(self.body, self.left.max(DISCARD_BYTES)).await;
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, NoBody>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let piece = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(NoBody::Broken))),
                Some(Ok(frame)) => frame.into_data(),
            };
            // Trailers say nothing that is wanted.
            let Ok(piece) = piece else { continue };
            return Poll::Ready(Some(match self.left.checked_sub(piece.len()) {
                Some(left) => {
                    self.left = left;
                    Ok(piece)
                }
                None => Err(NoBody::TooLarge),
            }));
        }
    }
}

pub(super) struct Reader {
    bytes_max: usize,
    room: Arc<Semaphore>,
}

impl Reader {
    pub fn new(bytes_max: usize) -> Self {
        Self::together(bytes_max, LARGE_TOGETHER_BYTES)
    }

    /// One for bodies that take no more than this together.
    pub fn together(bytes_max: usize, together_bytes: usize) -> Self {
        Self { bytes_max, room: Arc::new(Semaphore::new(together_bytes.div_ceil(1 << 10))) }
    }

    /// `invited`: whether the sender waits to be told that the body is wanted (`Expect: 100-continue`), which the
    /// first look at it tells.
    pub async fn read(&self, body: Body, until: Instant, invited: bool) -> Result<Held, NoBody> {
        let body = self.within_bounds(body, invited).await?;
        timeout_at(until, self.collect(body)).await.unwrap_or(Err(NoBody::TooSlow))
    }

    /// The body in pieces, for whoever takes it apart on the way, and the room for all of it, which is waited for until
    /// then. One without a length may become as large as any.
    pub async fn pieces(&self, body: Body, until: Instant, invited: bool) -> Result<(Pieces, Room), NoBody> {
        let body = self.within_bounds(body, invited).await?;
        let size = body.size_hint().exact().unwrap_or(self.bytes_max as u64);
        let room = match kib(size)? {
            Some(kib) => timeout_at(until, self.room.clone().acquire_many_owned(kib)).await,
            None => return Ok((Pieces { body, left: self.bytes_max }, Room { _held: None })),
        };
        let Ok(Ok(room)) = room else { return Err(NoBody::NoRoom) };
        Ok((Pieces { body, left: self.bytes_max }, Room { _held: Some(Arc::new(room)) }))
    }

    async fn within_bounds(&self, body: Body, invited: bool) -> Result<Body, NoBody> {
        if body.size_hint().lower() <= self.bytes_max as u64 {
            return Ok(body);
        }
        if !invited {
            discard(body, DISCARD_BYTES).await;
        }
        Err(NoBody::TooLarge)
    }

    /// A body takes room once it is large, or says that it will be. One without a length, as a proxy hands on
    /// that does not wait for the end, is small until it is not.
    async fn collect(&self, body: Body) -> Result<Held, NoBody> {
        let announced = body.size_hint().exact();
        let mut room = self.room_for(announced.unwrap_or(0))?;
        let mut body = Limited::new(body, self.bytes_max);
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => NoBody::TooLarge,
                false => NoBody::Broken,
            })?;
            // Trailers say nothing that is wanted.
            let Ok(piece) = frame.into_data() else { continue };
            if bytes.is_empty() && announced == Some(piece.len() as u64) {
                return Ok(Held { bytes: piece, room });
            }
            if room.is_none() && bytes.len() + piece.len() > SMALL_BYTES as usize {
                room = self.room_for(self.bytes_max as u64)?;
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Held { bytes: bytes.freeze(), room })
    }

    fn room_for(&self, size: u64) -> Result<Option<OwnedSemaphorePermit>, NoBody> {
        let Some(kib) = kib(size)? else { return Ok(None) };
        self.room.clone().try_acquire_many_owned(kib).map(Some).map_err(|_| NoBody::NoRoom)
    }
}

/// How much room a body of that many bytes needs, if any.
fn kib(size: u64) -> Result<Option<u32>, NoBody> {
    if size <= SMALL_BYTES {
        return Ok(None);
    }
    u32::try_from(size.div_ceil(KIB)).map(Some).map_err(|_| NoBody::TooLarge)
}

async fn discard(mut body: Body, bytes: usize) {
    let read = async {
        let mut left = bytes;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                return;
            }
        }
    };
    // Read or not, the answer is the same.
    _ = timeout(DISCARD_FOR, read).await;
}
