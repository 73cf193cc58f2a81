//! `inputSchema` and `outputSchema`: whole JSON Schemas.

use serde_json::{Value, json};

use crate::support::{TestHome, entries, in_own_process, input, input_schema, wait};

fn problem(fields: &str) -> String {
    let problems = TestHome::with_tool(fields).problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

#[test]
fn a_whole_schema_reaches_the_client_as_it_is_written() {
    let schema = input_schema(&TestHome::with_tool(
        r##"inputSchema:
  $schema: https://json-schema.org/draft/2020-12/schema
  type: object
  $defs:
    side: {type: integer, minimum: 1}
  properties:
    width: {$ref: "#/$defs/side"}
    height: {$ref: "#/$defs/side", default: 3}
  required: [width]
  unevaluatedProperties: false
"##,
    ));
    assert_eq!(
        schema.to_string(),
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"side":{"type":"integer","minimum":1}},"properties":{"width":{"$ref":"#/$defs/side"},"height":{"$ref":"#/$defs/side","default":3}},"required":["width"],"unevaluatedProperties":false}"##
    );
}

#[test]
fn local_references_and_keywords_of_2020_12_are_checked() {
    let snapshot = TestHome::with_tool(
        r##"inputSchema:
  type: object
  $defs:
    side: {$anchor: side, type: integer, minimum: 1}
    tree: {type: object, properties: {left: {$ref: "#/$defs/tree"}, size: {$ref: "#side"}}, additionalProperties: false}
  properties:
    pair: {type: array, prefixItems: [{type: string}, {type: number}], items: false}
    tree: {$ref: "#/$defs/tree"}
  allOf:
    - anyOf: [{required: [pair]}, {required: [tree]}]
  unevaluatedProperties: false
"##,
    )
    .open_whole();
    for right in [
        r#"{"pair":["x",1]}"#,
        r#"{"tree":{"left":{"left":{"size":1}}}}"#,
    ] {
        assert!(input(&snapshot, right).is_ok(), "{right}");
    }
    for wrong in [
        r"{}",
        r#"{"pair":[1,"x"]}"#,
        r#"{"pair":["x",1,2]}"#,
        r#"{"tree":{"left":{"left":{"size":0}}}}"#,
        r#"{"tree":{"right":1}}"#,
        r#"{"pair":[],"more":1}"#,
    ] {
        assert!(input(&snapshot, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn another_draft_is_chosen_by_its_address() {
    // An array of `items` is a tuple in draft 7 and no schema in 2020-12.
    let fields = |schema: &str| {
        format!(
            "inputSchema:\n  {schema}type: object\n  properties:\n    a: {{items: [{{type: string}}, {{type: number}}]}}\n"
        )
    };
    let draft_7 = "$schema: http://json-schema.org/draft-07/schema#\n  ";
    let snapshot = TestHome::with_tool(&fields(draft_7)).open_whole();
    assert!(input(&snapshot, r#"{"a":["x",1,true]}"#).is_ok());
    assert!(input(&snapshot, r#"{"a":[1]}"#).is_err());
    let problem = problem(&fields(""));
    assert!(
        problem.contains("functions[0].inputSchema: is no valid JSON Schema: properties.a.items: "),
        "{problem}"
    );
}

#[test]
fn a_schema_of_an_unknown_dialect_is_refused() {
    let problem = problem("inputSchema: {$schema: 'https://example.com/dialect', type: object}");
    assert!(
        problem.starts_with(
            "plugins.yml:7: plugin \"p\": functions[0].inputSchema: is no valid JSON Schema: "
        ),
        "{problem}"
    );
    assert!(problem.contains("example.com/dialect"), "{problem}");
}

#[test]
fn a_reference_to_elsewhere_is_refused_and_nothing_is_fetched() {
    // Were anything fetched, the file would be found and be a right schema.
    let home = TestHome::new().write("schema.json", r#"{"type":"string"}"#);
    let file = format!("file://{}", home.path("schema.json").display());
    for address in [
        "https://example.com/schema.json",
        "http://127.0.0.1:9/schema.json",
        &file,
        "schema.json",
        "#/$defs/absent",
        "#absent",
    ] {
        let problem = problem(&format!(
            "inputSchema: {{type: object, properties: {{a: {{$ref: {address:?}}}}}}}"
        ));
        let expected =
            "plugins.yml:7: plugin \"p\": functions[0].inputSchema: is no valid JSON Schema: ";
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn a_reference_to_itself_ends() {
    if !in_own_process(
        "schemas::a_reference_to_itself_ends",
        "ulimit -v 8000000; ulimit -t 60",
    ) {
        return;
    }
    for schema in [
        r##"{type: object, $ref: "#"}"##,
        r##"{type: object, allOf: [{$ref: "#"}]}"##,
        r##"{type: object, $ref: "#/$defs/a", $defs: {a: {$ref: "#/$defs/b"}, b: {$ref: "#/$defs/a"}}}"##,
        r##"{type: object, properties: {a: {$ref: "#"}}, additionalProperties: false}"##,
        r##"{type: object, $dynamicRef: "#"}"##,
        r##"{type: object, not: {not: {$ref: "#"}}}"##,
    ] {
        let snapshot = TestHome::with_tool(&format!("inputSchema: {schema}")).open();
        if snapshot.tool("t").is_some() {
            let _ = input(&snapshot, r#"{"a":{"a":{}}}"#);
            let _ = input(&snapshot, r#"{"a":{"a":{"b":1}},"b":2}"#);
        }
    }
}

#[test]
fn arguments_are_an_object() {
    let expected = "plugins.yml:7: plugin \"p\": functions[0].inputSchema: must have `type: object`, since arguments are an object";
    for schema in [
        "{}",
        "{type: array}",
        "{type: [object]}",
        "{type: [object, 'null']}",
        "{properties: {a: {}}}",
    ] {
        assert_eq!(
            problem(&format!("inputSchema: {schema}")),
            expected,
            "{schema}"
        );
    }
    assert_eq!(
        problem("inputSchema: object"),
        "plugins.yml:7: plugin \"p\": functions[0].inputSchema: must be a map and is \"object\""
    );
}

#[test]
fn arguments_and_a_whole_schema_exclude_each_other() {
    let expected = "plugins.yml:8: plugin \"p\": functions[0].inputSchema: stands beside `arguments`: give one of the two";
    assert_eq!(
        problem("arguments: []\ninputSchema: {type: object}"),
        expected
    );
    let schema = json!({"type": "object"});
    assert_eq!(
        input_schema(&TestHome::with_tool(
            "arguments:\ninputSchema: {type: object}"
        )),
        schema
    );
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    assert_eq!(
        input_schema(&TestHome::with_tool("arguments: []\ninputSchema:")),
        none
    );
}

#[test]
fn a_schema_that_is_none_is_refused() {
    for schema in [
        "{type: object, properties: [a]}",
        "{type: object, properties: {a: {type: text}}}",
        "{type: object, required: a}",
        "{type: object, properties: {a: {pattern: '('}}}",
        "{type: object, minProperties: -1}",
    ] {
        let found = problem(&format!("inputSchema: {schema}"));
        assert!(
            found.contains("functions[0].inputSchema: is no valid JSON Schema: "),
            "{found}"
        );
    }
}

#[test]
fn a_pattern_cannot_make_a_check_endless() {
    let snapshot = TestHome::with_tool(
        "inputSchema: {type: object, properties: {a: {type: string, pattern: '^(?=x)(x+x+)+y$'}}}",
    )
    .open_whole();
    let text = "x".repeat(200);
    assert!(input(&snapshot, &format!("{{\"a\":\"{text}\"}}")).is_err());
}

fn output(schema: &str) -> TestHome {
    TestHome::with_tool(&format!("returns: json\noutputSchema: {schema}"))
}

#[test]
fn an_output_is_held_against_its_schema() {
    let home = output("{type: object, properties: {n: {type: integer}}, required: [n]}");
    let snapshot = home.open_whole();
    let tool = snapshot.tool("t").unwrap();
    assert!(tool.has_output_schema());
    let check = |output: Value| wait(tool.check_output(0, &output.to_string()));
    assert!(check(json!({"n": 1})).is_ok());
    assert_eq!(
        check(json!({"n": "x"})).unwrap_err().to_string(),
        "the output does not match the tool's outputSchema: n: \"x\" is not of type \"integer\""
    );
    assert_eq!(
        check(json!({})).unwrap_err().to_string(),
        "the output does not match the tool's outputSchema: \"n\" is a required property"
    );
    let long = check(json!("x".repeat(100_000))).unwrap_err().to_string();
    assert!(long.len() < 500, "{}", long.len());
}

#[test]
fn a_tool_without_an_output_schema_promises_nothing() {
    let snapshot = TestHome::with_tool("returns: json").open_whole();
    let tool = snapshot.tool("t").unwrap();
    assert!(!tool.has_output_schema());
    assert!(wait(tool.check_output(0, r#"["anything"]"#)).is_ok());
}

#[test]
fn an_output_schema_needs_an_output_that_is_no_text() {
    let expected = "plugins.yml:8: plugin \"p\": functions[0].outputSchema: needs `returns: json` or `returns: result`, since a text has no schema";
    for returns in ["returns: text", "returns:"] {
        assert_eq!(
            problem(&format!("{returns}\noutputSchema: {{type: object}}")),
            expected
        );
    }
    for returns in ["json", "result"] {
        TestHome::with_tool(&format!(
            "returns: {returns}\noutputSchema: {{type: object}}"
        ))
        .open_whole();
    }
    assert_eq!(
        problem("returns: text\noutputSchema: true"),
        "plugins.yml:8: plugin \"p\": functions[0].outputSchema: must be a map and is the boolean true"
    );
    assert!(
        problem("returns: json\noutputSchema: {type: text}")
            .contains("functions[0].outputSchema: is no valid JSON Schema: ")
    );
    let remote = problem("returns: json\noutputSchema: {$ref: 'https://example.com/schema.json'}");
    assert!(
        remote.contains("functions[0].outputSchema: is no valid JSON Schema: "),
        "{remote}"
    );
}

#[test]
fn returns_is_one_of_three_words() {
    use wasimancer_catalog::Returns;
    for (written, expected) in [
        ("description: x", Returns::Text),
        ("returns: text", Returns::Text),
        ("returns: json", Returns::Json),
        ("returns: result", Returns::Result),
    ] {
        let snapshot = TestHome::with_tool(written).open_whole();
        assert_eq!(snapshot.tool("t").unwrap().returns(), &expected);
    }
    assert_eq!(
        problem("description: x\nreturns: yaml"),
        "plugins.yml:8: plugin \"p\": functions[0].returns: \"yaml\" is not known: write text, json or result, or for bytes a media type such as image/png"
    );
    assert_eq!(
        problem("description: x\nreturns: [json]"),
        "plugins.yml:8: plugin \"p\": functions[0].returns: must be a text and is a list"
    );
}

#[test]
fn readers_of_object_outputs_alone_see_every_schema_in_one_of_an_object() {
    let output_schema = |schema: &str| -> (Value, Option<Value>) {
        let snapshot = output(schema).open_whole();
        let whole = entries(snapshot.tool_list());
        let objects = entries(snapshot.object_output_tool_list());
        let rest = |tool: &Value| {
            let mut tool = tool.clone();
            tool.as_object_mut().unwrap().remove("outputSchema");
            tool
        };
        assert_eq!(rest(&whole[0]), rest(&objects[0]));
        (
            whole[0]["outputSchema"].clone(),
            objects[0].get("outputSchema").cloned(),
        )
    };
    let object = json!({"type": "object"});
    assert_eq!(
        output_schema("{type: object}"),
        (object.clone(), Some(object))
    );
    let wrapped = |schema: &Value| json!({"type": "object", "properties": {"result": schema}, "required": ["result"]});
    for (text, schema) in [
        ("{type: array}", json!({"type": "array", "items": {}})),
        ("{}", json!({})),
    ] {
        let inside = wrapped(&schema);
        assert_eq!(output_schema(text), (schema, Some(inside)));
    }
}

/// Each kind of schema with this one inside it.
fn with_inner(inner: &str) -> [String; 2] {
    [
        format!("inputSchema: {{type: object, {inner}}}"),
        format!("returns: json\noutputSchema: {{type: object, {inner}}}"),
    ]
}

#[test]
fn a_schema_that_is_too_deep_or_too_large_is_refused() {
    let properties = |levels: usize| {
        let open = "{items: ".repeat(levels);
        let close = "}".repeat(levels);
        format!("properties: {{a: {open}{{}}{close}}}")
    };
    // The schema, `properties`, and what they end in.
    for fields in with_inner(&properties(64 - 3)) {
        TestHome::with_tool(&fields).open_whole();
    }
    for fields in with_inner(&properties(64 - 2)) {
        let found = problem(&fields);
        assert!(
            found.contains(
                "Schema: is nested 65 levels deep and may be 64: move parts of it into `$defs`"
            ),
            "{found}"
        );
    }
    let of = |bytes: usize| {
        format!(
            "title: {}",
            "x".repeat(bytes - r#"{"type":"object","title":""}"#.len())
        )
    };
    for fields in with_inner(&of(256 * 1024)) {
        TestHome::with_tool(&fields).open_whole();
    }
    for fields in with_inner(&of(256 * 1024 + 1)) {
        let found = problem(&fields);
        assert!(
            found.ends_with(
                "Schema: has 262145 bytes as JSON and may have 262144: leave parts of it out"
            ),
            "{found}"
        );
    }
    let deep = format!("arguments: [{{name: a, {}}}]", properties(64));
    assert!(problem(&deep).contains("functions[0].arguments: is nested "));
}

#[test]
fn no_reference_leads_out_of_a_schema_wherever_it_stands() {
    for keyword in ["$ref", "$dynamicRef", "$schema"] {
        for address in [
            "https://example.com/schema.json",
            "http://127.0.0.1:9/schema.json#/a",
            "file:///etc/passwd",
        ] {
            let reference = format!("{{{keyword}: {address:?}}}");
            for inner in [
                format!("$defs: {{unused: {reference}}}"),
                format!("$defs: {{a: {{properties: {{b: {{items: {reference}}}}}}}}}"),
                format!("$id: 'urn:example:a', $defs: {{unused: {reference}}}"),
                format!("properties: {{a: {{allOf: [{reference}]}}}}"),
            ] {
                for fields in with_inner(&inner) {
                    let found = problem(&fields);
                    assert!(
                        found.contains("Schema: is no valid JSON Schema: "),
                        "{found}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_output_schema_reaches_the_client_as_it_is_written() {
    let snapshot = output(
        r##"{$defs: {zeta: {type: [string, 'null'], x-note: 1.0}}, type: object, properties: {b: {$ref: "#/$defs/zeta"}, a: {const: {$ref: 'https://example.com'}}}, x-unknown: {any: [thing]}}"##,
    )
    .open_whole();
    assert_eq!(
        entries(snapshot.tool_list())[0]["outputSchema"].to_string(),
        r##"{"$defs":{"zeta":{"type":["string","null"],"x-note":1.0}},"type":"object","properties":{"b":{"$ref":"#/$defs/zeta"},"a":{"const":{"$ref":"https://example.com"}}},"x-unknown":{"any":["thing"]}}"##
    );
}
