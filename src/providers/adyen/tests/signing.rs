//! The signature, by vectors of our own making (HMACs made with another implementation), the password beside it,
//! what is set aside, and the dedupe key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::super::conformance::signed;
use super::{KEY, account, account_with, adyen, fixture, now, with};
use crate::dispute::Source;
use crate::providers::{Account, Delivery, Kept, Provider, Reading, Refusal, Verified};

#[derive(Deserialize)]
struct Vector {
    name: String,
    body: String,
    secrets: Vec<String>,
    accepted: bool,
    refusal: Option<String>,
    /// Items that are kept and not believed.
    aside: usize,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(fixture!("vectors")).unwrap()
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|v| v.name == name).unwrap()
}

fn send(body: &[u8], headers: &[(&str, &str)], account: &Account) -> Result<Verified, Refusal> {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    adyen().verify(Delivery { headers, body: Bytes::copy_from_slice(body), url: None }, account, now())
}

fn deliver(vector: &Vector) -> Result<Verified, Refusal> {
    let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
    send(vector.body.as_bytes(), &[], &account(&secrets, None))
}

/// A body signed with [`KEY`], sent to the account with these credentials.
fn send_signed(body: &str, more: &[(&str, &str)]) -> Result<Verified, Refusal> {
    send(&signed(body.as_bytes(), KEY), &[], &account_with(&[KEY], more, None))
}

fn read(verified: &Verified) -> Reading {
    adyen().events(&Kept { source: Source::Webhook, body: &verified.delivery().body, as_of: now() })
}

#[test]
fn vectors_answer_as_expected() {
    for vector in vectors() {
        let result = deliver(&vector);
        assert_eq!(result.is_ok(), vector.accepted, "{}: {result:?}", vector.name);
        let aside = result.as_ref().map_or(0, |v| v.set_aside().len());
        assert_eq!(aside, vector.aside, "{}", vector.name);
        let word = result.err().map(|refusal| refusal.word().to_owned());
        assert_eq!(word, vector.refusal, "{}", vector.name);
    }
}

#[test]
fn a_refusal_says_what_is_most_likely_wrong() {
    let rows = [
        ("a stranger's key", "not the one of this webhook"),
        ("no signature", "item 1: it has no `additionalData.hmacSignature`"),
        (
            "signature is too short",
            "item 1: its `additionalData.hmacSignature` is not the base64 of 32 bytes",
        ),
        ("no items", "holds no item"),
        ("a field twice", "item 1: it has another shape than is known"),
    ];
    for (name, words) in rows {
        let error = deliver(&vector(name)).unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
    let body = vector("newest key").body;
    let not_hex = send(body.as_bytes(), &[], &account(&["Mulberry-77"], None)).unwrap_err().to_string();
    assert!(not_hex.contains("is not hex digits"), "{not_hex}");
    let strange = vector("a stranger's key").body;
    let platform = send(strange.as_bytes(), &[("hmacsignature", "x")], &account(&[KEY], None));
    assert!(platform.unwrap_err().to_string().contains("the standard webhook"));
}

#[test]
fn the_password_is_asked_for_where_there_is_one() {
    let body = vector("newest key").body;
    let guarded = account_with(&[KEY], &[("webhook_user", "adyen"), ("webhook_password", "cedar: 9")], None);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let word = |headers: &[(&str, &str)]| match send(body.as_bytes(), headers, &guarded) {
        Ok(_) => "ok",
        Err(refusal) => refusal.word(),
    };
    let right = basic("adyen:cedar: 9");
    assert_eq!(word(&[("authorization", &right)]), "ok");
    assert_eq!(word(&[]), "header_missing");
    assert_eq!(word(&[("authorization", &right), ("authorization", &right)]), "header_twice");
    for wrong in ["adyen:cedar", "Adyen:cedar: 9", ":cedar: 9", "adyen:", ""] {
        assert_eq!(word(&[("authorization", &basic(wrong))]), "password_mismatch", "{wrong}");
    }
    assert_eq!(word(&[("authorization", &right[6..])]), "password_mismatch");
    // One that nobody asked for proves nothing and harms nothing.
    assert!(send(body.as_bytes(), &[("authorization", "x")], &account(&[KEY], None)).is_ok());
    // The right password does not make a wrong signature right.
    let strange = vector("a stranger's key").body;
    let refused = send(strange.as_bytes(), &[("authorization", &right)], &guarded).unwrap_err();
    assert_eq!(refused.word(), "signature_mismatch");
}

#[test]
fn items_of_another_merchant_account_are_kept_and_not_read() {
    let foreign = with(fixture!("notification_of_chargeback"), "NordlichtHamburg", "NordlichtKiel");
    let verified = send_signed(&foreign, &[]).unwrap();
    assert_eq!(verified.set_aside().len(), 1);
    let Reading::Unrecognised { what } = read(&verified) else { panic!("{:?}", read(&verified)) };
    assert_eq!(what, "item 1: it is of the merchant account `NordlichtKiel`, not of `NordlichtHamburg`");
    let kept: Value = serde_json::from_slice(&verified.delivery().body).unwrap();
    let item = &kept["respondby.setAside"][0]["item"]["NotificationRequestItem"];
    assert_eq!(item["pspReference"], "KT7WQ2MXH4BZ6R82", "nothing of it is lost");
}

#[test]
fn the_two_environments_are_not_mixed() {
    let live = fixture!("notification_of_chargeback");
    let test = with(live, r#""live":"true""#, r#""live":"false""#);
    let aside = |body: &str, more: &[(&str, &str)]| send_signed(body, more).unwrap().set_aside().to_vec();
    assert!(aside(live, &[]).is_empty() && aside(live, &[("environment", "live")]).is_empty());
    assert!(aside(&test, &[("environment", "test")]).is_empty());
    for (body, environment, word) in [(live, "test", "true"), (&test, "live", "false")] {
        let words = aside(body, &[("environment", environment)]).join("");
        let told = format!("`live` is `{word}`, and this account is of the {environment} environment");
        assert!(words.contains(&told), "{words}");
    }
    // The command line checks a signature and knows no account.
    let bare = Account { credentials: Default::default(), ..account(&[KEY], None) };
    let bare = send(&signed(test.as_bytes(), KEY), &[], &bare).unwrap();
    assert!(bare.set_aside().is_empty());
}

#[test]
fn a_date_ahead_of_the_clock_makes_nothing_after_it_look_old() {
    let dated = |date: &str| {
        let body = with(fixture!("notification_of_chargeback"), "2026-03-02T10:15:30+01:00", date);
        send_signed(&body, &[]).unwrap()
    };
    assert!(dated("2026-03-12T10:59:59+01:00").set_aside().is_empty(), "an hour is a clock that is wrong");
    let ahead = dated("2026-03-12T10:00:01Z");
    assert!(ahead.set_aside()[0].contains("ahead of the clock"), "{:?}", ahead.set_aside());
    assert!(matches!(read(&ahead), Reading::Unrecognised { .. }));
    assert_eq!(dated("2026-03-02T10:15:30+01:00").claimed_at(), None, "no time is signed");
}

#[test]
fn what_is_sent_again_is_known_again_and_each_of_the_six_parts_tells_it_apart() {
    let body = fixture!("notification_of_chargeback");
    let key = |body: &str| send_signed(body, &[]).unwrap().dedupe_key().to_owned();
    let first = key(body);
    assert!(first.starts_with("NOTIFICATION_OF_CHARGEBACK:KT7WQ2MXH4BZ6R82:"), "{first}");
    let rows = [
        ("KT7WQ2MXH4BZ6R82", "KT7WQ2MXH4BZ6R83"),
        ("NOTIFICATION_OF_CHARGEBACK", "CHARGEBACK"),
        ("2026-03-02T10:15:30+01:00", "2026-03-02T10:15:31+01:00"),
        (r#""success":"true""#, r#""success":"false""#),
        (r#""disputeStatus":"Undefended""#, r#""disputeStatus":"Pending""#),
        ("NordlichtHamburg", "NordlichtKiel"),
    ];
    let mut keys: Vec<String> = rows.iter().map(|(from, to)| key(&with(body, from, to))).collect();
    keys.push(first.clone());
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), rows.len() + 1);
    assert_eq!(key(&with(body, "Goods never came", "sent again")), first, "the rest does not tell");
    let respaced = serde_json::to_string_pretty(&serde_json::from_str::<Value>(body).unwrap()).unwrap();
    assert_eq!(key(&respaced), first);
}

#[test]
fn what_could_not_be_believed_once_is_not_a_duplicate_later() {
    let whole = deliver(&vector("three items")).unwrap();
    let partly = deliver(&vector("second of three tampered")).unwrap();
    assert_ne!(whole.dedupe_key(), partly.dedupe_key());
    assert!(whole.dedupe_key().starts_with("3-items:"), "{}", whole.dedupe_key());
    // Parts that run into each other are not the same parts.
    let body = fixture!("notification_of_chargeback");
    let moved = with(body, "KT7WQ2MXH4BZ6R82", "KT7WQ2MXH4BZ6R82N");
    let moved = with(&moved, r#""eventCode":"NOTIFICATION"#, r#""eventCode":"OTIFICATION"#);
    let key =
        |body: &str| send_signed(body, &[]).unwrap().dedupe_key().rsplit(':').next().unwrap().to_owned();
    assert_ne!(key(body), key(&moved));
}
