//! What passes between clients and the stand-ins, for whoever wants to look at it: people who ask what their program
//! sends (`--record FILE`), and tests. It sees, and changes nothing.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::ProviderKind;

/// One request to a stand-in, as it came, and what was answered.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub provider: ProviderKind,
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub status: u16,
    /// Of the answer. Empty for an answer without a body.
    pub media_type: String,
    pub answer: Bytes,
    /// The connection was closed instead, as it was ordered.
    pub cut: bool,
}

/// Told of every exchange, once it is answered.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(&Exchange) + Send + Sync>);

impl Witness {
    pub fn new(tell: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Writes each exchange as one line of JSON. What is no text is base64, under a name that says so.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn writing_to(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let (file, path) = (Mutex::new(file), path.to_owned());
        Ok(Self::new(move |exchange| {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(file, "{}", exchange.written()) {
                tracing::warn!(%error, path = %path.display(), "an exchange is not recorded");
            }
        }))
    }

    pub fn saw(&self, exchange: &Exchange) {
        (self.0)(exchange);
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Exchange {
    fn written(&self) -> Value {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let mut line = json!({
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "status": self.status,
            "media_type": self.media_type,
            "cut": self.cut,
        });
        for (name, bytes) in [("body", &self.body), ("answer", &self.answer)] {
            match std::str::from_utf8(bytes) {
                Ok(text) => line[name] = text.into(),
                Err(_) => line[format!("{name}_base64")] = STANDARD.encode(bytes).into(),
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exchanges");
        let witness = Witness::writing_to(&path).unwrap();
        let mut exchange = Exchange {
            provider: ProviderKind::ALL[0],
            method: "POST".to_owned(),
            path: "/v1/things".to_owned(),
            query: "a=1".to_owned(),
            headers: [(axum::http::header::ACCEPT, "*/*".parse().unwrap())].into_iter().collect(),
            body: Bytes::from_static(b"two\nlines"),
            status: 200,
            media_type: "application/json".to_owned(),
            answer: Bytes::from_static(b"{}"),
            cut: false,
        };
        witness.saw(&exchange);
        exchange.body = Bytes::from_static(b"\xff\x00");
        witness.saw(&exchange);
        let written = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["body"], "two\nlines");
        assert_eq!(lines[0]["headers"]["accept"], "*/*");
        assert_eq!(lines[1]["body_base64"], "/wA=");
        assert!(Witness::writing_to(&dir.path().join("none/here")).is_err());
    }
}
