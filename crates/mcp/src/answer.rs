//! The answer of a plugin whose definition says `returns: result`, read as far as all requests have
//! it in common. The contract for plugin authors is `docs/plugin-contract.md`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use wasimancer_runtime::Budget;

use crate::error::Error;
use crate::input_required::InputRequired;
use crate::members::Members;
use crate::outcome::Outcome;
use crate::revision::SERVER_INFO_KEY;
use crate::value_type::{Writer, Wrong};

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
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) result: Members<'a>,
    meta: Members<'a>,
}

impl<'a> Answer<'a> {
    /// Reads an output; the text of an error says what the plugin did wrong.
    pub(crate) fn parse(
        output: &'a str,
        writer: &mut Writer,
        budget: &Budget,
    ) -> Result<Self, String> {
        Self::of(Members::read(output)?, writer, budget)
    }

    /// Reads an output whose outermost layer is read already.
    pub(crate) fn of(
        mut result: Members<'a>,
        writer: &mut Writer,
        budget: &Budget,
    ) -> Result<Self, String> {
        if let Some(error) = result.take("error").filter(|error| error.get() != "null") {
            return self::error(error).map(Self::Error);
        }
        match result.take("resultType").map(RawValue::get) {
            None | Some("\"complete\"" | "null") => {}
            Some("\"input_required\"") => {
                let requests = result.take("inputRequests");
                let state = result.take("requestState");
                return InputRequired::parse(requests, state, writer, budget)
                    .map(Self::InputRequired);
            }
            Some(other) => {
                return Err(format!(
                    "resultType is {other} and must be \"complete\" or \"input_required\""
                ));
            }
        }
        let meta = result.take("_meta").map(RawValue::get);
        let meta = meta.filter(|meta| *meta != "null");
        let mut meta = meta.map_or_else(Members::default, |meta| {
            Members::read(meta).unwrap_or_else(|_| {
                writer.left_out.note(Wrong::new("_meta", "an object"));
                Members::default()
            })
        });
        // Who the server is, it says itself.
        meta.take(SERVER_INFO_KEY);
        Ok(Self::Complete(Fields { result, meta }))
    }
}

impl Fields<'_> {
    /// The result with these fields first, and those that are left after them.
    pub(crate) fn into_outcome(self, mut fields: String) -> Outcome {
        if !self.result.is_empty() {
            fields.push(',');
            self.result.write(&mut fields);
        }
        let mut outcome = Outcome::new(fields);
        self.meta.write(&mut outcome.meta);
        outcome
    }
}

fn error(raw: &RawValue) -> Result<Error, String> {
    #[derive(Deserialize)]
    struct PluginError<'a> {
        code: i32,
        #[serde(borrow)]
        message: Cow<'a, str>,
        #[serde(default, borrow)]
        data: Option<&'a RawValue>,
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
        message: message.into_owned(),
        data: data.map(RawValue::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::Revision;

    fn parsed(output: &str) -> Result<Answer<'_>, String> {
        let mut writer = Writer::new(Revision::Modern);
        Answer::parse(output, &mut writer, &Budget::default())
    }

    fn wrong(output: &str) -> String {
        match parsed(output) {
            Err(message) => message,
            Ok(_) => panic!("{output} was read"),
        }
    }

    #[test]
    fn an_answer_says_what_it_is() {
        let read = |output| parsed(output).ok().unwrap();
        assert!(matches!(read("{}"), Answer::Complete(_)));
        assert!(matches!(
            read(r#"{"resultType":"input_required","requestState":"s"}"#),
            Answer::InputRequired(InputRequired { state: Some(_), .. })
        ));
        for code in [-32602, -32603, 1, -31999, -32769] {
            let output = format!(r#"{{"error":{{"code":{code},"message":"m","data":[1]}}}}"#);
            let answer = parsed(&output).ok().unwrap();
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
