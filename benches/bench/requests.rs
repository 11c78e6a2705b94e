//! One provider's webhooks as whole requests, each signed as that provider signs them: a template with its number and
//! its signature written in.

use std::ops::Range;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use respondby::providers::ProviderName;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512};

use crate::bodies::Bodies;
use crate::checksum::Balance;
use crate::senders::{self, HOST, TRANSMISSION, UNBALANCED, UNSIGNED};

/// The key of the stand-in for PayPal, which proves nothing to anybody, and its certificate.
const KEY: &[u8] = include_bytes!("../../src/sandbox/paypal/standin.der");
pub const CERTIFICATE: &[u8] = include_bytes!("../../src/sandbox/paypal/standin.pem");

/// Whose webhooks are sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sender {
    pub provider: ProviderName,
    /// Where PayPal's certificate lies: an address without a slash at its end.
    pub certificates: String,
}

impl Sender {
    pub fn stripe() -> Self {
        Self { provider: ProviderName::Stripe, certificates: String::new() }
    }
}

/// What a provider signs.
enum Signed {
    /// This, and the body after it.
    Body { before: String },
    /// Some fields of the body.
    Fields(Bodies),
    /// The body's checksum, which is the same for all: it is done.
    Once(Balance),
}

pub struct Requests {
    provider: ProviderName,
    secret: String,
    whole: Bodies,
    body_at: usize,
    /// Where each request's own goes.
    signature: Range<usize>,
    signed: Signed,
}

impl Requests {
    pub fn new(sender: &Sender, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let provider = sender.provider;
        let secret = senders::secret(provider);
        let path = senders::path(provider);
        let body = senders::body(provider, now);
        let headers = senders::headers(provider, now, &sender.certificates);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {HOST}\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        let unsigned = UNSIGNED.repeat(senders::width(provider));
        let mut whole = format!("{head}{body}");
        let at = whole.find(&unsigned).context("a webhook has a place for its signature")?;
        let mut signature = at..at + unsigned.len();
        let before = |text: String| Signed::Body { before: text };
        let signed = match provider {
            ProviderName::Stripe => before(format!("{}.", now.timestamp())),
            ProviderName::Square => before(format!("http://{HOST}{path}")),
            ProviderName::Razorpay | ProviderName::Checkout | ProviderName::Hyperswitch => {
                before(String::new())
            }
            ProviderName::Adyen | ProviderName::Prism => Signed::Fields(Bodies::of(senders::adyen_signs())),
            ProviderName::Paypal => {
                let digits_at = body.find(UNBALANCED).context("a body has a place for its digits")?;
                let balance = Balance::new(body.as_bytes(), digits_at);
                let time = senders::rfc3339(now);
                let message = format!("{TRANSMISSION}|{time}|{secret}|{}", balance.checksum);
                whole.replace_range(signature.clone(), &rsa(&message)?);
                signature = at..at;
                Signed::Once(balance)
            }
        };
        Ok(Self { provider, secret, whole: Bodies::of(whole), body_at: head.len(), signature, signed })
    }

    /// Bytes of a body.
    pub fn body_length(&self) -> usize {
        self.whole.length() - self.body_at
    }

    /// Bytes of a signature as [`Requests::sign`] writes it.
    pub fn width(&self) -> usize {
        self.signature.len()
    }

    /// Writes the signature of request `n` to the end of `out`.
    pub fn sign(&self, n: u64, out: &mut Vec<u8>) {
        let message = match &self.signed {
            Signed::Body { before } => [before.as_bytes(), &self.whole.body(n)[self.body_at..]].concat(),
            Signed::Fields(fields) => fields.body(n),
            Signed::Once(_) => return,
        };
        let signature = match self.provider {
            ProviderName::Hyperswitch => hex::encode(sha512(self.secret.as_bytes(), &message)),
            ProviderName::Square => STANDARD.encode(sha256(self.secret.as_bytes(), &message)),
            ProviderName::Adyen | ProviderName::Prism => {
                STANDARD.encode(sha256(&hex::decode(&self.secret).expect("a key of hex"), &message))
            }
            ProviderName::Stripe | ProviderName::Razorpay | ProviderName::Checkout | ProviderName::Paypal => {
                hex::encode(sha256(self.secret.as_bytes(), &message))
            }
        };
        out.extend_from_slice(signature.as_bytes());
    }

    /// Writes request `n` in place of what is in `out`.
    pub fn write(&self, n: u64, signature: &[u8], out: &mut Vec<u8>) {
        out.clear();
        self.whole.write(n, out);
        out[self.signature.clone()].copy_from_slice(signature);
        if let Signed::Once(balance) = &self.signed {
            balance.settle(&mut out[self.body_at..]);
        }
    }

    /// Body `n`, as it is sent.
    pub fn body(&self, n: u64) -> Vec<u8> {
        let (mut signature, mut request) = (Vec::new(), Vec::new());
        self.sign(n, &mut signature);
        self.write(n, &signature, &mut request);
        request.split_off(self.body_at)
    }
}

fn sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn sha512(key: &[u8], message: &[u8]) -> [u8; 64] {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// base64 of the signature of PayPal's stand-in.
fn rsa(message: &str) -> anyhow::Result<String> {
    let key = RsaKeyPair::from_pkcs8(KEY).map_err(|e| anyhow::anyhow!("the stand-in's key: {e}"))?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .map_err(|_| anyhow::anyhow!("the stand-in's key does not sign"))?;
    Ok(STANDARD.encode(signature))
}
