//! Everything that a request can end with other than a result, and the only map from it to
//! JSON-RPC codes and HTTP statuses.

use std::time::Duration;

use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasimancer_runtime::{Escaped, Full};

use crate::revision::{Era, SUPPORTED_VERSIONS};

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Parse error: {0}")]
    Parse(String),
    #[error("Invalid request: {0}")]
    InvalidRequest(String),
    #[error("Method not found: {0}")]
    MethodNotFound(String),
    #[error("Invalid params: {0}")]
    InvalidParams(String),
    /// `_meta` lacks a field that the revision requires.
    #[error("Invalid params: {0}")]
    InvalidMeta(String),
    #[error("Unknown tool: {0}")]
    UnknownTool(String),
    #[error("Unknown prompt: {0}")]
    UnknownPrompt(String),
    #[error("Resource not found")]
    ResourceNotFound { uri: String },
    #[error("Header mismatch: {0}")]
    HeaderMismatch(String),
    #[error("Unsupported protocol version")]
    UnsupportedVersion { requested: String },
    #[error(
        "Session not found: it has ended or expired; send a new initialize request without a session id"
    )]
    UnknownSession,
    #[error("the request body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the request body did not arrive within {limit:?}")]
    TooSlow { limit: Duration },
    #[error("Forbidden: {0}")]
    Forbidden(String),
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    #[error("{0}")]
    NotAcceptable(&'static str),
    /// The client lacks what serving the request needs: a `ClientCapabilities` object.
    #[error("Missing required client capability: {missing}")]
    MissingCapability { missing: Value },
    /// The client was asked for input and did not give it.
    #[error("{0}")]
    NoInput(String),
    /// A plugin ends the request with an error of its own.
    #[error("{message}")]
    Plugin {
        code: i32,
        message: String,
        data: Option<Box<RawValue>>,
    },
    /// A plugin could not be called, or its answer is malformed, where nobody but the operator can
    /// mend it.
    #[error("Internal error: {0}")]
    Failed(String),
    /// The client has cancelled the request, and gets no answer.
    #[error("the request was cancelled")]
    Cancelled,
    /// A bound over all clients is reached.
    #[error("{0}")]
    Busy(&'static str),
    /// The server ends before the request does.
    #[error(
        "the server is stopping, and the request was cut off at the end of its grace period (shutdown_grace): nobody knows how far it has come"
    )]
    CutOff,
    /// What would be sent is too large for one message.
    #[error("the answer has {size} bytes, and at most {limit} are sent at once: ask for less")]
    AnswerTooLarge { size: usize, limit: usize },
}

/// Parse error (JSON-RPC 2.0, section 5.1).
const PARSE_ERROR: i32 = -32700;
/// Invalid request (JSON-RPC 2.0, section 5.1).
const INVALID_REQUEST: i32 = -32600;
/// Method not found (JSON-RPC 2.0, section 5.1).
const METHOD_NOT_FOUND: i32 = -32601;
/// Invalid params (JSON-RPC 2.0, section 5.1).
const INVALID_PARAMS: i32 = -32602;
/// Internal error (JSON-RPC 2.0, section 5.1).
const INTERNAL_ERROR: i32 = -32603;
/// Resource not found, in 2025-11-25 and before (server/resources, "Error Handling").
const LEGACY_RESOURCE_NOT_FOUND: i32 = -32002;
/// `HeaderMismatch` (2026-07-28, basic, "Error Codes").
const HEADER_MISMATCH: i32 = -32020;
/// `MissingRequiredClientCapability` (2026-07-28, basic, "Error Codes").
const MISSING_CAPABILITY: i32 = -32021;
/// `UnsupportedProtocolVersion` (2026-07-28, basic, "Error Codes").
const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Self::Busy("the server has no memory left for it (server_memory): try again later")
    }
}

impl Error {
    /// The `message` of the error object. What it repeats of the request is escaped; a plugin's own
    /// words for its caller are not.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Plugin { message, .. } => message.clone(),
            error => Escaped(error).to_string(),
        }
    }

    /// The JSON-RPC code in an era.
    pub(crate) fn code(&self, era: Era) -> i32 {
        match self {
            Self::Parse(_) => PARSE_ERROR,
            Self::InvalidRequest(_)
            | Self::UnknownSession
            | Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::Forbidden(_)
            | Self::UnsupportedMediaType(_)
            | Self::NotAcceptable(_) => INVALID_REQUEST,
            Self::MethodNotFound(_) => METHOD_NOT_FOUND,
            Self::ResourceNotFound { .. } if era == Era::Legacy => LEGACY_RESOURCE_NOT_FOUND,
            Self::InvalidParams(_)
            | Self::InvalidMeta(_)
            | Self::UnknownTool(_)
            | Self::UnknownPrompt(_)
            | Self::ResourceNotFound { .. } => INVALID_PARAMS,
            Self::Busy(_)
            | Self::AnswerTooLarge { .. }
            | Self::NoInput(_)
            | Self::CutOff
            | Self::Failed(_)
            | Self::Cancelled => INTERNAL_ERROR,
            // The code is younger than the older revisions.
            Self::MissingCapability { .. } if era == Era::Legacy => INVALID_REQUEST,
            Self::MissingCapability { .. } => MISSING_CAPABILITY,
            Self::Plugin { code, .. } => *code,
            Self::HeaderMismatch(_) => HEADER_MISMATCH,
            Self::UnsupportedVersion { .. } => UNSUPPORTED_PROTOCOL_VERSION,
        }
    }

    /// The HTTP status in an era. What the envelope itself is not to blame for is 200.
    pub(crate) fn status(&self, era: Era) -> StatusCode {
        match self {
            Self::Parse(_)
            | Self::InvalidRequest(_)
            | Self::InvalidMeta(_)
            | Self::HeaderMismatch(_)
            | Self::UnsupportedVersion { .. } => StatusCode::BAD_REQUEST,
            // 2026-07-28, transports: an unknown method is 404; before, it was an ordinary answer.
            Self::MethodNotFound(_) if era == Era::Modern => StatusCode::NOT_FOUND,
            Self::MissingCapability { .. } if era == Era::Modern => StatusCode::BAD_REQUEST,
            Self::UnknownSession => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::MethodNotFound(_)
            | Self::InvalidParams(_)
            | Self::MissingCapability { .. }
            | Self::NoInput(_)
            | Self::Plugin { .. }
            | Self::AnswerTooLarge { .. }
            | Self::CutOff
            | Self::Failed(_)
            | Self::Cancelled
            | Self::UnknownTool(_)
            | Self::UnknownPrompt(_)
            | Self::ResourceNotFound { .. } => StatusCode::OK,
        }
    }

    /// The JSON of the `data` of the error object.
    pub(crate) fn data(&self) -> Option<String> {
        match self {
            Self::ResourceNotFound { uri } => Some(json!({ "uri": uri }).to_string()),
            Self::UnsupportedVersion { requested } => {
                let data = json!({ "supported": SUPPORTED_VERSIONS, "requested": requested });
                Some(data.to_string())
            }
            Self::MissingCapability { missing } => {
                Some(json!({ "requiredCapabilities": missing }).to_string())
            }
            Self::Plugin { data, .. } => data.as_ref().map(|data| data.get().to_owned()),
            _ => None,
        }
    }
}
