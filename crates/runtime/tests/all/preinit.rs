//! Starts that run once in advance, and those that cannot.

use std::time::Duration;

use tracing::Level;
use wasimancer_runtime::{Error, Hindrance, Limits, Plugin, PluginSpec, Preinit, Result, Runtime};

use crate::support::{
    call, call_numbers, capture_log, extism, lines, module, numbers, options, runtime,
    runtime_with, spec,
};

const MIB: u64 = 1024 * 1024;

/// `state` answers a number in memory, one in a global and the size of memory in pages, and then
/// changes all of them.
const STATE: &str = r#"
    (global $number (mut i64) (i64.const 1))
    (func $set
      (i64.store (i32.const 16) (i64.const 7))
      (global.set $number (i64.mul (global.get $number) (i64.const 42)))
      (drop (memory.grow (i32.const 2))))
    (func (export "state")
      (call $push (i64.load (i32.const 16)))
      (call $push (global.get $number))
      (call $push (i64.extend_i32_u (memory.size)))
      (call $results)
      (call $set))"#;
const INITIALIZE: &str = r#"(func (export "_initialize") (call $set))"#;
const START: &str = "(start $set)";

/// A start that takes eight random bytes, which `run` answers.
const RANDOM: &str = r#"(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (memory (export "memory") 1)
    (func (export "_initialize") (drop (call $random (i32.const 64) (i32.const 8))))
    (func (export "run") (local $block i64)
      (local.set $block (call $alloc (i64.const 8)))
      (call $store (local.get $block) (i64.load (i32.const 64)))
      (call $output (local.get $block) (i64.const 8))))"#;

fn compile(runtime: &Runtime, wasm: &[u8], preinit: Preinit, limits: Limits) -> Result<Plugin> {
    runtime.compile(PluginSpec {
        preinit,
        limits,
        ..spec("preinit", wasm)
    })
}

/// What is in the way of running the start of this module in advance.
#[track_caller]
fn hindrance(wasm: &[u8], limits: &Limits) -> Hindrance {
    match compile(&runtime(), wasm, Preinit::Always, limits.clone()) {
        Err(Error::Preinit { hindrance }) => hindrance,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("nothing is in the way"),
    }
}

/// What an inspection says is in the way of `auto`.
fn inspected(runtime: &Runtime, wasm: &[u8], limits: &Limits) -> Option<Hindrance> {
    let inspection = runtime.inspect(wasm).unwrap();
    runtime.hindrance(wasm, &inspection, limits.clone())
}

/// The same with `auto`, which serves it all the same.
#[track_caller]
fn hindrance_of_auto(wasm: &[u8], limits: &Limits) -> Hindrance {
    let runtime = runtime();
    let plugin = compile(&runtime, wasm, Preinit::Auto, limits.clone()).unwrap();
    assert!(!plugin.is_preinitialized());
    inspected(&runtime, wasm, limits).expect("something is in the way")
}

#[tokio::test]
async fn every_call_begins_where_the_start_has_ended() {
    let runtime = runtime();
    for (start, number) in [
        (INITIALIZE.to_owned(), 42),
        (START.to_owned(), 42),
        (format!("{START} {INITIALIZE}"), 42 * 42),
    ] {
        let wasm = extism(&format!("{STATE} {start}"));
        let pages = if number == 42 { 3 } else { 5 };
        for preinit in [Preinit::Auto, Preinit::Always, Preinit::Never] {
            let plugin = compile(&runtime, &wasm, preinit, Limits::default()).unwrap();
            assert_eq!(plugin.is_preinitialized(), preinit != Preinit::Never);
            assert_eq!(plugin.functions(), ["state"]);
            for _ in 0..3 {
                let state = call_numbers(&plugin, "state", &[]).await.unwrap();
                assert_eq!(state, [7, number, pages], "{preinit:?} {start}");
            }
        }
        assert_eq!(inspected(&runtime, &wasm, &Limits::default()), None);
    }
}

#[tokio::test]
async fn every_kind_of_state_is_kept() {
    let wasm = extism(
        r#"(memory $second 1)
        (data $passive "passive")
        (data (i32.const 100) "active")
        (table 2 funcref)
        (elem (i32.const 1) $four)
        (type $four (func (result i64)))
        (func $four (type $four) (i64.const 4))
        (global $f32 (mut f32) (f32.const 0))
        (global $f64 (mut f64) (f64.const 0))
        (global $v128 (mut v128) (v128.const i64x2 0 0))
        (global $fixed i64 (i64.const 5))
        (func (export "_initialize")
          (global.set $f32 (f32.const -1.5))
          (global.set $f64 (f64.const 0x1p-1074))
          (global.set $v128 (v128.const i64x2 8 9))
          (i64.store8 (i32.const 100) (i64.const 3))
          (i64.store $second (i32.const 65528) (i64.const 6)))
        (func (export "run")
          (memory.init $passive (i32.const 200) (i32.const 0) (i32.const 7))
          (call $push (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f32))))
          (call $push (i64.reinterpret_f64 (global.get $f64)))
          (call $push (i64x2.extract_lane 1 (global.get $v128)))
          (call $push (global.get $fixed))
          (call $push (call_indirect (type $four) (i32.const 1)))
          (call $push (i64.load8_u (i32.const 100)))
          (call $push (i64.load8_u (i32.const 101)))
          (call $push (i64.load8_u (i32.const 206)))
          (call $push (i64.load $second (i32.const 65528)))
          (call $results))"#,
    );
    let plugin = compile(&runtime(), &wasm, Preinit::Auto, Limits::default()).unwrap();
    assert!(plugin.is_preinitialized());
    let (c, e) = (u64::from(b'c'), u64::from(b'e'));
    assert_eq!(
        call_numbers(&plugin, "run", &[]).await.unwrap(),
        [u64::from((-1.5_f32).to_bits()), 1, 9, 5, 4, 3, c, e, 6]
    );
}

#[tokio::test]
async fn a_module_that_starts_with_nothing_is_as_it_is() {
    let runtime = runtime();
    let wasm = extism(STATE);
    for preinit in [Preinit::Auto, Preinit::Always] {
        let plugin = compile(&runtime, &wasm, preinit, Limits::default()).unwrap();
        assert!(!plugin.is_preinitialized());
        assert_eq!(
            call_numbers(&plugin, "state", &[]).await.unwrap(),
            [0, 1, 1]
        );
    }
    assert_eq!(inspected(&runtime, &wasm, &Limits::default()), None);
}

/// Only where it is told to does a start stand still: a number that is random stays so.
#[tokio::test]
async fn what_the_host_says_is_asked_for_at_each_call() {
    capture_log();
    let runtime = runtime();
    let wasm = module(RANDOM);
    for (preinit, name) in [
        (Preinit::Auto, "random-auto"),
        (Preinit::Never, "random-never"),
        (Preinit::Always, "random-always"),
    ] {
        let plugin = runtime.compile(PluginSpec {
            preinit,
            ..spec(name, &wasm)
        });
        let plugin = plugin.unwrap();
        let is_frozen = preinit == Preinit::Always;
        assert_eq!(plugin.is_preinitialized(), is_frozen);
        let first = numbers(&call(&plugin, "run", "").await.unwrap());
        let second = numbers(&call(&plugin, "run", "").await.unwrap());
        assert_eq!(first == second, is_frozen, "{preinit:?}");
        assert_ne!(first, [0]);
    }
    let said = lines("random-auto");
    let line = said.iter().find(|line| line.level == Level::DEBUG).unwrap();
    let why = "its start calls the host function wasi_snapshot_preview1::random_get";
    assert!(line.message.ends_with(why), "{}", line.message);
}

#[test]
fn a_start_that_does_not_come_to_its_end_is_not_kept() {
    let short = Limits {
        timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let small = Limits {
        memory: 2 * MIB,
        ..Limits::default()
    };
    let start = |body: &str| extism(&format!(r#"(func (export "_initialize") {body})"#));
    for (wasm, limits, wanted) in [
        (
            start("(loop (br 0))"),
            &short,
            "its start takes longer than the time limit of 50ms",
        ),
        (
            module(r#"(module (start 0) (func (loop (br 0))) (func (export "run")))"#),
            &short,
            "its start takes longer than the time limit of 50ms",
        ),
        (
            start("unreachable"),
            &short,
            "its start fails: wasm trap: wasm `unreachable` instruction executed",
        ),
        (
            start("(drop (memory.grow (i32.const 32)))"),
            &small,
            "its start needs more memory than the limit of 2097152 bytes",
        ),
        (
            module(r#"(module (memory 1025) (start 0) (func) (func (export "run")))"#),
            &Limits::default(),
            "its start leaves 67174400 bytes of memory, and at most 67108864 can be kept",
        ),
        (
            start("(table.set (i32.const 0) (ref.null func))) (table 1 funcref) (func"),
            &short,
            "its state cannot be kept: unsupported `table.set` instruction",
        ),
        (
            module("(module (start 0) (func))"),
            &short,
            "its state cannot be kept: it exports nothing",
        ),
    ] {
        assert_eq!(hindrance(&wasm, limits).to_string(), wanted);
        assert_eq!(hindrance_of_auto(&wasm, limits).to_string(), wanted);
    }
}

/// Each byte between zeros costs many bytes while a snapshot is made.
#[test]
fn a_start_that_dots_its_memory_is_not_kept() {
    let wasm = module(
        r#"(module (memory 65) (func (export "run"))
            (func (export "_initialize") (local $at i32)
              (loop $next
                (i32.store8 (local.get $at) (i32.const 1))
                (local.set $at (i32.add (local.get $at) (i32.const 2)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 4194306))))))"#,
    );
    assert_eq!(
        hindrance(&wasm, &Limits::default()).to_string(),
        "its start leaves 2097153 stretches of memory between zeros, and at most 2097152 can be kept"
    );
}

/// What the host keeps for a call ends with it.
#[test]
fn a_start_whose_words_would_be_lost_is_not_kept() {
    let start = |body: &str| {
        extism(&format!(
            r#"(data (i32.const 0) "said") (func $said (result i64) (call $block (i32.const 0) (i32.const 4)))
            (func (export "_initialize") {body})"#
        ))
    };
    let limits = Limits::default();
    for (body, wanted) in [
        ("(call $error_set (call $said))", "its start fails: said"),
        (
            "(call $var_set (call $said) (call $said))",
            "its state cannot be kept: its start sets variables, which end with it",
        ),
    ] {
        assert_eq!(hindrance(&start(body), &limits).to_string(), wanted);
    }
    let exit = module(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_initialize") (call $exit (i32.const 3))) (func (export "run")))"#,
    );
    assert_eq!(
        hindrance(&exit, &limits).to_string(),
        "its start fails: it exits with code 3"
    );
}

/// The error names the field, what is in the way, and what else may be written.
#[test]
fn a_refusal_says_what_to_do() {
    let wasm = module(r#"(module (start 0) (func unreachable) (func (export "run")))"#);
    let refused = compile(&runtime(), &wasm, Preinit::Always, Limits::default());
    let text = refused.err().expect("it is refused").to_string();
    for part in [
        "`preinit: always` is not possible",
        "unreachable",
        "write `preinit: never` or `preinit: auto`",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

/// Names that do not come last are unusual, and no reason to fail.
#[tokio::test]
async fn a_section_of_names_in_the_middle_is_no_reason_to_fail() {
    let wasm = extism(&format!("{STATE} {INITIALIZE}"));
    let names = b"\x00\x05\x04name";
    let wasm = [&wasm[..8], names, &wasm[8..]].concat();
    let runtime = runtime();
    let plugin = compile(&runtime, &wasm, Preinit::Auto, Limits::default()).unwrap();
    assert!(!plugin.is_preinitialized());
    assert_eq!(
        call_numbers(&plugin, "state", &[]).await.unwrap(),
        [7, 42, 3]
    );
}

/// A trial takes one of the places that calls have, so that there is a slot for it.
#[tokio::test]
async fn an_engine_with_one_slot_is_enough() {
    let runtime = runtime_with(wasimancer_runtime::EngineOptions {
        instances_max: 1,
        ..options()
    });
    let wasm = extism(&format!("{STATE} {INITIALIZE}"));
    let plugin = compile(&runtime, &wasm, Preinit::Auto, Limits::default()).unwrap();
    assert!(plugin.is_preinitialized());
    assert_eq!(
        call_numbers(&plugin, "state", &[]).await.unwrap(),
        [7, 42, 3]
    );
}
