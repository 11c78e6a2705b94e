//! Bodies nobody wrote: no input makes the reading panic, and none that is broken settles a dispute.

use proptest::prelude::*;

use super::{fixture, now};
use crate::dispute::{RespondBy, Source};
use crate::providers::checkout::event;
use crate::providers::{Kept, Reading};

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        for source in Source::ALL {
            events_in(*source, &body);
        }
    }

    #[test]
    fn no_edit_of_a_real_body_makes_it_panic_or_settles_it(
        at in 0usize..1_200,
        with in proptest::collection::vec(any::<u8>(), 0..6),
        drop in 0usize..12,
    ) {
        let body = fixture!("evidence_required").as_bytes();
        let start = at.min(body.len());
        let end = (start + drop).min(body.len());
        let edited = [&body[..start], &with, &body[end..]].concat();
        if let Reading::Events(events) = events_in(Source::Webhook, &edited) {
            for event in events {
                prop_assert!(!event.snapshot().unwrap().status.is_terminal());
            }
        }
    }

    #[test]
    fn amounts_and_instants_are_kept_exactly_or_not_at_all(
        amount in -10i64..2_000_000_000_000_000,
        respond_by_s in 0i64..9_000_000_000,
    ) {
        let told = chrono::DateTime::from_timestamp(respond_by_s, 0).unwrap().to_rfc3339();
        let body = fixture!("record")
            .replacen("\"amount\": 18450", &format!("\"amount\": {amount}"), 1)
            .replace("2026-03-16T18:00:00Z", &told);
        let sound = (0..=1_000_000_000_000_000).contains(&amount)
            && (946_684_800..7_258_118_400).contains(&respond_by_s);
        let reading = events_in(Source::Poll, body.as_bytes());
        prop_assert_eq!(matches!(reading, Reading::Events(_)), sound);
        if let Reading::Events(events) = reading {
            let snapshot = events[0].snapshot().unwrap();
            prop_assert_eq!(snapshot.amount.minor, amount);
            let RespondBy::At(instant) = snapshot.respond_by else { panic!("{snapshot:?}") };
            prop_assert_eq!(instant.timestamp(), respond_by_s);
        }
    }
}

fn events_in(source: Source, body: &[u8]) -> Reading {
    event::events(&Kept { source, body, as_of: now() })
}
