//! What happens to acme, which is paid through Stripe.
//! Orders to the stand-in and nothing else: the engine is told by webhooks, as it would be in life.

use serde_json::json;

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, moves, opening, order, person, says, with};
use super::shops::Shop;
use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{
    ApiFault, Change, ExtraWebhook, NewDispute, NewWarning, Operation, ProviderKind, Signing, Trouble, Turns,
    WebhookFault, WebhookTrouble,
};

const STRIPE: ProviderKind = ProviderKind::Stripe;

pub(super) const SHOP: Shop = Shop {
    merchant: "acme",
    provider: STRIPE,
    credentials: &[("api_key", "rk_test_demo_acme_51restricted")],
    settings: &[],
    webhook_secret: Some("whsec_demo_4c1f0acme0webhook0secret"),
    rules: include_str!("../../config/demo/acme.rules.toml"),
    payment: |letters| format!("pi_demo_{letters}"),
    scenes,
};

/// A dispute at Stripe, in minor units.
fn stripe(at_s: i64, name: &'static str, reason: &str, amount: i64, currency: &str) -> Opening {
    let mut dispute = NewDispute::stripe();
    dispute.reason = Some(reason.to_owned());
    dispute.amount = Some(amount);
    dispute.currency = Some(currency.to_owned());
    opening(at_s, name, dispute)
}

fn scenes(all: &mut Vec<Scene>) {
    answered(all);
    people(all);
    quirks(all);
    refused_on_arrival(all);
    trouble(all);
}

/// Disputes that the rules answer by themselves.
fn answered(all: &mut Vec<Scene>) {
    let authenticated = json!({"three_d_secure": "authenticated"});
    let used = json!({"digital": true, "usage_last_at": "2026-02-27T20:14:00Z", "cancelled_at": "2026-02-20T08:00:00Z",
        "customer": {"id": "cus_lena"}});
    all.extend([
        stripe(HOUR, "lamp", "product_not_received", 12_900, "usd")
            .window(16 * DAY)
            .knows(delivered("A-1001", "desk lamp, brass"))
            .proofs(&[Field::ShippingDocumentation])
            .then("won", 6 * DAY)
            .0,
        stripe(2 * HOUR, "mug", "fraudulent", 1_850, "usd").window(12 * DAY).knows(order("A-1002", "mug")).0,
        stripe(5 * HOUR, "camera", "fraudulent", 64_000, "usd")
            .window(9 * DAY)
            .knows(with(order("A-1003", "camera"), authenticated.clone()))
            .then("lost", 5 * DAY)
            .0,
        stripe(DAY, "course", "subscription_canceled", 2_900, "usd")
            .window(14 * DAY)
            .knows(with(order("A-1006", "video course, monthly"), used))
            .then("won", 4 * DAY)
            .0,
        stripe(DAY + HOUR, "poster", "product_unacceptable", 3_500, "eur").window(15 * DAY).0,
        stripe(2 * DAY, "chair", "credit_not_processed", 9_000, "usd")
            .window(10 * DAY)
            .knows(with(
                order("A-1008", "garden chair"),
                json!({"refunded_at": "2026-02-25T10:00:00Z", "refund_ref": "re_demo_1008"}),
            ))
            .proofs(&[Field::RefundDocumentation])
            .then("won", 4 * DAY)
            .0,
        stripe(2 * DAY + HOUR, "socks", "unrecognized", 1_800, "gbp").window(13 * DAY).0,
    ]);
}

/// Disputes in which somebody is needed.
fn people(all: &mut Vec<Scene>) {
    let authenticated = json!({"three_d_secure": "authenticated"});
    all.extend([
        stripe(6 * HOUR, "laptop", "fraudulent", 240_000, "usd")
            .window(9 * DAY)
            .knows(with(order("A-1004", "laptop, 14 inch"), authenticated))
            .then("won", 7 * DAY)
            .0,
        person(2 * DAY, "laptop", "bob", Command::Approve),
        stripe(8 * HOUR, "twice", "duplicate", 5_900, "usd")
            .window(12 * DAY)
            .knows(with(
                order("A-1005", "headphones"),
                json!({"evidence": {"duplicate_charge_id": "ch_demo_other"}}),
            ))
            .then("won", 5 * DAY)
            .0,
        Scene {
            at_s: 3 * DAY,
            act: Act::Attaches {
                name: "twice",
                who: "alice",
                field: Field::DuplicateChargeDocumentation,
                file: "both-receipts.pdf",
            },
        },
        says(5 * DAY, "general: no rule covers it, and nobody looks at the alerts for a while"),
        stripe(5 * DAY, "odd", "general", 7_500, "usd").window(7 * DAY).knows(order("A-1009", "gift card")).0,
        person(5 * DAY + 7 * DAY - 5 * HOUR, "odd", "alice", Command::Accept),
        stripe(3 * DAY, "visa-rules", "noncompliant", 81_000, "usd")
            .window(11 * DAY)
            .knows(delivered("A-1010", "e-bike battery"))
            .edit(|d| {
                d.case_type = Some("compliance".to_owned());
                d.compliance_fee = true;
            })
            .then("won", 8 * DAY)
            .0,
        person(
            6 * DAY,
            "visa-rules",
            "carol",
            Command::Defend { template: Some("delivered".into()), reason: None, acknowledge_fee: true },
        ),
        stripe(4 * DAY, "dashboard", "product_unacceptable", 21_000, "usd").window(12 * DAY).0,
        moves(6 * DAY, "dashboard", Change::SubmittedElsewhere),
        moves(14 * DAY, "dashboard", Change::Won { amount_deducted: 0 }),
    ]);
}

/// Inquiries, prevention, appeals, moved deadlines.
fn quirks(all: &mut Vec<Scene>) {
    all.extend([
        stripe(3 * HOUR, "question", "fraudulent", 4_400, "usd")
            .edit(|d| d.inquiry = true)
            .window(10 * DAY)
            .knows(with(delivered("A-1011", "tea set"), json!({"evidence": {"customer_name": "L. Demo"}})))
            .0,
        person(
            2 * DAY,
            "question",
            "alice",
            Command::Defend { template: Some("order-record".into()), reason: None, acknowledge_fee: false },
        ),
        moves(20 * DAY, "question", Change::Status { status: "warning_closed".into() }),
        stripe(4 * HOUR, "escalates", "product_not_received", 15_000, "usd")
            .edit(|d| d.inquiry = true)
            .window(10 * DAY)
            .knows(delivered("A-1012", "bookshelf"))
            .proofs(&[Field::ShippingDocumentation])
            .then("won", 6 * DAY)
            .0,
        moves(4 * DAY, "escalates", Change::Escalate { due_by: None, phase: None }),
        stripe(7 * DAY, "prevented", "fraudulent", 8_800, "usd")
            .edit(|d| d.status = Some("prevented".to_owned()))
            .0,
        stripe(9 * HOUR, "appeal", "product_not_received", 33_000, "usd")
            .window(8 * DAY)
            .knows(delivered("A-1013", "road bike wheel"))
            .proofs(&[Field::ShippingDocumentation])
            .then("lost", 3 * DAY)
            .0,
        moves(16 * DAY, "appeal", Change::AppealOffered { due_by: None }),
        moves(18 * DAY, "appeal", Change::Status { status: "appeal_under_review".into() }),
        stripe(6 * DAY, "sooner", "product_not_received", 18_400, "usd")
            .window(15 * DAY)
            .knows(delivered("A-1014", "kettle"))
            .proofs(&[Field::ShippingDocumentation])
            .then("won", 5 * DAY)
            .0,
        says(9 * DAY, "the bank moves a deadline to the day after tomorrow: the plan moves with it"),
        moves(
            9 * DAY,
            "sooner",
            Change::Deadline { due_by: Some(super::stage::start_of_month().timestamp() + 11 * DAY) },
        ),
        Scene {
            at_s: 3 * DAY,
            act: Act::Warns(NewWarning {
                provider: STRIPE,
                account: None,
                charge: None,
                payment: None,
                fraud_type: Some("unauthorized_use_of_card".into()),
                actionable: Some(true),
                livemode: false,
            }),
        },
    ]);
}

/// Bank debits: lost as they arrive, nothing to answer.
fn refused_on_arrival(all: &mut Vec<Scene>) {
    let reasons = [
        ("debit-1", "insufficient_funds", 4_100),
        ("debit-2", "debit_not_authorized", 6_300),
        ("debit-3", "check_returned", 11_000),
        ("debit-4", "incorrect_account_details", 2_750),
        ("debit-5", "bank_cannot_process", 5_050),
        ("debit-6", "customer_initiated", 9_990),
    ];
    for (i, (name, reason, amount)) in reasons.into_iter().enumerate() {
        let at_s = 8 * DAY + i as i64 * 6 * HOUR;
        let dispute = stripe(at_s, name, reason, amount, "eur").edit(|d| {
            d.status = Some("lost".to_owned());
            d.due_by = Some(Some(0));
        });
        all.push(dispute.0);
    }
}

/// What the network and the provider do to the engine.
fn trouble(all: &mut Vec<Scene>) {
    let webhook = |at_s, trouble, times| Scene {
        at_s,
        act: Act::WebhookTrouble(WebhookFault {
            provider: STRIPE,
            account: None,
            event_type: None,
            dispute: None,
            trouble,
            turns: Turns::next(times),
        }),
    };
    let api = |at_s, operation, trouble, name| {
        let fault = ApiFault::once(STRIPE, operation, trouble);
        Scene { at_s, act: Act::ApiTrouble { fault, name } }
    };
    let sends = |at_s, what, webhook| Scene { at_s, act: Act::Sends { what, webhook } };
    let extra = || ExtraWebhook::new(STRIPE);
    all.extend([
        webhook(HOUR - 60, WebhookTrouble::Duplicate { copies: 2 }, 1),
        webhook(5 * HOUR - 60, WebhookTrouble::Reorder, 1),
        webhook(9 * HOUR - 60, WebhookTrouble::Delay { by_s: 2 * 3600 }, 1),
        // Lost for good: only the provider's list tells of this one.
        webhook(2 * DAY - 60, WebhookTrouble::Drop, 1),
        api(5 * HOUR, Operation::DisputeSubmit, Trouble::TimeOutAfterEffect { hold_ms: 0 }, Some("camera")),
        api(
            HOUR,
            Operation::DisputeStage,
            Trouble::RateLimited { retry_after_s: Some(30), should_retry: Some(true) },
            None,
        ),
        api(DAY, Operation::DisputeSubmit, Trouble::ServerErrorBeforeEffect, Some("course")),
        api(DAY, Operation::DisputeAccept, Trouble::ServerErrorAfterEffect, Some("mug")),
        sends(3 * DAY, "a forged signature", ExtraWebhook { signing: Signing::Forged, ..extra() }),
        sends(3 * DAY + 60, "a stale timestamp", ExtraWebhook { timestamp_offset_s: -600, ..extra() }),
        sends(
            3 * DAY + 120,
            "an event type nobody knows",
            ExtraWebhook { event_type: Some("charge.dispute.sent_to_the_moon".into()), ..extra() },
        ),
        sends(
            3 * DAY + 180,
            "a body that is not JSON",
            ExtraWebhook { body: Some("<html>maintenance</html>".into()), ..extra() },
        ),
    ]);
}
