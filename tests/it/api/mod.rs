//! `/v1` as merchants' own programs meet it: an engine that listens, the stand-ins behind it, and keys.

mod doors;
mod files;
mod orders;
mod reads;

use reqwest::header::HeaderMap;
use respondby::desk::{NewSecret, Scope};
use respondby::dispute::MerchantId;
use respondby::store::{api_keys, rulesets};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::engine::stage::Stage;

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

    async fn send(&self, request: reqwest::RequestBuilder) -> Said {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status}: {text:?}: {e}"));
        Said { status, headers, body }
    }
}

async fn merchant_id(stage: &Stage, name: &str) -> MerchantId {
    let mut conn = stage.db.pool.acquire().await.unwrap();
    rulesets::merchant_id(&mut conn, name).await.unwrap().unwrap()
}
