//! Which of the server's variables a plugin may read.

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, Sample, command, finish, guest_module};

/// Tools that answer what their plugin's configuration has under a name.
const PLUGINS: &str = "plugins:
  - {name: every, path: guest.wasm, functions: [{displayName: every, function: config, description: x, arguments: [{name: output, type: string}]}]}
  - name: one
    path: guest.wasm
    variables: [WASM_ONE, WASM_ABSENT]
    functions: [{displayName: one, function: config, description: x, arguments: [{name: output, type: string}]}]
  - name: none
    path: guest.wasm
    variables: []
    config: {WASM_TWO: of the definition}
    functions: [{displayName: none, function: config, description: x, arguments: [{name: output, type: string}]}]
";

fn launch(home: Home) -> Launch {
    let launch = Launch::of(home);
    launch.env("WASM_ONE", "first").env("WASM_TWO", "second")
}

#[tokio::test]
async fn a_plugin_reads_the_variables_that_its_definition_names() {
    let server = launch(Home::with_plugins(PLUGINS)).start();
    let client = server.client(MODERN);
    for (tool, one, two) in [
        ("every", "first", "second"),
        ("one", "first", ""),
        ("none", "", "of the definition"),
    ] {
        for (variable, wanted) in [("WASM_ONE", one), ("WASM_TWO", two), ("WASM_ABSENT", "")] {
            let answer = client.call(tool, json!({"output": variable})).await;
            assert_eq!(answer.output(), wanted, "{tool} {variable}");
        }
    }
}

#[tokio::test]
async fn an_update_may_take_variables_away() {
    let server = launch(Home::new()).start();
    let operator = Operator::of(&server);
    let client = server.client(MODERN);
    let function = json!([{
        "displayName": "reader",
        "function": "config",
        "arguments": [{"name": "output", "type": "string"}],
    }]);
    let sample = Sample::new("reader", "1.0.0", "").with("/functions", function);
    let sample = sample.with_module(guest_module());
    operator.upload("", &sample).await.granted();
    let read = async || {
        let answer = client.call("reader", json!({"output": "WASM_TWO"})).await;
        answer.output().to_owned()
    };
    assert_eq!(read().await, "second");
    let without = sample.clone().with("/variables", json!(["WASM_ONE"]));
    operator.update("", &without).await.granted();
    assert_eq!(read().await, "");
    let shown = operator.get("/plugins/reader").await;
    let shown: &Value = shown.granted();
    assert!(shown.to_string().contains("WASM_ONE"), "{shown}");
    for (variables, words) in [
        (
            json!(["PATH"]),
            "\"PATH\" is no variable of plugins: their names begin with WASM_",
        ),
        (json!("WASM_ONE"), "must be a list"),
        (json!([5]), "must be a text"),
    ] {
        let wrong = sample.clone().with("/variables", variables);
        let told = operator.update("", &wrong).await;
        let told = told.declined(400, "invalid_definition");
        assert!(told.contains("variables") && told.contains(words), "{told}");
    }
}

#[test]
fn a_check_warns_where_every_variable_can_be_read() {
    let home = Home::with_plugins(PLUGINS);
    let mut check = command(["check", "--home"]);
    check.arg(home.path()).env("WASM_ONE", "first-secret");
    let ended = finish(&mut check);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = |plugin: &str| {
        let mark = format!("plugin=\"{plugin}\"");
        let mut lines = ended.stderr.lines().filter(|line| line.contains(&mark));
        let line = lines.next().map(str::to_owned);
        assert_eq!(lines.next(), None, "{}", ended.stderr);
        line
    };
    let every = line("every").expect("a warning");
    assert!(
        every.contains("WARN") && every.contains("`variables`"),
        "{every}"
    );
    let one = line("one").expect("a warning");
    assert!(one.contains("WASM_ABSENT, which is not set"), "{one}");
    assert_eq!(line("none"), None);
    assert!(!ended.stderr.contains("first-secret"), "{}", ended.stderr);
    // A module that reads no configuration has nothing to name.
    let home = Home::new();
    home.file("plugins/speak.wasm", crate::support::speaking("hello"));
    home.file(
        "plugins/plugins.yml",
        "plugins: [{name: speaks, path: speak.wasm, functions: [{function: speak, description: x}]}]",
    );
    let ended = finish(command(["check", "--home"]).arg(home.path()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("speaks"), "{}", ended.stderr);
}
