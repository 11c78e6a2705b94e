//! Webhooks of accounts behind Prism: those of a connector that is spoken to natively, and those that Prism is asked
//! about.

use bytes::Bytes;

use super::super::service::HANDLE_EVENT;
use super::stub::{Reply, Stub};
use super::wire::{bytes, message, number};
use super::{DISPUTE, account, now, prism};
use crate::dispute::Source;
use crate::providers::adyen::Adyen;
use crate::providers::conformance::Conformance;
use crate::providers::stripe::Stripe;
use crate::providers::{Account, Delivery, Folder, Kept, Provider, ProviderName, Reading, Refusal};

const BEHIND_STRIPE: &[(&str, &str)] = &[("connector", "stripe"), ("api_key", "sk_live_6Q")];
const BEHIND_NOVALNET: &[(&str, &str)] = &[("connector", "novalnet"), ("api_key", "nn-7")];

/// A delivery as Stripe would make it, and the account that it is for.
fn of_stripe(native: &Conformance) -> (Delivery, Account) {
    let webhook = &native.webhooks[0];
    let headers = (native.sign)(webhook.body.as_bytes(), native.secrets[0], now());
    let mut account = account(BEHIND_STRIPE, "http://127.0.0.1:9");
    account.webhook_secrets = vec![native.secrets[0].into()];
    (Delivery { headers, body: Bytes::from_static(webhook.body.as_bytes()), url: None }, account)
}

#[tokio::test]
async fn a_native_connectors_webhook_is_verified_and_read_by_its_own_folder() {
    let native = Stripe::described();
    let p = prism("stub");
    for webhook in &native.webhooks {
        let (mut delivery, account) = of_stripe(&native);
        delivery.body = Bytes::from_static(webhook.body.as_bytes());
        delivery.headers = (native.sign)(webhook.body.as_bytes(), native.secrets[0], now());
        assert!(p.prepare(&delivery, &account).is_none(), "nothing is asked");
        let verified = p.verify(delivery, &account, now()).expect(webhook.name);
        assert_eq!((verified.provider, verified.account_id), (ProviderName::Prism, 31));
        assert_eq!(verified.delivery().body, webhook.body, "kept as it came");
        let kept = Kept { source: Source::Webhook, body: webhook.body.as_bytes(), as_of: now() };
        let (here, asking) = (p.events(&kept), prism("real").events(&kept));
        let there = native_reading(&kept);
        match &there {
            Reading::Unrecognised { .. } => assert!(matches!(here, Reading::Unrecognised { .. }), "{here:?}"),
            // Prism has nobody to ask: a person hears what it was about, and what to do.
            Reading::FetchFirst { dispute_ref, .. } => {
                let Reading::Unrecognised { what } = here else { panic!("{}: {here:?}", webhook.name) };
                for word in [dispute_ref, "dashboard", "instead of `prism`"] {
                    assert!(what.contains(word), "{word}: {what}");
                }
                assert_eq!(asking, there, "where a Get is real, it is asked");
            }
            Reading::Events(_)
            | Reading::Partly { .. }
            | Reading::Acknowledged { .. }
            | Reading::NotOurs { .. } => {
                assert_eq!((&here, &asking), (&there, &there), "{}", webhook.name);
            }
        }
    }
}

fn native_reading(kept: &Kept<'_>) -> Reading {
    let config = crate::config::Config::read(None, []).unwrap().providers;
    let clock = crate::clock::Clock::frozen_at(now());
    Stripe::start(config.get(ProviderName::Stripe), clock).unwrap().events(kept)
}

#[tokio::test]
async fn a_native_connectors_webhook_needs_its_signature() {
    let native = Stripe::described();
    let p = prism("stub");
    let (delivery, account) = of_stripe(&native);
    let strange =
        Delivery { headers: (native.sign)(&delivery.body, native.secrets[2], now()), ..delivery.clone() };
    assert!(matches!(p.verify(strange, &account, now()), Err(Refusal::SignatureMismatch { .. })));
    let unsigned = Delivery { headers: Vec::new(), ..delivery.clone() };
    assert!(p.verify(unsigned, &account, now()).is_err());
    let without = Account { webhook_secrets: Vec::new(), ..account };
    assert_eq!(p.verify(delivery, &without, now()).unwrap_err(), Refusal::NoSecret);
}

fn of_novalnet() -> Delivery {
    Delivery {
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from_static(br#"{"event":{"type":"CHARGEBACK"}}"#),
        url: Some("https://disputes.example/webhooks/prism/north-prism".to_owned()),
    }
}

/// Prism's answer about it: opened, at the stage of a chargeback, and neither amount nor deadline.
fn handled(verified: bool) -> Reply {
    let dispute = message(&[bytes(1, DISPUTE), number(3, 1), number(4, 2), number(7, 200)]);
    let mut fields = vec![number(1, 17), bytes(2, bytes(3, dispute))];
    fields.extend(verified.then(|| number(3, 1)));
    Reply::Message(message(&fields))
}

#[tokio::test]
async fn prism_is_asked_about_other_connectors_webhooks_under_each_secret() {
    let stub = Stub::answering([handled(false), handled(true)]).await;
    let (p, account) = (prism("stub"), account(BEHIND_NOVALNET, &stub.address));
    p.prepare(&of_novalnet(), &account).expect("must be asked").await.unwrap();
    let calls = stub.calls();
    assert_eq!(calls.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), [HANDLE_EVENT, HANDLE_EVENT]);
    for (call, secret) in calls.iter().zip(["Damson-new", "Bullace-old"]) {
        let header = message(&[bytes(1, "content-type"), bytes(2, "application/json")]);
        let url = "https://disputes.example/webhooks/prism/north-prism";
        let request =
            message(&[number(1, 2), bytes(2, url), bytes(3, header), bytes(4, &of_novalnet().body)]);
        let expected = message(&[bytes(2, request), bytes(3, bytes(1, secret))]);
        assert_eq!(call.message, expected, "newest first");
    }
    let verified = p.verify(of_novalnet(), &account, now()).unwrap();
    let again = p.verify(of_novalnet(), &account, now()).unwrap();
    assert_eq!(verified.dedupe_key(), again.dedupe_key());
    let kept = Kept { source: Source::Webhook, body: &verified.delivery().body, as_of: now() };
    let Reading::Unrecognised { what } = p.events(&kept) else { panic!() };
    assert!(what.contains(DISPUTE) && what.contains("verified by Prism"), "{what}");
    // Known by now.
    p.prepare(&of_novalnet(), &account).unwrap().await.unwrap();
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn nothing_that_prism_did_not_vouch_for_is_taken() {
    let stub = Stub::answering([handled(false), handled(false), handled(true)]).await;
    let (p, account) = (prism("stub"), account(BEHIND_NOVALNET, &stub.address));
    let unasked = p.verify(of_novalnet(), &account, now());
    assert!(matches!(unasked, Err(Refusal::SignatureMismatch { secrets: 2, .. })), "{unasked:?}");
    p.prepare(&of_novalnet(), &account).unwrap().await.unwrap();
    assert!(p.verify(of_novalnet(), &account, now()).is_err(), "asked, and not vouched for");
    p.prepare(&of_novalnet(), &account).unwrap().await.unwrap();
    assert!(p.verify(of_novalnet(), &account, now()).is_ok());
    // The word is for this body, these headers, this account and its secrets alone.
    let other_body = Delivery { body: Bytes::from_static(b"{}"), ..of_novalnet() };
    let other_headers = Delivery { headers: Vec::new(), ..of_novalnet() };
    assert!(p.verify(other_body, &account, now()).is_err());
    assert!(p.verify(other_headers, &account, now()).is_err());
    let other = Account { account_id: 32, ..account.clone() };
    assert!(p.verify(of_novalnet(), &other, now()).is_err());
    let rotated = Account { webhook_secrets: vec!["Sloe".into()], ..account.clone() };
    assert!(p.verify(of_novalnet(), &rotated, now()).is_err());
    let without = Account { webhook_secrets: Vec::new(), ..account };
    assert_eq!(p.verify(of_novalnet(), &without, now()).unwrap_err(), Refusal::NoSecret);
}

/// It will answer the same question so for ever: the sender is refused, and not told to come again.
#[tokio::test]
async fn what_prism_cannot_make_out_is_refused() {
    let failed = |code, details| Reply::Status { code, message: "as it was", details };
    let integration = |word: &str| message(&[bytes(1, "no such event"), bytes(2, word)]);
    for reply in [
        failed(3, Vec::new()),
        failed(9, Vec::new()),
        failed(3, integration("INVALID_DATA_FORMAT")),
        failed(9, integration("INVALID_CONNECTOR_CONFIG")),
        failed(12, integration("NOT_IMPLEMENTED")),
        failed(13, integration("WEBHOOK_PROCESSING_FAILED")),
    ] {
        let stub = Stub::answering([reply.clone()]).await;
        let (p, account) = (prism("stub"), account(BEHIND_NOVALNET, &stub.address));
        p.prepare(&of_novalnet(), &account).unwrap().await.unwrap();
        assert_eq!(stub.calls().len(), 2, "under each secret: {reply:?}");
        let refused = p.verify(of_novalnet(), &account, now());
        assert!(matches!(refused, Err(Refusal::SignatureMismatch { .. })), "{reply:?}: {refused:?}");
    }
    // The other secret is asked about all the same.
    let stub = Stub::answering([failed(3, Vec::new()), handled(true)]).await;
    let (p, account) = (prism("stub"), account(BEHIND_NOVALNET, &stub.address));
    p.prepare(&of_novalnet(), &account).unwrap().await.unwrap();
    assert!(p.verify(of_novalnet(), &account, now()).is_ok());
}

#[test]
fn adyen_behind_prism_counts_as_adyen_does() {
    let native = Adyen::described();
    let opened = native.webhooks.iter().find(|w| w.name == "notification of chargeback").unwrap();
    let from = r#""amount":{"currency":"EUR","value":4900}"#;
    assert!(opened.body.contains(from));
    let body = opened.body.replace(from, r#""amount":{"currency":"CLP","value":490000}"#);
    let kept = Kept { source: Source::Webhook, body: body.as_bytes(), as_of: now() };
    let reading = prism("stub").events(&kept);
    let Reading::Events(events) = &reading else { panic!("{reading:?}") };
    assert_eq!(events[0].snapshot().unwrap().amount.to_string(), "4,900 CLP");
}

/// An account as the configuration has it: behind Adyen, with these settings and with this password.
fn configured(settings: &str, credentials: &str) -> Account {
    let adyen = r#"connector = "adyen", merchant_account = "NordlichtHamburg""#;
    let config = super::configuring::read("stub", &format!("{adyen}{settings}"), credentials);
    let config = config.unwrap_or_else(|why| panic!("{why}"));
    let told = &config.accounts[0];
    let secrets = told.credentials.iter().map(|(name, secret)| (name.as_str(), secret.expose()));
    let plain = told.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all: Vec<(&str, &str)> = secrets.chain(plain).collect();
    let webhook_secrets = told.webhook_secrets.iter().map(|s| s.value().clone()).collect();
    Account { webhook_secrets, ..account(&all, "http://127.0.0.1:9") }
}

/// A chargeback that Adyen tells of, signed, from its live environment or the other one.
fn of_adyen(live: bool, authorization: Option<&str>) -> Delivery {
    let native = Adyen::described();
    let webhook = native.webhooks.iter().find(|w| w.name == "notification of chargeback").unwrap();
    let from = r#""live":"true""#;
    assert_eq!(webhook.body.matches(from).count(), 1);
    let body = webhook.body.replace(from, &format!(r#""live":"{live}""#));
    let body = (native.within.unwrap().signed)(body.as_bytes(), native.secrets[0]);
    let headers = authorization.map(|value| ("authorization".to_owned(), value.to_owned()));
    Delivery { headers: headers.into_iter().collect(), body: body.into(), url: None }
}

fn set_aside(live: bool, account: &Account) -> usize {
    prism("stub").verify(of_adyen(live, None), account, now()).unwrap().set_aside().len()
}

#[test]
fn adyens_environments_are_not_mixed_behind_prism_either() {
    let (unsaid, live) = (configured("", ""), configured(r#", environment = "live""#, ""));
    let test = configured(r#", environment = "test""#, "");
    assert_eq!([&unsaid, &live, &test].map(|account| set_aside(true, account)), [0, 0, 1]);
    assert_eq!([&unsaid, &live, &test].map(|account| set_aside(false, account)), [1, 1, 0]);
    let body = prism("stub").verify(of_adyen(false, None), &test, now()).unwrap().delivery().body.clone();
    let kept = Kept { source: Source::Webhook, body: &body, as_of: now() };
    assert!(matches!(prism("stub").events(&kept), Reading::Events(_)));
}

#[test]
fn the_user_and_the_password_of_adyens_webhook_are_asked_for_behind_prism_too() {
    let guarded = configured(r#", webhook_user = "north-in""#, r#", webhook_password = "env:PASSWORD""#);
    let verify = |authorization| prism("stub").verify(of_adyen(true, authorization), &guarded, now());
    // north-in:Sorrel: 8
    assert!(verify(Some("Basic bm9ydGgtaW46U29ycmVsOiA4")).is_ok());
    assert_eq!(verify(None).unwrap_err(), Refusal::HeaderMissing { header: "authorization" });
    for wrong in ["Basic bm9ydGgtaW46U29ycmVsOiA5", "Basic ", "Bearer bm9ydGgtaW46U29ycmVsOiA4"] {
        let refused = verify(Some(wrong)).unwrap_err();
        assert_eq!(refused, Refusal::PasswordMismatch { header: "authorization" }, "{wrong}");
    }
}

/// What a native folder wants of an account for its webhooks, an account behind Prism can say.
#[test]
fn what_webhooks_are_verified_with_can_be_configured() {
    let here: Vec<&str> = ProviderName::Prism.needs().iter().map(|need| need.name).collect();
    for provider in ProviderName::ALL {
        let of_webhooks =
            |name: &str| name.starts_with("webhook_") || ["environment", "notification_url"].contains(&name);
        for need in provider.needs().iter().filter(|need| of_webhooks(need.name)) {
            assert!(here.contains(&need.name), "{provider}: {}", need.name);
        }
    }
}

#[tokio::test]
async fn a_server_in_trouble_leaves_the_webhook_for_later() {
    let failed = |code| Reply::Status { code, message: "WEBHOOK_PROCESSING_FAILED", details: Vec::new() };
    let asked = message(&[bytes(1, "asked"), bytes(2, "CONNECTOR_ERROR_RESPONSE"), number(3, 503)]);
    let verification = Reply::Status { code: 3, message: "as it was", details: asked };
    for reply in [failed(13), failed(12), verification, Reply::HangUp, Reply::Message(b"\x1a\xff".to_vec())] {
        let stub = Stub::answering([reply.clone()]).await;
        let (p, account) = (prism("stub"), account(BEHIND_NOVALNET, &stub.address));
        let asked = p.prepare(&of_novalnet(), &account).unwrap().await;
        assert!(asked.is_err(), "{reply:?}");
        assert!(p.verify(of_novalnet(), &account, now()).is_err());
    }
}
