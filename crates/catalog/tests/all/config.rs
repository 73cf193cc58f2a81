//! `config`: what a plugin reads with `config_get`. Its values may be secrets.

use std::collections::BTreeMap;

use wasimancer_catalog::Settings;

use crate::support::{TestHome, problems};

/// A plugin whose output is the value of the key that is its input.
const LOOKUP: &str = r#"(module
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func (export "lookup") (local $value i64)
    (local.set $value (call $config_get (call $input_offset)))
    (call $output_set (local.get $value) (call $length (local.get $value)))))"#;

fn configured(config: &str) -> TestHome {
    TestHome::with_plugins(&format!(
        "plugins:\n- name: p\n  path: lookup.wasm\n  functions: [{{function: lookup}}]\n  config:\n{config}"
    ))
    .module("lookup.wasm", LOOKUP)
}

#[tokio::test]
async fn values_arrive_as_they_are_written() {
    let home = configured(
        r#"    text: some text
    quoted: "1.10"
    version: 1.10
    code: 007
    hex: 0x1F
    power: 1e5
    huge: 123456789012345678901234567890
    yes: True
    not: .nan
    empty: ''
    1.0: number as a key
    block: |
      two
      lines
"#,
    );
    let snapshot = home.open_whole();
    let tool = snapshot.tool("lookup").unwrap();
    for (key, value) in [
        ("text", "some text"),
        ("quoted", "1.10"),
        ("version", "1.10"),
        ("code", "007"),
        ("hex", "0x1F"),
        ("power", "1e5"),
        ("huge", "123456789012345678901234567890"),
        ("yes", "True"),
        ("not", ".nan"),
        ("empty", ""),
        ("1.0", "number as a key"),
        ("block", "two\nlines\n"),
        ("absent", ""),
    ] {
        let found = tool.call(key.as_bytes()).await.unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), value, "{key}");
    }
}

#[tokio::test]
async fn a_plugins_own_value_wins_over_the_servers() {
    let settings = Settings {
        config: BTreeMap::from([
            ("shared".to_owned(), "server".to_owned()),
            ("own".to_owned(), "server".to_owned()),
        ]),
        ..Settings::default()
    };
    let snapshot = configured("    own: plugin\n").open_with(&settings);
    let tool = snapshot.tool("lookup").unwrap();
    assert_eq!(tool.call(b"shared").await.unwrap(), b"server");
    assert_eq!(tool.call(b"own").await.unwrap(), b"plugin");
}

#[test]
fn what_is_no_value_is_a_problem_of_its_key() {
    let problems = configured("    a: [x]\n    b:\n    c: {d: e}\n    f: g\n").problems();
    let at = |line: usize, key: &str| {
        format!(
            "plugins.yml:{line}: plugin \"p\": config.{key}: must be a text, a number or a boolean"
        )
    };
    assert_eq!(problems, [at(6, "a"), at(7, "b"), at(8, "c")]);
}

#[test]
fn values_appear_in_no_message() {
    const SECRET: &str = "hunter2";
    for config in [
        "    hunter2\n",
        "    [hunter2]\n",
        "    - hunter2\n",
        "    a: [hunter2]\n    b: {c: hunter2}\n",
        "    ? [hunter2]\n    : hunter2\n",
        "    a: hunter2\n    a: hunter2\n",
        "    a: \"hunter2\n",
        "    a: 'hunter2' x\n",
        "    a: *hunter2\n",
        "    a: !!int hunter2\n",
        "    a: %hunter2\n",
        "    a: hunter2: hunter2\n",
        "    a: &hunter2 [*hunter2]\n",
        "    <<: hunter2\n",
        "    a: hunter2\n  path: [hunter]\n",
    ] {
        let home = configured(config);
        let messages = match home.try_open() {
            Ok(snapshot) => problems(&snapshot).join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(!messages.is_empty(), "{config}");
        assert!(!messages.contains(SECRET), "{messages}");
    }
    // Nor does it where something else of the plugin is wrong, or the server's own values.
    let settings = Settings {
        config: BTreeMap::from([("a".to_owned(), SECRET.to_owned())]),
        ..Settings::default()
    };
    let snapshot = configured("    b: hunter2\n  limits: {memory: x}\n").open_with(&settings);
    let found = problems(&snapshot);
    assert_eq!(found.len(), 1);
    assert!(!found[0].contains(SECRET), "{found:?}");
}
