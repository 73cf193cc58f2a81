//! Instructions that move as many bytes as the guest has, one behind the other: nothing between
//! them looks at a clock.

use crate::guests::{in_a_row, module};
use crate::harness::{TIME_LIMIT, Wanted, case, cores, scaled};

/// Either way is right: how many bytes a second a machine moves is not the server's doing.
const ENDS: [Wanted; 2] = [TIME_LIMIT, Wanted::Result];

/// A memory of this many pages of 64 KiB, or of MiB times 16.
fn memory(mib: usize) -> String {
    format!("(memory (export \"memory\") {})", mib * 16)
}

#[test]
fn large_fills() {
    let mib = scaled(200, 32);
    let fill = format!(
        "(memory.fill (i32.const 0) (i32.const 7) (i32.const {}))",
        mib << 20
    );
    let run = in_a_row("", &fill, scaled(2000, 500));
    case("`memory.fill` of 200 MiB, 2,000 times")
        .plugin(module(&format!("{} {run}", memory(mib))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn small_fills() {
    let fill = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 4194304))";
    let run = in_a_row("", fill, scaled(20_000, 4000));
    case("`memory.fill` of 4 MiB, 20,000 times")
        .plugin(module(&format!("{} {run}", memory(5))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn large_copies() {
    let mib = scaled(200, 32);
    let copy = format!(
        "(memory.copy (i32.const 0) (i32.const 1) (i32.const {}))",
        mib << 20
    );
    let run = in_a_row("", &copy, scaled(2000, 300));
    case("`memory.copy` of 200 MiB, 2,000 times")
        .plugin(module(&format!("{} {run}", memory(mib + 1))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn segments() {
    let bytes = scaled(1 << 20, 1 << 18);
    let segment = format!("(data $segment \"{}\")", "x".repeat(bytes));
    let init = format!("(memory.init $segment (i32.const 0) (i32.const 0) (i32.const {bytes}))");
    let run = in_a_row("", &init, scaled(100_000, 20_000));
    case("`memory.init` of 1 MiB, 100,000 times")
        .plugin(module(&format!("{} {segment} {run}", memory(1))))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn table_fills() {
    let fill = "(table.fill $table (i32.const 0) (ref.null func) (i32.const 100000))";
    let run = in_a_row("", fill, scaled(3000, 1500));
    case("`table.fill` of 100,000 elements, 3,000 times")
        .plugin(module(&format!("(table $table 100000 funcref) {run}")))
        .ends(ENDS)
        .calls(cores(), "{}");
}

#[test]
fn table_copies() {
    let copy = "(table.copy $table $table (i32.const 0) (i32.const 1) (i32.const 99999))";
    let run = in_a_row("", copy, scaled(3000, 600));
    case("`table.copy` of 99,999 elements, 3,000 times")
        .plugin(module(&format!("(table $table 100000 funcref) {run}")))
        .ends(ENDS)
        .calls(cores(), "{}");
}
