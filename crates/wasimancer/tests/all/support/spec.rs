//! Holds what a server sends against the JSON Schema of its revision.
//!
//! The schemas lie in the folder that `MCP_SPEC` names: `2026-07-28/schema.json`, the same of each
//! older revision, and `extensions/tasks/schema.json`. Where it is not set nothing is checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MODERN, OLDEST};

/// The schema of the extension for tasks, as [`definition`] takes it in place of a revision.
const TASKS: &str = "extensions/tasks";

/// What each request is answered with.
const RESULTS: [(&str, &str); 20] = [
    ("server/discover", "DiscoverResult"),
    ("initialize", "InitializeResult"),
    ("ping", "EmptyResult"),
    ("logging/setLevel", "EmptyResult"),
    ("tools/list", "ListToolsResult"),
    ("tools/call", "CallToolResult"),
    ("resources/list", "ListResourcesResult"),
    ("resources/templates/list", "ListResourceTemplatesResult"),
    ("resources/read", "ReadResourceResult"),
    ("resources/subscribe", "EmptyResult"),
    ("resources/unsubscribe", "EmptyResult"),
    ("prompts/list", "ListPromptsResult"),
    ("prompts/get", "GetPromptResult"),
    ("completion/complete", "CompleteResult"),
    ("subscriptions/listen", "SubscriptionsListenResult"),
    ("tasks/get", "GetTaskResult"),
    ("tasks/update", "UpdateTaskResult"),
    ("tasks/cancel", "CancelTaskResult"),
    ("tasks/list", "ListTasksResult"),
    ("tasks/result", "GetTaskPayloadResult"),
];

/// The requests that may be answered with a question (2026-07-28).
const ASKING: [&str; 3] = ["tools/call", "resources/read", "prompts/get"];

/// What servers send of their own accord.
const SENT: [(&str, &str); 14] = [
    ("notifications/cancelled", "CancelledNotification"),
    ("notifications/progress", "ProgressNotification"),
    ("notifications/message", "LoggingMessageNotification"),
    (
        "notifications/tools/list_changed",
        "ToolListChangedNotification",
    ),
    (
        "notifications/resources/list_changed",
        "ResourceListChangedNotification",
    ),
    (
        "notifications/resources/updated",
        "ResourceUpdatedNotification",
    ),
    (
        "notifications/prompts/list_changed",
        "PromptListChangedNotification",
    ),
    (
        "notifications/subscriptions/acknowledged",
        "SubscriptionsAcknowledgedNotification",
    ),
    (
        "notifications/elicitation/complete",
        "ElicitationCompleteNotification",
    ),
    ("notifications/tasks", "TaskStatusNotification"),
    ("ping", "PingRequest"),
    ("elicitation/create", "ElicitRequest"),
    ("sampling/createMessage", "CreateMessageRequest"),
    ("roots/list", "ListRootsRequest"),
];

/// Errors that have a definition of their own.
const ERRORS: [(&str, i64, &str); 4] = [
    (MODERN, -32020, "HeaderMismatchError"),
    (MODERN, -32021, "MissingRequiredClientCapabilityError"),
    (MODERN, -32022, "UnsupportedProtocolVersionError"),
    ("2025-11-25", -32042, "URLElicitationRequiredError"),
];

/// Ends the test where a server of this revision may not send the message, or where it cannot be
/// told what it should be. `asked` is the body that it answers.
pub(crate) fn check(revision: &str, asked: &[u8], message: &Value) {
    if let Err(reason) = verdict(revision, asked, message) {
        panic!("{revision}: {reason}: {message}");
    }
}

fn verdict(revision: &str, asked: &[u8], message: &Value) -> Result<(), String> {
    if folder().is_none() {
        return Ok(());
    }
    if let Some(batch) = message.as_array() {
        if revision != "2025-03-26" {
            return Err("there are no batches".to_owned());
        }
        return batch
            .iter()
            .try_for_each(|message| verdict(revision, asked, message));
    }
    match (message["method"].as_str(), message.get("result")) {
        (Some(method), _) => check_sent(revision, method, message),
        (None, Some(result)) => {
            let asked = method_of(asked, &message["id"]);
            let method = asked.ok_or("nothing that was asked has this id")?;
            check_result(revision, &method, message, result)
        }
        (None, None) => check_error(revision, message),
    }
}

fn check_sent(revision: &str, method: &str, message: &Value) -> Result<(), String> {
    let envelope = match message.get("id") {
        Some(_) => "JSONRPCRequest",
        None => "JSONRPCNotification",
    };
    hold(revision, envelope, message)?;
    let schema = match (revision, method) {
        (MODERN, "notifications/tasks") => TASKS,
        _ => revision,
    };
    hold(schema, named(&SENT, method)?, message)
}

fn check_result(
    revision: &str,
    method: &str,
    message: &Value,
    result: &Value,
) -> Result<(), String> {
    // The handshake is of the revision that it negotiates.
    let revision = match method {
        "initialize" => result["protocolVersion"].as_str().unwrap_or_default(),
        _ => revision,
    };
    let envelope = first_defined(revision, ["JSONRPCResultResponse", "JSONRPCResponse"])?;
    hold(revision, envelope, message)?;
    if revision != MODERN {
        return hold(revision, named(&RESULTS, method)?, result);
    }
    match result["resultType"].as_str() {
        Some("complete") if method.starts_with("tasks/") => {
            hold(TASKS, named(&RESULTS, method)?, result)
        }
        Some("complete") => hold(revision, named(&RESULTS, method)?, result),
        Some("input_required") if ASKING.contains(&method) => {
            hold(revision, "InputRequiredResult", result)
        }
        Some("task") if method == "tools/call" => hold(TASKS, "CreateTaskResult", result),
        other => Err(format!("{method} has no result of the type {other:?}")),
    }
}

fn check_error(revision: &str, message: &Value) -> Result<(), String> {
    let envelope = first_defined(revision, ["JSONRPCErrorResponse", "JSONRPCError"])?;
    let mut with_id = message.clone();
    // Every revision lets an error about a message that could not be read have no id (transports,
    // "Sending Messages to the Server"); the schemas of the first two forgot it.
    if envelope == "JSONRPCError" && message.get("id").is_none() {
        with_id["id"] = json!(0);
    }
    hold(revision, envelope, &with_id)?;
    let code = message["error"]["code"].as_i64();
    let mut own = ERRORS.iter().filter(|(of, ..)| *of == revision);
    match own.find(|(_, own, _)| Some(*own) == code) {
        Some((.., name)) => hold(revision, name, message),
        None => Ok(()),
    }
}

/// The method of the request with this id; that of the only one, whatever its id.
fn method_of(asked: &[u8], id: &Value) -> Option<String> {
    /// The rest may be deeper than a [`Value`] can hold.
    #[derive(Deserialize)]
    struct Request {
        method: String,
    }
    if let Ok(batch) = serde_json::from_slice::<Vec<Value>>(asked) {
        let request = batch.iter().find(|request| request["id"] == *id)?;
        return request["method"].as_str().map(str::to_owned);
    }
    let asked = asked.strip_prefix("\u{feff}".as_bytes()).unwrap_or(asked);
    let request: Request = serde_json::from_slice(asked).ok()?;
    Some(request.method)
}

fn named(table: &[(&str, &'static str)], method: &str) -> Result<&'static str, String> {
    let entry = table.iter().find(|(of, _)| *of == method);
    let (_, name) = entry.ok_or_else(|| format!("{method} is missing in spec.rs"))?;
    Ok(name)
}

fn first_defined(revision: &str, names: [&'static str; 2]) -> Result<&'static str, String> {
    let schema = schema(revision)?;
    let mut names = names.into_iter();
    names
        .find(|name| definitions(&schema).1.get(name).is_some())
        .ok_or_else(|| "the schema defines no envelope".to_owned())
}

/// Holds a value against a definition of a schema.
fn hold(schema: &str, name: &str, value: &Value) -> Result<(), String> {
    let violations: Vec<String> = definition(schema, name)?
        .iter_errors(value)
        .map(|error| format!("{} at {:?}", error, error.instance_path().as_str()))
        .collect();
    if violations.is_empty() {
        return Ok(());
    }
    Err(format!("no {name}: {}", violations.join("; ")))
}

/// A definition, compiled once.
fn definition(schema: &str, name: &str) -> Result<Arc<Validator>, String> {
    static COMPILED: Mutex<BTreeMap<(String, String), Arc<Validator>>> =
        Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (schema.to_owned(), name.to_owned());
    if let Some(validator) = compiled.get(&key) {
        return Ok(validator.clone());
    }
    let mut whole = self::schema(schema)?.as_ref().clone();
    let (keyword, defined) = definitions(&whole);
    if defined.get(name).is_none() {
        return Err(format!("{schema} has no definition {name}"));
    }
    whole["$ref"] = json!(format!("#/{keyword}/{name}"));
    // Formats are annotations (JSON Schema 2020-12, validation, section 7.2.1): a resource has the
    // URI that its definition gives it, also where that is none by RFC 3986.
    let validator = jsonschema::options()
        .should_validate_formats(false)
        .build(&whole)
        .map_err(|error| format!("{name} does not compile: {error}"))?;
    Ok(compiled.entry(key).or_insert(Arc::new(validator)).clone())
}

/// The definitions of a schema, and the keyword under which they stand.
fn definitions(schema: &Value) -> (&'static str, &Value) {
    match schema.get("$defs") {
        Some(defined) => ("$defs", defined),
        None => ("definitions", &schema["definitions"]),
    }
}

/// A schema, read once.
fn schema(name: &str) -> Result<Arc<Value>, String> {
    static READ: Mutex<BTreeMap<String, Arc<Value>>> = Mutex::new(BTreeMap::new());
    // The schemas begin with the revision after the oldest, which only adds to it.
    let name = if name == OLDEST { "2025-03-26" } else { name };
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(schema) = read.get(name) {
        return Ok(schema.clone());
    }
    let folder = folder().ok_or("MCP_SPEC is not set")?;
    let path = Path::new(folder).join(name).join("schema.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let schema: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(read
        .entry(name.to_owned())
        .or_insert(Arc::new(schema))
        .clone())
}

fn folder() -> Option<&'static str> {
    static FOLDER: OnceLock<Option<String>> = OnceLock::new();
    FOLDER
        .get_or_init(|| std::env::var("MCP_SPEC").ok())
        .as_deref()
}

#[test]
fn what_lacks_a_field_is_refused() {
    if folder().is_none() {
        return;
    }
    let response = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result});
    for revision in super::REVISIONS {
        let list = br#"{"id":1,"method":"tools/list"}"#;
        let mut tools = json!({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]});
        if revision == MODERN {
            tools["resultType"] = json!("complete");
            tools["ttlMs"] = json!(1);
            tools["cacheScope"] = json!("private");
        }
        verdict(revision, list, &response(tools.clone())).unwrap();
        for field in tools.as_object().unwrap().keys() {
            let mut lacking = tools.clone();
            lacking.as_object_mut().unwrap().remove(field);
            verdict(revision, list, &response(lacking)).unwrap_err();
        }
        let mut unnamed = tools;
        unnamed["tools"][0]["name"].take();
        verdict(revision, list, &response(unnamed)).unwrap_err();

        let refusal = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}});
        verdict(revision, list, &refusal).unwrap();
        let silent = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1}});
        verdict(revision, list, &silent).unwrap_err();

        let method = "notifications/resources/updated";
        let told = json!({"jsonrpc": "2.0", "method": method, "params": {"uri": "a://b"}});
        verdict(revision, b"", &told).unwrap();
        let nothing = json!({"jsonrpc": "2.0", "method": method, "params": {}});
        verdict(revision, b"", &nothing).unwrap_err();
    }
    // What is not known is not let through.
    for unknown in [
        json!({"jsonrpc": "2.0", "method": "notifications/unknown"}),
        response(json!({"resultType": "complete"})),
        response(json!({"resultType": "unheard of"})),
    ] {
        verdict(MODERN, br#"{"id":1,"method":"unknown"}"#, &unknown).unwrap_err();
    }
}
