//! The accept loop of every server here: so many connections at one time, and an orderly end. Knows nothing of what
//! is said on a connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An accept that failed for want of something (file handles) is tried again after this at the latest.
const BREATH: Duration = Duration::from_millis(50);

/// Lets `converse` have each connection, `max` at one time, until told to stop. Then no connection is accepted any
/// more, and those that have not ended within `grace` are cut off; ending is for `converse`, which is told by the
/// same token. `protocol` stands in the log.
pub async fn connections<C, F>(
    listener: TcpListener,
    protocol: &'static str,
    (max, grace): (usize, Duration),
    stop: &CancellationToken,
    converse: C,
) where
    C: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(max));
    let mut connections = JoinSet::new();
    loop {
        let (permit, stream) = tokio::select! {
            () = stop.cancelled() => break,
            // Those that ended are let go of here.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, protocol, "cannot accept a connection");
                    // What is wanting is given back where a connection ends: of those here that is heard.
                    let freed = async {
                        if connections.join_next().await.is_none() {
                            std::future::pending::<()>().await;
                        }
                    };
                    _ = stop.run_until_cancelled(tokio::time::timeout(BREATH, freed)).await;
                    continue;
                }
            }
        };
        let connection = converse(stream);
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, ended).await.is_err() {
        let left = connections.len();
        tracing::warn!(connections = left, protocol, "cut off the connections that did not end in time");
        connections.shutdown().await;
    }
}

/// Takes room first: connections beyond the limit wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are one small write each. A socket that will not have it works all the same.
    _ = stream.set_nodelay(true);
    Ok((permit, stream))
}
