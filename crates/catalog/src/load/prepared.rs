//! A module that is about to be published, and what was compiled of it.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use wasimancer_runtime::{Digest, Plugin};

/// What one change has compiled, so that planning it once more, beside what has changed meanwhile, takes
/// no longer than that.
#[derive(Default)]
pub(crate) struct Prepared(Mutex<Option<(Digest, Value, Plugin)>>);

/// A module that is about to be published.
#[derive(Clone, Copy)]
pub(crate) struct Given<'m> {
    pub(crate) wasm: &'m [u8],
    pub(crate) digest: Digest,
    pub(crate) prepared: &'m Prepared,
}

impl Given<'_> {
    /// What was compiled of it for a definition, which does not say where its file is to lie.
    pub(super) fn compiled(&self, definition: &Value) -> Option<Plugin> {
        let kept = self.prepared.0.lock();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        let (digest, known, plugin) = kept.as_ref()?;
        let is_same = *digest == self.digest && known == definition;
        is_same.then(|| plugin.clone())
    }

    pub(super) fn keep(&self, definition: Value, plugin: &Plugin) {
        let kept = self.prepared.0.lock();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        *kept = Some((self.digest, definition, plugin.clone()));
    }
}
