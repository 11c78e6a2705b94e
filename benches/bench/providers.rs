//! Intake per provider: the same process takes webhooks of one length from each, signed as that provider signs, and
//! what it answers a second is held against Stripe's. Short windows take turns, so that what the machine does to one
//! it does to its neighbour.

use std::collections::BTreeMap;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::dispute::Source;
use respondby::providers::{Kept, ProviderName, Reading, Registry};
use tokio::net::TcpListener;

use crate::Effort;
use crate::cluster::{Cluster, Scratch};
use crate::intake::{Events, Round, ms, under_load};
use crate::load::Order;
use crate::measured::middle;
use crate::report::Report;
use crate::requests::{CERTIFICATE, Requests, Sender};
use crate::served::Served;

/// How often each provider and Stripe take turns, beyond the rounds of other measures.
const MORE_TURNS: usize = 4;
/// Of Stripe's rate.
const AT_LEAST: f64 = 0.85;

/// Windows of one provider and of Stripe that stood side by side.
#[derive(Default)]
struct Turns {
    per_s: Vec<(f64, f64)>,
    cpu_us: Vec<(f64, f64)>,
}

struct Stand<'a> {
    cluster: &'a Cluster,
    database: Scratch,
    certificates: String,
    served: Served,
    effort: Effort,
    events: Events,
}

pub async fn measure(cluster: &Cluster, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    println!("durable intake of each provider at 256 connections, against Stripe's");
    let database = cluster.scratch("bench_providers").await?;
    let certificates = serve_certificate().await?;
    let senders: Vec<Sender> =
        ProviderName::ALL.iter().map(|provider| sender(*provider, &certificates)).collect();
    senders.iter().try_for_each(expect_understood)?;
    let served = Served::with_accounts(&database, &["intake"], &senders).await?;
    let mut stand = Stand { cluster, database, certificates, served, effort, events: Events(0) };
    // Not counted: connections and plans are cold in it.
    stand.window(ProviderName::Stripe).await?;
    let others: Vec<ProviderName> =
        ProviderName::ALL.iter().copied().filter(|provider| *provider != ProviderName::Stripe).collect();
    let mut turns: BTreeMap<ProviderName, Turns> = BTreeMap::new();
    for _ in 0..effort.rounds + MORE_TURNS {
        // Stripe's window stands between those that are held against it.
        for pair in others.chunks(2) {
            let (before, after) = pair.split_at(1);
            let mut rounds = stand.windows(before).await?;
            let stripe = stand.window(ProviderName::Stripe).await?;
            rounds.extend(stand.windows(after).await?);
            for (provider, round) in pair.iter().zip(rounds) {
                let turns = turns.entry(*provider).or_default();
                turns.per_s.push((round.seen.per_s(), stripe.seen.per_s()));
                turns.cpu_us.push((round.cpu_us, stripe.cpu_us));
            }
        }
    }
    stand.served.stop().await?;
    for (provider, turns) in turns {
        tell(provider, turns, report);
    }
    Ok(())
}

fn tell(provider: ProviderName, turns: Turns, report: &mut Report) {
    let (per_s, stripe) = middle(turns.per_s);
    let name = format!("intake of {provider}");
    match provider {
        // RSA costs what it costs.
        ProviderName::Paypal => report.beside(&name, (per_s, "req/s"), ("stripe", stripe)),
        ProviderName::Stripe
        | ProviderName::Razorpay
        | ProviderName::Prism
        | ProviderName::Hyperswitch
        | ProviderName::Checkout
        | ProviderName::Square
        | ProviderName::Adyen => report.at_least(&name, (per_s, "req/s"), ("stripe", stripe), AT_LEAST),
    }
    let (cpu_us, stripe) = middle(turns.cpu_us);
    report.beside(&format!("processor time per request of {provider}"), (cpu_us, "us"), ("stripe", stripe));
}

fn sender(provider: ProviderName, certificates: &str) -> Sender {
    let certificates = match provider {
        ProviderName::Paypal => certificates.to_owned(),
        ProviderName::Stripe
        | ProviderName::Razorpay
        | ProviderName::Prism
        | ProviderName::Hyperswitch
        | ProviderName::Checkout
        | ProviderName::Square
        | ProviderName::Adyen => String::new(),
    };
    Sender { provider, certificates }
}

/// PayPal's webhooks name a certificate, which is fetched once. Answers with where it lies.
async fn serve_certificate() -> anyhow::Result<String> {
    let router = Router::new().route("/v1/notifications/certs/{id}", get(|| async { CERTIFICATE }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// What is sent has the length of Stripe's and is news of a dispute.
fn expect_understood(sender: &Sender) -> anyhow::Result<()> {
    let clock = Clock::system();
    let now = clock.now();
    let requests = Requests::new(sender, now)?;
    let length = Requests::new(&Sender::stripe(), now)?.body_length();
    let (provider, body) = (sender.provider, requests.body(1));
    anyhow::ensure!(body.len() == length, "{provider}: {} bytes, and Stripe's has {length}", body.len());
    let providers = Registry::new(&Config::read(None, [])?.providers, clock)?;
    match providers.get(provider).events(&Kept { source: Source::Webhook, body: &body, as_of: now }) {
        Reading::Events(_) | Reading::FetchFirst { .. } => Ok(()),
        other @ (Reading::Partly { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. }
        | Reading::Unrecognised { .. }) => anyhow::bail!("the webhook of {provider} is not news: {other:?}"),
    }
}

impl Stand<'_> {
    async fn windows(&mut self, providers: &[ProviderName]) -> anyhow::Result<Vec<Round>> {
        let mut rounds = Vec::new();
        for provider in providers {
            rounds.push(self.window(*provider).await?);
        }
        Ok(rounds)
    }

    async fn window(&mut self, provider: ProviderName) -> anyhow::Result<Round> {
        self.database.empty("deliveries").await?;
        let order = Order {
            addr: self.served.addr.clone(),
            sender: sender(provider, &self.certificates),
            connections: 256,
            warm_up_ms: ms(self.effort.warm_up / 4),
            window_ms: ms(self.effort.window / 6),
            first: self.events.next_million(),
            rate: None,
        };
        let round = under_load(self.cluster, &self.served, &order).await?;
        self.expect_kept(&order, &round).await.with_context(|| format!("the webhooks of {provider}"))?;
        Ok(round)
    }

    /// Each answer of 200 stands for a row of that account: as it was sent, and waiting to be read.
    async fn expect_kept(&self, order: &Order, round: &Round) -> anyhow::Result<()> {
        let length = Requests::new(&order.sender, Clock::system().now())?.body_length();
        let (rows, kept): (i64, i64) = sqlx::query_as(
            "select count(*),
                 count(*) filter (where d.state = 'kept' and octet_length(d.body) = $2 and a.provider = $1)
             from deliveries d join accounts a using (merchant_id, account_id)",
        )
        .bind(order.sender.provider.as_str())
        .bind(length as i32)
        .fetch_one(&self.database.pool)
        .await?;
        let answered = round.seen.answered_in_all;
        anyhow::ensure!(
            (rows as u64, kept as u64) == (answered, answered),
            "{answered} were answered with 200, and {kept} of {rows} rows are kept as they were sent"
        );
        Ok(())
    }
}
