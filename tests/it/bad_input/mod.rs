//! What bad input gets: tables whose rows are a request, a command line or a file, and the exact answer. Each row
//! is met by the built program. A clear error, nothing lost, the process alive.

mod commands;
mod rules;
mod webhooks;
mod wire;

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use respondby::clock::Clock;
use respondby::providers::ProviderName;
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::intake::surface::{request, until};
use crate::support::Database;

/// More than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the secrets of [`ONE_ACCOUNT`] are sealed with.
const KEY: &str = "5f0b6c1e9a3d4872b1c4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b";

/// The least that `serve` starts with. Beside it are the files `key` and `secret`.
const ONE_ACCOUNT: &str = "\
[secrets]
key = \"file:key\"
[[merchant]]
name = \"acme\"
[[account]]
merchant = \"acme\"
provider = \"stripe\"
name = \"acme-eu\"
webhook_secrets = [\"file:secret\"]
credentials = { api_key = \"file:secret\" }
";

/// The program on its way to be run, with nothing of our own environment that would steer it.
struct Program(Command);

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn respondby(words: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
    let ours = |name: &str| name.starts_with("RESPONDBY_") || name == "DATABASE_URL";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.args(words);
    Program(command)
}

impl Program {
    fn dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end.
    fn said(mut self) -> Said {
        let Output { status, stdout, stderr } = self.0.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
        Said { code: status.code().expect("it ends by itself"), out: text(stdout), err: text(stderr) }
    }
}

/// Two accounts, nobody to call: the providers' addresses lead nowhere.
const TWO_ACCOUNTS: &str = "\
[http]
listen = \"127.0.0.1:0\"
header_read_timeout_ms = 2000
request_timeout_ms = 6000
[reconcile]
every_s = 86400
[secrets]
key = \"file:key\"
[log]
filter = \"respondby=info\"
[[merchant]]
name = \"acme\"
[[account]]
merchant = \"acme\"
provider = \"stripe\"
name = \"acme-card\"
webhook_secrets = [\"file:stripe\"]
credentials = { api_key = \"file:stripe\" }
base_url = \"http://127.0.0.1:1\"
[[account]]
merchant = \"acme\"
provider = \"razorpay\"
name = \"acme-card\"
webhook_secrets = [\"file:razorpay\"]
credentials = { key_id = \"file:razorpay\", key_secret = \"file:razorpay\" }
base_url = \"http://127.0.0.1:1\"
";

/// `respondby serve`, running. Killed when it is dropped.
struct Served {
    child: Child,
    addr: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
    db: Database,
    _dir: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already is what the test found out.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Served {
    async fn start() -> Self {
        let db = Database::new().await;
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("respondby.toml", TWO_ACCOUNTS),
            ("key", KEY),
            ("stripe", SECRETS[0]),
            ("razorpay", SECRETS[1]),
        ];
        files.iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
        let Program(mut command) =
            respondby(&["serve", "--config", "respondby.toml"]).dir(dir.path()).env("DATABASE_URL", &db.url);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, addr) = oneshot::channel();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        std::thread::spawn(move || read_log(lines, &kept, said));
        let addr = timeout(PATIENCE, addr).await.expect("it gets ready").expect("it does not end before");
        Self { child, addr, log, db, _dir: dir }
    }

    fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What the log said of the webhooks that were refused, in their order.
    fn refusals(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let messages = log.iter().filter_map(|line| line["message"].as_str());
        messages.filter_map(|m| m.strip_prefix("a webhook was refused: ")).map(str::to_owned).collect()
    }

    /// Returns once every delivery is settled or quarantined.
    async fn settled(&self) {
        until(async || {
            let waiting: i64 = sqlx::query_scalar("select count(*) from deliveries where state = 'kept'")
                .fetch_one(&self.db.pool)
                .await
                .unwrap();
            waiting == 0
        })
        .await;
    }

    /// `state outcome: note`, and the amount of the dispute it is about, for each delivery with this body.
    async fn came_of(&self, provider: ProviderName, body: &[u8]) -> Vec<String> {
        sqlx::query_scalar(
            "select v.state || ' ' || v.outcome || coalesce(': ' || v.note, '')
                 || coalesce(', ' || d.amount_minor || ' ' || d.currency, '')
             from deliveries v
             join accounts a on a.merchant_id = v.merchant_id and a.account_id = v.account_id
             left join disputes d on d.merchant_id = v.merchant_id and d.dispute_id = v.dispute_id
             where v.body = $1 and v.source = 'webhook' and a.provider = $2",
        )
        .bind(body)
        .bind(provider.as_str())
        .fetch_all(&self.db.pool)
        .await
        .unwrap()
    }
}

fn read_log(
    lines: impl Iterator<Item = io::Result<String>>,
    kept: &Mutex<Vec<Value>>,
    said: oneshot::Sender<SocketAddr>,
) {
    let mut said = Some(said);
    for line in lines.map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        let address = line["http.address"].as_str().and_then(|a| a.parse().ok());
        if let Some((said, address)) = said.take_if(|_| address.is_some()).zip(address) {
            // Nobody waits any more when the test has failed meanwhile.
            _ = said.send(address);
        }
        kept.lock().unwrap().push(line);
    }
}

/// A provider as it sends: its account here, and its way to sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Stripe,
    Razorpay,
}

const SENDERS: [Sender; 2] = [Sender::Stripe, Sender::Razorpay];
const SECRETS: [&str; 2] = ["whsec_of_the_table", "hook of the table"];

impl Sender {
    fn provider(self) -> ProviderName {
        match self {
            Sender::Stripe => ProviderName::Stripe,
            Sender::Razorpay => ProviderName::Razorpay,
        }
    }

    fn path(self) -> String {
        format!("/webhooks/{}/acme-card", self.provider())
    }

    fn header(self) -> &'static str {
        match self {
            Sender::Stripe => "stripe-signature",
            Sender::Razorpay => "x-razorpay-signature",
        }
    }

    fn secret(self) -> &'static str {
        match self {
            Sender::Stripe => SECRETS[0],
            Sender::Razorpay => SECRETS[1],
        }
    }

    /// The value of the header for a body sent now.
    fn sign(self, body: &[u8]) -> String {
        self.sign_as(self.secret(), 0, body)
    }

    fn sign_as(self, secret: &str, age_s: i64, body: &[u8]) -> String {
        let t = now() - age_s;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
        if self == Sender::Stripe {
            mac.update(format!("{t}.").as_bytes());
        }
        mac.update(body);
        let mac = hex::encode(mac.finalize().into_bytes());
        match self {
            Sender::Stripe => format!("t={t},v1={mac}"),
            Sender::Razorpay => mac,
        }
    }

    /// Signed well, whatever the body is.
    fn signed(self, body: &[u8]) -> Vec<u8> {
        self.signed_with(&[], body)
    }

    fn signed_with(self, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let signature = self.sign(body);
        let all: Vec<_> = [(self.header(), signature.as_str())].iter().chain(headers).copied().collect();
        request(&self.path(), &all, body)
    }

    /// The body of a webhook about a new dispute over 20.00, with `odd` fields: a field's name and its JSON, or
    /// nothing to leave it out. `event.` before a name is the envelope's.
    fn dispute(self, id: &str, odd: &[(&str, &str)]) -> String {
        let (now, due) = (now(), now() + 7 * 86_400);
        let (record, event) = match self {
            Sender::Stripe => (
                vec![
                    ("id", format!("\"dp_{id}\"")),
                    ("object", "\"dispute\"".into()),
                    ("amount", "2000".into()),
                    ("currency", "\"usd\"".into()),
                    ("status", "\"needs_response\"".into()),
                    ("reason", "\"general\"".into()),
                    ("created", now.to_string()),
                    ("livemode", "false".into()),
                    ("charge", format!("\"ch_{id}\"")),
                    ("evidence_details", format!("{{\"due_by\":{due}}}")),
                ],
                vec![
                    ("id", format!("\"evt_{id}\"")),
                    ("object", "\"event\"".into()),
                    ("type", "\"charge.dispute.created\"".into()),
                    ("created", now.to_string()),
                ],
            ),
            Sender::Razorpay => (
                vec![
                    ("id", format!("\"disp_{id}\"")),
                    ("entity", "\"dispute\"".into()),
                    ("payment_id", format!("\"pay_{id}\"")),
                    ("amount", "2000".into()),
                    ("currency", "\"INR\"".into()),
                    ("reason_code", "\"RZP00\"".into()),
                    ("respond_by", due.to_string()),
                    ("status", "\"open\"".into()),
                    ("phase", "\"chargeback\"".into()),
                    ("created_at", now.to_string()),
                ],
                vec![
                    ("entity", "\"event\"".into()),
                    ("event", "\"payment.dispute.created\"".into()),
                    ("created_at", now.to_string()),
                ],
            ),
        };
        let record = object(record, odd, "");
        let inside = match self {
            Sender::Stripe => ("data", format!("{{\"object\":{record}}}")),
            Sender::Razorpay => ("payload", format!("{{\"dispute\":{{\"entity\":{record}}}}}")),
        };
        object(event.into_iter().chain([inside]).collect(), odd, "event.")
    }
}

fn object(fields: Vec<(&str, String)>, odd: &[(&str, &str)], prefix: &str) -> String {
    let of = |name: &str| odd.iter().find(|(n, _)| n.strip_prefix(prefix) == Some(name)).map(|(_, v)| *v);
    let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let ours =
        |name: &str| if prefix.is_empty() { !name.starts_with("event.") } else { name.starts_with(prefix) };
    let more = odd.iter().filter(|(n, _)| ours(n) && !known.contains(&&n[prefix.len()..]));
    let written: Vec<String> = fields
        .iter()
        .map(|(name, value)| (*name, of(name).unwrap_or(value)))
        .chain(more.map(|(name, value)| (&name[prefix.len()..], *value)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", written.join(","))
}

/// Unix seconds by the machine's clock, which the program under test has too.
fn now() -> i64 {
    Clock::system().now().timestamp()
}

/// What is told of one provider is told of all, and which ones there are is nobody's mistake: the names are left out
/// where all are listed, and of what is said once for each, the first is enough.
fn of_one_provider(told: String) -> String {
    let names: Vec<&str> = ProviderName::ALL.iter().map(ProviderName::as_str).collect();
    let quoted = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut told = told
        .replace(&format!("expected one of {quoted}"), "expected one of {the providers}")
        .replace(&format!("the names are: {}", names.join(", ")), "the names are: {the providers}");
    for name in &names[1..] {
        let Some(start) = told.find(&format!("\nrespondby.toml:2:11: providers.{name}.total_timeout_ms"))
        else {
            continue;
        };
        let end = start + told[start..].find("^^\n").expect("the place is shown") + "^^\n".len();
        told.replace_range(start..end, "");
    }
    told
}
