//! Plays the session with rmcp's client: `session discover|auto|initialize`.
//!
//! Wants `MCP_URL`, `MCP_TOKEN` and `MCP_SESSION`, the file of the session (see scripts/clients.sh).

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;
use rmcp::model::{
    ArgumentInfo, CallToolRequestParams, CallToolResult, CompleteRequestParams,
    GetPromptRequestParams, JsonObject, ReadResourceRequestParams, Reference,
};
use rmcp::service::{ClientInitializeError, RoleClient, RunningService};
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use wasimancer_rmcp_client::{equal, lifecycle, transport};

type Client = RunningService<RoleClient, ()>;

#[derive(Deserialize)]
struct Session {
    server: String,
    tools: Vec<String>,
    calls: Vec<Call>,
    resources: Vec<String>,
    templates: Vec<String>,
    reads: Vec<Read>,
    prompts: Vec<String>,
    gets: Vec<Get>,
    completions: Vec<Completion>,
}

#[derive(Deserialize)]
struct Call {
    tool: String,
    arguments: JsonObject,
    #[serde(flatten)]
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Text(String),
    Pattern(String),
    Structured(Value),
    Error(String),
}

#[derive(Deserialize)]
struct Read {
    uri: String,
    contents: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Get {
    prompt: String,
    arguments: JsonObject,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    text: String,
}

#[derive(Deserialize)]
struct Completion {
    #[serde(flatten)]
    of: Of,
    argument: String,
    value: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    Prompt(String),
    Template(String),
}

async fn connect(token: &str, mode: ClientLifecycleMode) -> Result<Client, ClientInitializeError> {
    ().serve_with_lifecycle(transport(token), mode).await
}

fn check_call(call: &Call, result: &CallToolResult) -> Result<()> {
    let what = format!("{} {}", call.tool, Value::from(call.arguments.clone()));
    let is_error = matches!(call.expected, Expected::Error(_));
    equal(
        &format!("{what}: is_error"),
        &result.is_error.unwrap_or(false),
        &is_error,
    )?;
    let [content] = &result.content[..] else {
        bail!("{what}: {:?}", result.content)
    };
    let text = &content
        .as_text()
        .with_context(|| format!("{what}: {content:?}"))?
        .text;
    match &call.expected {
        Expected::Text(expected) => equal(&what, text, expected),
        Expected::Structured(expected) => {
            equal(&what, &result.structured_content.as_ref(), &Some(expected))?;
            equal(
                &format!("{what}: text"),
                &serde_json::from_str(text)?,
                expected,
            )
        }
        Expected::Pattern(pattern) => {
            ensure!(
                Regex::new(pattern)?.is_match(text),
                "{what}: {text:?}, expected {pattern:?}"
            );
            Ok(())
        }
        Expected::Error(part) => {
            ensure!(text.contains(part), "{what}: {text:?}, expected {part:?}");
            Ok(())
        }
    }
}

/// Checks what the client sees, and answers how many different tools were called.
async fn play(client: &Client, session: &Session) -> Result<usize> {
    let tools = client.list_all_tools().await?;
    let tools: Vec<String> = tools
        .into_iter()
        .map(|tool| tool.name.into_owned())
        .collect();
    equal("tools", &tools, &session.tools)?;
    let mut called = BTreeSet::new();
    for call in &session.calls {
        let params =
            CallToolRequestParams::new(call.tool.clone()).with_arguments(call.arguments.clone());
        let result = client
            .call_tool(params)
            .await
            .with_context(|| call.tool.clone())?;
        check_call(call, &result)?;
        called.insert(call.tool.clone());
    }
    equal("tools called", &called, &tools.into_iter().collect())?;

    let resources = client.list_all_resources().await?;
    equal(
        "resources",
        &resources.into_iter().map(|resource| resource.uri).collect(),
        &session.resources,
    )?;
    let templates = client.list_all_resource_templates().await?;
    equal(
        "templates",
        &templates
            .into_iter()
            .map(|template| template.uri_template)
            .collect(),
        &session.templates,
    )?;
    for Read { uri, contents } in &session.reads {
        let result = client
            .read_resource(ReadResourceRequestParams::new(uri))
            .await?;
        let expected = contents.iter().map(|content| {
            let mut content = content.clone();
            content.insert("uri".to_owned(), uri.clone());
            content
        });
        equal(
            uri,
            &json!(result.contents),
            &json!(expected.collect::<Vec<_>>()),
        )?;
    }

    let prompts = client.list_all_prompts().await?;
    equal(
        "prompts",
        &prompts.into_iter().map(|prompt| prompt.name).collect(),
        &session.prompts,
    )?;
    for Get {
        prompt,
        arguments,
        messages,
    } in &session.gets
    {
        let params = GetPromptRequestParams::new(prompt).with_arguments(arguments.clone());
        let result = client.get_prompt(params).await?;
        let expected = messages
            .iter()
            .map(|message| json!({"role": message.role, "content": {"type": "text", "text": message.text}}));
        equal(prompt, &json!(result.messages), &expected.collect())?;
    }

    for Completion {
        of,
        argument,
        value,
        values,
    } in &session.completions
    {
        let reference = match of {
            Of::Prompt(name) => Reference::for_prompt(name),
            Of::Template(uri) => Reference::for_resource(uri),
        };
        let params = CompleteRequestParams::new(reference, ArgumentInfo::new(argument, value));
        let result = client.complete(params).await?;
        equal(
            &format!("completion of {argument}"),
            &result.completion.values,
            values,
        )?;
    }
    Ok(called.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (mode, revision) = lifecycle(&env::args().nth(1).context("no mode was given")?)?;
    let session: Session =
        serde_json::from_str(&std::fs::read_to_string(env::var("MCP_SESSION")?)?)?;

    let client = connect(&env::var("MCP_TOKEN")?, mode.clone()).await?;
    let peer = client
        .peer_info()
        .context("the server did not say what it is")?;
    equal("revision", &peer.protocol_version, &revision)?;
    let server = peer.server_info.as_ref().map(|server| server.name.as_str());
    equal("server", &server, &Some(session.server.as_str()))?;
    let called = play(&client, &session).await?;
    client.cancel().await?;

    let Err(refusal) = connect("wrong", mode).await else {
        bail!("connected with a wrong token")
    };
    ensure!(
        refusal.is_authorization_required(),
        "a wrong token led to: {refusal}"
    );

    println!("{revision}: {called} tools called");
    Ok(())
}
