//! What holds every request against what its API takes finds what it is for: each thing that can be wrong with one is
//! planted, and found by its place. Then the demo's month is gone through, request by request.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use respondby::clock::Clock;
use respondby::sandbox::{ProviderKind, SandboxConfig};
use serde_json::Value;

use crate::specs::{self, Asked, faults};
use crate::support::watched::Watched;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const PARTS: (&str, &str) = ("content-type", "multipart/form-data; boundary=XX");
const STRIPE: [(&str, &str); 2] =
    [("authorization", "Bearer sk_test_1"), ("stripe-version", "2026-10-28.endive")];
const KEY: (&str, &str) = ("idempotency-key", "act-1");

type Headers<'a> = &'a [(&'a str, &'a str)];

fn headers(named: impl IntoIterator<Item = (String, String)>) -> HeaderMap {
    let header = |(name, value): (String, String)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(&value).unwrap())
    };
    named.into_iter().map(header).collect()
}

/// The faults of `provider METHOD path?query` with those headers and that body.
fn found(request: &str, named: Headers<'_>, body: &str) -> Vec<String> {
    let mut words = request.split(' ');
    let (provider, method, target) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers(named.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    faults(Asked { provider, method, path, query, headers: &headers, body: body.as_bytes() })
}

#[track_caller]
fn caught(request: &str, named: Headers<'_>, body: &str, place: &str) {
    let found = found(request, named, body);
    assert!(found.len() == 1 && found[0].contains(place), "{request}: {place} is not all of {found:?}");
}

#[test]
fn a_form_is_read_as_deep_as_it_goes() {
    let headers = [STRIPE[0], STRIPE[1], KEY, FORM];
    let update = "stripe POST /v1/disputes/dp_1";
    let good = "evidence[customer_name]=Ada%20L&evidence[enhanced_evidence][visa_compliance][fee_acknowledged]=true\
                &submit=true";
    assert_eq!(found(update, &headers, good), Vec::<String>::new());
    let emptied = "evidence[customer_name]=&evidence[receipt]=&evidence[enhanced_evidence]=&submit=true";
    assert_eq!(found(update, &headers, emptied), Vec::<String>::new());
    for (body, place) in [
        ("evidence[customer_nam]=Ada&submit=true", "body /evidence: "),
        ("evidence[enhanced_evidence]=none&submit=true", "body /evidence/enhanced_evidence: "),
        ("evidence[customer_name][0]=Ada&submit=true", "body /evidence/customer_name: "),
        ("evidence[receipt]=a%20b&submit=true", "body /evidence/receipt: "),
        ("evidence[customer_name]=Ada&submit=yes", "body /submit: "),
        ("evidence[customer_name]=Ada", "body : "),
        ("evidence[customer_name]=Ada&submit=true&submit=true", "`submit` stands twice"),
        ("evidence[customer_name=Ada&submit=true", "brackets that do not close"),
        (
            "evidence[enhanced_evidence][visa][fee_acknowledged]=true&submit=true",
            "body /evidence/enhanced_evidence: ",
        ),
    ] {
        caught(update, &headers, body, place);
    }
    let long = format!("evidence[customer_name]={}&submit=true", "a".repeat(5_001));
    caught(update, &headers, &long, "body /evidence/customer_name: ");
}

#[test]
fn path_method_query_and_headers_are_held_against_it() {
    let headers = [STRIPE[0], STRIPE[1]];
    for (request, place) in [
        ("stripe GET /v1/dispute/dp_1", "no call has this path"),
        ("stripe GET /v1/disputes/dp_1/", "no call has this path"),
        ("stripe GET /v1/disputes/", "no call has this path"),
        ("stripe PUT /v1/disputes", "the path takes GET"),
        ("stripe GET /v1/disputes/dp%2F1", "path dispute"),
        ("stripe GET /v1/disputes/dp_1?expand[0]=charge", "query "),
        ("stripe GET /v1/disputes?limit=101&created[gte]=1", "query /limit: "),
        ("stripe GET /v1/disputes?limit=1e1&created[gte]=1", "query /limit: "),
        ("stripe GET /v1/disputes?limit=1&created[gte]=1&created[lt]=2", "query /created: "),
        ("stripe GET /v1/events?limit=1&created[gte]=1&types[0]=charge.created", "query /types/0: "),
        ("stripe GET /v1/events?limit=1&created[gte]=1&types[1]=charge.dispute.created", "query /types: "),
    ] {
        caught(request, &headers, "", place);
    }
    let fetch = "stripe GET /v1/disputes/dp_1";
    assert_eq!(found(fetch, &headers, ""), Vec::<String>::new());
    caught(fetch, &headers[..1], "", "header : ");
    caught(fetch, &[("authorization", "Basic c2s6"), STRIPE[1]], "", "header /authorization: ");
    caught(fetch, &[STRIPE[0], STRIPE[1], KEY], "", "header : ");
    caught(fetch, &headers, "{}", "body: none is taken");
    caught(fetch, &[STRIPE[0], STRIPE[1], FORM], "", "body: none is taken");
    caught("stripe POST /v1/disputes/dp_1/close", &[STRIPE[0], STRIPE[1], FORM], "", "header : ");
    caught("stripe POST /v1/disputes/dp_1/close", &[STRIPE[0], STRIPE[1], KEY], "", "of no kind");
}

#[test]
fn json_is_held_against_it() {
    let path = "/ca/services/DisputeService/v30/defendDispute";
    let (request, headers) = (&*format!("adyen POST {path}"), &[("x-api-key", "k"), JSON][..]);
    let good = r#"{"disputePspReference":"A1","merchantAccountCode":"Shop","defenseReasonCode":"Any"}"#;
    assert_eq!(found(request, headers, good), Vec::<String>::new());
    let misspelt = found(request, headers, &good.replace("defenseReasonCode", "defenceReasonCode"));
    assert!(misspelt.len() == 2 && misspelt.iter().all(|fault| fault.contains("body : ")), "{misspelt:?}");
    caught(request, headers, &good.replace("\"A1\"", "1"), "body /disputePspReference: ");
    caught(request, headers, &good.replace("\"A1\"", "null"), "body /disputePspReference: ");
    caught(request, headers, &good[1..], "body: ");
    caught(request, &[("x-api-key", "k"), FORM], good, "application/json is taken");
}

#[test]
fn parts_are_held_against_it() {
    let headers = [("authorization", "Bearer t"), PARTS];
    let request = "paypal POST /v1/customer/disputes/PP-1/provide-evidence";
    let input = |kind: &str, name: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"input\"\r\nContent-Type: application/json\r\n\r\n\
             {{\"evidences\":[{{\"evidence_type\":\"{kind}\",\"documents\":[{{\"name\":\"{name}\"}}]}}]}}\r\n"
        )
    };
    let file = |part: &str, name: &str, kind: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n%PDF\r\n--\r\n\r\n"
        )
    };
    let sent = |parts: &[String]| format!("{}--XX--\r\n", parts.concat());
    let (words, paper) = (input("OTHER", "a.pdf"), file("evidence-file", "a.pdf", "application/pdf"));
    let good = sent(&[words.clone(), paper.clone(), paper.clone()]);
    assert_eq!(found(request, &headers, &good), Vec::<String>::new());
    for (parts, place) in [
        (vec![input("PROOF", "a.pdf"), paper.clone()], "body /input/evidences/0/evidence_type: "),
        (vec![input("OTHER", "a"), paper.clone()], "body /input/evidences/0/documents/0/name: "),
        (vec![words.clone(), words.clone()], "the part `input` stands twice"),
        (vec![words.clone(), file("evidence_file", "a.pdf", "application/pdf")], "body : "),
        (
            vec![words.clone(), file("evidence-file", "a.pdf", "text/plain")],
            "body /evidence-file/0/media_type: ",
        ),
        (vec![words.clone(), file("evidence-file", "a", "application/pdf")], "body /evidence-file/0/name: "),
        (vec![paper.clone()], "body : "),
    ] {
        caught(request, &headers, &sent(&parts), place);
    }
    caught(request, &headers, &words, "a part does not end");
    caught(request, &headers, "", "the boundary does not stand in it");
    caught(request, &[headers[0], ("content-type", "multipart/form-data")], &good, "names no boundary");
}

#[tokio::test]
async fn whoever_stands_in_front_of_the_stand_ins_sees_what_is_wrong() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let accounts = ProviderKind::ALL.iter().map(|kind| kind.example()).collect();
    let config = SandboxConfig { listen, clock: Clock::system(), accounts, seed: 1 };
    let watched = Watched::start(config).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/disputes/dp_1", watched.url("stripe".parse().unwrap()));
    let good = client.get(&url).bearer_auth("sk").header("stripe-version", "2026-10-28.endive");
    assert_eq!(good.send().await.unwrap().status(), 401);
    assert_eq!(watched.taken_faults(), Vec::<String>::new());
    let asked = client.get(format!("{url}?expnad=charge")).bearer_auth("sk");
    asked.header("stripe-version", "2026-10-28.endive").send().await.unwrap();
    let found = watched.taken_faults();
    assert!(found.len() == 1 && found[0].contains("expnad"), "{found:?}");
}

/// The faults of what `respondby demo --record` wrote, and how many requests each provider was sent.
pub fn gone_through(recorded: &str) -> (Vec<String>, std::collections::BTreeMap<String, usize>) {
    let (mut all, mut counts) = (Vec::new(), std::collections::BTreeMap::new());
    for line in recorded.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let provider = text("provider");
        *counts.entry(provider.to_owned()).or_default() += 1;
        if !specs::is_known(provider) {
            continue;
        }
        let named = line["headers"].as_object().unwrap().iter();
        let headers = headers(named.map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())));
        assert!(line["body_base64"].is_null(), "the demo's documents are texts: {line}");
        let (method, path, query) = (text("method"), text("path"), text("query"));
        let body = text("body").as_bytes();
        all.extend(faults(Asked { provider, method, path, query, headers: &headers, body }));
    }
    (all, counts)
}
