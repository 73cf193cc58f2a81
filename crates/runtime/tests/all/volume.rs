//! Many calls, after which the process holds no more than before.

use std::fs;

use tokio::task::JoinSet;

use crate::support::{abi, call, in_own_process, plugin, runtime};

/// Calls in all, and how many tasks make them at once.
const CALLS: usize = 200_000;
const TASKS: usize = 4;
/// What the process may grow by: an allocator's noise, and far less than a leak of 100 bytes a
/// call would make.
const SLACK_BYTES: usize = 15 * 1024 * 1024;

#[test]
fn memory_is_flat_over_many_calls() {
    if !in_own_process("volume::memory_is_flat_over_many_calls", "true") {
        return;
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let plugin = plugin(&runtime(), "volume", &abi());
            let calls = async |calls: usize| {
                let mut tasks = JoinSet::new();
                for task in 0..TASKS {
                    let plugin = plugin.clone();
                    tasks.spawn(async move {
                        let echo = plugin.function("echo").unwrap();
                        for round in 0..calls / TASKS {
                            let input = [task as u8, round as u8, 3, 4];
                            assert_eq!(echo.call(&input).await.unwrap(), input);
                        }
                    });
                }
                while let Some(task) = tasks.join_next().await {
                    task.unwrap();
                }
            };
            calls(CALLS / 10).await;
            let before = resident_bytes();
            calls(CALLS - CALLS / 10).await;
            let after = resident_bytes();
            assert!(
                after < before + SLACK_BYTES,
                "from {before} bytes to {after}"
            );
            assert_eq!(
                call(&plugin, "echo", "still here").await.unwrap(),
                b"still here"
            );
        });
}

fn resident_bytes() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    resident * 4096
}
