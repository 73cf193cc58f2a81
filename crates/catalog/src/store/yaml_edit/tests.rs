//! How each way to write a file is changed.

use serde_json::{Value, json};

use super::{Edit, EditError, edit};

fn named(name: &str) -> Value {
    json!({ "name": name })
}

fn change(path: &[&str], text: &str, change: &Edit<'_>) -> String {
    edit("f.yml", text, path, change).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn add(text: &str) -> String {
    change(&["p"], text, &Edit::Add(&named("z")))
}

fn add_static(text: &str) -> String {
    change(&["r", "s"], text, &Edit::Add(&named("z")))
}

fn replace(text: &str, name: &str) -> String {
    let entry = &named("z");
    change(&["p"], text, &Edit::Replace { name, entry })
}

fn remove(text: &str, name: &str) -> String {
    change(&["p"], text, &Edit::Remove { name })
}

fn refused(text: &str, path: &[&str], change: &Edit<'_>) -> String {
    match edit("f.yml", text, path, change) {
        Err(EditError::NotInPlace(problem)) => problem.to_string(),
        other => panic!("{text:?}: {other:?}"),
    }
}

/// Every test of a block file holds for each line ending, with a byte order mark and without.
fn in_each_form(before: &str, after: &str, act: impl Fn(&str) -> String) {
    let line_breaks = ["\n", "\r\n", "\r"];
    let has_lines = before.contains('\n');
    for line_break in &line_breaks[..if has_lines { 3 } else { 1 }] {
        for mark in ["", "\u{feff}"] {
            let form = |text: &str| format!("{mark}{}", text.replace('\n', line_break));
            assert_eq!(act(&form(before)), form(after), "{before:?}");
        }
    }
}

const FILE: &str = "\
about: |
  two entries # no comment

# above all
p: # the list
  # above a
  - name: a
    text: 'one' # quoted
    # inside a
    more: [1,   2]
  # after a

  - name: b
    \"odd\":   &x {k: v}
    text: |
      one
      # no comment

  # after b
# below
other: *x
";

#[test]
fn an_entry_is_added_behind_the_last_one() {
    let after = FILE.replace(
        "      # no comment\n\n",
        "      # no comment\n  - name: z\n\n",
    );
    in_each_form(FILE, &after, add);
}

#[test]
fn an_entry_is_replaced_with_its_own_lines() {
    let entry = "  - name: a\n    text: 'one' # quoted\n    # inside a\n    more: [1,   2]\n";
    let after = FILE.replace(entry, "  - name: z\n");
    in_each_form(FILE, &after, |text| replace(text, "a"));
}

#[test]
fn an_entry_is_removed_with_its_own_lines() {
    let entry = "  - name: a\n    text: 'one' # quoted\n    # inside a\n    more: [1,   2]\n";
    in_each_form(FILE, &FILE.replace(entry, ""), |text| remove(text, "a"));
    in_each_form(
        "p:\n- name: a\n# between\n\n- name: b\n# after\n",
        "p:\n- name: a\n# between\n\n# after\n",
        |text| remove(text, "b"),
    );
}

#[test]
fn entries_may_be_written_in_any_way() {
    for (before, name, replaced, removed) in [
        (
            "p:\n- {name: a}\n-   name: b\n",
            "a",
            "p:\n- name: z\n-   name: b\n",
            "p:\n-   name: b\n",
        ),
        (
            "p:\n      -   name: b\n          # c\n          x: 1\n      - name: c",
            "b",
            "p:\n      - name: z\n      - name: c",
            "p:\n      - name: c",
        ),
        (
            "p:\n  - name: c\n  -\n    name: b\n  - # d\n\n    name: a\n",
            "b",
            "p:\n  - name: c\n  - name: z\n  - # d\n\n    name: a\n",
            "p:\n  - name: c\n  - # d\n\n    name: a\n",
        ),
        (
            "p:\n  - name: c\n  - # - d\n\n    name: a\n# e\n",
            "a",
            "p:\n  - name: c\n  - name: z\n# e\n",
            "p:\n  - name: c\n# e\n",
        ),
        (
            "p:\n- &x\n  name: a\n- &y name: b\n- !!map {name: c}\n",
            "b",
            "p:\n- &x\n  name: a\n- name: z\n- !!map {name: c}\n",
            "p:\n- &x\n  name: a\n- !!map {name: c}\n",
        ),
        (
            "p:\n- !!map &x\n  name: a\n- !!map {name: c}\n",
            "c",
            "p:\n- !!map &x\n  name: a\n- name: z\n",
            "p:\n- !!map &x\n  name: a\n",
        ),
        (
            "p:\n- 1\n-\n- x\n- ? name\n  : a\n- [b]\n",
            "a",
            "p:\n- 1\n-\n- x\n- name: z\n- [b]\n",
            "p:\n- 1\n-\n- x\n- [b]\n",
        ),
        (
            "---\np:\n- name: a\n- name: b # last\n...\n# end\n",
            "b",
            "---\np:\n- name: a\n- name: z\n...\n# end\n",
            "---\np:\n- name: a\n...\n# end\n",
        ),
        (
            "p:\n- name: a\n- name: >-\n    b\n    c\n\n    # no comment\n\n# d\n",
            "b c\n# no comment",
            "p:\n- name: a\n- name: z\n\n# d\n",
            "p:\n- name: a\n\n# d\n",
        ),
        (
            "p:\n- name: a\n- name: \"b\\\n    c\"\nq: 1\n",
            "bc",
            "p:\n- name: a\n- name: z\nq: 1\n",
            "p:\n- name: a\nq: 1\n",
        ),
        (
            "p:\n- name: a\n- name: b\n  x:\n    - - 1\n      -\n      # in\n      - >+\n\n\n    -\nq: 1\n",
            "b",
            "p:\n- name: a\n- name: z\nq: 1\n",
            "p:\n- name: a\nq: 1\n",
        ),
    ] {
        in_each_form(before, replaced, |text| replace(text, name));
        in_each_form(before, removed, |text| remove(text, name));
    }
}

#[test]
fn a_name_is_its_text_however_it_is_written() {
    let text = "p:\n- {x: 1}\n- name: 1.10\n- \"name\": 'a b'\n- 'name': yes\n- name: true\n- name:\n- name: a b\n";
    for (name, line) in [
        ("1.10", "- name: 1.10\n"),
        ("a b", "- \"name\": 'a b'\n"),
        ("yes", "- 'name': yes\n"),
        ("true", "- name: true\n"),
    ] {
        assert_eq!(remove(text, name), text.replace(line, ""));
    }
    for name in ["1.1", "", "null", "x", "name"] {
        let error = edit("f.yml", text, &["p"], &Edit::Remove { name }).unwrap_err();
        let expected = format!("f.yml: p has no entry with the name {name:?}");
        assert_eq!(error.to_string(), expected);
    }
    for text in ["", "p:\n", "p: []\n", "q: 1\n", "p: [{name: a}]"] {
        let error = edit("f.yml", text, &["p"], &Edit::Remove { name: "x" });
        assert!(matches!(error, Err(EditError::NotFound { .. })), "{text}");
    }
    let first = "p:\n- name: a\n  n: 1\n- name: a\n  n: 2\n";
    assert_eq!(remove(first, "a"), "p:\n- name: a\n  n: 2\n");
}

#[test]
fn entries_that_are_aliases_are_known_by_what_they_stand_for() {
    let text = "base: &b {name: a}\nmore: &c\n  name: b\np:\n- *b\n- <<: *c\n  x: 1\n- name: c\n";
    assert_eq!(remove(text, "a"), text.replace("- *b\n", ""));
    assert_eq!(remove(text, "b"), text.replace("- <<: *c\n  x: 1\n", ""));
    assert_eq!(replace(text, "a"), text.replace("- *b\n", "- name: z\n"));
}

#[test]
fn the_last_line_break_stays_as_it_was() {
    in_each_form("p:\n- name: a", "p:\n- name: a\n- name: z", add);
    in_each_form("p:\n- name: a\n- name: b", "p:\n- name: a", |text| {
        remove(text, "b")
    });
    in_each_form("p:\n- name: a\n- name: b", "p:\n- name: b", |text| {
        remove(text, "a")
    });
    in_each_form("p:\n- name: a", "p:\n- name: z", |text| replace(text, "a"));
    in_each_form("p:\n- name: a", "p: []", |text| remove(text, "a"));
    in_each_form("p:", "p:\n  - name: z", add);
    in_each_form("# c", "# c\np:\n  - name: z", add);
    let kept = "p:\n- name: |+\n    a\n\n- name: b";
    assert_eq!(remove(kept, "b"), "p:\n- name: |+\n    a\n\n");
}

#[test]
fn block_texts_keep_what_belongs_to_them() {
    for (before, after) in [
        (
            "p:\n- name: |+\n    a\n\n\n# c\n",
            "p:\n- name: |+\n    a\n\n\n- name: z\n# c\n",
        ),
        (
            "p:\n- name: |+\n    a\n\n\n",
            "p:\n- name: |+\n    a\n\n\n- name: z\n",
        ),
        (
            "p:\n- name: |\n    a\n\n\n# c\n",
            "p:\n- name: |\n    a\n- name: z\n\n\n# c\n",
        ),
        (
            "p:\n- name: >-\n    a\n     # in\n\n",
            "p:\n- name: >-\n    a\n     # in\n- name: z\n\n",
        ),
        (
            "p:\n- name: |2-\n     a\n    # in\n\n",
            "p:\n- name: |2-\n     a\n    # in\n- name: z\n\n",
        ),
        (
            "p:\n- name: |\n    a\n      \n  \n",
            "p:\n- name: |\n    a\n      \n- name: z\n  \n",
        ),
        (
            "p:\n- name: |\n\n  \n# c\n",
            "p:\n- name: |\n- name: z\n\n  \n# c\n",
        ),
        (
            "p:\n- name: |-2 # c\n\n# c\n",
            "p:\n- name: |-2 # c\n- name: z\n\n# c\n",
        ),
        (
            "p:\n- name: &a|+ !t >+ # c\n\n\n# c\n",
            "p:\n- name: &a|+ !t >+ # c\n\n\n- name: z\n# c\n",
        ),
        (
            "p:\n- name:\n    # |+\n    &a\n    |\n    x\n\n\n",
            "p:\n- name:\n    # |+\n    &a\n    |\n    x\n- name: z\n\n\n",
        ),
        (
            "p:\n- name: |+\n    a\n\n...\n",
            "p:\n- name: |+\n    a\n\n- name: z\n...\n",
        ),
        (
            "p:\n- name: |+\n    a\n  \n    # in",
            "p:\n- name: |+\n    a\n  \n    # in\n- name: z",
        ),
    ] {
        in_each_form(before, after, add);
    }
}

#[test]
fn what_follows_a_removed_entry_does_not_become_part_of_the_one_before() {
    in_each_form(
        "p:\n- name: |+\n    a\n- name: b\n\n\n# after\n",
        "p:\n- name: |+\n    a\n# after\n",
        |text| remove(text, "b"),
    );
    in_each_form(
        "p:\n- name: |\n    a\n- name: b\n      # of b\n- name: c\n",
        "p:\n- name: |\n    a\n- name: c\n",
        |text| remove(text, "b"),
    );
    // Of an entry that is no block text, the blank lines stay.
    in_each_form(
        "p:\n- name: a\n- name: b\n\n- name: c\n",
        "p:\n- name: a\n\n- name: c\n",
        |text| remove(text, "b"),
    );
}

/// A key whose value is left out, colon and all, ends where it ends.
#[test]
fn what_stands_behind_a_key_without_a_value_stays() {
    let before = "p:\n  - name: a\n    ? x\n\n  # of b\n  - name: b\n    ? y # c\n\n# end\n";
    let after = "p:\n  - name: z\n\n  # of b\n  - name: b\n    ? y # c\n\n# end\n";
    in_each_form(before, after, |text| replace(text, "a"));
    let after =
        "p:\n  - name: a\n    ? x\n\n  # of b\n  - name: b\n    ? y # c\n  - name: z\n\n# end\n";
    in_each_form(before, after, add);
}

#[test]
fn a_new_block_text_does_not_take_up_a_comment() {
    let entry = json!({"name": "z", "text": "one\ntwo\n"});
    let text = "p:\n- name: a\n    # deep\n- name: b\n";
    let replaced = change(
        &["p"],
        text,
        &Edit::Replace {
            name: "a",
            entry: &entry,
        },
    );
    let expected = "p:\n- name: z\n  text: \"one\\ntwo\\n\"\n    # deep\n- name: b\n";
    assert_eq!(replaced, expected);
    let added = change(&["p"], text, &Edit::Add(&entry));
    assert_eq!(
        added,
        format!("{text}- name: z\n  text: |\n    one\n    two\n")
    );
}

#[test]
fn a_list_without_entries_is_still_one() {
    for (before, after) in [
        ("p:\n- name: a\n", "p: []\n"),
        (
            "p: # c\n  # d\n  - name: a\n  # e\nq: 1\n",
            "p: [] # c\n  # d\n  # e\nq: 1\n",
        ),
        ("\"p\" :\n  - name: a\n", "\"p\" : []\n"),
        ("p: &x # c\n  - name: a\n", "p: &x [] # c\n"),
        ("p: !!seq &x|\n  - name: a\n", "p: !!seq &x| []\n"),
        ("? p # c\n:\n  - name: a\n", "? p # c\n: []\n"),
        (
            "r:\n p:\n - name: b\np:\n- name: a\n",
            "r:\n p:\n - name: b\np: []\n",
        ),
    ] {
        in_each_form(before, after, |text| remove(text, "a"));
    }
}

#[test]
fn an_empty_list_gets_its_first_entry() {
    for (before, after) in [
        ("", "p:\n  - name: z\n"),
        ("# c\n\n", "# c\n\np:\n  - name: z\n"),
        ("---\n", "---\np:\n  - name: z\n"),
        (
            "--- # c\n# d\n...\n# e\n",
            "--- # c\n# d\np:\n  - name: z\n...\n# e\n",
        ),
        ("q: 1\n# c\n", "q: 1\np:\n  - name: z\n# c\n"),
        (
            "q: |+\n  x\n\n...\n",
            "q: |+\n  x\n\np:\n  - name: z\n...\n",
        ),
        (" q: 1\n", " q: 1\n p:\n   - name: z\n"),
        ("p:\n# c\nq: 1\n", "p:\n  - name: z\n# c\nq: 1\n"),
        ("p: # c\n", "p: # c\n  - name: z\n"),
        ("p: ~ # c\nq: 1\n", "p: # c\n  - name: z\nq: 1\n"),
        ("p: null\n", "p:\n  - name: z\n"),
        ("p: []\n", "p:\n  - name: z\n"),
        (
            "# b\np: [ ]  # c\n# d\n",
            "# b\np:  # c\n  - name: z\n# d\n",
        ),
        (
            "p:\n  # c\n  []\n  # d\nq: 1\n",
            "p:\n  # c\n  - name: z\n  # d\nq: 1\n",
        ),
        ("p:\n  [] # c\n", "p:\n  # c\n  - name: z\n"),
        ("p: &x []\n", "p: &x\n  - name: z\n"),
        ("p: !!seq []\nq: 1\n", "p: !!seq\n  - name: z\nq: 1\n"),
        ("p: [ # c\n  ]\n", "p: [ # c\n  {name: z}]\n"),
    ] {
        in_each_form(before, after, add);
    }
    assert_eq!(add("p: []"), "p:\n  - name: z");
}

#[test]
fn what_is_missing_around_a_list_is_written_too() {
    for (before, after) in [
        ("", "r:\n  s:\n    - name: z\n"),
        ("r:\n", "r:\n  s:\n    - name: z\n"),
        ("r: {}\n", "r:\n  s:\n    - name: z\n"),
        ("r: {} # c\nq: 1\n", "r: # c\n  s:\n    - name: z\nq: 1\n"),
        (
            "r:\n    t: 1\n    # c\nq: 1\n",
            "r:\n    t: 1\n    s:\n      - name: z\n    # c\nq: 1\n",
        ),
        ("r:\n  s:\n  t:\n", "r:\n  s:\n    - name: z\n  t:\n"),
        ("r:\n  s: []\n", "r:\n  s:\n    - name: z\n"),
        ("r: {s: []}\n", "r: {s: [{name: z}]}\n"),
        ("r: {s: [ # c\n  ]}\n", "r: {s: [ # c\n  {name: z}]}\n"),
        ("r: {s: , t: 1}\n", "r: {s: [{name: z}] , t: 1}\n"),
        ("r: {t: 1, s}\n", "r: {t: 1, s: [{name: z}]}\n"),
        ("r: {s: null}\n", "r: {s: [{name: z}]}\n"),
        ("r: {t: }\n", "r: {t:, s: [{name: z}] }\n"),
        ("r: {t: 1} # c\n", "r: {t: 1, s: [{name: z}]} # c\n"),
        (
            "r: {t: 'x' # c\n  }\n",
            "r: {t: 'x', s: [{name: z}] # c\n  }\n",
        ),
        ("r: { # c\n  }\n", "r: { # c\n  s: [{name: z}]}\n"),
        (
            "r: {\n  t: 1 # c\n}\n",
            "r: {\n  t: 1, # c\n  s: [{name: z}]\n}\n",
        ),
        ("r: !t {}\n", "r: !t\n  s:\n    - name: z\n"),
    ] {
        in_each_form(before, after, add_static);
    }
}

#[test]
fn lists_between_brackets_are_changed_in_place() {
    for (before, added, replaced, removed) in [
        (
            "p: [{name: a}, {name: b}]\n",
            "p: [{name: a}, {name: b}, {name: z}]\n",
            "p: [{name: a}, {name: z}]\n",
            "p: [{name: a}]\n",
        ),
        (
            "p: [ {name: b}, {name: c}, ] # d\n",
            "p: [ {name: b}, {name: c}, {name: z}, ] # d\n",
            "p: [ {name: z}, {name: c}, ] # d\n",
            "p: [ {name: c}, ] # d\n",
        ),
        (
            "p: [name: b]",
            "p: [name: b, {name: z}]",
            "p: [{name: z}]",
            "p: []",
        ),
        (
            "p: [\n  {name: a}, # of a\n  # above b\n  {name: b} # of b\n  # after\n]\n",
            "p: [\n  {name: a}, # of a\n  # above b\n  {name: b}, # of b\n  {name: z}\n  # after\n]\n",
            "p: [\n  {name: a}, # of a\n  # above b\n  {name: z} # of b\n  # after\n]\n",
            "p: [\n  {name: a} # of a\n  # above b\n  # after\n]\n",
        ),
        (
            "p: [\n  {name: b}, # of b\n  {name: c}, # of c\n]\n",
            "p: [\n  {name: b}, # of b\n  {name: c}, # of c\n  {name: z},\n]\n",
            "p: [\n  {name: z}, # of b\n  {name: c}, # of c\n]\n",
            "p: [\n  {name: c}, # of c\n]\n",
        ),
        (
            "p: [{name: a}\n  , {name: b}\n  ]\n",
            "p: [{name: a}\n  , {name: b}, {name: z}\n  ]\n",
            "p: [{name: a}\n  , {name: z}\n  ]\n",
            "p: [{name: a}\n  \n  ]\n",
        ),
        (
            "{\"q\": 1, \"p\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}",
            "{\"q\": 1, \"p\": [{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"z\"}]}",
            "{\"q\": 1, \"p\": [{\"name\": \"a\"}, {\"name\": \"z\"}]}",
            "{\"q\": 1, \"p\": [{\"name\": \"a\"}]}",
        ),
        (
            "{\n  \"p\": [\n    {\n      \"name\": \"b\"\n    }\n  ]\n}\n",
            "{\n  \"p\": [\n    {\n      \"name\": \"b\"\n    },\n    {\"name\": \"z\"}\n  ]\n}\n",
            "{\n  \"p\": [\n    {\"name\": \"z\"}\n  ]\n}\n",
            "{\n  \"p\": [\n  ]\n}\n",
        ),
        (
            "p: [{name: a}, &x 'b', {name: b}, 'c' # 'd'\n  ]\n",
            "p: [{name: a}, &x 'b', {name: b}, 'c', {name: z} # 'd'\n  ]\n",
            "p: [{name: a}, &x 'b', {name: z}, 'c' # 'd'\n  ]\n",
            "p: [{name: a}, &x 'b', 'c' # 'd'\n  ]\n",
        ),
        (
            "p: [{name: b}, 'c''d' ]\n",
            "p: [{name: b}, 'c''d', {name: z} ]\n",
            "p: [{name: z}, 'c''d' ]\n",
            "p: ['c''d' ]\n",
        ),
        (
            "p: [{name: \"a\\\"\"}, {name: b},\n  {name: 'c'''}]\n",
            "p: [{name: \"a\\\"\"}, {name: b},\n  {name: 'c'''}, {name: z}]\n",
            "p: [{name: \"a\\\"\"}, {name: z},\n  {name: 'c'''}]\n",
            "p: [{name: \"a\\\"\"},\n  {name: 'c'''}]\n",
        ),
    ] {
        in_each_form(before, added, add);
        in_each_form(before, replaced, |text| replace(text, "b"));
        in_each_form(before, removed, |text| remove(text, "b"));
    }
}

#[test]
fn what_the_reader_takes_for_something_else_between_brackets_is_quoted() {
    let entry = json!({"name": "z", "texts": ["x -"]});
    let changed = change(&["p"], "p: [{name: a}]\n", &Edit::Add(&entry));
    let written = r#"{"name": "z", "texts": ["x -"]}"#;
    assert_eq!(changed, format!("p: [{{name: a}}, {written}]\n"));
}

#[test]
fn a_file_in_json_stays_one() {
    for (before, after) in [
        ("{}", r#"{"p": [{"name": "z"}]}"#),
        ("{\"p\": null}\n", "{\"p\": [{\"name\": \"z\"}]}\n"),
        ("{\"p\": []}\n", "{\"p\": [{\"name\": \"z\"}]}\n"),
        (
            "{\n  \"q\": 1\n}\n",
            "{\n  \"q\": 1,\n  \"p\": [{\"name\": \"z\"}]\n}\n",
        ),
    ] {
        assert_eq!(add(before), after);
    }
    let entry = json!({"name": "z", "t": "\u{7f}\u{85}\u{2028}\u{feff}\u{ffff}\n\"é\u{1f3b2}"});
    let changed = change(&["p"], "{\"p\": []}", &Edit::Add(&entry));
    let read: Value = serde_json::from_str(&changed).unwrap();
    assert_eq!(read, json!({ "p": [entry] }));
    assert!(
        changed.contains(r"\u007f\u0085\u2028\ufeff\uffff\n\"),
        "{changed}"
    );
}

#[test]
fn what_merge_keys_add_stays_behind_the_new_key() {
    let text = "base: &b {q: 1, t: 2}\nr:\n  <<: *b\n  t: 3\n";
    assert_eq!(add_static(text), format!("{text}  s:\n    - name: z\n"));
    let no_merge_key = "r:\n  \"<<\": 1\n";
    let expected = format!("{no_merge_key}  s:\n    - name: z\n");
    assert_eq!(add_static(no_merge_key), expected);
}

#[test]
fn what_cannot_be_changed_in_place_is_refused_with_the_remedy() {
    let z = &named("z");
    let remove = Edit::Remove { name: "a" };
    let replace = Edit::Replace {
        name: "a",
        entry: z,
    };
    let add = Edit::Add(z);
    for (text, path, edit, message) in [
        (
            "q: &x [{name: a}]\np: *x\n",
            &["p"][..],
            &remove,
            "f.yml:2: p: \"p\" is an alias here: write its value out",
        ),
        (
            "q: &x\n  p: []\nr: *x\n",
            &["r", "p"],
            &add,
            "f.yml:3: r.p: \"r\" is an alias here: write its value out",
        ),
        (
            "q: &x {s: [{name: a}]}\nr:\n  <<: *x\n",
            &["r", "s"],
            &add,
            "f.yml:3: r.s: \"s\" is merged into this map: write it out there",
        ),
        (
            "q: &x [{name: a}]\np: *x\n",
            &["q"],
            &add,
            "f.yml:1: q: has an anchor that line 2 refers to: write the value out there first",
        ),
        (
            "p:\n- name: b\n- name: a\n  x: &x 1\nq:\n  - 1\n  - *x\n",
            &["p"],
            &remove,
            "f.yml:3: p: has an anchor that line 7 refers to: write the value out there first",
        ),
        (
            "p:\n- name: a\n  x: &x 1\n  y: *x\n- name: b\n  z: *x\n",
            &["p"],
            &remove,
            "f.yml:2: p: has an anchor that line 6 refers to: write the value out there first",
        ),
        (
            "p:\n- name: b\n- &x\n  name: a\n- *x\n",
            &["p"],
            &replace,
            "f.yml:3: p: has an anchor that line 5 refers to: write the value out there first",
        ),
        (
            "? p\n: - name: a\n",
            &["p"],
            &add,
            "f.yml:2: p: stands on the line of its list's key: begin a line for it",
        ),
        (
            "p: 1\n",
            &["p"],
            &add,
            "f.yml:1: p: must be a list and is the number 1",
        ),
        (
            "p: {a: 1}\n",
            &["p"],
            &add,
            "f.yml:1: p: must be a list and is a map",
        ),
        (
            "\n- a\n",
            &["p"],
            &add,
            "f.yml:2: p: needs a map around it, not a list",
        ),
        (
            "r: x\n",
            &["r", "s"],
            &add,
            "f.yml:1: r.s: needs a map around it, not \"x\"",
        ),
    ] {
        assert_eq!(refused(text, path, edit), message);
        let text = text.replace('\n', "\r\n");
        assert_eq!(refused(&text, path, edit), message);
    }
    let deep = (0..100).fold(json!(1), |value, _| json!([value]));
    let message = refused("p: []\n", &["p"], &Edit::Add(&deep));
    assert!(message.contains("more than 100 levels deep"), "{message}");
    let error = edit("f.yml", "p: [", &["p"], &add).unwrap_err();
    assert!(matches!(error, EditError::Malformed(_)), "{error}");
}

#[test]
fn an_entry_that_alone_uses_its_anchors_is_changed() {
    let text = "p:\n- name: a\n  x: &x 1\n  y: *x\n- name: b\n  x: &x 2\n  y: *x\n";
    assert_eq!(remove(text, "a"), "p:\n- name: b\n  x: &x 2\n  y: *x\n");
    assert_eq!(
        replace(text, "b"),
        "p:\n- name: a\n  x: &x 1\n  y: *x\n- name: z\n"
    );
}

#[test]
fn an_entry_is_written_as_a_person_would() {
    let entry = json!({
        "name": "hello", "path": "./hello/hello.wasm", "version": "1.0", "port": 8080,
        "description": "greets people: all of them", "about": "one\n\n  two\n", "none": null,
        "functions": [{"name": "a", "arguments": []}, {"name": "b", "sizes": ["any", "1x1"]}],
        "long": "word ".repeat(40) + "end", "limits": {}, "config": {"yes": "no", "<<": "=", "time": "12:30:00"},
    });
    let written = "p:\n  - name: hello
    path: ./hello/hello.wasm
    version: \"1.0\"
    port: 8080
    description: \"greets people: all of them\"
    about: |
      one

        two
    none: null
    functions:
      - name: a
        arguments: []
      - name: b
        sizes:
          - any
          - 1x1
    long: LONG
    limits: {}
    config:
      \"yes\": \"no\"
      \"<<\": \"=\"
      time: \"12:30:00\"
";
    let written = &written.replace("LONG", &("word ".repeat(40) + "end"));
    in_each_form("p:\n", written, |text| {
        change(&["p"], text, &Edit::Add(&entry))
    });
}

#[test]
fn a_large_file_takes_time_in_proportion() {
    let entry = "  - name: a\n    text: |\n      é\n    list: [1, 2]\n";
    let text = format!("p:\n{}", entry.repeat(10_000));
    let expected = format!("{text}  - name: z\n");
    assert_eq!(add(&text), expected);
    let flow = format!("p: [{}]\n", "{name: a, text: 'x'}, ".repeat(10_000));
    assert_eq!(replace(&flow, "a").len(), flow.len() - 11);
}
