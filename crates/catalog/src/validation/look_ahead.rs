//! Look-ahead right behind `^`: each of them is tried once, at the beginning, so that the pattern means
//! several without look-around, each of which the text must match or not. This is how libraries write
//! most of it.

/// A pattern without the look-ahead, and whether a text must match it.
pub(super) type Condition = (String, bool);

/// The patterns that a pattern means; `None` where it does not begin with `^` and look-ahead.
pub(super) fn conditions(pattern: &str) -> Option<Vec<Condition>> {
    let mut rest = pattern.strip_prefix('^')?;
    let mut conditions = Vec::new();
    while let Some((wanted, inner)) = rest
        .strip_prefix("(?=")
        .map(|inner| (true, inner))
        .or_else(|| rest.strip_prefix("(?!").map(|inner| (false, inner)))
    {
        let end = top_level(inner, ')')?;
        conditions.push((format!("^(?:{})", &inner[..end]), wanted));
        rest = &inner[end + 1..];
        if rest.starts_with(['*', '+', '?', '{']) {
            return None;
        }
    }
    // Else `^` and the look-ahead are of the first alternative alone.
    if conditions.is_empty() || top_level(rest, '|').is_some() {
        return None;
    }
    conditions.push((format!("^{rest}"), true));
    Some(conditions)
}

/// Where a character stands first, outside of groups and classes.
fn top_level(pattern: &str, wanted: char) -> Option<usize> {
    let (mut is_escaped, mut is_class, mut depth) = (false, false, 0_usize);
    for (index, character) in pattern.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ']' if is_class => is_class = false,
            _ if is_class => {}
            '[' => is_class = true,
            found if found == wanted && depth == 0 => return Some(index),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ahead_at_the_beginning_is_taken_apart() {
        let taken = |pattern| {
            let conditions = conditions(pattern)?;
            let written = |(pattern, wanted): Condition| {
                if wanted {
                    pattern
                } else {
                    format!("not {pattern}")
                }
            };
            Some(
                conditions
                    .into_iter()
                    .map(written)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        };
        for (pattern, wanted) in [
            (
                r"^(?!\.)(?!.*\.\.)a",
                Some(r"not ^(?:\.) not ^(?:.*\.\.) ^a"),
            ),
            (r"^(?=.{1,9}$)(a|b)", Some(r"^(?:.{1,9}$) ^(a|b)")),
            (r"^(?=[)]\)(x))[|]\|", Some(r"^(?:[)]\)(x)) ^[|]\|")),
            ("^(?=a)", Some("^(?:a) ^")),
            ("^(?=a)b|c", None),
            ("^(?=a)*b", None),
            ("^(?=a", None),
            ("(?=a)b", None),
            ("^ab", None),
            ("^a(?=b)", None),
        ] {
            assert_eq!(taken(pattern).as_deref(), wanted, "{pattern}");
        }
    }
}
