//! Bodies that share a checksum. PayPal signs the CRC32 of a body and nothing else of it, and an RSA signature takes
//! the better part of a millisecond: webhooks that are told apart and have one checksum are signed once, and the
//! server verifies each of them all the same.

use std::ops::Range;

/// 32 digits, each `0` or `1`, by which a body gets any checksum. As the polynomial of CRC32 is irreducible, what the
/// lowest bits of 32 bytes in a row do to the checksum are 32 independent things.
pub const DIGITS: usize = 32;

pub struct Balance {
    at: Range<usize>,
    pub checksum: u32,
    /// Which digits change bit n of the checksum alone.
    flips: [u32; DIGITS],
}

impl Balance {
    /// For bodies of one length. `body` is one of them, with zeros `at` where the digits go: its checksum will be
    /// that of all.
    pub fn new(body: &[u8], at: usize) -> Self {
        let checksum = crc32fast::hash(body);
        let mut rows: Vec<(u32, u32)> = (0..DIGITS)
            .map(|digit| {
                let mut other = body.to_vec();
                other[at + digit] ^= 1;
                (crc32fast::hash(&other) ^ checksum, 1 << digit)
            })
            .collect();
        for bit in 0..DIGITS {
            let pivot = (bit..DIGITS).find(|row| rows[*row].0 >> bit & 1 == 1).expect("they are independent");
            rows.swap(bit, pivot);
            let (effect, digits) = rows[bit];
            for (other, row) in rows.iter_mut().enumerate() {
                if other != bit && row.0 >> bit & 1 == 1 {
                    *row = (row.0 ^ effect, row.1 ^ digits);
                }
            }
        }
        let flips = std::array::from_fn(|bit| rows[bit].1);
        Self { at: at..at + DIGITS, checksum, flips }
    }

    /// Writes the digits into a body that has zeros there.
    pub fn settle(&self, body: &mut [u8]) {
        let off = crc32fast::hash(body) ^ self.checksum;
        let bits = (0..DIGITS).filter(|bit| off >> bit & 1 == 1);
        let digits = bits.fold(0, |digits, bit| digits ^ self.flips[bit]);
        for (n, byte) in body[self.at.clone()].iter_mut().enumerate() {
            *byte ^= (digits >> n & 1) as u8;
        }
    }
}
