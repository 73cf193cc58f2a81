//! Changes one entry of a definition file and leaves the rest as people wrote it.
//!
//! A change is a splice: the outline tells where the entry's lines are, and nothing else is touched.
//! Then the changed text is read as every definition file is, and must hold exactly the values that
//! were asked for; where it does not, the next way to splice is tried, and at last the change is
//! refused. So a file is never damaged, however it is written.

mod block;
mod flow;
mod outline;
mod render;
mod site;
mod splice;
mod text;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::outline::{Content, Outline, Piece, outline};
use self::render::Flow;
use self::site::{Site, find};
use self::splice::{Splices, apply};
use crate::error::{Cause, Problem};
use crate::node::{Data, Node};
use crate::yaml;

/// A change of one entry of a list of maps. An entry is known by its field `name`; where several have
/// the same, by the first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit<'a> {
    /// Puts an entry behind all others.
    Add(&'a Value),
    /// Puts an entry in the place of another.
    Replace {
        /// The other's name.
        name: &'a str,
        /// The new entry.
        entry: &'a Value,
    },
    /// Takes an entry out.
    Remove {
        /// Its name.
        name: &'a str,
    },
}

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is no YAML as it is.
    #[error("{0}")]
    Malformed(Problem),

    /// No entry has this name.
    #[error("{file}: {list} has no entry with the name {name:?}")]
    NotFound {
        /// The file.
        file: String,
        /// The list: its keys, with dots between them.
        list: String,
        /// The name.
        name: String,
    },

    /// The change cannot be made without changing something else; the problem names the remedy.
    #[error("{0}")]
    NotInPlace(Problem),
}

/// The text of a file with one entry changed, its other values, lines and comments as they were.
///
/// `path` are the keys that lead to the list, at least one. A list that is absent or empty is there
/// after the first entry is added, and still there when the last one is removed.
///
/// # Errors
/// When the file is no YAML, has no such entry, or is written in a way that forbids the change.
pub(crate) fn edit(
    file: &str,
    text: &str,
    path: &[&str],
    edit: &Edit<'_>,
) -> Result<String, EditError> {
    edit_parsed(file, text, path, edit).map(|(text, _)| text)
}

/// The same with what the changed text holds.
pub(crate) fn edit_parsed(
    file: &str,
    text: &str,
    path: &[&str],
    edit: &Edit<'_>,
) -> Result<(String, Node), EditError> {
    let source = Source { file, text, path };
    let old = yaml::parse(file, text).map_err(EditError::Malformed)?;
    let outline = outline(text).expect("the events of this text have just been read");
    let site = find(&source, &outline, &old)?;
    let step = source.step(&old, edit)?;
    let ways = source.ways(&outline, &site, step)?;
    let wanted = wanted(old, path, &site, step);

    let mut unreadable = None;
    for way in ways {
        let changed = apply(text, way);
        match yaml::parse(file, &changed) {
            Ok(new) if new.same(&wanted) => return Ok((changed, new)),
            Ok(_) => {}
            Err(problem) => unreadable = Some(problem.message),
        }
    }
    Err(source.refusal(&outline, &site, step, unreadable))
}

/// The text of each entry of a list as the file writes it; none where it writes no list there.
pub(crate) fn entry_texts<'t>(text: &'t str, path: &[&str]) -> Option<Vec<&'t str>> {
    let outline = outline(text)?;
    let mut piece = outline.root.as_ref()?;
    for name in path {
        let Content::Map { fields, .. } = &piece.content else {
            return None;
        };
        let is_it = |key: &Piece| matches!(&key.content, Content::Text(text) if text == name);
        piece = fields
            .iter()
            .find(|(key, _)| is_it(key))
            .map(|(_, value)| value)?;
    }
    match &piece.content {
        Content::List { items, .. } => Some(items.iter().map(|item| &text[item.range()]).collect()),
        _ => None,
    }
}

/// An edit whose entry has been found.
#[derive(Clone, Copy)]
enum Step<'a> {
    Add(&'a Value),
    Replace(usize, &'a Value),
    Remove(usize),
}

/// The file, and the list in it.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
    path: &'a [&'a str],
}

impl Source<'_> {
    /// Looks up the entry. The values tell its name, since it may come from an alias.
    fn step<'e>(&self, old: &Node, edit: &Edit<'e>) -> Result<Step<'e>, EditError> {
        let place = |name: &str| {
            let list = self.path.iter().try_fold(old, |node, key| node.get(key));
            let items = match list.map(|list| &list.data) {
                Some(Data::List(items)) => items.as_slice(),
                _ => &[],
            };
            let is_it = |item: &Node| item.get("name").and_then(Node::scalar_text) == Some(name);
            let found = items.iter().position(is_it);
            found.ok_or_else(|| EditError::NotFound {
                file: self.file.to_owned(),
                list: self.path.join("."),
                name: name.to_owned(),
            })
        };
        Ok(match *edit {
            Edit::Add(entry) => Step::Add(entry),
            Edit::Replace { name, entry } => Step::Replace(place(name)?, entry),
            Edit::Remove { name } => Step::Remove(place(name)?),
        })
    }

    /// The ways to make the change, the most natural one first.
    fn ways(
        &self,
        outline: &Outline,
        site: &Site<'_>,
        step: Step<'_>,
    ) -> Result<Vec<Splices>, EditError> {
        let text = self.text;
        let is_json = outline.root.as_ref().is_some_and(Piece::in_flow);
        let styles: &[Flow] = if is_json { &[Flow::Json] } else { &Flow::ALL };
        match (site, step) {
            (Site::List { list, .. }, Step::Add(entry)) if list.in_flow() => {
                let ways = styles
                    .iter()
                    .map(|style| flow::insert(text, list, &render::flow(entry, *style)));
                Ok(ways.collect())
            }
            (Site::List { list, items, .. }, Step::Replace(index, entry)) if list.in_flow() => {
                let ways = styles
                    .iter()
                    .map(|style| flow::replace(&items[index], render::flow(entry, *style)));
                Ok(ways.collect())
            }
            (Site::List { list, items, .. }, Step::Remove(index)) if list.in_flow() => {
                Ok(vec![flow::remove(text, items, index)])
            }
            (Site::List { key, list, items }, step) => {
                let ways = match step {
                    Step::Add(entry) => block::add(text, items, entry),
                    Step::Replace(index, entry) => block::replace(text, &items[index], entry),
                    Step::Remove(index) => block::remove(text, key, list, items, index),
                };
                ways.ok_or_else(|| {
                    let message = "stands on the line of its list's key: begin a line for it";
                    self.refuse(list.start, message)
                })
            }
            (site, Step::Add(entry)) => Ok(self.ways_to_begin(site, entry, styles)),
            (_, Step::Replace(..) | Step::Remove(_)) => Ok(Vec::new()),
        }
    }

    /// The ways to put the first entry into a list that is empty or absent.
    fn ways_to_begin(&self, site: &Site<'_>, entry: &Value, styles: &[Flow]) -> Vec<Splices> {
        let text = self.text;
        let list = |missing: &[&str]| {
            let around = |value, key: &&str| json!({ *key: value });
            missing.iter().rev().fold(json!([entry]), around)
        };
        let in_flow = |list: &Value, way: &dyn Fn(&str) -> Splices| {
            let ways = styles.iter().map(|style| way(&render::flow(list, *style)));
            ways.collect()
        };
        match site {
            Site::List { .. } => Vec::new(),
            Site::Empty {
                map,
                key,
                value,
                missing,
            } => {
                let list = list(missing);
                let is_null = matches!(value.content, Content::Null { .. });
                if map.in_flow() && is_null {
                    in_flow(&list, &|list| flow::set(text, key, value, list))
                } else if map.in_flow() || !(is_null || block::can_open(text, value)) {
                    in_flow(&list, &|list| flow::insert(text, value, flow::inside(list)))
                } else {
                    block::fill(text, key, value, &list)
                }
            }
            Site::Absent {
                map,
                fields,
                missing,
            } => {
                let list = list(missing);
                match fields.first() {
                    Some((first, _)) if !map.in_flow() => {
                        block::append(text, map.end, text::column(text, first.start), &list)
                    }
                    _ => in_flow(&list, &|list| flow::insert(text, map, flow::inside(list))),
                }
            }
            Site::NoValue { end, missing } => block::begin(text, *end, &list(missing)),
        }
    }

    /// Why no way to make the change was right.
    fn refusal(
        &self,
        outline: &Outline,
        site: &Site<'_>,
        step: Step<'_>,
        unreadable: Option<String>,
    ) -> EditError {
        let (place, edited) = site.place(step);
        let mut anchors = Vec::new();
        let mut alias = None;
        if let Some(root) = &outline.root {
            let is_inside = |piece: &Piece| {
                edited.is_some_and(|edited| edited.start <= piece.start && piece.end <= edited.end)
            };
            root.walk(&mut |piece| {
                let is_around = piece.start <= place && place <= piece.end;
                if piece.anchor > 0 && (is_around || is_inside(piece)) {
                    anchors.push(piece.anchor);
                }
            });
            root.walk(&mut |piece| match piece.content {
                Content::Alias(anchor) if anchors.contains(&anchor) && !is_inside(piece) => {
                    alias = alias.or(Some(piece.start));
                }
                _ => {}
            });
        }
        let message = match (alias, unreadable) {
            (Some(alias), _) => {
                let line = text::line_number(self.text, alias);
                format!("has an anchor that line {line} refers to: write the value out there first")
            }
            (None, Some(reason)) => {
                format!("cannot be changed here: {reason}; change the file with an editor")
            }
            (None, None) => "cannot be changed here without changing other values of the file: \
                             change it with an editor"
                .to_owned(),
        };
        self.refuse(place, message)
    }

    fn refuse(&self, place: usize, message: impl Into<String>) -> EditError {
        EditError::NotInPlace(Problem {
            cause: Cause::Definition,
            file: self.file.to_owned(),
            line: Some(text::line_number(self.text, place)),
            entry: String::new(),
            field: self.path.join("."),
            message: message.into(),
        })
    }
}

/// The values that the changed file must hold.
fn wanted(mut old: Node, path: &[&str], site: &Site<'_>, step: Step<'_>) -> Node {
    let mut node = &mut old;
    for key in path {
        if node.is_null() {
            node.data = Data::Map(Vec::new());
        }
        let Data::Map(fields) = &mut node.data else {
            unreachable!("the list's place has been found by this path");
        };
        let found = fields.iter().position(|(name, _)| name == key);
        let at = found.unwrap_or_else(|| {
            let at = site.own_fields().min(fields.len());
            fields.insert(at, ((*key).to_owned(), Node::from_json(&Value::Null)));
            at
        });
        node = &mut fields[at].1;
    }
    if node.is_null() {
        node.data = Data::List(Vec::new());
    }
    let Data::List(items) = &mut node.data else {
        unreachable!("the list's place has been found by this path");
    };
    match step {
        Step::Add(entry) => items.push(Node::from_json(entry)),
        Step::Replace(index, entry) => items[index] = Node::from_json(entry),
        Step::Remove(index) => {
            items.remove(index);
        }
    }
    old
}
