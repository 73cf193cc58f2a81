//! What does a call of a small plugin cost, in a fresh instance each time? One thread, one call
//! after another, on the modules of the example plugins.

use std::path::Path;

use divan::Bencher;
use wasimancer_runtime::{Allocation, EngineOptions, PluginSpec, Preinit, Runtime};

/// Module, export, input, and a part of the output. A word behind the module says when its start
/// runs, where that is not as the default has it.
const CALLS: [(&str, &str, &str, &str); 6] = [
    ("hello", "hello", r#"{"name":"Alice"}"#, "Alice"),
    ("roll-dice", "rollDice", r#"{"numFaces":6,"numDice":2}"#, ""),
    (
        "roll-dice always",
        "rollDice",
        r#"{"numFaces":6,"numDice":2}"#,
        "",
    ),
    ("character-names", "GenerateCharacterName", "{}", ""),
    ("text-tools", "reverse", r#"{"text":"żółw"}"#, "włóż"),
    ("text-tools never", "reverse", r#"{"text":"żółw"}"#, "włóż"),
];

fn main() {
    divan::main();
}

#[divan::bench(args = CALLS.map(|(name, ..)| name))]
fn fresh_instance_and_call(bencher: Bencher<'_, '_>, name: &str) {
    let call = CALLS.into_iter().find(|(known, ..)| *known == name);
    let (_, export, input, part) = call.expect("the name is one of the list");
    let (module, preinit) = match name.split_once(' ') {
        Some((module, "always")) => (module, Preinit::Always),
        Some((module, _)) => (module, Preinit::Never),
        None => (name, Preinit::Auto),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins");
    let file = root.join(module).join(module).with_extension("wasm");
    let wasm = std::fs::read(&file).expect("the module is part of the project");

    let runtime = Runtime::new(EngineOptions::default()).expect("the engine starts");
    assert_eq!(
        runtime.allocation(),
        Allocation::Pooling,
        "the numbers are about pooled instances"
    );
    let plugin = runtime
        .compile(PluginSpec {
            preinit,
            ..PluginSpec::new(name, &wasm)
        })
        .expect("the module compiles");
    let function = plugin.function(export).expect("the export exists");
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the scheduler starts");

    let call = || tokio.block_on(function.call(input.as_bytes()));
    let output = call().expect("the call succeeds");
    let output = String::from_utf8(output).expect("the output is text");
    assert!(output.contains(part), "{name} answers {output}");
    bencher.bench_local(call);
}
