//! Webhooks as Stripe would send them, about 3 kB each: one event id and one dispute apiece, everything else
//! made up. A body is a template with its number written in, so that a million of them take no memory.

pub const SECRET: &str = "whsec_of_the_bench";
pub const ACCOUNT: &str = "bench-stripe";
pub const PATH: &str = "/webhooks/stripe/bench-stripe";

/// Digits of a number in an id.
const DIGITS: usize = 12;
pub const SLOT: &str = "############";

/// The template, and where the number goes.
#[derive(Clone)]
pub struct Bodies {
    template: Vec<u8>,
    slots: Vec<usize>,
}

impl Bodies {
    /// `now` and `due_by` in unix seconds.
    pub fn new(now: i64, due_by: i64) -> Self {
        Self::of(template(now, due_by))
    }

    /// Any text, with [`SLOT`] where its number goes.
    pub fn of(template: String) -> Self {
        let slots = template.match_indices(SLOT).map(|(at, _)| at).collect();
        Self { template: template.into_bytes(), slots }
    }

    pub fn length(&self) -> usize {
        self.template.len()
    }

    /// Writes body `n` to the end of `out`.
    pub fn write(&self, n: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.template);
        let digits = format!("{n:0width$}", width = DIGITS);
        for slot in &self.slots {
            out[start + slot..start + slot + DIGITS].copy_from_slice(digits.as_bytes());
        }
    }

    pub fn body(&self, n: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length());
        self.write(n, &mut out);
        out
    }

    pub fn event_id(n: u64) -> String {
        format!("evt_1Bench{n:0width$}", width = DIGITS)
    }
}

const EVIDENCE: [&str; 26] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_text",
];

/// Stripe's body. `now` and `due_by` in unix seconds.
pub fn template(now: i64, due_by: i64) -> String {
    let evidence: Vec<String> = EVIDENCE.iter().map(|field| format!("        \"{field}\": null")).collect();
    let evidence = evidence.join(",\n");
    format!(
        r#"{{
  "id": "evt_1Bench{SLOT}",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": {now},
  "data": {{
    "object": {{
      "id": "du_1Bench{SLOT}",
      "object": "dispute",
      "amount": 12900,
      "balance_transactions": [
        {{
          "id": "txn_1Bench{SLOT}",
          "object": "balance_transaction",
          "amount": -12900,
          "available_on": {now},
          "created": {now},
          "currency": "usd",
          "description": "Chargeback withdrawal for ch_1Bench{SLOT}",
          "fee": 1500,
          "fee_details": [
            {{ "amount": 1500, "application": null, "currency": "usd", "description": "Dispute fee", "type": "stripe_fee" }}
          ],
          "net": -14400,
          "reporting_category": "dispute",
          "source": "du_1Bench{SLOT}",
          "status": "pending",
          "type": "adjustment"
        }}
      ],
      "charge": "ch_1Bench{SLOT}",
      "created": {now},
      "currency": "usd",
      "enhanced_eligibility_types": [],
      "evidence": {{
{evidence}
      }},
      "evidence_details": {{
        "due_by": {due_by},
        "enhanced_eligibility": {{}},
        "has_evidence": false,
        "past_due": false,
        "submission_count": 0,
        "submission_method": "not_submitted"
      }},
      "intended_submission_method": "manual",
      "is_charge_refundable": false,
      "livemode": true,
      "metadata": {{ "order": "order-{SLOT}", "shop": "the shop of the bench" }},
      "network_reason_code": "13.1",
      "payment_intent": "pi_1Bench{SLOT}",
      "payment_method_details": {{
        "card": {{ "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "13.1" }},
        "type": "card"
      }},
      "reason": "product_not_received",
      "status": "needs_response"
    }}
  }},
  "livemode": true,
  "pending_webhooks": 1,
  "request": {{ "id": null, "idempotency_key": null }},
  "type": "charge.dispute.created"
}}"#
    )
}
