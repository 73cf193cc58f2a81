//! Arguments and outputs are checked in bounded time and memory, whatever they and their schemas are.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::support::{TestHome, in_own_process, input};

fn problem(schema: &Value) -> String {
    let problems = TestHome::with_tool(&format!("inputSchema: {schema}")).problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

/// What a tool with this schema says of arguments; empty where they are right.
fn said(schema: &Value, arguments: &Value) -> String {
    let snapshot = TestHome::with_tool(&format!("inputSchema: {schema}")).open_whole();
    input(&snapshot, &arguments.to_string())
        .err()
        .unwrap_or_default()
}

fn of(property: &Value) -> Value {
    json!({"type": "object", "properties": {"x": property}})
}

/// A recursive union, as pydantic writes it for three operators and a leaf.
fn union(keyword: &str) -> Value {
    let expression = |names: &[&str]| {
        let references = names
            .iter()
            .map(|name| json!({"$ref": format!("#/$defs/{name}")}));
        json!({keyword: references.collect::<Vec<_>>()})
    };
    let all = expression(&["And", "Or", "Not", "Leaf"]);
    let operator = |name: &str| {
        json!({
            "properties": {
                "op": {"const": name, "title": "Op", "type": "string"},
                "children": {"items": all, "title": "Children", "type": "array"},
            },
            "required": ["op", "children"],
            "title": name,
            "type": "object",
        })
    };
    json!({
        "$defs": {
            "And": operator("and"),
            "Or": operator("or"),
            "Not": operator("not"),
            "Leaf": {
                "properties": {"field": {"type": "string"}, "value": {"type": "number"}},
                "required": ["field", "value"],
                "type": "object",
            },
        },
        "properties": {"where": all},
        "required": ["where"],
        "type": "object",
    })
}

fn tree(levels: usize, value: &Value) -> Value {
    let leaf = json!({"field": "a", "value": value});
    let names = ["and", "or", "not"];
    let nest = |inner: Value, level: usize| json!({"op": names[level % 3], "children": [inner]});
    json!({"where": (0..levels).fold(leaf, nest)})
}

#[test]
fn the_wrong_leaf_of_a_recursive_union_is_named() {
    if !in_own_process(
        "validation::the_wrong_leaf_of_a_recursive_union_is_named",
        "ulimit -v 8000000; ulimit -t 60",
    ) {
        return;
    }
    for keyword in ["anyOf", "oneOf"] {
        for levels in [0, 1, 12, 40, 60] {
            assert_eq!(said(&union(keyword), &tree(levels, &json!(1))), "");
            let said = said(&union(keyword), &tree(levels, &json!("wrong")));
            let place = format!(
                "where{}.value: \"wrong\" is not of type \"number\";",
                ".children.0".repeat(levels)
            );
            if levels <= 1 {
                assert!(said.contains(&place), "{said}");
            }
            assert!(
                said.contains("value: \"wrong\" is not of type \"number\";"),
                "{said}"
            );
        }
    }
}

/// Definitions that each say the same twice about the one before.
fn doubled(levels: usize, schema: &Value, twice: impl Fn(Value) -> Value) -> Value {
    let mut definitions = Map::from_iter([("a0".to_owned(), schema.clone())]);
    for level in 1..=levels {
        let before = json!({"$ref": format!("#/$defs/a{}", level - 1)});
        definitions.insert(format!("a{level}"), twice(before));
    }
    json!({
        "type": "object",
        "properties": {"x": {"$ref": format!("#/$defs/a{levels}")}},
        "$defs": definitions,
    })
}

#[test]
fn references_that_double_at_every_level_are_refused() {
    for twice in [
        |r: Value| json!({"allOf": [r, r]}),
        |r: Value| json!({"anyOf": [r, r]}),
        |r: Value| json!({"oneOf": [r, {"not": r}]}),
        |r: Value| json!({"if": r, "then": r}),
        |r: Value| json!({"$ref": r["$ref"], "dependentSchemas": {"a": r}}),
        |r: Value| json!({"allOf": [r], "not": {"not": r}}),
    ] {
        for leaf in [json!({"type": "integer"}), json!({}), json!(true)] {
            let problem = problem(&doubled(60, &leaf, twice));
            assert!(
                problem.contains("inputSchema: holds one value against more than 100000 schemas once its references are followed: refer to each schema once"),
                "{problem}"
            );
            let output = doubled(60, &leaf, twice);
            let problems =
                TestHome::with_tool(&format!("returns: json\noutputSchema: {output}")).problems();
            assert!(
                problems[0].contains("outputSchema: holds one value"),
                "{problems:?}"
            );
        }
        assert_eq!(
            said(
                &doubled(3, &json!({"type": "integer"}), twice),
                &json!({"x": 1})
            ),
            ""
        );
    }
    // By other ways to refer than pointers.
    let mut definitions = Map::from_iter([("a0".to_owned(), json!({"$anchor": "a0"}))]);
    for level in 1..=60 {
        let keyword = if level % 2 == 0 {
            "$ref"
        } else {
            "$dynamicRef"
        };
        let before = json!({keyword: format!("#a{}", level - 1)});
        let twice = json!({"$dynamicAnchor": format!("a{level}"), "allOf": [before, before]});
        definitions.insert(format!("a{level}"), twice);
    }
    let problem = problem(&json!({"type": "object", "$ref": "#a60", "$defs": definitions}));
    assert!(
        problem.contains("holds one value against more than"),
        "{problem}"
    );
}

#[test]
fn schemas_that_hold_for_every_value_are_paid_for() {
    // 32 thousand for each of a hundred thousand elements.
    let schema = doubled(14, &json!({}), |r| json!({"allOf": [r, r]}));
    let schema = json!({
        "type": "object",
        "properties": {"x": {"items": schema["properties"]["x"]}},
        "$defs": schema["$defs"],
    });
    let said = said(&schema, &json!({"x": vec![0; 100_000]}));
    assert!(
        said.contains("they could not be checked within 10000000 steps: send less at once"),
        "{said}"
    );
}

#[test]
fn a_circle_that_goes_nowhere_is_refused() {
    for schema in [
        json!({"type": "object", "allOf": [{"$ref": "#"}]}),
        json!({"type": "object", "not": {"anyOf": [{"$ref": "#"}]}}),
        json!({"type": "object", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
    ] {
        let problem = problem(&schema);
        assert!(problem.contains("refers to itself without going into the value: let the reference stand below `properties` or `items`"), "{problem}");
    }
    let chain: Map<String, Value> = (0..3000)
        .map(|n| {
            (
                format!("a{n}"),
                json!({"$ref": format!("#/$defs/a{}", n + 1)}),
            )
        })
        .chain([("a3000".to_owned(), json!({}))])
        .collect();
    let problem = problem(&json!({"type": "object", "$ref": "#/$defs/a0", "$defs": chain}));
    assert!(
        problem.contains("leads through more than 128 schemas for the same value"),
        "{problem}"
    );
}

#[test]
fn schema_and_value_do_not_exhaust_the_stack_together() {
    // A hundred and twenty schemas for each level of a value that has as many.
    let mut definitions: Map<String, Value> = (0..60)
        .map(|n| {
            (
                format!("a{n}"),
                json!({"allOf": [{"$ref": format!("#/$defs/a{}", n + 1)}]}),
            )
        })
        .collect();
    definitions.insert("a60".to_owned(), json!({"items": {"$ref": "#/$defs/a0"}}));
    let schema = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": definitions});
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for levels in [10, 120] {
        let said = said(&schema, &json!({"x": nested(levels)}));
        assert!(
            said.is_empty() || said.contains("they are nested too deep for their schema"),
            "{said}"
        );
    }
}

#[test]
fn a_few_of_many_problems_are_told() {
    if !in_own_process(
        "validation::a_few_of_many_problems_are_told",
        "ulimit -v 4000000; ulimit -t 60",
    ) {
        return;
    }
    let numbers = of(&json!({"type": "array", "items": {"type": "number"}}));
    let wrong = said(&numbers, &json!({"x": vec![""; 1_000_000]}));
    for index in 0..5 {
        assert!(
            wrong.contains(&format!("x.{index}: \"\" is not of type \"number\"")),
            "{wrong}"
        );
    }
    assert!(!wrong.contains("x.5:"), "{wrong}");
    let closed = of(&json!({"type": "object", "additionalProperties": false}));
    let names: Map<String, Value> = (0..300_000).map(|n| (format!("k{n}"), json!(0))).collect();
    let wrong = said(&closed, &json!({"x": names}));
    assert!(wrong.contains("x: Additional properties are not allowed ('k0', 'k1', 'k2', 'k3', 'k4', … were unexpected)"), "{wrong}");
    let long = "a".repeat(1_000_000);
    let wrong = said(
        &of(&json!({"enum": ["b", "c".repeat(10_000)]})),
        &json!({"x": long}),
    );
    assert!(wrong.len() < 600, "{}", wrong.len());
    let right = said(&numbers, &json!({"x": vec![1; 1_000_000]}));
    assert_eq!(right, "");
}

#[test]
fn unevaluated_properties_of_deep_unions_are_explained() {
    if !in_own_process(
        "validation::unevaluated_properties_of_deep_unions_are_explained",
        "ulimit -v 8000000; ulimit -t 60",
    ) {
        return;
    }
    let node = json!({"$ref": "#/$defs/n"});
    let schema = json!({
        "type": "object",
        "$ref": "#/$defs/n",
        "$defs": {"n": {
            "type": "object",
            "anyOf": [{"properties": {"x": node}}, {"properties": {"x": node}}],
            "unevaluatedProperties": false,
        }},
    });
    for levels in [3, 24, 60] {
        let nested = |inner: Value| (0..levels).fold(inner, |inner, _| json!({"x": inner}));
        assert_eq!(said(&schema, &nested(json!({}))), "");
        let wrong = said(&schema, &nested(json!(1)));
        assert!(wrong.contains("1 is not of type \"object\""), "{wrong}");
        let wrong = said(&schema, &nested(json!({"y": 1})));
        assert!(
            wrong.contains("Unevaluated properties are not allowed ('y' was unexpected)"),
            "{wrong}"
        );
    }
}

#[test]
fn values_that_take_long_to_compare_are_bounded() {
    // All of them hash alike where only what stands in them counts.
    let nest = |n: u32| {
        (0..12).fold(json!([1]), |inner, bit| {
            if n >> bit & 1 == 1 {
                json!([[inner]])
            } else {
                json!([inner, []])
            }
        })
    };
    let values: Vec<Value> = (0..4096).map(nest).collect();
    let unique = of(&json!({"type": "array", "uniqueItems": true}));
    assert_eq!(said(&unique, &json!({"x": values})), "");
    assert_eq!(
        said(&unique, &json!({"x": (0..500_000).collect::<Vec<_>>()})),
        ""
    );
    let wrong = said(&unique, &json!({"x": [1, 2, 1.0]}));
    assert!(
        wrong.contains("x: [1,2,1.0] has non-unique elements"),
        "{wrong}"
    );
}

#[test]
fn a_pattern_pays_for_the_states_that_it_makes() {
    let mut bits = 12_345_u64;
    let text: String = (0..1_000_000)
        .map(|_| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            if bits >> 40 & 1 == 1 { '1' } else { '0' }
        })
        .collect();
    let pattern = |pattern: &str| of(&json!({"type": "string", "pattern": pattern}));
    let wrong = said(&pattern("[01]*1[01]{1000}2"), &json!({"x": text}));
    assert!(
        wrong.contains("could not be checked within 10000000 steps"),
        "{wrong}"
    );
    let wrong = said(&pattern("^[01]+2$"), &json!({"x": text}));
    assert!(
        wrong.contains("x: \"0") && wrong.contains("does not match \"^[01]+2$\""),
        "{wrong}"
    );
    assert_eq!(said(&pattern("^[01]+$"), &json!({"x": text})), "");
    assert_eq!(said(&pattern(r"^\bfoo\b"), &json!({"x": "foo é"})), "");
}

#[test]
fn patterns_that_backtrack_are_bounded() {
    let pattern = |pattern: &str| of(&json!({"type": "string", "pattern": pattern}));
    for (text, repeated) in [(r"^(a*)*\1b$", 30), (r"^(?=(a+)+$)(a|aa)+$", 60)] {
        let wrong = said(&pattern(text), &json!({"x": "a".repeat(repeated) + "!"}));
        assert!(!wrong.is_empty(), "{text}");
    }
    let wrong = said(
        &pattern("(?=a*b)c|(?!a*b)d"),
        &json!({"x": "a".repeat(300_000)}),
    );
    assert!(wrong.contains("could not be checked: pattern \"(?=a*b)c|(?!a*b)d\": it is held against at most 4096 bytes of text, since it has look-around or a back-reference and does not begin with `^`"), "{wrong}");
    assert_eq!(said(&pattern("(?=a*b)a"), &json!({"x": "aab"})), "");
    let items = of(&json!({"items": {"pattern": r"^(a*)*\1b$"}}));
    let texts: Vec<String> = (0..200).map(|n| "a".repeat(30) + &n.to_string()).collect();
    assert!(!said(&items, &json!({"x": texts})).is_empty());
}

#[test]
fn the_patterns_of_a_definition_are_bounded_together() {
    let properties = |count: usize, pattern: &dyn Fn(usize) -> String| {
        let property = |n| {
            (
                format!("p{n}"),
                json!({"type": "string", "pattern": pattern(n)}),
            )
        };
        let properties: Map<String, Value> = (0..count).map(property).collect();
        json!({"type": "object", "properties": properties})
    };
    let found = problem(&properties(500, &|n| format!("\\p{{L}}{{60}}{n}")));
    assert!(
        found.contains(
            "a pattern compiles to more than 512 KiB: use shorter repetitions, or smaller classes"
        ),
        "{found}"
    );
    for many in [
        properties(500, &|n| format!("\\p{{L}}{{6}}{n}")),
        properties(1_001, &|n| format!("^a{n}")),
    ] {
        let found = problem(&many);
        assert!(
            found.contains(
                "the patterns of a definition may be 1000 and compile to 16 MiB, and are more"
            ),
            "{found}"
        );
    }
    let found = problem(&of(&json!({"pattern": "((a{1000}){1000}){100}"})));
    assert!(found.contains("a pattern compiles to more than"), "{found}");
    // The same text counts once.
    TestHome::with_tool(&format!(
        "inputSchema: {}",
        properties(1_500, &|_| "^a".to_owned())
    ))
    .open_whole();
}

#[derive(Deserialize)]
struct Usual {
    name: String,
    pattern: String,
    right: String,
    wrong: String,
}

// Patterns as zod (MIT licence, Copyright (c) 2025 Colin McDonnell) and pydantic write them into
// schemas.
#[test]
fn the_patterns_that_libraries_write_match() {
    for line in include_str!("../patterns.jsonl").lines() {
        let Usual {
            name,
            pattern,
            right,
            wrong,
        } = serde_json::from_str(line).unwrap();
        let schema = of(&json!({"type": "string", "pattern": pattern}));
        assert_eq!(said(&schema, &json!({"x": right})), "", "{name}");
        assert!(
            said(&schema, &json!({"x": wrong})).contains("does not match"),
            "{name}"
        );
        let names = of(
            &json!({"patternProperties": {pattern: {"type": "number"}}, "additionalProperties": false}),
        );
        assert_eq!(
            said(&names, &json!({"x": {right.as_str(): 1}})),
            "",
            "{name}"
        );
        assert!(
            !said(&names, &json!({"x": {right: ""}})).is_empty(),
            "{name}"
        );
        assert!(
            said(&names, &json!({"x": {wrong: 1}}))
                .contains("Additional properties are not allowed"),
            "{name}"
        );
    }
}
