//! The demo as its user runs it: it ends well, says what it promises to say, keeps its secrets, plays on no
//! database but its own, and goes on afterwards, with commands beside it that live by its clock.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use respondby::demo::secrets;
use respondby::sandbox::ProviderKind;
use serde_json::{Value, json};

use crate::requests::gone_through;

/// Far longer than anything here takes: what has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// A database where nobody is. Whoever connects to it fails.
const NOBODYS: &str = "postgres://127.0.0.1:1/somebody-elses";

fn respondby() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
    command.env_remove("DATABASE_URL").env_remove("RESPONDBY_CONFIG");
    command
}

/// The demo in another process, which is ended with the test whatever happens.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A command beside the demo.
fn beside(dir: &Path, args: &[&str]) -> Output {
    respondby().arg("--config").arg(dir.join("respondby.toml")).args(args).output().expect("the command runs")
}

fn asked(dir: &Path, args: &[&str]) -> Value {
    let done = beside(dir, &[args, &["--json"]].concat());
    let told = String::from_utf8_lossy(&done.stderr);
    serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {told}"))
}

fn post(url: &str, body: &Value) -> Value {
    respondby::providers::http::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.post(url).json(body).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    })
}

/// Asks until the answer is there.
fn in_time<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
    }
}

#[test]
fn the_demo_keeps_every_promise_and_every_secret_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = respondby();
    let recorded = tempfile::NamedTempFile::new().unwrap();
    command.args(["demo", "--serve", "--dir"]).arg(dir.path()).env("DATABASE_URL", NOBODYS);
    command.arg("--record").arg(recorded.path());
    command
        .env("RESPONDBY_LOG__FILTER", "respondby=trace,info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut demo = Demo(command.spawn().expect("the demo runs"));
    let mut errors = demo.0.stderr.take().unwrap();
    let log = thread::spawn(move || {
        let mut logged = Vec::new();
        errors.read_to_end(&mut logged).unwrap();
        String::from_utf8_lossy(&logged).into_owned()
    });
    let mut said = String::new();
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap());
    while !said.contains("DATABASE_URL is set in this shell") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "the demo ended early:\n{said}");
    }

    goes_on(dir.path(), &said);

    let interrupted = Command::new("kill").args(["-INT", &demo.0.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let ended = demo.0.wait().unwrap();
    let logged = log.join().unwrap();
    assert!(ended.success(), "the demo failed:\n{said}\n{logged}");
    for line in ["promises P1 to P8 were checked", "0 missed", "irreversible calls per cycle: at most 1"] {
        assert!(said.contains(line), "the demo does not say `{line}`:\n{said}");
    }
    for (name, secret) in secrets() {
        assert!(
            !said.contains(secret) && !logged.contains(secret),
            "the demo's output holds the secret {name}"
        );
    }
    let rows = said.lines().skip_while(|line| !line.starts_with("dispute ")).count();
    assert!(rows >= 24, "{rows} rows in the table at the end:\n{said}");
    no_engine_on_the_machines_clock_works_here(dir.path());
    every_request_is_one_that_its_api_takes(recorded.path());
}

fn every_request_is_one_that_its_api_takes(recorded: &Path) {
    let (faults, counts) = gone_through(&std::fs::read_to_string(recorded).unwrap());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let everyone = ProviderKind::ALL.iter().all(|kind| counts.get(kind.as_str()).is_some_and(|n| *n >= 4));
    assert!(everyone, "somebody was hardly asked: {counts:?}");
}

/// A dispute opened afterwards is taken in, and a person's order is carried out at once, by the demo's clock.
fn goes_on(dir: &Path, said: &str) {
    let control = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("control "))
        .unwrap_or_else(|| panic!("the demo does not say where it is controlled:\n{said}"))
        .trim();
    let order = json!({"provider": "stripe", "amount": 912_345, "reason": "general"});
    let opened = post(&format!("{control}/disputes"), &order);
    let dispute_ref = opened["id"].as_str().expect("a dispute has an id").to_owned();
    let cycle = in_time("a webhook is taken in", || {
        let listed = asked(dir, &["disputes", "list", "--open"]);
        let found = listed["disputes"].as_array().unwrap().iter().find(|d| d["dispute_ref"] == *dispute_ref);
        found.map(|found| found["cycle"].clone())
    });
    assert!(cycle["respond_by"].as_str().unwrap().starts_with("2026-"), "{cycle}");
    let text = String::from_utf8(beside(dir, &["disputes", "list", "--open"]).stdout).unwrap();
    assert!(
        text.contains(" left") && !text.contains("overdue"),
        "time left is told by the demo's clock:\n{text}"
    );
    let ordered = beside(dir, &["disputes", "accept", &dispute_ref, "--as", "ana"]);
    assert!(ordered.status.success(), "{}", String::from_utf8_lossy(&ordered.stderr));
    let cycle = in_time("an order is carried out", || {
        let shown = asked(dir, &["disputes", "show", &dispute_ref]);
        (shown["cycles"][0]["state"] == "answered").then(|| shown["cycles"][0].clone())
    });
    assert_eq!(cycle["response"], "accept");
    assert!(cycle["answered_at"].as_str().unwrap().starts_with("2026-"), "{cycle}");
}

/// What keeps the two clocks apart: the database says which one it lives by, and nothing else can.
fn no_engine_on_the_machines_clock_works_here(dir: &Path) {
    let served = beside(dir, &["serve"]);
    let told = String::from_utf8_lossy(&served.stderr).into_owned();
    assert_eq!(served.status.code(), Some(1), "{told}");
    assert!(told.contains("lives by a moved clock"), "{told}");
}
