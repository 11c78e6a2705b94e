//! A request as the stand-ins read it and the answer they give: plain values, so that a provider's whole
//! behaviour is a function without a network.

use std::time::Duration;

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, Method, header};
use base64::Engine;
use bytes::Bytes;
use serde_json::Value;

/// Larger bodies are cut off before they are read whole.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub name: String,
    pub filename: Option<String>,
    pub content: Bytes,
}

#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    /// Empty for a multipart body, which is in `parts`.
    pub body: Bytes,
    pub parts: Vec<Part>,
}

impl Incoming {
    /// Reads a request whole. The error is a sentence for the client.
    pub async fn read(request: Request) -> Result<Self, String> {
        let headers = request.headers().clone();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let (body, parts) = match content_type.is_some_and(|t| t.starts_with("multipart/form-data")) {
            true => (Bytes::new(), read_parts(request).await?),
            false => {
                let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
                (body.map_err(|e| e.to_string())?, vec![])
            }
        };
        Ok(Self { method, path, query, headers, body, parts })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// User and password of Basic authentication.
    pub fn basic(&self) -> Option<(String, String)> {
        let (scheme, credential) = self.header("authorization")?.split_once(' ')?;
        let decoded = base64::engine::general_purpose::STANDARD.decode(credential.trim()).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (user, password) = text.split_once(':').unwrap_or((&text, ""));
        scheme.eq_ignore_ascii_case("basic").then(|| (user.to_owned(), password.to_owned()))
    }

    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }
}

async fn read_parts(request: Request) -> Result<Vec<Part>, String> {
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|e| e.body_text())?;
    let mut parts = vec![];
    let mut total = 0;
    while let Some(field) = multipart.next_field().await.map_err(|e| e.body_text())? {
        let name = field.name().unwrap_or_default().to_owned();
        let filename = field.file_name().map(str::to_owned);
        let content = field.bytes().await.map_err(|e| e.body_text())?;
        total += content.len();
        if total > BODY_BYTES_MAX {
            return Err("the body is too large".to_owned());
        }
        parts.push(Part { name, filename, content });
    }
    Ok(parts)
}

/// What goes back, unless the connection is cut.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// Empty for an answer without a body.
    pub media_type: String,
    pub body: Bytes,
    /// What follows the body, as gRPC has it.
    pub trailers: Vec<(&'static str, String)>,
    /// Real time to wait before answering.
    pub latency: Duration,
    /// Close the connection without an answer.
    pub cut: bool,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", Bytes::from(body.to_string()))
    }

    pub fn bytes(status: u16, media_type: &str, body: Bytes) -> Self {
        let media_type = media_type.to_owned();
        let (headers, trailers) = (vec![], vec![]);
        Self { status, headers, media_type, body, trailers, latency: Duration::ZERO, cut: false }
    }

    /// The page that a proxy or a maintenance screen answers with.
    pub fn html() -> Self {
        let page = "<!doctype html><title>Just a moment</title><p>We will be right back.</p>";
        Self::bytes(200, "text/html; charset=utf-8", Bytes::from_static(page.as_bytes()))
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn cut_after(mut self, hold_ms: u64) -> Self {
        self.cut = true;
        self.latency = Duration::from_millis(hold_ms);
        self
    }
}
