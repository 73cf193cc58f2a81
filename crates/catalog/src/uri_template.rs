//! RFC 6570 URI templates: matching a URI and taking the variables out of it.
//!
//! All operators of level 3 are matched. The modifiers of level 4, `*` and `:n`, expand in ways
//! that cannot be told apart when read back, so a template that uses them is refused.

use std::fmt::Write as _;
use std::ops::Range;

use percent_encoding::percent_decode_str;
use regex::Regex;

use crate::uri::Comparable;

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct UriTemplate {
    pattern: Regex,
    /// What matches a URI in its comparable form, where that is another pattern.
    comparable: Option<Regex>,
    variables: Vec<String>,
}

/// Why a template was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum UriTemplateError {
    #[error("a brace is not closed or not opened: write variables as {{name}}")]
    Unbalanced,
    #[error("`{{{0}}}` holds no variable name: use letters, digits, `_` and `.`")]
    Name(String),
    #[error("`{{{0}}}` uses the modifier `*` or `:`, which cannot be matched: leave it out")]
    Modifier(String),
    #[error("the variable `{0}` occurs twice: give each its own name")]
    Repeated(String),
    #[error("it is too long or too complex to be matched")]
    TooComplex,
}

impl UriTemplate {
    /// Whether a URI is meant as a template.
    pub(crate) fn is_template(uri: &str) -> bool {
        uri.find('{')
            .is_some_and(|start| uri[start..].contains('}'))
    }

    pub(crate) fn parse(template: &str) -> Result<Self, UriTemplateError> {
        let (pattern, variables) = pattern(template)?;
        let comparable = Comparable::of_template(template).into_text();
        let is_other = comparable != template;
        let comparable = is_other.then(|| self::pattern(&comparable)).transpose()?;
        Ok(Self {
            pattern,
            comparable: comparable.map(|(pattern, _)| pattern),
            variables,
        })
    }

    /// The names of the variables, in the order of the template.
    pub(crate) fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The percent-decoded values of the variables, where the URI matches as it is; absent optional
    /// parameters of a query are empty.
    pub(crate) fn matches(&self, uri: &str) -> Option<Vec<(&str, String)>> {
        self.values(&self.pattern, uri, |range| &uri[range])
    }

    /// The same where an equal URI matches; the values are as this one writes them.
    pub(crate) fn matches_equal(
        &self,
        uri: &str,
        comparable: &Comparable,
    ) -> Option<Vec<(&str, String)>> {
        let pattern = self.comparable.as_ref().unwrap_or(&self.pattern);
        let written = |range| &uri[comparable.origin(range)];
        self.values(pattern, comparable.as_str(), written)
    }

    fn values<'u>(
        &self,
        pattern: &Regex,
        matched: &str,
        written: impl Fn(Range<usize>) -> &'u str,
    ) -> Option<Vec<(&str, String)>> {
        let captures = pattern.captures(matched)?;
        let values = self.variables.iter().enumerate().map(|(index, name)| {
            let found = captures.get(index + 1);
            let raw = found.map_or("", |found| written(found.range()));
            let value = percent_decode_str(raw).decode_utf8_lossy().into_owned();
            (name.as_str(), value)
        });
        Some(values.collect())
    }
}

/// What matches the URIs of a template, and the names of its variables.
fn pattern(template: &str) -> Result<(Regex, Vec<String>), UriTemplateError> {
    let mut pattern = String::from("^");
    let mut variables = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find(['{', '}']) {
        if rest[start..].starts_with('}') {
            return Err(UriTemplateError::Unbalanced);
        }
        pattern.push_str(&regex::escape(&rest[..start]));
        let after = &rest[start + 1..];
        let end = after.find('}').ok_or(UriTemplateError::Unbalanced)?;
        expression(&after[..end], &mut pattern, &mut variables)?;
        rest = &after[end + 1..];
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    let pattern = Regex::new(&pattern).map_err(|_| UriTemplateError::TooComplex)?;
    Ok((pattern, variables))
}

/// One segment: everything up to what separates segments, query and fragment.
const SEGMENT: &str = "([^/?#]+)";

/// Appends the pattern of one `{…}` (RFC 6570, section 3.2).
fn expression(
    text: &str,
    pattern: &mut String,
    variables: &mut Vec<String>,
) -> Result<(), UriTemplateError> {
    let (operator, names) = match text.chars().next() {
        Some(first @ ('+' | '#' | '.' | '/' | ';' | '?' | '&')) => (Some(first), &text[1..]),
        _ => (None, text),
    };
    for (index, name) in names.split(',').enumerate() {
        check_name(name, text)?;
        if variables.iter().any(|known| known == name) {
            return Err(UriTemplateError::Repeated(name.to_owned()));
        }
        let first = index == 0;
        let escaped = regex::escape(name);
        match operator {
            None if first => pattern.push_str(SEGMENT),
            None => pattern.push_str(",([^/?#,]+)"),
            Some('+') => pattern.push_str(if first { "(.+)" } else { ",(.+)" }),
            Some('#') => pattern.push_str(if first { "#(.+)" } else { ",(.+)" }),
            Some('.') => pattern.push_str("\\.([^/?#.]+)"),
            Some('/') => pattern.push_str("/([^/?#]+)"),
            Some(';') => {
                let _ = write!(pattern, ";{escaped}(?:=([^/?#;]*))?");
            }
            Some('?') if first => {
                let _ = write!(pattern, "(?:\\?{escaped}=([^&#]*))?");
            }
            Some(_) => {
                let _ = write!(pattern, "(?:[?&]{escaped}=([^&#]*))?");
            }
        }
        variables.push(name.to_owned());
    }
    Ok(())
}

fn check_name(name: &str, expression: &str) -> Result<(), UriTemplateError> {
    if name.contains(['*', ':']) {
        return Err(UriTemplateError::Modifier(expression.to_owned()));
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '%');
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(UriTemplateError::Name(expression.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, uri: &str) -> Option<Vec<String>> {
        let template = UriTemplate::parse(template).expect(template);
        let found = template.matches(uri)?;
        Some(found.into_iter().map(|(_, value)| value).collect())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "what it is compared with is optional"
    )]
    fn some(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(|&value| value.to_owned()).collect())
    }

    #[test]
    fn a_variable_matches_one_segment_that_is_not_empty() {
        let greet = "greet-user://{firstName}/{lastName}";
        assert_eq!(
            values(greet, "greet-user://Bob/Morane"),
            some(&["Bob", "Morane"])
        );
        assert_eq!(values(greet, "greet-user://Bob/"), None);
        assert_eq!(values(greet, "greet-user://Bob"), None);
        assert_eq!(values(greet, "greet-user://a/b/c"), None);
        assert_eq!(values(greet, "other://Bob/Morane"), None);
    }

    #[test]
    fn values_are_percent_decoded_once() {
        let template = "m://{text}";
        assert_eq!(values(template, "m://a%2Fb%20c"), some(&["a/b c"]));
        assert_eq!(values(template, "m://%2525"), some(&["%25"]));
        assert_eq!(values(template, "m://h%C3%A9llo"), some(&["héllo"]));
        assert_eq!(values(template, "m://%ZZ"), some(&["%ZZ"]));
        assert_eq!(values(template, "m://%FF"), some(&["\u{fffd}"]));
    }

    #[test]
    fn operators_of_level_three() {
        assert_eq!(values("f://{+path}", "f://a/b/c.txt"), some(&["a/b/c.txt"]));
        assert_eq!(values("f:{/a,b}", "f:/x/y"), some(&["x", "y"]));
        assert_eq!(values("f:x{.ext}", "f:x.md"), some(&["md"]));
        assert_eq!(values("f:{x,y}", "f:1,2"), some(&["1", "2"]));
        assert_eq!(values("f:x{#part}", "f:x#top"), some(&["top"]));
        assert_eq!(values("f:x{;a}", "f:x;a=1"), some(&["1"]));
        assert_eq!(values("f:s{?q,n}", "f:s?q=a%20b&n=3"), some(&["a b", "3"]));
        assert_eq!(values("f:s{?q,n}", "f:s?n=3"), some(&["", "3"]));
        assert_eq!(values("f:s{?q}", "f:s"), some(&[""]));
        assert_eq!(values("f:s?a=1{&q}", "f:s?a=1&q=2"), some(&["2"]));
    }

    #[test]
    fn literals_are_literal() {
        assert_eq!(values("a.b://{x}+", "a.b://1+"), some(&["1"]));
        assert_eq!(values("a.b://{x}+", "aXb://1+"), None);
    }

    #[test]
    fn templates_that_cannot_be_matched_are_refused() {
        for wrong in [
            "a://{x",
            "a://x}",
            "a://{}",
            "a://{x*}",
            "a://{x:3}",
            "a://{x}/{x}",
            "a://{a b}",
        ] {
            assert!(UriTemplate::parse(wrong).is_err(), "{wrong}");
        }
    }
}
