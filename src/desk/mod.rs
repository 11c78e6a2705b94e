//! Where merchants' own programs come with questions and orders, whichever protocol they speak. It knows who is
//! asking, shows nobody another merchant's disputes, and puts an order through a turn as the command line does;
//! then it waits, for so long as the caller likes, until the provider's record shows what became of it. The
//! protocols (HTTP, gRPC) know how questions and answers are written, and nothing of all this.

mod caller;
mod key;
mod order;
mod reason;
mod shares;
mod standing;
mod wish;

use std::sync::Arc;

use sqlx::{Connection as _, PgPool};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use caller::{Caller, Denied, Lacks};
pub use key::{NewSecret, Scope};
pub use order::NotTaken;
pub use reason::{NoReason, reason};
pub use shares::Taken;
pub use standing::{Standing, Told};
pub use wish::{Given, Piece, Want, Wish};

use crate::clock::Clock;
use crate::config::Config;
use crate::dispute::DisputeId;
use crate::store::accounts::AccountDirectory;
use crate::store::disputes::{self, ActionLine, CycleLine, Line, PageFilter};
use crate::store::evidence::{self, Listed, Named};
use crate::store::turn::World;
use crate::store::{dossier, snapshot};
use caller::Gates;
use order::Ordering;
use shares::Shares;

/// A word that is longer is no id of anybody's.
const WORD_CHARS_MAX: usize = 255;

/// So many calls with one key may wait for what becomes of their orders at one time, and four times as many with all.
const WAITING_OF_ONE_MAX: u32 = 64;

/// Clones share everything.
#[derive(Clone)]
pub struct Desk {
    pool: PgPool,
    clock: Clock,
    world: World,
    accounts: AccountDirectory,
    gates: Arc<Gates>,
    /// KiB, for what comes in.
    room: Arc<Shares>,
    /// Places for those who wait.
    waiting: Arc<Shares>,
    /// Tells those who carry orders out, if they are in this process, that there may be one.
    rung: Arc<dyn Fn() + Send + Sync>,
    /// Nobody waits any longer.
    stop: CancellationToken,
}

/// Which dispute a caller means.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// The provider's id of the dispute, or ours.
    pub word: &'a str,
    /// Where the id alone does not say.
    pub provider: Option<&'a str>,
    pub account: Option<&'a str>,
    /// The provider that knows the dispute, whether the account is there or at a go-between that speaks to it.
    pub connector: Option<&'a str>,
}

/// The one dispute that was meant, or why there is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    One(Named),
    /// Nobody can tell from outside whether it is another merchant's.
    None,
    Several(Vec<Named>),
}

/// One dispute in full.
pub struct File {
    pub line: Line,
    /// Oldest first.
    pub cycles: Vec<CycleLine>,
    pub actions: Vec<ActionLine>,
    pub evidence: Vec<Listed>,
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

/// The largest that comes by any protocol that is spoken.
fn largest_body(config: &Config) -> usize {
    let by_grpc = config.grpc.listen.map_or(0, |_| config.grpc.message_bytes_max);
    config.api.upload_bytes_max.max(config.http.body_bytes_max).max(by_grpc)
}

impl Desk {
    pub fn new(
        config: &Config,
        pool: PgPool,
        clock: Clock,
        world: World,
        accounts: AccountDirectory,
        rung: Arc<dyn Fn() + Send + Sync>,
        stop: CancellationToken,
    ) -> Self {
        let gates = Arc::new(Gates::new(&config.api));
        let room = Arc::new(Shares::new(kib(largest_body(config)), 2));
        let waiting = Arc::new(Shares::new(WAITING_OF_ONE_MAX, 4));
        Self { pool, clock, world, accounts, gates, room, waiting, rung, stop }
    }

    /// Who shows this key: the value of an `authorization` header, `Bearer KEY` or the key alone.
    pub async fn authenticate(&self, authorization: &str) -> Result<Caller, Denied> {
        caller::authenticate(self, authorization).await
    }

    /// Room for a body of so many bytes, which is read afterwards; nothing where there is none until then. Small ones
    /// need none, and the limit on connections bounds them.
    pub async fn room(&self, caller: &Caller, bytes: usize, until: Instant) -> Option<Taken> {
        self.room.take(caller, kib(bytes), until).await
    }

    /// The caller's dispute of that name.
    ///
    /// Errors: the database's.
    pub async fn find(&self, caller: &Caller, which: Which<'_>) -> sqlx::Result<Found> {
        let odd = |c: char| c.is_control();
        if which.word.chars().count() > WORD_CHARS_MAX || which.word.chars().any(odd) {
            return Ok(Found::None);
        }
        let mut conn = self.pool.acquire().await?;
        let mut named = evidence::named_of(&mut conn, caller.merchant_id, which.word).await?;
        let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|w| w == is);
        named.retain(|n| {
            fits(which.provider, &n.provider)
                && fits(which.account, &n.account)
                && which.connector.is_none_or(|connector| self.reaches(n, connector))
        });
        Ok(match named.len() {
            0 => Found::None,
            1 => Found::One(named.remove(0)),
            _ => Found::Several(named),
        })
    }

    /// Whether the dispute's account is at that provider, or speaks to it.
    fn reaches(&self, named: &Named, connector: &str) -> bool {
        let speaks_to = || {
            let account = self.accounts.by_id(named.merchant_id, named.account_id)?;
            Some(account.credentials.get("connector") == connector)
        };
        named.provider == connector || speaks_to().unwrap_or(false)
    }

    /// Whether that is what the caller's merchant is called: here, or at a go-between that one of its accounts is at.
    pub fn is_called(&self, caller: &Caller, name: &str) -> bool {
        let there = || self.accounts.of(caller.merchant_id);
        name == caller.merchant || there().iter().any(|account| account.merchant_there() == Some(name))
    }

    /// Whether questions can be answered now.
    pub async fn is_well(&self) -> bool {
        let asked = async || self.pool.acquire().await?.ping().await;
        asked().await.is_ok()
    }

    /// Whether nobody waits any longer, because the engine stops.
    pub fn is_closing(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// A dispute as it stands, with everything that was done about it.
    ///
    /// Errors: the database's.
    pub async fn show(&self, named: &Named) -> sqlx::Result<Option<File>> {
        let (merchant_id, dispute_id) = (named.merchant_id, named.dispute_id);
        let only = PageFilter { dispute_id: Some(dispute_id), limit: 1, ..PageFilter::default() };
        let mut conn = self.pool.acquire().await?;
        let mut moment = snapshot(&mut conn).await?;
        let Some(line) = disputes::page(&mut moment, merchant_id, &only).await?.pop() else {
            return Ok(None);
        };
        let file = File {
            line,
            cycles: dossier::cycles(&mut moment, merchant_id, dispute_id).await?,
            actions: disputes::actions(&mut moment, merchant_id, dispute_id).await?,
            evidence: evidence::list(&mut moment, merchant_id, dispute_id).await?,
        };
        moment.commit().await?;
        Ok(Some(file))
    }

    /// Gives an order, once, and waits until its fate is known, a person is needed, or it is `until`; then tells how it
    /// stands. `named` must be what [`Desk::find`] said to this caller. An order that repeats one, by the caller's
    /// own name for it (`idempotency_key`, 1 to 255 characters) or by saying the same again while it stands, is
    /// not given again. What evidence the wish brings is let go of before the waiting begins.
    pub async fn order(
        &self,
        caller: &Caller,
        named: &Named,
        wish: Wish,
        idempotency_key: Option<&str>,
        until: Instant,
    ) -> Result<Told, NotTaken> {
        let told = order::carry_out(self, Ordering { caller, named, wish, idempotency_key }, until).await;
        if let Ok(told) = &told {
            tracing::info!(
                dispute.id = named.dispute_id,
                account.name = named.account,
                api.key = caller.name,
                outcome = told.standing.word(),
                "an order came through the API"
            );
        }
        told
    }

    /// The caller's disputes, from the highest id of ours, and where to go on: the id after which the next page begins.
    pub async fn list(
        &self,
        caller: &Caller,
        filter: &PageFilter,
    ) -> sqlx::Result<(Vec<Line>, Option<DisputeId>)> {
        let one_more = PageFilter { limit: filter.limit + 1, ..filter.clone() };
        let mut conn = self.pool.acquire().await?;
        let mut lines = disputes::page(&mut conn, caller.merchant_id, &one_more).await?;
        let more = lines.len() as i64 > filter.limit;
        lines.truncate(usize::try_from(filter.limit).unwrap_or_default());
        let next = lines.last().filter(|_| more).map(|line| line.dispute_id);
        Ok((lines, next))
    }
}
