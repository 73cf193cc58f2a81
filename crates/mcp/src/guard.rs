//! What stands before the endpoint: `Host` and `Origin`, CORS for the web pages whose origin is
//! allowed, and whoever decides which clients may call.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    AUTHORIZATION, HOST, ORIGIN, TRANSFER_ENCODING, VARY,
};
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode};

use crate::caller::{Caller, ClientAddress};
use crate::error::Error;
use crate::http::refuse;
use crate::origin::AllowedNames;
use crate::revision::Era;
use crate::seldom::Seldom;

/// The methods that a page may use.
const METHODS: &str = "GET, POST, DELETE, OPTIONS";
/// Headers that a page may send when it does not say which it will.
const ALLOWED_HEADERS: &str = "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id";
/// Headers of an answer that a page may read.
const EXPOSED_HEADERS: &str = "mcp-session-id, www-authenticate";
/// How long a browser may keep the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE_SECONDS: &str = "600";

/// What mends a name that is refused.
const REMEDY: &str =
    "name it in WASIMANCER_PUBLIC_HOSTS (public_hosts, --public-host) where it is one of yours";
/// Whether the log is to be told of names that are refused.
static HOSTS_TOLD: Mutex<Seldom> = Mutex::new(Seldom::new());
static ORIGINS_TOLD: Mutex<Seldom> = Mutex::new(Seldom::new());

/// Decides which clients may call.
pub trait Admission: Send + Sync {
    /// The answer to a client that may not; none where it may.
    fn refusal(&self, request: &Request) -> Option<Response>;
}

/// What a request to the endpoint passes before anything else of it is looked at. It is part of the
/// endpoint and no layer before it, since every call passes it.
pub struct Gate {
    /// What requests may name.
    pub names: AllowedNames,
    /// Who decides which clients may call; none admits all.
    pub admission: Option<Arc<dyn Admission>>,
}

impl Gate {
    /// Passes a request on to the endpoint, or refuses it.
    pub(crate) async fn pass<F: Future<Output = Response>>(
        &self,
        request: Request,
        endpoint: impl FnOnce(Request, Caller) -> F,
    ) -> Response {
        let admitted = async |request: Request| {
            let admission = self.admission.as_ref();
            if let Some(refusal) = admission.and_then(|admission| admission.refusal(&request)) {
                return refusal;
            }
            let address = ClientAddress::of(request.extensions());
            let caller = Caller::new(request.headers(), address, admission.is_some());
            endpoint(request, caller).await
        };
        // Another name than the server's own stands for a page that was rebound to its address. Where a token is
        // wanted such a page has none, and whoever has one is known by it. What names an `Origin` is a page.
        let names_host = self.admission.is_none() || request.headers().contains_key(ORIGIN);
        check(&self.names, names_host, request, admitted).await
    }
}

/// What a request says twice, or in two ways, or in a coding that the server does not know, so that
/// whoever stands before the server may have read another thing than the server would (RFC 9112,
/// sections 3.2 and 6.1).
#[must_use]
pub fn ambiguity(request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    // Mostly no header is there twice.
    let is_any_twice = headers.len() > headers.keys_len();
    let is_twice = |name| is_any_twice && headers.get_all(name).iter().nth(1).is_some();
    if is_twice(HOST) {
        return Some("the Host header is there twice");
    }
    if is_twice(AUTHORIZATION) {
        return Some("the Authorization header is there twice");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_known = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|coding| !is_known(coding)) || codings.next().is_some() {
        return Some("the Transfer-Encoding header names another coding than chunked, once");
    }
    let (authority, host) = (request.uri().authority(), headers.get(HOST));
    match (authority, host.and_then(|host| host.to_str().ok())) {
        (Some(authority), Some(host)) if !authority.as_str().eq_ignore_ascii_case(host) => {
            Some("the URL of the request names another host than the Host header")
        }
        _ => None,
    }
}

/// Puts the check of `Origin` before a router. `Host` may be any, or none.
pub fn guard_origins(router: Router, allowed: AllowedNames) -> Router {
    let check = async |State(allowed): State<Arc<AllowedNames>>, request: Request, next: Next| {
        check(&allowed, false, request, |request| next.run(request)).await
    };
    router.route_layer(from_fn_with_state(Arc::new(allowed), check))
}

/// Refuses a name, with the remedy, and tells the log now and then: whoever has the wrong name may repeat
/// it for ever.
fn forbid(told: &Mutex<Seldom>, message: &str) -> Response {
    let message = format!("{message}: {REMEDY}");
    let is_due = told.lock().unwrap_or_else(PoisonError::into_inner).is_due();
    if is_due {
        tracing::warn!("a request is refused: {message}");
    }
    refuse(&Error::Forbidden(message), Era::Modern)
}

/// Checks `Origin`, and `Host` where it must be one that is allowed. They come first, so that a refused page
/// learns nothing, and a browser can read what an allowed one is answered.
async fn check<F: Future<Output = Response>>(
    allowed: &AllowedNames,
    names_host: bool,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    if let Some(reason) = ambiguity(&request) {
        return refuse(&Error::InvalidRequest(reason.to_owned()), Era::Modern);
    }
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host
        .or_else(|| request.uri().authority().map(Authority::as_str))
        .unwrap_or_default();
    if names_host && !allowed.allows_host(host) {
        let message = format!("the Host header {host:?} is not one of the allowed hosts");
        return forbid(&HOSTS_TOLD, &message);
    }
    let Some(origin) = headers.get(ORIGIN).cloned() else {
        return if request.method() == Method::OPTIONS {
            StatusCode::NO_CONTENT.into_response()
        } else {
            next(request).await
        };
    };
    if !origin
        .to_str()
        .is_ok_and(|origin| allowed.allows_origin(origin))
    {
        let message = format!("the Origin header {origin:?} is not one of the allowed origins");
        return forbid(&ORIGINS_TOLD, &message);
    }
    let mut response = if request.method() == Method::OPTIONS {
        preflight(headers.get(ACCESS_CONTROL_REQUEST_HEADERS))
    } else {
        next(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED_HEADERS),
    );
    headers.append(VARY, HeaderValue::from_static("origin"));
    response
}

fn preflight(requested: Option<&HeaderValue>) -> Response {
    let allowed = requested
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_static(ALLOWED_HEADERS));
    let headers = [
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(METHODS),
        ),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed),
        (
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static(PREFLIGHT_MAX_AGE_SECONDS),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
