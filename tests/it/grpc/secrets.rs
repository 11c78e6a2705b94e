//! Credentials that callers send along are used to know whom they mean, and stay nowhere: not in the database, not in
//! the log however much it tells, not in an answer.

use std::sync::{Arc, Mutex};

use respondby::grpc::proto::types::DisputeStatus;

use super::{ALL, Program, defence, meanwhile, stage, words};
use crate::engine::stage::{STRIPE, Stage, fraud, hours};

const SECRET: &str = "sk_live_callers_own_4711";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every row of every table, as text.
async fn everything(stage: &Stage) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select quote_ident(table_name) from information_schema.tables
         where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    let mut all = String::new();
    for table in tables {
        let sql = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
        let rows: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&stage.db.pool).await.unwrap();
        all.push_str(&rows);
    }
    all
}

#[tokio::test]
async fn callers_credentials_are_nowhere_afterwards() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, `tracing` asks the thread that meets a line of code first whether anybody
    // listens, and remembers the answer for all threads. Other tests' threads would say no.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);

    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let config = format!(r#"{{"config":{{"Stripe":{{"api_key":"{SECRET}"}}}}}}"#);
    let auth = format!(r#"{{"Stripe":{{"api_key":"{SECRET}"}}}}"#);
    let broken = format!(r#"{{"config":{{"Stripe":{{"api_key":"{SECRET}"}}}}"#);
    let forms = [
        program.with("x-connector-config", &config),
        program.with("x-connector-auth", &auth),
        program.with("x-connector", "stripe").with("x-auth", "signature-key").with("x-api-key", SECRET),
    ];
    for program in &forms {
        let program = program.with("x-key1", SECRET).with("x-api-secret", SECRET).with("x-key2", SECRET);
        let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
        program.submit_evidence(&dispute_ref, vec![words("It came.")]).await.unwrap();
        let said = meanwhile(&mut stage, program.defend(defence(&dispute_ref))).await.unwrap();
        assert_eq!(said.dispute_status(), DisputeStatus::Challenged);
        assert!(!format!("{said:?}{:?}", program.get(&dispute_ref).await).contains(SECRET));
    }
    for refused in [
        program.with("x-connector-config", &broken),
        program.with("x-connector-config", &config).with("x-connector", "adyen"),
        program.with("x-connector", &format!("{SECRET}!")),
        Program::stranger(&stage).with("x-connector-config", &config),
    ] {
        let refused = refused.accept("dp_1").await.unwrap_err();
        assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
    }

    let kept = everything(&stage).await;
    assert!(kept.contains("It came."), "the rows are looked at");
    for form in [SECRET.to_owned(), hex::encode(SECRET)] {
        assert!(!kept.contains(&form), "the database has {form}");
    }
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("an order came through the API"), "the log is looked at");
    // The test's own client, which sends it, logs below INFO by other people's code.
    let ours = |line: &&str| {
        line.contains("respondby") || [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level))
    };
    let told: Vec<&str> = log.lines().filter(ours).filter(|line| line.contains(SECRET)).collect();
    assert!(told.is_empty(), "{told:?}");
}
