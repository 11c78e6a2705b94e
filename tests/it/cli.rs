//! The real program, run as people run it: exit codes, what is said where, and every vector of the
//! providers through `webhook verify`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::support::Database;

/// The program with nothing of our own environment that would steer it.
fn respondby() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
    let ours = |name: &str| name.starts_with("RESPONDBY_") || name == "DATABASE_URL";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(output)))
}

/// One delivery, and what must come of it: `ok` or the word of the refusal.
struct Case {
    name: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    secrets: Vec<String>,
    now: Option<i64>,
    tolerance_s: Option<i64>,
    expected: String,
}

fn verify(provider: &str, case: &Case, dir: &Path) -> Output {
    let body = dir.join("body");
    fs::write(&body, &case.body).unwrap();
    let mut command = respondby();
    command.args(["--json", "webhook", "verify", "--provider", provider, "--body"]).arg(body);
    // No secret at all is an empty file here.
    let none = [String::new()];
    let secrets = if case.secrets.is_empty() { &none[..] } else { &case.secrets[..] };
    for (i, secret) in secrets.iter().enumerate() {
        let path = dir.join(format!("secret-{i}"));
        fs::write(&path, format!("{secret}\n")).unwrap();
        command.arg("--secret-file").arg(path);
    }
    for (name, value) in &case.headers {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    for (option, value) in [("--now", case.now), ("--tolerance", case.tolerance_s)] {
        command.args(value.map(|v| format!("{option}={v}")));
    }
    command.output().unwrap()
}

fn run_cases(provider: &str, cases: &[Case]) {
    let dir = tempfile::tempdir().unwrap();
    for case in cases {
        let output = verify(provider, case, dir.path());
        let answer = json(&output);
        let word = if answer["ok"] == true { "ok" } else { answer["refusal"].as_str().unwrap() };
        assert_eq!(word, case.expected, "{}: {answer}", case.name);
        assert_eq!(code(&output), i32::from(case.expected != "ok"), "{}", case.name);
        for secret in case.secrets.iter().filter(|s| s.len() > 8) {
            assert!(!said(&output).contains(secret.as_str()), "{}: the secret is printed", case.name);
        }
    }
}

#[test]
fn stripe_vectors_answer_as_expected() {
    #[derive(Deserialize)]
    struct Vectors {
        bodies_b64: BTreeMap<String, String>,
        vectors: Vec<Vector>,
    }
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        headers: Vec<(String, String)>,
        secrets: Vec<String>,
        now: i64,
        tolerance_s: i64,
        body: String,
        expected: String,
    }
    let text = include_str!("../../src/providers/stripe/fixtures/vectors.json");
    let Vectors { bodies_b64, vectors } = serde_json::from_str(text).unwrap();
    let cases: Vec<Case> = vectors
        .into_iter()
        .map(|v| Case {
            name: v.name,
            headers: v.headers,
            body: BASE64_STANDARD.decode(&bodies_b64[&v.body]).unwrap(),
            secrets: v.secrets,
            now: Some(v.now),
            tolerance_s: Some(v.tolerance_s),
            expected: v.expected,
        })
        .collect();
    assert!(cases.len() > 20, "{} vectors", cases.len());
    run_cases("stripe", &cases);
}

#[test]
fn razorpay_vectors_answer_as_expected() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        body: String,
        signature: String,
        secrets: Vec<String>,
        refusal: Option<String>,
    }
    let text = include_str!("../../src/providers/razorpay/fixtures/vectors.json");
    let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
    let cases: Vec<Case> = vectors
        .into_iter()
        .map(|v| Case {
            name: v.name,
            headers: vec![("X-Razorpay-Signature".to_owned(), v.signature)],
            body: v.body.into_bytes(),
            secrets: v.secrets,
            now: None,
            tolerance_s: None,
            expected: v.refusal.unwrap_or_else(|| "ok".to_owned()),
        })
        .collect();
    assert!(cases.len() > 15, "{} vectors", cases.len());
    run_cases("razorpay", &cases);
}

/// A file named `name` with `content`, and its path.
fn file(dir: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn verify_says_in_words_what_is_wrong_and_reads_the_body_from_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let secret = file(&dir, "secret", "whsec_made_up_here\r\n");
    let mut child = respondby()
        .args(["webhook", "verify", "--provider", "stripe", "--body", "-", "--secret-file"])
        .arg(&secret)
        .args(["--header", "Stripe-Signature: t=1790000000,v1=00", "--now", "2026-09-21T14:13:20Z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(said(&output).starts_with("refused: "), "{}", said(&output));
    assert!(said(&output).contains("stripe-signature"), "{}", said(&output));
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_wrong_signature() {
    let dir = tempfile::tempdir().unwrap();
    let secret = file(&dir, "secret", "s").display().to_string();
    let body = file(&dir, "body", "{}").display().to_string();
    let given = |more: &[&str]| {
        let base = ["webhook", "verify", "--secret-file", &secret, "--body", &body];
        let args = base.iter().chain(more).map(|s| (*s).to_owned());
        let output = respondby().args(args).output().unwrap();
        assert!(output.stdout.is_empty(), "{more:?}: {}", said(&output));
        (code(&output), said(&output))
    };
    let rows: &[(&[&str], &str)] = &[
        (&[], "--provider"),
        (&["--provider", "stripes"], "expected one of stripe, razorpay"),
        (&["--provider", "stripe", "--header", "no colon here"], "Name: value"),
        (&["--provider", "stripe", "--now", "tomorrow"], "RFC 3339"),
        (&["--provider", "stripe", "--tolerance", "-1"], "--tolerance"),
        (&["--provider", "stripe", "--secret-file", "/no/such/secret"], "/no/such/secret"),
    ];
    for (more, wanted) in rows {
        let (code, said) = given(more);
        assert_eq!(code, 2, "{more:?}: {said}");
        assert!(said.contains(wanted), "{more:?}: {said}");
    }
}

#[test]
fn an_empty_secret_file_refuses_everything() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case {
        name: "empty".to_owned(),
        headers: vec![("X-Razorpay-Signature".to_owned(), "00".repeat(32))],
        body: b"{}".to_vec(),
        secrets: Vec::new(),
        now: None,
        tolerance_s: None,
        expected: "no_secret".to_owned(),
    };
    let answer = json(&verify("razorpay", &case, dir.path()));
    assert_eq!(answer["refusal"], "no_secret");
    assert!(answer["message"].as_str().unwrap().contains("secret-0"), "{answer}");
}

#[tokio::test]
async fn migrate_applies_what_is_missing_once() {
    let database = Database::empty().await;
    let run = |more: &str| {
        respondby()
            .args(["--json", "migrate"])
            .args((!more.is_empty()).then_some(more))
            .env("DATABASE_URL", &database.url)
            .output()
            .unwrap()
    };
    let pending = run("--check");
    assert_eq!(code(&pending), 1, "{}", said(&pending));
    let applied = run("");
    assert_eq!(code(&applied), 0, "{}", said(&applied));
    assert_eq!(json(&applied)["applied"], json(&pending)["pending"]);
    assert!(!json(&applied)["applied"].as_array().unwrap().is_empty());
    assert_eq!(json(&run(""))["applied"], Value::Array(Vec::new()));
    assert_eq!(code(&run("--check")), 0);
}
