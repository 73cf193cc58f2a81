//! `profile` and `instances`: what the code of a plugin is compiled for, and which instance a call gets.

use wasimancer_catalog::{Profile, Snapshot};

use crate::support::TestHome;

/// A plugin whose `count` fails with the number of calls that its instance has seen.
const COUNT: &str = r#"(module
    (global $calls (mut i32) (i32.const 0))
    (func (export "count") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (global.get $calls)))"#;

/// A home with it and this further field, on line 5.
fn counting(field: &str) -> TestHome {
    let yaml = format!(
        "plugins:\n- name: p\n  path: count.wasm\n  functions: [{{function: count}}]\n  {field}\n"
    );
    TestHome::with_plugins(&yaml).module("count.wasm", COUNT)
}

/// What the calls of the plugin see, one after another.
async fn counted(snapshot: &Snapshot) -> String {
    let mut counted = Vec::new();
    for _ in 0..4 {
        let ended = snapshot.tool("count").unwrap().call(b"{}").await;
        counted.push(ended.unwrap_err().to_string());
    }
    let digits = |text: String| text.chars().filter(char::is_ascii_digit).collect();
    counted
        .into_iter()
        .map(digits)
        .collect::<Vec<String>>()
        .join(" ")
}

#[tokio::test]
async fn instances_are_fresh_or_kept_within_bounds() {
    for (field, expected) in [
        ("description: fresh by default", "1 1 1 1"),
        ("instances: fresh", "1 1 1 1"),
        ("instances: reuse", "1 2 3 4"),
        ("instances: {}", "1 2 3 4"),
        ("instances: {count: 1, age: 1h, calls: 2}", "1 2 1 2"),
        ("instances: {calls: 1}", "1 1 1 1"),
        ("instances: {age: 100000h}", "1 2 3 4"),
    ] {
        let snapshot = counting(field).open_whole();
        assert_eq!(counted(&snapshot).await, expected, "{field}");
    }
}

#[tokio::test]
async fn a_profile_is_short_or_compute() {
    for (field, expected) in [
        ("description: short by default", Profile::Short),
        ("profile: short", Profile::Short),
        ("profile: compute", Profile::Compute),
    ] {
        let snapshot = counting(field).open_whole();
        assert_eq!(snapshot.plugin("p").unwrap().profile(), expected, "{field}");
        assert_eq!(counted(&snapshot).await, "1 1 1 1", "{field}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    for (field, problem) in [
        (
            "profile: fast",
            "profile: \"fast\" is not known: write short or compute",
        ),
        ("profile: [short]", "profile: must be a text and is a list"),
        (
            "instances: kept",
            "instances: \"kept\" is not known: write fresh or reuse",
        ),
        (
            "instances: {reuse: 3}",
            "instances.reuse: is no bound of kept instances: write count, age or calls",
        ),
        (
            "instances: {count: 0}",
            "instances.count: the number 0 is no count: write a whole number above 0",
        ),
        (
            "instances: {calls: many}",
            "instances.calls: \"many\" is no count: write a whole number above 0",
        ),
        (
            "instances: {age: 3}",
            "instances.age: `3` is no duration: write a whole number above 0 and a unit, such as 30s, 250ms or 5m",
        ),
        (
            "instances: [reuse]",
            "instances: must be a text and is a list",
        ),
    ] {
        let expected = format!("plugins.yml:5: plugin \"p\": {problem}");
        assert_eq!(counting(field).problems(), [expected], "{field}");
    }
}
