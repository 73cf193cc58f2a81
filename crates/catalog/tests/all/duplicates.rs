//! Names and URIs that are taken: the first stays, the later one is quarantined.

use serde_json::json;

use crate::support::{TestHome, entries, problems, quarantined, read};

#[test]
fn a_plugins_name() {
    let home = TestHome::with_plugins(
        r"plugins:
  - name: p
    path: echo.wasm
    functions: [{displayName: a, function: echo}]
  - path: echo.wasm
    name: p
    functions: [{displayName: b, function: echo}]
  - {name: P, path: echo.wasm, functions: [{displayName: c, function: echo}]}
",
    );
    let snapshot = home.open();
    assert_eq!(snapshot.tool_names(), ["a", "c"]);
    assert_eq!(quarantined(&snapshot), [("plugin", "p")]);
    assert_eq!(
        problems(&snapshot),
        ["plugins.yml:6: plugin \"p\": name: \"p\" is taken by an earlier plugin: choose another"]
    );
}

#[test]
fn a_name_is_taken_also_by_an_entry_that_is_not_served() {
    // Whoever changes an entry by its name must find one.
    let home = TestHome::with_plugins(
        "plugins:\n- {name: p}\n- {name: p, path: echo.wasm, functions: [{function: echo}]}\n",
    )
    .write(
        "resources/resources.yml",
        "resources:\n  static:\n  - {name: r}\n  - {name: r, uri: 'a://a', contents: [{text: x}]}\n",
    )
    .write(
        "prompts/prompts.yml",
        "prompts:\n  predefined:\n  - {name: q}\n  - {name: q, messages: [{role: user, text: x}]}\n",
    );
    let snapshot = home.open();
    assert_eq!(
        quarantined(&snapshot),
        [
            ("plugin", "p"),
            ("plugin", "p"),
            ("resource", "r"),
            ("resource", "r"),
            ("prompt", "q"),
            ("prompt", "q")
        ]
    );
    assert_eq!(
        snapshot.counts().tools + snapshot.counts().resources + snapshot.counts().prompts,
        0
    );
}

#[test]
fn a_tools_name_in_two_plugins() {
    let home = TestHome::with_plugins(
        r"plugins:
  - name: first
    path: echo.wasm
    functions:
      - {displayName: same, function: echo, description: of the first}
  - name: second
    path: echo.wasm
    functions:
      - {displayName: other, function: echo}
      - function: twice
        displayName: same
  - name: third
    path: echo.wasm
    functions: [{displayName: other, function: echo}]
",
    );
    let snapshot = home.open();
    assert_eq!(quarantined(&snapshot), [("plugin", "second")]);
    assert_eq!(
        problems(&snapshot),
        [
            "plugins.yml:11: plugin \"second\": functions[1].displayName: the tool name \"same\" is taken by plugin \"first\": choose another"
        ]
    );
    assert_eq!(snapshot.tool("same").unwrap().plugin(), "first");
    assert_eq!(
        entries(snapshot.tool_list())[0]["description"],
        "of the first"
    );
    // The tools of a quarantined plugin take no names.
    assert_eq!(snapshot.tool("other").unwrap().plugin(), "third");
}

#[test]
fn a_tools_name_inside_one_plugin() {
    let home = TestHome::with_plugins(
        "plugins:\n- name: p\n  path: echo.wasm\n  functions:\n  - {displayName: t, function: echo}\n  - displayName: u\n    function: echo\n  - function: t\n  - {displayName: t, function: twice}\n",
    );
    let taken = |line: usize, index: usize, field: &str| {
        format!(
            "plugins.yml:{line}: plugin \"p\": functions[{index}].{field}: the tool name \"t\" is taken by plugin \"p\": choose another"
        )
    };
    assert_eq!(
        home.problems(),
        [
            taken(8, 2, "displayName"),
            "plugins.yml:8: plugin \"p\": functions[2].function: the module does not export a function `t`; it exports echo, twice".to_owned(),
            taken(9, 3, "displayName"),
        ]
    );
    assert_eq!(home.open().counts().tools, 0);
}

#[test]
fn names_and_uris_of_resources_of_both_kinds() {
    let home = TestHome::with_resources(
        r"resources:
  static:
    - name: n
      uri: a://a
      contents: [{text: first}]
    - name: m
      contents: [{text: second}]
      uri: a://a
    - {name: n, uri: 'a://b', contents: [{text: third}]}
  dynamic:
    - name: n
      uri: a://{x}
      arguments: [{name: x}]
      contents: [{text: fourth}]
    - {name: o, uri: 'b://{x}', arguments: [{name: x}], contents: [{text: fifth}]}
    - uri: b://{x}
      name: o
      arguments: [{name: x}]
      contents: [{text: sixth}]
    - {name: s, uri: 'b://{y}', arguments: [{name: y}], contents: [{text: seventh}]}
",
    );
    let snapshot = home.open();
    assert_eq!(
        quarantined(&snapshot),
        [
            ("resource", "m"),
            ("resource", "n"),
            ("resource", "n"),
            ("resource", "o")
        ]
    );
    assert_eq!(
        problems(&snapshot),
        [
            "resources.yml:8: resource \"m\": uri: \"a://a\" is taken by an earlier resource: choose another",
            "resources.yml:9: resource \"n\": name: \"n\" is taken by an earlier resource: choose another",
            "resources.yml:11: resource \"n\": name: \"n\" is taken by an earlier resource: choose another",
            "resources.yml:17: resource \"o\": name: \"o\" is taken by an earlier resource: choose another",
            "resources.yml:16: resource \"o\": uri: \"b://{x}\" is taken by an earlier resource: choose another",
        ]
    );
    assert_eq!(
        read(&snapshot, "a://a"),
        Some(json!([{"uri": "a://a", "text": "first"}]))
    );
    assert_eq!(read(&snapshot, "b://1").unwrap()[0]["text"], "fifth");
    assert_eq!(read(&snapshot, "a://c"), None);
    assert_eq!(snapshot.counts().resources, 1);
    assert_eq!(snapshot.counts().resource_templates, 2);
}

#[test]
fn a_prompts_name() {
    let home = TestHome::with_prompts(
        "prompts:\n  predefined:\n  - {name: p, description: first, messages: [{role: user, text: x}]}\n  - messages: [{role: user, text: x}]\n    name: p\n",
    );
    let snapshot = home.open();
    assert_eq!(
        problems(&snapshot),
        ["prompts.yml:5: prompt \"p\": name: \"p\" is taken by an earlier prompt: choose another"]
    );
    assert_eq!(snapshot.prompt("p").unwrap().description(), Some("first"));
}

#[test]
fn kinds_do_not_take_names_from_each_other() {
    let home = TestHome::with_plugins(
        "plugins: [{name: n, path: echo.wasm, functions: [{displayName: n, function: echo}]}]\n",
    )
    .write(
        "resources/resources.yml",
        "resources: {static: [{name: n, uri: 'n://n', contents: [{text: n}]}]}\n",
    )
    .write(
        "prompts/prompts.yml",
        "prompts: {predefined: [{name: n, messages: [{role: user, text: n}]}]}\n",
    );
    home.open_whole();
}
