//! A surface that listens, with a database and one account behind it, and a client that sends exact bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use respondby::clock::Clock;
use respondby::config::Config;
use respondby::http::{Intake, Probes, Webhooks, Writers, router, serve};
use respondby::providers::ProviderName;
use respondby::store::accounts::{AccountDirectory, ConfiguredAccount, sync};
use respondby::store::ids::Ids;
use respondby::store::seal::SealingKey;
use sqlx::postgres::{PgConnectOptions, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{SECRET, at, body, config, providers, sign};
use crate::support::Database;

pub const PATH: &str = "/webhooks/stripe/acme-stripe";

pub struct Surface {
    pub db: Database,
    pub addr: SocketAddr,
    pub clock: Clock,
    pub intake: Intake,
    pub writers: Writers,
    pub arrived: Arc<Notify>,
    pub stop: CancellationToken,
    pub serving: JoinHandle<()>,
}

/// What is unusual about a surface.
pub struct Odd {
    pub config: Config,
    /// How the writers connect; straight to the database by default.
    pub connect: Option<PgConnectOptions>,
}

impl Surface {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(odd: impl FnOnce(&mut Odd)) -> Self {
        let db = Database::new().await;
        Self::start_on(db, odd).await
    }

    /// Returns once every writer is connected.
    pub async fn start_on(db: Database, odd: impl FnOnce(&mut Odd)) -> Self {
        let mut how = Odd { config: config(), connect: None };
        odd(&mut how);
        let clock = Clock::frozen_at(at("2026-11-20T10:00:00Z"));
        let accounts = one_account(&db.pool, &clock).await;
        let connect = how.connect.unwrap_or_else(|| (*db.pool.connect_options()).clone());
        let arrived = Arc::new(Notify::new());
        let (intake, writers) =
            Intake::start(&how.config.intake, connect, clock.clone(), Ids::new(), arrived.clone());
        let wanted = how.config.intake.writers;
        intake.connected().wait_for(|n| *n == wanted).await.expect("the writers live");
        let http = how.config.http;
        let webhooks = Webhooks::new(&http, clock.clone(), providers(), accounts, intake.clone());
        let render = Arc::new(|| panic!("the metrics of this surface panic"));
        let probes = Probes::new(db.pool.clone(), Some(intake.clone()), Vec::new(), render);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let app = router(probes, Some(webhooks), None);
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { serve(listener, app, &http, stop).await }
        });
        Self { db, addr, clock, intake, writers, arrived, stop, serving }
    }

    pub async fn kept(&self) -> i64 {
        sqlx::query_scalar("select count(*) from deliveries").fetch_one(&self.db.pool).await.unwrap()
    }

    /// A webhook as it should be.
    pub fn webhook(&self, event: &str) -> Vec<u8> {
        let body = body(event);
        let signature = sign(SECRET, body.as_bytes(), self.clock.now());
        request(PATH, &[("stripe-signature", &signature)], body.as_bytes())
    }

    pub async fn send(&self, request: &[u8]) -> Answer {
        Client::connect(self.addr).await.send(request).await
    }

    /// Sends on a connection of its own, in the background.
    pub fn sending(&self, request: Vec<u8>) -> JoinHandle<Answer> {
        let addr = self.addr;
        tokio::spawn(async move { Client::connect(addr).await.send(&request).await })
    }
}

async fn one_account(pool: &PgPool, clock: &Clock) -> AccountDirectory {
    let key = SealingKey::generate();
    let account = ConfiguredAccount {
        merchant: "acme".to_owned(),
        provider: ProviderName::Stripe,
        name: "acme-stripe".to_owned(),
        provider_account: None,
        via: None,
        base_url: None,
        tolerance_s: 300,
        webhook_secrets: vec![SECRET.into()],
        credentials: BTreeMap::new(),
    };
    let mut conn = pool.acquire().await.unwrap();
    sync(&mut conn, &Ids::new(), &key, &[account], clock.now()).await.unwrap();
    let accounts = AccountDirectory::new(key);
    accounts.refresh(&mut conn).await.unwrap();
    accounts
}

/// A POST with a length and a type, unless `headers` has its own.
pub fn request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: here\r\n");
    let length = body.len().to_string();
    for (name, value) in [("content-length", length.as_str()), ("content-type", "application/json")] {
        let said = |n: &str| headers.iter().any(|(have, _)| *have == n);
        let chunked = name == "content-length" && said("transfer-encoding");
        if !(said(name) || chunked) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// In lower case, without the date.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.expect("the surface listens"))
    }

    pub async fn send(&mut self, request: &[u8]) -> Answer {
        // A server that answers before it has read everything may close: what counts is the answer.
        _ = self.0.write_all(request).await;
        self.answer().await.expect("an answer")
    }

    /// The next answer, or `None` where the connection ends without one.
    pub async fn answer(&mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break end;
            }
            if self.0.read_buf(&mut bytes).await.ok().filter(|n| *n > 0).is_none() {
                assert!(bytes.is_empty(), "half an answer: {bytes:?}");
                return None;
            }
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap().to_ascii_lowercase();
        let mut body = bytes.split_off(head_end + 4);
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |l| l.parse().unwrap());
        while body.len() < length {
            assert_ne!(self.0.read_buf(&mut body).await.unwrap(), 0, "half a body");
        }
        assert_eq!(body.len(), length, "more than one answer");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
        let head = head.lines().filter(|l| !l.starts_with("date: ")).collect::<Vec<_>>().join("\n");
        Some(Answer { status, head, body: String::from_utf8(body).unwrap() })
    }
}

/// Looks again until it is so. For what gives no signal.
pub async fn until(mut so: impl AsyncFnMut() -> bool) {
    let look = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), look).await.expect("it never came to be");
}
