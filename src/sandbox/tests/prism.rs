//! The stand-in of Prism, called by gRPC as its clients call it: both services, all forms of credentials, and what
//! the real server was seen to get wrong.

use bytes::{Buf, BufMut, Bytes};
use chrono::TimeDelta;
use hyper::http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha;

use super::start_of_time;
use crate::clock::Clock;
use crate::sandbox::{
    ApiFault, NewDispute, Operation, ProviderKind, Sandbox, SandboxAccount, SandboxConfig, Trouble,
};

const KEY: &str = "3C91A0F7D2E84B653C91A0F7D2E84B653C91A0F7D2E84B653C91A0F7D2E84B65";
const ADYEN: &str = r#"{"config":{"Adyen":{"api_key":"AQEpear","merchant_account":"PearMarket"}}}"#;
const CONFIG: [(&str, &str); 1] = [("x-connector-config", ADYEN)];

async fn start() -> (Sandbox, String) {
    let account = SandboxAccount::prism("pear", "AQEpear", "PearMarket", KEY);
    let config = SandboxConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        clock: Clock::frozen_at(start_of_time()),
        accounts: vec![account],
        seed: 11,
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    let order = NewDispute::prism().respond_by(start_of_time() + TimeDelta::days(9));
    let id = sandbox.control().create(&order).unwrap();
    (sandbox, id)
}

/// Field 3 and, where there is one, field 4: all that the stand-in reads of a Defend or an Accept.
#[derive(Clone, PartialEq, Message)]
struct Ask {
    #[prost(string, tag = "3")]
    dispute_id: String,
    #[prost(string, optional, tag = "4")]
    reason_code: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Evidence {
    #[prost(string, tag = "3")]
    dispute_id: String,
    #[prost(message, repeated, tag = "6")]
    documents: Vec<Document>,
}

#[derive(Clone, PartialEq, Message)]
struct Document {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", optional, tag = "2")]
    content: Option<Vec<u8>>,
    #[prost(string, optional, tag = "3")]
    media_type: Option<String>,
}

fn ask(id: &str) -> Vec<u8> {
    Ask { dispute_id: id.to_owned(), reason_code: Some("SupplyDefenseMaterial".to_owned()) }.encode_to_vec()
}

fn evidence(id: &str, documents: &[(i32, Option<&[u8]>)]) -> Vec<u8> {
    let document = |(kind, content): &(i32, Option<&[u8]>)| Document {
        kind: *kind,
        content: content.map(<[u8]>::to_vec),
        media_type: Some("application/pdf".to_owned()),
    };
    Evidence { dispute_id: id.to_owned(), documents: documents.iter().map(document).collect() }
        .encode_to_vec()
}

async fn call(
    sandbox: &Sandbox,
    path: &'static str,
    headers: &[(&'static str, &str)],
    message: Vec<u8>,
) -> Result<Bytes, Status> {
    let channel = tonic::transport::Endpoint::from_shared(sandbox.url(ProviderKind::Prism)).unwrap();
    let mut client = Grpc::new(channel.connect().await.unwrap());
    client.ready().await.unwrap();
    let mut request = Request::new(Bytes::from(message));
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let answer = client.unary(request, PathAndQuery::from_static(path), Raw).await?;
    Ok(answer.into_inner())
}

/// `{3: "…", 2: 5}` as text, to compare answers by.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn holds(answer: &[u8], part: &[u8]) -> bool {
    answer.windows(part.len()).any(|window| window == part)
}

const OK_200: [u8; 2] = [0xc8, 0x01];

#[tokio::test]
async fn documents_and_a_defence_are_taken_under_both_services() {
    for (service, evidence_path, defend_path, status_field) in [
        ("types", "/types.DisputeService/SubmitEvidence", "/types.DisputeService/Defend", 5),
        ("ucs.v2", "/ucs.v2.DisputeService/SubmitEvidence", "/ucs.v2.DisputeService/Defend", 7),
    ] {
        let (sandbox, id) = start().await;
        let sent = evidence(&id, &[(4, Some(b"%PDF-1"))]);
        let taken = call(&sandbox, evidence_path, &CONFIG, sent).await.unwrap();
        assert!(holds(&taken, &number(3, 5)), "{service}: challenged, {taken:?}");
        let taken = call(&sandbox, defend_path, &CONFIG, ask(&id)).await.unwrap();
        let expected =
            [&[0x0a, id.len() as u8], id.as_bytes(), &number(2, 5), &[status_field << 3], &OK_200].concat();
        assert_eq!(taken, expected, "{service}");
        let ledger = sandbox.control().ledger();
        assert_eq!(ledger.len(), 1, "one thing that cannot be taken back");
        let again = call(&sandbox, defend_path, &CONFIG, ask(&id)).await.unwrap();
        assert!(holds(&again, &number(2, 6)), "{service}: a refused defence is told as won");
        sandbox.shutdown().await;
    }
}

#[tokio::test]
async fn credentials_come_in_three_forms() {
    let auth = r#"{"auth_type":{"Adyen":{"api_key":"AQEpear","merchant_account":"PearMarket"}}}"#;
    let keys = [
        ("x-connector", "adyen"),
        ("x-auth", "body-key"),
        ("x-api-key", "AQEpear"),
        ("x-key1", "PearMarket"),
    ];
    for headers in [&CONFIG[..], &[("x-connector-auth", auth)], &keys] {
        let (sandbox, id) = start().await;
        let taken = call(&sandbox, "/types.DisputeService/Accept", headers, ask(&id)).await.unwrap();
        assert!(holds(&taken, &number(2, 3)), "{headers:?}: {taken:?}");
        sandbox.shutdown().await;
    }
    let (sandbox, id) = start().await;
    let bare = r#"{"Stripe":{"api_key":"sk"}}"#;
    for (headers, code, words) in [
        (&[][..], Code::InvalidArgument, "x-connector"),
        (&[("x-connector", "adyen")], Code::InvalidArgument, "x-auth"),
        (&[("x-connector", "ADYEN")], Code::InvalidArgument, "Invalid connector"),
        (&[("x-connector-config", "{bad")], Code::InvalidArgument, "Invalid data format"),
        (&[("x-connector-auth", bare)], Code::InvalidArgument, "x-connector-auth.config"),
        (
            &[("x-connector", "adyen"), ("x-auth", "header-key"), ("x-api-key", "AQEpear")],
            Code::FailedPrecondition,
            "header-key",
        ),
    ] {
        let status = call(&sandbox, "/types.DisputeService/Accept", headers, ask(&id)).await.unwrap_err();
        assert_eq!(status.code(), code, "{headers:?}");
        assert!(status.message().contains(words), "{headers:?}: {}", status.message());
        assert!(!status.details().is_empty());
    }
    assert!(sandbox.control().ledger().is_empty());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn only_one_connector_can_do_anything_and_a_get_tells_nothing() {
    let (sandbox, id) = start().await;
    let stripe = [("x-connector-config", r#"{"config":{"Stripe":{"api_key":"sk_test"}}}"#)];
    for path in
        ["/types.DisputeService/Defend", "/types.DisputeService/Accept", "/ucs.v2.DisputeService/Defend"]
    {
        let status = call(&sandbox, path, &stripe, ask(&id)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(holds(status.details(), b"NOT_IMPLEMENTED") && status.message().contains("stripe"));
    }
    for headers in [&CONFIG, &stripe] {
        assert_eq!(call(&sandbox, "/types.DisputeService/Get", headers, ask(&id)).await.unwrap(), "");
    }
    let status = call(&sandbox, "/types.DisputeService/Concede", &CONFIG, ask(&id)).await.unwrap_err();
    assert_eq!((status.code(), status.details()), (Code::Unimplemented, &b""[..]));
    sandbox.shutdown().await;
}

/// Nobody needs a file of messages to call it.
#[tokio::test]
async fn it_tells_its_services_and_their_fields_by_reflection() {
    let (sandbox, _) = start().await;
    let channel = tonic::transport::Endpoint::from_shared(sandbox.url(ProviderKind::Prism)).unwrap();
    let channel = channel.connect().await.unwrap();
    let ask = async |asked: MessageRequest| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
        let mut client = ServerReflectionClient::new(channel.clone());
        let asked = futures_util::stream::iter([request]);
        let mut told = client.server_reflection_info(asked).await.unwrap().into_inner();
        told.message().await.unwrap().unwrap().message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(all) = ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list of services")
    };
    let names: Vec<&str> = all.service.iter().map(|service| service.name.as_str()).collect();
    for (service, request, field) in [
        ("types.DisputeService", "types.DisputeServiceDefendRequest", "reason_code"),
        ("ucs.v2.DisputeService", "ucs.v2.DisputeDefendRequest", "transaction_id"),
    ] {
        assert!(names.contains(&service), "{names:?}");
        for symbol in [service, request] {
            let asked = MessageRequest::FileContainingSymbol(symbol.to_owned());
            let MessageResponse::FileDescriptorResponse(file) = ask(asked).await else {
                panic!("nothing is told of {symbol}")
            };
            let told = file.file_descriptor_proto.concat();
            let word = if symbol == request { field } else { "SubmitEvidence" };
            assert!(holds(&told, word.as_bytes()), "{symbol}");
        }
    }
    let older = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(older) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut told =
        client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap().into_inner();
    assert!(told.message().await.unwrap().is_some());
    drop((client, channel));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn evidence_needs_bytes_and_a_kind_and_shipping_papers_lose_their_type() {
    let (sandbox, id) = start().await;
    let path = "/types.DisputeService/SubmitEvidence";
    let pdf: &[u8] = b"%PDF-1";
    for documents in [&[][..], &[(4, None)], &[(0, Some(pdf))]] {
        let status = call(&sandbox, path, &CONFIG, evidence(&id, documents)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{documents:?}");
        assert!(status.message().contains("Missing Defence Documents"));
    }
    let status = call(&sandbox, path, &CONFIG, evidence(&id, &[(7, Some(pdf))])).await.unwrap_err();
    assert!(holds(status.details(), b"CONNECTOR_ERROR_RESPONSE"), "Adyen wants a type: {status:?}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_connector_in_trouble_is_told_of_in_the_details() {
    let (sandbox, id) = start().await;
    let fault = |trouble| ApiFault::once(ProviderKind::Prism, Operation::DisputeAccept, trouble);
    for (trouble, code, word) in [
        (
            Trouble::RateLimited { retry_after_s: None, should_retry: None },
            Code::ResourceExhausted,
            "CONNECTOR_ERROR_RESPONSE",
        ),
        (Trouble::ServerErrorBeforeEffect, Code::Internal, "CONNECTOR_ERROR_RESPONSE"),
        (Trouble::HtmlBeforeEffect, Code::Internal, "RESPONSE_DESERIALIZATION_FAILED"),
    ] {
        sandbox.control().add_api_fault(fault(trouble));
        let status = call(&sandbox, "/types.DisputeService/Accept", &CONFIG, ask(&id)).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(holds(status.details(), word.as_bytes()), "{word}: {status:?}");
    }
    sandbox.shutdown().await;
}

struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
