//! `/v1` as merchants' own programs meet it: an engine that listens, the stand-ins behind it, and keys.

mod document;
mod doors;
mod files;
mod orders;
mod reads;
mod uploads;

use reqwest::header::HeaderMap;
use respondby::desk::{NewSecret, Scope};
use respondby::dispute::MerchantId;
use respondby::store::{api_keys, rulesets};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::engine::stage::Stage;
use document::Document;

/// A server that says nothing for so long has forgotten us.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

const READ: &[Scope] = &[Scope::DisputesRead];
const ALL: &[Scope] = Scope::ALL;

/// What came back.
struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Said {
    fn problem(&self) -> &str {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["status"], self.status);
        self.body["type"].as_str().unwrap_or_default().trim_start_matches("urn:respondby:problem:")
    }
}

/// A program of a merchant's, with a key in its hand.
struct Program {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Program {
    /// One with a new key of that merchant's.
    async fn of(stage: &Stage, merchant: &str, name: &str, scopes: &[Scope]) -> Self {
        let merchant_id = merchant_id(stage, merchant).await;
        let secret = NewSecret::of(merchant_id, rand::random());
        let scopes = scopes.iter().map(Scope::as_str).collect();
        let new = api_keys::NewKey { merchant_id, name, digest: secret.digest, scopes };
        let mut conn = stage.db.pool.acquire().await.unwrap();
        let added = api_keys::add(&mut conn, &new, "a test", stage.clock.now()).await.unwrap();
        assert!(matches!(added, api_keys::Added::Key(_)), "{added:?}");
        Self::with_key(stage, secret.shown.expose_secret())
    }

    fn with_key(stage: &Stage, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://{}", stage.engine.address.unwrap());
        Self { http, base, key: key.to_owned() }
    }

    async fn get(&self, path: &str) -> Said {
        self.send(self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key)).await
    }

    /// Whatever comes back is what the document says that may.
    async fn send(&self, request: reqwest::RequestBuilder) -> Said {
        let request = request.build().unwrap();
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let asked = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec);
        let answer = self.http.execute(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status}: {text:?}: {e}"));
        let said = Said { status, headers, body };
        let document = Document::of(self).await;
        document.check_answer(&method, &path, &said);
        if let Some(asked) = asked.filter(|_| status < 300) {
            document.check_request(&method, &path, &asked);
        }
        said
    }

    /// Says these bytes and no more, and reads what is answered until the connection ends.
    async fn say(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> Said {
        let address = self.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let lines = lines.replace('\n', "\r\n");
        let key = &self.key;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {key}\r\n{lines}\r\n\r\n"
        );
        // Who answers before it has read everything may close: what counts is the answer.
        _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        _ = ended.expect("the server ends the connection");
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let header =
            |line: &str| line.split_once(": ").map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
        let headers: HeaderMap = head.lines().skip(1).filter_map(header).collect();
        let said = Said { status, headers, body: serde_json::from_str(body).unwrap() };
        Document::of(self).await.check_answer(method, path, &said);
        said
    }
}

async fn merchant_id(stage: &Stage, name: &str) -> MerchantId {
    let mut conn = stage.db.pool.acquire().await.unwrap();
    rulesets::merchant_id(&mut conn, name).await.unwrap().unwrap()
}
