//! Made-up ids in the providers' shapes. The n-th id of a kind depends on the seed and n alone, so a run
//! can be repeated whatever order concurrent requests arrive in.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[derive(Debug)]
pub(super) struct Ids {
    seed: u64,
    counts: HashMap<&'static str, u64>,
}

impl Ids {
    pub fn new(seed: u64) -> Self {
        Self { seed, counts: HashMap::new() }
    }

    /// `prefix` followed by `letters` (at most 32) letters and digits.
    pub fn next(&mut self, prefix: &'static str, letters: usize) -> String {
        let count = self.counts.entry(prefix).or_insert(0);
        *count += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(count.to_be_bytes());
        hash.update(prefix.as_bytes());
        let digest = hash.finalize();
        let tail = digest.iter().take(letters).map(|b| LETTERS[usize::from(*b) % LETTERS.len()] as char);
        prefix.chars().chain(tail).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_repeat_with_the_seed_and_never_within_a_run() {
        let mut one = Ids::new(7);
        let mut two = Ids::new(7);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let id = one.next("dp_", 24);
            assert_eq!(id, two.next("dp_", 24));
            assert_eq!(id.len(), 27);
            assert!(seen.insert(id));
        }
        assert_ne!(Ids::new(8).next("dp_", 24), Ids::new(7).next("dp_", 24));
    }

    #[test]
    fn kinds_do_not_disturb_each_other() {
        let mut alone = Ids::new(1);
        let mut mixed = Ids::new(1);
        mixed.next("req_", 14);
        assert_eq!(alone.next("disp_", 14), mixed.next("disp_", 14));
    }
}
