//! What a caller is told about arguments that break the schema: which, what was sent, and what is
//! expected. Never more than fits a message.

use crate::support::{TestHome, input};

/// Longest message that a caller's values may lead to, in bytes.
const MESSAGE_MAX_BYTES: usize = 1500;

const DICE: &str = "arguments: [{name: faces, type: number}, {name: label, type: string, required: false}, {name: any, required: false}]";
const EXPECTED: &str =
    "; expected faces (number), label (string, optional), any (any type, optional)";

fn refusal(fields: &str, arguments: &str) -> String {
    input(&TestHome::with_tool(fields).open_whole(), arguments).expect_err(arguments)
}

#[test]
fn a_message_names_the_argument_its_value_and_what_is_expected() {
    for (given, what) in [
        (
            r#"{"faces":"six"}"#,
            r#"faces: "six" is not of type "number""#,
        ),
        ("{}", r#""faces" is a required property"#),
        (
            r#"{"faces":6,"label":7}"#,
            r#"label: 7 is not of type "string""#,
        ),
        (
            r#"{"faces":null}"#,
            r#"faces: null is not of type "number""#,
        ),
    ] {
        assert_eq!(
            refusal(DICE, given),
            format!("invalid arguments for tool \"t\": {what}{EXPECTED}")
        );
    }
}

#[test]
fn a_message_about_an_unknown_argument_names_the_switches() {
    let message = refusal(DICE, r#"{"faces":6,"sides":1}"#);
    let what = "Additional properties are not allowed ('sides' was unexpected)";
    let wanted = format!("invalid arguments for tool \"t\": {what}{EXPECTED}; unknown arguments ");
    assert!(message.starts_with(&wanted), "{message}");
    for switch in [
        "`additionalArguments: ignore`",
        "`additional_arguments = \"ignore\"`",
        "`additionalProperties: true`",
    ] {
        assert!(message.contains(switch), "{message}");
    }
}

#[test]
fn all_that_is_wrong_is_told_up_to_five_things() {
    let message = refusal(DICE, r#"{"faces":"six","label":7}"#);
    assert!(
        message.contains(r#"faces: "six" is not"#) && message.contains("label: 7 is not"),
        "{message}"
    );
    let message = refusal(
        "inputSchema: {type: object, additionalProperties: {type: number}}",
        r#"{"a":"","b":"","c":"","d":"","e":"","f":"","g":""}"#,
    );
    assert_eq!(message.matches(" is not of type ").count(), 5, "{message}");
    assert!(message.ends_with("; expected no arguments"), "{message}");
}

#[test]
fn arguments_that_are_no_object_are_refused() {
    for given in ["[]", "[1]", "\"faces\"", "3", "true"] {
        assert_eq!(
            refusal(DICE, given),
            format!("invalid arguments for tool \"t\": they are no object{EXPECTED}")
        );
    }
}

#[test]
fn a_place_inside_a_value_is_named() {
    let fields = r"inputSchema:
  type: object
  properties:
    list: {type: array, items: {type: object, properties: {'a/b~c': {type: number}}}}
";
    let message = refusal(fields, r#"{"list":[{},{"a/b~c":"x"}]}"#);
    assert_eq!(
        message,
        "invalid arguments for tool \"t\": list.1.a/b~c: \"x\" is not of type \"number\"; expected list (array, optional)"
    );
}

#[test]
fn choices_and_ranges_are_told() {
    let message = refusal(
        "arguments: [{name: a, enum: [red, blue]}]",
        r#"{"a":"green"}"#,
    );
    assert!(
        message.contains(r#"a: "green" is not one of "red" or "blue""#),
        "{message}"
    );
    let message = refusal(
        "arguments: [{name: a, type: integer, minimum: 1}]",
        r#"{"a":0}"#,
    );
    assert!(
        message.contains("a: 0 is less than the minimum of 1"),
        "{message}"
    );
}

/// Every way in which a message of the validator quotes what the caller sent.
const QUOTING: [(&str, &str); 16] = [
    ("type: number", "\"LONG\""),
    ("type: array, maxItems: 0", "[\"LONG\"]"),
    ("enum: [a]", "\"LONG\""),
    ("pattern: '^a'", "\"LONG\""),
    ("maxLength: 1", "\"LONG\""),
    ("not: {type: string}", "\"LONG\""),
    ("anyOf: [{type: number}, {type: array}]", "\"LONG\""),
    ("oneOf: [{type: number}, {type: array}]", "{\"LONG\":1}"),
    ("oneOf: [{type: string}, {minLength: 1}]", "\"LONG\""),
    ("contains: {type: number}, type: array", "[\"LONG\"]"),
    ("uniqueItems: true, type: array", "[\"LONG\",\"LONG\"]"),
    (
        "properties: {b: {}}, additionalProperties: false, type: object",
        "{\"LONG\":1}",
    ),
    ("unevaluatedProperties: false, type: object", "{\"LONG\":1}"),
    ("unevaluatedItems: false, type: array", "[\"LONG\"]"),
    (
        "propertyNames: {maxLength: 3}, type: object",
        "{\"LONG\":1}",
    ),
    (
        "additionalProperties: {type: number}, type: object",
        "{\"LONG\":\"x\"}",
    ),
];

#[test]
fn long_values_and_names_are_cut() {
    for (fields, value) in QUOTING {
        let snapshot =
            TestHome::with_tool(&format!("arguments: [{{name: a, {fields}}}]")).open_whole();
        for filler in ["x", "é", "\\n", "\\u0000", "🎲"] {
            let long = value.replace("LONG", &filler.repeat(50_000));
            let message = input(&snapshot, &format!("{{\"a\":{long}}}")).expect_err(fields);
            assert!(
                message.len() < MESSAGE_MAX_BYTES,
                "{fields}: {} bytes",
                message.len()
            );
            assert!(message.contains('…'), "{fields}: {message}");
            assert!(message.ends_with(')'), "{fields}: {message}");
        }
    }
}

#[test]
fn many_unknown_names_are_cut() {
    let snapshot = TestHome::with_tool("arguments: []").open_whole();
    let many: Vec<String> = (0..10_000)
        .map(|index| format!("\"unknown{index}\":1"))
        .collect();
    let message = input(&snapshot, &format!("{{{}}}", many.join(","))).unwrap_err();
    assert!(message.len() < MESSAGE_MAX_BYTES, "{}", message.len());
    assert!(message.contains("'unknown0'"), "{message}");
}

#[test]
fn a_forbidden_value_is_named() {
    let message = refusal(
        "inputSchema: {type: object, properties: {a: false}}",
        r#"{"a":"here"}"#,
    );
    assert!(
        message.contains(r#"a: False schema does not allow "here""#),
        "{message}"
    );
    let long = refusal(
        "inputSchema: {type: object, properties: {a: false}}",
        &format!("{{\"a\":{:?}}}", "x".repeat(100_000)),
    );
    assert!(long.len() < MESSAGE_MAX_BYTES, "{}", long.len());
}

#[test]
fn what_no_number_can_hold_and_what_is_too_deep_is_refused() {
    let message = refusal(DICE, r#"{"faces":1e999}"#);
    assert!(
        message.starts_with("invalid arguments for tool \"t\": number out of range"),
        "{message}"
    );
    let deep = format!(
        "{{\"faces\":1,\"any\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let message = refusal(DICE, &deep);
    assert!(
        message.starts_with("invalid arguments for tool \"t\": recursion limit exceeded"),
        "{message}"
    );
    assert!(message.ends_with(EXPECTED), "{message}");
}
