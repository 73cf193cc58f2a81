//! What is no URI (RFC 3986), even after clients have percent-encoded blanks, braces and characters beyond ASCII:
//! some clients lose a whole list for one.

use std::borrow::Cow;

use fluent_uri::Uri;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use wasimancer_runtime::without_credentials;

use crate::node::excerpt;

/// What clients encode before they read a URI, beside characters beyond ASCII. Braces stand in URIs of
/// resources that look like templates and are none.
const ENCODED: &AsciiSet = &AsciiSet::EMPTY.add(b' ').add(b'{').add(b'}');

/// Why a text is no URI.
pub(crate) fn fault(uri: &str) -> Option<String> {
    fault_of(uri, uri)
}

/// Why a text is no URI template: what stands around its expressions is none.
pub(crate) fn template_fault(template: &str) -> Option<String> {
    fault_of(template, &filled(template))
}

/// The same of what a text is `read` as.
fn fault_of(uri: &str, read: &str) -> Option<String> {
    let encoded: Cow<'_, str> = utf8_percent_encode(read, ENCODED).into();
    let fault = match Uri::parse(&*encoded) {
        Ok(uri) => {
            let port = uri.authority().map(|authority| authority.port_to_u16());
            let is_right = port.is_none_or(|port| port.is_ok());
            (!is_right).then(|| "its port is above 65535".to_owned())
        }
        Err(_) if !has_scheme(&encoded) => Some(
            "begin it with a scheme of letters, digits, `+`, `-` and `.`, such as info://example"
                .to_owned(),
        ),
        Err(_) => Some("percent-encode what RFC 3986 does not allow where it stands".to_owned()),
    }?;
    let uri = without_credentials(uri);
    Some(format!("{:?} is no URI: {fault}", excerpt(&uri)))
}

fn has_scheme(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else {
        return false;
    };
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_usual)
}

/// A template with a digit, which may stand anywhere, for each expression; one at the beginning may be the
/// whole URI.
fn filled(template: &str) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, (_, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        filled.push_str(before);
        filled.push_str(if filled.is_empty() { "a:" } else { "1" });
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_uri_is_told_with_the_remedy() {
        for (uri, remedy) in [
            ("my_scheme://x", "begin it with a scheme"),
            ("readme.md", "begin it with a scheme"),
            ("not a uri", "begin it with a scheme"),
            ("://x", "begin it with a scheme"),
            ("1http://x", "begin it with a scheme"),
            ("/etc/x", "begin it with a scheme"),
            ("é:x", "begin it with a scheme"),
            ("%%%", "begin it with a scheme"),
            ("C:\\docs\\a.txt", "percent-encode"),
            ("http://[bad", "percent-encode"),
            ("a://b/100%", "percent-encode"),
            ("a://b/\n", "percent-encode"),
            ("http://h:port/", "percent-encode"),
            ("http://example.com:99999/", "above 65535"),
            ("http://Ann:secret@h:99999/", "above 65535"),
        ] {
            let told = fault(uri).unwrap_or_default();
            assert!(told.contains(remedy), "{uri}: {told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn what_clients_encode_is_a_uri() {
        for uri in [
            "docs://ok",
            "info://{who}/{x}",
            "docs://café/my menu?ä#ö ü",
            "a:",
            "urn:isbn:0451450523",
            "mailto:Ann@example.com",
            "file:///etc/x",
            "http://[::1]:65535/",
            "http://h:/",
            "a://b/100%25",
        ] {
            assert_eq!(fault(uri), None, "{uri}");
        }
    }

    #[test]
    fn templates_are_looked_at_around_their_expressions() {
        for template in [
            "docs://{x}",
            "{+uri}",
            "{scheme}://{host}:{port}/a{?q,r}",
            "http://h:{port}/{a}{b}",
            "a://b/{x}/my file{#x}",
        ] {
            assert_eq!(template_fault(template), None, "{template}");
        }
        for template in ["my_scheme://{x}", "docs/{x}", "http://[{x}", "a://b/{x}\\"] {
            assert!(template_fault(template).is_some(), "{template}");
        }
    }
}
