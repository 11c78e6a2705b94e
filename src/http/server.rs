//! The accept loop: so many connections, so long for the head of a request, so many headers, and an orderly
//! end. TLS is a proxy's work in front.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::HttpConfig;

/// After an accept that failed for want of something (file handles), so as not to spin.
const BREATH: Duration = Duration::from_millis(50);

/// Answers on `listener` until told to stop; then no connection is accepted any more, requests under way
/// are answered, idle connections are closed, and what is left after the grace is cut off.
pub async fn serve(listener: TcpListener, router: Router, config: &HttpConfig, stop: CancellationToken) {
    let http = protocol(config);
    let room = Arc::new(Semaphore::new(config.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let (permit, stream) = tokio::select! {
            () = stop.cancelled() => break,
            // Those that ended are let go of here.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            }
        };
        let connection = converse(http.clone(), stream, router.clone(), stop.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(config.shutdown_grace_ms), ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "cut off the connections that did not end in time");
        connections.shutdown().await;
    }
}

/// Takes room first: connections beyond the limit wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are one small write each. A socket that will not have it works all the same.
    _ = stream.set_nodelay(true);
    Ok((permit, stream))
}

fn protocol(config: &HttpConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_read_timeout_ms))
        .max_headers(config.header_count_max)
        .max_buf_size(config.header_bytes_max);
    http
}

async fn converse(http: http1::Builder, stream: TcpStream, router: Router, stop: CancellationToken) {
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
