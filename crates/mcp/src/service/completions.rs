//! Completions of arguments (server/utilities/completion).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasimancer_catalog::{Choices, Source};

use super::{Asked, make, malformed};
use crate::error::Error;
use crate::optional::object;
use crate::outcome::Outcome;

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

/// What a plugin answers: its values alone, or what it knows of them besides.
#[derive(Deserialize)]
#[serde(untagged)]
enum Made {
    Values(Vec<String>),
    #[serde(rename_all = "camelCase")]
    Completion {
        values: Vec<String>,
        #[serde(default)]
        total: Option<usize>,
        #[serde(default)]
        has_more: bool,
    },
}

async fn made(
    asked: &Asked<'_>,
    params: &CompleteParams<'_>,
    source: &Source,
) -> Result<Outcome, Error> {
    let input = asked.apart(asked.params.bytes(), || input(params)).await?;
    let (Reference::Prompt { name } | Reference::Resource { uri: name }) = &params.reference;
    let output = make(asked, "completion/complete", name, source, input).await?;
    asked.apart(output.len(), || of_output(&output)).await
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

fn of_output(output: &[u8]) -> Result<Outcome, Error> {
    let made = serde_json::from_slice(output);
    match made.map_err(|_| malformed("write a list of texts, or an object with such `values`"))? {
        Made::Values(values) => {
            let total = values.len();
            Ok(completion(values, Some(total), false))
        }
        Made::Completion {
            values,
            total,
            has_more,
        } => Ok(completion(values, total, has_more)),
    }
}
