//! The errors of the API, and the only map from them to HTTP.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wasimancer_catalog::{Cause, Error as CatalogError, Escaped, Full, Problem};

use crate::answer::ErrorAnswer;
use crate::revision::etag;

/// What programs can rely on to tell errors apart: a word that stays the same.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    Unauthorized,
    TooManyWrongTokens,
    Ambiguous,
    UnsupportedEncoding,
    NotMultipart,
    MissingPart,
    MalformedJson,
    InvalidUrl,
    MissingName,
    TooLarge,
    BodyBrokeOff,
    BodyTooSlow,
    MethodNotAllowed,
    NotFound,
    Failed,
    InvalidFileName,
    OutsideFolder,
    NameMismatch,
    SwitchedOff,
    UnknownVersion,
    RevisionChanged,
    AnotherServer,
    ServerMemory,
    DefinitionFileChanged,
    DefinitionFileInvalid,
    DefinitionFileNotEditable,
    DefinitionFileLinked,
    DefinitionFileMalformed,
    DefinitionFileUnreadable,
    ModuleGone,
    StorageFailed,
    InvalidDefinition,
    NameTaken,
    ToolNameTaken,
    UriTaken,
    InvalidModule,
}

/// Why a request was not served. Displayed as it reaches the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The administration token is missing or wrong.
    #[error("😡 Unauthorized")]
    Unauthorized,

    /// Too many wrong tokens come from the caller's address.
    #[error("😡 too many wrong tokens come from this address: wait, or send the right one")]
    TooManyWrongTokens {
        /// When one is looked at again.
        retry_after: Duration,
    },

    /// The request says two things at once.
    #[error("😡 {reason}")]
    Ambiguous {
        /// Which.
        reason: &'static str,
    },

    /// The body is compressed.
    #[error(
        "😡 the Content-Encoding header names a coding, and bodies are read without any: leave it out"
    )]
    UnsupportedEncoding,

    /// The body of an upload is no `multipart/form-data`.
    #[error("😡 the body is no multipart/form-data with wasmFile and pluginData: {reason}")]
    NotMultipart {
        /// What is wrong with it.
        reason: String,
    },

    /// A part of an upload is missing.
    #[error("😡 the part {part} is missing: {remedy}")]
    MissingPart {
        /// The part's name.
        part: &'static str,
        /// What to send.
        remedy: &'static str,
    },

    /// A body or a part is no JSON.
    #[error("😡 {what} is no JSON: {reason}")]
    Malformed {
        /// `pluginData` or `the body`.
        what: &'static str,
        /// What the parser said.
        reason: String,
    },

    /// A value in the query or in the path is wrong.
    #[error("😡 {0}")]
    BadUrl(String),

    /// The URL names nothing to change.
    #[error("😡 the URL names no {kind}: write its name behind the last slash")]
    MissingName {
        /// `plugin`, `resource` or `prompt`.
        kind: &'static str,
    },

    /// A body or a part is larger than it may be.
    #[error("😡 {what} has more than {limit} bytes")]
    TooLarge {
        /// `wasmFile`, `pluginData` or `the body`.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },

    /// The body of an upload has more parts than it may have.
    #[error("😡 the body has more than {limit} parts, and wasmFile and pluginData are wanted")]
    TooManyParts {
        /// The limit.
        limit: usize,
    },

    /// The body broke off.
    #[error("😡 the body broke off: {reason}")]
    BrokenOff {
        /// What the connection said.
        reason: String,
    },

    /// The body comes too slowly.
    #[error("😡 {what} did not arrive within {limit:?}: send it faster, or raise read_timeout")]
    TooSlow {
        /// `the body`, or the next piece of it.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },

    /// The route has no such method.
    #[error("😡 this route has another method: see /openapi.json")]
    MethodNotAllowed,

    /// There is no such route.
    #[error("😡 there is no such route: see /openapi.json")]
    NoRoute,

    /// A plugin to change is not there; its guide has a status of its own for it.
    #[error("😡 there is no plugin {name:?}")]
    PluginNotFound {
        /// The name.
        name: String,
    },

    /// The catalogue refused.
    #[error("😡 {0}")]
    Catalog(#[from] CatalogError),

    /// The budget of the server's memory has no room for the body.
    #[error("😡 {0}")]
    ServerMemory(#[from] Full),

    /// The change ended without an answer.
    #[error("😡 the server failed: its log says why")]
    Failed,
}

impl Error {
    /// The same where a plugin that is missing is a server error, as the guide to plugins has it.
    pub(crate) fn of_plugin_change(self) -> Self {
        match self {
            Self::Catalog(CatalogError::NotFound { name, .. }) => Self::PluginNotFound { name },
            other => other,
        }
    }

    /// The status and the word that scripts can rely on.
    fn status_and_code(&self) -> (StatusCode, Code) {
        match self {
            Self::Unauthorized => (StatusCode::FORBIDDEN, Code::Unauthorized),
            Self::TooManyWrongTokens { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, Code::TooManyWrongTokens)
            }
            Self::Ambiguous { .. } => (StatusCode::BAD_REQUEST, Code::Ambiguous),
            Self::UnsupportedEncoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Code::UnsupportedEncoding,
            ),
            Self::NotMultipart { .. } => (StatusCode::BAD_REQUEST, Code::NotMultipart),
            Self::MissingPart { .. } => (StatusCode::BAD_REQUEST, Code::MissingPart),
            Self::Malformed { .. } => (StatusCode::BAD_REQUEST, Code::MalformedJson),
            Self::BadUrl(_) => (StatusCode::BAD_REQUEST, Code::InvalidUrl),
            Self::MissingName { .. } => (StatusCode::BAD_REQUEST, Code::MissingName),
            Self::TooLarge { .. } | Self::TooManyParts { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge)
            }
            Self::BrokenOff { .. } => (StatusCode::BAD_REQUEST, Code::BodyBrokeOff),
            Self::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, Code::BodyTooSlow),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed),
            Self::NoRoute => (StatusCode::NOT_FOUND, Code::NotFound),
            Self::PluginNotFound { .. } => (StatusCode::INTERNAL_SERVER_ERROR, Code::NotFound),
            Self::Catalog(error) => of_catalog(error),
            Self::ServerMemory(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::ServerMemory),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, Code::Failed),
        }
    }
}

fn of_catalog(error: &CatalogError) -> (StatusCode, Code) {
    match error {
        CatalogError::Invalid { problems } => of_problems(problems),
        CatalogError::FileName { .. }
        | CatalogError::TextModule { .. }
        | CatalogError::DeepFolder { .. } => (StatusCode::BAD_REQUEST, Code::InvalidFileName),
        CatalogError::Linked { .. } => (StatusCode::CONFLICT, Code::DefinitionFileLinked),
        CatalogError::OutsideFolder { .. } => (StatusCode::BAD_REQUEST, Code::OutsideFolder),
        CatalogError::NameMismatch { .. } => (StatusCode::BAD_REQUEST, Code::NameMismatch),
        CatalogError::NotFound { .. } => (StatusCode::NOT_FOUND, Code::NotFound),
        CatalogError::SwitchedOff { .. } => (StatusCode::NOT_FOUND, Code::SwitchedOff),
        CatalogError::UnknownVersion { .. } => (StatusCode::NOT_FOUND, Code::UnknownVersion),
        CatalogError::Outdated { .. } => (StatusCode::PRECONDITION_FAILED, Code::RevisionChanged),
        CatalogError::Shared { .. } => (StatusCode::CONFLICT, Code::AnotherServer),
        CatalogError::ChangedMeanwhile { .. } => {
            (StatusCode::CONFLICT, Code::DefinitionFileChanged)
        }
        CatalogError::InvalidEdit { .. } | CatalogError::Emptied { .. } => {
            (StatusCode::CONFLICT, Code::DefinitionFileInvalid)
        }
        CatalogError::NotEditable(_) => (StatusCode::CONFLICT, Code::DefinitionFileNotEditable),
        CatalogError::Malformed(_) => (StatusCode::CONFLICT, Code::DefinitionFileMalformed),
        CatalogError::Unreadable { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::DefinitionFileUnreadable,
        ),
        CatalogError::ModuleGone { .. } => (StatusCode::INTERNAL_SERVER_ERROR, Code::ModuleGone),
        CatalogError::Storage { .. } => (StatusCode::INTERNAL_SERVER_ERROR, Code::StorageFailed),
    }
}

/// A module that is wrong is a server error, as the guide to plugins has it, and one that found no room is
/// to be sent again; what is wrong with the definition comes first.
fn of_problems(problems: &[Problem]) -> (StatusCode, Code) {
    let mut causes = problems.iter().map(|problem| problem.cause);
    let of_module = [Cause::Module, Cause::ServerMemory];
    let cause = causes.clone().find(|cause| !of_module.contains(cause));
    let is_full = causes.any(|cause| cause == Cause::ServerMemory);
    match cause {
        Some(Cause::Definition) => (StatusCode::BAD_REQUEST, Code::InvalidDefinition),
        Some(Cause::NameTaken) => (StatusCode::BAD_REQUEST, Code::NameTaken),
        Some(Cause::ToolNameTaken) => (StatusCode::BAD_REQUEST, Code::ToolNameTaken),
        Some(Cause::UriTaken) => (StatusCode::BAD_REQUEST, Code::UriTaken),
        _ if is_full => (StatusCode::SERVICE_UNAVAILABLE, Code::ServerMemory),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Code::InvalidModule),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let answer = Json(ErrorAnswer {
            error: Escaped(&self).to_string(),
            code,
        });
        match self {
            Self::Catalog(CatalogError::Outdated { revision }) => {
                (status, [etag(&revision)], answer).into_response()
            }
            Self::TooSlow { .. } => (status, [(CONNECTION, "close")], answer).into_response(),
            Self::TooManyWrongTokens { retry_after } => {
                let seconds = retry_after.as_secs_f64().ceil().to_string();
                let headers = [(RETRY_AFTER, seconds.as_str()), (CONNECTION, "close")];
                (status, headers, answer).into_response()
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                (status, [(RETRY_AFTER, "10")], answer).into_response()
            }
            _ => (status, answer).into_response(),
        }
    }
}
