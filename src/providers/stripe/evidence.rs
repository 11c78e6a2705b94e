//! Where each kind of evidence goes at Stripe, what fits there, and how a packet is written as form fields.
//! Limits: docs.stripe.com/api/disputes/update and /file-upload. Knows no network.

use std::collections::BTreeMap;

use crate::dispute::Capabilities;
use crate::evidence::{Field, Packet};
use crate::providers::http::is_plain_ref;

const LONG: usize = 20_000;
const SHORT: usize = 5_000;
/// All text of one dispute together, characters.
const TEXT_CHARS_MAX: usize = 150_000;

/// A place in Stripe's `evidence` object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Text {
        name: &'static str,
        chars_max: usize,
    },
    /// Takes the id of one file.
    File {
        name: &'static str,
    },
}

const fn text(name: &'static str, chars_max: usize) -> Place {
    Place::Text { name, chars_max }
}

const fn file(name: &'static str) -> Place {
    Place::File { name }
}

pub const fn place(field: Field) -> Place {
    match field {
        Field::AccessActivityLog => text("access_activity_log", LONG),
        Field::BillingAddress => text("billing_address", SHORT),
        Field::CancellationPolicyDisclosure => text("cancellation_policy_disclosure", LONG),
        Field::CancellationRebuttal => text("cancellation_rebuttal", LONG),
        Field::CustomerEmailAddress => text("customer_email_address", SHORT),
        Field::CustomerName => text("customer_name", SHORT),
        Field::CustomerPurchaseIp => text("customer_purchase_ip", SHORT),
        Field::DuplicateChargeExplanation => text("duplicate_charge_explanation", LONG),
        Field::DuplicateChargeId => text("duplicate_charge_id", SHORT),
        Field::ProductDescription => text("product_description", LONG),
        Field::RefundPolicyDisclosure => text("refund_policy_disclosure", LONG),
        Field::RefundRefusalExplanation => text("refund_refusal_explanation", LONG),
        Field::ServiceDate => text("service_date", SHORT),
        Field::ShippingAddress => text("shipping_address", SHORT),
        Field::ShippingCarrier => text("shipping_carrier", SHORT),
        Field::ShippingDate => text("shipping_date", SHORT),
        Field::ShippingTrackingNumber => text("shipping_tracking_number", SHORT),
        // Stripe has no field for the argument as a whole; it opens the free text.
        Field::Summary | Field::UncategorizedText => text(FREE_TEXT, LONG),
        Field::CancellationPolicy => file("cancellation_policy"),
        Field::CustomerCommunication => file("customer_communication"),
        Field::CustomerSignature => file("customer_signature"),
        Field::DuplicateChargeDocumentation => file("duplicate_charge_documentation"),
        Field::Receipt => file("receipt"),
        Field::RefundPolicy => file("refund_policy"),
        Field::ServiceDocumentation => file("service_documentation"),
        Field::ShippingDocumentation => file("shipping_documentation"),
        // What Stripe has no place of its own for goes where anything may go, and there is room for one.
        Field::UncategorizedFile
        | Field::AccessActivityDocumentation
        | Field::CancellationDocumentation
        | Field::ExplanationLetter
        | Field::RefundDocumentation
        | Field::TermsAndConditions => file(FREE_FILE),
    }
}

const FREE_TEXT: &str = "uncategorized_text";
const FREE_FILE: &str = "uncategorized_file";

/// Stripe's name and the text for each text field of the packet. Summary and free text share one place.
fn texts(packet: &Packet) -> Vec<(&'static str, usize, String)> {
    let mut out: Vec<(&'static str, usize, String)> = Vec::with_capacity(packet.text.len());
    // In catalogue order, in which the summary stands before the free text.
    for (field, words) in &packet.text {
        let Place::Text { name, chars_max } = place(*field) else { continue };
        match out.iter_mut().find(|(n, ..)| *n == name) {
            Some((.., joined)) => {
                joined.push_str("\n\n");
                joined.push_str(words);
            }
            None => out.push((name, chars_max, words.clone())),
        }
    }
    out
}

/// The packet as form fields, in a fixed order. What has no place is left out: [`lint`] names it first.
pub fn form(packet: &Packet) -> Vec<(String, String)> {
    let texts = texts(packet).into_iter().map(|(name, _, words)| (format!("evidence[{name}]"), words));
    let files = packet.files.iter().filter_map(|(field, ids)| match (place(*field), ids.first()) {
        (Place::File { name }, Some(id)) => Some((format!("evidence[{name}]"), id.clone())),
        (Place::File { .. } | Place::Text { .. }, _) => None,
    });
    texts.chain(files).collect()
}

/// What the packet breaks of Stripe's limits, in words.
pub fn lint(packet: &Packet, submit: bool, capabilities: &Capabilities) -> Vec<String> {
    let mut faults = Vec::new();
    if submit && packet.is_empty() {
        faults.push("there is no evidence to send".to_owned());
    }
    if packet.amount.is_some() {
        faults.push("Stripe contests the whole amount: leave `amount` out".to_owned());
    }
    if (packet.document_count() as u32) < capabilities.documents_min && submit {
        faults.push(format!("at least {} documents are needed", capabilities.documents_min));
    }
    lint_text(packet, &mut faults);
    lint_files(packet, &mut faults);
    faults
}

fn lint_text(packet: &Packet, faults: &mut Vec<String>) {
    for (field, words) in &packet.text {
        match place(*field) {
            Place::Text { .. } if words.is_empty() => {
                faults.push(format!("`{field}` is empty, which would erase what is there: leave it out"));
            }
            Place::Text { .. } => {}
            Place::File { .. } => faults.push(format!("`{field}` takes a file and is given text")),
        }
    }
    let texts = texts(packet);
    for (name, chars_max, words) in &texts {
        let chars = words.chars().count();
        if chars > *chars_max {
            faults.push(format!("`{name}` has {chars} characters, and Stripe takes {chars_max}"));
        }
    }
    let total: usize = texts.iter().map(|(.., words)| words.chars().count()).sum();
    if total > TEXT_CHARS_MAX {
        faults.push(format!("all text together has {total} characters, and Stripe takes {TEXT_CHARS_MAX}"));
    }
}

fn lint_files(packet: &Packet, faults: &mut Vec<String>) {
    let mut taken: BTreeMap<&'static str, Field> = BTreeMap::new();
    for (field, ids) in &packet.files {
        let Place::File { name } = place(*field) else {
            faults.push(format!("`{field}` takes text and is given a file"));
            continue;
        };
        if let Some(other) = taken.insert(name, *field) {
            faults.push(format!(
                "`{other}` and `{field}` both go to Stripe's one `{name}`: join them in one file"
            ));
        }
        match ids.as_slice() {
            [] => faults.push(format!("`{field}` names no file: leave it out")),
            [id] if is_plain_ref(id) => {}
            [id] => faults.push(format!("`{field}`: `{id}` is not the id of an uploaded file")),
            _ => faults.push(format!("`{field}` takes one file and is given {}: join them", ids.len())),
        }
    }
}
