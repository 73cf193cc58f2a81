//! Which files are read, what may be absent, and what keeps everything from loading.

use std::fs;

use wasimancer_catalog::{Counts, Home, Kind, Settings};

use crate::support::{
    TestHome, capture_warnings, entries, examples, home_in, open, problems, quarantined, warnings,
};

const NOTHING: Counts = Counts {
    plugins: 0,
    tools: 0,
    resources: 0,
    resource_templates: 0,
    prompts: 0,
};

#[test]
fn the_examples_load_whole() {
    let snapshot = open(&home_in(&examples()), &Settings::default()).unwrap();
    assert_eq!(problems(&snapshot), [""; 0]);
    let counts = snapshot.counts();
    assert_eq!(counts.tools, snapshot.tool_names().len());
    assert_eq!(counts.tools, entries(snapshot.tool_list()).len());
    assert!(counts.plugins >= 6, "{counts:?}");
    assert!(
        counts.resources >= 1 && counts.resource_templates >= 1 && counts.prompts >= 1,
        "{counts:?}"
    );
}

#[test]
fn the_definitions_in_the_documentation_load_whole() {
    let document = fs::read_to_string(examples().join("../docs/definitions.md")).unwrap();
    let blocks: Vec<&str> = document
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let mut home = TestHome::new().example("roll-dice", "roll-dice/roll-dice.wasm");
    for kind in ["plugins", "resources", "prompts"] {
        let begins = format!("{kind}:\n");
        let block = blocks
            .iter()
            .find(|block| block.starts_with(&begins))
            .expect(kind);
        home = home.write(&format!("{kind}/{kind}.yml"), block);
    }
    let counts = home.open_whole().counts();
    assert!(counts.tools > 0 && counts.resources > 0, "{counts:?}");
    assert!(
        counts.resource_templates > 0 && counts.prompts > 0,
        "{counts:?}"
    );
}

#[test]
fn the_three_files_of_a_home_are_counted() {
    let home = TestHome::new()
        .write(
            "plugins/plugins.yml",
            "plugins:\n- {name: p, path: echo.wasm, functions: [{function: echo}, {function: twice}]}\n",
        )
        .write(
            "resources/resources.yml",
            "resources:\n  static:\n  - {name: a, uri: 'a://a', contents: [{text: a}]}\n  dynamic:\n  - {name: b, uri: 'b://{b}', arguments: [{name: b}], contents: [{text: b}]}\n",
        )
        .write(
            "prompts/prompts.yml",
            "prompts:\n  predefined:\n  - {name: c, arguments: [], messages: [{role: user, text: c}]}\n",
        );
    let expected = Counts {
        plugins: 1,
        tools: 2,
        resources: 1,
        resource_templates: 1,
        prompts: 1,
    };
    assert_eq!(home.open_whole().counts(), expected);
}

#[test]
fn about_and_keys_unknown_to_us_are_no_fault() {
    let home = TestHome::new()
        .write(
            "plugins/plugins.yml",
            "about: |\n  Some words.\nowner: us\nplugins:\n- name: p\n  path: echo.wasm\n  homepage: x\n  functions:\n  - function: echo\n    displayName: t\n",
        )
        .write(
            "resources/resources.yml",
            "about: Some words.\nresources:\n  remark: [1, 2]\n  static:\n  - {name: a, uri: 'a://a', contents: [{text: a}], owner: us}\n",
        )
        .write(
            "prompts/prompts.yml",
            "about:\n  as: a map\nprompts:\n  others: []\n  predefined:\n  - {name: c, owner: us, messages: [{role: user, text: c, mood: calm}]}\n",
        );
    let snapshot = home.open_whole();
    assert_eq!(snapshot.tool_names(), ["t"]);
    assert!(snapshot.has_static_resource("a://a"));
    assert!(snapshot.prompt("c").is_some());
}

#[test]
fn a_home_without_definition_files_serves_empty_lists() {
    let snapshot = TestHome::new().open_whole();
    assert!(snapshot.serves_tools() && snapshot.serves_resources() && snapshot.serves_prompts());
    assert_eq!(snapshot.counts(), NOTHING);
    for list in [
        snapshot.tool_list(),
        snapshot.object_output_tool_list(),
        snapshot.resource_list(),
        snapshot.resource_template_list(),
        snapshot.prompt_list(),
    ] {
        let list = list.unwrap();
        assert_eq!(list.pages(), 1);
        assert_eq!(list.page(0).unwrap(), "[]");
    }
    assert!(snapshot.resource("a://a").is_none());
}

#[test]
fn files_that_list_nothing_are_empty_lists() {
    for nothing in [
        "",
        "\n\n",
        "# only a remark\n",
        "---\n",
        "--- # remark\n...\n",
        "about: x\n",
        "~\n",
        "{}\n",
        "\u{feff}",
    ] {
        let home = TestHome::new()
            .write("plugins/plugins.yml", nothing)
            .write("resources/resources.yml", nothing)
            .write("prompts/prompts.yml", nothing);
        assert_eq!(home.open_whole().counts(), NOTHING, "{nothing:?}");
    }
    let home = TestHome::new()
        .write("plugins/plugins.yml", "plugins:\n")
        .write(
            "resources/resources.yml",
            "resources: {static: , dynamic: []}\n",
        )
        .write("prompts/prompts.yml", "prompts: ~\n");
    assert_eq!(home.open_whole().counts(), NOTHING);
}

#[test]
fn a_kind_that_is_switched_off_is_absent() {
    let home = TestHome::with_plugins(
        "plugins: [{name: p, path: echo.wasm, functions: [{function: echo}]}]\n",
    );
    let off = Home {
        plugins: None,
        ..home.home()
    };
    let snapshot = open(&off, &Settings::default()).unwrap();
    assert!(!snapshot.serves_tools());
    assert!(snapshot.serves_resources() && snapshot.serves_prompts());
    assert!(snapshot.tool_list().is_none() && snapshot.object_output_tool_list().is_none());
    assert!(snapshot.tool("echo").is_none());
    assert_eq!(snapshot.counts(), NOTHING);

    let off = Home {
        resources: None,
        prompts: None,
        ..home.home()
    };
    let snapshot = open(&off, &Settings::default()).unwrap();
    assert!(snapshot.serves_tools());
    assert!(!snapshot.serves_resources() && !snapshot.serves_prompts());
    assert!(snapshot.resource_list().is_none() && snapshot.resource_template_list().is_none());
    assert!(snapshot.prompt_list().is_none());
    assert!(snapshot.prompt("x").is_none() && snapshot.resource("a://a").is_none());
    assert!(
        !snapshot.has_static_resource("a://a") && snapshot.resource_template("a://{a}").is_none()
    );
    assert_eq!(snapshot.tool_names(), ["echo"]);
}

#[test]
fn a_folder_that_is_missing_is_an_empty_kind_and_told_once() {
    capture_warnings();
    for kind in ["plugins", "resources", "prompts"] {
        let home = TestHome::new();
        fs::remove_dir_all(home.path(kind)).unwrap();
        assert_eq!(home.open_whole().counts(), NOTHING);
        let path = home.path(kind).join(format!("{kind}.yml"));
        let told = warnings(&path.display().to_string());
        let [line] = &told[..] else {
            panic!("{kind}: {told:?}");
        };
        assert!(
            line.contains(&format!("no {kind} are served until")),
            "{line}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_not_empty() {
    let home = TestHome::with_plugins("");
    let home = home.write("prompts/prompts.yml", b"prompts: \xff\xfe\n");
    let error = home.error();
    assert!(
        error.starts_with("prompts.yml: ") && error.contains("UTF-8"),
        "{error}"
    );

    let home = TestHome::new();
    fs::create_dir(home.path("plugins/plugins.yml")).unwrap();
    let Err(error) = home.try_open() else {
        panic!("a folder is read");
    };
    let error = error.to_string();
    assert!(error.contains("plugins.yml: cannot be read: "), "{error}");
}

#[test]
fn the_definition_file_can_have_another_name() {
    let home = TestHome::new()
        .write(
            "plugins/plugins.yml",
            "plugins: [{name: p, path: echo.wasm, functions: [{function: echo}]}]\n",
        )
        .write(
            "plugins/tools.yaml",
            "plugins: [{name: q, functions: []}]\n",
        );
    let other = Home {
        plugins: Some(Kind {
            folder: home.path("plugins"),
            definition_file: "tools.yaml".to_owned(),
        }),
        ..home.home()
    };
    let found = problems(&open(&other, &Settings::default()).unwrap());
    assert_eq!(
        found,
        [
            "tools.yaml:1: plugin \"q\": path: is missing: name the .wasm file, relative to the plugins folder",
            "tools.yaml:1: plugin \"q\": functions: is missing or empty: list at least one function",
        ]
    );
}

#[test]
fn a_file_of_another_shape_is_an_error_that_names_the_line() {
    let cases = [
        (
            "plugins",
            "\n- a\n",
            "plugins.yml:2: plugins: a map is wanted here for the plugins, and there is a list",
        ),
        (
            "plugins",
            "text\n",
            "plugins.yml:1: plugins: a map is wanted here for the plugins, and there is \"text\"",
        ),
        (
            "plugins",
            "# x\nplugins: 3\n",
            "plugins.yml:2: plugins: a list is wanted here for the plugins, and there is the number 3",
        ),
        (
            "plugins",
            "plugins:\n  a: b\n",
            "plugins.yml:1: plugins: a list is wanted here for the plugins, and there is a map",
        ),
        (
            "resources",
            "resources:\n- a\n",
            "resources.yml:1: resources.static: a map is wanted here for the resources, and there is a list",
        ),
        (
            "resources",
            "resources:\n  static: []\n  dynamic: true\n",
            "resources.yml:3: resources.dynamic: a list is wanted here for the resources, and there is the boolean true",
        ),
        (
            "prompts",
            "prompts:\n  predefined: {}\n",
            "prompts.yml:2: prompts.predefined: a list is wanted here for the prompts, and there is a map",
        ),
    ];
    for (kind, yaml, expected) in cases {
        let home = TestHome::new().write(&format!("{kind}/{kind}.yml"), yaml);
        assert_eq!(home.error(), expected);
    }
}

#[test]
fn a_key_of_a_plugin_that_means_nothing_is_warned_of() {
    capture_warnings();
    let home = TestHome::with_plugins(
        "plugins:\n- name: mistyped\n  path: echo.wasm\n  limit: {timeout: 1s}\n  functions:\n  - {function: echo}\n",
    );
    assert_eq!(home.open_whole().tool_names(), ["echo"]);
    let found = warnings("plugin=\"mistyped\"");
    let [line] = &found[..] else {
        panic!("one warning, not {found:?}");
    };
    assert!(
        line.contains("plugins.yml:4: ") && line.contains("limit: ") && line.contains("limits"),
        "{line}"
    );
}

#[test]
fn no_text_of_one_file_keeps_the_others_from_being_served() {
    for text in [
        &b"plugins: ["[..],
        b"plugins: 3\n",
        b"plugins:\n- name: \"\\ud83c\"\n",
        b"caf\xe9: 1\n",
        b"\xff\xfep\0l\0",
        b"\0\0\0\0",
    ] {
        let home = TestHome::new().write("plugins/plugins.yml", text).write(
            "resources/resources.yml",
            "resources: {static: [{name: a, uri: 'a://a', contents: [{text: x}]}]}\n",
        );
        let snapshot = home.open();
        assert_eq!(quarantined(&snapshot), [("file", "plugins.yml")]);
        let [problem] = &problems(&snapshot)[..] else {
            panic!("one problem: {:?}", problems(&snapshot));
        };
        assert!(problem.starts_with("plugins.yml:"), "{problem}");
        assert!(snapshot.serves_tools() && snapshot.tool_names().is_empty());
        assert!(snapshot.has_static_resource("a://a"));
    }
}

/// PHP writes an empty list so, and so do people who think of names.
#[test]
fn arguments_that_are_an_empty_map_are_none() {
    let home = TestHome::with_tool("arguments: {}");
    assert!(home.open_whole().tool("t").is_some());
    let wrong = TestHome::with_tool("arguments: {a: string}").problems();
    assert!(
        matches!(&wrong[..], [one] if one.contains("arguments: must be a list and is a map")),
        "{wrong:?}"
    );
}
