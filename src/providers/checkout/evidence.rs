//! A packet as Checkout.com takes it: eight places, each with room for one file and for words of at most 500
//! characters; and what the packet breaks of that before it is sent. Source: api-reference.checkout.com,
//! "Provide dispute evidence".

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::evidence::{Field, Packet};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::outgoing::misplaced;
use crate::providers::shared::plausible::clean;

/// Characters of one `…_text`.
const TEXT_LENGTH_MAX: usize = 500;

/// The places, in the order of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    ProofOfDeliveryOrService,
    InvoiceOrReceipt,
    InvoiceShowingDistinctTransactions,
    CustomerCommunication,
    RefundOrCancellationPolicy,
    RecurringTransactionAgreement,
    AdditionalEvidence,
    ProofOfDeliveryOrServiceDate,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Place::ProofOfDeliveryOrService => "proof_of_delivery_or_service",
            Place::InvoiceOrReceipt => "invoice_or_receipt",
            Place::InvoiceShowingDistinctTransactions => "invoice_showing_distinct_transactions",
            Place::CustomerCommunication => "customer_communication",
            Place::RefundOrCancellationPolicy => "refund_or_cancellation_policy",
            Place::RecurringTransactionAgreement => "recurring_transaction_agreement",
            Place::AdditionalEvidence => "additional_evidence",
            Place::ProofOfDeliveryOrServiceDate => "proof_of_delivery_or_service_date",
        }
    }
}

/// Where a field goes, files and words alike.
const fn place(field: Field) -> Place {
    match field {
        Field::AccessActivityLog
        | Field::AccessActivityDocumentation
        | Field::CustomerSignature
        | Field::ServiceDocumentation
        | Field::ShippingAddress
        | Field::ShippingCarrier
        | Field::ShippingDocumentation
        | Field::ShippingTrackingNumber => Place::ProofOfDeliveryOrService,
        Field::ServiceDate | Field::ShippingDate => Place::ProofOfDeliveryOrServiceDate,
        Field::BillingAddress | Field::ProductDescription | Field::Receipt => Place::InvoiceOrReceipt,
        Field::DuplicateChargeDocumentation
        | Field::DuplicateChargeExplanation
        | Field::DuplicateChargeId => Place::InvoiceShowingDistinctTransactions,
        Field::CustomerCommunication => Place::CustomerCommunication,
        Field::CancellationPolicy
        | Field::CancellationPolicyDisclosure
        | Field::CancellationRebuttal
        | Field::RefundPolicy
        | Field::RefundPolicyDisclosure
        | Field::RefundRefusalExplanation => Place::RefundOrCancellationPolicy,
        Field::TermsAndConditions => Place::RecurringTransactionAgreement,
        Field::CancellationDocumentation
        | Field::CustomerEmailAddress
        | Field::CustomerName
        | Field::CustomerPurchaseIp
        | Field::ExplanationLetter
        | Field::RefundDocumentation
        | Field::Summary
        | Field::UncategorizedFile
        | Field::UncategorizedText => Place::AdditionalEvidence,
    }
}

/// What goes where, and what found no room.
#[derive(Debug, Default)]
struct Layout<'a> {
    files: BTreeMap<Place, &'a str>,
    texts: BTreeMap<Place, String>,
    /// Files whose place, and `additional_evidence` too, hold another one already.
    left_over: Vec<(Field, &'a str)>,
}

impl<'a> Layout<'a> {
    fn of(packet: &'a Packet) -> Self {
        let mut layout = Self { texts: texts(packet), ..Self::default() };
        for (field, id) in files(packet) {
            let wanted = [place(field), Place::AdditionalEvidence];
            if layout.files.values().any(|known| *known == id) {
                continue;
            }
            match wanted.into_iter().find(|place| !layout.files.contains_key(place)) {
                Some(free) => {
                    layout.files.insert(free, id);
                }
                None => layout.left_over.push((field, id)),
            }
        }
        layout
    }
}

/// Files that have their place to themselves come first: a second one elsewhere does not take it from them.
fn files(packet: &Packet) -> Vec<(Field, &str)> {
    let mut all: Vec<(usize, Field, &str)> = packet
        .files
        .iter()
        .flat_map(|(field, ids)| ids.iter().enumerate().map(|(n, id)| (n, *field, id.as_str())))
        .collect();
    all.sort_by_key(|(n, field, _)| (*n, *field));
    all.into_iter().map(|(_, field, id)| (field, id)).collect()
}

/// The argument itself stands first and plain; every other field is a line `Label: text`.
fn texts(packet: &Packet) -> BTreeMap<Place, String> {
    let is_plain = |field: Field| field == Field::Summary || field == Field::UncategorizedText;
    let filled = packet.text.iter().map(|(field, text)| (*field, text.trim())).filter(|(_, t)| !t.is_empty());
    let (plain, labelled): (Vec<_>, Vec<_>) = filled.partition(|(field, _)| is_plain(*field));
    let mut texts: BTreeMap<Place, String> = BTreeMap::new();
    for (field, text) in plain.into_iter().chain(labelled) {
        let line = if is_plain(field) { text.to_owned() } else { format!("{}: {text}", label(field)) };
        let known = texts.entry(place(field)).or_default();
        if !known.is_empty() {
            known.push('\n');
        }
        known.push_str(&line);
    }
    texts
}

/// `shipping_tracking_number` as people write it: `Shipping tracking number`.
fn label(field: Field) -> String {
    let words = field.as_str().replace('_', " ");
    words[..1].to_ascii_uppercase() + &words[1..]
}

/// The body of "Provide dispute evidence".
pub fn body(packet: &Packet) -> BTreeMap<String, String> {
    let Layout { files, texts, left_over: _ } = Layout::of(packet);
    let files = files.into_iter().map(|(place, id)| (format!("{}_file", place.name()), id.to_owned()));
    let texts = texts.into_iter().map(|(place, text)| (format!("{}_text", place.name()), text));
    files.chain(texts).collect()
}

/// What of the evidence that is held the packet does not hold, in words. Texts of the packet's own places are not
/// compared: nobody says that they come back letter by letter.
pub fn beside(packet: &Packet, held: &Map<String, Value>) -> Option<String> {
    let ours = body(packet);
    let foreign = |(name, value): (&String, &Value)| {
        let value = value.as_str().filter(|value| !value.is_empty())?;
        let is_file = name.ends_with("_file");
        let is_ours = ours.get(name).is_some_and(|own| !is_file || own == value);
        ((is_file || name.ends_with("_text")) && !is_ours).then(|| format!("`{}`", clean(name)))
    };
    let foreign: Vec<String> = held.iter().filter_map(foreign).collect();
    (!foreign.is_empty()).then(|| {
        format!(
            "Checkout.com holds evidence in {} that this packet does not, and would send it too. It takes none away: \
             fill the place in the packet as well, or submit in the Checkout.com Dashboard",
            foreign.join(", ")
        )
    })
}

/// The same for a draft and for what is submitted: a draft must not be empty either.
pub fn lint(packet: &Packet) -> Vec<String> {
    let mut found = Vec::new();
    let layout = Layout::of(packet);
    if layout.files.is_empty() && layout.texts.is_empty() {
        found.push("Checkout.com takes no empty evidence: add words or a file".to_owned());
    }
    for (place, text) in &layout.texts {
        let length = text.chars().count();
        if length > TEXT_LENGTH_MAX {
            let name = place.name();
            found.push(format!(
                "`{name}_text` would have {length} characters, and Checkout.com takes {TEXT_LENGTH_MAX}: shorten {}",
                fields_in(packet, *place)
            ));
        }
    }
    found.extend(layout.left_over.iter().map(|(field, id)| {
        let (own, other) = (place(*field).name(), Place::AdditionalEvidence.name());
        format!(
            "`{field}` holds `{id}`, and `{own}_file` and `{other}_file` have a file already: Checkout.com takes one \
             to each, so put them together into one PDF"
        )
    }));
    for (field, ids) in &packet.files {
        let foreign = ids.iter().filter(|id| !(id.starts_with("file_") && is_plain_ref(id)));
        found.extend(foreign.map(|id| {
            format!("`{field}` holds `{id}`, which is not a Checkout.com file id (`file_…`): upload the file")
        }));
    }
    found.extend(misplaced(packet));
    if let Some(amount) = packet.amount {
        found.push(format!(
            "{amount} are contested, and Checkout.com takes a defence of the whole amount only"
        ));
    }
    found
}

fn fields_in(packet: &Packet, wanted: Place) -> String {
    let fields = packet.text.keys().filter(|field| place(**field) == wanted);
    fields.map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
}
