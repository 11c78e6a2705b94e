//! A connection whose other end does not take its answers is ended: it would be held for ever, and there are only so
//! many. Knows bytes and time, and nothing of requests.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Whoever takes so much in the time, takes: nobody may drip through an answer byte by byte.
const ENOUGH_BYTES: usize = 64 << 10;

/// A stream that fails when the other end takes too little for too long.
pub(super) struct Taking<S> {
    stream: S,
    within: Duration,
    /// Since the other end first would take no more, and how much it has taken since then.
    stalled: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Taking<S> {
    pub fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, stalled: None }
    }

    fn judge(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (wrote, &mut self.stalled) {
            (Poll::Ready(Ok(n)), Some((_, taken))) => {
                *taken += n;
                if *taken >= ENOUGH_BYTES {
                    self.stalled = None;
                }
                Poll::Ready(Ok(n))
            }
            (Poll::Ready(wrote), _) => Poll::Ready(wrote),
            (Poll::Pending, stalled) => {
                let within = self.within;
                let (over, _) = stalled.get_or_insert_with(|| (Box::pin(sleep(within)), 0));
                over.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taking<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        all: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, all);
        self.judge(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taking<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = bytes.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, bytes);
        // A new request: what was to be written before has been.
        if bytes.filled().len() > before {
            self.stalled = None;
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const WITHIN: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn who_takes_nothing_or_drips_is_left_and_who_takes_is_not() {
        let answer = vec![7; 300_000];
        let (theirs, ours) = duplex(1 << 10);
        let told = Taking::new(ours, WITHIN).write_all(&answer).await.unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::TimedOut);
        drop(theirs);

        // Byte by byte, so that there is never a time without one, and never enough in the time.
        let (mut theirs, ours) = duplex(1 << 10);
        let mut writing = Taking::new(ours, Duration::from_millis(1));
        let dripping = async {
            let mut byte = [0];
            while theirs.read(&mut byte).await.is_ok_and(|n| n > 0) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            told = writing.write_all(&answer) => assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut),
            () = dripping => panic!("it was let go on"),
        }

        let (mut theirs, ours) = duplex(1 << 10);
        let mut writing = Taking::new(ours, Duration::from_secs(60));
        let taking = async {
            let mut all = vec![0; answer.len()];
            theirs.read_exact(&mut all).await.unwrap();
            all
        };
        let (wrote, all) = tokio::join!(writing.write_all(&answer), taking);
        wrote.unwrap();
        assert!(all == answer);
        assert!(
            writing.stalled.is_none_or(|(_, taken)| taken < ENOUGH_BYTES),
            "nobody counts what was enough"
        );
    }
}
