//! HTTP on each connection: so long for the head of a request, so many headers, and an orderly end. TLS is a proxy's
//! work in front. Knows nothing of what is asked.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::taking::Taking;
use crate::accept;
use crate::config::HttpConfig;

/// Answers on `listener` until told to stop; then no connection is accepted any more, requests under way
/// are answered, idle connections are closed, and what is left after the grace is cut off.
pub async fn serve(listener: TcpListener, router: Router, config: &HttpConfig, stop: CancellationToken) {
    let http = protocol(config);
    let bounds = (config.connections_max, Duration::from_millis(config.shutdown_grace_ms));
    let within = Duration::from_millis(config.request_timeout_ms);
    let talk = |stream| converse(http.clone(), Taking::new(stream, within), router.clone(), stop.clone());
    accept::connections(listener, "http", bounds, &stop, talk).await;
}

fn protocol(config: &HttpConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_read_timeout_ms))
        .max_headers(config.header_count_max)
        .max_buf_size(config.header_bytes_max);
    http
}

async fn converse(http: http1::Builder, stream: Taking<TcpStream>, router: Router, stop: CancellationToken) {
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
