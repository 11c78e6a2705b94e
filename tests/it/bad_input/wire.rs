//! What no provider sends and somebody will: bytes that two parsers may read in two ways, requests that never end,
//! and whatever else fits into a socket. Each row is bytes as they are sent, and the statuses that come back.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, Sender, Served};

const STRIPE: Sender = Sender::Stripe;

struct Row {
    what: &'static str,
    sent: Vec<u8>,
    /// `200 401 closed`: in their order, and whether the server closed before it lost patience.
    answers: &'static str,
    /// So many of the bodies in it are kept.
    kept: i64,
}

fn row(what: &'static str, sent: impl Into<Vec<u8>>, answers: &'static str, kept: i64) -> Row {
    Row { what, sent: sent.into(), answers, kept }
}

/// Sends it, says no more, and reads until the server ends the connection.
async fn talk(served: &Served, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.addr).await.expect("it listens");
    // Who answers before it has read everything may close: what counts is the answer.
    _ = stream.write_all(sent).await;
    let mut said = Vec::new();
    // A connection that is reset has ended too.
    _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server ends it");
    let said = String::from_utf8_lossy(&said);
    let lines =
        said.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 ")));
    lines.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
}

/// A webhook with a body of its own, its signature, and its head written by hand.
struct Webhook {
    body: String,
    signature: String,
}

impl Webhook {
    fn new(id: &str) -> Self {
        let body = STRIPE.dispute(id, &[]);
        Self { signature: STRIPE.sign(body.as_bytes()), body }
    }

    /// `lines` stand between the request line and the body; `{n}` is the body's length.
    fn sent_as(&self, line: &str, lines: &str, body: &str) -> String {
        let lines = lines.replace("{n}", &self.body.len().to_string());
        let lines = lines.replace('\n', "\r\n");
        format!("{line}\r\nhost: here\r\nstripe-signature: {}\r\n{lines}\r\n\r\n{body}", self.signature)
    }

    fn with(&self, lines: &str) -> String {
        self.sent_as("POST /webhooks/stripe/acme-card HTTP/1.1", lines, &self.body)
    }

    fn chunked(&self, lines: &str) -> String {
        let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", self.body.len(), self.body);
        self.sent_as("POST /webhooks/stripe/acme-card HTTP/1.1", lines, &body)
    }
}

fn framing() -> Vec<Row> {
    let w = Webhook::new;
    let next = || w("Smuggled").with("content-length: {n}");
    vec![
        row("a length", w("a").with("content-length: {n}"), "200", 1),
        row("the same length twice", w("b").with("content-length: {n}\ncontent-length: {n}"), "200", 1),
        row("two lengths", w("c").with("content-length: {n}\ncontent-length: 7"), "400", 0),
        row("two lengths in one line", w("d").with("content-length: {n}, {n}"), "400", 0),
        row("a length with a sign", w("e").with("content-length: +{n}"), "400", 0),
        row("a length in hexadecimal", w("f").with("content-length: 0x10"), "400", 0),
        row("a length beyond 64 bits", w("g").with("content-length: 99999999999999999999"), "400", 0),
        row("an empty length", w("h").with("content-length:"), "400", 0),
        row("a blank before the colon", w("i").with("content-length : {n}"), "400", 0),
        row("a line that is folded", w("j").with("content-length:\n {n}"), "400", 0),
        row("no length", w("k").with("x-none: 1"), "401 400", 0),
        row(
            "chunks, and then more on the same connection",
            w("l").chunked("transfer-encoding: chunked") + &next(),
            "200 200",
            2,
        ),
        row(
            "chunks and a length",
            w("m").chunked("transfer-encoding: chunked\ncontent-length: 6") + &next(),
            "200",
            1,
        ),
        row(
            "a length and chunks",
            w("n").chunked("content-length: 6\ntransfer-encoding: chunked") + &next(),
            "200",
            1,
        ),
        row("chunks in capitals", w("o").chunked("Transfer-Encoding: CHUNKED"), "200", 1),
        row("chunks that are not last", w("p").chunked("transfer-encoding: chunked, identity"), "400", 0),
        row("chunks twice", w("q").chunked("transfer-encoding: chunked, chunked"), "501", 0),
        row(
            "two codings in two lines",
            w("r").chunked("transfer-encoding: chunked\ntransfer-encoding: identity"),
            "400",
            0,
        ),
        row("a coding nobody knows", w("s").chunked("transfer-encoding: xchunked"), "400", 0),
        row("a coding behind a tab", w("t").chunked("transfer-encoding:\tchunked"), "200", 1),
        row("a coding behind a vertical tab", w("u").chunked("transfer-encoding: \u{b}chunked"), "400", 0),
        row("packed chunks", w("v").chunked("transfer-encoding: gzip, chunked"), "501", 0),
        row(
            "chunks in HTTP/1.0",
            w("w").sent_as(
                "POST /webhooks/stripe/acme-card HTTP/1.0",
                "transfer-encoding: chunked",
                "0\r\n\r\n",
            ),
            "400",
            0,
        ),
    ]
}

fn chunks() -> Vec<Row> {
    let w = Webhook::new("chunk");
    let n = w.body.len();
    let sent = |body: String| {
        w.sent_as("POST /webhooks/stripe/acme-card HTTP/1.1", "transfer-encoding: chunked", &body)
    };
    let whole = &w.body;
    vec![
        row("a chunk of no size", sent(format!("\r\n{whole}\r\n0\r\n\r\n")), "400", 0),
        row("a chunk of less than nothing", sent(format!("-1\r\n{whole}\r\n0\r\n\r\n")), "400", 0),
        row("a chunk beyond 64 bits", sent(format!("fffffffffffffffff\r\n{whole}\r\n0\r\n\r\n")), "400", 0),
        row(
            "a chunk that is shorter than it says",
            sent(format!("{:x}\r\n{whole}\r\n0\r\n\r\n", n + 4)),
            "400",
            0,
        ),
        row(
            "a chunk that is longer than it says",
            sent(format!("{:x}\r\n{whole}\r\n0\r\n\r\n", n - 4)),
            "400",
            0,
        ),
        row("a chunk with 0x before its size", sent(format!("0x{n:x}\r\n{whole}\r\n0\r\n\r\n")), "400", 0),
        row(
            "a note behind the size without end",
            sent(format!("{n:x};{}\r\n{whole}\r\n0\r\n\r\n", "x".repeat(40_000))),
            "400",
            0,
        ),
        row(
            "a trailer with another signature",
            sent(format!("{n:x}\r\n{whole}\r\n0\r\nstripe-signature: t=1,v1=00\r\n\r\n")),
            "200",
            1,
        ),
        row(
            "trailers without end",
            sent(format!("{n:x}\r\n{whole}\r\n0\r\n{}\r\n", "x-a: b\r\n".repeat(5_000))),
            "400",
            0,
        ),
    ]
}

fn requests() -> Vec<Row> {
    let w = Webhook::new;
    let post = |target: &str| format!("POST {target} HTTP/1.1");
    let to = |id: &str, target: &str| {
        let webhook = w(id);
        webhook.sent_as(&post(target), "content-length: {n}", &webhook.body)
    };
    let path = "/webhooks/stripe/acme-card";
    let line = |id: &str, line: &str| {
        let webhook = w(id);
        webhook.sent_as(line, "content-length: {n}", &webhook.body)
    };
    let three = ["p1", "p2", "p3"].map(|id| w(id).with("content-length: {n}")).concat();
    let garbage =
        w("p4").with("content-length: {n}") + "GARBAGE\r\n\r\n" + &w("p5").with("content-length: {n}");
    vec![
        row("three at once", three, "200 200 200", 3),
        row("one, nonsense, another", garbage, "200 400", 1),
        row("a body where none belongs", "GET /healthz HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\nPOST ".to_owned() + &w("p6").with("content-length: {n}"), "200 200", 1),
        row("HTTP/1.0", line("v10", &format!("POST {path} HTTP/1.0")), "200", 1),
        row("HTTP/2.0", line("v20", &format!("POST {path} HTTP/2.0")), "400", 0),
        row("HTTP/0.9", "GET /healthz\r\n", "400", 0),
        row("what HTTP/2 begins with", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 0),
        row("what TLS begins with", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "400", 0),
        row("the whole address", to("abs", &format!("http://here{path}")), "200", 1),
        row("somebody else's address", to("abs2", &format!("http://elsewhere.example{path}")), "200", 1),
        row("a query", to("query", &format!("{path}?account=other")), "200", 1),
        row("letters as percents", to("pct", "/webhooks/stripe/%61cme-card"), "200", 1),
        row("a slash as a percent", to("pct2", "/webhooks/stripe%2facme-card"), "404", 0),
        row("a way up as percents", to("pct3", "/webhooks/stripe/%2e%2e%2fstripe%2facme-card"), "401", 0),
        row("half a percent", to("pct4", "/webhooks/stripe/acme-card%2"), "401", 0),
        row("a backslash", to("bs", "/webhooks\\stripe\\acme-card"), "404", 0),
        row("two slashes", to("ss", "//webhooks/stripe/acme-card"), "404", 0),
        row("letters beyond ASCII", to("utf", "/webhooks/stripe/acme-cärd"), "401", 0),
        row("an endless address", to("long", &format!("{path}{}", "x".repeat(70_000))), "431", 0),
        row("an asterisk", "OPTIONS * HTTP/1.1\r\nhost: here\r\n\r\n", "404", 0),
        row("a tunnel", "CONNECT here:443 HTTP/1.1\r\nhost: here\r\n\r\n", "404", 0),
        row("small letters", line("small", &format!("post {path} HTTP/1.1")), "405", 0),
        row("the header in other letters", w("caps").with("content-length: {n}").replace("stripe-signature", "STRIPE-Signature"), "200", 1),
        row("the header in two ways of writing", w("caps2").with("content-length: {n}\nStripe-Signature: t=1,v1=00"), "401", 0),
        row("no host", w("nohost").with("content-length: {n}").replace("host: here\r\n", ""), "200", 1),
        row("an offer to change to HTTP/2", w("h2c").with("content-length: {n}\nconnection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA"), "200", 1),
        row("first a question, then the body", w("cont").with("content-length: {n}\nexpect: 100-continue"), "100 200", 1),
        row("a question nobody knows", w("cont2").with("content-length: {n}\nexpect: 200-maybe"), "200", 1),
        row("lines that end in LF alone", w("lf").with("content-length: {n}").replace("\r\n", "\n"), "200", 1),
        row("a CR in a header", w("cr").with("content-length: {n}\nx-a: b\rc: d"), "400", 0),
        row("a NUL in a header", w("nul").with("content-length: {n}\nx-a: b\0c"), "400", 0),
        row("a header of no name", w("noname").with("content-length: {n}\n: x"), "400", 0),
        row("two types", w("types").with("content-length: {n}\ncontent-type: application/json\ncontent-type: text/html"), "200", 1),
    ]
}

#[tokio::test]
async fn bytes_that_can_be_read_in_two_ways_are_read_in_one_and_nothing_is_smuggled() {
    let mut served = Served::start().await;
    let mut wrong = Vec::new();
    for (group, rows) in [("framing", framing()), ("chunks", chunks()), ("requests", requests())] {
        let said = futures_util::future::join_all(rows.iter().map(|row| talk(&served, &row.sent))).await;
        for (row, said) in rows.iter().zip(said) {
            if said != row.answers {
                wrong.push(format!("{group}, {}: answered `{said}` instead of `{}`", row.what, row.answers));
            }
        }
        let expected: i64 = rows.iter().map(|row| row.kept).sum();
        let kept = kept(&served).await;
        wrong.extend((kept != expected).then(|| format!("{group}: {kept} kept instead of {expected}")));
        sqlx::query("delete from deliveries").execute(&served.db.pool).await.unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(served.is_alive());
}

async fn kept(served: &Served) -> i64 {
    sqlx::query_scalar("select count(*) from deliveries where source = 'webhook'")
        .fetch_one(&served.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_body_that_is_broken_off_leaves_no_trace() {
    let mut served = Served::start().await;
    let whole = Webhook::new("half").with("content-length: {n}");
    for sent in [&whole[..whole.len() - 9], &whole[..60]] {
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = Vec::new();
        _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server ends it");
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(kept(&served).await, 0);
    assert!(served.is_alive());
}

/// Bodies that come in chunks say no length. Somebody who sends many of them slowly, and proves nothing, must not
/// shut out a webhook that a proxy hands on in chunks.
#[tokio::test]
async fn slow_senders_of_chunks_do_not_shut_out_a_webhook_in_chunks() {
    let served = Served::start().await;
    let slow = Webhook::new("slow");
    let begun = slow.sent_as(
        "POST /webhooks/stripe/acme-card HTTP/1.1",
        "transfer-encoding: chunked",
        "5\r\nhello\r\n",
    );
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let said = talk(&served, Webhook::new("quick").chunked("transfer-encoding: chunked").as_bytes()).await;
    assert_eq!(said, "200");
    assert_eq!(kept(&served).await, 1);
    drop(held);
}

/// Who asks first is told before the body is sent, and not invited to send what is thrown away.
#[tokio::test]
async fn a_body_that_is_asked_about_and_too_large_is_not_invited() {
    let served = Served::start().await;
    let lines = "content-length: 99999999\nexpect: 100-continue";
    let asked = Webhook::new("large").sent_as("POST /webhooks/stripe/acme-card HTTP/1.1", lines, "");
    assert_eq!(talk(&served, asked.as_bytes()).await, "413", "and no 100 before");
}

/// A provider that loses its patience sends again while the first is under way.
#[tokio::test]
async fn the_same_webhook_many_times_at_once_is_kept_once_and_applied_once() {
    let mut served = Served::start().await;
    let webhook = Webhook::new("often").with("content-length: {n}\nconnection: close");
    let talks = (0..60).map(|_| talk(&served, webhook.as_bytes()));
    let said = futures_util::future::join_all(talks).await;
    assert!(said.iter().all(|said| said == "200"), "{said:?}");
    served.settled().await;
    assert_eq!(kept(&served).await, 1);
    let opened: i64 = sqlx::query_scalar("select count(*) from history where kind = 'opened'")
        .fetch_one(&served.db.pool)
        .await
        .unwrap();
    assert_eq!(opened, 1);
    assert!(served.is_alive());
}

/// As many as may be connected, each with a body that is almost large and never ends. Webhooks are taken in
/// as soon as these have used up their time.
#[tokio::test]
async fn a_crowd_that_never_ends_what_it_says_is_let_go_of() {
    let mut served = Served::start().await;
    let begun = Webhook::new("crowd").sent_as(
        "POST /webhooks/stripe/acme-card HTTP/1.1",
        "content-length: 65000",
        &"x".repeat(60_000),
    );
    let mut crowd = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    let said =
        talk(&served, Webhook::new("beside").with("content-length: {n}\nconnection: close").as_bytes()).await;
    assert_eq!(said, "200", "beside a crowd");
    for mut stream in crowd {
        let mut said = Vec::new();
        _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server ends it");
        assert!(said.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(kept(&served).await, 1);
    assert!(served.is_alive());
}
