//! The engines of the process: what they are to be like, and what their calls share.

use std::collections::HashSet;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use crate::budget::Budget;
use crate::cache::folders::Folders;
use crate::compiler::{Allocation, Compiler};
use crate::digest::Digest;
use crate::error::Result;
use crate::kept::KeptPlaces;
use crate::outbound_proxy::OutboundProxy;
use crate::permissions::HostRule;
use crate::precompile::Precompile;
use crate::queue::WAITING_MAX;
use crate::resident::Resident;
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
    /// Path that tells the home whose modules are compiled from others. None: they are of no home, and what
    /// is compiled is kept for a while only.
    pub home: Option<PathBuf>,
    /// Hosts that every plugin may reach.
    pub allowed_hosts: Vec<HostRule>,
    /// What their requests go through. None: straight to where they lead.
    pub outbound_proxy: Option<OutboundProxy>,
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
            home: None,
            allowed_hosts: Vec::new(),
            outbound_proxy: None,
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
    /// Where compiled modules are kept; none where they are not.
    cache_folders: Option<Arc<Folders>>,
    short: Compiler,
    /// What slots of `short` keep; none where that is next to nothing.
    resident: Option<Arc<Resident>>,
    /// Made for the first plugin that wants it.
    compute: OnceLock<Result<Compiler>>,
    /// The same.
    apart: OnceLock<Result<Compiler>>,
}

impl Runtime {
    /// Starts the engine and its ticker thread, which ends with the last clone.
    ///
    /// # Errors
    /// When the machine cannot run the engine, or the cache folder is not private or not writable.
    pub fn new(options: EngineOptions) -> Result<Self> {
        // Outbound TLS; another provider installed earlier is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = options.cache_folder.as_deref();
        let folders = folder.map(|folder| Folders::open(folder, options.home.as_deref()));
        let folders = folders.transpose()?.map(Arc::new);
        let short = Compiler::new(
            &options,
            Profile::Short,
            Allocation::Pooling,
            folders.as_ref(),
        )?;
        let resident = Resident::of(&short.engine, &options.budget).map(Arc::new);
        Ok(Self(Arc::new(Inner {
            places: Turns::shared(options.instances_max as usize),
            turns: Turns::new(available_parallelism().map_or(1, NonZero::get)),
            waiting: Seats::new(WAITING_MAX),
            kept_places: KeptPlaces::new(),
            options,
            cache_folders: folders,
            short,
            resident,
            compute: OnceLock::new(),
            apart: OnceLock::new(),
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

    /// Keeps what is compiled of a module for as long as the home names it.
    pub fn keep_compiled(&self, digest: &Digest) {
        let folders = self.0.cache_folders.as_ref();
        if folders.is_some_and(|folders| folders.name(digest)) {
            let others = [&self.0.compute, &self.0.apart];
            let others = others
                .into_iter()
                .filter_map(|made| made.get()?.as_ref().ok());
            for compiler in std::iter::once(&self.0.short).chain(others) {
                if let Some(cache) = &compiler.cache {
                    cache.adopt(digest);
                }
            }
        }
    }

    /// Keeps what is compiled of these modules, which are all that the home names, and removes what was kept
    /// for it of others. Reads folders: call it where blocking is allowed.
    pub fn keep_compiled_only(&self, digests: &HashSet<Digest>) {
        for digest in digests {
            self.keep_compiled(digest);
        }
        if let Some(folders) = &self.0.cache_folders {
            folders.prune(digests);
        }
    }

    /// The engine for plugins of this profile.
    ///
    /// # Errors
    /// When the machine cannot run it.
    pub(crate) fn compiler(&self, profile: Profile) -> Result<&Compiler> {
        match profile {
            Profile::Short => Ok(&self.0.short),
            Profile::Compute => self.made(&self.0.compute, profile, Allocation::Pooling),
        }
    }

    /// The engine for short calls that leave in their slot what nobody can give back to the system.
    /// Nothing of it is pooled.
    ///
    /// # Errors
    /// When the machine cannot run it.
    pub(crate) fn compiler_apart(&self) -> Result<&Compiler> {
        self.made(&self.0.apart, Profile::Short, Allocation::OnDemand)
    }

    fn made<'a>(
        &'a self,
        once: &'a OnceLock<Result<Compiler>>,
        profile: Profile,
        allocation: Allocation,
    ) -> Result<&'a Compiler> {
        let folders = self.0.cache_folders.as_ref();
        let made = || Compiler::new(&self.0.options, profile, allocation, folders);
        once.get_or_init(made).as_ref().map_err(Clone::clone)
    }

    /// What slots of short calls keep; none where that is next to nothing.
    pub(crate) fn resident(&self) -> Option<&Arc<Resident>> {
        self.0.resident.as_ref()
    }
}
