//! Group commit. Requests queue up; each writer takes whatever is queued, keeps it as one statement and
//! answers it, while the next batch gathers behind the others. No timer: a batch is as large as the last
//! commit was slow. Nobody is told 200 before the commit, and nobody waits on a database that is away.

mod writer;

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::IntakeConfig;
use crate::store::deliveries::{Arrival, Keeping};
use crate::store::ids::Ids;

use writer::Shared;

/// Why a delivery was not kept. It may have been kept all the same in the end; the sender comes again, and
/// then it is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// The database is away, or broke off.
    Away,
    /// Too many are waiting.
    Full,
}

type Outcome = Result<Keeping, NotKept>;

/// A delivery in the queue, who waits for it, and the room its body takes.
struct Job {
    arrival: Arrival,
    answer: oneshot::Sender<Outcome>,
    room: Option<OwnedSemaphorePermit>,
}

/// The queue's open end. Clones lead to the same writers.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Job>,
    live: watch::Receiver<usize>,
}

/// The writers, to be drained before the process ends.
pub struct Writers {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Intake {
    /// Starts the writers. Each has a connection of its own, made with `connect`, and looks for the database
    /// until it is there. `arrived` is notified after each commit.
    pub fn start(
        config: &IntakeConfig,
        connect: PgConnectOptions,
        clock: Clock,
        ids: Ids,
        arrived: Arc<Notify>,
    ) -> (Intake, Writers) {
        let (queue, receiver) = mpsc::channel(config.queue_max);
        let (live, live_here) = watch::channel(0);
        let stop = CancellationToken::new();
        let shared =
            Shared::new(connect, clock, ids, arrived, config.batch_max, receiver, live, stop.clone());
        let mut tasks = JoinSet::new();
        for _ in 0..config.writers {
            tasks.spawn(writer::run(shared.clone()));
        }
        (Intake { queue, live: live_here }, Writers { tasks, stop })
    }

    /// Returns once the delivery is committed, or at once when it cannot be. `room` is given back when the
    /// body is no longer held. A caller that goes away takes nothing out of the queue.
    pub async fn keep(&self, arrival: Arrival, room: Option<OwnedSemaphorePermit>) -> Outcome {
        if self.writers_connected() == 0 {
            return Err(NotKept::Away);
        }
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Job { arrival, answer, room }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotKept::Full,
            mpsc::error::TrySendError::Closed(_) => NotKept::Away,
        })?;
        // The last writer to lose the database turns the queue away. It may have done so just before this
        // delivery was queued: then it is gone by now, and nobody is left to answer.
        if self.writers_connected() == 0 {
            return Err(NotKept::Away);
        }
        // A writer that panicked drops its batch: whether it is kept, nobody knows.
        answered.await.unwrap_or(Err(NotKept::Away))
    }

    /// How many writers have the database at hand, as far as they know.
    pub fn writers_connected(&self) -> usize {
        *self.live.borrow()
    }

    /// Returns once a writer is connected, or after `within`: a process that says it is ready should not turn
    /// its first webhooks away, and one whose database is away should say so to whoever asks.
    pub async fn wait_connected(&self, within: Duration) {
        // Whichever comes first; without a writer, deliveries are answered with 503.
        _ = tokio::time::timeout(within, self.connected().wait_for(|n| *n > 0)).await;
    }

    /// Follows [`Intake::writers_connected`].
    pub fn connected(&self) -> watch::Receiver<usize> {
        self.live.clone()
    }

    /// Deliveries waiting for a writer.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Writers {
    /// Takes no more deliveries, keeps and answers those that wait, and returns when it is done. Stop
    /// accepting requests first: those that come later are told that the database is away.
    pub async fn drain(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
