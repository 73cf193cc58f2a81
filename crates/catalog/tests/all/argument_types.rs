//! `arguments`: their types and what else they say, as JSON Schema.

use serde_json::{Value, json};

use crate::support::{TestHome, input, input_schema};

/// The property that an argument with these fields becomes.
fn property(fields: &str) -> Value {
    let schema = input_schema(&TestHome::with_tool(&format!(
        "arguments: [{{name: a, {fields}}}]"
    )));
    assert_eq!(schema["required"], json!(["a"]));
    schema["properties"]["a"].clone()
}

#[test]
fn every_type_is_that_of_json_schema_and_unknown_words_mean_any() {
    for word in ["string", "number", "integer", "boolean", "object"] {
        assert_eq!(property(&format!("type: {word}")), json!({ "type": word }));
    }
    assert_eq!(
        property("type: array"),
        json!({"type": "array", "items": {}})
    );
    for other in [
        "type: any",
        "type: String",
        "type: float",
        "type: 'null'",
        "type: ''",
        "type: ~",
        "",
    ] {
        assert_eq!(property(other), json!({}), "{other}");
    }
}

#[test]
fn each_type_takes_its_values_and_no_others() {
    let values = ["\"x\"", "1.5", "3", "true", "{}", "[]", "null"];
    let cases = [
        ("string", "\"x\""),
        ("number", "1.5 3"),
        ("integer", "3"),
        ("boolean", "true"),
        ("object", "{}"),
        ("array", "[]"),
        ("whatever", "\"x\" 1.5 3 true {} [] null"),
    ];
    for (word, taken) in cases {
        let snapshot =
            TestHome::with_tool(&format!("arguments: [{{name: a, type: {word}}}]")).open_whole();
        for value in values {
            let given = format!("{{\"a\":{value}}}");
            let expected = taken.split(' ').any(|taken| taken == value);
            assert_eq!(
                input(&snapshot, &given).is_ok(),
                expected,
                "{word}: {value}"
            );
        }
    }
}

#[test]
fn a_whole_number_written_with_a_point_is_an_integer() {
    let snapshot = TestHome::with_tool("arguments: [{name: a, type: integer}]").open_whole();
    assert_eq!(input(&snapshot, r#"{"a":2.0}"#).unwrap(), r#"{"a":2}"#);
    assert!(input(&snapshot, r#"{"a":2.5}"#).is_err());
}

#[test]
fn descriptions_and_fields_of_json_schema_reach_the_client() {
    let schema = input_schema(&TestHome::with_tool(
        r"arguments:
  - name: numbers
    type: array
    description: at least one
    items: {type: number, minimum: 0}
    minItems: 1
    x-unit: metres
  - name: place
    title: A place
    type: object
    properties:
      city: {type: string}
      zip: {type: integer}
    additionalProperties: false
",
    ));
    let text = schema.to_string();
    assert_eq!(
        text,
        concat!(
            r#"{"type":"object","properties":{"#,
            r#""numbers":{"type":"array","description":"at least one","items":{"type":"number","minimum":0},"minItems":1,"x-unit":"metres"},"#,
            r#""place":{"type":"object","title":"A place","properties":{"city":{"type":"string"},"zip":{"type":"integer"}},"additionalProperties":false}},"#,
            r#""required":["numbers","place"],"additionalProperties":false}"#,
        )
    );
}

#[test]
fn items_and_properties_are_checked() {
    let snapshot = TestHome::with_tool(
        "arguments:\n  - {name: n, type: array, items: {type: number}}\n  - {name: o, type: object, properties: {zip: {type: integer}}}",
    )
    .open_whole();
    assert!(input(&snapshot, r#"{"n":[1,2.5],"o":{"zip":1,"more":true}}"#).is_ok());
    assert!(input(&snapshot, r#"{"n":[1,"2"],"o":{}}"#).is_err());
    assert!(input(&snapshot, r#"{"n":[],"o":{"zip":"1"}}"#).is_err());
}

#[test]
fn an_argument_is_required_unless_it_says_otherwise() {
    let home = TestHome::with_tool(
        r"arguments:
  - name: a
  - {name: b, required: true}
  - {name: c, required: false}
  - {name: d, default: 5}
  - {name: e, required: false, default: null}
",
    );
    let schema = input_schema(&home);
    assert_eq!(schema["required"], json!(["a", "b"]));
    assert_eq!(schema["properties"]["d"], json!({"default": 5}));
    assert_eq!(schema["properties"]["e"], json!({}));
    let snapshot = home.open_whole();
    assert!(input(&snapshot, r#"{"a":1,"b":2}"#).is_ok());
    assert!(input(&snapshot, r#"{"a":1}"#).is_err());
    assert!(input(&snapshot, r#"{"b":1,"c":3,"d":4}"#).is_err());
}

#[test]
fn an_enum_lists_the_values() {
    let home = TestHome::with_tool(
        "arguments: [{name: a, type: string, enum: [red, 'no', '7'], default: red}, {name: b, enum: [1, x, null, [2]], required: false}]",
    );
    let schema = input_schema(&home);
    assert_eq!(
        schema["properties"],
        json!({
            "a": {"type": "string", "enum": ["red", "no", "7"], "default": "red"},
            "b": {"enum": [1, "x", null, [2]]},
        })
    );
    let snapshot = home.open_whole();
    assert!(input(&snapshot, r#"{"a":"no","b":[2]}"#).is_ok());
    assert!(input(&snapshot, r#"{"a":"blue"}"#).is_err());
    assert!(input(&snapshot, r#"{"b":2}"#).is_err());
}

#[test]
fn a_default_or_enum_that_the_argument_itself_refuses_is_a_problem() {
    let home = TestHome::with_tool(
        r"arguments:
  - name: a
    type: number
    default: many
  - name: b
    type: string
    enum: [one, 2]
  - name: c
    enum: [x, y]
    default: z
",
    );
    assert_eq!(
        home.problems(),
        [
            "plugins.yml:10: plugin \"p\": functions[0].arguments[0].default: does not fit the argument: \"many\" is not of type \"number\"",
            "plugins.yml:13: plugin \"p\": functions[0].arguments[1].enum: does not fit the argument: 2 is not of type \"string\"",
            "plugins.yml:16: plugin \"p\": functions[0].arguments[2].default: does not fit the argument: \"z\" is not one of \"x\" or \"y\"",
        ]
    );
}

#[test]
fn what_is_wrong_with_an_argument_names_its_place() {
    let home = TestHome::with_tool(
        r#"arguments:
  - name: a
    required: "yes"
  - text
  - type: string
  - name: a
    type: 3
  - name: b
    default: 1
    required: true
    enum: 5
  - name: 7
"#,
    );
    assert_eq!(
        home.problems(),
        [
            "plugins.yml:9: plugin \"p\": functions[0].arguments[0].required: must be true or false and is \"yes\"",
            "plugins.yml:10: plugin \"p\": functions[0].arguments[1]: an entry must be a map and is \"text\"",
            "plugins.yml:11: plugin \"p\": functions[0].arguments[2].name: is missing: give the argument a name",
            "plugins.yml:13: plugin \"p\": functions[0].arguments[3].type: must be a text and is the number 3: put it in quotes",
            "plugins.yml:12: plugin \"p\": functions[0].arguments[3].name: \"a\" is the name of an earlier argument: choose another",
            "plugins.yml:15: plugin \"p\": functions[0].arguments[4].default: an argument with a default is never required: leave one of the two out",
            "plugins.yml:17: plugin \"p\": functions[0].arguments[4].enum: must be a list and is the number 5",
            "plugins.yml:18: plugin \"p\": functions[0].arguments[5].name: must be a text and is the number 7: put it in quotes",
        ]
    );
    assert_eq!(
        TestHome::with_tool("arguments: {name: a}").problems(),
        ["plugins.yml:7: plugin \"p\": functions[0].arguments: must be a list and is a map"]
    );
}

#[test]
fn an_argument_that_is_no_json_schema_is_a_problem() {
    let home = TestHome::with_tool("description: x\narguments:\n  - {name: a, items: text}");
    let problems = home.problems();
    let expected = "plugins.yml:8: plugin \"p\": functions[0].arguments: is no valid JSON Schema: properties.a.items: \"text\" is not";
    assert!(
        matches!(problems.as_slice(), [one] if one.starts_with(expected)),
        "{problems:?}"
    );
}

#[test]
fn arguments_may_have_any_name() {
    let home = TestHome::with_tool(
        "arguments: [{name: 'a b'}, {name: größe}, {name: 'with \"quotes\"'}, {name: __proto__}, {name: $ref}]",
    );
    let snapshot = home.open_whole();
    let given = r#"{"$ref":1,"__proto__":2,"with \"quotes\"":3,"größe":4,"a b":5}"#;
    assert_eq!(
        input(&snapshot, given).unwrap(),
        r#"{"a b":5,"größe":4,"with \"quotes\"":3,"__proto__":2,"$ref":1}"#
    );
}
