//! The one engine of the process: its settings, its pool, and the ticker that makes guests yield.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, Linker,
    PoolingAllocationConfig, Store,
};

use crate::cache::Cache;
use crate::context::Context;
use crate::conversation;
use crate::error::{Error, Result};
use crate::extism;
use crate::host::{Host, TABLE_MAX_ELEMENTS};
use crate::limits::Limits;
use crate::permissions::HostRule;
use crate::requester::Nobody;
use crate::wasi;

/// How long a guest runs before it yields its thread to others. Each tick costs a wake-up of the
/// ticker thread; 10 ms keep the other requests of a thread waiting no longer than a slow disk.
const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Stack of a guest, in bytes: as much as wasmtime's default.
const WASM_STACK_BYTES: usize = 512 * 1024;
/// Stack of a fiber, in bytes: the guest's and as much again for host functions.
const FIBER_STACK_BYTES: usize = 1024 * 1024;
/// Bytes of a slot's linear memory that stay mapped between calls, so that the next call does not
/// fault them in again; small plugins dirty less than this.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 1024 * 1024;
/// The same for tables: a page. Those of most plugins fit, and a page is zeroed sooner than the kernel
/// is asked what of it was written.
const TABLE_KEEP_RESIDENT_BYTES: usize = 4 * 1024;
/// Metadata of one instance, in bytes: large Go modules need some 100 KiB.
const INSTANCE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Memories and tables that one module may define.
const MEMORIES_PER_MODULE: u32 = 2;
const TABLES_PER_MODULE: u32 = 8;

/// What the engine is to be like.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Most bytes of linear memory of one instance; the address space reserved for each.
    pub memory_max_bytes: u64,
    /// Most instances that live at once, over all plugins.
    pub instances_max: u32,
    /// Folder of compiled modules; none compiles anew at every start.
    pub cache_folder: Option<PathBuf>,
    /// Hosts that every plugin may reach.
    pub allowed_hosts: Vec<HostRule>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_max_bytes: 256 * 1024 * 1024,
            instances_max: 1000,
            cache_folder: None,
            allowed_hosts: Vec::new(),
        }
    }
}

/// How the engine provides instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From slots reserved at start.
    Pooling,
    /// Mapped for each call, since the address space was too small to reserve the slots.
    OnDemand,
}

/// The engine with everything that compiling and calling plugins needs. Clones are the same engine.
#[derive(Clone)]
pub struct Runtime(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Host>,
    pub(crate) cache: Option<Cache>,
    pub(crate) options: EngineOptions,
    /// Module and name of everything that a plugin may import.
    pub(crate) offered: HashSet<(String, String)>,
    /// One permit for each slot of the pool.
    pub(crate) permits: Semaphore,
    allocation: Allocation,
}

impl Runtime {
    /// Starts the engine and its ticker thread, which ends with the last clone.
    ///
    /// # Errors
    /// When the machine cannot run the engine, or the cache folder is not private or not writable.
    pub fn new(options: EngineOptions) -> Result<Self> {
        // Outbound TLS; another provider installed earlier is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (engine, allocation) = engine(&options)?;
        let mut linker = Linker::new(&engine);
        extism::add_to_linker(&mut linker)
            .and_then(|()| conversation::add_to_linker(&mut linker))
            .and_then(|()| wasi::add_to_linker(&mut linker))
            .map_err(|error| engine_error(&error))?;
        let cache = match &options.cache_folder {
            Some(folder) => Some(Cache::open(folder, &engine)?),
            None => None,
        };
        start_ticker(&engine)?;
        let offered = offered(&engine, &linker);
        Ok(Self(Arc::new(Inner {
            offered,
            permits: Semaphore::new(options.instances_max as usize),
            engine,
            linker,
            cache,
            options,
            allocation,
        })))
    }

    /// How instances are provided on this machine.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.0.allocation
    }
}

/// An engine with pooled slots, or one that maps instances on demand where the address space of
/// the process is limited.
fn engine(options: &EngineOptions) -> Result<(Engine, Allocation)> {
    let pooled = Engine::new(config(options).allocation_strategy(pool(options)));
    match pooled {
        Ok(engine) => Ok((engine, Allocation::Pooling)),
        Err(error) => {
            tracing::warn!(
                reason = %format!("{error:#}"),
                "no pool of instances could be reserved; instances are mapped on demand, which makes calls slower"
            );
            let engine = Engine::new(&on_demand(options)).map_err(|error| engine_error(&error))?;
            Ok((engine, Allocation::OnDemand))
        }
    }
}

fn config(options: &EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // Explicit bounds checks: a pooled slot keeps its protection, so growing and resetting
        // memory need no mprotect, each of which interrupts the other cores.
        .signals_based_traps(false)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_reservation(options.memory_max_bytes)
        .concurrency_support(false);
    config
}

/// Address space is what lacks here, so a memory takes what it uses and moves when it grows.
fn on_demand(options: &EngineOptions) -> Config {
    let mut config = config(options);
    config
        .memory_reservation(0)
        .memory_reservation_for_growth(0);
    config
}

fn pool(options: &EngineOptions) -> InstanceAllocationStrategy {
    let instances = options.instances_max;
    let memory_max_bytes = usize::try_from(options.memory_max_bytes).unwrap_or(usize::MAX);
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
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        // Resets only the pages that a call has written, where the kernel can tell (Linux 6.7).
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

fn offered(engine: &Engine, linker: &Linker<Host>) -> HashSet<(String, String)> {
    let nobody = Context::of_nobody(Limits::default());
    let nobody = Host::new(Arc::new(nobody), Arc::new(Nobody), b"", Instant::now());
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
