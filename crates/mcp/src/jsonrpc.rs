//! JSON-RPC 2.0 envelopes, borrowed from the request's bytes.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::strict;

/// A message as it came.
pub(crate) struct Incoming<'a> {
    pub(crate) id: Option<Id<'a>>,
    pub(crate) kind: Kind<'a>,
}

/// What a message is.
pub(crate) enum Kind<'a> {
    /// A request where there is an id, else a notification.
    Call {
        method: String,
        params: Option<&'a RawValue>,
    },
    /// An answer to a request of ours: the result, or the error.
    Response(Result<&'a RawValue, &'a RawValue>),
}

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) method: &'a str,
    pub(crate) params: Option<&'a RawValue>,
}

/// The id of a request as its JSON: a string or an integer.
#[derive(Clone, Copy)]
pub(crate) struct Id<'a>(&'a str);

impl Id<'_> {
    /// The JSON of the id.
    pub(crate) fn json(&self) -> &str {
        self.0
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    jsonrpc: Option<Value>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    method: Option<Value>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Keeps an explicit `null` apart from an absent field.
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The body of a request: one message, or a batch of them.
pub(crate) enum Body<'a> {
    One(&'a RawValue),
    Batch(Vec<&'a RawValue>),
}

/// Reads the outermost layer of a body.
pub(crate) fn parse_body(bytes: &[u8]) -> Result<Body<'_>, Error> {
    let whole: &RawValue =
        serde_json::from_slice(bytes).map_err(|error| Error::Parse(error.to_string()))?;
    if whole.get().starts_with('[') {
        let messages =
            serde_json::from_str(whole.get()).map_err(|error| Error::Parse(error.to_string()))?;
        return Ok(Body::Batch(messages));
    }
    Ok(Body::One(whole))
}

/// Reads one message. The id comes with an error as well, where it could be read.
pub(crate) fn parse_message(raw: &RawValue) -> Result<Incoming<'_>, (Option<Id<'_>>, Error)> {
    let invalid = |message: &str| Error::InvalidRequest(message.to_owned());
    let envelope: Envelope<'_> = serde_json::from_str(raw.get()).map_err(|error| {
        (
            None,
            invalid(&format!("the message is no JSON-RPC request: {error}")),
        )
    })?;
    let id = match envelope.id {
        None => None,
        Some(raw) => match id(raw.get()) {
            Some(id) => Some(id),
            None => return Err((None, invalid("`id` must be a string or an integer"))),
        },
    };
    strict::check(raw.get()).map_err(|reason| {
        let id = id.filter(|id| strict::check(id.json()).is_ok());
        (id, Error::InvalidRequest(reason))
    })?;
    if envelope.jsonrpc.as_ref().and_then(Value::as_str) != Some("2.0") {
        return Err((id, invalid("`jsonrpc` must be \"2.0\"")));
    }
    let kind = match envelope.method {
        Some(Value::String(method)) => Kind::Call {
            method,
            params: envelope.params,
        },
        Some(_) => return Err((id, invalid("`method` must be a string"))),
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
    if let Kind::Call {
        params: Some(params),
        ..
    } = &kind
        && !params.get().starts_with('{')
    {
        return Err((id, invalid("`params` must be an object")));
    }
    Ok(Incoming { id, kind })
}

/// The id under `requestId` of a cancellation's params.
pub(crate) fn request_id(params: Option<&RawValue>) -> Option<Id<'_>> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "requestId")]
        request_id: &'a RawValue,
    }
    let params: Params<'_> = serde_json::from_str(params?.get()).ok()?;
    id(params.request_id.get())
}

fn id(json: &str) -> Option<Id<'_>> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (json.starts_with('"') || is_integer).then_some(Id(json))
}

/// Writes `{"jsonrpc":"2.0","id":…,"result":{…}}` from the fields of the result.
pub(crate) fn write_result(id: Id<'_>, fields: &str) -> String {
    let mut out = String::with_capacity(fields.len() + id.json().len() + 48);
    out.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
    out.push_str(id.json());
    out.push_str(",\"result\":{");
    out.push_str(fields);
    out.push_str("}}");
    out
}

/// Writes an error response; the id is left out where it could not be read.
pub(crate) fn write_error(
    id: Option<Id<'_>>,
    code: i32,
    message: &str,
    data: Option<&Value>,
) -> String {
    let id = id.map_or_else(String::new, |id| format!("\"id\":{},", id.json()));
    let message = Value::from(message);
    let data = data.map_or_else(String::new, |data| format!(",\"data\":{data}"));
    format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":{code},\"message\":{message}{data}}}}}")
}

/// Writes a request of ours from its method and the JSON of its params.
pub(crate) fn write_request(id: u64, method: &str, params: &Value) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Option<String>, bool), String> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match parse_message(raw) {
            Ok(message) => Ok((
                message.id.map(|id| id.json().to_owned()),
                matches!(message.kind, Kind::Call { .. }),
            )),
            Err((_, error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn ids_are_strings_or_integers() {
        for (id, wanted) in [("7", "7"), ("0", "0"), ("-3", "-3"), ("\"a\"", "\"a\"")] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(parse(&text), Ok((Some(wanted.to_owned()), true)));
        }
        for id in ["null", "1.5", "1e3", "true", "{}", "[1]"] {
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
