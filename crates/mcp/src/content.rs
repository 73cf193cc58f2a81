//! From a plugin's output to a tool result (server/tools, "Tool Result").

use std::fmt::Write;

use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::{Returns, Tool, apart};
use wasimancer_runtime::{Budget, charge_json};

use crate::answer::{Answer, Fields};
use crate::block;
use crate::error::Error;
use crate::outcome::{Outcome, Performed};
use crate::revision::Revision;
use crate::text::lossy;

/// The result of a call that failed, with its reason as text.
pub(crate) fn failure(message: &str) -> Outcome {
    Outcome::new(format!("{},\"isError\":true", text(message)))
}

/// What an output means, as the tool's definition says. An output that is not what the definition
/// promises is a failure of the tool.
pub(crate) async fn of_output(
    tool: &Tool,
    caller: u64,
    output: &[u8],
    revision: Revision,
) -> Result<Performed, Error> {
    let complete = |outcome: Outcome| Ok(Performed::Complete(outcome));
    let output = Output {
        tool,
        caller,
        bytes: output,
    };
    let meant = match tool.returns() {
        Returns::Text => {
            let text = || text(&lossy(output.bytes));
            return complete(Outcome::new(output.apart(text).await));
        }
        Returns::Json => structured(&output, revision).await.map(complete),
        Returns::Result => whole(&output, revision).await,
    };
    meant.unwrap_or_else(|message| {
        tracing::warn!(tool = tool.name(), plugin = tool.plugin(), "{message}");
        complete(failure(&message))
    })
}

/// What a tool has written, for a caller.
struct Output<'a> {
    tool: &'a Tool,
    caller: u64,
    bytes: &'a [u8],
}

impl Output<'_> {
    /// Does work on it where it holds up nobody.
    async fn apart<T>(&self, work: impl FnOnce() -> T) -> T {
        apart(self.caller, self.bytes.len(), work).await
    }

    /// Holds what is structured in it against the tool's schema.
    async fn check_schema(&self, structured: &RawValue) -> Result<(), String> {
        let checked = self.tool.check_output(self.caller, structured).await;
        checked.map_err(|error| error.to_string())
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

/// `returns: json`: structured content and its text.
async fn structured(output: &Output<'_>, revision: Revision) -> Result<Outcome, String> {
    let read = || serde_json::from_slice::<&RawValue>(output.bytes);
    let raw = output.apart(read).await.map_err(|error| {
        format!("the tool's output is not the JSON that its definition promises: {error}")
    })?;
    output.check_schema(raw).await?;
    let write = || {
        let mut fields = text(raw.get());
        push_structured(&mut fields, raw, revision);
        fields
    };
    Ok(Outcome::new(output.apart(write).await))
}

/// Structured content is any value in 2026-07-28 and an object before.
fn push_structured(fields: &mut String, raw: &RawValue, revision: Revision) {
    if revision == Revision::Modern || raw.get().starts_with('{') {
        let _ = write!(fields, ",\"structuredContent\":{}", raw.get());
    }
}

/// `returns: result`: a whole result from the plugin, checked for its shape; fields unknown to us
/// are passed on.
async fn whole(
    output: &Output<'_>,
    revision: Revision,
) -> Result<Result<Performed, Error>, String> {
    let answer = output.apart(|| Answer::parse(output.bytes)).await;
    match answer.map_err(|message| malformed(&message))? {
        Answer::Complete(fields) => {
            let outcome = complete(output, fields, revision).await;
            outcome.map(|outcome| Ok(Performed::Complete(outcome)))
        }
        Answer::InputRequired(required) => Ok(Ok(Performed::InputRequired(required))),
        Answer::Error(error) => Ok(Err(error)),
    }
}

fn malformed(message: &str) -> String {
    format!("the plugin's tool result is malformed: {message}")
}

async fn complete(
    output: &Output<'_>,
    mut answer: Fields<'_>,
    revision: Revision,
) -> Result<Outcome, String> {
    let result = &mut answer.result;
    let is_error = match result.remove("isError").map(RawValue::get) {
        None | Some("false" | "null") => false,
        Some("true") => true,
        Some(_) => return Err(malformed("isError must be true or false")),
    };
    let structured = result.remove("structuredContent");
    match structured {
        Some(raw) if !is_error => output.check_schema(raw).await?,
        None if output.tool.has_output_schema() && !is_error => {
            return Err(malformed(
                "structuredContent is missing, which its outputSchema promises",
            ));
        }
        _ => {}
    }
    let content = result.remove("content");
    let write = || {
        let mut fields = match (content, structured) {
            (Some(content), _) => {
                let content = self::content(content, output.tool.function().budget(), revision)
                    .map_err(|message| malformed(&message))?;
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
    };
    output.apart(write).await
}

/// The blocks of a result, checked, as a revision knows them.
fn content(content: &RawValue, budget: &Budget, revision: Revision) -> Result<String, String> {
    let _values = charge_json(content.get(), budget)
        .map_err(|full| format!("content could not be read (server_memory): {full}"))?;
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
