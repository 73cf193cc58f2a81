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

/// A result with what its era adds, in pieces: its own fields may be long, and are copied once, into
/// the message.
#[derive(Default)]
pub(crate) struct Finished {
    /// JSON without the braces, as all of these, and empty or with a comma at its end.
    pub(crate) before: String,
    pub(crate) fields: String,
    /// Empty or with a comma at its beginning.
    pub(crate) after: String,
}

impl Finished {
    /// A result to which nothing is added.
    pub(crate) fn plain(fields: String) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }

    pub(crate) fn pieces(&self) -> [&str; 3] {
        [&self.before, &self.fields, &self.after]
    }
}
