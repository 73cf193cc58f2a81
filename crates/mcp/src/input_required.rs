//! What a plugin asks of the client before it can answer (2026-07-28, basic/patterns/mrtr).

use serde_json::value::RawValue;
use wasimancer_runtime::{Budget, Charge};

use crate::capabilities::Capability;
use crate::members::{Members, push_key};
use crate::question::{self, QUESTION};
use crate::text::Text;
use crate::value_type::{ValueType, Writer};

/// Most requests of one answer.
const REQUESTS_MAX: usize = 32;
/// How often a request is held at most: here, and in the task that waits for its answer.
const COPIES: usize = 2;

/// An answer that needs input first.
pub(crate) struct InputRequired {
    /// The JSON of the requests by their keys: there may be none if there is a state.
    pub(crate) requests: Vec<(String, Box<RawValue>)>,
    /// What the plugin wants to have back, as it gave it.
    pub(crate) state: Option<String>,
    /// The bytes of both as JSON.
    pub(crate) bytes: usize,
    /// These bytes, as long as they are held.
    _charge: Charge,
}

impl InputRequired {
    /// Reads the fields of an answer; the text of an error says what the plugin did wrong.
    pub(crate) fn parse(
        requests: Option<&RawValue>,
        state: Option<&RawValue>,
        writer: &mut Writer,
        budget: &Budget,
    ) -> Result<Self, String> {
        let is_given = |raw: &&RawValue| raw.get() != "null";
        let (requests, state) = (requests.filter(is_given), state.filter(is_given));
        let bytes = [requests, state].into_iter().flatten();
        let bytes = bytes.map(|raw| raw.get().len()).sum();
        let charge = budget
            .charge(COPIES * bytes)
            .map_err(|full| format!("inputRequests could not be read (server_memory): {full}"))?;
        let requests = match requests {
            None => Vec::new(),
            Some(requests) => self::requests(requests, writer)?,
        };
        let state = match state {
            None => None,
            Some(state) => Some(Text::of(state).ok_or("requestState must be a string")?),
        };
        if requests.is_empty() && state.is_none() {
            return Err("inputRequests or requestState is missing".to_owned());
        }
        Ok(Self {
            requests,
            state: state.map(Into::into),
            bytes,
            _charge: charge,
        })
    }

    /// What a client must be able to do to answer.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Capability> {
        let requests = self.requests.iter();
        requests.flat_map(|(_, request)| question::needs(request))
    }
}

/// Writes the field of an answer that asks.
pub(crate) fn push_requests(out: &mut String, requests: &[(String, Box<RawValue>)]) {
    out.push_str("\"inputRequests\":{");
    for (index, (key, request)) in requests.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_key(out, key);
        out.push_str(request.get());
    }
    out.push('}');
}

/// The requests, held against what they must have.
fn requests(
    requests: &RawValue,
    writer: &mut Writer,
) -> Result<Vec<(String, Box<RawValue>)>, String> {
    let members = Members::read(requests.get())
        .map_err(|_| "inputRequests must be an object of requests".to_owned())?;
    let count = members.iter().count();
    if count > REQUESTS_MAX {
        return Err(format!(
            "inputRequests holds {count} requests and may hold {REQUESTS_MAX}"
        ));
    }
    writer
        .field("inputRequests", requests, &ValueType::Named(&QUESTION))
        .map_err(|wrong| wrong.to_string())?;
    let written = std::mem::take(&mut writer.out);
    let written = Members::read(&written).unwrap_or_default();
    let written = written.iter();
    Ok(written
        .map(|(key, request)| (key.to_owned(), request.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::revision::Revision;

    fn parse(requests: &Value) -> Result<InputRequired, String> {
        let raw = serde_json::value::to_raw_value(requests).unwrap();
        let mut writer = Writer::new(Revision::Modern);
        InputRequired::parse(Some(&raw), None, &mut writer, &Budget::default())
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
        let needs: Vec<Capability> = required.ok().unwrap().needs().collect();
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
            (json!({ "a": { "method": "elicitation/create", "params": {} } }), "inputRequests.a.params.message"),
            (json!({ "a": { "method": "elicitation/create", "params": { "message": "" } } }), "params.requestedSchema"),
            (json!({ "a": { "method": "elicitation/create", "params": { "mode": "x" } } }), "params.mode"),
            (json!({ "a": { "method": "elicitation/create", "params": { "mode": "url", "message": "" } } }), "params.url"),
            (json!({ "a": { "method": "sampling/createMessage", "params": { "messages": [] } } }), "params.maxTokens"),
            (json!({ "a": { "method": "sampling/createMessage", "params": {} } }), "params.messages"),
        ];
        for (wrong, message) in rows {
            let error = parse(&wrong).err().unwrap();
            assert!(error.contains(message), "{wrong}: {error}");
        }
        let request = json!({ "method": "roots/list" });
        let many: Map<String, Value> = (0..=REQUESTS_MAX)
            .map(|index| (index.to_string(), request.clone()))
            .collect();
        assert!(
            parse(&Value::Object(many))
                .err()
                .unwrap()
                .contains("33 requests")
        );
    }

    #[test]
    fn what_may_be_missing_is_left_out_where_it_is_wrong() {
        let form = json!({
            "type": "object",
            "properties": { "n": { "type": "string", "title": null, "minLength": "1", "own": null } },
            "required": null,
        });
        let asked = json!({
            "name": { "method": "elicitation/create", "params": { "mode": null, "message": "?", "requestedSchema": form } },
            "model": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 5, "tools": null, "temperature": "hot" } },
            "roots": { "params": 5, "method": "roots/list" },
        });
        let raw = serde_json::value::to_raw_value(&asked).unwrap();
        let mut writer = Writer::new(Revision::Modern);
        let required = InputRequired::parse(Some(&raw), None, &mut writer, &Budget::default()).ok();
        let required = required.unwrap();
        let requests: Vec<&str> = required.requests.iter().map(|(_, raw)| raw.get()).collect();
        assert_eq!(
            requests,
            [
                r#"{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{"n":{"type":"string","own":null}}}}}"#,
                r#"{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}}"#,
                r#"{"method":"roots/list"}"#,
            ]
        );
        assert_eq!(
            writer.left_out.to_string(),
            "inputRequests.name.params.requestedSchema.properties.n.minLength must be a whole number from 0; inputRequests.model.params.temperature must be a number; inputRequests.roots.params must be an object"
        );
        let needs: Vec<Capability> = required.needs().collect();
        assert!(!needs.contains(&Capability::SamplingTools));
    }
}
