//! Real processes on the machine's clock, dying at every stage boundary and at any moment: nothing is lost, and
//! nothing irreversible is done twice. The stand-ins live in this process, so that they outlast every crash.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use respondby::clock::Clock;
use respondby::crash::POINTS;
use respondby::providers::ProviderName;
use respondby::sandbox::{Control, NewDispute, WebhookState};
use respondby::store::{deliveries, watermarks};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::stage::{RAZORPAY, RULES, STRIPE, Setup, write_configuration};
use super::{is_long, rounds};
use crate::support::Database;
use crate::support::watched::Watched;

/// More than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(240);
const SIGABRT: i32 = 6;

/// Everything is conceded at once: what is tested is that it happens, and once.
fn at_once() -> String {
    RULES.replace("then = { accept = { after = \"1h\" } }", "then = { accept = {} }")
}

/// Short waits, so that what a dead process had in hand is taken up again soon.
const MORE: &str = "
[worker]
lease_s = 10
poll_every_ms = 50
[reconcile]
every_s = 10
[log]
format = \"json\"
filter = \"respondby=info\"
";

/// A call is over before its lease is, at every provider.
fn more() -> String {
    let call = |name: &ProviderName| format!("[providers.{name}]\ntotal_timeout_ms = 4000\n");
    MORE.to_owned() + &ProviderName::ALL.iter().map(call).collect::<String>()
}

struct Town {
    db: Database,
    control: Control,
    _kept: (Watched, TempDir),
    config: PathBuf,
}

/// One running `respondby serve`. Killed when it is dropped.
struct Serving {
    child: Child,
    address: String,
    _drain: tokio::task::JoinHandle<()>,
}

impl Town {
    async fn new(seed: u64) -> Self {
        let db = Database::new().await;
        let setup = Setup { rules: at_once(), more: more(), seed, ..Setup::default() };
        let sandbox = super::stage::sandbox(Clock::system(), &setup).await;
        let dir = tempfile::tempdir().unwrap();
        let config = write_configuration(&dir, &db.url, &sandbox, &setup);
        Self { db, control: sandbox.control(), _kept: (sandbox, dir), config }
    }

    /// Starts a process, and waits until it says that it is ready.
    async fn serve(&self, crash_at: Option<&str>) -> Serving {
        let mut serving = start(&self.config, crash_at);
        let log = serving.stderr.take().unwrap();
        let mut lines = BufReader::new(log).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = address_in(&said) {
                    return address;
                }
            }
            panic!("it ended before it was ready");
        };
        let address = timeout(PATIENCE, ready).await.expect("it gets ready");
        let drain = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Serving { child: serving, address, _drain: drain }
    }

    fn point_webhooks_to(&self, serving: &Serving) {
        for (provider, name) in [(STRIPE, "acme"), (RAZORPAY, "bazaar")] {
            let url = format!("http://{}/webhooks/{provider}/{name}", serving.address);
            self.control.set_webhook_url(provider, Some(name), Some(&url)).unwrap();
        }
    }

    /// At Stripe; at Razorpay too where `both`.
    fn open(&self, n: usize, both: bool) -> String {
        let n = if both { n } else { 0 };
        let mut order = NewDispute::new([STRIPE, RAZORPAY][n % 2]);
        let due_by = self.control.now().timestamp() + 20 * 86_400;
        order.due_by = Some(Some(due_by));
        order.reason = Some(["fraudulent", "10.4"][n % 2].into());
        order.amount = Some(1_500);
        self.control.create(&order).unwrap()
    }

    /// One that no rule covers: people are told of it, and nothing else happens.
    fn open_for_people(&self) -> String {
        let mut order = NewDispute::stripe();
        order.reason = Some("general".into());
        self.control.create(&order).unwrap()
    }

    /// Has its cycle looked at now, as soon as there is one.
    async fn wake(&self, dispute_ref: &str) {
        let waking = async {
            let woken = || {
                sqlx::query(
                    "update cycles c
                     set wake_at = now()
                     from disputes d
                     where d.merchant_id = c.merchant_id and d.dispute_id = c.dispute_id and d.dispute_ref = $1
                         and c.state = 'open'",
                )
                .bind(dispute_ref)
                .execute(&self.db.pool)
            };
            while woken().await.unwrap().rows_affected() == 0 {
                self.db_breathes().await;
            }
        };
        timeout(PATIENCE, waking).await.expect("the dispute becomes known");
    }

    /// As `respondby reconcile` does: what a dead process was listing is not waited for.
    async fn list_now(&self) {
        let mut conn = self.db.pool.acquire().await.unwrap();
        watermarks::hurry(&mut conn, self.control.now()).await.unwrap();
    }

    /// Looks until every dispute is answered here as it is there. Each look waits for the database's answer.
    async fn answered(&self, made: &[String]) {
        let looking = async {
            loop {
                let settled: i64 = sqlx::query_scalar(
                    "select count(*)
                     from disputes d
                     join cycles c on c.merchant_id = d.merchant_id and c.dispute_id = d.dispute_id
                     join actions a on a.merchant_id = d.merchant_id and a.dispute_id = d.dispute_id
                     where d.dispute_ref = any($1) and c.state = 'answered' and c.response = 'accept'
                         and a.kind = 'accept' and a.state = 'done'",
                )
                .bind(made)
                .fetch_one(&self.db.pool)
                .await
                .unwrap();
                if settled == made.len() as i64 {
                    return;
                }
                self.db_breathes().await;
            }
        };
        if timeout(PATIENCE, looking).await.is_err() {
            panic!("not answered in time: {}", self.standing().await);
        }
    }

    /// A pause that the database makes, so that looking does not take the processor from those who work.
    async fn db_breathes(&self) {
        sqlx::query("select pg_sleep(0.1)").execute(&self.db.pool).await.unwrap();
    }

    async fn standing(&self) -> String {
        let rows: Vec<(String, String, Option<String>, Option<String>)> = sqlx::query_as(
            "select d.dispute_ref, d.status, a.state, a.note
             from disputes d
             left join actions a on a.merchant_id = d.merchant_id and a.dispute_id = d.dispute_id",
        )
        .fetch_all(&self.db.pool)
        .await
        .unwrap();
        format!("{rows:#?}\n{:#?}", self.control.ledger())
    }

    /// What was answered with 2xx is there, and in the end all of it is applied.
    async fn nothing_is_lost(&self) {
        let looking = async {
            let waiting = || {
                sqlx::query_scalar::<_, i64>("select count(*) from deliveries where state <> 'settled'")
                    .fetch_one(&self.db.pool)
            };
            while waiting().await.unwrap() != 0 {
                self.db_breathes().await;
            }
        };
        timeout(PATIENCE, looking).await.expect("all deliveries are applied");
        let mut conn = self.db.pool.acquire().await.unwrap();
        let kept = deliveries::webhook_keys(&mut conn).await.unwrap();
        for webhook in self.control.webhooks().iter().filter(|w| w.state == WebhookState::Delivered) {
            assert!(kept.iter().any(|key| key.starts_with(&webhook.event_ref)), "{webhook:?} is not kept");
        }
    }

    fn at_most_once(&self, made: &[String]) {
        let totals = self.control.ledger_totals();
        assert_eq!(totals.effective_per_round_max, 1, "{:#?}", self.control.ledger());
        assert_eq!(totals.rounds_answered, made.len());
    }
}

fn start(config: &Path, crash_at: Option<&str>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
    let ours = |name: &str| name.starts_with("RESPONDBY_") || name == "DATABASE_URL";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    if let Some(point) = crash_at {
        command.env("RESPONDBY_CRASH_AT", point);
    }
    command
        .args(["serve", "--config"])
        .arg(config)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts")
}

fn address_in(line: &serde_json::Value) -> Option<String> {
    line.get("http.address")?.as_str().map(str::to_owned)
}

/// Kills it at `point`, goes on without, and looks at what is left.
async fn dies_at(point: &str) {
    let town = Town::new(3).await;
    let first = town.serve(Some(point)).await;
    town.point_webhooks_to(&first);
    // A call to Razorpay that broke off is waited for, as it has no key: a minute and a half, for the long run.
    let unsent = ["intake.kept", "apply.applied", "act.claimed"].contains(&point);
    let made: Vec<String> = (0..4).map(|n| town.open(n, unsent || is_long())).collect();
    let held = town.open_for_people();
    let mut child = first.child;
    // A webhook that comes meanwhile looks at the cycle as well, and leaves nothing to wake: it is woken until then.
    let dying = async {
        loop {
            tokio::select! {
                ended = child.wait() => break ended,
                () = town.wake(&held), if point == "wake.looked" => town.db_breathes().await,
            }
        }
    };
    let ended = timeout(PATIENCE, dying).await;
    let Ok(ended) = ended else { panic!("{point} is never reached: {}", town.standing().await) };
    assert_eq!(ended.unwrap().signal(), Some(SIGABRT), "{point}: it died of the crash and of nothing else");
    let second = town.serve(None).await;
    town.point_webhooks_to(&second);
    town.list_now().await;
    town.answered(&made).await;
    town.at_most_once(&made);
    town.nothing_is_lost().await;
}

#[tokio::test]
async fn a_process_that_dies_where_work_is_taken_in_and_applied_loses_nothing() {
    tokio::join!(dies_at("intake.kept"), dies_at("apply.applied"));
}

#[tokio::test]
async fn a_process_that_dies_around_a_call_that_cannot_be_taken_back_makes_it_once() {
    tokio::join!(dies_at("act.claimed"), dies_at("act.sent"), dies_at("act.answered"));
}

#[tokio::test]
async fn a_process_that_dies_when_it_wakes_a_cycle_or_has_told_people_goes_on_after_it() {
    tokio::join!(dies_at("wake.looked"), dies_at("notify.sent"));
}

#[test]
fn every_crash_point_is_died_at() {
    let tested = [
        "intake.kept",
        "apply.applied",
        "wake.looked",
        "act.claimed",
        "act.sent",
        "act.answered",
        "notify.sent",
    ];
    assert_eq!(POINTS, tested);
}

/// Two processes work side by side; a third starts and is killed at a moment of the dice's choosing, again and again.
#[tokio::test]
async fn two_processes_and_one_that_is_killed_at_any_moment_answer_everything_once() {
    let seed = 20_261_121;
    let mut dice = StdRng::seed_from_u64(seed);
    let town = Town::new(seed).await;
    let (first, _second) = tokio::join!(town.serve(None), town.serve(None));
    let mut made = Vec::new();
    for round in 0..rounds(3, 50) {
        town.point_webhooks_to(&first);
        let mut third = town.serve(None).await;
        if round % 2 == 0 {
            town.point_webhooks_to(&third);
        }
        made.extend((0..4).map(|n| town.open(n, is_long())));
        let after_ms = dice.random_range(0..400);
        // The moment of death is what is being tested, not something waited for.
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        third.child.kill().await.unwrap();
        println!("seed {seed}, round {round}: killed after {after_ms} ms");
        town.list_now().await;
    }
    town.point_webhooks_to(&first);
    town.answered(&made).await;
    town.at_most_once(&made);
    town.nothing_is_lost().await;
}
