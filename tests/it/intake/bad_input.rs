//! The table of what senders get for what they send, and whether it is kept. Each row is a request by
//! itself; after all of them the process answers as it did before.

use chrono::TimeDelta;

use super::surface::{Answer, Client, PATH, Surface, request};
use super::{SECRET, body, sign};

const KEPT: &str = "{\"outcome\":\"kept\"}\n";
const DUPLICATE: &str = "{\"outcome\":\"duplicate\"}\n";
const REFUSED: &str = "{\"status\":401,\"title\":\"Unauthorized\"}\n";
const TOO_LARGE: &str = "{\"status\":413,\"title\":\"Payload Too Large\"}\n";

struct Row {
    what: &'static str,
    request: Vec<u8>,
    status: u16,
    body: &'static str,
    kept: i64,
}

fn row(what: &'static str, request: Vec<u8>, status: u16, body: &'static str, kept: i64) -> Row {
    Row { what, request, status, body, kept }
}

impl Surface {
    /// Signed well, whatever the body is.
    fn signed(&self, body: &[u8]) -> Vec<u8> {
        let signature = sign(SECRET, body, self.clock.now());
        request(PATH, &[("stripe-signature", &signature)], body)
    }

    fn signed_with(&self, headers: &[(&str, &str)], event: &str, age_s: i64) -> Vec<u8> {
        let body = body(event);
        let signature = sign(SECRET, body.as_bytes(), self.clock.now() - TimeDelta::seconds(age_s));
        let all: Vec<_> = [("stripe-signature", signature.as_str())].iter().chain(headers).copied().collect();
        request(PATH, &all, body.as_bytes())
    }

    async fn answers_as(&self, rows: Vec<Row>) {
        for Row { what, request, status, body, kept } in rows {
            let before = self.kept().await;
            let answer = self.send(&request).await;
            assert_eq!((answer.status, answer.body.as_str()), (status, body), "{what}");
            assert_eq!(self.kept().await - before, kept, "{what}: rows kept");
        }
        assert_eq!(self.send(&self.webhook("evt_after_all")).await.body, KEPT, "and the process lives");
    }
}

#[tokio::test]
async fn what_is_signed_is_kept_whatever_it_says() {
    let s = Surface::start().await;
    let shapes = r#"[{"id":["evt_1"]},{"a":null}]"#;
    let absurd =
        r#"{"id":"evt_absurd","created":-1e300,"data":{"object":{"amount":-1000000000000000000000}}}"#;
    let deep = "[".repeat(200_000);
    let nul = "{\"id\":\"evt_nul\",\"note\":\"a\0b\"}";
    let chunks = |event: &str| {
        let body = body(event);
        let signature = sign(SECRET, body.as_bytes(), s.clock.now());
        let headers = [("transfer-encoding", "chunked"), ("stripe-signature", signature.as_str())];
        let (a, b) = body.split_at(40);
        let chunked = format!("{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n", a.len(), b.len());
        request(PATH, &headers, chunked.as_bytes())
    };
    let rows = vec![
        row("as it should be", s.webhook("evt_1"), 200, KEPT, 1),
        row("the same again", s.webhook("evt_1"), 200, DUPLICATE, 0),
        row("as old as it may be", s.signed_with(&[], "evt_old", 300), 200, KEPT, 1),
        row("truncated JSON", s.signed(br#"{"id":"evt_2","obj"#), 200, KEPT, 1),
        row("JSON of another shape", s.signed(shapes.as_bytes()), 200, KEPT, 1),
        row("absurd numbers", s.signed(absurd.as_bytes()), 200, KEPT, 1),
        row("a NUL byte", s.signed(nul.as_bytes()), 200, KEPT, 1),
        row("a NUL as JSON writes it", s.signed(br#"{"id":"evt_\u0000"}"#), 200, KEPT, 1),
        row("no JSON at all", s.signed(b"\xff\xfe\x00 not text"), 200, KEPT, 1),
        row("nothing", s.signed(b""), 200, KEPT, 1),
        row("deep nesting", s.signed(deep.as_bytes()), 200, KEPT, 1),
        row("in chunks", chunks("evt_chunks"), 200, KEPT, 1),
        row("a megabyte", s.signed(&vec![b'x'; 1 << 20]), 200, KEPT, 1),
        row(
            "a type with a charset",
            s.signed_with(&[("content-type", "application/json; charset=utf-8")], "evt_t", 0),
            200,
            KEPT,
            1,
        ),
        row("a header that is no UTF-8", latin(&s), 200, KEPT, 1),
    ];
    s.answers_as(rows).await;
}

/// With a byte in a header that Latin-1 has and UTF-8 has not.
fn latin(s: &Surface) -> Vec<u8> {
    let text = s.signed_with(&[("x-note", "caf~")], "evt_latin", 0);
    text.into_iter().map(|b| if b == b'~' { 0xe9 } else { b }).collect()
}

#[tokio::test]
async fn what_proves_nothing_is_refused_in_the_same_words_and_not_kept() {
    let s = Surface::start().await;
    let good = body("evt_1");
    let signature = sign(SECRET, good.as_bytes(), s.clock.now());
    let with = |headers: &[(&str, &str)]| request(PATH, headers, good.as_bytes());
    let to = |path: &str| request(path, &[("stripe-signature", &signature)], good.as_bytes());
    let forged = sign("whsec_of_somebody", good.as_bytes(), s.clock.now());
    let twice = [("stripe-signature", signature.as_str()), ("stripe-signature", signature.as_str())];
    let requests = vec![
        ("a forged signature", with(&[("stripe-signature", &forged)])),
        ("no signature", with(&[])),
        ("an empty signature", with(&[("stripe-signature", "")])),
        ("the signature twice", with(&twice)),
        ("a signature of another body", request(PATH, &[("stripe-signature", &signature)], b"{}")),
        ("another provider's signature", with(&[("x-razorpay-signature", &forged)])),
        ("too old by a second", s.signed_with(&[], "evt_1", 301)),
        ("an account that does not exist", to("/webhooks/stripe/nobody")),
        ("the account at another provider", to("/webhooks/razorpay/acme-stripe")),
        ("a provider that does not exist", to("/webhooks/strype/acme-stripe")),
        ("an address in other letters", to("/webhooks/Stripe/ACME-stripe")),
        ("an address that is not UTF-8", to("/webhooks/stripe/%ff%fe")),
        ("an address with a NUL", to("/webhooks/stripe/acme%00")),
    ];
    let mut seen: Vec<Answer> = Vec::new();
    for (what, request) in requests {
        let answer = s.send(&request).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, REFUSED), "{what}");
        seen.push(answer);
        assert_eq!(seen[0], *seen.last().unwrap(), "{what}: told apart by its head");
    }
    assert_eq!(s.kept().await, 0);
    s.answers_as(vec![
        row("several signatures, one of them good", both(&s), 200, KEPT, 1),
        row("the same request, unforged", with(&[("stripe-signature", &signature)]), 200, KEPT, 1),
    ])
    .await;
}

/// Signed under the old secret and the new one, as during a rotation.
fn both(s: &Surface) -> Vec<u8> {
    let body = body("evt_both");
    let other = sign("whsec_the_one_before", body.as_bytes(), s.clock.now());
    let mac = other.split_once("v1=").expect("a mac").1.to_owned();
    let signature = format!("{},v1={mac}", sign(SECRET, body.as_bytes(), s.clock.now()));
    request(PATH, &[("stripe-signature", &signature)], body.as_bytes())
}

#[tokio::test]
async fn what_is_no_webhook_is_told_so() {
    let s = Surface::start().await;
    let method_not_allowed = "{\"status\":405,\"title\":\"Method Not Allowed\"}\n";
    let not_json = "{\"status\":415,\"title\":\"Unsupported Media Type\"}\n";
    let too_long = "{\"status\":431,\"title\":\"Request Header Fields Too Large\"}\n";
    let not_found = "{\"status\":404,\"title\":\"Not Found\"}\n";
    let mut get = s.webhook("evt_1");
    get.splice(..4, *b"GET");
    let huge = s.signed(&vec![b'x'; (1 << 20) + 1]);
    let form = s.signed_with(&[("content-type", "application/x-www-form-urlencoded")], "evt_1", 0);
    let chunks = {
        let chunk = format!("{:x}\r\n{}\r\n", 1 << 18, "x".repeat(1 << 18));
        let body = chunk.repeat(5) + "0\r\n\r\n";
        request(PATH, &[("transfer-encoding", "chunked")], body.as_bytes())
    };
    let long = s.signed_with(&[("x-long", &"x".repeat(40_000))], "evt_1", 0);
    let endless = s.signed_with(&[("x-long", &"x".repeat(1 << 20))], "evt_1", 0);
    let many: Vec<(String, &str)> = (0..70).map(|n| (format!("x-{n}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    s.answers_as(vec![
        row("another method", get.clone(), 405, method_not_allowed, 0),
        row("another type", form, 415, not_json, 0),
        row("longer than a megabyte", huge, 413, TOO_LARGE, 0),
        row("longer than a megabyte, in chunks", chunks, 413, TOO_LARGE, 0),
        row("another place", request("/webhook/stripe", &[], b"{}"), 404, not_found, 0),
        row("no account", request("/webhooks/stripe", &[], b"{}"), 404, not_found, 0),
        row("a slash too many", request("/webhooks/stripe/acme-stripe/", &[], b"{}"), 404, not_found, 0),
        row("a header too long", long, 431, too_long, 0),
        row("a header without end", endless, 431, "", 0),
        row("too many headers", s.signed_with(&many, "evt_1", 0), 431, "", 0),
        row("no HTTP", b"hello there\r\n\r\n".to_vec(), 400, "", 0),
        row("a length that is none", request(PATH, &[("content-length", "-1")], b"{}"), 400, "", 0),
    ])
    .await;
    assert_eq!(s.send(&get).await.header("allow"), Some("post"));
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_answered_without_being_sent() {
    let s = Surface::start().await;
    let head = request(PATH, &[("content-length", "99999999"), ("connection", "close")], b"");
    let mut client = Client::connect(s.addr).await;
    _ = tokio::io::AsyncWriteExt::write_all(&mut client.0, &head).await;
    // Nothing more is coming from this side.
    tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (413, TOO_LARGE));
}

#[tokio::test]
async fn the_log_says_why_a_webhook_was_refused_and_nothing_secret() {
    let log = super::log::Captured::start();
    let s = Surface::start().await;
    let body = body("evt_private_content");
    let forged = sign("whsec_of_somebody", body.as_bytes(), s.clock.now());
    let headers = [("stripe-signature", forged.as_str()), ("authorization", "Bearer hush")];
    s.send(&request(PATH, &headers, body.as_bytes())).await;
    s.send(&request("/webhooks/stripe/no\u{7}body", &headers, body.as_bytes())).await;
    s.send(&request("/webhooks/stripe/no%07body", &headers, body.as_bytes())).await;
    let text = log.text();
    for wanted in ["signature_mismatch", "unknown_account", "acme-stripe"] {
        assert!(text.contains(wanted), "{wanted} is missing in {text}");
    }
    for secret in [SECRET, "evt_private_content", &forged, "hush", "\u{7}"] {
        assert!(!text.contains(secret), "{secret:?} is in {text}");
    }
}
