//! The engines of the process: what they are to be like, and what their calls share.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use crate::budget::Budget;
use crate::compiler::{Allocation, Compiler};
use crate::error::Result;
use crate::kept::KeptPlaces;
use crate::permissions::HostRule;
use crate::precompile::Precompile;
use crate::queue::WAITING_MAX;
use crate::seats::Seats;
use crate::turns::Turns;

/// What the engines are to be like.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Most bytes of linear memory of one instance; the address space reserved for each.
    pub memory_max_bytes: u64,
    /// Most instances that run at once, over all plugins.
    pub instances_max: u32,
    /// How long a call waits for a place among those of its plugin and of the server.
    pub queue_timeout: Duration,
    /// Folder of compiled modules; none compiles anew at every start.
    pub cache_folder: Option<PathBuf>,
    /// Hosts that every plugin may reach.
    pub allowed_hosts: Vec<HostRule>,
    /// What the memory of all calls together is charged to.
    pub budget: Budget,
    /// What compiles modules; none compiles them in this process, without bounds.
    pub precompile: Option<Arc<dyn Precompile>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_max_bytes: 256 * 1024 * 1024,
            instances_max: 1000,
            queue_timeout: Duration::from_secs(30),
            cache_folder: None,
            allowed_hosts: Vec::new(),
            budget: Budget::default(),
            precompile: None,
        }
    }
}

/// What the code of a plugin is compiled for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Many short calls: every access to memory is checked by the code, and a call changes no
    /// protection of pages.
    #[default]
    Short,
    /// Calls that compute for long: guard pages check for nothing, and each call that grows its
    /// memory pays for two changes of their protection.
    Compute,
}

impl Profile {
    /// The word for it in definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Compute => "compute",
        }
    }
}

/// The engines with everything that compiling and calling plugins needs. Clones are the same engines.
#[derive(Clone)]
pub struct Runtime(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: EngineOptions,
    /// One for each call that may run at once. Plugins leave each other some.
    pub(crate) places: Turns,
    /// What guests are polled in, so that other tasks never wait for more of them than there are cores.
    pub(crate) turns: Turns,
    /// One for each call that may wait for its places.
    pub(crate) waiting: Seats,
    /// One for each instance that may be kept between calls.
    pub(crate) kept_places: KeptPlaces,
    short: Compiler,
    /// Made for the first plugin that wants it.
    compute: OnceLock<Result<Compiler>>,
}

impl Runtime {
    /// Starts the engine and its ticker thread, which ends with the last clone.
    ///
    /// # Errors
    /// When the machine cannot run the engine, or the cache folder is not private or not writable.
    pub fn new(options: EngineOptions) -> Result<Self> {
        // Outbound TLS; another provider installed earlier is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let short = Compiler::new(&options, Profile::Short)?;
        Ok(Self(Arc::new(Inner {
            places: Turns::shared(options.instances_max as usize),
            turns: Turns::new(available_parallelism().map_or(1, NonZero::get)),
            waiting: Seats::new(WAITING_MAX),
            kept_places: KeptPlaces::new(),
            options,
            short,
            compute: OnceLock::new(),
        })))
    }

    /// What the memory of all calls together is charged to.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.options.budget
    }

    /// How instances are provided on this machine.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.0.short.allocation
    }

    /// The engine for plugins of this profile.
    ///
    /// # Errors
    /// When the machine cannot run it.
    pub(crate) fn compiler(&self, profile: Profile) -> Result<&Compiler> {
        match profile {
            Profile::Short => Ok(&self.0.short),
            Profile::Compute => {
                let made = || Compiler::new(&self.0.options, profile);
                let made = self.0.compute.get_or_init(made);
                made.as_ref().map_err(Clone::clone)
            }
        }
    }
}
