//! What is scarce and shared by all keys: room for the bodies of calls, whichever protocol they come by, and places
//! for those who wait. One key has a share of it, so that one that sends slowly, or waits for much, keeps nobody else
//! out. Room is taken for a whole body before it is read: bodies that took more as they came could each hold a part
//! and all wait for the rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Caller;
use super::caller::Key;

pub(super) struct Shares {
    together: Arc<Semaphore>,
    share: u32,
    /// Of the keys that hold some, or wait for some.
    shares: Mutex<HashMap<Key, Arc<Semaphore>>>,
}

/// So much of it is taken for as long as this is kept.
#[derive(Debug)]
pub struct Taken {
    _own: OwnedSemaphorePermit,
    _together: OwnedSemaphorePermit,
}

impl Shares {
    /// `shares` of that size: one for each key, while there are any.
    pub fn new(share: u32, shares: usize) -> Self {
        let together = Arc::new(Semaphore::new(share as usize * shares));
        Self { together, share, shares: Mutex::default() }
    }

    /// Waits for it until then. Whoever wants more than a share gets a whole one.
    pub async fn take(&self, caller: &Caller, n: u32, until: Instant) -> Option<Taken> {
        let n = n.min(self.share);
        let share = self.share_of(caller.key());
        // The key's own first: who waits for that stands in nobody's way.
        let taking = async {
            let own = share.acquire_many_owned(n).await.ok()?;
            let together = self.together.clone().acquire_many_owned(n).await.ok()?;
            Some(Taken { _own: own, _together: together })
        };
        timeout_at(until, taking).await.ok().flatten()
    }

    fn share_of(&self, key: Key) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let new = || Arc::new(Semaphore::new(self.share as usize));
        shares.entry(key).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What there is at once.
    async fn take(room: &Shares, key_id: i64, n: u32) -> Option<Taken> {
        room.take(&Caller::with_key_id(key_id), n, Instant::now()).await
    }

    #[tokio::test]
    async fn one_key_holds_a_body_s_room_and_all_keys_two() {
        let room = Shares::new(100, 2);
        let first = take(&room, 1, 60).await.unwrap();
        let second = take(&room, 1, 40).await.unwrap();
        assert!(take(&room, 1, 1).await.is_none(), "its share is taken");
        let other = take(&room, 2, 100).await.unwrap();
        assert!(take(&room, 3, 1).await.is_none(), "and now all of it");
        drop(first);
        assert!(take(&room, 2, 1).await.is_none());
        let third = take(&room, 3, 60).await.unwrap();
        drop((second, other, third));
        assert_eq!(room.together.available_permits(), 200);
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_given_back_and_who_gives_up_leaves_nothing_behind() {
        let room = Shares::new(100, 2);
        let held = take(&room, 1, 100).await.unwrap();
        let first = Caller::with_key_id(1);
        let waiting = room.take(&first, 100, Instant::now() + Duration::from_secs(60));
        let giving = async {
            assert!(take(&room, 1, 100).await.is_none());
            // Nobody else waits behind them.
            assert!(take(&room, 2, 100).await.is_some());
            drop(held);
        };
        let (taken, ()) = tokio::join!(waiting, giving);
        drop(taken.unwrap());
        // Larger than any: it takes a whole share, and waits for no more.
        drop(take(&room, 1, 1_000).await.unwrap());
        assert_eq!(room.together.available_permits(), 200);
        drop(take(&room, 9, 1).await);
        assert_eq!(room.shares.lock().unwrap().len(), 1, "keys that hold nothing are forgotten");
    }
}
