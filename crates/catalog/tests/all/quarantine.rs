//! A broken entry is set aside with everything that is wrong with it, and the rest serves.

use std::fmt::Write as _;

use crate::support::{TestHome, entries, problems, quarantined};

const ALL_WRONG: &str = r"plugins:
  - name: right
    path: echo.wasm
    functions: [{function: echo}]
  - name: wrong
    version: [1]
    description:
      a: map
    path: absent.wasm
    limits:
      memory: lots
      timeout: 30
      speed: 5
    permissions:
      network:
        - https://example.com/
        - 5
      files: []
    config:
      list: [a]
    functions:
      - displayName: echo
        function: absent
        inputSchema:
          type: object
          properties: []
        outputSchema: {type: text}
        returns: json
      - function: echo
        displayName: ''
        returns: yaml
        title:
          - x
        icons: {}
      - text
      - displayName: alone
";

#[test]
fn everything_that_is_wrong_with_a_plugin_is_told_with_its_line() {
    let home = TestHome::with_plugins(ALL_WRONG);
    let snapshot = home.open();
    assert_eq!(snapshot.tool_names(), ["echo"]);
    assert_eq!(quarantined(&snapshot), [("plugin", "wrong")]);
    let found = problems(&snapshot);
    let absent = format!(
        "{} cannot be read: ",
        home.path("plugins/absent.wasm").display()
    );
    let expected = [
        (6, "version: must be a text and is a list"),
        (7, "description: must be a text and is a map"),
        (
            30,
            "functions[1].displayName: is empty: give the tool a name",
        ),
        (
            31,
            "functions[1].returns: \"yaml\" is not known: write text, json or result, or for bytes a media type such as image/png",
        ),
        (32, "functions[1].title: must be a text and is a list"),
        (35, "functions[2]: an entry must be a map and is \"text\""),
        (
            36,
            "functions[3].function: is missing: name the export of the module",
        ),
        (
            11,
            "limits.memory: `lots` is no size: write a whole number and a unit, such as 256MiB, 64KiB or 1GB",
        ),
        (
            12,
            "limits.timeout: `30` is no duration: write a whole number above 0 and a unit, such as 30s, 250ms or 5m",
        ),
        (
            13,
            "limits.speed: is no limit: write timeout, cpu, memory, input, output, httpResponse, httpRequests or concurrency",
        ),
        (18, "permissions.files: is no permission: write network"),
        (
            16,
            "permissions.network: `https://example.com/` names no host: write a name (api.example.com), a name with a wildcard in front (*.example.org), an address or a network (10.0.0.0/8), with an optional :port and no scheme or path",
        ),
        (
            17,
            "permissions.network: must be a text and is the number 5: put it in quotes",
        ),
        (20, "config.list: must be a text, a number or a boolean"),
        (
            9,
            &format!("path: {absent}No such file or directory (os error 2)"),
        ),
        (
            22,
            "functions[0].displayName: the tool name \"echo\" is taken by plugin \"right\": choose another",
        ),
        (
            24,
            "functions[0].inputSchema: is no valid JSON Schema: properties: [] is not of type \"object\"",
        ),
        (
            27,
            "functions[0].outputSchema: is no valid JSON Schema: type: \"text\" is not valid under any of the schemas listed in the 'anyOf' keyword",
        ),
    ];
    let expected: Vec<String> = expected
        .iter()
        .map(|(line, what)| format!("plugins.yml:{line}: plugin \"wrong\": {what}"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_entry_without_a_name_is_told_by_its_line_with_all_that_is_wrong() {
    let home = TestHome::with_plugins(
        "plugins:\n  - path: ../x\n    functions: 5\n  - text\n  - name: ''\n  -\n",
    )
    .write(
        "resources/resources.yml",
        "resources:\n  static:\n  - uri: a://a\n",
    )
    .write(
        "prompts/prompts.yml",
        "prompts:\n  predefined:\n  - name: [p]\n",
    );
    let snapshot = home.open();
    assert_eq!(
        quarantined(&snapshot),
        [
            ("plugin", "line 2"),
            ("plugin", "line 4"),
            ("plugin", "line 5"),
            ("plugin", "line 6"),
            ("resource", "line 3"),
            ("prompt", "line 3"),
        ]
    );
    assert_eq!(
        problems(&snapshot),
        [
            "plugins.yml:2: plugin: name: is missing: give it a name",
            "plugins.yml:2: plugin: path: \"../x\" leaves the plugins folder: name a file inside it",
            "plugins.yml:3: plugin: functions: must be a list and is the number 5",
            "plugins.yml:4: plugin: an entry must be a map and is \"text\"",
            "plugins.yml:5: plugin: name: is empty: give it a name",
            "plugins.yml:5: plugin: path: is missing: name the .wasm file, relative to the plugins folder",
            "plugins.yml:5: plugin: functions: is missing or empty: list at least one function",
            "plugins.yml:6: plugin: an entry must be a map and is nothing",
            "resources.yml:3: resource: name: is missing: give it a name",
            "resources.yml:3: resource: contents: is missing or empty: give at least one content with a `text`",
            "prompts.yml:3: prompt: name: must be a text and is a list",
            "prompts.yml:3: prompt: messages: is missing or empty: give at least one message with `role` and `text`",
        ]
    );
}

#[test]
fn a_problem_holds_its_parts() {
    let home = TestHome::with_tool("description: x\nreturns: yaml");
    let snapshot = home.open();
    let [entry] = snapshot.quarantined() else {
        panic!("one entry")
    };
    let [problem] = entry.problems.as_slice() else {
        panic!("one problem")
    };
    assert_eq!(problem.file, "plugins.yml");
    assert_eq!(problem.line, Some(8));
    assert_eq!(problem.entry, "plugin \"p\"");
    assert_eq!(problem.field, "functions[0].returns");
    assert_eq!(
        problem.message,
        "\"yaml\" is not known: write text, json or result, or for bytes a media type such as image/png"
    );
}

#[test]
fn several_plugins_can_be_wrong_at_once() {
    let home = TestHome::with_plugins(
        "plugins:\n- {name: a, path: echo.wasm, functions: []}\n- {name: b, path: echo.wasm, functions: [{function: echo}]}\n- {name: c, path: absent.wasm, functions: [{function: echo}]}\n- {name: d, path: echo.wasm, functions: [{function: twice}]}\n",
    );
    let snapshot = home.open();
    assert_eq!(quarantined(&snapshot), [("plugin", "a"), ("plugin", "c")]);
    assert_eq!(snapshot.tool_names(), ["echo", "twice"]);
    assert_eq!(snapshot.counts().plugins, 2);
}

#[test]
fn a_field_on_the_line_after_its_key_is_found_at_its_key() {
    let home = TestHome::with_plugins(
        "plugins:\n  - name: p\n    path:\n      ../x\n    functions:\n      - function:\n          echo\n        returns:\n          - json\n        arguments:\n          name: a\n",
    );
    assert_eq!(
        home.problems(),
        [
            "plugins.yml:3: plugin \"p\": path: \"../x\" leaves the plugins folder: name a file inside it",
            "plugins.yml:10: plugin \"p\": functions[0].arguments: must be a list and is a map",
            "plugins.yml:8: plugin \"p\": functions[0].returns: must be a text and is a list",
        ]
    );
}

#[test]
fn many_plugins_stand_in_the_order_of_the_file_whatever_is_wrong_with_some() {
    const PLUGINS: usize = 40;
    let mut yaml = String::from("plugins:\n");
    let mut tools = Vec::new();
    let mut wrong = Vec::new();
    let mut home = TestHome::new().write("plugins/text.wasm", "no module");
    for number in 0..PLUGINS {
        let name = format!("p{number}");
        // A module of its own for each, and a large one in front of small ones.
        let padding = "x".repeat(if number % 8 == 0 { 200_000 } else { number });
        let text = format!(
            r#"(module (memory 4) (data (i32.const 0) "{padding}") (func (export "f") (result i32) (i32.const {number})))"#
        );
        home = home.module(&format!("{name}.wasm"), &text);
        let (path, function, tool, problem) = match number {
            3 => ("text.wasm", "f", "t3", Some("path: text.wasm: ")),
            11 => ("p11.wasm", "g", "t11", Some("functions[0].function: ")),
            12 => ("absent.wasm", "f", "t12", Some("path: ")),
            // The first that has the name keeps it.
            8 => ("p8.wasm", "f", "same", None),
            9 | 30 => (
                "p9.wasm",
                "f",
                "same",
                Some("functions[0].displayName: the tool name \"same\" is taken by plugin \"p8\""),
            ),
            _ => ("", "f", "", None),
        };
        let path = if path.is_empty() {
            format!("{name}.wasm")
        } else {
            path.to_owned()
        };
        let tool = if tool.is_empty() {
            format!("t{number}")
        } else {
            tool.to_owned()
        };
        writeln!(
            yaml,
            "- {{name: {name}, path: {path}, functions: [{{displayName: {tool}, function: {function}}}]}}"
        )
        .unwrap();
        match problem {
            None => tools.push(tool),
            Some(problem) => {
                let line = number + 2;
                wrong.push(format!("plugins.yml:{line}: plugin \"{name}\": {problem}"));
            }
        }
    }
    let snapshot = home.write("plugins/plugins.yml", yaml).open();
    let listed = entries(snapshot.tool_list());
    let listed: Vec<_> = listed
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert_eq!(listed, tools);
    let found = problems(&snapshot);
    assert_eq!(found.len(), wrong.len(), "{found:#?}");
    for (found, wrong) in found.iter().zip(&wrong) {
        assert!(found.starts_with(wrong), "{found} {wrong}");
    }
}
