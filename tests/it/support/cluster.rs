//! One throw-away Postgres per checkout, without durability. The first test process starts it, every test
//! process holds a shared lock on `users.lock` for as long as it lives, and a janitor (a shell that waits
//! for the exclusive lock) stops it when nobody holds one any more, however the tests ended.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use respondby::store::embedded::{self, EmbeddedConfig, Running};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

/// Waits until no test process is left, then stops the server. Holding `users.lock` meanwhile keeps a
/// test process that comes now waiting, until it can start a server of its own.
const JANITOR: &str = r#"
trap '' INT TERM HUP
exec 8>janitor.lock 9>users.lock
flock -n 8 || { echo taken; exit 0; }
echo ready
exec 1>/dev/null
flock -x 9
pid=$(head -n 1 postgres/data/postmaster.pid 2>/dev/null) || exit 0
kill -INT "$pid" 2>/dev/null
while [ -e postgres/data/postmaster.pid ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
"#;

pub struct Cluster {
    running: Running,
    dir: PathBuf,
    /// Closed by the kernel when this process ends, in whatever way.
    _user: File,
}

/// The cluster of this checkout, running.
pub async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(start).await
}

async fn start() -> Cluster {
    let dir = place();
    fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("cannot create {}: {e}", dir.display()));
    let user = open(&dir.join("users.lock"));
    user.lock_shared().expect("a shared lock is granted as soon as the janitor is done");
    let turn = open(&dir.join("start.lock"));
    turn.lock().expect("whoever starts the cluster gives the lock back");
    let config = EmbeddedConfig { data_dir: Some(dir.clone()), pg_bin_dir: None, settings: settings() };
    let running = match embedded::start(config.clone()).await {
        Ok(running) => running,
        Err(first) => {
            // Nothing in it is worth keeping: a machine that lost power may have left it unreadable.
            eprintln!("making the test cluster anew: {first}");
            _ = fs::remove_dir_all(dir.join("postgres"));
            embedded::start(config).await.unwrap_or_else(|e| panic!("no Postgres for the tests: {e}"))
        }
    };
    let running = running.shared();
    start_janitor(&dir);
    Cluster { running, dir, _user: user }
}

/// Short and outside the checkout: the account that runs the server for root must be able to reach it.
fn place() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let digest = Sha256::digest(checkout.as_os_str().as_bytes());
    // Each user of a shared machine has a cluster of their own.
    let uid = fs::metadata("/proc/self").map_or(0, |m| m.uid());
    env::temp_dir().join(format!("respondby-tests-{}-{uid}", hex::encode(&digest[..6])))
}

fn settings() -> Vec<(String, String)> {
    [
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("autovacuum", "off"),
        ("max_connections", "300"),
        ("shared_buffers", "64MB"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()))
}

/// Makes sure that somebody will stop the server: starts a janitor, who leaves at once if there is one.
#[expect(clippy::zombie_processes, reason = "the janitor outlives this process: that is what it is for")]
fn start_janitor(dir: &Path) {
    let mut child = Command::new("sh")
        .args(["-c", JANITOR])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let mut word = String::new();
    let output = child.stdout.take().expect("asked for");
    BufReader::new(output).read_line(&mut word).expect("the janitor reports");
    assert!(matches!(word.trim(), "ready" | "taken"), "the janitor needs flock(1) from util-linux: {word:?}");
}

impl Cluster {
    pub fn options(&self, database: &str) -> PgConnectOptions {
        self.running.options_for(database)
    }

    pub fn url(&self, database: &str) -> String {
        self.running.url_for(database)
    }

    /// Held while the template is made: one process does it, the others find it.
    pub fn turn(&self) -> File {
        let turn = open(&self.dir.join("template.lock"));
        turn.lock().expect("whoever makes the template gives the lock back");
        turn
    }
}
