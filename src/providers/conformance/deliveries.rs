//! Verifying: the genuine is taken under every secret of the account, and nothing else is taken at all.
//! Knows a provider only by its description.

use chrono::TimeDelta;

use super::{Conformance, Webhook, every, now, offline};
use crate::providers::{Delivery, Provider, Refusal, Verified};

/// Every byte of the first webhook is tampered with, and so many steps apart those of the others.
const STRIDE: usize = 17;

fn verify(p: &dyn Provider, c: &Conformance, delivery: Delivery) -> Result<Verified, Refusal> {
    p.verify(delivery, &c.account(&[c.secrets[0], c.secrets[1]], None), now())
}

/// Runs `attack` on every webhook of every provider.
fn on_each(attack: impl Fn(&dyn Provider, &Conformance, &Webhook, &str)) {
    for c in every() {
        let p = offline(c.provider);
        for webhook in &c.webhooks {
            attack(p, &c, webhook, &format!("{} {}", c.provider, webhook.name));
        }
    }
}

#[test]
fn the_genuine_is_taken_under_each_secret_and_names_itself_alike() {
    on_each(|p, c, webhook, place| {
        let body = webhook.body.as_bytes();
        let newest = verify(p, c, c.delivery(body, c.secrets[0])).expect(place);
        let older = verify(p, c, c.delivery(body, c.secrets[1])).expect(place);
        assert_eq!(newest.dedupe_key(), older.dedupe_key(), "{place}");
        assert!((1..=200).contains(&newest.dedupe_key().len()), "{place}");
        assert_eq!(newest.delivery().body, c.signed(body, c.secrets[0]), "{place}");
        assert_eq!((newest.merchant_id, newest.account_id, newest.provider), (3, 31, c.provider));
    });
}

#[test]
fn different_events_have_different_names() {
    for c in every() {
        let p = offline(c.provider);
        let key = |w: &Webhook| {
            let verified = verify(p, &c, c.delivery(w.body.as_bytes(), c.secrets[0])).expect(w.name);
            verified.dedupe_key().to_owned()
        };
        let mut keys: Vec<String> = c.webhooks.iter().map(key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), c.webhooks.len(), "{}", c.provider);
    }
}

#[test]
fn no_byte_that_is_signed_can_be_changed_added_or_taken() {
    on_each(|p, c, webhook, place| {
        let genuine = c.delivery(webhook.body.as_bytes(), c.secrets[0]);
        let first = webhook.name == c.webhooks[0].name;
        let stride = if first { 1 } else { STRIDE };
        let with = |body: Vec<u8>| Delivery { body: body.into(), ..genuine.clone() };
        for n in (0..genuine.body.len()).step_by(stride) {
            let mut body = genuine.body.to_vec();
            body[n] ^= 1 << (n % 8);
            let may_pass = c.is_as_genuine(&genuine.body, &body);
            let result = verify(p, c, with(body));
            let refused = match &result {
                Err(Refusal::SignatureMismatch { .. }) => true,
                // What is signed is somewhere in it, and cannot be found any more.
                Err(Refusal::BodyMalformed { .. }) => c.within.is_some(),
                Ok(_) | Err(_) => false,
            };
            assert!(refused || (may_pass && result.is_ok()), "{place}, byte {n}: {result:?}");
        }
        let whole = &genuine.body[..];
        for body in [[whole, b"\n"].concat(), [b" ", whole].concat(), whole[1..].to_vec(), Vec::new()] {
            let may_pass = c.is_as_genuine(whole, &body);
            assert_eq!(verify(p, c, with(body)).is_ok(), may_pass, "{place}");
        }
    });
}

#[test]
fn no_character_of_a_signed_header_can_be_changed() {
    on_each(|p, c, webhook, place| {
        let genuine = c.delivery(webhook.body.as_bytes(), c.secrets[0]);
        for (h, (name, value)) in genuine.headers.iter().enumerate() {
            if c.optional_headers.contains(&name.as_str()) {
                continue;
            }
            for n in 0..value.len() {
                let mut bytes = value.clone().into_bytes();
                bytes[n] ^= 1;
                let mut tampered = genuine.clone();
                tampered.headers[h].1 = String::from_utf8(bytes).expect("ASCII stays ASCII");
                assert!(verify(p, c, tampered).is_err(), "{place}: {name}, character {n}");
            }
        }
    });
}

#[test]
fn a_header_that_is_missing_or_doubled_is_refused_unless_it_proves_nothing() {
    on_each(|p, c, webhook, place| {
        let genuine = c.delivery(webhook.body.as_bytes(), c.secrets[0]);
        for (n, (name, value)) in genuine.headers.iter().enumerate() {
            let optional = c.optional_headers.contains(&name.as_str());
            let mut dropped = genuine.clone();
            dropped.headers.remove(n);
            let mut doubled = genuine.clone();
            doubled.headers.push((name.clone(), value.clone()));
            let mut emptied = genuine.clone();
            emptied.headers[n].1.clear();
            for delivery in [dropped, doubled, emptied] {
                let again = verify(p, c, delivery.clone());
                assert_eq!(again.is_ok(), optional, "{place}: {name}: {again:?}");
                // What is taken without it still knows itself again.
                if let Ok(first) = again {
                    let second = verify(p, c, delivery).expect(place);
                    assert_eq!(first.dedupe_key(), second.dedupe_key(), "{place}: {name}");
                    assert!((1..=200).contains(&first.dedupe_key().len()), "{place}: {name}");
                }
            }
        }
    });
}

#[test]
fn secrets_of_others_and_no_secrets_open_nothing() {
    on_each(|p, c, webhook, place| {
        let body = webhook.body.as_bytes();
        let [newest, older, strange] = c.secrets;
        let strangers = verify(p, c, c.delivery(body, strange));
        assert!(
            matches!(strangers, Err(Refusal::SignatureMismatch { secrets: 2, .. })),
            "{place}: {strangers:?}"
        );
        let with = |secrets: &[&str], signed_with: &str| {
            p.verify(c.delivery(body, signed_with), &c.account(secrets, None), now())
        };
        assert!(with(&[older], newest).is_err(), "{place}: a secret that was taken away");
        assert_eq!(with(&[], newest).err(), Some(Refusal::NoSecret), "{place}");
        // Anybody can sign with nothing.
        assert_eq!(with(&[""], "").err(), Some(Refusal::NoSecret), "{place}");
        assert!(with(&["", newest], "").is_err(), "{place}");
        assert!(with(&["", newest], newest).is_ok(), "{place}");
    });
}

#[test]
fn a_signed_time_ages_and_an_unsigned_one_does_not_matter() {
    on_each(|p, c, webhook, place| {
        let account = c.account(&[c.secrets[0]], None);
        let after = |seconds: i64| {
            let delivery = c.delivery(webhook.body.as_bytes(), c.secrets[0]);
            p.verify(delivery, &account, now() + TimeDelta::seconds(seconds))
        };
        match c.age_max_s {
            Some(max) => {
                assert!(after(max).is_ok(), "{place}");
                for seconds in [max + 1, max * 100, 10_000_000_000] {
                    let late = after(seconds);
                    assert!(matches!(late, Err(Refusal::TooOld { .. })), "{place}, {seconds} s: {late:?}");
                }
            }
            None => {
                for seconds in [-10_000_000_000, -1, 1, 10_000_000_000] {
                    assert!(after(seconds).is_ok(), "{place}, {seconds} s");
                }
            }
        }
    });
}
