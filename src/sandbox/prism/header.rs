//! Whom Prism is to ask, and with what: from `x-connector-config`, else `x-connector-auth`, else `x-connector` and
//! `x-auth` with a header for each key. The first that is there is the one that counts.

use serde_json::Value;

use super::super::reply::Incoming;
use super::grpc::{Code, Status};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// In small letters.
    pub connector: String,
    pub api_key: String,
    pub merchant_account: String,
}

pub(super) fn credentials(request: &Incoming) -> Result<Credentials, Status> {
    if let Some(text) = request.header("x-connector-config") {
        return wrapped(text, "x-connector-config", "config");
    }
    if let Some(text) = request.header("x-connector-auth") {
        return wrapped(text, "x-connector-auth", "auth_type");
    }
    keys(request)
}

/// `{"config":{"Adyen":{"api_key":…,"merchant_account":…}}}`
fn wrapped(text: &str, header: &str, key: &str) -> Result<Credentials, Status> {
    let whole: Value = serde_json::from_str(text).map_err(|_| Status::malformed(header, "It is not JSON"))?;
    let inner = whole.get(key).and_then(Value::as_object);
    // The older header is renamed on its way in, and so is what is missing in it.
    let inner = inner.ok_or_else(|| Status::missing(&format!("{header}.config")))?;
    let one = inner.iter().next().ok_or_else(|| Status::malformed(header, "It names no connector"))?;
    let (name, fields) = one;
    let text = |field: &str| fields[field].as_str().unwrap_or_default().to_owned();
    let credentials = Credentials {
        connector: known(&snake(name), header)?,
        api_key: text("api_key"),
        merchant_account: text("merchant_account"),
    };
    if credentials.connector == "adyen" && credentials.merchant_account.is_empty() {
        return Err(Status::malformed(header, "Adyen needs api_key and merchant_account"));
    }
    Ok(credentials)
}

fn keys(request: &Incoming) -> Result<Credentials, Status> {
    let needed = |name: &'static str| request.header(name).ok_or_else(|| Status::missing(name));
    let connector = known(needed("x-connector")?, "x-connector")?;
    let kind = needed("x-auth")?;
    let api_key = needed("x-api-key")?.to_owned();
    let merchant_account = match kind {
        "body-key" | "signature-key" => needed("x-key1")?.to_owned(),
        "header-key" if connector != "adyen" => String::new(),
        _ => {
            let message = format!("{connector} takes other keys than {kind}");
            return Err(Status::integration(Code::FailedPrecondition, "INVALID_CONNECTOR_CONFIG", message));
        }
    };
    Ok(Credentials { connector, api_key, merchant_account })
}

/// A few of the connectors that Prism knows, in small letters only.
fn known(name: &str, header: &str) -> Result<String, Status> {
    match name {
        "adyen" | "stripe" | "razorpay" | "checkout" | "braintree" | "paypal" | "novalnet" | "trustpay" => {
            Ok(name.to_owned())
        }
        _ => Err(Status::malformed(header, "Invalid connector: Matching variant not found")),
    }
}

/// `BankOfAmerica` → `bank_of_america`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
