//! gRPC as HTTP carries it: one message behind five bytes, and a status in the trailers. What Prism puts beside a
//! status is a bare message of its own, not the one that the header's name promises.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use percent_encoding::{CONTROLS, utf8_percent_encode};
use prost::Message;

use super::super::reply::Reply;
use super::wire::{ConnectorError, Details, ErrorInfo, IntegrationError};

const MEDIA_TYPE: &str = "application/grpc";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// A call that was not answered with a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    pub code: Code,
    pub message: String,
    pub details: Vec<u8>,
}

/// The message of a request.
pub(super) fn message(body: &[u8]) -> Result<&[u8], Status> {
    let malformed = || Status::bare(Code::Internal, "the request is not one uncompressed message");
    let (head, message) = body.split_at_checked(5).ok_or_else(malformed)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != 0 || length != message.len() {
        return Err(malformed());
    }
    Ok(message)
}

pub(super) fn decode<M: Message + Default>(body: &[u8]) -> Result<M, Status> {
    M::decode(message(body)?).map_err(|e| Status::bare(Code::Internal, &e.to_string()))
}

pub(super) fn answer(message: &[u8]) -> Reply {
    let length = (message.len() as u32).to_be_bytes();
    let frame = [&[0], &length[..], message].concat();
    let reply = Reply::bytes(200, MEDIA_TYPE, Bytes::from(frame));
    Reply { trailers: vec![("grpc-status", "0".to_owned())], ..reply }
}

impl Status {
    pub fn bare(code: Code, message: &str) -> Self {
        Self { code, message: message.to_owned(), details: Vec::new() }
    }

    /// Prism refuses by itself.
    pub fn integration(code: Code, error_code: &str, message: String) -> Self {
        let error = IntegrationError {
            error_message: message.clone(),
            error_code: error_code.to_owned(),
            doc_url: Some("https://docs.hyperswitch.io/prism".to_owned()),
        };
        Self { code, message, details: error.encode_to_vec() }
    }

    pub fn missing(field: &str) -> Self {
        let message = format!("Missing required field: {field}");
        Self::integration(Code::InvalidArgument, "MISSING_REQUIRED_FIELD", message)
    }

    pub fn malformed(field: &str, why: &str) -> Self {
        let message = format!("Invalid data format: {field}. {why}");
        Self::integration(Code::InvalidArgument, "INVALID_DATA_FORMAT", message)
    }

    pub fn not_implemented(flow: &str, connector: &str) -> Self {
        let message = format!("This feature is not implemented: {flow} flow for {connector}");
        Self::integration(Code::FailedPrecondition, "NOT_IMPLEMENTED", message)
    }

    /// The connector answered with an HTTP status that is no success.
    pub fn connector(http: u16, code: &str, message: &str) -> Self {
        let said = Details {
            code: Some(code.to_owned()),
            message: Some(message.to_owned()),
            reason: Some(message.to_owned()),
        };
        let error = ConnectorError {
            error_message: message.to_owned(),
            error_code: "CONNECTOR_ERROR_RESPONSE".to_owned(),
            http_status_code: Some(u32::from(http)),
            error_info: Some(ErrorInfo {
                unified_details: Some(said.clone()),
                connector_details: Some(said),
            }),
        };
        Self { code: code_of(http), message: message.to_owned(), details: error.encode_to_vec() }
    }

    /// The connector answered 200 with what is not its JSON.
    pub fn unreadable() -> Self {
        let message = "Failed to deserialize connector response";
        let error = ConnectorError {
            error_message: message.to_owned(),
            error_code: "RESPONSE_DESERIALIZATION_FAILED".to_owned(),
            http_status_code: Some(200),
            error_info: None,
        };
        Self { code: Code::Internal, message: message.to_owned(), details: error.encode_to_vec() }
    }

    pub fn reply(&self) -> Reply {
        let mut trailers = vec![("grpc-status", (self.code as i32).to_string())];
        trailers.push(("grpc-message", utf8_percent_encode(&self.message, CONTROLS).to_string()));
        if !self.details.is_empty() {
            trailers.push(("grpc-status-details-bin", STANDARD_NO_PAD.encode(&self.details)));
        }
        Reply { trailers, ..Reply::bytes(200, MEDIA_TYPE, Bytes::new()) }
    }
}

/// What Prism makes of a connector's HTTP status.
fn code_of(http: u16) -> Code {
    match http {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}
