//! The attacking plugins: one export `run`, from the text of a module.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::call_limit;
use crate::support::{Sample, assemble};

/// All imports of the Extism ABI, a memory of a page, and a few helpers.
const PRELUDE: &str = include_str!("../../../runtime/tests/modules/prelude.wat");

/// The host functions of this server alone; imports come first in a module.
const CONVERSATION: &str = r#"
(import "wasimancer:host/env" "request" (func $request (result i64)))
(import "wasimancer:host/env" "progress" (func $progress (param i64)))
(import "wasimancer:host/env" "log" (func $log (param i64)))
(import "wasimancer:host/env" "release" (func $release))
"#;

/// What the attacks call of WASI preview 1, and a memory of 64 MiB.
const WASI: &str = r#"
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
(import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
(memory (export "memory") 1024)
"#;

/// `$zeros` makes a block of the 32 bytes at 0 of linear memory, then `0,0,…` of this many bytes
/// (a multiple of 8), then the 8 bytes of its second parameter.
pub(crate) const ZEROS: &str = r"
(func $zeros (param $bytes i64) (param $tail i64) (result i64)
  (local $block i64) (local $at i64)
  (local.set $block (call $alloc (i64.add (local.get $bytes) (i64.const 40))))
  (loop $head
    (call $store_u64 (i64.add (local.get $block) (local.get $at)) (i64.load (i32.wrap_i64 (local.get $at))))
    (local.set $at (i64.add (local.get $at) (i64.const 8)))
    (br_if $head (i64.lt_u (local.get $at) (i64.const 32))))
  (loop $body
    (call $store_u64 (i64.add (local.get $block) (local.get $at)) (i64.const 0x2c302c302c302c30))
    (local.set $at (i64.add (local.get $at) (i64.const 8)))
    (br_if $body (i64.lt_u (local.get $at) (i64.add (local.get $bytes) (i64.const 32)))))
  (call $store_u64 (i64.add (local.get $block) (local.get $at)) (local.get $tail))
  (local.get $block))
";

/// A block of [`ZEROS`] that ends as a list does, in an object: `0]}`.
pub(crate) fn list(bytes: usize) -> String {
    format!("(local.set $block (call $zeros (i64.const {bytes}) (i64.const 0x20202020207d5d30)))")
}

/// The same that ends as a text does: `0\"}`.
pub(crate) fn text(bytes: usize) -> String {
    format!("(local.set $block (call $zeros (i64.const {bytes}) (i64.const 0x20202020207d2230)))")
}

/// The 32 bytes with which the JSON of [`ZEROS`] begins.
pub(crate) fn head(text: &str) -> String {
    format!(
        r#"(data (i32.const 0) "{}")"#,
        escaped(&format!("{text:32}"))
    )
}

/// A text as a string of WAT holds it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\22")
}

/// A plugin `attack` with a tool of this name, of a module with these fields behind [`PRELUDE`].
pub(crate) fn extism(fields: &str) -> Sample {
    module(&format!("{PRELUDE}\n{fields}"))
}

/// The same with the host functions of this server too.
pub(crate) fn conversation(fields: &str) -> Sample {
    module(&format!("{CONVERSATION}\n{PRELUDE}\n{fields}"))
}

/// The same with functions of WASI instead.
pub(crate) fn wasi(fields: &str) -> Sample {
    module(&format!("{WASI}\n{fields}"))
}

/// The same of a module with these fields alone.
pub(crate) fn module(fields: &str) -> Sample {
    named("attack", &assemble(&format!("(module {fields})")))
}

/// A plugin of another name, of any bytes.
pub(crate) fn named(name: &str, wasm: &[u8]) -> Sample {
    Sample::new(name, "1", "")
        .with_module(wasm)
        .with("/functions/0/function", json!("run"))
        .with("/limits", json!({"timeout": duration(call_limit())}))
}

/// A duration as definitions hold it.
pub(crate) fn duration(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// The export `run`: some preparation with a local `$block`, then one instruction over and over,
/// without a loop.
pub(crate) fn in_a_row(preparation: &str, instruction: &str, count: usize) -> String {
    let row = instruction.repeat(count);
    format!(r#"(func (export "run") (local $block i64) {preparation} {row})"#)
}

/// A tool that answers its input, with this schema of its arguments.
pub(crate) fn with_schema(schema: &Value) -> Sample {
    echo().with("/functions/0/inputSchema", schema.clone())
}

/// A plugin `attack` whose tool answers its input.
pub(crate) fn echo() -> Sample {
    let sample = extism(
        r#"(func (export "run") (call $output_set (call $input_offset) (call $input_length)))"#,
    );
    let function =
        json!({"displayName": "attack", "function": "run", "inputSchema": {"type": "object"}});
    sample.with("/functions", json!([function]))
}

/// Never ends.
pub(crate) const SPIN: &str = r#"(func (export "run") (loop $again (br $again)))"#;
