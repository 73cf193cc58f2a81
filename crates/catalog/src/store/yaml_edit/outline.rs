//! Where each value of a file stands.
//!
//! It is read from the same events as the values themselves, so that there is one understanding of
//! YAML. What the events leave open (block values end where the next one begins, block texts begin
//! behind their header, texts in quotes end behind blanks) is found out here; what stands between values is all that is read by hand.

use std::ops::Range;
use std::str::Chars;

use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle, Span};

use super::text;
use crate::node::Data;
use crate::scalar;
use crate::surrogates::Unpaired;

/// The values of a file.
pub(super) struct Outline {
    /// None in a file without any.
    pub(super) root: Option<Piece>,
    /// Where the document ends, as far as more can be written to it: before a `...`.
    pub(super) end: usize,
}

/// A value in the text. Offsets are in bytes.
pub(super) struct Piece {
    /// Where its anchor or tag begins, if it has one, or else the value. That of a block list is in
    /// its first entry.
    pub(super) start: usize,
    /// Behind its last character. The trailing blank lines that a block text keeps belong to it; the
    /// last line break never does.
    pub(super) end: usize,
    /// Whether it has an anchor or a tag.
    pub(super) has_properties: bool,
    /// The parser's number of its anchor; 0 for none.
    pub(super) anchor: usize,
    pub(super) content: Content,
}

pub(super) enum Content {
    Null {
        /// Whether as a word, or as nothing at all.
        written: bool,
    },
    Text(String),
    /// The parser's number of the anchor.
    Alias(usize),
    List {
        in_flow: bool,
        items: Vec<Piece>,
    },
    Map {
        in_flow: bool,
        fields: Vec<(Piece, Piece)>,
    },
}

impl Piece {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether it is written between brackets or braces.
    pub(super) fn in_flow(&self) -> bool {
        match self.content {
            Content::List { in_flow, .. } | Content::Map { in_flow, .. } => in_flow,
            Content::Null { .. } | Content::Text(_) | Content::Alias(_) => false,
        }
    }

    /// Calls this for the value and every one inside it.
    pub(super) fn walk<'p>(&'p self, visit: &mut impl FnMut(&'p Self)) {
        visit(self);
        match &self.content {
            Content::List { items, .. } => items.iter().for_each(|item| item.walk(visit)),
            Content::Map { fields, .. } => {
                for (key, value) in fields {
                    key.walk(visit);
                    value.walk(visit);
                }
            }
            Content::Null { .. } | Content::Text(_) | Content::Alias(_) => {}
        }
    }
}

/// The outline of a text; none for one that [`crate::yaml::parse`] refuses, on whose bounds of nesting
/// this relies.
pub(super) fn outline(text: &str) -> Option<Outline> {
    let offsets = text.char_indices().map(|(offset, _)| offset);
    let unpaired = Unpaired::new(text);
    let mut reader = Reader {
        text,
        offsets: offsets.chain([text.len()]).collect(),
        parser: Parser::new_from_iter(unpaired.text().chars()),
        unpaired: &unpaired,
        done: 0,
    };
    let mut outline = Outline {
        root: None,
        end: text.len(),
    };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Some(outline),
            Event::Nothing | Event::StreamStart => {}
            Event::DocumentStart(_) => reader.done = reader.offset(span.end.index()),
            Event::DocumentEnd => {
                let end = reader.offset(span.start.index());
                if text[end..].starts_with("...") {
                    outline.end = end;
                }
            }
            event => outline.root = Some(reader.piece(event, span)?),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    /// The byte at which each character begins; the parser counts characters.
    offsets: Vec<usize>,
    /// The text as the parser reads it, character for character.
    unpaired: &'t Unpaired<'t>,
    parser: Parser<'t, BufferedInput<Chars<'t>>>,
    /// Behind the last value that is over.
    done: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.parser.next_event()?.ok()
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets
            .get(character)
            .copied()
            .unwrap_or(self.text.len())
    }

    /// The value that begins with this event.
    fn piece(&mut self, event: Event<'t>, span: Span) -> Option<Piece> {
        let start = self.offset(span.start.index());
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor, tag.as_deref()),
            _ => (0, None),
        };
        let has_properties = anchor > 0 || tag.is_some();
        let content = match event {
            Event::Scalar(value, style, _, ref tag) => {
                let value = self.unpaired.restore(value, style, &span);
                self.done = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.block_text_end(&value, span),
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                        text::quoted_end(self.text, start)
                    }
                    ScalarStyle::Plain => self.plain_end(&value, span),
                };
                match scalar::resolve(&value, style, tag.as_deref()) {
                    Ok(Data::Null) => Content::Null {
                        written: !value.is_empty(),
                    },
                    _ => Content::Text(value.into_owned()),
                }
            }
            Event::Alias(anchor) => {
                self.done = self.offset(span.end.index());
                Content::Alias(anchor)
            }
            Event::SequenceStart(..) => self.list()?,
            Event::MappingStart(..) => self.map()?,
            _ => return None,
        };
        Some(Piece {
            // The event of an empty block text may be where the next value begins.
            start: start.min(self.done),
            end: self.done,
            has_properties,
            anchor,
            content,
        })
    }

    fn list(&mut self) -> Option<Content> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, span) => {
                    let in_flow = self.close(span, ']');
                    return Some(Content::List { in_flow, items });
                }
                (event, span) => items.push(self.piece(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Option<Content> {
        let mut fields = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, span) => {
                    let in_flow = self.close(span, '}');
                    return Some(Content::Map { in_flow, fields });
                }
                (event, span) => {
                    let key = self.piece(event, span)?;
                    let (event, span) = self.next()?;
                    fields.push((key, self.piece(event, span)?));
                }
            }
        }
    }

    /// Ends a list or map; whether a bracket does. Of a block value the event has no length and is
    /// where the next value begins.
    fn close(&mut self, span: Span, bracket: char) -> bool {
        let start = self.offset(span.start.index());
        let in_flow =
            span.end.index() > span.start.index() && self.text[start..].starts_with(bracket);
        if in_flow {
            self.done = start + bracket.len_utf8();
        }
        in_flow
    }

    /// Behind a text without quotes. The event of a value that is left out, colon and all (`? key`), is
    /// where the next value begins.
    fn plain_end(&self, value: &str, span: Span) -> usize {
        let end = self.offset(span.end.index());
        let is_nothing = |between: &str| between.split(['\n', '\r']).all(text::is_comment_or_blank);
        match self.text.get(self.done..end) {
            Some(between) if value.is_empty() && is_nothing(between) => self.done,
            _ => end,
        }
    }

    /// Behind the last line of a block text. The event ends at the value that comes next, and does not
    /// tell whether the blank lines before that are kept.
    fn block_text_end(&self, value: &str, span: Span) -> usize {
        let stop = self.offset(span.end.index());
        let Some(header) = text::block_header(self.text, self.done) else {
            return stop;
        };
        let body = text::line_end(self.text, header);
        let header = self.text[header..body].trim_end();
        let header_end = self.text[..body].trim_end().len();
        let last_line = text::line_start(self.text, stop);
        let body_end = if text::is_blank(&self.text[last_line..stop]) {
            last_line
        } else {
            stop
        };
        if body >= body_end {
            return header_end;
        }
        let lines = || self.text[body..body_end].split_inclusive(['\n', '\r']);
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let keeps = header
            .split([' ', '\t', '#'])
            .next()
            .is_some_and(|indicators| indicators.contains('+'));
        if keeps {
            return body_end - text::break_len_before(self.text, body_end);
        }
        if value.is_empty() {
            return header_end;
        }
        let indentation = lines()
            .filter(|line| !text::is_blank(line))
            .map(indent)
            .min();
        let mut end = header_end;
        let mut at = body;
        for line in lines() {
            at += line.len();
            let visible = line.trim_end_matches(['\n', '\r']);
            if !text::is_blank(visible) || visible.len() > indentation.unwrap_or(0) {
                end = at - (line.len() - visible.len());
            }
        }
        end
    }
}
