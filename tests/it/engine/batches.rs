//! Webhooks of many items, through the server: one too large is turned away before anybody looks who sent it, and the
//! largest that is taken is kept once, with every item's meaning applied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use respondby::sandbox::{ProviderKind, SandboxAccount};
use serde_json::{Value, json};
use sha2::Sha256;

use super::stage::{Setup, Stage};

const LIMIT: usize = 1 << 20;

/// A chargeback of a payment of its own, signed.
fn item(account: &SandboxAccount, n: usize) -> Value {
    let (psp, merchant) = (format!("BATCH{n:011}"), account.settings["merchant_account"].as_str());
    let code = "NOTIFICATION_OF_CHARGEBACK";
    let signed = format!("{psp}:PAID{n:012}:{merchant}:order-{n}:2000:EUR:{code}:true");
    let key = hex::decode(&account.webhook_secrets[0]).unwrap();
    let signature = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(signed).finalize();
    json!({"NotificationRequestItem": {
        "additionalData": {
            "hmacSignature": STANDARD.encode(signature.into_bytes()),
            "disputeStatus": "Undefended",
            "defensePeriodEndsAt": "2026-12-01T12:00:00+01:00",
            "chargebackSchemeCode": "visa",
            "chargebackReasonCode": "13.1",
        },
        "amount": {"currency": "EUR", "value": 2000},
        "eventCode": code,
        "eventDate": "2026-11-21T08:30:00+01:00",
        "merchantAccountCode": merchant,
        "merchantReference": format!("order-{n}"),
        "originalReference": format!("PAID{n:012}"),
        "paymentMethod": "visa",
        "pspReference": psp,
        "success": "true",
    }})
}

fn batch(account: &SandboxAccount, count: usize) -> String {
    let items: Vec<Value> = (0..count).map(|n| item(account, n)).collect();
    json!({"live": "true", "notificationItems": items}).to_string()
}

/// Sends it with the user and the password, and answers with the status.
async fn post(stage: &Stage, account: &SandboxAccount, body: String) -> u16 {
    let url = format!("http://{}/webhooks/adyen/adyen", stage.engine.address.unwrap());
    let (user, password) = (&account.settings["webhook_user"], &account.credentials["webhook_password"]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request =
        client.post(url).basic_auth(user, Some(password)).header("content-type", "application/json");
    request.body(body).send().await.unwrap().status().as_u16()
}

async fn kept(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from deliveries").fetch_one(&stage.db.pool).await.unwrap()
}

#[tokio::test]
async fn ten_thousand_items_are_too_many_before_anybody_looks_who_sent_them() {
    let stage = Stage::with(Setup { everywhere: true, ..Setup::default() }).await;
    let account = ProviderKind::Adyen.example();
    let genuine = batch(&account, 10_000);
    assert!(genuine.len() > 4 * LIMIT);
    let stranger = SandboxAccount { webhook_secrets: vec!["00".repeat(32)], ..account.clone() };
    for body in [genuine, batch(&stranger, 10_000), " ".repeat(LIMIT + 1)] {
        assert_eq!(post(&stage, &account, body).await, 413);
    }
    assert_eq!(kept(&stage).await, 0);
    assert_eq!(post(&stage, &account, batch(&account, 1)).await, 200, "and others are served");
}

#[tokio::test]
async fn as_many_items_as_fit_are_kept_once_and_all_applied() {
    let mut stage = Stage::with(Setup { everywhere: true, ..Setup::default() }).await;
    let account = ProviderKind::Adyen.example();
    let each = batch(&account, 2).len() - batch(&account, 1).len();
    // The numbers grow by a digit or three on the way.
    let most = (LIMIT - 100) / (each + 8);
    let body = batch(&account, most);
    assert!(most > 1_000 && body.len() <= LIMIT && body.len() > LIMIT * 95 / 100, "{most}: {}", body.len());
    for _ in 0..2 {
        assert_eq!(post(&stage, &account, body.clone()).await, 200);
    }
    assert_eq!(kept(&stage).await, 1);
    stage.settle().await;
    let states: Vec<(String, i64)> = sqlx::query_as("select state, count(*) from deliveries group by state")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap();
    assert_eq!(states.len(), 1, "{states:?}");
    assert_ne!(states[0].0, "quarantined");
    let (all, distinct, waiting): (i64, i64, i64) = sqlx::query_as(
        "select count(*), count(distinct dispute_ref), count(*) filter (where status = 'needs_response')
         from disputes",
    )
    .fetch_one(&stage.db.pool)
    .await
    .unwrap();
    let most = i64::try_from(most).unwrap();
    assert_eq!((all, distinct, waiting), (most, most, most));
    let open: i64 = sqlx::query_scalar("select count(*) from cycles where state = 'open'")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
    assert_eq!(open, most, "each is answered by a time of its own");
}
