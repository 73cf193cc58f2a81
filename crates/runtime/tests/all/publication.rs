//! What is refused before anything runs, and what an inspection says.

use wasimancer_runtime::{Digest, EngineOptions, Error, Limits, PluginSpec, Result, Runtime};

use crate::support::{abi, module, options, plugin, runtime, runtime_with, spec};

const MIB: u64 = 1024 * 1024;

/// What a module is refused with.
fn refusal(runtime: &Runtime, wasm: &[u8]) -> Error {
    error(runtime.compile(spec("refused", wasm)))
}

#[track_caller]
fn error<T>(result: Result<T>) -> Error {
    match result {
        Err(error) => error,
        Ok(_) => panic!("the module was not refused"),
    }
}

#[test]
fn what_is_no_module_is_refused() {
    let runtime = runtime();
    let whole = abi();
    let component = wat::parse_str("(component)").unwrap();
    let broken = module("(module)")
        .into_iter()
        .chain([0xff; 4])
        .collect::<Vec<u8>>();
    for (wasm, what) in [
        (&b""[..], "nothing"),
        (b"hello, world", "text"),
        (b"(module)", "WebAssembly as text"),
        (b"\0asm", "a header cut short"),
        (&whole[..whole.len() / 2], "half a module"),
        (&broken, "a module with a broken end"),
        (&component, "a component"),
    ] {
        let error = refusal(&runtime, wasm);
        assert!(
            matches!(error, Error::InvalidModule { .. }),
            "{what}: {error:?}"
        );
        let error = self::error(runtime.inspect(wasm));
        assert!(
            matches!(error, Error::InvalidModule { .. }),
            "{what}: {error:?}"
        );
    }
    let error = refusal(&runtime, &component).to_string();
    assert!(error.contains("component"), "{error}");
}

#[test]
fn unknown_imports_are_refused_all_by_name() {
    let wasm = module(
        r#"(module
            (import "env" "abort" (func (param i32)))
            (import "extism:host/env" "alloc" (func (param i64) (result i64)))
            (import "extism:host/env" "teleport" (func))
            (import "extism:host/user" "alloc" (func))
            (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
            (import "wasi_unstable" "random_get" (func (param i32 i32) (result i32)))
            (import "env" "memory" (memory 1))
            (func (export "run")))"#,
    );
    let runtime = runtime();
    let unknown = [
        "env::abort",
        "extism:host/env::teleport",
        "extism:host/user::alloc",
        "wasi_unstable::random_get",
        "env::memory",
    ];
    let error = refusal(&runtime, &wasm);
    let text = error.to_string();
    match error {
        Error::UnknownImport { imports } => assert_eq!(imports, unknown),
        other => panic!("{other:?}"),
    }
    for name in unknown {
        assert!(text.contains(name), "{text}");
    }
    let inspection = runtime.inspect(&wasm).unwrap();
    let offered: Vec<_> = inspection
        .imports
        .iter()
        .filter(|import| import.offered)
        .collect();
    let names: Vec<_> = offered.iter().map(|import| import.name.as_str()).collect();
    assert_eq!(names, ["alloc", "random_get"]);
}

#[test]
fn an_import_of_another_type_is_refused() {
    for import in [
        r#"(import "extism:host/env" "alloc" (func (param i32) (result i32)))"#,
        r#"(import "extism:host/env" "alloc" (global i64))"#,
    ] {
        let error = refusal(&runtime(), &module(&format!("(module {import})")));
        let text = error.to_string();
        assert!(matches!(error, Error::InvalidModule { .. }), "{text}");
        assert!(text.contains("alloc"), "{text}");
    }
}

#[test]
fn a_module_that_starts_above_its_memory_limit_is_refused() {
    let runtime = runtime();
    let wasm = module(r#"(module (memory 32) (func (export "run")))"#);
    let compile = |memory: u64| {
        let limits = Limits {
            memory,
            ..Limits::default()
        };
        runtime.compile(PluginSpec {
            limits,
            ..spec("large", &wasm)
        })
    };
    assert!(compile(2 * MIB).is_ok());
    match error(compile(2 * MIB - 1)) {
        Error::InitialMemory { needed, limit } => {
            assert_eq!((needed, limit), (2 * MIB, 2 * MIB - 1));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_that_starts_above_the_engines_slots_is_refused() {
    let runtime = runtime_with(EngineOptions {
        memory_max_bytes: MIB,
        ..options()
    });
    let error = refusal(&runtime, &module("(module (memory 17))"));
    assert!(error.to_string().contains("memory"), "{error}");
    let error = refusal(&runtime, &module("(module (table 200000 funcref))"));
    assert!(error.to_string().contains("table"), "{error}");
    plugin(
        &runtime,
        "fits",
        &module("(module (memory 16) (table 100000 funcref))"),
    );
}

#[test]
fn an_inspection_says_what_a_module_is_made_of() {
    let runtime = runtime();
    let wasm = abi();
    let inspection = runtime.inspect(&wasm).unwrap();
    assert_eq!(inspection.digest, Digest::of(&wasm));
    assert_eq!(inspection.size_bytes, wasm.len() as u64);
    assert_eq!(inspection.initial_memory_bytes, 65_536);
    assert!(inspection.functions.contains(&"echo".to_owned()));
    assert_eq!(inspection.imports.len(), 28);
    assert!(inspection.imports.iter().all(|import| import.offered));
    assert!(inspection.is_extism() && !inspection.is_wasi());
    assert!(inspection.initializers.is_empty());

    let wasm = module(
        r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
            (func (export "_initialize")))"#,
    );
    let inspection = runtime.inspect(&wasm).unwrap();
    assert!(!inspection.is_extism() && inspection.is_wasi());
    assert_eq!(inspection.initializers, ["_initialize"]);
    assert_eq!(inspection.initial_memory_bytes, 0);
    assert!(inspection.functions.is_empty());
}

/// The digest is the one that every other tool computes.
#[test]
fn a_digest_is_the_sha256_of_the_bytes() {
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Digest::of(b"abc").to_string(), known);
    let wasm = module("(module)");
    assert_eq!(
        plugin(&runtime(), "digest", &wasm).digest(),
        Digest::of(&wasm)
    );
}
