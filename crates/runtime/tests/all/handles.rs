//! Handles and offsets at their edges: what is no handle traps, and ends that call alone.

use wasimancer_runtime::PluginSpec;

use crate::support::{abi, bytes, call, call_numbers, plugin, runtime, spec, trap};

/// Functions that read the block behind a handle.
const READERS: [&str; 9] = [
    "config_get",
    "var_get",
    "var_set",
    "http_request",
    "log_trace",
    "log_debug",
    "log_info",
    "log_warn",
    "log_error",
];
/// Functions that take an offset anywhere in the memory, and how many bytes they touch.
const ACCESSES: [(&str, u64); 4] = [
    ("load_u8", 1),
    ("load_u64", 8),
    ("store_u8", 1),
    ("store_u64", 8),
];
/// Offsets outside any memory here, those included that wrap around when something is added.
const OUTSIDE: [u64; 6] = [
    1 << 20,
    1 << 32,
    1 << 62,
    i64::MAX as u64,
    u64::MAX - 7,
    u64::MAX,
];

#[tokio::test]
async fn what_is_no_handle_traps_and_the_plugin_answers_again() {
    let plugin = plugin(&runtime(), "handles", &abi());
    let [input] = call_numbers(&plugin, "input_offset", &[0, 0])
        .await
        .unwrap()[..]
    else {
        panic!("one number");
    };
    for export in READERS {
        let inside_a_block = [input + 1, input - 1];
        for handle in inside_a_block.into_iter().chain(OUTSIDE) {
            let reason = trap(call(&plugin, export, bytes(&[handle, 0])).await);
            assert!(
                reason.contains(&handle.to_string()),
                "{export}({handle}): {reason}"
            );
            assert_eq!(
                call(&plugin, "echo", "still here").await.unwrap(),
                b"still here"
            );
        }
    }
    trap(call(&plugin, "freed_handle", "").await);
}

/// PDKs give 0 for an empty text, and libextism bears with it.
#[tokio::test]
async fn an_empty_text_is_logged_finds_nothing_and_sets_nothing() {
    let wasm = abi();
    let plugin = runtime()
        .compile(PluginSpec {
            config: [(String::new(), "of no name".to_owned())].into(),
            ..spec("empty", &wasm)
        })
        .unwrap();
    for export in [
        "log_trace",
        "log_debug",
        "log_info",
        "log_warn",
        "log_error",
    ] {
        assert!(call(&plugin, export, bytes(&[0])).await.is_ok(), "{export}");
    }
    for export in ["config_get", "var_get"] {
        assert_eq!(
            call_numbers(&plugin, export, &[0]).await.unwrap(),
            [0],
            "{export}"
        );
    }
    let [input] = call_numbers(&plugin, "input_offset", &[0, 0])
        .await
        .unwrap()[..]
    else {
        panic!("one number");
    };
    for value in [0, input] {
        let set = call(&plugin, "var_set", bytes(&[0, value])).await;
        assert!(set.is_ok(), "{value}: {set:?}");
    }
    let reason = trap(call(&plugin, "http_request", bytes(&[0, 0])).await);
    assert!(reason.contains("offset 0"), "{reason}");
}

/// PDKs copy eight bytes at once, the last ones of a text too.
#[tokio::test]
async fn blocks_can_be_read_and_written_up_to_the_next_eight_bytes() {
    let plugin = plugin(&runtime(), "padded", &abi());
    for length in 1..=17 {
        let text = vec![b'x'; length];
        assert_eq!(call(&plugin, "echo_words", &text).await.unwrap(), text);
    }
}

#[tokio::test]
async fn an_argument_that_may_be_absent_is_checked_when_it_is_there() {
    let plugin = plugin(&runtime(), "optional", &abi());
    let [input] = call_numbers(&plugin, "input_offset", &[0, 0])
        .await
        .unwrap()[..]
    else {
        panic!("one number");
    };
    // A variable's value; 0 removes it.
    assert!(call(&plugin, "var_set", bytes(&[input, 0])).await.is_ok());
    for handle in OUTSIDE {
        trap(call(&plugin, "var_set", bytes(&[input, handle])).await);
        trap(call(&plugin, "error_set", bytes(&[handle])).await);
    }
    assert!(call(&plugin, "error_set", bytes(&[0])).await.is_ok());
}

#[tokio::test]
async fn lengths_and_freeing_bear_with_what_is_inside_the_memory() {
    let plugin = plugin(&runtime(), "lengths", &abi());
    // Of a block twice, of its inside twice, of none, of a freed block twice.
    let lengths = call_numbers(&plugin, "lengths", &[]).await.unwrap();
    assert_eq!(lengths, [12, 12, 0, 0, 0, 0, 0]);
    let [input] = call_numbers(&plugin, "input_offset", &[0]).await.unwrap()[..] else {
        panic!("one number");
    };
    for inside in [0, input, input + 1] {
        assert!(
            call(&plugin, "free", bytes(&[inside])).await.is_ok(),
            "{inside}"
        );
    }
    for export in ["free", "length", "length_unsafe"] {
        let end = input + 8;
        for handle in [end].into_iter().chain(OUTSIDE) {
            trap(call(&plugin, export, bytes(&[handle])).await);
        }
    }
}

#[tokio::test]
async fn accesses_stay_inside_the_memory() {
    let plugin = plugin(&runtime(), "accesses", &abi());
    let [input] = call_numbers(&plugin, "input_offset", &[0]).await.unwrap()[..] else {
        panic!("one number");
    };
    let end = input + 8;
    for (export, length) in ACCESSES {
        let last = end - length;
        assert!(
            call(&plugin, export, bytes(&[last])).await.is_ok(),
            "{export}({last})"
        );
        for offset in [0, 1, last + 1, end].into_iter().chain(OUTSIDE) {
            trap(call(&plugin, export, bytes(&[offset])).await);
        }
    }
    // The input holds the offset itself, so reading there answers it.
    assert_eq!(
        call_numbers(&plugin, "load_u64", &[input]).await.unwrap(),
        [input]
    );
}

#[tokio::test]
async fn the_output_lies_inside_the_memory() {
    let plugin = plugin(&runtime(), "output_range", &abi());
    let [input] = call_numbers(&plugin, "input_offset", &[0, 0])
        .await
        .unwrap()[..]
    else {
        panic!("one number");
    };
    let whole = call(&plugin, "output_set", bytes(&[input, 16]))
        .await
        .unwrap();
    assert_eq!(whole, bytes(&[input, 16]));
    let part = call(&plugin, "output_set", bytes(&[input + 8, 8]))
        .await
        .unwrap();
    assert_eq!(part, bytes(&[8]));
    for (offset, length) in [
        (input, 17),
        (0, 1),
        (input + 16, 1),
        (u64::MAX, 1),
        (u64::MAX - 3, 8),
    ] {
        trap(call(&plugin, "output_set", bytes(&[offset, length])).await);
    }
    // Without a byte there is nothing to lie outside.
    assert_eq!(
        call(&plugin, "output_set", bytes(&[u64::MAX, 0]))
            .await
            .unwrap(),
        b""
    );
}

#[tokio::test]
async fn a_block_freed_twice_is_handed_out_once() {
    let plugin = plugin(&runtime(), "free_twice", &abi());
    let [first, second, third] = call_numbers(&plugin, "free_twice", &[]).await.unwrap()[..] else {
        panic!("three numbers");
    };
    assert_eq!(second, first, "a freed block is taken again");
    assert!(
        third >= second + 64 || third + 64 <= second,
        "{second} and {third} overlap"
    );
}

#[tokio::test]
async fn a_block_taken_again_holds_nothing_of_the_last_one() {
    let plugin = plugin(&runtime(), "reused", &abi());
    assert_eq!(call(&plugin, "reused_block", "").await.unwrap(), [0; 12]);
}

#[tokio::test]
async fn nothing_is_allocated_for_no_bytes() {
    let plugin = plugin(&runtime(), "alloc", &abi());
    assert_eq!(call_numbers(&plugin, "alloc", &[0]).await.unwrap(), [0]);
    assert_ne!(call_numbers(&plugin, "alloc", &[1]).await.unwrap(), [0]);
}

#[tokio::test]
async fn a_freed_input_is_gone() {
    let plugin = plugin(&runtime(), "free_input", &abi());
    assert_eq!(
        call_numbers(&plugin, "free_input", &[1, 2]).await.unwrap(),
        [0]
    );
}
