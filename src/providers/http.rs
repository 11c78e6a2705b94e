//! One HTTP client per provider: time-outs, a capped body, no redirects, and a transport failure told apart
//! by whether the request can have arrived. Knows no provider's words: what a status means beyond the
//! protocol, and what its error bodies say, each provider states itself.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};

use super::shared::plausible;
use super::{Answer, CallLog};
use crate::clock::Clock;
use crate::config::ProviderConfig;

/// The largest answer read, bytes. A page of a hundred disputes is under 1 MiB.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// No provider is waited for longer than this on its own word.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy)]
pub struct TimeOuts {
    pub connect_ms: u64,
    /// Between two reads, the wait for the first byte of the answer among them.
    pub read_ms: u64,
    pub total_ms: u64,
}

impl TimeOuts {
    pub fn of(config: &ProviderConfig) -> Self {
        Self {
            connect_ms: config.connect_timeout_ms,
            read_ms: config.read_timeout_ms,
            total_ms: config.total_timeout_ms,
        }
    }
}

/// What repeating a call does, which decides what its failures mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// Reads, staging, uploads: done twice is as good as done once.
    Repeatable,
    /// Done twice may be once too often: whatever can have arrived is read back first.
    Irreversible,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No byte of the request can have arrived: no address, no connection, no TLS.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// The request may have arrived, and its answer did not.
    #[error("the request was sent and no whole answer came: {0}")]
    Lost(String),
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The answer's `Date`, or our own time at sending without one.
    pub as_of: DateTime<Utc>,
}

/// One request made, and how it went.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub outcome: Result<Response, Failure>,
    pub log: CallLog,
}

#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    /// For stand-ins on this machine, which no proxy of the environment can reach.
    local: reqwest::Client,
    clock: Clock,
    request_ref_header: &'static str,
    body_bytes_max: usize,
    /// Where it was made: in tests, what a provider's folder asks is held against what its API takes.
    #[cfg(test)]
    made_in: &'static str,
}

/// Makes ring the one crypto provider of the process. Safe to call again.
pub fn install_crypto() {
    // The error says that somebody installed one before, which is what is wanted.
    let _already = rustls::crypto::ring::default_provider().install_default();
}

impl Http {
    /// `request_ref_header`: the header in which the provider names a request, lower case.
    #[cfg_attr(test, track_caller)]
    pub fn new(time_outs: TimeOuts, request_ref_header: &'static str, clock: Clock) -> anyhow::Result<Self> {
        install_crypto();
        let client = builder(time_outs).build();
        let client = client.map_err(|e| {
            anyhow::anyhow!("no HTTPS client (is `ca-certificates` installed?): {}", chain(&e))
        })?;
        let local = builder(time_outs).no_proxy().tls_certs_only([]).build()?;
        Ok(Self {
            client,
            local,
            clock,
            request_ref_header,
            body_bytes_max: BODY_BYTES_MAX,
            #[cfg(test)]
            made_in: std::panic::Location::caller().file(),
        })
    }

    /// The same with a TLS server of a test's own: `root` alone is trusted.
    #[cfg(test)]
    pub fn trusting(mut self, root: reqwest::Certificate, time_outs: TimeOuts) -> Self {
        self.client = builder(time_outs).no_proxy().tls_certs_only([root]).build().unwrap();
        self
    }

    /// The same with a smaller limit on answers.
    pub fn body_at_most(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes.min(BODY_BYTES_MAX);
        self
    }

    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let client = if is_local(url) { &self.local } else { &self.client };
        client.request(method, url)
    }

    /// Sends once. Never fails: what went wrong is in the exchange.
    pub async fn send(&self, request: RequestBuilder) -> Exchange {
        let sent_at = self.clock.now();
        let (client, request) = match request.build_split() {
            (client, Ok(request)) => (client, request),
            (_, Err(e)) => return not_built(chain(&e.without_url())),
        };
        #[cfg(test)]
        let request = super::specs::held_against(self.made_in, request).await;
        // The path only: a query or a body may carry what no log should.
        let mut log = CallLog {
            request: format!("{} {}", request.method(), request.url().path()),
            status: None,
            provider_request_ref: None,
            latency_ms: 0,
            error: None,
        };
        let started = Instant::now();
        let outcome = self.exchange(client, request, sent_at, &mut log).await;
        log.latency_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        log.error = outcome.as_ref().err().map(ToString::to_string);
        Exchange { outcome, log }
    }

    async fn exchange(
        &self,
        client: reqwest::Client,
        request: reqwest::Request,
        sent_at: DateTime<Utc>,
        log: &mut CallLog,
    ) -> Result<Response, Failure> {
        let mut response = client.execute(request).await.map_err(failure)?;
        let status = response.status().as_u16();
        log.status = Some(status);
        log.provider_request_ref = text(response.headers(), self.request_ref_header).map(cut);
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Lost(chain(&e.without_url())))? {
            if body.len() + chunk.len() > self.body_bytes_max {
                let most = self.body_bytes_max;
                return Err(Failure::Lost(format!("the answer is larger than {most} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let as_of = answer_date(&headers).unwrap_or(sent_at);
        Ok(Response { status, headers, body: body.freeze(), as_of })
    }
}

fn builder(time_outs: TimeOuts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("respondby/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(time_outs.connect_ms))
        .read_timeout(Duration::from_millis(time_outs.read_ms))
        .timeout(Duration::from_millis(time_outs.total_ms))
        .redirect(reqwest::redirect::Policy::none())
        // One call is one request: repeating is decided by whoever reads the record first.
        .retry(reqwest::retry::never())
}

/// Plain HTTP to this machine: the sandbox and the tests. Never a provider.
pub fn is_local(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let loopback = |host: &str| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|a| a.is_loopback())
    };
    url.scheme() == "http" && url.host_str().is_some_and(loopback)
}

impl Response {
    /// The header's value when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// How long the provider asks to be left alone: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        parse_retry_after(self.header(RETRY_AFTER.as_str())?, self.as_of)
    }
}

impl Exchange {
    /// What the protocol alone says. `refusal` reads the provider's error body into its code and words.
    pub fn classify(
        self,
        safety: Safety,
        refusal: impl FnOnce(&Response) -> (Option<String>, String),
    ) -> (Answer<Response>, CallLog) {
        let answer = match self.outcome {
            Ok(response) => classify_response(response, safety, refusal),
            Err(Failure::NotSent(why)) => Answer::Retry { after: None, why: format!("not sent: {why}") },
            Err(Failure::Lost(why)) => uncertain(safety, why),
        };
        (answer, self.log)
    }
}

fn classify_response(
    response: Response,
    safety: Safety,
    refusal: impl FnOnce(&Response) -> (Option<String>, String),
) -> Answer<Response> {
    let status = response.status;
    match status {
        200..=299 => Answer::Receipt(response),
        // Not taken in: repeating it is what is asked for.
        425 | 429 => {
            Answer::Retry { after: response.retry_after(), why: refusal_words(status, refusal(&response)) }
        }
        408 | 500..=599 => match safety {
            Safety::Repeatable => Answer::Retry {
                after: response.retry_after(),
                why: refusal_words(status, refusal(&response)),
            },
            Safety::Irreversible => Answer::Unknown { why: refusal_words(status, refusal(&response)) },
        },
        300..=399 => {
            let to =
                response.header(LOCATION.as_str()).unwrap_or("nowhere").chars().take(200).collect::<String>();
            let reason =
                format!("answered with a redirect to {to}, which is not followed: correct `base_url`");
            Answer::Refused { status, code: None, reason }
        }
        _ => {
            let (code, reason) = refusal(&response);
            Answer::Refused { status, code, reason }
        }
    }
}

fn refusal_words(status: u16, (code, reason): (Option<String>, String)) -> String {
    match code {
        Some(code) => format!("HTTP {status} {code}: {reason}"),
        None => format!("HTTP {status}: {reason}"),
    }
}

/// A call that arrived, or may have, and told nothing that can be read: a lost connection, a 200 whose body
/// is a proxy's page.
pub fn uncertain<T>(safety: Safety, why: String) -> Answer<T> {
    match safety {
        Safety::Repeatable => Answer::Retry { after: None, why },
        Safety::Irreversible => Answer::Unknown { why },
    }
}

/// Whether a provider's id can stand in a path as it is. Dots and slashes would lead to another address.
pub fn is_plain_ref(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !id.is_empty() && id.len() <= 255 && id.bytes().all(plain)
}

/// The answer to a call about an id that cannot stand in a path.
pub fn bad_ref<T>(id: &str) -> (Answer<T>, Vec<CallLog>) {
    let shown = id.chars().take(64).flat_map(char::escape_default).collect::<String>();
    refused_unsent(format!("`{shown}` is not an id that the provider gives"))
}

/// The answer to a call that was not worth sending. Status 0 says that no provider has seen it.
pub fn refused_unsent<T>(reason: String) -> (Answer<T>, Vec<CallLog>) {
    (Answer::Refused { status: 0, code: None, reason: format!("nothing was sent: {reason}") }, Vec::new())
}

/// The time the answer was made, when its `Date` is one (RFC 9110, 5.6.7) and not absurd.
fn answer_date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    plausible::possible(parse_http_date(text(headers, DATE.as_str())?)?)
}

/// `Fri, 20 Nov 2026 10:00:00 GMT`.
pub fn parse_http_date(value: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value.trim()).ok().map(|d| d.with_timezone(&Utc))
}

/// `value` of `Retry-After`, from `now`; a date that has passed is no wait. At most a day.
pub fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let wait = match digits {
        true => Duration::from_secs(value.parse().unwrap_or(u64::MAX)),
        false => (parse_http_date(value)? - now).to_std().unwrap_or(Duration::ZERO),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn cut(text: &str) -> String {
    text.chars().take(128).collect()
}

fn not_built(why: String) -> Exchange {
    let failure = Failure::NotSent(why);
    let log = CallLog {
        request: "(not built)".to_owned(),
        status: None,
        provider_request_ref: None,
        latency_ms: 0,
        error: Some(failure.to_string()),
    };
    Exchange { outcome: Err(failure), log }
}

/// Only what failed before a connection stood counts as not sent; all else is taken to have arrived.
fn failure(e: reqwest::Error) -> Failure {
    let e = e.without_url();
    match e.is_connect() || e.is_dns() || e.is_builder() {
        true => Failure::NotSent(chain(&e)),
        false => Failure::Lost(chain(&e)),
    }
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut source = e.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !out.ends_with(&words) {
            out.push_str(": ");
            out.push_str(&words);
        }
        source = cause.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Patient: only the test that wants to wait in vain waits for less.
    fn http() -> Http {
        within(60_000)
    }

    fn within(read_ms: u64) -> Http {
        let time_outs = TimeOuts { connect_ms: 60_000, read_ms, total_ms: 60_000 };
        Http::new(time_outs, "request-id", Clock::frozen_at(at("2026-03-01T10:00:00Z"))).unwrap()
    }

    async fn get(url: &str) -> Exchange {
        let http = http();
        http.send(http.request(Method::GET, url)).await
    }

    fn no_words(_: &Response) -> (Option<String>, String) {
        (Some("code".into()), "words".into())
    }

    /// Takes one connection, reads a request, writes `answer` and hangs up.
    async fn raw_server(answer: &'static str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/thing", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0u8; 4096];
            let _read = socket.read(&mut buffer).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn an_answer_carries_its_date_and_the_log_its_path() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200)
            .insert_header("date", "Sun, 01 Mar 2026 12:30:00 GMT")
            .insert_header("request-id", "req_77")
            .set_body_string("{}");
        Mock::given(method("GET")).and(path("/v1/thing")).respond_with(answer).mount(&server).await;
        let exchange = get(&format!("{}/v1/thing?token=hidden", server.uri())).await;
        let response = exchange.outcome.unwrap();
        assert_eq!(response.as_of, at("2026-03-01T12:30:00Z"));
        assert_eq!(&response.body[..], b"{}");
        assert_eq!(exchange.log.request, "GET /v1/thing");
        assert_eq!(exchange.log.status, Some(200));
        assert_eq!(exchange.log.provider_request_ref.as_deref(), Some("req_77"));
        assert_eq!(exchange.log.error, None);
    }

    #[tokio::test]
    async fn without_a_date_or_with_an_absurd_one_our_clock_at_sending_counts() {
        for head in ["", "Date: nonsense\r\n", "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"] {
            let answer: &'static str =
                format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\n{{}}").leak();
            let exchange = get(&raw_server(answer).await).await;
            assert_eq!(exchange.outcome.unwrap().as_of, at("2026-03-01T10:00:00Z"), "{head:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_was_not_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let exchange = get(&format!("http://{address}/v1/thing")).await;
        assert!(matches!(exchange.outcome, Err(Failure::NotSent(_))), "{:?}", exchange.outcome);
        let (answer, log) = exchange.classify(Safety::Irreversible, no_words);
        assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
        assert!(log.error.unwrap().contains("not sent"));
    }

    #[tokio::test]
    async fn an_address_that_is_none_was_not_sent() {
        for url in ["not an address", "http://", "ftp://127.0.0.1/x"] {
            let exchange = get(url).await;
            assert!(matches!(exchange.outcome, Err(Failure::NotSent(_))), "{url}: {:?}", exchange.outcome);
        }
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_was_not_sent() {
        let url = raw_server("this is not TLS").await.replace("http://", "https://");
        let exchange = get(&url).await;
        assert!(matches!(exchange.outcome, Err(Failure::NotSent(_))), "{:?}", exchange.outcome);
    }

    #[tokio::test]
    async fn a_connection_closed_after_sending_is_lost() {
        let truncated = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"id\":";
        for answer in ["", "HTTP/1.1 200", truncated] {
            let exchange = get(&raw_server(answer).await).await;
            assert!(matches!(exchange.outcome, Err(Failure::Lost(_))), "{answer:?}: {:?}", exchange.outcome);
            let (answer, _) = exchange.classify(Safety::Irreversible, no_words);
            assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn no_answer_in_time_is_lost_and_a_read_may_be_repeated() {
        let server = MockServer::start().await;
        let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
        Mock::given(method("GET")).respond_with(slow).mount(&server).await;
        let http = within(300);
        let exchange = http.send(http.request(Method::GET, &server.uri())).await;
        assert!(matches!(exchange.outcome, Err(Failure::Lost(_))), "{:?}", exchange.outcome);
        assert!(exchange.log.latency_ms >= 250, "{}", exchange.log.latency_ms);
        let (answer, _) = exchange.classify(Safety::Repeatable, no_words);
        assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let server = MockServer::start().await;
        let large = ResponseTemplate::new(200).set_body_bytes(vec![b'x'; BODY_BYTES_MAX + 1]);
        Mock::given(method("GET")).respond_with(large).mount(&server).await;
        let exchange = get(&server.uri()).await;
        let Err(Failure::Lost(why)) = exchange.outcome else { panic!("{:?}", exchange.outcome) };
        assert!(why.contains("larger than"), "{why}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let server = MockServer::start().await;
        let away = ResponseTemplate::new(302).insert_header("location", "/elsewhere");
        Mock::given(path("/v1/thing")).respond_with(away).expect(1).mount(&server).await;
        Mock::given(path("/elsewhere"))
            .respond_with(ResponseTemplate::new(200))
            .expect(0)
            .mount(&server)
            .await;
        let (answer, _) =
            get(&format!("{}/v1/thing", server.uri())).await.classify(Safety::Irreversible, no_words);
        let Answer::Refused { status: 302, reason, .. } = answer else { panic!("{answer:?}") };
        assert!(reason.contains("/elsewhere") && reason.contains("base_url"), "{reason}");
    }

    async fn classified(status: u16, safety: Safety) -> Answer<Response> {
        let server = MockServer::start().await;
        let template = ResponseTemplate::new(status).insert_header("retry-after", "7");
        Mock::given(method("GET")).respond_with(template).mount(&server).await;
        get(&server.uri()).await.classify(safety, no_words).0
    }

    #[tokio::test]
    async fn statuses_mean_what_repeating_would_do() {
        let rows = [
            (200, "receipt", "receipt"),
            (400, "refused", "refused"),
            (401, "refused", "refused"),
            (404, "refused", "refused"),
            (408, "retry", "unknown"),
            (409, "refused", "refused"),
            (429, "retry", "retry"),
            (500, "retry", "unknown"),
            (503, "retry", "unknown"),
        ];
        for (status, repeatable, irreversible) in rows {
            assert_eq!(classified(status, Safety::Repeatable).await.word(), repeatable, "{status}");
            assert_eq!(classified(status, Safety::Irreversible).await.word(), irreversible, "{status}");
        }
        let Answer::Retry { after, .. } = classified(429, Safety::Irreversible).await else { panic!() };
        assert_eq!(after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = at("2026-03-01T10:00:00Z");
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(parse_retry_after("120", now), seconds(120));
        assert_eq!(parse_retry_after(" 0 ", now), seconds(0));
        assert_eq!(parse_retry_after("Sun, 01 Mar 2026 10:00:30 GMT", now), seconds(30));
        assert_eq!(parse_retry_after("Sun, 01 Mar 2026 09:00:00 GMT", now), seconds(0));
        assert_eq!(parse_retry_after("99999999999999999999999", now), seconds(86_400));
        assert_eq!(parse_retry_after("Sun, 01 Mar 2099 09:00:00 GMT", now), seconds(86_400));
        for bad in ["", "-1", "soon", "1.5", "1e3"] {
            assert_eq!(parse_retry_after(bad, now), None, "{bad:?}");
        }
    }

    #[test]
    fn only_plain_http_to_this_machine_goes_past_a_proxy() {
        for url in ["http://127.0.0.1:80/x", "http://127.9.9.9", "http://[::1]:8080/", "http://localhost:1"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["https://127.0.0.1/", "http://127.0.0.1.example.test/", "http://10.0.0.1/", "nonsense"] {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn only_plain_ids_stand_in_a_path() {
        assert!(is_plain_ref("dp_1AbC-9"));
        for bad in ["", ".", "..", "a/b", "a?b", "a%2fb", "a b", "ü", &"x".repeat(256)] {
            assert!(!is_plain_ref(bad), "{bad:?}");
        }
    }
}
