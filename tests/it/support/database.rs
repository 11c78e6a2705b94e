//! A database per test, copied from a template that has every migration applied. Dropped with the value;
//! what a killed test process left is dropped by the next one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use respondby::store::MIGRATOR;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use super::cluster::{Cluster, cluster};

/// A migrated, empty database of the test's own.
pub struct Database {
    pub pool: PgPool,
    pub url: String,
    pub name: String,
    dropped: bool,
}

impl Database {
    pub async fn new() -> Self {
        let cluster = cluster().await;
        Self::copy_of(cluster, template(cluster).await).await
    }

    /// One without any migration.
    pub async fn empty() -> Self {
        Self::copy_of(cluster().await, "template0").await
    }

    /// Returns once a statement in this database waits for a lock, and says `what` did not if none does in a minute.
    pub async fn somebody_waits(&self, what: &str) {
        let mut conn = self.pool.acquire().await.unwrap();
        let waits = async {
            let seen = "select exists (
                 select from pg_locks l join pg_stat_activity a using (pid)
                 where not l.granted and a.datname = current_database())";
            while !sqlx::query_scalar::<_, bool>(seen).fetch_one(&mut *conn).await.unwrap() {}
        };
        tokio::time::timeout(Duration::from_secs(60), waits).await.expect(what);
    }

    async fn copy_of(cluster: &Cluster, template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t_{}_{n}", std::process::id());
        let mut admin = admin(cluster).await;
        // Copying files takes a fifth of the time that logging every page does.
        execute(&mut admin, format!("create database {name} template {template} strategy file_copy")).await;
        _ = admin.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(12)
            .connect_lazy_with(cluster.options(&name).application_name("respondby-test"));
        Self { pool, url: cluster.url(&name), name, dropped: false }
    }

    /// Drops it now. Otherwise it is dropped in the background after the test.
    pub async fn close(mut self) {
        self.dropped = true;
        self.pool.close().await;
        let mut admin = admin(cluster().await).await;
        execute(&mut admin, format!("drop database {} with (force)", self.name)).await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.dropped {
            // A sender that is gone means that the process ends: the next one tidies up.
            _ = dropper().send(std::mem::take(&mut self.name));
        }
    }
}

/// A test's runtime ends with the test, so that dropping has a thread and a runtime to itself.
fn dropper() -> Sender<String> {
    static DROPPER: OnceLock<Sender<String>> = OnceLock::new();
    let make = || {
        let (sender, names) = channel::<String>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut admin = admin(cluster().await).await;
                for name in names {
                    execute(&mut admin, format!("drop database if exists {name} with (force)")).await;
                }
            });
        });
        sender
    };
    DROPPER.get_or_init(make).clone()
}

/// The name of the template, which is made by the first process that needs it.
async fn template(cluster: &Cluster) -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE.get_or_init(|| make_template(cluster)).await
}

async fn make_template(cluster: &Cluster) -> String {
    let name = format!("template_{}", migrations_digest());
    let _turn = cluster.turn();
    let mut admin = admin(cluster).await;
    let databases: Vec<String> =
        sqlx::query_scalar("select datname from pg_database").fetch_all(&mut admin).await.unwrap();
    for left in databases.iter().filter(|d| is_left_over(d, &name)) {
        execute(&mut admin, format!("drop database if exists {left} with (force)")).await;
    }
    if !databases.contains(&name) {
        let raw = "template_in_the_making";
        execute(&mut admin, format!("drop database if exists {raw} with (force)")).await;
        execute(&mut admin, format!("create database {raw} strategy file_copy")).await;
        let mut conn = PgConnection::connect_with(&cluster.options(raw)).await.unwrap();
        MIGRATOR.run_direct(None, &mut conn, false).await.expect("the migrations apply to an empty database");
        conn.close().await.unwrap();
        execute(&mut admin, format!("alter database {raw} rename to {name}")).await;
    }
    name
}

/// Templates of other migrations, and databases of test processes that are gone.
fn is_left_over(database: &str, template: &str) -> bool {
    if let Some(rest) = database.strip_prefix("t_") {
        let process = rest.split('_').next().unwrap_or(rest);
        return !std::path::Path::new("/proc").join(process).exists();
    }
    database.starts_with("template_") && database != template
}

fn migrations_digest() -> String {
    let mut digest = Sha256::new();
    for migration in MIGRATOR.iter() {
        digest.update(migration.version.to_be_bytes());
        digest.update(&migration.checksum);
    }
    hex::encode(&digest.finalize()[..8])
}

async fn admin(cluster: &Cluster) -> PgConnection {
    PgConnection::connect_with(&cluster.options("postgres")).await.expect("the cluster takes connections")
}

async fn execute(conn: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(conn)
        .await
        .unwrap_or_else(|e| panic!("{statement}: {e}"));
}
