//! From a plugin's output to a tool result (server/tools, "Tool Result").

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use wasimancer_catalog::{Returns, Tool, apart};
use wasimancer_runtime::{Budget, ChargedBytes};

use crate::answer::{Answer, Fields};
use crate::block::{BLOCK, output_uri, push_bytes};
use crate::error::Error;
use crate::outcome::{Outcome, Performed};
use crate::revision::Revision;
use crate::text::lossy;
use crate::value_type::{LEVELS_AROUND, ValueType, Writer, Wrong};

/// The result of a call that failed, with its reason as text.
pub(crate) fn failure(message: &str) -> Outcome {
    Outcome::new(format!("{},\"isError\":true", text(message)))
}

/// What an output means, as the tool's definition says. An output that is not what the definition
/// promises is a failure of the tool.
pub(crate) async fn of_output(
    tool: &Tool,
    caller: u64,
    mut output: ChargedBytes,
    revision: Revision,
) -> Result<Performed, Error> {
    let complete = |outcome: Outcome| Ok(Performed::Complete(outcome));
    let bytes = output.len();
    match tool.returns() {
        Returns::Text => {
            let text = || of_text(&lossy(&output), revision);
            return complete(Outcome::new(apart(caller, bytes, text).await));
        }
        Returns::Bytes(media_type) => {
            let block = || of_bytes(&output, media_type, tool.name(), revision);
            return complete(Outcome::new(apart(caller, bytes, block).await));
        }
        Returns::Json | Returns::Result => {}
    }
    let meant = match apart(caller, bytes, || output.rewrite_json(LEVELS_AROUND)).await {
        Ok(json) => {
            let output = Output { tool, caller, json };
            match tool.returns() {
                Returns::Result => whole(&output, revision).await,
                _ => structured(&output, revision).await.map(complete),
            }
        }
        Err(error) => Err(format!(
            "the tool's output is not the JSON that its definition promises: {error}"
        )),
    };
    meant.unwrap_or_else(|message| {
        tracing::warn!(tool = tool.name(), plugin = tool.plugin(), "{message}");
        complete(failure(&message))
    })
}

/// The JSON that a tool has written, for a caller.
struct Output<'a> {
    tool: &'a Tool,
    caller: u64,
    json: &'a str,
}

impl Output<'_> {
    /// Does work on it where it holds up nobody.
    async fn apart<T>(&self, work: impl FnOnce() -> T) -> T {
        apart(self.caller, self.json.len(), work).await
    }

    /// Holds what is structured in it against the tool's schema.
    async fn check_schema(&self, structured: &str) -> Result<(), String> {
        let checked = self.tool.check_output(self.caller, structured).await;
        checked.map_err(|error| error.to_string())
    }

    fn budget(&self) -> &Budget {
        self.tool.function().budget()
    }
}

fn text(text: &str) -> String {
    const BEFORE: &str = "\"content\":[{\"type\":\"text\",\"text\":";
    const AFTER: &str = "}]";
    // Few characters are escaped, and a text of megabytes is copied once.
    let capacity = BEFORE.len() + text.len() + text.len() / 16 + 64;
    let mut fields = Vec::with_capacity(capacity);
    fields.extend_from_slice(BEFORE.as_bytes());
    serde_json::to_writer(&mut fields, text).expect("a text is JSON, and a vector takes it");
    fields.extend_from_slice(AFTER.as_bytes());
    String::from_utf8(fields).expect("JSON of a text is UTF-8")
}

/// `returns: text`.
fn of_text(output: &str, revision: Revision) -> String {
    let mut fields = text(output);
    // Some clients read such a text as the value that it looks like, and take that for structured content,
    // which must be an object.
    if revision.reads_texts_as_values() && is_value(output) {
        let output = serde_json::to_string(output).expect("a text is JSON");
        fields.push_str(",\"structuredContent\":{\"result\":");
        fields.push_str(&output);
        fields.push('}');
    }
    fields
}

/// `returns: bytes` or a media type.
fn of_bytes(output: &[u8], media_type: &str, tool: &str, revision: Revision) -> String {
    let mut fields = "\"content\":[".to_owned();
    let uri = output_uri(tool);
    push_bytes(&mut fields, output, media_type, &uri, revision);
    fields.push(']');
    fields
}

/// Whether a text is by itself a number, a boolean, null or a list in JSON.
fn is_value(text: &str) -> bool {
    let begins_one = |first: char| matches!(first, '-' | '0'..='9' | 't' | 'f' | 'n' | '[');
    text.trim_start().starts_with(begins_one) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// `returns: json`: structured content and its text.
async fn structured(output: &Output<'_>, revision: Revision) -> Result<Outcome, String> {
    output.check_schema(output.json).await?;
    let write = || {
        let mut fields = text(output.json);
        push_structured(&mut fields, output, output.json, revision);
        fields
    };
    Ok(Outcome::new(output.apart(write).await))
}

/// Structured content is any value in 2026-07-28 and an object before. There other values stand under a
/// name, as their schema in the list of tools does.
fn push_structured(fields: &mut String, output: &Output<'_>, json: &str, revision: Revision) {
    if !revision.knows_structured_content() {
        return;
    }
    let is_wrapped =
        revision != Revision::Modern && (output.tool.wraps_output() || !json.starts_with('{'));
    let [before, after] = if is_wrapped {
        ["{\"result\":", "}"]
    } else {
        ["", ""]
    };
    fields.reserve(json.len() + 64);
    for piece in [",\"structuredContent\":", before, json, after] {
        fields.push_str(piece);
    }
}

/// `returns: result`: a whole result from the plugin, checked for its shape; fields unknown to us
/// are passed on.
async fn whole(
    output: &Output<'_>,
    revision: Revision,
) -> Result<Result<Performed, Error>, String> {
    let mut writer = Writer::new(revision);
    let read = || Answer::parse(output.json, &mut writer, output.budget());
    let answer = output.apart(read).await;
    let meant = match answer.map_err(|message| malformed(&message))? {
        Answer::Complete(fields) => {
            let outcome = complete(output, fields, &mut writer).await;
            outcome.map(|outcome| Ok(Performed::Complete(outcome)))
        }
        Answer::InputRequired(required) => Ok(Ok(Performed::InputRequired(required))),
        Answer::Error(error) => Ok(Err(error)),
    };
    if !writer.left_out.is_empty() {
        let (tool, plugin) = (output.tool.name(), output.tool.plugin());
        let left_out = writer.left_out;
        tracing::warn!(
            tool,
            plugin,
            "left out of the plugin's tool result: {left_out}"
        );
    }
    meant
}

fn malformed(message: &str) -> String {
    format!("the plugin's tool result is malformed: {message}")
}

async fn complete(
    output: &Output<'_>,
    mut answer: Fields<'_>,
    writer: &mut Writer,
) -> Result<Outcome, String> {
    let result = &mut answer.result;
    let is_error = match result.take("isError").map(RawValue::get) {
        None | Some("false" | "null") => false,
        Some("true") => true,
        Some(_) => {
            writer.left_out.note(Wrong::new("isError", "true or false"));
            false
        }
    };
    let structured = result.take("structuredContent").map(RawValue::get);
    // Null is a value where a schema may promise it.
    let structured = structured.filter(|json| *json != "null" || output.tool.has_output_schema());
    match structured {
        Some(json) if !is_error => output.check_schema(json).await?,
        None if output.tool.has_output_schema() && !is_error => {
            return Err(malformed(
                "structuredContent is missing, which its outputSchema promises",
            ));
        }
        _ => {}
    }
    let content = result.take("content").filter(|raw| raw.get() != "null");
    let write = || {
        let mut fields = match (content, structured) {
            (Some(content), _) => {
                writer.out = String::with_capacity(content.get().len() + 64);
                writer.out.push_str("\"content\":");
                writer
                    .field("content", content, &ValueType::List(&BLOCK))
                    .map_err(|wrong| malformed(&wrong.to_string()))?;
                std::mem::take(&mut writer.out)
            }
            (None, Some(structured)) => text(structured),
            (None, None) => return Err(malformed("content is missing")),
        };
        if let Some(structured) = structured {
            push_structured(&mut fields, output, structured, writer.revision);
        }
        if is_error {
            fields.push_str(",\"isError\":true");
        }
        Ok(answer.into_outcome(fields))
    };
    output.apart(write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_texts() {
        for value in [
            "5",
            " -1.5e3\n",
            "true",
            "false",
            "null",
            "[1, \"a\"]",
            "[]",
            "1e999",
        ] {
            assert!(is_value(value), "{value}");
        }
        for text in [
            "", "five", "{}", "\"5\"", "5 apples", "[1", "nullable", "True", "01", "[a]",
        ] {
            assert!(!is_value(text), "{text}");
        }
    }
}
