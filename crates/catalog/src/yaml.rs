//! From YAML text to nodes, event by event.
//!
//! The tree is built here and not by a library, since a definition file may be made to exhaust its
//! reader: nesting is bounded before anything walks into it, aliases by what they stand for. It also
//! keeps what a library would lose: how a number is written, and the line of each field's key.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::error::{Cause, Problem};
use crate::node::{Data, Node};
use crate::scalar;
use crate::surrogates::Unpaired;

/// Deepest nesting of a file. Common readers of JSON go 128 levels deep, and an answer puts a few of
/// its own around an entry.
const DEPTH_MAX: usize = 100;
/// Most bytes that the anchors and aliases of a file may stand for, keys and texts included: a file
/// that a person wrote has some KiB of them, a hostile one doubles them on every line.
const ALIASED_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The key whose value is merged into its map (YAML's "merge" type, which `js-yaml` reads too).
pub(crate) const MERGE_KEY: &str = "<<";

/// A line, and what is wrong there.
type Wrong = (usize, String);

/// Reads a file's text; an empty one is an empty map.
///
/// # Errors
/// A problem with the file as a whole: its syntax, its size once aliases are resolved, or a second
/// document in it. No message quotes a value, which may be a secret.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, Problem> {
    build(text).map_err(|(line, message)| Problem {
        cause: Cause::Definition,
        file: file.to_owned(),
        line: Some(line),
        entry: String::new(),
        field: String::new(),
        message,
    })
}

fn build(text: &str) -> Result<Node, Wrong> {
    let mut builder = Builder::default();
    let unpaired = Unpaired::new(text);
    let mut parser = Parser::new_from_iter(unpaired.text().chars());
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let message = format!("this is no valid YAML: {}", error.info());
            (error.marker().line(), message)
        })?;
        let event = match event {
            Event::Scalar(value, style, anchor, tag) => {
                Event::Scalar(unpaired.restore(value, style, &span), style, anchor, tag)
            }
            event => event,
        };
        builder.take(event, span.start.line())?;
    }
    Ok(builder.document.unwrap_or_else(|| Node {
        line: Some(1),
        data: Data::Map(Vec::new()),
    }))
}

/// The tree as far as it has been read.
#[derive(Default)]
struct Builder {
    /// The lists and maps whose end has not come yet, outermost first.
    open: Vec<Open>,
    /// What each anchor names, by the parser's number of it.
    anchored: HashMap<usize, Anchored>,
    /// What the nodes in `anchored` and their copies take, in bytes.
    aliased_bytes: usize,
    documents: usize,
    document: Option<Node>,
}

/// A list or map whose end has not come yet.
struct Open {
    line: usize,
    /// The parser's number of its anchor; 0 for none.
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        fields: Vec<(String, Node)>,
        /// What merge keys add, unless the map has the field itself.
        merged: Vec<(String, Node)>,
        key: Option<Key>,
    },
}

/// A key whose value has not come yet.
struct Key {
    text: String,
    line: usize,
    merges: bool,
}

struct Anchored {
    node: Node,
    bytes: usize,
    height: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Wrong> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second YAML document begins here; a definition file holds one";
                    return Err((line, message.to_owned()));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), line)
            }
            Event::SequenceStart(anchor, _) => self.begin(Content::List(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map {
                    fields: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.begin(content, anchor, line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<(), Wrong> {
        let data = scalar::resolve(text, style, tag).map_err(|message| (line, message))?;
        let merges = text == MERGE_KEY && style == ScalarStyle::Plain && tag.is_none();
        let node = Node {
            line: Some(line),
            data,
        };
        self.anchor(anchor, &node, line)?;
        match self.awaited_key() {
            Some(key) => {
                *key = Some(Key {
                    text: text.to_owned(),
                    line,
                    merges,
                });
                Ok(())
            }
            None => self.place(node),
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, line: usize) -> Result<(), Wrong> {
        if self.awaited_key().is_some() {
            return Err(no_key(line));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(too_deep(line));
        }
        self.open.push(Open {
            line,
            anchor,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let Some(Open {
            line,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let data = match content {
            Content::List(items) => Data::List(items),
            Content::Map { fields, merged, .. } => Data::Map(whole_map(fields, merged)?),
        };
        let node = Node {
            line: Some(line),
            data,
        };
        self.anchor(anchor, &node, line)?;
        self.place(node)
    }

    /// Puts a copy of what an anchor names here.
    fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Wrong> {
        let Some(named) = self.anchored.get(&anchor) else {
            let message = "this alias stands inside the value that it names: write the value out";
            return Err((line, message.to_owned()));
        };
        if self.open.len() + named.height > DEPTH_MAX {
            return Err(too_deep(line));
        }
        let node = Node {
            line: Some(line),
            data: named.node.data.clone(),
        };
        let bytes = named.bytes;
        self.charge(bytes, line)?;
        match self.awaited_key() {
            Some(key) => {
                let text = node.scalar_text().ok_or_else(|| no_key(line))?.to_owned();
                *key = Some(Key {
                    text,
                    line,
                    merges: false,
                });
                Ok(())
            }
            None => self.place(node),
        }
    }

    /// Keeps a node for the aliases of its anchor.
    fn anchor(&mut self, anchor: usize, node: &Node, line: usize) -> Result<(), Wrong> {
        if anchor == 0 {
            return Ok(());
        }
        let (bytes, height) = weigh(node);
        self.charge(bytes, line)?;
        let node = node.clone();
        self.anchored.insert(
            anchor,
            Anchored {
                node,
                bytes,
                height,
            },
        );
        Ok(())
    }

    fn charge(&mut self, bytes: usize, line: usize) -> Result<(), Wrong> {
        self.aliased_bytes = self.aliased_bytes.saturating_add(bytes);
        if self.aliased_bytes > ALIASED_MAX_BYTES {
            let message = format!(
                "the anchors and aliases of this file stand for more than {ALIASED_MAX_BYTES} bytes: write fewer of them"
            );
            return Err((line, message));
        }
        Ok(())
    }

    /// Where the next key belongs, if a key comes next.
    fn awaited_key(&mut self) -> Option<&mut Option<Key>> {
        match &mut self.open.last_mut()?.content {
            Content::Map { key, .. } if key.is_none() => Some(key),
            _ => None,
        }
    }

    /// Puts a finished node into the list or map around it. A field's line is that of its key.
    fn place(&mut self, mut node: Node) -> Result<(), Wrong> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.document = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map {
                fields,
                merged,
                key,
            }) => match key.take() {
                None => {}
                Some(key) if key.merges => merge(node, merged, key.line)?,
                Some(key) => {
                    node.line = Some(key.line);
                    fields.push((key.text, node));
                }
            },
        }
        Ok(())
    }
}

fn no_key(line: usize) -> Wrong {
    (line, "a key must be a text".to_owned())
}

fn too_deep(line: usize) -> Wrong {
    let message = format!("this is nested more than {DEPTH_MAX} levels deep: write it flatter");
    (line, message)
}

/// Adds the fields of the map, or of each map of the list, that a merge key has as its value.
fn merge(node: Node, merged: &mut Vec<(String, Node)>, line: usize) -> Result<(), Wrong> {
    let maps = match node.data {
        Data::List(maps) => maps,
        data => vec![Node {
            line: node.line,
            data,
        }],
    };
    for map in maps {
        let Data::Map(fields) = map.data else {
            let message = "`<<` takes a map or a list of maps: give it an alias of a map";
            return Err((line, message.to_owned()));
        };
        merged.extend(fields);
    }
    Ok(())
}

/// The fields of a map, each once: its own first, then those merged into it, of which the first wins.
fn whole_map(
    mut fields: Vec<(String, Node)>,
    merged: Vec<(String, Node)>,
) -> Result<Vec<(String, Node)>, Wrong> {
    let mut names: HashSet<String> = HashSet::with_capacity(fields.len());
    for (name, node) in &fields {
        if !names.insert(name.clone()) {
            let message = format!("the key {name:?} occurs twice in one map: leave one out");
            return Err((node.line.unwrap_or_default(), message));
        }
    }
    fields.extend(
        merged
            .into_iter()
            .filter(|(name, _)| names.insert(name.clone())),
    );
    Ok(fields)
}

/// What a node takes in bytes, about, and how many lists and maps it is deep.
fn weigh(node: &Node) -> (usize, usize) {
    let own = size_of::<(String, Node)>();
    let inside = |children: &mut dyn Iterator<Item = (usize, &Node)>| {
        children.fold((own, 1), |(bytes, height), (key_bytes, child)| {
            let (child_bytes, child_height) = weigh(child);
            (
                bytes + key_bytes + child_bytes,
                height.max(child_height + 1),
            )
        })
    };
    match &node.data {
        Data::Null | Data::Boolean { .. } => (own, 0),
        Data::Number { written, .. } | Data::Unfit(written) | Data::Text(written) => {
            (own + written.len(), 0)
        }
        Data::List(items) => inside(&mut items.iter().map(|item| (0, item))),
        Data::Map(fields) => inside(&mut fields.iter().map(|(key, node)| (key.len(), node))),
    }
}
