//! The answer of a plugin whose definition says `returns: result`, read as far as all requests have
//! it in common. The contract for plugin authors is `docs/plugin-contract.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::input_required::InputRequired;
use crate::outcome::Outcome;
use crate::revision::SERVER_INFO_KEY;

/// The codes of JSON-RPC and MCP: of these a plugin may use two (JSON-RPC 2.0, section 5.1).
const RESERVED_CODES: std::ops::RangeInclusive<i32> = -32768..=-32000;
const CODES_FOR_PLUGINS: [i32; 2] = [-32602, -32603];

/// What a plugin answers.
pub(crate) enum Answer<'a> {
    /// The fields of a result, without `resultType`.
    Complete(Fields<'a>),
    InputRequired(InputRequired),
    /// An error of the protocol in place of a result.
    Error(Error),
}

/// The fields of a result as the plugin wrote them.
pub(crate) struct Fields<'a> {
    pub(crate) result: BTreeMap<String, &'a RawValue>,
    meta: BTreeMap<String, &'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Reads an output; the text of an error says what the plugin did wrong.
    pub(crate) fn parse(output: &'a [u8]) -> Result<Self, String> {
        let mut result: BTreeMap<String, &RawValue> =
            serde_json::from_slice(output).map_err(|error| error.to_string())?;
        if let Some(error) = result.remove("error") {
            return self::error(error).map(Self::Error);
        }
        match result.remove("resultType").map(RawValue::get) {
            None | Some("\"complete\"") => {}
            Some("\"input_required\"") => {
                let requests = result.remove("inputRequests");
                let state = result.remove("requestState");
                return InputRequired::parse(requests, state).map(Self::InputRequired);
            }
            Some(other) => {
                return Err(format!(
                    "resultType is {other} and must be \"complete\" or \"input_required\""
                ));
            }
        }
        let mut meta: BTreeMap<String, &RawValue> =
            match result.remove("_meta").map(RawValue::get) {
                None | Some("null") => BTreeMap::new(),
                Some(object) => serde_json::from_str(object)
                    .map_err(|_| "_meta must be an object".to_owned())?,
            };
        // Who the server is, it says itself.
        meta.remove(SERVER_INFO_KEY);
        Ok(Self::Complete(Fields { result, meta }))
    }
}

impl Fields<'_> {
    /// The result with these fields first, and those that are left after them.
    pub(crate) fn into_outcome(self, mut fields: String) -> Outcome {
        for (name, raw) in self.result {
            let _ = write!(fields, ",{}:{}", Value::from(name), raw.get());
        }
        let mut outcome = Outcome::new(fields);
        for (name, raw) in self.meta {
            let comma = if outcome.meta.is_empty() { "" } else { "," };
            let _ = write!(outcome.meta, "{comma}{}:{}", Value::from(name), raw.get());
        }
        outcome
    }
}

fn error(raw: &RawValue) -> Result<Error, String> {
    #[derive(Deserialize)]
    struct PluginError {
        code: i32,
        message: String,
        #[serde(default)]
        data: Option<Box<Value>>,
    }
    let PluginError {
        code,
        message,
        data,
    } = serde_json::from_str(raw.get())
        .map_err(|error| format!("error must have a code and a message: {error}"))?;
    if RESERVED_CODES.contains(&code) && !CODES_FOR_PLUGINS.contains(&code) {
        return Err(format!(
            "error.code is {code} and must be -32602, -32603 or outside the reserved codes from -32768 to -32000"
        ));
    }
    Ok(Error::Plugin {
        code,
        message,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(output: &str) -> String {
        match Answer::parse(output.as_bytes()) {
            Err(message) => message,
            Ok(_) => panic!("{output} was read"),
        }
    }

    #[test]
    fn an_answer_says_what_it_is() {
        let read = |output| Answer::parse(output).unwrap();
        assert!(matches!(read(b"{}"), Answer::Complete(_)));
        assert!(matches!(
            read(br#"{"resultType":"input_required","requestState":"s"}"#),
            Answer::InputRequired(InputRequired { state: Some(_), .. })
        ));
        for code in [-32602, -32603, 1, -31999, -32769] {
            let output = format!(r#"{{"error":{{"code":{code},"message":"m","data":[1]}}}}"#);
            let answer = Answer::parse(output.as_bytes()).unwrap();
            assert!(
                matches!(answer, Answer::Error(Error::Plugin { code: found, .. }) if found == code)
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (output, message) in [
            ("[]", "invalid type"),
            (r#"{"resultType":"task"}"#, "resultType is \"task\""),
            (
                r#"{"resultType":"input_required"}"#,
                "inputRequests or requestState is missing",
            ),
            (r#"{"_meta":5}"#, "_meta must be an object"),
            (
                r#"{"error":{"code":-32601,"message":""}}"#,
                "error.code is -32601",
            ),
            (
                r#"{"error":{"code":1}}"#,
                "error must have a code and a message",
            ),
        ] {
            let found = wrong(output);
            assert!(found.contains(message), "{output}: {found}");
        }
    }
}
