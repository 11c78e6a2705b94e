//! The documents' calls as programs that were written for them make them: an engine that listens for gRPC, the
//! stand-ins behind it, keys, and tonic's clients on a real socket.

mod conversation;
mod doors;
mod hostile;
mod orders;
mod secrets;
mod tools;

use std::future::Future;
use std::time::Duration;

use respondby::desk::{NewSecret, Scope};
use respondby::grpc::proto::types;
use respondby::store::{api_keys, rulesets};
use secrecy::ExposeSecret as _;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::engine::stage::{Setup, Stage};

const ALL: &[Scope] = Scope::ALL;
const READ: &[Scope] = &[Scope::DisputesRead];

const LISTEN: &str = "[grpc]\nlisten = \"127.0.0.1:0\"\n";

/// An engine that listens, and more of its configuration: whole sections, or lines of `[grpc]`.
async fn stage(more: &str) -> Stage {
    Stage::with(Setup { more: format!("{LISTEN}{more}"), ..Setup::default() }).await
}

fn address(stage: &Stage) -> std::net::SocketAddr {
    stage.engine.grpc_address.expect("gRPC is listened for")
}

async fn key_of(stage: &Stage, merchant: &str, name: &str, scopes: &[Scope]) -> String {
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let merchant_id = rulesets::merchant_id(&mut conn, merchant).await.unwrap().unwrap();
    let secret = NewSecret::of(merchant_id, rand::random());
    let scopes = scopes.iter().map(Scope::as_str).collect();
    let new = api_keys::NewKey { merchant_id, name, digest: secret.digest, scopes };
    let added = api_keys::add(&mut conn, &new, "a test", stage.clock.now()).await.unwrap();
    assert!(matches!(added, api_keys::Added::Key(_)), "{added:?}");
    secret.shown.expose_secret().to_owned()
}

/// A program of a merchant's.
#[derive(Clone)]
struct Program {
    channel: Channel,
    headers: Vec<(&'static str, String)>,
    service: &'static str,
    patience: Option<Duration>,
}

type Said<A> = Result<A, Status>;

impl Program {
    async fn of(stage: &Stage, merchant: &str, name: &str, scopes: &[Scope]) -> Self {
        let key = key_of(stage, merchant, name, scopes).await;
        Self::stranger(stage).with("authorization", &format!("Bearer {key}"))
    }

    /// One without a key.
    fn stranger(stage: &Stage) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", address(stage))).unwrap();
        let (headers, service) = (Vec::new(), "types.DisputeService");
        Self { channel: endpoint.connect_lazy(), headers, service, patience: None }
    }

    fn with(&self, name: &'static str, value: &str) -> Self {
        let mut program = self.clone();
        program.headers.push((name, value.to_owned()));
        program
    }

    fn at(&self, service: &'static str) -> Self {
        Self { service, ..self.clone() }
    }

    /// Tells the server how long it waits, and waits a little longer itself.
    fn waiting(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            let value = AsciiMetadataValue::try_from(value.as_str()).unwrap();
            request.metadata_mut().append(AsciiMetadataKey::from_static(name), value);
        }
        if let Some(patience) = self.patience {
            let told = format!("{}m", patience.as_millis());
            request.metadata_mut().insert("grpc-timeout", told.parse().unwrap());
        }
        request
    }

    async fn call<Q, A>(&self, method: &str, message: Q) -> Said<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let path = format!("/{}/{method}", self.service).parse().unwrap();
        let answer = grpc.unary(self.request(message), path, tonic_prost::ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }

    async fn defend(
        &self,
        request: types::DisputeServiceDefendRequest,
    ) -> Said<types::DisputeServiceDefendResponse> {
        self.call("Defend", request).await
    }

    async fn accept(&self, dispute_id: &str) -> Said<types::DisputeServiceAcceptResponse> {
        let dispute_id = dispute_id.to_owned();
        self.call("Accept", types::DisputeServiceAcceptRequest { dispute_id, ..Default::default() }).await
    }

    async fn submit_evidence(
        &self,
        dispute_id: &str,
        evidence_documents: Vec<types::EvidenceDocument>,
    ) -> Said<types::DisputeServiceSubmitEvidenceResponse> {
        let dispute_id = dispute_id.to_owned();
        let request = types::DisputeServiceSubmitEvidenceRequest {
            dispute_id,
            evidence_documents,
            ..Default::default()
        };
        self.call("SubmitEvidence", request).await
    }

    async fn get(&self, connector_dispute_id: &str) -> Said<types::DisputeResponse> {
        let connector_dispute_id = connector_dispute_id.to_owned();
        self.call("Get", types::DisputeServiceGetRequest { connector_dispute_id, ..Default::default() }).await
    }
}

/// As the documents' example has it.
fn defence(dispute_id: &str) -> types::DisputeServiceDefendRequest {
    types::DisputeServiceDefendRequest {
        merchant_dispute_id: Some("dispute_001".into()),
        connector_transaction_id: String::new(),
        dispute_id: dispute_id.into(),
        reason_code: Some("goods_services_received".into()),
    }
}

fn words(text: &str) -> types::EvidenceDocument {
    types::EvidenceDocument {
        evidence_type: types::EvidenceType::UncategorizedFile.into(),
        text_content: Some(text.into()),
        ..Default::default()
    }
}

fn slip() -> types::EvidenceDocument {
    types::EvidenceDocument {
        evidence_type: types::EvidenceType::ShippingDocumentation.into(),
        file_content: Some((&b"%PDF-1.4\n% a slip\n%%EOF\n"[..]).into()),
        file_mime_type: Some("application/pdf".into()),
        ..Default::default()
    }
}

/// Lets the engine work until all is answered.
async fn meanwhile<T>(stage: &mut Stage, asking: impl Future<Output = T>) -> T {
    tokio::pin!(asking);
    loop {
        tokio::select! {
            biased;
            said = &mut asking => return said,
            _ = stage.settle() => {}
        }
    }
}

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&stage.db.pool).await.unwrap()
}

fn unified(error: &Option<types::ErrorInfo>) -> (&str, &str) {
    let unified = error.as_ref().and_then(|error| error.unified_details.as_ref()).expect("an error");
    (unified.code.as_deref().unwrap(), unified.message.as_deref().unwrap())
}
