//! Each promise is kept first and then broken by hand, in the database or in the ledger: the demo has to say which
//! one, and nothing before. What is done to the database is done in a transaction that is rolled back.

use chrono::TimeDelta;
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::demo::{Stage, broken, broken_in};
use respondby::sandbox::{ExtraWebhook, NewDispute, ProviderKind};
use respondby::store;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Demo, respondby};

/// Days in which one dispute is accepted, and of one nobody knows what to do until people are paged.
async fn some_days(dir: &std::path::Path) -> Stage {
    let start = "2026-03-01T09:00:00Z".parse().unwrap();
    let mut stage = Stage::set(dir, Clock::frozen_at(start), "127.0.0.1:0", None).await.unwrap();
    let dispute = |reason: &str, amount: i64, days: i64| {
        let mut order = NewDispute::stripe();
        order.reason = Some(reason.to_owned());
        order.amount = Some(amount);
        order.currency = Some("usd".to_owned());
        order.resubmittable = true;
        order.respond_by(start + TimeDelta::days(days))
    };
    stage.control.create(&dispute("fraudulent", 1_850, 9)).unwrap();
    stage.control.create(&dispute("general", 7_500, 3)).unwrap();
    stage.settle().await.unwrap();
    while stage.move_on(start + TimeDelta::hours(70)).await.unwrap() {}
    stage
}

/// What is told once `sql` was done, and is undone.
async fn told_after(stage: &Stage, sql: &[&str]) -> Vec<String> {
    let mut tx = stage.engine.shop.pool.begin().await.unwrap();
    for statement in sql {
        let done = sqlx::query(AssertSqlSafe((*statement).to_owned())).execute(&mut *tx).await;
        let done = done.unwrap_or_else(|e| panic!("{statement}: {e}"));
        assert!(
            !statement.starts_with("update") || done.rows_affected() > 0,
            "{statement}: nothing was broken"
        );
    }
    broken_in(stage, &mut tx).await.unwrap()
}

#[tokio::test]
async fn whichever_promise_is_broken_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = some_days(dir.path()).await;
    assert_eq!(broken(&stage).await.unwrap(), Vec::<String>::new(), "nothing is broken yet");
    let attacks: &[(&[&str], &[&str])] = &[
        (
            &["update deliveries set dedupe_key = delivery_id::text where source = 'webhook'"],
            &["P1: ", "was answered with 2xx and is not kept"],
        ),
        (
            &[
                "alter table cycles drop constraint cycles_open_has_a_wake",
                "update cycles set wake_at = null where state = 'open'",
            ],
            &["P2: an open cycle without a wake"],
        ),
        (
            &[
                "update cycles set plan = jsonb_set(plan::jsonb, '{missed_told}', 'true')::json where state = 'open'",
            ],
            &["P3: nobody answered in time"],
        ),
        (
            &["update cycles set paged_at = null where state = 'open'"],
            &["P3: neither confirmed nor paged by the margin"],
        ),
        (
            &["update cycles set paged_at = page_at + interval '2 seconds' where state = 'open'"],
            &["P3: neither confirmed nor paged by the margin"],
        ),
        (
            &["update disputes set provider_status = 'won' where status = 'needs_response'"],
            &["P5: ", "is `needs_response` at the provider and `won` here"],
        ),
        (
            &["update deliveries set state = 'quarantined' where source = 'webhook'"],
            &["P6: 0 deliveries cannot be understood"],
        ),
        (
            &["update disputes set amount_minor = amount_minor + 1 where status = 'needs_response'"],
            &["P7: ", "its deliveries make"],
        ),
        (
            &[
                "alter table decisions disable trigger decisions_append_only",
                "update decisions set rule_id = 'nobodys' where rule_id = 'default'",
            ],
            &["P8: ", "was by rule nobodys, and its inputs lead to default"],
        ),
    ];
    for (sql, wanted) in attacks {
        let told = told_after(&stage, sql).await;
        let which = |line: &&String| wanted.iter().all(|part| line.contains(part));
        assert!(told.iter().any(|line| which(&line)), "{sql:?}: not told by {told:?}");
    }
    assert_eq!(broken(&stage).await.unwrap(), Vec::<String>::new(), "everything was undone");
    the_ledger_and_the_stand_ins_count_too(&mut stage).await;
    stage.end().await.unwrap();
}

/// These are not undone.
async fn the_ledger_and_the_stand_ins_count_too(stage: &mut Stage) {
    let mut silent = NewDispute::stripe();
    silent.silent = true;
    let unseen = stage.control.create(&silent).unwrap();
    let told = broken(stage).await.unwrap();
    assert_eq!(told, [format!("P5: {unseen} is at the provider and not here")]);

    stage.control.send_extra(&ExtraWebhook::new(ProviderKind::Stripe)).unwrap();
    stage.control.flush().await;
    let told = broken(stage).await.unwrap();
    assert!(
        told.contains(&"P6: 1 deliveries cannot be understood, and 0 are in quarantine".to_owned()),
        "{told:?}"
    );

    let asked = stage.control.disputes().into_iter().find(|d| d.open && d.reason == "general").unwrap();
    let url = format!("{}/v1/disputes/{}", stage.sandbox().url(ProviderKind::Stripe), asked.id);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for attempt in ["once", "once more"] {
        let request = client
            .post(&url)
            .bearer_auth("rk_test_demo_acme_51restricted")
            .header("idempotency-key", attempt);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("evidence[uncategorized_text]=answered&submit=true").send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{attempt}: {status} {}", answer.text().await.unwrap());
    }
    let told = broken(stage).await.unwrap();
    assert!(told.contains(&"P4: 2 irreversible calls in one round".to_owned()), "{told:?}");
}

/// Somebody changes a decision while the month is played: it is told at the end, and the demo has failed.
#[test]
fn a_month_with_a_broken_promise_fails() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = respondby();
    command.args(["demo", "--dir"]).arg(dir.path());
    let mut demo = Demo(command.stdout(std::process::Stdio::piped()).spawn().expect("the demo runs"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(demo.0.stdout.take().unwrap());
    while !said.contains("rule delivered-and-proved") {
        let read = std::io::BufRead::read_line(&mut lines, &mut said).unwrap();
        assert_ne!(read, 0, "the demo ended early:\n{said}");
    }
    runtime.block_on(async {
        let config = Config::load(Some(&dir.path().join("respondby.toml"))).unwrap();
        let opened = store::join(&config.database).await.unwrap();
        assert!(opened.embedded.is_none(), "the demo's own server is joined");
        change_a_decision(&mut opened.pool.acquire().await.unwrap()).await;
        opened.close().await.unwrap();
    });
    std::io::Read::read_to_string(&mut lines, &mut said).unwrap();
    let ended = demo.0.wait().unwrap();
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("BROKEN P8: decision"), "{said}");
    assert!(!said.contains("all hold"), "{said}");
}

async fn change_a_decision(conn: &mut PgConnection) {
    let sql = "alter table decisions disable trigger decisions_append_only;
               update decisions set rule_id = 'nobodys' where rule_id = 'delivered-and-proved'";
    sqlx::raw_sql(sql).execute(conn).await.unwrap();
}
