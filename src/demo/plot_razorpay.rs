//! What happens to bazaar, which is paid through Razorpay.
//! Orders to the stand-in and nothing else: the engine is told by webhooks, as it would be in life.

use serde_json::json;

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, moves, opening, order, person, says};
use super::shops::Shop;
use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{
    ApiFault, Change, NewDispute, Operation, ProviderKind, Trouble, Turns, WebhookFault, WebhookTrouble,
};

const RAZORPAY: ProviderKind = ProviderKind::Razorpay;

pub(super) const SHOP: Shop = Shop {
    merchant: "bazaar",
    provider: RAZORPAY,
    credentials: &[("key_id", "rzp_test_demobazaar01"), ("key_secret", "demo-bazaar-key-secret-93")],
    settings: &[],
    webhook_secret: Some("demo-bazaar-webhook-secret-77"),
    rules: include_str!("../../config/demo/bazaar.rules.toml"),
    payment: |letters| format!("pay_{:0<14}", format!("Demo{letters}").chars().take(14).collect::<String>()),
    scenes,
};

/// A dispute at Razorpay, in paise.
fn razorpay(at_s: i64, name: &'static str, phase: &str, reason_code: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::razorpay();
    dispute.phase = Some(phase.to_owned());
    dispute.reason = Some(reason_code.to_owned());
    dispute.amount = Some(amount);
    dispute.currency = Some("INR".to_owned());
    opening(at_s, name, dispute)
}

fn scenes(all: &mut Vec<Scene>) {
    answered(all);
    rounds(all);
    trouble(all);
}

fn answered(all: &mut Vec<Scene>) {
    all.extend([
        razorpay(2 * HOUR, "sari", "chargeback", "13.1", 820_000)
            .window(7 * DAY)
            .knows(delivered("B-201", "silk sari"))
            .proofs(&[Field::ShippingDocumentation])
            .then("won", 8 * DAY)
            .0,
        razorpay(3 * HOUR, "bangles", "chargeback", "10.4", 64_900).window(5 * DAY).0,
        razorpay(7 * HOUR, "spices", "retrieval", "RZP00", 129_900)
            .window(4 * DAY)
            .knows(order("B-203", "spice box"))
            .proofs(&[Field::Receipt])
            .then("won", 3 * DAY)
            .0,
        razorpay(DAY, "report", "fraud", "10.4", 99_000)
            .window(6 * DAY)
            .edit(|d| d.status = Some("closed".to_owned()))
            .0,
        razorpay(DAY + 3 * HOUR, "wrong-sum", "chargeback", "12.5", 45_000).window(5 * DAY).0,
        razorpay(DAY + 4 * HOUR, "no-auth", "chargeback", "11.3", 72_000).window(5 * DAY).0,
        razorpay(DAY + 5 * HOUR, "no-refund", "chargeback", "RZP04", 38_000).window(5 * DAY).0,
        razorpay(DAY + 6 * HOUR, "paid-twice", "chargeback", "12.6.1", 52_000).window(5 * DAY).0,
        razorpay(DAY + 7 * HOUR, "gym", "chargeback", "13.2", 99_900).window(5 * DAY).0,
        says(4 * DAY, "UPI: one day to answer, on a Thursday night"),
        razorpay(
            4 * DAY + 11 * HOUR,
            "upi",
            "chargeback",
            "goods_or_services_not_received_or_partially_received",
            245_000,
        )
        .window(DAY)
        .knows(delivered("B-204", "pressure cooker"))
        .proofs(&[Field::ShippingDocumentation])
        .then("won", 2 * DAY)
        .0,
        razorpay(6 * DAY, "phone", "chargeback", "10.4", 8_900_000)
            .window(8 * DAY)
            .knows(delivered("B-205", "phone, 256 GB"))
            .proofs(&[Field::ShippingDocumentation])
            .then("won", 6 * DAY)
            .0,
        person(8 * DAY, "phone", "meera", Command::Approve),
    ]);
}

fn rounds(all: &mut Vec<Scene>) {
    all.extend([
        razorpay(5 * HOUR, "carpet", "chargeback", "13.3", 1_450_000)
            .window(6 * DAY)
            .knows(delivered("B-206", "wool carpet"))
            .proofs(&[Field::ShippingDocumentation])
            .0,
        moves(
            7 * DAY,
            "carpet",
            Change::ActionRequired { due_by: Some(super::stage::start_of_month().timestamp() + 12 * DAY) },
        ),
        moves(16 * DAY, "carpet", Change::Won { amount_deducted: 0 }),
        razorpay(8 * HOUR, "tv", "chargeback", "13.1", 3_200_000)
            .window(6 * DAY)
            .knows(delivered("B-207", "television"))
            .proofs(&[Field::ShippingDocumentation])
            .then("lost", 4 * DAY)
            .0,
        says(12 * DAY, "lost, and the bank goes on: a new phase is a new dispute on the same payment"),
        Scene {
            at_s: 12 * DAY,
            act: Act::Moves {
                name: "tv",
                change: Change::Escalate {
                    due_by: Some(super::stage::start_of_month().timestamp() + 17 * DAY),
                    phase: Some("pre_arbitration".into()),
                },
                becomes: Some("tv again"),
            },
        },
        person(13 * DAY, "tv again", "meera", Command::Accept),
        razorpay(10 * DAY, "court", "arbitration", "13.5", 5_600_000)
            .window(6 * DAY)
            .knows(order("B-208", "sofa"))
            .0,
        person(11 * DAY, "court", "meera", Command::Hold { why: "asked our lawyer".into() }),
        person(14 * DAY, "court", "meera", Command::Accept),
        razorpay(9 * DAY, "late-proof", "chargeback", "13.1", 390_000)
            .window(6 * DAY)
            .knows(delivered("B-209", "mixer"))
            .0,
        Scene {
            at_s: 11 * DAY,
            act: Act::Learns { name: "late-proof", facts: json!({"signed_by": "R. Demo"}) },
        },
        Scene {
            at_s: 12 * DAY,
            act: Act::Attaches {
                name: "late-proof",
                who: "meera",
                field: Field::ShippingDocumentation,
                file: "proof-of-delivery.pdf",
            },
        },
        moves(20 * DAY, "late-proof", Change::Won { amount_deducted: 0 }),
    ]);
}

fn trouble(all: &mut Vec<Scene>) {
    let webhook = |at_s, trouble, times| Scene {
        at_s,
        act: Act::WebhookTrouble(WebhookFault {
            provider: RAZORPAY,
            account: None,
            event_type: None,
            dispute: None,
            trouble,
            turns: Turns::next(times),
        }),
    };
    let api = |at_s, operation, trouble, name| {
        let fault = ApiFault::once(RAZORPAY, operation, trouble);
        Scene { at_s, act: Act::ApiTrouble { fault, name } }
    };
    all.extend([
        webhook(2 * HOUR - 60, WebhookTrouble::Duplicate { copies: 1 }, 1),
        webhook(8 * HOUR - 60, WebhookTrouble::Duplicate { copies: 1 }, 2),
        webhook(9 * DAY - 60, WebhookTrouble::Drop, 1),
        api(3 * HOUR, Operation::DisputeAccept, Trouble::TimeOutAfterEffect { hold_ms: 0 }, Some("bangles")),
        api(2 * HOUR, Operation::DisputeSubmit, Trouble::TimeOutBeforeEffect { hold_ms: 0 }, Some("sari")),
        api(4 * DAY + 11 * HOUR, Operation::DisputeFetch, Trouble::StaleRead, Some("upi")),
    ]);
}
