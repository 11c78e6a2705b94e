//! Who is let in, to whose disputes, and what they are told who are not.

use respondby::desk::Scope;
use respondby::grpc::proto::types::{DisputeServiceDefendRequest, DisputeServiceGetRequest, DisputeStatus};
use respondby::store::{api_keys, rulesets};
use tonic::Code;

use super::{ALL, Program, READ, count, defence, key_of, stage};
use crate::engine::stage::{RAZORPAY, STRIPE, fraud, hours};

const ORDERS: &str = "select count(*) from api_orders";

#[tokio::test]
async fn whoever_shows_no_good_key_gets_one_answer_and_learns_nothing() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let (good, revoked) =
        (key_of(&stage, "acme", "till", ALL).await, key_of(&stage, "acme", "lost", ALL).await);
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let id = async |conn: &mut sqlx::PgConnection, name: &str| {
        rulesets::merchant_id(conn, name).await.unwrap().unwrap()
    };
    let (acme, bazaar) = (id(&mut *conn, "acme").await, id(&mut *conn, "bazaar").await);
    api_keys::revoke(&mut conn, acme, "lost", "ana", stage.clock.now()).await.unwrap();
    let elsewhere = good.replace(&format!("rby_{acme}_"), &format!("rby_{bazaar}_"));
    let stranger = Program::stranger(&stage);
    let mut all = vec![stranger.clone(), stranger.with("x-api-key", &good)];
    for key in [&revoked, &elsewhere, "rby_1_x", "sk_test_stage", ""] {
        all.push(stranger.with("authorization", &format!("Bearer {key}")));
    }
    all.push(stranger.with("authorization", &format!("Basic {good}")));
    // Two keys are none: nobody guesses which was meant.
    all.push(stranger.with("authorization", &good).with("authorization", &good));
    let mut told = Vec::new();
    for program in all {
        for dispute_ref in [&*dispute_ref, "dp_nobody"] {
            told.push(program.get(dispute_ref).await.unwrap_err());
            told.push(program.accept(dispute_ref).await.unwrap_err());
        }
    }
    for status in &told {
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, told[0].message()));
    }
    assert!(told[0].message().contains("authorization: Bearer"), "{}", told[0]);
    // The key alone is a good key too.
    assert!(stranger.with("authorization", &good).get(&dispute_ref).await.is_ok());
    assert_eq!(count(&stage, ORDERS).await, 0);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_no_more() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let reader = Program::of(&stage, "acme", "reader", READ).await;
    assert_eq!(reader.get(&dispute_ref).await.unwrap().dispute_status(), DisputeStatus::Opened);
    for refused in [
        reader.accept(&dispute_ref).await.unwrap_err(),
        reader.defend(defence(&dispute_ref)).await.unwrap_err(),
        reader.submit_evidence(&dispute_ref, vec![super::words("x")]).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("disputes:write"), "{refused}");
    }
    let writer = Program::of(&stage, "acme", "writer", &[Scope::DisputesWrite]).await;
    let refused = writer.get(&dispute_ref).await.unwrap_err();
    assert!(
        refused.code() == Code::PermissionDenied && refused.message().contains("disputes:read"),
        "{refused}"
    );
    assert_eq!(count(&stage, ORDERS).await, 0);
}

#[tokio::test]
async fn a_key_that_comes_too_often_is_told_when_to_come_again() {
    let stage = stage("[api]\ncalls_per_minute = 1\ncalls_at_once = 2\n").await;
    let hasty = Program::of(&stage, "acme", "hasty", READ).await;
    for _ in 0..2 {
        assert_eq!(hasty.get("dp_nobody").await.unwrap_err().code(), Code::NotFound);
    }
    let refused = hasty.get("dp_nobody").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let after = refused.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    assert!((1..=60_001).contains(&after.parse::<u64>().unwrap()), "{after}");
    let other = Program::of(&stage, "acme", "other", READ).await;
    assert_eq!(other.get("dp_nobody").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn another_merchant_s_dispute_is_none_and_so_is_one_at_another_connector() {
    let mut stage = stage("").await;
    let ours = stage.open(fraud(STRIPE, hours(96))).await;
    let theirs = stage.open(fraud(RAZORPAY, hours(96))).await;
    let their_id = stage.line(&theirs).await.dispute_id.to_string();
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let nobody = program.get("dp_nobody").await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound);
    let elsewhere = program.with("x-connector", "razorpay");
    let mut told = vec![elsewhere.get(&ours).await.unwrap_err(), elsewhere.accept(&ours).await.unwrap_err()];
    for id in [&theirs, &their_id, &"x".repeat(300), &"a\u{7}b".to_owned()] {
        told.push(program.get(id).await.unwrap_err());
        told.push(program.accept(id).await.unwrap_err());
        told.push(program.defend(defence(id)).await.unwrap_err());
        told.push(program.submit_evidence(id, vec![super::words("x")]).await.unwrap_err());
    }
    for status in told {
        assert_eq!((status.code(), status.message()), (Code::NotFound, nobody.message()));
    }
    // A merchant that is named is the key's.
    assert!(program.with("x-merchant-id", "acme").get(&ours).await.is_ok());
    for merchant in ["bazaar", "nobody", ""] {
        for id in [&ours, &theirs] {
            let refused = program.with("x-merchant-id", merchant).accept(id).await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
            assert!(
                refused.message().contains("`acme`") && !refused.message().contains("bazaar"),
                "{refused}"
            );
        }
    }
    let both = program.with("x-merchant-id", "acme").with("x-merchant-id", "bazaar");
    assert_eq!(both.get(&ours).await.unwrap_err().code(), Code::PermissionDenied);
    stage.settle().await;
    assert!(stage.control.ledger().is_empty());
    assert_eq!(count(&stage, ORDERS).await, 0);
}

#[tokio::test]
async fn an_id_that_two_of_ones_accounts_have_names_both_and_our_id_tells_them_apart() {
    let second = r#"
[[merchant]]
name = "acme"
rules = "rules.toml"
[[merchant]]
name = "bazaar"
rules = "rules.toml"
[[account]]
merchant = "acme"
provider = "razorpay"
name = "acme-in"
webhook_secrets = ["file:sealing-key"]
credentials = { key_id = "file:sealing-key", key_secret = "file:sealing-key" }
"#;
    let mut stage = stage(second).await;
    let one = stage.open(fraud(STRIPE, hours(96))).await;
    let two = stage.open(fraud(STRIPE, hours(96))).await;
    let ids = [stage.line(&one).await.dispute_id, stage.line(&two).await.dispute_id];
    sqlx::query(
        "update disputes set dispute_ref = $1, account_id = (select account_id from accounts where name = 'acme-in')
         where dispute_ref = $2",
    )
    .bind(&one)
    .bind(&two)
    .execute(&stage.db.pool)
    .await
    .unwrap();
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let refused = program.accept(&one).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for part in [&ids[0].to_string(), &ids[1].to_string(), "acme-in", "`dispute_id`"] {
        assert!(refused.message().contains(part), "{refused}");
    }
    for (connector, id) in [("stripe", ids[0]), ("razorpay", ids[1])] {
        let told = program.with("x-connector", connector).get(&one).await.unwrap();
        assert!(told.dispute_message().contains(&id.to_string()), "{told:?}");
    }
    assert!(program.get(&ids[1].to_string()).await.unwrap().dispute_message().contains("acme-in"));
    assert_eq!(count(&stage, ORDERS).await, 0);
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_before_anything_is_done() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let payment = DisputeServiceDefendRequest {
        connector_transaction_id: "pi_of_another".into(),
        ..defence(&dispute_ref)
    };
    let refused = program.defend(payment).await.unwrap_err();
    assert!(refused.message().contains("connector_transaction_id"), "{refused}");
    let two = DisputeServiceGetRequest {
        connector_dispute_id: dispute_ref.clone(),
        dispute_id: Some("dp_other".into()),
        ..Default::default()
    };
    let contradicting = program.call::<_, super::types::DisputeResponse>("Get", two).await.unwrap_err();
    let connectors =
        program.with("x-connector", "stripe").with("x-connector-config", r#"{"config":{"Adyen":{}}}"#);
    for refused in [
        refused,
        contradicting,
        connectors.accept(&dispute_ref).await.unwrap_err(),
        program.with("x-connector", "a b").accept(&dispute_ref).await.unwrap_err(),
        program.with("idempotency-key", "").accept(&dispute_ref).await.unwrap_err(),
        program.with("grpc-timeout", "soon").accept(&dispute_ref).await.unwrap_err(),
        program.accept("").await.unwrap_err(),
        program.submit_evidence(&dispute_ref, vec![]).await.unwrap_err(),
        program
            .submit_evidence(
                &dispute_ref,
                vec![super::types::EvidenceDocument { evidence_type: 42, ..super::slip() }],
            )
            .await
            .unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(count(&stage, ORDERS).await, 0);
    assert_eq!(count(&stage, "select count(*) from evidence").await, 0);
}

#[tokio::test]
async fn programs_that_spoke_to_a_go_between_may_call_the_merchant_what_it_is_called_there() {
    let account = |merchant: &str, there: &str| {
        format!(
            "[[account]]\nmerchant = \"{merchant}\"\nprovider = \"prism\"\nname = \"{merchant}-prism\"\n\
             webhook_secrets = [\"file:sealing-key\"]\ncredentials = {{ api_key = \"file:sealing-key\" }}\n\
             settings = {{ connector = \"adyen\"{there} }}\n"
        )
    };
    let merchant = |name: &str| format!("[[merchant]]\nname = \"{name}\"\nrules = \"rules.toml\"\n");
    let more = [
        merchant("acme"),
        merchant("bazaar"),
        account("acme", ", prism_merchant = \"merchant_1712\""),
        account("bazaar", ", prism_merchant = \"merchant_1713\""),
    ];
    let mut stage = stage(&more.concat()).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    for (names, code) in [
        (&["merchant_1712"][..], None),
        (&["merchant_1712", "acme"], None),
        (&["merchant_1713"], Some(Code::PermissionDenied)),
        (&["acme", "merchant_1713"], Some(Code::PermissionDenied)),
        (&["MERCHANT_1712"], Some(Code::PermissionDenied)),
        (&[""], Some(Code::PermissionDenied)),
    ] {
        let named = names.iter().fold(program.clone(), |program, name| program.with("x-merchant-id", name));
        let told = named.get(&dispute_ref).await;
        assert_eq!(told.as_ref().err().map(tonic::Status::code), code, "{names:?}: {told:?}");
    }
    // The name is the merchant's and opens nothing: another merchant's key finds nothing under it.
    let other = Program::of(&stage, "bazaar", "till", ALL).await;
    let refused = other.with("x-merchant-id", "merchant_1712").get(&dispute_ref).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let nobody = other.with("x-merchant-id", "merchant_1713").get(&dispute_ref).await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound);
}
