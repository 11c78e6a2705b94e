//! What is not gRPC, or not whole, or too much of it: told so or cut off, and nothing comes of it.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use super::{ALL, Program, address, count, key_of, slip, stage};
use crate::engine::stage::{STRIPE, Stage, fraud, hours};

const SOON: Duration = Duration::from_secs(20);

/// HTTP/2 without gRPC's manners.
struct Raw {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Raw {
    async fn of(stage: &Stage) -> Self {
        let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
        let key = key_of(stage, "acme", "raw", ALL).await;
        Self { http, base: format!("http://{}", address(stage)), key }
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.post_to("Accept", body)
    }

    fn post_to(&self, method: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}/types.DisputeService/{method}", self.base))
            .bearer_auth(&self.key)
            .header("content-type", "application/grpc")
            .body(body)
    }

    /// The status and its words.
    async fn said(&self, request: reqwest::RequestBuilder) -> (Code, String) {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        (Code::from_bytes(header("grpc-status").as_bytes()), header("grpc-message"))
    }
}

fn frame(flag: u8, length: u32, message: &[u8]) -> Bytes {
    [&[flag], &length.to_be_bytes()[..], message].concat().into()
}

#[tokio::test]
async fn messages_that_are_not_whole_are_refused_and_nothing_is_ordered() {
    let mut stage = stage("").await;
    stage.open(fraud(STRIPE, hours(96))).await;
    let raw = Raw::of(&stage).await;
    let whole = b"\x1a\x04dp_1";
    for (body, code, part) in [
        (Bytes::new(), Code::InvalidArgument, "there%20is%20no%20message"),
        (Bytes::from_static(&[0, 0, 0]), Code::InvalidArgument, "there%20is%20no%20message"),
        (frame(0, 6, &whole[..3]), Code::InvalidArgument, "6%20bytes"),
        (frame(0, 6, b"\x1a\x04dp_1 and more"), Code::InvalidArgument, "15%20came"),
        (frame(0, u32::MAX, whole), Code::InvalidArgument, "4294967295"),
        (frame(1, 6, whole), Code::Unimplemented, "compressed"),
        (frame(9, 6, whole), Code::Unimplemented, "compressed"),
        (frame(0, 6, b"\x1a\x40dp_1"), Code::InvalidArgument, "not%20what%20this%20call%20takes"),
        (frame(0, 4, b"\xff\xff\xff\xff"), Code::InvalidArgument, "not%20what%20this%20call%20takes"),
        (frame(0, 3, b"\x1a\x01\xff"), Code::InvalidArgument, "not%20what%20this%20call%20takes"),
        (frame(0, 0, b""), Code::InvalidArgument, "is%20empty"),
        (Bytes::from(vec![0; 70_000]), Code::ResourceExhausted, "too%20large"),
    ] {
        let (told, words) = raw.said(raw.post(body.clone())).await;
        assert!(told == code && words.contains(part), "{body:?}: {told:?} {words}");
    }
    assert_eq!(count(&stage, "select count(*) from api_orders").await, 0);
}

#[tokio::test]
async fn what_is_no_grpc_is_told_in_http_s_words() {
    let stage = stage("").await;
    let raw = Raw::of(&stage).await;
    let json =
        raw.http.post(format!("{}/types.DisputeService/Accept", raw.base)).json(&serde_json::json!({}));
    let answer = json.send().await.unwrap();
    assert_eq!(answer.status(), 415);
    assert!(answer.text().await.unwrap().contains("gRPC is spoken here"));
    assert_eq!(raw.http.get(&raw.base).send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn evidence_beyond_the_limit_is_refused_whole_and_below_it_taken() {
    let mut stage = stage("message_bytes_max = 262144\n").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let of_size = |size: usize| {
        let content = [b"%PDF-1.4\n".as_slice(), &vec![b'x'; size]].concat();
        super::types::EvidenceDocument { file_content: Some(content.into()), ..slip() }
    };
    let refused = program.submit_evidence(&dispute_ref, vec![of_size(262_144)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("262144 bytes"), "{refused}");
    assert_eq!(count(&stage, "select count(*) from files").await, 0);
    program.submit_evidence(&dispute_ref, vec![of_size(200_000)]).await.unwrap();
    assert_eq!(count(&stage, "select count(*) from files").await, 1);
    // Strangers are told that they are, however much they bring.
    let stranger = Program::stranger(&stage);
    let refused = stranger.submit_evidence(&dispute_ref, vec![of_size(4 << 20)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    // And the connection serves the next.
    assert_eq!(stranger.get(&dispute_ref).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn documents_without_end_are_counted_before_any_is_made() {
    let stage = stage("").await;
    let raw = Raw::of(&stage).await;
    let empty = |n: usize| b"\x32\x00".repeat(n);
    let told = async |message: &[u8]| {
        let whole = frame(0, u32::try_from(message.len()).unwrap(), message);
        raw.said(raw.post_to("SubmitEvidence", whole)).await
    };
    // Nothing that makes them up ever sees the end, which is none.
    for message in [empty(8 << 20), [&empty(101)[..], b"\xff"].concat()] {
        let (code, words) = told(&message[..message.len().min(16 << 20)]).await;
        assert_eq!(code, Code::InvalidArgument, "{words}");
        assert!(words.contains("evidence_documents") && words.contains("100"), "{words}");
        assert!(!words.contains("not%20what"), "{words}");
    }
    let (code, words) = told(&[&empty(100)[..], b"\xff"].concat()).await;
    assert!(code == Code::InvalidArgument && words.contains("not%20what"), "{words}");
}

#[tokio::test]
async fn a_large_message_takes_the_room_that_its_head_says_and_no_key_takes_another_s() {
    let more = "message_bytes_max = 262144\nmessage_timeout_ms = 4000\n[api]\nupload_bytes_max = 262144\n[http]\n\
        listen = \"127.0.0.1:0\"\nbody_bytes_max = 65536\n";
    let mut stage = stage(more).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let raw = Raw::of(&stage).await;
    // A head that lies does not get its bytes in.
    for told in [0, 100_000] {
        let (code, words) = raw.said(raw.post_to("SubmitEvidence", frame(0, told, &[0x7a; 200_000]))).await;
        assert!(code == Code::InvalidArgument && words.contains("tells%20of"), "{words}");
    }
    let (more, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    let slow = futures_util::stream::unfold(body, |mut body| async {
        let piece = body.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), body))
    });
    let asked = raw.said(raw.post_to("SubmitEvidence", reqwest::Body::wrap_stream(slow)));
    let beside = async {
        more.send(frame(0, 262_000, &[0x7a; 80_000])).await.unwrap();
        let large = super::types::EvidenceDocument {
            file_content: Some([b"%PDF-1.4\n".as_slice(), &[b'x'; 200_000]].concat().into()),
            ..slip()
        };
        let same = Program::stranger(&stage).with("authorization", &raw.key);
        let mut refused = same.submit_evidence(&dispute_ref, vec![large.clone()]).await;
        while refused.is_ok() {
            // It came first: then the slow one has not yet got its room.
            refused = same.submit_evidence(&dispute_ref, vec![large.clone()]).await;
        }
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        let other = Program::of(&stage, "acme", "till", ALL).await;
        other.submit_evidence(&dispute_ref, vec![large]).await.unwrap();
        drop(more);
    };
    let ((code, _), ()) =
        timeout(SOON, async { tokio::join!(asked, beside) }).await.expect("none waits for ever");
    assert_ne!(code, Code::Ok);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_lives() {
    let stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let large = program.with("x-connector-config", &"x".repeat(40_000)).get("dp_nobody").await;
    assert_ne!(large.unwrap_err().code(), Code::NotFound);
    assert_eq!(program.get("dp_nobody").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_message_that_never_ends_is_given_up_and_the_connection_lives() {
    let stage = stage("message_timeout_ms = 200\n").await;
    let raw = Raw::of(&stage).await;
    let (more, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    more.send(frame(0, 6, b"\x1a")).await.unwrap();
    let endless = futures_util::stream::unfold(body, |mut body| async {
        let piece = body.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), body))
    });
    let asked = raw.said(raw.post(reqwest::Body::wrap_stream(endless)));
    let (code, words) = timeout(SOON, asked).await.expect("it is given up");
    assert!(code == Code::DeadlineExceeded && words.contains("did%20not%20arrive"), "{words}");
    let (code, _) = raw.said(raw.post(frame(0, 0, b""))).await;
    assert_eq!(code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_stranger_s_question_that_never_ends_is_given_up_too_and_one_that_is_long_is_refused() {
    let stage = stage("message_timeout_ms = 200\n").await;
    let raw = Raw::of(&stage).await;
    let ask = |body: reqwest::Body| {
        let url = format!("{}/grpc.health.v1.Health/Check", raw.base);
        raw.http.post(url).header("content-type", "application/grpc").body(body)
    };
    let (_more, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    let silent = futures_util::stream::unfold(body, |mut body| async {
        let piece = body.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), body))
    });
    let asked = raw.said(ask(reqwest::Body::wrap_stream(silent)));
    let (code, _) = timeout(SOON, asked).await.expect("it is given up");
    assert_eq!(code, Code::DeadlineExceeded);
    let long = vec![b'x'; 5 << 10];
    let (code, words) = raw.said(ask(frame(0, long.len() as u32, &long).into())).await;
    assert!(code == Code::OutOfRange || code == Code::ResourceExhausted, "{code:?} {words}");
}

#[tokio::test]
async fn connections_that_speak_something_else_or_nothing_are_ended() {
    let stage = stage("message_timeout_ms = 100\nidle_timeout_ms = 200\n").await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let oversized = [&preface[..], &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0]].concat();
    for started in [
        &b""[..],
        b"GET /types.DisputeService/Get HTTP/1.1\r\nhost: here\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &preface[..10],
        &preface[..],
        &oversized,
        &[0; 4096],
    ] {
        let mut stream = TcpStream::connect(address(&stage)).await.unwrap();
        stream.write_all(started).await.unwrap();
        let mut told = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut told)).await;
        // Reset or closed: both are an end.
        assert!(ended.is_ok(), "{:?} is still listened to", String::from_utf8_lossy(started));
    }
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_ended_and_one_that_is_spoken_on_is_not() {
    let stage = stage("idle_timeout_ms = 300\n").await;
    // The preface, empty settings, and `GET /` as the static table has it.
    let get = [0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
    let spoken = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..], &get].concat();
    let mut stream = TcpStream::connect(address(&stage)).await.unwrap();
    stream.write_all(&spoken).await.unwrap();
    let mut told = Vec::new();
    timeout(SOON, stream.read_to_end(&mut told)).await.expect("it is ended").unwrap();
    assert!(String::from_utf8_lossy(&told).contains("gRPC is spoken here"), "it was served before");
    // Strangers are not counted.
    let program = Program::stranger(&stage);
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(program.get("dp_nobody").await.unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn an_order_whose_time_was_over_when_it_came_leaves_nothing_behind() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let raw = Raw::of(&stage).await;
    let message = [&[0x1a, u8::try_from(dispute_ref.len()).unwrap()], dispute_ref.as_bytes()].concat();
    let whole = frame(0, u32::try_from(message.len()).unwrap(), &message);
    let late = raw.post(whole.clone()).header("grpc-timeout", "1n");
    let (code, words) = raw.said(late).await;
    assert!(code == Code::DeadlineExceeded && words.contains("nothing%20was%20changed"), "{words}");
    assert_eq!(count(&stage, "select count(*) from api_orders").await, 0);
    // The same in time is an order.
    let in_time = raw.post(whole).header("grpc-timeout", "1S");
    assert_eq!(raw.said(in_time).await.0, Code::DeadlineExceeded);
    assert_eq!(count(&stage, "select count(*) from api_orders").await, 1);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let stage = stage("connections_max = 1\n").await;
    let key = key_of(&stage, "acme", "till", ALL).await;
    let first = Program::stranger(&stage).with("authorization", &key);
    assert_eq!(first.get("dp_nobody").await.unwrap_err().code(), Code::NotFound);
    let second = Program::stranger(&stage).with("authorization", &key);
    let waiting = tokio::spawn(async move { second.get("dp_nobody").await });
    for _ in 0..3 {
        assert_eq!(first.get("dp_nobody").await.unwrap_err().code(), Code::NotFound);
    }
    assert!(!waiting.is_finished(), "nobody serves the second while the first is connected");
    drop(first);
    let told = timeout(SOON, waiting).await.expect("its turn").unwrap().unwrap_err();
    assert_eq!(told.code(), Code::NotFound);
}
