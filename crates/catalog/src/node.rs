//! A definition as a tree of values that know their lines, whether it came as YAML or as JSON.

use std::collections::HashSet;

use serde_json::{Map, Number, Value};

use crate::error::{Cause, Problem};
use crate::near_miss::likely;

/// Keys that begin like this are an author's own.
pub(crate) const OWN_PREFIX: &str = "x-";
/// Longest excerpt of a value that a message quotes, in bytes.
const EXCERPT_MAX_BYTES: usize = 60;

/// A value and its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// From 1: where its key stands, or where it begins if it has none; none where the value did not
    /// come from a file.
    pub(crate) line: Option<usize>,
    pub(crate) data: Data,
}

/// The value itself. Keys are unique and keep their order; `written` is what stands in the file,
/// since a text that somebody left without quotes must keep its digits.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Boolean {
        value: bool,
        written: String,
    },
    Number {
        number: Number,
        written: String,
    },
    /// A number that JSON cannot hold: infinite, not one at all, or with more digits than stay exact.
    Unfit(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The field of a map, where a value is written.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let entries = self.fields();
        let found = entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node);
        found.filter(|node| !node.is_null())
    }

    /// The fields of a map; none of anything else.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The line of a field, or of the map where it lacks the field.
    pub(crate) fn line_of(&self, key: &str) -> Option<usize> {
        let found = self.fields().iter().find(|(name, _)| name == key);
        found.map_or(self.line, |(_, node)| node.line)
    }

    /// Whether this is false, or a list of nothing.
    pub(crate) fn is_off(&self) -> bool {
        match &self.data {
            Data::Boolean { value, .. } => !value,
            Data::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// Whether a map without fields is written here.
    pub(crate) fn is_empty_map(&self) -> bool {
        matches!(&self.data, Data::Map(fields) if fields.is_empty())
    }

    /// The keys of a map that are none of these, and not an author's own.
    pub(crate) fn unknown<'n>(&'n self, known: &[&str]) -> impl Iterator<Item = &'n str> {
        let keys = self.fields().iter().map(|(key, _)| key.as_str());
        keys.filter(|key| !known.contains(key) && !key.starts_with(OWN_PREFIX))
    }

    /// Those of these keys that a map has not.
    pub(crate) fn lacking<'k>(&self, known: &[&'k str]) -> Vec<&'k str> {
        let has = self.fields().iter().map(|(key, _)| key.as_str());
        let has: HashSet<&str> = has.filter(|key| known.contains(key)).collect();
        let lacking = known.iter().copied();
        lacking.filter(|key| !has.contains(key)).collect()
    }

    /// Whether nothing is written here.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// The text of a scalar as it is written.
    pub(crate) fn scalar_text(&self) -> Option<&str> {
        match &self.data {
            Data::Boolean { written, .. } | Data::Number { written, .. } => Some(written),
            Data::Unfit(text) | Data::Text(text) => Some(text),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The same value as JSON; a number that JSON cannot hold is a text, unless [`Reader::json`] has
    /// refused it.
    pub(crate) fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Boolean { value, .. } => Value::Bool(*value),
            Data::Number { number, .. } => Value::Number(number.clone()),
            Data::Unfit(text) | Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.to_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// A value that came as JSON, its numbers as JSON writes them.
    pub(crate) fn from_json(value: &Value) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Boolean {
                value: *value,
                written: value.to_string(),
            },
            Value::Number(number) => Data::Number {
                number: number.clone(),
                written: number.to_string(),
            },
            Value::String(text) => Data::Text(text.clone()),
            Value::Array(items) => Data::List(items.iter().map(Self::from_json).collect()),
            Value::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::from_json(value)));
                Data::Map(entries.collect())
            }
        };
        Self { line: None, data }
    }

    /// Whether this is the same value, wherever it stands: lines do not count, nor how a boolean or
    /// an equal number is written, but the order of keys does.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.equals(other, &|one, other| match (one, other) {
            (Data::Boolean { value, .. }, Data::Boolean { value: other, .. }) => value == other,
            (
                Data::Number { number, written },
                Data::Number {
                    number: other_number,
                    written: other_written,
                },
            ) => written == other_written || number == other_number,
            _ => false,
        })
    }

    /// Whether this is the same value, written alike down to each number.
    pub(crate) fn same_text(&self, other: &Self) -> bool {
        self.equals(other, &|one, other| match (one, other) {
            (Data::Boolean { written, .. }, Data::Boolean { written: other, .. })
            | (Data::Number { written, .. }, Data::Number { written: other, .. }) => {
                written == other
            }
            _ => false,
        })
    }

    /// Whether two values are equal, wherever they stand, where booleans and numbers are.
    fn equals(&self, other: &Self, scalars: &dyn Fn(&Data, &Data) -> bool) -> bool {
        match (&self.data, &other.data) {
            (Data::Null, Data::Null) => true,
            (Data::Unfit(text), Data::Unfit(other)) | (Data::Text(text), Data::Text(other)) => {
                text == other
            }
            (Data::List(items), Data::List(others)) => {
                items.len() == others.len()
                    && items
                        .iter()
                        .zip(others)
                        .all(|(item, other)| item.equals(other, scalars))
            }
            (Data::Map(fields), Data::Map(others)) => {
                fields.len() == others.len()
                    && fields
                        .iter()
                        .zip(others)
                        .all(|((key, node), (other_key, other))| {
                            key == other_key && node.equals(other, scalars)
                        })
            }
            (one, other) => scalars(one, other),
        }
    }

    /// What a message calls this value: its kind, and its text where it is short.
    pub(crate) fn describe(&self) -> String {
        match &self.data {
            Data::Null => "nothing".to_owned(),
            Data::Boolean { value, .. } => format!("the boolean {value}"),
            Data::Number { written, .. } | Data::Unfit(written) => {
                format!("the number {}", excerpt(written))
            }
            Data::Text(text) => format!("{:?}", excerpt(text)),
            Data::List(_) => "a list".to_owned(),
            Data::Map(_) => "a map".to_owned(),
        }
    }
}

/// The beginning of a value, fit to be quoted in a message.
pub(crate) fn excerpt(text: &str) -> String {
    cut(text, EXCERPT_MAX_BYTES)
}

/// The beginning of a text.
pub(crate) fn cut(text: &str, max_bytes: usize) -> String {
    let end = text.floor_char_boundary(max_bytes);
    if end < text.len() {
        format!("{}…", &text[..end])
    } else {
        text.to_owned()
    }
}

/// What was found in an entry.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    /// What is not wrong, and hardly meant as it is written.
    pub(crate) advice: Vec<Problem>,
    /// Whether the entry is to be published: what an entry of a file is served without refuses it.
    pub(crate) is_for_publication: bool,
}

/// Most advice on one entry: a person mends some of it and looks again.
pub(crate) const ADVICE_MAX: usize = 20;
/// Most unknown keys of a map that are held against known ones: a map with more is data.
const UNKNOWN_KEYS_MAX: usize = 1000;

/// Reads the fields of one entry and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    file: &'a str,
    entry: String,
    /// Path of the value that is being read; empty for the entry itself.
    path: String,
    findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a str, entry: String, findings: &'a mut Findings) -> Self {
        Self {
            file,
            entry,
            path: String::new(),
            findings,
        }
    }

    /// A reader of a value inside this one, under this name.
    pub(crate) fn inside(&mut self, name: &str) -> Reader<'_> {
        Reader {
            file: self.file,
            entry: self.entry.clone(),
            path: self.path_of(name),
            findings: self.findings,
        }
    }

    fn path_of(&self, field: &str) -> String {
        let dot = if self.path.is_empty() || field.is_empty() {
            ""
        } else {
            "."
        };
        format!("{}{dot}{field}", self.path)
    }

    /// Records that something is wrong with a field of a map.
    pub(crate) fn wrong(&mut self, map: &Node, field: &str, message: impl Into<String>) {
        self.problem(map.line_of(field), field, message);
    }

    /// Records that something is wrong with a field of a map, and that it is no matter of how the
    /// definition is written.
    pub(crate) fn wrong_because(
        &mut self,
        cause: Cause,
        map: &Node,
        field: &str,
        message: impl Into<String>,
    ) {
        self.record(cause, map.line_of(field), field, message.into());
    }

    /// Records that something is wrong at a line.
    pub(crate) fn problem(&mut self, line: Option<usize>, field: &str, message: impl Into<String>) {
        self.record(Cause::Definition, line, field, message.into());
    }

    fn record(&mut self, cause: Cause, line: Option<usize>, field: &str, message: String) {
        let problem = self.found(cause, line, field, message);
        self.findings.problems.push(problem);
    }

    fn found(&self, cause: Cause, line: Option<usize>, field: &str, message: String) -> Problem {
        Problem {
            cause,
            file: self.file.to_owned(),
            line,
            entry: self.entry.clone(),
            field: self.path_of(field),
            message,
        }
    }

    /// Checks what refuses a publication and is only advised on in a file, where it has this consequence.
    /// Answers whether it has.
    pub(crate) fn is_tolerated(
        &mut self,
        consequence: &str,
        check: impl FnOnce(&mut Self),
    ) -> bool {
        let known = self.findings.problems.len();
        check(self);
        if self.findings.is_for_publication || self.findings.problems.len() == known {
            return false;
        }
        for mut problem in self.findings.problems.split_off(known) {
            problem.message = format!("{}; {consequence}", problem.message);
            self.add_advice(problem);
        }
        true
    }

    fn add_advice(&mut self, advice: Problem) {
        if self.findings.advice.len() < ADVICE_MAX {
            self.findings.advice.push(advice);
        }
    }

    /// Records what is not wrong with a field of a map, and hardly meant as it is written.
    pub(crate) fn advise(&mut self, map: &Node, field: &str, message: impl Into<String>) {
        let line = map.line_of(field);
        let field = excerpt(field);
        let advice = self.found(Cause::Definition, line, &field, message.into());
        self.add_advice(advice);
    }

    /// Advises on keys of a map that are nearly known ones which it lacks.
    pub(crate) fn check_keys(&mut self, map: &Node, known: &[&str]) {
        let lacking = map.lacking(known);
        for key in map.unknown(known).take(UNKNOWN_KEYS_MAX) {
            if let Some(likely) = likely(key, lacking.iter().copied()) {
                self.advise(
                    map,
                    key,
                    format!("means nothing here: did you mean `{likely}`?"),
                );
            }
        }
    }

    /// A field that holds a text and is not empty.
    pub(crate) fn required_text(
        &mut self,
        map: &Node,
        field: &str,
        remedy: &str,
    ) -> Option<String> {
        let Some(node) = map.get(field) else {
            self.wrong(map, field, format!("is missing: {remedy}"));
            return None;
        };
        let text = self.text(node, field)?;
        if text.trim().is_empty() {
            self.wrong(map, field, format!("is empty: {remedy}"));
            return None;
        }
        Some(text)
    }

    /// A field that may hold a text.
    pub(crate) fn optional_text(&mut self, map: &Node, field: &str) -> Option<String> {
        let node = map.get(field)?;
        self.text(node, field)
    }

    /// The text of a value; a number or boolean is told to be quoted.
    pub(crate) fn text(&mut self, node: &Node, field: &str) -> Option<String> {
        if let Data::Text(text) = &node.data {
            return Some(text.clone());
        }
        let remedy = if node.scalar_text().is_some() {
            ": put it in quotes"
        } else {
            ""
        };
        let message = format!("must be a text and is {}{remedy}", node.describe());
        self.problem(node.line, field, message);
        None
    }

    /// A field that may hold true or false.
    pub(crate) fn optional_boolean(&mut self, map: &Node, field: &str) -> Option<bool> {
        let node = map.get(field)?;
        if let Data::Boolean { value, .. } = node.data {
            return Some(value);
        }
        self.problem(
            node.line,
            field,
            format!("must be true or false and is {}", node.describe()),
        );
        None
    }

    /// A field that may hold a list; nothing is an empty one.
    pub(crate) fn list<'n>(&mut self, map: &'n Node, field: &str) -> &'n [Node] {
        match map.get(field).map(|node| (node, &node.data)) {
            None => &[],
            Some((_, Data::List(items))) => items,
            Some((node, _)) => {
                self.problem(
                    node.line,
                    field,
                    format!("must be a list and is {}", node.describe()),
                );
                &[]
            }
        }
    }

    /// A field that must hold a list that is not empty.
    pub(crate) fn required_list<'n>(
        &mut self,
        map: &'n Node,
        field: &str,
        remedy: &str,
    ) -> &'n [Node] {
        let items = self.list(map, field);
        let is_list = map
            .get(field)
            .is_none_or(|node| matches!(node.data, Data::List(_)));
        if items.is_empty() && is_list {
            self.wrong(map, field, format!("is missing or empty: {remedy}"));
        }
        items
    }

    /// A field that may hold a map.
    pub(crate) fn optional_map<'n>(&mut self, map: &'n Node, field: &str) -> Option<&'n Node> {
        let node = map.get(field)?;
        if matches!(node.data, Data::Map(_)) {
            return Some(node);
        }
        self.problem(
            node.line,
            field,
            format!("must be a map and is {}", node.describe()),
        );
        None
    }

    /// Whether an entry is a map at all.
    pub(crate) fn is_map(&mut self, node: &Node) -> bool {
        let is_map = matches!(node.data, Data::Map(_));
        if !is_map {
            self.problem(
                node.line,
                "",
                format!("an entry must be a map and is {}", node.describe()),
            );
        }
        is_map
    }

    /// A value as JSON; none where it holds a number that JSON cannot hold.
    pub(crate) fn json(&mut self, node: &Node, field: &str) -> Option<Value> {
        let known = self.findings.problems.len();
        self.refuse_unfit(node, field);
        (self.findings.problems.len() == known).then(|| node.to_json())
    }

    fn refuse_unfit(&mut self, node: &Node, field: &str) {
        match &node.data {
            Data::Unfit(written) => {
                let written = excerpt(written);
                let message =
                    format!("{written} is no number that JSON can hold exactly: put it in quotes");
                self.problem(node.line, field, message);
            }
            Data::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.refuse_unfit(item, &format!("{field}[{index}]"));
                }
            }
            Data::Map(entries) => {
                for (key, value) in entries {
                    self.refuse_unfit(value, &format!("{field}.{key}"));
                }
            }
            Data::Null | Data::Boolean { .. } | Data::Number { .. } | Data::Text(_) => {}
        }
    }

    /// The fields of a map other than these, as JSON; those without a value are left out.
    pub(crate) fn others(&mut self, map: &Node, known: &[&str]) -> Map<String, Value> {
        let others = map
            .fields()
            .iter()
            .filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null());
        others
            .filter_map(|(key, value)| Some((key.clone(), self.json(value, key)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("añb", 4), "añb");
        assert_eq!(cut("añb", 3), "añ…");
        assert_eq!(cut("añb", 2), "a…");
        assert_eq!(cut("🎲", 3), "…");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn values_are_the_same_wherever_and_however_they_are_written() {
        let read = |text| crate::yaml::parse("f.yml", text).unwrap();
        let value = serde_json::json!({
            "a": [1, -2.5, true, null, "1"], "b": {"c": u64::MAX}, "d": []
        });
        let same = "a: [0x1, -2.50, TRUE, ~, '1']\n\nb:\n  c: 18446744073709551615\nd: []\n";
        assert!(Node::from_json(&value).same(&read(same)));
        assert!(read(same).same(&Node::from_json(&value)));
        assert!(read("a: .inf").same(&read("'a': .inf")));

        let base = read("a: 1\nb: [x, y]");
        for other in [
            "b: [x, y]\na: 1",
            "a: 2\nb: [x, y]",
            "a: '1'\nb: [x, y]",
            "a: 1.5\nb: [x, y]",
            "a: 1\nb: [y, x]",
            "a: 1\nb: [x]",
            "a: 1\nb: {x: y}",
            "a: 1\nc: [x, y]",
            "a: 1",
            "a:\nb: [x, y]",
            "a: true\nb: [x, y]",
            "a: .inf\nb: [x, y]",
        ] {
            assert!(!base.same(&read(other)), "{other}");
            assert!(!read(other).same(&base), "{other}");
        }
        assert!(!read("a: true").same(&read("a: false")));
        assert!(!read("a: .inf").same(&read("a: -.inf")));
    }

    #[test]
    fn a_problem_names_the_path_of_its_field() {
        let mut findings = Findings::default();
        let mut reader = Reader::new("f.yml", "plugin \"p\"".to_owned(), &mut findings);
        reader.problem(Some(1), "", "a");
        let mut inside = reader.inside("functions[0]");
        inside.problem(None, "", "b");
        inside.inside("arguments[1]").problem(Some(3), "name", "c");
        let problems = findings.problems.iter();
        let found: Vec<String> = problems.map(ToString::to_string).collect();
        let expected = [
            "f.yml:1: plugin \"p\": a",
            "f.yml: plugin \"p\": functions[0]: b",
            "f.yml:3: plugin \"p\": functions[0].arguments[1].name: c",
        ];
        assert_eq!(found, expected);
    }
}
