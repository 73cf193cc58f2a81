//! What a tool may be called, and the export behind it.

use crate::support::{TestHome, capture_warnings, warnings};

fn named(fields: &str) -> TestHome {
    TestHome::with_plugins(&format!(
        "plugins:\n- name: p\n  path: echo.wasm\n  functions:\n  - {{{fields}}}\n"
    ))
}

#[test]
fn a_tool_without_a_display_name_is_called_like_its_export() {
    for unnamed in ["function: twice", "displayName: , function: twice"] {
        assert_eq!(named(unnamed).open_whole().tool_names(), ["twice"]);
    }
}

#[test]
fn unusual_names_are_served_with_a_warning() {
    capture_warnings();
    for name in [
        "roll dice",
        "würfeln",
        "a/b",
        "a.b",
        &"n".repeat(65),
        &"n".repeat(129),
        "tab\there",
        "🎲",
    ] {
        let home = named(&format!("displayName: {name:?}, function: echo"));
        assert_eq!(home.open_whole().tool_names(), [name]);
        let shown: String = name.chars().take(128).collect();
        assert_eq!(
            warnings(&format!("the tool name {shown:?} ")).len(),
            1,
            "{name}"
        );
    }
    for usual in ["Usual_name-1_0", &"u".repeat(64)] {
        let home = named(&format!("displayName: {usual}, function: echo"));
        assert_eq!(home.open_whole().tool_names(), [usual]);
        assert_eq!(warnings(&format!("the tool name {usual:?} ")), [""; 0]);
    }
}

#[test]
fn a_name_is_a_text_that_is_not_empty() {
    let at = "plugins.yml:5: plugin \"p\": functions[0].";
    for (fields, expected) in [
        (
            "displayName: '', function: echo",
            "displayName: is empty: give the tool a name",
        ),
        (
            "displayName: '  ', function: echo",
            "displayName: is empty: give the tool a name",
        ),
        (
            "displayName: 7, function: echo",
            "displayName: must be a text and is the number 7: put it in quotes",
        ),
        (
            "displayName: [t], function: echo",
            "displayName: must be a text and is a list",
        ),
        (
            "displayName: t",
            "function: is missing: name the export of the module",
        ),
        (
            "displayName: t, function: {}",
            "function: must be a text and is a map",
        ),
    ] {
        assert_eq!(named(fields).problems(), [format!("{at}{expected}")]);
    }
}

#[test]
fn the_export_must_be_there_and_take_nothing() {
    let at = "plugins.yml:5: plugin \"p\": functions[0].function: ";
    assert_eq!(
        named("displayName: t, function: sing").problems(),
        [format!(
            "{at}the module does not export a function `sing`; it exports echo, twice"
        )]
    );
    let wrong_type = named("displayName: t, function: number").problems();
    assert!(
        wrong_type[0].starts_with(&format!("{at}the export `number` has the type ")),
        "{wrong_type:?}"
    );
    assert!(named("displayName: t, function: memory").problems()[0].starts_with(at));
}

#[test]
fn several_tools_can_call_one_export() {
    let home = TestHome::with_plugins(
        "plugins:\n- name: p\n  path: echo.wasm\n  functions: [{displayName: a, function: echo}, {displayName: b, function: echo}]\n- name: q\n  path: echo.wasm\n  functions: [{displayName: c, function: echo}]\n",
    );
    let snapshot = home.open_whole();
    assert_eq!(snapshot.tool_names(), ["a", "b", "c"]);
    assert_eq!(snapshot.tool("b").unwrap().plugin(), "p");
    assert_eq!(snapshot.tool("c").unwrap().plugin(), "q");
    assert_eq!(snapshot.tool("c").unwrap().name(), "c");
}
