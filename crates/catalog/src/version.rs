//! Versions of plugins, compared as far as people's ways to write them allow.

use crate::node::Node;

/// What an operator should know of the version of an update, where it did not rise.
pub(crate) fn rises(old: Option<&Node>, new: Option<&Node>) -> Option<String> {
    let text = |node: Option<&Node>| node.and_then(Node::scalar_text).map(str::to_owned);
    match (text(old), text(new)) {
        (_, None) => {
            Some("the definition names no `version`: give each update a higher one".to_owned())
        }
        (None, Some(_)) => None,
        (Some(old), Some(new)) if is_higher(&old, &new) => None,
        (Some(old), Some(new)) => Some(format!(
            "`version` is {new:?} and was {old:?}: give each update a higher one"
        )),
    }
}

/// Whether a version is higher than another, number by number; of versions that are no numbers, each
/// that differs counts as higher.
fn is_higher(old: &str, new: &str) -> bool {
    match (numbers(old), numbers(new)) {
        (Some(old), Some(new)) => new > old,
        _ => old != new,
    }
}

/// `1.10.0` as its numbers, without zeros at the end.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let parts = version.trim().trim_start_matches('v').split('.');
    let mut numbers: Vec<u64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_rises_number_by_number() {
        for (old, new) in [
            ("1.0.0", "1.0.1"),
            ("1.9", "1.10"),
            ("v1", "2"),
            ("1.0", "1.0.0.1"),
            ("2025-a", "2025-b"),
        ] {
            assert!(is_higher(old, new), "{old} {new}");
        }
        for (old, new) in [
            ("1.0.0", "1.0.0"),
            ("1.0", "1.0.0"),
            ("2.0.0", "1.9.9"),
            ("1.10", "1.9"),
            ("x", "x"),
        ] {
            assert!(!is_higher(old, new), "{old} {new}");
        }
    }

    #[test]
    fn a_missing_version_is_told() {
        let one = Node::from_json(&"1".into());
        assert!(rises(Some(&one), None).is_some());
        assert!(rises(None, None).is_some());
        assert_eq!(rises(None, Some(&one)), None);
    }
}
