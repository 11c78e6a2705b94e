//! What happens to lantern, whose payments go through the Hyperswitch router to several providers.
//! Orders to the stand-in and nothing else: the engine is told by webhooks, as it would be in life.

use serde_json::json;

use super::script::{DAY, HOUR, Opening, Scene, delivered, moves, opening, order, says};
use super::shops::Shop;
use crate::sandbox::{Change, NewDispute, ProviderKind};

const ROUTER: ProviderKind = ProviderKind::Hyperswitch;

pub(super) const SHOP: Shop = Shop {
    merchant: "lantern",
    provider: ROUTER,
    credentials: &[("api_key", "snd_demo_lantern_key_58")],
    settings: &[],
    webhook_secret: Some("demo-lantern-hash-key-31"),
    rules: include_str!("../../config/demo/lantern.rules.toml"),
    payment: |letters| format!("pay_demo_{letters}"),
    scenes,
};

/// A dispute at a provider behind the router, in euro cents.
fn behind(at_s: i64, connector: &str, name: &'static str, reason: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::new(ROUTER);
    dispute.extra.insert("connector".to_owned(), json!(connector));
    dispute.reason = Some(reason.to_owned());
    dispute.amount = Some(amount);
    dispute.currency = Some("EUR".to_owned());
    opening(at_s, name, dispute)
}

fn scenes(all: &mut Vec<Scene>) {
    all.extend([
        behind(6 * HOUR, "checkout", "reading-lamp", "product_not_received", 12_900)
            .window(9 * DAY)
            .knows(delivered("L-301", "reading lamp"))
            .then("won", 7 * DAY)
            .0,
        behind(2 * DAY, "braintree", "candles", "fraudulent", 2_450).window(6 * DAY).0,
        says(3 * DAY, "Stripe behind a router: the router says cancelled of all that Stripe closes"),
        behind(3 * DAY, "stripe", "storm lamp", "product_not_received", 8_700)
            .window(8 * DAY)
            .knows(delivered("L-302", "storm lantern"))
            .then("won", 6 * DAY)
            .0,
        behind(5 * DAY, "adyen", "chandelier", "fraudulent", 19_900)
            .window(5 * DAY)
            .knows(order("L-303", "chandelier"))
            .edit(|d| d.phase = Some("pre_dispute".to_owned()))
            .0,
        moves(7 * DAY, "chandelier", Change::SubmittedElsewhere),
        moves(12 * DAY, "chandelier", Change::Won { amount_deducted: 0 }),
    ]);
}
