//! The load generator, in a process of its own: so many connections, each sending the next webhook when the
//! last was answered; or so many webhooks a second, whatever the answers do. Every body is signed before the
//! clock starts.

use std::cell::{Cell, RefCell};
use std::process::{ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use respondby::clock::Clock;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{ChildStdout, Command};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use crate::requests::{Requests, Sender};

/// More than any server here answers in a second.
const PER_S_MAX: f64 = 60_000.0;
/// Nothing here takes this long.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub addr: String,
    pub sender: Sender,
    pub connections: usize,
    pub warm_up_ms: u64,
    pub window_ms: u64,
    /// The number of the first event. Every run needs numbers of its own.
    pub first: u64,
    /// Webhooks a second. Without it: as fast as they are answered.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// Within the window, with 200.
    pub answered: u64,
    /// Before it, in it and after it.
    pub answered_in_all: u64,
    pub seconds: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Seen {
    pub fn per_s(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// The generator at work, as the process that ordered it sees it.
pub struct Running {
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
    child: tokio::process::Child,
}

impl Running {
    /// Starts it, and returns when its window opens.
    pub async fn start(order: &Order) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("load").arg(serde_json::to_string(order)?);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("asked for")?).lines();
        let mut running = Self { lines, child };
        running.line().await?;
        Ok(running)
    }

    /// Returns when the window closes.
    pub async fn end_of_window(&mut self) -> anyhow::Result<()> {
        self.line().await.map(drop)
    }

    pub async fn seen(mut self) -> anyhow::Result<Seen> {
        let seen = serde_json::from_str(&self.line().await?)?;
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "the load generator failed: {status}");
        Ok(seen)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let line = tokio::time::timeout(GIVE_UP_AFTER, self.lines.next_line()).await;
        line.context("the load generator hangs")??.context("the load generator ended early")
    }
}

/// What the connections share.
struct Shared {
    order: Order,
    requests: Requests,
    /// One after the other.
    signatures: Vec<u8>,
    count: usize,
    next: Cell<usize>,
    opens: Cell<Option<Instant>>,
    closes: Cell<Option<Instant>>,
    latencies_us: RefCell<Vec<u32>>,
}

/// `order` as JSON.
pub async fn run(order: &str) -> anyhow::Result<ExitCode> {
    let order: Order = serde_json::from_str(order)?;
    let requests = Requests::new(&order.sender, Clock::system().now())?;
    let seconds = (order.warm_up_ms + order.window_ms) as f64 / 1000.0;
    let count = (order.rate.unwrap_or(PER_S_MAX) * seconds) as usize;
    let mut signatures = Vec::with_capacity(count * requests.width());
    (0..count as u64).for_each(|n| requests.sign(order.first + n, &mut signatures));
    let shared = Rc::new(Shared {
        order,
        requests,
        signatures,
        count,
        next: Cell::new(0),
        opens: Cell::new(None),
        closes: Cell::new(None),
        latencies_us: RefCell::default(),
    });
    LocalSet::new().run_until(drive(shared.clone())).await?;
    let mut latencies = shared.latencies_us.take();
    latencies.sort_unstable();
    let at = |q: f64| f64::from(latencies[((latencies.len() - 1) as f64 * q) as usize]);
    let seen = Seen {
        answered: latencies.len() as u64,
        // What is sent is answered, or this fails.
        answered_in_all: shared.next.get() as u64,
        seconds: shared.order.window_ms as f64 / 1000.0,
        p50_us: at(0.5),
        p99_us: at(0.99),
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(ExitCode::SUCCESS)
}

async fn drive(shared: Rc<Shared>) -> anyhow::Result<()> {
    let mut connections = Vec::new();
    for _ in 0..shared.order.connections {
        let stream = TcpStream::connect(&shared.order.addr).await?;
        stream.set_nodelay(true)?;
        connections.push(stream);
    }
    let opens = Instant::now() + Duration::from_millis(shared.order.warm_up_ms);
    let closes = opens + Duration::from_millis(shared.order.window_ms);
    shared.opens.set(Some(opens));
    shared.closes.set(Some(closes));
    let began = Instant::now();
    let spread = shared.order.rate.map(|rate| rate / shared.order.connections as f64);
    let senders: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(i, stream)| {
            // Each sends at its own moments, evenly spread over the connections.
            let pace = spread.map(|per_s| {
                let every = Duration::from_secs_f64(1.0 / per_s);
                (began + every.mul_f64(i as f64 / shared.order.connections as f64), every)
            });
            tokio::task::spawn_local(send(shared.clone(), stream, pace, closes))
        })
        .collect();
    sleep_until(opens).await;
    println!("open");
    sleep_until(closes).await;
    println!("closed");
    for sender in senders {
        sender.await??;
    }
    Ok(())
}

async fn send(
    shared: Rc<Shared>,
    mut stream: TcpStream,
    mut pace: Option<(Instant, Duration)>,
    closes: Instant,
) -> anyhow::Result<()> {
    let mut request = Vec::with_capacity(8192);
    let mut answer = vec![0; 2048];
    loop {
        if let Some((at, every)) = &mut pace {
            sleep_until(*at).await;
            *at += *every;
        }
        let n = shared.next.get();
        if n >= shared.count || Instant::now() >= closes {
            return Ok(());
        }
        shared.next.set(n + 1);
        shared.write_request(n, &mut request);
        let sent = Instant::now();
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut answer).await?;
        shared.note(sent);
    }
}

impl Shared {
    fn write_request(&self, n: usize, out: &mut Vec<u8>) {
        let width = self.requests.width();
        let signature = &self.signatures[n * width..(n + 1) * width];
        self.requests.write(self.order.first + n as u64, signature, out);
    }

    fn note(&self, sent: Instant) {
        let now = Instant::now();
        if self.opens.get().is_some_and(|o| now >= o) && self.closes.get().is_some_and(|c| now < c) {
            self.latencies_us.borrow_mut().push((now - sent).as_micros() as u32);
        }
    }
}

/// Reads one answer with a length, and insists on 200.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut have = 0;
    loop {
        let read = stream.read(&mut buffer[have..]).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        have += read;
        let text = std::str::from_utf8(&buffer[..have])?;
        let Some(head_end) = text.find("\r\n\r\n") else { continue };
        let head = &text[..head_end];
        anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "not 200: {head}");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.context("an answer without a length")?.parse()?;
        if have >= head_end + 4 + length {
            return Ok(());
        }
    }
}
