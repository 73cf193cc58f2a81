//! JSON-RPC 2.0 envelopes, borrowed from the request's bytes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::WholeNumber;

use crate::error::Error;
use crate::params::{Params, present};
use crate::strict;
use crate::text::Text;

/// A message as it came.
pub(crate) struct Incoming<'a> {
    pub(crate) id: Option<Id<'a>>,
    pub(crate) kind: Kind<'a>,
}

/// What a message is.
pub(crate) enum Kind<'a> {
    /// A request where there is an id, else a notification.
    Call {
        method: Cow<'a, str>,
        params: Params<'a>,
    },
    /// An answer to a request of ours: the result, or the error.
    Response(Result<&'a RawValue, &'a RawValue>),
}

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) method: &'a str,
    pub(crate) params: Params<'a>,
}

/// The id of a request: a string or an integer.
#[derive(Clone, Copy)]
pub(crate) enum Id<'a> {
    /// Its JSON as it came.
    Written(&'a str),
    /// That of an integer which came in another notation, such as `1.0`.
    Whole(WholeNumber),
}

impl Id<'_> {
    /// The JSON of the id.
    pub(crate) fn json(&self) -> &str {
        match self {
            Self::Written(json) => json,
            Self::Whole(number) => number.as_str(),
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// What some programs write before a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The body of a request: one message, or a batch of them.
pub(crate) enum Body<'a> {
    One(&'a str),
    Batch(Vec<&'a RawValue>),
}

/// Tells a batch, and reads its outermost layer.
pub(crate) fn parse_body(bytes: &[u8]) -> Result<Body<'_>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error::Parse(error.to_string()))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if !text.trim_start().starts_with('[') {
        return Ok(Body::One(text));
    }
    let messages = serde_json::from_str(text).map_err(|error| Error::Parse(error.to_string()))?;
    Ok(Body::Batch(messages))
}

/// Reads one message. The id comes with an error as well, where it could be read.
pub(crate) fn parse_message(text: &str) -> Result<Incoming<'_>, (Option<Id<'_>>, Error)> {
    let invalid = |message: &str| Error::InvalidRequest(message.to_owned());
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| (None, no_message(text, &error)))?;
    let id = match envelope.id {
        None => None,
        Some(raw) => match id(raw.get()) {
            Some(id) => Some(id),
            None => return Err((None, invalid("`id` must be a string or an integer"))),
        },
    };
    strict::check(text).map_err(|reason| {
        let id = id.filter(|id| strict::check(id.json()).is_ok());
        (id, Error::InvalidRequest(reason))
    })?;
    if envelope.jsonrpc.and_then(Text::of).as_deref() != Some("2.0") {
        return Err((id, invalid("`jsonrpc` must be \"2.0\"")));
    }
    let kind = match envelope.method {
        Some(method) => Kind::Call {
            method: Text::of(method).ok_or_else(|| (id, invalid("`method` must be a string")))?,
            params: Params::of(envelope.params).map_err(|error| (id, error))?,
        },
        None => match (envelope.result, envelope.error) {
            (Some(result), None) => Kind::Response(Ok(result)),
            (None, Some(error)) => Kind::Response(Err(error)),
            (None, None) => return Err((id, invalid("`method` is missing"))),
            (Some(_), Some(_)) => {
                return Err((
                    id,
                    invalid("`error` stands beside `result`: send one of the two"),
                ));
            }
        },
    };
    Ok(Incoming { id, kind })
}

/// What is wrong with a text that is no JSON, or other JSON than a message.
fn no_message(text: &str, error: &serde_json::Error) -> Error {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Error::InvalidRequest(format!("the message is no JSON-RPC request: {error}")),
        Err(error) => Error::Parse(error.to_string()),
    }
}

/// The id under `requestId` of a cancellation's params.
pub(crate) fn request_id<'a>(params: &Params<'a>) -> Option<Id<'a>> {
    #[derive(Deserialize)]
    struct Cancelled<'a> {
        #[serde(borrow, rename = "requestId")]
        request_id: &'a RawValue,
    }
    let Cancelled { request_id } = params.read().ok()?;
    id(request_id.get())
}

fn id(json: &str) -> Option<Id<'_>> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if json.starts_with('"') || is_integer {
        return Some(Id::Written(json));
    }
    WholeNumber::of(json).map(Id::Whole)
}

/// Writes `{"jsonrpc":"2.0","id":…,"result":{…}}` from the fields of the result, which come in pieces.
pub(crate) fn write_result(id: Id<'_>, fields: &[&str]) -> String {
    let fields_bytes: usize = fields.iter().map(|piece| piece.len()).sum();
    let mut out = String::with_capacity(fields_bytes + id.json().len() + 48);
    out.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
    out.push_str(id.json());
    out.push_str(",\"result\":{");
    out.extend(fields.iter().copied());
    out.push_str("}}");
    out
}

/// Writes an error response; the id is left out where it could not be read.
pub(crate) fn write_error(
    id: Option<Id<'_>>,
    code: i32,
    message: &str,
    data: Option<&str>,
) -> String {
    let id = id.map_or_else(String::new, |id| format!("\"id\":{},", id.json()));
    let message = Value::from(message);
    let data = data.map_or_else(String::new, |data| format!(",\"data\":{data}"));
    format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":{code},\"message\":{message}{data}}}}}")
}

/// Writes a request of ours from its method and the JSON of its params.
pub(crate) fn write_request(id: u64, method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Option<String>, bool), String> {
        match parse_message(text) {
            Ok(message) => Ok((
                message.id.map(|id| id.json().to_owned()),
                matches!(message.kind, Kind::Call { .. }),
            )),
            Err((_, error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn ids_are_strings_or_integers() {
        for (id, wanted) in [
            ("7", "7"),
            ("0", "0"),
            ("-3", "-3"),
            ("\"a\"", "\"a\""),
            ("1.0", "1"),
            ("-2.00", "-2"),
            ("1e3", "1000"),
            ("9007199254740993", "9007199254740993"),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(parse(&text), Ok((Some(wanted.to_owned()), true)));
        }
        for id in ["null", "1.5", "1e21", "true", "{}", "[1]"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert!(parse(&text).is_err(), "{id}");
        }
    }

    #[test]
    fn notifications_and_responses_are_told_apart() {
        assert_eq!(parse(r#"{"jsonrpc":"2.0","method":"x"}"#), Ok((None, true)));
        assert_eq!(
            parse(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            Ok((Some("1".to_owned()), false))
        );
        for wrong in [
            r#"{"id":1,"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
            "7",
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_in_errors_is_escaped() {
        let text = write_error(None, -32600, "a \"b\"\n", None);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["error"]["message"], "a \"b\"\n");
        assert!(value.get("id").is_none());
    }
}
