//! What each provider's webhooks look like: a new dispute as that provider tells of it, filled up to the length of
//! Stripe's in a field for notes (or in one that nobody reads, where it has none), and the headers that come with it.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use respondby::providers::ProviderName;

use crate::bodies::{SECRET, SLOT, template};
use crate::checksum;

/// What fills the place of a signature, as wide as it is.
pub const UNSIGNED: &str = "%";
/// What fills the place of the digits that PayPal's bodies are balanced with.
pub const UNBALANCED: &str = "00000000000000000000000000000000";
/// As Adyen names a merchant's account.
pub const MERCHANT_ACCOUNT: &str = "BenchECOM";
/// The host of the address that webhooks are sent to. Square signs it.
pub const HOST: &str = "bench";
/// What is signed by PayPal's certificate beside the checksum, and names the one delivery that all of them are.
pub const TRANSMISSION: &str = "b0e5a4d0-5a4d-11f1-8b0c-0b5e55ed0001";

const _: () = assert!(UNBALANCED.len() == checksum::DIGITS);

pub fn account(provider: ProviderName) -> String {
    format!("bench-{provider}")
}

pub fn path(provider: ProviderName) -> String {
    format!("/webhooks/{provider}/{}", account(provider))
}

/// The webhook secret of the account: text for all but Adyen, whose keys are hex.
pub fn secret(provider: ProviderName) -> String {
    match provider {
        ProviderName::Adyen | ProviderName::Prism => "b3".repeat(32),
        // The id of the webhook, which the signature covers.
        ProviderName::Paypal => "3WK90217AB61X4418".to_owned(),
        ProviderName::Stripe
        | ProviderName::Razorpay
        | ProviderName::Hyperswitch
        | ProviderName::Checkout
        | ProviderName::Square => SECRET.to_owned(),
    }
}

/// How many characters a signature has.
pub const fn width(provider: ProviderName) -> usize {
    match provider {
        ProviderName::Stripe | ProviderName::Razorpay | ProviderName::Checkout => 64,
        ProviderName::Hyperswitch => 128,
        ProviderName::Square | ProviderName::Adyen | ProviderName::Prism => 44,
        ProviderName::Paypal => 344,
    }
}

/// The headers, each with its end of line, but for the length. `certificates` is where PayPal's lies.
pub fn headers(provider: ProviderName, at: DateTime<Utc>, certificates: &str) -> String {
    let signature = UNSIGNED.repeat(width(provider));
    let lines = match provider {
        ProviderName::Stripe => vec![
            "content-type: application/json; charset=utf-8".to_owned(),
            "user-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned(),
            "accept: */*; q=0.5, application/xml".to_owned(),
            "cache-control: no-cache".to_owned(),
            format!("stripe-signature: t={},v1={signature}", at.timestamp()),
        ],
        ProviderName::Razorpay => vec![
            "content-type: application/json".to_owned(),
            "user-agent: Razorpay-Webhook/v1".to_owned(),
            format!("x-razorpay-event-id: RbBench{SLOT}"),
            format!("x-razorpay-signature: {signature}"),
        ],
        // Each item of the body has its own.
        ProviderName::Adyen | ProviderName::Prism => {
            vec![
                "content-type: application/json; charset=utf-8".to_owned(),
                "user-agent: Adyen HttpClient 1.0".to_owned(),
            ]
        }
        ProviderName::Paypal => vec![
            "content-type: application/json".to_owned(),
            "user-agent: PayPal/AUHR-214".to_owned(),
            format!("paypal-transmission-id: {TRANSMISSION}"),
            format!("paypal-transmission-time: {}", rfc3339(at)),
            format!("paypal-transmission-sig: {signature}"),
            format!("paypal-cert-url: {certificates}/v1/notifications/certs/CERT-bench"),
            "paypal-auth-algo: SHA256withRSA".to_owned(),
            "paypal-auth-version: v2".to_owned(),
        ],
        ProviderName::Checkout => vec![
            "content-type: application/json".to_owned(),
            "user-agent: Cko-Workflows".to_owned(),
            format!("cko-signature: {signature}"),
        ],
        ProviderName::Hyperswitch => {
            vec!["content-type: application/json".to_owned(), format!("x-webhook-signature-512: {signature}")]
        }
        ProviderName::Square => vec![
            "content-type: application/json".to_owned(),
            "user-agent: Square Connect v2".to_owned(),
            format!("x-square-hmacsha256-signature: {signature}"),
        ],
    };
    lines.into_iter().map(|line| line + "\r\n").collect()
}

/// The fields that Adyen signs, in its order, as they stand in the body below.
pub fn adyen_signs() -> String {
    format!("KT{SLOT}:JX{SLOT}:{MERCHANT_ACCOUNT}:order-{SLOT}:12900:USD:NOTIFICATION_OF_CHARGEBACK:true")
}

/// A body of the length of Stripe's.
pub fn body(provider: ProviderName, now: DateTime<Utc>) -> String {
    let stripe = template(now.timestamp(), (now + TimeDelta::days(20)).timestamp());
    let short = noted(provider, now, "");
    match provider {
        ProviderName::Stripe => stripe,
        ProviderName::Razorpay
        | ProviderName::Prism
        | ProviderName::Hyperswitch
        | ProviderName::Paypal
        | ProviderName::Checkout
        | ProviderName::Square
        | ProviderName::Adyen => noted(provider, now, &note(&stripe, stripe.len() - short.len())),
    }
}

/// Cut from Stripe's body, so that what fills the others up compresses like it.
fn note(stripe: &str, length: usize) -> String {
    let plain = |c: char| match c {
        '"' => '\'',
        '\n' => ' ',
        '#' => '0',
        other => other,
    };
    stripe.chars().map(plain).take(length).collect()
}

/// As the bodies tell instants, and as PayPal signs one.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn noted(provider: ProviderName, now: DateTime<Utc>, note: &str) -> String {
    let due = now + TimeDelta::days(20);
    let (at, due_at, t, due_t) = (rfc3339(now), rfc3339(due), now.timestamp(), due.timestamp());
    match provider {
        ProviderName::Stripe => String::new(),
        ProviderName::Razorpay => razorpay(t, due_t, note),
        ProviderName::Adyen | ProviderName::Prism => adyen(&at, &due_at, note),
        ProviderName::Paypal => paypal(&at, &due_at, note),
        ProviderName::Checkout => checkout(&at, &due_at, note),
        ProviderName::Hyperswitch => hyperswitch(&at, &due_at, note),
        ProviderName::Square => square(&at, &due_at, note),
    }
}

fn razorpay(t: i64, due_t: i64, note: &str) -> String {
    format!(
        r#"{{"entity":"event","account_id":"acc_BenchBenchBe","event":"payment.dispute.created","contains":["payment","dispute"],"payload":{{"payment":{{"entity":{{"id":"pay_{SLOT}","entity":"payment","amount":129000,"currency":"INR","base_amount":129000,"status":"captured","order_id":"order_{SLOT}","invoice_id":null,"international":false,"method":"card","amount_refunded":0,"amount_transferred":0,"refund_status":null,"captured":true,"description":null,"card_id":"card_{SLOT}","bank":null,"wallet":null,"vpa":null,"email":"buyer@bench.example","contact":"+918045670000","notes":{{"note":"{note}"}},"fee":3044,"tax":464,"error_code":null,"error_description":null,"error_source":null,"error_step":null,"error_reason":null,"acquirer_data":{{"auth_code":"204417"}},"created_at":{t}}}}},"dispute":{{"entity":{{"id":"disp_{SLOT}","entity":"dispute","payment_id":"pay_{SLOT}","amount":129000,"currency":"INR","amount_deducted":0,"reason_code":"13.1","respond_by":{due_t},"status":"open","phase":"chargeback","created_at":{t}}}}}}},"created_at":{t}}}"#
    )
}

fn adyen(at: &str, due_at: &str, note: &str) -> String {
    let signature = UNSIGNED.repeat(width(ProviderName::Adyen));
    format!(
        r#"{{"live":"true","notificationItems":[{{"NotificationRequestItem":{{"additionalData":{{"hmacSignature":"{signature}","disputeStatus":"Undefended","defendable":"true","defensePeriodEndsAt":"{due_at}","shopperReference":"shopper-{SLOT}","arn":"74537604221222132710572","chargebackSchemeCode":"visa","chargebackReasonCode":"13.1","metadata.note":"{note}"}},"amount":{{"currency":"USD","value":12900}},"eventCode":"NOTIFICATION_OF_CHARGEBACK","eventDate":"{at}","merchantAccountCode":"{MERCHANT_ACCOUNT}","merchantReference":"order-{SLOT}","originalReference":"JX{SLOT}","paymentMethod":"visa","pspReference":"KT{SLOT}","reason":"Merchandise not received","success":"true"}}}}]}}"#
    )
}

fn paypal(at: &str, due_at: &str, note: &str) -> String {
    format!(
        r#"{{"id":"WH-{SLOT}-{UNBALANCED}","event_version":"1.0","create_time":"{at}","resource_type":"dispute","event_type":"CUSTOMER.DISPUTE.CREATED","summary":"A dispute was opened","resource":{{"dispute_id":"PP-R-BEN-{SLOT}","create_time":"{at}","update_time":"{at}","disputed_transactions":[{{"buyer_transaction_id":"8L{SLOT}","seller_transaction_id":"3W{SLOT}","create_time":"{at}","transaction_status":"COMPLETED","gross_amount":{{"currency_code":"USD","value":"129.00"}},"invoice_number":"order-{SLOT}","buyer":{{"name":"A Buyer"}},"seller":{{"email":"shop@bench.example","merchant_id":"BENCHBENCH42","name":"The shop of the bench"}}}}],"reason":"MERCHANDISE_OR_SERVICE_NOT_RECEIVED","status":"WAITING_FOR_SELLER_RESPONSE","dispute_amount":{{"currency_code":"USD","value":"129.00"}},"dispute_life_cycle_stage":"CHARGEBACK","dispute_channel":"INTERNAL","seller_response_due_date":"{due_at}","messages":[{{"posted_by":"BUYER","time_posted":"{at}","content":"{note}"}}],"links":[{{"href":"https://api-m.paypal.com/v1/customer/disputes/PP-R-BEN-{SLOT}","rel":"self","method":"GET"}}]}},"links":[]}}"#
    )
}

fn checkout(at: &str, due_at: &str, note: &str) -> String {
    format!(
        r#"{{"id":"evt_bench{SLOT}","type":"dispute_evidence_required","timestamp":"{at}","version":"1.2.0","data":{{"id":"dsp_bench{SLOT}","date":"{at}","category":"product_service_not_received","amount":12900,"currency":"USD","reason_code":"13.1","payment_id":"pay_bench{SLOT}","payment_action_id":"act_bench{SLOT}","payment_reference":"order-{SLOT}","payment_method":"VISA","client_id":"cli_benchbenchbench","processing_channel_id":"pc_benchbenchbench","entity_id":"ent_benchbenchbench","evidence_required_by":"{due_at}","metadata":{{"note":"{note}"}}}},"_links":{{"self":{{"href":"https://bench.api.checkout.com/workflows/events/evt_bench{SLOT}"}}}}}}"#
    )
}

fn hyperswitch(at: &str, due_at: &str, note: &str) -> String {
    format!(
        r#"{{"merchant_id":"merchant_bench","event_id":"evt_{SLOT}","event_type":"dispute_opened","content":{{"type":"dispute_details","object":{{"dispute_id":"dp_{SLOT}","payment_id":"pay_{SLOT}","attempt_id":"pay_{SLOT}_1","amount":"12900","currency":"USD","dispute_stage":"dispute","dispute_status":"dispute_opened","connector":"checkout","connector_status":"evidence_required","connector_dispute_id":"dsp_{SLOT}","connector_reason":null,"connector_reason_code":"13.1","challenge_required_by":"{due_at}","connector_created_at":"{at}","connector_updated_at":null,"created_at":"{at}","profile_id":"pro_bench","merchant_connector_id":"mca_bench","is_already_refunded":false,"metadata":{{"note":"{note}"}}}}}},"timestamp":"{at}"}}"#
    )
}

fn square(at: &str, due_at: &str, note: &str) -> String {
    format!(
        r#"{{"created_at":"{at}","data":{{"id":"{SLOT}","object":{{"dispute":{{"amount_money":{{"amount":12900,"currency":"USD"}},"brand_dispute_id":"brand{SLOT}","card_brand":"VISA","created_at":"{at}","disputed_payment":{{"payment_id":"payment{SLOT}"}},"due_at":"{due_at}","id":"dispute{SLOT}","location_id":"LBENCHBENCH","note":"{note}","reason":"NOT_RECEIVED","reported_at":"{at}","state":"EVIDENCE_REQUIRED","updated_at":"{at}","version":1}}}},"type":"dispute"}},"event_id":"5d0c9a1e-7b42-4f38-9c6d-{SLOT}","location_id":"LBENCHBENCH","merchant_id":"MBENCHBENCH","type":"dispute.created"}}"#
    )
}
