//! The errors of the API, and the only map from them to HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use wasimancer_catalog::{Cause, Error as CatalogError, Problem};

use crate::answer::ErrorAnswer;
use crate::revision::etag;

/// Why a request was not served. Displayed as it reaches the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The administration token is missing or wrong.
    #[error("😡 Unauthorized")]
    Unauthorized,

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

    /// The body broke off.
    #[error("😡 the body broke off: {reason}")]
    BrokenOff {
        /// What the connection said.
        reason: String,
    },

    /// The route has no such method.
    #[error("😡 this route has another method: see /openapi.json")]
    MethodNotAllowed,

    /// A plugin to change is not there; its guide has a status of its own for it.
    #[error("😡 there is no plugin {name:?}")]
    PluginNotFound {
        /// The name.
        name: String,
    },

    /// The catalogue refused.
    #[error("😡 {0}")]
    Catalog(#[from] CatalogError),

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
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::FORBIDDEN, "unauthorized"),
            Self::NotMultipart { .. } => (StatusCode::BAD_REQUEST, "not_multipart"),
            Self::MissingPart { .. } => (StatusCode::BAD_REQUEST, "missing_part"),
            Self::Malformed { .. } => (StatusCode::BAD_REQUEST, "malformed_json"),
            Self::BadUrl(_) => (StatusCode::BAD_REQUEST, "invalid_url"),
            Self::MissingName { .. } => (StatusCode::BAD_REQUEST, "missing_name"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::BrokenOff { .. } => (StatusCode::BAD_REQUEST, "body_broke_off"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::PluginNotFound { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "not_found"),
            Self::Catalog(error) => of_catalog(error),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        }
    }
}

fn of_catalog(error: &CatalogError) -> (StatusCode, &'static str) {
    match error {
        CatalogError::Invalid { problems } => of_problems(problems),
        CatalogError::FileName { .. } => (StatusCode::BAD_REQUEST, "invalid_file_name"),
        CatalogError::OutsideFolder { .. } => (StatusCode::BAD_REQUEST, "outside_folder"),
        CatalogError::NameMismatch { .. } => (StatusCode::BAD_REQUEST, "name_mismatch"),
        CatalogError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
        CatalogError::SwitchedOff { .. } => (StatusCode::NOT_FOUND, "switched_off"),
        CatalogError::UnknownVersion { .. } => (StatusCode::NOT_FOUND, "unknown_version"),
        CatalogError::Outdated { .. } => (StatusCode::PRECONDITION_FAILED, "revision_changed"),
        CatalogError::ChangedMeanwhile { .. } => (StatusCode::CONFLICT, "definition_file_changed"),
        CatalogError::InvalidEdit { .. } => (StatusCode::CONFLICT, "definition_file_invalid"),
        CatalogError::NotEditable(_) => (StatusCode::CONFLICT, "definition_file_not_editable"),
        CatalogError::Malformed(_) => (StatusCode::CONFLICT, "definition_file_malformed"),
        CatalogError::Unreadable { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "definition_file_unreadable",
        ),
        CatalogError::ModuleGone { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "module_gone"),
        CatalogError::Storage { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "storage_failed"),
    }
}

/// A module that is wrong is a server error, as the guide to plugins has it; what is wrong with the
/// definition comes first.
fn of_problems(problems: &[Problem]) -> (StatusCode, &'static str) {
    let mut causes = problems.iter().map(|problem| problem.cause);
    let cause = causes.find(|cause| *cause != Cause::Module);
    match cause.unwrap_or(Cause::Module) {
        Cause::Definition => (StatusCode::BAD_REQUEST, "invalid_definition"),
        Cause::NameTaken => (StatusCode::BAD_REQUEST, "name_taken"),
        Cause::ToolNameTaken => (StatusCode::BAD_REQUEST, "tool_name_taken"),
        Cause::UriTaken => (StatusCode::BAD_REQUEST, "uri_taken"),
        Cause::Module => (StatusCode::INTERNAL_SERVER_ERROR, "invalid_module"),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let answer = Json(ErrorAnswer {
            error: self.to_string(),
            code,
        });
        match self {
            Self::Catalog(CatalogError::Outdated { revision }) => {
                (status, [etag(&revision)], answer).into_response()
            }
            _ => (status, answer).into_response(),
        }
    }
}
