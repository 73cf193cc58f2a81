//! Where a response redirects a request to, and what of the request may follow.
//!
//! Another origin is somebody else, also where the plugin may reach it: what the plugin sent to the
//! first was not meant for the second. So only headers that say nothing of the sender follow there,
//! and no body: a token is sent in a body as often as in a header.

use reqwest::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, PRAGMA, RANGE,
    USER_AGENT,
};
use reqwest::{Method, Request, Response, StatusCode, Url};

/// Headers that say what is wanted and in which form. Any other may hold a secret: `X-Api-Key` is as
/// common as `Authorization`, and its name is the service's choice.
const HEADERS_FOR_OTHERS: [HeaderName; 12] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    PRAGMA,
    RANGE,
    USER_AGENT,
];
/// Headers that describe a body, and go with it.
const HEADERS_OF_BODIES: [HeaderName; 4] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_TYPE,
];

/// The request that a response redirects this one to. `None`: the response is the answer, since it is
/// no redirect (RFC 9110, section 15.4), leads to nowhere, or would take a body to another origin.
pub(super) fn next(mut request: Request, response: &Response) -> Option<Request> {
    let url = target(request.url(), response.headers())?;
    match (response.status(), request.method().clone()) {
        (StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND, Method::POST) => {
            leave_body(&mut request, Method::GET);
        }
        (StatusCode::SEE_OTHER, Method::HEAD) => leave_body(&mut request, Method::HEAD),
        (StatusCode::SEE_OTHER, _) => leave_body(&mut request, Method::GET),
        (
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT,
            _,
        ) => {}
        _ => return None,
    }
    if url.origin() != request.url().origin() {
        if request.body().is_some() {
            return None;
        }
        *request.headers_mut() = for_others(request.headers());
    }
    *request.url_mut() = url;
    Some(request)
}

/// Goes on without the body, as every client does there.
fn leave_body(request: &mut Request, method: Method) {
    *request.method_mut() = method;
    *request.body_mut() = None;
    for name in HEADERS_OF_BODIES {
        request.headers_mut().remove(name);
    }
}

/// The URL that `Location` names, without the name and the password in it, which are not the
/// plugin's.
fn target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    let mut url = from.join(location).ok()?;
    // Only a URL without a host cannot be without them, and that one is refused.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(url)
}

fn for_others(headers: &HeaderMap) -> HeaderMap {
    let named = headers.iter();
    let named = named.filter(|(name, _)| HEADERS_FOR_OTHERS.contains(name));
    named
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
