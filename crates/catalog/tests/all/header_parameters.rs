//! `x-mcp-header`: the arguments that a request repeats in a header, and each constraint of the
//! specification on them (2026-07-28, transports, "Schema Extension").

use wasimancer_catalog::HeaderParameter;

use crate::support::TestHome;

fn parameters(fields: &str) -> Vec<HeaderParameter> {
    let snapshot = TestHome::with_tool(fields).open_whole();
    snapshot.tool("t").unwrap().header_parameters().to_vec()
}

fn parameter(name: &str, path: &[&str]) -> HeaderParameter {
    HeaderParameter {
        name: name.to_owned(),
        path: path.iter().map(|&step| step.to_owned()).collect(),
    }
}

/// What is wrong with the schema of properties `properties` and further keywords.
#[track_caller]
fn refusal(properties: &str, further: &str) -> String {
    let home = TestHome::with_tool(&format!(
        "inputSchema: {{type: object, properties: {{{properties}}}{further}}}"
    ));
    let problems = home.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let prefix = "plugins.yml:7: plugin \"p\": functions[0].inputSchema: ";
    problems[0]
        .strip_prefix(prefix)
        .expect(&problems[0])
        .to_owned()
}

#[test]
fn a_tool_without_them_has_none() {
    assert_eq!(parameters("arguments: [{name: a, type: string}]"), []);
}

#[test]
fn they_are_found_in_arguments_and_in_schemas_in_their_order() {
    assert_eq!(
        parameters(
            "arguments: [{name: region, type: string, x-mcp-header: Region}, {name: query, type: string}]"
        ),
        [parameter("Region", &["region"])]
    );
    assert_eq!(
        parameters(
            r"inputSchema:
  type: object
  properties:
    b: {type: integer, x-mcp-header: B}
    options:
      type: object
      properties:
        deep: {type: object, properties: {a: {type: boolean, x-mcp-header: A}}}
        c: {type: string, x-mcp-header: c.C_1}
    d: {type: string, x-mcp-header: '!#$%&''*+-.^_`|~09azAZ'}
"
        ),
        [
            parameter("B", &["b"]),
            parameter("A", &["options", "deep", "a"]),
            parameter("c.C_1", &["options", "c"]),
            parameter("!#$%&'*+-.^_`|~09azAZ", &["d"]),
        ]
    );
}

#[test]
fn a_name_is_a_token_and_not_empty() {
    for name in [
        "''",
        "'a b'",
        "'a:b'",
        "größe",
        r#""a\rb""#,
        r#""a\nb""#,
        r#""\x00""#,
        "'a,b'",
        "'(a)'",
        "5",
        "true",
        "~",
        "[A]",
        "{a: b}",
    ] {
        let refusal = refusal(&format!("a: {{type: string, x-mcp-header: {name}}}"), "");
        assert!(
            refusal.starts_with("`x-mcp-header` is ")
                && refusal.contains(": write a header name of "),
            "{refusal}"
        );
    }
}

#[test]
fn a_name_occurs_once_whatever_its_case() {
    let expected = "`x-mcp-header: REGION` occurs twice: give each parameter its own header";
    let flat = "a: {type: string, x-mcp-header: Region}, b: {type: string, x-mcp-header: REGION}";
    assert_eq!(refusal(flat, ""), expected);
    let nested = "a: {type: string, x-mcp-header: Region}, o: {type: object, properties: {b: {type: string, x-mcp-header: REGION}}}";
    assert_eq!(refusal(nested, ""), expected);
}

#[test]
fn the_parameter_is_a_string_an_integer_or_a_boolean() {
    for fields in [
        "type: number",
        "type: object",
        "type: array",
        "type: 'null'",
        "type: [string, 'null']",
        "$ref: '#/$defs/a'",
        "enum: [a]",
    ] {
        let refusal = refusal(
            &format!("a: {{{fields}, x-mcp-header: A}}"),
            ", $defs: {a: {type: string}}",
        );
        assert_eq!(
            refusal, "`x-mcp-header: A` needs a parameter of type string, integer or boolean",
            "{fields}"
        );
    }
    let home = TestHome::with_tool("arguments: [{name: a, x-mcp-header: A}]");
    assert_eq!(
        home.problems(),
        [
            "plugins.yml:7: plugin \"p\": functions[0].arguments: `x-mcp-header: A` needs a parameter of type string, integer or boolean"
        ]
    );
}

#[test]
fn it_stands_where_a_chain_of_properties_leads() {
    let marked = "{type: string, x-mcp-header: A}";
    let object = format!("{{type: object, properties: {{b: {marked}}}}}");
    let elsewhere = [
        (
            format!("a: {{type: array, items: {marked}}}"),
            String::new(),
        ),
        (
            format!("a: {{type: array, items: {object}}}"),
            String::new(),
        ),
        (
            format!("a: {{type: array, prefixItems: [{marked}]}}"),
            String::new(),
        ),
        (
            format!("a: {{type: array, contains: {marked}}}"),
            String::new(),
        ),
        (format!("a: {{oneOf: [{marked}]}}"), String::new()),
        (format!("a: {{anyOf: [{object}]}}"), String::new()),
        (format!("a: {{not: {marked}}}"), String::new()),
        (
            format!("a: {{type: object, additionalProperties: {marked}}}"),
            String::new(),
        ),
        (
            format!("a: {{type: object, patternProperties: {{x: {marked}}}}}"),
            String::new(),
        ),
        (String::new(), format!(", allOf: [{object}]")),
        (String::new(), format!(", if: {object}")),
        (String::new(), format!(", then: {object}")),
        (String::new(), format!(", else: {object}")),
        (
            String::new(),
            format!(", dependentSchemas: {{x: {object}}}"),
        ),
        (
            "a: {$ref: '#/$defs/m'}".to_owned(),
            format!(", $defs: {{m: {marked}}}"),
        ),
        (String::new(), ", x-mcp-header: A".to_owned()),
        // Another one in the right place does not make up for it, nor does a value that is no name.
        (
            format!("a: {marked}, b: {{items: {{type: string, x-mcp-header: B}}}}"),
            String::new(),
        ),
        (
            "a: {type: array, items: {type: string, x-mcp-header: {}}}".to_owned(),
            String::new(),
        ),
    ];
    for (properties, further) in elsewhere {
        assert_eq!(
            refusal(&properties, &further),
            "`x-mcp-header` stands where no chain of `properties` leads: move it to a property",
            "{properties}{further}"
        );
    }
}

#[test]
fn a_property_or_a_value_of_that_name_is_no_annotation() {
    assert_eq!(
        parameters("arguments: [{name: x-mcp-header, type: string}]"),
        []
    );
    assert_eq!(
        parameters(
            r"inputSchema:
  type: object
  properties:
    x-mcp-header: true
    a: {type: object, default: {x-mcp-header: A}, examples: [{x-mcp-header: A}]}
    b: {enum: [{x-mcp-header: A}], const: {x-mcp-header: A}}
    properties: {type: string, x-mcp-header: P}
"
        ),
        [parameter("P", &["properties"])]
    );
}
