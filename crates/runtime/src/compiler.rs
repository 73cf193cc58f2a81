//! One engine: its settings, its pool, what it offers to plugins, what it has compiled, and the
//! ticker that makes its guests yield.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, InstancePre, Linker, Module,
    PoolingAllocationConfig, Store,
};

use crate::budget::Budget;
use crate::cache::Cache;
use crate::cache::folders::Folders;
use crate::context::Context;
use crate::conversation;
use crate::digest::Digest;
use crate::engine::{EngineOptions, Profile};
use crate::error::{Error, Result};
use crate::escape::cut;
use crate::extism;
use crate::first_look;
use crate::host::{Host, TABLE_MAX_ELEMENTS};
use crate::kept::KEPT_INSTANCES_MAX;
use crate::limits::{Limits, WASM_STACK_BYTES};
use crate::precompile::{CodeOptions, Precompile, load};
use crate::requester::Nobody;
use crate::resident;
use crate::wasi;

/// How long a guest runs before it yields its thread to others. Each tick costs a wake-up of the
/// ticker thread. A request waits for a turn of every guest that its thread runs: with 3 ms it waits
/// 12 ms where two threads run eight guests that never end, and up to twice that where one of them has
/// more than its share.
const EPOCH_TICK: Duration = Duration::from_millis(3);
/// Stack of a fiber, in bytes: the guest's and as much again for host functions.
const FIBER_STACK_BYTES: usize = 1024 * 1024;
/// Metadata of one instance, in bytes: large Go modules need some 100 KiB.
const INSTANCE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Memories and tables that one module may define.
const MEMORIES_PER_MODULE: u32 = 2;
const TABLES_PER_MODULE: u32 = 8;

/// Most of the engine's words that are repeated, in bytes.
const WORDS_MAX_BYTES: usize = 2000;

/// How an engine provides instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From slots reserved at start.
    Pooling,
    /// Mapped for each call, since the address space was too small to reserve the slots.
    OnDemand,
}

/// One import of a module.
#[derive(Debug)]
pub struct Import {
    /// The module's side of the name.
    pub module: String,
    /// The name in it.
    pub name: String,
    /// Whether this server offers it.
    pub offered: bool,
}

/// An engine with everything that compiling for it needs.
pub(crate) struct Compiler {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Host>,
    pub(crate) cache: Option<Cache>,
    /// What compiles for it, where that is not this process.
    precompile: Option<Arc<dyn Precompile>>,
    code: CodeOptions,
    /// Module and name of everything that a plugin may import.
    offered: HashSet<(String, String)>,
    pub(crate) allocation: Allocation,
}

impl Compiler {
    /// Starts an engine and its ticker thread, which ends with the last use of the engine.
    pub(crate) fn new(
        options: &EngineOptions,
        profile: Profile,
        allocation: Allocation,
        folders: Option<&Arc<Folders>>,
    ) -> Result<Self> {
        let (engine, allocation) = engine(options, profile, allocation)?;
        let mut linker = Linker::new(&engine);
        extism::add_to_linker(&mut linker)
            .and_then(|()| conversation::add_to_linker(&mut linker))
            .and_then(|()| wasi::add_to_linker(&mut linker))
            .map_err(|error| engine_error(&error))?;
        let cache = folders.map(|folders| Cache::new(folders, &engine));
        start_ticker(&engine)?;
        let offered = offered(&engine, &linker);
        Ok(Self {
            engine,
            linker,
            cache,
            precompile: options.precompile.clone(),
            code: CodeOptions {
                profile,
                allocation,
                memory_max_bytes: options.memory_max_bytes,
            },
            offered,
            allocation,
        })
    }

    /// Compiles a module, or takes it from the cache.
    pub(crate) fn module(&self, wasm: &[u8], digest: &Digest) -> Result<Module> {
        let cached = self.cache.as_ref();
        if let Some(module) = cached.and_then(|cache| cache.load(&self.engine, digest)) {
            return Ok(module);
        }
        if let Some(failure) = self.failure(digest) {
            return Err(failure);
        }
        first_look::check(wasm)?;
        let compiled = self.compile(wasm);
        if let Some(cache) = &self.cache {
            match &compiled {
                Ok(module) => cache.store(module, digest),
                Err(Error::Uncompilable { reason }) => {
                    cache.store_failure(reason, digest, &self.bounds());
                }
                // A compiler has bounds of its own, which a valid module may be beyond.
                Err(Error::InvalidModule { reason }) if self.validate(wasm).is_ok() => {
                    cache.store_failure(reason, digest, &self.bounds());
                }
                Err(_) => {}
            }
        }
        compiled
    }

    /// What an earlier time has found to be in the way of compiling a module within the same bounds.
    pub(crate) fn failure(&self, digest: &Digest) -> Option<Error> {
        let reason = self.cache.as_ref()?.failure(digest, &self.bounds())?;
        Some(Error::Uncompilable { reason })
    }

    /// Refuses what is no valid module, or has too many of something.
    pub(crate) fn validate(&self, wasm: &[u8]) -> Result<()> {
        first_look::check(wasm)?;
        Module::validate(&self.engine, wasm).map_err(|error| invalid(&error))
    }

    /// Compiles a module, whether it is known or not.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Module> {
        match &self.precompile {
            Some(elsewhere) => load(&self.engine, &elsewhere.precompile(wasm, self.code)?),
            None => Module::from_binary(&self.engine, wasm).map_err(|error| invalid(&error)),
        }
    }

    /// What compiling is bounded by, in few letters.
    fn bounds(&self) -> String {
        let elsewhere = self.precompile.as_ref();
        elsewhere.map_or_else(|| "none".to_owned(), |elsewhere| elsewhere.bounds())
    }

    /// What a module imports, and whether it is offered.
    pub(crate) fn imports(&self, wasm: &[u8]) -> Result<Vec<Import>> {
        let imports = first_look::imports(wasm)?.into_iter().map(|key| {
            let offered = self.offered.contains(&key);
            let (module, name) = key;
            Import {
                module,
                name,
                offered,
            }
        });
        Ok(imports.collect())
    }

    /// Refuses a module that imports what is not offered, or has too many of something before its code.
    /// What is no module is left to the engine.
    pub(crate) fn check_imports(&self, wasm: &[u8]) -> Result<()> {
        let unknown = self.imports(wasm)?.into_iter();
        let unknown = unknown.filter(|import| !import.offered);
        let imports: Vec<String> = unknown
            .map(|Import { module, name, .. }| format!("{module}::{name}"))
            .collect();
        if imports.is_empty() {
            Ok(())
        } else {
            Err(Error::UnknownImport { imports })
        }
    }

    /// Links a module with what the server offers.
    pub(crate) fn link(&self, module: &Module) -> Result<InstancePre<Host>> {
        let instance = self.linker.instantiate_pre(module);
        instance.map_err(|error| invalid(&error))
    }
}

/// An engine with pooled slots, or one that maps instances on demand where the address space of
/// the process is limited.
fn engine(
    options: &EngineOptions,
    profile: Profile,
    wanted: Allocation,
) -> Result<(Engine, Allocation)> {
    let memory = options.memory_max_bytes;
    let mapped = || {
        let engine = Engine::new(&on_demand(memory, profile));
        let engine = engine.map_err(|error| engine_error(&error))?;
        Ok((engine, Allocation::OnDemand))
    };
    if wanted == Allocation::OnDemand {
        return mapped();
    }
    let pool = pool(options, profile);
    match Engine::new(config(memory, profile).allocation_strategy(pool)) {
        Ok(engine) => Ok((engine, Allocation::Pooling)),
        Err(error) => {
            tracing::warn!(
                reason = %format!("{error:#}"),
                "no pool of instances could be reserved; instances are mapped on demand, which makes calls slower"
            );
            mapped()
        }
    }
}

pub(crate) fn config(memory_max_bytes: u64, profile: Profile) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // Else a slot keeps every page of its stack that a guest has ever reached.
        .async_stack_zeroing(true)
        .concurrency_support(false);
    if profile == Profile::Short {
        // Explicit bounds checks: a pooled slot keeps its protection, so growing and resetting
        // memory need no mprotect, each of which interrupts the other cores.
        config
            .signals_based_traps(false)
            .memory_guard_size(0)
            .guard_before_linear_memory(false)
            .memory_reservation(memory_max_bytes);
    }
    config
}

/// Address space is what lacks here, so a memory takes what it uses and moves when it grows.
pub(crate) fn on_demand(memory_max_bytes: u64, profile: Profile) -> Config {
    let mut config = config(memory_max_bytes, profile);
    config
        .memory_reservation(0)
        .memory_reservation_for_growth(0);
    config
}

fn pool(options: &EngineOptions, profile: Profile) -> InstanceAllocationStrategy {
    let instances = options.instances_max.saturating_add(KEPT_INSTANCES_MAX);
    let memory_max_bytes = usize::try_from(options.memory_max_bytes).unwrap_or(usize::MAX);
    let (memory_kept, table_kept, stack_kept) = match profile {
        Profile::Short if resident::is_seen() => (
            resident::SLOT_MAX_BYTES,
            resident::TABLE_BYTES,
            resident::STACK_BYTES,
        ),
        Profile::Short => (
            resident::BLIND_SLOT_BYTES,
            resident::TABLE_BYTES,
            resident::STACK_BYTES,
        ),
        // What a fault costs is nothing to a call that computes for long.
        Profile::Compute => (0, 0, 0),
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(instances)
        .total_stacks(instances)
        // As many for each instance as a module may define: slots cost address space alone, and a
        // call that has its permit finds its slots.
        .total_memories(instances.saturating_mul(MEMORIES_PER_MODULE))
        .total_tables(instances.saturating_mul(TABLES_PER_MODULE))
        .max_memories_per_module(MEMORIES_PER_MODULE)
        .max_tables_per_module(TABLES_PER_MODULE)
        .max_core_instance_size(INSTANCE_MAX_BYTES)
        .max_memory_size(memory_max_bytes)
        .table_elements(TABLE_MAX_ELEMENTS)
        .linear_memory_keep_resident(memory_kept)
        .table_keep_resident(table_kept)
        .async_stack_keep_resident(stack_kept)
        // Resets only the pages that a call has written, where the kernel can tell (Linux 6.7).
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

fn offered(engine: &Engine, linker: &Linker<Host>) -> HashSet<(String, String)> {
    let nobody = Context::of_nobody(Limits::default());
    let (requester, free) = (Arc::new(Nobody), Budget::default().empty());
    let nobody = Host::new(Arc::new(nobody), requester, b"", Instant::now(), free);
    let mut store = Store::new(engine, nobody);
    linker
        .iter(&mut store)
        .map(|(module, name, _)| (module.to_owned(), name.to_owned()))
        .collect()
}

fn start_ticker(engine: &Engine) -> Result<()> {
    let engine: EngineWeak = engine.weak();
    std::thread::Builder::new()
        .name("epoch-ticker".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(EPOCH_TICK);
            }
        })
        .map_err(|error| Error::Engine {
            reason: format!("the ticker thread could not start: {error}"),
        })?;
    Ok(())
}

fn engine_error(error: &wasmtime::Error) -> Error {
    Error::Engine {
        reason: format!("{error:#}"),
    }
}

pub(crate) fn invalid(error: &wasmtime::Error) -> Error {
    Error::InvalidModule {
        reason: one_line(error),
    }
}

/// The beginning of the engine's words, on one line: some of them show values as tables, or repeat names
/// of the module.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    let words = format!("{error:#}");
    let words = cut(&words, WORDS_MAX_BYTES);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
