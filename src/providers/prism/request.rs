//! What is asked, as bytes in the form of one service. The two older forms differ from today's in one thing: an id
//! stands in a message of its own. (A server of today takes such an id without a word, as text with two stray
//! bytes before it, so that the form must fit the server.)

use prost::Message;

use super::proto::{types, ucs::v2};
use super::service::{Service, Verb};

/// One call about one dispute.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask<'a> {
    /// The connector's id of the dispute, which is ours as well.
    pub dispute_ref: &'a str,
    /// The connector's id of the payment, where it is known.
    pub payment_ref: Option<&'a str>,
    pub what: What<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What<'a> {
    Defend {
        reason_code: &'a str,
    },
    Accept,
    /// Dates in seconds since 1970.
    SubmitEvidence {
        service_date: Option<i64>,
        shipping_date: Option<i64>,
        documents: Vec<types::EvidenceDocument>,
    },
    Get,
}

impl Ask<'_> {
    pub const fn verb(&self) -> Verb {
        match self.what {
            What::Defend { .. } => Verb::Defend,
            What::Accept => Verb::Accept,
            What::SubmitEvidence { .. } => Verb::SubmitEvidence,
            What::Get => Verb::Get,
        }
    }

    pub fn encode(self, service: Service) -> Vec<u8> {
        match service {
            Service::Types => self.encode_today(),
            Service::UcsV2 | Service::UcsV2Renamed => self.encode_before(),
        }
    }

    fn encode_today(self) -> Vec<u8> {
        let dispute_id = self.dispute_ref.to_owned();
        let merchant_dispute_id = Some(dispute_id.clone());
        let payment = self.payment_ref.map(str::to_owned);
        match self.what {
            What::Defend { reason_code } => types::DisputeServiceDefendRequest {
                merchant_dispute_id,
                connector_transaction_id: payment.unwrap_or_default(),
                dispute_id,
                reason_code: Some(reason_code.to_owned()),
            }
            .encode_to_vec(),
            What::Accept => types::DisputeServiceAcceptRequest {
                merchant_dispute_id,
                connector_transaction_id: payment.unwrap_or_default(),
                dispute_id,
            }
            .encode_to_vec(),
            What::SubmitEvidence { service_date, shipping_date, documents } => {
                types::DisputeServiceSubmitEvidenceRequest {
                    merchant_dispute_id,
                    connector_transaction_id: payment,
                    dispute_id,
                    service_date,
                    shipping_date,
                    evidence_documents: documents,
                }
                .encode_to_vec()
            }
            What::Get => types::DisputeServiceGetRequest {
                merchant_dispute_id,
                dispute_id: None,
                connector_dispute_id: dispute_id,
            }
            .encode_to_vec(),
        }
    }

    fn encode_before(self) -> Vec<u8> {
        let dispute_id = self.dispute_ref.to_owned();
        let request_ref_id = Some(identifier(&dispute_id));
        let transaction_id = self.payment_ref.map(identifier);
        match self.what {
            What::Defend { reason_code } => v2::DisputeDefendRequest {
                request_ref_id,
                transaction_id,
                dispute_id,
                reason_code: Some(reason_code.to_owned()),
            }
            .encode_to_vec(),
            What::Accept => {
                v2::AcceptDisputeRequest { request_ref_id, transaction_id, dispute_id }.encode_to_vec()
            }
            What::SubmitEvidence { service_date, shipping_date, documents } => {
                v2::DisputeServiceSubmitEvidenceRequest {
                    request_ref_id,
                    transaction_id,
                    dispute_id,
                    service_date,
                    shipping_date,
                    evidence_documents: documents,
                }
                .encode_to_vec()
            }
            What::Get => v2::DisputeServiceGetRequest {
                request_ref_id,
                dispute_id: None,
                connector_dispute_id: dispute_id,
            }
            .encode_to_vec(),
        }
    }
}

fn identifier(id: &str) -> v2::Identifier {
    v2::Identifier { id_type: Some(v2::identifier::IdType::Id(id.to_owned())) }
}
