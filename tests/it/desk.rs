//! The commands of people at work, run as they run them: the built program beside a database.

use std::path::Path;
use std::process::Output;

use chrono::{DateTime, TimeDelta, Utc};
use respondby::clock::Clock;
use respondby::dispute::Severity;
use respondby::store::alerts::{self, NewAlert};
use respondby::store::{moved_clock, watermarks};
use serde_json::{Value, json};

use crate::support::{Database, world};

struct Desk {
    db: Database,
    dir: tempfile::TempDir,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    async fn new() -> Self {
        let db = Database::new().await;
        world::merchant(&db.pool, 1, "shop").await;
        world::dispute(&db.pool, 1, 501).await;
        let dir = tempfile::tempdir().unwrap();
        let url = serde_json::to_string(&db.url).unwrap();
        std::fs::write(dir.path().join("respondby.toml"), format!("[database]\nurl = {url}\n")).unwrap();
        Self { db, dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn say(&self, words: &[&str]) -> Said {
        let Output { status, stdout, stderr } = tokio::process::Command::new(env!("CARGO_BIN_EXE_respondby"))
            .args(words)
            .arg("--config")
            .arg(self.path().join("respondby.toml"))
            .output()
            .await
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    async fn ok(&self, words: &[&str]) -> String {
        let said = self.say(words).await;
        assert_eq!(said.code, Some(0), "{words:?}: {}{}", said.out, said.err);
        said.out
    }

    async fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--json"]].concat()).await).unwrap()
    }

    async fn refused(&self, words: &[&str], part: &str) {
        let said = self.say(words).await;
        assert!(matches!(said.code, Some(1 | 2)), "{words:?}: {}", said.out);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(part), "{words:?}: {all}");
    }
}

#[tokio::test]
async fn alerts_are_listed_and_acknowledged_once() {
    let desk = Desk::new().await;
    assert_eq!(desk.ok(&["alerts", "list"]).await, "no alerts\n");
    let page = NewAlert {
        merchant_id: 1,
        dispute_id: Some(501),
        cycle_n: Some(1),
        kind: "unanswered".into(),
        severity: Severity::Page,
        dedupe_key: "k".into(),
        title: "nobody has answered".into(),
        detail: json!({}),
    };
    let mut conn = desk.db.pool.acquire().await.unwrap();
    let id = alerts::raise(&mut conn, &[page], world::noon()).await.unwrap()[0].to_string();
    let listed = desk.ok(&["alerts", "list", "--merchant", "shop"]).await;
    assert!(listed.starts_with(&id) && listed.contains("dp_501: nobody has answered"), "{listed}");
    assert_eq!(desk.ok(&["alerts", "ack", &id, "--as", "Ann"]).await, format!("alert {id} is yours\n"));
    let again = desk.json(&["alerts", "ack", &id, "--as", "Bob"]).await;
    assert_eq!((&again["acknowledgement"], &again["by"]), (&json!("already"), &json!("Ann")));
    assert_eq!(desk.json(&["alerts", "list"]).await["alerts"], json!([]));
    let all = desk.json(&["alerts", "list", "--all", "--dispute", "dp_501"]).await;
    assert_eq!(all["alerts"][0]["acknowledged_by"], "Ann");
    desk.refused(&["alerts", "ack", "7", "--as", "Ann"], "no alert 7").await;
    desk.refused(&["alerts", "ack", &id], "--as").await;
    desk.refused(&["alerts", "ack", &id, "--as", " "], "visible characters").await;
}

#[tokio::test]
async fn facts_are_set_shown_and_refused() {
    let desk = Desk::new().await;
    let about = ["--merchant", "shop", "--payment", "pi_501"];
    let set = |words: &[&'static str]| [&["facts", "set"], &about[..], words].concat();
    let told = desk.json(&set(&["carrier=post", "items:=3", "customer.id=0012"])).await;
    assert_eq!(told, json!({"subject": "pi_501", "version": 1, "changed": true, "woken": 1}));
    let file = desk.path().join("more.json");
    std::fs::write(&file, r#"{"carrier": null, "customer": {"vip": true}}"#).unwrap();
    let file = file.to_str().unwrap();
    desk.ok(&[&["facts", "set"], &about[..], &["--file", file]].concat()).await;
    let known = desk.json(&[&["facts", "show"], &about[..]].concat()).await;
    assert_eq!(known["facts"], json!({"items": 3, "customer": {"id": "0012", "vip": true}}));
    assert_eq!((&known["version"], &known["source"]), (&json!(2), &json!("command")));
    desk.ok(&set(&["--replace", "only=this"])).await;
    let known = desk.json(&[&["facts", "show"], &about[..]].concat()).await;
    assert_eq!(known["facts"], json!({"only": "this"}));

    desk.refused(&set(&["no-equals-sign"]), "`no-equals-sign` is no fact").await;
    desk.refused(&set(&[]), "--file").await;
    desk.refused(&["facts", "set", "--merchant", "shop", "a=1"], "--payment").await;
    desk.refused(&["facts", "set", "--merchant", "nobody", "--payment", "p", "a=1"], "no merchant `nobody`")
        .await;
    desk.refused(&["facts", "show", "--merchant", "shop", "--dispute", "dp_9"], "nothing is known").await;
    for (text, part) in [("[1]", "a list"), ("{\"a\":", "is not JSON"), (r#"{"a":"\u0000"}"#, "NUL")] {
        std::fs::write(file, text).unwrap();
        desk.refused(&[&["facts", "set"], &about[..], &["--file", file]].concat(), part).await;
    }
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(300_000));
    std::fs::write(file, large).unwrap();
    desk.refused(&[&["facts", "set"], &about[..], &["--file", file]].concat(), "262144 bytes").await;
}

#[tokio::test]
async fn evidence_is_attached_listed_and_refused() {
    let desk = Desk::new().await;
    let add = |words: &[&'static str]| [&["evidence", "add", "dp_501", "--as", "Ann"], words].concat();
    let told = desk.ok(&add(&["--field", "summary", "--text", "It was delivered."])).await;
    assert_eq!(told, "dp_501 has summary number 1; its open cycle is looked at anew\n");
    desk.ok(&add(&["--field", "receipt", "--provider-file", "file_made_up"])).await;
    let slip = desk.path().join("slip.pdf");
    std::fs::write(&slip, b"%PDF-1.7 made up").unwrap();
    let slip = slip.to_str().unwrap();
    let file = ["evidence", "add", "501", "--as", "Ann", "--field", "shipping_documentation", "--file", slip];
    assert_eq!(desk.json(&file).await["n"], 1);
    let listed = desk.ok(&["evidence", "list", "dp_501"]).await;
    for part in
        ["\"It was delivered.\", 17 characters", "slip.pdf, application/pdf, 16 bytes, not uploaded yet"]
    {
        assert!(listed.contains(part), "{listed}");
    }
    assert_eq!(desk.json(&["evidence", "list", "501"]).await["evidence"].as_array().unwrap().len(), 3);

    desk.refused(&add(&["--field", "summary", "--provider-file", "f"]), "holds words").await;
    desk.refused(&add(&["--field", "receipt", "--text", "t"]), "holds files").await;
    desk.refused(&add(&["--field", "sumary", "--text", "t"]), "not an evidence field").await;
    desk.refused(&add(&["--field", "summary"]), "--text").await;
    desk.refused(&add(&["--field", "summary", "--text", "a", "--provider-file", "b"]), "cannot be used")
        .await;
    desk.refused(&["evidence", "list", "dp_9"], "no dispute `dp_9`").await;
    std::fs::write(slip, b"MZ not a document").unwrap();
    desk.refused(&file, "neither a PDF").await;
    desk.refused(&add(&["--field", "receipt", "--file", "/nowhere/a.pdf"]), "cannot read /nowhere/a.pdf")
        .await;
}

#[tokio::test]
async fn a_dispute_that_two_accounts_have_is_asked_about() {
    let desk = Desk::new().await;
    world::merchant(&desk.db.pool, 2, "other").await;
    world::dispute(&desk.db.pool, 2, 502).await;
    sqlx::query("update disputes set dispute_ref = 'dp_same'").execute(&desk.db.pool).await.unwrap();
    desk.refused(&["evidence", "list", "dp_same"], "names 2 disputes").await;
    desk.ok(&["evidence", "list", "502"]).await;
}

#[tokio::test]
async fn a_moved_clock_is_of_a_new_database_or_of_none() {
    let real = Desk::new().await;
    let mut conn = real.db.pool.acquire().await.unwrap();
    let year = TimeDelta::days(365);
    assert!(!moved_clock::set_up(&mut conn, year).await.unwrap(), "there are accounts");
    moved_clock::follow(&mut conn, year).await.unwrap();
    assert_eq!(moved_clock::away(&mut conn).await.unwrap(), None);
    // Nor does the environment move it: nothing in it is read for that.
    let held = real.say(&["kill", "on", "--merchant", "shop", "--as", "ana"]).await;
    assert_eq!(held.code, Some(0), "{}", held.err);
    let since: DateTime<Utc> =
        sqlx::query_scalar("select kill_switch_at from merchants").fetch_one(&mut *conn).await.unwrap();
    assert!((Clock::system().now() - since).abs() < TimeDelta::hours(1), "{since}");

    let new = Database::new().await;
    let mut conn = new.pool.acquire().await.unwrap();
    assert!(moved_clock::set_up(&mut conn, year).await.unwrap());
    assert!(!moved_clock::set_up(&mut conn, year).await.unwrap(), "there is one already");
    let more = TimeDelta::days(400);
    moved_clock::follow(&mut conn, more).await.unwrap();
    assert_eq!(moved_clock::away(&mut conn).await.unwrap(), Some(more));
}

#[tokio::test]
async fn hurrying_queues_up_behind_what_a_turn_has_locked() {
    let desk = Desk::new().await;
    let pool = desk.db.pool.clone();
    world::dispute(&pool, 1, 502).await;
    let now = Clock::system().now();
    let later = now + TimeDelta::days(1);
    // Written again, the first row comes last in the table: who does not ask for an order gets this one.
    for sql in
        ["update disputes set check_at = $1", "update disputes set check_at = $1 where dispute_id = 501"]
    {
        sqlx::query(sql).bind(later).execute(&pool).await.unwrap();
    }
    let lock = "select from disputes where dispute_id = $1 for update";
    let mut turn = pool.begin().await.unwrap();
    sqlx::query(lock).bind(501_i64).execute(&mut *turn).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let hurrying = tokio::spawn(async move { watermarks::hurry(&mut conn, now).await });
    let waits = "select count(*) from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock' and query like '%check_at%'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    sqlx::query(lock).bind(502_i64).execute(&mut *turn).await.expect("no deadlock");
    turn.commit().await.unwrap();
    hurrying.await.unwrap().unwrap();
    let hurried: i64 = sqlx::query_scalar("select count(*) from disputes where check_at = $1")
        .bind(now)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(hurried, 2);
}
