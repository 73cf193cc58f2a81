//! What both eras serve alike: lists, calls, reads, prompts and completions, on one snapshot.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasimancer_catalog::{Choices, List, Message, MessageContent, Read, Returns, Snapshot, Source};

use crate::block;
use crate::content;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::revision::{Era, Revision};

/// Most completion values of one answer (server/utilities/completion, "Completion Results").
const COMPLETIONS_MAX: usize = 100;

/// Answers a request of a method that both eras have; none where the method is not one of them.
pub(crate) async fn handle(
    snapshot: &Snapshot,
    revision: Revision,
    method: &str,
    params: Option<&RawValue>,
) -> Option<Result<Outcome, Error>> {
    let listed = |name, list: Option<&List>| Some(self::list(name, list?, params));
    match method {
        "tools/list" => listed("tools", tool_list(snapshot, revision.era())),
        "resources/list" => listed("resources", snapshot.resource_list()),
        "resources/templates/list" => {
            listed("resourceTemplates", snapshot.resource_template_list())
        }
        "prompts/list" => listed("prompts", snapshot.prompt_list()),
        "tools/call" if snapshot.serves_tools() => {
            Some(call_tool(snapshot, revision, params).await)
        }
        "resources/read" if snapshot.serves_resources() => {
            Some(read_resource(snapshot, params).await)
        }
        "prompts/get" if snapshot.serves_prompts() => {
            Some(get_prompt(snapshot, revision, params).await)
        }
        "completion/complete" if snapshot.serves_prompts() || snapshot.serves_resources() => {
            Some(complete(snapshot, params))
        }
        _ => None,
    }
}

/// The list of tools as the clients of an era see it.
pub(crate) fn tool_list(snapshot: &Snapshot, era: Era) -> Option<&List> {
    match era {
        Era::Modern => snapshot.tool_list(),
        Era::Legacy => snapshot.object_output_tool_list(),
    }
}

/// The capabilities that a snapshot gives rise to, in both eras.
pub(crate) fn capabilities(snapshot: &Snapshot) -> serde_json::Map<String, Value> {
    let (tools, resources, prompts) = (
        snapshot.serves_tools(),
        snapshot.serves_resources(),
        snapshot.serves_prompts(),
    );
    let served = [
        ("tools", tools, json!({ "listChanged": true })),
        (
            "resources",
            resources,
            json!({ "subscribe": true, "listChanged": true }),
        ),
        ("prompts", prompts, json!({ "listChanged": true })),
        ("completions", prompts || resources, json!({})),
    ];
    let served = served.into_iter().filter(|(_, served, _)| *served);
    served
        .map(|(name, _, capability)| (name.to_owned(), capability))
        .collect()
}

/// Reads the params of a request; none is an empty object.
pub(crate) fn parse<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, Error> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| Error::InvalidParams(error.to_string()))
}

#[derive(Deserialize)]
struct ListParams<'a> {
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
}

fn list(name: &str, list: &List, params: Option<&RawValue>) -> Result<Outcome, Error> {
    let params: ListParams<'_> = parse(params)?;
    let index = params.cursor.as_deref().map_or(Ok(0), page_of)?;
    let page = list.page(index).ok_or_else(unknown_cursor)?;
    // The page was serialized by serde_json, which writes UTF-8.
    let entries =
        std::str::from_utf8(page).map_err(|error| Error::InvalidParams(error.to_string()))?;
    let mut fields = String::with_capacity(entries.len() + 64);
    let _ = write!(fields, "\"{name}\":{entries}");
    if index + 1 < list.pages() {
        let _ = write!(fields, ",\"nextCursor\":\"{}\"", cursor_of(index + 1));
    }
    Ok(Outcome::cacheable(fields))
}

/// Cursors are opaque to clients; ours is the number of a page.
fn cursor_of(page: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("page {page}"))
}

fn page_of(cursor: &str) -> Result<usize, Error> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| unknown_cursor())?;
    let text = String::from_utf8(bytes).map_err(|_| unknown_cursor())?;
    let page = text
        .strip_prefix("page ")
        .and_then(|page| page.parse().ok());
    page.ok_or_else(unknown_cursor)
}

fn unknown_cursor() -> Error {
    Error::InvalidParams(
        "`cursor` is not one that this list gave; begin again without a cursor".to_owned(),
    )
}

#[derive(Deserialize)]
struct CallParams<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

async fn call_tool(
    snapshot: &Snapshot,
    revision: Revision,
    params: Option<&RawValue>,
) -> Result<Outcome, Error> {
    let params: CallParams<'_> = parse(params)?;
    let Some(tool) = snapshot.tool(&params.name) else {
        return Err(Error::UnknownTool(params.name.into_owned()));
    };
    // Not the tool's schema is broken, but that of the request.
    if params
        .arguments
        .is_some_and(|raw| !raw.get().starts_with('{'))
    {
        return Err(Error::InvalidParams(
            "`arguments` must be an object".to_owned(),
        ));
    }
    let input = match tool.input(params.arguments) {
        Ok(input) => input,
        Err(error) if revision.reports_arguments_to_the_model() => {
            return Ok(content::failure(&error.to_string()));
        }
        Err(error) => return Err(Error::InvalidArguments(error.to_string())),
    };
    Ok(match tool.call(&input).await {
        Ok(output) => content::of_output(tool, &output, revision),
        Err(error) => content::failure(&error.to_string()),
    })
}

#[derive(Deserialize)]
struct ReadParams<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
}

async fn read_resource(snapshot: &Snapshot, params: Option<&RawValue>) -> Result<Outcome, Error> {
    let params: ReadParams<'_> = parse(params)?;
    match snapshot.resource(&params.uri) {
        Some(Read::Contents(contents)) => {
            let contents = String::from_utf8_lossy(&contents);
            Ok(Outcome::cacheable(format!("\"contents\":{contents}")))
        }
        Some(Read::Function(call)) => {
            let output = made(snapshot, call.source, &call.input).await?;
            if call.source.returns() == Returns::Result {
                return whole(&output, "contents");
            }
            let mut content = json!({ "uri": call.uri });
            if let Some(mime_type) = call.mime_type {
                content["mimeType"] = json!(mime_type);
            }
            content["text"] = json!(String::from_utf8_lossy(&output));
            Ok(Outcome::new(format!("\"contents\":[{content}]")))
        }
        None => Err(Error::ResourceNotFound {
            uri: params.uri.into_owned(),
        }),
    }
}

/// Calls the function that makes what a definition does not hold.
async fn made(snapshot: &Snapshot, source: &Source, input: &[u8]) -> Result<Vec<u8>, Error> {
    let function = snapshot.resolve(source);
    let function = function.map_err(|error| Error::Plugin(error.to_string()))?;
    let output = function.call(input).await;
    output.map_err(|error| Error::Plugin(error.to_string()))
}

/// The result that a function wrote as a whole, which must have this field.
fn whole(output: &[u8], field: &str) -> Result<Outcome, Error> {
    let result: BTreeMap<String, &RawValue> =
        serde_json::from_slice(output).map_err(|error| Error::Plugin(error.to_string()))?;
    let value = result.get(field).ok_or_else(|| {
        Error::Plugin(format!(
            "the plugin's result is malformed: {field} is missing"
        ))
    })?;
    Ok(Outcome::new(format!("\"{field}\":{value}")))
}

#[derive(Deserialize)]
struct GetParams<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    arguments: Option<BTreeMap<String, String>>,
}

async fn get_prompt(
    snapshot: &Snapshot,
    revision: Revision,
    params: Option<&RawValue>,
) -> Result<Outcome, Error> {
    let params: GetParams<'_> = parse(params)?;
    let Some(prompt) = snapshot.prompt(&params.name) else {
        return Err(Error::UnknownPrompt(params.name.into_owned()));
    };
    let arguments = params.arguments.unwrap_or_default();
    let rendered = match prompt.source() {
        None => prompt.render(&arguments),
        Some(source) => {
            let input = prompt.input(&arguments);
            let input = input.map_err(|error| Error::InvalidParams(error.to_string()))?;
            let output = made(snapshot, source, &input).await?;
            if source.returns() == Returns::Result {
                return whole(&output, "messages");
            }
            let text = String::from_utf8_lossy(&output).into_owned();
            Ok(vec![Message {
                role: "user".to_owned(),
                content: MessageContent::Text(text),
            }])
        }
    };
    let rendered = rendered.map_err(|error| Error::InvalidParams(error.to_string()))?;
    let messages: Vec<Value> = rendered
        .into_iter()
        .map(|message| {
            let content = match message.content {
                MessageContent::Text(text) => json!({ "type": "text", "text": text }),
                MessageContent::Block(block) if revision.knows_resource_links() => block,
                MessageContent::Block(block) => block::without_link(block),
            };
            json!({ "role": message.role, "content": content })
        })
        .collect();
    let mut fields = String::new();
    if let Some(description) = prompt.description() {
        let _ = write!(fields, "\"description\":{},", Value::from(description));
    }
    let _ = write!(fields, "\"messages\":{}", Value::Array(messages));
    Ok(Outcome::new(fields))
}

#[derive(Deserialize)]
struct CompleteParams<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Reference<'a>,
    #[serde(borrow)]
    argument: CompletedArgument<'a>,
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

fn complete(snapshot: &Snapshot, params: Option<&RawValue>) -> Result<Outcome, Error> {
    let CompleteParams {
        reference,
        argument,
    } = parse(params)?;
    let choices = match &reference {
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
    let choices = match choices {
        Choices::Listed(choices) => choices,
        Choices::Function(_) => Vec::new(),
    };
    let typed = argument.value.to_lowercase();
    let found: Vec<String> = choices
        .into_iter()
        .filter(|choice| choice.to_lowercase().starts_with(&typed))
        .collect();
    let completion = json!({
        "values": &found[..found.len().min(COMPLETIONS_MAX)],
        "total": found.len(),
        "hasMore": found.len() > COMPLETIONS_MAX,
    });
    Ok(Outcome::new(format!("\"completion\":{completion}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_others_refused() {
        assert_eq!(page_of(&cursor_of(3)).unwrap(), 3);
        for wrong in [
            "",
            "x",
            "cGFnZQ",
            "cGFnZSAtMQ",
            "💥",
            "cGFnZSA5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        ] {
            assert!(page_of(wrong).is_err(), "{wrong}");
        }
    }
}
