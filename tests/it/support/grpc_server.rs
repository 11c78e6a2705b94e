//! A gRPC server that gives every call the same status, with details or without, and counts the calls.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper::http::Response;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct GrpcServer {
    pub address: String,
    calls: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl GrpcServer {
    pub async fn answering(status: i32, details: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (calls, details) = (Arc::new(AtomicUsize::new(0)), STANDARD_NO_PAD.encode(details));
        let counted = calls.clone();
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (counted, details) = (counted.clone(), details.clone());
                let service = hyper::service::service_fn(move |_| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let answer = Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", status)
                        .header("grpc-status-details-bin", details.as_str())
                        .body(String::new());
                    std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { address, calls, serving }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
