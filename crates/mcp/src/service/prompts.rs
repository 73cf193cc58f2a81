//! Prompts.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use wasimancer_catalog::{MessageContent, Prompt, Returns, Source};

use super::{Asked, make, malformed};
use crate::answer::{Answer, Fields};
use crate::block;
use crate::error::Error;
use crate::outcome::{Outcome, Performed};
use crate::params::Params;
use crate::revision::Revision;
use crate::text::lossy;

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
    let messages = rendered.into_iter().enumerate().map(|(index, message)| {
        let content = match message.content {
            MessageContent::Text(text) => json!({ "type": "text", "text": text }),
            // An argument may have made it what it must not be.
            MessageContent::Block(block) => block::check(&block)
                .map(|()| block)
                .map_err(|wrong| wrong_block(index, wrong))
                .map_err(Error::InvalidParams)?,
        };
        Ok(json!({ "role": message.role, "content": content }))
    });
    let messages: Vec<Value> = messages.collect::<Result<_, Error>>()?;
    Ok(Outcome::new(fields(prompt, messages, revision)))
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

fn wrong_block(index: usize, (field, wanted): (&str, &str)) -> String {
    format!("messages[{index}].content.{field} must be {wanted}")
}

/// The fields of a result with messages.
fn fields(prompt: &Prompt, mut messages: Vec<Value>, revision: Revision) -> String {
    if !revision.knows_resource_links() {
        for message in &mut messages {
            message["content"] = block::without_link(message["content"].take());
        }
    }
    let mut fields = String::new();
    if let Some(description) = prompt.description() {
        let _ = write!(fields, "\"description\":{},", Value::from(description));
    }
    let _ = write!(fields, "\"messages\":{}", Value::Array(messages));
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
    let write = || prompt.input(arguments);
    let input = asked.apart(asked.params.bytes(), write).await;
    let input = input.map_err(|error| Error::InvalidParams(error.to_string()))?;
    let output = make(asked, "prompts/get", name, source, input).await?;
    let read = || of_output(prompt, source.returns(), &output, asked.client.revision);
    asked.apart(output.len(), read).await
}

fn of_output(
    prompt: &Prompt,
    returns: Returns,
    output: &[u8],
    revision: Revision,
) -> Result<Performed, Error> {
    if returns != Returns::Result {
        let text = lossy(output);
        let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
        let outcome = Outcome::new(fields(prompt, vec![message], revision));
        return Ok(Performed::Complete(outcome));
    }
    match Answer::parse(output).map_err(|what| malformed(&what))? {
        Answer::Complete(answer) => {
            let outcome = whole(prompt, answer, revision).map_err(|what| malformed(&what))?;
            Ok(Performed::Complete(outcome))
        }
        Answer::InputRequired(required) => Ok(Performed::InputRequired(required)),
        Answer::Error(error) => Err(error),
    }
}

/// `returns: result`: a whole result from the plugin.
fn whole(prompt: &Prompt, mut answer: Fields<'_>, revision: Revision) -> Result<Outcome, String> {
    let messages = answer.result.remove("messages");
    let messages = messages.ok_or_else(|| "messages is missing".to_owned())?;
    let messages: Vec<Value> =
        serde_json::from_str(messages.get()).map_err(|_| "messages must be a list".to_owned())?;
    for (index, message) in messages.iter().enumerate() {
        if !matches!(message["role"].as_str(), Some("user" | "assistant")) {
            return Err(format!("messages[{index}].role must be user or assistant"));
        }
        block::check(&message["content"]).map_err(|wrong| wrong_block(index, wrong))?;
    }
    // The plugin's own description is the better one.
    let description = answer.result.remove("description");
    let mut fields = fields(prompt, messages, revision);
    if let Some(description) = description {
        let messages = fields.find("\"messages\":").unwrap_or_default();
        fields.replace_range(..messages, &format!("\"description\":{description},"));
    }
    Ok(answer.into_outcome(fields))
}
