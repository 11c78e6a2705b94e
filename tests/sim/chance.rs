//! Where seeds come from, and chance made of them. Equal seeds, equal months: nothing else here is random, and no
//! clock of the machine is ever read.

use std::ops::Range;
use std::process::Command;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub const VARIABLE: &str = "RESPONDBY_SIM_SEED";

/// Used where there is neither the variable nor a repository.
const FALLBACK: u64 = 20_270_301;

/// The seed of the first month: the variable, else the commit, so that every commit plays months of its own.
pub fn first_seed() -> u64 {
    let named = std::env::var(VARIABLE).ok();
    if let Some(text) = named.filter(|text| !text.is_empty()) {
        return text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is a whole number, not `{text}`"));
    }
    commit().unwrap_or(FALLBACK)
}

fn commit() -> Option<u64> {
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("git").args(["-C", root, "rev-parse", "HEAD"]).output().ok()?;
    let hash = String::from_utf8(output.stdout).ok()?;
    // Half of what fits, so that the months after the first have seeds as well.
    u64::from_str_radix(hash.get(..15)?, 16).ok()
}

pub struct Chance(StdRng);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// True so many times out of a thousand.
    pub fn per_mille(&mut self, times: u32) -> bool {
        self.0.random_range(0..1000) < times
    }

    pub fn number(&mut self, range: Range<i64>) -> i64 {
        self.0.random_range(range)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.random_range(0..from.len())]
    }

    pub fn micros(&mut self, from: TimeDelta, to: TimeDelta) -> TimeDelta {
        let micros = |d: TimeDelta| d.num_microseconds().expect("lengths of at most some months");
        TimeDelta::microseconds(self.0.random_range(micros(from)..=micros(to)))
    }

    /// Mostly near `from`, seldom near `to`: how waits are spread outside of textbooks.
    pub fn skewed(&mut self, from: TimeDelta, to: TimeDelta) -> TimeDelta {
        let part: f64 = self.0.random_range(0.0..1.0);
        let span = (to - from).num_milliseconds() as f64;
        from + TimeDelta::milliseconds((span * part * part * part) as i64)
    }
}
