//! Prompts.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::value::RawValue;
use wasimancer_catalog::{MessageContent, Prompt, Returns, Source};
use wasimancer_runtime::{Budget, ChargedBytes};

use super::{Asked, log_left_out, make, malformed, rewritten};
use crate::answer::{Answer, Fields};
use crate::block::{BLOCK, output_uri, push_bytes};
use crate::error::Error;
use crate::members::{Members, push_key, push_text};
use crate::outcome::{Outcome, Performed};
use crate::params::Params;
use crate::revision::Revision;
use crate::text::lossy;
use crate::value_type::{Field, ValueType, Writer, Wrong, required};

pub(super) async fn get(asked: &Asked<'_>) -> Result<Performed, Error> {
    let name = asked.params.name()?;
    let read = || arguments(&asked.params);
    let arguments = asked.apart(asked.params.bytes(), read).await?;
    let Some(prompt) = asked.snapshot.prompt(&name) else {
        return Err(Error::UnknownPrompt(name.into_owned()));
    };
    if let Some(source) = prompt.source() {
        return made(asked, &name, prompt, source, &arguments).await;
    }
    let render = || rendered(prompt, &arguments, asked.client.revision);
    let outcome = asked.apart(asked.params.bytes(), render).await?;
    Ok(Performed::Complete(outcome))
}

/// The messages that a definition holds, with the arguments in them.
fn rendered(
    prompt: &Prompt,
    arguments: &BTreeMap<String, String>,
    revision: Revision,
) -> Result<Outcome, Error> {
    let rendered = prompt.render(arguments);
    let rendered = rendered.map_err(|error| Error::InvalidParams(error.to_string()))?;
    let mut fields = described(prompt);
    fields.push_str("\"messages\":[");
    for (index, message) in rendered.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            fields,
            "{comma}{{\"role\":\"{}\",\"content\":",
            message.role
        );
        match message.content {
            MessageContent::Text(text) => push_text_block(&mut fields, &text),
            // An argument may have made it what it must not be.
            MessageContent::Block(block) => {
                let block = serde_json::value::to_raw_value(&block).expect("a value is JSON");
                let mut writer = Writer::new(revision);
                let written = writer.field("content", &block, &BLOCK);
                written
                    .map_err(|wrong| Error::InvalidParams(format!("messages[{index}].{wrong}")))?;
                fields.push_str(&writer.out);
            }
        }
        fields.push('}');
    }
    fields.push(']');
    Ok(Outcome::new(fields))
}

/// The values of the arguments, each a string.
fn arguments(params: &Params<'_>) -> Result<BTreeMap<String, String>, Error> {
    let Some(raw) = params.arguments else {
        return Ok(BTreeMap::new());
    };
    let given: BTreeMap<String, Option<String>> =
        serde_json::from_str(raw.get()).map_err(|error| {
            let message = format!("`arguments` must be an object of strings: {error}");
            Error::InvalidParams(message)
        })?;
    // What is null is left out.
    let given = given.into_iter();
    Ok(given
        .filter_map(|(name, value)| Some((name, value?)))
        .collect())
}

/// The text of a message as a content block.
fn push_text_block(out: &mut String, text: &str) {
    out.push_str("{\"type\":\"text\",\"text\":");
    push_text(out, text);
    out.push('}');
}

/// What stands before the messages of a result: the description of the definition, where it has one.
fn described(prompt: &Prompt) -> String {
    let mut fields = String::new();
    if let Some(description) = prompt.description() {
        push_key(&mut fields, "description");
        push_text(&mut fields, description);
        fields.push(',');
    }
    fields
}

/// The messages that a function makes.
async fn made(
    asked: &Asked<'_>,
    name: &str,
    prompt: &Prompt,
    source: &Source,
    arguments: &BTreeMap<String, String>,
) -> Result<Performed, Error> {
    const METHOD: &str = "prompts/get";
    let write = || prompt.input(arguments);
    let input = asked.apart(asked.params.bytes(), write).await;
    let input = input.map_err(|error| Error::InvalidParams(error.to_string()))?;
    let mut output = make(asked, METHOD, name, source, input).await?;
    let bytes = output.len();
    let mut writer = Writer::new(asked.client.revision);
    let read = || of_output(prompt, source.returns(), &mut output, &mut writer);
    let performed = asked.apart(bytes, read).await;
    log_left_out(METHOD, source, &writer.left_out);
    performed
}

fn of_output(
    prompt: &Prompt,
    returns: &Returns,
    output: &mut ChargedBytes,
    writer: &mut Writer,
) -> Result<Performed, Error> {
    if *returns == Returns::Result {
        let budget = output.budget().clone();
        return whole(prompt, rewritten(output)?, writer, &budget);
    }
    let mut fields = described(prompt);
    fields.push_str("\"messages\":[{\"role\":\"user\",\"content\":");
    match returns {
        Returns::Json => push_text_block(&mut fields, rewritten(output)?),
        Returns::Bytes(media_type) => {
            let uri = output_uri(prompt.name());
            push_bytes(&mut fields, output, media_type, &uri, writer.revision);
        }
        Returns::Text | Returns::Result => push_text_block(&mut fields, &lossy(output)),
    }
    fields.push_str("}]");
    Ok(Performed::Complete(Outcome::new(fields)))
}

/// `returns: result`: a whole result from the plugin, or its messages alone.
fn whole(
    prompt: &Prompt,
    output: &str,
    writer: &mut Writer,
    budget: &Budget,
) -> Result<Performed, Error> {
    if output.starts_with('[') {
        let list: &RawValue =
            serde_json::from_str(output).map_err(|error| malformed(&error.to_string()))?;
        return messages(prompt, Fields::default(), list, writer);
    }
    let members = Members::read(output).map_err(|what| malformed(&what))?;
    if is_message(&members) {
        let one: &RawValue =
            serde_json::from_str(output).map_err(|error| malformed(&error.to_string()))?;
        return messages(prompt, Fields::default(), one, writer);
    }
    match Answer::of(members, writer, budget).map_err(|what| malformed(&what))? {
        Answer::Complete(mut answer) => {
            let list = answer.result.take("messages");
            let list = list.ok_or_else(|| malformed("messages is missing"))?;
            messages(prompt, answer, list, writer)
        }
        Answer::InputRequired(required) => Ok(Performed::InputRequired(required)),
        Answer::Error(error) => Err(error),
    }
}

/// Whether an object is a message, or a content block in place of one.
fn is_message(object: &Members<'_>) -> bool {
    object.get("messages").is_none()
        && ["role", "type"]
            .iter()
            .any(|field| object.get(field).is_some())
}

/// The result with these messages, of which there may be one.
fn messages(
    prompt: &Prompt,
    mut answer: Fields<'_>,
    messages: &RawValue,
    writer: &mut Writer,
) -> Result<Performed, Error> {
    // The plugin's own description is the better one.
    let mut fields = String::new();
    if let Some(description) = answer.result.take("description") {
        writer.out.clear();
        writer.optional_field("description", Some(description), &ValueType::Text);
        if let Some(written) = writer.out.strip_prefix(',') {
            fields = format!("{written},");
        }
    }
    if fields.is_empty() {
        fields = described(prompt);
    }
    writer.out = fields;
    push_key(&mut writer.out, "messages");
    let written = if messages.get().starts_with('{') {
        writer.one_as_list("messages", messages, &MESSAGE)
    } else {
        writer.field("messages", messages, &ValueType::List(&MESSAGE))
    };
    written.map_err(|wrong| malformed(&wrong.to_string()))?;
    let fields = std::mem::take(&mut writer.out);
    Ok(Performed::Complete(answer.into_outcome(fields)))
}

/// A message, or a content block that the user says.
const MESSAGE: ValueType = ValueType::OfKind(write_message);
const MESSAGE_FIELDS: [Field; 2] = [
    required("role", ValueType::OneOf(&["user", "assistant"])),
    required("content", BLOCK),
];

fn write_message(writer: &mut Writer, message: &RawValue) -> Result<(), Wrong> {
    let members = writer.members(message)?;
    if members.get("role").is_some() || members.get("type").is_none() {
        return writer.object(&members, &MESSAGE_FIELDS);
    }
    writer.out.push_str("{\"role\":\"user\",\"content\":");
    writer.value(message, &BLOCK)?;
    writer.out.push('}');
    Ok(())
}
