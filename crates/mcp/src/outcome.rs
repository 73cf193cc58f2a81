//! A result on its way from the service to the wire.

use crate::input_required::InputRequired;

/// How far one round of a request has come.
pub(crate) enum Performed {
    /// To its end.
    Complete(Outcome),
    /// To questions for the client.
    InputRequired(InputRequired),
}

/// A result before its era adds what it wants.
pub(crate) struct Outcome {
    /// The fields of the result object, as JSON without the braces.
    pub(crate) fields: String,
    /// The fields of its `_meta`, as JSON without the braces; empty for none.
    pub(crate) meta: String,
    /// Whether a client may keep it for a while.
    pub(crate) cacheable: bool,
}

impl Outcome {
    pub(crate) fn new(fields: String) -> Self {
        Self {
            fields,
            meta: String::new(),
            cacheable: false,
        }
    }

    pub(crate) fn cacheable(fields: String) -> Self {
        Self {
            cacheable: true,
            ..Self::new(fields)
        }
    }
}
