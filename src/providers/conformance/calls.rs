//! Calling: what an API can answer, and the only thing it may be taken for. An irreversible call that may
//! have landed is `Unknown`; a read never is; and nothing but the provider's own record is a receipt.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{Conformance, Preparation, every, now, offline, registry};
use crate::dispute::{Capabilities, FileDelivery, StageCapability};
use crate::evidence::{Document, Packet, Sending};
use crate::providers::{Account, Answer, CallLog, Provider, Reading, Record};

pub(super) const PATIENT_MS: u64 = 20_000;
/// For answers that never come.
const IMPATIENT_MS: u64 = 150;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Fetch,
    List,
    Accept,
    Stage,
    Submit,
    Upload,
}

impl Verb {
    const ALL: [Verb; 6] = [Verb::Fetch, Verb::List, Verb::Accept, Verb::Stage, Verb::Submit, Verb::Upload];

    /// What the provider says that it can do: nothing else is ever called.
    pub(super) fn of(c: &Conformance) -> impl Iterator<Item = Verb> {
        let can = offline(c.provider).capabilities();
        Self::ALL.into_iter().filter(|verb| verb.is_offered(can))
    }

    fn is_offered(self, can: &Capabilities) -> bool {
        let anywhere = |offers: fn(&StageCapability) -> bool| can.stages.iter().any(offers);
        match self {
            Verb::Fetch => can.fetch,
            Verb::List => can.list,
            Verb::Accept => anywhere(|stage| stage.acceptable),
            Verb::Stage => anywhere(|stage| stage.draft),
            Verb::Submit => anywhere(|stage| stage.defendable),
            Verb::Upload => can.files.delivery == FileDelivery::Upload,
        }
    }

    fn irreversible(self) -> bool {
        matches!(self, Verb::Accept | Verb::Submit)
    }

    /// What comes before the request that it is about.
    fn preparations(self, c: &Conformance) -> impl Iterator<Item = &'static Preparation> {
        let own: &[Preparation] = match self {
            Verb::Submit => c.api.before_submission,
            Verb::Accept => c.api.before_acceptance,
            Verb::List => c.api.within_list,
            Verb::Fetch | Verb::Stage | Verb::Upload => &[],
        };
        c.api.before_each.iter().chain(own)
    }

    /// The logs of the request that it is about. None: it was never made, and nothing can have happened.
    fn itself<'l>(self, c: &Conformance, logs: &'l [CallLog]) -> Vec<&'l CallLog> {
        let prepares = |log: &CallLog| {
            let is = |p: &Preparation| {
                log.request.strip_prefix(p.method).is_some_and(|path| path.contains(p.path))
            };
            self.preparations(c).any(is)
        };
        logs.iter().filter(|log| !prepares(log)).collect()
    }

    /// What the API answers when it does it, and the body of that.
    pub(super) fn does(self, c: &Conformance) -> ResponseTemplate {
        c.good(self.done(c))
    }

    fn done(self, c: &Conformance) -> &'static str {
        match self {
            Verb::Fetch => c.api.fetched,
            Verb::List => c.api.page,
            Verb::Accept => c.api.accepted,
            Verb::Stage => c.api.staged,
            Verb::Submit => c.api.submitted,
            Verb::Upload => c.api.uploaded,
        }
    }
}

pub(super) type Called = (Answer<()>, Vec<CallLog>);

async fn call(p: &dyn Provider, c: &Conformance, verb: Verb, account: &Account) -> Called {
    call_with(p, c, verb, account, (c.api.packet)()).await
}

pub(super) async fn call_with(
    p: &dyn Provider,
    c: &Conformance,
    verb: Verb,
    account: &Account,
    packet: Packet,
) -> Called {
    let (dispute, key) = (c.api.dispute_ref, "act-0001");
    let documents = documents(p, &packet);
    let sending = Sending { packet: &packet, documents: &documents };
    match verb {
        Verb::Fetch => only_understood(p.fetch(account, dispute).await),
        Verb::List => {
            let (answer, logs) =
                p.list_changed_since(account, now() - chrono::TimeDelta::days(2), None).await;
            (answer.map(|_| ()), logs)
        }
        Verb::Accept => only_understood(p.accept(account, dispute.into(), key).await),
        Verb::Stage => only_understood(p.stage_evidence(account, dispute.into(), sending, key).await),
        Verb::Submit => only_understood(p.submit(account, dispute.into(), sending, key).await),
        Verb::Upload => {
            let media_type = p.capabilities().files.media_types[0];
            let content = Bytes::from_static(b"a picture of a signature");
            let (answer, logs) = p.upload(account, "signature", media_type, content, key).await;
            (answer.map(|_| ()), logs)
        }
    }
}

/// The files that a packet names, for a provider that takes them in the call itself.
fn documents(p: &dyn Provider, packet: &Packet) -> Vec<Document> {
    let files = p.capabilities().files;
    if files.delivery == FileDelivery::Upload {
        return Vec::new();
    }
    let document = |(field, n)| Document {
        field,
        name: format!("{field}-{n}"),
        media_type: files.media_types[0].to_owned(),
        content: Bytes::from_static(b"a picture of a signature"),
    };
    packet
        .files
        .iter()
        .flat_map(|(field, files)| (0..files.len()).map(|n| (*field, n)))
        .map(document)
        .collect()
}

/// A receipt whose record is not understood proves nothing either: it is counted as unknown.
fn only_understood((answer, logs): (Answer<Record>, Vec<CallLog>)) -> Called {
    let answer = match answer {
        Answer::Receipt(Record { reading: Reading::Unrecognised { what }, .. }) => {
            Answer::Unknown { why: what }
        }
        Answer::Receipt(_) | Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
            answer.map(|_| ())
        }
    };
    (answer, logs)
}

/// What each verb makes of a server that always answers so.
async fn answers(
    c: &Conformance,
    read_ms: u64,
    template: impl Fn(Verb) -> ResponseTemplate,
) -> Vec<(Verb, Called)> {
    let registry = registry(read_ms);
    let p = &**registry.get(c.provider);
    let calls = Verb::of(c).map(|verb| {
        let template = template(verb);
        async move {
            let server = served(c, verb, template).await;
            let called = call(p, c, verb, &c.account(&[], Some(server.uri()))).await;
            (verb, called)
        }
    });
    join_all(calls).await
}

/// An API that does what comes before the call, and answers the call itself so.
pub(super) async fn served(c: &Conformance, verb: Verb, template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    for preparation in verb.preparations(c) {
        let prepares = |request: &Request| {
            let method = if preparation.method == "gRPC" { "POST" } else { preparation.method };
            request.method == method && request.url.path().contains(preparation.path)
        };
        Mock::given(prepares).respond_with(c.good(preparation.answer)).mount(&server).await;
    }
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

impl Conformance {
    fn good(&self, body: &str) -> ResponseTemplate {
        if body.is_empty() { ResponseTemplate::new(204) } else { self.answer(200, body) }
    }

    fn answer(&self, status: u16, body: &str) -> ResponseTemplate {
        (self.api.carried.answer)(status, body)
    }
}

/// The call may have landed and its answer tells nothing: reads are repeated, staging and uploads too, and
/// what cannot be taken back is unknown (or repeated, where a key makes the repeat the same call, or where it
/// did not come to that call).
fn assert_uncertain(c: &Conformance, verb: Verb, (answer, logs): &Called, what: &str) {
    let keyed = offline(c.provider).capabilities().idempotency_key;
    let only_prepared = !logs.is_empty() && verb.itself(c, logs).is_empty();
    let right = match answer {
        Answer::Retry { .. } => !verb.irreversible() || keyed || only_prepared,
        Answer::Unknown { .. } => verb.irreversible(),
        Answer::Receipt(()) | Answer::Refused { .. } => false,
    };
    assert!(right, "{} {verb:?}, {what}: {answer:?}", c.provider);
}

#[tokio::test]
async fn what_is_done_is_a_receipt_and_no_log_tells_a_secret() {
    for c in every() {
        for (verb, (answer, logs)) in answers(&c, PATIENT_MS, |verb| verb.does(&c)).await {
            assert!(matches!(answer, Answer::Receipt(())), "{} {verb:?}: {answer:?}", c.provider);
            let good = |log: &CallLog| matches!(log.status, Some(200 | 204));
            assert!(!logs.is_empty() && logs.iter().all(good), "{verb:?}: {logs:?}");
            let logged = format!("{logs:?}");
            for (name, value) in c.credentials {
                assert!(!logged.contains(value), "{} {verb:?} logs `{name}`", c.provider);
            }
        }
    }
}

#[tokio::test]
async fn a_no_is_a_no() {
    for c in every() {
        for status in [400, 401, 403, 404, 422] {
            for (verb, (answer, logs)) in answers(&c, PATIENT_MS, |_| c.answer(status, c.api.refused)).await {
                let Answer::Refused { status: told, reason, .. } = answer else {
                    panic!("{} {verb:?}, HTTP {status}: {answer:?}", c.provider)
                };
                // Credentials that end may be renewed once.
                let most = if status == 401 && !c.api.before_each.is_empty() { 2 } else { 1 };
                let made = verb.itself(&c, &logs).len();
                assert!(told == status && (1..=most).contains(&made), "{} {verb:?}: {logs:?}", c.provider);
                assert!(!reason.is_empty(), "{} {verb:?}", c.provider);
            }
        }
        for (verb, (answer, _)) in answers(&c, PATIENT_MS, |_| c.answer(409, c.api.refused)).await {
            let done = matches!(answer, Answer::Receipt(()));
            let unknown_read = !verb.irreversible() && matches!(answer, Answer::Unknown { .. });
            assert!(!done && !unknown_read, "{} {verb:?}, conflict: {answer:?}", c.provider);
        }
    }
}

#[tokio::test]
async fn a_throttled_call_was_not_made_and_waits_as_told() {
    for c in every() {
        let throttled = |_| c.answer(429, c.api.refused).insert_header("retry-after", "7");
        for (verb, (answer, _)) in answers(&c, PATIENT_MS, throttled).await {
            let Answer::Retry { after, .. } = answer else { panic!("{} {verb:?}: {answer:?}", c.provider) };
            let told = after == Some(Duration::from_secs(7));
            let long = !c.api.carried.says_how_long && after > Some(Duration::from_secs(7));
            assert!(told || long, "{} {verb:?}: {after:?}", c.provider);
        }
    }
}

#[tokio::test]
async fn a_server_that_failed_may_have_done_it() {
    for c in every() {
        for status in [500, 502, 503, 504] {
            for body in [c.api.refused, "<html>bad gateway</html>", ""] {
                for (verb, called) in answers(&c, PATIENT_MS, |_| c.answer(status, body)).await {
                    assert_uncertain(&c, verb, &called, &format!("HTTP {status}"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_200_that_is_not_the_providers_record_proves_nothing() {
    for c in every() {
        let html =
            |_| ResponseTemplate::new(200).set_body_raw("<html>Welcome to the WiFi</html>", "text/html");
        for (verb, called) in answers(&c, PATIENT_MS, html).await {
            assert_uncertain(&c, verb, &called, "a page");
        }
        for (body, what) in [("", "nothing"), ("{}", "an empty object"), ("[]", "a list"), ("null", "null")] {
            // An empty page is the truth where a page is a list and nothing more.
            let is_a_page = |verb: Verb| body == "[]" && verb.done(&c).starts_with('[');
            for (verb, called) in answers(&c, PATIENT_MS, |_| c.answer(200, body)).await {
                // A list of nothing may be left out of the answer.
                let empty = verb == Verb::List && body == "{}" && c.api.omits_empty_list;
                match empty || is_a_page(verb) {
                    true => {
                        assert!(matches!(called.0, Answer::Receipt(())), "{}: {:?}", c.provider, called.0)
                    }
                    false => assert_uncertain(&c, verb, &called, what),
                }
            }
        }
        let truncated = |verb: Verb| c.answer(200, &verb.done(&c)[..verb.done(&c).len().saturating_sub(2)]);
        for (verb, called) in answers(&c, PATIENT_MS, truncated).await {
            assert_uncertain(&c, verb, &called, "truncated JSON");
        }
    }
}

#[tokio::test]
async fn the_record_of_another_dispute_proves_nothing() {
    for c in every() {
        let another = |verb: Verb| {
            c.answer(200, &verb.done(&c).replace(c.api.dispute_ref, &format!("{}x", c.api.dispute_ref)))
        };
        for (verb, called) in answers(&c, PATIENT_MS, another).await {
            // An answer that names no dispute cannot name another one.
            let names_it = verb.done(&c).contains(c.api.dispute_ref);
            if names_it && !matches!(verb, Verb::List | Verb::Upload) {
                assert_uncertain(&c, verb, &called, "another dispute");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_the_call_unknown() {
    for c in every() {
        let slow = |verb: Verb| verb.does(&c).set_delay(Duration::from_secs(60));
        for (verb, called) in answers(&c, IMPATIENT_MS, slow).await {
            assert_uncertain(&c, verb, &called, "no answer in time");
            assert_eq!(called.1.last().map(|l| l.status), Some(None), "{} {verb:?}", c.provider);
        }
    }
}

/// Reads a request's beginning and hangs up, for as many calls as come.
async fn hanging_up() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut start = [0u8; 1024];
            let _read = socket.read(&mut start).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_connection_lost_after_sending_leaves_the_call_unknown() {
    let address = hanging_up().await;
    let registry = registry(PATIENT_MS);
    for c in every() {
        let p = &**registry.get(c.provider);
        for verb in Verb::of(&c) {
            let called = call(p, &c, verb, &c.account(&[], Some(address.clone()))).await;
            assert_uncertain(&c, verb, &called, "connection lost");
        }
    }
}

#[tokio::test]
async fn a_call_that_was_never_sent_may_be_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let registry = registry(PATIENT_MS);
    for c in every() {
        let p = &**registry.get(c.provider);
        for verb in Verb::of(&c) {
            let (answer, _) = call(p, &c, verb, &c.account(&[], Some(address.clone()))).await;
            assert!(matches!(answer, Answer::Retry { .. }), "{} {verb:?}: {answer:?}", c.provider);
        }
    }
}

#[test]
fn a_packet_that_the_api_takes_passes_the_lint() {
    for c in every() {
        let p = offline(c.provider);
        for submit in [false, true] {
            assert_eq!(p.lint(&(c.api.packet)(), submit), Vec::<String>::new(), "{}", c.provider);
        }
        let files = p.capabilities().files;
        assert!(!files.media_types.is_empty() && files.file_bytes_max <= files.total_bytes_max);
    }
}
