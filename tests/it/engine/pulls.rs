//! The merchant's own system asked for facts: signed, kept, waited for, and never waited for past the margin.

use respondby::standard_webhooks::{
    ID_HEADER, Key, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER, TOLERANCE, verify,
};
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::stage::{RAZORPAY, RULES, STRIPE, Setup, Stage, dispute, fraud, hours, start_of_time};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Fraud is conceded at once, unless the shop knows the customer.
fn unless_known() -> String {
    let known = "unless.facts.vip = { present = true, is = true }\nthen = { accept = {} }";
    RULES.replace("then = { accept = { after = \"1h\" } }", known)
}

async fn shop(answers: &[ResponseTemplate]) -> MockServer {
    let server = MockServer::start().await;
    let last = answers.len() - 1;
    for (n, answer) in answers.iter().enumerate() {
        let mock = Mock::given(method("GET")).and(path("/ask")).respond_with(answer.clone());
        let mock = if n < last { mock.up_to_n_times(1) } else { mock };
        mock.with_priority(n as u8 + 1).mount(&server).await;
    }
    server
}

async fn asking(server: &MockServer, rules: String) -> Stage {
    let more = format!(
        "[facts]\nurl = \"{}/ask\"\nsecret = \"file:facts-secret\"\nretry_every_s = 600",
        server.uri()
    );
    Stage::with(Setup { rules, more, ..Setup::default() }).await
}

fn is_signed(request: &Request) {
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header(ID_HEADER), header(TIMESTAMP_HEADER));
    let signed = Signed { id, timestamp, signature: header(SIGNATURE_HEADER) };
    let content = format!("{}?{}", request.url.path(), request.url.query().unwrap());
    let keys = [Key::parse(SECRET).unwrap()];
    verify(&keys, &signed, content.as_bytes(), start_of_time(), TOLERANCE).unwrap();
}

#[tokio::test]
async fn the_merchant_is_asked_before_anything_is_conceded() {
    let server = shop(&[ResponseTemplate::new(200).set_body_json(json!({"vip": true}))]).await;
    let mut stage = asking(&server, unless_known()).await;
    let mut order = fraud(STRIPE, hours(96));
    order.payment = Some("pi_vip".into());
    let dispute_ref = stage.open(order).await;
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    is_signed(&asked[0]);
    let query: std::collections::HashMap<_, _> = asked[0].url.query_pairs().into_owned().collect();
    assert_eq!((query["payment"].as_str(), query["dispute"].as_str()), ("pi_vip", dispute_ref.as_str()));
    assert_eq!(stage.cycle(&dispute_ref).await.plan_kind, "hold");
    stage.advance(hours(80)).await;
    assert!(stage.control.ledger().is_empty(), "a friend of the shop is not conceded");
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "asked once");
    let source: String = sqlx::query_scalar("select source from facts where subject = 'pi_vip'")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
    assert_eq!(source, "pull");
    stage.uphold().await;
}

#[tokio::test]
async fn nothing_known_is_an_answer_and_the_rules_go_on_at_once() {
    let server = shop(&[ResponseTemplate::new(404)]).await;
    let mut stage = asking(&server, unless_known()).await;
    let dispute_ref = stage.open(fraud(RAZORPAY, hours(96))).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    assert_eq!(stage.action(&dispute_ref, "pull_facts").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn a_system_that_comes_back_is_heard_before_anything_is_done() {
    let vip = ResponseTemplate::new(200).set_body_json(json!({"vip": true}));
    let server =
        shop(&[ResponseTemplate::new(503), ResponseTemplate::new(200).set_body_string("<html>"), vip]).await;
    let mut stage = asking(&server, unless_known()).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    assert!(stage.control.ledger().is_empty());
    assert_eq!(stage.action(&dispute_ref, "pull_facts").await, "wanted");
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "pull_facts").await, "done");
    assert_eq!(stage.cycle(&dispute_ref).await.plan_kind, "hold");
    assert!(stage.control.ledger().is_empty());
    stage.uphold().await;
}

#[tokio::test]
async fn a_system_that_is_down_delays_nothing_past_the_margin_and_people_hear_of_a_hold_at_once() {
    let server = shop(&[ResponseTemplate::new(500)]).await;
    let mut stage = asking(&server, unless_known()).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(48))).await;
    let held = stage.open(dispute(RAZORPAY, "RZP00", hours(48))).await;
    assert_eq!(stage.alerts(&held).await, ["needs_person/warning"], "a person need not wait for a machine");
    let page_at = stage.cycle(&dispute_ref).await.page_at;
    stage.advance_to(page_at).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    let cycle = stage.cycle(&dispute_ref).await;
    assert!(cycle.answered_at.is_some_and(|at| at <= page_at), "{cycle:?}");
    assert!(!stage.alerts(&dispute_ref).await.contains(&"unanswered/page".to_owned()));
    let asked = server.received_requests().await.unwrap().len();
    assert!((50..700).contains(&asked), "every ten minutes at most: {asked} questions in two days");
    stage.advance(hours(5)).await;
    let pull = stage.actions(&held).await.into_iter().find(|a| a.kind == "pull_facts").unwrap();
    assert_eq!((pull.state.as_str(), pull.due_at), ("refused", None), "given up at the margin");
    stage.uphold().await;
}

#[tokio::test]
async fn a_merchant_s_own_system_is_asked_about_its_own_disputes_alone() {
    let common = shop(&[ResponseTemplate::new(404)]).await;
    let own = shop(&[ResponseTemplate::new(200).set_body_json(json!({"vip": true}))]).await;
    let more = format!(
        "[facts]\nurl = \"{}/ask\"\nsecret = \"file:facts-secret\"\n\
         [[merchant]]\nname = \"acme\"\nrules = \"rules.toml\"\n\
         facts_url = \"{}/ask\"\nfacts_secret = \"file:facts-secret\"\n\
         [[merchant]]\nname = \"bazaar\"\nrules = \"rules.toml\"\n",
        common.uri(),
        own.uri()
    );
    let mut stage = Stage::with(Setup { rules: unless_known(), more, ..Setup::default() }).await;
    let acme = stage.open(fraud(STRIPE, hours(96))).await;
    let bazaar = stage.open(fraud(RAZORPAY, hours(96))).await;
    assert_eq!(own.received_requests().await.unwrap().len(), 1);
    assert_eq!(common.received_requests().await.unwrap().len(), 1);
    assert_eq!(stage.cycle(&acme).await.plan_kind, "hold");
    assert_eq!(stage.action(&bazaar, "accept").await, "done");
}
