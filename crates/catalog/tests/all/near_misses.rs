//! Keys and words that are nearly right are served, and warned of with what was meant.

use wasimancer_catalog::{Change, Data, Request, Settings, Snapshot};

use serde_json::json;

use crate::support::{TestHome, capture_warnings, entries, examples, home_in, open, warnings};

fn advice(snapshot: &Snapshot) -> Vec<String> {
    let advice = snapshot.advice().into_iter();
    advice.map(|advice| advice.text).collect()
}

/// What is said of a tool with these fields.
#[track_caller]
fn of_tool(fields: &str) -> Vec<String> {
    advice(&TestHome::with_tool(fields).open_whole())
}

#[test]
fn what_is_right_is_not_warned_of() {
    let snapshot = open(&home_in(&examples()), &Settings::default()).unwrap();
    assert_eq!(advice(&snapshot), [""; 0]);
    let right = "title: a\ndescription: b\nannotations: {title: a, readOnlyHint: true}\nicons: [{src: a, sizes: [any]}]\n\
        _meta: {retuns: 1}\nx-note: 1\nexecution: {taskSupport: optional}\n\
        arguments: [{name: typ, type: any}, {name: a, type: string, minLength: 1, title: x, examples: [{typ: 1}], x-y: 1}]";
    assert_eq!(of_tool(right), [""; 0]);
}

#[test]
fn every_depth_of_a_plugin_is_looked_at() {
    for (field, found, meant) in [
        ("retuns: json", "retuns", "returns"),
        ("descripton: x", "descripton", "description"),
        (
            "input_schema: {type: object}",
            "input_schema",
            "inputSchema",
        ),
        ("parameters: []", "parameters", "arguments"),
        (
            "arguments: [{name: a, typ: string}]",
            "arguments[0].typ",
            "type",
        ),
        (
            "arguments: [{name: a, requird: false}]",
            "arguments[0].requird",
            "required",
        ),
        (
            "arguments: [{name: a, minLenght: 1}]",
            "arguments[0].minLenght",
            "minLength",
        ),
        (
            "arguments: [{name: a, type: object, properties: {b: {tpye: string}}}]",
            "arguments[0].properties.b.tpye",
            "type",
        ),
        (
            "arguments: [{name: a, items: {enumm: [1]}}]",
            "arguments[0].items.enumm",
            "enum",
        ),
        (
            "annotations: {readonlyHint: true}",
            "annotations.readonlyHint",
            "readOnlyHint",
        ),
        (
            "icons: [{src: a, mimetype: image/png}]",
            "icons[0].mimetype",
            "mimeType",
        ),
        (
            "inputSchema: {type: object, properties: {a: {anyOf: [{type: string}, {descrption: x}]}}}",
            "inputSchema.properties.a.anyOf[1].descrption",
            "description",
        ),
        (
            "inputSchema: {type: object, requierd: [a]}",
            "inputSchema.requierd",
            "required",
        ),
    ] {
        let wanted = format!(
            "plugins.yml:7: plugin \"p\": functions[0].{found}: means nothing here: did you mean `{meant}`?"
        );
        assert_eq!(of_tool(field), [wanted]);
    }
    for (field, meant) in [
        ("limit: {timeout: 1s}", "limits"),
        ("allowed_hosts: [a.com]", "permissions: {network: [...]}"),
        ("timeout_ms: 5", "limits: {timeout: ...}"),
        ("Permissions: {}", "permissions"),
    ] {
        let home = TestHome::with_plugins(&format!(
            "plugins:\n- name: p\n  path: echo.wasm\n  {field}\n  functions: [{{function: echo}}]\n"
        ));
        let key = field.split(':').next().unwrap();
        let wanted = format!(
            "plugins.yml:4: plugin \"p\": {key}: means nothing here: did you mean `{meant}`?"
        );
        assert_eq!(advice(&home.open_whole()), [wanted]);
    }
}

#[test]
fn words_that_are_no_types_are_told_from_types() {
    for (word, meant) in [
        ("strng", Some("string")),
        ("String", Some("string")),
        ("int", Some("integer")),
        ("bool", Some("boolean")),
        ("float", Some("number")),
        ("list", Some("array")),
        ("file", None),
        ("date", None),
    ] {
        let remedy = meant.map_or_else(
            || "write string, number, integer, boolean, object, array or any".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        let wanted = format!(
            "plugins.yml:7: plugin \"p\": functions[0].arguments[0].type: {word:?} is no type, and any value is taken: {remedy}"
        );
        assert_eq!(
            of_tool(&format!("arguments: [{{name: a, type: {word}}}]")),
            [wanted]
        );
    }
}

#[test]
fn files_resources_and_prompts_are_looked_at_too() {
    let home = TestHome::with_plugins("plugin:\n- name: p\n")
        .write(
            "resources/resources.yml",
            "resources:\n  statics: []\n  dynamic:\n  - name: r\n    uri: a://{b}\n    argument: []\n    arguments: [{name: b, type: strin}]\n    contents: [{text: x, mimetype: text/plain, txt: y}]\n    annotations: {priorty: 1}\n",
        )
        .write(
            "prompts/prompts.yml",
            "prompts:\n  predefined:\n  - name: n\n    titel: x\n    messages: [{role: user, text: x, contents: y}]\n",
        );
    assert_eq!(
        advice(&home.open_whole()),
        [
            "plugins.yml:1: plugin: means nothing here: did you mean `plugins`?",
            "resources.yml:2: resources.statics: means nothing here: did you mean `static`?",
            "prompts.yml:4: prompt \"n\": titel: means nothing here: did you mean `title`?",
            "prompts.yml:5: prompt \"n\": messages[0].contents: means nothing here: did you mean `content`?",
            "resources.yml:7: resource \"r\": arguments[0].type: \"strin\" is no type, and any value is taken: did you mean `string`?",
            "resources.yml:8: resource \"r\": contents[0].mimetype: means nothing here: did you mean `mimeType`?",
            "resources.yml:9: resource \"r\": annotations.priorty: means nothing here: did you mean `priority`?",
        ]
    );
}

#[test]
fn limits_that_are_nearly_right_are_refused_with_what_was_meant() {
    for (limits, wanted) in [
        (
            "{timout: 1s}",
            "limits.timout: is no limit: did you mean `timeout`?",
        ),
        (
            "{timeout_ms: 1}",
            "limits.timeout_ms: is no limit: did you mean `timeout`?",
        ),
        (
            "{fuel: 1}",
            "limits.fuel: is no limit: write timeout, cpu, ",
        ),
    ] {
        let home = TestHome::with_plugins(&format!(
            "plugins:\n- name: p\n  path: echo.wasm\n  limits: {limits}\n  functions: [{{function: echo}}]\n"
        ));
        let problems = home.problems();
        assert!(
            matches!(&problems[..], [one] if one.contains(wanted)),
            "{problems:?}"
        );
    }
}

/// A key that nobody knows is a note of its author's, or one of the server's that is yet to come: clients see
/// what the protocol knows, and what is marked as the author's own.
#[test]
fn clients_see_known_keys_of_a_function_and_marked_ones_alone() {
    let fields = "title: T\nexecution: {taskSupport: optional}\nx-own: 1\n_meta: {a: 1}\ncategory: hidden\nretuns: text";
    let home = TestHome::with_tool(fields);
    let snapshot = home.open_whole();
    let mut tool = entries(snapshot.tool_list())[0].clone();
    tool.as_object_mut().unwrap().remove("inputSchema");
    assert_eq!(
        tool,
        json!({"name": "t", "title": "T", "execution": {"taskSupport": "optional"}, "x-own": 1, "_meta": {"a": 1}})
    );
    assert_eq!(
        advice(&snapshot),
        [
            "plugins.yml:11: plugin \"p\": functions[0].category: means nothing here, and clients are not shown it: begin it with `x-`, or put it into `_meta`",
            "plugins.yml:12: plugin \"p\": functions[0].retuns: means nothing here: did you mean `returns`?",
        ]
    );
}

#[test]
fn a_publication_is_told_and_the_log_once() {
    capture_warnings();
    let home = TestHome::new();
    let catalog = home.catalog();
    let resource = json!({"name": "told-once", "uri": "a://a", "contents": [{"text": "x"}], "descripton": "y"});
    let publish = |dry_run| {
        let change = Change::Add(Data::Resource, resource.clone());
        let request = Request {
            change,
            expected: None,
            dry_run,
        };
        catalog.publish(request).expect("it is made").warnings
    };
    let wanted = "descripton: means nothing here: did you mean `description`?";
    let tried = publish(true);
    assert!(
        matches!(&tried[..], [one] if one.ends_with(wanted)),
        "{tried:?}"
    );
    let made = publish(false);
    assert!(
        matches!(&made[..], [one] if one.ends_with(wanted)),
        "{made:?}"
    );
    assert_eq!(
        warnings("told-once").len(),
        1,
        "{:?}",
        warnings("told-once")
    );
}

#[test]
fn slips_without_number_are_told_of_within_bounds() {
    let fields: Vec<String> = (0..100_000)
        .map(|index| format!("note{index}: x"))
        .collect();
    let told = of_tool(&fields.join("\n"));
    assert_eq!(told.len(), 20);
    let names = told.join("").len();
    assert!(names < 10_000, "{names}");
}
