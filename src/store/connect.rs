//! Connecting to the database and bringing its schema up to date. A database that a newer program has
//! migrated is refused: an older one would write what the newer schema does not mean.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgTransaction};

use super::embedded::{self, EmbeddedConfig, EmbeddedError, Running};
use crate::config::DatabaseConfig;

/// The migrations this program was built with, from the folder `migrations`.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(
        "the database has migration {found}, and this program knows none after {newest}: it was migrated by a \
         newer respondby. Run that one, or restore a backup from before"
    )]
    NewerThanProgram { found: i64, newest: i64 },
    #[error("a migration failed; what it did was rolled back")]
    Failed(#[from] MigrateError),
    #[error("cannot read which migrations the database has")]
    Unreadable(#[from] sqlx::Error),
}

/// A moment of the database: everything read in it is as it was at its first statement. What is told as one thing
/// and read in several statements is read in one of these; otherwise a turn that comes between them tears it.
pub async fn snapshot(conn: &mut PgConnection) -> sqlx::Result<PgTransaction<'_>> {
    conn.begin_with("begin isolation level repeatable read, read only").await
}

/// The database the configuration names, and the server when it is the embedded one.
#[derive(Debug)]
pub struct Opened {
    pub pool: PgPool,
    pub options: PgConnectOptions,
    /// An address that other programs can connect to, without a password.
    pub shown: String,
    pub embedded: Option<Running>,
}

/// Long enough for a TLS handshake over a slow line.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error("the server answers, and has no database of this name: make it, as `createdb` does")]
    NoDatabase,
    #[error("the server answers, and does not take this user or password: {said}")]
    NotLetIn { said: String },
    #[error("the database refuses the connection or is not there")]
    Refused(#[from] sqlx::Error),
    #[error("the database gives no answer within {seconds} s")]
    Silent { seconds: u64 },
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not repeated: it may hold a password.
    #[error("database.url is no address like postgres://USER@HOST/DATABASE: {0}")]
    Address(sqlx::Error),
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
}

/// Uses the database of `database.url`, or else starts or adopts the embedded server. A database
/// elsewhere is not contacted yet.
pub async fn open(config: &DatabaseConfig) -> Result<Opened, OpenError> {
    if let Some(url) = &config.url {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Address)?;
        let place = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| socket.display().to_string(),
        );
        let shown = format!("{} at {place}", options.get_database().unwrap_or(options.get_username()));
        return Ok(Opened { pool: connect(options.clone(), config), options, shown, embedded: None });
    }
    let running = embedded::start(EmbeddedConfig {
        data_dir: config.data_dir.clone(),
        pg_bin_dir: config.pg_bin_dir.clone(),
        settings: Vec::new(),
    })
    .await?;
    let options = running.options();
    Ok(Opened {
        pool: connect(options.clone(), config),
        options,
        shown: running.url(),
        embedded: Some(running),
    })
}

/// As [`open`], for a command that runs beside a serving engine: an embedded server that another process
/// answers for is used as it is, and left running.
pub async fn join(config: &DatabaseConfig) -> Result<Opened, OpenError> {
    match open(config).await {
        Err(OpenError::Embedded(EmbeddedError::InUse { dir, .. })) => {
            let (data_dir, pg_bin_dir) = (config.data_dir.clone(), config.pg_bin_dir.clone());
            let named = EmbeddedConfig { data_dir, pg_bin_dir, settings: Vec::new() };
            let options = embedded::options_of_running(&named)?;
            let pool = connect(options.clone(), config);
            let shown = format!("the embedded server of {}", dir.display());
            Ok(Opened { pool, options, shown, embedded: None })
        }
        other => other,
    }
}

impl Opened {
    /// Connects once, apart from the pool, which tells that it waited but not for what.
    pub async fn check(&self) -> Result<(), ReachError> {
        let attempt = PgConnection::connect_with(&self.options);
        match tokio::time::timeout(REACHED_WITHIN, attempt).await {
            Ok(Ok(conn)) => Ok(conn.close().await?),
            Ok(Err(error)) => Err(why_refused(error)),
            Err(_) => Err(ReachError::Silent { seconds: REACHED_WITHIN.as_secs() }),
        }
    }

    /// Closes the pool, and ends the embedded server if it is one.
    pub async fn close(self) -> Result<(), EmbeddedError> {
        self.pool.close().await;
        match self.embedded {
            Some(running) => running.stop().await,
            None => Ok(()),
        }
    }
}

/// By SQLSTATE (PostgreSQL documentation, appendix A), for what people can mend themselves.
fn why_refused(error: sqlx::Error) -> ReachError {
    let told = error.as_database_error().and_then(|e| Some((e.code()?.into_owned(), e.message().to_owned())));
    match told {
        Some((code, _)) if code == "3D000" => ReachError::NoDatabase,
        Some((code, said)) if code.starts_with("28") => ReachError::NotLetIn { said },
        Some(_) | None => ReachError::Refused(error),
    }
}

/// A pool with the time-outs of the configuration. Connects lazily: the database may come later.
pub fn connect(options: PgConnectOptions, config: &DatabaseConfig) -> PgPool {
    let ms = |value: u64| format!("{value}ms");
    let options = options.application_name("respondby").options([
        ("statement_timeout", ms(config.statement_timeout_ms)),
        ("lock_timeout", ms(config.lock_timeout_ms)),
        ("idle_in_transaction_session_timeout", ms(config.idle_in_transaction_timeout_ms)),
        // Statements are few and set-wise: one plan serves whatever the sets hold. With a plan of its own for each of
        // the first five calls on every connection, the first 10,000 wakes took a third longer.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
    ]);
    PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .connect_lazy_with(options)
}

/// Versions of the migrations that this program has and the database does not, oldest first.
pub async fn pending_migrations(pool: &PgPool) -> Result<Vec<i64>, MigrationError> {
    let mut conn = pool.acquire().await?;
    let applied = applied(&mut conn).await?;
    refuse_newer(&applied)?;
    Ok(known().filter(|version| !applied.contains(version)).collect())
}

/// Applies what is pending, each migration in its own transaction, and returns the versions applied. Safe
/// to run from several programs at once: they take turns.
pub async fn migrate(pool: &PgPool) -> Result<Vec<i64>, MigrationError> {
    let pending = pending_migrations(pool).await?;
    if !pending.is_empty() {
        // A migration may take longer than a statement of the engine is allowed to.
        let mut conn = pool.acquire().await?;
        sqlx::query("set statement_timeout = 0").execute(&mut *conn).await?;
        let done = MIGRATOR.run_direct(None, &mut *conn, false).await;
        // The connection goes with its setting.
        _ = conn.close().await;
        done?;
    }
    Ok(pending)
}

fn known() -> impl Iterator<Item = i64> {
    MIGRATOR.iter().filter(|m| !m.migration_type.is_down_migration()).map(|m| m.version)
}

async fn applied(conn: &mut PgConnection) -> Result<BTreeSet<i64>, MigrationError> {
    let table = "_sqlx_migrations";
    let exists: bool =
        sqlx::query_scalar("select to_regclass($1) is not null").bind(table).fetch_one(&mut *conn).await?;
    if !exists {
        return Ok(BTreeSet::new());
    }
    Ok(conn.list_applied_migrations(table).await?.into_iter().map(|m| m.version).collect())
}

fn refuse_newer(applied: &BTreeSet<i64>) -> Result<(), MigrationError> {
    let newest = known().max().unwrap_or(0);
    match applied.last() {
        Some(found) if *found > newest => Err(MigrationError::NewerThanProgram { found: *found, newest }),
        Some(_) | None => Ok(()),
    }
}
