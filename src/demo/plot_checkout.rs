//! What happens to oakline, which is paid through Checkout.com.
//! Orders to the stand-in and nothing else: the engine is told by webhooks, as it would be in life.

use serde_json::json;

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, moves, opening, order, person, says};
use super::shops::Shop;
use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{
    ApiFault, Change, NewDispute, Operation, ProviderKind, Trouble, Turns, WebhookFault, WebhookTrouble,
};

const CHECKOUT: ProviderKind = ProviderKind::Checkout;

pub(super) const SHOP: Shop = Shop {
    merchant: "oakline",
    provider: CHECKOUT,
    credentials: &[("api_key", "sk_sbox_demo-oakline-restricted")],
    settings: &[],
    webhook_secret: Some("demo-oakline-workflow-key-58"),
    rules: include_str!("../../config/demo/oakline.rules.toml"),
    payment: |letters| format!("pay_demo{letters}"),
    scenes,
};

/// A dispute at Checkout.com, in pence.
fn checkout(at_s: i64, name: &'static str, category: &str, reason_code: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::checkout();
    dispute.reason = Some(category.to_owned());
    dispute.network_reason_code = Some(reason_code.to_owned());
    dispute.amount = Some(amount);
    dispute.currency = Some("GBP".to_owned());
    opening(at_s, name, dispute)
}

/// Told of in the envelope of older accounts.
fn in_old_envelopes(dispute: &mut NewDispute) {
    dispute.extra.insert("old_envelope".to_owned(), json!(true));
}

fn scenes(all: &mut Vec<Scene>) {
    answered(all);
    beyond(all);
    trouble(all);
}

fn answered(all: &mut Vec<Scene>) {
    all.extend([
        checkout(4 * HOUR, "armchair", "product_service_not_received", "13.1", 74_500)
            .window(14 * DAY)
            .knows(delivered("C-301", "armchair, green"))
            .proofs(&[Field::ShippingDocumentation])
            .edit(|d| _ = d.extra.insert("announced".to_owned(), json!(true)))
            .then("won", 6 * DAY)
            .0,
        checkout(6 * HOUR, "coaster", "fraudulent", "10.4", 1_450).window(10 * DAY).edit(in_old_envelopes).0,
        checkout(2 * DAY, "booked-twice", "duplicate", "12.6.1", 9_900).window(12 * DAY).0,
        moves(3 * DAY, "booked-twice", Change::Refunded),
        checkout(3 * DAY, "stool", "general", "4853", 21_000)
            .window(9 * DAY)
            .knows(order("C-304", "stool"))
            .0,
        person(5 * DAY, "stool", "priya", Command::Accept),
    ]);
}

/// To arbitration and back, in the older envelopes.
fn beyond(all: &mut Vec<Scene>) {
    all.extend([
        checkout(10 * HOUR, "wardrobe", "not_as_described", "13.3", 128_000)
            .window(11 * DAY)
            .knows(delivered("C-305", "wardrobe, oak"))
            .proofs(&[Field::ShippingDocumentation, Field::CustomerCommunication])
            .edit(in_old_envelopes)
            .then("lost", 5 * DAY)
            .0,
        says(18 * DAY, "lost, and the shop takes it to the card scheme: arbitration is played by people"),
        moves(18 * DAY, "wardrobe", Change::Escalate { due_by: None, phase: None }),
        moves(28 * DAY, "wardrobe", Change::Won { amount_deducted: 0 }),
    ]);
}

fn trouble(all: &mut Vec<Scene>) {
    let webhook = |at_s, trouble, times| Scene {
        at_s,
        act: Act::WebhookTrouble(WebhookFault {
            provider: CHECKOUT,
            account: None,
            event_type: None,
            dispute: None,
            trouble,
            turns: Turns::next(times),
        }),
    };
    let api = |at_s, operation, trouble, name| {
        let fault = ApiFault::once(CHECKOUT, operation, trouble);
        Scene { at_s, act: Act::ApiTrouble { fault, name } }
    };
    all.extend([
        webhook(6 * HOUR - 60, WebhookTrouble::Duplicate { copies: 1 }, 1),
        // Lost for good: only the provider's list tells of this one.
        webhook(10 * HOUR - 60, WebhookTrouble::Drop, 1),
        api(4 * HOUR, Operation::DisputeSubmit, Trouble::TimeOutAfterEffect { hold_ms: 0 }, Some("armchair")),
        api(6 * HOUR, Operation::DisputeAccept, Trouble::ServerErrorAfterEffect, Some("coaster")),
        api(
            10 * HOUR,
            Operation::DisputeStage,
            Trouble::RateLimited { retry_after_s: Some(30), should_retry: None },
            Some("wardrobe"),
        ),
    ]);
}
