//! Reading a body: bounded in size, in time, and in what all bodies together may take of memory.
//! Knows nothing of what a body means.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody as _;
use bytes::{Bytes, BytesMut};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBody {
    TooLarge,
    /// Other large bodies are being read.
    NoRoom,
    TooSlow,
    /// The sender went away, or sent what is no body.
    Broken,
}

/// A body, and the room it takes until it is kept.
pub(super) struct Held {
    pub bytes: Bytes,
    pub room: Option<OwnedSemaphorePermit>,
}

pub(super) struct Reader {
    bytes_max: usize,
    room: Arc<Semaphore>,
}

impl Reader {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, room: Arc::new(Semaphore::new(LARGE_TOGETHER_BYTES >> 10)) }
    }

    /// `invited`: whether the sender waits to be told that the body is wanted (`Expect: 100-continue`), which the
    /// first look at it tells.
    pub async fn read(&self, body: Body, until: Instant, invited: bool) -> Result<Held, NoBody> {
        let hint = body.size_hint();
        if hint.lower() > self.bytes_max as u64 {
            if !invited {
                discard(body).await;
            }
            return Err(NoBody::TooLarge);
        }
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
        if size <= SMALL_BYTES {
            return Ok(None);
        }
        let kib = u32::try_from(size.div_ceil(KIB)).map_err(|_| NoBody::TooLarge)?;
        self.room.clone().try_acquire_many_owned(kib).map(Some).map_err(|_| NoBody::NoRoom)
    }
}

async fn discard(mut body: Body) {
    let read = async {
        let mut left = DISCARD_BYTES;
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
