//! Servers in processes of their own: the product as it is shipped, and the textbook's.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::bodies::{ACCOUNT, SECRET};
use crate::cluster::Scratch;
use crate::textbook;

const READY_WITHIN: Duration = Duration::from_secs(30);

pub struct Served {
    child: Child,
    pub addr: String,
    pub pid: u32,
    /// From the start of the process to the first moment it takes requests.
    pub ready_after: Duration,
}

impl Served {
    /// `respondby serve` on a database, in the roles named (`"intake"`, `"worker"`).
    pub async fn product(database: &Scratch, roles: &[&str]) -> anyhow::Result<Self> {
        let config = config_file(roles)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
        command
            .args(["serve", "--config"])
            .arg(&config)
            .env("DATABASE_URL", &database.url)
            .env("BENCH_WEBHOOK_SECRET", SECRET)
            .env("BENCH_API_KEY", "rk_of_the_bench")
            .env("BENCH_SEALING_KEY", "5e".repeat(32))
            .stderr(Stdio::piped());
        let served = Self::start(
            command,
            |child| child.stderr.take(),
            |line| {
                let (_, rest) = line.split_once("\"http.address\":\"")?;
                rest.split('"').next().map(str::to_owned)
            },
        )
        .await;
        _ = std::fs::remove_file(config);
        served
    }

    /// R2 with a pool of so many connections.
    pub async fn textbook(database: &Scratch, pool: u32) -> anyhow::Result<Self> {
        sqlx::query(textbook::TABLE).execute(&database.pool).await?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["textbook", "--url", &database.url, "--pool", &pool.to_string()])
            .stdout(Stdio::piped());
        Self::start(command, |child| child.stdout.take(), |line| Some(line.to_owned())).await
    }

    async fn start<R: AsyncRead + Unpin + Send + 'static>(
        mut command: Command,
        output: impl FnOnce(&mut Child) -> Option<R>,
        address: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let began = std::time::Instant::now();
        let mut child = command.kill_on_drop(true).spawn().context("cannot start a server")?;
        let mut lines = BufReader::new(output(&mut child).context("asked for")?).lines();
        let mut said = Vec::new();
        let addr = tokio::time::timeout(READY_WITHIN, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(addr) = address(&line) {
                    return Ok(addr);
                }
                said.push(line);
            }
            anyhow::bail!("a server ended before it was ready; it said: {}", said.join("\n"))
        })
        .await
        .context("a server was not ready in time")??;
        let ready_after = began.elapsed();
        // It goes on talking, and would stop where nobody listens.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let pid = child.id().context("it runs")?;
        Ok(Self { child, addr, pid, ready_after })
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot end a server")
    }
}

fn config_file(roles: &[&str]) -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("respondby-bench-{}.toml", std::process::id()));
    let roles: Vec<String> = roles.iter().map(|r| format!("\"{r}\"")).collect();
    let roles = roles.join(", ");
    let text = format!(
        r#"
[http]
listen = "127.0.0.1:0"
[worker]
roles = [{roles}]
[secrets]
key = "env:BENCH_SEALING_KEY"
[providers.stripe]
base_url = "http://127.0.0.1:9"
files_url = "http://127.0.0.1:9"
[[merchant]]
name = "bench"
[[account]]
merchant = "bench"
provider = "stripe"
name = "{ACCOUNT}"
webhook_secrets = ["env:BENCH_WEBHOOK_SECRET"]
credentials = {{ api_key = "env:BENCH_API_KEY" }}
"#
    );
    let mut file = std::fs::File::create(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}
