//! A definition file: read, parsed, and its entries found.

use std::io::{self, ErrorKind};

use serde_json::Value;
use wasimancer_runtime::Digest;

use crate::error::{Cause, Error, Problem, Result};
use crate::home::Kind;
use crate::node::{Data, Findings, Node, Reader};
use crate::regular_file::{self, DEFINITION_MAX_BYTES};
use crate::snapshot::{Advice, Quarantined};
use crate::store::yaml_edit::{Edit, edit_parsed};
use crate::yaml;

/// What a definition file is called among the entries that are quarantined.
pub(crate) const FILE_KIND: &str = "file";

/// A text for people, in any definition file.
const ABOUT: &str = "about";

/// A definition file, parsed.
pub(crate) struct DefinitionFile {
    pub(crate) name: String,
    pub(crate) text: String,
    root: Node,
    /// Why nothing of it is served. None: it is a definition file.
    problem: Option<Problem>,
}

impl DefinitionFile {
    /// Reads the file; where there is none, the list is empty.
    pub(crate) fn read(kind: &Kind) -> Result<Self> {
        Self::parse(&kind.definition_file, Self::read_text(kind)?)
    }

    /// Reads the file for a start, with nothing in it where its text is wrong as a whole.
    ///
    /// # Errors
    /// When the system refuses to read it.
    pub(crate) fn read_at_start(kind: &Kind, entries: &str, lists: &[&[&str]]) -> Result<Self> {
        let name = &kind.definition_file;
        let text = match Self::read_text(kind) {
            Ok(text) => text,
            Err(Error::Unreadable { source, .. }) if is_of_the_text(&source) => {
                let problem = Problem {
                    cause: Cause::Definition,
                    file: name.clone(),
                    line: None,
                    entry: String::new(),
                    field: String::new(),
                    message: source.to_string(),
                };
                return Ok(Self::wrong(name, String::new(), problem));
            }
            Err(error) => return Err(error),
        };
        let parsed = Self::parse(name, text.clone()).and_then(|file| {
            for list in lists {
                file.entries(entries, list)?;
            }
            Ok(file)
        });
        match parsed {
            Err(Error::Malformed(problem)) => Ok(Self::wrong(name, text, *problem)),
            parsed => parsed,
        }
    }

    /// A file of which nothing can be read.
    fn wrong(name: &str, text: String, problem: Problem) -> Self {
        Self {
            name: name.to_owned(),
            text,
            root: Node {
                line: None,
                data: Data::Map(Vec::new()),
            },
            problem: Some(problem),
        }
    }

    /// Reads the text alone, for whoever knows a file of this text already. Where there is no file, it
    /// is empty.
    pub(crate) fn read_text(kind: &Kind) -> Result<String> {
        let path = kind.file();
        match regular_file::read_text(&path, DEFINITION_MAX_BYTES) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }

    /// Parses a text that is, or is to be, the file's.
    pub(crate) fn parse(name: &str, text: String) -> Result<Self> {
        let root =
            yaml::parse(name, &text).map_err(|problem| Error::Malformed(Box::new(problem)))?;
        Ok(Self {
            name: name.to_owned(),
            text,
            root,
            problem: None,
        })
    }

    /// The file that a change to an entry leads to.
    pub(crate) fn edited(name: &str, text: &str, path: &[&str], change: &Edit<'_>) -> Result<Self> {
        let (text, root) = edit_parsed(name, text, path, change)?;
        Ok(Self {
            name: name.to_owned(),
            text,
            root,
            problem: None,
        })
    }

    /// The file itself, where nothing of it can be served.
    pub(crate) fn quarantined(&self) -> Vec<Quarantined> {
        let problem = self.problem.iter();
        let quarantined = problem.map(|problem| Quarantined {
            kind: FILE_KIND,
            name: self.name.clone(),
            definition: Value::Null,
            problems: vec![problem.clone()],
        });
        quarantined.collect()
    }

    /// Advice on keys around the lists of its entries.
    pub(crate) fn advice(&self, lists: &[&[&str]]) -> Vec<Advice> {
        let mut findings = Findings::default();
        let mut reader = Reader::new(&self.name, String::new(), &mut findings);
        let [outer, ..] = lists.concat()[..] else {
            return Vec::new();
        };
        reader.check_keys(&self.root, &[outer, ABOUT]);
        let inner: Vec<&str> = lists
            .iter()
            .filter_map(|list| list.get(1).copied())
            .collect();
        if let Some(map) = self.root.get(outer).filter(|_| !inner.is_empty()) {
            reader.inside(outer).check_keys(map, &inner);
        }
        let advice = findings.advice.into_iter().map(|advice| Advice {
            kind: FILE_KIND,
            name: String::new(),
            text: advice.to_string(),
        });
        advice.collect()
    }

    /// The digest of the text.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The entries under a chain of keys; nothing there is an empty list.
    pub(crate) fn entries(&self, kind: &str, path: &[&str]) -> Result<&[Node]> {
        let mut node = &self.root;
        for key in path {
            match &node.data {
                Data::Map(_) => match node.get(key) {
                    Some(next) => node = next,
                    None => return Ok(&[]),
                },
                Data::Null => return Ok(&[]),
                _ => return Err(self.malformed(node, kind, path, "map")),
            }
        }
        match &node.data {
            Data::List(entries) => Ok(entries),
            Data::Null => Ok(&[]),
            _ => Err(self.malformed(node, kind, path, "list")),
        }
    }

    /// The entry of a name under a chain of keys.
    pub(crate) fn find(&self, kind: &str, path: &[&str], name: &str) -> Option<&Node> {
        let mut entries = self.entries(kind, path).unwrap_or_default().iter();
        entries.find(|entry| entry.get("name").and_then(Node::scalar_text) == Some(name))
    }

    fn malformed(&self, node: &Node, kind: &str, path: &[&str], wanted: &str) -> Error {
        Error::Malformed(Box::new(Problem {
            cause: Cause::Definition,
            file: self.name.clone(),
            line: node.line,
            entry: String::new(),
            field: path.join("."),
            message: format!(
                "a {wanted} is wanted here for the {kind}, and there is {}",
                node.describe()
            ),
        }))
    }
}

/// Whether an error of reading is one of the text, and not of the way to it.
fn is_of_the_text(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::FileTooLarge
    )
}
