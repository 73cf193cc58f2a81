//! Tokens: who may call, and who may administer. A token never prints.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use subtle::ConstantTimeEq;
use wasimancer_mcp::Admission;

/// Random bytes of a generated token: 256 bits.
const TOKEN_BYTES: usize = 32;

/// A bearer token.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

impl Token {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// A new random token.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            anyhow::anyhow!("this machine gives no random numbers for a token: {error}")
        })?;
        Ok(Self::new(&URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text, for whoever starts the server, or to make a key of.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the request bears this token, found out in constant time.
    fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|text| self.0.as_bytes().ct_eq(text.as_bytes()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A client's token: 401 without it.
impl Admission for Token {
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        if self.is_borne_by(headers) {
            return None;
        }
        // RFC 6750, section 3: the error is named only where a token was given.
        let (challenge, message) = match bearer(headers) {
            Some(_) => (
                r#"Bearer realm="wasimancer", error="invalid_token""#,
                "the bearer token is not valid",
            ),
            None => (
                r#"Bearer realm="wasimancer""#,
                "a bearer token is wanted: send Authorization: Bearer <token>",
            ),
        };
        let refusal = (
            StatusCode::UNAUTHORIZED,
            [(WWW_AUTHENTICATE, challenge)],
            Json(json!({ "error": message })),
        );
        Some(refusal.into_response())
    }
}

/// Puts the administration token before a router: 403 without it, before the body is read.
pub(crate) fn require_admin_token(router: Router, token: Token) -> Router {
    router.route_layer(from_fn_with_state(token, check_admin))
}

async fn check_admin(State(token): State<Token>, request: Request, next: Next) -> Response {
    if token.is_borne_by(request.headers()) {
        next.run(request).await
    } else {
        wasimancer_admin::Error::Unauthorized.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_print_and_are_compared_whole() {
        let token = Token::new("secret");
        assert!(!format!("{token:?}").contains("secret"));
        let borne = |value: &str| {
            let headers: HeaderMap = [(AUTHORIZATION, value.parse().expect("a header value"))]
                .into_iter()
                .collect();
            token.is_borne_by(&headers)
        };
        assert!(borne("Bearer secret"));
        assert!(borne("bearer secret"));
        for wrong in [
            "secret",
            "Bearer",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "Bearer",
        ] {
            assert!(!borne(wrong), "{wrong}");
        }
        assert!(!token.is_borne_by(&HeaderMap::new()));
        let one = Token::generate().expect("random numbers");
        assert_ne!(
            one.reveal(),
            Token::generate().expect("random numbers").reveal()
        );
    }
}
