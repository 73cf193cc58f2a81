//! `preinit`: whether the start of a plugin runs once, in advance.

use std::collections::HashSet;

use wasimancer_catalog::Snapshot;

use crate::support::{TestHome, capture_warnings, entries, warnings};

/// A home with a plugin of these further fields, from line 5 on, whose start does this.
fn starting(fields: &str, body: &str) -> TestHome {
    let yaml = format!(
        "plugins:\n- name: p\n  path: start.wasm\n  functions: [{{function: run}}]\n  {fields}\n"
    );
    TestHome::with_plugins(&yaml).module(
        "start.wasm",
        &format!(
            r#"(module
                (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "_initialize") {body})
                (func (export "run")))"#
        ),
    )
}

fn is_preinitialized(snapshot: &Snapshot) -> bool {
    snapshot.plugin("p").unwrap().is_preinitialized()
}

#[test]
fn the_field_decides_what_runs_in_advance() {
    let ask = "(drop (call $random (i32.const 0) (i32.const 8)))";
    for (field, pure, asking) in [
        ("version: 1", true, false),
        ("preinit: auto", true, false),
        ("preinit: always", true, true),
        ("preinit: never", false, false),
    ] {
        let snapshot = starting(field, "").open_whole();
        assert_eq!(is_preinitialized(&snapshot), pure, "{field}");
        let snapshot = starting(field, ask).open_whole();
        assert_eq!(is_preinitialized(&snapshot), asking, "{field}");
    }
}

/// The value is the server's and not a note of somebody's, nor is it shown to clients.
#[test]
fn the_field_is_known() {
    capture_warnings();
    let snapshot = starting("preinit: never", "").open_whole();
    let tool = entries(snapshot.tool_list()).remove(0);
    assert!(tool.get("preinit").is_none(), "{tool}");
    assert_eq!(warnings("key=\"preinit\""), [""; 0]);
}

#[test]
fn a_value_that_is_not_known_is_told() {
    for (value, message) in [
        (
            "maybe",
            "\"maybe\" is not known: write auto, always or never",
        ),
        (
            "Always",
            "\"Always\" is not known: write auto, always or never",
        ),
        (
            "true",
            "must be a text and is the boolean true: put it in quotes",
        ),
        ("[always]", "must be a text and is a list"),
    ] {
        assert_eq!(
            starting(&format!("preinit: {value}"), "").problems(),
            [format!("plugins.yml:5: plugin \"p\": preinit: {message}")]
        );
    }
}

#[test]
fn always_is_refused_with_its_reason() {
    for (fields, body, reason) in [
        (
            "preinit: always",
            "unreachable",
            "its start fails: wasm trap: wasm `unreachable` instruction executed",
        ),
        (
            "preinit: always\n  limits: {timeout: 50ms}",
            "(loop (br 0))",
            "its start takes longer than the time limit of 50ms",
        ),
        (
            "preinit: always\n  limits: {memory: 1MiB}",
            "(drop (memory.grow (i32.const 16)))",
            "its start needs more memory than the limit of 1048576 bytes",
        ),
        (
            "preinit: always",
            "(table.set (i32.const 0) (ref.null func))) (table 1 funcref) (func",
            "its state cannot be kept: unsupported `table.set` instruction",
        ),
    ] {
        let remedy = "write `preinit: never` or `preinit: auto`";
        assert_eq!(
            starting(fields, body).problems(),
            [format!(
                "plugins.yml:5: plugin \"p\": preinit: `preinit: always` is not possible: {reason}; {remedy}"
            )]
        );
        // The remedies help.
        for instead in ["auto", "never"] {
            let snapshot = starting(&fields.replace("always", instead), body).open_whole();
            assert!(!is_preinitialized(&snapshot));
        }
    }
}

/// What a start asks the world for is not asked for a definition that is wrong in other ways.
#[test]
fn what_is_refused_anyway_is_not_started() {
    let problems = starting("preinit: always\n  limits: {time: 1s}", "unreachable").problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("limits.time"), "{problems:?}");
}

/// Go's runtime takes the seed of its random numbers at its start.
#[tokio::test]
async fn the_dice_of_a_go_plugin_are_thrown_anew_at_each_call() {
    for (field, falls) in [("auto", 8), ("never", 8), ("always", 1)] {
        let snapshot = TestHome::with_plugins(&format!(
            "plugins:\n- name: p\n  path: dice.wasm\n  preinit: {field}\n  functions: [{{function: rollDice}}]\n"
        ))
        .example("roll-dice", "dice.wasm")
        .open_whole();
        assert_eq!(is_preinitialized(&snapshot), field == "always");
        let mut fallen = HashSet::new();
        for _ in 0..8 {
            let tool = snapshot.tool("rollDice").unwrap();
            let input = br#"{"numFaces": 1000000, "numDice": 1000}"#;
            let output = tool.call(input).await.unwrap();
            fallen.insert(String::from_utf8(output).unwrap());
        }
        assert_eq!(fallen.len(), falls, "{field}: {fallen:?}");
    }
}
