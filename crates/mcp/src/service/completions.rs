//! Completions of arguments (server/utilities/completion).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasimancer_catalog::{Choices, Source};

use super::{Asked, log_left_out, make, malformed, rewritten};
use crate::error::Error;
use crate::members::{Members, each_element};
use crate::optional::object;
use crate::outcome::Outcome;
use crate::text::Text;
use crate::value_type::{ValueType, Writer, Wrong};

/// Most completion values of one answer (server/utilities/completion, "Completion Results").
const COMPLETIONS_MAX: usize = 100;

#[derive(Deserialize)]
struct CompleteParams<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Reference<'a>,
    #[serde(borrow)]
    argument: CompletedArgument<'a>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference<'a> {
    #[serde(rename = "ref/prompt")]
    Prompt { name: Cow<'a, str> },
    #[serde(rename = "ref/resource")]
    Resource { uri: Cow<'a, str> },
}

#[derive(Deserialize)]
struct CompletedArgument<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

pub(super) async fn complete(asked: &Asked<'_>) -> Result<Outcome, Error> {
    let read = || asked.params.read();
    let params: CompleteParams<'_> = asked.apart(asked.params.bytes(), read).await?;
    let (snapshot, argument) = (asked.snapshot, &params.argument);
    let choices = match &params.reference {
        Reference::Prompt { name } => {
            let prompt = snapshot.prompt(name);
            let prompt = prompt.ok_or_else(|| Error::UnknownPrompt(name.clone().into_owned()))?;
            prompt.choices(&argument.name)
        }
        Reference::Resource { uri } => match snapshot.resource_template(uri) {
            Some(template) => template.choices(&argument.name),
            None if snapshot.has_static_resource(uri) => None,
            None => {
                return Err(Error::ResourceNotFound {
                    uri: uri.clone().into_owned(),
                });
            }
        },
    };
    let choices = choices.ok_or_else(|| {
        Error::InvalidParams(format!(
            "`argument.name`: there is no argument {:?} here",
            argument.name
        ))
    })?;
    match choices {
        Choices::Function(source) => made(asked, &params, source).await,
        Choices::Listed(choices) => {
            let typed = argument.value.to_lowercase();
            let fits = |choice: &String| choice.to_lowercase().starts_with(&typed);
            let found: Vec<String> = choices.into_iter().filter(fits).collect();
            let total = found.len();
            Ok(completion(found, Some(total), false))
        }
    }
}

fn completion(mut found: Vec<String>, total: Option<usize>, has_more: bool) -> Outcome {
    let has_more = has_more || found.len() > COMPLETIONS_MAX;
    found.truncate(COMPLETIONS_MAX);
    let mut completion = json!({ "values": found, "hasMore": has_more });
    if let Some(total) = total {
        completion["total"] = json!(total);
    }
    Outcome::new(format!("\"completion\":{completion}"))
}

async fn made(
    asked: &Asked<'_>,
    params: &CompleteParams<'_>,
    source: &Source,
) -> Result<Outcome, Error> {
    let input = asked.apart(asked.params.bytes(), || input(params)).await?;
    let (Reference::Prompt { name } | Reference::Resource { uri: name }) = &params.reference;
    let method = "completion/complete";
    let mut output = make(asked, method, name, source, input).await?;
    let mut writer = Writer::new(asked.client.revision);
    let bytes = output.len();
    let read = || of_output(rewritten(&mut output)?, &mut writer);
    let outcome = asked.apart(bytes, read).await;
    log_left_out(method, source, &writer.left_out);
    outcome
}

/// What the function that completes gets.
fn input(params: &CompleteParams<'_>) -> Result<Vec<u8>, Error> {
    let mut context: Value = match object(params.context) {
        Some(context) => serde_json::from_str(context.get())
            .map_err(|error| Error::InvalidParams(format!("`context`: {error}")))?,
        None => json!({}),
    };
    if let Some(arguments) = context.get_mut("arguments")
        && (arguments.is_null() || *arguments == json!([]))
    {
        *arguments = json!({});
    }
    let (name, value) = (&params.argument.name, &params.argument.value);
    let input = json!({
        "argument": { "name": name, "value": value },
        "context": context,
    });
    Ok(input.to_string().into_bytes())
}

/// What a plugin answers: its values alone, or an object with what it knows of them besides.
fn of_output(output: &str, writer: &mut Writer) -> Result<Outcome, Error> {
    let wrong = || malformed("write a list of texts, or an object with such `values`");
    if !output.starts_with('{') {
        let list = serde_json::from_str(output).map_err(|_| wrong())?;
        let (values, total) = values(list).map_err(|_| wrong())?;
        return Ok(completion(values, Some(total), total > COMPLETIONS_MAX));
    }
    let mut answer = Members::read(output).map_err(|what| malformed(&what))?;
    let list = answer.take("values").ok_or_else(wrong)?;
    let (values, count) = values(list).map_err(|wrong| malformed(&wrong.to_string()))?;
    let mut optional = |name, value_type| {
        writer.out.clear();
        writer.optional_field(name, answer.get(name), value_type);
        let is_right = !writer.out.is_empty();
        answer.get(name).map(RawValue::get).filter(|_| is_right)
    };
    let total = optional("total", &ValueType::Count).and_then(|total| total.parse().ok());
    let has_more = optional("hasMore", &ValueType::Boolean) == Some("true");
    Ok(completion(
        values,
        total,
        has_more || count > COMPLETIONS_MAX,
    ))
}

/// The first texts of a list, and how many there are.
fn values(list: &RawValue) -> Result<(Vec<String>, usize), Wrong> {
    let (mut values, mut count) = (Vec::new(), 0);
    let read = each_element(list, |index, element| {
        count += 1;
        let Some(text) = Text::of(element) else {
            return Err(Wrong::new(&format!("values[{index}]"), "a string"));
        };
        if values.len() < COMPLETIONS_MAX {
            values.push(text.into_owned());
        }
        Ok(())
    });
    read.unwrap_or_else(|| Err(Wrong::new("values", "a list of texts")))?;
    Ok((values, count))
}
