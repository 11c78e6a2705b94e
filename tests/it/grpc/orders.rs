//! Orders that are given twice, too late, in vain, or while something is in the way: carried out once, and told as
//! they are.

use std::time::Duration;

use futures_util::future::join_all;
use respondby::engine::Command;
use respondby::grpc::proto::types::{DisputeServiceDefendRequest, DisputeStatus};
use respondby::sandbox::Change;
use respondby::store::rulesets;
use respondby::store::turn::set_kill_switch;
use tonic::Code;

use super::{ALL, Program, count, defence, meanwhile, slip, stage, unified, words};
use crate::engine::stage::{STRIPE, fraud, hours};

const ORDERS: &str = "select count(*) from api_orders";
/// Long enough for nothing to depend on it.
const PATIENT: Duration = Duration::from_secs(60);
/// tonic gives up by itself at its deadline: the answer is to be here before, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn three_identical_defences_at_once_are_one_irreversible_call_and_one_answer() {
    let mut stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(PATIENT);
    for named in [None, Some("order-1")] {
        let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
        let of_it = |stage: &crate::engine::stage::Stage| {
            stage.control.ledger().iter().filter(|entry| entry.dispute_ref == dispute_ref).count()
        };
        program.submit_evidence(&dispute_ref, vec![words("It came.")]).await.unwrap();
        // From three connections, under both paths.
        let program = named.map_or(program.clone(), |name| program.with("idempotency-key", name));
        let programs = [program.clone(), program.at("ucs.v2.DisputeService"), program.clone()];
        let all = join_all(programs.iter().map(|program| program.defend(defence(&dispute_ref))));
        let said = meanwhile(&mut stage, all).await;
        let first = said[0].as_ref().unwrap();
        assert_eq!(first.dispute_status(), DisputeStatus::Challenged);
        for said in &said {
            assert_eq!(said.as_ref().unwrap(), first);
        }
        assert_eq!(of_it(&stage), 1);
        // And later, when the dispute has moved on, the first answer.
        stage.change(&dispute_ref, Change::Lost).await;
        let again = program.defend(defence(&dispute_ref)).await.unwrap();
        assert_eq!(&again, first);
        // The echo is the call's own.
        let other = DisputeServiceDefendRequest { merchant_dispute_id: None, ..defence(&dispute_ref) };
        assert_eq!(program.defend(other).await.unwrap().merchant_dispute_id, None);
        assert_eq!(of_it(&stage), 1);
    }
    stage.uphold().await;
}

#[tokio::test]
async fn a_name_is_of_one_order_and_a_request_s_id_is_none() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(AT_ONCE);
    let named = program.with("idempotency-key", "order-1");
    assert_eq!(named.accept(&dispute_ref).await.unwrap_err().code(), Code::DeadlineExceeded);
    let reused = named.defend(defence(&dispute_ref)).await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    assert!(reused.message().contains("idempotency-key"), "{reused}");
    let unnamed = named.with("idempotency-key", "order-2").accept(&dispute_ref).await.unwrap_err();
    assert_eq!(unnamed.code(), Code::InvalidArgument);
    // One request id for two calls is what middleware sends, and no contradiction.
    let traced = program.with("x-request-id", "trace-1").with("x-reference-id", "a");
    traced.submit_evidence(&dispute_ref, vec![words("It came.")]).await.unwrap();
    let said = meanwhile(&mut stage, traced.waiting(PATIENT).accept(&dispute_ref)).await.unwrap();
    assert_eq!(said.dispute_status(), DisputeStatus::Accepted);
    assert_eq!(stage.control.ledger().len(), 1);
}

#[tokio::test]
async fn a_deadline_that_passes_says_how_far_the_order_has_come_and_the_order_stands() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    program.submit_evidence(&dispute_ref, vec![words("It came.")]).await.unwrap();
    let hasty = program.waiting(AT_ONCE);
    for _ in 0..2 {
        let late = hasty.defend(defence(&dispute_ref)).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
        let told = late.message();
        assert!(told.contains("not carried out yet") && told.contains("stands"), "{told}");
        assert!(told.contains(&stage.line(&dispute_ref).await.dispute_id.to_string()), "{told}");
    }
    stage.settle().await;
    let said = hasty.defend(defence(&dispute_ref)).await.unwrap();
    assert_eq!(said.dispute_status(), DisputeStatus::Challenged);
    assert_eq!(stage.control.ledger().len(), 1);
    stage.uphold().await;
}

#[tokio::test]
async fn a_caller_without_a_deadline_waits_as_long_as_the_operator_lets_it() {
    let mut stage = stage("[api]\nwait_ms_max = 0\n").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let late = program.accept(&dispute_ref).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    assert!(late.message().contains("not carried out yet"), "{late}");
}

#[tokio::test]
async fn what_waits_for_a_person_is_no_success() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let acme = rulesets::merchant_id(&mut conn, "acme").await.unwrap().unwrap();
    let now = stage.clock.now();
    set_kill_switch(&mut conn, acme, true, "ana", now).await.unwrap();
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(PATIENT);
    let said = program.accept(&dispute_ref).await.unwrap();
    assert_eq!((said.dispute_status(), said.status_code), (DisputeStatus::Opened, 202));
    let (code, message) = unified(&said.error);
    assert!(code == "WAITS" && message.contains("the kill switch is on"), "{said:?}");
    set_kill_switch(&mut conn, acme, false, "ana", now).await.unwrap();
    stage.settle().await;
    let said = meanwhile(&mut stage, program.accept(&dispute_ref)).await.unwrap();
    assert_eq!((said.dispute_status(), said.error), (DisputeStatus::Accepted, None));
    assert_eq!(stage.control.ledger().len(), 1);
    stage.uphold().await;
}

#[tokio::test]
async fn a_defence_that_lacks_evidence_goes_on_when_it_comes_and_is_the_same_order_still() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(PATIENT);
    let said = program.defend(defence(&dispute_ref)).await.unwrap();
    assert!(unified(&said.error).1.contains("there is no evidence to send"), "{said:?}");
    program.submit_evidence(&dispute_ref, vec![slip()]).await.unwrap();
    // The file is on its way: nobody is told that a person is needed.
    let said = meanwhile(&mut stage, program.defend(defence(&dispute_ref))).await.unwrap();
    assert_eq!((said.dispute_status(), &said.error), (DisputeStatus::Challenged, &None));
    // Evidence that comes too late does not make it another order.
    let late = program.submit_evidence(&dispute_ref, vec![words("Late.")]).await.unwrap();
    assert_eq!((unified(&late.error).0, late.status_code), ("REFUSED", 409));
    assert_eq!(program.defend(defence(&dispute_ref)).await.unwrap(), said);
    assert_eq!(stage.control.ledger().len(), 1);
    stage.uphold().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_an_error_in_the_answer_and_changes_nothing() {
    let mut stage = stage("").await;
    let closed = stage.open(fraud(STRIPE, hours(96))).await;
    stage.change(&closed, Change::AcceptedElsewhere).await;
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(PATIENT);
    let said = program.defend(defence(&closed)).await.unwrap();
    let (code, message) = unified(&said.error);
    assert!(code == "REFUSED" && message.contains("no open cycle"), "{said:?}");
    assert_eq!((said.status_code, said.dispute_status()), (409, DisputeStatus::Lost));
    assert_eq!(said.merchant_dispute_id.as_deref(), Some("dispute_001"));
    let late = program.submit_evidence(&closed, vec![words("Late.")]).await.unwrap();
    let (code, message) = unified(&late.error);
    assert!(code == "REFUSED" && message.contains("no response is owed any more"), "{late:?}");
    assert_eq!((late.status_code, late.dispute_status()), (409, DisputeStatus::Lost));
    assert_eq!(count(&stage, "select count(*) from evidence").await, 0, "and it is not kept");
    assert!(stage.control.ledger().iter().all(|entry| entry.dispute_ref != closed), "{late:?}");

    let held = stage.open(fraud(STRIPE, hours(96))).await;
    let hasty = program.waiting(AT_ONCE).with("idempotency-key", "held");
    assert_eq!(hasty.accept(&held).await.unwrap_err().code(), Code::DeadlineExceeded);
    stage.order(&held, "ana", Command::Hold { why: "wait".into() }).await;
    let said = hasty.accept(&held).await.unwrap();
    let (code, message) = unified(&said.error);
    assert!(code == "OVERTAKEN" && message.contains("ana ordered otherwise"), "{said:?}");
    stage.uphold().await;
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_in_its_own_words_beside_ours() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(PATIENT);
    let receipt = super::types::EvidenceDocument {
        evidence_type: super::types::EvidenceType::Receipt.into(),
        provider_file_id: Some("file_nobody_has".into()),
        ..Default::default()
    };
    program.submit_evidence(&dispute_ref, vec![receipt]).await.unwrap();
    let said = meanwhile(&mut stage, program.defend(defence(&dispute_ref))).await.unwrap();
    assert_eq!((said.dispute_status(), said.status_code), (DisputeStatus::Opened, 422));
    assert_eq!(unified(&said.error).0, "PROVIDER_REFUSED");
    let theirs = said.error.as_ref().unwrap().connector_details.as_ref().unwrap();
    assert!(theirs.message().contains("file_nobody_has"), "{said:?}");
}

#[tokio::test]
async fn whoever_waits_when_the_engine_stops_is_told_so() {
    let mut stage = stage("").await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await.waiting(PATIENT);
    let waiting = tokio::spawn({
        let (program, dispute_ref) = (program.clone(), dispute_ref.clone());
        async move { program.accept(&dispute_ref).await }
    });
    while count(&stage, ORDERS).await == 0 {
        tokio::task::yield_now().await;
    }
    stage.engine.stop().await.unwrap();
    let told = waiting.await.unwrap().unwrap_err();
    assert_eq!(told.code(), Code::Unavailable);
    assert!(told.message().contains("this server stops"), "{told}");
}
