//! One writer: a connection, a batch in hand, and what happens when the connection breaks. A batch that broke
//! off is kept again on a new connection, which is harmless: what was committed is then a duplicate. If that
//! fails too it is turned away, and the senders come again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::NaiveDate;
use futures_util::FutureExt as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Job, NotKept, Outcome};
use crate::clock::Clock;
use crate::observe::record;
use crate::store::deliveries::{Arrival, keep, maintain_months, month_of};
use crate::store::ids::Ids;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// A commit that takes longer is given up, and its senders come again.
const COMMIT_WITHIN: Duration = Duration::from_secs(5);
/// Between looks for a database that is away: doubled from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Shared {
    connect: PgConnectOptions,
    clock: Clock,
    ids: Ids,
    arrived: Arc<Notify>,
    batch_max: usize,
    queue: Mutex<mpsc::Receiver<Job>>,
    live: watch::Sender<usize>,
    stop: CancellationToken,
}

struct Batch {
    arrivals: Vec<Arrival>,
    waiting: Vec<(oneshot::Sender<Outcome>, Option<OwnedSemaphorePermit>)>,
}

/// Counts a writer as connected for as long as it stands.
struct Live<'a>(&'a watch::Sender<usize>);

impl<'a> Live<'a> {
    fn new(live: &'a watch::Sender<usize>) -> Self {
        live.send_modify(|n| *n += 1);
        Self(live)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

/// Writes until the queue is closed and empty. A panic costs the batch in hand and no more.
pub(super) async fn run(shared: Arc<Shared>) {
    while AssertUnwindSafe(shared.write()).catch_unwind().await.is_err() {
        tracing::error!("an intake writer panicked and starts again: this is a defect of respondby");
    }
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "called once; a struct of them would say the same twice")]
    pub fn new(
        connect: PgConnectOptions,
        clock: Clock,
        ids: Ids,
        arrived: Arc<Notify>,
        batch_max: usize,
        queue: mpsc::Receiver<Job>,
        live: watch::Sender<usize>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        // The one statement of these connections reads by index, whatever the statistics of a young
        // partition make of it, and its plan does not depend on the rows.
        let connect = connect.application_name("respondby-intake").options([
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("statement_timeout", "5s"),
        ]);
        let queue = Mutex::new(queue);
        Arc::new(Self { connect, clock, ids, arrived, batch_max, queue, live, stop })
    }

    async fn write(&self) {
        let mut in_hand: Option<Batch> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connected(&mut in_hand).await {
                Ok(mut writer) => {
                    pause = FIRST_PAUSE;
                    let live = Live::new(&self.live);
                    loop {
                        let Some(batch) = self.next_batch().await else {
                            _ = writer.conn.close().await;
                            return;
                        };
                        if let Err(broken) = self.flush(&mut writer, batch).await {
                            in_hand = Some(broken);
                            break;
                        }
                    }
                    drop(live);
                }
                Err(error) => {
                    tracing::warn!(%error, "the intake cannot write: webhooks are answered with 503");
                    if let Some(batch) = in_hand.take() {
                        batch.turn_away();
                    }
                    if self.turn_away_if_nobody_writes().await {
                        return;
                    }
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// A connection that works: the batch in hand, if there is one, went through on it.
    async fn connected(&self, in_hand: &mut Option<Batch>) -> anyhow::Result<Writer> {
        let mut writer = timeout(CONNECT_WITHIN, self.connect()).await.context("no connection in time")??;
        if let Some(batch) = in_hand.take()
            && let Err(broken) = self.flush(&mut writer, batch).await
        {
            *in_hand = Some(broken);
            anyhow::bail!("a batch broke off on a new connection too");
        }
        Ok(writer)
    }

    async fn connect(&self) -> sqlx::Result<Writer> {
        let mut conn = self.connect.connect().await?;
        // 200 means durable, whatever the database's default is. Stricter settings stay.
        sqlx::query(
            "select set_config('synchronous_commit', 'on', false)
             where current_setting('synchronous_commit') = 'off'",
        )
        .execute(&mut conn)
        .await?;
        let now = self.clock.now();
        maintain_months(&mut conn, now).await?;
        Ok(Writer { conn, month: month_of(now) })
    }

    /// Whatever waits, at least one; `None` when the queue is closed and empty.
    async fn next_batch(&self) -> Option<Batch> {
        let mut queue = self.queue.lock().await;
        let mut jobs = Vec::with_capacity(self.batch_max);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                queue.close();
                queue.recv_many(&mut jobs, self.batch_max).await;
            }
            _ = queue.recv_many(&mut jobs, self.batch_max) => {}
        }
        record::queue_depth("intake", queue.len() as u64);
        (!jobs.is_empty()).then(|| Batch::of(jobs))
    }

    async fn flush(&self, writer: &mut Writer, batch: Batch) -> Result<(), Batch> {
        let began = Instant::now();
        let kept = timeout(COMMIT_WITHIN, async {
            let now = self.clock.now();
            if writer.month != month_of(now) {
                maintain_months(&mut writer.conn, now).await?;
                writer.month = month_of(now);
            }
            keep(&mut writer.conn, &self.ids, &batch.arrivals).await
        });
        let why = match kept.await {
            Ok(Ok(outcomes)) => {
                crate::crash::point("intake.kept");
                self.arrived.notify_one();
                record::intake_batch(outcomes.len(), began.elapsed().as_secs_f64());
                for ((answer, _room), outcome) in batch.waiting.into_iter().zip(outcomes) {
                    // Who has gone away does not wait for it; the row stays.
                    _ = answer.send(Ok(outcome));
                }
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no commit within {} s", COMMIT_WITHIN.as_secs()),
        };
        tracing::warn!(rows = batch.arrivals.len(), why, "a batch of deliveries broke off");
        Err(batch)
    }

    /// With no writer connected, nobody will answer those in the queue soon: they are told. Returns whether
    /// the queue is closed for good.
    async fn turn_away_if_nobody_writes(&self) -> bool {
        let stopping = self.stop.is_cancelled();
        if *self.live.borrow() == 0 {
            let mut queue = self.queue.lock().await;
            if stopping {
                queue.close();
            }
            while let Ok(job) = queue.try_recv() {
                _ = job.answer.send(Err(NotKept::Away));
            }
        }
        stopping
    }
}

struct Writer {
    conn: PgConnection,
    /// The month the partitions were last made for.
    month: NaiveDate,
}

impl Batch {
    fn of(jobs: Vec<Job>) -> Self {
        let (arrivals, waiting) = jobs.into_iter().map(|job| (job.arrival, (job.answer, job.room))).unzip();
        Self { arrivals, waiting }
    }

    fn turn_away(self) {
        for (answer, _room) in self.waiting {
            _ = answer.send(Err(NotKept::Away));
        }
    }
}
