//! What counts as left out although it is given: null and the empty text for optional arguments that do
//! not take them, what some clients add to every call, and unknown arguments where somebody says so.

use wasimancer_catalog::{AdditionalArguments, Settings};

use crate::support::{TestHome, input, input_schema};

const OPTIONAL: &str = r"arguments:
  - {name: q, type: string}
  - {name: limit, type: integer, required: false}
  - {name: unit, type: string, default: C}
  - {name: strict, type: boolean, default: true}
  - {name: level, type: string, enum: [low, high], required: false}
  - {name: any, required: false}
  - {name: either, anyOf: [{type: integer}, {type: 'null'}], required: false}
  - {name: list, type: array, required: false}
";

#[test]
fn null_for_an_optional_argument_is_left_out_unless_it_is_taken() {
    let snapshot = TestHome::with_tool(OPTIONAL).open_whole();
    for (given, arrives) in [
        (
            r#"{"q":"x","limit":null}"#,
            r#"{"q":"x","unit":"C","strict":true}"#,
        ),
        (
            r#"{"q":"x","limit":null,"unit":null,"strict":null,"level":null,"list":null}"#,
            r#"{"q":"x","unit":"C","strict":true}"#,
        ),
        (
            r#"{"q":"x","any":null,"limit":null}"#,
            r#"{"q":"x","unit":"C","strict":true,"any":null}"#,
        ),
        (
            r#"{"q":"x","any":null}"#,
            r#"{"q":"x","unit":"C","strict":true,"any":null}"#,
        ),
    ] {
        assert_eq!(input(&snapshot, given).unwrap(), arrives, "{given}");
    }
    let refused = input(&snapshot, r#"{"q":null,"limit":null}"#).unwrap_err();
    assert!(
        refused.contains("q: null is not of type \"string\""),
        "{refused}"
    );
    assert!(!refused.contains("limit: null"), "{refused}");
}

#[test]
fn an_empty_text_for_an_optional_argument_that_is_none_is_left_out() {
    let snapshot = TestHome::with_tool(OPTIONAL).open_whole();
    assert_eq!(
        input(
            &snapshot,
            r#"{"q":"","limit":"","unit":"","strict":"","level":"","any":""}"#
        )
        .unwrap(),
        r#"{"q":"","unit":"","strict":true,"any":""}"#
    );
    for wrong in [
        r#"{"q":"x","list":""}"#,
        r#"{"q":"x","limit":" "}"#,
        r#"{"q":"x","limit":"5"}"#,
    ] {
        assert!(input(&snapshot, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_the_parts_of_a_whole_schema_say_counts() {
    let snapshot = TestHome::with_tool(
        r"inputSchema:
  type: object
  required: [must]
  $defs: {color: {enum: [red, blue]}, name: {type: string, minLength: 1}}
  properties:
    must: {type: integer}
    maybe: {anyOf: [{type: integer}, {type: 'null'}]}
    color: {$ref: '#/$defs/color'}
    colors: {anyOf: [{$ref: '#/$defs/color'}, {type: 'null'}]}
    name: {$ref: '#/$defs/name'}
    mixed: {anyOf: [{type: integer}, {type: string, minLength: 1}]}
    both: {allOf: [{type: number}, {minimum: 1}]}
",
    )
    .open_whole();
    assert_eq!(
        input(
            &snapshot,
            r#"{"must":1,"maybe":"","color":"","colors":"","both":""}"#
        )
        .unwrap(),
        r#"{"must":1}"#
    );
    assert_eq!(
        input(
            &snapshot,
            r#"{"must":1,"maybe":null,"color":null,"name":null,"mixed":null}"#
        )
        .unwrap(),
        r#"{"must":1,"maybe":null}"#
    );
    for wrong in [
        r#"{"must":1,"name":""}"#,
        r#"{"must":1,"mixed":""}"#,
        r#"{"must":""}"#,
        r#"{"must":null}"#,
    ] {
        assert!(input(&snapshot, wrong).is_err(), "{wrong}");
    }
}

const ADDED: &str = r#""toolCallId":"1","sessionId":{"a":1},"action":"x","chatInput":"y","tool":"t","task_progress":"- [ ]""#;

#[test]
fn what_clients_add_is_dropped_where_the_schema_does_not_know_it() {
    let with = |arguments: &str| format!("{{{arguments},{ADDED}}}");
    let snapshot = TestHome::with_tool("arguments: [{name: q, type: string}]").open_whole();
    assert_eq!(
        input(&snapshot, &with(r#""q":"x""#)).unwrap(),
        r#"{"q":"x"}"#
    );
    let wrong = input(&snapshot, &with(r#""q":5"#)).unwrap_err();
    assert!(
        wrong.contains("q: 5 is not of type \"string\"; expected"),
        "{wrong}"
    );
    let other = input(&snapshot, &with(r#""q":"x","other":1"#)).unwrap_err();
    assert!(other.contains("('other' was unexpected)"), "{other}");

    let snapshot = TestHome::with_tool("arguments: []").open_whole();
    assert_eq!(input(&snapshot, &format!("{{{ADDED}}}")).unwrap(), "{}");

    // A tool may have such an argument of its own.
    let own =
        "arguments: [{name: action, type: string}, {name: tool, type: integer, required: false}]";
    let snapshot = TestHome::with_tool(own).open_whole();
    assert_eq!(
        input(&snapshot, r#"{"action":"x","sessionId":"y"}"#).unwrap(),
        r#"{"action":"x"}"#
    );
    assert!(input(&snapshot, r#"{"action":"x","tool":"y"}"#).is_err());

    for schema in [
        "inputSchema: {type: object, allOf: [{properties: {q: {}}}], unevaluatedProperties: false}",
        "inputSchema: {type: object, properties: {q: {}}, patternProperties: {'^z': {}}, additionalProperties: false}",
    ] {
        let snapshot = TestHome::with_tool(schema).open_whole();
        assert_eq!(
            input(&snapshot, &with(r#""q":"x""#)).unwrap(),
            r#"{"q":"x"}"#,
            "{schema}"
        );
        assert!(
            input(&snapshot, r#"{"q":"x","other":"y"}"#).is_err(),
            "{schema}"
        );
    }
    // What a schema has a word for is known to it.
    let numbers = "inputSchema: {type: object, additionalProperties: {type: integer}}";
    let refused = input(
        &TestHome::with_tool(numbers).open_whole(),
        r#"{"action":"x"}"#,
    );
    assert!(
        refused
            .unwrap_err()
            .contains("action: \"x\" is not of type")
    );
    // What a schema welcomes is handed on.
    let snapshot = TestHome::with_tool("inputSchema: {type: object}").open_whole();
    assert_eq!(
        input(&snapshot, r#"{"action":"x"}"#).unwrap(),
        r#"{"action":"x"}"#
    );
}

#[test]
fn unknown_arguments_are_dropped_where_the_definition_says_so() {
    let fields = "additionalArguments: ignore\narguments: [{name: q, type: string}]";
    let snapshot = TestHome::with_tool(fields).open_whole();
    assert_eq!(
        input(&snapshot, r#"{"other":1,"q":"x","more":{"a":[]}}"#).unwrap(),
        r#"{"q":"x"}"#
    );
    assert!(input(&snapshot, r#"{"other":1}"#).is_err());
    // It is the server's, and no client sees it.
    assert_eq!(
        input_schema(&TestHome::with_tool(fields))["additionalProperties"],
        false
    );
}

#[test]
fn what_is_wrong_is_not_dropped_for_unknown() {
    for schema in [
        "allOf: [{properties: {q: {type: string}}}]",
        "anyOf: [{properties: {q: {type: string}}, required: [q]}, {properties: {r: {}}}]",
        "$ref: '#/$defs/q', $defs: {q: {properties: {q: {type: string}}}}",
    ] {
        let fields = format!(
            "additionalArguments: ignore\ninputSchema: {{type: object, {schema}, unevaluatedProperties: false}}"
        );
        let snapshot = TestHome::with_tool(&fields).open_whole();
        assert!(
            input(&snapshot, r#"{"q":5,"other":1}"#).is_err(),
            "{schema}"
        );
        assert_eq!(
            input(&snapshot, r#"{"q":"x","other":1}"#).unwrap(),
            r#"{"q":"x"}"#
        );
    }
}

#[test]
fn the_configuration_speaks_where_the_definition_does_not() {
    let settings = Settings {
        additional_arguments: AdditionalArguments::Ignore,
        ..Settings::default()
    };
    let open = |fields: &str| TestHome::with_tool(fields).open_with(&settings);
    let given = r#"{"other":1}"#;
    assert_eq!(input(&open("arguments: []"), given).unwrap(), "{}");
    assert!(input(&open("additionalArguments: refuse\narguments: []"), given).is_err());
}

#[test]
fn additional_properties_hand_unknown_arguments_on() {
    let any = "additionalProperties: true\narguments: [{name: q, type: string}]";
    let snapshot = TestHome::with_tool(any).open_whole();
    assert_eq!(
        input(&snapshot, r#"{"sessionId":"s","other":1.0,"q":"x"}"#).unwrap(),
        r#"{"q":"x","other":1,"sessionId":"s"}"#
    );
    assert_eq!(
        input_schema(&TestHome::with_tool(any))["additionalProperties"],
        true
    );
    let numbers = "additionalProperties: {type: number}\narguments: []";
    let snapshot = TestHome::with_tool(numbers).open_whole();
    assert_eq!(input(&snapshot, r#"{"a":1}"#).unwrap(), r#"{"a":1}"#);
    assert!(input(&snapshot, r#"{"a":"x"}"#).is_err());
}

#[test]
fn what_is_wrong_about_the_switches_is_named() {
    for (fields, message) in [
        (
            "additionalArguments: drop",
            "additionalArguments: \"drop\" is not known: write refuse or ignore",
        ),
        (
            "additionalArguments: true",
            "additionalArguments: must be a text and is the boolean true: put it in quotes",
        ),
        (
            "additionalProperties: 'yes'",
            "additionalProperties: must be true, false or a JSON Schema and is \"yes\"",
        ),
        (
            "additionalProperties: true\ninputSchema: {type: object}",
            "additionalProperties: stands beside `inputSchema`: write it in that schema",
        ),
        (
            "additionalProperties: true\nadditionalArguments: ignore",
            "additionalProperties: stands beside `additionalArguments`, which would drop what this hands on: give one of the two",
        ),
    ] {
        let problems = TestHome::with_tool(fields).problems();
        assert!(
            matches!(problems.as_slice(), [one] if one.ends_with(&format!("functions[0].{message}"))),
            "{problems:?}"
        );
    }
}
