//! What goes to the bank is the packet and nothing beside it, where a provider keeps what it was given before.

use std::sync::Arc;

use respondby::dispute::Money;
use respondby::evidence::{Field, Packet, Sending};
use respondby::providers::{Account, Answer, Provider};
use respondby::sandbox::{ApiFault, Operation, ProviderKind, Trouble, Turns};

use super::stage::{Setup, Stage, dispute, hours};

const HANDS_OFF: &str = "schema = 1\ndefault = { hold = { why = \"a test answers\" } }\n[policy]\nmode = \"live\"\n\
     safety_margin = \"6h\"\nat_margin = \"page\"\ntime_zone = \"Europe/Lisbon\"\n";

fn packet(words: &[(Field, &str)]) -> Packet {
    Packet {
        text: words.iter().map(|(field, text)| (*field, (*text).to_owned())).collect(),
        ..Packet::default()
    }
}

/// An open dispute at the provider, and what calls it.
async fn open(provider: ProviderKind, reason: &str) -> (Stage, String, Arc<Account>, Arc<dyn Provider>) {
    let setup = Setup { rules: HANDS_OFF.into(), everywhere: true, ..Setup::default() };
    let mut stage = Stage::with(setup).await;
    let dispute_ref = stage.open(dispute(provider, reason, hours(96))).await;
    let shop = &stage.engine.shop;
    let name = provider.as_str().parse().unwrap();
    let account = shop.accounts.all().into_iter().find(|a| a.provider == name).unwrap();
    let adapter = shop.world.registry.get(name).clone();
    (stage, dispute_ref, account, adapter)
}

#[tokio::test]
async fn a_place_that_was_filled_yesterday_does_not_go_out_today() {
    let (stage, id, account, adapter) = open(ProviderKind::Checkout, "product_service_not_received").await;
    let yesterday = packet(&[(Field::Summary, "It came."), (Field::ProductDescription, "A shelf")]);
    let staged = adapter.stage_evidence(&account, id.as_str().into(), Sending::of(&yesterday), "k").await.0;
    assert!(matches!(staged, Answer::Receipt(_)), "{staged:?}");
    let today = packet(&[(Field::Summary, "It came on Monday.")]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&today), "k").await.0;
    let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("`invoice_or_receipt_text`"), "{reason}");
    assert!(stage.theirs(&id).open, "nothing went out");
    let whole =
        packet(&[(Field::Summary, "It came on Monday."), (Field::ProductDescription, "A shelf, oak")]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&whole), "k").await.0;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    assert!(!stage.theirs(&id).open);
}

#[tokio::test]
async fn a_piece_that_was_taken_before_another_was_not_does_not_go_out_with_the_next_packet() {
    let (stage, id, account, adapter) = open(ProviderKind::Square, "NOT_RECEIVED").await;
    let held = || stage.theirs(&id).record["evidence_ids"].as_array().map_or(0, Vec::len);
    let fault = ApiFault::once(ProviderKind::Square, Operation::DisputeStage, Trouble::LockTimeout);
    stage.control.add_api_fault(ApiFault { turns: Turns { skip: 1, ..fault.turns }, ..fault });
    let first = packet(&[(Field::ProductDescription, "A shelf"), (Field::UncategorizedText, "It is oak.")]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&first), "k").await.0;
    assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    assert_eq!((held(), stage.theirs(&id).open), (1, true));
    let second = packet(&[(Field::Summary, "It came.")]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&second), "k").await.0;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    assert_eq!((held(), stage.theirs(&id).open), (1, false));
}

#[tokio::test]
async fn a_document_that_was_drafted_and_is_not_in_the_packet_keeps_it_from_going_out() {
    let (stage, id, account, adapter) = open(ProviderKind::Razorpay, "goods_or_services_not_received").await;
    let mut papers = Vec::new();
    for name in ["a.png", "b.png"] {
        let content = bytes::Bytes::from_static(b"\x89PNG a paper");
        let Answer::Receipt(uploaded) = adapter.upload(&account, name, "image/png", content, "k").await.0
        else {
            panic!("{name}")
        };
        papers.push(uploaded.provider_file_ref);
    }
    let papered = |field: Field, paper: &String| Packet {
        files: [(field, vec![paper.clone()])].into(),
        ..packet(&[(Field::Summary, "It came.")])
    };
    let mut drafted = papered(Field::ShippingDocumentation, &papers[0]);
    drafted.amount = Some(Money::new(100, "INR".parse().unwrap()));
    let answer = adapter.stage_evidence(&account, id.as_str().into(), Sending::of(&drafted), "k").await.0;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    let today = papered(Field::Receipt, &papers[1]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&today), "k").await.0;
    let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("`shipping_proof`") && !reason.contains("summary"), "{reason}");
    assert!(stage.theirs(&id).open, "nothing went out");
    // The same place is filled anew, and a part that was contested yesterday is none today.
    let whole = papered(Field::ShippingDocumentation, &papers[1]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&whole), "k").await.0;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    let record = stage.theirs(&id).record;
    assert_eq!(record["evidence"]["shipping_proof"], serde_json::json!([papers[1]]));
    assert_eq!(record["evidence"]["amount"], record["amount"]);
}

#[tokio::test]
async fn what_stripe_was_given_before_and_the_packet_lacks_is_emptied_as_it_is_submitted() {
    let (stage, id, account, adapter) = open(ProviderKind::Stripe, "product_not_received").await;
    let staged = packet(&[(Field::Summary, "It came."), (Field::ShippingTrackingNumber, "WRONG-1")]);
    let answer = adapter.stage_evidence(&account, id.as_str().into(), Sending::of(&staged), "k1").await.0;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    assert_eq!(stage.theirs(&id).record["evidence"]["shipping_tracking_number"], "WRONG-1");
    let today = packet(&[(Field::Summary, "It came on Monday."), (Field::ShippingCarrier, "Parcel")]);
    let answer = adapter.submit(&account, id.as_str().into(), Sending::of(&today), "k2").await.0;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    let record = stage.theirs(&id).record;
    let filled = |name: &str| record["evidence"][name].as_str().map(str::to_owned);
    assert_eq!(filled("shipping_tracking_number"), None);
    assert_eq!(filled("uncategorized_text").as_deref(), Some("It came on Monday."));
    assert_eq!(filled("shipping_carrier").as_deref(), Some("Parcel"));
    assert!(!stage.theirs(&id).open);
}
