//! The simulated clock: instants in a heap. Time is the instant of what happens next, and passes in no other way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};

pub struct Queue<T> {
    heap: BinaryHeap<Reverse<(DateTime<Utc>, u64)>>,
    waiting: std::collections::HashMap<u64, T>,
    count: u64,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), waiting: std::collections::HashMap::new(), count: 0 }
    }

    pub fn push(&mut self, at: DateTime<Utc>, what: T) {
        self.count += 1;
        self.heap.push(Reverse((at, self.count)));
        self.waiting.insert(self.count, what);
    }

    /// The next thing that happens, if it happens by `until`. Of one instant, the first that was put in.
    pub fn pop(&mut self, until: DateTime<Utc>) -> Option<(DateTime<Utc>, T)> {
        let Reverse((at, n)) = *self.heap.peek()?;
        if at > until {
            return None;
        }
        self.heap.pop();
        self.waiting.remove(&n).map(|what| (at, what))
    }
}
