//! The calls that are under way in one process, side by side: what is due is taken up while others wait for their
//! answers. An account that is slow to answer never has all hands full. Each action has its own lease and fence, however
//! many there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::TaskTracker;

use super::carry_out;
use crate::crash;
use crate::dispute::AccountId;
use crate::store::actions;
use crate::worker::{Shop, Stepped};

pub struct Hands {
    shop: Arc<Shop>,
    /// Waited for at the end: no call is dropped half way.
    tasks: TaskTracker,
    busy: Arc<Busy>,
}

/// How many actions of each account are under way.
type Busy = Mutex<BTreeMap<AccountId, usize>>;

/// What may be taken up now.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    actions: usize,
    /// Accounts that have as much under way as one may have.
    full: Vec<AccountId>,
}

/// At most `calls_max` at a time, and of one account three quarters of them: the rest is for the others.
fn room(busy: &BTreeMap<AccountId, usize>, calls_max: usize) -> Room {
    let share = calls_max.saturating_sub((calls_max / 4).max(1)).max(1);
    let free = calls_max.saturating_sub(busy.values().sum());
    let (full, others): (Vec<_>, Vec<_>) = busy.iter().partition(|(_, count)| **count >= share);
    // Whose they will be is not known before they are claimed: the busiest of the others may get all.
    let busiest = others.iter().map(|(_, count)| **count).max().unwrap_or(0);
    Room { actions: free.min(share - busiest), full: full.into_iter().map(|(account, _)| *account).collect() }
}

impl Hands {
    pub fn new(shop: Arc<Shop>, tasks: TaskTracker) -> Self {
        Self { shop, tasks, busy: Arc::default() }
    }

    /// Takes up what is due and there is room for, and waits for none of it. Each that is over rings for the next.
    pub async fn take_up(&self) -> anyhow::Result<Stepped> {
        let room = room(&lock(&self.busy), self.shop.settings.calls_max);
        if room.actions == 0 {
            return Ok(Stepped::Idle { next_at: None });
        }
        let limit = i64::try_from(room.actions).unwrap_or(i64::MAX);
        let (now, lease) = (self.shop.clock.now(), self.shop.settings.lease);
        let mut conn = self.shop.pool.acquire().await?;
        let claimed = actions::claim(&mut conn, now, lease, limit, &room.full).await?;
        if claimed.is_empty() {
            return Ok(Stepped::Idle { next_at: actions::next_due(&mut conn, &room.full).await? });
        }
        drop(conn);
        crash::point("act.claimed");
        let count = claimed.len();
        for action in claimed {
            let hand = Hand::of(self, action.account_id);
            let shop = self.shop.clone();
            self.tasks.spawn(async move {
                carry_out(&shop, &action).await;
                drop(hand);
            });
        }
        Ok(Stepped::Did(count))
    }
}

/// One of an account's hands, until it is dropped: also when its action panics, which the lease brings back.
struct Hand {
    shop: Arc<Shop>,
    busy: Arc<Busy>,
    account_id: AccountId,
}

impl Hand {
    fn of(hands: &Hands, account_id: AccountId) -> Self {
        *lock(&hands.busy).entry(account_id).or_default() += 1;
        Self { shop: hands.shop.clone(), busy: hands.busy.clone(), account_id }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut busy = lock(&self.busy);
        if let Some(count) = busy.get_mut(&self.account_id) {
            *count -= 1;
        }
        busy.retain(|_, count| *count > 0);
        drop(busy);
        if std::thread::panicking() {
            tracing::error!(account.id = self.account_id, "carrying out an action panicked");
        }
        self.shop.bells.act.ring();
    }
}

fn lock(busy: &Busy) -> MutexGuard<'_, BTreeMap<AccountId, usize>> {
    busy.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_never_has_all_hands() {
        for (busy, calls_max, actions, full) in [
            (vec![], 8, 6, vec![]),
            (vec![(1, 6)], 8, 2, vec![1]),
            (vec![(1, 5)], 8, 1, vec![]),
            (vec![(1, 6), (2, 2)], 8, 0, vec![1]),
            (vec![(1, 3), (2, 2)], 8, 3, vec![]),
            (vec![], 1, 1, vec![]),
            (vec![(1, 1)], 1, 0, vec![1]),
            (vec![(1, 1)], 2, 1, vec![1]),
        ] {
            let busy: BTreeMap<AccountId, usize> = busy.into_iter().collect();
            assert_eq!(room(&busy, calls_max), Room { actions, full }, "{busy:?} of {calls_max}");
        }
    }

    #[test]
    fn whatever_is_claimed_fits() {
        for calls_max in 1..20 {
            let mut busy = BTreeMap::new();
            for account in [1, 1, 2, 1, 3, 2, 2, 1] {
                let Room { actions, full } = room(&busy, calls_max);
                if !full.contains(&account) && actions > 0 {
                    *busy.entry(account).or_default() += actions;
                }
                assert!(busy.values().sum::<usize>() <= calls_max, "{busy:?} of {calls_max}");
                let most = busy.values().max().copied().unwrap_or(0);
                assert!(calls_max == 1 || most < calls_max, "{busy:?} of {calls_max}");
            }
        }
    }
}
