//! Compiling, here or in a process of its own.
//!
//! The compiler takes time and memory that a module decides, and may crash. So whoever runs the engine
//! can give it something that compiles elsewhere, where that is bounded. What it answers is code, which
//! is trusted as if it had been compiled here.

use std::fmt::Debug;

use wasmtime::{Engine, Module};

use crate::compiler::{Allocation, config, invalid, on_demand};
use crate::engine::Profile;
use crate::error::{Error, Result};

/// What code is compiled for. Code for others is refused by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOptions {
    /// Which calls it is for.
    pub profile: Profile,
    /// How its instances are provided.
    pub allocation: Allocation,
    /// Most bytes of linear memory of one instance.
    pub memory_max_bytes: u64,
}

/// Something that compiles modules elsewhere. Blocks while it does.
pub trait Precompile: Debug + Send + Sync {
    /// The code of a module.
    ///
    /// # Errors
    /// [`Error::InvalidModule`] and [`Error::Uncompilable`]; [`Error::Compiling`] and
    /// [`Error::ServerMemory`] where another time it may be possible.
    fn precompile(&self, wasm: &[u8], options: CodeOptions) -> Result<Vec<u8>>;

    /// What it is bounded by, in letters and digits that can be part of a file's name: what cannot be
    /// compiled is not tried again before they differ.
    fn bounds(&self) -> String;
}

/// Compiles modules in this process, and answers their code.
pub struct Precompiler {
    engine: Engine,
    options: CodeOptions,
}

impl Precompiler {
    /// For code of one kind.
    ///
    /// # Errors
    /// When the machine cannot run the engine.
    pub fn new(options: CodeOptions) -> Result<Self> {
        let config = match options.allocation {
            Allocation::Pooling => config(options.memory_max_bytes, options.profile),
            Allocation::OnDemand => on_demand(options.memory_max_bytes, options.profile),
        };
        let engine = Engine::new(&config).map_err(|error| Error::Engine {
            reason: format!("{error:#}"),
        })?;
        Ok(Self { engine, options })
    }

    /// What its code is for.
    #[must_use]
    pub fn options(&self) -> CodeOptions {
        self.options
    }

    /// The code of a module.
    ///
    /// # Errors
    /// [`Error::InvalidModule`].
    pub fn precompile(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        let code = self.engine.precompile_module(wasm);
        code.map_err(|error| invalid(&error))
    }
}

/// The module of code that was compiled for this engine.
#[expect(unsafe_code, reason = "compiled code cannot be checked, only trusted")]
pub(crate) fn load(engine: &Engine, code: &[u8]) -> Result<Module> {
    // SAFETY: deserializing trusts the bytes as it would trust code of this program. They come from
    // whatever compiles for this engine, over a pipe that nobody else writes to, and not from a file;
    // wasmtime itself refuses what was compiled for another engine.
    let module = unsafe { Module::deserialize(engine, code) };
    module.map_err(|error| Error::Compiling {
        reason: format!("{error:#}"),
    })
}
