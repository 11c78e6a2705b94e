//! A throw-away Postgres with durability on: what is measured is what a user gets.

use std::path::PathBuf;

use anyhow::Context;
use respondby::store::embedded::{self, EmbeddedConfig, Running};
use respondby::store::{MIGRATOR, deliveries};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::measured::Spent;

pub struct Cluster {
    running: Running,
    dir: PathBuf,
}

/// A database with the product's schema.
pub struct Scratch {
    pub pool: PgPool,
    pub url: String,
}

impl Cluster {
    pub async fn start() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("respondby-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let config = EmbeddedConfig { data_dir: Some(dir.clone()), pg_bin_dir: None, settings: settings() };
        let running = embedded::start(config).await?;
        let cluster = Self { running, dir };
        let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut cluster.admin().await?).await?;
        anyhow::ensure!(fsync == "on", "the bench measures durable commits, and fsync is {fsync}");
        Ok(cluster)
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.running.stop().await?;
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    /// A new database, migrated, with the months it needs.
    pub async fn scratch(&self, name: &str) -> anyhow::Result<Scratch> {
        let mut admin = self.admin().await?;
        execute(&mut admin, format!("drop database if exists {name} with (force)")).await?;
        execute(&mut admin, format!("create database {name}")).await?;
        let pool = PgPoolOptions::new().max_connections(8).connect_with(self.options(name)).await?;
        MIGRATOR.run(&pool).await?;
        let now = respondby::clock::Clock::system().now();
        deliveries::maintain_months(&mut *pool.acquire().await?, now).await?;
        Ok(Scratch { pool, url: self.running.url_for(name) })
    }

    /// Gives back what the databases of a measure took: memory that the next one wants for its own.
    pub async fn clear(&self) -> anyhow::Result<()> {
        let mut admin = self.admin().await?;
        let names: Vec<String> =
            sqlx::query_scalar("select datname from pg_database where datname like 'bench%'")
                .fetch_all(&mut admin)
                .await?;
        for name in names {
            execute(&mut admin, format!("drop database {name} with (force)")).await?;
        }
        Ok(())
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        self.running.options_for(database)
    }

    async fn admin(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.options("postgres")).await?)
    }

    /// Every flush takes so much longer, as on a disk that is slower than this one.
    pub async fn slow_flush_by(&self, micros: u32) -> anyhow::Result<()> {
        let mut admin = self.admin().await?;
        execute(&mut admin, format!("alter system set commit_delay = {micros}")).await?;
        execute(&mut admin, "alter system set commit_siblings = 0".to_owned()).await?;
        execute(&mut admin, "select pg_reload_conf()".to_owned()).await
    }

    /// What all processes of the server have spent so far.
    pub fn spent(&self) -> anyhow::Result<Spent> {
        Spent::of_family(self.running.postmaster_pid()?)
    }
}

impl Scratch {
    /// The same start for every round: empty tables, and nothing left to write.
    pub async fn empty(&self, tables: &str) -> anyhow::Result<()> {
        let truncate = format!("truncate {tables}");
        // An engine looks at its tables now and then, and may hold one of these while it waits for another.
        let mut tries = 5;
        while let Err(error) = self.run(&truncate).await {
            tries -= 1;
            anyhow::ensure!(tries > 0 && is_deadlock(&error), error);
        }
        self.run("checkpoint").await
    }

    /// A statement without parameters.
    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        execute(&mut *self.pool.acquire().await?, sql.to_owned()).await
    }
}

/// Room for every connection of every server here. Everything else is what the program gives its own.
fn settings() -> Vec<(String, String)> {
    vec![("max_connections".to_owned(), "200".to_owned())]
}

fn is_deadlock(error: &anyhow::Error) -> bool {
    let database = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database.is_some_and(|e| e.code().as_deref() == Some("40P01"))
}

async fn execute(conn: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(conn).await.with_context(|| sql)?;
    Ok(())
}
