//! Unusual YAML: what is read as what, and what is refused with its line.

use serde_json::{Value, json};

use crate::support::{TestHome, entries, input_schema, read};

/// The field `x` of a static resource that is written like this, as it reaches clients.
#[track_caller]
fn value(yaml: &str) -> Value {
    let home = TestHome::with_resources(&format!(
        "resources:\n  static:\n  - name: n\n    uri: a://a\n    contents: [{{text: t}}]\n    list: [1]\n    x: {yaml}\n"
    ));
    let snapshot = home.open_whole();
    entries(snapshot.resource_list())[0]
        .get("x")
        .cloned()
        .unwrap_or(Value::Null)
}

/// Why this file is refused.
#[track_caller]
fn refusal(yaml: &str) -> String {
    TestHome::with_resources(yaml).error()
}

#[test]
fn scalars_are_those_of_the_core_schema() {
    for (yaml, expected) in [
        ("12", json!(12)),
        ("-12", json!(-12)),
        ("+12", json!(12)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("007", json!(7)),
        ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
        (
            "-9223372036854775808",
            json!(-9_223_372_036_854_775_808_i64),
        ),
        ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
        (
            "18446744073709551615",
            json!(18_446_744_073_709_551_615_u64),
        ),
        ("9007199254740993", json!(9_007_199_254_740_993_u64)),
        ("1.5", json!(1.5)),
        ("-.5", json!(-0.5)),
        ("1.", json!(1.0)),
        ("1e3", json!(1000.0)),
        ("0.1", json!(0.1)),
        ("true", json!(true)),
        ("FALSE", json!(false)),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("", json!(null)),
        // Words that older YAML or other readers take for something else.
        ("yes", json!("yes")),
        ("no", json!("no")),
        ("on", json!("on")),
        ("nan", json!("nan")),
        ("inf", json!("inf")),
        ("Infinity", json!("Infinity")),
        ("1_000", json!("1_000")),
        ("1:30", json!("1:30")),
        ("0b11", json!("0b11")),
        ("0x", json!("0x")),
        ("0o8", json!("0o8")),
        ("1.2.3", json!("1.2.3")),
        ("2025-03-12", json!("2025-03-12")),
        ("12e", json!("12e")),
        (".", json!(".")),
        ("+", json!("+")),
        ("'12'", json!("12")),
        ("\"true\"", json!("true")),
        ("'~'", json!("~")),
        ("''", json!("")),
        ("!!str 12", json!("12")),
        ("!!str", json!("")),
        ("!!int 12", json!(12)),
        ("!!float 12", json!(12)),
        ("!custom 12", json!(12)),
        ("!custom {a: 1}", json!({"a": 1})),
        ("!!map {a: 1}", json!({"a": 1})),
        ("it's # a remark", json!("it's")),
        ("'it''s'", json!("it's")),
        (
            "\"\\u00e9\\x41\\n\\t\\\"\\\\\\e\"",
            json!("éA\n\t\"\\\u{1b}"),
        ),
        ("äöü 🎲 日本", json!("äöü 🎲 日本")),
    ] {
        assert_eq!(value(yaml), expected, "{yaml}");
    }
}

#[test]
fn texts_over_several_lines() {
    let block = "\n      one\n\n        two\n      three\n\n";
    assert_eq!(value(&format!("|{block}")), "one\n\n  two\nthree\n");
    assert_eq!(value(&format!("|-{block}")), "one\n\n  two\nthree");
    assert_eq!(value(&format!("|+{block}")), "one\n\n  two\nthree\n\n\n");
    assert_eq!(
        value(">-\n      one\n      two\n\n      three\n"),
        "one two\nthree"
    );
    assert_eq!(value("|2\n        two\n"), "  two\n");
    assert_eq!(value("one\n      two"), "one two");
    assert_eq!(value("\"one\n      two\\\n      three\""), "one twothree");
}

#[test]
fn line_endings_of_windows_and_a_byte_order_mark() {
    let yaml = "\u{feff}resources:\n  static:\n  - name: n\n    uri: a://a\n    contents:\n    - text: |\n        one\n        two\n      more: \"x\n        y\"\n  - name: m\n    uri: 5\n    contents: [{text: x}]\n";
    let home = TestHome::with_resources(&yaml.replace('\n', "\r\n"));
    let snapshot = home.open();
    assert_eq!(
        read(&snapshot, "a://a"),
        Some(json!([{"uri": "a://a", "text": "one\ntwo\n", "more": "x y"}]))
    );
    assert_eq!(
        home.problems(),
        [
            "resources.yml:12: resource \"m\": uri: must be a text and is the number 5: put it in quotes"
        ]
    );
}

#[test]
fn names_may_be_in_any_script() {
    let home = TestHome::with_resources(
        "resources:\n  static:\n  - {name: 規則 🎲, uri: 'info://Straße', contents: [{text: Größe, ключ: значение}]}\n",
    );
    let snapshot = home.open_whole();
    assert_eq!(
        read(&snapshot, "info://Straße"),
        Some(json!([{"uri": "info://Straße", "text": "Größe", "ключ": "значение"}]))
    );
}

#[test]
fn anchors_and_aliases_are_the_values_that_they_name() {
    let home = TestHome::with_plugins(
        r"shared:
  who: &who {name: who, type: string}
  hints: &hints {readOnlyHint: true}
  word: &word echo
plugins:
  - name: p
    path: echo.wasm
    functions:
      - {displayName: a, function: *word, arguments: [*who], annotations: *hints}
      - displayName: *word
        function: *word
        arguments: [*who, {name: n}]
        annotations: *hints
",
    );
    let snapshot = home.open_whole();
    let tools = entries(snapshot.tool_list());
    assert_eq!(
        tools[0]["inputSchema"]["properties"],
        json!({"who": {"type": "string"}})
    );
    assert_eq!(
        tools[1]["inputSchema"]["properties"],
        json!({"who": {"type": "string"}, "n": {}})
    );
    assert_eq!(tools[1]["name"], "echo");
    assert_eq!(tools[0]["annotations"], tools[1]["annotations"]);
}

#[test]
fn an_anchor_names_the_last_value_before_the_alias() {
    assert_eq!(value("[&a 1, *a, &a [2], *a]"), json!([1, 1, [2], [2]]));
}

#[test]
fn a_problem_of_an_aliased_field_has_the_line_of_its_key() {
    let home = TestHome::with_plugins(
        "x: &x\n  - 1\nplugins:\n- name: p\n  path: echo.wasm\n  functions:\n  - function: echo\n    title: *x\n",
    );
    assert_eq!(
        home.problems(),
        ["plugins.yml:8: plugin \"p\": functions[0].title: must be a text and is a list"]
    );
}

#[test]
fn merge_keys_are_those_of_the_java_script_server() {
    let home = TestHome::with_tool(
        r"inputSchema:
  type: object
  $defs:
    base: &base {type: string, minLength: 1}
    more: &more {type: number, maximum: 5, title: More}
  properties:
    one: {<<: *base, minLength: 2}
    two:
      minLength: 3
      <<: *base
    both: {<<: [*base, *more], title: Both}
    quoted: {'<<': kept}
",
    );
    assert_eq!(
        input_schema(&home)["properties"],
        json!({
            "one": {"minLength": 2, "type": "string"},
            "two": {"minLength": 3, "type": "string"},
            "both": {"title": "Both", "type": "string", "minLength": 1, "maximum": 5},
            "quoted": {"<<": "kept"},
        })
    );
    let home = TestHome::with_plugins(
        "base: &base\n  path: echo.wasm\n  functions: [{function: echo}]\nplugins:\n- {<<: *base, name: p}\n- <<: *base\n  name: q\n  functions: [{function: twice}]\n",
    );
    assert_eq!(home.open_whole().tool_names(), ["echo", "twice"]);
}

#[test]
fn merge_keys_merge_maps() {
    for wrong in ["5", "text", "[5]", "[{a: b}, 5]"] {
        assert_eq!(
            refusal(&format!(
                "resources:\n  static:\n  - name: n\n    <<: {wrong}\n"
            )),
            "resources.yml:4: `<<` takes a map or a list of maps: give it an alias of a map",
            "{wrong}"
        );
    }
}

#[test]
fn a_key_that_occurs_twice_is_refused() {
    assert_eq!(
        refusal("resources:\n  static:\n  - name: n\n    uri: a://a\n    name: m\n"),
        "resources.yml:5: the key \"name\" occurs twice in one map: leave one out"
    );
    assert_eq!(
        refusal("a: 1\n'a': 2\n"),
        "resources.yml:2: the key \"a\" occurs twice in one map: leave one out"
    );
    assert_eq!(
        refusal("x: {a: 1, b: 2, a: 3}\n"),
        "resources.yml:1: the key \"a\" occurs twice in one map: leave one out"
    );
}

#[test]
fn keys_are_texts_as_they_are_written() {
    let written = value("{1: a, 1.10: b, true: c, ~: d, 'x y': e, ? f : g, \"\": h}");
    assert_eq!(
        written.to_string(),
        r#"{"1":"a","1.10":"b","true":"c","~":"d","x y":"e","f":"g","":"h"}"#
    );
    for wrong in ["? [a, b]\n: c\n", "x:\n  ? {a: b}\n  : c\n", "{[a]: b}\n"] {
        let error = refusal(wrong);
        assert!(error.ends_with(": a key must be a text"), "{error}");
    }
    assert_eq!(
        refusal("a: &a [1]\nb:\n  *a : 2\n"),
        "resources.yml:3: a key must be a text"
    );
    assert_eq!(
        value("{&k key: 1, other: {*k : 2}}"),
        json!({"key": 1, "other": {"key": 2}})
    );
}

#[test]
fn syntax_errors_name_the_line() {
    for (yaml, line) in [
        ("resources:\n  static: [a\n", 3),
        ("resources:\n  static: ]\n", 2),
        ("resources:\n\tstatic: []\n", 2),
        ("resources:\n  static:\n   - a\n  - b\n", 4),
        ("a: b: c\n", 1),
        ("# x\n\na: *unknown\n", 3),
        ("# x\na: 'open\n\n", 2),
        ("a: \"\\q\"\n", 1),
        ("a: 1\nb\n", 3),
        ("a: @b\n", 1),
        ("%YAML 1.2\n", 2),
    ] {
        let error = refusal(yaml);
        assert!(
            error.starts_with(&format!("resources.yml:{line}: this is no valid YAML: ")),
            "{yaml:?}: {error}"
        );
    }
}

#[test]
fn a_scalar_that_is_not_what_its_tag_says_is_refused() {
    for (written, tag) in [
        ("!!int x", "int"),
        ("!!float x", "float"),
        ("!!bool yes", "bool"),
        ("!!null x", "null"),
        ("!!binary aGk=", "binary"),
        ("!!int 1.5", "int"),
    ] {
        assert_eq!(
            refusal(&format!("a:\n  b: {written}\n")),
            format!("resources.yml:2: this value is none of the type !!{tag}: leave the tag out")
        );
    }
}

#[test]
fn a_file_holds_one_document() {
    let second = "a second YAML document begins here; a definition file holds one";
    assert_eq!(
        refusal("a: 1\n---\nb: 2\n"),
        format!("resources.yml:2: {second}")
    );
    assert_eq!(
        refusal("---\na: 1\n...\n---\nb: 2\n"),
        format!("resources.yml:4: {second}")
    );
    assert_eq!(refusal("---\n---\n"), format!("resources.yml:2: {second}"));
    TestHome::with_resources("%YAML 1.2\n---\nresources: {}\n...\n# remark\n").open_whole();
}

/// JSON is YAML, and its writers escape what lies beyond U+FFFF as a surrogate pair.
#[test]
fn surrogate_pairs_are_one_character_in_double_quotes_and_text_elsewhere() {
    for (yaml, expected) in [
        (r#""pizza \ud83c\udf55""#, "pizza 🍕"),
        (r#""\uD83C\uDF55\ud83d\ude00!""#, "🍕😀!"),
        (r#""\ud801\udc37 \u00e9 \/ \U0001F355""#, "𐐷 é / 🍕"),
        (r#""\\ud83c\\udf55""#, r"\ud83c\udf55"),
        (r"'\ud83c\udf55 \uD83C\uDF55'", r"\ud83c\udf55 \uD83C\uDF55"),
        (r"C:\ud83c\udf55\U0001f355", r"C:\ud83c\udf55\U0001f355"),
        (
            "|\n      a \\ud83c\\udf55\n      b \\uD83C\\uDF55",
            "a \\ud83c\\udf55\nb \\uD83C\\uDF55\n",
        ),
        ("\"folded \\ud83c\\udf55\n      on\"", "folded 🍕 on"),
    ] {
        assert_eq!(value(yaml), json!(expected), "{yaml}");
    }
    assert_eq!(
        value(r#"{"\ud83c\udf55": ['\ud83c\udf55', "\ud83c\udf55"]} # \ud83c\udf55"#),
        json!({"🍕": [r"\ud83c\udf55", "🍕"]})
    );
}

#[test]
fn half_a_surrogate_pair_is_refused_with_its_line() {
    for half in [r"\ud83c", r"\udf55\ud83c", r"\ud83c\u00e9"] {
        let error = refusal(&format!("a: 1\nb: \"{half}\"\n"));
        assert!(error.starts_with("resources.yml:2: "), "{error}");
        assert!(error.contains("Unicode"), "{error}");
    }
}

#[test]
fn json_as_its_writers_indent_it_is_read() {
    let json = "\u{feff}{\r\n\t\"resources\":{\r\n\t\t\"static\":[{\"name\":\"n\",\"uri\":\"a://a\",\"contents\":[{\"text\":\"\\ud83c\\udf55\"}]}]\r\n\t}\r\n}";
    let home = TestHome::with_resources(json);
    let contents = read(&home.open_whole(), "a://a").expect("it is there");
    assert_eq!(contents, json!([{"uri": "a://a", "text": "🍕"}]));
}
