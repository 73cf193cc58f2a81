//! One bad entry never costs a client the whole list: what a client refuses is left out of what it is shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wasimancer_catalog::{Change, Data, MessageContent, Request, Schemas, Settings, Snapshot};

use crate::support::{TestHome, entries};

fn resources(fields: &str) -> TestHome {
    TestHome::with_resources(&format!(
        "resources:\n  static:\n  - {{name: n, uri: 'a://a', contents: [{{text: x, _meta: ~}}], {fields}}}\n  dynamic:\n  - {{name: m, uri: 'a://{{a}}', arguments: [], contents: [{{text: x}}], {fields}}}\n"
    ))
}

#[test]
fn null_for_an_absent_field_is_left_out() {
    let icons = "icons: [{src: a, sizes: ~, mimeType: ~, theme: ~}, {src: b}]";
    let shown_icons = json!([{"src": "a"}, {"src": "b"}]);
    let home = TestHome::with_tool(&format!(
        "{icons}\nannotations: {{title: ~, readOnlyHint: ~, idempotentHint: true}}\nexecution: {{taskSupport: ~}}\ntitle: ~\n_meta: {{a: ~}}"
    ));
    let snapshot = home.open_whole();
    let tool = &entries(snapshot.tool_list())[0];
    assert_eq!(tool["icons"], shown_icons);
    assert_eq!(tool["annotations"], json!({"idempotentHint": true}));
    assert_eq!(tool["execution"], json!({}));
    assert_eq!(tool.get("title"), None);
    assert_eq!(
        tool["_meta"],
        json!({"a": null}),
        "what is the author's stays"
    );

    let home = resources(&format!(
        "{icons}, annotations: {{audience: ~, priority: ~, lastModified: ~}}, size: ~"
    ));
    let snapshot = home.open_whole();
    for list in [snapshot.resource_list(), snapshot.resource_template_list()] {
        let entry = &entries(list)[0];
        assert_eq!(entry["icons"], shown_icons);
        assert_eq!(entry["annotations"], json!({}));
        assert_eq!(entry.get("size"), None);
    }
    let read = crate::support::read(&snapshot, "a://a").unwrap();
    assert_eq!(read, json!([{"uri": "a://a", "text": "x"}]));
}

#[test]
fn null_for_an_absent_field_of_a_content_block_is_left_out() {
    let snapshot = TestHome::with_prompts(
        "prompts:\n  predefined:\n  - name: p\n    messages:\n    - {role: user, content: {type: text, text: x, annotations: {priority: ~}, _meta: ~}}\n    - {role: user, content: {type: resource, annotations: ~, resource: {uri: 'a://b', text: x, mimeType: ~, blob: ~}}}\n    - {role: user, content: {type: resource_link, uri: 'a://b', name: n, size: ~, icons: [{src: a, theme: ~}]}}\n",
    )
    .open_whole();
    let messages = snapshot
        .prompt("p")
        .unwrap()
        .render(&BTreeMap::new())
        .unwrap();
    let blocks: Vec<Value> = messages
        .into_iter()
        .map(|message| match message.content {
            MessageContent::Block(block) => block,
            MessageContent::Text(text) => json!(text),
        })
        .collect();
    assert_eq!(
        blocks,
        [
            json!({"type": "text", "text": "x", "annotations": {}}),
            json!({"type": "resource", "resource": {"uri": "a://b", "text": "x"}}),
            json!({"type": "resource_link", "uri": "a://b", "name": "n", "icons": [{"src": "a"}]}),
        ]
    );
}

#[test]
fn booleans_as_schemas_of_properties_are_spelled_out_for_older_clients() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": true,
            "b": false,
            "c": {"type": "object", "properties": {"d": true}, "additionalProperties": true},
            "e": {"anyOf": [{"type": "array", "items": true}, {"patternProperties": {"^x": false}}]},
            "f": {"default": {"properties": {"g": true}}},
        },
        "$defs": {"h": {"properties": {"i": false}}},
        "additionalProperties": false,
    });
    let spelled_out = json!({
        "type": "object",
        "properties": {
            "a": {},
            "b": {"not": {}},
            "c": {"type": "object", "properties": {"d": {}}, "additionalProperties": true},
            "e": {"anyOf": [{"type": "array", "items": true}, {"patternProperties": {"^x": {"not": {}}}}]},
            "f": {"default": {"properties": {"g": true}}},
        },
        "$defs": {"h": {"properties": {"i": {"not": {}}}}},
        "additionalProperties": false,
    });
    let snapshot = TestHome::with_tool(&format!(
        "returns: json\ninputSchema: {schema}\noutputSchema: {schema}"
    ))
    .open_whole();
    for (list, shown) in [
        (snapshot.tool_list(), schema),
        (snapshot.object_output_tool_list(), spelled_out),
    ] {
        let tool = &entries(list)[0];
        assert_eq!(tool["inputSchema"], shown);
        assert_eq!(tool["outputSchema"], shown);
    }
    let refused = crate::support::input(&snapshot, r#"{"b": 1}"#).unwrap_err();
    assert!(refused.contains('b'), "{refused}");
}

#[test]
fn arrays_say_something_of_their_items() {
    let of = |fields: &str| {
        let snapshot = TestHome::with_tool(fields).open_whole();
        let lists = [snapshot.tool_list(), snapshot.object_output_tool_list()];
        let [modern, older] = lists.map(|list| entries(list)[0].clone());
        assert_eq!(modern, older);
        modern
    };
    let tool = of(
        "arguments: [{name: a, type: array}, {name: b, type: object, properties: {c: {type: [array, 'null']}}}, {name: d, type: array, items: {type: string}}]",
    );
    assert_eq!(
        tool["inputSchema"]["properties"],
        json!({
            "a": {"type": "array", "items": {}},
            "b": {"type": "object", "properties": {"c": {"type": ["array", "null"], "items": {}}}},
            "d": {"type": "array", "items": {"type": "string"}},
        })
    );
    let schema = json!({"type": "object", "properties": {
        "a": {"prefixItems": [{"type": "array"}], "type": "array"},
        "b": {"const": {"type": "array"}},
    }});
    let tool = of(&format!(
        "returns: json\ninputSchema: {schema}\noutputSchema: {schema}"
    ));
    let shown = json!({"type": "object", "properties": {
        "a": {"prefixItems": [{"type": "array", "items": {}}], "type": "array"},
        "b": {"const": {"type": "array"}},
    }});
    assert_eq!(tool["inputSchema"], shown);
    assert_eq!(tool["outputSchema"], shown);
}

#[test]
fn optional_fields_of_a_wrong_shape_are_left_out_with_a_warning() {
    let of_tools = [
        (
            "execution: auto",
            "execution: must be a map and is \"auto\"",
        ),
        (
            "execution: {taskSupport: maybe}",
            "execution.taskSupport: \"maybe\" is not known: write forbidden, optional or required",
        ),
        (
            "annotations: {readOnlyHint: 1, title: x}",
            "annotations.readOnlyHint: must be true or false and is the number 1",
        ),
        (
            "icons: [{src: a}, 5]",
            "icons[1]: an entry must be a map and is the number 5",
        ),
    ];
    for (field, wanted) in of_tools {
        let name = field.split(':').next().unwrap();
        let snapshot = TestHome::with_tool(&format!("title: x\n{field}")).open_whole();
        let tool = &entries(snapshot.tool_list())[0];
        assert_eq!((tool.get(name), &tool["title"]), (None, &json!("x")));
        let told = format!(
            "plugins.yml:8: plugin \"p\": functions[0].{wanted}; clients are shown no {name}"
        );
        let advice: Vec<String> = snapshot.advice().into_iter().map(|one| one.text).collect();
        assert!(advice.contains(&told), "{told} in {advice:?}");
    }
    for field in ["annotations: {priority: 2}", "icons: {a: 1}"] {
        let name = field.split(':').next().unwrap();
        let snapshot = resources(field).open_whole();
        for list in [snapshot.resource_list(), snapshot.resource_template_list()] {
            assert_eq!(entries(list)[0].get(name), None);
        }
        assert_eq!(snapshot.advice().len(), 2, "{:?}", snapshot.advice());
    }
}

#[test]
fn a_publication_with_an_optional_field_of_a_wrong_shape_is_refused() {
    let home = resources("annotations: {priority: 2}");
    let catalog = home.catalog();
    let publish = |definition: Value| {
        catalog.publish(Request {
            change: Change::Add(Data::Resource, definition),
            expected: None,
            dry_run: false,
        })
    };
    let entry = |name: &str, more: Value| {
        let mut entry =
            json!({"name": name, "uri": format!("b://{name}"), "contents": [{"text": "x"}]});
        entry
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        entry
    };
    for (more, field) in [
        (
            json!({"annotations": {"audience": "user"}}),
            "annotations.audience",
        ),
        (json!({"icons": [{"src": 1}]}), "icons[0].src"),
    ] {
        let error = publish(entry("wrong", more)).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    let published = publish(entry("right", json!({"annotations": {"priority": null}}))).unwrap();
    assert_eq!(
        published.warnings, [""; 0],
        "those of other entries are no matter of it"
    );
    assert_eq!(entries(catalog.snapshot().resource_list()).len(), 2);
}

fn advice(snapshot: &Snapshot) -> Vec<String> {
    let advice = snapshot.advice().into_iter();
    advice.map(|advice| advice.text).collect()
}

#[test]
fn a_uri_that_is_none_is_readable_and_in_no_list() {
    for uri in [
        "my_scheme://x",
        "readme.md",
        "C:\\docs\\a.txt",
        "http://example.com:99999/",
    ] {
        let definition = json!({"resources": {"static": [
            {"name": "good", "uri": "good://g", "contents": [{"text": "x"}]},
            {"name": "bad", "uri": uri, "contents": [{"text": "y"}]},
        ]}});
        let snapshot = TestHome::with_resources(&definition.to_string()).open_whole();
        let listed = entries(snapshot.resource_list());
        assert_eq!(listed.len(), 1, "{uri}: {listed:?}");
        let read = crate::support::read(&snapshot, uri).unwrap();
        assert_eq!(read, json!([{"uri": uri, "text": "y"}]));
        let told = advice(&snapshot);
        let words = "is no URI: ";
        assert!(
            matches!(&told[..], [one] if one.contains(words) && one.ends_with("; it can be read, and lists leave it out")),
            "{uri}: {told:?}"
        );
    }
    let snapshot = TestHome::with_resources(
        "resources:\n  dynamic:\n  - {name: a, uri: 'docs/{x}', arguments: [], contents: [{text: '${x}'}]}\n  - {name: b, uri: 'my docs://{x}', arguments: [], contents: [{text: x}]}\n  - {name: c, uri: 'd://my docs/{x}{?q}', arguments: [], contents: [{text: x}]}\n",
    )
    .open_whole();
    let listed = entries(snapshot.resource_template_list());
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["name"], "c");
    let read = crate::support::read(&snapshot, "docs/1").unwrap();
    assert_eq!(read[0]["text"], "1");
    assert_eq!(advice(&snapshot).len(), 2);
}

#[test]
fn a_publication_with_a_uri_that_is_none_is_refused() {
    let catalog = TestHome::with_resources("resources: {}").catalog();
    for (uri, is_right) in [
        ("readme.md", false),
        ("http://[bad", false),
        ("docs/{x}", false),
        ("docs://my menu/caf\u{e9}", true),
        ("docs://{x}", true),
    ] {
        let definition = json!({"name": "n", "uri": uri, "arguments": if uri.contains('{') { json!([]) } else { Value::Null }, "contents": [{"text": "x"}]});
        let published = catalog.publish(Request {
            change: Change::Add(Data::Resource, definition),
            expected: None,
            dry_run: true,
        });
        let told = published.map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(told.is_empty(), is_right, "{uri}: {told}");
        assert_eq!(told.contains("uri: "), !is_right, "{uri}: {told}");
    }
}

#[test]
fn equal_uris_of_two_resources_are_warned_of() {
    let snapshot = TestHome::with_resources(
        "resources:\n  static:\n  - {name: a, uri: 'HTTP://Host', contents: [{text: x}]}\n  - {name: b, uri: 'http://host/', contents: [{text: x}]}\n  - {name: c, uri: 'http://host/c', contents: [{text: x}]}\n",
    )
    .open_whole();
    assert_eq!(entries(snapshot.resource_list()).len(), 3);
    assert_eq!(
        advice(&snapshot),
        [
            "resources.yml:4: resource \"b\": uri: is equal to \"HTTP://Host\" of an earlier resource, which clients may ask for when they mean this one: choose another"
        ]
    );
}

#[test]
fn open_schemas_are_shown_and_arguments_checked_all_the_same() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": false}, "b": {"additionalProperties": {}}}, "additionalProperties": false});
    let home = TestHome::with_tool(&format!("inputSchema: {schema}"));
    assert_eq!(home.open_whole().closed_tools(), 1);
    let settings = Settings {
        schemas: Schemas::Open,
        ..Settings::default()
    };
    let snapshot = home.open_with(&settings);
    for list in [snapshot.tool_list(), snapshot.object_output_tool_list()] {
        assert_eq!(
            entries(list)[0]["inputSchema"],
            json!({"type": "object", "properties": {"a": {"type": "object"}, "b": {"additionalProperties": {}}}})
        );
    }
    assert_eq!(snapshot.closed_tools(), 0);
    crate::support::input(&snapshot, r#"{"c": 1}"#).unwrap_err();
}
