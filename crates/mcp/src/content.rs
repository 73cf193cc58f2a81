//! From a plugin's output to a tool result (server/tools, "Tool Result").

use std::fmt::Write;

use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::{Returns, Tool};

use crate::answer::{Answer, Fields};
use crate::block;
use crate::error::Error;
use crate::outcome::{Outcome, Performed};
use crate::revision::Revision;

/// The result of a call that failed, with its reason as text.
pub(crate) fn failure(message: &str) -> Outcome {
    Outcome::new(format!("{},\"isError\":true", text(message)))
}

/// What an output means, as the tool's definition says. An output that is not what the definition
/// promises is a failure of the tool.
pub(crate) fn of_output(
    tool: &Tool,
    output: &[u8],
    revision: Revision,
) -> Result<Performed, Error> {
    let complete = |outcome: Outcome| Ok(Performed::Complete(outcome));
    let meant = match tool.returns() {
        Returns::Text => return complete(Outcome::new(text(&String::from_utf8_lossy(output)))),
        Returns::Json => structured(tool, output, revision).map(complete),
        Returns::Result => whole(tool, output, revision),
    };
    meant.unwrap_or_else(|message| {
        tracing::warn!(tool = tool.name(), plugin = tool.plugin(), "{message}");
        complete(failure(&message))
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
fn whole(
    tool: &Tool,
    output: &[u8],
    revision: Revision,
) -> Result<Result<Performed, Error>, String> {
    match Answer::parse(output).map_err(|message| malformed(&message))? {
        Answer::Complete(fields) => {
            complete(tool, fields, revision).map(|outcome| Ok(Performed::Complete(outcome)))
        }
        Answer::InputRequired(required) => Ok(Ok(Performed::InputRequired(required))),
        Answer::Error(error) => Ok(Err(error)),
    }
}

fn malformed(message: &str) -> String {
    format!("the plugin's tool result is malformed: {message}")
}

fn complete(tool: &Tool, mut answer: Fields<'_>, revision: Revision) -> Result<Outcome, String> {
    let result = &mut answer.result;
    let is_error = match result.remove("isError").map(RawValue::get) {
        None | Some("false" | "null") => false,
        Some("true") => true,
        Some(_) => return Err(malformed("isError must be true or false")),
    };
    let structured = result.remove("structuredContent");
    match structured {
        Some(raw) if !is_error => check_schema(tool, raw)?,
        None if tool.has_output_schema() && !is_error => {
            return Err(malformed(
                "structuredContent is missing, which its outputSchema promises",
            ));
        }
        _ => {}
    }
    let mut fields = match (result.remove("content"), structured) {
        (Some(content), _) => {
            let content =
                self::content(content, revision).map_err(|message| malformed(&message))?;
            format!("\"content\":{content}")
        }
        (None, Some(structured)) => text(structured.get()),
        (None, None) => return Err(malformed("content is missing")),
    };
    if let Some(structured) = structured {
        push_structured(&mut fields, structured, revision);
    }
    if is_error {
        fields.push_str(",\"isError\":true");
    }
    Ok(answer.into_outcome(fields))
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
