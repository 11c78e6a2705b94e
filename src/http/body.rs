//! Reading a body: bounded in size, in time, and in what all bodies together may take of memory.
//! Knows nothing of what a body means.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody as _;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
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
/// A head or a gap between parts is not longer than this, with the piece in which it ends.
const OF_NO_USE_MAX: usize = 512 << 10;
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

/// A body as it comes. After each piece it lets whoever takes it apart do so: what is here already would otherwise be
/// handed over at once, and lie there whole.
pub(super) struct Pieces {
    body: Body,
    size: usize,
    left: usize,
    pause: bool,
    of_no_use: Arc<AtomicUsize>,
}

impl Pieces {
    /// `invited`: as for [`Reader::read`].
    pub async fn of(body: Body, bytes_max: usize, invited: bool) -> Result<Self, NoBody> {
        let body = within_bounds(body, bytes_max, invited).await?;
        let size = body.size_hint().exact().map_or(bytes_max, |size| size as usize);
        Ok(Self { body, size, left: bytes_max, pause: false, of_no_use: Arc::default() })
    }

    /// How many bytes come: at most, where the sender does not say.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many bytes have come of which nothing was made: whoever takes the body apart sets it back.
    pub fn of_no_use(&self) -> Arc<AtomicUsize> {
        self.of_no_use.clone()
    }

    /// All of it.
    pub async fn whole(mut self) -> Result<Bytes, NoBody> {
        let mut bytes = BytesMut::with_capacity(self.size);
        while let Some(piece) = self.next().await {
            bytes.extend_from_slice(&piece?);
            self.of_no_use.store(0, Relaxed);
        }
        Ok(bytes.freeze())
    }

    /// Reads on without keeping anything, so that the sender gets to read the answer.
    pub async fn discard(self) {
        discard(self.body, self.left.max(DISCARD_BYTES)).await;
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, NoBody>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let piece = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(NoBody::Broken))),
                Some(Ok(frame)) => frame.into_data(),
            };
            // Trailers say nothing that is wanted.
            let Ok(piece) = piece else { continue };
            self.pause = true;
            let of_no_use = self.of_no_use.fetch_add(piece.len(), Relaxed) + piece.len();
            return Poll::Ready(Some(match self.left.checked_sub(piece.len()) {
                Some(_) if of_no_use > OF_NO_USE_MAX => Err(NoBody::TooLarge),
                Some(left) => {
                    self.left = left;
                    Ok(piece)
                }
                None => Err(NoBody::TooLarge),
            }));
        }
    }
}

/// Whether a body takes so little that nobody counts it.
pub(super) const fn is_small(bytes: usize) -> bool {
    bytes as u64 <= SMALL_BYTES
}

pub(super) struct Reader {
    bytes_max: usize,
    room: Arc<Semaphore>,
}

impl Reader {
    pub fn new(bytes_max: usize) -> Self {
        let kib = LARGE_TOGETHER_BYTES / KIB as usize;
        Self { bytes_max, room: Arc::new(Semaphore::new(kib)) }
    }

    /// `invited`: whether the sender waits to be told that the body is wanted (`Expect: 100-continue`), which the
    /// first look at it tells.
    pub async fn read(&self, body: Body, until: Instant, invited: bool) -> Result<Held, NoBody> {
        let body = within_bounds(body, self.bytes_max, invited).await?;
        timeout_at(until, self.collect(body)).await.unwrap_or(Err(NoBody::TooSlow))
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

async fn within_bounds(body: Body, bytes_max: usize, invited: bool) -> Result<Body, NoBody> {
    if body.size_hint().lower() <= bytes_max as u64 {
        return Ok(body);
    }
    if !invited {
        discard(body, DISCARD_BYTES).await;
    }
    Err(NoBody::TooLarge)
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
