//! Tokens: who may call, and who may administer. A token never prints.

mod strength;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
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
use wasimancer_admin::Error as AdminError;
use wasimancer_catalog::read_regular_text;
use wasimancer_mcp::{Admission, ClientAddress};

use crate::wrong_tokens::{Pace, WrongTokens};

pub(crate) use strength::{Owner, weaknesses};

/// Random bytes of a generated token: 256 bits.
const TOKEN_BYTES: usize = 32;

/// Most bytes of a file that holds a token.
const FILE_MAX_BYTES: u64 = 64 * 1024;
/// What stands for no token, where clients need none.
pub(crate) const NO_AUTHENTICATION: &str = "NO_AUTHENTICATION";

/// A bearer token. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Token(Arc<Inner>);

struct Inner {
    text: ArcSwap<String>,
    /// Where it comes from, so that it can be read anew.
    file: Option<PathBuf>,
}

impl Token {
    pub(crate) fn new(text: &str) -> Self {
        Self::of(text.to_owned(), None)
    }

    fn of(text: String, file: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            text: ArcSwap::from_pointee(text),
            file,
        }))
    }

    /// The token in a file.
    ///
    /// # Errors
    /// What is wrong with the file, without what it holds.
    pub(crate) fn read(file: PathBuf) -> Result<Self, String> {
        Ok(Self::of(read(&file)?, Some(file)))
    }

    /// The text of the file that it comes from, as it is now; none where it comes from no file.
    pub(crate) fn read_again(&self) -> Option<Result<String, String>> {
        self.0.file.as_deref().map(read)
    }

    /// Makes it another one; whether it was.
    pub(crate) fn replace(&self, text: Arc<String>) -> bool {
        let is_other = self.0.text.load_full() != text;
        self.0.text.store(text);
        is_other
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
    pub(crate) fn reveal(&self) -> Arc<String> {
        self.0.text.load_full()
    }

    /// Whether the request bears this token, found out in constant time.
    pub(crate) fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let wanted = self.0.text.load();
        bearer(headers).is_some_and(|text| wanted.as_bytes().ct_eq(text.as_bytes()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

/// The text of a file that holds a token, without the line end behind it.
fn read(file: &Path) -> Result<String, String> {
    let text = read_regular_text(file, FILE_MAX_BYTES);
    let mut text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Lets in who bears a token, and answers who bears another one. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Gatekeeper {
    token: Token,
    /// `clients` or `operators`, for the log.
    whose: &'static str,
    wrong_tokens: Arc<WrongTokens>,
}

impl Gatekeeper {
    pub(crate) fn new(token: Token, whose: &'static str, wrong_tokens: Arc<WrongTokens>) -> Self {
        Self {
            token,
            whose,
            wrong_tokens,
        }
    }

    /// Whether a request bears the token.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        self.token.is_borne_by(headers)
    }

    /// The answer to a request without the right token: `answer`, but slowly to an address that sends
    /// wrong ones. A request without any guesses nothing.
    pub(crate) fn answer(&self, request: &Request, answer: impl IntoResponse) -> Response {
        if bearer(request.headers()).is_none() {
            return answer.into_response();
        }
        let address = ClientAddress::of(request.extensions());
        match self.wrong_tokens.count(address, self.whose) {
            Pace::AtOnce => answer.into_response(),
            Pace::HeldBack(until) => {
                let mut answer = answer.into_response();
                answer.extensions_mut().insert(until);
                answer
            }
            Pace::Refused { retry_after } => {
                AdminError::TooManyWrongTokens { retry_after }.into_response()
            }
        }
    }
}

/// A client's token: 401 without it.
impl Admission for Gatekeeper {
    fn refusal(&self, request: &Request) -> Option<Response> {
        if self.admits(request.headers()) {
            return None;
        }
        // RFC 6750, section 3: the error is named only where a token was given.
        let (challenge, message) = match bearer(request.headers()) {
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
        Some(self.answer(request, refusal))
    }
}

/// Puts the administration token before a router: 403 without it, before the body is read.
pub(crate) fn require_admin_token(router: Router, gatekeeper: Gatekeeper) -> Router {
    router.route_layer(from_fn_with_state(gatekeeper, check_admin))
}

async fn check_admin(
    State(gatekeeper): State<Gatekeeper>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(reason) = wasimancer_mcp::ambiguity(&request) {
        AdminError::Ambiguous { reason }.into_response()
    } else if gatekeeper.admits(request.headers()) {
        next.run(request).await
    } else {
        gatekeeper.answer(&request, AdminError::Unauthorized)
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
        let other = Token::generate().expect("random numbers");
        assert_ne!(one.reveal(), other.reveal());
    }
}
