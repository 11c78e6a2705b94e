//! Prism's messages, written down here once more and by hand, so that a slip in the adapter's is not repeated. Of
//! today's form, and of the one before 2026-03-05 where it has other numbers.

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Details {
    #[prost(string, optional, tag = "1")]
    pub code: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub message: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub reason: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ErrorInfo {
    #[prost(message, optional, tag = "1")]
    pub unified_details: Option<Details>,
    #[prost(message, optional, tag = "3")]
    pub connector_details: Option<Details>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct IntegrationError {
    #[prost(string, tag = "1")]
    pub error_message: String,
    #[prost(string, tag = "2")]
    pub error_code: String,
    #[prost(string, optional, tag = "4")]
    pub doc_url: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConnectorError {
    #[prost(string, tag = "1")]
    pub error_message: String,
    #[prost(string, tag = "2")]
    pub error_code: String,
    #[prost(uint32, optional, tag = "3")]
    pub http_status_code: Option<u32>,
    #[prost(message, optional, tag = "4")]
    pub error_info: Option<ErrorInfo>,
}

/// Defend and Accept, in every form: their ids are not looked at, so that it is all one whether they are text or a
/// message of their own. An Accept has no reason code.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ask {
    #[prost(string, tag = "3")]
    pub dispute_id: String,
    #[prost(string, optional, tag = "4")]
    pub reason_code: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AskWithEvidence {
    #[prost(string, tag = "3")]
    pub dispute_id: String,
    #[prost(message, repeated, tag = "6")]
    pub evidence_documents: Vec<Document>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Document {
    #[prost(int32, tag = "1")]
    pub evidence_type: i32,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub file_content: Option<bytes::Bytes>,
    #[prost(string, optional, tag = "3")]
    pub file_mime_type: Option<String>,
}

/// SHIPPING_DOCUMENTATION, whose media type gets lost.
pub(super) const SHIPPING: i32 = 7;

/// Today's answer to Defend and Accept.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Told {
    #[prost(string, tag = "1")]
    pub dispute_id: String,
    #[prost(int32, tag = "2")]
    pub dispute_status: i32,
    #[prost(message, optional, tag = "4")]
    pub error: Option<ErrorInfo>,
    #[prost(uint32, tag = "5")]
    pub status_code: u32,
}

/// Today's answer to SubmitEvidence.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ToldOfEvidence {
    #[prost(string, optional, tag = "1")]
    pub dispute_id: Option<String>,
    #[prost(int32, tag = "3")]
    pub dispute_status: i32,
    #[prost(message, optional, tag = "5")]
    pub error: Option<ErrorInfo>,
    #[prost(uint32, tag = "6")]
    pub status_code: u32,
}

/// The answer to Defend and Accept before 2026-03-05.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ToldBefore {
    #[prost(string, tag = "1")]
    pub dispute_id: String,
    #[prost(int32, tag = "2")]
    pub dispute_status: i32,
    #[prost(string, optional, tag = "4")]
    pub error_code: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub error_message: Option<String>,
    #[prost(uint32, tag = "7")]
    pub status_code: u32,
}

/// The answer to SubmitEvidence before 2026-03-05.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ToldOfEvidenceBefore {
    #[prost(string, optional, tag = "1")]
    pub dispute_id: Option<String>,
    #[prost(int32, tag = "3")]
    pub dispute_status: i32,
    #[prost(string, optional, tag = "5")]
    pub error_code: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub error_message: Option<String>,
    #[prost(uint32, tag = "8")]
    pub status_code: u32,
}
