//! Any sequence of host calls: it ends, in time, within its memory, and in an ending that belongs to it.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use wasimancer_runtime::{
    EngineOptions, Error, Event, Limits, PluginSpec, Preinit, Requester, Runtime, Severity,
};

/// A host function: module, name, types of its parameters and of its result, where `i` is an i32 and
/// `I` an i64.
type Import = (&'static str, &'static str, &'static str, &'static str);

const EXTISM: &str = "extism:host/env";
const OWN: &str = "wasimancer:host/env";
const WASI: &str = "wasi_snapshot_preview1";

/// Every host function. What is new comes at the end, so that inputs keep their meaning.
const IMPORTS: [Import; 78] = [
    (EXTISM, "alloc", "I", "I"),
    (EXTISM, "free", "I", ""),
    (EXTISM, "length", "I", "I"),
    (EXTISM, "length_unsafe", "I", "I"),
    (EXTISM, "load_u8", "I", "i"),
    (EXTISM, "load_u64", "I", "I"),
    (EXTISM, "store_u8", "Ii", ""),
    (EXTISM, "store_u64", "II", ""),
    (EXTISM, "input_length", "", "I"),
    (EXTISM, "input_offset", "", "I"),
    (EXTISM, "input_load_u8", "I", "i"),
    (EXTISM, "input_load_u64", "I", "I"),
    (EXTISM, "output_set", "II", ""),
    (EXTISM, "error_set", "I", ""),
    (EXTISM, "error_get", "", "I"),
    (EXTISM, "reset", "", ""),
    (EXTISM, "config_get", "I", "I"),
    (EXTISM, "var_get", "I", "I"),
    (EXTISM, "var_set", "II", ""),
    (EXTISM, "http_request", "II", "I"),
    (EXTISM, "http_status_code", "", "i"),
    (EXTISM, "http_headers", "", "I"),
    (EXTISM, "log_trace", "I", ""),
    (EXTISM, "log_debug", "I", ""),
    (EXTISM, "log_info", "I", ""),
    (EXTISM, "log_warn", "I", ""),
    (EXTISM, "log_error", "I", ""),
    (EXTISM, "get_log_level", "", "i"),
    (OWN, "request", "", "I"),
    (OWN, "progress", "I", ""),
    (OWN, "log", "I", ""),
    (OWN, "release", "", ""),
    (WASI, "args_get", "ii", "i"),
    (WASI, "args_sizes_get", "ii", "i"),
    (WASI, "environ_get", "ii", "i"),
    (WASI, "environ_sizes_get", "ii", "i"),
    (WASI, "clock_res_get", "ii", "i"),
    (WASI, "clock_time_get", "iIi", "i"),
    (WASI, "fd_advise", "iIIi", "i"),
    (WASI, "fd_allocate", "iII", "i"),
    (WASI, "fd_close", "i", "i"),
    (WASI, "fd_datasync", "i", "i"),
    (WASI, "fd_fdstat_get", "ii", "i"),
    (WASI, "fd_fdstat_set_flags", "ii", "i"),
    (WASI, "fd_fdstat_set_rights", "iII", "i"),
    (WASI, "fd_filestat_get", "ii", "i"),
    (WASI, "fd_filestat_set_size", "iI", "i"),
    (WASI, "fd_filestat_set_times", "iIIi", "i"),
    (WASI, "fd_pread", "iiiIi", "i"),
    (WASI, "fd_prestat_get", "ii", "i"),
    (WASI, "fd_prestat_dir_name", "iii", "i"),
    (WASI, "fd_pwrite", "iiiIi", "i"),
    (WASI, "fd_read", "iiii", "i"),
    (WASI, "fd_readdir", "iiiIi", "i"),
    (WASI, "fd_renumber", "ii", "i"),
    (WASI, "fd_seek", "iIii", "i"),
    (WASI, "fd_sync", "i", "i"),
    (WASI, "fd_tell", "ii", "i"),
    (WASI, "fd_write", "iiii", "i"),
    (WASI, "path_create_directory", "iii", "i"),
    (WASI, "path_filestat_get", "iiiii", "i"),
    (WASI, "path_filestat_set_times", "iiiiIIi", "i"),
    (WASI, "path_link", "iiiiiii", "i"),
    (WASI, "path_open", "iiiiiIIii", "i"),
    (WASI, "path_readlink", "iiiiii", "i"),
    (WASI, "path_remove_directory", "iii", "i"),
    (WASI, "path_rename", "iiiiii", "i"),
    (WASI, "path_symlink", "iiiii", "i"),
    (WASI, "path_unlink_file", "iii", "i"),
    (WASI, "poll_oneoff", "iiii", "i"),
    (WASI, "proc_exit", "i", ""),
    (WASI, "proc_raise", "i", "i"),
    (WASI, "sched_yield", "", "i"),
    (WASI, "random_get", "ii", "i"),
    (WASI, "sock_accept", "iii", "i"),
    (WASI, "sock_recv", "iiiiii", "i"),
    (WASI, "sock_send", "iiiii", "i"),
    (WASI, "sock_shutdown", "ii", "i"),
];

/// What a sequence holds beside calls, with the types of its operands; `T` is one of [`TEXTS`].
const INSTRUCTIONS: [(&str, &str, &str); 7] = [
    ("memory.fill", "iii", ""),
    ("memory.copy", "iii", ""),
    ("table.fill $table", "ifi", ""),
    ("memory.grow", "i", "i"),
    ("i32.store", "ii", ""),
    ("call $block", "T", "I"),
    ("call $zeros", "i", "I"),
];

/// Texts that host functions read.
const TEXTS: [&str; 6] = [
    r#"{"level":"info","data":{"a":[1,2,3]}}"#,
    r#"{"progress":1,"total":2,"message":"x"}"#,
    r#"{"url":"http://127.0.0.1:1/","method":"GET"}"#,
    r#"{"url":"http://nowhere.invalid/","headers":{"a":"b"}}"#,
    "greeting",
    "\u{1}\u{1b}[2J\n\r\0",
];

/// Operands: what is right now and then, and what lies at the edges.
const OPERANDS: [i64; 24] = [
    0,
    1,
    2,
    3,
    8,
    64,
    255,
    4095,
    4096,
    65_535,
    65_536,
    131_072,
    1_000_000,
    1_048_575,
    1_048_576,
    4_000_000,
    8_000_000,
    8_388_608,
    60_000_000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX,
    -1,
];

/// How often a step runs; those behind are a loop of a thousand rounds and one without an end.
const STRAIGHT: [usize; 6] = [1, 1, 1, 4, 64, 1024];

/// Steps of a sequence.
const STEPS_MAX: usize = 48;
/// Calls in a row over all steps: the module is to be compiled in milliseconds.
const STRAIGHT_MAX: usize = 4096;
/// Time of a call.
const TIME_LIMIT: Duration = Duration::from_millis(100);
/// What it may take beyond that on a machine that does other things too.
const TIME_SLACK: Duration = Duration::from_mins(1);
/// Memory of a call, and what this process may hold beside it while the call runs.
const MEMORY_LIMIT: u64 = 8 << 20;
const MEMORY_SLACK: u64 = 120 << 20;

/// The bytes are a sequence: how it is started, then for each step a function, how often, and its operands.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let Some((start, steps)) = data.split_first() else {
        return;
    };
    let wasm = wat::parse_str(module(*start, steps)).expect("what is generated is well-formed");
    let limits = Limits {
        timeout: TIME_LIMIT,
        memory: MEMORY_LIMIT,
        output: 64 << 10,
        http_response: 64 << 10,
        ..Limits::default()
    };
    let preinit = [Preinit::Auto, Preinit::Always, Preinit::Never][usize::from(start >> 1) % 3];
    let spec = PluginSpec {
        limits,
        preinit,
        config: [("greeting".to_owned(), "hello".repeat(100))].into(),
        ..PluginSpec::new("sequence", &wasm)
    };
    let (engine, executor) = engine();
    let begun = Instant::now();
    let plugin = match engine.compile(spec) {
        Ok(plugin) => plugin,
        // Its start cannot run in advance.
        Err(Error::Preinit { .. }) => return,
        Err(error) => panic!("it does not load: {error}"),
    };
    in_time(begun);
    let function = plugin.function("run").expect("it is exported");
    let before = Held::now();
    let begun = Instant::now();
    let called = function.call_for(Arc::new(Listener), b"{\"a\": 1}");
    let ended = executor.block_on(called);
    in_time(begun);
    before.within(MEMORY_LIMIT + MEMORY_SLACK);
    match ended {
        Ok(output) => assert!(output.len() <= 64 << 10, "{} bytes", output.len()),
        Err(
            error @ (Error::Engine { .. }
            | Error::InvalidModule { .. }
            | Error::UnknownImport { .. }
            | Error::UnknownExport { .. }
            | Error::ExportType { .. }
            | Error::InputTooLarge { .. }
            | Error::Busy { .. }
            | Error::Cache { .. }),
        ) => panic!("ended in {error:?}"),
        Err(error) => assert!(error.to_string().len() < 100_000, "a short sentence"),
    }
}

fn in_time(begun: Instant) {
    let took = begun.elapsed();
    assert!(took < TIME_LIMIT + TIME_SLACK, "took {took:?}");
}

fn engine() -> &'static (Runtime, tokio::runtime::Runtime) {
    static ENGINE: OnceLock<(Runtime, tokio::runtime::Runtime)> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions {
            instances_max: 4,
            ..EngineOptions::default()
        };
        let executor = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        (
            Runtime::new(options).expect("the engine starts"),
            executor.expect("an executor"),
        )
    })
}

/// Takes everything that a plugin tells.
struct Listener;

impl Requester for Listener {
    fn describe(&self) -> String {
        r#"{"client":{"name":"fuzz"}}"#.to_owned()
    }

    fn log(&self) -> Option<Severity> {
        Some(Severity::Debug)
    }

    fn key(&self) -> u64 {
        0
    }

    fn tell(&self, event: Event) {
        drop(event);
    }
}

/// The text of a module whose export `run` is the sequence, or whose start it is.
fn module(start: u8, steps: &[u8]) -> String {
    let mut text = String::from("(module\n");
    for (at, (module, name, parameters, result)) in IMPORTS.iter().enumerate() {
        let (parameters, result) = (types("param", parameters), types("result", result));
        let _ = writeln!(
            text,
            r#"(import "{module}" "{name}" (func $f{at} {parameters} {result}))"#
        );
    }
    text.push_str("(memory (export \"memory\") 16) (table $table 1000 funcref)\n");
    for (at, text_of) in TEXTS.iter().enumerate() {
        let _ = write!(text, "(data (i32.const {}) \"", place(at));
        for byte in text_of.bytes() {
            let _ = write!(text, "\\{byte:02x}");
        }
        text.push_str("\")\n");
    }
    text.push_str(HELPERS);
    let body = body(steps);
    let (name, other) = if start & 1 == 1 {
        ("_initialize", r#"(func (export "run"))"#)
    } else {
        ("run", "")
    };
    let _ = write!(
        text,
        "(func (export \"{name}\") (local $wide i64) (local $narrow i32) (local $rounds i32)\n{body}) {other})"
    );
    text
}

/// A block of a stretch of memory, and one of JSON: 40 bytes, then `0,0,…` of this many, then `0]}`.
const HELPERS: &str = r#"
(func $block (param $at i32) (param $length i32) (result i64) (local $block i64) (local $done i32)
  (local.set $block (call $f0 (i64.extend_i32_u (local.get $length))))
  (block $end (loop $next
    (br_if $end (i32.ge_u (local.get $done) (local.get $length)))
    (call $f6 (i64.add (local.get $block) (i64.extend_i32_u (local.get $done)))
      (i32.load8_u (i32.add (local.get $at) (local.get $done))))
    (local.set $done (i32.add (local.get $done) (i32.const 1)))
    (br $next)))
  (local.get $block))
(data (i32.const 8000) "{\22level\22:\22info\22,\22progress\22:1,\22data\22:[  ")
(func $zeros (param $bytes i32) (result i64) (local $block i64) (local $at i64) (local $end i64)
  (local.set $end (i64.add (i64.and (i64.extend_i32_u (local.get $bytes)) (i64.const -8)) (i64.const 40)))
  (local.set $block (call $f0 (i64.add (local.get $end) (i64.const 8))))
  (loop $head
    (call $f7 (i64.add (local.get $block) (local.get $at)) (i64.load offset=8000 (i32.wrap_i64 (local.get $at))))
    (local.set $at (i64.add (local.get $at) (i64.const 8)))
    (br_if $head (i64.lt_u (local.get $at) (i64.const 40))))
  (block $done (loop $body
    (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
    (call $f7 (i64.add (local.get $block) (local.get $at)) (i64.const 0x2c302c302c302c30))
    (local.set $at (i64.add (local.get $at) (i64.const 8)))
    (br $body)))
  (call $f7 (i64.add (local.get $block) (local.get $at)) (i64.const 0x20202020207d5d30))
  (local.get $block))
"#;

/// Where a text lies in memory.
fn place(text: usize) -> usize {
    4096 + text * 256
}

fn types(keyword: &str, types: &str) -> String {
    if types.is_empty() {
        return String::new();
    }
    let names: String = types
        .chars()
        .map(|name| if name == 'I' { " i64" } else { " i32" })
        .collect();
    format!("({keyword}{names})")
}

/// The instructions of a sequence.
fn body(steps: &[u8]) -> String {
    let mut bytes = steps.iter().copied();
    let mut text = String::new();
    let mut straight = 0;
    for _ in 0..STEPS_MAX {
        let (Some(which), Some(often)) = (bytes.next(), bytes.next()) else {
            break;
        };
        let which = usize::from(which) % (IMPORTS.len() + INSTRUCTIONS.len());
        let (name, operands, result) = match IMPORTS.get(which) {
            Some((_, _, operands, result)) => (format!("call $f{which}"), *operands, *result),
            None => {
                let (name, operands, result) = INSTRUCTIONS[which - IMPORTS.len()];
                (name.to_owned(), operands, result)
            }
        };
        let mut step = format!("({name}");
        for operand in operands.chars() {
            step.push(' ');
            step.push_str(&operand_of(operand, bytes.next().unwrap_or_default()));
        }
        step.push(')');
        match result {
            "I" => step = format!("(local.set $wide {step})"),
            "i" => step = format!("(local.set $narrow {step})"),
            _ => {}
        }
        let often = usize::from(often % 8);
        match STRAIGHT.get(often) {
            Some(count) => {
                let count = (*count).min(STRAIGHT_MAX - straight);
                straight += count;
                text.push_str(&step.repeat(count));
            }
            None if often == STRAIGHT.len() => {
                let _ = write!(
                    text,
                    "(local.set $rounds (i32.const 1000)) (loop {step}
                    (br_if 0 (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))"
                );
            }
            None => {
                let _ = write!(text, "(loop {step} (br 0))");
            }
        }
        text.push('\n');
    }
    text
}

/// An operand of a type: the last result, or one of [`OPERANDS`].
fn operand_of(of: char, byte: u8) -> String {
    let number = OPERANDS[usize::from(byte) % OPERANDS.len()];
    match of {
        'T' => {
            let text = usize::from(byte) % TEXTS.len();
            format!(
                "(i32.const {}) (i32.const {})",
                place(text),
                TEXTS[text].len()
            )
        }
        'f' => "(ref.null func)".to_owned(),
        'I' if byte >= 128 => "(local.get $wide)".to_owned(),
        'I' => format!("(i64.const {number})"),
        _ if byte >= 192 => "(local.get $narrow)".to_owned(),
        // The low half.
        _ => format!("(i32.const {})", number as i32),
    }
}

/// What this process held at a moment.
struct Held(Option<u64>);

impl Held {
    /// What it holds now; its peak begins anew (proc(5), `clear_refs`).
    fn now() -> Self {
        // Where it may not be written, the peak may be an older one, and nothing can be said.
        let begins_anew = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        Self(status_bytes("VmRSS:").filter(|_| begins_anew))
    }

    fn within(&self, more: u64) {
        if let (Some(before), Some(peak)) = (self.0, status_bytes("VmHWM:")) {
            let grown = peak.saturating_sub(before);
            assert!(grown <= more, "held {} MiB more", grown >> 20);
        }
    }
}

fn status_bytes(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
