//! Prompts: what their arguments take, and the messages that they fill.

use std::collections::BTreeMap;

use serde_json::json;
use wasimancer_catalog::{Choices, Message, MessageContent, Prompt};

use crate::support::TestHome;

/// A home with one prompt, `p`, of these arguments and messages.
fn home(arguments: &str, messages: &str) -> TestHome {
    TestHome::with_prompts(&format!(
        "prompts:\n  predefined:\n  - name: p\n    arguments: [{arguments}]\n    messages: [{messages}]\n"
    ))
}

fn render(prompt: &Prompt, given: &[(&str, &str)]) -> Result<Vec<Message>, String> {
    let given: BTreeMap<String, String> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    prompt.render(&given).map_err(|error| error.to_string())
}

/// The one text that the prompt says, or why it does not.
fn say(home: &TestHome, given: &[(&str, &str)]) -> Result<String, String> {
    let snapshot = home.open_whole();
    let messages = render(snapshot.prompt("p").unwrap(), given)?;
    match messages.as_slice() {
        [
            Message {
                role,
                content: MessageContent::Text(text),
            },
        ] if role == "user" => Ok(text.clone()),
        other => panic!("{other:?}"),
    }
}

const SAY_A: &str = "{role: user, text: '[${a}]'}";

#[test]
fn an_argument_is_required_unless_it_says_otherwise() {
    assert_eq!(
        say(&home("{name: a}", SAY_A), &[("a", "x")]).unwrap(),
        "[x]"
    );
    assert_eq!(
        say(&home("{name: b}, {name: a}", SAY_A), &[("b", "x")]).unwrap_err(),
        "invalid arguments for prompt \"p\": the argument \"a\" is missing; expected b, a"
    );
    assert_eq!(
        say(&home("{name: a, required: true}", SAY_A), &[("a", "")]).unwrap(),
        "[]"
    );
    assert!(say(&home("{name: a, required: true}", SAY_A), &[]).is_err());
    assert_eq!(
        say(&home("{name: a, required: false}", SAY_A), &[]).unwrap(),
        "[]"
    );
}

#[test]
fn a_default_is_said_where_nothing_is_given() {
    for (default, said) in [
        ("red", "red"),
        ("'7'", "7"),
        ("7", "7"),
        ("true", "true"),
        ("1.10", "1.1"),
        ("''", ""),
        ("9007199254740993", "9007199254740993"),
    ] {
        let home = home(&format!("{{name: a, default: {default}}}"), SAY_A);
        assert_eq!(say(&home, &[]).unwrap(), format!("[{said}]"));
        assert_eq!(say(&home, &[("a", "x")]).unwrap(), "[x]");
        assert_eq!(say(&home, &[("a", "")]).unwrap(), "[]");
    }
}

#[test]
fn numbers_and_booleans_must_parse() {
    let cases: [(&str, &[&str], &[&str]); 6] = [
        (
            "number",
            &["1", "-1.5", "1e3", " 2 ", "0.1"],
            &["", "one", "NaN", "inf", "1e999", "1,5", "0x10", "true"],
        ),
        (
            "integer",
            &[
                "1",
                "-7",
                " 2 ",
                "9007199254740993",
                "123456789012345678901234567890",
            ],
            &["", "1.5", "one", "1e3"],
        ),
        (
            "boolean",
            &["true", "false", " true "],
            &["", "yes", "True", "1"],
        ),
        ("string", &["", "anything"], &[]),
        ("object", &["", "anything"], &[]),
        ("whatever", &["", "anything"], &[]),
    ];
    for (kind, right, wrong) in cases {
        let home = home(&format!("{{name: a, type: {kind}}}"), SAY_A);
        for value in right {
            assert_eq!(
                say(&home, &[("a", value)]).unwrap(),
                format!("[{value}]"),
                "{kind}"
            );
        }
        for value in wrong {
            assert_eq!(
                say(&home, &[("a", value)]).unwrap_err(),
                format!("invalid arguments for prompt \"p\": the argument \"a\" must be a {kind} and is {value:?}; expected a").replace("a integer", "an integer")
            );
        }
    }
}

#[test]
fn a_choice_is_one_of_its_values() {
    let home = home("{name: a, enum: [red, 7, true, 1.50]}", SAY_A);
    for value in ["red", "7", "true", "1.5"] {
        assert_eq!(say(&home, &[("a", value)]).unwrap(), format!("[{value}]"));
    }
    assert_eq!(
        say(&home, &[("a", "blue")]).unwrap_err(),
        "invalid arguments for prompt \"p\": the argument \"a\" is \"blue\" and must be one of red, 7, true, 1.5; expected a"
    );
    let snapshot = home.open_whole();
    let prompt = snapshot.prompt("p").unwrap();
    let listed = ["red", "7", "true", "1.5"].map(str::to_owned).to_vec();
    assert_eq!(prompt.choices("a"), Some(Choices::Listed(listed)));
    assert_eq!(prompt.choices("b"), None);
}

#[test]
fn an_unknown_argument_is_refused() {
    assert_eq!(
        say(&home("{name: a}", SAY_A), &[("a", "x"), ("A", "y")]).unwrap_err(),
        "invalid arguments for prompt \"p\": the argument \"A\" is not known; expected a"
    );
    assert_eq!(
        say(&home("", SAY_A), &[("a", "x")]).unwrap_err(),
        "invalid arguments for prompt \"p\": the argument \"a\" is not known; expected no arguments"
    );
}

#[test]
fn long_values_and_names_are_cut() {
    let long = "é".repeat(50_000);
    for (home, given) in [
        (home("{name: a, type: number}", SAY_A), "a"),
        (home("{name: a, enum: [b]}", SAY_A), "a"),
        (home("{name: a, required: false}", SAY_A), long.as_str()),
    ] {
        let error = say(&home, &[(given, &long)]).unwrap_err();
        assert!(
            error.len() < 500 && error.contains('…'),
            "{} bytes",
            error.len()
        );
    }
}

#[test]
fn values_are_put_in_literally_and_once() {
    let home = home(
        "{name: a}, {name: b}",
        "{role: user, text: '${a}${b} $a ${c} ${a'}",
    );
    assert_eq!(
        say(&home, &[("a", "${b}"), ("b", "$& $1")]).unwrap(),
        "${b}$& $1 $a ${c} ${a"
    );
    assert_eq!(
        say(&home, &[("a", ""), ("b", "é\n\"🎲\"")]).unwrap(),
        "é\n\"🎲\" $a ${c} ${a"
    );
}

#[test]
fn messages_keep_their_order_and_roles() {
    let home = home(
        "{name: a}",
        "{role: user, text: '1 ${a}'}, {role: assistant, text: '2 ${a}'}, {role: user, content: '3 ${a}'}",
    );
    let snapshot = home.open_whole();
    let text = |role: &str, text: &str| Message {
        role: role.to_owned(),
        content: MessageContent::Text(text.to_owned()),
    };
    assert_eq!(
        render(snapshot.prompt("p").unwrap(), &[("a", "x")]).unwrap(),
        [
            text("user", "1 x"),
            text("assistant", "2 x"),
            text("user", "3 x")
        ]
    );
}

#[test]
fn whole_content_blocks_are_filled_in_all_their_texts() {
    let home = home(
        "{name: a}",
        "{role: user, content: {type: resource, resource: {uri: 'x://${a}', text: 'about ${a} and ${b}', n: 1.0, list: ['${a}', null, true]}, '${a}': kept, annotations: {priority: 0.5}}}",
    );
    let snapshot = home.open_whole();
    let messages = render(snapshot.prompt("p").unwrap(), &[("a", "${a}\"")]).unwrap();
    let [
        Message {
            content: MessageContent::Block(block),
            ..
        },
    ] = messages.as_slice()
    else {
        panic!("{messages:?}");
    };
    let expected = json!({
        "type": "resource",
        "resource": {"uri": "x://${a}\"", "text": "about ${a}\" and ${b}", "n": 1.0, "list": ["${a}\"", null, true]},
        "${a}": "kept",
        "annotations": {"priority": 0.5},
    });
    assert_eq!(block.to_string(), expected.to_string());
}

#[test]
fn a_description_is_there_for_the_answer() {
    let snapshot = TestHome::with_prompts(
        "prompts:\n  predefined:\n  - {name: p, description: greets, messages: [{role: user, text: x}]}\n  - {name: q, messages: [{role: user, text: x}]}\n",
    )
    .open_whole();
    assert_eq!(snapshot.prompt("p").unwrap().description(), Some("greets"));
    assert_eq!(snapshot.prompt("q").unwrap().description(), None);
    assert!(snapshot.prompt("P").is_none());
}

#[test]
fn what_is_wrong_with_messages_names_its_place() {
    let home = TestHome::with_prompts(
        r"prompts:
  predefined:
  - name: p
    messages:
    - text: x
    - role: system
      text: x
    - role: user
    - role: user
      content: x
      text: y
    - role: user
      content: [x]
    - text: 5
      role: 7
    - x
    - role: user
      content: {text: x}
    - role: user
      text:
",
    );
    assert_eq!(
        home.problems(),
        [
            "prompts.yml:5: prompt \"p\": messages[0].role: is missing: write user or assistant",
            "prompts.yml:6: prompt \"p\": messages[1].role: \"system\" is no role: write user or assistant",
            "prompts.yml:8: prompt \"p\": messages[2].text: is missing: give the message a `text` or a `content`",
            "prompts.yml:10: prompt \"p\": messages[3].content: stands beside `text`: give one of the two",
            "prompts.yml:13: prompt \"p\": messages[4].content: must be a text or a map with a `type` and is a list",
            "prompts.yml:15: prompt \"p\": messages[5].role: must be a text and is the number 7: put it in quotes",
            "prompts.yml:14: prompt \"p\": messages[5].text: must be a text and is the number 5: put it in quotes",
            "prompts.yml:16: prompt \"p\": messages[6]: an entry must be a map and is \"x\"",
            "prompts.yml:18: prompt \"p\": messages[7].content.type: is missing: name the kind of content, such as text, image or resource",
            "prompts.yml:20: prompt \"p\": messages[8].text: is missing: give the message a `text` or a `content`",
        ]
    );
    for (messages, line, message) in [
        (
            "",
            3,
            "is missing or empty: give at least one message with `role` and `text`",
        ),
        (
            "    messages: []\n",
            4,
            "is missing or empty: give at least one message with `role` and `text`",
        ),
        (
            "    messages: hello\n",
            4,
            "must be a list and is \"hello\"",
        ),
    ] {
        let home =
            TestHome::with_prompts(&format!("prompts:\n  predefined:\n  - name: p\n{messages}"));
        assert_eq!(
            home.problems(),
            [format!(
                "prompts.yml:{line}: prompt \"p\": messages: {message}"
            )]
        );
    }
}

#[test]
fn a_default_or_enum_that_the_argument_itself_refuses_is_a_problem() {
    let home = TestHome::with_prompts(
        r"prompts:
  predefined:
  - name: p
    messages: [{role: user, text: x}]
    arguments:
    - name: a
      type: number
      default: many
    - name: b
      type: boolean
      enum: [true, maybe]
    - name: c
      enum: [x, y]
      default: z
",
    );
    assert_eq!(
        home.problems(),
        [
            "prompts.yml:8: prompt \"p\": arguments[0].default: does not fit the argument: must be a number and is \"many\"",
            "prompts.yml:11: prompt \"p\": arguments[1].enum: does not fit the argument: must be a boolean and is \"maybe\"",
            "prompts.yml:14: prompt \"p\": arguments[2].default: does not fit the argument: is \"z\" and must be one of x, y",
        ]
    );
}

#[test]
fn content_blocks_have_the_fields_of_their_type() {
    let home = TestHome::with_prompts(
        r"prompts:
  predefined:
  - name: p
    arguments: [{name: a}]
    messages:
    - role: user
      content: {type: image, data: '${a}', mimeType: image/png}
    - role: user
      content:
        type: image
        data: not base64!
    - role: user
      content: {type: resource, resource: {text: '${a}'}}
",
    );
    assert_eq!(
        home.problems(),
        [
            "prompts.yml:11: prompt \"p\": messages[1].content.data: \"not base64!\" is no base64: write the bytes in it, with padding",
            "prompts.yml:9: prompt \"p\": messages[1].content.mimeType: is missing: name the type of the data",
            "prompts.yml:13: prompt \"p\": messages[2].content.resource.uri: is missing: give the URI of the resource",
        ]
    );
}
