//! The engine behind intake: deliveries that become decisions, and wakes that fire with their full record, among few
//! open cycles and among millions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use respondby::app::{self, Engine};
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::store;
use respondby::worker::{self, Backlog, Shop, Stepped};
use sqlx::AssertSqlSafe;

use crate::Effort;
use crate::bodies::Bodies;
use crate::cluster::{Cluster, Scratch};
use crate::measured::{median, middle};
use crate::population::{Due, empty_state, open_cycles};
use crate::report::Report;
use crate::yardstick;

/// How often product and yardstick take turns at wakes.
const TURNS: usize = 5;

/// Rules as a merchant might have them: nineteen that do not match and one that does.
pub fn rules(then: &str) -> String {
    let mut text = String::from(
        "schema = 1\ndefault = { hold = { why = \"no rule\" } }\n[policy]\nmode = \"live\"\nsafety_margin = \"6h\"\n",
    );
    for n in 1..20 {
        text.push_str(&format!(
            "\n[[rule]]\nid = \"rule-{n}\"\nwhy = \"of the bench\"\nwhen.reason = [\"fraud\", \"duplicate\"]\n\
             when.amount = {{ at_most = {{ USD = \"{n}00.00\" }} }}\nwhen.facts.order_id = {{ present = true }}\n\
             then = {{ accept = {{ after = \"24h\" }} }}\n"
        ));
    }
    text.push_str(&format!(
        "\n[[rule]]\nid = \"rule-20\"\nwhy = \"of the bench\"\nwhen.reason = [\"product_not_received\"]\n\
         when.amount = {{ at_most = {{ USD = \"500.00\" }} }}\nthen = {{ {then} }}\n"
    ));
    text
}

/// The engine without its loops: the bench takes the steps.
pub async fn engine(database: &Scratch, then: &str) -> anyhow::Result<Engine> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("key"), "5e".repeat(32))?;
    std::fs::write(dir.path().join("secret"), crate::bodies::SECRET)?;
    std::fs::write(dir.path().join("rules.toml"), rules(then))?;
    let path = dir.path().join("respondby.toml");
    let text = format!(
        "[database]\nurl = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[worker]\nroles = [\"intake\"]\n[secrets]\n\
         key = \"file:key\"\n[[merchant]]\nname = \"bench\"\nrules = \"rules.toml\"\n[[account]]\nmerchant = \"bench\"\n\
         provider = \"stripe\"\nname = \"bench-stripe\"\nwebhook_secrets = [\"file:secret\"]\n\
         credentials = {{ api_key = \"file:secret\" }}\n",
        database.url
    );
    std::fs::write(&path, text)?;
    let config = Config::load(Some(&path))?;
    let opened = store::open(&config.database).await?;
    app::start(&config, opened, Clock::system()).await
}

/// Sets the merchant, the account and rules up, as an engine would on its first start.
pub async fn publish(database: &Scratch) -> anyhow::Result<()> {
    engine(database, "accept = {}").await?.stop().await
}

/// Webhook kept to decision, history, action and next wake committed: deliveries a second, against R1.
pub async fn measure_apply(cluster: &Cluster, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    println!("kept deliveries to decisions, against R1");
    let database = cluster.scratch("bench_apply").await?;
    let engine = engine(&database, "accept = {}").await?;
    let (mut r1, mut product) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds as u64 {
        r1.push(yardstick::raw_inserts(&database, effort, 100_000_000_000 * (round + 1)).await?);
        empty_state(&database).await?;
        let rows = keep_backlog(&database, round * 1_000_000, effort).await?;
        let began = Instant::now();
        let done: usize = abreast(&engine, drain).await?.into_iter().sum();
        product.push(done as f64 / began.elapsed().as_secs_f64());
        expect_full_record(&database, rows).await?;
    }
    report.at_least(
        "webhook kept to decision, action and wake",
        (median(product), "webhooks/s"),
        ("R1", median(r1)),
        0.2,
    );
    engine.stop().await
}

/// As many tasks as the engine runs loops, each on its own as there.
async fn abreast<T, F>(engine: &Engine, work: impl Fn(Arc<Shop>) -> F) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let shop = Arc::new(engine.shop.clone());
    let tasks: Vec<_> = (0..worker::ABREAST).map(|_| tokio::spawn(work(shop.clone()))).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await??);
    }
    Ok(done)
}

async fn drain(shop: Arc<Shop>) -> anyhow::Result<usize> {
    let mut done = 0;
    loop {
        match worker::apply(&shop).await? {
            Stepped::Did(count) => done += count,
            Stepped::Idle { .. } => return Ok(done),
        }
    }
}

/// Fills the table with deliveries that wait, one new dispute each.
async fn keep_backlog(database: &Scratch, first: u64, effort: Effort) -> anyhow::Result<i64> {
    let now = Clock::system().now();
    let bodies = Bodies::new(now.timestamp(), now.timestamp() + 20 * 86_400);
    let (merchant_id, account_id): (i64, i64) =
        sqlx::query_as("select merchant_id, account_id from accounts").fetch_one(&database.pool).await?;
    let rows = effort.window.as_secs() * 10_000;
    let mut conn = database.pool.acquire().await?;
    for from in (0..rows).step_by(1000) {
        let numbers: Vec<u64> = (first + from..first + from + 1000).collect();
        sqlx::query(
            "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
                 claimed_at, headers, body, state)
             select $1, $2, i.n, $3, $4, 'webhook', i.key, $4, '[]', i.body, 'kept'
             from unnest($5::bigint[], $6::text[], $7::bytea[]) as i (n, key, body)",
        )
        .bind(merchant_id)
        .bind(account_id)
        .bind(store::deliveries::month_of(now))
        .bind(now)
        .bind(numbers.iter().map(|n| *n as i64).collect::<Vec<_>>())
        .bind(numbers.iter().map(|n| Bodies::event_id(*n)).collect::<Vec<_>>())
        .bind(numbers.iter().map(|n| bodies.body(*n)).collect::<Vec<_>>())
        .execute(&mut *conn)
        .await?;
    }
    for statement in ["analyze deliveries", "checkpoint"] {
        sqlx::query(statement).execute(&mut *conn).await?;
    }
    Ok(rows as i64)
}

/// Nothing is measured that was not done.
async fn expect_full_record(database: &Scratch, rows: i64) -> anyhow::Result<()> {
    for table in ["disputes", "cycles", "decisions", "actions"] {
        let sql = format!("select count(*) from {table}");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&database.pool).await?;
        anyhow::ensure!(count == rows, "{count} rows in {table} for {rows} webhooks");
    }
    Ok(())
}

/// Wakes fired with decision, reasons, history, action and next wake: a second, against R3. Short windows of the two
/// take turns over the same rows, so that what the machine does to one it does to its neighbour; of the turns the
/// one with the middle ratio is told. The first is not counted: connections and plans are cold in it.
pub async fn measure_wakes(cluster: &Cluster, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let database = cluster.scratch("bench_wakes").await?;
    let engine = engine(&database, "accept = { after = \"1h\" }").await?;
    let window = effort.window / 4;
    for open in [10_000, 1_000_000] {
        println!("wakes with their full record at {open} open cycles, against R3");
        let mut turns = Vec::new();
        for turn in 0..=TURNS {
            // The small population is over in less than a window.
            if turn == 0 || open < 100_000 {
                yardstick::bare_wakes(&database, open).await?;
                open_cycles(&database, open, Due::All).await?;
            }
            let r3 = yardstick::fire_bare_wakes(&database, window).await?;
            let fired = fire(&engine, window).await?;
            if turn > 0 {
                turns.push((fired, r3));
            }
        }
        let (fired, r3) = middle(turns);
        report.at_least(&format!("wakes fired in full, {open} open"), (fired, "wakes/s"), ("R3", r3), 0.2);
    }
    engine.stop().await
}

async fn fire(engine: &Engine, window: Duration) -> anyhow::Result<f64> {
    let before = actions(engine).await?;
    let began = Instant::now();
    let backlog = Backlog::default();
    abreast(engine, |shop| wake_until(shop, backlog.clone(), began, window)).await?;
    let took = began.elapsed().as_secs_f64();
    Ok((actions(engine).await? - before) as f64 / took)
}

async fn wake_until(
    shop: Arc<Shop>,
    backlog: Backlog,
    began: Instant,
    window: Duration,
) -> anyhow::Result<()> {
    while began.elapsed() < window {
        // Nothing is left, or what is left is in the hands of the others.
        if let Stepped::Idle { .. } = worker::wake(&shop, &backlog).await? {
            break;
        }
    }
    Ok(())
}

async fn actions(engine: &Engine) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from actions").fetch_one(&engine.shop.pool).await?)
}

/// Ten thousand due among five million open ones, against among none.
pub async fn measure_crowd(cluster: &Cluster, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let crowd: i64 = if quick { 500_000 } else { 5_000_000 };
    println!("ten thousand due among {crowd} open, against among none");
    let database = cluster.scratch("bench_crowd").await?;
    let engine = engine(&database, "accept = { after = \"1h\" }").await?;
    let mut seconds = Vec::new();
    for open in [10_000, 10_000 + crowd] {
        open_cycles(&database, open, Due::OneIn(open / 10_000)).await?;
        let before = actions(&engine).await?;
        let began = Instant::now();
        let backlog = Backlog::default();
        while let Stepped::Did(_) = worker::wake(&engine.shop, &backlog).await? {}
        seconds.push(began.elapsed().as_secs_f64());
        let fired = actions(&engine).await? - before;
        anyhow::ensure!((9_990..=10_010).contains(&fired), "{fired} fired instead of 10,000");
    }
    report.at_most("10,000 due among many open", (seconds[1], "s"), ("among none", seconds[0]), 1.2);
    engine.stop().await
}
