//! Addresses that are shown to people, without what else stands in them.

use std::borrow::Cow;

/// What stands for what is not shown.
const HIDDEN: &str = "…";

/// An address without the name and password in it, and without what its query holds, which may be a
/// token: `https://…@example.com/?…`. Other texts stay as they are.
#[must_use]
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let scheme = text.find("//").map_or(0, |at| at + 2);
    // A password may hold whatever somebody forgot to escape.
    let host = text.rfind('@').filter(|at| *at > scheme).unwrap_or(scheme);
    let query = text[host..].find(['?', '#']).map(|at| host + at + 1);
    let query = query.filter(|query| text[*query..].contains('='));
    if host == scheme && query.is_none() {
        return Cow::Borrowed(text);
    }
    let user = if host == scheme { "" } else { HIDDEN };
    let rest = &text[host..query.unwrap_or(text.len())];
    let query = if query.is_some() { HIDDEN } else { "" };
    Cow::Owned(format!("{}{user}{rest}{query}", &text[..scheme]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        for (text, wanted) in [
            (
                "https://user:secret@example.com/x",
                "https://…@example.com/x",
            ),
            ("https://secret@example.com:80", "https://…@example.com:80"),
            ("user:secret@example.com", "…@example.com"),
            ("https://user:se/cr@et@example.com", "https://…@example.com"),
            ("//user:secret@", "//…@"),
            (
                "https://example.com/x?key=secret",
                "https://example.com/x?…",
            ),
            ("https://a:se?cret@b/?c=d#secret", "https://…@b/?…"),
        ] {
            assert_eq!(without_credentials(text), wanted);
        }
        for same in [
            "example.com",
            "https://example.com/x",
            "",
            "info://x{?a,b}",
            "//",
            "*:80",
        ] {
            assert_eq!(without_credentials(same), same);
        }
    }
}
