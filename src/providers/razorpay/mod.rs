//! Razorpay.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::*;
use crate::clock::Clock;
use crate::config::RazorpayConfig;

pub struct Razorpay {}

impl Razorpay {
    pub fn new(_config: &RazorpayConfig, _clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}

#[expect(unused_variables, reason = "shape only")]
impl Provider for Razorpay {
    fn name(&self) -> ProviderName {
        ProviderName::Razorpay
    }
    fn capabilities(&self) -> &'static Capabilities {
        unimplemented!()
    }
    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        unimplemented!()
    }
    fn events(&self, kept: &Kept<'_>) -> Reading {
        unimplemented!()
    }
    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record> {
        unimplemented!()
    }
    fn list_changed_since<'a>(
        &'a self,
        account: &'a Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Call<'a, Page> {
        unimplemented!()
    }
    fn accept<'a>(&'a self, account: &'a Account, dispute_ref: &'a str, key: &'a str) -> Call<'a, Record> {
        unimplemented!()
    }
    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        dispute_ref: &'a str,
        packet: &'a Packet,
        key: &'a str,
    ) -> Call<'a, Record> {
        unimplemented!()
    }
    fn submit<'a>(
        &'a self,
        account: &'a Account,
        dispute_ref: &'a str,
        packet: &'a Packet,
        key: &'a str,
    ) -> Call<'a, Record> {
        unimplemented!()
    }
    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        key: &'a str,
    ) -> Call<'a, Uploaded> {
        unimplemented!()
    }
    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        unimplemented!()
    }
}
