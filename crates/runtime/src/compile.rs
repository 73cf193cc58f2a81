//! From bytes to a plugin that is compiled, linked and ready to be called.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::{InstancePre, Module, ModuleExport};

use crate::call::Function;
use crate::compiler::{Compiler, Import};
use crate::context::{Context, ErrorDetail};
use crate::digest::Digest;
use crate::engine::{Profile, Runtime};
use crate::error::{Error, Result};
use crate::extism;
use crate::host::Host;
use crate::kept::{Instances, Kept};
use crate::limits::Limits;
use crate::outline::{Outline, Shape};
use crate::permissions::Permissions;
use crate::preinit::{Preinit, Published};
use crate::readiness::Readiness;
use crate::turns::Turns;
use crate::usage::Usage;
use crate::wasi;

/// What an inspection calls the start section.
const START_SECTION: &str = "the start section";
/// A page of linear memory, in bytes.
const WASM_PAGE_BYTES: u64 = 64 * 1024;

/// What a plugin is to be made of.
pub struct PluginSpec<'a> {
    /// Its name, for the log.
    pub name: &'a str,
    /// The module, in its binary format.
    pub wasm: &'a [u8],
    /// What each of its calls may use.
    pub limits: Limits,
    /// What it may reach; the server's own allowed hosts are added.
    pub permissions: Permissions,
    /// What `config_get` answers.
    pub config: BTreeMap<String, String>,
    /// Whether its start is run once, here, instead of at each call.
    pub preinit: Preinit,
    /// What its code is compiled for.
    pub profile: Profile,
    /// Which instance a call gets.
    pub instances: Instances,
    /// How much callers are told of why a call failed.
    pub errors: ErrorDetail,
}

impl<'a> PluginSpec<'a> {
    /// A plugin with the default of everything: no permissions, no configuration.
    #[must_use]
    pub fn new(name: &'a str, wasm: &'a [u8]) -> Self {
        Self {
            name,
            wasm,
            limits: Limits::default(),
            permissions: Permissions::default(),
            config: BTreeMap::new(),
            preinit: Preinit::default(),
            profile: Profile::default(),
            instances: Instances::default(),
            errors: ErrorDetail::default(),
        }
    }
}

/// A plugin: what its module exports, and its code, once that is compiled. Clones are the same plugin.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    outline: Outline,
    pub(crate) readiness: Readiness,
    pub(crate) context: Arc<Context>,
    /// One for each call that may run at once. Callers take turns at them.
    pub(crate) places: Turns,
    /// The instances that are kept between calls; none where each call gets one of its own.
    pub(crate) kept: Option<Arc<Kept>>,
    pub(crate) usage: Usage,
    pub(crate) runtime: Runtime,
    /// That of the module as it is published.
    digest: Digest,
    profile: Profile,
    preinit: Preinit,
}

/// The code of a plugin: compiled, linked, and started where that is done in advance.
pub(crate) struct Code {
    pub(crate) instance: InstancePre<Host>,
    /// What sets an instance up; nothing where that was done in advance.
    pub(crate) initializers: Vec<Export>,
    /// The memories whose pages its instances would leave in their slots.
    pub(crate) memories: Arc<[ModuleExport]>,
    is_preinitialized: bool,
}

/// An exported function, resolved.
#[derive(Clone, Copy)]
pub(crate) struct Export {
    pub(crate) index: ModuleExport,
    pub(crate) shape: Shape,
}

impl Runtime {
    /// Compiles a module, or takes it from the cache, and links it. Takes milliseconds to seconds:
    /// call it where blocking is allowed.
    ///
    /// # Errors
    /// When the bytes are no module, import what is not offered, want more memory than granted, or
    /// cannot be set up in advance where they must be.
    pub fn compile(&self, spec: PluginSpec<'_>) -> Result<Plugin> {
        let wasm = spec.wasm;
        let plugin = self.outlined(spec)?;
        plugin.finish(wasm)?;
        Ok(plugin)
    }

    /// A plugin whose module is found to be valid, and whose code [`Plugin::finish`] makes: its calls
    /// wait until then. Where the code is known from an earlier time it is there at once. Takes
    /// milliseconds: call it where blocking is allowed.
    ///
    /// # Errors
    /// As [`Runtime::compile`], but for what only compiling, linking and starting can show.
    pub fn prepare(&self, spec: PluginSpec<'_>) -> Result<Plugin> {
        let wasm = spec.wasm;
        let plugin = self.outlined(spec)?;
        let compiler = plugin.0.compiler()?;
        if plugin.is_known(compiler) {
            plugin.finish(wasm)?;
        } else {
            compiler.validate(wasm)?;
        }
        Ok(plugin)
    }

    /// A plugin without its code.
    fn outlined(&self, spec: PluginSpec<'_>) -> Result<Plugin> {
        let compiler = self.compiler(spec.profile)?;
        compiler.check_imports(spec.wasm)?;
        let outline = Outline::read(&compiler.engine, spec.wasm)?;
        let mut limits = spec.limits;
        // More than a slot holds cannot be had, so the calls are told the slot's size.
        limits.memory = limits.memory.min(self.0.options.memory_max_bytes);
        let (needed, limit) = (outline.initial_memory_bytes, limits.memory);
        if needed > limit {
            return Err(Error::InitialMemory { needed, limit });
        }
        let mut permissions = spec.permissions;
        permissions
            .network
            .extend(self.0.options.allowed_hosts.iter().cloned());
        let concurrency = limits.concurrency as usize;
        let proxy = self.0.options.outbound_proxy.clone();
        let name = spec.name.to_owned();
        let context = Context::new(name, limits, permissions, spec.config, spec.errors);
        let context = context.through(proxy);
        let kept = match spec.instances {
            Instances::Fresh => None,
            Instances::Reuse(bounds) => {
                let kept = Arc::new(Kept::new(bounds, self.0.kept_places.clone()));
                self.budget().register(&kept);
                Some(kept)
            }
        };
        Ok(Plugin(Arc::new(Inner {
            outline,
            readiness: Readiness::default(),
            context: Arc::new(context),
            places: Turns::new(concurrency),
            kept,
            usage: Usage::default(),
            runtime: self.clone(),
            digest: Digest::of(spec.wasm),
            profile: spec.profile,
            preinit: spec.preinit,
        })))
    }

    /// What a module is made of, and what would be refused. Nothing of it runs.
    ///
    /// # Errors
    /// When the bytes are no WebAssembly module.
    pub fn inspect(&self, wasm: &[u8]) -> Result<Inspection> {
        let compiler = self.compiler(Profile::default())?;
        let imports = compiler.imports(wasm)?;
        let digest = Digest::of(wasm);
        let outline = Outline::read(&compiler.engine, wasm)?;
        // What is refused for its imports is not compiled for that.
        let module = if imports.iter().all(|import| import.offered) {
            Some(compiler.module(wasm, &digest)?)
        } else {
            compiler.validate(wasm)?;
            None
        };
        let start = outline.has_start_section.then_some(START_SECTION);
        let initializers = outline.initializers.iter().map(|(name, _)| *name);
        Ok(Inspection {
            digest,
            size_bytes: wasm.len() as u64,
            initial_memory_bytes: outline.initial_memory_bytes,
            functions: outline.functions(),
            is_command: outline.is_command(),
            imports,
            initializers: start.into_iter().chain(initializers).collect(),
            outline,
            module,
        })
    }
}

impl Plugin {
    /// The digest of the module.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The effective limits of a call.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.context.limits
    }

    /// What its code is compiled for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.0.profile
    }

    /// What its calls have taken so far.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.0.usage
    }

    /// Whether its start was run in advance, so that calls begin after it.
    #[must_use]
    pub fn is_preinitialized(&self) -> bool {
        let code = self.0.readiness.code().and_then(Result::ok);
        code.is_some_and(|code| code.is_preinitialized)
    }

    /// Whether its code was made, or found to be impossible to make.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.readiness.code().is_some()
    }

    /// Whether a call has waited for its code.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.readiness.is_wanted()
    }

    /// Makes the code of a plugin that was prepared, unless that was done: compiles, links, and starts
    /// where that is done in advance. The bytes are those that it was prepared with. Blocks for as long as
    /// it takes.
    ///
    /// # Errors
    /// As [`Runtime::compile`]. What the module itself is to blame for is answered to calls too; after
    /// [`Error::Compiling`] and [`Error::ServerMemory`] it can be tried once more.
    pub fn finish(&self, wasm: &[u8]) -> Result<()> {
        self.0.readiness.make(|| self.0.code(wasm))
    }

    /// Whether an earlier time has left its code, and what its start has come to.
    fn is_known(&self, compiler: &Compiler) -> bool {
        let Some(cache) = &compiler.cache else {
            return false;
        };
        let Inner {
            outline,
            digest,
            preinit,
            context,
            ..
        } = &*self.0;
        let starts = match preinit {
            Preinit::Never => false,
            Preinit::Auto => outline.has_start() && !cache.knows_start(digest, &context.limits),
            Preinit::Always => outline.has_start(),
        };
        (cache.has(digest) && !starts) || compiler.failure(digest).is_some()
    }

    /// Whether its module reads configuration (`config_get`).
    #[must_use]
    pub fn reads_configuration(&self) -> bool {
        self.0.outline.reads_configuration
    }

    /// The functions that can be called, in the order of the module, without those of run-time systems.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        self.0.outline.functions()
    }

    /// Resolves an export, once, to be called many times.
    ///
    /// # Errors
    /// When there is no such function or it has another type than a plugin's function.
    pub fn function(&self, name: &str) -> Result<Function> {
        let shape = self.0.outline.function(name)?;
        Ok(Function::new(self.clone(), name, shape))
    }
}

impl Inner {
    /// What compiles it.
    fn compiler(&self) -> Result<&Compiler> {
        if self.outline.hides_memory && self.is_pooled() {
            return self.runtime.compiler_apart();
        }
        self.runtime.compiler(self.profile)
    }

    fn code(&self, wasm: &[u8]) -> Result<Code> {
        let compiler = self.compiler()?;
        let module = compiler.module(wasm, &self.digest)?;
        // What the engine refuses is refused before anything of it runs.
        let instance = compiler.link(&module)?;
        let published = Published {
            wasm,
            digest: &self.digest,
            module: &module,
            outline: &self.outline,
        };
        let runtime = &self.runtime;
        let preinitialized =
            runtime.preinitialized(compiler, published, self.preinit, &self.context)?;
        let (instance, initializers) = match &preinitialized {
            Some(begun) => (compiler.link(begun)?, Vec::new()),
            // A guest that a start section has ended leaves no instance whose memory could be reached.
            None if self.outline.has_start_section && self.is_pooled() => {
                let compiler = runtime.compiler_apart()?;
                let module = compiler.module(wasm, &self.digest)?;
                let initializers = initializers(&module, &self.outline);
                (compiler.link(&module)?, initializers)
            }
            None => (instance, initializers(&module, &self.outline)),
        };
        let memories = self.outline.memories.iter();
        let memories = memories.filter_map(|name| instance.module().get_export_index(name));
        Ok(Code {
            memories: memories.collect(),
            instance,
            initializers,
            is_preinitialized: preinitialized.is_some(),
        })
    }

    /// Whether its instances leave pages in slots.
    fn is_pooled(&self) -> bool {
        self.profile == Profile::Short && self.runtime.resident().is_some()
    }
}

impl Code {
    /// Resolves an export of the module's outline.
    pub(crate) fn export(&self, name: &str, shape: Shape) -> Result<Export> {
        let index = self.instance.module().get_export_index(name);
        let index = index.ok_or_else(|| Error::Compiling {
            reason: format!("its code has no function {name:?}"),
        })?;
        Ok(Export { index, shape })
    }
}

/// What a module is made of.
pub struct Inspection {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Size of the bytes.
    pub size_bytes: u64,
    /// Linear memory that an instance starts with.
    pub initial_memory_bytes: u64,
    /// Exports that can be called as tools, without those of run-time systems.
    pub functions: Vec<String>,
    /// Whether it is a WASI command, whose `_start` can be called too.
    pub is_command: bool,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What runs before a function, in its order: the start section, and exports by their names.
    pub initializers: Vec<&'static str>,
    pub(crate) outline: Outline,
    /// None: it imports what is not offered.
    pub(crate) module: Option<Module>,
}

impl Inspection {
    /// Whether the module speaks the Extism ABI.
    #[must_use]
    pub fn is_extism(&self) -> bool {
        self.imports
            .iter()
            .any(|import| import.module == extism::MODULE)
    }

    /// Whether the module uses WASI preview 1.
    #[must_use]
    pub fn is_wasi(&self) -> bool {
        self.imports
            .iter()
            .any(|import| import.module == wasi::MODULE)
    }
}

/// What sets up an instance of a module, which has this outline, or was made of one that has.
pub(crate) fn initializers(module: &Module, outline: &Outline) -> Vec<Export> {
    let resolved = outline.initializers.iter().filter_map(|(name, shape)| {
        let index = module.get_export_index(name)?;
        Some(Export {
            index,
            shape: *shape,
        })
    });
    resolved.collect()
}

pub(crate) fn initial_memory(module: &Module) -> u64 {
    let pages = module.resources_required().max_initial_memory_size;
    pages.unwrap_or(0).saturating_mul(WASM_PAGE_BYTES)
}
