//! The memory functions of the Extism ABI in three forms: functions of the host, a module of their own
//! beside the plugin's, and code that is part of the plugin's module, where the compiler may inline it.
//! A fresh instance echoes its input in each call. Prints one JSON object a line, in nanoseconds a call.

use std::path::Path;

use anyhow::anyhow;
use serde_json::json;
use wasimancer_bench::nanoseconds_a_call;
use wasmtime::error::Context;
use wasmtime::{
    Caller, Config, Engine, Inlining, Instance, InstanceAllocationStrategy, InstancePre, Linker,
    Module, PoolingAllocationConfig, Store, ensure,
};

const MEMORY_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Where `memory_functions.wat` has the input.
const INPUT_OFFSET: usize = 64;
const PAYLOADS_BYTES: [usize; 3] = [16, 4 * 1024, 1024 * 1024];
/// What stands before and behind the names of imports.
const ABI: &str = "extism:host/env";

/// Input and blocks of a call, where they are the host's.
#[derive(Default)]
struct Host {
    bytes: Vec<u8>,
    input: usize,
    output: (usize, usize),
}

/// A call in one of the forms; it answers the output.
type Form<'a> = Box<dyn FnMut() -> wasmtime::Result<Vec<u8>> + 'a>;

fn main() -> anyhow::Result<()> {
    measure().map_err(|error| anyhow!("{error:#}"))
}

fn measure() -> wasmtime::Result<()> {
    let rounds = std::env::args()
        .nth(1)
        .map_or(Ok(7), |rounds| rounds.parse())?;
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
    let echo = std::fs::read_to_string(modules.join("echo.wat"))?;
    let functions = std::fs::read_to_string(modules.join("memory_functions.wat"))?;
    let plain = engine(Inlining::No)?;
    let inlining = engine(Inlining::Yes)?;
    let host = host_functions(&plain, &echo)?;
    let apart = Apart::new(&plain, &echo, &functions)?;
    let merged = merged(&inlining, &echo, &functions)?;
    for payload in PAYLOADS_BYTES {
        let input = vec![b'x'; payload];
        let mut forms: [(&str, Form<'_>); 3] = [
            (
                "functions of the host",
                Box::new(|| call_host(&plain, &host, &input)),
            ),
            (
                "a module of their own",
                Box::new(|| apart.call(&plain, &input)),
            ),
            (
                "part of the plugin's module, inlined",
                Box::new(|| call_merged(&inlining, &merged, &input)),
            ),
        ];
        let mut measured: [Vec<u64>; 3] = Default::default();
        for (_, call) in &mut forms {
            ensure!(call()? == input, "it answers its input");
        }
        for _ in 0..rounds {
            for ((_, call), measured) in forms.iter_mut().zip(&mut measured) {
                let time = nanoseconds_a_call(|| match call() {
                    Ok(_) => Ok(()),
                    Err(error) => Err(anyhow!("{error:#}")),
                });
                measured.push(time.map_err(|error| wasmtime::Error::msg(format!("{error:#}")))?);
            }
        }
        for ((form, _), times) in forms.iter().zip(measured) {
            println!(
                "{}",
                json!({"form": form, "payload_bytes": payload, "ns": times})
            );
        }
    }
    Ok(())
}

/// As the product has it for short calls.
fn engine(inlining: Inlining) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(4)
        .total_memories(8)
        .max_memories_per_module(2)
        .max_memory_size(MEMORY_MAX_BYTES)
        .linear_memory_keep_resident(1024 * 1024)
        .pagemap_scan(wasmtime::Enabled::Auto);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .signals_based_traps(false)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_reservation(MEMORY_MAX_BYTES as u64)
        .compiler_inlining(inlining)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

fn store<T: 'static>(engine: &Engine, data: T) -> Store<T> {
    let mut store = Store::new(engine, data);
    store.set_epoch_deadline(1);
    store
}

fn host_functions(engine: &Engine, echo: &str) -> wasmtime::Result<InstancePre<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(ABI, "input_length", |caller: Caller<'_, Host>| {
        caller.data().input as u64
    })?;
    linker.func_wrap(
        ABI,
        "input_load_u8",
        |caller: Caller<'_, Host>, index: u64| {
            load::<1>(caller.data(), index).map(|[byte]| u32::from(byte))
        },
    )?;
    linker.func_wrap(
        ABI,
        "input_load_u64",
        |caller: Caller<'_, Host>, index: u64| load(caller.data(), index).map(u64::from_le_bytes),
    )?;
    linker.func_wrap(ABI, "alloc", |mut caller: Caller<'_, Host>, length: u64| {
        let bytes = &mut caller.data_mut().bytes;
        let offset = bytes.len().next_multiple_of(8);
        bytes.resize(offset + length as usize, 0);
        offset as u64
    })?;
    linker.func_wrap(
        ABI,
        "store_u8",
        |mut caller: Caller<'_, Host>, at: u64, value: u32| {
            write(caller.data_mut(), at, &value.to_le_bytes()[..1])
        },
    )?;
    linker.func_wrap(
        ABI,
        "store_u64",
        |mut caller: Caller<'_, Host>, at: u64, value: u64| {
            write(caller.data_mut(), at, &value.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        ABI,
        "output_set",
        |mut caller: Caller<'_, Host>, at: u64, length: u64| {
            caller.data_mut().output = (at as usize, length as usize);
        },
    )?;
    linker.instantiate_pre(&Module::new(engine, wat::parse_str(echo)?)?)
}

fn load<const N: usize>(host: &Host, index: u64) -> wasmtime::Result<[u8; N]> {
    let input = &host.bytes[..host.input];
    let rest = input
        .get(index as usize..)
        .and_then(|rest| rest.first_chunk());
    rest.copied()
        .ok_or_else(|| wasmtime::Error::msg("outside the input"))
}

fn write(host: &mut Host, at: u64, value: &[u8]) -> wasmtime::Result<()> {
    let end = (at as usize).checked_add(value.len());
    let target = end.and_then(|end| host.bytes.get_mut(at as usize..end));
    let target = target.ok_or_else(|| wasmtime::Error::msg("outside the blocks"))?;
    target.copy_from_slice(value);
    Ok(())
}

fn call_host(
    engine: &Engine,
    plugin: &InstancePre<Host>,
    input: &[u8],
) -> wasmtime::Result<Vec<u8>> {
    let host = Host {
        bytes: input.to_vec(),
        input: input.len(),
        output: (0, 0),
    };
    let mut store = store(engine, host);
    let instance = plugin.instantiate(&mut store)?;
    echo(&mut store, instance)?;
    let host = store.data();
    let (at, length) = host.output;
    Ok(host.bytes[at..at + length].to_vec())
}

/// The functions as a module of their own, an instance of which is made for each call too.
struct Apart {
    functions: InstancePre<()>,
    echo: Module,
}

impl Apart {
    fn new(engine: &Engine, echo: &str, functions: &str) -> wasmtime::Result<Self> {
        let functions = Module::new(engine, wat::parse_str(format!("(module {functions})"))?)?;
        Ok(Self {
            functions: Linker::new(engine).instantiate_pre(&functions)?,
            echo: Module::new(engine, wat::parse_str(echo)?)?,
        })
    }

    fn call(&self, engine: &Engine, input: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let mut store = store(engine, ());
        let functions = self.functions.instantiate(&mut store)?;
        put(&mut store, functions, input)?;
        let mut imports = Vec::new();
        for import in self.echo.imports() {
            let function = functions.get_export(&mut store, import.name());
            imports.push(function.context("the function is exported")?);
        }
        let instance = Instance::new(&mut store, &self.echo, &imports)?;
        echo(&mut store, instance)?;
        output(&mut store, functions)
    }
}

/// The functions in the place of the imports.
fn merged(engine: &Engine, echo: &str, functions: &str) -> wasmtime::Result<InstancePre<()>> {
    let fields: Vec<&str> = echo.lines().filter(|line| !line.contains(ABI)).collect();
    let fields = fields.join("\n");
    let (plugin, _) = fields.rsplit_once(')').context("a module ends")?;
    let module = Module::new(engine, wat::parse_str(format!("{plugin}\n{functions})"))?)?;
    Linker::new(engine).instantiate_pre(&module)
}

fn call_merged(
    engine: &Engine,
    plugin: &InstancePre<()>,
    input: &[u8],
) -> wasmtime::Result<Vec<u8>> {
    let mut store = store(engine, ());
    let instance = plugin.instantiate(&mut store)?;
    put(&mut store, instance, input)?;
    echo(&mut store, instance)?;
    output(&mut store, instance)
}

fn echo<T: 'static>(store: &mut Store<T>, instance: Instance) -> wasmtime::Result<()> {
    let echo = instance.get_typed_func::<(), i32>(&mut *store, "echo")?;
    ensure!(echo.call(store, ())? == 0, "it succeeds");
    Ok(())
}

/// Writes the input to the memory of the functions.
fn put(store: &mut Store<()>, functions: Instance, input: &[u8]) -> wasmtime::Result<()> {
    let blocks = functions
        .get_memory(&mut *store, "blocks")
        .context("blocks")?;
    let needed = (INPUT_OFFSET + input.len()).div_ceil(64 * 1024) as u64;
    let size = blocks.size(&*store);
    if needed > size {
        blocks.grow(&mut *store, needed - size)?;
    }
    blocks.data_mut(&mut *store)[INPUT_OFFSET..][..input.len()].copy_from_slice(input);
    let length = functions
        .get_global(&mut *store, "input_bytes")
        .context("input_bytes")?;
    length.set(store, (input.len() as i64).into())
}

fn output(store: &mut Store<()>, functions: Instance) -> wasmtime::Result<Vec<u8>> {
    let [at, length] = ["output_at", "output_bytes"].map(|name| {
        let global = functions.get_global(&mut *store, name)?;
        global.get(&mut *store).i64().map(|value| value as usize)
    });
    let (at, length) = (at.context("output_at")?, length.context("output_bytes")?);
    let blocks = functions
        .get_memory(&mut *store, "blocks")
        .context("blocks")?;
    Ok(blocks.data(&*store)[at..at + length].to_vec())
}
