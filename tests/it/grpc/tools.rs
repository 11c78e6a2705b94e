//! What tools and operators need beside the calls: reflection in both versions, health, TLS, request ids, metrics.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use respondby::grpc::proto::types::DisputeStatus;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_reflection::pb::v1alpha;

use super::{Program, READ, address, stage};
use crate::engine::stage::{STRIPE, Stage, fraud, hours};

async fn reflected(stage: &Stage, asked: MessageRequest) -> MessageResponse {
    let mut client = ServerReflectionClient::new(Program::stranger(stage).channel);
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let asked = futures_util::stream::iter([request]);
    let mut told = client.server_reflection_info(asked).await.unwrap().into_inner();
    let ServerReflectionResponse { message_response, .. } = told.message().await.unwrap().unwrap();
    message_response.unwrap()
}

#[tokio::test]
async fn reflection_tells_both_services_and_how_their_answers_are_spelled() {
    let stage = stage("").await;
    let MessageResponse::ListServicesResponse(all) =
        reflected(&stage, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list of services")
    };
    let names: Vec<&str> = all.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["types.DisputeService", "ucs.v2.DisputeService", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for symbol in ["types.DisputeService", "ucs.v2.DisputeService", "types.DisputeServiceDefendResponse"] {
        let asked = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let MessageResponse::FileDescriptorResponse(file) = reflected(&stage, asked).await else {
            panic!("nothing is told of {symbol}")
        };
        assert!(!file.file_descriptor_proto.is_empty(), "{symbol}");
        let text = String::from_utf8_lossy(&file.file_descriptor_proto.concat()).into_owned();
        assert!(symbol.starts_with("ucs") || text.contains("CHALLENGED"), "{symbol}");
    }

    let mut older =
        v1alpha::server_reflection_client::ServerReflectionClient::new(Program::stranger(&stage).channel);
    let asked = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let mut told =
        older.server_reflection_info(futures_util::stream::iter([request])).await.unwrap().into_inner();
    assert!(told.message().await.unwrap().is_some());
}

async fn health(stage: &Stage, service: &str) -> Result<HealthCheckResponse, tonic::Status> {
    let mut client = HealthClient::new(Program::stranger(stage).channel);
    let asked = HealthCheckRequest { service: service.to_owned() };
    client.check(asked).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn health_is_told_to_everybody_and_ends_before_the_engine_does() {
    let stage = stage("").await;
    for service in ["", "types.DisputeService", "ucs.v2.DisputeService"] {
        // Looked at as soon as the engine listens, but not before.
        while health(&stage, service).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(health(&stage, service).await.unwrap().status(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(health(&stage, "types.PaymentService").await.unwrap_err().code(), Code::NotFound);
    let mut client = HealthClient::new(Program::stranger(&stage).channel);
    let asked = HealthCheckRequest { service: String::new() };
    let mut watched = client.watch(asked).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let watching = tokio::spawn(async move { watched.message().await });
    stage.engine.stop().await.unwrap();
    let told = watching.await.unwrap().unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn a_call_that_there_is_not_is_named_as_such() {
    let stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", READ).await;
    for (service, method) in [
        ("types.DisputeService", "Transform"),
        ("types.DisputeService", "defend"),
        ("types.PaymentService", "Get"),
        ("ucs.v2.PaymentService", "Get"),
    ] {
        let asked = super::types::DisputeServiceGetRequest::default();
        let refused = program.at(service).call::<_, super::types::DisputeResponse>(method, asked).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unimplemented, "{service}/{method}");
    }
}

#[tokio::test]
async fn a_request_s_id_comes_back_and_one_without_gets_one() {
    let stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", READ).await.with("x-request-id", "trace-1");
    let refused = program.get("dp_nobody").await.unwrap_err();
    assert_eq!(refused.metadata().get("x-request-id").unwrap(), "trace-1");
    let refused = Program::stranger(&stage).get("dp_nobody").await.unwrap_err();
    assert_eq!(refused.metadata().get("x-request-id").unwrap().len(), 36);
}

/// Writes a certificate for `localhost` and its key there, and returns that of the authority that signed it.
fn certified(folder: &Path) -> String {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    authority.pem()
}

#[tokio::test]
async fn with_a_certificate_calls_are_encrypted_and_nothing_else_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certified(folder.path());
    let lines = format!(
        "tls_certificate = \"{0}/certificate.pem\"\ntls_key = \"file:{0}/key.pem\"\n",
        folder.path().display()
    );
    let mut stage = stage(&lines).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let plain = Program::of(&stage, "acme", "till", READ).await;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address(&stage).port())).unwrap();
    let trusting = endpoint.clone().tls_config(tls.domain_name("localhost")).unwrap();
    let program = Program { channel: trusting.connect().await.unwrap(), ..plain.clone() };
    assert_eq!(program.get(&dispute_ref).await.unwrap().dispute_status(), DisputeStatus::Opened);
    assert!(plain.get(&dispute_ref).await.is_err(), "nothing is said in the clear");
    let strange = endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).unwrap();
    assert!(strange.connect().await.is_err(), "nobody vouches for it");
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let stage = stage("").await;
    let program = Program::of(&stage, "acme", "till", READ).await;
    program.get("dp_nobody").await.unwrap_err();
    health(&stage, "nobody").await.unwrap_err();
    let metrics = stage.engine.metrics.render();
    for line in [
        "respondby_grpc_calls_total{method=\"Get\",code=\"NOT_FOUND\"}",
        "respondby_grpc_calls_total{method=\"other\",code=\"NOT_FOUND\"}",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}
