//! Asking Prism where a dispute stands: at servers whose Get is only a stub, and at those where it is real.

use super::calling::failed;
use super::stub::{Reply, Stub};
use super::wire::{bytes, message, number};
use super::{ADYEN, DISPUTE, account, prism};
use crate::dispute::Source;
use crate::providers::{Answer, Kept, Provider, Reading};

#[tokio::test]
async fn a_get_says_nothing_where_it_is_a_stub_and_is_believed_where_it_is_real() {
    let (answer, logs) = prism("stub").fetch(&account(ADYEN, "http://127.0.0.1:9"), DISPUTE).await;
    assert!(matches!(answer, Answer::Refused { status: 0, .. }) && logs.is_empty(), "{answer:?}");
    assert!(!prism("stub").capabilities().fetch && prism("real").capabilities().fetch);
    let record = |id: &str| {
        let money = message(&[number(1, 4_599), number(2, 45)]);
        message(&[
            bytes(1, id),
            number(3, 1),
            number(4, 2),
            number(7, 200),
            bytes(9, money),
            number(10, 1_772_000_000),
            number(13, 1_773_000_000),
        ])
    };
    let real = prism("real");
    let fetched = async |reply: Reply| {
        let stub = Stub::answering([reply]).await;
        real.fetch(&account(ADYEN, &stub.address), DISPUTE).await.0
    };
    let Answer::Receipt(told) = fetched(Reply::Message(record(DISPUTE))).await else { panic!() };
    let Reading::Events(events) = &told.reading else { panic!("{told:?}") };
    assert_eq!(events[0].snapshot().unwrap().dispute_ref, DISPUTE);
    // What is kept is read again to the same.
    let kept = Kept { source: Source::ReadBack, body: &told.raw, as_of: told.as_of };
    assert_eq!(real.events(&kept), told.reading);
    for (reply, word) in [(record("QX7TWPM4KJ9R2C8X"), "asked about"), (Vec::new(), "stub")] {
        let answer = fetched(Reply::Message(reply)).await;
        let Answer::Refused { reason, .. } = answer else { panic!("{answer:?}") };
        assert!(reason.contains(word), "{reason}");
    }
    for reply in [Reply::HangUp, Reply::NoStatus(record(DISPUTE)), failed(14, Vec::new())] {
        let answer = fetched(reply).await;
        assert!(matches!(answer, Answer::Retry { .. }), "a read may be repeated: {answer:?}");
    }
}
