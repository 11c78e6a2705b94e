//! Which parameters each Stripe operation takes, and the check that refuses everything else in Stripe's
//! words. Limits are those of Stripe's published API description for 2026-10-28.endive.

use super::form::Node;
use super::refusal::Refusal;

/// What a parameter may hold.
#[derive(Debug)]
pub(super) enum Kind {
    /// At most so many characters; an empty one unsets.
    Text(usize),
    /// Not empty.
    Word,
    Flag,
    Whole,
    OneOf(&'static [&'static str]),
    Hash(&'static [Field]),
    List(&'static Kind),
    /// Free keys, text values.
    Map,
    /// A whole number, or `gt`, `gte`, `lt`, `lte` of them.
    Span,
    /// The kind, or an empty text that unsets it.
    OrEmpty(&'static Kind),
}

pub(super) type Field = (&'static str, Kind);

/// Evidence texts of at most 20,000 characters.
pub(super) const LONG_TEXTS: [&str; 8] = [
    "access_activity_log",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "duplicate_charge_explanation",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "uncategorized_text",
];

/// Evidence texts of at most 5,000 characters.
pub(super) const SHORT_TEXTS: [&str; 10] = [
    "billing_address",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_id",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
];

/// Evidence fields that hold the id of an uploaded file.
pub(super) const FILES: [&str; 9] = [
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
];

/// All evidence texts of one dispute together, characters.
pub(super) const TEXT_TOTAL_MAX: usize = 150_000;

const EXPAND: Kind = Kind::List(&Kind::Word);
const ADDRESS: Kind = Kind::Hash(&[
    ("city", Kind::Text(5000)),
    ("country", Kind::Text(5000)),
    ("line1", Kind::Text(5000)),
    ("line2", Kind::Text(5000)),
    ("postal_code", Kind::Text(5000)),
    ("state", Kind::Text(5000)),
]);
const FEE: Kind = Kind::Hash(&[("fee_acknowledged", Kind::Flag)]);

const CE3_DISPUTED: Kind = Kind::Hash(&[
    ("customer_account_id", Kind::Text(5000)),
    ("customer_device_fingerprint", Kind::Text(5000)),
    ("customer_device_id", Kind::Text(5000)),
    ("customer_email_address", Kind::Text(5000)),
    ("customer_purchase_ip", Kind::Text(5000)),
    ("product_description", Kind::Text(5000)),
    ("shipping_address", ADDRESS),
    ("merchandise_or_services", Kind::OneOf(&["merchandise", "services"])),
]);
const CE3_PRIOR: Kind = Kind::Hash(&[
    ("charge", Kind::Word),
    ("customer_account_id", Kind::Text(5000)),
    ("customer_device_fingerprint", Kind::Text(5000)),
    ("customer_device_id", Kind::Text(5000)),
    ("customer_email_address", Kind::Text(5000)),
    ("customer_purchase_ip", Kind::Text(5000)),
    ("product_description", Kind::Text(5000)),
    ("shipping_address", ADDRESS),
]);
const ENHANCED: Kind = Kind::Hash(&[
    ("mastercard_compliance", FEE),
    (
        "visa_compelling_evidence_3",
        Kind::Hash(&[
            ("disputed_transaction", CE3_DISPUTED),
            ("prior_undisputed_transactions", Kind::List(&CE3_PRIOR)),
        ]),
    ),
    ("visa_compliance", FEE),
]);
const APPEAL: Kind = Kind::Hash(&[(
    "card",
    Kind::OrEmpty(&Kind::Hash(&[
        ("reason_for_filing", Kind::Text(20_000)),
        ("supporting_files", Kind::OrEmpty(&Kind::List(&Kind::Word))),
    ])),
)]);

const EVIDENCE: &[Field] = &[
    ("access_activity_log", Kind::Text(20_000)),
    ("billing_address", Kind::Text(5000)),
    ("cancellation_policy", Kind::Text(5000)),
    ("cancellation_policy_disclosure", Kind::Text(20_000)),
    ("cancellation_rebuttal", Kind::Text(20_000)),
    ("customer_communication", Kind::Text(5000)),
    ("customer_email_address", Kind::Text(5000)),
    ("customer_name", Kind::Text(5000)),
    ("customer_purchase_ip", Kind::Text(5000)),
    ("customer_signature", Kind::Text(5000)),
    ("duplicate_charge_documentation", Kind::Text(5000)),
    ("duplicate_charge_explanation", Kind::Text(20_000)),
    ("duplicate_charge_id", Kind::Text(5000)),
    ("product_description", Kind::Text(20_000)),
    ("receipt", Kind::Text(5000)),
    ("refund_policy", Kind::Text(5000)),
    ("refund_policy_disclosure", Kind::Text(20_000)),
    ("refund_refusal_explanation", Kind::Text(20_000)),
    ("service_date", Kind::Text(5000)),
    ("service_documentation", Kind::Text(5000)),
    ("shipping_address", Kind::Text(5000)),
    ("shipping_carrier", Kind::Text(5000)),
    ("shipping_date", Kind::Text(5000)),
    ("shipping_documentation", Kind::Text(5000)),
    ("shipping_tracking_number", Kind::Text(5000)),
    ("uncategorized_file", Kind::Text(5000)),
    ("uncategorized_text", Kind::Text(20_000)),
    ("enhanced_evidence", Kind::OrEmpty(&ENHANCED)),
    ("appeal", Kind::OrEmpty(&APPEAL)),
];

pub(super) const UPDATE: &[Field] = &[
    ("evidence", Kind::Hash(EVIDENCE)),
    ("expand", EXPAND),
    ("metadata", Kind::OrEmpty(&Kind::Map)),
    ("submit", Kind::Flag),
    (
        "intended_submission_method",
        Kind::OneOf(&["manual", "prefer_manual", "prefer_smart_disputes", "smart_disputes"]),
    ),
];
pub(super) const EXPAND_ONLY: &[Field] = &[("expand", EXPAND)];
pub(super) const DISPUTE_LIST: &[Field] = &[
    ("charge", Kind::Word),
    ("created", Kind::Span),
    ("ending_before", Kind::Word),
    ("expand", EXPAND),
    ("limit", Kind::Whole),
    ("payment_intent", Kind::Word),
    ("starting_after", Kind::Word),
];
pub(super) const EVENT_LIST: &[Field] = &[
    ("created", Kind::Span),
    ("delivery_success", Kind::Flag),
    ("ending_before", Kind::Word),
    ("expand", EXPAND),
    ("limit", Kind::Whole),
    ("starting_after", Kind::Word),
    ("type", Kind::Word),
    ("types", Kind::List(&Kind::Word)),
];
pub(super) const WARNING_LIST: &[Field] = &[
    ("charge", Kind::Word),
    ("created", Kind::Span),
    ("ending_before", Kind::Word),
    ("expand", EXPAND),
    ("limit", Kind::Whole),
    ("payment_intent", Kind::Word),
    ("starting_after", Kind::Word),
];
pub(super) const FILE_LIST: &[Field] = &[
    ("created", Kind::Span),
    ("ending_before", Kind::Word),
    ("expand", EXPAND),
    ("limit", Kind::Whole),
    ("purpose", Kind::Word),
    ("starting_after", Kind::Word),
];
/// Besides `file`, which is a part of its own.
pub(super) const FILE_UPLOAD: &[Field] = &[
    ("purpose", Kind::Word),
    ("expand", EXPAND),
    (
        "file_link_data",
        Kind::Hash(&[
            ("create", Kind::Flag),
            ("expires_at", Kind::Whole),
            ("metadata", Kind::OrEmpty(&Kind::Map)),
        ]),
    ),
];

/// Refuses the first parameter that is unknown, of the wrong type or too long.
pub(super) fn check(fields: &[Field], node: &Node) -> Result<(), Refusal> {
    check_hash(fields, node, "")
}

fn check_hash(fields: &[Field], node: &Node, at: &str) -> Result<(), Refusal> {
    for (key, value) in node.fields() {
        let name = match at {
            "" => key.clone(),
            outer => format!("{outer}[{key}]"),
        };
        match fields.iter().find(|(known, _)| known == key) {
            Some((_, kind)) => check_kind(kind, value, &name)?,
            None => return Err(Refusal::unknown_parameter(&name)),
        }
    }
    Ok(())
}

fn check_kind(kind: &Kind, node: &Node, name: &str) -> Result<(), Refusal> {
    match (kind, node) {
        (Kind::OrEmpty(_), Node::Text(text)) if text.is_empty() => Ok(()),
        (Kind::OrEmpty(inner), _) => check_kind(inner, node, name),
        (Kind::Hash(fields), Node::Hash(_)) => check_hash(fields, node, name),
        (Kind::Map, Node::Hash(entries)) => {
            entries.iter().try_for_each(|(key, v)| check_kind(&Kind::Text(500), v, &format!("{name}[{key}]")))
        }
        (Kind::List(inner), Node::Hash(items)) => {
            items.iter().try_for_each(|(index, item)| match index.parse::<usize>() {
                Ok(_) => check_kind(inner, item, &format!("{name}[{index}]")),
                Err(_) => Err(Refusal::invalid("Invalid array").param(name)),
            })
        }
        (Kind::Span, Node::Hash(bounds)) => bounds.iter().try_for_each(|(bound, value)| {
            let name = format!("{name}[{bound}]");
            match bound.as_str() {
                "gt" | "gte" | "lt" | "lte" => check_kind(&Kind::Whole, value, &name),
                _ => Err(Refusal::unknown_parameter(&name)),
            }
        }),
        (Kind::Hash(_) | Kind::Map, Node::Text(_)) => Err(Refusal::invalid("Invalid object").param(name)),
        (Kind::List(_), Node::Text(_)) => Err(Refusal::invalid("Invalid array").param(name)),
        (Kind::Text(_) | Kind::Word | Kind::Flag | Kind::Whole | Kind::OneOf(_), Node::Hash(_)) => {
            Err(Refusal::invalid("Invalid string: a hash was sent").param(name))
        }
        (Kind::Text(max), Node::Text(text)) => check_length(text, *max, name),
        (_, Node::Text(text)) if text.is_empty() => Err(Refusal::empty_parameter(name)),
        (Kind::Word, Node::Text(text)) => check_length(text, 5000, name),
        (Kind::Flag, Node::Text(text)) => match text.as_str() {
            "true" | "false" => Ok(()),
            other => Err(Refusal::invalid(format!("Invalid boolean: {other}")).param(name)),
        },
        (Kind::Whole | Kind::Span, Node::Text(text)) => match text.parse::<i64>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Refusal::invalid(format!("Invalid integer: {text}"))
                .code("parameter_invalid_integer")
                .param(name)),
        },
        (Kind::OneOf(words), Node::Text(text)) => match words.contains(&text.as_str()) {
            true => Ok(()),
            false => {
                Err(Refusal::invalid(format!("Invalid {name}: must be one of {}", words.join(", ")))
                    .param(name))
            }
        },
    }
}

fn check_length(text: &str, max: usize, name: &str) -> Result<(), Refusal> {
    match text.chars().count() > max {
        false => Ok(()),
        true => {
            let start: String = text.chars().take(10).collect();
            let message = format!("Invalid string: {start}...; must be at most {max} characters");
            Err(Refusal::invalid(message).param(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::decode;
    use super::*;

    fn refusal(form: &str) -> Refusal {
        check(UPDATE, &decode(form.as_bytes())).unwrap_err()
    }

    #[test]
    fn the_field_lists_and_the_schema_are_one() {
        let listed = LONG_TEXTS.len() + SHORT_TEXTS.len() + FILES.len() + 2;
        assert_eq!(listed, EVIDENCE.len());
        for (names, max) in [(&LONG_TEXTS[..], 20_000), (&SHORT_TEXTS[..], 5000), (&FILES[..], 5000)] {
            for name in names {
                let field = EVIDENCE.iter().find(|(known, _)| known == name).unwrap();
                assert!(matches!(field.1, Kind::Text(limit) if limit == max), "{name}");
            }
        }
    }

    #[test]
    fn everything_the_api_takes_passes() {
        let form = "evidence[customer_name]=A&evidence[enhanced_evidence][visa_compelling_evidence_3]\
                    [prior_undisputed_transactions][0][charge]=ch_1&evidence[enhanced_evidence]\
                    [visa_compliance][fee_acknowledged]=true&evidence[appeal][card][supporting_files][0]=file_1\
                    &metadata[order]=9&metadata[gone]=&submit=false&expand[0]=charge\
                    &intended_submission_method=manual";
        check(UPDATE, &decode(form.as_bytes())).unwrap();
        check(UPDATE, &decode(b"metadata=&evidence[enhanced_evidence]=&evidence[appeal]=")).unwrap();
    }

    #[test]
    fn what_is_unknown_is_named_wherever_it_hides() {
        for (form, param) in [
            ("status=won", "status"),
            ("evidence[colour]=red", "evidence[colour]"),
            ("evidence[enhanced_evidence][visa]=x", "evidence[enhanced_evidence][visa]"),
            (
                "evidence[enhanced_evidence][visa_compelling_evidence_3][prior_undisputed_transactions][0][x]=1",
                "evidence[enhanced_evidence][visa_compelling_evidence_3][prior_undisputed_transactions][0][x]",
            ),
        ] {
            let refusal = refusal(form);
            assert_eq!(refusal.code, Some("parameter_unknown"), "{form}");
            assert_eq!(refusal.param.as_deref(), Some(param));
        }
    }

    #[test]
    fn wrong_types_and_lengths_are_refused() {
        for form in [
            "submit=maybe",
            "evidence=text",
            "expand=charge",
            "expand[a]=charge",
            "intended_submission_method=later",
            "evidence[customer_name][first]=A",
            "evidence[enhanced_evidence]=x",
            "metadata=x",
        ] {
            assert_eq!(refusal(form).status, 400, "{form}");
        }
        assert_eq!(refusal("submit=").code, Some("parameter_invalid_empty"));
        let long = |name: &str, n: usize| format!("evidence[{name}]={}", "x".repeat(n));
        assert!(check(UPDATE, &decode(long("customer_name", 5000).as_bytes())).is_ok());
        assert_eq!(refusal(&long("customer_name", 5001)).param.as_deref(), Some("evidence[customer_name]"));
        assert!(check(UPDATE, &decode(long("product_description", 20_000).as_bytes())).is_ok());
        assert!(refusal(&long("product_description", 20_001)).message.contains("20000"));
    }
}
