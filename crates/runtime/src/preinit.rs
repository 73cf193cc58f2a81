//! The start of a module, run once in advance: what it leaves in memories and globals becomes what
//! every call begins with. When that is done, what is in its way, and what is kept of it on disk.

mod trial;

use std::time::Duration;

use wasmtime::Module;

use self::trial::{Trial, apart, stubs};
use crate::compile::{Inspection, initial_memory};
use crate::compiler::Compiler;
use crate::context::Context;
use crate::digest::Digest;
use crate::engine::{Profile, Runtime};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::outline::Outline;

/// Whether the start of a plugin is run once in advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preinit {
    /// Where nothing can tell the difference: the start calls no host function.
    #[default]
    Auto,
    /// Whatever the start does; a plugin for which it cannot be done is refused.
    Always,
    /// At each call.
    Never,
}

/// Why the start of a plugin cannot be run in advance.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Hindrance {
    /// The start would have asked the world outside, which differs from call to call.
    #[error("its start calls the host function {import}")]
    HostFunction {
        /// Module and name of the function.
        import: String,
    },

    /// The start traps, exits or reports an error.
    #[error("its start fails: {reason}")]
    Fails {
        /// What it ended with.
        reason: String,
    },

    /// The start did not end in time.
    #[error("its start takes longer than the time limit of {limit:?}")]
    Time {
        /// The limit.
        limit: Duration,
    },

    /// The start wanted, or left, more memory than the plugin may have.
    #[error("its start needs more memory than the limit of {limit} bytes")]
    Memory {
        /// The limit, in bytes.
        limit: u64,
    },

    /// What the start has left is too much to be copied.
    #[error("its start leaves {size} {unit}, and at most {limit} can be kept")]
    Size {
        /// How much it is.
        size: u64,
        /// Of what.
        unit: &'static str,
        /// How much it may be.
        limit: u64,
    },

    /// What the start has left cannot be told by memories and globals alone.
    #[error("its state cannot be kept: {reason}")]
    State {
        /// What is in the way.
        reason: String,
    },

    /// An earlier trial within the same limits has found it out.
    #[error("{reason}")]
    Known {
        /// What it said.
        reason: String,
    },

    /// The trial could not be made now; another time it could.
    #[error("its start could not be tried: {reason}")]
    Untried {
        /// What was missing.
        reason: String,
    },
}

/// A module as it is published.
#[derive(Clone, Copy)]
pub(crate) struct Published<'a> {
    pub(crate) wasm: &'a [u8],
    pub(crate) digest: &'a Digest,
    pub(crate) module: &'a Module,
    pub(crate) outline: &'a Outline,
}

impl Runtime {
    /// The compiled module that begins after its start; none where the start runs at each call.
    ///
    /// # Errors
    /// [`Error::Preinit`] where it must be run in advance and cannot.
    pub(crate) fn preinitialized(
        &self,
        compiler: &Compiler,
        published: Published<'_>,
        preinit: Preinit,
        context: &Context,
    ) -> Result<Option<Module>> {
        if preinit == Preinit::Never || !published.outline.has_start() {
            return Ok(None);
        }
        if preinit == Preinit::Always {
            // Nothing of this is kept on disk: the state may hold what the start was told by
            // `config_get` or by another host, which is secret, and what it read of the clock.
            let outline = published.outline;
            let mut trial = Trial::new(self, compiler, &compiler.linker, outline, context.anew());
            trial.is_repeated = true;
            let made = apart(|| trial.snapshot(published.wasm));
            return made
                .map(Some)
                .map_err(|hindrance| Error::Preinit { hindrance });
        }
        match self.preinitialized_alike(compiler, published, context.anew()) {
            Ok(module) => Ok(Some(module)),
            Err(hindrance) => {
                tracing::debug!(
                    plugin = context.name,
                    "the start runs at each call: {hindrance}"
                );
                Ok(None)
            }
        }
    }

    /// What keeps [`Preinit::Auto`] from running the start of an inspected module in advance, within
    /// these limits; none where nothing does, or where there is no start. The start runs in a trial
    /// that its first call of a host function ends.
    #[must_use]
    pub fn hindrance(
        &self,
        wasm: &[u8],
        inspection: &Inspection,
        limits: Limits,
    ) -> Option<Hindrance> {
        if !inspection.outline.has_start() {
            return None;
        }
        let Some(module) = &inspection.module else {
            return Some(Hindrance::Untried {
                reason: "it imports what this server does not offer".to_owned(),
            });
        };
        let published = Published {
            wasm,
            digest: &inspection.digest,
            module,
            outline: &inspection.outline,
        };
        let context = Context::of_nobody(limits);
        let compiler = self.compiler(Profile::default()).ok()?;
        self.preinitialized_alike(compiler, published, context)
            .err()
    }

    /// Makes the module, or takes it from the cache, where no call can tell the difference.
    ///
    /// The module alone decides what it becomes, so its digest alone names it in the cache. Whether
    /// it becomes anything depends on the limits too, so what was in the way is kept with them: a
    /// start that never ends would else hold up each start of the server until its time limit.
    fn preinitialized_alike(
        &self,
        compiler: &Compiler,
        published: Published<'_>,
        context: Context,
    ) -> Result<Module, Hindrance> {
        let (digest, limits) = (published.digest, context.limits.clone());
        let cache = compiler.cache.as_ref();
        if let Some(module) =
            cache.and_then(|cache| cache.load_preinitialized(&compiler.engine, digest))
        {
            return fitting(module, &limits);
        }
        if let Some(reason) = cache.and_then(|cache| cache.hindrance(digest, &limits)) {
            return Err(Hindrance::Known { reason });
        }
        let stubs = stubs(published.module);
        let trial = Trial::new(self, compiler, &stubs, published.outline, context);
        // The module as it is comes first, since it is compiled already: it finds most hindrances
        // within milliseconds.
        let made = apart(|| {
            trial.rehearse(published.module)?;
            trial.snapshot(published.wasm)
        });
        match (cache, &made) {
            (Some(cache), Ok(module)) => cache.store_preinitialized(module, digest),
            (None, _) | (_, Err(Hindrance::Untried { .. })) => {}
            (Some(cache), Err(hindrance)) => {
                cache.store_hindrance(&hindrance.to_string(), digest, &limits);
            }
        }
        made
    }
}

/// The module, if a call may begin with as much memory.
fn fitting(module: Module, limits: &Limits) -> Result<Module, Hindrance> {
    let limit = limits.memory;
    if initial_memory(&module) > limit {
        return Err(Hindrance::Memory { limit });
    }
    Ok(module)
}
