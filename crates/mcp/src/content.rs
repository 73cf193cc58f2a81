//! From a plugin's output to a tool result (server/tools, "Tool Result").

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::{Returns, Tool};

use crate::block;
use crate::outcome::Outcome;
use crate::revision::{Revision, SERVER_INFO_KEY};

/// The result of a call that failed, with its reason as text.
pub(crate) fn failure(message: &str) -> Outcome {
    Outcome::new(format!("{},\"isError\":true", text(message)))
}

/// The result that an output means, as the tool's definition says. An output that is not what the
/// definition promises is a failure of the tool.
pub(crate) fn of_output(tool: &Tool, output: &[u8], revision: Revision) -> Outcome {
    let outcome = match tool.returns() {
        Returns::Text => Ok(Outcome::new(text(&String::from_utf8_lossy(output)))),
        Returns::Json => structured(tool, output, revision),
        Returns::Result => whole(tool, output, revision),
    };
    outcome.unwrap_or_else(|message| {
        tracing::warn!(tool = tool.name(), plugin = tool.plugin(), "{message}");
        failure(&message)
    })
}

fn text(text: &str) -> String {
    format!(
        "\"content\":[{{\"type\":\"text\",\"text\":{}}}]",
        Value::from(text)
    )
}

/// `returns: json`: structured content and its text.
fn structured(tool: &Tool, output: &[u8], revision: Revision) -> Result<Outcome, String> {
    let raw: &RawValue = serde_json::from_slice(output).map_err(|error| {
        format!("the tool's output is not the JSON that its definition promises: {error}")
    })?;
    check_schema(tool, raw)?;
    let mut fields = text(raw.get());
    push_structured(&mut fields, raw, revision);
    Ok(Outcome::new(fields))
}

/// Structured content is any value in 2026-07-28 and an object before.
fn push_structured(fields: &mut String, raw: &RawValue, revision: Revision) {
    if revision == Revision::Modern || raw.get().starts_with('{') {
        let _ = write!(fields, ",\"structuredContent\":{}", raw.get());
    }
}

fn check_schema(tool: &Tool, raw: &RawValue) -> Result<(), String> {
    if !tool.has_output_schema() {
        return Ok(());
    }
    let value: Value = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    tool.check_output(&value).map_err(|error| error.to_string())
}

/// `returns: result`: a whole result from the plugin, checked for its shape; fields unknown to us
/// are passed on.
fn whole(tool: &Tool, output: &[u8], revision: Revision) -> Result<Outcome, String> {
    let malformed = |message: String| format!("the plugin's tool result is malformed: {message}");
    let mut result: BTreeMap<String, &RawValue> =
        serde_json::from_slice(output).map_err(|error| malformed(error.to_string()))?;
    match result.remove("resultType").map(RawValue::get) {
        None | Some("\"complete\"") => {}
        Some(other) => {
            return Err(malformed(format!(
                "resultType is {other} and must be \"complete\""
            )));
        }
    }
    let is_error = match result.remove("isError").map(RawValue::get) {
        None | Some("false" | "null") => false,
        Some("true") => true,
        Some(_) => return Err(malformed("isError must be true or false".to_owned())),
    };
    let mut meta: BTreeMap<String, &RawValue> = match result.remove("_meta").map(RawValue::get) {
        None | Some("null") => BTreeMap::new(),
        Some(object) => serde_json::from_str(object)
            .map_err(|_| malformed("_meta must be an object".to_owned()))?,
    };
    // Who the server is, it says itself.
    meta.remove(SERVER_INFO_KEY);
    let structured = result.remove("structuredContent");
    match structured {
        Some(raw) if !is_error => check_schema(tool, raw)?,
        None if tool.has_output_schema() && !is_error => {
            return Err(malformed(
                "structuredContent is missing, which its outputSchema promises".to_owned(),
            ));
        }
        _ => {}
    }
    let mut fields = match (result.remove("content"), structured) {
        (Some(content), _) => {
            let content = self::content(content, revision).map_err(malformed)?;
            format!("\"content\":{content}")
        }
        (None, Some(structured)) => text(structured.get()),
        (None, None) => return Err(malformed("content is missing".to_owned())),
    };
    if let Some(structured) = structured {
        push_structured(&mut fields, structured, revision);
    }
    if is_error {
        fields.push_str(",\"isError\":true");
    }
    for (name, raw) in result {
        let _ = write!(fields, ",{}:{}", Value::from(name), raw.get());
    }
    let mut outcome = Outcome::new(fields);
    for (name, raw) in meta {
        let comma = if outcome.meta.is_empty() { "" } else { "," };
        let _ = write!(outcome.meta, "{comma}{}:{}", Value::from(name), raw.get());
    }
    Ok(outcome)
}

/// The blocks of a result, checked, as a revision knows them.
fn content(content: &RawValue, revision: Revision) -> Result<String, String> {
    let blocks: Vec<Value> = serde_json::from_str(content.get())
        .map_err(|_| "content must be a list of blocks".to_owned())?;
    for (index, block) in blocks.iter().enumerate() {
        block::check(block)
            .map_err(|(field, wanted)| format!("content[{index}].{field} must be {wanted}"))?;
    }
    if revision.knows_resource_links() {
        return Ok(content.get().to_owned());
    }
    let blocks = blocks.into_iter().map(block::without_link);
    Ok(blocks.collect::<Value>().to_string())
}
