//! Schemas of arguments and outputs that are dear to hold a value against.
//!
//! A right value is accepted or said to be too dear to check, a wrong one is refused with a reason.

use std::time::Duration;

use serde_json::{Value, json};

use crate::guests::{echo, with_schema};
use crate::harness::{Case, Wanted, case, scaled};
use crate::support::Sample;

/// What holding a value against a schema may take, in however many steps.
const CHECKING: Duration = Duration::from_secs(1);

const ACCEPTED: Wanted = Wanted::Result;
/// A refusal is an answer to the model: a tool's error in the newest revision.
const REFUSED: Wanted = Wanted::ToolError("");

/// A case of values that are held against a schema.
fn checked(title: &'static str) -> Case {
    case(title).within(CHECKING)
}

/// Publishes what may be refused, and calls it with these arguments where it is not.
fn published_and_called(title: &'static str, plugin: &Sample, arguments: &Value) {
    let arguments = arguments.to_string();
    checked(title)
        .ends([
            ACCEPTED,
            REFUSED,
            Wanted::Published,
            Wanted::Declined(400, "invalid_definition"),
        ])
        .attack(async |stage| {
            let published = stage.publish(plugin).await;
            let is_served = Wanted::Published.matches(&published.ending);
            let mut ended = vec![published];
            if is_served {
                ended.extend(stage.calls("attack", &arguments, 2).await);
            }
            ended
        });
}

/// The value inside this many arrays or, with a key, objects.
fn nested(depth: usize, key: Option<&str>, inmost: Value) -> Value {
    (0..depth).fold(inmost, |value, _| match key {
        Some(key) => json!({ key: value }),
        None => json!([value]),
    })
}

/// A recursive union of operators, as pydantic makes it.
fn union() -> Value {
    let operator = |name: &str| {
        json!({
            "type": "object",
            "properties": {
                "op": {"const": name, "type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/expression"}}
            },
            "required": ["op", "children"]
        })
    };
    json!({
        "type": "object",
        "properties": {"where": {"$ref": "#/$defs/expression"}},
        "required": ["where"],
        "$defs": {
            "and": operator("and"), "or": operator("or"), "not": operator("not"),
            "leaf": {
                "type": "object",
                "properties": {"op": {"const": "is", "type": "string"}, "value": {"type": "number"}},
                "required": ["op", "value"]
            },
            "expression": {"anyOf": [
                {"$ref": "#/$defs/and"}, {"$ref": "#/$defs/or"}, {"$ref": "#/$defs/not"}, {"$ref": "#/$defs/leaf"}
            ]}
        }
    })
}

fn expression(depth: usize, value: &Value) -> String {
    let names = ["and", "or", "not"];
    let leaf = json!({"op": "is", "value": value});
    let inside = (0..depth).fold(
        leaf,
        |inside, at| json!({"op": names[at % 3], "children": [inside]}),
    );
    json!({ "where": inside }).to_string()
}

#[test]
fn a_deep_union_that_is_right() {
    checked("a recursive union, 60 deep, right")
        .plugin(with_schema(&union()))
        .ends([ACCEPTED])
        .calls(2, &expression(60, &json!(1)));
}

#[test]
fn a_deep_union_that_is_wrong() {
    checked("a recursive union, 60 deep, with one wrong leaf")
        .plugin(with_schema(&union()))
        .ends([Wanted::ToolError("is not of type")])
        .calls(2, &expression(60, &json!("not a number")));
}

#[test]
fn a_shallow_union_that_is_wrong() {
    checked("a recursive union, 12 deep, with one wrong leaf, 64 callers")
        .plugin(with_schema(&union()))
        .ends([Wanted::ToolError("is not of type")])
        .calls(64, &expression(12, &json!("not a number")));
}

#[test]
fn doubled_references() {
    let mut schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a60"}},
        "$defs": {"a0": {"type": "integer"}}
    });
    for at in 1..=60 {
        let below = json!({"$ref": format!("#/$defs/a{}", at - 1)});
        schema["$defs"][format!("a{at}")] = json!({"allOf": [below, below]});
    }
    published_and_called(
        "`allOf` of one `$ref` twice, 60 levels",
        &with_schema(&schema),
        &json!({"x": 1}),
    );
}

#[test]
fn doubled_any_of() {
    let mut schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a40"}},
        "$defs": {"a0": {"type": "integer"}}
    });
    for at in 1..=40 {
        let below = json!({"$ref": format!("#/$defs/a{}", at - 1)});
        schema["$defs"][format!("a{at}")] = json!({"anyOf": [below, below]});
    }
    published_and_called(
        "`anyOf` of one `$ref` twice, 40 levels, wrong",
        &with_schema(&schema),
        &json!({"x": "no"}),
    );
}

#[test]
fn equal_branches() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "array", "items": {"anyOf": [
            {"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}, {"type": "integer", "const": 2}
        ]}}}
    });
    published_and_called(
        "two equal recursive branches, 60 deep, wrong",
        &with_schema(&schema),
        &json!({"x": nested(60, None, json!(1))}),
    );
}

#[test]
fn unevaluated_properties() {
    let branch = json!({"properties": {"x": {"$ref": "#/$defs/n"}}});
    let schema = json!({
        "type": "object",
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "object", "anyOf": [branch, branch], "unevaluatedProperties": false}}
    });
    published_and_called(
        "`unevaluatedProperties` beside equal branches, 60 deep, wrong",
        &with_schema(&schema),
        &nested(60, Some("x"), json!(1)),
    );
}

#[test]
fn unevaluated_items() {
    let branch = json!({"prefixItems": [{"$ref": "#/$defs/n"}]});
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "array", "anyOf": [branch, branch], "unevaluatedItems": false}}
    });
    published_and_called(
        "`unevaluatedItems` beside equal branches, 60 deep, wrong",
        &with_schema(&schema),
        &json!({"x": nested(60, None, json!(1))}),
    );
}

#[test]
fn negations() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {
            "not": {"allOf": [{"type": "array"}, {"items": {"not": {"anyOf": [
                {"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}
            ]}}}]}
        }}
    });
    published_and_called(
        "`not` around equal recursive branches, 60 deep",
        &with_schema(&schema),
        &json!({"x": nested(60, None, json!(1))}),
    );
}

#[test]
fn conditions() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {
            "type": ["array", "integer"],
            "items": {
                "if": {"$ref": "#/$defs/n"},
                "then": {"$ref": "#/$defs/n"},
                "else": {"$ref": "#/$defs/n"}
            }
        }}
    });
    published_and_called(
        "`if`, `then` and `else` of one recursive `$ref`, 60 deep, wrong",
        &with_schema(&schema),
        &json!({"x": nested(60, None, json!("no"))}),
    );
}

#[test]
fn contained_items() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"type": "array", "contains": {"pattern": "^(a+)+b$"}}}
    });
    let texts = vec!["a".repeat(scaled(5000, 2000)); scaled(500, 100)];
    published_and_called(
        "`contains` with a pattern that no item matches",
        &with_schema(&schema),
        &json!({"x": texts}),
    );
}

#[test]
fn dynamic_references() {
    let schema = json!({
        "type": "object",
        "$dynamicAnchor": "n",
        "allOf": [{"$dynamicRef": "#n"}, {"$dynamicRef": "#n"}]
    });
    published_and_called(
        "`$dynamicRef` to itself",
        &with_schema(&schema),
        &json!({"x": 1}),
    );
}

#[test]
fn consuming_dynamic_references() {
    let schema = json!({
        "type": "object",
        "$dynamicAnchor": "n",
        "properties": {"x": {"anyOf": [{"$dynamicRef": "#n"}, {"$dynamicRef": "#n"}]}},
        "additionalProperties": false
    });
    published_and_called(
        "`$dynamicRef` in equal branches, 60 deep, wrong",
        &with_schema(&schema),
        &nested(60, Some("x"), json!({"y": 1})),
    );
}

#[test]
fn references_in_a_circle() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
    });
    published_and_called(
        "`$ref`s in a circle",
        &with_schema(&schema),
        &json!({"x": 1}),
    );
}

#[test]
fn many_wrong_items() {
    let schema = json!({
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "number"}}}
    });
    let count = scaled(1_390_000, 200_000);
    let arguments = format!(r#"{{"numbers":[{}""]}}"#, r#""","#.repeat(count / 2));
    checked("1,390,000 wrong items")
        .plugin(with_schema(&schema))
        .ends([Wanted::ToolError("numbers")])
        .calls(2, &arguments);
}

#[test]
fn many_right_items() {
    let schema = json!({
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "number", "minimum": 0}}}
    });
    let count = scaled(2_000_000, 300_000);
    let arguments = format!(r#"{{"numbers":[{}0]}}"#, "0,".repeat(count));
    checked("2,000,000 right items, 8 callers")
        .plugin(with_schema(&schema))
        .ends([ACCEPTED])
        .within(CHECKING * 8)
        .calls(8, &arguments);
}

#[test]
fn many_unwanted_names() {
    let schema = json!({"type": "object", "additionalProperties": false});
    let names: Vec<String> = (0..scaled(300_000, 50_000))
        .map(|at| format!(r#""n{at:x}":0"#))
        .collect();
    checked("300,000 unwanted names")
        .plugin(with_schema(&schema))
        .ends([REFUSED])
        .calls(2, &format!("{{{}}}", names.join(",")));
}

#[test]
fn unique_items() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"type": "array", "uniqueItems": true}}
    });
    let items: Vec<String> = (0..scaled(200_000, 30_000))
        .map(|at| format!(r#"{{"a":{at}}}"#))
        .collect();
    checked("`uniqueItems` of 200,000 objects")
        .plugin(with_schema(&schema))
        .ends([ACCEPTED, REFUSED])
        .within(CHECKING * 3)
        .calls(2, &format!(r#"{{"x":[{}]}}"#, items.join(",")));
}

#[test]
fn multiples() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"type": "number", "multipleOf": 1e-300}}
    });
    checked("`multipleOf` 1e-300 of 1e308")
        .plugin(with_schema(&schema))
        .ends([ACCEPTED, REFUSED])
        .calls(2, r#"{"x":1e308}"#);
}

#[test]
fn outputs_that_are_wrong() {
    let plugin = echo()
        .with("/functions/0/returns", json!("json"))
        .with("/functions/0/outputSchema", union());
    checked("an output against a recursive union, 60 deep, with one wrong leaf")
        .plugin(plugin)
        .ends([REFUSED, Wanted::Error(-32603, "")])
        .calls(2, &expression(60, &json!("not a number")));
}

#[test]
fn outputs_with_equal_branches() {
    let schema = json!({
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "array", "items": {"anyOf": [
            {"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}, {"type": "integer", "const": 2}
        ]}}}
    });
    let plugin = echo()
        .with("/functions/0/returns", json!("json"))
        .with("/functions/0/outputSchema", schema);
    checked("an output against equal recursive branches, 60 deep, wrong")
        .plugin(plugin)
        .ends([REFUSED, Wanted::Error(-32603, "")])
        .calls(2, &json!({"x": nested(60, None, json!(1))}).to_string());
}
