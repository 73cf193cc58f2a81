//! `${name}` in texts: replaced literally and in a single pass.

use std::borrow::Cow;

/// Replaces every `${name}` that `value` knows. What it does not know stays as it is, and what a
/// value holds is never looked at again.
pub(crate) fn substitute<'t, 'v>(
    text: &'t str,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Cow<'t, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let after = &rest[start + 2..];
        let Some(end) = after.find('}') else { break };
        match value(&after[..end]) {
            Some(value) => {
                out.push_str(&rest[..start]);
                out.push_str(value);
                rest = &after[end + 1..];
            }
            None => {
                // The name may hold the start of another placeholder.
                out.push_str(&rest[..start + 2]);
                rest = after;
            }
        }
    }
    if out.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::substitute;

    fn with_names(text: &str) -> String {
        substitute(text, |name| match name {
            "first" => Some("${last}"),
            "last" => Some("$& $1 \\0"),
            "empty" => Some(""),
            _ => None,
        })
        .into_owned()
    }

    #[test]
    fn replacement_is_literal_and_single_pass() {
        assert_eq!(with_names("Hello ${first}!"), "Hello ${last}!");
        assert_eq!(with_names("${last}${last}"), "$& $1 \\0$& $1 \\0");
        assert_eq!(with_names("a${empty}b"), "ab");
        assert_eq!(with_names("${empty}"), "");
    }

    #[test]
    fn what_is_unknown_stays() {
        assert_eq!(
            with_names("costs $5 {first} ${nobody} ${"),
            "costs $5 {first} ${nobody} ${"
        );
        assert_eq!(with_names("${a${first}"), "${a${last}");
        assert_eq!(with_names("é ${first} 🌍"), "é ${last} 🌍");
    }
}
