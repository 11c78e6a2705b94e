//! What happens to cellar, which is paid through PayPal.
//! Orders to the stand-in and nothing else: the engine is told by webhooks, as it would be in life.

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, moves, opening, order, says};
use super::shops::Shop;
use crate::evidence::Field;
use crate::sandbox::{
    ApiFault, Change, ExtraWebhook, NewDispute, Operation, ProviderKind, Signing, Trouble, Turns,
    WebhookFault, WebhookTrouble,
};

const PAYPAL: ProviderKind = ProviderKind::Paypal;
/// The dispute that somebody lies about.
const GUITAR: &str = "PP-R-DEMO-GUITAR";

pub(super) const SHOP: Shop = Shop {
    merchant: "cellar",
    provider: PAYPAL,
    credentials: &[("client_id", "AbDemoCellarClient0001"), ("client_secret", "EDemoCellarSecret77x")],
    settings: &[],
    webhook_secret: Some("6DM41207CL5580913"),
    rules: include_str!("../../config/demo/cellar.rules.toml"),
    payment: |letters| format!("DEMO{:0<13}", letters.to_ascii_uppercase()),
    scenes,
};

/// A dispute at PayPal, in cents.
fn paypal(at_s: i64, name: &'static str, stage: &str, reason: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::paypal();
    dispute.phase = Some(stage.to_owned());
    dispute.reason = Some(reason.to_owned());
    dispute.amount = Some(amount);
    dispute.currency = Some("USD".to_owned());
    opening(at_s, name, dispute)
}

const NOT_RECEIVED: &str = "MERCHANDISE_OR_SERVICE_NOT_RECEIVED";
const WON: &str = "RESOLVED_SELLER_FAVOUR";

fn scenes(all: &mut Vec<Scene>) {
    answered(all);
    rounds(all);
    trouble(all);
}

fn answered(all: &mut Vec<Scene>) {
    all.extend([
        paypal(HOUR, "corkscrew", "CHARGEBACK", "UNAUTHORISED", 1_890).window(9 * DAY).0,
        paypal(4 * HOUR, "guitar", "CHARGEBACK", NOT_RECEIVED, 64_000)
            .edit(|d| d.id = Some(GUITAR.to_owned()))
            .window(12 * DAY)
            .knows(delivered("C-301", "guitar"))
            .proofs(&[Field::ShippingDocumentation])
            .then(WON, 6 * DAY)
            .0,
        paypal(2 * DAY + HOUR, "wine", "CHARGEBACK", "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED", 9_900)
            .window(10 * DAY)
            .edit(|d| d.status = Some("CANCELED_BY_BUYER".to_owned()))
            .0,
    ]);
}

fn rounds(all: &mut Vec<Scene>) {
    let start = super::stage::start_of_month().timestamp();
    all.extend([
        says(6 * HOUR, "PayPal's inquiries have no deadline: a person is told so, and the record is watched"),
        paypal(6 * HOUR, "oak lamp", "INQUIRY", NOT_RECEIVED, 12_000)
            .knows(delivered("C-302", "reading lamp"))
            .proofs(&[])
            .then(WON, 5 * DAY)
            .0,
        moves(3 * DAY, "oak lamp", Change::Escalate { due_by: Some(start + 14 * DAY), phase: None }),
        Scene {
            at_s: 4 * DAY,
            act: Act::Attaches {
                name: "oak lamp",
                who: "rui",
                field: Field::ShippingDocumentation,
                file: "proof-of-delivery.pdf",
            },
        },
        paypal(5 * DAY, "riding boots", "CHARGEBACK", NOT_RECEIVED, 15_500)
            .window(6 * DAY)
            .knows(delivered("C-303", "riding boots"))
            .proofs(&[Field::ShippingDocumentation])
            .0,
        moves(12 * DAY, "riding boots", Change::Lost),
        says(13 * DAY, "lost, and PayPal offers an appeal: another round with a deadline of its own"),
        moves(13 * DAY, "riding boots", Change::AppealOffered { due_by: Some(start + 20 * DAY) }),
        moves(22 * DAY, "riding boots", Change::Won { amount_deducted: 0 }),
        paypal(9 * DAY, "decanter", "CHARGEBACK", "CREDIT_NOT_PROCESSED", 7_700)
            .window(8 * DAY)
            .knows(order("C-304", "decanter"))
            .0,
        moves(11 * DAY, "decanter", Change::AcceptedElsewhere),
    ]);
}

fn trouble(all: &mut Vec<Scene>) {
    let webhook = |at_s, trouble, times| Scene {
        at_s,
        act: Act::WebhookTrouble(WebhookFault {
            provider: PAYPAL,
            account: None,
            event_type: None,
            dispute: None,
            trouble,
            turns: Turns::next(times),
        }),
    };
    let api = |at_s, operation, trouble, name| {
        let fault = ApiFault::once(PAYPAL, operation, trouble);
        Scene { at_s, act: Act::ApiTrouble { fault, name } }
    };
    let sends = |at_s, what, webhook| Scene { at_s, act: Act::Sends { what, webhook } };
    let extra = || ExtraWebhook::new(PAYPAL);
    // What a CRC32 leaves open: the signature passes, and PayPal never wrote this.
    let lie = format!(
        r#"{{"id":"WH-FORGED-0001","event_version":"1.0","event_type":"CUSTOMER.DISPUTE.RESOLVED","resource_type":"dispute","resource":{{"dispute_id":"{GUITAR}","status":"RESOLVED","dispute_outcome":{{"outcome_code":"RESOLVED_BUYER_FAVOUR"}}}}}}"#
    );
    all.extend([
        webhook(4 * HOUR - 60, WebhookTrouble::Duplicate { copies: 1 }, 1),
        webhook(9 * DAY - 60, WebhookTrouble::Drop, 1),
        api(HOUR, Operation::DisputeAccept, Trouble::TimeOutAfterEffect { hold_ms: 0 }, Some("corkscrew")),
        sends(
            DAY,
            "a signature made for another webhook",
            ExtraWebhook { signing: Signing::Forged, ..extra() },
        ),
        sends(
            2 * DAY,
            "a forged body under a signature that passes",
            ExtraWebhook { body: Some(lie), dispute: Some(GUITAR.to_owned()), ..extra() },
        ),
    ]);
}
