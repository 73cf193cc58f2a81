//! Functions that make contents, messages and completions: how they are named, and found later.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use wasimancer_catalog::{Capability, Choices, Read, ResourceCall, Returns, Snapshot, Source};

use crate::support::{TestHome, capture_warnings, entries, warnings};

const PLUGIN: &str =
    "plugins:\n- {name: p, path: echo.wasm, functions: [{displayName: t, function: echo}]}\n";

/// A home with the plugin `p`, a resource of these fields and a prompt of these.
fn home(resource: &str, prompt: &str) -> TestHome {
    TestHome::with_plugins(PLUGIN)
        .write(
            "resources/resources.yml",
            format!("resources:\n  static:\n  - {{name: r, {resource}}}\n"),
        )
        .write(
            "prompts/prompts.yml",
            format!("prompts:\n  predefined:\n  - {{name: q, {prompt}}}\n"),
        )
}

fn resource(fields: &str) -> TestHome {
    home(fields, "messages: [{role: user, text: x}]")
}

fn prompt(fields: &str) -> TestHome {
    home("uri: 'a://a', contents: [{text: x}]", fields)
}

#[track_caller]
fn call<'s>(snapshot: &'s Snapshot, uri: &str) -> ResourceCall<'s> {
    match snapshot.resource(uri).expect(uri) {
        Read::Function(call) => call,
        other => panic!("{uri} is data: {other:?}"),
    }
}

fn names(source: &Source) -> (&str, &str, &Returns, &[Capability]) {
    (
        source.plugin(),
        source.function(),
        source.returns(),
        source.requires(),
    )
}

#[test]
fn a_static_resource_of_a_function_is_called_without_variables() {
    let snapshot = resource(
        "uri: 'a://größe', title: A, mimeType: text/x, plugin: p, function: twice, returns: result, requires: [roots]",
    )
    .open_whole();
    let call = call(&snapshot, "a://größe");
    assert_eq!(
        names(call.source),
        ("p", "twice", &Returns::Result, &[Capability::Roots][..])
    );
    assert_eq!(call.input, b"{}");
    assert_eq!(
        (call.uri.as_str(), call.mime_type),
        ("a://größe", Some("text/x"))
    );
    let function = snapshot.resolve(call.source).unwrap();
    assert_eq!(function.name(), "twice");
    // What names the function is no matter of clients.
    assert_eq!(
        entries(snapshot.resource_list()),
        [json!({"uri": "a://größe", "name": "r", "title": "A", "mimeType": "text/x"})]
    );
}

#[test]
fn a_template_of_a_function_is_called_with_its_variables_in_its_order() {
    let snapshot = resource(
        "uri: 'a://{zulu}/{alpha}{?q}', arguments: [{name: alpha}], plugin: p, function: echo",
    )
    .open_whole();
    let call = call(&snapshot, "a://x%2Fy/Ada \"L\"");
    assert_eq!(names(call.source), ("p", "echo", &Returns::Text, &[][..]));
    assert_eq!(
        String::from_utf8(call.input).unwrap(),
        r#"{"zulu":"x/y","alpha":"Ada \"L\"","q":""}"#
    );
    assert_eq!(
        (call.uri.as_str(), call.mime_type),
        ("a://x%2Fy/Ada%20%22L%22", None)
    );
    assert!(snapshot.resource("a://x").is_none());
    assert_eq!(
        entries(snapshot.resource_template_list()),
        [json!({"uriTemplate": "a://{zulu}/{alpha}{?q}", "name": "r"})]
    );
}

#[test]
fn a_prompt_of_a_function_is_called_with_checked_arguments() {
    let snapshot = prompt(
        "plugin: p, function: echo, returns: json, arguments: [{name: z, type: number}, {name: a, default: 7}, {name: o, required: false}, {name: c, required: false, enum: [x, y]}]",
    )
    .open_whole();
    let prompt = snapshot.prompt("q").unwrap();
    let source = prompt.source().unwrap();
    assert_eq!(names(source), ("p", "echo", &Returns::Json, &[][..]));
    let input = |given: &[(&str, &str)]| {
        let given: BTreeMap<String, String> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let input = prompt.input(&given).map_err(|error| error.to_string())?;
        Ok::<_, String>(String::from_utf8(input).unwrap())
    };
    for (given, expected) in [
        (&[("z", "1")][..], r#"{"z":"1","a":"7"}"#),
        (
            &[("c", "y"), ("a", ""), ("o", "\"é\""), ("z", " 1.50 ")],
            r#"{"z":" 1.50 ","a":"","o":"\"é\"","c":"y"}"#,
        ),
    ] {
        assert_eq!(input(given).as_deref(), Ok(expected));
    }
    for (given, wanted) in [
        (&[][..], "the argument \"z\" is missing"),
        (&[("z", "one")], "must be a number and is \"one\""),
        (&[("z", "1"), ("c", "w")], "must be one of x, y"),
        (&[("z", "1"), ("w", "w")], "the argument \"w\" is not known"),
    ] {
        let message = input(given).unwrap_err();
        assert!(message.contains(wanted), "{wanted} in {message}");
    }
    assert_eq!(
        entries(snapshot.prompt_list())[0]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["name", "arguments"]
    );
    let data = TestHome::with_prompts(
        "prompts:\n  predefined:\n  - {name: q, messages: [{role: user, text: x}]}\n",
    )
    .open_whole();
    assert!(data.prompt("q").unwrap().source().is_none());
}

#[test]
fn an_entry_holds_its_data_or_names_a_function() {
    for (fields, messages) in [
        (
            "DATA, plugin: p, function: echo",
            &["DATA: stands beside `plugin` and `function`: give one of the two"][..],
        ),
        (
            "plugin: p",
            &["function: is missing: name the export of the plugin"],
        ),
        (
            "function: echo",
            &["plugin: is missing: name the plugin of the function"],
        ),
        (
            "DATA, plugin: p",
            &[
                "DATA: stands beside `plugin` and `function`: give one of the two",
                "function: is missing: name the export of the plugin",
            ],
        ),
        (
            "plugin: 5, function: ''",
            &[
                "plugin: must be a text and is the number 5: put it in quotes",
                "function: is empty: name the export of the plugin",
            ],
        ),
        (
            "plugin: p, function: echo, returns: xml",
            &[
                "returns: \"xml\" is not known: write text, json or result, or for bytes a media type such as image/png",
            ],
        ),
        (
            "plugin: p, function: echo, requires: [roots]",
            &["requires: needs `returns: result`, since no other output can ask for anything"],
        ),
        (
            "plugin: p, function: echo, returns: result, requires: [roofs]",
            &[
                "requires[0]: \"roofs\" is not known: write any of elicitation, elicitation.url, roots, sampling, sampling.tools",
            ],
        ),
        (
            "DATA, returns: json",
            &[
                "returns: is of a function and there is none: name a `plugin` and its `function`, or leave it out",
            ],
        ),
        (
            "DATA, mediaType: image/png",
            &[
                "mediaType: is of a function and there is none: name a `plugin` and its `function`, or leave it out",
            ],
        ),
        (
            "DATA, requires: [roots]",
            &[
                "requires: is of a function and there is none: name a `plugin` and its `function`, or leave it out",
            ],
        ),
    ] {
        let of = |begin: &str, name: &str| -> Vec<String> {
            let messages = messages.iter();
            let messages = messages.map(|message| message.replace("DATA", name));
            messages
                .map(|message| format!("{begin}: {message}"))
                .collect()
        };
        let data = "contents: [{text: x}]";
        for uri in ["uri: 'a://a'", "uri: 'a://{a}', arguments: []"] {
            assert_eq!(
                resource(&format!("{uri}, {}", fields.replace("DATA", data))).problems(),
                of("resources.yml:3: resource \"r\"", "contents"),
            );
        }
        let data = "messages: [{role: user, text: x}]";
        assert_eq!(
            prompt(&fields.replace("DATA", data)).problems(),
            of("prompts.yml:3: prompt \"q\"", "messages"),
        );
    }
}

#[test]
fn a_function_completes_an_argument() {
    let complete = "complete: {plugin: p, function: twice}";
    let snapshot = home(
        &format!(
            "uri: 'a://{{a}}/{{b}}', arguments: [{{name: a, {complete}}}], contents: [{{text: x}}]"
        ),
        &format!(
            "arguments: [{{name: a, title: A, {complete}}}], messages: [{{role: user, text: x}}]"
        ),
    )
    .open_whole();
    let template = snapshot.resource_template("a://{a}/{b}").unwrap();
    let prompt = snapshot.prompt("q").unwrap();
    for choices in [template.choices("a"), prompt.choices("a")] {
        let Some(Choices::Function(source)) = choices else {
            panic!("{choices:?}");
        };
        assert_eq!(names(source), ("p", "twice", &Returns::Json, &[][..]));
        assert!(snapshot.resolve(source).is_ok());
    }
    assert_eq!(template.choices("b"), Some(Choices::Listed(vec![])));
    assert_eq!(
        entries(snapshot.prompt_list())[0]["arguments"],
        json!([{"name": "a", "required": true, "title": "A"}])
    );
}

#[test]
fn what_is_wrong_with_a_completion_names_its_field() {
    for (fields, message) in [
        ("complete: p", "complete: must be a map and is \"p\""),
        (
            "complete: {plugin: p}",
            "complete.function: is missing: name the export of the plugin",
        ),
        (
            "complete: {function: echo}",
            "complete.plugin: is missing: name the plugin of the function",
        ),
        (
            "complete: {plugin: p, function: echo, returns: text}",
            "complete.returns: means nothing here: write plugin and function",
        ),
        (
            "complete: {plugin: p, function: echo}, enum: [x]",
            "complete: stands beside `enum`: give one of the two",
        ),
    ] {
        let arguments = format!("arguments: [{{name: a, {fields}}}]");
        assert_eq!(
            resource(&format!(
                "uri: 'a://{{a}}', contents: [{{text: x}}], {arguments}"
            ))
            .problems(),
            [format!(
                "resources.yml:3: resource \"r\": arguments[0].{message}"
            )]
        );
        assert_eq!(
            prompt(&format!("messages: [{{role: user, text: x}}], {arguments}")).problems(),
            [format!(
                "prompts.yml:3: prompt \"q\": arguments[0].{message}"
            )]
        );
    }
    let tool = TestHome::with_tool("arguments: [{name: a, complete: {plugin: p, function: echo}}]");
    assert_eq!(
        tool.problems(),
        [
            "plugins.yml:7: plugin \"p\": functions[0].arguments[0].complete: is of prompts and resource templates: leave it out, since nothing completes an argument of a tool"
        ]
    );
}

#[test]
fn a_function_that_is_not_there_is_told_and_its_entry_served() {
    capture_warnings();
    let home = home(
        "uri: 'a://{a}', arguments: [{name: a, complete: {plugin: p, function: nowhere-1}}], plugin: nobody-1, function: echo",
        "plugin: p, function: nowhere-2, arguments: [{name: a, complete: {plugin: nobody-2, function: echo}}]",
    );
    let snapshot = home.open_whole();
    let error = snapshot
        .resolve(call(&snapshot, "a://x").source)
        .map(|_| ());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the function \"echo\" of plugin \"nobody-1\" cannot be called: no such plugin is served; publish it, or name another"
    );
    let error = snapshot.resolve(snapshot.prompt("q").unwrap().source().unwrap());
    assert_eq!(
        error.map(|_| ()).unwrap_err().to_string(),
        "the function \"nowhere-2\" of plugin \"p\" cannot be called: the module does not export a function `nowhere-2`; it exports echo, twice"
    );
    for (mentioned, begins) in [
        (
            "nobody-1",
            "message=resource \"r\": plugin: the function \"echo\"",
        ),
        (
            "nowhere-1",
            "message=resource \"r\": arguments[0].complete.function: the function",
        ),
        ("nowhere-2", "message=prompt \"q\": function: the function"),
        (
            "nobody-2",
            "message=prompt \"q\": arguments[0].complete.plugin: the function",
        ),
    ] {
        let warnings = warnings(mentioned);
        assert!(
            matches!(warnings.as_slice(), [one] if one.starts_with(begins)),
            "{begins} in {warnings:?}"
        );
    }
    // An export of another type is none either.
    let snapshot = resource("uri: 'a://a', plugin: p, function: number").open_whole();
    assert!(snapshot.resolve(call(&snapshot, "a://a").source).is_err());
}

#[test]
fn plugins_that_are_off_have_no_functions() {
    let home = resource("uri: 'a://a', plugin: p, function: echo");
    let mut places = home.home();
    places.plugins = None;
    let snapshot = crate::support::open(&places, &wasimancer_catalog::Settings::default()).unwrap();
    assert!(snapshot.resolve(call(&snapshot, "a://a").source).is_err());
}

/// Fingerprint of `a://a` and digest of all resources, with these plugins.
fn prints(home: &TestHome, plugins: &str) -> (Option<u64>, String) {
    fs::write(home.path("plugins/plugins.yml"), plugins).unwrap();
    let snapshot = home.open_whole();
    let digest = snapshot.resources_digest().unwrap();
    (snapshot.resource_fingerprint("a://a"), digest.to_string())
}

/// Plugins in which something is another than in [`PLUGIN`].
fn other_plugins() -> [String; 5] {
    [
        "plugins: []\n".to_owned(),
        PLUGIN.replace("echo.wasm", "other.wasm"),
        PLUGIN.replace("path", "config: {a: b}, path"),
        PLUGIN.replace("path", "limits: {timeout: 1s}, path"),
        PLUGIN.replace("path", "permissions: {network: [a.example]}, path"),
    ]
}

#[test]
fn a_function_that_runs_otherwise_is_a_change_of_its_resource() {
    let home = resource("uri: 'a://a', plugin: p, function: echo").module(
        "other.wasm",
        r#"(module (func (export "echo")) (memory (export "memory") 1))"#,
    );
    let known = prints(&home, PLUGIN);
    assert!(known.0.is_some());
    for other in other_plugins() {
        let found = prints(&home, &other);
        assert_ne!(found.0, known.0, "{other}");
        assert_ne!(found.1, known.1, "{other}");
    }
    // Neither a plugin beside it, nor what its definition says of other things, is one.
    let more = "- {name: z, path: echo.wasm, functions: [{displayName: z, function: echo}]}\n";
    let described = PLUGIN.replace("path", "description: new, path");
    for same in [format!("{PLUGIN}{more}"), described] {
        assert_eq!(prints(&home, &same), known, "{same}");
    }
    let again = |fields: &str| {
        let yaml = format!("resources:\n  static:\n  - {{name: r, uri: 'a://a', {fields}}}\n");
        fs::write(home.path("resources/resources.yml"), yaml).unwrap();
        prints(&home, PLUGIN)
    };
    for other in [
        "plugin: p, function: twice",
        "plugin: p, function: echo, returns: json",
        "plugin: p, function: echo, mimeType: a/b",
        "contents: [{text: x}]",
    ] {
        let found = again(other);
        assert_ne!(found.0, known.0, "{other}");
        assert_ne!(found.1, known.1, "{other}");
    }
    // The definition differs, and what is read does not.
    let titled = again("plugin: p, function: echo, title: new");
    assert_eq!(titled.0, known.0);
    assert_ne!(titled.1, known.1);
}

#[test]
fn resources_of_data_do_not_change_with_plugins() {
    let home = resource("uri: 'a://a', contents: [{text: x}]")
        .module("other.wasm", r#"(module (func (export "echo")))"#);
    let known = prints(&home, PLUGIN);
    for other in other_plugins() {
        assert_eq!(prints(&home, &other), known, "{other}");
    }
    let snapshot = home.open_whole();
    assert_eq!(snapshot.resource_fingerprint("a://b"), None);
}
