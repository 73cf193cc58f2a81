//! The headers that mirror the body (2026-07-28, transports, "Request Metadata").

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName};
use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::HeaderParameter;

use crate::error::Error;

/// Repeats the method.
static METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Repeats the tool's or prompt's name, or the resource's URI.
static NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Begins the names of headers that repeat arguments.
const PARAMETER_PREFIX: &str = "mcp-param-";
/// What stands around a base64 value.
const BASE64_PREFIX: &str = "=?base64?";
const BASE64_SUFFIX: &str = "?=";

/// Holds `Mcp-Method` against the method.
pub(crate) fn check_method(headers: &HeaderMap, method: &str) -> Result<(), Error> {
    // Methods are plain ASCII: their header is never encoded.
    let found = single(headers, &METHOD)?.ok_or_else(|| missing(METHOD.as_str(), method))?;
    if found == method {
        Ok(())
    } else {
        Err(mismatch(METHOD.as_str(), found, method))
    }
}

/// Holds `Mcp-Name` against the name or URI in the params.
pub(crate) fn check_name(headers: &HeaderMap, name: &str) -> Result<(), Error> {
    let found = single(headers, &NAME)?.ok_or_else(|| missing(NAME.as_str(), name))?;
    if decode(found, NAME.as_str())? == name {
        Ok(())
    } else {
        Err(mismatch(NAME.as_str(), found, name))
    }
}

/// Refuses `Mcp-Name` where the params hold nothing that it could repeat.
pub(crate) fn check_no_name(headers: &HeaderMap) -> Result<(), Error> {
    match single(headers, &NAME)? {
        None => Ok(()),
        Some(found) => Err(Error::HeaderMismatch(format!(
            "the {NAME} header is {found:?} and the params hold no name or URI"
        ))),
    }
}

/// Holds `Mcp-Param-…` headers against the arguments that they repeat.
pub(crate) fn check_parameters(
    headers: &HeaderMap,
    parameters: &[HeaderParameter],
    arguments: Option<&RawValue>,
) -> Result<(), Error> {
    if parameters.is_empty() {
        return Ok(());
    }
    let arguments: Value = arguments
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    for parameter in parameters {
        let header = format!("{PARAMETER_PREFIX}{}", parameter.name.to_ascii_lowercase());
        let in_body = parameter
            .path
            .iter()
            .try_fold(&arguments, |value, key| value.get(key));
        let in_body = in_body.filter(|value| !value.is_null());
        match (single(headers, header.as_str())?, in_body) {
            (None, None) => {}
            (Some(found), Some(value)) if same(&decode(found, &header)?, value) => {}
            (Some(found), Some(value)) => return Err(mismatch(&header, found, &text(value))),
            (None, Some(value)) => return Err(missing(&header, &text(value))),
            (Some(found), None) => {
                return Err(Error::HeaderMismatch(format!(
                    "the {header} header is {found:?} and the argument {} is not given",
                    parameter.path.join(".")
                )));
            }
        }
    }
    Ok(())
}

/// The one value of a header, trimmed; visible ASCII, spaces and tabs.
pub(crate) fn single<N>(headers: &HeaderMap, name: N) -> Result<Option<&str>, Error>
where
    N: AsHeaderName + Copy + fmt::Display,
{
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::HeaderMismatch(format!(
            "the {name} header is given more than once"
        )));
    }
    let text = value.to_str().map_err(|_| {
        Error::HeaderMismatch(format!("the {name} header holds invalid characters"))
    })?;
    Ok(Some(text.trim()))
}

/// Decodes `=?base64?…?=`; any other value stands for itself.
fn decode<'v>(value: &'v str, header: &str) -> Result<Cow<'v, str>, Error> {
    let inside = value
        .strip_prefix(BASE64_PREFIX)
        .and_then(|rest| rest.strip_suffix(BASE64_SUFFIX));
    let Some(inside) = inside else {
        return Ok(Cow::Borrowed(value));
    };
    let malformed = || Error::HeaderMismatch(format!("the {header} header holds malformed base64"));
    let bytes = STANDARD.decode(inside).map_err(|_| malformed())?;
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| malformed())
}

/// Whether a header's text means the value; numbers are compared as numbers.
fn same(found: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => found == text,
        Value::Bool(boolean) => found == if *boolean { "true" } else { "false" },
        Value::Number(number) => {
            if let (Ok(found), Ok(wanted)) =
                (found.parse::<i128>(), number.to_string().parse::<i128>())
            {
                return found == wanted;
            }
            found
                .parse::<f64>()
                .is_ok_and(|found| number.as_f64() == Some(found))
        }
        _ => false,
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn missing(header: &str, wanted: &str) -> Error {
    Error::HeaderMismatch(format!(
        "the {header} header is missing; it must repeat {wanted:?} of the body"
    ))
}

fn mismatch(header: &str, found: &str, wanted: &str) -> Error {
    Error::HeaderMismatch(format!(
        "{header} header value {found:?} does not match body value {wanted:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn names_are_decoded_before_they_are_compared() {
        assert!(check_name(&headers(&[("mcp-name", "add")]), "add").is_ok());
        assert!(
            check_name(
                &headers(&[("mcp-name", "=?base64?SGVsbG8sIOS4lueVjA==?=")]),
                "Hello, 世界"
            )
            .is_ok()
        );
        assert!(
            check_name(
                &headers(&[("mcp-name", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=")]),
                "=?base64?literal?="
            )
            .is_ok()
        );
        assert!(
            check_name(
                &headers(&[("mcp-name", "=?base64?SGVsbG8")]),
                "=?base64?SGVsbG8"
            )
            .is_ok()
        );
        for wrong in [
            "Add",
            "=?base64?SGVsbG8?=",
            "=?base64?SGV%bG8=?=",
            "=?base64?/w==?=",
        ] {
            assert!(
                check_name(&headers(&[("mcp-name", wrong)]), "add").is_err(),
                "{wrong}"
            );
        }
        assert!(check_name(&HeaderMap::new(), "add").is_err());
        let mut twice = headers(&[("mcp-name", "add")]);
        twice.append("mcp-name", "add".parse().unwrap());
        assert!(check_name(&twice, "add").is_err());
    }

    #[test]
    fn parameters_are_compared_by_their_meaning() {
        let parameters = [HeaderParameter {
            name: "Level".to_owned(),
            path: vec!["options".to_owned(), "level".to_owned()],
        }];
        let check = |header: Option<&str>, arguments: &str| {
            let headers = header
                .map(|value| headers(&[("mcp-param-level", value)]))
                .unwrap_or_default();
            let raw: &RawValue = serde_json::from_str(arguments).unwrap();
            check_parameters(&headers, &parameters, Some(raw)).is_ok()
        };
        assert!(check(Some("42.0"), r#"{"options":{"level":42}}"#));
        assert!(check(Some("true"), r#"{"options":{"level":true}}"#));
        assert!(!check(Some("41"), r#"{"options":{"level":42}}"#));
        assert!(!check(None, r#"{"options":{"level":42}}"#));
        assert!(!check(Some("42"), "{}"));
        assert!(check(None, r#"{"options":{"level":null}}"#));
    }
}
