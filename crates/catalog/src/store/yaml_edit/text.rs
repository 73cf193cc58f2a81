//! What stands between the values of a file: lines, blanks and comments.

const BYTE_ORDER_MARK: &str = "\u{feff}";
const BREAKS: [char; 2] = ['\n', '\r'];

/// Whether nothing is to be seen.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(|char| char.is_ascii_whitespace())
}

/// Whether nothing but a comment is to be seen.
pub(super) fn is_comment_or_blank(text: &str) -> bool {
    is_blank(text) || text.trim_ascii_start().starts_with('#')
}

/// Where the line of this place begins, behind a byte order mark.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    match text[..at].rfind(BREAKS) {
        Some(line_break) => line_break + 1,
        None if text.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
        None => 0,
    }
}

/// Where the line after that of this place begins, or the text ends.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let Some(length) = text[at..].find(BREAKS) else {
        return text.len();
    };
    let line_break = at + length;
    let is_pair = text[line_break..].starts_with("\r\n");
    line_break + if is_pair { 2 } else { 1 }
}

/// The length of the line break before this place, if there is one.
pub(super) fn break_len_before(text: &str, at: usize) -> usize {
    if text[..at].ends_with("\r\n") {
        2
    } else {
        usize::from(text[..at].ends_with(BREAKS))
    }
}

/// Whether a line begins here.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    line_start(text, at) == at
}

/// How many characters stand before this place on its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// The line break of this text, which is that of its first line.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find(BREAKS) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

/// The number of a line, from 1.
pub(super) fn line_number(text: &str, at: usize) -> usize {
    let breaks = text[..at].matches(BREAKS).count();
    breaks - text[..at].matches("\r\n").count() + 1
}

/// The first place from here that is neither blank nor in a comment.
pub(super) fn skip_blanks_and_comments(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text[at..].trim_ascii_start();
        at = text.len() - rest.len();
        if !rest.starts_with('#') {
            return at;
        }
        at = line_end(text, at);
    }
}

/// Behind the colon of a key that ends here.
pub(super) fn after_colon(text: &str, key_end: usize) -> Option<usize> {
    let colon = skip_blanks_and_comments(text, key_end);
    text[colon..].starts_with(':').then_some(colon + 1)
}

/// Behind the anchor and tag that begin here.
pub(super) fn properties_end(text: &str, start: usize) -> usize {
    let mut end = start;
    loop {
        let next = skip_blanks_and_comments(text, end);
        if !text[next..].starts_with(['&', '!']) {
            return end;
        }
        let length = text[next..].find(|char: char| char.is_ascii_whitespace());
        end = length.map_or(text.len(), |length| next + length);
    }
}

/// Behind the last quote of the text in quotes that begins here, with its anchor and tag.
pub(super) fn quoted_end(text: &str, start: usize) -> usize {
    let open = skip_blanks_and_comments(text, properties_end(text, start));
    let quote = if text[open..].starts_with('\'') {
        '\''
    } else {
        '"'
    };
    let mut chars = text[open..].char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        let escapes = if quote == '"' {
            char == '\\'
        } else {
            char == quote && chars.peek().is_some_and(|(_, next)| *next == quote)
        };
        if escapes {
            chars.next();
        } else if char == quote {
            return open + at + quote.len_utf8();
        }
    }
    text.len()
}

/// The `|` or `>` of the first block text from here, with nothing but indicators, anchors, tags, blanks
/// and comments before it.
pub(super) fn block_header(text: &str, mut at: usize) -> Option<usize> {
    loop {
        at = skip_blanks_and_comments(text, properties_end(text, at));
        match text[at..].chars().next()? {
            '|' | '>' => return Some(at),
            ':' | '-' | '?' => at += 1,
            _ => return None,
        }
    }
}

/// The `-` of an entry of a block list: its lines begin with that of the `-`, unless something else
/// stands before it.
pub(super) fn dash(text: &str, entry: usize) -> Option<usize> {
    let mut at = entry;
    loop {
        let start = line_start(text, at);
        let before = &text[start..at];
        let indentation = before.len() - before.trim_start_matches(' ').len();
        if before[indentation..].starts_with('-') {
            return Some(start + indentation);
        }
        if !is_comment_or_blank(before) {
            return None;
        }
        let break_len = break_len_before(text, start);
        if break_len == 0 {
            return None;
        }
        at = start - break_len;
    }
}
