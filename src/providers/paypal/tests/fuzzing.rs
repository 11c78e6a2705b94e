//! Bodies nobody wrote: no input makes the reading panic, and no webhook tells more than an id.

use proptest::prelude::*;

use super::{fixture, now};
use crate::dispute::Source;
use crate::providers::paypal::{event, money, wire};
use crate::providers::{Kept, Reading};

fn events_in(source: Source, body: &[u8]) -> Reading {
    event::events(&Kept { source, body, as_of: now() })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        for source in Source::ALL {
            events_in(*source, &body);
        }
    }

    #[test]
    fn no_edit_of_a_webhook_makes_it_more_than_a_hint(
        at in 0usize..2_000,
        with in proptest::collection::vec(any::<u8>(), 0..6),
        drop in 0usize..12,
    ) {
        let body = fixture!("resolved").as_bytes();
        let start = at.min(body.len());
        let end = (start + drop).min(body.len());
        let edited = [&body[..start], &with, &body[end..]].concat();
        let reading = events_in(Source::Webhook, &edited);
        prop_assert!(!matches!(reading, Reading::Events(_)), "{:?}", reading);
    }

    #[test]
    fn no_edit_of_an_open_record_settles_it(
        at in 0usize..3_000,
        with in proptest::collection::vec(any::<u8>(), 0..6),
        drop in 0usize..12,
    ) {
        let body = fixture!("record").as_bytes();
        let start = at.min(body.len());
        let end = (start + drop).min(body.len());
        let edited = [&body[..start], &with, &body[end..]].concat();
        if let Reading::Events(events) = events_in(Source::Poll, &edited) {
            prop_assert!(!events[0].snapshot().unwrap().status.is_terminal());
        }
    }

    #[test]
    fn cents_are_cents(cents in 0i64..1_000_000_000_000) {
        let value = format!("{}.{:02}", cents / 100, cents % 100);
        let read = money::read(&wire::Money { currency_code: "EUR".to_owned(), value });
        prop_assert_eq!(read.unwrap().minor, cents);
    }

    #[test]
    fn no_text_is_an_amount_by_accident(value in "\\PC{0,34}") {
        let read = money::read(&wire::Money { currency_code: "USD".to_owned(), value: value.clone() });
        let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        prop_assert!(read.is_err() || plain, "{:?}", value);
    }
}
