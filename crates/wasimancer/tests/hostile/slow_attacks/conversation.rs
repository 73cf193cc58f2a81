//! The host functions of a conversation: JSON that the server reads for a guest, descriptions that
//! it writes for one.

use std::time::Duration;

use serde_json::json;

use crate::guests::{ZEROS, conversation, head, in_a_row, list, text};
use crate::harness::{MEMORY_LIMIT, TIME_LIMIT, Wanted, case, cores, scaled};

const ENDS: [Wanted; 2] = [TIME_LIMIT, Wanted::Result];
/// A guest builds a text of megabytes eight bytes at a time.
const BUILDING: Duration = Duration::from_secs(10);
const LOG: &str = r#"{"level":"debug","data":["#;
const PROGRESS: &str = r#"{"progress":1,"x":["#;

/// One call over and over with a JSON text of this many bytes.
fn json_in_a_row(begins: &str, call: &str, bytes: usize, count: usize) -> crate::support::Sample {
    let run = in_a_row(&list(bytes), call, count);
    conversation(&format!("{} {ZEROS} {run}", head(begins)))
}

#[test]
fn log_of_60_kilobytes() {
    let call = "(call $log (local.get $block))";
    let plugin = json_in_a_row(LOG, call, 60_000, scaled(20_000, 300));
    case("`log` of 60 KB of JSON, 20,000 times")
        .plugin(plugin)
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn progress_of_60_kilobytes() {
    let call = "(call $progress (local.get $block))";
    let plugin = json_in_a_row(PROGRESS, call, 60_000, scaled(30_000, 600));
    case("`progress` of 60 KB of JSON, 30,000 times")
        .plugin(plugin)
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn log_of_4_megabytes() {
    let call = "(call $log (local.get $block))";
    let plugin = json_in_a_row(LOG, call, scaled(4_000_000, 400_000), scaled(3000, 50));
    case("`log` of 4 MB of JSON, 3,000 times")
        .plugin(plugin)
        .ends(ENDS.into_iter().chain([Wanted::ToolError("trapped")]))
        .calls(cores(), "{}");
}

#[test]
fn log_of_a_megabyte() {
    let call = "(call $log (local.get $block))";
    let plugin = json_in_a_row(LOG, call, scaled(1_000_000, 400_000), scaled(3000, 50));
    case("`log` of 1 MB of JSON, 3,000 times")
        .plugin(plugin)
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn words_of_a_megabyte() {
    // Small enough to be read, and its escapes are five times as long.
    let bytes = 1_000_000;
    let run = in_a_row(&text(bytes), "(call $log (local.get $block))", 1);
    let level = head(r#"{"data":1,"level":""#);
    case("`log` with a level of 1 MB")
        .plugin(conversation(&format!("{level} {ZEROS} {run}")))
        .with_time(BUILDING)
        .ends([Wanted::ToolError("trapped"), MEMORY_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn numbers_of_a_megabyte() {
    let bytes = 1_000_000;
    let run = in_a_row(&text(bytes), "(call $progress (local.get $block))", 1);
    let progress = head(r#"{"progress":""#);
    case("`progress` with a text of 1 MB in place of a number")
        .plugin(conversation(&format!("{progress} {ZEROS} {run}")))
        .with_time(BUILDING)
        .ends([Wanted::ToolError("trapped"), MEMORY_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn log_of_60_megabytes() {
    // The text fits in the guest's memory; what the server reads from it must fit too.
    let bytes = scaled(60_000_000, 2_000_000);
    let limit = scaled("256MiB", "16MiB");
    let plugin = json_in_a_row(LOG, "(call $log (local.get $block))", bytes, 1);
    case("`log` of 60 MB of JSON, once")
        .plugin(plugin.with("/limits/memory", json!(limit)))
        .with_time(BUILDING)
        .ends([MEMORY_LIMIT, Wanted::ToolError("trapped")])
        .calls(1, "{}");
}

#[test]
fn log_that_is_no_json() {
    let plugin = json_in_a_row("[", "(call $log (local.get $block))", 60_000, 1);
    case("`log` of what is no JSON, once")
        .plugin(plugin)
        .ends([Wanted::ToolError("trapped"), Wanted::Result])
        .calls(cores(), "{}");
}

#[test]
fn descriptions() {
    let request = "(call $free (call $request))";
    case("`request`, 300,000 times")
        .plugin(conversation(&in_a_row(
            "",
            request,
            scaled(300_000, 30_000),
        )))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn words_of_60_megabytes() {
    // Whoever says what is wrong does not say all of it.
    let bytes = scaled(60_000_000, 2_000_000);
    let run = in_a_row(&text(bytes), "(call $log (local.get $block))", 1);
    let level = head(r#"{"data":1,"level":""#);
    case("`log` with a level of 60 MB")
        .plugin(conversation(&format!("{level} {ZEROS} {run}")))
        .with_time(BUILDING)
        .ends([Wanted::ToolError("trapped"), MEMORY_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn numbers_of_60_megabytes() {
    let bytes = scaled(60_000_000, 2_000_000);
    let run = in_a_row(&text(bytes), "(call $progress (local.get $block))", 1);
    let progress = head(r#"{"progress":""#);
    case("`progress` with a text of 60 MB in place of a number")
        .plugin(conversation(&format!("{progress} {ZEROS} {run}")))
        .with_time(BUILDING)
        .ends([Wanted::ToolError("trapped"), MEMORY_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn releases() {
    let run = in_a_row("", "(call $release)", scaled(1_000_000, 50_000));
    case("`release`, 1,000,000 times")
        .plugin(conversation(&run))
        .ends(ENDS)
        .calls(cores(), "{}");
}
