//! A dispute's whole life as the documents tell it: evidence, the defence, how it stands. Each call under both paths.

use respondby::grpc::proto::types::dispute_service_client::DisputeServiceClient;
use respondby::grpc::proto::types::{
    Currency, DisputeServiceAcceptRequest, DisputeServiceGetRequest, DisputeServiceSubmitEvidenceRequest,
    DisputeStage, DisputeStatus, EvidenceType,
};
use respondby::grpc::proto::ucs;
use respondby::sandbox::{Change, ProviderKind};

use super::{ALL, LISTEN, Program, defence, meanwhile, slip, stage, words};
use crate::engine::stage::{RAZORPAY, STRIPE, Setup, Stage, fraud, hours, merchant_of, not_received};

const CONFIG: &str = r#"{"config":{"Stripe":{"api_key":"sk_of_the_caller"}}}"#;
const AUTH: &str = r#"{"Stripe":{"api_key":"sk_of_the_caller"}}"#;

#[tokio::test]
async fn both_documents_examples_are_answered_as_they_print_it_once_the_record_shows_the_defence() {
    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await.with("x-connector", "stripe");
    let today = program.with("x-connector-config", CONFIG);
    let before = program.with("x-connector-auth", AUTH).at("ucs.v2.DisputeService");
    for program in [today, before] {
        let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
        program.submit_evidence(&dispute_ref, vec![words("It was signed for.")]).await.unwrap();
        let sent_before = stage.control.ledger().len();
        let payment = stage.line(&dispute_ref).await.payment_ref.unwrap();
        let request = super::types::DisputeServiceDefendRequest {
            connector_transaction_id: payment,
            ..defence(&dispute_ref)
        };
        let said = meanwhile(&mut stage, program.defend(request.clone())).await.unwrap();
        assert_eq!(
            (said.dispute_id.as_str(), said.dispute_status()),
            (&*dispute_ref, DisputeStatus::Challenged)
        );
        assert_eq!((said.status_code, &said.error), (200, &None));
        assert_eq!(said.merchant_dispute_id.as_deref(), Some("dispute_001"));
        assert_eq!(said.raw_connector_request, None, "it would hold a key");
        let record = stage.theirs(&dispute_ref).record.to_string();
        assert!(record.contains("It was signed for."), "{record}");
        assert_eq!(stage.control.ledger().len(), sent_before + 1);

        assert_eq!(program.get(&dispute_ref).await.unwrap().dispute_status(), DisputeStatus::Challenged);
        stage.change(&dispute_ref, Change::Won { amount_deducted: 0 }).await;
        assert_eq!(program.get(&dispute_ref).await.unwrap().dispute_status(), DisputeStatus::Won);
        // Said again, it is answered as it was.
        assert_eq!(program.defend(request).await.unwrap(), said);
        assert_eq!(stage.control.ledger().len(), sent_before + 1);
    }
    stage.uphold().await;
}

#[tokio::test]
async fn every_call_has_a_client_of_its_own_under_both_paths() {
    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let (one, two) = (stage.open(fraud(STRIPE, hours(96))).await, stage.open(fraud(STRIPE, hours(96))).await);
    let mut today = DisputeServiceClient::new(program.channel.clone());
    let mut before = ucs::v2::dispute_service_client::DisputeServiceClient::new(program.channel.clone());
    let evidence = |dispute_id: &str| DisputeServiceSubmitEvidenceRequest {
        dispute_id: dispute_id.into(),
        evidence_documents: vec![words("It came.")],
        ..Default::default()
    };
    let kept = today.submit_evidence(program.request(evidence(&one))).await.unwrap().into_inner();
    let also = before.submit_evidence(program.request(evidence(&two))).await.unwrap().into_inner();
    assert_eq!(kept.submitted_evidence_ids, ["uncategorized_text/1"]);
    assert_eq!(kept.submitted_evidence_ids, also.submitted_evidence_ids);
    assert_eq!((kept.dispute_status(), kept.status_code), (DisputeStatus::Opened, 200));
    let get = |id: &str| DisputeServiceGetRequest { connector_dispute_id: id.into(), ..Default::default() };
    let (a, b) = (today.get(program.request(get(&one))).await, before.get(program.request(get(&two))).await);
    assert_eq!(a.unwrap().get_ref().connector_dispute_id.as_deref(), Some(&*one));
    assert_eq!(b.unwrap().get_ref().connector_dispute_id.as_deref(), Some(&*two));
    let accept = |id: &str| DisputeServiceAcceptRequest { dispute_id: id.into(), ..Default::default() };
    let both = async {
        tokio::join!(
            today.accept(program.request(accept(&one))),
            before.defend(program.request(defence(&two)))
        )
    };
    let (accepted, defended) = meanwhile(&mut stage, both).await;
    assert_eq!(accepted.unwrap().get_ref().dispute_status(), DisputeStatus::Accepted);
    assert_eq!(defended.unwrap().get_ref().dispute_status(), DisputeStatus::Challenged);
    stage.uphold().await;
}

#[tokio::test]
async fn an_acceptance_is_accepted_and_get_tells_the_record() {
    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let dispute_ref = stage.open(not_received(STRIPE, hours(96))).await;
    let id = stage.line(&dispute_ref).await.dispute_id.to_string();
    let said = meanwhile(&mut stage, program.accept(&id)).await.unwrap();
    assert_eq!((said.dispute_id.as_str(), said.dispute_status()), (&*dispute_ref, DisputeStatus::Accepted));
    assert_eq!((said.status_code, said.error, said.merchant_dispute_id), (200, None, None));
    let told = program.get(&dispute_ref).await.unwrap();
    assert_eq!((told.dispute_status(), told.connector_status_code()), (DisputeStatus::Lost, "lost"));
    assert!(told.dispute_message().contains("the last response that was owed: accept"), "{told:?}");
    stage.uphold().await;
}

#[tokio::test]
async fn evidence_with_its_bytes_reaches_the_provider_with_the_defence() {
    let mut stage = stage("").await;
    for (provider, merchant) in [(STRIPE, "acme"), (RAZORPAY, "bazaar")] {
        let program = Program::of(&stage, merchant, "till", ALL).await;
        let program = program.with("x-connector", provider.as_str());
        let dispute_ref = stage.open(fraud(provider, hours(96))).await;
        let kept = program.submit_evidence(&dispute_ref, vec![slip()]).await.unwrap();
        assert_eq!(kept.submitted_evidence_ids, ["shipping_documentation/1"]);
        stage.settle().await;
        assert!(
            !stage.control.ledger().iter().any(|entry| entry.dispute_ref == dispute_ref),
            "nothing is sent"
        );
        let said = meanwhile(&mut stage, program.defend(defence(&dispute_ref))).await.unwrap();
        assert_eq!(said.dispute_status(), DisputeStatus::Challenged, "{said:?}");
        let told = program.get(&dispute_ref).await.unwrap();
        let [document] = told.evidence_documents.as_slice() else { panic!("{told:?}") };
        assert_eq!(document.evidence_type(), EvidenceType::ShippingDocumentation);
        assert_eq!(document.file_mime_type(), "application/pdf");
        let record = stage.theirs(&dispute_ref).record.to_string();
        assert!(record.contains(document.provider_file_id()), "{record}");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn get_tells_what_is_known_and_says_nothing_it_does_not_know() {
    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let line = stage.line(&dispute_ref).await;
    let request = DisputeServiceGetRequest {
        merchant_dispute_id: Some("dispute_001".into()),
        dispute_id: Some(line.dispute_id.to_string()),
        connector_dispute_id: dispute_ref.clone(),
    };
    let told: super::types::DisputeResponse = program.call("Get", request).await.unwrap();
    assert_eq!(told.merchant_dispute_id(), "dispute_001");
    assert_eq!(
        (told.dispute_status(), told.dispute_stage()),
        (DisputeStatus::Opened, DisputeStage::ActiveDispute)
    );
    assert_eq!(told.connector_transaction_id, line.payment_ref);
    let amount = told.dispute_amount.as_ref().unwrap();
    assert_eq!((amount.minor_amount, amount.currency()), (2_000, Currency::Usd));
    assert_eq!(told.due_date(), line.cycle.unwrap().respond_by.timestamp());
    assert_eq!(told.dispute_date(), line.opened_at.timestamp());
    assert_eq!((told.status_code, &told.error), (200, &None));
    assert_eq!((told.service_date, told.evidence_documents.len()), (None, 0));
    assert!(told.dispute_message().contains(&line.dispute_id.to_string()), "{told:?}");

    sqlx::query("update disputes set currency = 'JPY'").execute(&stage.db.pool).await.unwrap();
    let told = program.get(&dispute_ref).await.unwrap();
    let amount = told.dispute_amount.as_ref().unwrap();
    assert_eq!((amount.minor_amount, amount.currency()), (2_000, Currency::Jpy));

    // Prism has no number for it, and the words have it.
    sqlx::query("update disputes set currency = 'MXV'").execute(&stage.db.pool).await.unwrap();
    let told = program.get(&dispute_ref).await.unwrap();
    assert!(told.dispute_amount.is_none() && told.dispute_message().contains("MXV"), "{told:?}");
}

#[tokio::test]
async fn dates_come_back_as_they_were_given() {
    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let request = DisputeServiceSubmitEvidenceRequest {
        dispute_id: dispute_ref.clone(),
        service_date: Some(1_772_323_200),
        shipping_date: Some(1_772_409_600),
        ..Default::default()
    };
    let said: super::types::DisputeServiceSubmitEvidenceResponse =
        program.call("SubmitEvidence", request).await.unwrap();
    assert_eq!(said.submitted_evidence_ids, ["service_date/1", "shipping_date/1"]);
    let told = program.get(&dispute_ref).await.unwrap();
    assert_eq!((told.service_date(), told.shipping_date()), (1_772_323_200, 1_772_409_600));
}

#[tokio::test]
async fn an_account_at_a_go_between_is_found_by_whom_it_speaks_to() {
    let setup = Setup { more: LISTEN.into(), everywhere: true, ..Setup::default() };
    let mut stage = Stage::with(setup).await;
    let dispute_ref = stage.open(fraud(ProviderKind::Prism, hours(200))).await;
    let program = Program::of(&stage, merchant_of(ProviderKind::Prism), "till", ALL).await;
    for connector in ["prism", "adyen", "Adyen"] {
        let told = program.with("x-connector", connector).get(&dispute_ref).await.unwrap();
        assert_eq!(told.connector_dispute_id.as_deref(), Some(&*dispute_ref), "{connector}");
    }
    let refused = program.with("x-connector", "stripe").get(&dispute_ref).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
}
