//! What holds for every value that is written and every file that is changed.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::render::{self, Flow};
use super::{Edit, edit};
use crate::node::{Data, Node};
use crate::yaml;

/// Texts that some reader of YAML takes for something else.
#[rustfmt::skip]
const NASTY: [&str; 101] = [
    "", " ", " x", "x ", "\t", "a\tb", "\n", "\n\n", "\na", "a\n", "a\n\n", "a\nb", "a\nb\n", " a\nb", "a \nb",
    "a\n b\n", "a\n\tb", "x\n# y\n", "x\n  \n", "a\n---\nb", "a\r\nb", "\r", "\u{0}", "\u{1f}", "a\u{7f}b",
    "\u{85}", "a\u{85}b\nc", "\u{a0}", "\u{2028}", "\u{2029}", "\u{feff}", "\u{feff}a\nb", "\u{fffe}", "🎲",
    "null", "Null", "~", "true", "yes", "No", "on", "OFF", "y", "n", "<<", "=", "1", "-1", "+1", "010", "0o17",
    "0x1F", "0b1", "1.10", "1.0.0", ".5", "1.", "1e3", "1e400", "1_000", "12:30:00", "2024-01-01", ".inf", ".NaN",
    "123456789012345678901234567890", "-", "- a", "-a", "--- a", "---", "...", "?", "? a", ":", ": a", ":a", "a:",
    "a: b", "a:b", "#", "a #b", "a#b", "[a]", "{a}", "a, b", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "'", "'a'",
    "a'b", "\"", "\"a\"", "\\", "a\\nb", "./a/b.wasm",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&NASTY[..]).prop_map(str::to_owned),
        2 => prop::collection::vec(select(&NASTY[..]), 2..4).prop_map(|parts| parts.concat()),
        2 => "[ab01:#\n \\-'\"\\[\\]{},&*!|>%@`._+eExX~?]{0,8}",
        1 => prop::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
        1 => "[a-z ]{90,200}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let scalars = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => any::<f64>().prop_map(Value::from),
        6 => texts().prop_map(Value::from),
    ];
    scalars.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            maps(inner),
        ]
    })
}

fn maps(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((texts(), values), 0..4).prop_map(Value::from_iter)
}

fn same(text: &str, value: &Value) -> bool {
    yaml::parse("f.yml", text).is_ok_and(|node| node.same(&Node::from_json(value)))
}

#[test]
fn each_nasty_text_comes_back_as_itself() {
    for text in NASTY {
        comes_back(&json!({ "k": [text, { text: text }], text: text }));
    }
}

/// Whether a map is read again as it was, in each way to write it.
fn comes_back(map: &Value) {
    for block_texts in [true, false] {
        let written = render::block(map, block_texts).join("\n") + "\n";
        assert!(same(&written, map), "{map}\n{written}");
    }
    let written = render::flow(map, Flow::Json);
    assert!(serde_json::from_str::<Value>(&written).is_ok(), "{written}");
    assert!(same(&written, map), "{map}\n{written}");
    for style in Flow::ALL {
        assert!(!render::flow(map, style).contains('\n'), "{map}");
    }
}

/// A piece of a file: lines that no edit may touch, or an entry.
#[derive(Clone, Debug)]
enum Part {
    /// Comments and blank lines.
    Between(String),
    Entry {
        name: String,
        lines: String,
        value: Value,
    },
}

/// A file as its lines, which knows nothing of YAML: what an edit may do to the text.
#[derive(Clone, Debug)]
struct Model {
    in_flow: bool,
    /// What stands before the list, with the line of its key.
    above: String,
    parts: Vec<Part>,
    below: String,
}

/// The line of the list's key, and what it becomes without entries.
const KEY: &str = "  p: # list\n";
const KEY_OF_NONE: &str = "  p: [] # list\n";
const ABOVE: &str = "about: |\n  - name: n0\n\n# above\n\"r\":\n  other: {a: 1}\n";
const BELOW: [&str; 3] = ["  last: 'x' # c\n# below\n\n# end\n", "", "# end"];

fn lines_of(parts: &[Part]) -> String {
    let lines = parts.iter().map(|part| match part {
        Part::Between(lines) | Part::Entry { lines, .. } => lines.as_str(),
    });
    lines.collect()
}

impl Model {
    fn whole(&self) -> String {
        let text = format!("{}{}{}", self.above, lines_of(&self.parts), self.below);
        if !self.in_flow {
            return text;
        }
        // Between brackets each entry has a comma behind it, but for the last one.
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let is_entry = |line: &String| line.starts_with("    {");
        if let Some(last) = lines.iter().rposition(is_entry) {
            for line in lines[..last].iter_mut().filter(|line| is_entry(line)) {
                *line = match line.strip_suffix("}\n") {
                    Some(start) => format!("{start}}},\n"),
                    None => line.replace("} #@", "}, #@"),
                };
            }
        }
        lines.concat()
    }

    /// The lines of a whole file without the commas that belong to no entry.
    fn plain(&self, text: &str) -> String {
        if self.in_flow {
            text.replace("}, #@", "} #@").replace("},\n", "}\n")
        } else {
            text.to_owned()
        }
    }

    fn value(&self) -> Value {
        let entries = self.parts.iter().filter_map(|part| match part {
            Part::Between(_) => None,
            Part::Entry { value, .. } => Some(value.clone()),
        });
        let mut all = json!({"about": "- name: n0\n", "r": {"other": {"a": 1}}});
        all["r"]["p"] = entries.collect();
        if self.below.contains("last") {
            all["r"]["last"] = json!("x");
        }
        all
    }

    fn entries(&self) -> Vec<usize> {
        let is_entry = |at: &usize| matches!(self.parts[*at], Part::Entry { .. });
        (0..self.parts.len()).filter(is_entry).collect()
    }

    fn name(&self, at: usize) -> &str {
        match &self.parts[at] {
            Part::Entry { name, .. } => name,
            Part::Between(_) => panic!("this is no entry"),
        }
    }

    /// Takes the lines of a new entry from the changed text, where all other lines must be as before.
    fn place(&mut self, at: usize, replaced: usize, name: &str, value: &Value, changed: &str) {
        let start = format!("{}{}", self.above, lines_of(&self.parts[..at]));
        let end = format!("{}{}", lines_of(&self.parts[at + replaced..]), self.below);
        let changed = self.plain(changed);
        let rest = changed
            .strip_prefix(&start)
            .expect("the lines above are as before");
        let lines = rest
            .strip_suffix(&end)
            .expect("the lines below are as before")
            .to_owned();
        let alone = if self.in_flow {
            format!("[{lines}]")
        } else {
            lines.clone()
        };
        assert!(same(&alone, &json!([value])), "{value}\n{lines}");
        if let (true, Part::Entry { lines: old, .. }) =
            (replaced == 1, &self.parts[at.min(self.parts.len() - 1)])
        {
            // Only what is between the braces has changed.
            let comment = |lines: &str| {
                lines
                    .split_once(" #@")
                    .map(|(_, comment)| comment.to_owned())
            };
            assert!(!self.in_flow || comment(old) == comment(&lines), "{lines}");
        }
        let entry = Part::Entry {
            name: name.to_owned(),
            lines,
            value: value.clone(),
        };
        self.parts.splice(at..at + replaced, [entry]);
    }

    /// Removes the lines of an entry.
    fn take_out(&mut self, at: usize, changed: &str) {
        let before = lines_of(&self.parts[..at]);
        self.parts.remove(at);
        if self.entries().is_empty() && !self.in_flow {
            self.above = self.above.replace(KEY, KEY_OF_NONE);
        }
        // Behind a text that keeps blank lines those of others cannot stay.
        let changed = self.plain(changed);
        let mut whole = format!("{}{}{}", self.above, lines_of(&self.parts), self.below);
        if changed != whole && before.contains("|+") {
            for part in &mut self.parts[at..] {
                match part {
                    Part::Between(lines) => {
                        *lines = lines.trim_start_matches('\n').to_owned();
                        if !lines.is_empty() {
                            break;
                        }
                    }
                    Part::Entry { .. } => break,
                }
            }
            whole = format!("{}{}{}", self.above, lines_of(&self.parts), self.below);
        }
        assert_eq!(changed, whole);
    }
}

/// An entry in block style, its `-` in column 0.
fn block_entry(name: String) -> impl Strategy<Value = Part> {
    #[rustfmt::skip]
    let entry = select(vec![
        ("- name: N\n  x: 1 # c\n", json!(1)),
        ("-   name: N # c\n    # in\n    x:\n    - 1\n    # in\n\n    - é\n", json!([1, "é"])),
        ("- # - d\n\n  name: 'N'\n  x: ~\n", json!(null)),
        ("- {\"name\": N, x: [a,\n   b]} # c\n", json!(["a", "b"])),
        ("- &ID !!map\n  \"name\": \"N\"\n  x: 'a\n\n    # b'\n", json!("a\n# b")),
        ("- name: N\n  x: |\n    a\n\n    # no comment\n", json!("a\n\n# no comment\n")),
        ("- name: N\n  x: |+\n    a\n\n\n", json!("a\n\n\n")),
        ("- name: N\n  x: |+2\n     a\n", json!(" a\n")),
        ("- name: N\n  x: >- # c\n      a\n      b\n", json!("a b")),
        ("- name: N\n  x: &ID |-\n   a\n", json!("a")),
        ("- name: N\n  x: |\n", json!("")),
        ("- name: N\n  x: a\n   b\n", json!("a b")),
        ("- name: N\n  x:\n", json!(null)),
    ]);
    entry.prop_map(move |(lines, x)| Part::Entry {
        lines: lines.replace('N', &name).replace("ID", &format!("i{name}")),
        value: json!({ "name": name, "x": x }),
        name: name.clone(),
    })
}

/// An entry between braces, on a line of its own.
fn flow_entry(name: String) -> impl Strategy<Value = Part> {
    let entry = select(vec![
        ("{name: N}", json!({"name": "N"})),
        (
            "{\"name\": \"N\", x: 'a } b'}",
            json!({"name": "N", "x": "a } b"}),
        ),
        (
            "{x: {y: [1]}, name: N}",
            json!({"x": {"y": [1]}, "name": "N"}),
        ),
    ]);
    entry.prop_map(move |(entry, mut value)| {
        value["name"] = json!(name);
        Part::Entry {
            lines: format!("{} #@{name}\n", entry.replace('N', &name)),
            value,
            name: name.clone(),
        }
    })
}

fn models() -> impl Strategy<Value = Model> {
    let betweens = vec![
        "",
        "",
        "# c\n",
        "\n",
        "# c: |\n\n# - name: n0\n",
        "\n\n# d\n",
    ];
    let indentations = select(vec!["  ", "   ", "      "]);
    let shape = (any::<bool>(), indentations, 0..6_usize, select(&BELOW[..]));
    shape.prop_flat_map(move |(in_flow, indentation, count, below)| {
        let parts: Vec<_> = (0..=count)
            .map(|number| {
                let name = format!("n{number}");
                let entry = if in_flow {
                    flow_entry(name).boxed()
                } else {
                    block_entry(name).boxed()
                };
                (select(betweens.clone()), entry)
            })
            .collect();
        parts.prop_map(move |parts| {
            let mut kept = Vec::new();
            let mut keeps_blanks = false;
            for (number, (between, entry)) in parts.into_iter().enumerate() {
                let indentation = if in_flow { "    " } else { indentation };
                let between = if keeps_blanks {
                    format!("# e\n{between}")
                } else {
                    between.to_owned()
                };
                kept.push(Part::Between(indented(&between, indentation)));
                if let Part::Entry { name, lines, value } = entry
                    && number < count
                {
                    keeps_blanks = lines.contains("|+");
                    let lines = indented(&lines, indentation);
                    kept.push(Part::Entry { name, lines, value });
                }
            }
            let (key, below) = if in_flow {
                ("  p: [\n", format!("    ]\n{below}"))
            } else {
                (KEY, below.to_owned())
            };
            let above = format!("{ABOVE}{key}");
            Model {
                in_flow,
                above,
                parts: kept,
                below,
            }
        })
    })
}

fn indented(lines: &str, indentation: &str) -> String {
    let lines = lines.split_inclusive('\n').map(|line| match line {
        "\n" => line.to_owned(),
        line => format!("{indentation}{line}"),
    });
    lines.collect()
}

#[derive(Clone, Debug)]
enum Act {
    Add(Value),
    Replace(Index, Value),
    Remove(Index),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => maps(values()).prop_map(Act::Add),
        1 => (any::<Index>(), maps(values())).prop_map(|(index, fields)| Act::Replace(index, fields)),
        2 => any::<Index>().prop_map(Act::Remove),
    ];
    prop::collection::vec(act, 1..6)
}

/// A new entry with this name and fields that may be anything.
fn entry(name: &str, fields: &Value) -> Value {
    let mut entry = json!({ "name": name });
    for (key, value) in fields.as_object().unwrap() {
        if key != "name" {
            entry[key] = value.clone();
        }
    }
    entry
}

/// Makes the changes, and holds each result against the model.
fn follow(mut model: Model, acts: &[Act], line_break: &str, mark: &str) {
    let mut text = format!("{mark}{}", model.whole().replace('\n', line_break));
    for (number, act) in acts.iter().enumerate() {
        let entries = model.entries();
        let name = format!("m{number}");
        let make = |text: &mut String, change: &Edit<'_>| {
            let changed = edit("f.yml", text, &["r", "p"], change).unwrap();
            *text = changed.clone();
            let changed = changed
                .strip_prefix(mark)
                .expect("the mark stays")
                .to_owned();
            if line_break != "\n" {
                assert_eq!(
                    changed.matches('\n').count(),
                    changed.matches(line_break).count()
                );
            }
            changed.replace(line_break, "\n")
        };
        match act {
            Act::Add(fields) => {
                let value = entry(&name, fields);
                let changed = make(&mut text, &Edit::Add(&value));
                if entries.is_empty() && model.in_flow {
                    // Where it is put among comments is not said.
                    assert!(same(&changed, &{
                        model.parts.push(Part::Entry {
                            name,
                            lines: String::new(),
                            value,
                        });
                        model.value()
                    }));
                    return;
                }
                model.above = model.above.replace(KEY_OF_NONE, KEY);
                let at = entries.last().map_or(0, |at| at + 1);
                model.place(at, 0, &name, &value, &changed);
            }
            Act::Replace(index, fields) if !entries.is_empty() => {
                let at = *index.get(&entries);
                let value = entry(&name, fields);
                let old = model.name(at).to_owned();
                let change = Edit::Replace {
                    name: &old,
                    entry: &value,
                };
                let changed = make(&mut text, &change);
                model.place(at, 1, &name, &value, &changed);
            }
            Act::Remove(index) if !entries.is_empty() => {
                let at = *index.get(&entries);
                let name = model.name(at).to_owned();
                let changed = make(&mut text, &Edit::Remove { name: &name });
                model.take_out(at, &changed);
            }
            Act::Replace(..) | Act::Remove(_) => continue,
        }
        assert!(same(&text, &model.value()), "{text}");
    }
}

/// Files that mean as little as they may.
fn odd_files() -> impl Strategy<Value = String> {
    #[rustfmt::skip]
    let tokens = vec![
        "p", ":", " ", " ", "\n", "\n", "  ", "- ", "name", ": a", "name: a", "?", " |", " >+", "|-2", "#", " # c",
        "'", "\"", "''", "&a ", "*a", "!t ", "!!map ", "!!seq", "[", "]", "{", "}", ",", "---", "...", "~", "null", "\r",
        "\r\n", "\t", "é", "\u{feff}", "<<: *a", "\\", "p:\n", "p:", "- name: a\n", "\n- name: a", "{name: a}", "p: [",
    ];
    prop::collection::vec(select(tokens), 0..14).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_value_comes_back_as_itself(map in maps(values())) {
        comes_back(&map);
    }

    #[test]
    fn an_edit_leaves_all_other_lines_as_they_were(
        model in models(),
        acts in acts(),
        line_break in select(vec!["\n", "\r\n"]),
        mark in select(vec!["", "\u{feff}"]),
    ) {
        follow(model, &acts, line_break, mark);
    }

    #[test]
    fn an_odd_file_is_changed_rightly_or_not_at_all(text in odd_files()) {
        let entry = json!({"name": "z", "text": "x\ny\n"});
        let read = |text: &str| yaml::parse("f.yml", text).unwrap();
        let count = |text: &str| match read(text).get("p").map(|list| &list.data) {
            Some(Data::List(items)) => items.len(),
            _ => 0,
        };
        let edits = [
            (Edit::Add(&entry), 1),
            (Edit::Replace { name: "a", entry: &entry }, 0),
            (Edit::Remove { name: "a" }, -1),
        ];
        for (change, difference) in edits {
            if let Ok(changed) = edit("f.yml", &text, &["p"], &change) {
                let expected = count(&text).checked_add_signed(difference);
                prop_assert_eq!(Some(count(&changed)), expected);
            }
        }
    }
}
