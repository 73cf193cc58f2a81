//! What a function says beside its schemas: `requires` and `task`.

use std::time::Duration;

use serde_json::json;
use wasimancer_catalog::{Capability, TaskPolicy};

use crate::support::{TestHome, entries};

fn problems(fields: &str) -> Vec<String> {
    TestHome::with_tool(fields).problems()
}

#[test]
fn a_tool_requires_what_its_definition_says_in_its_order() {
    let all = "returns: result\nrequires: [sampling.tools, roots, elicitation, sampling, elicitation.url]";
    for (fields, expected) in [
        ("description: x", &[][..]),
        ("requires:", &[]),
        ("requires: []", &[]),
        (
            all,
            &[
                Capability::SamplingTools,
                Capability::Roots,
                Capability::Elicitation,
                Capability::Sampling,
                Capability::ElicitationUrl,
            ],
        ),
    ] {
        let snapshot = TestHome::with_tool(fields).open_whole();
        assert_eq!(snapshot.tool("t").unwrap().requires(), expected, "{fields}");
    }
}

#[test]
fn what_a_tool_cannot_require_is_a_problem() {
    for (requires, message) in [
        (
            "[roots, logging]",
            "requires[1]: \"logging\" is not known: write any of elicitation, elicitation.url, roots, sampling, sampling.tools",
        ),
        (
            "[roots, sampling, roots]",
            "requires[2]: \"roots\" stands here twice: leave one of the two out",
        ),
        (
            "[5]",
            "requires[0]: must be a text and is the number 5: put it in quotes",
        ),
        ("roots", "requires: must be a list and is \"roots\""),
    ] {
        assert_eq!(
            problems(&format!("returns: result\nrequires: {requires}")),
            [format!(
                "plugins.yml:8: plugin \"p\": functions[0].{message}"
            )]
        );
    }
    let needs = "plugins.yml:8: plugin \"p\": functions[0].requires: needs `returns: result`, since no other output can ask for anything";
    for returns in ["description: x", "returns: text", "returns: json"] {
        assert_eq!(problems(&format!("{returns}\nrequires: [roots]")), [needs]);
    }
    // A word that is wrong says nothing of what it was meant to be.
    let wrong = problems("returns: xml\nrequires: [roots]");
    assert!(
        matches!(wrong.as_slice(), [one] if one.contains("returns: \"xml\"")),
        "{wrong:?}"
    );
}

#[test]
fn a_call_becomes_a_task_as_the_definition_says() {
    for (fields, expected) in [
        ("description: x", None),
        ("task: always", Some(TaskPolicy::default())),
        (
            "task: {after: 250ms, required: true, ttl: 1h}",
            Some(TaskPolicy {
                after: Some(Duration::from_millis(250)),
                required: true,
                ttl: Some(Duration::from_hours(1)),
            }),
        ),
    ] {
        let snapshot = TestHome::with_tool(fields).open_whole();
        assert_eq!(
            snapshot.tool("t").unwrap().task(),
            expected.as_ref(),
            "{fields}"
        );
    }
    assert_eq!(
        problems("description: x\ntask: {after: 2s, tll: 1h}"),
        [
            "plugins.yml:8: plugin \"p\": functions[0].task.tll: means nothing here: write after, required or ttl"
        ]
    );
}

#[test]
fn clients_see_neither() {
    let snapshot =
        TestHome::with_tool("returns: result\nrequires: [roots]\ntask: always\nx-more: shown")
            .open_whole();
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    assert_eq!(
        entries(snapshot.tool_list()),
        [json!({"name": "t", "inputSchema": schema, "x-more": "shown"})]
    );
    assert_eq!(snapshot.tool("t").unwrap().function().name(), "echo");
}
