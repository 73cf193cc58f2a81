//! Functions of WASI preview 1 whose work is what the guest says.

use crate::guests::{in_a_row, wasi};
use crate::harness::{MEMORY_LIMIT, TIME_LIMIT, Wanted, case, cores, scaled};

/// Either way is right, as long as it is in time.
const ENDS: [Wanted; 4] = [
    TIME_LIMIT,
    MEMORY_LIMIT,
    Wanted::Result,
    Wanted::ToolError("trapped"),
];

#[test]
fn empty_buffers() {
    // Each is 8 bytes of zeros: no address, no length. 8 million of them are the whole memory.
    let write = "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 8000000) (i32.const 64000000)))";
    case("`fd_write` with 8,000,000 empty buffers, 100 times")
        .plugin(wasi(&in_a_row("", write, scaled(100, 10))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn buffers_to_read() {
    let read = "(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 8000000) (i32.const 64000000)))";
    case("`fd_read` with 8,000,000 empty buffers, 100 times")
        .plugin(wasi(&in_a_row("", read, scaled(100, 10))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn one_large_buffer() {
    let prepare = "(i32.store (i32.const 4) (i32.const 60000000))";
    let write =
        "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64000000)))";
    case("`fd_write` of 60 MB, 1,000 times")
        .plugin(wasi(&in_a_row(prepare, write, scaled(1000, 100))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn subscriptions() {
    // 48 bytes of zeros each: the clock 0, at once.
    let poll = "(drop (call $poll_oneoff (i32.const 0) (i32.const 32000000) (i32.const 600000) (i32.const 64000000)))";
    case("`poll_oneoff` with 600,000 clocks, 100 times")
        .plugin(wasi(&in_a_row("", poll, scaled(100, 10))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn clocks() {
    let clock = "(drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0)))";
    case("`clock_time_get`, 400,000 times")
        .plugin(wasi(&in_a_row("", clock, scaled(400_000, 50_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn small_randoms() {
    let random = "(drop (call $random_get (i32.const 0) (i32.const 4095)))";
    case("`random_get` of 4,095 bytes, 400,000 times")
        .plugin(wasi(&in_a_row("", random, scaled(400_000, 40_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn large_randoms() {
    let random = "(drop (call $random_get (i32.const 0) (i32.const 67000000)))";
    case("`random_get` of 67 MB, 1,000 times")
        .plugin(wasi(&in_a_row("", random, scaled(1000, 50))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn long_paths() {
    // Standard output in place of a folder, and a folder that is not there.
    let bytes = scaled(120_000_000, 60_000_000);
    let grow = "(drop (memory.grow (i32.const 1000)))";
    let open = |folder: u32| {
        format!(
            "(drop (call $path_open (i32.const {folder}) (i32.const 0) (i32.const 0) \
             (i32.const {bytes}) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))"
        )
    };
    let opens = format!("{} {}", open(1), open(3));
    case("`path_open` of a path of 120 MB, 200 times")
        .plugin(wasi(&in_a_row(grow, &opens, scaled(100, 40))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn yields() {
    let run = in_a_row("", "(drop (call $sched_yield))", scaled(400_000, 50_000));
    case("`sched_yield`, 400,000 times")
        .plugin(wasi(&run))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn small_questions() {
    // None of them moves many bytes; a call has its price all the same.
    let ask = "(drop (call $fd_fdstat_get (i32.const 1) (i32.const 0)))
        (drop (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)))
        (drop (call $environ_sizes_get (i32.const 0) (i32.const 8)))
        (drop (call $fd_prestat_get (i32.const 3) (i32.const 0)))";
    case("four small functions of WASI, 100,000 times each")
        .plugin(wasi(&in_a_row("", ask, scaled(100_000, 20_000))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn other_paths() {
    let bytes = 60_000_000;
    let link = format!(
        "(drop (call $path_rename (i32.const 3) (i32.const 0) (i32.const {bytes}) \
         (i32.const 3) (i32.const 0) (i32.const {bytes})))"
    );
    case("`path_rename` of two paths of 60 MB, 200 times")
        .plugin(wasi(&in_a_row("", &link, scaled(200, 60))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn positioned_buffers() {
    let write = "(drop (call $fd_pwrite (i32.const 1) (i32.const 0) (i32.const 8000000) (i64.const 0) (i32.const 64000000)))";
    case("`fd_pwrite` with 8,000,000 empty buffers, 100 times")
        .plugin(wasi(&in_a_row("", write, scaled(100, 10))))
        .ends(ENDS)
        .calls(cores(), "{}");
}
