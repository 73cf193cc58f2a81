//! What is broken is left out, told with its place and reason, and the rest serves.

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, PATIENCE, Sample, Server, assemble};

/// A plugin entry with one tool, and these lines more.
fn plugin(name: &str, more: &str) -> String {
    format!(
        "  - name: {name}\n    path: guest.wasm\n    functions: [{{displayName: {name}, function: echo}}]\n{more}"
    )
}

/// Everything that `/readyz` says of a quarantined entry.
async fn problems(server: &Server, kind: &str, name: &str) -> Vec<String> {
    let ready = server.client(MODERN).ready().await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json["status"], "degraded");
    let entries = ready.json["quarantined"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["kind"] == kind && entry["name"] == name);
    let entry = entry.unwrap_or_else(|| panic!("{kind} {name}: {}", ready.text));
    entry["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem.as_str().unwrap().to_owned())
        .collect()
}

/// Starts a server with two good plugins around a broken one, and answers what is said of it:
/// the same by `/readyz` and by the log.
async fn broken(home: &Home, entry: &str) -> Vec<String> {
    home.file(
        "plugins/plugins.yml",
        format!(
            "plugins:\n{}{entry}{}",
            plugin("first", ""),
            plugin("last", "")
        ),
    );
    let server = Launch::again(home.path()).start();
    let client = server.client(MODERN);
    for tool in ["first", "last"] {
        assert_eq!(
            client.call(tool, "{}").await.output(),
            "{}",
            "the rest serves"
        );
    }
    client.call("broken", "{}").await.refused(200, -32602);
    let problems = problems(&server, "plugin", "broken").await;
    for problem in &problems {
        assert!(problem.starts_with("plugins.yml:"), "{problem}");
        server.logs(problem).await;
    }
    assert!(
        server.stdout().contains("quarantined: plugin \"broken\""),
        "{}",
        server.stdout()
    );
    problems
}

/// Fields of a plugin beside its name and functions, and what is said of them.
const BROKEN_PLUGINS: &[(&str, &[&str])] = &[
    (
        "    path: nowhere.wasm\n",
        &[
            "plugins.yml:6: plugin \"broken\": path: ",
            "nowhere.wasm cannot be read",
        ],
    ),
    (
        "    path: text.wasm\n",
        &["path: text.wasm: not a valid WebAssembly module"],
    ),
    (
        "    path: empty.wasm\n",
        &["not a valid WebAssembly module"],
    ),
    ("    path: cut.wasm\n", &["not a valid WebAssembly module"]),
    ("    path: component.wasm\n", &["component"]),
    (
        "    path: import.wasm\n",
        &["imports env::secret, which this server does not offer"],
    ),
    (
        "    path: type.wasm\n",
        &["functions[0].function: the export `run` has the type"],
    ),
    ("    path: huge.wasm\n", &["huge.wasm: ", "memory"]),
    (
        "    path: guest.wasm\n",
        &[
            "functions[0].function: the module does not export a function `run`",
            "echo",
        ],
    ),
    (
        "    path: ../outside.wasm\n",
        &["plugins.yml:6: plugin \"broken\": path: \"../outside.wasm\" leaves the plugins folder"],
    ),
    (
        "    path: a/../../outside.wasm\n",
        &["leaves the plugins folder"],
    ),
    ("    path: \"\"\n", &["path: is empty"]),
    ("    version: 1.0.0\n", &["path: is missing"]),
    (
        "    path: 5\n",
        &["path: must be a text and is the number 5"],
    ),
    ("    path: .\n", &["path"]),
    (
        "    path: guest.wasm\n    limits: {memory: 1KiB}\n",
        &[
            "starts with 65536 bytes of memory and its limit is 1024",
            "limits.memory",
        ],
    ),
    (
        "    path: guest.wasm\n    limits: {timeout: 30 parsecs}\n",
        &["plugins.yml:7: plugin \"broken\": limits.timeout: `30 parsecs`"],
    ),
    (
        "    path: guest.wasm\n    limits: {memory: lots}\n",
        &["limits.memory: `lots`"],
    ),
    (
        "    path: guest.wasm\n    limits: {concurrency: 0}\n",
        &["limits.concurrency: the number 0"],
    ),
    (
        "    path: guest.wasm\n    limits: {time: 30s}\n",
        &["limits.time: is no limit"],
    ),
    (
        "    path: guest.wasm\n    limits: 30s\n",
        &["limits: must be a map and is \"30s\""],
    ),
    (
        "    path: guest.wasm\n    permissions: {network: [\"https://x\"]}\n",
        &["permissions.network: `https://x`"],
    ),
    (
        "    path: guest.wasm\n    permissions: {files: [x]}\n",
        &["permissions.files: is no permission"],
    ),
    (
        "    path: guest.wasm\n    config: [x]\n",
        &["config: must be a map"],
    ),
];

#[tokio::test]
async fn broken_plugins_are_left_out() {
    let home = Home::new();
    home.file("plugins/text.wasm", "this is no module");
    home.file("plugins/empty.wasm", "");
    home.file("plugins/cut.wasm", &crate::support::guest_module()[..200]);
    home.file(
        "plugins/import.wasm",
        assemble(r#"(module (import "env" "secret" (func)) (func (export "run")))"#),
    );
    home.file(
        "plugins/type.wasm",
        assemble(r#"(module (func (export "run") (param i32)))"#),
    );
    home.file(
        "plugins/huge.wasm",
        assemble(r#"(module (memory 65536) (func (export "run")))"#),
    );
    home.file("plugins/component.wasm", b"\0asm\x0d\0\x01\0");
    home.file("outside.wasm", crate::support::guest_module());
    let entry = |fields: &str| {
        format!(
            "  - name: broken\n{fields}    functions: [{{displayName: broken, function: run}}]\n"
        )
    };
    for (fields, wanted) in BROKEN_PLUGINS {
        let problems = broken(&home, &entry(fields)).await;
        for part in *wanted {
            assert!(problems[0].contains(part), "{part} in {problems:?}");
        }
    }
}

#[tokio::test]
async fn broken_functions_are_told_all_at_once() {
    let entry = r#"  - name: broken
    path: guest.wasm
    functions:
      - displayName: broken
        function: nowhere
      - displayName: ""
        function: echo
      - function: 5
      - {displayName: a, function: echo, returns: xml}
      - {displayName: b, function: echo, inputSchema: {type: object}, arguments: []}
      - {displayName: c, function: echo, outputSchema: {type: object}}
      - {displayName: d, function: echo, arguments: [{type: string}, {name: x, required: maybe}, {name: x}]}
      - {displayName: e, function: echo, arguments: [{name: x, required: true, default: 1}]}
      - text
      - {displayName: f, function: echo, annotations: [x], icons: {x: 1}, title: 5}
      - {displayName: g, function: echo, requires: [roots, wings]}
      - {displayName: h, function: echo, task: {after: soon, until: 5m}}
      - {displayName: i, function: echo, arguments: [{name: x, complete: {plugin: broken, function: echo}}]}
"#;
    let problems = broken(&Home::new(), entry).await;
    for wanted in [
        "plugins.yml:10: plugin \"broken\": functions[1].displayName: is empty",
        "plugins.yml:12: plugin \"broken\": functions[2].function: must be a text and is the number 5: put it in quotes",
        "functions[3].returns: \"xml\" is not known: write text, json or result",
        "functions[4].inputSchema: stands beside `arguments`",
        "functions[5].outputSchema: needs `returns: json`",
        "functions[6].arguments[0].name: is missing",
        "functions[6].arguments[1].required: must be true or false and is \"maybe\"",
        "functions[7].arguments[0].default",
        "functions[8]",
        "functions[9].title: must be a text and is the number 5",
        "functions[10].requires: needs `returns: result`",
        "functions[10].requires[1]: \"wings\" is not known: write any of elicitation, elicitation.url,",
        "functions[11].task.after: `soon`",
        "functions[11].task.until: means nothing here",
        "functions[12].arguments[0].complete: is of prompts and resource templates",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(wanted)),
            "{wanted} in {problems:#?}"
        );
    }
}

#[tokio::test]
async fn broken_schemas_are_told() {
    for (schema, wanted) in [
        (
            "inputSchema: {type: string}",
            "inputSchema: must have `type: object`",
        ),
        (
            "inputSchema: {type: object, properties: 5}",
            "inputSchema: is no valid JSON Schema",
        ),
        (
            "inputSchema: {type: object, properties: {a: {$ref: \"https://example.com/schema.json\"}}}",
            "inputSchema",
        ),
        ("inputSchema: text", "inputSchema: must be a map"),
        (
            "inputSchema: {type: object, properties: {a: {type: number, x-mcp-header: A}}}",
            "x-mcp-header",
        ),
        (
            "inputSchema: {type: object, properties: {a: {type: string, x-mcp-header: \"a b\"}}}",
            "x-mcp-header",
        ),
        (
            "inputSchema: {type: object, items: {type: string, x-mcp-header: A}}",
            "x-mcp-header",
        ),
        (
            "inputSchema: {type: object, properties: {a: {type: string, x-mcp-header: A}, b: {type: string, x-mcp-header: a}}}",
            "x-mcp-header",
        ),
        (
            "returns: json, outputSchema: {type: 5}",
            "outputSchema: is no valid JSON Schema",
        ),
        (
            "arguments: [{name: a, type: string, pattern: \"(\"}]",
            "arguments",
        ),
    ] {
        let entry = format!(
            "  - name: broken\n    path: guest.wasm\n    functions: [{{displayName: broken, function: echo, {schema}}}]\n"
        );
        let problems = broken(&Home::new(), &entry).await;
        assert!(
            problems[0].starts_with("plugins.yml:7: plugin \"broken\": functions[0]."),
            "{problems:?}"
        );
        assert!(problems[0].contains(wanted), "{wanted} in {problems:?}");
    }
}

#[tokio::test]
async fn the_first_of_two_names_stays() {
    // A tool's name, and the other tools of its plugin go with it.
    let entry = "  - name: broken\n    path: guest.wasm\n    functions: [{displayName: other, function: echo}, {displayName: first, function: trap}]\n";
    let told = broken(&Home::new(), entry).await;
    assert!(
        told[0].contains(
            "functions[1].displayName: the tool name \"first\" is taken by plugin \"first\""
        ),
        "{told:?}"
    );
    // A plugin's name.
    let home = Home::with_plugins(&format!(
        "plugins:\n{}  - name: same\n    path: guest.wasm\n    functions: [{{displayName: second, function: echo}}]\n",
        plugin("same", "")
    ));
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    client.call("same", "{}").await.output();
    client.call("second", "{}").await.refused(200, -32602);
    let told = problems(&server, "plugin", "same").await;
    assert!(
        told[0].contains("\"same\" is taken by an earlier plugin"),
        "{told:?}"
    );
    // A tool of the plugin itself.
    let entry = "  - name: broken\n    path: guest.wasm\n    functions: [{displayName: twice, function: echo}, {displayName: twice, function: echo}]\n";
    let told = broken(&Home::new(), entry).await;
    assert!(
        told[0].contains("\"twice\" is taken by plugin \"broken\""),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_entry_without_a_name_is_told_by_its_place() {
    let home = Home::with_plugins(
        "plugins:\n  - path: guest.wasm\n    functions: []\n  - text\n  - name: [x]\n",
    );
    let server = Launch::of(home).start();
    for (name, wanted) in [
        ("line 2", "name: is missing"),
        ("line 4", "must be a map"),
        ("line 5", "name: must be a text"),
    ] {
        let told = problems(&server, "plugin", name).await;
        assert!(told[0].contains(wanted), "{told:?}");
    }
}

const RESOURCES: &str = r#"resources:
  static:
    - name: first
      uri: a://first
      contents: [{text: first}]
    - name: without contents
      uri: a://b
    - name: without uri
      contents: [{text: x}]
    - name: first
      uri: a://c
      contents: [{text: x}]
    - name: taken uri
      uri: a://first
      contents: [{text: x}]
    - name: number
      uri: a://d
      contents: [{text: 5}]
    - name: nothing in it
      uri: a://e
      contents: [{mimeType: text/plain}]
    - last line
  dynamic:
    - name: template
      uri: b://{x}
      arguments: [{name: x}]
      contents: [{text: "${x}"}]
    - name: open brace
      uri: c://{x}{
      arguments: [{name: x}]
      contents: [{text: x}]
    - name: other argument
      uri: d://{x}
      arguments: [{name: y}]
      contents: [{text: x}]
"#;

const PROMPTS: &str = r"prompts:
  predefined:
    - name: first
      messages: [{role: user, text: first}]
    - name: without messages
      arguments: []
    - name: bad role
      messages: [{role: system, text: x}]
    - name: without text
      messages: [{role: user}]
    - name: both
      messages: [{role: user, text: x, content: y}]
    - name: first
      messages: [{role: user, text: second}]
    - name: last
      messages: [{role: assistant, text: last}]
";

#[tokio::test]
async fn broken_resources_and_prompts_are_left_out() {
    let home = Home::guest();
    home.file("resources/resources.yml", RESOURCES);
    home.file("prompts/prompts.yml", PROMPTS);
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    assert_eq!(
        client.ask("resources/list", json!({})).await.result()["resources"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        client
            .ask("resources/read", json!({"uri": "b://1"}))
            .await
            .result()["contents"][0]["text"],
        "1"
    );
    let prompts = client.ask("prompts/list", json!({})).await;
    let names: Vec<&Value> = prompts.result()["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| &prompt["name"])
        .collect();
    assert_eq!(names, ["first", "last"]);
    let answer = client.ask("prompts/get", json!({"name": "first"})).await;
    assert_eq!(answer.result()["messages"][0]["content"]["text"], "first");
    assert_eq!(client.call("echo", "{}").await.output(), "{}");

    for (kind, name, wanted) in [
        (
            "resource",
            "without contents",
            "resources.yml:6: resource \"without contents\": contents: is missing or empty",
        ),
        (
            "resource",
            "without uri",
            "resources.yml:8: resource \"without uri\": uri: is missing",
        ),
        (
            "resource",
            "first",
            "resources.yml:10: resource \"first\": name: \"first\" is taken",
        ),
        (
            "resource",
            "taken uri",
            "resources.yml:14: resource \"taken uri\": uri: \"a://first\" is taken",
        ),
        (
            "resource",
            "number",
            "resources.yml:18: resource \"number\": contents[0].text: must be a text and is the number 5",
        ),
        (
            "resource",
            "nothing in it",
            "resource \"nothing in it\": contents[0]",
        ),
        ("resource", "line 22", "must be a map"),
        (
            "resource",
            "open brace",
            "resources.yml:29: resource \"open brace\": uri: \"c://{x}{\" is no URI template",
        ),
        ("resource", "other argument", "\"y\" is no variable"),
        (
            "prompt",
            "without messages",
            "prompts.yml:5: prompt \"without messages\": messages: is missing or empty",
        ),
        (
            "prompt",
            "bad role",
            "messages[0].role: \"system\" is no role: write user or assistant",
        ),
        ("prompt", "without text", "messages[0].text: is missing"),
        (
            "prompt",
            "both",
            "messages[0].content: stands beside `text`",
        ),
        (
            "prompt",
            "first",
            "prompts.yml:13: prompt \"first\": name: \"first\" is taken",
        ),
    ] {
        let told = problems(&server, kind, name).await;
        assert!(
            told.iter().any(|problem| problem.contains(wanted)),
            "{wanted} in {told:?}"
        );
        server.logs(&told[0]).await;
    }
    let ready = client.ready().await;
    assert_eq!(ready.json["quarantined"].as_array().unwrap().len(), 14);
}

/// Operators see the same.
#[tokio::test]
async fn operators_see_what_is_quarantined() {
    let home = Home::with_plugins(
        "plugins:\n  - {name: broken, path: nowhere.wasm, functions: [{function: x}]}\n",
    );
    let server = Launch::of(home).start();
    let answer = Operator::of(&server).get("/plugins").await;
    let broken = &answer.granted()["plugins"][0];
    assert_eq!(broken["name"], "broken");
    let problem = broken["problems"][0].as_str().unwrap();
    assert!(problem.contains("nowhere.wasm"), "{problem}");
}

/// Nothing of a file that is wrong as a whole is served, nor written over; the others are served.
#[tokio::test]
async fn slow_a_malformed_file_stops_no_start() {
    for (file, text, wanted) in [
        (
            "plugins/plugins.yml",
            "plugins:\n  - name: [x\n",
            "plugins.yml:",
        ),
        (
            "plugins/plugins.yml",
            "plugins:\n  - a: b\n   c: d\n",
            "plugins.yml:3",
        ),
        (
            "plugins/plugins.yml",
            "plugins: text\n",
            "plugins.yml:1: plugins: a list is wanted",
        ),
        ("plugins/plugins.yml", "- text\n", "plugins.yml:1"),
        (
            "plugins/plugins.yml",
            "plugins: []\n---\nplugins: []\n",
            "plugins.yml:2",
        ),
        (
            "plugins/plugins.yml",
            "plugins: [{a: 1, a: 2}]\n",
            "plugins.yml:1",
        ),
        (
            "resources/resources.yml",
            "resources:\n  static:\n    a: b\n",
            "resources.yml:2: resources.static: a list is wanted",
        ),
        (
            "resources/resources.yml",
            "\n\nresources: [x]\n",
            "resources.yml:3",
        ),
        (
            "prompts/prompts.yml",
            "prompts:\n  predefined: 5\n",
            "prompts.yml:2: prompts.predefined: a list is wanted",
        ),
        ("prompts/prompts.yml", "prompts: \"open\n", "prompts.yml:"),
    ] {
        let home = Home::guest();
        home.file(file, text);
        let path = home.path().join(file);
        let server = Launch::of(home).start();
        server.logs(wanted).await;
        let client = server.client(MODERN);
        let ready = client.ready().await.json;
        assert_eq!(ready["status"], "degraded", "{ready}");
        for kind in ["plugins", "resources", "prompts"] {
            let is_served = ready["serves"][kind].as_u64() > Some(0);
            assert_eq!(is_served, !file.starts_with(kind), "{kind}: {ready}");
        }
        // Nothing is written over it, and what takes its place is served.
        let operator = Operator::of(&server);
        let refused = operator.upload("", &Sample::new("new", "1", "new")).await;
        if file.starts_with("plugins") {
            refused.declined(409, "definition_file_malformed");
        }
        if file.starts_with("resources") {
            let resource = json!({"name": "n", "uri": "n://n", "contents": [{"text": "n"}]});
            let refused = operator.post("/add-resource", resource).await;
            assert_eq!(refused.status, 409, "{}", refused.text);
        }
        if file.starts_with("prompts") {
            let prompt =
                json!({"name": "n", "arguments": [], "messages": [{"role": "user", "text": "n"}]});
            let refused = operator.post("/add-prompt", prompt).await;
            assert_eq!(refused.status, 409, "{}", refused.text);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::write(&path, "about: nothing\n").unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        while client.ready().await.json["status"] != "ready" {
            assert!(std::time::Instant::now() < deadline, "{}", server.stderr());
        }
    }
    let home = Home::guest();
    home.file("plugins/plugins.yml", b"plugins: \xff\n");
    let server = Launch::of(home).start();
    server.logs("plugins.yml: it is no UTF-8").await;
}

/// A file that is there and cannot be read is a fault of the machine, told once.
#[tokio::test]
async fn a_definition_file_that_is_a_folder_stops_the_start() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("prompts/prompts.yml")).unwrap();
    let ended = Launch::of(home).refused();
    let reason = "it is a folder, and must be a regular file";
    assert_eq!(ended.stderr.matches(reason).count(), 1, "{}", ended.stderr);
}

/// A home of plugins alone, as many are: what is not there is empty, and comes to be when it is wanted.
#[tokio::test]
async fn a_home_without_folders_is_served_and_can_be_published_to() {
    let home = Home::with_plugins(&format!("plugins:\n{}", plugin("p", "")));
    for kind in ["resources", "prompts"] {
        std::fs::remove_dir(home.path().join(kind)).unwrap();
    }
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    assert_eq!(client.ready().await.json["status"], "ready");
    for kind in ["resources", "prompts"] {
        let told = format!("no {kind} are served until it is there");
        assert_eq!(
            server.stderr().matches(&told).count(),
            1,
            "{}",
            server.stderr()
        );
    }
    let operator = Operator::of(&server);
    let resource = json!({"name": "n", "uri": "n://n", "contents": [{"text": "n"}]});
    operator.post("/add-resource", resource).await.granted();
    assert!(folder.join("resources/resources.yml").is_file());
    std::fs::create_dir(folder.join("prompts")).unwrap();
    let prompts = "prompts:\n  predefined:\n    - {name: p, messages: [{role: user, text: x}]}\n";
    std::fs::write(folder.join("prompts/prompts.yml"), prompts).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while client.ready().await.json["serves"]["prompts"] != 1 {
        assert!(std::time::Instant::now() < deadline, "{}", server.stderr());
    }
}

#[tokio::test]
async fn a_home_without_anything_is_served_and_can_be_published_to() {
    let home = Home::new();
    for kind in ["plugins", "resources", "prompts"] {
        std::fs::remove_dir_all(home.path().join(kind)).unwrap();
    }
    let server = Launch::of(home).start();
    let sample = Sample::new("new", "1", "new");
    Operator::of(&server).upload("", &sample).await.granted();
    let said = server.client(MODERN).call("new", "{}").await;
    assert_eq!(said.output(), "new");
}

/// What is not there yet is nothing, and no fault.
#[tokio::test]
async fn an_empty_home_is_served() {
    let home = Home::new();
    home.file("resources/resources.yml", "about: nothing yet\n");
    home.file("prompts/prompts.yml", "");
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    assert_eq!(client.ready().await.json["status"], "ready");
    for (method, field) in [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        assert_eq!(
            client.ask(method, json!({})).await.result()[field],
            json!([])
        );
    }
    server.logs("there is no definition file yet").await;
}
