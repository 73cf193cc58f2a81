//! Any text as a URI template, and any other as a URI.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use wasimancer_catalog::fuzzing::matches;

/// Longest template and URI: what is matched grows with both.
const MAX_BYTES: usize = 1000;

/// The bytes are a template and a URI, with a line break between them.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    if data.len() > MAX_BYTES {
        return;
    }
    let text = String::from_utf8_lossy(data);
    let (template, uri) = text.split_once('\n').unwrap_or((&text, ""));
    if let Some(values) = matches(template, uri) {
        let again = matches(template, uri);
        assert_eq!(again.as_ref(), Some(&values), "one URI, one meaning");
    }
    expanded(uri);
}

/// What is expanded into a template is found in it again.
fn expanded(value: &str) {
    if value.is_empty() {
        return;
    }
    let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    for (template, uri) in [
        ("a://{x}", format!("a://{encoded}")),
        ("a://b/{x}/c", format!("a://b/{encoded}/c")),
        ("a://b{?x}", format!("a://b?x={encoded}")),
    ] {
        let values = matches(template, &uri).expect("it matches");
        assert_eq!(values, [("x".to_owned(), value.to_owned())], "{uri}");
    }
}
