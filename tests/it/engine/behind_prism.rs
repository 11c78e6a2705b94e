//! An account behind Prism whose connector Prism cannot act for in every way: what cannot be done is known before it
//! is wanted, and what a server does not have is told once, however many disputes there are.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::stage::{RULES, Setup, Stage, hours};
use crate::support::grpc_server::GrpcServer;

/// What signs for the account: a file that the stage writes.
const HOOK: &str = "hook-of-the-stage";

/// A merchant whose Stripe disputes Prism passes on.
async fn stage(prism: &GrpcServer) -> Stage {
    let more = format!(
        "[[merchant]]\nname = \"acme\"\n[[merchant]]\nname = \"bazaar\"\n\
         [[merchant]]\nname = \"porto\"\nrules = \"rules.toml\"\n\
         [[account]]\nmerchant = \"porto\"\nprovider = \"prism\"\nname = \"porto\"\n\
         webhook_secrets = [\"file:bazaar-hook\"]\ncredentials = {{ api_key = \"file:bazaar-hook\" }}\n\
         settings = {{ connector = \"stripe\" }}\nbase_url = \"{}\"\n",
        prism.address
    );
    Stage::with(Setup { more, rules: RULES.into(), ..Setup::default() }).await
}

/// Stripe tells of a dispute, to be answered within six days.
async fn open(stage: &mut Stage, id: &str, reason: &str) {
    let t = stage.clock.now().timestamp();
    let body = format!(
        "{{\"id\":\"evt_{id}\",\"object\":\"event\",\"type\":\"charge.dispute.created\",\"created\":{t},\
         \"livemode\":false,\"data\":{{\"object\":{{\"id\":\"{id}\",\"object\":\"dispute\",\"amount\":2000,\
         \"currency\":\"eur\",\"status\":\"needs_response\",\"reason\":\"{reason}\",\"created\":{t},\
         \"livemode\":false,\"charge\":\"ch_{id}\",\"evidence_details\":{{\"due_by\":{}}}}}}}}}",
        t + 6 * 86_400
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(HOOK.as_bytes()).unwrap();
    mac.update(format!("{t}.{body}").as_bytes());
    let signature = format!("t={t},v1={}", hex::encode(mac.finalize().into_bytes()));
    let url = format!("http://{}/webhooks/prism/porto", stage.engine.address.unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(url).header("stripe-signature", signature).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    stage.settle().await;
}

async fn told(stage: &Stage, kind: &str) -> Vec<(String, String)> {
    sqlx::query_as("select title, detail::text from alerts where kind = $1 order by alert_id")
        .bind(kind)
        .fetch_all(&stage.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_defence_that_cannot_be_made_asks_a_person_at_once() {
    let prism = GrpcServer::answering(13, b"").await;
    let mut stage = stage(&prism).await;
    open(&mut stage, "dp_1", "product_not_received").await;
    let waits_for = stage.cycle("dp_1").await.plan["waiting_for"].to_string();
    assert!(waits_for.contains("does not take a defence at stage chargeback"), "{waits_for}");
    assert_eq!(stage.alerts("dp_1").await, ["needs_person/warning"], "days before the rule would send");
    assert_eq!((stage.action("dp_1", "submit").await.as_str(), prism.calls()), ("none", 0));
}

/// `{1: …, 2: "NOT_IMPLEMENTED"}`: an IntegrationError, as Prism puts it beside the status.
const NOT_IMPLEMENTED: &[u8] = b"\x0a\x04none\x12\x0fNOT_IMPLEMENTED";

#[tokio::test]
async fn a_call_that_the_server_does_not_have_is_told_once() {
    let prism = GrpcServer::answering(9, NOT_IMPLEMENTED).await;
    let mut stage = stage(&prism).await;
    for id in ["dp_1", "dp_2", "dp_3"] {
        open(&mut stage, id, "fraudulent").await;
    }
    stage.advance(hours(2)).await;
    for id in ["dp_1", "dp_2", "dp_3"] {
        assert_eq!(stage.action(id, "accept").await, "refused");
        let alerts = stage.alerts(id).await;
        assert!(alerts.contains(&"needs_person/warning".to_owned()), "each needs somebody: {alerts:?}");
        let waits_for = stage.cycle(id).await.plan["waiting_for"].to_string();
        assert!(waits_for.contains("dashboard") && waits_for.len() < 250, "{waits_for}");
    }
    let once = told(&stage, "call_not_offered").await;
    let [(title, detail)] = &once[..] else { panic!("{once:?}") };
    assert!(title.contains("`accept`") && title.contains("prism/porto"), "{title}");
    for word in ["Accept", "stripe", "nothing was sent", "instead of `prism`", "updated"] {
        assert!(detail.contains(word), "{word}: {detail}");
    }
    // Not of a dispute: it is not over when the dispute is.
    let of_disputes: i64 = sqlx::query_scalar(
        "select count(*) from alerts where kind = 'call_not_offered' and dispute_id is not null",
    )
    .fetch_one(&stage.db.pool)
    .await
    .unwrap();
    assert_eq!(of_disputes, 0);
    stage.advance(TimeDelta::days(7)).await;
    assert_eq!(told(&stage, "call_not_offered").await.len(), 1);
}
