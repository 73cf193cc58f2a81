//! The errors of the API, and the only map from them to HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was not served. Displayed as it reaches the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The administration token is missing or wrong.
    #[error("😡 Unauthorized")]
    Unauthorized,
}

impl Error {
    /// The status and the word that scripts can rely on.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::FORBIDDEN, "unauthorized"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        (
            status,
            Json(json!({ "error": self.to_string(), "code": code })),
        )
            .into_response()
    }
}
