//! Patterns: of exponential, quadratic and merely large work, and automata that are large themselves.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, json};

use crate::guests::with_schema;
use crate::harness::{Wanted, case, scaled};

const CHECKING: Duration = Duration::from_secs(1);

/// A plugin with this pattern is published or refused, and a published one called with this text.
fn attack(title: &'static str, pattern: &str, text: &str) {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": pattern}}
    });
    let plugin = with_schema(&schema);
    let arguments = json!({ "x": text }).to_string();
    case(title)
        .within(CHECKING)
        .ends([
            Wanted::Result,
            Wanted::ToolError(""),
            Wanted::Published,
            Wanted::Declined(400, "invalid_definition"),
        ])
        .attack(async |stage| {
            let published = stage.publish(&plugin).await;
            let is_served = Wanted::Published.matches(&published.ending);
            let mut ended = vec![published];
            if is_served {
                ended.extend(stage.calls("attack", &arguments, 2).await);
            }
            ended
        });
}

#[test]
fn nested_repetition() {
    attack(
        "the pattern `^(a+)+$`",
        "^(a+)+$",
        &format!("{}!", "a".repeat(40)),
    );
}

#[test]
fn a_back_reference() {
    attack(
        "the pattern `^(a*)*\\1b$`",
        r"^(a*)*\1b$",
        &format!("{}!", "a".repeat(30)),
    );
}

#[test]
fn look_ahead() {
    attack(
        "the pattern `^(?=(a+)+$)(a|aa)+$`",
        r"^(?=(a+)+$)(a|aa)+$",
        &format!("{}!", "a".repeat(60)),
    );
}

#[test]
fn look_ahead_anywhere() {
    attack(
        "the pattern `(?=a*b)c|(?!a*b)d` on 300 KB",
        r"(?=a*b)c|(?!a*b)d",
        &"a".repeat(scaled(300_000, 100_000)),
    );
}

#[test]
fn look_behind() {
    attack(
        "the pattern `^.*(?<=a)(?<!c)(.*)\\1b$` on 4 KB",
        r"^.*(?<=a)(?<!c)(.*)\1b$",
        &"a".repeat(4000),
    );
}

#[test]
fn a_counted_repetition() {
    attack(
        "the pattern `[ab]*a[ab]{1000}c` on 1 MB",
        "[ab]*a[ab]{1000}c",
        &"ab".repeat(scaled(500_000, 100_000)),
    );
}

#[test]
fn repetition_of_repetitions() {
    attack(
        "the pattern `((a{1000}){1000}){100}`",
        "((a{1000}){1000}){100}",
        "a",
    );
}

#[test]
fn many_classes() {
    let mut properties = Map::new();
    for at in 0..scaled(500, 150) {
        let mut pattern = String::from(r"\p{L}{60}");
        let _ = write!(pattern, "{at}");
        properties.insert(
            format!("p{at}"),
            json!({"type": "string", "pattern": pattern}),
        );
    }
    let plugin = with_schema(&json!({"type": "object", "properties": properties}));
    case("500 patterns `\\p{L}{60}` in one definition")
        .within(Duration::from_secs(3))
        .ends([
            Wanted::Published,
            Wanted::Declined(400, "invalid_definition"),
        ])
        .attack(async |stage| vec![stage.publish(&plugin).await]);
}

#[test]
fn patterns_of_names() {
    let schema = json!({
        "type": "object",
        "patternProperties": {"^(a|aa)+$": {"type": "integer"}, "(?=a*b)c": {"type": "integer"}},
        "additionalProperties": false
    });
    let name = "a".repeat(scaled(300_000, 50_000));
    case("`patternProperties` on a name of 300 KB")
        .plugin(with_schema(&schema))
        .within(CHECKING)
        .ends([Wanted::Result, Wanted::ToolError("")])
        .calls(2, &format!(r#"{{"{name}!":1}}"#));
}
