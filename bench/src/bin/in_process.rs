//! One thread, one call after another: the product's runtime, whose every call has a fresh instance,
//! beside the `extism` crate with a fresh and with a warm instance. All three take turns, and the
//! thread's CPU time is what counts. Prints one JSON object a line, times in nanoseconds a call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use extism::{CompiledPlugin, Manifest, PluginBuilder, Wasm};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use wasimancer_runtime::{
    EngineOptions, Function, Limits, Permissions, PluginSpec, Preinit, Runtime,
};

/// As the product has it, for all three alike.
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

/// How long each engine runs in each round.
const ROUND: Duration = Duration::from_millis(100);

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
            let [ours, fresh, warm] = measure(row, &wasm, &input, rounds)?;
            let name = PathBuf::from(row.module);
            println!(
                "{}",
                json!({
                    "plugin": name.file_stem().map(|stem| stem.to_string_lossy()),
                    "language": row.language,
                    "payload_bytes": payload,
                    "wasimancer_fresh_ns": ours,
                    "extism_fresh_ns": fresh,
                    "extism_warm_ns": warm,
                })
            );
        }
    }
    Ok(())
}

/// Nanoseconds a call, one for each round, of the product, of `extism` fresh and of `extism` warm.
fn measure(row: &Row, wasm: &[u8], input: &str, rounds: usize) -> anyhow::Result<[Vec<u64>; 3]> {
    let ours = ours(row, wasm)?;
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let compiled = theirs(wasm)?;
    let mut plugin = extism::Plugin::new_from_compiled(&compiled)?;
    let mut measured = [const { Vec::new() }; 3];
    let output = tokio.block_on(ours.call(input.as_bytes()))?;
    let same: Vec<u8> = plugin.call(row.export, input)?;
    ensure!(
        output.len() == same.len() || row.payloads.is_empty(),
        "{}: the outputs differ",
        row.module
    );
    for _ in 0..rounds {
        measured[0].push(nanoseconds_a_call(|| {
            tokio.block_on(ours.call(input.as_bytes()))?;
            Ok(())
        })?);
        measured[1].push(nanoseconds_a_call(|| {
            let mut plugin = extism::Plugin::new_from_compiled(&compiled)?;
            plugin.call::<_, Vec<u8>>(row.export, input)?;
            Ok(())
        })?);
        measured[2].push(nanoseconds_a_call(|| {
            plugin.call::<_, Vec<u8>>(row.export, input)?;
            Ok(())
        })?);
    }
    Ok(measured)
}

fn ours(row: &Row, wasm: &[u8]) -> anyhow::Result<Function> {
    let runtime = Runtime::new(EngineOptions::default())?;
    let plugin = runtime.compile(PluginSpec::new(row.export, wasm))?;
    Ok(plugin.function(row.export)?)
}

fn theirs(wasm: &[u8]) -> anyhow::Result<CompiledPlugin> {
    let manifest = Manifest::new([Wasm::data(wasm)]);
    PluginBuilder::new(manifest)
        .with_wasi(true)
        .with_cache_disabled()
        .compile()
}

/// Calls for a while and divides the CPU time of this thread.
fn nanoseconds_a_call(mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let began = thread_time();
    let mut calls = 0;
    loop {
        call()?;
        calls += 1;
        let spent = thread_time() - began;
        if spent >= ROUND {
            return Ok(u64::try_from(spent.as_nanos())? / calls);
        }
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
