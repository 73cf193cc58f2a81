//! The values that an argument of a prompt or of a template may have.

use crate::source::Source;

/// The values that an argument may have.
#[derive(Debug, PartialEq, Eq)]
pub enum Choices<'a> {
    /// These, in the order of the definition; none where it does not say.
    Listed(Vec<String>),
    /// Those that a function offers.
    Function(&'a Source),
}
