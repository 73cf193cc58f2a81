//! What the fuzz targets reach, and nobody else.

use crate::uri_template::UriTemplate;

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
