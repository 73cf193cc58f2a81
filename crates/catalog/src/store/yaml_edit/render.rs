//! How a new entry is written: block style, as a person would, or inside brackets.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};
use serde_saphyr::{FlowMap, FlowSeq, ser_options, to_string_with_options};

/// How the inside of brackets is written.
#[derive(Clone, Copy)]
pub(super) enum Flow {
    /// As YAML, without needless quotes.
    Yaml,
    /// As JSON, in a file that may be read as that.
    Json,
}

impl Flow {
    /// What a file in YAML may hold, the more readable first: its reader does not take every text
    /// without quotes there, such as `[x -]`.
    pub(super) const ALL: [Self; 2] = [Self::Yaml, Self::Json];
}

/// A value in block style, line by line, without quotes where every reader (those of YAML 1.1 too)
/// takes the text for itself. A text of several lines becomes a block text if these are wanted.
pub(super) fn block(value: &Value, block_texts: bool) -> Vec<String> {
    let options = ser_options! {
        compact_list_indent: false,
        folded_wrap_chars: usize::MAX,
        prefer_block_scalars: block_texts,
    };
    let text = to_string_with_options(value, options).expect(TOTAL);
    // Further line breaks at the end belong to a block text that keeps them.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.split('\n').map(str::to_owned).collect()
}

/// A list or map in flow style, on one line.
pub(super) fn flow(value: &Value, flow: Flow) -> String {
    let options = ser_options! { prefer_block_scalars: false };
    let text = match flow {
        Flow::Json => return json(value),
        Flow::Yaml if value.is_array() => to_string_with_options(&FlowSeq(value), options),
        Flow::Yaml => to_string_with_options(&FlowMap(value), options),
    };
    text.expect(TOTAL).trim_end_matches('\n').to_owned()
}

/// Why writing cannot fail.
const TOTAL: &str =
    "a JSON value has nothing that YAML cannot write, and a string takes everything";

/// JSON that YAML readers take too: what they do not allow in a file is escaped.
fn json(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Spaced);
    value.serialize(&mut serializer).expect(TOTAL);
    let text = String::from_utf8(bytes).expect("serde_json writes UTF-8");
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                write!(escaped, "\\u{:04x}", u32::from(char)).expect(TOTAL);
            }
            char => escaped.push(char),
        }
    }
    escaped
}

/// Writes JSON on one line with spaces, `{"a": 1, "b": 2}`.
struct Spaced;

impl Spaced {
    fn comma<W: io::Write + ?Sized>(writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        Self::comma(writer, first)
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        Self::comma(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
