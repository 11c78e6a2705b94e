//! gRPC on each connection: so long for a handshake and for the first call, so many calls side by side, an end for who
//! is silent, and an orderly end for all. Knows nothing of what is said in a call.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::door::{Door, SERVICES};
use super::{proto, tls};
use crate::accept;
use crate::config::{ApiConfig, GrpcConfig};
use crate::desk::Desk;

/// Connections are asked for a sign of life this often, and have so long to give one.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEP_ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// What all headers of a call may take: connectors' credentials are some kilobytes.
const HEADER_BYTES_MAX: u32 = 32 << 10;
/// How long a connection without calls is kept that is to end, so that its last answer gets through.
const LINGER: Duration = Duration::from_millis(500);
/// How often health is looked at.
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// Why nothing is answered.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    #[error(transparent)]
    Tls(#[from] tls::BadTls),
    #[error("cannot listen on grpc.listen = {address}: is another program there?")]
    Taken { address: SocketAddr, source: io::Error },
    #[error("cannot describe the calls to those who ask")]
    Descriptors(#[from] tonic_reflection::server::Error),
}

/// A server that listens, and answers once it is told to.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    door: Arc<Door>,
    health: HealthReporter,
    config: GrpcConfig,
}

impl Server {
    /// Nothing where the configuration does not say where to listen.
    pub async fn bind(config: &GrpcConfig, api: &ApiConfig, desk: Desk) -> Result<Option<Self>, CannotServe> {
        let tls = tls::acceptor(config)?;
        let Some(address) = config.listen else { return Ok(None) };
        let (health, others) = others()?;
        let times =
            (Duration::from_millis(config.message_timeout_ms), Duration::from_millis(api.wait_ms_max));
        let door = Arc::new(Door::new(desk, others, config.message_bytes_max, times));
        let taken = |source| CannotServe::Taken { address, source };
        let listener = TcpListener::bind(address).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        Ok(Some(Self { listener, address, tls, door, health, config: config.clone() }))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until told to stop; then no connection is accepted any more, calls under way are answered, silent
    /// connections are closed, and what is left after the grace is cut off.
    pub async fn serve(self, stop: CancellationToken) {
        let health = tokio::spawn(tell_health(self.health.clone(), self.door.desk.clone(), stop.clone()));
        let talk = Talk {
            door: self.door.clone(),
            protocol: protocol(&self.config),
            tls: self.tls.clone(),
            begin_within: Duration::from_millis(self.config.message_timeout_ms),
            idle_max: Duration::from_millis(self.config.idle_timeout_ms),
            stop: stop.clone(),
        };
        let bounds = (self.config.connections_max, Duration::from_millis(self.config.shutdown_grace_ms));
        let converse = |stream| {
            let talk = talk.clone();
            async move { talk.with(stream).await }
        };
        accept::connections(self.listener, "grpc", bounds, &stop, converse).await;
        // It ends by the same order.
        _ = health.await;
    }
}

/// Strangers may ask these, so what they say is kept short: it names a service, a symbol or a file.
const QUESTION_BYTES_MAX: usize = 4 << 10;

/// What gRPC's tools ask beside the calls: which services there are (in both versions that are asked for), and whether
/// they are well.
fn others() -> Result<(HealthReporter, Routes), tonic_reflection::server::Error> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(health.max_decoding_message_size(QUESTION_BYTES_MAX))
        .add_service(builder().build_v1()?.max_decoding_message_size(QUESTION_BYTES_MAX))
        .add_service(builder().build_v1alpha()?.max_decoding_message_size(QUESTION_BYTES_MAX))
        .prepare();
    Ok((reporter, routes))
}

/// Says how it is until told to stop, and then that it is not.
async fn tell_health(health: HealthReporter, desk: Desk, stop: CancellationToken) {
    loop {
        let well = !stop.is_cancelled() && desk.is_well().await;
        let status = if well { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in SERVICES.into_iter().chain([""]) {
            health.set_service_status(service, status).await;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(HEALTH_EVERY) => {}
        }
    }
    for service in SERVICES.into_iter().chain([""]) {
        health.set_service_status(service, ServingStatus::NotServing).await;
    }
}

fn protocol(config: &GrpcConfig) -> http2::Builder<TokioExecutor> {
    let mut protocol = http2::Builder::new(TokioExecutor::new());
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.calls_max)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(KEEP_ALIVE_EVERY)
        .keep_alive_timeout(KEEP_ALIVE_WITHIN);
    protocol
}

/// What it takes to converse on a connection.
#[derive(Clone)]
struct Talk {
    door: Arc<Door>,
    protocol: http2::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    begin_within: Duration,
    idle_max: Duration,
    stop: CancellationToken,
}

/// What happens on one connection.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    under_way: AtomicUsize,
}

/// A call that is under way until this is dropped, however it ends.
struct UnderWay(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Whether nothing was said since `begun` calls had begun.
    fn is_silent_since(&self, begun: u64) -> bool {
        self.begun.load(Ordering::Relaxed) == begun && self.under_way.load(Ordering::Relaxed) == 0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Talk {
    async fn with(&self, stream: TcpStream) {
        let Some(tls) = &self.tls else { return self.converse(stream).await };
        tokio::select! {
            () = self.stop.cancelled() => {}
            shaken = timeout(self.begin_within, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => self.converse(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let activity = Arc::new(Activity::default());
        let service = {
            let (door, activity) = (self.door.clone(), activity.clone());
            service_fn(move |request: Request<Incoming>| {
                let (door, under_way) = (door.clone(), activity.begin());
                async move {
                    let answer: Response<Body> = door.answer(request).await;
                    drop(under_way);
                    Ok::<_, std::convert::Infallible>(answer)
                }
            })
        };
        let mut connection = pin!(self.protocol.serve_connection(TokioIo::new(stream), service));
        let mut silence = pin!(self.silence(&activity, false));
        let mut ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a gRPC connection ended badly");
                    }
                    return;
                }
                () = silence.as_mut() => {
                    // Asked once: calls that stream for ever (reflection, watching health) do not hold it longer.
                    if ending {
                        return;
                    }
                }
                () = self.stop.cancelled(), if !ending => {}
            }
            ending = true;
            connection.as_mut().graceful_shutdown();
            silence.set(self.silence(&activity, ending));
        }
    }

    /// Ends when nothing has been said for too long: sooner on a connection on which nothing was ever said, and
    /// soonest on one that is to end.
    async fn silence(&self, activity: &Activity, ending: bool) {
        loop {
            let begun = activity.begun.load(Ordering::Relaxed);
            let max = match (ending, begun) {
                (true, _) => LINGER,
                (false, 0) => self.begin_within.min(self.idle_max),
                (false, _) => self.idle_max,
            };
            tokio::time::sleep(max).await;
            if activity.is_silent_since(begun) {
                return;
            }
        }
    }
}
