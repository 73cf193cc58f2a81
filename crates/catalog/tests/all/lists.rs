//! The lists as clients get them: exact JSON, in the order of the files, in pages.

use std::fmt::Write as _;

use serde_json::json;
use wasimancer_catalog::PAGE_ENTRIES;

use crate::support::{TestHome, entries, parse_page};

#[test]
fn the_lists_of_a_small_home() {
    let home = TestHome::new()
        .write(
            "plugins/plugins.yml",
            r#"about: a small home
plugins:
  - name: second in the alphabet
    path: echo.wasm
    version: 1.0
    description: not shown
    limits: {timeout: 1s}
    config: {key: value}
    permissions: {network: []}
    functions:
      - function: echo
        x-first: 1
        displayName: weigh
        icons: [{src: "https://example.com/i.png", mimeType: image/png, sizes: [48x48, any], theme: dark}]
        outputSchema: {type: object, properties: {grams: {type: number}}}
        returns: json
        annotations: {readOnlyHint: true, title: Weight}
        arguments:
          - {name: item, type: string, description: what to weigh}
        description: weighs an item
        title: Weigh
        _meta: {example.com/team: kitchen}
      - function: twice
  - name: first in the alphabet
    path: echo.wasm
    functions:
      - {displayName: aaa, function: echo, description: "", title: null}
"#,
        )
        .write(
            "resources/resources.yml",
            r#"resources:
  dynamic:
    - uri: note://{id}
      name: note
      mimeType: text/plain
      arguments: [{name: id, type: string, description: which}]
      contents: [{text: "${id}"}]
      annotations: {audience: [user], priority: 0.5}
  static:
    - name: rules
      size: 5
      title: The rules
      uri: info://rules
      contents: [{text: rules}]
      description: how to behave
"#,
        )
        .write(
            "prompts/prompts.yml",
            r"prompts:
  predefined:
    - name: greet
      messages: [{role: user, text: hello}]
      title: Greet
      arguments:
        - {title: Whom, name: who, type: string, description: a person}
        - {name: how, required: false, type: string, enum: [loud, quiet]}
        - {name: times, type: number, default: 1}
      description: greets
    - name: bare
      messages: [{role: user, text: hello}]
",
        );
    let snapshot = home.open_whole();
    // Compared as texts, since the order of the fields is part of what is promised.
    let tools = concat!(
        r#"[{"name":"weigh","title":"Weigh","description":"weighs an item","#,
        r#""inputSchema":{"type":"object","properties":{"item":{"type":"string","description":"what to weigh"}},"required":["item"],"additionalProperties":false},"#,
        r#""outputSchema":{"type":"object","properties":{"grams":{"type":"number"}}},"#,
        r#""x-first":1,"icons":[{"src":"https://example.com/i.png","mimeType":"image/png","sizes":["48x48","any"],"theme":"dark"}],"#,
        r#""annotations":{"readOnlyHint":true,"title":"Weight"},"_meta":{"example.com/team":"kitchen"}},"#,
        r#"{"name":"twice","inputSchema":{"type":"object","properties":{},"additionalProperties":false}},"#,
        r#"{"name":"aaa","description":"","inputSchema":{"type":"object","properties":{},"additionalProperties":false}}]"#,
    );
    assert_eq!(snapshot.tool_list().unwrap().page(0).unwrap(), tools);
    assert_eq!(
        snapshot.object_output_tool_list().unwrap().page(0).unwrap(),
        tools
    );
    assert_eq!(
        snapshot.resource_list().unwrap().page(0).unwrap(),
        r#"[{"uri":"info://rules","name":"rules","size":5,"title":"The rules","description":"how to behave"}]"#
    );
    assert_eq!(
        snapshot.resource_template_list().unwrap().page(0).unwrap(),
        r#"[{"uriTemplate":"note://{id}","name":"note","mimeType":"text/plain","annotations":{"audience":["user"],"priority":0.5}}]"#
    );
    assert_eq!(
        snapshot.prompt_list().unwrap().page(0).unwrap(),
        concat!(
            r#"[{"name":"greet","title":"Greet","description":"greets","arguments":["#,
            r#"{"name":"who","description":"a person","required":true,"title":"Whom"},"#,
            r#"{"name":"how","required":false},{"name":"times","required":false}]},"#,
            r#"{"name":"bare","arguments":[]}]"#,
        )
    );
}

#[test]
fn a_quarantined_plugin_leaves_no_trace_in_the_lists() {
    let home = TestHome::with_plugins(
        "plugins:\n- {name: a, path: echo.wasm, functions: [{function: echo}, {function: absent}]}\n- {name: b, path: echo.wasm, functions: [{function: twice}]}\n",
    );
    let snapshot = home.open();
    assert_eq!(snapshot.quarantined().len(), 1);
    assert_eq!(snapshot.tool_names(), ["twice"]);
    assert_eq!(entries(snapshot.tool_list()).len(), 1);
    assert_eq!(snapshot.counts().plugins, 1);
    assert!(snapshot.tool("echo").is_none());
}

#[test]
fn a_list_is_cut_into_pages_of_a_thousand() {
    assert_eq!(PAGE_ENTRIES, 1000);
    for (entries, pages) in [
        (999, vec![999]),
        (1000, vec![1000]),
        (1001, vec![1000, 1]),
        (2500, vec![1000, 1000, 500]),
    ] {
        let mut plugins = String::from("plugins:\n- name: p\n  path: echo.wasm\n  functions:\n");
        let mut resources = String::from("resources:\n  static:\n");
        let mut prompts = String::from("prompts:\n  predefined:\n");
        for index in 0..entries {
            writeln!(plugins, "  - {{function: echo, displayName: t{index}}}").unwrap();
            writeln!(
                resources,
                "  - {{name: r{index}, uri: 'a://{index}', contents: [{{text: x}}]}}"
            )
            .unwrap();
            writeln!(
                prompts,
                "  - {{name: q{index}, messages: [{{role: user, text: x}}]}}"
            )
            .unwrap();
        }
        let home = TestHome::with_plugins(&plugins)
            .write("resources/resources.yml", resources)
            .write("prompts/prompts.yml", prompts);
        let snapshot = home.open_whole();
        for (list, prefix) in [
            (snapshot.tool_list(), "t"),
            (snapshot.object_output_tool_list(), "t"),
            (snapshot.resource_list(), "r"),
            (snapshot.prompt_list(), "q"),
        ] {
            let list = list.unwrap();
            let sizes: Vec<usize> = (0..list.pages())
                .map(|page| parse_page(list, page).len())
                .collect();
            assert_eq!(sizes, pages);
            let all: Vec<_> = (0..list.pages())
                .flat_map(|page| parse_page(list, page))
                .collect();
            let named = (0..entries).map(|index| json!(format!("{prefix}{index}")));
            assert!(
                all.iter().map(|entry| entry["name"].clone()).eq(named),
                "{prefix}"
            );
            assert!(list.page(pages.len()).is_none());
        }
    }
}
