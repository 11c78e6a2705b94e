//! The listening side: one port per provider, as the SDKs' base addresses collide, and a control port that
//! also serves each under its name. A connection can be closed without an answer, which is why the accept
//! loop is here and not axum's. HTTP/2 is spoken to whoever begins with it (gRPC does).

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::control::{Control, Shared};
use super::reply::{BODY_BYTES_MAX, Incoming, Reply};
use super::witness::{Exchange, Witness};
use super::world::World;
use super::{ProviderKind, SandboxAccount, control_http, delivery};
use crate::clock::Clock;

#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where to listen. Port 0 takes free ports; any other takes it for control and those after it for the
    /// providers, in the registry's order.
    pub listen: SocketAddr,
    pub clock: Clock,
    pub accounts: Vec<SandboxAccount>,
    /// Makes ids and dice repeatable.
    pub seed: u64,
}

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    control: Control,
    control_address: SocketAddr,
    /// In the registry's order.
    addresses: Vec<SocketAddr>,
    cancelled: CancellationToken,
    tasks: TaskTracker,
}

/// One provider's side of the sandbox, as its routes see it.
#[derive(Debug, Clone)]
pub(super) struct Port {
    shared: Arc<Shared>,
    provider: ProviderKind,
    witness: Option<Witness>,
}

impl Port {
    /// What the stand-in answers, with the faults that were ordered.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        let Some(witness) = &self.witness else { return self.send(self.reply(request).await).await };
        let (head, body) = request.into_parts();
        // What is cut off here is refused all the same.
        let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
        let again = Request::from_parts(head.clone(), Body::from(body.clone()));
        let reply = self.reply(again).await;
        witness.saw(&Exchange {
            provider: self.provider,
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            status: reply.status,
            media_type: reply.media_type.clone(),
            answer: reply.body.clone(),
            cut: reply.cut,
        });
        self.send(reply).await
    }

    async fn reply(&self, request: Request) -> Reply {
        match Incoming::read(request).await {
            Ok(incoming) => self.shared.with(|world, now| world.answer(self.provider, now, &incoming)),
            Err(why) => Reply::json(400, &serde_json::json!({ "error": { "message": why } })),
        }
    }

    async fn send(&self, reply: Reply) -> Response<Body> {
        if !reply.latency.is_zero() {
            tokio::time::sleep(reply.latency).await;
        }
        response(reply, self.shared.clock.now())
    }
}

impl Sandbox {
    /// Starts with ports by the rule of [`SandboxConfig::listen`].
    ///
    /// # Errors
    /// A port that is taken, or accounts that contradict each other.
    pub async fn start(config: SandboxConfig) -> anyhow::Result<Sandbox> {
        Self::start_watched(config, None).await
    }

    /// The same, and `witness` is told of every request to a stand-in and its answer.
    ///
    /// # Errors
    /// A port that is taken, or accounts that contradict each other.
    pub async fn start_watched(config: SandboxConfig, witness: Option<Witness>) -> anyhow::Result<Sandbox> {
        // A second installation answers with an error that changes nothing.
        _ = rustls::crypto::ring::default_provider().install_default();
        let world = World::new(config.accounts, config.seed)?;
        let shared = Shared::new(config.clock, world).context("building the client that sends webhooks")?;
        let shared = Arc::new(shared);
        let (cancelled, tasks) = (CancellationToken::new(), TaskTracker::new());
        let control = Control(shared.clone());
        let (control_listener, control_address) = bind(config.listen).await?;
        let mut all = control_http::router(control.clone());
        let (mut addresses, mut next) = (vec![], config.listen);
        for provider in ProviderKind::ALL.iter().copied() {
            if next.port() != 0 {
                next.set_port(next.port().checked_add(1).context("there are not that many ports")?);
            }
            let (listener, address) = bind(next).await?;
            shared.quietly(|world, _| world.at(provider).0.listens_at(&format!("http://{address}")));
            let port = Port { shared: shared.clone(), provider, witness: witness.clone() };
            let router = provider_router(port);
            all = all.nest_service(&format!("/{provider}"), router.clone());
            tasks.spawn(accept(listener, router, cancelled.clone(), tasks.clone()));
            addresses.push(address);
        }
        tasks.spawn(accept(control_listener, all, cancelled.clone(), tasks.clone()));
        tasks.spawn(delivery::deliver_until(shared, cancelled.clone()));
        Ok(Sandbox { control, control_address, addresses, cancelled, tasks })
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Base address of a provider's stand-in, without a path and without a slash at the end.
    pub fn url(&self, provider: ProviderKind) -> String {
        format!("http://{}", self.addresses[provider as usize])
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

async fn bind(wanted: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
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
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = cancelled.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // What goes wrong on a connection is the client's news, not ours.
    _ = connection.await;
}

fn provider_router(port: Port) -> Router {
    let routes = port.shared.quietly(|world, _| world.stand_in(port.provider).routes(port.clone()));
    let answer = async |State(port): State<Port>, request: Request| port.answer(request).await;
    // axum's own limit would refuse uploads that the providers take.
    let limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
    routes.fallback_service(Router::new().fallback(answer).layer(limit).with_state(port))
}

fn response(reply: Reply, now: DateTime<Utc>) -> Response<Body> {
    let body = match reply.trailers.is_empty() {
        true => Body::from(reply.body),
        false => {
            let trailers = named(reply.trailers);
            Body::new(Full::new(reply.body).with_trailers(std::future::ready(Some(Ok(trailers)))))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::from_str(&reply.media_type)
        && !media_type.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    let date = HeaderValue::from_str(&now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    headers.extend(date.map(|date| (header::DATE, date)));
    headers.extend(named(reply.headers));
    if reply.cut {
        response.extensions_mut().insert(Cut);
    }
    response
}

fn named(pairs: Vec<(&'static str, String)>) -> HeaderMap {
    let pairs = pairs.into_iter().filter_map(|(name, value)| {
        HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(name), value))
    });
    pairs.collect()
}
