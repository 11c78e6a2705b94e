//! Evidence as a form: files as merchants' programs have them, in every shape that a form can be broken in, and never
//! half of one kept.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{ALL, Program, Said};
use crate::engine::stage::{RAZORPAY, STRIPE, Setup, Stage, fraud, hours};

const PDF: &[u8] = b"%PDF-1.4\n% a slip\n%%EOF\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

fn file(name: &str, media_type: &str, content: &[u8]) -> Part {
    Part::bytes(content.to_vec()).file_name(name.to_owned()).mime_str(media_type).unwrap()
}

impl Program {
    fn form(&self, dispute_ref: &str, key: Option<&str>, form: Form) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/v1/disputes/{dispute_ref}/evidence", self.base));
        let request = request.bearer_auth(&self.key).multipart(form);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    async fn give(&self, dispute_ref: &str, key: Option<&str>, form: Form) -> Said {
        self.send(self.form(dispute_ref, key, form).header("prefer", "wait=0")).await
    }

    /// Sends these bytes as a form with the boundary `B`.
    async fn say_form(&self, dispute_ref: &str, body: &[u8]) -> Said {
        let lines = format!(
            "connection: close\nprefer: wait=0\ncontent-type: multipart/form-data; boundary=B\ncontent-length: {}",
            body.len()
        );
        self.say("POST", &format!("/v1/disputes/{dispute_ref}/evidence"), &lines, body).await
    }

    async fn evidence(&self, dispute_ref: &str) -> Vec<Value> {
        let seen = self.get(&format!("/v1/disputes/{dispute_ref}")).await.body;
        seen["evidence"].as_array().unwrap().clone()
    }
}

/// Orders, files, and pieces of evidence that are kept.
async fn kept(stage: &Stage) -> (i64, i64, i64) {
    sqlx::query_as(
        "select (select count(*) from api_orders), (select count(*) from files), (select count(*) from evidence)",
    )
    .fetch_one(&stage.db.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn files_in_a_form_are_kept_as_a_draft_and_sent_with_what_follows() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let form = Form::new()
        .text("submit", "false")
        .text("evidence[summary]", "It came.")
        .text("service_documentation", "file_already_there")
        .part("receipt", file("Beleg für Ana.pdf", "application/pdf", PDF))
        .part("evidence[customer_signature]", file("sign.png", "application/octet-stream", PNG));
    let said = program.give(&dispute_ref, None, form).await;
    assert_eq!((said.status, &said.body["progress"]), (200, &json!("KEPT")), "{}", said.body);
    let seen: Vec<Value> = program.evidence(&dispute_ref).await;
    let seen: Vec<_> = seen
        .iter()
        .map(|e| {
            json!([e["field"], e["words"], e["file_name"], e["media_type"], e["size_bytes"], e["added_by"]])
        })
        .collect();
    let wanted = [
        json!(["customer_signature", null, "sign.png", "image/png", PNG.len(), "api:till"]),
        json!(["receipt", null, "Beleg für Ana.pdf", "application/pdf", PDF.len(), "api:till"]),
        json!(["service_documentation", null, null, null, null, "api:till"]),
        json!(["summary", "It came.", null, null, null, "api:till"]),
    ];
    assert_eq!(seen, wanted);
    // In place of what the field had; others stay.
    let form = Form::new().text("action", "draft").part("receipt", file("other.pdf", "application/pdf", PDF));
    assert_eq!(program.give(&dispute_ref, None, form).await.status, 200);
    let names: Vec<Value> =
        program.evidence(&dispute_ref).await.iter().map(|e| e["file_name"].clone()).collect();
    assert_eq!(names, [json!("sign.png"), json!("other.pdf"), json!(null), json!(null)]);
    stage.settle().await;
    assert!(stage.control.ledger().is_empty());
}

#[tokio::test]
async fn files_in_a_form_reach_the_provider_and_several_where_it_takes_several() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(RAZORPAY, hours(96))).await;
    let program = Program::of(&stage, "bazaar", "till", ALL).await;
    let form = || {
        Form::new()
            .text("action", "submit")
            .text("amount", "2000")
            .text("summary", "It came.")
            .part("shipping_proof", file("slip.pdf", "application/pdf", PDF))
            .part("shipping_proof[]", file("door.png", "image/png", PNG))
    };
    let said = program.give(&dispute_ref, Some("one"), form()).await;
    assert_eq!(said.status, 202, "{}", said.body);
    stage.settle().await;
    let said = program.give(&dispute_ref, Some("one"), form()).await;
    assert_eq!((said.status, &said.body["status"]), (200, &json!("UNDER_REVIEW")), "{}", said.body);
    let record = &stage.theirs(&dispute_ref).record;
    assert_eq!(record["evidence"]["shipping_proof"].as_array().unwrap().len(), 2, "{record}");
    assert_eq!(kept(&stage).await, (1, 2, 3));
    // Other bytes are another order.
    let other = form().part("billing_proof", file("slip.pdf", "application/pdf", b"%PDF-1.5"));
    let said = program.give(&dispute_ref, Some("one"), other).await;
    assert_eq!((said.status, said.problem()), (422, "idempotency-key-reused"));
    assert_eq!(kept(&stage).await, (1, 2, 3));
    stage.uphold().await;
}

fn part(head: &str, content: &[u8]) -> Vec<u8> {
    [b"--B\r\n", head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", content, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"--B--\r\n".to_vec()].concat()
}

const DRAFT: &str = "content-disposition: form-data; name=\"submit\"";

/// A form whose second part has this file name.
fn named(name: &[u8]) -> Vec<u8> {
    let head = [b"content-disposition: form-data; name=\"receipt\"; filename=\"", name, b"\""].concat();
    let receipt = [b"--B\r\n", &head[..], b"\r\n\r\n", PDF, b"\r\n"].concat();
    form(&[part(DRAFT, b"false"), receipt])
}

fn receipt(more: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("content-disposition: form-data; name=\"receipt\"{more}");
    form(&[part(DRAFT, b"false"), part(&head, content)])
}

fn text(name: &str, content: &[u8]) -> Vec<u8> {
    part(&format!("content-disposition: form-data; name=\"{name}\""), content)
}

/// What is sent, what is answered, a part of the sentence, and the name of the part that is meant.
type Row = (&'static str, Vec<u8>, u16, &'static str, Option<&'static str>);

fn wrong_forms() -> Vec<Row> {
    let draft = || text("submit", b"false");
    let long = vec![b'a'; 10_000];
    let slip = "; filename=\"slip.pdf\"";
    vec![
        ("nothing", b"".to_vec(), 400, "before its end", None),
        ("no part", form(&[]), 422, "say whether", None),
        (
            "another boundary",
            receipt(slip, PDF).iter().map(|b| if *b == b'B' { b'C' } else { *b }).collect(),
            400,
            "parted by the boundary",
            None,
        ),
        (
            "no end",
            parts_without_end(&[draft(), text("summary", b"It came.")]),
            400,
            "before its end",
            Some("summary"),
        ),
        (
            "cut in a part",
            parts_cut(&[draft(), text("summary", b"It came.")], 6),
            400,
            "before its end",
            Some("summary"),
        ),
        (
            "cut in a head",
            parts_cut(&[draft(), text("summary", b"It came.")], 30),
            400,
            "before its end",
            None,
        ),
        (
            "a head that is none",
            form(&[b"--B\r\nnonsense\r\n\r\nx\r\n".to_vec()]),
            422,
            "head of a part",
            None,
        ),
        ("no name", form(&[part("content-type: text/plain", b"x")]), 422, "has no name", None),
        (
            "a file without a name",
            receipt("\ncontent-type: application/pdf", PDF),
            422,
            "without a name",
            Some("receipt"),
        ),
        ("an empty file name", receipt("; filename=\"\"", PDF), 422, "without a name", Some("receipt")),
        (
            "a file name in another form",
            receipt("; filename*=utf-8''slip.pdf", PDF),
            422,
            "without a name",
            Some("receipt"),
        ),
        ("a file name that is not UTF-8", named(b"sl\xffp.pdf"), 422, "without a name", Some("receipt")),
        ("a path upwards", named(b"../../x.pdf"), 422, "not a name for a file", Some("receipt")),
        ("a path of another system", named(b"C:\\\\slip.pdf"), 422, "not a name for a file", Some("receipt")),
        ("a NUL in the file name", named(b"a\0.pdf"), 422, "head of a part", None),
        ("ten thousand characters", named(&long), 422, "not a name for a file", Some("receipt")),
        ("a page of HTML", receipt(slip, b"<html></html>"), 422, "neither a PDF", Some("receipt")),
        (
            "a lie about the type",
            receipt("; filename=\"slip.pdf\"\ncontent-type: application/pdf", PNG),
            422,
            "first bytes say `image/png`",
            Some("receipt"),
        ),
        ("zero bytes", receipt(slip, b""), 422, "is empty", Some("receipt")),
        (
            "a file where words are wanted",
            form(&[
                draft(),
                part("content-disposition: form-data; name=\"summary\"; filename=\"a.pdf\"", PDF),
            ]),
            422,
            "takes words",
            Some("summary"),
        ),
        (
            "a file where a flag is wanted",
            form(&[part("content-disposition: form-data; name=\"submit\"; filename=\"a.pdf\"", PDF)]),
            422,
            "takes words",
            Some("submit"),
        ),
        (
            "a field that there is not",
            form(&[
                draft(),
                part("content-disposition: form-data; name=\"receit\"; filename=\"a.pdf\"", PDF),
            ]),
            422,
            "no evidence field",
            Some("receit"),
        ),
        (
            "a word that there is not",
            form(&[draft(), text("sumary", b"x")]),
            422,
            "is no evidence field",
            Some("sumary"),
        ),
        (
            "words twice",
            form(&[draft(), text("summary", b"a"), text("summary", b"b")]),
            422,
            "given twice",
            Some("summary"),
        ),
        (
            "words twice by two names",
            form(&[draft(), text("summary", b"a"), text("evidence[summary]", b"b")]),
            422,
            "given twice",
            Some("summary"),
        ),
        (
            "a flag twice",
            form(&[draft(), text("submit", b"true"), text("summary", b"a")]),
            422,
            "given twice",
            Some("submit"),
        ),
        (
            "a flag and its opposite",
            form(&[draft(), text("action", b"submit"), text("summary", b"a")]),
            422,
            "contradict",
            None,
        ),
        (
            "a flag that is none",
            form(&[text("submit", b"yes"), text("summary", b"a")]),
            422,
            "true or false",
            Some("submit"),
        ),
        (
            "an amount that is none",
            form(&[draft(), text("amount", b"1.5"), text("summary", b"a")]),
            422,
            "whole number",
            Some("amount"),
        ),
        (
            "words that are not UTF-8",
            form(&[draft(), text("summary", b"caf\xe9")]),
            422,
            "not UTF-8",
            Some("summary"),
        ),
        ("words with a NUL", form(&[draft(), text("summary", b"a\0b")]), 422, "NUL", None),
        ("no words", form(&[draft(), text("summary", b"")]), 422, "is empty", None),
        (
            "too many words",
            form(&[draft(), text("summary", &[b'x'; 600_001])]),
            413,
            "600000 bytes",
            Some("summary"),
        ),
        (
            "an id that is none",
            form(&[draft(), text("receipt", b"a/b")]),
            422,
            "not a provider's file id",
            None,
        ),
        (
            "another dispute",
            form(&[draft(), text("dispute_id", b"dp_other"), text("summary", b"x")]),
            422,
            "another than in the address",
            None,
        ),
        (
            "a hundred and one parts",
            form(&vec![text("receipt", b"doc_1"); 101]),
            422,
            "at most 100 parts",
            None,
        ),
        ("a head without an end", [b"--B\r\n".to_vec(), long].concat(), 400, "before its end", None),
        (
            "a head that fills a form",
            [b"--B\r\n".to_vec(), vec![b'a'; 2_000_000]].concat(),
            413,
            "too large",
            None,
        ),
        ("a gap that fills a form", vec![b'a'; 2_000_000], 413, "too large", None),
    ]
}

fn parts_without_end(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// Without so many of their last bytes.
fn parts_cut(parts: &[Vec<u8>], bytes: usize) -> Vec<u8> {
    let mut all = parts.concat();
    all.truncate(all.len() - bytes);
    all
}

#[tokio::test]
async fn forms_that_are_broken_or_lie_are_refused_by_the_name_of_the_part_and_nothing_is_kept() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    for (what, body, status, sentence, part) in wrong_forms() {
        let said = program.say_form(&dispute_ref, &body).await;
        assert_eq!(said.status, status, "{what}: {}", said.body);
        let detail = said.body["detail"].as_str().unwrap();
        assert!(detail.contains(sentence), "{what}: {detail}");
        assert_eq!(said.body["part"].as_str(), part, "{what}: {detail}");
        assert!(detail.chars().count() < 300, "{what}: {detail}");
    }
    let path = format!("/v1/disputes/{dispute_ref}/evidence");
    let boundless = "connection: close\ncontent-type: multipart/form-data\ncontent-length: 0";
    let said = program.say("POST", &path, boundless, b"").await;
    assert_eq!((said.status, said.problem()), (400, "broken"), "{}", said.body);
    // Other orders are no forms.
    let other = program.http.post(format!("{}/v1/disputes/{dispute_ref}/defend", program.base));
    let said =
        program.send(other.bearer_auth(&program.key).multipart(Form::new().text("explanation", "x"))).await;
    assert_eq!((said.status, said.problem()), (415, "unsupported-media-type"));
    assert_eq!(kept(&stage).await, (0, 0, 0));
    // And one of the same make that is right.
    let said = program.say_form(&dispute_ref, &named("Beleg “1”.pdf".as_bytes())).await;
    assert_eq!(said.status, 200, "{}", said.body);
    assert_eq!(kept(&stage).await, (1, 1, 1));
}

#[tokio::test]
async fn forms_that_are_too_large_too_slow_or_break_off_leave_nothing_and_hinder_nobody() {
    let more = "[api]\nupload_bytes_max = 200000\nupload_timeout_ms = 2000\n[http]\nlisten = \"127.0.0.1:0\"\n\
        request_timeout_ms = 300\nbody_bytes_max = 65536\n";
    let mut stage = Stage::with(Setup { more: more.into(), ..Setup::default() }).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/evidence");
    let pdf = |size: usize| [PDF, &vec![b' '; size][..]].concat();
    let large = |size: usize| receipt("; filename=\"slip.pdf\"", &pdf(size));

    let said = program.say_form(&dispute_ref, &large(200_000)).await;
    assert_eq!((said.status, said.problem()), (413, "too-large"));
    // Nor does it help not to say how long it is.
    let body = large(200_000);
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let lines = "connection: close\ncontent-type: multipart/form-data; boundary=B";
    let said = program.say("POST", &path, &format!("{lines}\ntransfer-encoding: chunked"), &chunks).await;
    assert_eq!((said.status, said.problem()), (413, "too-large"));
    // The rest never comes.
    let said = program.say("POST", &path, &format!("{lines}\ncontent-length: 999"), &large(1)[..99]).await;
    assert_eq!((said.status, said.problem()), (408, "too-slow"));

    // Two who send slowly what nearly fills the room, and one of them goes away.
    let address = program.base.trim_start_matches("http://");
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {}\r\ncontent-length: 190000\r\nexpect: 100-continue\r\n\
         content-type: multipart/form-data; boundary=B\r\n\r\n",
        program.key
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // Asked for the body, it has its room.
    slow.readable().await.unwrap();
    let said = program.say_form(&dispute_ref, &large(190_000)).await;
    assert_eq!((said.status, said.problem()), (503, "away"));
    // Another key is not kept out by it.
    let other = Program::of(&stage, "acme", "second-till", ALL).await;
    let said = other.say_form(&dispute_ref, &large(190_000)).await;
    assert_eq!(said.status, 200, "{}", said.body);
    let small = program.say_form(&dispute_ref, &large(10)).await;
    assert_eq!(small.status, 200, "{}", small.body);
    drop(slow);
    let said = program.say_form(&dispute_ref, &large(190_000)).await;
    assert_eq!(said.status, 200, "{}", said.body);
    let (orders, files, evidence) = kept(&stage).await;
    assert_eq!((orders, files, evidence), (3, 2, 1));
}

#[tokio::test]
async fn whoever_waits_for_the_provider_gives_back_the_room_that_the_form_took() {
    let more = "[api]\nupload_bytes_max = 200000\n[http]\nlisten = \"127.0.0.1:0\"\nbody_bytes_max = 65536\n"
        .to_owned();
    let mut stage = Stage::with(Setup { more, ..Setup::default() }).await;
    let (one, other) =
        (stage.open(fraud(STRIPE, hours(96))).await, stage.open(fraud(STRIPE, hours(96))).await);
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let form = |submit: &'static str| {
        let content = [PDF, &[b' '; 150_000]].concat();
        Form::new()
            .text("submit", submit)
            .text("summary", "It came.")
            .part("receipt", file("slip.pdf", "application/pdf", &content))
    };
    // Nobody carries it out while this is polled alone.
    let patient = program.form(&one, None, form("true")).header("prefer", "wait=30");
    let waiting = program.send(patient);
    tokio::pin!(waiting);
    let beside = async {
        while kept(&stage).await.0 == 0 {
            tokio::task::yield_now().await;
        }
        program.give(&other, None, form("false")).await
    };
    tokio::select! {
        said = &mut waiting => panic!("it was not carried out: {}", said.body),
        said = beside => assert_eq!(said.status, 200, "{}", said.body),
    }
    let said = loop {
        tokio::select! {
            biased;
            said = &mut waiting => break said,
            _ = stage.settle() => {}
        }
    };
    assert_eq!((said.status, &said.body["defense_submitted"]), (200, &json!(true)), "{}", said.body);
}
