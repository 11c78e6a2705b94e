//! A platform's accounts (Stripe Connect): events for all of them come to one address under one secret, and each is
//! kept, decided and answered as the account's that it names. `acme` is the platform; `berlin-1` and `berlin-2`
//! are connected to it and belong to another merchant; `porto` stands alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use respondby::config::Config;
use respondby::sandbox::{NewDispute, SandboxAccount};
use respondby::store::accounts::{ConfiguredAccount, sync};
use respondby::store::ids::Ids;
use respondby::store::{deliveries, rebuild};
use sha2::Sha256;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::stage::{RULES, STRIPE, Setup, Stage, fraud, hours};

const MERCHANTS: &str = "
[[merchant]]
name = \"acme\"
[[merchant]]
name = \"bazaar\"
[[merchant]]
name = \"berlin\"
[[merchant]]
name = \"porto\"
rules = \"rules.toml\"
[[account]]
merchant = \"porto\"
provider = \"stripe\"
name = \"porto\"
webhook_secrets = [\"file:bazaar-hook\"]
credentials = { api_key = \"file:bazaar-hook\" }
";
/// What signs for `porto`, and for nobody else.
const PORTOS: &str = "hook-of-the-stage";
const PLATFORMS: &str = "whsec_stage";

fn connected(n: u8, api: &str) -> String {
    format!(
        "[[account]]\nmerchant = \"berlin\"\nprovider = \"stripe\"\nname = \"berlin-{n}\"\nvia = \"acme\"\n\
         provider_account = \"acct_berlin{n}\"\nbase_url = \"{api}\"\n"
    )
}

async fn stage(more: &str) -> Stage {
    // Rules are published for merchants who have an account.
    let ruled = "name = \"berlin\"\nrules = \"rules.toml\"";
    let merchants =
        if more.is_empty() { MERCHANTS.to_owned() } else { MERCHANTS.replace("name = \"berlin\"", ruled) };
    Stage::with(Setup { more: format!("{merchants}{more}"), rules: RULES.into(), ..Setup::default() }).await
}

/// An API that has one dispute, open until it is conceded.
async fn api(record: impl Fn(&str) -> String + Send + Sync + 'static) -> MockServer {
    let server = MockServer::start().await;
    let conceded = Arc::new(AtomicBool::new(false));
    let answer = move |request: &Request| {
        let path = request.url.path();
        if path.ends_with("/close") {
            conceded.store(true, Ordering::SeqCst);
        }
        let status = if conceded.load(Ordering::SeqCst) { "lost" } else { "needs_response" };
        let body = match path.starts_with("/v1/disputes/") {
            true => record(status),
            false => "{\"object\":\"list\",\"data\":[],\"has_more\":false}".to_owned(),
        };
        ResponseTemplate::new(200).set_body_raw(body, "application/json")
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

fn record(stage: &Stage, id: &str, amount: i64, status: &str) -> String {
    let now = stage.clock.now().timestamp();
    format!(
        "{{\"id\":\"{id}\",\"object\":\"dispute\",\"amount\":{amount},\"currency\":\"eur\",\"status\":\"{status}\",\
         \"reason\":\"fraudulent\",\"created\":{now},\"livemode\":false,\"charge\":\"ch_{id}\",\
         \"evidence_details\":{{\"due_by\":{}}}}}",
        now + 6 * 86_400
    )
}

/// An event about that record, with the JSON of `account` in it.
fn event(stage: &Stage, key: &str, account: &str, record: &str) -> String {
    let now = stage.clock.now().timestamp();
    format!(
        "{{\"id\":\"{key}\",\"object\":\"event\",\"type\":\"charge.dispute.updated\",\"created\":{now},\
         \"livemode\":false,\"account\":{account},\"data\":{{\"object\":{record}}}}}"
    )
}

/// Sends it signed with `secret`, and lets the engine take it in. Answers with the status.
async fn post(stage: &mut Stage, to: &str, secret: &str, body: &str) -> u16 {
    let t = stage.clock.now().timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{t}.{body}").as_bytes());
    let signature = format!("t={t},v1={}", hex::encode(mac.finalize().into_bytes()));
    let url = format!("http://{}/webhooks/stripe/{to}", stage.engine.address.unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(url).header("stripe-signature", signature).body(body.to_owned());
    let status = request.send().await.unwrap().status().as_u16();
    stage.settle().await;
    status
}

/// `account dispute amount` of every dispute there is.
async fn disputes(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', m.name, a.name, d.dispute_ref, d.amount_minor, d.status)
         from disputes d
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         join merchants m on m.merchant_id = d.merchant_id
         order by 1",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap()
}

/// `account state outcome` of every webhook, in the order received.
async fn came_of(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', a.name, d.state, d.outcome)
         from deliveries d
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         where d.source = 'webhook'
         order by d.received_at, d.delivery_id",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap()
}

async fn notes(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar("select note from deliveries where state = 'quarantined' order by received_at")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_event_is_decided_by_the_rules_of_the_account_it_names_and_answered_on_its_behalf() {
    let now = super::stage::start_of_time().timestamp();
    let open = move |status: &str| {
        format!(
            "{{\"id\":\"dp_one\",\"object\":\"dispute\",\"amount\":2000,\"currency\":\"eur\",\
             \"status\":\"{status}\",\"reason\":\"fraudulent\",\"created\":{now},\"livemode\":false,\
             \"charge\":\"ch_one\",\"evidence_details\":{{\"due_by\":{}}}}}",
            now + 6 * 86_400
        )
    };
    let server = api(open).await;
    let mut stage = stage(&connected(1, &server.uri())).await;
    let body = event(&stage, "evt_1", "\"acct_berlin1\"", &open("needs_response"));
    assert_eq!(post(&mut stage, "acme", PLATFORMS, &body).await, 200);
    assert_eq!(disputes(&stage).await, ["berlin berlin-1 dp_one 2000 needs_response"]);
    assert_eq!(came_of(&stage).await, ["berlin-1 settled applied"]);
    stage.advance(hours(2)).await;
    assert_eq!(stage.action("dp_one", "accept").await, "done", "the rules of berlin concede fraud");
    let requests = server.received_requests().await.unwrap();
    let closes = requests.iter().filter(|r| r.url.path() == "/v1/disputes/dp_one/close").count();
    assert_eq!(closes, 1);
    for request in &requests {
        let header = |name: &str| request.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(header("stripe-account").as_deref(), Some("acct_berlin1"), "{}", request.url.path());
        assert_eq!(header("authorization").as_deref(), Some("Bearer sk_test_stage"), "the platform's key");
    }
}

/// The same with the stand-in, which answers for the account only to whom it may.
#[tokio::test]
async fn a_connected_accounts_dispute_goes_all_its_way_at_the_stand_in() {
    let more = MERCHANTS.replace("name = \"berlin\"", "name = \"berlin\"\nrules = \"rules.toml\"")
        + "[[account]]\nmerchant = \"berlin\"\nprovider = \"stripe\"\nname = \"berlin-1\"\nvia = \"acme\"\n\
           provider_account = \"acct_berlin1\"\n";
    let beside = vec![SandboxAccount::stripe_connected("berlin-1", "acme", "acct_berlin1")];
    for thin_events in [false, true] {
        let (more, beside) = (more.clone(), beside.clone());
        let mut stage = Stage::with(Setup { more, beside, thin_events, ..Setup::default() }).await;
        let of = |account: &str, order: NewDispute| NewDispute { account: Some(account.to_owned()), ..order };
        let dispute_ref = stage.open(of("berlin-1", fraud(STRIPE, hours(96)))).await;
        let platforms = stage.open(of("acme", fraud(STRIPE, hours(96)))).await;
        let missed = {
            stage.control.set_webhook_url(STRIPE, Some("acme"), None).unwrap();
            stage.create(of("berlin-1", fraud(STRIPE, hours(96))))
        };
        stage.advance(hours(14)).await;
        for (dispute_ref, account) in
            [(&dispute_ref, "berlin-1"), (&missed, "berlin-1"), (&platforms, "acme")]
        {
            let entry = stage.control.ledger().into_iter().find(|entry| entry.dispute_ref == **dispute_ref);
            let kept = (entry.map(|entry| entry.account), stage.theirs(dispute_ref).status);
            // The platform has no rules of its own here.
            let wanted = match account {
                "acme" => (None, "needs_response".to_owned()),
                _ => (Some(account.to_owned()), "lost".to_owned()),
            };
            assert_eq!(kept, wanted, "thin: {thin_events}");
            let line = stage.line(dispute_ref).await;
            assert_eq!(line.account, account, "thin: {thin_events}");
        }
        assert_eq!(stage.deliveries("quarantined").await, 0);
    }
}

#[tokio::test]
async fn two_accounts_with_the_same_dispute_id_do_not_mix() {
    let quiet = MockServer::start().await;
    let two = connected(1, &quiet.uri()) + &connected(2, &quiet.uri());
    let mut stage = stage(&two).await;
    for (key, account, amount) in [("evt_1", "\"acct_berlin1\"", 2_000), ("evt_2", "\"acct_berlin2\"", 7_700)]
    {
        let body = event(&stage, key, account, &record(&stage, "dp_same", amount, "needs_response"));
        assert_eq!(post(&mut stage, "acme", PLATFORMS, &body).await, 200);
    }
    let body = event(&stage, "evt_3", "null", &record(&stage, "dp_same", 50, "under_review"));
    assert_eq!(post(&mut stage, "acme", PLATFORMS, &body).await, 200);
    stage.clock.advance_to(stage.clock.now() + TimeDelta::seconds(5));
    let body = event(&stage, "evt_4", "\"acct_berlin2\"", &record(&stage, "dp_same", 7_700, "won"));
    assert_eq!(post(&mut stage, "acme", PLATFORMS, &body).await, 200);
    let wanted = [
        "acme acme dp_same 50 under_review",
        "berlin berlin-1 dp_same 2000 needs_response",
        "berlin berlin-2 dp_same 7700 won",
    ];
    assert_eq!(disputes(&stage).await, wanted);
}

#[tokio::test]
async fn an_account_is_reached_only_with_the_secret_of_its_own_platform() {
    let quiet = MockServer::start().await;
    let mut stage = stage(&connected(1, &quiet.uri())).await;
    let forged = |key: &str| event(&stage, key, "\"acct_berlin1\"", &record(&stage, "dp_forged", 1, "lost"));
    let [by_porto, at_porto, at_its_own] = ["evt_1", "evt_2", "evt_3"].map(forged);
    assert_eq!(
        post(&mut stage, "acme", PORTOS, &by_porto).await,
        401,
        "porto's secret is not the platform's"
    );
    assert_eq!(post(&mut stage, "porto", PLATFORMS, &at_porto).await, 401, "nor the platform's porto's");
    for secret in ["", PLATFORMS, PORTOS] {
        let status = post(&mut stage, "berlin-1", secret, &at_its_own).await;
        assert_eq!(status, 401, "an account without a secret of its own takes nothing at its own address");
    }
    // Porto may say what it likes under its own secret: it is porto's, and nobody's news.
    assert_eq!(post(&mut stage, "porto", PORTOS, &by_porto).await, 200);
    assert_eq!(came_of(&stage).await, ["porto quarantined unrecognised"]);
    assert_eq!(disputes(&stage).await, [""; 0]);
}

#[tokio::test]
async fn what_names_nobody_waits_under_the_platform_and_is_settled_when_the_account_is_configured() {
    let quiet = MockServer::start().await;
    let mut stage = stage("").await;
    let known = record(&stage, "dp_early", 900, "needs_response");
    let odd = ["\"acct_berlin1\"", "\"\"", "\"acct_x/acct_y\"", "7", "{}"];
    for (n, account) in odd.iter().enumerate() {
        let body = event(&stage, &format!("evt_{n}"), account, &known);
        assert_eq!(post(&mut stage, "acme", PLATFORMS, &body).await, 200, "{account}");
    }
    assert_eq!(disputes(&stage).await, [""; 0], "the platform itself has no dispute of that");
    let notes_before = notes(&stage).await;
    assert_eq!(notes_before.len(), odd.len());
    assert_eq!(
        notes_before[0],
        "it is for the connected account `acct_berlin1`, and none that is configured is that: add an [[account]] \
         with provider_account = \"acct_berlin1\" and via = \"acme\", restart, and replay this. If `acct_berlin1` is \
         `acme` itself, say so there with provider_account"
    );
    configure(&stage, &connected(1, &quiet.uri())).await;
    // It may come again before anybody replays what waits.
    let body = event(&stage, "evt_0", "\"acct_berlin1\"", &known);
    assert_eq!(post(&mut stage, "acme", PLATFORMS, &body).await, 200);
    for _ in 0..2 {
        let mut conn = stage.db.pool.acquire().await.unwrap();
        deliveries::requeue_quarantined(&mut conn).await.unwrap();
        drop(conn);
        stage.settle().await;
        assert_eq!(disputes(&stage).await, ["berlin berlin-1 dp_early 900 needs_response"]);
    }
    let came = came_of(&stage).await;
    assert_eq!(
        came.iter().filter(|c| *c == "acme quarantined unrecognised").count(),
        odd.len() - 1,
        "{came:?}"
    );
    assert_eq!(came.iter().filter(|c| *c == "acme settled handed_over").count(), 1, "{came:?}");
    assert_eq!(came.iter().filter(|c| c.starts_with("berlin-1 ")).count(), 1, "kept there once: {came:?}");
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let now = stage.clock.now();
    let differences = rebuild::differences(&mut conn, &stage.engine.shop.world, now).await.unwrap();
    assert_eq!(differences, [""; 0]);
}

#[tokio::test]
async fn what_waits_is_handed_over_by_a_replay_alone() {
    let quiet = MockServer::start().await;
    let mut stage = stage("").await;
    let known = record(&stage, "dp_early", 900, "needs_response");
    let body = event(&stage, "evt_0", "\"acct_berlin1\"", &known);
    post(&mut stage, "acme", PLATFORMS, &body).await;
    configure(&stage, &connected(1, &quiet.uri())).await;
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let ids = deliveries::requeue_quarantined(&mut conn).await.unwrap();
    drop(conn);
    stage.settle().await;
    assert_eq!(disputes(&stage).await, ["berlin berlin-1 dp_early 900 needs_response"]);
    // Again, and by its id.
    let mut conn = stage.db.pool.acquire().await.unwrap();
    assert_eq!(deliveries::requeue(&mut conn, &ids).await.unwrap(), ids);
    drop(conn);
    stage.settle().await;
    assert_eq!(came_of(&stage).await, ["acme settled handed_over", "berlin-1 settled applied"]);
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let now = stage.clock.now();
    let differences = rebuild::differences(&mut conn, &stage.engine.shop.world, now).await.unwrap();
    assert_eq!(differences, [""; 0]);
}

/// What a restart with one account more does.
async fn configure(stage: &Stage, more: &str) {
    let path = stage.configuration();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{more}")).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let configured: Vec<ConfiguredAccount> = config.accounts.iter().map(Into::into).collect();
    let key = respondby::app::sealing_key(&config).unwrap();
    let mut conn = stage.db.pool.acquire().await.unwrap();
    sync(&mut conn, &Ids::new(), &key, &configured, stage.clock.now()).await.unwrap();
    assert!(stage.engine.shop.accounts.refresh(&mut conn).await.unwrap());
}
