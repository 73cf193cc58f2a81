//! Functions that get one argument without any JSON around it.

use crate::support::{TestHome, entries, input, raw, wait};

#[test]
fn a_text_arrives_as_it_is() {
    for fields in [
        "input: text\narguments: [{name: t, type: string}]",
        "input: {text: t}\narguments: [{name: t, type: string}]",
        "input: text\ninputSchema: {type: object, properties: {t: {type: string}}}",
    ] {
        let snapshot = TestHome::with_tool(fields).open_whole();
        for (given, arrives) in [
            (r#"{"t":"größe\n\"x\" 1.0"}"#, "größe\n\"x\" 1.0"),
            (r#"{"t":""}"#, ""),
            (r#"{"t":"\ud83d\ude00"}"#, "😀"),
        ] {
            assert_eq!(input(&snapshot, given).unwrap(), arrives, "{fields}");
        }
        assert!(input(&snapshot, r#"{"t":5}"#).is_err(), "{fields}");
        assert!(snapshot.tool("t").is_some_and(|tool| !tool.takes_json()));
        // How it is handed over is between server and plugin.
        assert!(entries(snapshot.tool_list())[0].get("input").is_none());
    }
}

#[test]
fn what_is_no_text_arrives_as_json() {
    let snapshot = TestHome::with_tool("input: text\narguments: [{name: t}]").open_whole();
    for (given, arrives) in [
        ("6.0", "6"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ("true", "true"),
        ("null", "null"),
        (r#"{"b":[1.0,"x"],"a":1.5}"#, r#"{"b":[1,"x"],"a":1.5}"#),
    ] {
        assert_eq!(
            input(&snapshot, &format!("{{\"t\":{given}}}")).unwrap(),
            arrives
        );
    }
}

#[test]
fn bytes_arrive_decoded() {
    let fields = "input: bytes\narguments: [{name: data, type: string}]";
    let snapshot = TestHome::with_tool(fields).open_whole();
    let tool = snapshot.tool("t").unwrap();
    let given = raw(r#"{"data":"AP+AYQ=="}"#);
    assert_eq!(wait(tool.input(0, Some(&given))).unwrap(), b"\x00\xff\x80a");
    for wrong in ["AP+AYQ", "AP-AYQ==", "no base64!", "AP+AYR=="] {
        let message = input(&snapshot, &format!("{{\"data\":\"{wrong}\"}}")).unwrap_err();
        assert!(
            message.contains("\"t\": data: its text is no base64"),
            "{message}"
        );
        assert!(!message.contains(wrong), "{message}");
    }
    let any = "input: bytes\narguments: [{name: data}]";
    let message = input(&TestHome::with_tool(any).open_whole(), r#"{"data":5}"#).unwrap_err();
    assert!(
        message.contains("data: it must be a text with bytes in base64"),
        "{message}"
    );
}

#[test]
fn an_absent_value_is_an_empty_input_or_the_default() {
    for (fields, arrives) in [
        (
            "input: text\narguments: [{name: t, type: string, required: false}]",
            "",
        ),
        (
            "input: bytes\narguments: [{name: t, type: string, required: false}]",
            "",
        ),
        (
            "input: text\narguments: [{name: t, type: string, default: hello}]",
            "hello",
        ),
        (
            "input: text\narguments: [{name: t, type: integer, default: 3.0}]",
            "3",
        ),
        (
            "input: bytes\narguments: [{name: t, type: string, default: aGk=}]",
            "hi",
        ),
    ] {
        let snapshot = TestHome::with_tool(fields).open_whole();
        assert_eq!(input(&snapshot, "{}").unwrap(), arrives, "{fields}");
        assert_eq!(
            input(&snapshot, r#"{"t":null}"#).unwrap(),
            arrives,
            "{fields}"
        );
    }
}

#[test]
fn nothing_beside_the_argument_is_lost_in_silence() {
    let fields = "input: text\ninputSchema: {type: object, properties: {t: {type: string}}}";
    let snapshot = TestHome::with_tool(fields).open_whole();
    let message = input(&snapshot, r#"{"t":"x","other":1}"#).unwrap_err();
    assert!(
        message.contains("\"t\" alone is handed to the plugin, and \"other\" is given too"),
        "{message}"
    );
    assert_eq!(input(&snapshot, r#"{"t":"x","sessionId":1}"#).unwrap(), "x");
    let ignoring = format!("additionalArguments: ignore\n{fields}");
    let snapshot = TestHome::with_tool(&ignoring).open_whole();
    assert_eq!(input(&snapshot, r#"{"t":"x","other":1}"#).unwrap(), "x");
}

#[test]
fn json_stays_the_default() {
    for fields in [
        "arguments: [{name: a}]",
        "input: json\narguments: [{name: a}]",
        "input:\narguments: [{name: a}]",
    ] {
        let snapshot = TestHome::with_tool(fields).open_whole();
        assert_eq!(input(&snapshot, r#"{"a":"x"}"#).unwrap(), r#"{"a":"x"}"#);
        assert!(snapshot.tool("t").is_some_and(|tool| tool.takes_json()));
    }
}

#[test]
fn what_cannot_be_handed_over_is_a_problem_of_the_definition() {
    let two = "arguments: [{name: a}, {name: b}]";
    let one = "arguments: [{name: a, type: string}]";
    for (fields, message) in [
        (
            format!("input: text\n{two}"),
            "\"text\" hands over the one argument that a function has, and this one has a, b: leave one argument",
        ),
        (
            "input: bytes\narguments: []".to_owned(),
            "\"bytes\" hands over the one argument that a function has, and this one has none",
        ),
        (
            format!("input: {{text: a}}\n{two}"),
            "hands over \"a\" alone, so nobody would get b: remove the other arguments",
        ),
        (
            format!("input: {{bytes: c}}\n{one}"),
            "names the argument \"c\", and the function has a",
        ),
        (
            format!("input: {{text: 5}}\n{one}"),
            "must name an argument under text and has the number 5",
        ),
        (
            format!("input: {{text: a, bytes: a}}\n{one}"),
            "must have one key, text or bytes",
        ),
        (
            format!("input: {{texts: a}}\n{one}"),
            "\"texts\" is not known: write json",
        ),
        (
            format!("input: raw\n{one}"),
            "\"raw\" is not known: write json, text, bytes",
        ),
        (format!("input: [text]\n{one}"), "is a list: write json"),
        (
            "input: bytes\narguments: [{name: a, type: integer}]".to_owned(),
            "hands over bytes that a text gives in base64, and \"a\" can be no text: give it `type: string`",
        ),
        (
            "input: bytes\narguments: [{name: a, type: string, default: '%'}]".to_owned(),
            "does not fit the default of a: its text is no base64",
        ),
        (
            format!("input: text\nreturns: result\nrequires: [sampling]\n{one}"),
            "cannot stand beside `requires`, since the answers to questions",
        ),
        (
            format!("input: text\nadditionalProperties: true\n{one}"),
            "cannot stand beside `additionalProperties`, since nobody would get",
        ),
    ] {
        let problems = TestHome::with_tool(&fields).problems();
        let wanted = format!("functions[0].input: {message}");
        assert!(
            matches!(problems.as_slice(), [one] if one.contains(&wanted)),
            "{fields}: {problems:?}"
        );
    }
}
