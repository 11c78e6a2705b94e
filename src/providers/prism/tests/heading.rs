//! What travels beside a call: the three forms of credentials, and the ids.

use tonic::metadata::MetadataMap;

use super::super::header::{Form, metadata};
use super::{ADYEN, DISPUTE, account, with};

fn headers(told: &[(&str, &str)], form: Form) -> Result<MetadataMap, String> {
    metadata(&account(told, "http://127.0.0.1:9"), form, DISPUTE, "act-0001")
}

fn get<'m>(metadata: &'m MetadataMap, name: &str) -> Option<&'m str> {
    metadata.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn todays_form_names_the_connector_in_capitals_and_holds_its_fields() {
    let sent = headers(ADYEN, Form::Config).unwrap();
    let expected = r#"{"config":{"Adyen":{"api_key":"AQEq-91z","merchant_account":"NorthECOM"}}}"#;
    assert_eq!(get(&sent, "x-connector-config"), Some(expected));
    assert_eq!(get(&sent, "x-connector"), Some("adyen"));
    let several =
        with(ADYEN, &[("connector", "bank_of_america"), ("api_secret", "s-1"), ("merchant_account", "")]);
    let sent = headers(&several, Form::Config).unwrap();
    let expected = r#"{"config":{"BankOfAmerica":{"api_key":"AQEq-91z","api_secret":"s-1"}}}"#;
    assert_eq!(get(&sent, "x-connector-config"), Some(expected));
}

#[test]
fn the_form_of_spring_2026_wraps_the_same_otherwise() {
    let sent = headers(&[("connector", "stripe"), ("api_key", "sk_live_6Q")], Form::Auth).unwrap();
    assert_eq!(get(&sent, "x-connector-auth"), Some(r#"{"auth_type":{"Stripe":{"api_key":"sk_live_6Q"}}}"#));
    assert_eq!(get(&sent, "x-connector-config"), None);
}

#[test]
fn the_oldest_form_says_what_kind_of_keys_there_are() {
    let key = |name: &'static str| (name, "v-1");
    let api = [("connector", "adyen"), ("api_key", "k-1")];
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);
    let rows: [Row<'_>; 4] = [
        (&[], "header-key", &[]),
        (&[key("key1")], "body-key", &["x-key1"]),
        (&[key("key1"), key("api_secret")], "signature-key", &["x-key1", "x-api-secret"]),
        (
            &[key("key1"), key("api_secret"), key("key2")],
            "multi-auth-key",
            &["x-key1", "x-api-secret", "x-key2"],
        ),
    ];
    for (more, kind, names) in rows {
        let sent = headers(&with(&api, more), Form::Keys).unwrap();
        assert_eq!((get(&sent, "x-auth"), get(&sent, "x-api-key")), (Some(kind), Some("k-1")), "{kind}");
        for name in ["x-key1", "x-api-secret", "x-key2"] {
            assert_eq!(get(&sent, name), names.contains(&name).then_some("v-1"), "{kind}: {name}");
        }
    }
    // Adyen's merchant account is its further key.
    let sent = headers(ADYEN, Form::Keys).unwrap();
    assert_eq!((get(&sent, "x-auth"), get(&sent, "x-key1")), (Some("body-key"), Some("NorthECOM")));
    for gap in [&[key("api_secret")][..], &[key("key2")], &[key("key1"), key("key2")]] {
        assert!(headers(&with(&api, gap), Form::Keys).unwrap_err().contains("no set"), "{gap:?}");
    }
}

#[test]
fn a_connectors_own_object_is_taken_whole_and_never_told_of() {
    let told = [("connector", "worldpay"), ("connector_config", r#"{"entity":"e","password":"Tamarind"}"#)];
    let sent = headers(&told, Form::Config).unwrap();
    let expected = r#"{"config":{"Worldpay":{"entity":"e","password":"Tamarind"}}}"#;
    assert_eq!(get(&sent, "x-connector-config"), Some(expected));
    for bad in ["Tamarind", "[]", "\"Tamarind\"", "{\"password\":"] {
        let why = headers(&with(&told, &[("connector_config", bad)]), Form::Config).unwrap_err();
        assert!(why.contains("connector_config") && !why.contains("Tamarind"), "{why}");
    }
}

#[test]
fn ids_are_always_sent_since_old_servers_need_them() {
    let sent = headers(ADYEN, Form::Keys).unwrap();
    let ids = ["x-merchant-id", "x-tenant-id", "x-request-id", "x-reference-id"];
    assert_eq!(ids.map(|name| get(&sent, name).unwrap()), ["north", "public", "act-0001", DISPUTE]);
    let told = with(ADYEN, &[("tenant", "acme"), ("prism_merchant", "m-77")]);
    let sent = headers(&told, Form::Config).unwrap();
    assert_eq!((get(&sent, "x-tenant-id"), get(&sent, "x-merchant-id")), (Some("acme"), Some("m-77")));
}

#[test]
fn secrets_are_marked_and_print_as_such() {
    for form in Form::ALL {
        let told = with(ADYEN, &[("key1", "Sapote"), ("api_secret", "Longan"), ("key2", "Rambutan")]);
        let shown = format!("{:?}", headers(&told, form).unwrap());
        for secret in ["AQEq-91z", "Sapote", "Longan", "Rambutan"] {
            assert!(!shown.contains(secret), "{form:?}: {shown}");
        }
    }
}

#[test]
fn what_cannot_be_sent_is_said_without_its_value() {
    for form in Form::ALL {
        for bad in ["", "Adyen", "adyen\n", "ady en"] {
            assert!(headers(&with(ADYEN, &[("connector", bad)]), form).unwrap_err().contains("connector"));
        }
        let why = headers(&with(ADYEN, &[("api_key", "")]), form).unwrap_err();
        assert!(why.contains("api_key"), "{why}");
        let why =
            headers(&with(ADYEN, &[("api_key", "Pandan\u{e4}"), ("tenant", "a\nb")]), form).unwrap_err();
        assert!(why.contains("x-") && !why.contains("Pandan"), "{why}");
    }
}
