//! The packet: exactly what is put with or sent to a provider, frozen when it is submitted.
//! Knows no provider's limits and no file's content, only ids of files: the provider's, or where files travel in
//! the call, ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Field;
use crate::dispute::Money;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<Field, String>,
    /// Ids of files uploaded to the same account, as its provider gave them; where files travel in the call, the
    /// names of files of ours ([`super::FileRef`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<Field, Vec<String>>,
    /// Our reason for the defence (`goods_services_received`), for providers that ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defence_reason: Option<String>,
    /// The part of the amount that is contested; the whole amount when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The merchant has agreed to the network's fee (Visa or Mastercard compliance).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fee_acknowledged: bool,
}

/// Which fields there is evidence for.
pub type EvidenceSet = BTreeSet<Field>;

impl Packet {
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.files.is_empty()
    }

    pub fn fields(&self) -> EvidenceSet {
        self.text.keys().chain(self.files.keys()).copied().collect()
    }

    pub fn document_count(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    /// SHA-256 over the canonical JSON: equal packets, equal digests.
    pub fn digest(&self) -> [u8; 32] {
        let json = serde_json::to_vec(self).expect("a packet is text, lists and numbers");
        Sha256::digest(json).into()
    }
}
