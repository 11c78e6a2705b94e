//! The Adyen stand-in, operation by operation and refusal by refusal, over HTTP.
//! Expectations are those of the provider sheet; no adapter of the engine takes part.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

const SERVICE: &str = "/ca/services/DisputeService/v30";

fn open() -> NewDispute {
    NewDispute { amount: Some(4_900), ..NewDispute::adyen() }
}

impl Bench {
    async fn adyen(&self, operation: &str, body: Value) -> Got {
        self.adyen_as(ADYEN_KEY, operation, body).await
    }

    async fn adyen_as(&self, key: &str, operation: &str, body: Value) -> Got {
        let url = format!("{}{SERVICE}/{operation}", self.sandbox.url(ProviderKind::Adyen));
        got(self.client.post(url).header("x-api-key", key).json(&body)).await
    }

    async fn adyen_on(&self, operation: &str, id: &str, more: Value) -> Got {
        let mut body = json!({ "disputePspReference": id, "merchantAccountCode": "BenchMerchant" });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.adyen(operation, body).await
    }

    async fn adyen_supply(&self, id: &str, kind: &str, media_type: &str, content: &[u8]) -> Got {
        let document = json!({
            "defenseDocumentTypeCode": kind,
            "contentType": media_type,
            "content": STANDARD.encode(content),
        });
        self.adyen_on("supplyDefenseDocument", id, json!({ "defenseDocuments": [document] })).await
    }

    async fn adyen_defend(&self, id: &str, code: &str) -> Got {
        self.adyen_on("defendDispute", id, json!({ "defenseReasonCode": code })).await
    }

    /// Event code and status of each webhook that arrived since the last look.
    async fn told(&self) -> Vec<(String, String)> {
        let items = self.delivered().await.into_iter().map(|received| {
            let item = received.json()["notificationItems"][0]["NotificationRequestItem"].clone();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&item["eventCode"]), text(&item["additionalData"]["disputeStatus"]))
        });
        items.collect()
    }
}

/// The key is hex, the signature base64.
fn hmac_base64(key: &str, text: &str) -> String {
    let key = hex::decode(key).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn is_done(got: &Got) -> bool {
    got.status == 200 && got.body["disputeServiceResult"]["success"] == true
}

fn why_not(got: &Got) -> &str {
    assert_eq!(
        (got.status, &got.body["disputeServiceResult"]["success"]),
        (200, &json!(false)),
        "{}",
        got.body
    );
    got.body["disputeServiceResult"]["errorMessage"].as_str().unwrap()
}

#[tokio::test]
async fn a_dispute_is_defended_with_the_documents_that_its_reason_needs_and_won() {
    let bench = Bench::new().await;
    let id = bench.create(open().then("won", 3600));
    assert_eq!(bench.told().await, [("NOTIFICATION_OF_CHARGEBACK".into(), "Undefended".into())]);
    let reasons = bench.adyen_on("retrieveApplicableDefenseReasons", &id, json!({})).await;
    let reason = &reasons.body["defenseReasons"][0];
    assert_eq!(
        (&reason["defenseReasonCode"], &reason["satisfied"]),
        (&json!("SupplyDefenseMaterial"), &json!(false))
    );
    assert_eq!(
        why_not(&bench.adyen_defend(&id, "SupplyDefenseMaterial").await),
        "Required defense document DefenseMaterial is missing"
    );
    assert!(is_done(&bench.adyen_supply(&id, "DefenseMaterial", "application/pdf", PDF).await));
    let reasons = bench.adyen_on("retrieveApplicableDefenseReasons", &id, json!({})).await;
    let reason = &reasons.body["defenseReasons"][0];
    assert_eq!(
        (&reason["satisfied"], &reason["defenseDocumentTypes"][0]["available"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        why_not(&bench.adyen_defend(&id, "GoodsNotReturned").await),
        "The defense reason code is not applicable"
    );
    assert!(is_done(&bench.adyen_defend(&id, "SupplyDefenseMaterial").await));
    assert_eq!(bench.status(&id), "Pending");
    assert_eq!(
        why_not(&bench.adyen_defend(&id, "SupplyDefenseMaterial").await),
        "The dispute is defended already"
    );
    bench.advance(TimeDelta::hours(1));
    let told = bench.told().await;
    assert_eq!(
        told,
        [
            ("INFORMATION_SUPPLIED".into(), "Undefended".into()),
            ("INFORMATION_SUPPLIED".into(), "Pending".into()),
            ("CHARGEBACK_REVERSED".into(), "Won".into())
        ]
    );
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
}

#[tokio::test]
async fn funds_are_taken_a_while_after_the_notification_and_the_word_is_that_of_the_moment() {
    let bench = Bench::new().await;
    let (open_one, accepted) = (bench.create(open()), bench.create(open()));
    bench.told().await;
    assert!(is_done(&bench.adyen_on("acceptDispute", &accepted, json!({})).await));
    assert_eq!(bench.status(&accepted), "Accepted");
    assert_eq!(bench.told().await, [("DISPUTE_DEFENSE_PERIOD_ENDED".into(), "Accepted".into())]);
    bench.advance(TimeDelta::hours(6));
    let told = bench.told().await;
    assert_eq!(told, [("CHARGEBACK".into(), "Undefended".into()), ("CHARGEBACK".into(), "Accepted".into())]);
    assert_eq!(bench.status(&open_one), "Undefended");
}

#[tokio::test]
async fn nobody_answered_and_it_is_lost_or_expires() {
    let bench = Bench::new().await;
    let chargeback = bench.create(open());
    let inquiry = bench.create(NewDispute { phase: Some("request_for_information".into()), ..open() });
    assert_eq!(bench.status(&inquiry), "Unresponded");
    let refused = bench.adyen_on("acceptDispute", &inquiry, json!({})).await;
    assert_eq!(why_not(&refused), "A request for information cannot be accepted");
    bench.told().await;
    bench.advance(TimeDelta::days(19));
    let mut told = bench.told().await;
    told.retain(|(code, _)| code == "DISPUTE_DEFENSE_PERIOD_ENDED");
    let ended = |word: &str| ("DISPUTE_DEFENSE_PERIOD_ENDED".to_owned(), word.to_owned());
    assert_eq!(told, [ended("Lost"), ended("Expired")]);
    assert_eq!((bench.status(&chargeback), bench.status(&inquiry)), ("Lost".into(), "Expired".into()));
    assert_eq!(
        why_not(&bench.adyen_supply(&chargeback, "DefenseMaterial", "application/pdf", PDF).await),
        "The dispute is closed"
    );
}

#[tokio::test]
async fn a_lost_defence_goes_on_through_pre_arbitration_to_arbitration() {
    let bench = Bench::new().await;
    let id = bench.create(open().then("lost", 60));
    bench.adyen_supply(&id, "DefenseMaterial", "image/png", PDF).await;
    assert!(is_done(&bench.adyen_defend(&id, "SupplyDefenseMaterial").await));
    bench.advance(TimeDelta::minutes(2));
    bench.told().await;
    assert_eq!(bench.status(&id), "Lost");
    let escalate = |phase: &str| Change::Escalate { due_by: None, phase: Some(phase.to_owned()) };
    bench.control.change(&id, &escalate("pre_arbitration")).unwrap();
    assert_eq!((bench.status(&id), bench.control.dispute(&id).unwrap().round), ("Undefended".into(), 2));
    assert!(is_done(&bench.adyen_supply(&id, "DefenseMaterial", "image/png", PDF).await));
    assert!(is_done(&bench.adyen_defend(&id, "SupplyDefenseMaterial").await));
    bench.control.change(&id, &escalate("arbitration")).unwrap();
    bench.control.change(&id, &Change::Won { amount_deducted: 0 }).unwrap();
    let codes: Vec<String> = bench.told().await.into_iter().map(|(code, _)| code).collect();
    assert_eq!(
        codes,
        [
            "PREARBITRATION_OPEN",
            "INFORMATION_SUPPLIED",
            "INFORMATION_SUPPLIED",
            "SCHEME_ARBITRATION",
            "SCHEME_ARBITRATION_WON"
        ]
    );
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
}

#[tokio::test]
async fn requests_that_cannot_be_read_get_a_status_of_their_own() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let named = json!({ "disputePspReference": id, "merchantAccountCode": "BenchMerchant" });
    let foreign = json!({ "disputePspReference": id, "merchantAccountCode": "Other" });
    let rows = [
        ("wrong", "acceptDispute", named.clone(), 401, "000"),
        (ADYEN_KEY, "acceptDispute", foreign, 403, "901"),
        (ADYEN_KEY, "acceptDispute", json!({ "disputePspReference": id }), 422, "100"),
        (ADYEN_KEY, "acceptDispute", json!({ "merchantAccountCode": "BenchMerchant" }), 422, "100"),
        (ADYEN_KEY, "acceptDispute", json!([]), 400, "702"),
        (
            ADYEN_KEY,
            "acceptDispute",
            json!({ "disputePspReference": 7, "merchantAccountCode": "B" }),
            400,
            "702",
        ),
        (ADYEN_KEY, "defendDispute", named.clone(), 422, "100"),
        (ADYEN_KEY, "supplyDefenseDocument", named.clone(), 422, "100"),
        (ADYEN_KEY, "readDispute", named, 404, "000"),
    ];
    for (key, operation, body, status, code) in rows {
        let got = bench.adyen_as(key, operation, body.clone()).await;
        let told = (got.status, &got.body["errorCode"], &got.body["status"]);
        assert_eq!(told, (status, &json!(code), &json!(status)), "{operation} {body}");
        assert!(got.body["message"].is_string() && got.body["errorType"].is_string());
    }
    let unknown = bench.adyen_on("acceptDispute", "ABCDEFGH12345678", json!({})).await;
    assert_eq!(why_not(&unknown), "Dispute not found");
    assert_eq!(bench.status(&id), "Undefended");
}

#[tokio::test]
async fn documents_are_held_against_their_types_and_limits_and_can_be_taken_back() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute { network: Some("mc".into()), ..open() });
    let rows: [(&str, &str, usize, &str); 5] = [
        ("Picture", "image/png", 9, "The defense document type is not one of this dispute's"),
        ("TIDorInvoice", "text/plain", 9, "The content type of the defense document is not supported"),
        ("TIDorInvoice", "application/pdf", 2_000_001, "The defense document is too large"),
        ("TIDorInvoice", "image/jpeg", 10_000_001, "The defense document is too large"),
        ("GoodsNotReturned", "application/pdf", 2_000_000, ""),
    ];
    for (kind, media_type, size, why) in rows {
        let got = bench.adyen_supply(&id, kind, media_type, &vec![7; size]).await;
        match why {
            "" => assert!(is_done(&got), "{}", got.body),
            why => assert_eq!(why_not(&got), why),
        }
    }
    assert_eq!(
        bench.control.dispute(&id).unwrap().record["documents"],
        json!({ "GoodsNotReturned": 2_000_000 })
    );
    let kind = json!({ "defenseDocumentType": "GoodsNotReturned" });
    assert!(is_done(&bench.adyen_on("deleteDisputeDefenseDocument", &id, kind.clone()).await));
    assert_eq!(
        why_not(&bench.adyen_on("deleteDisputeDefenseDocument", &id, kind).await),
        "Defense document not found"
    );
    let codes: Vec<String> = bench.told().await.into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["NOTIFICATION_OF_CHARGEBACK", "INFORMATION_SUPPLIED"], "only what was taken is told");
}

#[tokio::test]
async fn webhooks_are_signed_item_by_item_and_come_with_the_password() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute { charge: Some("order:7".into()), ..open() });
    let received = bench.delivered().await.remove(0);
    assert_eq!(
        received.header("authorization"),
        format!("Basic {}", STANDARD.encode("sandbox:sandbox_webhook_password"))
    );
    let body = received.json();
    assert_eq!(body["live"], "true");
    let item = &body["notificationItems"][0]["NotificationRequestItem"];
    assert_eq!((&item["pspReference"], &item["success"]), (&json!(id), &json!("true")));
    let payment = item["originalReference"].as_str().unwrap();
    let signed = format!("{id}:{payment}:BenchMerchant:order:7:4900:EUR:NOTIFICATION_OF_CHARGEBACK:true");
    assert_eq!(item["additionalData"]["hmacSignature"], hmac_base64(ADYEN_SECRET, &signed));
    assert_eq!(
        item["additionalData"]["chargebackReasonCode"], " 13.1",
        "with the blank of the official samples"
    );
    assert_eq!(item["additionalData"]["defensePeriodEndsAt"], "2026-03-20T12:00:00+02:00");
}

/// Adyen's units differ from ISO's for four currencies; orders and views count in ISO's.
#[tokio::test]
async fn amounts_are_told_in_the_units_that_adyen_counts_in() {
    let bench = Bench::new().await;
    for (code, minor, value) in
        [("CLP", 4_900, 490_000), ("ISK", 4_900, 490_000), ("IDR", 490_000, 4_900), ("CVE", 490_000, 4_900)]
    {
        let order = NewDispute { currency: Some(code.to_owned()), amount: Some(minor), ..open() };
        let id = bench.create(order);
        let item =
            bench.delivered().await.remove(0).json()["notificationItems"][0]["NotificationRequestItem"]
                .clone();
        assert_eq!(item["amount"], json!({ "currency": code, "value": value }));
        let view = bench.control.dispute(&id).unwrap();
        assert_eq!((view.amount_minor, &view.record["amount"]["value"]), (minor, &json!(value)));
    }
    let part = NewDispute { currency: Some("IDR".to_owned()), amount: Some(4_950), ..open() };
    let told = bench.control.create(&part).unwrap_err().to_string();
    assert!(told.contains("4950") && told.contains("IDR"), "{told}");
}

#[tokio::test]
async fn a_warning_of_fraud_and_a_payment_without_a_status_are_told_so() {
    let bench = Bench::new().await;
    let order = NewWarning {
        provider: ProviderKind::Adyen,
        account: None,
        charge: None,
        payment: Some("PAYMENT000000001".into()),
        fraud_type: Some("4".into()),
        actionable: None,
        livemode: true,
    };
    bench.control.warn(&order).unwrap();
    bench.create(NewDispute { extra: [("status_told".to_owned(), json!(false))].into(), ..open() });
    let none = String::new();
    let wanted =
        [("NOTIFICATION_OF_FRAUD".to_owned(), none.clone()), ("NOTIFICATION_OF_CHARGEBACK".to_owned(), none)];
    assert_eq!(bench.told().await, wanted);
}

#[tokio::test]
async fn a_defence_that_takes_effect_and_is_not_answered_is_in_the_ledger() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    bench.adyen_supply(&id, "DefenseMaterial", "application/pdf", PDF).await;
    let trouble = Trouble::ServerErrorAfterEffect;
    bench.control.add_api_fault(ApiFault::once(ProviderKind::Adyen, Operation::DisputeSubmit, trouble));
    let got = bench.adyen_defend(&id, "SupplyDefenseMaterial").await;
    assert_eq!((got.status, &got.body["errorCode"]), (500, &json!("905")));
    assert_eq!(bench.status(&id), "Pending");
    assert_eq!(bench.control.ledger()[0].result, LedgerResult::Effective);
}
