//! What happens to fernbar, which is paid through Square.
//! Orders to the stand-in and nothing else: the engine is told by webhooks, as it would be in life.

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, moves, opening, order, person};
use super::shops::Shop;
use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{
    ApiFault, Change, NewDispute, Operation, ProviderKind, Trouble, Turns, WebhookFault, WebhookTrouble,
};

const SQUARE: ProviderKind = ProviderKind::Square;

pub(super) const SHOP: Shop = Shop {
    merchant: "fernbar",
    provider: SQUARE,
    credentials: &[("access_token", "EAAAdemo-fernbar-restricted")],
    settings: &[],
    webhook_secret: Some("demo-fernbar-signature-key-36"),
    rules: include_str!("../../config/demo/fernbar.rules.toml"),
    payment: |letters| format!("demo{letters}"),
    scenes,
};

/// A dispute at Square, in cents.
fn square(at_s: i64, name: &'static str, reason: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::square();
    dispute.reason = Some(reason.to_owned());
    dispute.amount = Some(amount);
    dispute.currency = Some("USD".to_owned());
    opening(at_s, name, dispute)
}

fn scenes(all: &mut Vec<Scene>) {
    all.extend([
        square(11 * HOUR, "grinder", "NOT_RECEIVED", 31_900)
            .window(12 * DAY)
            .knows(delivered("D-401", "coffee grinder"))
            .proofs(&[Field::ShippingDocumentation])
            .then("WON", 5 * DAY)
            .0,
        square(DAY + 2 * HOUR, "filters", "NO_KNOWLEDGE", 1_200).window(10 * DAY).0,
        square(2 * DAY + 2 * HOUR, "kettle-asked", "NOT_RECEIVED", 8_900)
            .edit(|d| d.inquiry = true)
            .window(6 * DAY)
            .knows(delivered("D-403", "kettle"))
            .proofs(&[Field::ShippingDocumentation])
            .then("INQUIRY_CLOSED", 3 * DAY)
            .0,
        square(4 * DAY + HOUR, "beans", "NOT_AS_DESCRIBED", 15_000)
            .window(9 * DAY)
            .knows(order("D-404", "coffee beans, 5 kg"))
            .0,
        person(6 * DAY, "beans", "noor", Command::Accept),
        square(6 * DAY + HOUR, "cups", "DUPLICATE", 4_400).window(9 * DAY).0,
        moves(8 * DAY, "cups", Change::SubmittedElsewhere),
        moves(15 * DAY, "cups", Change::Lost),
        Scene {
            at_s: DAY,
            act: Act::WebhookTrouble(WebhookFault {
                provider: SQUARE,
                account: None,
                event_type: None,
                dispute: None,
                // Lost for good: only the provider's list tells of this one.
                trouble: WebhookTrouble::Drop,
                turns: Turns::next(1),
            }),
        },
        Scene {
            at_s: 11 * HOUR,
            act: Act::ApiTrouble {
                fault: ApiFault::once(
                    SQUARE,
                    Operation::DisputeSubmit,
                    Trouble::TimeOutAfterEffect { hold_ms: 0 },
                ),
                name: Some("grinder"),
            },
        },
    ]);
}
