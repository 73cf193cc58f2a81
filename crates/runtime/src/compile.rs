//! From bytes to a plugin that is compiled, linked and ready to be called.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::{ExternType, FuncType, InstancePre, Module, ModuleExport, ValType};

use crate::call::Function;
use crate::compiler::Import;
use crate::context::Context;
use crate::digest::Digest;
use crate::engine::{Profile, Runtime};
use crate::error::{Error, Result};
use crate::extism;
use crate::host::Host;
use crate::kept::{Instances, Kept};
use crate::limits::Limits;
use crate::permissions::Permissions;
use crate::preinit::{Preinit, Published, has_start_section};
use crate::turns::Turns;
use crate::usage::Usage;
use crate::wasi;

/// Exports that set up a reactor module before the function runs: the first of each row that
/// exists, row by row. `_initialize` calls the constructors itself; Haskell's run-time system
/// begins after both. Source: the WASI reactor convention, LLVM's `__wasm_call_ctors`, and GHC.
const INITIALIZERS: [&[&str]; 2] = [&["_initialize", "__wasm_call_ctors"], &[HASKELL_INIT]];
const HASKELL_INIT: &str = "hs_init";
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
        }
    }
}

/// A compiled and linked plugin. Clones are the same plugin.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) instance: InstancePre<Host>,
    /// What sets an instance up; nothing where that was done in advance.
    pub(crate) initializers: Vec<Export>,
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
    is_preinitialized: bool,
}

/// An exported function, resolved.
#[derive(Clone, Copy)]
pub(crate) struct Export {
    pub(crate) index: ModuleExport,
    pub(crate) shape: Shape,
}

/// The two types of a plugin's function in the Extism ABI, and that of `hs_init`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `() -> i32`: 0 is success.
    Code,
    /// `() -> ()`
    Nothing,
    /// `(i32, i32) -> ()`: `hs_init(argc, argv)`, called with zeros.
    HaskellInit,
}

impl Runtime {
    /// Compiles a module, or takes it from the cache, and links it. Takes milliseconds to seconds:
    /// call it where blocking is allowed.
    ///
    /// # Errors
    /// When the bytes are no module, import what is not offered, want more memory than granted, or
    /// cannot be set up in advance where they must be.
    pub fn compile(&self, spec: PluginSpec<'_>) -> Result<Plugin> {
        let compiler = self.compiler(spec.profile)?;
        let digest = Digest::of(spec.wasm);
        compiler.check_imports(spec.wasm)?;
        let module = compiler.module(spec.wasm, &digest)?;
        let needed = initial_memory(&module);
        let mut limits = spec.limits;
        // More than a slot holds cannot be had, so the calls are told the slot's size.
        limits.memory = limits.memory.min(self.0.options.memory_max_bytes);
        let limit = limits.memory;
        if needed > limit {
            return Err(Error::InitialMemory { needed, limit });
        }
        let mut permissions = spec.permissions;
        permissions
            .network
            .extend(self.0.options.allowed_hosts.iter().cloned());
        let concurrency = limits.concurrency as usize;
        let context = Context::new(spec.name.to_owned(), limits, permissions, spec.config);
        // What the engine refuses is refused before anything of it runs.
        let mut instance = compiler.link(&module)?;
        let published = Published {
            wasm: spec.wasm,
            digest: &digest,
            module: &module,
        };
        let preinitialized = self.preinitialized(compiler, published, spec.preinit, &context)?;
        let mut initializers: Vec<_> = initializers(&module).map(|(_, export)| export).collect();
        if let Some(preinitialized) = &preinitialized {
            instance = compiler.link(preinitialized)?;
            initializers.clear();
        }
        let kept = match spec.instances {
            Instances::Fresh => None,
            Instances::Reuse(bounds) => {
                let kept = Arc::new(Kept::new(bounds, self.0.kept_places.clone()));
                self.budget().register(&kept);
                Some(kept)
            }
        };
        Ok(Plugin(Arc::new(Inner {
            instance,
            initializers,
            context: Arc::new(context),
            places: Turns::new(concurrency),
            kept,
            usage: Usage::default(),
            runtime: self.clone(),
            digest,
            profile: spec.profile,
            is_preinitialized: preinitialized.is_some(),
        })))
    }

    /// What a module is made of, and what would be refused. Nothing of it runs.
    ///
    /// # Errors
    /// When the bytes are no WebAssembly module.
    pub fn inspect(&self, wasm: &[u8]) -> Result<Inspection> {
        let compiler = self.compiler(Profile::default())?;
        let digest = Digest::of(wasm);
        let module = compiler.module(wasm, &digest)?;
        Ok(Inspection {
            digest,
            size_bytes: wasm.len() as u64,
            initial_memory_bytes: initial_memory(&module),
            functions: callable(&module),
            imports: compiler.imports(&module),
            initializers: has_start_section(wasm)
                .then_some(START_SECTION)
                .into_iter()
                .chain(initializers(&module).map(|(name, _)| name))
                .collect(),
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
        self.0.is_preinitialized
    }

    /// The functions that can be called, in the order of the module.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        callable(self.0.instance.module())
    }

    /// Resolves an export, once, to be called many times.
    ///
    /// # Errors
    /// When there is no such function or it has another type than a plugin's function.
    pub fn function(&self, name: &str) -> Result<Function> {
        let module = self.0.instance.module();
        let Some(ty) = function_type(module, name) else {
            return Err(Error::UnknownExport {
                export: name.to_owned(),
                available: callable(module),
            });
        };
        match (shape(&ty), module.get_export_index(name)) {
            (Some(shape), Some(index)) => Ok(Function::new(
                self.clone(),
                name.to_owned(),
                Export { index, shape },
            )),
            _ => Err(Error::ExportType {
                export: name.to_owned(),
                found: ty.to_string(),
            }),
        }
    }
}

/// What a module is made of.
#[derive(Debug)]
pub struct Inspection {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Size of the bytes.
    pub size_bytes: u64,
    /// Linear memory that an instance starts with.
    pub initial_memory_bytes: u64,
    /// Exports that can be called as tools.
    pub functions: Vec<String>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What runs before a function, in its order: the start section, and exports by their names.
    pub initializers: Vec<&'static str>,
    pub(crate) module: Module,
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

fn function_type(module: &Module, name: &str) -> Option<FuncType> {
    match module.get_export(name)? {
        ExternType::Func(ty) => Some(ty),
        _ => None,
    }
}

fn shape(ty: &FuncType) -> Option<Shape> {
    if ty.params().len() > 0 {
        return None;
    }
    let mut results = ty.results();
    match (results.next(), results.next()) {
        (None, _) => Some(Shape::Nothing),
        (Some(ValType::I32), None) => Some(Shape::Code),
        _ => None,
    }
}

/// The exports that set this module up, in their order.
pub(crate) fn initializers(module: &Module) -> impl Iterator<Item = (&'static str, Export)> {
    INITIALIZERS.iter().filter_map(|row| {
        row.iter()
            .find_map(|name| Some((*name, initializer(module, name)?)))
    })
}

fn initializer(module: &Module, name: &str) -> Option<Export> {
    let ty = function_type(module, name)?;
    let two_integers = ty.params().len() == 2 && ty.params().all(|ty| matches!(ty, ValType::I32));
    let shape = match shape(&ty) {
        Some(shape) => shape,
        None if name == HASKELL_INIT && two_integers && ty.results().len() == 0 => {
            Shape::HaskellInit
        }
        None => return None,
    };
    let index = module.get_export_index(name)?;
    Some(Export { index, shape })
}

/// The exports that can be called: functions of the right type, without those that set up the module.
fn callable(module: &Module) -> Vec<String> {
    module
        .exports()
        .filter(|export| matches!(export.ty(), ExternType::Func(ty) if shape(&ty).is_some()))
        .map(|export| export.name().to_owned())
        .filter(|name| !INITIALIZERS.concat().contains(&name.as_str()) && name != "_start")
        .collect()
}

pub(crate) fn initial_memory(module: &Module) -> u64 {
    let pages = module.resources_required().max_initial_memory_size;
    pages.unwrap_or(0).saturating_mul(WASM_PAGE_BYTES)
}
