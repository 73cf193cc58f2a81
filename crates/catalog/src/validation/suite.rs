//! The official test suite of JSON Schema: our verdicts are the suite's, and what is wrong is said.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CompiledSchema, Patterns, STEPS_MAX, STEPS_ON_THE_SPOT, Violations};

/// Files with references to the drafts themselves, or to what only a validation under way knows.
const WITHOUT_WORDS: [&str; 5] = ["definitions", "defs", "dynamicRef", "recursiveRef", "ref"];

/// A line of the suite: one schema and values for it.
#[derive(Deserialize)]
struct Group {
    file: String,
    description: String,
    schema: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    description: String,
    data: Value,
    valid: bool,
}

/// Holds every value of a draft's groups against its schema; those that are refused are answered.
fn run(draft: &str, groups: &str) -> Vec<String> {
    let mut refused = Vec::new();
    let mut wrong = Vec::new();
    for line in groups.lines() {
        let mut group: Group = serde_json::from_str(line).unwrap();
        if let Some(fields) = group.schema.as_object_mut() {
            fields.entry("$schema").or_insert(json!(draft));
        }
        let title = format!("{}: {}", group.file, group.description);
        let schema = match CompiledSchema::compile(&group.schema, &Patterns::default()) {
            Ok(schema) => schema,
            Err(message) => {
                refused.push(format!("{title}: {message}"));
                continue;
            }
        };
        for test in &group.tests {
            let checked = schema.check(&test.data, STEPS_ON_THE_SPOT);
            let is_as_wanted = match &checked {
                Ok(()) => test.valid,
                Err(Violations::Wrong(message)) => !test.valid && !message.is_empty(),
                Err(_) => false,
            };
            // However early it ends, it ends in one of its own ways.
            for steps in [0, 1, 3, 10, 30] {
                match schema.check(&test.data, steps) {
                    Ok(()) => assert!(test.valid, "{title}: {}", test.description),
                    Err(Violations::Spent(_)) => {}
                    Err(_) => assert!(!test.valid, "{title}: {}", test.description),
                }
            }
            assert_eq!(schema.check(&test.data, STEPS_MAX), checked);
            if let Err(Violations::Wrong(message)) = &checked
                && !WITHOUT_WORDS.contains(&&*group.file)
            {
                let is_said = !message.contains("does not match the schema");
                assert!(is_said, "{title}: {}: {message}", test.description);
            }
            if !is_as_wanted {
                wrong.push(format!("{title}: {}: {checked:?}", test.description));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    refused
}

#[test]
fn slow_draft_4() {
    let groups = include_str!("../../tests/json-schema-test-suite/draft4.jsonl");
    let refused = run("http://json-schema.org/draft-04/schema#", groups);
    assert_eq!(refused, [""; 0]);
}

#[test]
fn slow_draft_6() {
    let groups = include_str!("../../tests/json-schema-test-suite/draft6.jsonl");
    let refused = run("http://json-schema.org/draft-06/schema#", groups);
    assert_eq!(refused, [""; 0]);
}

#[test]
fn slow_draft_7() {
    let groups = include_str!("../../tests/json-schema-test-suite/draft7.jsonl");
    let refused = run("http://json-schema.org/draft-07/schema#", groups);
    assert_eq!(refused, [""; 0]);
}

#[test]
fn slow_draft_2019_09() {
    let groups = include_str!("../../tests/json-schema-test-suite/draft2019-09.jsonl");
    let refused = run("https://json-schema.org/draft/2019-09/schema", groups);
    assert_eq!(refused, [""; 0]);
}

#[test]
fn slow_draft_2020_12() {
    let groups = include_str!("../../tests/json-schema-test-suite/draft2020-12.jsonl");
    let refused = run("https://json-schema.org/draft/2020-12/schema", groups);
    assert_eq!(refused, [""; 0]);
}
