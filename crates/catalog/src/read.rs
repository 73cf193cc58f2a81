//! What a URI reads.

use bytes::Bytes;

use crate::source::Source;

/// What a URI reads.
#[derive(Debug)]
pub enum Read<'s> {
    /// The JSON array of its contents.
    Contents(Bytes),
    /// More than one answer may have, with what the URI holds in the place of its variables.
    TooLong {
        /// Most bytes that the texts may have.
        limit: usize,
    },
    /// What a function makes of it.
    Function(ResourceCall<'s>),
}

/// The call that makes the contents at a URI.
#[derive(Debug)]
pub struct ResourceCall<'s> {
    /// The function.
    pub source: &'s Source,
    /// Its input: one JSON object with the variables of the template as texts, in its order.
    pub input: Vec<u8>,
    /// The URI as the answer shows it.
    pub uri: String,
    /// The `mimeType` of the definition.
    pub mime_type: Option<&'s str>,
}
