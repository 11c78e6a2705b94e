//! The table of what senders get for what they send, at each provider's address, and what comes of it: whether it
//! is kept, what is understood of it, and what the log tells the operator of one that was refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{SECRETS, SENDERS, Sender, Served};
use crate::intake::surface::{Client, request, until};

/// Head and body of an answer, in lower case and without its date.
const KEPT: &str = "\
http/1.1 200 ok
content-type: application/json
content-length: 19

{\"outcome\":\"kept\"}
";
/// One answer for whatever proves nothing.
const REFUSED: &str = "\
http/1.1 401 unauthorized
content-type: application/problem+json
www-authenticate: Signature
content-length: 38

{\"status\":401,\"title\":\"Unauthorized\"}
";
const NOT_FOUND: &str = "\
http/1.1 404 not found
content-type: application/problem+json
content-length: 35

{\"status\":404,\"title\":\"Not Found\"}
";
const NOT_A_POST: &str = "\
http/1.1 405 method not allowed
content-type: application/problem+json
allow: POST
content-length: 44

{\"status\":405,\"title\":\"Method Not Allowed\"}
";
const TOO_LARGE: &str = "\
http/1.1 413 payload too large
content-type: application/problem+json
connection: close
content-length: 43

{\"status\":413,\"title\":\"Payload Too Large\"}
";
const NOT_JSON: &str = "\
http/1.1 415 unsupported media type
content-type: application/problem+json
connection: close
content-length: 48

{\"status\":415,\"title\":\"Unsupported Media Type\"}
";
const HEADER_TOO_LONG: &str = "\
http/1.1 431 request header fields too large
content-type: application/problem+json
connection: close
content-length: 57

{\"status\":431,\"title\":\"Request Header Fields Too Large\"}
";
/// Answered before there is a request to speak of.
const NO_REQUEST: &str = "http/1.1 400 bad request\nconnection: close\ncontent-length: 0\n\n";
const TOO_MANY_HEADERS: &str =
    "http/1.1 431 request header fields too large\nconnection: close\ncontent-length: 0\n\n";

struct Row {
    what: String,
    request: Vec<u8>,
    body: Vec<u8>,
    answer: &'static str,
    comes_of: Comes,
}

#[derive(Debug)]
enum Comes {
    /// `state outcome: note`, and the amount where it became a dispute.
    Kept(String),
    /// What the log says.
    Refused(String),
    Nothing,
}

fn kept(what: &str, request: Vec<u8>, body: &[u8], comes_of: &str) -> Row {
    let comes_of = Comes::Kept(comes_of.to_owned());
    Row { what: what.to_owned(), request, body: body.to_vec(), answer: KEPT, comes_of }
}

fn refused(what: &str, request: Vec<u8>, log: &str) -> Row {
    let comes_of = Comes::Refused(log.to_owned());
    Row { what: what.to_owned(), request, body: Vec::new(), answer: REFUSED, comes_of }
}

fn nothing(what: &str, request: Vec<u8>, answer: &'static str) -> Row {
    Row { what: what.to_owned(), request, body: Vec::new(), answer, comes_of: Comes::Nothing }
}

/// Sends every row, and holds what came of all of them against the table.
async fn meet(served: &mut Served, sender: Sender, rows: Vec<Row>) {
    let refused_before = served.refusals().len();
    let kept_before = count(served).await;
    let mut wrong = Vec::new();
    for row in &rows {
        let answer = Client::connect(served.addr).await.send(&row.request).await;
        let answer = format!("{}\n\n{}", answer.head, answer.body);
        let wanted = row.answer.replace("Signature", "signature").replace("POST", "post");
        if answer != wanted {
            wrong.push(format!("{}: answered\n{answer}\n-- instead of --\n{wanted}", row.what));
        }
    }
    served.settled().await;
    let mut states = BTreeMap::from([("quarantined", 0), ("settled", 0)]);
    let mut sent = BTreeSet::new();
    let mut refusals = Vec::new();
    for row in &rows {
        let came = match &row.comes_of {
            Comes::Refused(why) => {
                refusals.push(why.replace("{header}", sender.header()));
                continue;
            }
            Comes::Nothing => continue,
            Comes::Kept(came) => came,
        };
        let found = served.came_of(sender.provider(), &row.body).await;
        if found != [came.as_str()] {
            wrong.push(format!("{}: came of it\n{}\n-- instead of --\n{came}", row.what, found.join("\n")));
        }
        let state = came.split(' ').next().unwrap();
        // The same again is answered alike, and kept once.
        *states.entry(state).or_default() += i64::from(sent.insert(&row.body));
    }
    assert!(wrong.is_empty(), "{} at {}:\n\n{}", wrong.len(), sender.provider(), wrong.join("\n\n"));
    // The log is written and read beside the answers.
    until(async || served.refusals().len() >= refused_before + refusals.len()).await;
    let said = served.refusals().split_off(refused_before).into_iter().map(without_age).collect::<Vec<_>>();
    assert_eq!(said, refusals, "what the log says, row by row");
    let kept_now = count(served).await;
    for (state, rows) in states {
        assert_eq!(kept_now[state] - kept_before[state], rows, "{state} at {}", sender.provider());
    }
    goes_on(served, sender).await;
}

/// A second may go by between signing and sending.
fn without_age(said: String) -> String {
    match said.strip_prefix("the signed time is ").and_then(|rest| rest.split_once(" s ago")) {
        Some((age, rest)) if age.parse::<i64>().is_ok_and(|age| (320..400).contains(&age)) => {
            format!("the signed time is {{age}} s ago{rest}")
        }
        Some(_) | None => said,
    }
}

/// So many deliveries are in each state.
async fn count(served: &Served) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("select state, count(*) from deliveries where source = 'webhook' group by state")
            .fetch_all(&served.db.pool)
            .await
            .unwrap();
    let mut states = BTreeMap::from(["kept", "quarantined", "settled"].map(|s| (s.to_owned(), 0)));
    states.extend(rows);
    states
}

/// The process lives, and a webhook as it should be is kept and applied as ever.
async fn goes_on(served: &mut Served, sender: Sender) {
    let id = format!("Good{}", count(served).await.values().sum::<i64>());
    let body = sender.dispute(&id, &[]);
    let answer = Client::connect(served.addr).await.send(&sender.signed(body.as_bytes())).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"outcome\":\"kept\"}\n"));
    served.settled().await;
    let came = served.came_of(sender.provider(), body.as_bytes()).await;
    let currency = if sender == Sender::Stripe { "USD" } else { "INR" };
    assert_eq!(came, [format!("settled applied, 2000 {currency}")]);
    assert!(served.is_alive());
}

#[tokio::test]
async fn what_is_signed_is_kept_and_what_is_not_understood_waits_for_a_person() {
    let mut served = Served::start().await;
    for sender in SENDERS {
        let rows = signed(sender);
        meet(&mut served, sender, rows).await;
    }
}

fn signed(sender: Sender) -> Vec<Row> {
    let stripe = sender == Sender::Stripe;
    let one = |n: &str| sender.dispute(n, &[]);
    let usd = if stripe { "settled applied, 2000 USD" } else { "settled applied, 2000 INR" };
    let mut rows = Vec::new();
    let mut row = |what: &str, body: &[u8], comes_of: &str| {
        rows.push(kept(what, sender.signed(body), body, comes_of));
    };
    let good = one("A1");
    row("as it should be", good.as_bytes(), usd);
    let cut = &one("A2")[..90];
    row(
        "truncated",
        cut.as_bytes(),
        "quarantined unrecognised: the body is not JSON: EOF while parsing a string at line 1 column 90",
    );
    row(
        "no text",
        b"\xff\xfe\x00 not text",
        "quarantined unrecognised: the body is not JSON: expected value at line 1 column 1",
    );
    row("nothing", b"", "quarantined unrecognised: the body is empty");
    let deep = "[".repeat(200_000);
    row(
        "nested deeply",
        deep.as_bytes(),
        "quarantined unrecognised: the body is a list: an object is expected",
    );
    let deep = sender.dispute("A3", &[("notes", &format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)))]);
    row("nested deeply where nobody looks", deep.as_bytes(), usd);
    let nul = one("A4").replace("general", "gen\0eral").replace("RZP00", "RZP\u{0}00");
    row(
        "a NUL byte",
        nul.as_bytes(),
        &format!(
            "quarantined unrecognised: the body is not JSON: control character (\\u0000-\\u001F) found while parsing a string at line 1 column {}",
            if stripe { 205 } else { 213 }
        ),
    );
    for (what, json) in [("a list", "[1]"), ("text", "\"evt_1\""), ("a number", "7"), ("null", "null")] {
        let note = format!("quarantined unrecognised: the body is {what}: an object is expected");
        row(&format!("JSON that is {what}"), json.as_bytes(), &note);
    }
    row(
        "an empty object",
        b"{}",
        if stripe {
            "quarantined unrecognised: `type` is missing: a word is expected"
        } else {
            "quarantined unrecognised: `event` is missing"
        },
    );
    let list = if stripe {
        r#"["event","charge.dispute.created",1790000000,false,[{"id":"dp_list"}]]"#
    } else {
        r#"["event","payment.dispute.created",1790000000,[[["dispute","disp_list"]]]]"#
    };
    row(
        "a list in the order of an event's fields",
        list.as_bytes(),
        "quarantined unrecognised: the body is a list: an object is expected",
    );
    let twice = one("A5").replacen('{', r#"{"object":"event","entity":"event","#, 1);
    let twice_told = if stripe { "object" } else { "entity" };
    row(
        "a field twice",
        twice.as_bytes(),
        &format!(
            "quarantined unrecognised: the body has another shape than is known: duplicate field `{twice_told}`"
        ),
    );
    row(
        "lone surrogates",
        one("A6").replace("A6", "A6\\ud800").as_bytes(),
        &format!(
            "quarantined unrecognised: {} is not JSON: unexpected end of hex escape at line 1 column {}",
            if stripe { "`data.object`" } else { "`payload`" },
            if stripe { 19 } else { 42 }
        ),
    );
    let megabyte = format!("{}{}", one("A7"), " ".repeat((1 << 20) - one("A7").len()));
    row("a megabyte", megabyte.as_bytes(), usd);
    let again = kept("the same again", sender.signed(good.as_bytes()), good.as_bytes(), usd);
    rows.push(again);
    let chunked = one("A8");
    rows.push(kept("in chunks", in_chunks(sender, &chunked), chunked.as_bytes(), usd));
    let body = one("A9");
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    rows.push(kept(
        "a type with a charset",
        sender.signed_with(&charset, body.as_bytes()),
        body.as_bytes(),
        usd,
    ));
    let body = one("AA");
    // A byte that Latin-1 has and UTF-8 has not.
    let latin = sender.signed_with(&[("x-note", "caf~")], body.as_bytes());
    let latin = latin.into_iter().map(|b| if b == b'~' { 0xe9 } else { b }).collect();
    rows.push(kept("a header that is no UTF-8", latin, body.as_bytes(), usd));
    if stripe {
        let body = one("AB");
        let old = sender.sign_as(SECRETS[0], 200, body.as_bytes());
        rows.push(kept(
            "old, and not too old",
            request(&sender.path(), &[(sender.header(), &old)], body.as_bytes()),
            body.as_bytes(),
            usd,
        ));
        let body = one("AC");
        // As during a rotation: signed under the secret before and the one now.
        let other = sender.sign_as("whsec_the_one_before", 0, body.as_bytes());
        let both = format!("{},v1={}", sender.sign(body.as_bytes()), other.split_once("v1=").unwrap().1);
        rows.push(kept(
            "several signatures, one of them good",
            request(&sender.path(), &[(sender.header(), &both)], body.as_bytes()),
            body.as_bytes(),
            usd,
        ));
    }
    rows
}

fn in_chunks(sender: Sender, body: &str) -> Vec<u8> {
    let signature = sender.sign(body.as_bytes());
    let headers = [("transfer-encoding", "chunked"), (sender.header(), signature.as_str())];
    let (a, b) = body.split_at(40);
    let chunked = format!("{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n", a.len(), b.len());
    request(&sender.path(), &headers, chunked.as_bytes())
}

#[tokio::test]
async fn numbers_and_words_that_cannot_be_are_never_guessed() {
    let mut served = Served::start().await;
    let stripe: Vec<Row> = STRIPE.iter().enumerate().map(|(n, row)| odd(SENDERS[0], n, row)).collect();
    meet(&mut served, SENDERS[0], stripe).await;
    let razorpay: Vec<Row> = RAZORPAY.iter().enumerate().map(|(n, row)| odd(SENDERS[1], n, row)).collect();
    meet(&mut served, SENDERS[1], razorpay).await;
}

/// What is odd, the fields that are, and what comes of it.
type Odd = (&'static str, &'static [(&'static str, &'static str)], &'static str);

fn odd(sender: Sender, n: usize, (what, fields, comes_of): &Odd) -> Row {
    let body = sender.dispute(&format!("B{n}"), fields);
    kept(what, sender.signed(body.as_bytes()), body.as_bytes(), comes_of)
}

const STRIPE: &[Odd] = &[
    ("nothing at stake", &[("amount", "0")], "settled applied, 0 USD"),
    (
        "a negative amount",
        &[("amount", "-1")],
        "quarantined unrecognised: `data.object.amount` is -1: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "10^18",
        &[("amount", "1000000000000000000")],
        "quarantined unrecognised: `data.object.amount` is 1000000000000000000: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "beyond 64 bits",
        &[("amount", "100000000000000000000")],
        "quarantined unrecognised: `data.object.amount` is a number that is not a whole one within 64 bits: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "a fraction",
        &[("amount", "20.5")],
        "quarantined unrecognised: `data.object.amount` is a number that is not a whole one within 64 bits: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "a whole number with a point",
        &[("amount", "2000.0")],
        "quarantined unrecognised: `data.object.amount` is a number that is not a whole one within 64 bits: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "an exponent",
        &[("amount", "2e3")],
        "quarantined unrecognised: `data.object.amount` is a number that is not a whole one within 64 bits: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "an amount in quotes",
        &[("amount", "\"2000\"")],
        "quarantined unrecognised: `data.object.amount` is `2000`: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "no amount",
        &[("amount", "")],
        "quarantined unrecognised: `data.object.amount` is missing: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "amount null",
        &[("amount", "null")],
        "quarantined unrecognised: `data.object.amount` is null: an amount in whole minor units from 0 to 10^14 is expected",
    ),
    (
        "a currency nobody has",
        &[("currency", "\"zzz\"")],
        "quarantined unrecognised: `data.object.currency`: `zzz` is not an ISO 4217 currency code",
    ),
    (
        "no currency",
        &[("currency", "\"\"")],
        "quarantined unrecognised: `data.object.currency` is ``: a word is expected",
    ),
    (
        "half a currency",
        &[("currency", "\"us\"")],
        "quarantined unrecognised: `data.object.currency`: `us` is not an ISO 4217 currency code",
    ),
    (
        "a currency's number",
        &[("currency", "840")],
        "quarantined unrecognised: `data.object.currency` is 840: a word is expected",
    ),
    (
        "the code for no currency",
        &[("currency", "\"xxx\"")],
        "quarantined unrecognised: `data.object.currency`: `xxx` is not an ISO 4217 currency code",
    ),
    (
        "gold",
        &[("currency", "\"xau\"")],
        "quarantined unrecognised: `data.object.currency`: `xau` is not an ISO 4217 currency code",
    ),
    ("yen have no cents", &[("currency", "\"jpy\"")], "settled applied, 2000 JPY"),
    ("dinars have a thousand", &[("currency", "\"kwd\"")], "settled applied, 2000 KWD"),
    ("krónur are sent in hundredths", &[("currency", "\"isk\"")], "settled applied, 20 ISK"),
    (
        "and never in less than a whole one",
        &[("currency", "\"isk\""), ("amount", "2050")],
        "quarantined unrecognised: `data.object.amount` is 2050: in ISK Stripe sends multiples of 100",
    ),
    ("ariary are sent whole", &[("currency", "\"mga\"")], "settled applied, 200000 MGA"),
    (
        "a deadline in 1970",
        &[("evidence_details", "{\"due_by\":86400}")],
        "quarantined unrecognised: `data.object.evidence_details.due_by` is 86400: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "a deadline in the year 9999",
        &[("evidence_details", "{\"due_by\":253402300799}")],
        "quarantined unrecognised: `data.object.evidence_details.due_by` is 253402300799: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "a deadline in milliseconds",
        &[("evidence_details", "{\"due_by\":1790000000000}")],
        "quarantined unrecognised: `data.object.evidence_details.due_by` is 1790000000000: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "a deadline of words",
        &[("evidence_details", "{\"due_by\":\"tomorrow\"}")],
        "quarantined unrecognised: `data.object.evidence_details.due_by` is `tomorrow`: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "a deadline that is past",
        &[("evidence_details", "{\"due_by\":1600000000}")],
        "settled applied, 2000 USD",
    ),
    ("no response allowed", &[("evidence_details", "{\"due_by\":0}")], "settled applied, 2000 USD"),
    (
        "evidence details as a list",
        &[("evidence_details", "[1790000000]")],
        "quarantined unrecognised: `data.object` has another shape than is known, at `evidence_details`: invalid type: sequence, expected an object",
    ),
    (
        "opened in the year 9999",
        &[("created", "253402300799")],
        "quarantined unrecognised: `data.object.created` is 253402300799: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "an event from before time",
        &[("event.created", "-1")],
        "quarantined unrecognised: `created` is -1: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "an event of no time",
        &[("event.created", "")],
        "quarantined unrecognised: `created` is missing: unix seconds between the years 2000 and 2200 is expected",
    ),
    (
        "a status nobody knows",
        &[("status", "\"frozen\"")],
        "quarantined unrecognised: `data.object.status` is `frozen`, which is no status that is known",
    ),
    (
        "a status in capitals",
        &[("status", "\"NEEDS_RESPONSE\"")],
        "quarantined unrecognised: `data.object.status` is `NEEDS_RESPONSE`, which is no status that is known",
    ),
    (
        "a case type nobody knows",
        &[("payment_method_details", r#"{"card":{"case_type":"mediation"}}"#)],
        "quarantined unrecognised: `data.object.payment_method_details.card.case_type` is `mediation`, which is not known",
    ),
    ("a reason nobody knows", &[("reason", "\"moon_phase\"")], "settled applied, 2000 USD"),
    (
        "a reason with a NUL",
        &[("reason", r#""gen\u0000eral""#)],
        "quarantined unrecognised: `data.object.reason` is `gen\\u{0}eral`: a word is expected",
    ),
    (
        "an id with a NUL",
        &[("id", r#""dp_\u0000""#)],
        "quarantined unrecognised: `data.object.id` is `dp_\\u{0}`: an id is expected",
    ),
    (
        "an id that leads elsewhere",
        &[("id", "\"../accounts\"")],
        "quarantined unrecognised: `data.object.id` is `../accounts`: an id is expected",
    ),
    ("no id", &[("id", "null")], "quarantined unrecognised: `data.object.id` is null: an id is expected"),
    (
        "another object",
        &[("object", "\"charge\"")],
        "quarantined unrecognised: `data.object.object` is `charge`: `dispute` is expected",
    ),
    (
        "an event of disputes nobody knows",
        &[("event.type", "\"charge.dispute.frozen\"")],
        "quarantined unrecognised: `type` is `charge.dispute.frozen`, an event about disputes or fraud warnings that is not known",
    ),
    (
        "an event of something else",
        &[("event.type", "\"payment_intent.succeeded\"")],
        "settled not_ours: payment_intent.succeeded",
    ),
    ("no type", &[("event.type", "")], "quarantined unrecognised: `type` is missing: a word is expected"),
    (
        "an envelope nobody knows",
        &[("event.object", "\"v3.event\"")],
        "quarantined unrecognised: `object` is `v3.event`: `event` or `v2.core.event` is expected",
    ),
    ("data of no object", &[("event.data", "{}")], "quarantined unrecognised: `data.object` is missing"),
    (
        "data that is text",
        &[("event.data", "\"none\"")],
        "quarantined unrecognised: the body has another shape than is known, at `data`: invalid type: string \"none\", expected an object",
    ),
    (
        "a dispute that is a list",
        &[("event.data", r#"{"object":["dispute","dp_list",2000,"usd","needs_response"]}"#)],
        "quarantined unrecognised: `data.object` is a list: an object is expected",
    ),
    (
        "neither test nor live",
        &[("livemode", "")],
        "quarantined unrecognised: `data.object.livemode` is missing: true or false is expected",
    ),
];

const RAZORPAY: &[Odd] = &[
    ("nothing at stake", &[("amount", "0")], "settled applied, 0 INR"),
    (
        "a negative amount",
        &[("amount", "-1")],
        "quarantined unrecognised: payload.dispute.entity: `amount` is -1: minor units from 0 to 10^15 are expected",
    ),
    (
        "10^18",
        &[("amount", "1000000000000000000")],
        "quarantined unrecognised: payload.dispute.entity: `amount` is 1000000000000000000: minor units from 0 to 10^15 are expected",
    ),
    (
        "beyond 64 bits",
        &[("amount", "100000000000000000000")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity.amount`: invalid type: floating point `1e+20`, expected a whole number",
    ),
    (
        "a fraction",
        &[("amount", "20.5")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity.amount`: invalid type: floating point `20.5`, expected a whole number",
    ),
    (
        "an exponent",
        &[("amount", "2e3")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity.amount`: invalid type: floating point `2000.0`, expected a whole number",
    ),
    (
        "an amount in quotes",
        &[("amount", "\"2000\"")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity.amount`: invalid type: string \"2000\", expected a whole number",
    ),
    (
        "no amount",
        &[("amount", "")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity`: missing field `amount`",
    ),
    (
        "amount null",
        &[("amount", "null")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity.amount`: invalid type: null, expected a whole number",
    ),
    (
        "a currency nobody has",
        &[("currency", "\"ZZZ\"")],
        "quarantined unrecognised: payload.dispute.entity: `currency`: `ZZZ` is not an ISO 4217 currency code",
    ),
    (
        "no currency",
        &[("currency", "\"\"")],
        "quarantined unrecognised: payload.dispute.entity: `currency`: `` is not an ISO 4217 currency code",
    ),
    ("yen have no cents", &[("currency", "\"JPY\"")], "settled applied, 2000 JPY"),
    ("dinars have a thousand", &[("currency", "\"KWD\"")], "settled applied, 2000 KWD"),
    (
        "a deadline in 1970",
        &[("respond_by", "86400")],
        "quarantined unrecognised: payload.dispute.entity: `respond_by` is 86400: unix seconds between the years 2000 and 2200 are expected",
    ),
    (
        "a deadline in the year 9999",
        &[("respond_by", "253402300799")],
        "quarantined unrecognised: payload.dispute.entity: `respond_by` is 253402300799: unix seconds between the years 2000 and 2200 are expected",
    ),
    (
        "a deadline of words",
        &[("respond_by", "\"tomorrow\"")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity.respond_by`: invalid type: string \"tomorrow\", expected a whole number",
    ),
    ("no deadline, though an answer is owed", &[("respond_by", "null")], "settled applied, 2000 INR"),
    ("a deadline that is past", &[("respond_by", "1600000000")], "settled applied, 2000 INR"),
    (
        "opened in the year 9999",
        &[("created_at", "253402300799")],
        "quarantined unrecognised: payload.dispute.entity: `created_at` is 253402300799: unix seconds between the years 2000 and 2200 are expected",
    ),
    (
        "an event from before time",
        &[("event.created_at", "-1")],
        "quarantined unrecognised: `created_at` is -1: unix seconds between the years 2000 and 2200 are expected",
    ),
    ("an event of no time", &[("event.created_at", "")], "quarantined unrecognised: `created_at` is missing"),
    (
        "a status nobody knows",
        &[("status", "\"frozen\"")],
        "quarantined unrecognised: payload.dispute.entity: `status` is `frozen`, which is not known",
    ),
    (
        "a phase nobody knows",
        &[("phase", "\"mediation\"")],
        "quarantined unrecognised: payload.dispute.entity: `phase` is `mediation`, which is not known",
    ),
    ("a reason nobody knows", &[("reason_code", "\"moon_phase\"")], "settled applied, 2000 INR"),
    ("a reason with a NUL", &[("reason_code", r#""RZP\u000000""#)], "settled applied, 2000 INR"),
    (
        "an id with a NUL",
        &[("id", r#""disp_\u0000""#)],
        "quarantined unrecognised: payload.dispute.entity: `id` is `disp_`, expected `disp_…`",
    ),
    (
        "an id that leads elsewhere",
        &[("id", "\"disp_/../x\"")],
        "quarantined unrecognised: payload.dispute.entity: `id` is `disp_/../x`, expected `disp_…`",
    ),
    (
        "an id of something else",
        &[("id", "\"pay_1\"")],
        "quarantined unrecognised: payload.dispute.entity: `id` is `pay_1`, expected `disp_…`",
    ),
    (
        "no id",
        &[("id", "")],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity`: missing field `id`",
    ),
    (
        "another object",
        &[("entity", "\"payment\"")],
        "quarantined unrecognised: payload.dispute.entity: `entity` is `payment`, not `dispute`",
    ),
    (
        "an event of disputes nobody knows",
        &[("event.event", "\"payment.dispute.frozen\"")],
        "quarantined unrecognised: `event` is `payment.dispute.frozen`, which is not known",
    ),
    (
        "an event of something else",
        &[("event.event", "\"payment.captured\"")],
        "settled not_ours: payment.captured",
    ),
    ("no event", &[("event.event", "")], "quarantined unrecognised: `event` is missing"),
    (
        "an envelope nobody knows",
        &[("event.entity", "\"letter\"")],
        "quarantined unrecognised: `entity` is `letter`, expected `event`",
    ),
    ("no payload", &[("event.payload", "")], "quarantined unrecognised: `payload` is missing"),
    (
        "a payload that is text",
        &[("event.payload", "\"none\"")],
        "quarantined unrecognised: `payload` is text: an object is expected",
    ),
    (
        "a dispute that is a list",
        &[(
            "event.payload",
            r#"{"dispute":{"entity":["dispute","disp_l","pay_l",2000,"INR",null,1790000000,"open","chargeback",1780000000]}}"#,
        )],
        "quarantined unrecognised: `payload` has another shape than is known, at `dispute.entity`: invalid type: sequence, expected an object",
    ),
];

#[tokio::test]
async fn what_proves_nothing_is_refused_in_the_same_words_and_the_log_says_why() {
    let mut served = Served::start().await;
    for sender in SENDERS {
        let rows = unproved(sender);
        meet(&mut served, sender, rows).await;
    }
    let log = format!("{:?}", served.log.lock().unwrap());
    for secret in [SECRETS[0], SECRETS[1], "Bearer hush", "disp_C", "dp_C", "\\u0007", "\u{7}"] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
}

fn unproved(sender: Sender) -> Vec<Row> {
    let (body, path) = (sender.dispute("C1", &[]), sender.path());
    let signature = sender.sign(body.as_bytes());
    let forged = sender.sign_as("whsec_of_somebody", 0, body.as_bytes());
    let with = |headers: &[(&str, &str)]| {
        let all: Vec<_> = headers.iter().copied().chain([("authorization", "Bearer hush")]).collect();
        request(&path, &all, body.as_bytes())
    };
    let signed = |value: &str| with(&[(sender.header(), value)]);
    let to = |path: &str| request(path, &[(sender.header(), &signature)], body.as_bytes());
    let other = SENDERS.into_iter().find(|s| *s != sender).unwrap();
    let elsewhere = "nothing is configured at its address";
    let stripe = sender == Sender::Stripe;
    let told = |stripes: &'static str, razorpays: &'static str| if stripe { stripes } else { razorpays };
    let mismatch = told(
        "no signature in `{header}` matches the body under the configured secret: the body is one line and Stripe \
         indents: was it parsed and written again on the way?",
        "no signature in `{header}` matches the body under the configured secret: the secret is probably not the \
         one set for this webhook in the Razorpay dashboard (it is neither the key id nor the key secret), or the \
         body was changed on its way",
    );
    let malformed = |stripes: &str, razorpays: &str| {
        format!("the header `{{header}}` is malformed: {}", if stripe { stripes } else { razorpays })
    };
    let mut rows = vec![
        refused("a forged signature", signed(&forged), mismatch),
        refused("no signature", with(&[]), "the header `{header}` is missing"),
        refused(
            "an empty signature",
            signed(""),
            &malformed("it is empty", "expected 64 hex digits, found 0 bytes"),
        ),
        refused(
            "the signature twice",
            with(&[(sender.header(), &signature), (sender.header(), &signature)]),
            "the header `{header}` appears more than once",
        ),
        refused(
            "a good and a forged one",
            with(&[(sender.header(), &signature), (sender.header(), &forged)]),
            "the header `{header}` appears more than once",
        ),
        refused(
            "a signature of another body",
            request(&path, &[(sender.header(), &signature)], b"{}"),
            mismatch,
        ),
        refused(
            "the same in capitals",
            signed(&signature.to_uppercase()),
            &malformed("it has no `t=<unix seconds>`", "expected lower-case hex digits, found upper case"),
        ),
        refused(
            "half of it",
            signed(&signature[..signature.len() - 8]),
            told(
                "no signature in `{header}` matches the body under the configured secret: no `v1` is 64 lower-case hex digits: was the header changed on the way?",
                "the header `{header}` is malformed: expected 64 hex digits, found 56 bytes",
            ),
        ),
        refused(
            "another provider's signature",
            with(&[(other.header(), &other.sign(body.as_bytes()))]),
            "the header `{header}` is missing",
        ),
        refused(
            "an account that does not exist",
            to(&format!("/webhooks/{}/nobody", sender.provider())),
            elsewhere,
        ),
        refused("a provider that does not exist", to("/webhooks/strype/acme-card"), elsewhere),
        refused(
            "an address in other letters",
            to(&format!("/webhooks/{}/ACME-card", sender.provider())),
            elsewhere,
        ),
        refused(
            "an address that is not UTF-8",
            to(&format!("/webhooks/{}/%ff%fe", sender.provider())),
            elsewhere,
        ),
        refused("an address with a NUL", to(&format!("/webhooks/{}/acme%00", sender.provider())), elsewhere),
        refused("an address with a bell", to(&format!("/webhooks/{}/ac%07me", sender.provider())), elsewhere),
    ];
    if stripe {
        let old = sender.sign_as(SECRETS[0], 320, body.as_bytes());
        rows.push(refused(
            "too old",
            signed(&old),
            "the signed time is {age} s ago, and at most 300 s are allowed",
        ));
        let never = signed("t=yesterday,v1=00");
        rows.push(refused(
            "signed at no time",
            never,
            "the header `{header}` is malformed: `t=yesterday` is not unix seconds",
        ));
        let late = signed(&format!("{signature},t=1"));
        rows.push(refused(
            "signed at two times",
            late,
            "the header `{header}` is malformed: `t` appears twice",
        ));
        let older = signed(&signature.replacen("v1=", "v0=", 1));
        rows.push(refused("under a scheme that proves nothing", older, "no signature in `{header}` matches the body under the configured secret: the header has no `v1` signature, and other schemes (`v0`) prove nothing"));
    }
    rows
}

#[tokio::test]
async fn what_is_no_webhook_is_told_so() {
    let mut served = Served::start().await;
    for sender in SENDERS {
        let rows = no_webhooks(sender);
        meet(&mut served, sender, rows).await;
    }
}

fn no_webhooks(sender: Sender) -> Vec<Row> {
    let body = sender.dispute("D1", &[]);
    let good = sender.signed(body.as_bytes());
    let as_method = |method: &str| [method.as_bytes(), &good[4..]].concat();
    let typed = |value: &str| sender.signed_with(&[("content-type", value)], body.as_bytes());
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 18, "x".repeat(1 << 18));
    let chunks = request(
        &sender.path(),
        &[("transfer-encoding", "chunked")],
        (chunk.repeat(5) + "0\r\n\r\n").as_bytes(),
    );
    let many: Vec<(String, &str)> = (0..70).map(|n| (format!("x-{n}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let long = |bytes: usize| sender.signed_with(&[("x-long", &"x".repeat(bytes))], body.as_bytes());
    let announced = request(&sender.path(), &[("content-length", "99999999999")], b"");
    let to = |path: &str| request(path, &[], b"{}");
    let path = sender.path();
    vec![
        nothing("another method", as_method("GET"), NOT_A_POST),
        nothing("yet another method", as_method("DELETE"), NOT_A_POST),
        nothing("a method nobody knows", as_method("JUMP"), NOT_A_POST),
        nothing("a form", typed("application/x-www-form-urlencoded"), NOT_JSON),
        nothing("plain text", typed("text/plain; application/json"), NOT_JSON),
        nothing("an empty type", typed(""), NOT_JSON),
        nothing("a byte more than a megabyte", sender.signed(&vec![b'x'; (1 << 20) + 1]), TOO_LARGE),
        nothing("more than a megabyte, in chunks", chunks, TOO_LARGE),
        nothing("announced as larger than any memory", announced, TOO_LARGE),
        nothing("another place", to("/webhook/stripe/acme-card"), NOT_FOUND),
        nothing("no account", to("/webhooks/stripe"), NOT_FOUND),
        nothing("a slash too many", to(&format!("{path}/")), NOT_FOUND),
        nothing("a way around", to(&format!("/webhooks/../{path}")), NOT_FOUND),
        nothing("a header too long", long(40_000), HEADER_TOO_LONG),
        nothing("a header without end", long(1 << 20), TOO_MANY_HEADERS),
        nothing("too many headers", sender.signed_with(&many, body.as_bytes()), TOO_MANY_HEADERS),
        nothing("no HTTP", b"hello there\r\n\r\n".to_vec(), NO_REQUEST),
        nothing("a length that is none", request(&path, &[("content-length", "-1")], b"{}"), NO_REQUEST),
    ]
}
