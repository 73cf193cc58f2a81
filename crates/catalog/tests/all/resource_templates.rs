//! Dynamic resources: URIs that match a template, and the values that arrive in the texts.

use serde_json::{Value, json};
use wasimancer_catalog::{Choices, Snapshot};

use crate::support::{TestHome, contents, entries, read};

fn template(uri: &str, text: &str) -> TestHome {
    let (uri, text) = (json!(uri), json!(text));
    TestHome::with_resources(&format!(
        "resources:\n  dynamic:\n  - name: n\n    uri: {uri}\n    arguments: []\n    contents: [{{text: {text}}}]\n"
    ))
}

fn text(snapshot: &Snapshot, uri: &str) -> Option<String> {
    let contents = read(snapshot, uri)?;
    Some(contents[0]["text"].as_str().expect("a text").to_owned())
}

#[test]
fn values_are_percent_decoded_and_the_uri_is_the_one_that_was_asked_for() {
    let snapshot = template("greet://{first}/{last}", "Hello ${first} ${last}!").open_whole();
    assert_eq!(
        read(&snapshot, "greet://Ann%20Marie/O%27Neil%2FSons"),
        Some(
            json!([{"uri": "greet://Ann%20Marie/O%27Neil%2FSons", "text": "Hello Ann Marie O'Neil/Sons!"}])
        )
    );
    assert_eq!(
        text(&snapshot, "greet://%C3%89va/%F0%9F%8E%B2").unwrap(),
        "Hello Éva 🎲!"
    );
    assert_eq!(text(&snapshot, "greet://Éva/x").unwrap(), "Hello Éva x!");
    assert_eq!(text(&snapshot, "greet://%2525/%").unwrap(), "Hello %25 %!");
    for other in [
        "greet://a",
        "greet://a/",
        "greet:///b",
        "greet://a/b/c",
        "greet://a/b?c",
        "greet://a/b#c",
        "greet://a/b/",
        "xgreet://a/b",
    ] {
        assert_eq!(text(&snapshot, other), None, "{other}");
    }
}

#[test]
fn a_value_is_put_in_literally_and_once() {
    let snapshot = template("m://{a}/{b}", "${a}|${b}|${a}|${c}|$a|${ a }|$${b}").open_whole();
    assert_eq!(
        text(&snapshot, "m://%24%7Bb%7D/%24%26%20%241%20%5C0").unwrap(),
        "${b}|$& $1 \\0|${b}|${c}|$a|${ a }|$$& $1 \\0"
    );
    assert_eq!(
        text(&snapshot, "m://$/{b").unwrap(),
        "$|{b|$|${c}|$a|${ a }|${b"
    );
}

#[test]
fn text_is_what_placeholders_are_replaced_in() {
    let home = TestHome::with_resources(
        r#"resources:
  dynamic:
  - name: n
    uri: a://{x}
    arguments: [{name: x}]
    contents:
    - {text: "${x}", uri: "b://${x}", mimeType: "text/${x}", note: "${x}", nested: {text: "${x}"}}
    - {blob: aGk=, "${x}": 1}
    - {text: "none", n: 1.0}
"#,
    );
    assert_eq!(
        contents(&home.open_whole(), "a://v").unwrap(),
        concat!(
            r#"[{"uri":"b://${x}","text":"v","mimeType":"text/${x}","note":"${x}","nested":{"text":"${x}"}},"#,
            r#"{"uri":"a://v","blob":"aGk=","${x}":1},"#,
            r#"{"uri":"a://v","text":"none","n":1.0}]"#,
        )
    );
}

#[test]
fn types_of_arguments_are_documentation() {
    let home = TestHome::with_resources(
        "resources:\n  dynamic:\n  - {name: n, uri: 'a://{n}', arguments: [{name: n, type: number, enum: [1, 2], required: false, default: x}], contents: [{text: '${n}'}]}\n",
    );
    let snapshot = home.open_whole();
    assert_eq!(text(&snapshot, "a://seven").unwrap(), "seven");
    let template = snapshot.resource_template("a://{n}").unwrap();
    assert_eq!(template.uri_template(), "a://{n}");
    assert_eq!(
        template.choices("n"),
        Some(Choices::Listed(vec!["1".to_owned(), "2".to_owned()]))
    );
}

#[test]
fn every_variable_can_be_completed_and_nothing_else() {
    let home = TestHome::with_resources(
        "resources:\n  dynamic:\n  - {name: n, uri: 'a://{x}/{y}', arguments: [{name: x, enum: [b, a]}], contents: [{text: x}]}\n",
    );
    let snapshot = home.open_whole();
    let template = snapshot.resource_template("a://{x}/{y}").unwrap();
    assert_eq!(
        template.choices("x"),
        Some(Choices::Listed(vec!["b".to_owned(), "a".to_owned()]))
    );
    assert_eq!(template.choices("y"), Some(Choices::Listed(Vec::new())));
    assert_eq!(template.choices("z"), None);
    assert!(snapshot.resource_template("a://{x}").is_none());
}

#[test]
fn a_template_is_dynamic_wherever_the_entry_stands() {
    let home = TestHome::with_resources(
        r"resources:
  dynamic:
  - {name: fixed, uri: 'a://fixed', contents: [{text: fixed}]}
  - {name: late, uri: 'a://{late}', arguments: [{name: late}], contents: [{text: late}]}
  static:
  - {name: early, uri: 'a://{early}', arguments: [{name: early}], contents: [{text: early}]}
",
    );
    let snapshot = home.open_whole();
    assert_eq!(
        entries(snapshot.resource_list()),
        [json!({"uri": "a://fixed", "name": "fixed"})]
    );
    let names: Vec<Value> = entries(snapshot.resource_template_list())
        .iter()
        .map(|entry| entry["name"].clone())
        .collect();
    assert_eq!(names, ["early", "late"]);
    // The resource with exactly this URI comes first, then the first template of the list.
    assert_eq!(text(&snapshot, "a://fixed").unwrap(), "fixed");
    assert_eq!(text(&snapshot, "a://other").unwrap(), "early");
}

#[test]
fn the_first_template_that_matches_answers() {
    let home = TestHome::with_resources(
        r"resources:
  dynamic:
  - {name: two, uri: 'a://{x}/{y}', arguments: [], contents: [{text: two}]}
  - {name: b, uri: 'a://b/{y}', arguments: [], contents: [{text: b}]}
  - {name: rest, uri: 'a://{+rest}', arguments: [], contents: [{text: '${rest}'}]}
  - {name: search, uri: 's://s{?q,n}', arguments: [], contents: [{text: '${q} ${n}'}]}
",
    );
    let snapshot = home.open_whole();
    assert_eq!(text(&snapshot, "a://b/1").unwrap(), "two");
    assert_eq!(text(&snapshot, "a://b/1/2").unwrap(), "b/1/2");
    assert_eq!(text(&snapshot, "s://s?q=a%26b&n=2").unwrap(), "a&b 2");
    assert_eq!(text(&snapshot, "s://s?n=2").unwrap(), " 2");
    assert_eq!(text(&snapshot, "c://x"), None);
}

#[test]
fn templates_that_cannot_be_matched_are_problems() {
    for (uri, why) in [
        (
            "a://{x*}",
            "`{x*}` uses the modifier `*` or `:`, which cannot be matched: leave it out",
        ),
        (
            "a://{x:3}",
            "`{x:3}` uses the modifier `*` or `:`, which cannot be matched: leave it out",
        ),
        (
            "a://{}",
            "`{}` holds no variable name: use letters, digits, `_` and `.`",
        ),
        (
            "a://{x y}",
            "`{x y}` holds no variable name: use letters, digits, `_` and `.`",
        ),
        (
            "a://{x}/{x}",
            "the variable `x` occurs twice: give each its own name",
        ),
        (
            "a://{x}}",
            "a brace is not closed or not opened: write variables as {name}",
        ),
    ] {
        assert_eq!(
            template(uri, "x").problems(),
            [format!(
                "resources.yml:4: resource \"n\": uri: {uri:?} is no URI template: {why}"
            )]
        );
    }
}

#[test]
fn an_argument_that_is_no_variable_is_a_problem_of_its_line() {
    let home = TestHome::with_resources(
        "resources:\n  dynamic:\n  - name: n\n    uri: a://{x}\n    arguments:\n    - name: x\n    - name: y\n    - type: string\n      name: z\n    contents: [{text: x}]\n",
    );
    assert_eq!(
        home.problems(),
        [
            "resources.yml:7: resource \"n\": arguments[1].name: \"y\" is no variable of the URI: write one of x",
            "resources.yml:9: resource \"n\": arguments[2].name: \"z\" is no variable of the URI: write one of x",
        ]
    );
}

#[test]
fn a_long_uri_is_matched_in_no_time() {
    let snapshot = template("a://{a}-{b}-{c}-{d}-{e}", "x").open_whole();
    assert_eq!(
        text(&snapshot, &format!("a://{}", "-".repeat(100_000))).as_deref(),
        Some("x")
    );
    assert_eq!(
        text(&snapshot, &format!("a://{}/x", "-".repeat(100_000))),
        None
    );
}
