//! A message on its way to a client, charged to the budget until it is written.

use bytes::Bytes;
use wasimancer_runtime::{Budget, Charge, Full};

/// JSON without line breaks.
pub(crate) struct Message {
    text: String,
    /// None where it is small and there are few of its kind.
    charge: Option<Charge>,
}

impl Message {
    /// One that a plugin or a client can make large, or that many of may wait.
    pub(crate) fn charged(text: String, budget: &Budget) -> Result<Self, Full> {
        let charge = Some(budget.charge(text.capacity())?);
        Ok(Self { text, charge })
    }

    /// One of the server's own, which is small.
    pub(crate) fn small(text: String) -> Self {
        Self { text, charge: None }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The same bytes, charged for as long as they are shared.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.charge {
            Some(_) => Bytes::from_owner(self),
            None => Bytes::from(self.text),
        }
    }

    /// The same with a text before and after it, which are short.
    pub(crate) fn between(self, before: &str, after: &str) -> Self {
        Self {
            text: [before, &self.text, after].concat(),
            charge: self.charge,
        }
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
