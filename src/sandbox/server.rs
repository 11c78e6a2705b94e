//! The listening side: one port per provider, as the SDKs' base addresses collide, and a control port that
//! also serves both under `/stripe` and `/razorpay`. A connection can be closed without an answer, which is
//! why the accept loop is here and not axum's.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Response};
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::control::{Control, Shared};
use super::reply::{BODY_BYTES_MAX, Incoming, Reply};
use super::world::World;
use super::{ProviderKind, SandboxAccount, control_http, delivery, razorpay, stripe};
use crate::clock::Clock;

#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where to listen. Port 0 takes three free ports; any other takes it for control and the two after it
    /// for Stripe and Razorpay.
    pub listen: SocketAddr,
    pub clock: Clock,
    pub accounts: Vec<SandboxAccount>,
    /// Makes ids and dice repeatable.
    pub seed: u64,
}

/// The three ports, where they are wanted one by one. 0 takes a free one.
#[derive(Debug, Clone, Copy, Default)]
pub struct SandboxPorts {
    pub control: u16,
    pub stripe: u16,
    pub razorpay: u16,
}

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    control: Control,
    control_address: SocketAddr,
    stripe_address: SocketAddr,
    razorpay_address: SocketAddr,
    cancelled: CancellationToken,
    tasks: TaskTracker,
}

impl Sandbox {
    /// Starts with ports by the rule of [`SandboxConfig::listen`].
    ///
    /// # Errors
    /// A port that is taken, or accounts that contradict each other.
    pub async fn start(config: SandboxConfig) -> anyhow::Result<Sandbox> {
        let ports = match config.listen.port() {
            0 => SandboxPorts::default(),
            first => SandboxPorts { control: first, stripe: first + 1, razorpay: first + 2 },
        };
        Self::start_on(config, ports).await
    }

    /// Starts on the ports given; the port in [`SandboxConfig::listen`] is not looked at.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub async fn start_on(config: SandboxConfig, ports: SandboxPorts) -> anyhow::Result<Sandbox> {
        // A second installation answers with an error that changes nothing.
        _ = rustls::crypto::ring::default_provider().install_default();
        let world = World::new(config.accounts, config.seed)?;
        let shared = Shared::new(config.clock, world).context("building the client that sends webhooks")?;
        let shared = Arc::new(shared);
        let host = config.listen.ip();
        let (control_listener, control_address) = bind(host, ports.control).await?;
        let (stripe_listener, stripe_address) = bind(host, ports.stripe).await?;
        let (razorpay_listener, razorpay_address) = bind(host, ports.razorpay).await?;
        let (cancelled, tasks) = (CancellationToken::new(), TaskTracker::new());
        let control = Control(shared.clone());
        let stripe = provider_router(&shared, ProviderKind::Stripe);
        let razorpay = provider_router(&shared, ProviderKind::Razorpay);
        let both = control_http::router(control.clone())
            .nest_service("/stripe", stripe.clone())
            .nest_service("/razorpay", razorpay.clone());
        for (listener, router) in
            [(control_listener, both), (stripe_listener, stripe), (razorpay_listener, razorpay)]
        {
            tasks.spawn(accept(listener, router, cancelled.clone(), tasks.clone()));
        }
        tasks.spawn(delivery::deliver_until(shared, cancelled.clone()));
        Ok(Sandbox { control, control_address, stripe_address, razorpay_address, cancelled, tasks })
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Base address of the Stripe stand-in, without `/v1` and without a slash at the end.
    pub fn stripe_url(&self) -> String {
        format!("http://{}", self.stripe_address)
    }

    /// Base address of the Razorpay stand-in, without `/v1` and without a slash at the end.
    pub fn razorpay_url(&self) -> String {
        format!("http://{}", self.razorpay_address)
    }

    /// Base address of the control port: the sandbox's own API is under `/_sandbox`.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control_address)
    }

    /// Returns when the open connections are done and nothing runs any more.
    pub async fn shutdown(self) {
        self.cancelled.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

async fn bind(host: std::net::IpAddr, port: u16) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::new(host, port);
    let listener = TcpListener::bind(wanted).await;
    let listener = listener.with_context(|| format!("the sandbox cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("asking for the port that was taken")?;
    Ok((listener, address))
}

async fn accept(listener: TcpListener, router: Router, cancelled: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = cancelled.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Small answers leave at once; without it each one waits for the client's delayed ACK.
                _ = stream.set_nodelay(true);
                tasks.spawn(serve(stream, router.clone(), cancelled.clone()));
            }
            // Out of file descriptors, for example: let others finish first.
            Err(error) => {
                tracing::warn!(%error, "the sandbox could not take a connection");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Marks an answer that is not to be sent.
#[derive(Debug, Clone, Copy)]
struct Cut;

async fn serve(stream: TcpStream, router: Router, cancelled: CancellationToken) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let answer = match router.oneshot(request.map(Body::new)).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            match answer.extensions().get::<Cut>() {
                None => Ok(answer),
                Some(Cut) => Err(std::io::Error::other("closed without an answer, as ordered")),
            }
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = cancelled.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // What goes wrong on a connection is the client's news, not ours.
    _ = connection.await;
}

fn provider_router(shared: &Arc<Shared>, provider: ProviderKind) -> Router {
    // axum's own limit would refuse uploads that the providers take.
    let limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
    Router::new().fallback(answer).layer(limit).with_state((shared.clone(), provider))
}

async fn answer(
    State((shared, provider)): State<(Arc<Shared>, ProviderKind)>,
    request: Request,
) -> Response<Body> {
    let reply = match Incoming::read(request).await {
        Ok(incoming) => shared.with(|world, now| match provider {
            ProviderKind::Stripe => stripe::answer(world, now, &incoming),
            ProviderKind::Razorpay => razorpay::answer(world, now, &incoming),
        }),
        Err(why) => Reply::json(400, &serde_json::json!({ "error": { "message": why } })),
    };
    if !reply.latency.is_zero() {
        tokio::time::sleep(reply.latency).await;
    }
    response(reply, shared.clock.now())
}

fn response(reply: Reply, now: DateTime<Utc>) -> Response<Body> {
    let mut response = (
        axum::http::StatusCode::from_u16(reply.status)
            .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR),
        [("content-type", reply.media_type), ("date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())],
        reply.body,
    )
        .into_response();
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if reply.cut {
        response.extensions_mut().insert(Cut);
    }
    response
}
