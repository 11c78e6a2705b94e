//! The demo as its user runs it: it ends well, says what it promises to say, keeps its secrets, plays on no
//! database but its own, and goes on afterwards, with commands beside it that live by its clock.

mod promises;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use respondby::demo::secrets;
use respondby::sandbox::ProviderKind;
use serde_json::{Value, json};

use crate::requests::gone_through;

/// What a Stripe dispute can be (its API reference, "status" and "reason").
const STRIPE_STATUSES: &str = "appeal_needs_response appeal_under_review lost needs_response prevented under_review \
                               warning_closed warning_needs_response warning_under_review won";
const STRIPE_REASONS: &str = "bank_cannot_process check_returned credit_not_processed customer_initiated \
                              debit_not_authorized duplicate fraudulent general incorrect_account_details \
                              insufficient_funds noncompliant product_not_received product_unacceptable \
                              subscription_canceled unrecognized";
/// What a Razorpay dispute can be (its API reference, "status" and "phase"), and why, in the model's words.
const RAZORPAY_STATUSES: &str = "closed lost open under_review won";
const RAZORPAY_PHASES: &str = "arbitration chargeback fraud pre_arbitration retrieval";
const RAZORPAY_CATEGORIES: &str = "authorization credit_not_processed duplicate fraud general processing_error \
                                   product_not_received product_unacceptable subscription_canceled";
/// The widest line that the table at the end may have.
const LINE_CHARS: usize = 160;

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
    a_defence_by_hand_is_confirmed(dir.path(), &said);
    everything_there_is_was_played(dir.path(), recorded.path());

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
    tells_all_of_it(&said);
    no_engine_on_the_machines_clock_works_here(dir.path());
    every_request_is_one_that_its_api_takes(recorded.path());
}

#[test]
fn a_demo_that_is_interrupted_leaves_no_server_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = respondby();
    command.args(["demo", "--dir"]).arg(dir.path());
    let mut demo = Demo(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the demo runs"));
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("a response is owed by") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "the demo ended early:\n{said}");
    }
    let server = dir.path().join("database/postgres/data/postmaster.pid");
    assert!(server.exists(), "the server runs while the month does");
    assert!(Command::new("kill").args(["-INT", &demo.0.id().to_string()]).status().unwrap().success());
    lines.read_to_string(&mut said).unwrap();
    assert_eq!(demo.0.wait().unwrap().code(), Some(1), "{said}");
    assert!(!server.exists(), "a server is left behind");
}

/// The words stand under one another, the table has every column, and nothing goes wrong untold.
fn tells_all_of_it(said: &str) {
    let lines: Vec<&str> = said.lines().collect();
    let begun = lines.iter().position(|line| line.starts_with("dispute ")).expect("there is a table");
    let (story, table) = lines.split_at(begun);
    let column = |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("{word} not in {line}"));
    let a_response = "a response is owed by";
    let owed: BTreeSet<usize> =
        story.iter().filter(|l| l.contains(a_response)).map(|l| column(l, a_response)).collect();
    assert_eq!(owed.len(), 1, "the story is not aligned: {owed:?}\n{said}");
    for part in [
        "is lost on the way",
        "after its webhook was lost",
        "comes twice; it is kept once",
        "is held up and comes 2h 00m late",
        "comes after the one that followed it",
        "is carried out, and the connection breaks before the answer",
        "arrived: the connection broke before an answer came",
        "arrived: HTTP 500",
        "CONFIRMED by the provider's webhook",
        "PAGED: no response is confirmed",
        "attaches shipping documentation (",
    ] {
        assert!(story.iter().any(|line| line.contains(part)), "nobody is told `{part}`:\n{said}");
    }
    for raw in ["fraud_notice", "needs_response", "cannot be trusted", "person:", "  ?  "] {
        assert!(!story.iter().any(|line| line.contains(raw)), "`{raw}` is no word for people:\n{said}");
    }
    assert_eq!(column(table[1], "decided by: what, and why"), column(table[0], "provider"));
    let rows: Vec<&&str> = table[2..].iter().take_while(|line| !line.is_empty()).collect();
    let heads = ["provider", "amount", "reason", "stage", "acted", "slack", "the provider's record"];
    heads.iter().for_each(|head| _ = column(table[0], head));
    assert!(rows.len() >= 2 * 24, "{} lines in the table at the end:\n{said}", rows.len());
    for row in &rows {
        assert!(row.chars().count() <= LINE_CHARS, "{} characters: {row}", row.chars().count());
    }
    for round in ["1 inquiry", "2 chargeback", "went on, see below", "2 pre-arbitration"] {
        assert!(rows.iter().any(|row| row.contains(round)), "no row says `{round}`:\n{said}");
    }
    for shop in respondby::demo::SHOPS {
        let provider = format!("  {}  ", shop.provider);
        let told = rows.iter().any(|row| row.find(&provider) == column(table[0], "provider").checked_sub(2));
        assert!(
            told || rows.iter().any(|row| row.contains(shop.provider.as_str())),
            "{provider} is in no row"
        );
    }
}

/// Every word that the two providers have, in what their stand-ins answered and in what the engine made of it.
fn everything_there_is_was_played(dir: &Path, recorded: &Path) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for line in std::fs::read_to_string(recorded).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let provider = line["provider"].as_str().unwrap();
        let answer = line["answer"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        words_of(provider, &answer.unwrap_or_default(), &mut seen);
    }
    let listed = asked(dir, &["disputes", "list", "--limit", "1000"]);
    for dispute in listed["disputes"].as_array().unwrap() {
        seen.insert(format!(
            "{} {}",
            dispute["provider"].as_str().unwrap(),
            dispute["category"].as_str().unwrap()
        ));
    }
    for (provider, key, words) in [
        ("stripe", "status", STRIPE_STATUSES),
        ("stripe", "reason", STRIPE_REASONS),
        ("razorpay", "status", RAZORPAY_STATUSES),
        ("razorpay", "phase", RAZORPAY_PHASES),
    ] {
        for word in words.split_whitespace() {
            assert!(
                seen.contains(&format!("{provider} {key} {word}")),
                "no {provider} dispute has {key} {word}"
            );
        }
    }
    for category in RAZORPAY_CATEGORIES.split_whitespace() {
        assert!(seen.contains(&format!("razorpay {category}")), "no Razorpay dispute is about {category}");
    }
}

/// `stripe status won` for each dispute within an answer, at any depth.
fn words_of(provider: &str, answer: &Value, seen: &mut BTreeSet<String>) {
    match answer {
        Value::Array(list) => list.iter().for_each(|value| words_of(provider, value, seen)),
        Value::Object(fields) => {
            if [&answer["object"], &answer["entity"]].iter().any(|kind| **kind == "dispute") {
                for key in ["status", "reason", "phase"] {
                    let word = answer[key].as_str().map(|word| format!("{provider} {key} {word}"));
                    seen.extend(word);
                }
            }
            fields.values().for_each(|value| words_of(provider, value, seen));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn every_request_is_one_that_its_api_takes(recorded: &Path) {
    let (faults, counts) = gone_through(&std::fs::read_to_string(recorded).unwrap());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let everyone = ProviderKind::ALL.iter().all(|kind| counts.get(kind.as_str()).is_some_and(|n| *n >= 4));
    assert!(everyone, "somebody was hardly asked: {counts:?}");
}

fn control(said: &str) -> &str {
    let found = said.lines().find_map(|line| line.trim().strip_prefix("control "));
    found.unwrap_or_else(|| panic!("the demo does not say where it is controlled:\n{said}")).trim()
}

/// Where nothing can be read, what is sent after the month is confirmed by its webhook: the plot drops none any more.
fn a_defence_by_hand_is_confirmed(dir: &Path, said: &str) {
    let order =
        json!({"provider": "adyen", "amount": 45_000, "currency": "EUR", "network_reason_code": "13.1"});
    let opened = post(&format!("{}/disputes", control(said)), &order);
    let dispute_ref = opened["id"].as_str().expect("a dispute has an id").to_owned();
    in_time("a webhook is taken in", || {
        let listed = asked(dir, &["disputes", "list", "--open"]);
        listed["disputes"].as_array().unwrap().iter().any(|d| d["dispute_ref"] == *dispute_ref).then_some(())
    });
    let proof = dir.join("proof.pdf");
    std::fs::write(&proof, "%PDF-1.4\n%%EOF\n").unwrap();
    let proof = proof.to_str().unwrap();
    for args in [
        &[
            "evidence",
            "add",
            &dispute_ref,
            "--field",
            "shipping_documentation",
            "--file",
            proof,
            "--as",
            "ana",
        ][..],
        &["disputes", "defend", &dispute_ref, "--template", "delivery-note", "--as", "ana"],
    ] {
        let done = beside(dir, args);
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let cycle = in_time("a defence that cannot be read is confirmed", || {
        let shown = asked(dir, &["disputes", "show", &dispute_ref]);
        (shown["cycles"][0]["state"] == "answered").then(|| shown["cycles"][0].clone())
    });
    assert_eq!(cycle["response"], "defend");
}

/// A dispute opened afterwards is taken in, and a person's order is carried out at once, by the demo's clock.
fn goes_on(dir: &Path, said: &str) {
    let control = control(said);
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
