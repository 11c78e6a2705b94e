//! For platforms that act for other merchants: `PayPal-Auth-Assertion`, an unsigned token that names the merchant
//! (PayPal, "HTTP request headers"). It proves nothing by itself; the access token beside it does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use serde_json::json;

use crate::providers::Account;

pub const NAME: &str = "paypal-auth-assertion";

/// `None` for an account that is the merchant's own.
pub fn header(account: &Account) -> Option<HeaderValue> {
    let payer_id = account.credentials.get("payer_id");
    if payer_id.is_empty() {
        return None;
    }
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iss": account.credentials.get("client_id"), "payer_id": payer_id });
    HeaderValue::from_str(&format!("{}.{}.", part(json!({ "alg": "none" })), part(claims))).ok()
}
