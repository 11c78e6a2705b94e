//! Whom Prism is asked to speak to, and with what: its three ways of carrying a connector's credentials, and the
//! ids beside them. Prism keeps nothing of this, so every call carries all of it. What is secret is marked so, and
//! is never part of a message.

use serde_json::{Map, Value, json};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

use super::service::Service;
use crate::providers::Account;

/// How the connector's credentials travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `x-connector-config: {"config":{"Adyen":{…}}}`, the form of today.
    Config,
    /// `x-connector-auth: {"auth_type":{"Adyen":{…}}}`, of a few weeks in spring 2026.
    Auth,
    /// `x-auth`, which says what kind of keys there are, and a header for each key.
    Keys,
}

impl Form {
    pub const ALL: [Form; 3] = [Form::Config, Form::Auth, Form::Keys];

    pub const fn as_str(self) -> &'static str {
        match self {
            Form::Config => "config",
            Form::Auth => "auth",
            Form::Keys => "keys",
        }
    }

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }

    /// What servers of that service understand.
    pub const fn of(service: Service) -> Self {
        match service {
            Service::Types => Form::Config,
            Service::UcsV2 | Service::UcsV2Renamed => Form::Keys,
        }
    }
}

/// Credentials as the connector names them, beyond those that are the whole of it.
const FIELDS: [&str; 5] = ["api_key", "api_secret", "key1", "key2", "merchant_account"];

/// The headers of one call. `about` is what the call is about, for Prism's own records; `key` names the call.
///
/// # Errors
/// What is missing in the account, or cannot stand in a header, in words.
pub fn metadata(account: &Account, form: Form, about: &str, key: &str) -> Result<MetadataMap, String> {
    let connector = connector(account)?;
    let mut headers = Headers(MetadataMap::new());
    headers.plain("x-connector", connector)?;
    match form {
        Form::Config => {
            let config = json!({ "config": { pascal(connector): fields(account)? } });
            headers.secret("x-connector-config", &config.to_string())?;
        }
        Form::Auth => {
            let auth = json!({ "auth_type": { pascal(connector): fields(account)? } });
            headers.secret("x-connector-auth", &auth.to_string())?;
        }
        Form::Keys => keys(account, &mut headers)?,
    }
    let or = |setting: &str, otherwise: &str| {
        let told = account.credentials.get(setting);
        if told.is_empty() { otherwise.to_owned() } else { told.to_owned() }
    };
    headers.plain("x-merchant-id", &or("prism_merchant", &account.merchant))?;
    headers.plain("x-tenant-id", &or("tenant", "public"))?;
    headers.plain("x-request-id", key)?;
    headers.plain("x-reference-id", about)?;
    Ok(headers.0)
}

/// The connector's name as Prism spells it: small letters, digits and `_`.
///
/// # Errors
/// A name that Prism would refuse, in words.
pub fn connector(account: &Account) -> Result<&str, String> {
    let name = account.credentials.get("connector");
    if !is_connector(name) {
        return Err(format!(
            "account `{}` does not say which `connector` Prism speaks to, in small letters: `adyen`, `stripe` …",
            account.name
        ));
    }
    Ok(name)
}

pub fn is_connector(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !name.is_empty() && name.bytes().all(plain)
}

/// `bank_of_america` → `BankOfAmerica`, as Prism's configuration names its connectors.
fn pascal(connector: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    connector.split('_').map(capital).collect()
}

/// The connector's own object: as the account gives it whole, or from the credentials that most have.
fn fields(account: &Account) -> Result<Value, String> {
    let whole = account.credentials.get("connector_config");
    if !whole.is_empty() {
        return match serde_json::from_str::<Value>(whole) {
            Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
            // What the text is, is not said: it is a secret.
            Ok(_) | Err(_) => {
                Err(format!("the `connector_config` of account `{}` is no JSON object", account.name))
            }
        };
    }
    needs_api_key(account)?;
    let told = |name: &&str| !account.credentials.get(name).is_empty();
    let field = |name: &str| (name.to_owned(), Value::from(account.credentials.get(name)));
    Ok(Value::Object(FIELDS.into_iter().filter(told).map(field).collect::<Map<_, _>>()))
}

fn keys(account: &Account, headers: &mut Headers) -> Result<(), String> {
    needs_api_key(account)?;
    let get = |name: &str| Some(account.credentials.get(name)).filter(|value| !value.is_empty());
    // What Adyen calls its merchant account is the first further key of this form.
    let (key1, secret, key2) = (get("key1").or(get("merchant_account")), get("api_secret"), get("key2"));
    let kind = match (key1, secret, key2) {
        (None, None, None) => "header-key",
        (Some(_), None, None) => "body-key",
        (Some(_), Some(_), None) => "signature-key",
        (Some(_), Some(_), Some(_)) => "multi-auth-key",
        (None, _, _) | (Some(_), None, Some(_)) => {
            return Err(format!(
                "the credentials of account `{}` are no set that Prism takes as keys: `api_key`, then `key1`, then \
                 `api_secret`, then `key2`",
                account.name
            ));
        }
    };
    headers.plain("x-auth", kind)?;
    let named = [("x-api-key", get("api_key")), ("x-key1", key1), ("x-api-secret", secret), ("x-key2", key2)];
    for (name, value) in named {
        if let Some(value) = value {
            headers.secret(name, value)?;
        }
    }
    Ok(())
}

fn needs_api_key(account: &Account) -> Result<(), String> {
    match account.credentials.get("api_key") {
        "" => Err(format!("account `{}` has no credential `api_key` for the connector", account.name)),
        _ => Ok(()),
    }
}

struct Headers(MetadataMap);

impl Headers {
    fn plain(&mut self, name: &'static str, value: &str) -> Result<(), String> {
        self.set(name, value, false)
    }

    fn secret(&mut self, name: &'static str, value: &str) -> Result<(), String> {
        self.set(name, value, true)
    }

    fn set(&mut self, name: &'static str, value: &str, secret: bool) -> Result<(), String> {
        let mut value = AsciiMetadataValue::try_from(value).map_err(|_| {
            format!("what is configured for the header `{name}` cannot stand in one: ASCII only")
        })?;
        value.set_sensitive(secret);
        self.0.insert(AsciiMetadataKey::from_static(name), value);
        Ok(())
    }
}
