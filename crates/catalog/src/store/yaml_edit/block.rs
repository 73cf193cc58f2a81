//! Changes of lists and maps in block style, line by line.

use std::ops::Range;

use serde_json::{Value, json};

use super::outline::{Content, Piece};
use super::render;
use super::splice::{Splice, Splices};
use super::text;

/// How much deeper a value stands than its key.
const INDENTATION: usize = 2;

/// The lines of an entry, from that of its `-` to that of its last value, and what stands before the
/// `-`; none where that is more than blanks.
fn lines_of<'t>(text: &'t str, entry: &Piece) -> Option<(Range<usize>, &'t str)> {
    let dash = text::dash(text, entry.start)?;
    let start = text::line_start(text, dash);
    let end = text::line_end(text, entry.end);
    Some((start..end, &text[start..dash]))
}

/// Ways to put an entry behind the last one.
pub(super) fn add(text: &str, items: &[Piece], entry: &Value) -> Option<Vec<Splices>> {
    let (range, indentation) = lines_of(text, items.last()?)?;
    let entry = json!([entry]);
    Some(ways_to_write(
        text,
        range.end..range.end,
        indentation,
        &entry,
    ))
}

/// Ways to put an entry in the place of another.
pub(super) fn replace(text: &str, item: &Piece, entry: &Value) -> Option<Vec<Splices>> {
    let (range, indentation) = lines_of(text, item)?;
    let entry = json!([entry]);
    Some(ways_to_write(text, range, indentation, &entry))
}

/// Ways to take an entry out. The list of the last one is written as an empty one.
pub(super) fn remove(
    text: &str,
    key: &Piece,
    list: &Piece,
    items: &[Piece],
    index: usize,
) -> Option<Vec<Splices>> {
    let (lines, indentation) = lines_of(text, &items[index])?;
    let mut ranges = Vec::new();
    if lines.end == text.len() && text::break_len_before(text, lines.end) == 0 {
        // The file has no line break at its end, and goes on having none.
        let line_break = text::break_len_before(text, lines.start);
        ranges.push(lines.start - line_break..lines.end);
    }
    ranges.push(lines.clone());
    // What follows could become part of a block text that the entry before ends in.
    ranges.push(lines.start..blank_lines_end(text, lines.end, indentation.len()));

    let empty = if items.len() == 1 {
        let end = if list.has_properties {
            text::properties_end(text, list.start)
        } else {
            text::after_colon(text, key.end)?
        };
        Some(end)
    } else {
        None
    };
    let way = |range| {
        let brackets = empty.map(|at| Splice::insert(at, " []"));
        brackets
            .into_iter()
            .chain([Splice::remove(range)])
            .collect()
    };
    Some(ranges.into_iter().map(way).collect())
}

/// Where the blank lines from here end, and the comments deeper than an entry's `-`.
fn blank_lines_end(text: &str, mut at: usize, indentation: usize) -> usize {
    while at < text.len() {
        let end = text::line_end(text, at);
        let line = &text[at..end];
        let depth = line.len() - line.trim_start_matches(' ').len();
        let goes = text::is_blank(line) || (depth > indentation && text::is_comment_or_blank(line));
        if !goes {
            break;
        }
        at = end;
    }
    at
}

/// Whether this empty list or map can give way to lines: it has nothing between its brackets.
pub(super) fn can_open(text: &str, value: &Piece) -> bool {
    let written = &text[bare_start(text, value)..value.end];
    !written.contains(['#', '\n', '\r'])
}

/// Where a value begins, behind its anchor and tag.
fn bare_start(text: &str, value: &Piece) -> usize {
    if value.has_properties {
        text::skip_blanks_and_comments(text, text::properties_end(text, value.start))
    } else {
        value.start
    }
}

/// Ways to write the value of a key that has none, or an empty one.
pub(super) fn fill(text: &str, key: &Piece, old: &Piece, value: &Value) -> Vec<Splices> {
    let is_written = !matches!(old.content, Content::Null { written: false });
    let key_end = text::after_colon(text, key.end).unwrap_or(key.end);
    let at = text::line_end(text, old.end.max(key_end));
    let gone = is_written.then(|| {
        let start = bare_start(text, old);
        let line = text::line_start(text, start);
        let rest = &text[old.end..at];
        if !text::is_blank(&text[line..start]) {
            let before = text[..start].trim_end_matches([' ', '\t']).len();
            before..old.end
        } else if text::is_blank(rest) {
            line..at
        } else {
            start..at - rest.trim_ascii_start().len()
        }
    });
    let indentation = " ".repeat(text::column(text, key.start) + INDENTATION);
    let mut ways = ways_to_write(text, at..at, &indentation, value);
    for way in &mut ways {
        way.splice(0..0, gone.clone().map(Splice::remove));
    }
    ways
}

/// Ways to write more fields behind a map that ends here.
pub(super) fn append(text: &str, map_end: usize, column: usize, fields: &Value) -> Vec<Splices> {
    let at = text::line_end(text, map_end);
    ways_to_write(text, at..at, &" ".repeat(column), fields)
}

/// Ways to write the only value of a file.
pub(super) fn begin(text: &str, at: usize, value: &Value) -> Vec<Splices> {
    ways_to_write(text, at..at, "", value)
}

/// Ways to put a value in the place of whole lines. The second way has no block texts, which could
/// take up a comment that follows.
fn ways_to_write(
    text: &str,
    range: Range<usize>,
    indentation: &str,
    value: &Value,
) -> Vec<Splices> {
    let way = |block_texts| {
        let lines = render::block(value, block_texts);
        let with = written(text, &range, indentation, &lines);
        let range = range.clone();
        vec![Splice { range, with }]
    };
    [true, false].map(way).into()
}

/// Lines as they are written in the place of others: with the line breaks of the file, and at its end
/// with one only if it had one.
fn written(text: &str, range: &Range<usize>, indentation: &str, lines: &[String]) -> String {
    let line_break = text::line_break(text);
    let mut written = String::new();
    for line in lines {
        if !written.is_empty() {
            written.push_str(line_break);
        }
        if !line.is_empty() {
            written.push_str(indentation);
            written.push_str(line);
        }
    }
    let ends_file = range.end == text.len() && text::break_len_before(text, range.end) == 0;
    if !text::begins_line(text, range.start) {
        format!("{line_break}{written}")
    } else if ends_file && !range.is_empty() {
        written
    } else {
        written + line_break
    }
}
