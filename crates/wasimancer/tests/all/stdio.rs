//! `serve --stdio`: one client on standard input and output.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::plugin_answers::speaker_home;
use crate::support::{Home, Launch, OLDEST, PATIENCE, command, finish, fixtures_folder, spec};

/// A server that is spoken to by its input.
struct Spoken {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    /// What was asked, by its id, and the revision of the answers.
    asked: HashMap<u64, (String, String)>,
    /// What the last message was of.
    revision: String,
}

impl Spoken {
    fn start(home: &std::path::Path) -> Self {
        let home = home.to_str().unwrap();
        let mut child = command(["serve", "--stdio", "--home", home])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (lines, output) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                lines.send(line.expect("the output is UTF-8")).ok();
            }
        });
        // Nobody reads what else it says.
        let mut stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self {
            input: child.stdin.take(),
            child,
            output,
            asked: HashMap::new(),
            revision: "2025-03-26".to_owned(),
        }
    }

    fn line(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    fn send(&mut self, message: &Value) {
        let version = "io.modelcontextprotocol/protocolVersion";
        let modern = message["params"]["_meta"][version].as_str();
        let negotiated = message["params"]["protocolVersion"].as_str();
        if let Some(revision) = modern.or(negotiated) {
            revision.clone_into(&mut self.revision);
        }
        if let (Some(id), Some(_)) = (message["id"].as_u64(), message.get("method")) {
            let asked = (self.revision.clone(), message.to_string());
            self.asked.insert(id, asked);
        }
        self.line(message.to_string().as_bytes());
    }

    /// The next message, which must come.
    fn message(&mut self) -> Value {
        let line = self.output.recv_timeout(PATIENCE).expect("a line");
        let message: Value = serde_json::from_str(&line).expect("every line is a message");
        let asked = message["id"].as_u64().and_then(|id| self.asked.get(&id));
        let (revision, asked) = asked.cloned().unwrap_or_default();
        let revision = if revision.is_empty() {
            &self.revision
        } else {
            &revision
        };
        spec::check(revision, asked.as_bytes(), &message);
        message
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.message()
    }

    /// Closes its input, waits for its end, and answers what else it wrote.
    fn end(mut self) -> Vec<String> {
        self.input = None;
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        self.output.iter().collect()
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn modern(id: u64, method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        "progressToken": id,
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn legacy(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"]
        .as_str()
        .expect("a text")
}

#[test]
fn a_modern_client_needs_no_handshake() {
    let mut server = Spoken::start(&fixtures_folder());
    let found = server.ask(&modern(1, "server/discover", json!({})));
    assert_eq!(found["result"]["supportedVersions"][0], "2026-07-28");
    let call = json!({"name": "test_tool_with_progress", "arguments": {}});
    server.send(&modern(2, "tools/call", call));
    for progress in [0, 50, 100] {
        let told = server.message();
        let params = json!({"progressToken": 2, "progress": progress, "total": 100});
        assert_eq!(told["params"], params);
    }
    assert_eq!(text(&server.message()), "Progress was reported.");
    let call = json!({"name": "test_input_required_result_elicitation", "arguments": {}});
    let asked = server.ask(&modern(3, "tools/call", call));
    assert_eq!(asked["result"]["resultType"], "input_required");
    let unknown = server.ask(&modern(4, "initialize", json!({})));
    assert_eq!(unknown["error"]["code"], -32601);
    assert!(server.end().is_empty());
}

#[test]
fn an_older_client_is_asked_between() {
    let mut server = Spoken::start(&fixtures_folder());
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "a client", "version": "1"},
    });
    let agreed = server.ask(&legacy(1, "initialize", &params));
    assert_eq!(agreed["result"]["protocolVersion"], "2025-06-18");
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let call = json!({"name": "test_input_required_result_elicitation", "arguments": {}});
    let question = server.ask(&legacy(2, "tools/call", &call));
    assert_eq!(question["method"], "elicitation/create");
    let result = json!({"action": "accept", "content": {"name": "Ada"}});
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
    let answered = server.ask(&answer);
    assert_eq!(
        (answered["id"].as_u64(), text(&answered)),
        (Some(2), "Hello, Ada!")
    );
    let level = server.ask(&legacy(3, "logging/setLevel", &json!({"level": "info"})));
    assert_eq!(level["result"], json!({}));
    let call = json!({"name": "test_tool_with_logging", "arguments": {}});
    let told = server.ask(&legacy(4, "tools/call", &call));
    assert_eq!(told["method"], "notifications/message");
}

#[test]
fn the_oldest_clients_are_served() {
    let home = Home::guest();
    let mut server = Spoken::start(home.path());
    let params = json!({"protocolVersion": OLDEST, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let agreed = server.ask(&legacy(1, "initialize", &params));
    assert_eq!(agreed["result"]["protocolVersion"], OLDEST);
    let listed = server.ask(&legacy(2, "tools/list", &json!({})));
    assert!(listed["result"]["tools"].is_array());
}

/// Whatever plugins write over several lines.
#[test]
fn json_of_plugins_is_on_one_line() {
    let form = json!({"type": "object", "properties": {"n": {"type": "string"}}});
    let params = json!({"message": "Name?", "requestedSchema": form});
    let question = json!({"resultType": "input_required", "inputRequests": {"n": {"method": "elicitation/create", "params": params}}});
    let call = ("tools/call", json!({"name": "speak"}));
    let read = ("resources/read", json!({"uri": "r://r"}));
    let get = ("prompts/get", json!({"name": "p"}));
    let complete = (
        "completion/complete",
        json!({"ref": {"type": "ref/prompt", "name": "c"}, "argument": {"name": "q", "value": ""}}),
    );
    let content = json!({"uri": "r://r", "text": "x", "_meta": {"a": 1}});
    let message =
        json!({"role": "user", "content": {"type": "text", "text": "x", "_meta": {"a": 1}}});
    for (returns, answered, (method, params), wanted) in [
        ("json", json!({"a": 1}), &call, "structuredContent"),
        ("json", json!({"a": 1}), &read, "contents"),
        (
            "result",
            json!({"contents": [content], "_meta": {"a": 1}}),
            &read,
            "contents",
        ),
        (
            "result",
            json!({"messages": [message], "own": {"a": 1}}),
            &get,
            "messages",
        ),
        (
            "text",
            json!({"values": ["a", "b"]}),
            &complete,
            "completion",
        ),
        ("result", question, &call, "requestedSchema"),
        (
            "result",
            json!({"error": {"code": 5, "message": "m", "data": {"a": [1]}}}),
            &call,
            "data",
        ),
    ] {
        let home = speaker_home(&format!("{answered:#}"), returns);
        let mut server = Spoken::start(home.path());
        let client = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}});
        server.ask(&legacy(1, "initialize", &client));
        // Each line is held to be a message.
        let message = server.ask(&legacy(2, method, params));
        assert!(message.to_string().contains(wanted), "{message}");
    }
}

#[test]
fn requests_are_cancelled_and_others_go_on() {
    let home = Home::with_plugins(
        "plugins:
  - name: guest
    path: guest.wasm
    functions:
      - {function: spin, description: never ends, arguments: []}
      - {function: echo, description: says what arrived, arguments: []}
",
    );
    for is_modern in [true, false] {
        let mut server = Spoken::start(home.path());
        let request = |id, tool: &str| {
            let params = json!({"name": tool, "arguments": {}});
            if is_modern {
                modern(id, "tools/call", params)
            } else {
                legacy(id, "tools/call", &params)
            }
        };
        server.send(&request(1, "spin"));
        // A call does not wait for the one before it.
        let answered = server.ask(&request(2, "echo"));
        assert_eq!((answered["id"].as_u64(), text(&answered)), (Some(2), "{}"));
        let cancelled = json!({"requestId": 1});
        server.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}),
        );
        let answered = server.ask(&request(3, "echo"));
        assert_eq!(answered["id"], 3);
        assert!(server.end().is_empty(), "a cancelled request has no answer");
    }
}

#[test]
fn changes_are_told() {
    let home = Home::guest();
    let mut server = Spoken::start(home.path());
    let filter = json!({"notifications": {"promptsListChanged": true}});
    let acknowledged = server.ask(&modern(1, "subscriptions/listen", filter));
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    home.file("prompts/prompts.yml", "prompts: {predefined: []}\n");
    let told = server.message();
    assert_eq!(told["method"], "notifications/prompts/list_changed");
    let cancelled = json!({"requestId": 1});
    server
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}));
    assert!(server.end().is_empty());

    let mut server = Spoken::start(home.path());
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "a client", "version": "1"},
    });
    server.ask(&legacy(1, "initialize", &params));
    let answered = server.ask(&legacy(2, "ping", &json!({})));
    assert_eq!(answered["result"], json!({}));
    home.file(
        "resources/resources.yml",
        "resources: {static: [], dynamic: []}\n",
    );
    let told = server.message();
    assert_eq!(told["method"], "notifications/resources/list_changed");
}

#[test]
fn a_byte_order_mark_and_a_last_line_without_its_end_are_no_fault() {
    let mut server = Spoken::start(&fixtures_folder());
    let discover = |id: u64| modern(id, "server/discover", json!({})).to_string();
    let asked = ("2026-07-28".to_owned(), discover(1));
    server.asked.insert(1, asked);
    server.line(format!("\u{feff}{}", discover(1)).as_bytes());
    assert_eq!(server.message()["id"], 1);
    server.line("\u{feff}".as_bytes());
    let mut input = server.input.take().unwrap();
    input.write_all(discover(2).as_bytes()).unwrap();
    drop(input);
    let rest = server.end();
    let [last] = rest.as_slice() else {
        panic!("{rest:?}")
    };
    let last: Value = serde_json::from_str(last).unwrap();
    assert!(last["result"]["supportedVersions"].is_array(), "{last}");
    assert_eq!(last["id"], 2);
}

#[test]
fn a_last_line_that_breaks_off_is_refused() {
    let mut server = Spoken::start(&fixtures_folder());
    let mut input = server.input.take().unwrap();
    input.write_all(b"{\"jsonrpc\":").unwrap();
    drop(input);
    let rest = server.end();
    assert!(rest.len() == 1 && rest[0].contains("-32700"), "{rest:?}");
}

#[test]
fn what_is_no_message_is_refused_and_the_rest_is_served() {
    let mut server = Spoken::start(&fixtures_folder());
    let refused = |server: &mut Spoken, line: &[u8], code: i64| {
        server.line(line);
        let answer = server.message();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    };
    refused(&mut server, b"{", -32700);
    refused(&mut server, b"\xff\xfe", -32700);
    refused(&mut server, b"5", -32600);
    refused(&mut server, &vec![b'x'; 5 * 1024 * 1024], -32600);
    server.line(b"");
    server.line(b"  \r");
    let found = server.ask(&modern(1, "server/discover", json!({})));
    assert_eq!(found["id"], 1);
    assert!(server.end().is_empty());
}

/// A client that starts a server of its own changes nothing, and is no business of the one that publishes.
#[tokio::test]
async fn a_server_beside_it_is_not_spoken_of() {
    let home = Home::guest();
    let folder = home.path().to_owned();
    let _publishing = Launch::of(home).start();
    let mut beside = command(["serve", "--stdio", "--home", folder.to_str().unwrap()]);
    // Its input is at its end at once.
    let ended = tokio::task::spawn_blocking(move || finish(&mut beside))
        .await
        .unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for unasked in ["another server", "swept", "connections"] {
        assert!(!ended.stderr.contains(unasked), "{}", ended.stderr);
    }
}

/// How many connections there may be is no matter of whoever has not said how many.
#[tokio::test]
async fn fewer_connections_are_told_of_where_more_were_configured() {
    for (configuration, is_told) in [("", false), ("connections = 5000\n", true)] {
        let home = Home::new();
        home.file("wasimancer.toml", configuration);
        let server = Launch::of(home).with_open_files(1000).start();
        let told = server
            .stderr()
            .contains("fewer connections than configured");
        assert_eq!(told, is_told, "{}", server.stderr());
    }
}
