//! Fields that clients see as they are written are checked for the shape that the protocol gives
//! them: a client refuses a whole list for one entry that is malformed.

use serde_json::json;

use crate::support::{TestHome, entries, problems};

/// What is wrong with the one entry of a home, or what was left out of what clients are shown of it.
fn found(home: &TestHome, field: &str) -> Vec<String> {
    let snapshot = home.open();
    let left_out = snapshot.advice().into_iter().filter_map(|advice| {
        let name = ["icons", "annotations", "execution"]
            .into_iter()
            .find(|name| field.starts_with(name))?;
        let end = format!("; clients are shown no {name}");
        advice.text.strip_suffix(&end).map(str::to_owned)
    });
    problems(&snapshot).into_iter().chain(left_out).collect()
}

fn tool(field: &str) -> Vec<String> {
    found(
        &TestHome::with_tool(&format!("x-unknown: [1]\n{field}")),
        field,
    )
}

fn resource(field: &str) -> Vec<String> {
    found(
        &TestHome::with_resources(&format!(
            "resources:\n  static:\n  - name: n\n    uri: a://a\n    contents: [{{text: x}}]\n    {field}\n"
        )),
        field,
    )
}

fn template(field: &str) -> Vec<String> {
    found(
        &TestHome::with_resources(&format!(
            "resources:\n  dynamic:\n  - name: n\n    uri: a://{{a}}\n    arguments: []\n    contents: [{{text: x}}]\n    {field}\n"
        )),
        field,
    )
}

fn prompt(field: &str) -> Vec<String> {
    found(
        &TestHome::with_prompts(&format!(
            "prompts:\n  predefined:\n  - name: n\n    messages: [{{role: user, text: x}}]\n    {field}\n"
        )),
        field,
    )
}

#[test]
fn fields_of_every_kind_are_checked() {
    for (field, message) in [
        (
            "title: 5",
            "title: must be a text and is the number 5: put it in quotes",
        ),
        (
            "description: [a]",
            "description: must be a text and is a list",
        ),
        ("icons: pic.png", "icons: must be a list and is \"pic.png\""),
        (
            "icons: [pic.png]",
            "icons[0]: an entry must be a map and is \"pic.png\"",
        ),
        (
            "icons: [{src: a}, {mimeType: image/png}]",
            "icons[1].src: is missing: give the address of the image",
        ),
        (
            "icons: [{src: a, mimeType: 5}]",
            "icons[0].mimeType: must be a text and is the number 5: put it in quotes",
        ),
        (
            "icons: [{src: a, sizes: any}]",
            "icons[0].sizes: must be a list and is \"any\"",
        ),
        (
            "icons: [{src: a, sizes: [48]}]",
            "icons[0].sizes: must be a text and is the number 48: put it in quotes",
        ),
        (
            "icons: [{src: a, theme: blue}]",
            "icons[0].theme: \"blue\" is no theme: write light or dark",
        ),
        (
            "annotations: []",
            "annotations: must be a map and is a list",
        ),
        ("_meta: x", "_meta: must be a map and is \"x\""),
    ] {
        assert_eq!(
            tool(field),
            [format!(
                "plugins.yml:8: plugin \"p\": functions[0].{message}"
            )]
        );
        assert_eq!(
            resource(field),
            [format!("resources.yml:6: resource \"n\": {message}")]
        );
        assert_eq!(
            template(field),
            [format!("resources.yml:7: resource \"n\": {message}")]
        );
        assert_eq!(
            prompt(field),
            [format!("prompts.yml:5: prompt \"n\": {message}")]
        );
    }
}

#[test]
fn hints_of_a_tool_are_booleans() {
    for hint in [
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
    ] {
        // The word that older YAML takes for a boolean.
        assert_eq!(
            tool(&format!("annotations: {{{hint}: yes}}")),
            [format!(
                "plugins.yml:8: plugin \"p\": functions[0].annotations.{hint}: must be true or false and is \"yes\""
            )]
        );
    }
    assert_eq!(
        tool("annotations: {title: 5}"),
        [
            "plugins.yml:8: plugin \"p\": functions[0].annotations.title: must be a text and is the number 5: put it in quotes"
        ]
    );
    assert_eq!(
        tool("annotations: {readOnlyHint: false, other: yes}"),
        [""; 0]
    );
}

#[test]
fn fields_of_resources_are_checked() {
    for (field, message) in [
        (
            "mimeType: 5",
            "mimeType: must be a text and is the number 5: put it in quotes",
        ),
        (
            "annotations: {audience: user}",
            "annotations.audience: must be a list and is \"user\"",
        ),
        (
            "annotations: {priority: high}",
            "annotations.priority: must be a number from 0 to 1 and is \"high\"",
        ),
        (
            "annotations: {priority: 1.5}",
            "annotations.priority: must be a number from 0 to 1 and is the number 1.5",
        ),
        (
            "annotations: {lastModified: 2025}",
            "annotations.lastModified: must be a text and is the number 2025: put it in quotes",
        ),
        (
            "annotations: {lastModified: 2025-01-12}",
            "annotations.lastModified: \"2025-01-12\" is no date and time of ISO 8601: write it like 2025-01-12T15:00:58Z",
        ),
        (
            "annotations: {lastModified: '${when}'}",
            "annotations.lastModified: \"${when}\" is no date and time of ISO 8601: write it like 2025-01-12T15:00:58Z",
        ),
        ("size: 5kB", "size: must be a whole number and is \"5kB\""),
        (
            "size: 1.5",
            "size: must be a whole number and is the number 1.5",
        ),
    ] {
        assert_eq!(
            resource(field),
            [format!("resources.yml:6: resource \"n\": {message}")]
        );
        assert_eq!(
            template(field),
            [format!("resources.yml:7: resource \"n\": {message}")]
        );
    }
    assert_eq!(
        resource("annotations: {audience: [user, robot]}"),
        [
            "resources.yml:6: resource \"n\": annotations.audience: \"robot\" is no role: write user or assistant"
        ]
    );
}

#[test]
fn fields_of_resources_that_are_right_are_shown() {
    let fields = json!({
        "title": "A",
        "description": "B",
        "mimeType": "text/plain",
        "size": 0,
        "icons": [{"src": "data:,", "sizes": ["any"], "theme": "dark"}],
        "annotations": {"audience": ["user", "assistant"], "priority": 0, "lastModified": "2025-01-12T15:00:58+01:00"},
        "_meta": {"a/b": [1]},
    });
    let written = fields.to_string();
    let written = &written[1..written.len() - 1];
    let snapshot = TestHome::with_resources(&format!(
        "resources:\n  static:\n  - {{name: n, uri: 'a://a', contents: [{{text: x}}], {written}}}\n  - {{name: m, uri: 'a://{{a}}', arguments: [], contents: [{{text: x}}], {written}}}\n"
    ))
    .open_whole();
    for list in [snapshot.resource_list(), snapshot.resource_template_list()] {
        let mut shown = entries(list)[0].clone();
        for field in ["name", "uri", "uriTemplate"] {
            shown.as_object_mut().unwrap().remove(field);
        }
        assert_eq!(shown, fields);
    }
}

#[test]
fn a_title_of_a_prompts_argument_is_a_text() {
    assert_eq!(
        prompt("arguments: [{name: a, title: 5}]"),
        [
            "prompts.yml:5: prompt \"n\": arguments[0].title: must be a text and is the number 5: put it in quotes"
        ]
    );
}

#[test]
fn a_number_that_json_cannot_hold_is_a_problem_where_it_would_be_shown() {
    for (value, path) in [
        (".nan", "x-note"),
        ("[1, {a: -.inf}]", "x-note[1].a"),
        ("18446744073709551616", "x-note"),
    ] {
        let number = value.trim_start_matches("[1, {a: ").trim_end_matches("}]");
        let message =
            format!("{path}: {number} is no number that JSON can hold exactly: put it in quotes");
        let field = format!("x-note: {value}");
        assert_eq!(
            tool(&field),
            [format!(
                "plugins.yml:8: plugin \"p\": functions[0].{message}"
            )]
        );
        assert_eq!(
            resource(&field),
            [format!("resources.yml:6: resource \"n\": {message}")]
        );
        assert_eq!(
            prompt(&field),
            [format!("prompts.yml:5: prompt \"n\": {message}")]
        );
    }
    for inside in [
        "arguments: [{name: a, default: .inf}]",
        "arguments: [{name: a, enum: [1, 1e999]}]",
        "inputSchema: {type: object, maxProperties: .inf}",
    ] {
        let problems = tool(inside);
        assert!(
            matches!(problems.as_slice(), [one] if one.contains("is no number that JSON can hold exactly")),
            "{problems:?}"
        );
    }
}
