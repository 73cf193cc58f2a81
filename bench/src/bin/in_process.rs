//! One thread, one call after another: the product's runtime with a fresh instance in each call, the same
//! with guard pages, and with an instance that is kept, beside the `extism` crate with a fresh and with
//! a warm one. All take turns, and the thread's CPU time is what counts. Prints one JSON object a line, times in nanoseconds a call.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use extism::{CompiledPlugin, Manifest, PluginBuilder, Wasm};
use serde_json::json;
use wasimancer_bench::nanoseconds_a_call;
use wasimancer_runtime::{EngineOptions, Function, Instances, PluginSpec, Profile, Reuse, Runtime};

/// As the product has it, for all alike.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is measured: a module of the examples or of `modules/`, its export, and what makes its input.
struct Row {
    module: &'static str,
    language: &'static str,
    export: &'static str,
    input: fn(usize) -> String,
    /// Bytes of payload, in and out; none for a plugin that has an input of its own.
    payloads: &'static [usize],
}

/// What takes turns.
const SUBJECTS: [&str; 5] = [
    "wasimancer_fresh",
    "wasimancer_compute",
    "wasimancer_kept",
    "extism_fresh",
    "extism_warm",
];

const KIB: usize = 1024;
const PAYLOADS: &[usize] = &[16, 4 * KIB, 1024 * KIB];
const ROWS: &[Row] = &[
    Row {
        module: "examples/plugins/character-names/character-names.wasm",
        language: "C",
        export: "GenerateCharacterName",
        input: |_| "{}".to_owned(),
        payloads: &[],
    },
    Row {
        module: "examples/plugins/calculator/calculator.wasm",
        language: "Rust",
        export: "add",
        input: |_| r#"{"a":1,"b":2}"#.to_owned(),
        payloads: &[],
    },
    Row {
        module: "examples/plugins/roll-dice/roll-dice.wasm",
        language: "Go",
        export: "rollDice",
        input: |_| r#"{"numFaces":6,"numDice":2}"#.to_owned(),
        payloads: &[],
    },
    Row {
        module: "bench/modules/echo.wat",
        language: "WebAssembly text",
        export: "echo",
        input: |payload| "x".repeat(payload),
        payloads: PAYLOADS,
    },
    Row {
        module: "examples/plugins/hello/hello.wasm",
        language: "Rust",
        export: "hello",
        input: |payload| json!({ "name": "x".repeat(payload) }).to_string(),
        payloads: PAYLOADS,
    },
    Row {
        module: "examples/plugins/text-tools/text-tools.wasm",
        language: "AssemblyScript",
        export: "upper",
        input: |payload| json!({ "text": "x".repeat(payload) }).to_string(),
        payloads: PAYLOADS,
    },
];

/// A call of one of them; it answers the output.
type Subject<'a> = Box<dyn FnMut() -> anyhow::Result<Vec<u8>> + 'a>;

fn main() -> anyhow::Result<()> {
    let rounds: usize = match std::env::args().nth(1) {
        Some(rounds) => rounds.parse().context("usage: in_process [ROUNDS]")?,
        None => 7,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for row in ROWS {
        let wasm = wat::parse_file(root.join(row.module))?;
        let payloads = if row.payloads.is_empty() {
            &[0]
        } else {
            row.payloads
        };
        for payload in payloads {
            let input = (row.input)(*payload);
            let mut line = json!({
                "plugin": PathBuf::from(row.module).file_stem().map(|stem| stem.to_string_lossy()),
                "language": row.language,
                "payload_bytes": payload,
            });
            for (who, times) in SUBJECTS.iter().zip(measure(row, &wasm, &input, rounds)?) {
                line[format!("{who}_ns")] = json!(times);
            }
            println!("{line}");
        }
    }
    Ok(())
}

/// Nanoseconds a call of each subject, one for each round.
fn measure(
    row: &Row,
    wasm: &[u8],
    input: &str,
    rounds: usize,
) -> anyhow::Result<[Vec<u64>; SUBJECTS.len()]> {
    let fresh = ours(row, wasm, Profile::Short, Instances::Fresh)?;
    let compute = ours(row, wasm, Profile::Compute, Instances::Fresh)?;
    let kept = ours(
        row,
        wasm,
        Profile::Short,
        Instances::Reuse(Reuse::default()),
    )?;
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let call = |function: &Function| Ok(tokio.block_on(function.call(input.as_bytes()))?);
    let compiled = theirs(wasm)?;
    let mut warm = extism::Plugin::new_from_compiled(&compiled)?;
    let mut subjects: [Subject<'_>; SUBJECTS.len()] = [
        Box::new(|| call(&fresh)),
        Box::new(|| call(&compute)),
        Box::new(|| call(&kept)),
        Box::new(|| {
            let mut plugin = extism::Plugin::new_from_compiled(&compiled)?;
            plugin.call(row.export, input)
        }),
        Box::new(|| warm.call(row.export, input)),
    ];
    let mut outputs = Vec::new();
    for subject in &mut subjects {
        outputs.push(subject()?.len());
    }
    ensure!(
        outputs.iter().all(|length| *length == outputs[0]) || row.payloads.is_empty(),
        "{}: the outputs differ",
        row.module
    );
    let mut measured = [const { Vec::new() }; SUBJECTS.len()];
    for _ in 0..rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut measured) {
            times.push(nanoseconds_a_call(|| subject().map(drop))?);
        }
    }
    Ok(measured)
}

fn ours(
    row: &Row,
    wasm: &[u8],
    profile: Profile,
    instances: Instances,
) -> anyhow::Result<Function> {
    let runtime = Runtime::new(EngineOptions::default())?;
    let plugin = runtime.compile(PluginSpec {
        profile,
        instances,
        ..PluginSpec::new(row.export, wasm)
    })?;
    Ok(plugin.function(row.export)?)
}

fn theirs(wasm: &[u8]) -> anyhow::Result<CompiledPlugin> {
    let manifest = Manifest::new([Wasm::data(wasm)]);
    PluginBuilder::new(manifest)
        .with_wasi(true)
        .with_cache_disabled()
        .compile()
}
