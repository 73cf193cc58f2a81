//! Modules that compute, recurse, grow or trap.

use std::fmt::Write as _;

use serde_json::json;

use crate::guests::{SPIN, extism, module};
use crate::harness::{MEMORY_LIMIT, TIME_LIMIT, Wanted, case, cores, scaled};

#[test]
fn a_loop() {
    case("a loop without an end")
        .plugin(module(SPIN))
        .ends([TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn a_loop_for_computation() {
    case("a loop without an end, in `profile: compute`")
        .plugin(module(SPIN).with("/profile", json!("compute")))
        .ends([TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn a_loop_in_a_kept_instance() {
    case("a loop without an end, in `instances: reuse`")
        .plugin(module(SPIN).with("/instances", json!("reuse")))
        .ends([TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn straight_instructions() {
    // A division waits for the one before; none of them looks at a clock.
    let divide = "(local.set $x (i64.div_u (i64.const -1) (i64.or (local.get $x) (i64.const 1))))";
    let inner = divide.repeat(scaled(100_000, 10_000));
    let fields = format!(
        r#"(func $inner (param $x i64) (result i64) {inner} (local.get $x))
        (func (export "run") (loop $again (drop (call $inner (i64.const 3))) (br $again)))"#
    );
    case("100,000 divisions without a branch, over and over")
        .plugin(module(&fields))
        .ends([TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn recursion() {
    let fields = r#"
        (func $deeper (param i64) (result i64)
          (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
        (func (export "run") (drop (call $deeper (i64.const 0))))"#;
    case("recursion without an end, 64 callers")
        .plugin(module(fields))
        .ends([Wanted::ToolError("trapped")])
        .calls(64, "{}");
}

#[test]
fn recursion_with_large_frames() {
    let locals = "(local i64)".repeat(1000);
    let (mut uses, mut sums) = (String::new(), String::new());
    for at in 1..1000 {
        let _ = write!(
            uses,
            "(local.set {at} (i64.add (local.get 0) (i64.const {at})))"
        );
        let _ = write!(
            sums,
            "(local.set 0 (i64.xor (local.get 0) (local.get {at})))"
        );
    }
    let fields = format!(
        r#"(func $deeper (param i64) (result i64) {locals} {uses}
          (local.set 0 (call $deeper (local.get 0))) {sums} (local.get 0))
        (func (export "run") (drop (call $deeper (i64.const 0))))"#
    );
    case("recursion with frames of 1,000 locals")
        .plugin(module(&fields))
        .ends([Wanted::ToolError("trapped")])
        .calls(cores(), "{}");
}

#[test]
fn growing_memory() {
    let fields = r#"(memory (export "memory") 1)
        (func (export "run") (loop $again (drop (memory.grow (i32.const 16))) (br $again)))"#;
    case("`memory.grow` without an end")
        .plugin(module(fields))
        .ends([MEMORY_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn touching_memory() {
    let pages = scaled(3200, 800);
    let fields = format!(
        r#"(memory (export "memory") 1)
        (func (export "run") (local $at i32)
          (drop (memory.grow (i32.const {pages})))
          (loop $again
            (i32.store (local.get $at) (i32.const 1))
            (local.set $at (i32.rem_u (i32.add (local.get $at) (i32.const 4096)) (i32.const {})))
            (br $again)))"#,
        pages * 65_536
    );
    // 16 callers of 200 MiB are 3.2 GB: what a process may hold is not bounded here.
    case("200 MiB written over and over, 16 callers")
        .plugin(module(&fields))
        .ends([TIME_LIMIT, MEMORY_LIMIT])
        .calls(scaled(16, 4), "{}");
}

#[test]
fn growing_tables() {
    let fields = r#"(table $table 1 funcref)
        (func (export "run")
          (loop $again (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $again)))"#;
    case("`table.grow` without an end")
        .plugin(module(fields))
        .ends([MEMORY_LIMIT, TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn allocating() {
    let fields = r#"(func (export "run")
        (loop $again (call $free (call $alloc (i64.const 50000000))) (br $again)))"#;
    case("blocks of 50 MB allocated and freed in a loop, 64 callers")
        .plugin(extism(fields))
        .ends([TIME_LIMIT])
        .within(scaled(
            crate::harness::call_limit(),
            crate::harness::call_limit() * 4,
        ))
        .calls(scaled(64, 8), "{}");
}

#[test]
fn a_trap() {
    case("`unreachable`, 64 callers")
        .plugin(module(r#"(func (export "run") unreachable)"#))
        .ends([Wanted::ToolError("trapped")])
        .calls(64, "{}");
}

#[test]
fn bad_handles() {
    let fields = r#"(func (export "run") (drop (call $length (i64.const -1)))
        (call $output_set (i64.const -8) (i64.const -1)))"#;
    case("handles and lengths outside of everything")
        .plugin(extism(fields))
        .ends([Wanted::ToolError("")])
        .calls(cores(), "{}");
}

#[test]
fn large_data() {
    // An offset that is computed keeps the segment out of the image that instances share.
    let bytes = scaled(40_000_000, 4_000_000);
    let fields = format!(
        r#"(memory (export "memory") {})
        (data (i32.add (i32.const 1) (i32.const 1)) "{}")
        (func (export "run"))"#,
        bytes / 65_536 + 2,
        "x".repeat(bytes)
    );
    case("40 MB of data in each instance, 64 callers")
        .plugin(module(&fields))
        .ends([Wanted::Result, TIME_LIMIT])
        .calls(64, "{}");
}
