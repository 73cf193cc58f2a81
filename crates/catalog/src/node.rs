//! A definition as a tree of values that know their lines, whether it came as YAML or as JSON.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

use crate::error::Problem;

/// Longest excerpt of a value that a message quotes, in bytes.
const EXCERPT_MAX_BYTES: usize = 60;

/// A value and the line where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// From 1; none where the value did not come from a file.
    pub(crate) line: Option<usize>,
    pub(crate) data: Data,
}

/// The value itself. Keys keep their order.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads a YAML file's text; an empty one is an empty map.
    ///
    /// # Errors
    /// A problem with the file as a whole: its syntax, or a second document in it.
    pub(crate) fn parse_yaml(file: &str, text: &str) -> Result<Self, Problem> {
        let wrong = |line, message| Problem {
            file: file.to_owned(),
            line,
            entry: String::new(),
            field: String::new(),
            message,
        };
        let documents = MarkedYaml::load_from_str(text).map_err(|error| {
            let message = format!("this is no valid YAML: {}", error.info());
            wrong(Some(error.marker().line()), message)
        })?;
        match documents.as_slice() {
            [] => Ok(Self {
                line: Some(1),
                data: Data::Map(Vec::new()),
            }),
            [document] => Self::from_yaml(document).map_err(|(line, message)| wrong(line, message)),
            [_, second, ..] => Err(wrong(
                Some(second.span.start.line()),
                "a second YAML document begins here; a definition file holds one".to_owned(),
            )),
        }
    }

    fn from_yaml(yaml: &MarkedYaml<'_>) -> Result<Self, (Option<usize>, String)> {
        let line = Some(yaml.span.start.line());
        let data = match &yaml.data {
            YamlData::Value(scalar) => match scalar {
                Scalar::Null => Data::Null,
                Scalar::Boolean(value) => Data::Boolean(*value),
                Scalar::Integer(value) => Data::Number((*value).into()),
                Scalar::FloatingPoint(value) => Number::from_f64(value.0).map_or_else(
                    || Data::Text(value.to_string()),
                    Data::Number,
                ),
                Scalar::String(text) => Data::Text(text.to_string()),
            },
            YamlData::Sequence(items) => Data::List(items.iter().map(Self::from_yaml).collect::<Result<_, _>>()?),
            YamlData::Mapping(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = Self::from_yaml(key)?;
                    let Some(text) = key.scalar_text() else {
                        return Err((key.line, "a key must be a text".to_owned()));
                    };
                    map.push((text, Self::from_yaml(value)?));
                }
                Data::Map(map)
            }
            YamlData::Tagged(_, inner) => return Self::from_yaml(inner),
            YamlData::Representation(text, ..) => Data::Text(text.to_string()),
            YamlData::Alias(_) | YamlData::BadValue => {
                return Err((line, "this value cannot be read".to_owned()));
            }
        };
        Ok(Self { line, data })
    }

    /// The field of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Whether nothing is written here.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// The text of a scalar as JSON writes it, a string without quotes.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.data {
            Data::Boolean(value) => Some(value.to_string()),
            Data::Number(number) => Some(number.to_string()),
            Data::Text(text) => Some(text.clone()),
            Data::Null => Some("null".to_owned()),
            Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The same value as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Boolean(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| (key.clone(), node.to_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// What a message calls this value: its kind, and its text where it is short.
    pub(crate) fn describe(&self) -> String {
        match &self.data {
            Data::Null => "nothing".to_owned(),
            Data::Boolean(value) => format!("the boolean {value}"),
            Data::Number(number) => format!("the number {number}"),
            Data::Text(text) => format!("{:?}", excerpt(text)),
            Data::List(_) => "a list".to_owned(),
            Data::Map(_) => "a map".to_owned(),
        }
    }
}

/// The beginning of a text, fit to be quoted in a message.
pub(crate) fn excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(EXCERPT_MAX_BYTES);
    if end < text.len() {
        format!("{}…", &text[..end])
    } else {
        text.to_owned()
    }
}

/// Reads the fields of one entry and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    file: &'a str,
    entry: String,
    /// Path of the map that is being read, with its trailing dot.
    path: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a str, entry: String, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            file,
            entry,
            path: String::new(),
            problems,
        }
    }

    /// A reader of a map inside this one, under this name.
    pub(crate) fn inside(&mut self, name: &str) -> Reader<'_> {
        Reader {
            file: self.file,
            entry: self.entry.clone(),
            path: format!("{}{name}.", self.path),
            problems: self.problems,
        }
    }

    /// Records that something is wrong with a field.
    pub(crate) fn problem(&mut self, line: Option<usize>, field: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line,
            entry: self.entry.clone(),
            field: format!("{}{field}", self.path),
            message: message.into(),
        });
    }

    /// A field that holds a text and is not empty.
    pub(crate) fn required_text(&mut self, map: &Node, field: &str, remedy: &str) -> Option<String> {
        let found = map.get(field).filter(|node| !node.is_null());
        match found {
            None => {
                self.problem(map.line, field, format!("is missing: {remedy}"));
                None
            }
            Some(node) => match self.text(node, field) {
                Some(text) if text.trim().is_empty() => {
                    self.problem(node.line, field, format!("is empty: {remedy}"));
                    None
                }
                text => text,
            },
        }
    }

    /// A field that may hold a text.
    pub(crate) fn optional_text(&mut self, map: &Node, field: &str) -> Option<String> {
        let node = map.get(field).filter(|node| !node.is_null())?;
        self.text(node, field)
    }

    /// The text of a value; a number or boolean is told to be quoted.
    pub(crate) fn text(&mut self, node: &Node, field: &str) -> Option<String> {
        match &node.data {
            Data::Text(text) => Some(text.clone()),
            Data::Number(_) | Data::Boolean(_) => {
                let message = format!("must be a text and is {}: put it in quotes", node.describe());
                self.problem(node.line, field, message);
                None
            }
            _ => {
                self.problem(node.line, field, format!("must be a text and is {}", node.describe()));
                None
            }
        }
    }

    /// A field that may hold true or false.
    pub(crate) fn optional_boolean(&mut self, map: &Node, field: &str) -> Option<bool> {
        let node = map.get(field).filter(|node| !node.is_null())?;
        if let Data::Boolean(value) = node.data {
            return Some(value);
        }
        self.problem(node.line, field, format!("must be true or false and is {}", node.describe()));
        None
    }

    /// A field that may hold a list; nothing is an empty one.
    pub(crate) fn list<'n>(&mut self, map: &'n Node, field: &str) -> &'n [Node] {
        match map.get(field) {
            None => &[],
            Some(node) => match &node.data {
                Data::List(items) => items,
                Data::Null => &[],
                _ => {
                    self.problem(node.line, field, format!("must be a list and is {}", node.describe()));
                    &[]
                }
            },
        }
    }

    /// A field that may hold a map.
    pub(crate) fn optional_map<'n>(&mut self, map: &'n Node, field: &str) -> Option<&'n [(String, Node)]> {
        let node = map.get(field).filter(|node| !node.is_null())?;
        if let Data::Map(entries) = &node.data {
            return Some(entries);
        }
        self.problem(node.line, field, format!("must be a map and is {}", node.describe()));
        None
    }

    /// Whether an entry is a map at all.
    pub(crate) fn is_map(&mut self, node: &Node) -> bool {
        let is_map = matches!(node.data, Data::Map(_));
        if !is_map {
            self.problem(node.line, "", format!("an entry must be a map and is {}", node.describe()));
        }
        is_map
    }
}
