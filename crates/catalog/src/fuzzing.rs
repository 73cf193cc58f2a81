//! What the fuzz targets reach, and nobody else.

use serde_json::Value;

use crate::store::yaml_edit::{Edit, edit, entry_texts};
use crate::template::Filling;
use crate::uri_template::UriTemplate;
use crate::validation::{CompiledSchema, Patterns, Violations};
use crate::yaml;

/// The variables of a template in a URI, where the template is one and matches.
#[must_use]
pub fn matches(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
    let template = UriTemplate::parse(template).ok()?;
    let values = template.matches(uri)?.into_iter();
    Some(
        values
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// What a schema says of a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It matches.
    Right,
    /// What does not match.
    Wrong(String),
    /// There were not steps enough, or other bounds were met.
    Unchecked,
}

/// What a schema says of a value in so many steps; none where the schema is refused.
#[must_use]
pub fn verdict(schema: &Value, value: &Value, steps: u64) -> Option<Verdict> {
    let schema = CompiledSchema::compile(schema, &Patterns::default()).ok()?;
    Some(match schema.check(value, steps) {
        Ok(()) => Verdict::Right,
        Err(Violations::Wrong(message)) => Verdict::Wrong(message),
        Err(_) => Verdict::Unchecked,
    })
}

/// A text with the values of names in it, of at most so many bytes; none where it would have more.
#[must_use]
pub fn filled(text: &str, values: &[(&str, &str)], max_bytes: usize) -> Option<String> {
    let value = |name: &str| {
        let found = values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    };
    Filling::within(max_bytes).substitute(text, value).ok()
}

/// A change of one entry of a definition file.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// Puts an entry behind all others.
    Add(&'a Value),
    /// Puts an entry in the place of the first one with this name.
    Replace(&'a str, &'a Value),
    /// Takes the first entry with this name out.
    Remove(&'a str),
}

/// The text of a definition file with an entry changed, or why it is not.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn edited(text: &str, path: &[&str], change: Change<'_>) -> Result<String, String> {
    let change = match change {
        Change::Add(entry) => Edit::Add(entry),
        Change::Replace(name, entry) => Edit::Replace { name, entry },
        Change::Remove(name) => Edit::Remove { name },
    };
    edit("f.yml", text, path, &change).map_err(|error| error.to_string())
}

/// What a definition file holds, as JSON; none where it is no YAML.
#[must_use]
pub fn values(text: &str) -> Option<Value> {
    let node = yaml::parse("f.yml", text).ok()?;
    Some(node.to_json())
}

/// The text of each entry of a list as the file writes it; none where the file writes no list there.
#[must_use]
pub fn entries<'t>(text: &'t str, path: &[&str]) -> Option<Vec<&'t str>> {
    yaml::parse("f.yml", text).ok()?;
    entry_texts(text, path)
}
