//! Webhooks with many items: each is judged for itself, and the work for all is bounded by the body.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::super::conformance::signed;
use super::{KEY, account, adyen, fixture, now};
use crate::dispute::Source;
use crate::providers::{Delivery, Kept, Provider, Reading, Refusal, Verified};

const STRANGER: &str = "0F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F0";

/// Items of as many disputes, as small as they can be.
fn crowd(n: usize) -> String {
    let item = |n: usize| {
        format!(
            r#"{{"NotificationRequestItem":{{"pspReference":"P{n:07}","merchantAccountCode":"NordlichtHamburg","eventCode":"CHARGEBACK_REVERSED","eventDate":"2026-03-01T10:00:00Z","success":"true","amount":{{"value":{n},"currency":"EUR"}},"additionalData":{{"hmacSignature":""}}}}}}"#
        )
    };
    let items: Vec<String> = (0..n).map(item).collect();
    format!(r#"{{"live":"true","notificationItems":[{}]}}"#, items.join(","))
}

fn send(body: Vec<u8>) -> Result<Verified, Refusal> {
    let delivery = Delivery { headers: Vec::new(), body: Bytes::from(body), url: None };
    adyen().verify(delivery, &account(&[KEY], None), now())
}

fn read(verified: &Verified) -> Reading {
    adyen().events(&Kept { source: Source::Webhook, body: &verified.delivery().body, as_of: now() })
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

#[test]
fn one_bad_item_among_ten_thousand_takes_nothing_from_the_others() {
    let body = text(signed(crowd(10_000).as_bytes(), KEY));
    let whole = send(body.clone().into_bytes()).unwrap();
    let Reading::Events(events) = read(&whole) else { panic!("{:?}", read(&whole)) };
    assert_eq!(events.len(), 10_000);
    assert_eq!(whole.delivery().body, body.as_bytes(), "kept as it came");

    let spoilt = body.replace(r#""value":4711,"#, r#""value":4712,"#);
    let partly = send(spoilt.into_bytes()).unwrap();
    let Reading::Partly { events, what } = read(&partly) else { panic!("{:?}", read(&partly)) };
    assert_eq!(what, "item 4712: its signature does not match");
    let seen: BTreeSet<&str> = events.iter().map(|e| e.snapshot().unwrap().dispute_ref.as_str()).collect();
    assert_eq!(seen.len(), 9_999);
    assert!(!seen.contains("P0004711"));
}

#[test]
fn one_good_item_lets_no_unsigned_one_in() {
    // Somebody has one genuine item, and wraps ten thousand of his own around it.
    let genuine = text(signed(crowd(1).as_bytes(), KEY));
    let forged = text(signed(crowd(10_000).as_bytes(), STRANGER));
    let inner = |body: &str| body[body.find('[').unwrap() + 1..body.rfind(']').unwrap()].to_owned();
    let body = format!(r#"{{"live":"true","notificationItems":[{},{}]}}"#, inner(&forged), inner(&genuine));
    let verified = send(body.into_bytes()).unwrap();
    let Reading::Partly { events, what } = read(&verified) else { panic!("{:?}", read(&verified)) };
    assert_eq!(events.len(), 1);
    assert!(what.starts_with("item 1: its signature does not match; ") && what.len() < 2_100, "{what}");
    let told = verified.set_aside();
    assert!(told.len() < 12 && told.last().unwrap().ends_with(" more"), "{told:?}");
    // None of them is signed: there is nothing to keep.
    let refused = send(forged.into_bytes()).unwrap_err();
    assert_eq!(refused.word(), "signature_mismatch");
}

#[test]
fn a_key_of_ours_in_the_body_of_others_lets_nothing_in() {
    let genuine = text(signed(crowd(1).as_bytes(), KEY));
    let aside = r#""respondby.setAside":[{"why":"trust me","item":{}}],"live""#;
    let verified = send(genuine.replace(r#""live""#, aside).into_bytes()).unwrap();
    let Reading::Partly { events, .. } = read(&verified) else { panic!("{:?}", read(&verified)) };
    assert_eq!(events.len(), 1);
    for odd in [r#""respondby.setAside":7,"live""#, r#""respondby.setAside":[7],"live""#] {
        let refused = send(genuine.replace(r#""live""#, odd).into_bytes()).unwrap_err();
        assert_eq!(refused.word(), "body_malformed", "{odd}");
    }
}

#[test]
fn news_of_several_disputes_and_of_none_stand_side_by_side() {
    let verified = send(signed(fixture!("batch").as_bytes(), KEY)).unwrap();
    let Reading::Events(events) = read(&verified) else { panic!("{:?}", read(&verified)) };
    let names: Vec<&str> = events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["NOTIFICATION_OF_CHARGEBACK", "CHARGEBACK"]);
    let unknown = fixture!("batch").replace("\"CHARGEBACK\"", "\"CHARGEBACK_MAYBE\"");
    let verified = send(signed(unknown.as_bytes(), KEY)).unwrap();
    let Reading::Partly { events, what } = read(&verified) else { panic!("{:?}", read(&verified)) };
    assert_eq!(events.len(), 1);
    assert_eq!(what, "item 2: `eventCode` is `CHARGEBACK_MAYBE`, which is not known");
}
