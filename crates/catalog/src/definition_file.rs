//! A definition file: read, parsed, and its entries found.

use std::io::ErrorKind;

use wasimancer_runtime::Digest;

use crate::error::{Error, Problem, Result};
use crate::home::Kind;
use crate::node::{Data, Node};
use crate::regular_file::{self, DEFINITION_MAX_BYTES};
use crate::store::yaml_edit::{Edit, edit_parsed};
use crate::yaml;

/// A definition file, parsed.
pub(crate) struct DefinitionFile {
    pub(crate) name: String,
    pub(crate) text: String,
    root: Node,
}

impl DefinitionFile {
    /// Reads the file; where there is none, the list is empty.
    pub(crate) fn read(kind: &Kind) -> Result<Self> {
        Self::parse(&kind.definition_file, Self::read_text(kind)?)
    }

    /// Reads the text alone, for whoever knows a file of this text already.
    pub(crate) fn read_text(kind: &Kind) -> Result<String> {
        let path = kind.file();
        match regular_file::read_text(&path, DEFINITION_MAX_BYTES) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == ErrorKind::NotFound && kind.folder.is_dir() => {
                Ok(String::new())
            }
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
        })
    }

    /// The file that a change to an entry leads to.
    pub(crate) fn edited(name: &str, text: &str, path: &[&str], change: &Edit<'_>) -> Result<Self> {
        let (text, root) = edit_parsed(name, text, path, change)?;
        Ok(Self {
            name: name.to_owned(),
            text,
            root,
        })
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
            cause: crate::error::Cause::Definition,
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
