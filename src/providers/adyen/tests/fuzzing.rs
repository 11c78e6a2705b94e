//! Bodies nobody wrote: no input makes the reading panic, and none that is broken settles a dispute.

use bytes::Bytes;
use proptest::prelude::*;

use super::{KEY, account, adyen, fixture, now};
use crate::dispute::{RespondBy, Source};
use crate::providers::{Delivery, Kept, Provider, Reading};

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        for source in Source::ALL {
            events_in(*source, &body);
        }
        let delivery = Delivery { headers: Vec::new(), body: Bytes::from(body), url: None };
        prop_assert!(adyen().verify(delivery, &account(&[KEY], None), now()).is_err());
    }

    #[test]
    fn no_edit_of_a_real_body_makes_it_panic_or_settles_it(
        at in 0usize..1_200,
        with in proptest::collection::vec(any::<u8>(), 0..6),
        drop in 0usize..12,
    ) {
        let body = fixture!("notification_of_chargeback").as_bytes();
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
        days in -20_000i64..90_000,
    ) {
        let deadline = now() + chrono::TimeDelta::days(days);
        let text = deadline.format("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        let body = fixture!("notification_of_chargeback")
            .replace(r#""value":4900"#, &format!(r#""value":{amount}"#))
            .replace("2026-03-20T09:15:30+01:00", &text);
        let sound = (0..=1_000_000_000_000_000).contains(&amount)
            && (946_684_800..7_258_118_400).contains(&deadline.timestamp());
        let reading = events_in(Source::Webhook, body.as_bytes());
        prop_assert_eq!(matches!(reading, Reading::Events(_)), sound);
        if let Reading::Events(events) = reading {
            let snapshot = events[0].snapshot().unwrap();
            prop_assert_eq!(snapshot.amount.minor, amount);
            match snapshot.respond_by {
                RespondBy::At(at) => prop_assert_eq!(at, deadline),
                RespondBy::Unstated => prop_assert!(days > 100, "{days}"),
                RespondBy::NotAllowed => prop_assert!(false, "{days}"),
            }
        }
    }
}

fn events_in(source: Source, body: &[u8]) -> Reading {
    adyen().events(&Kept { source, body, as_of: now() })
}
