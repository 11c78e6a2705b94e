//! Who sent this: every item of a webhook carries the base64 HMAC-SHA256 of eight of its fields, keyed with the
//! endpoint's key (hex in the Customer Area); the endpoint may ask for a user and a password beside it. The
//! deadline, the status, the date and whether it is live are not signed. An item that may not be believed, for
//! its signature, its merchant account, its environment or a date ahead of the clock, is set aside: kept with
//! the reason, out of the way of the others, and never read. Source: docs.adyen.com, "Verify HMAC signatures".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::wire::{self, Envelope, Item, SetAside, Sorted, Wrapper};
use crate::providers::shared::plausible::clean;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const SIGNATURE: &str = "additionalData.hmacSignature";
const AUTHORIZATION: &str = "authorization";
/// Where Adyen's other products put their signature, lower case.
const PLATFORM_SIGNATURE: &str = "hmacsignature";
/// How far the date of an event may be ahead of our clock. It orders all news of a dispute and is not signed:
/// one far ahead would make everything after it look old.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(1);
/// So many of the items that are set aside are told of by name.
const TOLD_MAX: usize = 8;

pub fn verify(delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
    let mut keys = Keys::of(account)?;
    // Judged last and told first: what is refused for it takes as long as what is refused for its signature.
    let password = check_password(&delivery, account);
    let malformed = |why: String| Refusal::BodyMalformed { why };
    let envelope: Envelope<'_> = json::read(&delivery.body, "the body").map_err(malformed)?;
    let items = envelope.items.as_deref().unwrap_or_default();
    if items.is_empty() {
        return Err(malformed("`notificationItems` holds no item, so that nothing is signed".to_owned()));
    }
    let judged: Vec<Judged> = items.iter().map(|raw| judge(raw, &mut keys)).collect();
    password?;
    if judged.iter().all(|item| item.signed.is_err()) {
        return Err(refusal(&delivery, &judged, &keys));
    }
    let home = Home::of(account, envelope.live.as_deref());
    let doubts: Vec<Option<String>> = judged.iter().map(|item| item.doubt(&home, now)).collect();
    let key = dedupe_key(items, &judged, &doubts);
    // No time is signed.
    if doubts.iter().all(Option::is_none) {
        return Ok(Verified::new(account, key, None, delivery));
    }
    let body = sorted(&envelope, items, &doubts);
    let told = told(&doubts);
    let delivery = Delivery { body, ..delivery };
    Ok(Verified::new(account, key, None, delivery).with_set_aside(told))
}

/// The account's keys, newest first, ready to sign with.
struct Keys {
    macs: Vec<Hmac<Sha256>>,
    /// The one that fitted last: all items of a webhook are signed with one.
    fitted: usize,
    all_hex: bool,
}

impl Keys {
    /// White space around a key is no part of it, and an empty one is a key that everybody knows.
    fn of(account: &Account) -> Result<Self, Refusal> {
        let secrets = account.webhook_secrets.iter().map(|s| s.expose_secret().trim());
        let secrets: Vec<&str> = secrets.filter(|s| !s.is_empty()).collect();
        if secrets.is_empty() {
            return Err(Refusal::NoSecret);
        }
        let all_hex = secrets.iter().all(|s| hex::decode(s).is_ok());
        // One that is not hex is no key of Adyen's. It costs the same, so that nobody learns of it by the time.
        let bytes = |s: &&str| hex::decode(s).unwrap_or_else(|_| s.as_bytes().to_vec());
        let mac =
            |s: &&str| Hmac::<Sha256>::new_from_slice(&bytes(s)).expect("HMAC takes a key of any length");
        Ok(Self { macs: secrets.iter().map(mac).collect(), fitted: 0, all_hex })
    }

    fn fit(&mut self, signed: &str, signature: &[u8; 32]) -> bool {
        let mut order: Vec<usize> = (0..self.macs.len()).collect();
        order.swap(0, self.fitted);
        let fits = |n: &usize| self.macs[*n].clone().chain_update(signed).verify_slice(signature).is_ok();
        match order.into_iter().find(fits) {
            Some(n) => {
                self.fitted = n;
                true
            }
            None => false,
        }
    }
}

/// One item, and what its signature says of it.
struct Judged {
    item: Item,
    signed: Result<(), Unsigned>,
}

enum Unsigned {
    /// It cannot be read, or carries no signature.
    Unfit(String),
    Mismatch,
}

fn judge(raw: &RawValue, keys: &mut Keys) -> Judged {
    let item = match json::read::<Wrapper>(raw.get().as_bytes(), "it") {
        Ok(wrapper) => wrapper.item,
        Err(why) => return Judged { item: Item::default(), signed: Err(Unsigned::Unfit(why)) },
    };
    let signed = check_signature(&item, keys);
    Judged { item, signed }
}

fn check_signature(item: &Item, keys: &mut Keys) -> Result<(), Unsigned> {
    let Some(text) = item.additional(|a| &a.hmac_signature) else {
        return Err(Unsigned::Unfit(format!("it has no `{SIGNATURE}`: switch on the HMAC of this webhook")));
    };
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let Some(signature) = decoded else {
        return Err(Unsigned::Unfit(format!("its `{SIGNATURE}` is not the base64 of 32 bytes")));
    };
    match keys.fit(&item.signed().join(":"), &signature) {
        true => Ok(()),
        false => Err(Unsigned::Mismatch),
    }
}

/// What the account says that its items look like. Empty text: it does not say.
struct Home<'a> {
    merchant_account: &'a str,
    environment: &'a str,
    live: Option<&'a str>,
}

impl<'a> Home<'a> {
    fn of(account: &'a Account, live: Option<&'a str>) -> Self {
        let merchant_account = account.credentials.get("merchant_account");
        let environment = super::environment(account);
        Self { merchant_account, environment, live }
    }

    /// Only the live environment moves money, so that nothing of the test environment may be taken for it.
    fn expects(&self) -> Option<&'static str> {
        match (self.merchant_account, self.environment) {
            ("", _) => None,
            (_, "test") => Some("false"),
            (_, _) => Some("true"),
        }
    }
}

impl Judged {
    fn dated(&self) -> Option<DateTime<Utc>> {
        self.item.event_date.as_deref().and_then(wire::instant)
    }

    /// Why this item is not to be believed here, although the webhook as a whole is somebody's who may write to us.
    fn doubt(&self, home: &Home<'_>, now: DateTime<Utc>) -> Option<String> {
        match &self.signed {
            Err(Unsigned::Unfit(why)) => return Some(why.clone()),
            Err(Unsigned::Mismatch) => return Some("its signature does not match".to_owned()),
            Ok(()) => {}
        }
        let code = self.item.merchant_account_code.as_deref().unwrap_or_default();
        if !home.merchant_account.is_empty() && code != home.merchant_account {
            let code = clean(code);
            return Some(format!(
                "it is of the merchant account `{code}`, not of `{}`",
                home.merchant_account
            ));
        }
        if let (Some(expected), Some(live)) = (home.expects(), home.live)
            && live != expected
        {
            let (live, environment) = (clean(live), home.environment);
            return Some(format!("`live` is `{live}`, and this account is of the {environment} environment"));
        }
        let ahead = self.dated().filter(|at| *at > now + AHEAD_MAX);
        ahead.map(|at| format!("`eventDate` is {at}, which is ahead of the clock"))
    }
}

/// The user and the password that the endpoint asks for, where the account has them.
fn check_password(delivery: &Delivery, account: &Account) -> Result<(), Refusal> {
    let (user, password) =
        (account.credentials.get("webhook_user"), account.credentials.get("webhook_password"));
    if user.is_empty() && password.is_empty() {
        return Ok(());
    }
    let given = delivery.single_header(AUTHORIZATION)?;
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    // Digests, so that the lengths tell nothing either.
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    match bool::from(digest(given).ct_eq(&digest(&expected))) {
        true => Ok(()),
        false => Err(Refusal::PasswordMismatch { header: AUTHORIZATION }),
    }
}

/// Nothing in it is signed by a key of this account.
fn refusal(delivery: &Delivery, judged: &[Judged], keys: &Keys) -> Refusal {
    let unfit = judged.iter().enumerate().find_map(|(n, item)| match &item.signed {
        Err(Unsigned::Unfit(why)) => Some((n + 1, why)),
        Err(Unsigned::Mismatch) | Ok(()) => None,
    });
    let mismatched = judged.iter().any(|item| matches!(item.signed, Err(Unsigned::Mismatch)));
    match unfit.filter(|_| !mismatched) {
        Some((n, why)) => Refusal::BodyMalformed { why: format!("item {n}: {why}") },
        None => {
            let hint = hint(delivery, keys).to_owned();
            Refusal::SignatureMismatch { header: SIGNATURE, secrets: keys.macs.len(), hint }
        }
    }
}

fn hint(delivery: &Delivery, keys: &Keys) -> &'static str {
    if !keys.all_hex {
        return "a configured secret is not hex digits: copy the webhook's HMAC key from the Customer Area, whole";
    }
    if delivery.header(PLATFORM_SIGNATURE).next().is_some() {
        return "it is signed as a whole in the header `HmacSignature`, which Adyen's platform webhooks are: this \
                address takes the standard webhook";
    }
    "the key is probably not the one of this webhook (each webhook of each environment has its own, and a new one \
     takes effect after a while), or one of the eight signed fields was changed on its way"
}

/// Six parts of each item that is believed, the whole of each that is not: what is sent again is known again, and
/// what could not be believed once can be later. `CHARGEBACK:QX…:` or `12-items:`, and 32 hex digits.
fn dedupe_key(items: &[&RawValue], judged: &[Judged], doubts: &[Option<String>]) -> String {
    let mut digest = Sha256::new();
    let mut part = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    };
    for ((raw, judged), doubt) in items.iter().zip(judged).zip(doubts) {
        if doubt.is_some() {
            part("?");
            part(raw.get());
            continue;
        }
        let item = &judged.item;
        let status = item.additional_data.as_ref().and_then(|a| a.dispute_status.as_deref());
        let event_date = item.event_date.as_deref();
        for field in
            [&item.merchant_account_code, &item.psp_reference, &item.event_code].map(|f| f.as_deref())
        {
            part(field.unwrap_or_default());
        }
        for field in [event_date, item.success.as_deref(), status] {
            part(field.unwrap_or_default());
        }
    }
    let digest = hex::encode(&digest.finalize()[..16]);
    let plain = |text: &Option<String>| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        text.clone().filter(|t| !t.is_empty() && t.len() <= 64 && t.bytes().all(plain))
    };
    let only = judged.first().filter(|_| judged.len() == 1);
    match only.and_then(|only| plain(&only.item.event_code).zip(plain(&only.item.psp_reference))) {
        Some((code, reference)) => format!("{code}:{reference}:{digest}"),
        None => format!("{}-items:{digest}", judged.len()),
    }
}

/// The body as it is kept: what is believed where Adyen puts it, the rest beside it with the reason.
fn sorted(envelope: &Envelope<'_>, items: &[&RawValue], doubts: &[Option<String>]) -> Bytes {
    let mut sorted = Sorted { live: envelope.live.as_deref(), items: Vec::new(), set_aside: Vec::new() };
    for (n, (item, doubt)) in items.iter().zip(doubts).enumerate() {
        match doubt {
            Some(why) => {
                sorted.set_aside.push(SetAside { why: format!("item {}: {why}", n + 1), item });
            }
            None => sorted.items.push(item),
        }
    }
    Bytes::from(serde_json::to_vec(&sorted).expect("texts and JSON that was read"))
}

fn told(doubts: &[Option<String>]) -> Vec<String> {
    let all = doubts.iter().enumerate().filter_map(|(n, doubt)| Some((n + 1, doubt.as_ref()?)));
    let count = all.clone().count();
    let mut told: Vec<String> =
        all.take(TOLD_MAX).map(|(n, why)| format!("item {n} of {}: {why}", doubts.len())).collect();
    if count > TOLD_MAX {
        told.push(format!("and {} more", count - TOLD_MAX));
    }
    told
}
