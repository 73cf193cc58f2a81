//! What a module says of itself before its code: which functions it exports, what sets it up, and with
//! how much memory it begins. It is read in milliseconds, whether the module is compiled yet or not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wasmparser::{BinaryReaderError, ExternalKind, FuncType, Parser, Payload, TypeRef, ValType};
use wasmtime::{Engine, Module};

use crate::compiler::invalid;
use crate::error::{Error, Result};
use crate::escape::cut;
use crate::extism;

/// Exports that set up a reactor module before the function runs: the first of each row that
/// exists, row by row. `_initialize` calls the constructors itself; Haskell's run-time system
/// begins after both. Source: the WASI reactor convention, LLVM's `__wasm_call_ctors`, and GHC.
const INITIALIZERS: [&[&str]; 2] = [&["_initialize", "__wasm_call_ctors"], &[HASKELL_INIT]];
const HASKELL_INIT: &str = "hs_init";
/// The entry point of a WASI command, which is not listed.
const COMMAND: &str = "_start";
/// How names begin that run-time systems and tools export for themselves: C and C++ (`__`, Emscripten), Haskell,
/// `TinyGo`, Binaryen's Asyncify, Wizer, the canonical ABI. `__invoke` and `__arg_start` of the JavaScript and Python
/// PDKs are among them.
const RUNTIME_PREFIXES: [&str; 9] = [
    "__",
    "_emscripten_",
    "asyncify_",
    "cabi_",
    "emscripten_",
    "hs_",
    "tinygo_",
    "wizer.",
    "wizer_",
];
/// Names that they export without such a beginning.
const RUNTIME_NAMES: [&str; 16] = [
    "aligned_alloc",
    "calloc",
    "fflush",
    "free",
    "go_scheduler",
    "malloc",
    "memalign",
    "posix_memalign",
    "realloc",
    "resume",
    "rts_done",
    "setThrew",
    "stackAlloc",
    "stackRestore",
    "stackSave",
    "strerror",
];
/// The first bytes of a component: magic number, version 13, layer 1.
const COMPONENT_HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
/// A page of linear memory, in bytes, as a power of two, where a memory does not say another.
const PAGE_LOG2: u32 = 16;
/// Most bytes of a function's type that are kept, to be shown.
const TYPE_MAX_BYTES: usize = 200;

/// What a module says of itself before its code.
pub(crate) struct Outline {
    /// The functions that it exports, by their names.
    exports: HashMap<String, Exported>,
    /// Linear memory that an instance starts with: that of its largest one.
    pub(crate) initial_memory_bytes: u64,
    /// A name of each memory that is exported.
    pub(crate) memories: Vec<String>,
    /// Whether it has a memory that is not.
    pub(crate) hides_memory: bool,
    pub(crate) has_start_section: bool,
    /// Whether it imports `config_get`.
    pub(crate) reads_configuration: bool,
    /// What sets an instance up after its start section, in its order.
    pub(crate) initializers: Vec<(&'static str, Shape)>,
}

/// A function that is exported.
struct Exported {
    /// Its place among all of them.
    place: usize,
    shape: Result<Shape, Arc<str>>,
}

/// The two types of a plugin's function in the Extism ABI, and that of `hs_init`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `() -> i32`: 0 is success.
    Code,
    /// `() -> ()`
    Nothing,
    /// `(i32, i32) -> ()`: `hs_init(argc, argv)`, called with zeros.
    HaskellInit,
}

impl Outline {
    /// Reads the outline of a module. Whether the rest of it is valid is not looked at.
    ///
    /// # Errors
    /// [`Error::InvalidModule`].
    pub(crate) fn read(engine: &Engine, wasm: &[u8]) -> Result<Self> {
        let other = if wasm.is_empty() {
            Some("it is empty")
        } else if wasm.trim_ascii_start().starts_with(b"(") {
            Some("it is WebAssembly's text format: assemble it first, such as with wat2wasm")
        } else if wasm.starts_with(COMPONENT_HEADER) {
            Some("it is a WebAssembly component; this server runs core modules of the Extism ABI")
        } else {
            None
        };
        if let Some(reason) = other {
            return Err(Error::InvalidModule {
                reason: reason.to_owned(),
            });
        }
        Self::parse(wasm).map_err(|error| {
            // The engine knows which proposals are off.
            let engines = Module::validate(engine, wasm).err();
            let reason = error.to_string();
            engines.map_or(Error::InvalidModule { reason }, |error| invalid(&error))
        })
    }

    fn parse(wasm: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut types = None;
        // The type of each function, by its index.
        let mut functions: Vec<u32> = Vec::new();
        let mut exports: Vec<(&str, u32)> = Vec::new();
        let mut memories = BTreeMap::new();
        let mut memory_count = 0;
        let mut initial_memory_bytes = 0;
        let mut has_start_section = false;
        let mut reads_configuration = false;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => types = Some(section),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                            functions.push(ty);
                        }
                        reads_configuration |=
                            (import.module, import.name) == (extism::MODULE, "config_get");
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        functions.push(ty?);
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory?;
                        memory_count += 1;
                        let page = 1 << memory.page_size_log2.unwrap_or(PAGE_LOG2).min(PAGE_LOG2);
                        let bytes = memory.initial.saturating_mul(page);
                        initial_memory_bytes = bytes.max(initial_memory_bytes);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        match export.kind {
                            ExternalKind::Func | ExternalKind::FuncExact => {
                                exports.push((export.name, export.index));
                            }
                            ExternalKind::Memory => {
                                memories.entry(export.index).or_insert(export.name);
                            }
                            _ => {}
                        }
                    }
                }
                Payload::StartSection { .. } => has_start_section = true,
                // Everything else comes behind it.
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        let type_of = |function: u32| functions.get(function as usize).copied();
        // A module may have millions of types, and exports few.
        let mut shapes: BTreeMap<u32, Option<Result<Shape, Arc<str>>>> = exports
            .iter()
            .filter_map(|(_, function)| Some((type_of(*function)?, None)))
            .collect();
        let types = types.map(wasmparser::TypeSectionReader::into_iter_err_on_gc_types);
        for (index, ty) in (0..).zip(types.into_iter().flatten()) {
            let ty = ty?;
            if let Some(shape) = shapes.get_mut(&index) {
                *shape = Some(shape_of(&ty));
            }
        }
        let exports = exports.into_iter().enumerate();
        let exports = exports.map(|(place, (name, function))| {
            let shape = type_of(function).and_then(|ty| shapes.get(&ty).cloned().flatten());
            // The engine refuses a module where there is none.
            let shape = shape.unwrap_or_else(|| Err("unknown".into()));
            (name.to_owned(), Exported { place, shape })
        });
        let mut outline = Self {
            exports: exports.collect(),
            initial_memory_bytes,
            hides_memory: memories.len() < memory_count,
            memories: memories.into_values().map(str::to_owned).collect(),
            has_start_section,
            reads_configuration,
            initializers: Vec::new(),
        };
        let row = |row: &&[&'static str]| row.iter().find_map(|name| outline.initializer(name));
        outline.initializers = INITIALIZERS.iter().filter_map(row).collect();
        Ok(outline)
    }

    fn initializer(&self, name: &'static str) -> Option<(&'static str, Shape)> {
        let shape = *self.exports.get(name)?.shape.as_ref().ok()?;
        let is_one = name == HASKELL_INIT || shape != Shape::HaskellInit;
        is_one.then_some((name, shape))
    }

    /// Whether anything runs before a function does.
    pub(crate) fn has_start(&self) -> bool {
        self.has_start_section || !self.initializers.is_empty()
    }

    /// The type of a plugin's function.
    ///
    /// # Errors
    /// [`Error::UnknownExport`] and [`Error::ExportType`].
    pub(crate) fn function(&self, name: &str) -> Result<Shape> {
        let found = match self.exports.get(name).map(|export| &export.shape) {
            None => {
                return Err(Error::UnknownExport {
                    export: name.to_owned(),
                    available: self.functions(),
                    is_command: self.is_command(),
                });
            }
            Some(Ok(Shape::HaskellInit)) => "(func (param i32 i32))",
            Some(Ok(shape)) => return Ok(*shape),
            Some(Err(found)) => found,
        };
        Err(Error::ExportType {
            export: name.to_owned(),
            found: found.to_owned(),
        })
    }

    /// Whether it is a WASI command, whose entry point can be called like a function.
    pub(crate) fn is_command(&self) -> bool {
        let start = self.exports.get(COMMAND);
        start.is_some_and(|start| matches!(start.shape, Ok(Shape::Code | Shape::Nothing)))
    }

    /// The functions that an author can have meant for calls: those of the right type, without those that set
    /// up the module and those of a run-time system.
    pub(crate) fn functions(&self) -> Vec<String> {
        let is_one = |(name, export): &(&String, &Exported)| {
            let name = name.as_str();
            matches!(export.shape, Ok(Shape::Code | Shape::Nothing))
                && !INITIALIZERS.iter().any(|row| row.contains(&name))
                && !RUNTIME_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
                && !RUNTIME_NAMES.contains(&name)
                && name != COMMAND
        };
        let functions = self.exports.iter().filter(is_one);
        let mut functions: Vec<_> = functions
            .map(|(name, export)| (export.place, name))
            .collect();
        functions.sort_unstable();
        functions
            .into_iter()
            .map(|(_, name)| name.clone())
            .collect()
    }
}

/// What the type of a function is for; the type as text where it is none of a plugin's.
fn shape_of(ty: &FuncType) -> Result<Shape, Arc<str>> {
    match (ty.params(), ty.results()) {
        ([], []) => Ok(Shape::Nothing),
        ([], [ValType::I32]) => Ok(Shape::Code),
        ([ValType::I32, ValType::I32], []) => Ok(Shape::HaskellInit),
        (parameters, results) => {
            let list = |keyword, types: &[ValType]| {
                let types = types.iter().take(TYPE_MAX_BYTES).map(ToString::to_string);
                let types = types.collect::<Vec<_>>().join(" ");
                match types.as_str() {
                    "" => types,
                    types => format!(" ({keyword} {types})"),
                }
            };
            let text = format!(
                "(func{}{})",
                list("param", parameters),
                list("result", results)
            );
            Err(cut(&text, TYPE_MAX_BYTES).into())
        }
    }
}
