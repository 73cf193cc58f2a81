//! What the fuzz targets reach, and nobody else.

use serde_json::Value;

use crate::uri_template::UriTemplate;
use crate::validation::{CompiledSchema, Patterns, Violations};

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
