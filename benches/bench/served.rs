//! Servers in processes of their own: the product as it is shipped, and the textbook's.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use respondby::providers::ProviderName;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::cluster::Scratch;
use crate::requests::Sender;
use crate::senders::{self, MERCHANT_ACCOUNT};
use crate::textbook;

/// Where no provider is: nothing here asks one for anything.
const NOBODY: &str = "http://127.0.0.1:9";
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
        Self::with_accounts(database, roles, &[Sender::stripe()]).await
    }

    /// The same with an account for each of those who send webhooks.
    pub async fn with_accounts(
        database: &Scratch,
        roles: &[&str],
        senders: &[Sender],
    ) -> anyhow::Result<Self> {
        let config = config_file(roles, senders)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
        command
            .args(["serve", "--config"])
            .arg(&config)
            .env("DATABASE_URL", &database.url)
            .env("BENCH_CREDENTIAL", "rk_of_the_bench")
            .env("BENCH_SEALING_KEY", "5e".repeat(32))
            .stderr(Stdio::piped());
        for sender in senders {
            command.env(secret_name(sender.provider), senders::secret(sender.provider));
        }
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

fn config_file(roles: &[&str], senders: &[Sender]) -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("respondby-bench-{}.toml", std::process::id()));
    let roles: Vec<String> = roles.iter().map(|r| format!("\"{r}\"")).collect();
    let roles = roles.join(", ");
    let mut text = format!(
        r#"
[http]
listen = "127.0.0.1:0"
[worker]
roles = [{roles}]
[secrets]
key = "env:BENCH_SEALING_KEY"
[providers.stripe]
files_url = "{NOBODY}"
[[merchant]]
name = "bench"
"#
    );
    senders.iter().for_each(|sender| text.push_str(&account_table(sender)));
    let mut file = std::fs::File::create(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// What the provider's folder says that an account needs, and where the provider is: on this machine or nowhere.
fn account_table(sender: &Sender) -> String {
    let provider = sender.provider;
    let needed = |secret: bool| provider.needs().iter().filter(move |n| n.required && n.secret == secret);
    let credentials = needed(true).map(|need| format!("{} = \"env:BENCH_CREDENTIAL\"", need.name));
    let settings = match provider {
        // Whose webhooks respondby verifies itself, as those of most accounts behind Prism.
        ProviderName::Prism => format!("connector = \"adyen\", merchant_account = \"{MERCHANT_ACCOUNT}\""),
        ProviderName::Adyen => format!("merchant_account = \"{MERCHANT_ACCOUNT}\""),
        ProviderName::Stripe
        | ProviderName::Razorpay
        | ProviderName::Hyperswitch
        | ProviderName::Paypal
        | ProviderName::Checkout
        | ProviderName::Square => String::new(),
    };
    let base_url = match sender.certificates.as_str() {
        "" => NOBODY,
        certificates => certificates,
    };
    format!(
        r#"
[[account]]
merchant = "bench"
provider = "{provider}"
name = "{}"
webhook_secrets = ["env:{}"]
credentials = {{ {} }}
settings = {{ {settings} }}
base_url = "{base_url}"
"#,
        senders::account(provider),
        secret_name(provider),
        credentials.collect::<Vec<_>>().join(", "),
    )
}

fn secret_name(provider: ProviderName) -> String {
    format!("BENCH_SECRET_{}", provider.as_str().to_uppercase())
}
