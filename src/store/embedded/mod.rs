//! The embedded Postgres: the installed server binaries, run by this program in a data directory, so that
//! there is nothing to configure. Reachable by one Unix socket in a private directory and by nothing else.
//! A server left behind by a killed engine is adopted; a directory in use by another engine is refused.
//! Knows nothing of the schema.

mod account;
mod binaries;
mod error;
mod layout;
mod postmaster;
mod server;

use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub use binaries::Binaries;
pub use error::EmbeddedError;
use layout::Layout;
use server::Server;

/// The one role and the one database of the embedded server.
const NAME: &str = "respondby";
const PORT: u16 = 5432;

#[derive(Debug, Clone, Default)]
pub struct EmbeddedConfig {
    /// Everything lives below it. `None`: `/var/lib/respondby` for root, else `$XDG_DATA_HOME/respondby`.
    pub data_dir: Option<PathBuf>,
    /// Where the server binaries are. `None`: `PG_BIN_DIR`, the usual places, then `$PATH`.
    pub pg_bin_dir: Option<PathBuf>,
    /// Server settings on top of, or instead of, the built-in ones.
    pub settings: Vec<(String, String)>,
}

/// A server that this process is responsible for. Dropping it leaves the server running, to be adopted by
/// the next start; [`Running::stop`] ends it.
#[derive(Debug)]
pub struct Running {
    server: Server,
    /// Held for as long as this process answers for the directory.
    claim: Option<layout::Claim>,
    adopted: bool,
}

/// Starts the server of a data directory, making the directory on the first run, or adopts the one that
/// runs there already. The database `respondby` exists when it returns.
///
/// # Errors
/// Says where it looked, what it found, who holds it and how to mend it: see [`EmbeddedError`].
pub async fn start(config: EmbeddedConfig) -> Result<Running, EmbeddedError> {
    let account = account::server_account()?;
    let layout = Layout::prepare(config.data_dir.clone(), account.as_ref())?;
    let claim = layout.claim()?;
    let binaries = match layout.data_version()? {
        Some(major) => Binaries::of_major(config.pg_bin_dir.as_deref(), major, layout.data())?,
        None => Binaries::newest(config.pg_bin_dir.as_deref())?,
    };
    let server = Server::new(layout, binaries, account, config.settings);
    let adopted = server.adopt().await?;
    if !adopted {
        server.initialise().await?;
        server.launch().await?;
    }
    let running = Running { server, claim: Some(claim), adopted };
    running.create_database().await?;
    Ok(running)
}

/// How to reach the server of a directory that another process answers for. Starts nothing.
pub fn options_of_running(config: &EmbeddedConfig) -> Result<PgConnectOptions, EmbeddedError> {
    let account = account::server_account()?;
    let layout = Layout::prepare(config.data_dir.clone(), account.as_ref())?;
    Ok(options_at(layout.socket_dir(), NAME))
}

fn options_at(socket_dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(NAME)
        .ssl_mode(PgSslMode::Disable)
        .database(database)
}

impl Running {
    /// How to connect to the database `respondby`.
    pub fn options(&self) -> PgConnectOptions {
        self.options_for(NAME)
    }

    pub fn options_for(&self, database: &str) -> PgConnectOptions {
        options_at(self.server.socket_dir(), database)
    }

    /// The same as an address, for other programs (`psql "$url"`).
    pub fn url(&self) -> String {
        self.url_for(NAME)
    }

    pub fn url_for(&self, database: &str) -> String {
        let socket = self.server.socket_dir().to_string_lossy().into_owned();
        let encoded: String = socket
            .bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        format!("postgres://{NAME}@{encoded}:{PORT}/{database}")
    }

    /// The data directory, in which the engine may keep things of its own beside the server's.
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Where other programs on this machine find it (`psql -h`).
    pub fn socket_dir(&self) -> &Path {
        self.server.socket_dir()
    }

    /// Whether the server was running before, left by an engine that was killed.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// Gives up the directory while the server runs on, so that others on this machine may adopt it too.
    pub fn shared(mut self) -> Self {
        self.claim = None;
        self
    }

    pub fn postmaster_pid(&self) -> Result<u32, EmbeddedError> {
        self.server.pid()
    }

    /// Ends the server by a fast shutdown: open transactions are rolled back, everything is flushed.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        self.server.stop().await
    }

    async fn create_database(&self) -> Result<(), EmbeddedError> {
        use sqlx::{Connection, PgConnection};
        let failed = |source| EmbeddedError::CreateDatabase { source };
        let mut conn = PgConnection::connect_with(&self.options_for("postgres")).await.map_err(failed)?;
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = 'respondby')")
                .fetch_one(&mut conn)
                .await
                .map_err(failed)?;
        if !exists {
            sqlx::query("create database respondby").execute(&mut conn).await.map_err(failed)?;
        }
        conn.close().await.map_err(failed)
    }
}
