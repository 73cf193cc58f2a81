//! The catalogue's revision as `ETag`, and the ones that a change may be made to as `If-Match`
//! (RFC 9110, sections 8.8.3 and 13.1.1).

use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderName};
use wasimancer_catalog::Digest;

/// The header of an answer.
pub(crate) fn etag(revision: &Digest) -> (HeaderName, String) {
    (ETAG, format!("\"{revision}\""))
}

/// The revisions that a request names; none where it takes any. A tag that is none of ours, or a
/// weak one, matches nothing.
pub(crate) fn if_match(headers: &HeaderMap) -> Option<Vec<Digest>> {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    values.peek()?;
    let tags = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let mut revisions = Vec::new();
    for tag in tags.map(str::trim) {
        if tag == "*" {
            return None;
        }
        let inside = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        revisions.extend(inside.and_then(|inside| inside.parse::<Digest>().ok()));
    }
    Some(revisions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[&str]) -> Option<Vec<Digest>> {
        let values = values.iter();
        let headers = values.map(|value| (IF_MATCH, value.parse().unwrap()));
        if_match(&headers.collect())
    }

    #[test]
    fn revisions_are_read_from_if_match() {
        let [one, two] = [Digest::of(b"1"), Digest::of(b"2")];
        assert_eq!(parsed(&[]), None);
        assert_eq!(parsed(&["*"]), None);
        assert_eq!(parsed(&[&format!("\"{one}\"")]), Some(vec![one]));
        let both = format!("\"{one}\" , \"{two}\"");
        assert_eq!(parsed(&[&both]), Some(vec![one, two]));
        for none in [
            format!("W/\"{one}\""),
            one.to_string(),
            "\"x\"".to_owned(),
            String::new(),
        ] {
            assert_eq!(parsed(&[&none]), Some(Vec::new()), "{none}");
        }
    }
}
