//! Reading: every fixture means what it says, and nothing cut, changed or unknown is taken for a verdict.
//! Knows a provider only by its description.

use super::{Meaning, Webhook, every, now, offline};
use crate::dispute::{News, Source, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(p: &dyn Provider, source: Source, body: &[u8]) -> Reading {
    p.events(&Kept { source, body, as_of: now() })
}

/// `None` when the events are none, or several that disagree.
fn meaning(reading: &Reading) -> Option<Meaning> {
    match reading {
        Reading::Events(events) => {
            let mut meanings = events.iter().map(|event| match &event.news {
                News::Record { snapshot } | News::Funds { snapshot, .. } => Meaning::Dispute(snapshot.status),
                News::Notice { .. } => Meaning::Notice,
            });
            let first = meanings.next()?;
            meanings.all(|other| other == first).then_some(first)
        }
        Reading::FetchFirst { .. } => Some(Meaning::FetchFirst),
        Reading::NotOurs { .. } => Some(Meaning::NotOurs),
        Reading::Unrecognised { .. } => Some(Meaning::Unrecognised),
        // The answer to a call, and several meanings: none that a webhook of the suite has.
        Reading::Acknowledged { .. } | Reading::Partly { .. } => None,
    }
}

fn status(reading: &Reading) -> Option<Status> {
    match meaning(reading) {
        Some(Meaning::Dispute(status)) => Some(status),
        Some(Meaning::Notice | Meaning::FetchFirst | Meaning::NotOurs | Meaning::Unrecognised) | None => None,
    }
}

fn on_each(attack: impl Fn(&dyn Provider, Source, &Webhook, &str)) {
    for c in every() {
        let p = offline(c.provider);
        for (source, body) in c.bodies() {
            attack(p, source, body, &format!("{} {}", c.provider, body.name));
        }
    }
}

#[test]
fn every_webhook_means_what_it_says() {
    on_each(|p, source, webhook, place| {
        let reading = read(p, source, webhook.body.as_bytes());
        assert_eq!(meaning(&reading), Some(webhook.meaning), "{place}: {reading:?}");
        if let Reading::Unrecognised { what } | Reading::NotOurs { what } = &reading {
            assert!(!what.is_empty(), "{place}: says nothing");
        }
    });
}

#[test]
fn reading_twice_is_reading_once() {
    on_each(|p, source, webhook, place| {
        let body = webhook.body.as_bytes();
        assert_eq!(read(p, source, body), read(p, source, body), "{place}");
    });
}

#[test]
fn a_body_cut_anywhere_is_never_read_as_another() {
    on_each(|p, source, webhook, place| {
        let body = webhook.body.as_bytes();
        let whole = read(p, source, body);
        for length in 0..body.len() {
            let as_record = (length % 8 == 0).then_some(Source::Poll);
            for source in std::iter::once(source).chain(as_record) {
                let cut = read(p, source, &body[..length]);
                let harmless = matches!(cut, Reading::Unrecognised { .. }) || cut == whole;
                assert!(harmless, "{place}, {length} bytes as {source}: {cut:?}");
            }
        }
    });
}

#[test]
fn a_byte_changed_in_storage_never_changes_the_status() {
    on_each(|p, source, webhook, place| {
        let body = webhook.body.as_bytes();
        let whole = status(&read(p, source, body));
        for n in 0..body.len() {
            let mut changed = body.to_vec();
            changed[n] ^= 1 << (n % 8);
            let reading = read(p, source, &changed);
            let told = status(&reading);
            assert!(told.is_none() || told == whole, "{place}, byte {n}: {reading:?}");
        }
    });
}

#[test]
fn an_unknown_status_is_never_a_verdict() {
    on_each(|p, source, webhook, place| {
        let Some((at, word)) = webhook.status_at else { return };
        let other_case = if word.to_uppercase() == word { word.to_lowercase() } else { word.to_uppercase() };
        for unknown in ["limbo", "", " ", "null", "\\u0000", &other_case, &format!("{word} ")] {
            let body = webhook.body.replace(at, &at.replace(word, unknown));
            let reading = read(p, source, body.as_bytes());
            assert!(matches!(reading, Reading::Unrecognised { .. }), "{place}, `{unknown}`: {reading:?}");
        }
        for other in ["null", "7", "[]", "{}"] {
            let quoted = format!("\"{word}\"");
            assert!(at.contains(&quoted), "{place}: the status is a JSON string");
            let body = webhook.body.replace(at, &at.replace(&quoted, other));
            let reading = read(p, source, body.as_bytes());
            assert!(matches!(reading, Reading::Unrecognised { .. }), "{place}, {other}: {reading:?}");
        }
    });
}

#[test]
fn what_is_no_webhook_is_unrecognised_from_every_source() {
    let deep = "[".repeat(200_000);
    let deep_objects = "{\"a\":".repeat(200_000);
    let bodies: [&[u8]; 12] = [
        b"",
        b" ",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"\"charge\"",
        b"<!doctype html><p>busy",
        b"\xff\xfe\x00",
        b"\0\0",
        deep.as_bytes(),
        deep_objects.as_bytes(),
    ];
    for c in every() {
        let p = offline(c.provider);
        for body in bodies {
            for source in Source::ALL {
                let reading = read(p, *source, body);
                let start = String::from_utf8_lossy(&body[..body.len().min(20)]);
                assert!(
                    matches!(reading, Reading::Unrecognised { .. }),
                    "{} {source} {start:?}: {reading:?}",
                    c.provider
                );
            }
        }
    }
}

#[test]
fn a_webhook_is_no_record_and_a_record_no_webhook() {
    for c in every() {
        let p = offline(c.provider);
        let as_webhook = read(p, Source::Webhook, c.api.fetched.as_bytes());
        assert_eq!(status(&as_webhook), None, "{}: {as_webhook:?}", c.provider);
        for webhook in
            c.webhooks.iter().filter(|w| matches!(w.meaning, Meaning::Dispute(_) | Meaning::FetchFirst))
        {
            let as_record = read(p, Source::ReadBack, webhook.body.as_bytes());
            assert_eq!(status(&as_record), None, "{} {}: {as_record:?}", c.provider, webhook.name);
        }
    }
}
