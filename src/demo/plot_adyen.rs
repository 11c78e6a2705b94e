//! What happens to nordlicht, which is paid through Adyen: nothing can be read there, so that a person is asked
//! when no webhook confirms what was sent. Orders to the stand-in and nothing else.

use super::script::{Act, DAY, HOUR, Opening, Scene, delivered, moves, opening, order, person, says};
use super::shops::Shop;
use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{Change, NewDispute, ProviderKind, Turns, WebhookFault, WebhookTrouble};

const ADYEN: ProviderKind = ProviderKind::Adyen;

pub(super) const SHOP: Shop = Shop {
    merchant: "nordlicht",
    provider: ADYEN,
    credentials: &[
        ("api_key", "AQEdemo-nordlicht-api-key-61"),
        ("webhook_password", "demo-nordlicht-pass-38"),
    ],
    settings: &[("merchant_account", "NordlichtHamburg"), ("webhook_user", "adyen")],
    webhook_secret: Some("6D1F0A83C95E47B26D1F0A83C95E47B26D1F0A83C95E47B26D1F0A83C95E47B2"),
    rules: include_str!("../../config/demo/nordlicht.rules.toml"),
    payment: |letters| format!("DEMO{:0<12}", letters.to_uppercase()).chars().take(16).collect(),
    scenes,
};

/// A dispute at Adyen, in cents.
fn adyen(at_s: i64, name: &'static str, scheme: &str, code: &str, amount: i64) -> Opening {
    let mut dispute = NewDispute::adyen();
    dispute.network = Some(scheme.to_owned());
    dispute.network_reason_code = Some(code.to_owned());
    dispute.amount = Some(amount);
    opening(at_s, name, dispute)
}

fn scenes(all: &mut Vec<Scene>) {
    answered(all);
    second_round(all);
    silence(all);
}

fn answered(all: &mut Vec<Scene>) {
    all.extend([
        adyen(4 * HOUR, "floor-lamp", "visa", "13.1", 24_900)
            .window(18 * DAY)
            .knows(delivered("N-301", "standing lamp"))
            .then("won", 7 * DAY)
            .0,
        adyen(9 * HOUR, "cup", "visa", "10.4", 1_200).window(18 * DAY).0,
        adyen(DAY + 2 * HOUR, "query", "amex", "127", 8_900)
            .window(14 * DAY)
            .knows(order("N-303", "rain coat"))
            .edit(|d| d.phase = Some("request_for_information".to_owned()))
            .0,
    ]);
}

fn second_round(all: &mut Vec<Scene>) {
    all.extend([
        adyen(2 * DAY, "sideboard", "mc", "4853", 129_000)
            .window(12 * DAY)
            .knows(delivered("N-304", "sideboard"))
            .then("lost", 6 * DAY)
            .0,
        Scene {
            at_s: 3 * DAY,
            act: Act::Attaches {
                name: "sideboard",
                who: "swantje",
                field: Field::ShippingDocumentation,
                file: "signed-delivery-note.pdf",
            },
        },
        says(20 * DAY, "the bank charged back a second time, and opens pre-arbitration"),
        moves(
            20 * DAY,
            "sideboard",
            Change::Escalate {
                due_by: Some(super::stage::start_of_month().timestamp() + 27 * DAY),
                phase: Some("pre_arbitration".to_owned()),
            },
        ),
        person(22 * DAY, "sideboard", "swantje", Command::Accept),
    ]);
}

/// The webhooks that would tell of the documents and confirm the defence are lost for good, and there is nothing to
/// read: the margin pages.
fn silence(all: &mut Vec<Scene>) {
    let fault = WebhookFault {
        provider: ADYEN,
        account: None,
        event_type: Some("INFORMATION_SUPPLIED".to_owned()),
        dispute: None,
        trouble: WebhookTrouble::Drop,
        turns: Turns::always(),
    };
    all.extend([
        says(22 * DAY + 5 * HOUR, "nothing can be read at Adyen, and the next confirmation is lost"),
        Scene { at_s: 22 * DAY + 5 * HOUR, act: Act::WebhookTrouble(fault) },
        adyen(22 * DAY + 6 * HOUR, "silence", "visa", "13.1", 45_000)
            .window(3 * DAY)
            .knows(delivered("N-305", "bookcase"))
            .then("won", 45 * HOUR)
            .0,
    ]);
}
