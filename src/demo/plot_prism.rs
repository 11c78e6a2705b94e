//! What happens to mercato, whose payments Hyperswitch Prism passes on to Adyen: its answers are never outcomes, and
//! what became of a call is told by the connector's webhooks. Orders to the stand-in and nothing else.

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, opening, order, person, says};
use super::shops::Shop;
use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{ApiFault, NewDispute, Operation, ProviderKind, Trouble};

const PRISM: ProviderKind = ProviderKind::Prism;

pub(super) const SHOP: Shop = Shop {
    merchant: "mercato",
    provider: PRISM,
    credentials: &[
        ("api_key", "AQEdemo-mercato-connector-key-27"),
        ("webhook_password", "demo-mercato-pass-27"),
    ],
    settings: &[("connector", "adyen"), ("merchant_account", "MercatoRoma"), ("webhook_user", "adyen")],
    webhook_secret: Some("9A4C71E0B5D3862F9A4C71E0B5D3862F9A4C71E0B5D3862F9A4C71E0B5D3862F"),
    rules: include_str!("../../config/demo/mercato.rules.toml"),
    payment: |letters| format!("PRSM{:0<12}", letters.to_uppercase()).chars().take(16).collect(),
    scenes,
};

/// A dispute at Adyen, behind Prism, in cents.
fn prism(at_s: i64, name: &'static str, code: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::prism();
    dispute.network_reason_code = Some(code.to_owned());
    dispute.amount = Some(amount);
    opening(at_s, name, dispute)
}

fn scenes(all: &mut Vec<Scene>) {
    let broken = ApiFault::once(PRISM, Operation::DisputeSubmit, Trouble::TimeOutAfterEffect { hold_ms: 0 });
    all.extend([
        prism(6 * HOUR, "olive oil", "13.1", 18_700)
            .window(14 * DAY)
            .knows(delivered("M-401", "twelve litres of olive oil"))
            .proofs(&[Field::ShippingDocumentation, Field::Receipt])
            .then("won", 6 * DAY)
            .0,
        prism(10 * HOUR, "espresso", "10.4", 900).window(14 * DAY).0,
        says(3 * DAY, "through Prism: the connection will break after the defence went through"),
        prism(3 * DAY, "vase", "13.1", 64_000)
            .window(8 * DAY)
            .knows(delivered("M-403", "vase"))
            .proofs(&[Field::ShippingDocumentation])
            .then("won", 5 * DAY)
            .0,
        Scene { at_s: 3 * DAY, act: Act::ApiTrouble { fault: broken, name: Some("vase") } },
        prism(5 * DAY, "ceramic", "13.3", 31_000).window(6 * DAY).knows(order("M-404", "tiles")).0,
        person(7 * DAY, "ceramic", "livia", Command::Accept),
    ]);
}
