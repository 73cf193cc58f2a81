//! `call`: one export, as the server would call it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{Ended, Home, PATIENCE, Upstream, command, examples_folder, finish};

/// `call` with a file of the examples.
fn example(path: &str, arguments: &[&str]) -> Ended {
    let file = examples_folder().join("plugins").join(path);
    finish(command(["call".as_ref(), file.as_os_str()]).args(arguments))
}

fn guest(home: &Home, arguments: &[&str]) -> Command {
    let mut command = command([
        "call".as_ref(),
        home.path().join("plugins/guest.wasm").as_os_str(),
    ]);
    command.args(arguments);
    command
}

#[test]
fn the_output_is_all_of_standard_output() {
    let ended = example(
        "hello/hello.wasm",
        &["hello", "--input", r#"{"name":"Bob"}"#],
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "Hello, Bob!", "")
    );
    let ended = example(
        "hello/hello.wasm",
        &[
            "hello",
            "--input",
            r#"{"name":"Bob"}"#,
            "--config",
            "greeting=Salut=!",
        ],
    );
    assert_eq!(ended.stdout, "Salut=!, Bob!");
    let ended = example(
        "calculator/calculator.wasm",
        &["add", "--input", r#"{"a":9007199254740993,"b":1}"#],
    );
    assert_eq!(ended.stdout, "9007199254740994");
    let ended = finish(&mut guest(&Home::new(), &["echo"]));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "no input is an empty one"
    );
}

#[test]
fn the_input_can_come_from_standard_input() {
    let home = Home::new();
    let mut child = guest(&home, &["echo", "--input", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all("größe\n".as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), "größe\n".as_bytes())
    );
}

#[test]
fn a_failure_is_told_on_standard_error() {
    let home = Home::new();
    for (arguments, wanted) in [
        (
            vec!["fail"],
            "error: the plugin reported an error: it broke\n",
        ),
        (
            vec!["code"],
            "error: the plugin failed with code 7 and left no message\n",
        ),
        (vec!["trap"], "the plugin trapped: "),
        (
            vec!["nowhere"],
            "the module does not export a function `nowhere`; it exports echo, value,",
        ),
        (
            vec!["spin", "--timeout", "100ms"],
            "error: the call was stopped at its time limit of 100ms\n",
        ),
        (
            vec!["grow_memory", "--memory", "1MiB"],
            "memory limit of 1048576 bytes",
        ),
        (
            vec!["get", "--input", r#"{"url":"http://127.0.0.1:1/"}"#],
            "the plugin may not reach 127.0.0.1",
        ),
    ] {
        let ended = finish(&mut guest(&home, &arguments));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
        assert!(
            ended.stderr.contains(wanted),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    let ended = example(
        "calculator/calculator.wasm",
        &["divide", "--input", r#"{"a":1,"b":0}"#],
    );
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("the plugin reported an error: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn files_that_are_no_plugins_are_refused() {
    let home = Home::new();
    home.file("text.wasm", "this is no module");
    for (file, wanted) in [
        ("nowhere.wasm", "cannot be read"),
        ("text.wasm", "not a valid WebAssembly module"),
    ] {
        let ended = finish(command(["call"]).arg(home.path().join(file)).arg("run"));
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(wanted),
            "{}",
            ended.stderr
        );
    }
}

/// What the plugin logs is seen, apart from its output.
#[test]
fn the_log_of_the_plugin_is_shown() {
    let home = Home::new();
    let ended = finish(&mut guest(
        &home,
        &["log", "--input", r#"{"output":"a line"}"#],
    ));
    assert_eq!(ended.stdout, "a line");
    assert!(ended.stderr.contains("a line"), "{}", ended.stderr);
    let ended = finish(&mut guest(
        &home,
        &["log", "--input", r#"{"output":"a line"}"#, "--log", "off"],
    ));
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("a line", "")
    );
}

/// The environment is not the plugin's: what it is to know is said.
#[test]
fn nothing_is_configured_but_what_is_said() {
    let home = Home::new();
    let ended = finish(
        guest(&home, &["config", "--input", r#"{"output":"WASM_SECRET"}"#]).env("WASM_SECRET", "x"),
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn hosts_are_allowed_one_by_one() {
    let home = Home::new();
    let upstream = Upstream::start();
    let input = format!(r#"{{"url":"http://{}/"}}"#, upstream.address);
    let arguments = [
        "get",
        "--input",
        &input,
        "--allow-host",
        "127.0.0.1",
        "--timeout",
        "2m",
    ];
    let child = guest(&home, &arguments).spawn().unwrap();
    upstream.holds(1).await;
    upstream.release("fetched");
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), &b"fetched"[..])
    );
    let ended = finish(&mut guest(
        &home,
        &["get", "--input", &input, "--allow-host", "example.com"],
    ));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("may not reach 127.0.0.1"),
        "{}",
        ended.stderr
    );
}

#[test]
fn malformed_arguments_are_refused() {
    let home = Home::new();
    for arguments in [
        ["echo", "--config", "no equals sign"],
        ["echo", "--timeout", "soon"],
        ["echo", "--memory", "much"],
        ["echo", "--allow-host", "https://x"],
    ] {
        let ended = finish(&mut guest(&home, &arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains(arguments[1]), "{}", ended.stderr);
    }
}

#[test]
fn the_input_can_come_from_a_file_and_be_held_to_be_json() {
    let home = Home::new();
    home.file("input.json", "{\"name\":\n\"Bob\"}");
    let file = format!("@{}", home.path().join("input.json").display());
    let ended = finish(&mut guest(&home, &["echo", "--json", "--input", &file]));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "{\"name\":\n\"Bob\"}")
    );
    let ended = finish(&mut guest(&home, &["echo", "--input", "@/nowhere.json"]));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("/nowhere.json cannot be read"),
        "{}",
        ended.stderr
    );
    let ended = finish(&mut guest(
        &home,
        &["echo", "--json", "--input", "{\"a\": 1,}"],
    ));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended.stderr.contains("the input is no JSON: ") && ended.stderr.contains("column 9"),
        "{}",
        ended.stderr
    );
}

/// As a client would: the schema, the defaults and `returns` of the definition count.
#[test]
fn a_tool_of_a_home_is_called() {
    let home = Home::with_plugins(
        "plugins:\n  - name: guest\n    path: guest.wasm\n    functions:\n      \
         - displayName: say it\n        function: echo\n        arguments: [{name: what, type: string}, {name: count, type: integer, default: 1}]\n      \
         - {displayName: json, function: value, returns: json, inputSchema: {type: object}}\n      \
         - {displayName: fails, function: fail, inputSchema: {type: object}}\n      \
         - {displayName: spins, function: spin, inputSchema: {type: object}}\n    limits: {timeout: 200ms}\n",
    );
    let call = |arguments: &[&str]| {
        finish(
            command(["call".as_ref(), "--home".as_ref(), home.path().as_os_str()]).args(arguments),
        )
    };
    let ended = call(&["say it", "{\n\"what\": \"so\"}"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), r#"{"what":"so","count":1}"#),
        "{}",
        ended.stderr
    );
    home.file("arguments.json", r#"{"what": "a file"}"#);
    let file = format!("@{}", home.path().join("arguments.json").display());
    assert!(call(&["say it", &file]).stdout.contains("a file"));
    for (arguments, wanted) in [
        (&["say it", r#"{"what": 5}"#][..], "what"),
        (&["say it"], "what"),
        (&["say it", "{"], "the arguments are no JSON"),
        (
            &["fails"],
            "error: the plugin reported an error: it broke\n",
        ),
        (&["spins"], "time limit of 200ms"),
        (&["nowhere"], "Unknown tool: nowhere"),
    ] {
        let ended = call(arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
        assert!(
            ended.stderr.contains(wanted),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    let ended = finish(&mut command(["call", "file.wasm"]));
    assert_eq!(ended.code, Some(2), "an export is wanted: {}", ended.stderr);
}
