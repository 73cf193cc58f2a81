//! What a plugin gets: one JSON object, its keys in the order of the definition, whole numbers in integer
//! notation, every other value as the caller wrote it.

use crate::support::{TestHome, input, wait};

const THREE: &str = "arguments: [{name: c, required: false}, {name: a, required: false}, {name: b, required: false}]";

#[test]
fn keys_come_in_the_order_of_the_definition() {
    let snapshot = TestHome::with_tool(THREE).open_whole();
    assert_eq!(
        input(&snapshot, r#"{"a":1,"b":2,"c":3}"#).unwrap(),
        r#"{"c":3,"a":1,"b":2}"#
    );
    assert_eq!(
        input(&snapshot, r#"{"b":2,"c":3}"#).unwrap(),
        r#"{"c":3,"b":2}"#
    );
    assert_eq!(
        input(&snapshot, " { \"b\" : 2 , \"a\" : 1 } ").unwrap(),
        r#"{"a":1,"b":2}"#
    );
}

#[test]
fn no_arguments_are_an_empty_object() {
    let snapshot = TestHome::with_tool(THREE).open_whole();
    let tool = snapshot.tool("t").unwrap();
    assert_eq!(wait(tool.input(0, None)).unwrap(), b"{}");
    assert_eq!(input(&snapshot, "null").unwrap(), "{}");
    assert_eq!(input(&snapshot, "{}").unwrap(), "{}");
    let snapshot = TestHome::with_tool("arguments: []").open_whole();
    assert_eq!(input(&snapshot, "null").unwrap(), "{}");
}

#[test]
fn numbers_arrive_as_they_are_written_but_for_whole_ones() {
    let snapshot = TestHome::with_tool("arguments: [{name: n, type: number}]").open_whole();
    for (given, arrives) in [
        ("1.0", "1"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("-10e-1", "-1"),
    ] {
        assert_eq!(
            input(&snapshot, &format!("{{\"n\":{given}}}")).unwrap(),
            format!("{{\"n\":{arrives}}}")
        );
    }
    for number in [
        "1",
        "0.1",
        "1.10",
        "9007199254740993",
        "-9007199254740993",
        "12345678901234567890",
        "123456789012345678901234567890",
        "3.14159265358979323846264338327950288",
        "1e-400",
    ] {
        let given = format!("{{\"n\":{number}}}");
        assert_eq!(input(&snapshot, &given).unwrap(), given);
    }
    let snapshot = TestHome::with_tool("arguments: [{name: n, type: integer}]").open_whole();
    for number in [
        "9007199254740993",
        "12345678901234567890",
        "123456789012345678901234567890",
    ] {
        let given = format!("{{\"n\":{number}}}");
        assert_eq!(input(&snapshot, &given).unwrap(), given);
    }
}

#[test]
fn neighbouring_large_integers_are_told_apart() {
    let snapshot = TestHome::with_tool(
        "arguments: [{name: n, enum: [9007199254740993, 18446744073709551615]}]",
    )
    .open_whole();
    assert!(input(&snapshot, r#"{"n":9007199254740993}"#).is_ok());
    assert!(input(&snapshot, r#"{"n":18446744073709551615}"#).is_ok());
    assert!(input(&snapshot, r#"{"n":9007199254740992}"#).is_err());
    assert!(input(&snapshot, r#"{"n":18446744073709551614}"#).is_err());
}

#[test]
fn nested_values_arrive_byte_for_byte() {
    let snapshot = TestHome::with_tool("arguments: [{name: v}]").open_whole();
    for value in [
        r#"{ "z" : [ 1.5 , 2e-1 ], "a" : { } }"#,
        r#""\u00e9 é \ud83c\udfb2 \/ \n""#,
        r#"[null, [true], {"": {"x": 1}}]"#,
        r#"{"x":1,"x":2}"#,
    ] {
        assert_eq!(
            input(&snapshot, &format!("{{\"v\": {value} }}")).unwrap(),
            format!("{{\"v\":{value}}}")
        );
    }
}

#[test]
fn of_a_key_that_is_given_twice_the_last_wins_and_is_the_one_that_is_checked() {
    let snapshot =
        TestHome::with_tool("arguments: [{name: n, type: number}, {name: m, required: false}]")
            .open_whole();
    assert_eq!(
        input(&snapshot, r#"{"n":1,"m":0,"n":2}"#).unwrap(),
        r#"{"n":2,"m":0}"#
    );
    assert_eq!(
        input(&snapshot, r#"{"n":"x","n":2}"#).unwrap(),
        r#"{"n":2}"#
    );
    assert!(input(&snapshot, r#"{"n":2,"n":"x"}"#).is_err());
    assert_eq!(
        input(&snapshot, r#"{"n":1,"\u006e":3}"#).unwrap(),
        r#"{"n":3}"#
    );
    assert!(input(&snapshot, r#"{"n":1,"\u006e":"x"}"#).is_err());
}

#[test]
fn defaults_are_filled_in_where_nothing_is_given() {
    let snapshot = TestHome::with_tool(
        r#"arguments:
  - {name: s, type: string, default: "a \"b\""}
  - {name: n, type: number, default: 1.5}
  - {name: i, type: integer, default: 9007199254740993}
  - {name: u, type: integer, default: 18446744073709551615}
  - {name: b, type: boolean, default: false}
  - {name: o, type: object, default: {z: [1, null], a: {}}}
  - {name: given, type: string}
  - {name: absent, required: false}
"#,
    )
    .open_whole();
    assert_eq!(
        input(&snapshot, r#"{"given":"x"}"#).unwrap(),
        r#"{"s":"a \"b\"","n":1.5,"i":9007199254740993,"u":18446744073709551615,"b":false,"o":{"z":[1,null],"a":{}},"given":"x"}"#
    );
    assert_eq!(
        input(
            &snapshot,
            r#"{"given":"x","n":2,"o":{},"b":true,"s":"","i":0,"u":0}"#
        )
        .unwrap(),
        r#"{"s":"","n":2,"i":0,"u":0,"b":true,"o":{},"given":"x"}"#
    );
    // Null is a value like any other, and none that this argument takes.
    assert!(input(&snapshot, r#"{"given":null}"#).is_err());
}

#[test]
fn what_a_whole_schema_allows_beyond_its_properties_follows_in_alphabetical_order() {
    let snapshot = TestHome::with_tool("inputSchema: {type: object, properties: {n: {}, a: {}}, patternProperties: {'^x': {type: number}}}")
        .open_whole();
    assert_eq!(
        input(&snapshot, r#"{"z":1,"a":2,"é":3,"b":4,"n":5,"x":6}"#).unwrap(),
        r#"{"n":5,"a":2,"b":4,"x":6,"z":1,"é":3}"#
    );
    assert!(input(&snapshot, r#"{"x1":"six"}"#).is_err());
    let snapshot = TestHome::with_tool("inputSchema: {type: object}").open_whole();
    assert_eq!(
        input(&snapshot, r#"{"b":{"d":1,"c":2.0},"a":1.5}"#).unwrap(),
        r#"{"a":1.5,"b":{"d":1,"c":2}}"#
    );
}

#[test]
fn a_default_of_a_whole_schema_is_left_to_the_plugin() {
    let snapshot = TestHome::with_tool(
        "inputSchema: {type: object, properties: {n: {type: number, default: 3}}}",
    )
    .open_whole();
    assert_eq!(input(&snapshot, "{}").unwrap(), "{}");
}
