//! What a plugin asks of the client before it can answer (2026-07-28, basic/patterns/mrtr).

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::capabilities::Capability;

/// Most requests of one answer.
const REQUESTS_MAX: usize = 32;

/// An answer that needs input first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputRequired {
    /// The requests by their keys: one may be empty if there is a state.
    pub(crate) requests: Map<String, Value>,
    /// What the plugin wants to have back, as it gave it.
    pub(crate) state: Option<String>,
    /// The bytes of both as JSON.
    pub(crate) bytes: usize,
}

impl InputRequired {
    /// Reads the fields of an answer; the text of an error says what the plugin did wrong.
    pub(crate) fn parse(
        requests: Option<&RawValue>,
        state: Option<&RawValue>,
    ) -> Result<Self, String> {
        let bytes = [requests, state].into_iter().flatten();
        let bytes = bytes.map(|raw| raw.get().len()).sum();
        let requests: Map<String, Value> = match requests.map(RawValue::get) {
            None | Some("null") => Map::new(),
            Some(text) => serde_json::from_str(text)
                .map_err(|_| "inputRequests must be an object of requests".to_owned())?,
        };
        let state: Option<String> = match state {
            None => None,
            Some(text) => serde_json::from_str(text.get())
                .map_err(|_| "requestState must be a string".to_owned())?,
        };
        if requests.is_empty() && state.is_none() {
            return Err("inputRequests or requestState is missing".to_owned());
        }
        if requests.len() > REQUESTS_MAX {
            let count = requests.len();
            return Err(format!(
                "inputRequests holds {count} requests and may hold {REQUESTS_MAX}"
            ));
        }
        for (key, request) in &requests {
            check(request).map_err(|(field, wanted)| {
                format!("inputRequests.{key}.{field} must be {wanted}")
            })?;
        }
        Ok(Self {
            requests,
            state,
            bytes,
        })
    }

    /// What a client must be able to do to answer.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Capability> {
        self.requests.values().flat_map(needs)
    }
}

/// A field that is wrong, and what it must be.
type Wrong = (&'static str, &'static str);

fn check(request: &Value) -> Result<(), Wrong> {
    let params = &request["params"];
    let text = |field: &'static str, name: &str| {
        let is_text = params[name].is_string();
        is_text.then_some(()).ok_or((field, "a string"))
    };
    match (request["method"].as_str(), params["mode"].as_str()) {
        (Some("elicitation/create"), Some("url")) => {
            text("params.message", "message")?;
            text("params.url", "url")
        }
        (Some("elicitation/create"), None | Some("form")) => {
            text("params.message", "message")?;
            let schema = &params["requestedSchema"];
            if schema["type"] == "object" && schema["properties"].is_object() {
                return Ok(());
            }
            let wanted = "a schema with `\"type\": \"object\"` and `properties`";
            Err(("params.requestedSchema", wanted))
        }
        (Some("elicitation/create"), Some(_)) => Err(("params.mode", "form or url")),
        (Some("sampling/createMessage"), _) => {
            if !params["messages"].is_array() {
                return Err(("params.messages", "a list of messages"));
            }
            if !params["maxTokens"].is_u64() {
                return Err(("params.maxTokens", "a whole number"));
            }
            Ok(())
        }
        (Some("roots/list"), _) if params.is_null() || params.is_object() => Ok(()),
        (Some("roots/list"), _) => Err(("params", "an object")),
        _ => Err((
            "method",
            "elicitation/create, sampling/createMessage or roots/list",
        )),
    }
}

fn needs(request: &Value) -> Vec<Capability> {
    let params = &request["params"];
    match request["method"].as_str() {
        Some("elicitation/create") if params["mode"] == "url" => vec![Capability::ElicitationUrl],
        Some("elicitation/create") => vec![Capability::Elicitation],
        Some("sampling/createMessage")
            if !params["tools"].is_null() || !params["toolChoice"].is_null() =>
        {
            vec![Capability::Sampling, Capability::SamplingTools]
        }
        Some("sampling/createMessage") => vec![Capability::Sampling],
        _ => vec![Capability::Roots],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(requests: &Value) -> Result<InputRequired, String> {
        let text = requests.to_string();
        InputRequired::parse(Some(serde_json::from_str(&text).unwrap()), None)
    }

    #[test]
    fn requests_say_what_they_need() {
        let form = json!({ "type": "object", "properties": {} });
        let required = parse(&json!({
            "name": { "method": "elicitation/create", "params": { "message": "?", "requestedSchema": form } },
            "page": { "method": "elicitation/create", "params": { "mode": "url", "message": "?", "url": "https://a" } },
            "model": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 5, "tools": [] } },
            "roots": { "method": "roots/list" },
        }));
        let needs: Vec<Capability> = required.unwrap().needs().collect();
        assert_eq!(
            needs,
            [
                Capability::Elicitation,
                Capability::ElicitationUrl,
                Capability::Sampling,
                Capability::SamplingTools,
                Capability::Roots
            ]
        );
    }

    #[test]
    fn malformed_requests_are_named() {
        #[rustfmt::skip]
        let rows = [
            (json!([]), "inputRequests must be an object"),
            (json!({}), "inputRequests or requestState is missing"),
            (json!({ "a": 5 }), "inputRequests.a.method must be elicitation/create"),
            (json!({ "a": { "method": "tools/call" } }), "inputRequests.a.method"),
            (json!({ "a": { "method": "roots/list", "params": 5 } }), "inputRequests.a.params must be an object"),
            (json!({ "a": { "method": "elicitation/create", "params": {} } }), "inputRequests.a.params.message"),
            (json!({ "a": { "method": "elicitation/create", "params": { "message": "" } } }), "params.requestedSchema"),
            (json!({ "a": { "method": "elicitation/create", "params": { "mode": "x" } } }), "params.mode"),
            (json!({ "a": { "method": "elicitation/create", "params": { "mode": "url", "message": "" } } }), "params.url"),
            (json!({ "a": { "method": "sampling/createMessage", "params": { "messages": [] } } }), "params.maxTokens"),
            (json!({ "a": { "method": "sampling/createMessage", "params": {} } }), "params.messages"),
        ];
        for (wrong, message) in rows {
            let error = parse(&wrong).unwrap_err();
            assert!(error.contains(message), "{wrong}: {error}");
        }
        let request = json!({ "method": "roots/list" });
        let many: Map<String, Value> = (0..=REQUESTS_MAX)
            .map(|index| (index.to_string(), request.clone()))
            .collect();
        assert!(
            parse(&Value::Object(many))
                .unwrap_err()
                .contains("33 requests")
        );
    }
}
