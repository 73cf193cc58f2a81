//! No text of a plugin, a definition or a request passes for a line of the log, a colour of the
//! terminal, or the other direction of writing.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Home, Launch, MODERN, Operator, Sample, Server, answer, assemble, command, finish,
};

/// Begins a line in each way that anybody knows, with colours, and turned round.
const FORGED: &str = "x\nFORGED\rFORGED\u{85}FORGED\u{2028}FORGED\u{2029}FORGED \u{1b}[31m\u{9b}2J\u{202e}\u{2066}\u{7}\u{7f}";
const MISLEADING: [char; 11] = [
    '\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{7}',
    '\u{7f}', '\0',
];

#[track_caller]
fn is_honest(text: &str) {
    for line in text.split('\n') {
        assert!(!line.starts_with("FORGED"), "{line:?}");
        assert!(!line.contains(MISLEADING), "{line:?}");
    }
}

/// The same of every string in an answer, where a line break is none of ours either.
#[track_caller]
fn answer_is_honest(json: &Value) {
    match json {
        Value::String(text) => {
            is_honest(text);
            assert!(!text.contains('\n'), "{text:?}");
        }
        Value::Array(all) => all.iter().for_each(answer_is_honest),
        Value::Object(fields) => fields.values().for_each(answer_is_honest),
        _ => {}
    }
}

/// The same of what an operator is told; definitions that are answered are data.
#[track_caller]
fn sentences_are_honest(json: &Value) {
    for field in ["error", "message", "warnings", "problems"] {
        answer_is_honest(&json[field]);
    }
}

/// The text as a string of WebAssembly's text format, or of YAML.
fn quoted(text: &str) -> String {
    let escape = |byte: u8| format!("\\{byte:02x}");
    let bytes: String = text.bytes().map(escape).collect();
    format!("\"{bytes}\"")
}

fn with_import() -> Vec<u8> {
    let name = quoted(FORGED);
    assemble(&format!(
        r#"(module (import {name} {name} (func)) (func (export "speak")))"#
    ))
}

fn with_exports() -> Vec<u8> {
    let name = quoted(FORGED);
    assemble(&format!(
        r#"(module (func (export {name})) (func $speak (export "speak") unreachable) (func (export "typed") (param i32)))"#
    ))
}

fn sample(module: Vec<u8>) -> Sample {
    let mut sample = Sample::new("sample", "1", "x");
    sample.module = module;
    sample
}

/// Everything that a hostile operator or client can name.
async fn provoke(server: &Server) {
    let operator = Operator::of(server);
    let mut wrong = vec![sample(with_import())];
    let mut absent = sample(with_exports());
    absent.definition["functions"][0]["function"] = json!("absent");
    wrong.push(absent);
    for field in ["name", "version", "path", "digest"] {
        let mut named = sample(with_exports());
        named.definition[field] = json!(FORGED);
        named.definition["limits"] = json!({ FORGED: FORGED, "timeout": FORGED });
        wrong.push(named);
    }
    let mut named = sample(with_exports());
    named.definition["functions"][0]["function"] = json!(FORGED);
    named.definition["functions"][0]["displayName"] = json!(FORGED);
    wrong.push(named);
    let mut named = sample(with_exports());
    named.definition["functions"][0][FORGED] = json!(FORGED);
    "\u{202e}\u{2028}.exe".clone_into(&mut named.file_name);
    wrong.push(named);
    for sample in wrong {
        for query in ["", "?dir=x%0AFORGED%1B%5B31m"] {
            sentences_are_honest(&operator.upload(query, &sample).await.json);
        }
    }
    for path in [
        "/remove-plugin/x%0AFORGED%1B%5B31m",
        "/remove-resource/x%E2%80%A8FORGED",
        "/remove-prompt/x%E2%80%AEFORGED",
    ] {
        sentences_are_honest(&operator.delete(path).await.json);
    }
    let resource = json!({"name": FORGED, "uri": FORGED, "contents": FORGED, FORGED: 1});
    sentences_are_honest(&operator.post("/add-resource", resource).await.json);
    let prompt = json!({"name": FORGED, "messages": [{"role": FORGED, "text": FORGED}]});
    sentences_are_honest(&operator.post("/add-predefined-prompt", prompt).await.json);
    let client = server.client(MODERN);
    for (method, params) in [
        ("tools/call", json!({"name": FORGED, "arguments": {}})),
        ("prompts/get", json!({"name": FORGED})),
        ("resources/read", json!({"uri": "x"})),
        ("tools/list", json!({"cursor": FORGED})),
    ] {
        let answer = client.ask(method, params).await;
        answer_is_honest(&answer.json["error"]["message"]);
    }
    let answer = client
        .post(format!(r#"{{"jsonrpc":{}}}"#, json!(FORGED)))
        .await;
    answer_is_honest(&answer.json["error"]["message"]);
    for header in [
        "mcp-protocol-version",
        "mcp-name",
        "host",
        "origin",
        "mcp-session-id",
    ] {
        let request = client
            .request("tools/list", json!({}))
            .header(header, "x\tFORGED \u{85}\u{2028}\u{202e}");
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let answer = client.post_with(&request.headers, body).await;
        answer_is_honest(&answer.json["error"]["message"]);
    }
    let request = operator
        .request(Method::GET, "/plugins")
        .header("if-match", "\u{2028}FORGED".as_bytes());
    sentences_are_honest(&answer_of(request).await);
    answer_is_honest(&client.ready().await.json);
}

async fn answer_of(request: reqwest::RequestBuilder) -> Value {
    answer(request).await.json
}

/// A home whose definitions and modules lie.
fn lying_home() -> Home {
    let name = serde_json::to_string(FORGED).unwrap();
    let home = Home::with_plugins(&format!(
        "plugins:\n  - {{name: {name}, path: {name}, version: {name}, functions: [{{function: {name}}}]}}\n  \
         - {{name: imports, path: imports.wasm, functions: [{{function: speak}}]}}\n  \
         - {{name: exports, path: exports.wasm, {name}: 1, functions: [{{function: {name}}}, {{function: typed}}, {{function: absent}}]}}\n  \
         - {{name: trapping, path: exports.wasm, functions: [{{function: speak, displayName: trap}}]}}\n"
    ));
    home.file("plugins/imports.wasm", with_import());
    home.file("plugins/exports.wasm", with_exports());
    home.file(
        "resources/resources.yml",
        format!("resources:\n  static:\n    - {{name: {name}, uri: {name}, contents: {name}}}\n"),
    );
    home
}

#[tokio::test]
async fn no_line_of_the_log_and_no_error_can_be_forged() {
    for format in ["human", "json"] {
        let server = Launch::of(lying_home())
            .args(["--log-format", format, "--log", "trace"])
            .start();
        provoke(&server).await;
        let client = server.client(MODERN);
        client.call("trap", "{}").await;
        server.logs("the plugin trapped").await;
        server.signal("TERM");
        let output = server.whole_output().await;
        assert!(output.contains("FORGED"), "nothing was provoked");
        is_honest(&output);
        if format == "json" {
            for line in server.stderr().lines() {
                serde_json::from_str::<Value>(line).expect(line);
            }
        }
    }
}

#[test]
fn no_line_of_a_command_can_be_forged() {
    let home = lying_home();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("y\nFORGED\u{202e}.wasm"), "none").unwrap();
    for arguments in [
        vec!["check".to_owned(), "--home".to_owned(), path("")],
        vec!["inspect".to_owned(), path("plugins/imports.wasm")],
        vec!["inspect".to_owned(), path("plugins/exports.wasm")],
        vec!["inspect".to_owned(), path("y\nFORGED\u{202e}.wasm")],
        vec!["inspect".to_owned(), path(FORGED)],
        vec![
            "call".to_owned(),
            path("plugins/exports.wasm"),
            FORGED.replace('\0', "") + "!",
        ],
    ] {
        let ended = finish(&mut command(&arguments));
        is_honest(&ended.stdout);
        is_honest(&ended.stderr);
        assert!(
            ended.stdout.len() + ended.stderr.len() > 0,
            "{arguments:?} says something"
        );
    }
    // A configuration that lies.
    home.file("wasimancer.toml", "\"x\\nFORGED\\u001b\" = 1\n");
    let ended = finish(&mut command(["check", "--home", &path("")]));
    assert!(ended.stderr.contains("FORGED"), "{}", ended.stderr);
    is_honest(&ended.stderr);
}
