//! The media types of messages and of their answers.

use http::{HeaderMap, HeaderValue, header};

use crate::error::Error;
use crate::sse;

/// Requests are JSON, and so are most answers.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Error> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !essence(content_type).eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType(
            "the Content-Type of a message must be application/json",
        ));
    }
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::UnsupportedMediaType(
            "the Content-Encoding header names a coding, and messages are read without any: leave it out",
        ));
    }
    if !accepts(headers, &["application/json", "application/*", "*/*"]) {
        return Err(Error::NotAcceptable(
            "the Accept header must list application/json and text/event-stream",
        ));
    }
    Ok(())
}

/// For what is answered with a stream of events.
pub(crate) fn check_accepts_events(headers: &HeaderMap) -> Result<(), Error> {
    if accepts(headers, &[sse::MEDIA_TYPE, "text/*", "*/*"]) {
        return Ok(());
    }
    Err(Error::NotAcceptable(
        "the Accept header must list text/event-stream: the answer is a stream of events",
    ))
}

/// What most clients accept, as the transport's pages write it.
const USUAL: &str = "application/json, text/event-stream";

/// Whether `Accept` lists one of the ranges; without one, everything is accepted.
fn accepts(headers: &HeaderMap, ranges: &[&str]) -> bool {
    if headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == USUAL)
    {
        return true;
    }
    let lists = |accept: &HeaderValue| {
        let mut listed = accept.to_str().unwrap_or_default().split(',');
        listed.any(|range| {
            ranges
                .iter()
                .any(|known| essence(range).eq_ignore_ascii_case(known))
        })
    };
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    accepted.peek().is_none() || accepted.any(lists)
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_listed_in_any_form() {
        for (accept, json, events) in [
            (&[][..], true, true),
            (&[USUAL], true, true),
            (&["text/event-stream;q=0.5 , Application/JSON"], true, true),
            (&["application/json", "text/event-stream"], true, true),
            (&["application/*"], true, false),
            (&["text/event-stream"], false, true),
            (&["text/html, */*;q=0.1"], true, true),
            (&["text/html"], false, false),
            (&[""], false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            for accept in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(accept));
            }
            let found = (
                check(&headers).is_ok(),
                check_accepts_events(&headers).is_ok(),
            );
            assert_eq!(found, (json, events), "{accept:?}");
        }
    }
}
