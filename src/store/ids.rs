//! Ids for rows, handed out in memory: a row that others refer to has its id before it is written, so whole
//! batches go in as one statement. Blocks of a thousand come from the sequence `ids`; the sequence's value is
//! the last id of its block. Knows nothing of what the ids are for. Gaps are normal: what a process had in
//! hand when it ended is never used.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::PgConnection;

/// How many ids a value of the sequence stands for: its increment, in the first migration.
const BLOCK: i64 = 1000;

/// The ids in hand. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ids(Arc<Mutex<Vec<RangeInclusive<i64>>>>);

impl Ids {
    pub fn new() -> Self {
        Self::default()
    }

    /// `n` ids nobody else has or will have, in no promised order. Asks the database only when fewer are in
    /// hand. An id stays taken when the transaction around it is rolled back.
    pub async fn take(&self, conn: &mut PgConnection, n: usize) -> sqlx::Result<Vec<i64>> {
        let mut taken = Vec::with_capacity(n);
        self.draw(&mut taken, n);
        while taken.len() < n {
            let missing = (n - taken.len()) as i64;
            let blocks = missing / BLOCK + i64::from(missing % BLOCK != 0);
            let fetched = next_blocks(conn, blocks).await;
            match fetched {
                Ok(ends) => self.put(ends.into_iter().map(|end| end - BLOCK + 1..=end)),
                Err(error) => {
                    self.put(taken.into_iter().map(|id| id..=id));
                    return Err(error);
                }
            }
            self.draw(&mut taken, n);
        }
        Ok(taken)
    }

    /// Moves ids from hand to `taken` until it holds `n` or none is left.
    fn draw(&self, taken: &mut Vec<i64>, n: usize) {
        let mut in_hand = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.len() < n {
            let Some(range) = in_hand.last_mut() else { return };
            taken.extend(range.take(n - taken.len()));
            if range.is_empty() {
                in_hand.pop();
            }
        }
    }

    fn put(&self, ranges: impl Iterator<Item = RangeInclusive<i64>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(ranges);
    }
}

async fn next_blocks(conn: &mut PgConnection, blocks: i64) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar("select nextval('ids') from generate_series(1, $1)").bind(blocks).fetch_all(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_hand_is_drawn_once_and_to_the_end() {
        let ids = Ids::new();
        ids.put([1..=3, 11..=12].into_iter());
        let other = ids.clone();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        ids.draw(&mut a, 3);
        other.draw(&mut b, 10);
        assert_eq!((a.len(), b.len()), (3, 2), "clones share what is in hand");
        let mut all = [a, b].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 11, 12]);
    }
}
