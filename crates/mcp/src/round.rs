//! One round of a request: what the client answers to what the plugin asked, and the plugin's input
//! made of it (2026-07-28, basic/patterns/mrtr).

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::push_json;

use crate::error::Error;
use crate::optional::is_empty_list;

/// The key under which a plugin finds its round beside the arguments.
const KEY: &str = "_mcp";

/// The client's part of a round. The default is that of the first one.
#[derive(Default)]
pub(crate) struct Round {
    /// The answers by the keys of the plugin's requests, each an object.
    pub(crate) responses: Option<BTreeMap<String, Box<RawValue>>>,
    /// What the plugin wanted to have back, as it gave it.
    pub(crate) state: Option<String>,
}

impl Round {
    /// Reads what the client sends, as it stands in the params; the state must still be opened.
    pub(crate) fn of(
        responses: Option<&RawValue>,
        state: Option<&RawValue>,
    ) -> Result<Self, Error> {
        let responses = responses.map(responses_of).transpose()?;
        let state = state.map(|raw| serde_json::from_str(raw.get()));
        let state = state.transpose().map_err(|_| {
            Error::InvalidParams(
                "`requestState` must be the string that the server gave".to_owned(),
            )
        })?;
        Ok(Self { responses, state })
    }

    /// Whether it is the first one, which answers nothing.
    pub(crate) fn is_first(&self) -> bool {
        self.responses.is_none() && self.state.is_none()
    }

    /// The plugin's input: the arguments, with the round beside them from the second one on.
    pub(crate) fn input(&self, arguments: Vec<u8>) -> Vec<u8> {
        if self.is_first() {
            return arguments;
        }
        let mut input = arguments;
        // The arguments are an object that ends with its brace.
        input.pop();
        let comma = if input.len() > 1 { "," } else { "" };
        input.extend_from_slice(format!("{comma}\"{KEY}\":{{\"inputResponses\":{{").as_bytes());
        for (index, (key, raw)) in self.responses.iter().flatten().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            input.extend_from_slice(format!("{comma}{}:", Value::from(key.as_str())).as_bytes());
            push_json(&mut input, raw.get());
        }
        input.push(b'}');
        if let Some(state) = &self.state {
            let state = Value::from(state.as_str());
            input.extend_from_slice(format!(",\"requestState\":{state}").as_bytes());
        }
        input.extend_from_slice(b"}}");
        input
    }
}

/// The answers of a client, each an object.
pub(crate) fn responses_of(raw: &RawValue) -> Result<BTreeMap<String, Box<RawValue>>, Error> {
    if is_empty_list(raw) {
        return Ok(BTreeMap::new());
    }
    let responses: BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw.get())
        .map_err(|_| Error::InvalidParams("`inputResponses` must be an object".to_owned()))?;
    let wrong = responses
        .iter()
        .find(|(_, raw)| !raw.get().starts_with('{'));
    match wrong {
        Some((key, _)) => Err(Error::InvalidParams(format!(
            "`inputResponses` holds no object under {key:?}: give the result of the request with that key"
        ))),
        None => Ok(responses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(responses: Option<&str>, state: Option<&str>) -> Result<Round, String> {
        let raw = |text| serde_json::from_str::<&RawValue>(text).unwrap();
        Round::of(responses.map(raw), state.map(raw)).map_err(|error| error.to_string())
    }

    fn input(responses: Option<&str>, state: Option<&str>, arguments: &str) -> String {
        let input = parse(responses, state).unwrap().input(arguments.into());
        String::from_utf8(input).unwrap()
    }

    #[test]
    fn the_first_round_is_the_arguments_alone() {
        assert_eq!(input(None, None, r#"{"a":1}"#), r#"{"a":1}"#);
    }

    #[test]
    fn a_later_round_stands_beside_the_arguments() {
        assert_eq!(
            input(
                Some(r#"{"b":{"n":1.0},"a":{}}"#),
                Some(r#""s\"""#),
                r#"{"x":1}"#
            ),
            r#"{"x":1,"_mcp":{"inputResponses":{"a":{},"b":{"n":1}},"requestState":"s\""}}"#
        );
        assert_eq!(
            input(Some("[]"), Some(r#""""#), "{}"),
            r#"{"_mcp":{"inputResponses":{},"requestState":""}}"#
        );
    }

    #[test]
    fn malformed_answers_are_refused() {
        for (responses, state, wrong) in [
            (Some("null"), None, "`inputResponses` must be an object"),
            (Some("[1]"), None, "`inputResponses` must be an object"),
            (Some(r#"{"a":5}"#), None, "no object under \"a\""),
            (None, Some("null"), "`requestState` must be"),
            (None, Some("5"), "`requestState` must be"),
        ] {
            let error = parse(responses, state).err().unwrap();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
