//! R2: the handler as a textbook has it. The same signature check, then one INSERT per request into a table
//! of events with a unique id, from a pool of connections; 200 when it is committed. No layers, no limits.

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::providers::{Account, Credentials, Delivery, ProviderName, Registry};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::net::TcpListener;

use crate::bodies::{ACCOUNT, PATH, SECRET};

#[derive(Debug, Clone, clap::Args)]
pub struct Order {
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub pool: u32,
}

pub const TABLE: &str = "create table if not exists webhook_events (
    id bigint generated always as identity primary key,
    provider text not null,
    account text not null,
    event_id text not null unique,
    received_at timestamptz not null default now(),
    headers text not null,
    payload bytea not null,
    processed_at timestamptz
)";

struct Textbook {
    pool: PgPool,
    account: Account,
    providers: Registry,
    clock: Clock,
}

/// Serves until it is killed. Says its address on standard output.
pub async fn run(order: Order) -> anyhow::Result<ExitCode> {
    let pool = PgPoolOptions::new()
        .max_connections(order.pool)
        .min_connections(order.pool)
        .connect(&order.url)
        .await?;
    let clock = Clock::system();
    let providers = Registry::new(&Config::read(None, [])?.providers, clock.clone())?;
    let state = Arc::new(Textbook { pool, account: account(), providers, clock });
    let app = Router::new().route(PATH, post(receive)).with_state(state);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(ExitCode::SUCCESS)
}

fn account() -> Account {
    Account {
        merchant_id: 1,
        account_id: 1,
        merchant: "bench".to_owned(),
        name: ACCOUNT.to_owned(),
        provider: ProviderName::Stripe,
        webhook_secrets: vec![SECRET.into()],
        credentials: Credentials::default(),
        base_url: None,
        tolerance_s: 300,
    }
}

async fn receive(
    State(state): State<Arc<Textbook>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let text = serde_json::to_string(&headers).expect("text is JSON");
    let delivery = Delivery { headers, body, url: None };
    let now = state.clock.now();
    let Ok(verified) = state.providers.get(ProviderName::Stripe).verify(delivery, &state.account, now) else {
        return (StatusCode::BAD_REQUEST, "bad signature");
    };
    let done = sqlx::query(
        "insert into webhook_events (provider, account, event_id, headers, payload)
         values ($1, $2, $3, $4, $5)
         on conflict (event_id) do nothing",
    )
    .bind("stripe")
    .bind(ACCOUNT)
    .bind(verified.dedupe_key())
    .bind(text)
    .bind(&verified.delivery().body[..])
    .execute(&state.pool)
    .await;
    match done {
        Ok(_) => (StatusCode::OK, "ok"),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "error"),
    }
}
