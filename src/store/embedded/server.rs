//! Starting, adopting and stopping the server process, and making its data directory whole or not at all.
//! Knows nothing of the schema, and nothing of who uses the server.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::account::Account;
use super::layout::Layout;
use super::postmaster::{self, Found, Postmaster, State};
use super::{Binaries, EmbeddedError, NAME, PORT};

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// For a small machine that also runs the engine. `jit` costs more than it gives on queries this short.
const SETTINGS: [(&str, &str); 11] = [
    ("max_connections", "60"),
    // A turn locks each of its disputes by id.
    ("max_locks_per_transaction", "256"),
    ("shared_buffers", "128MB"),
    ("work_mem", "8MB"),
    ("maintenance_work_mem", "64MB"),
    ("wal_compression", "lz4"),
    ("max_wal_size", "1GB"),
    ("checkpoint_timeout", "15min"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

#[derive(Debug)]
pub(super) struct Server {
    layout: Layout,
    binaries: Binaries,
    account: Option<Account>,
    settings: Vec<(String, String)>,
    /// Ours to wait for, when this process started it.
    child: Mutex<Option<Child>>,
}

impl Server {
    pub fn new(
        layout: Layout,
        binaries: Binaries,
        account: Option<Account>,
        settings: Vec<(String, String)>,
    ) -> Self {
        Self { layout, binaries, account, settings, child: Mutex::new(None) }
    }

    pub fn dir(&self) -> &Path {
        self.layout.dir()
    }

    pub fn socket_dir(&self) -> &Path {
        self.layout.socket_dir()
    }

    /// True when a server that runs in the directory already is ready for use.
    pub async fn adopt(&self) -> Result<bool, EmbeddedError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match postmaster::look(self.layout.data()) {
                Found::Nothing => return Ok(false),
                Found::Stale => {
                    let path = postmaster::file(self.layout.data());
                    fs::remove_file(&path).map_err(EmbeddedError::io("cannot remove the stale", &path))?;
                    return Ok(false);
                }
                Found::Server(Postmaster { state: State::Ready, socket_dir, .. }) => {
                    if socket_dir == self.layout.socket_dir() {
                        return Ok(true);
                    }
                    // Started by hand with other settings: not ours to use, not ours to stop.
                    return Err(EmbeddedError::InUse {
                        dir: self.layout.data().to_path_buf(),
                        holder: format!("a PostgreSQL server with its socket in {}", socket_dir.display()),
                    });
                }
                Found::Server(Postmaster { state: State::Starting | State::Stopping, .. }) => {
                    self.look_again(deadline).await?;
                }
            }
        }
    }

    /// Makes the data directory, unless it is there: beside its place first, then moved into it, so that
    /// an interrupted attempt leaves nothing half made.
    pub async fn initialise(&self) -> Result<(), EmbeddedError> {
        let data = self.layout.data();
        self.remove_leftovers();
        if data.exists() {
            return Ok(());
        }
        let init = self.layout.home().join(format!("{INIT_PREFIX}{}", std::process::id()));
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(&init).args([
            "-A",
            "trust",
            "-U",
            NAME,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
        ]);
        if self.settings.iter().any(|(name, value)| name == "fsync" && value == "off") {
            initdb.arg("--no-sync");
        }
        run(initdb).await.inspect_err(|_| _ = fs::remove_dir_all(&init))?;
        fs::rename(&init, data).map_err(EmbeddedError::io("cannot move into place", data))?;
        File::open(self.layout.home())
            .and_then(|home| home.sync_all())
            .map_err(EmbeddedError::io("cannot flush", self.layout.home()))
    }

    /// What an initdb that was killed left. Best effort: its own process may still be writing.
    fn remove_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.layout.home()) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(INIT_PREFIX) {
                _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Starts the server and returns once it takes connections.
    pub async fn launch(&self) -> Result<(), EmbeddedError> {
        let log_path = self.layout.log();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(EmbeddedError::io("cannot open", &log_path))?;
        let log_too = log.try_clone().map_err(EmbeddedError::io("cannot open", &log_path))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.layout.data());
        for (name, value) in self.all_settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // A group of its own: Ctrl-C is for the engine, which then stops the server in order.
        command.stdin(Stdio::null()).stdout(log).stderr(log_too).process_group(0);
        let child =
            command.spawn().map_err(EmbeddedError::io("cannot start", &self.binaries.path("postgres")))?;
        *self.child.lock().expect("held only to move the child") = Some(child);
        self.wait_until_ready().await
    }

    fn all_settings(&self) -> Vec<(String, String)> {
        let given = |name: &str| self.settings.iter().any(|(n, _)| n == name);
        let built_in = SETTINGS.iter().filter(|(name, _)| !given(name));
        let access = [
            ("listen_addresses".to_owned(), String::new()),
            ("port".to_owned(), PORT.to_string()),
            ("unix_socket_directories".to_owned(), self.socket_dir().to_string_lossy().into_owned()),
            ("unix_socket_permissions".to_owned(), "0700".to_owned()),
        ];
        built_in
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(self.settings.iter().cloned())
            .chain(access)
            .collect()
    }

    async fn wait_until_ready(&self) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Found::Server(Postmaster { state: State::Ready, .. }) =
                postmaster::look(self.layout.data())
            {
                return Ok(());
            }
            if let Some(status) = self.child_status() {
                return Err(EmbeddedError::Program {
                    program: self.binaries.path("postgres").display().to_string(),
                    status,
                    output: self.log_end(),
                });
            }
            self.look_again(deadline).await?;
        }
    }

    fn child_status(&self) -> Option<String> {
        let mut child = self.child.lock().expect("held only to look at the child");
        let status = child.as_mut()?.try_wait().ok()??;
        Some(status.to_string())
    }

    async fn look_again(&self, deadline: Instant) -> Result<(), EmbeddedError> {
        if Instant::now() > deadline {
            return Err(EmbeddedError::NotReady {
                seconds: READY_WITHIN.as_secs(),
                log: self.layout.log(),
                log_end: self.log_end(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }

    fn log_end(&self) -> String {
        let text = fs::read(self.layout.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    pub fn pid(&self) -> Result<u32, EmbeddedError> {
        match postmaster::look(self.layout.data()) {
            Found::Server(postmaster) => Ok(postmaster.pid),
            Found::Nothing | Found::Stale => {
                Err(EmbeddedError::NotReady { seconds: 0, log: self.layout.log(), log_end: self.log_end() })
            }
        }
    }

    pub async fn stop(&self) -> Result<(), EmbeddedError> {
        let Found::Server(Postmaster { pid, .. }) = postmaster::look(self.layout.data()) else {
            return Ok(());
        };
        let mut command = self.command("pg_ctl");
        command.args(["stop", "-m", "fast", "-w", "-t", "60", "-s", "-D"]).arg(self.layout.data());
        run(command).await?;
        let deadline = Instant::now() + READY_WITHIN;
        while self.child_status().is_none() && postmaster::is_alive(pid) {
            self.look_again(deadline).await?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.path(program));
        // Messages in a known language, and no setting of the caller's shell that changes the server.
        command.env("LC_ALL", "C.UTF-8").env_remove("PGDATA").env_remove("PGPORT");
        command.current_dir(self.layout.home());
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        command
    }
}

const INIT_PREFIX: &str = "data.init.";

/// Runs a program to its end, off the async threads, and keeps what it said for the error.
async fn run(mut command: Command) -> Result<(), EmbeddedError> {
    let program = PathBuf::from(command.get_program());
    command.stdin(Stdio::null());
    let shown = program.clone();
    let done = tokio::task::spawn_blocking(move || command.output()).await;
    let output = match done {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(EmbeddedError::Io { action: "cannot run", path: program, source }),
        Err(cancelled) => std::panic::resume_unwind(cancelled.into_panic()),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(EmbeddedError::Program {
        program: shown.display().to_string(),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&said).trim().to_owned(),
    })
}
