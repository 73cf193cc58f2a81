//! Changes of lists and maps between brackets, by range.

use std::ops::Range;

use super::outline::{Content, Piece};
use super::splice::{Splice, Splices};
use super::text;

/// What stands between the brackets of a list or map that begins and ends with them.
pub(super) fn inside(written: &str) -> &str {
    &written[1..written.len() - 1]
}

/// Puts an entry or field behind the last one.
pub(super) fn insert(text: &str, collection: &Piece, part: &str) -> Splices {
    let Some(last) = last_part(text, collection) else {
        return vec![Splice::insert(collection.end - 1, part)];
    };
    let comma = comma_after(text, last.end);
    let end = comma.map_or(last.end, |comma| comma + 1);
    let line = text::line_start(text, last.start);
    let line_end = text::line_end(text, end);
    let has_lines =
        text::is_blank(&text[line..last.start]) && text::is_comment_or_blank(&text[end..line_end]);
    if !has_lines {
        return vec![Splice::insert(last.end, format!(", {part}"))];
    }
    let indentation = &text[line..last.start];
    let line_break = text::line_break(text);
    match comma {
        Some(_) => {
            let with = format!("{indentation}{part},{line_break}");
            vec![Splice::insert(line_end, with)]
        }
        None => {
            let with = format!("{indentation}{part}{line_break}");
            vec![
                Splice::insert(last.end, ","),
                Splice::insert(line_end, with),
            ]
        }
    }
}

/// The range of the last entry or field.
fn last_part(text: &str, collection: &Piece) -> Option<Range<usize>> {
    match &collection.content {
        Content::List { items, .. } => items.last().map(Piece::range),
        Content::Map { fields, .. } => fields.last().map(|(key, value)| {
            let key_end = text::after_colon(text, key.end).unwrap_or(key.end);
            key.start..value.end.max(key_end)
        }),
        Content::Null { .. } | Content::Text(_) | Content::Alias(_) => None,
    }
}

/// The comma behind a value that ends here.
fn comma_after(text: &str, end: usize) -> Option<usize> {
    let next = text::skip_blanks_and_comments(text, end);
    text[next..].starts_with(',').then_some(next)
}

/// Puts an entry in the place of another.
pub(super) fn replace(item: &Piece, entry: String) -> Splices {
    let range = item.range();
    vec![Splice { range, with: entry }]
}

/// Takes an entry out, with one comma, and with its lines where it has these for itself.
pub(super) fn remove(text: &str, items: &[Piece], index: usize) -> Splices {
    let item = &items[index];
    let own_comma = comma_after(text, item.end);
    let before = index.checked_sub(1).and_then(|index| items.get(index));
    let other_comma = match own_comma {
        Some(_) => None,
        None => before.and_then(|before| comma_after(text, before.end)),
    };
    let end = own_comma.map_or(item.end, |comma| comma + 1);
    let line = text::line_start(text, item.start);
    let line_end = text::line_end(text, end);
    let has_lines =
        text::is_blank(&text[line..item.start]) && text::is_comment_or_blank(&text[end..line_end]);
    let range = if has_lines {
        line..line_end
    } else {
        let blanks = [' ', '\t'];
        let rest = text[end..].trim_start_matches(blanks);
        let end = text.len() - rest.len();
        if rest.starts_with(['\n', '\r']) {
            text[..item.start].trim_end_matches(blanks).len()..end
        } else {
            item.start..end
        }
    };
    match other_comma {
        Some(comma) if text::is_blank(&text[comma + 1..item.start]) && !has_lines => {
            vec![Splice::remove(comma..item.end)]
        }
        Some(comma) => vec![Splice::remove(comma..comma + 1), Splice::remove(range)],
        None => vec![Splice::remove(range)],
    }
}

/// Writes the value of a key that has none.
pub(super) fn set(text: &str, key: &Piece, old: &Piece, value: &str) -> Splices {
    let is_written = !matches!(old.content, Content::Null { written: false });
    let splice = match text::after_colon(text, key.end) {
        _ if is_written => Splice {
            range: old.range(),
            with: value.to_owned(),
        },
        Some(colon) => Splice::insert(colon, format!(" {value}")),
        None => Splice::insert(key.end, format!(": {value}")),
    };
    vec![splice]
}
