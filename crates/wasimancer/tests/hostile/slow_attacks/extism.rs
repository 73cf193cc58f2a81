//! Host functions of the Extism ABI, called one behind the other without a loop.

use std::time::Duration;

use serde_json::json;

use crate::guests::{extism, in_a_row};
use crate::harness::{MEMORY_LIMIT, TIME_LIMIT, Wanted, case, cores, scaled};

/// Either way is right: how fast the host works is not what is asked.
const ENDS: [Wanted; 2] = [TIME_LIMIT, Wanted::Result];

#[test]
fn variables() {
    let preparation = "(local.set $block (call $alloc (i64.const 8)))
        (call $var_set (local.get $block) (call $alloc (i64.const 65000)))";
    let get = "(call $free (call $var_get (local.get $block)))";
    case("`var_get` of 64 KB, 300,000 times")
        .plugin(extism(&in_a_row(preparation, get, scaled(300_000, 30_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn replaced_variables() {
    let preparation = "(local.set $block (call $alloc (i64.const 60000)))";
    let set = "(call $var_set (local.get $block) (local.get $block))";
    case("`var_set` of 60 KB under a key of 60 KB, 300,000 times")
        .plugin(extism(&in_a_row(preparation, set, scaled(300_000, 30_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn blocks() {
    let alloc = "(call $free (call $alloc (i64.const 65535)))";
    case("`alloc` of 65,535 bytes, 300,000 times")
        .plugin(extism(&in_a_row("", alloc, scaled(300_000, 40_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn large_blocks() {
    let alloc = "(call $free (call $alloc (i64.const 50000000)))";
    case("`alloc` of 50 MB, 20,000 times")
        .plugin(extism(&in_a_row("", alloc, scaled(20_000, 2000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn resets() {
    let reset = "(drop (call $alloc (i64.const 1000000))) (call $reset)";
    case("`alloc` of 1 MB and `reset`, 100,000 times")
        .plugin(extism(&in_a_row("", reset, scaled(100_000, 10_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn many_small_blocks() {
    // Each costs the host more than the guest's bytes.
    let alloc = "(drop (call $alloc (i64.const 1)))";
    case("`alloc` of one byte, 1,000,000 times, and never freed")
        .plugin(extism(&in_a_row("", alloc, scaled(1_000_000, 50_000))))
        .ends(ENDS.into_iter().chain([MEMORY_LIMIT]))
        .calls(cores(), "{}");
}

#[test]
fn keys() {
    let bytes = scaled(60_000_000, 8_000_000);
    let preparation = format!("(local.set $block (call $alloc (i64.const {bytes})))");
    let get = "(drop (call $config_get (local.get $block)))";
    case("`config_get` with a key of 60 MB, 2,000 times")
        .plugin(extism(&in_a_row(&preparation, get, scaled(2000, 400))))
        .ends(ENDS.into_iter().chain([Wanted::ToolError("a name of")]))
        .calls(cores(), "{}");
}

#[test]
fn long_keys() {
    let preparation = "(local.set $block (call $alloc (i64.const 60000)))";
    let get = "(drop (call $config_get (local.get $block)))";
    case("`config_get` with a key of 60 KB, 300,000 times")
        .plugin(extism(&in_a_row(preparation, get, scaled(300_000, 30_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn errors() {
    let preparation = "(local.set $block (call $alloc (i64.const 1000000)))";
    let set = "(call $error_set (local.get $block))";
    case("`error_set` of 1 MB, 100,000 times")
        .plugin(extism(&in_a_row(preparation, set, scaled(100_000, 10_000))))
        .ends([TIME_LIMIT, Wanted::ToolError("reported an error")])
        .calls(cores(), "{}");
}

#[test]
fn outputs() {
    let preparation = "(local.set $block (call $alloc (i64.const 4000000)))";
    let set = "(call $output_set (local.get $block) (i64.const 400000))";
    case("`output_set` of 400 KB, 100,000 times")
        .plugin(extism(&in_a_row(preparation, set, scaled(100_000, 10_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn log_lines() {
    let preparation = "(local.set $block (call $alloc (i64.const 65000)))";
    let log = "(call $log_error (local.get $block))";
    case("`log_error` of 64 KB, 100,000 times")
        .plugin(extism(&in_a_row(preparation, log, scaled(100_000, 10_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn cheap_calls() {
    let call = "(drop (call $input_length))";
    let count = scaled(1_000_000, 100_000);
    case("`input_length`, 1,000,000 times")
        .plugin(extism(&in_a_row("", call, count)))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn cheap_calls_of_functions() {
    // A thousand calls in each of a thousand functions: little code, a long way.
    let inner = "(drop (call $input_length))".repeat(1000);
    let outer = "(call $inner)".repeat(1000);
    let run = in_a_row("", "(call $outer)", scaled(1000, 100));
    case("`input_length`, 10⁹ times in straight functions")
        .plugin(extism(&format!(
            "(func $inner {inner}) (func $outer {outer}) {run}"
        )))
        .ends([TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn the_memory_of_blocks() {
    // A block's bytes count, whatever the guest does with them.
    let hold = "(drop (call $alloc (i64.const 1000000)))";
    let sample = extism(&in_a_row("", hold, 100));
    case("`alloc` of 1 MB, 100 times, and never freed")
        .plugin(sample.with("/limits/memory", json!("16MiB")))
        .with_time(Duration::from_secs(10))
        .ends([MEMORY_LIMIT])
        .calls(cores(), "{}");
}
