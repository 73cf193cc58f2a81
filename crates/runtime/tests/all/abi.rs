//! The Extism host functions as a plugin uses them: input, output, errors, configuration, variables.

use std::collections::BTreeMap;

use wasimancer_runtime::{Error, PluginSpec};

use crate::support::{abi, bytes, call, call_numbers, numbers, plugin, runtime, spec, trap};

#[tokio::test]
async fn the_input_arrives_and_the_output_goes_out() {
    let plugin = plugin(&runtime(), "echo", &abi());
    for input in ["", "x", "hello, world", "żółw 🐢", &"long ".repeat(100_000)] {
        for export in ["echo", "echo_returning_nothing", "echo_bytes"] {
            let output = call(&plugin, export, input).await.unwrap();
            assert!(
                output == input.as_bytes(),
                "{export} of {} bytes",
                input.len()
            );
        }
    }
    let words: Vec<u8> = (0..=255).collect();
    assert_eq!(call(&plugin, "echo_words", &words).await.unwrap(), words);
    assert_eq!(
        call_numbers(&plugin, "input_length", &[0, 0, 0])
            .await
            .unwrap(),
        [24]
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_stay_bytes() {
    let plugin = plugin(&runtime(), "bytes", &abi());
    let input = [0, 0xff, 0xfe, 0x80, 0xc3, 0x28, 0];
    assert_eq!(call(&plugin, "echo", input).await.unwrap(), input);
    assert_eq!(call(&plugin, "echo_bytes", input).await.unwrap(), input);
}

#[tokio::test]
async fn the_output_is_the_stretch_that_was_set_last() {
    let plugin = plugin(&runtime(), "output", &abi());
    assert_eq!(call(&plugin, "output_part", "").await.unwrap(), b"world");
    assert_eq!(call(&plugin, "output_twice", "").await.unwrap(), b"value");
    assert_eq!(call(&plugin, "output_none", "").await.unwrap(), b"");
    assert_eq!(call(&plugin, "output_empty", "").await.unwrap(), b"");
    assert_eq!(call(&plugin, "output_after_reset", "").await.unwrap(), b"");
}

#[tokio::test]
async fn a_stored_byte_is_the_lowest_of_the_value() {
    let plugin = plugin(&runtime(), "store", &abi());
    assert_eq!(
        call(&plugin, "store_low_byte", "").await.unwrap(),
        [0x41, 0]
    );
}

#[tokio::test]
async fn the_input_is_read_within_its_length_alone() {
    let plugin = plugin(&runtime(), "input", &abi());
    let read = async |export: &str, index: u64| {
        let input = bytes(&[index, 0x1122_3344_5566_7788]);
        call(&plugin, export, input).await
    };
    assert_eq!(
        numbers(&read("input_load_u64", 8).await.unwrap()),
        [0x1122_3344_5566_7788]
    );
    assert_eq!(numbers(&read("input_load_u8", 8).await.unwrap()), [0x88]);
    assert_eq!(numbers(&read("input_load_u8", 15).await.unwrap()), [0x11]);
    for (export, index) in [
        ("input_load_u8", 16),
        ("input_load_u8", u64::MAX),
        ("input_load_u64", 9),
        ("input_load_u64", 16),
        ("input_load_u64", u64::MAX - 7),
        ("input_load_u64", u64::MAX),
    ] {
        let reason = trap(read(export, index).await);
        assert!(reason.contains(&index.to_string()), "{export}: {reason}");
    }
}

#[tokio::test]
async fn a_message_left_with_error_set_is_the_plugins_error() {
    let plugin = plugin(&runtime(), "errors", &abi());
    for export in ["error_and_code", "error_and_zero", "error_and_nothing"] {
        match call(&plugin, export, "").await {
            Err(Error::Plugin { message }) => assert_eq!(message, "it broke", "{export}"),
            other => panic!("{export}: {other:?}"),
        }
    }
    match call(&plugin, "error_not_utf8", "").await {
        Err(Error::Plugin { message }) => assert_eq!(message, "broken \u{fffd} text"[..15]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_without_a_message_is_told_as_such() {
    let plugin = plugin(&runtime(), "codes", &abi());
    for code in [1, 7, -1, i32::MIN] {
        let input = bytes(&[u64::from(code.cast_unsigned())]);
        for export in ["code", "error_withdrawn"] {
            match call(&plugin, export, &input).await {
                Err(Error::NonZero { code: found }) => assert_eq!(found, code, "{export}"),
                other => panic!("{export}: {other:?}"),
            }
        }
    }
    for export in ["code", "error_withdrawn"] {
        assert_eq!(
            call(&plugin, export, bytes(&[0])).await.unwrap(),
            b"",
            "{export}"
        );
    }
    // A message that the plugin freed says nothing.
    let ended = call(&plugin, "error_freed", "").await;
    assert!(
        matches!(ended, Err(Error::NonZero { code: 5 })),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_trap_keeps_the_words_that_the_plugin_left() {
    let plugin = plugin(&runtime(), "words", &abi());
    let reason = trap(call(&plugin, "error_and_trap", "").await);
    assert!(
        reason.contains("unreachable") && reason.contains("it broke"),
        "{reason}"
    );
}

#[tokio::test]
async fn error_get_answers_the_handle_that_was_set() {
    let plugin = plugin(&runtime(), "error_get", &abi());
    assert_eq!(
        call_numbers(&plugin, "error_get", &[]).await.unwrap(),
        [0, 0, 0]
    );
}

#[tokio::test]
async fn reset_forgets_all_but_the_variables() {
    let plugin = plugin(&runtime(), "reset", &abi());
    let [error, input, variable] = call_numbers(&plugin, "reset", &[1, 2]).await.unwrap()[..]
    else {
        panic!("three numbers");
    };
    assert_eq!((error, input, variable), (0, 0, 5));
    trap(call(&plugin, "handle_after_reset", "").await);
}

#[tokio::test]
async fn config_get_answers_what_the_definition_says() {
    let runtime = runtime();
    let wasm = abi();
    let config = BTreeMap::from([
        ("greeting".to_owned(), "Dzień dobry".to_owned()),
        ("empty".to_owned(), String::new()),
    ]);
    let plugin = runtime
        .compile(PluginSpec {
            config,
            ..spec("config", &wasm)
        })
        .unwrap();
    assert_eq!(
        call(&plugin, "config", "greeting").await.unwrap(),
        "Dzień dobry".as_bytes()
    );
    // An empty value has no block, in the Extism ABI as here.
    for absent in ["empty", "Greeting", "greeting ", "other"] {
        let handle = call(&plugin, "config_handle", absent).await.unwrap();
        assert_eq!(numbers(&handle), [0], "{absent}");
    }
}

#[tokio::test]
async fn variables_are_set_replaced_and_removed() {
    let plugin = plugin(&runtime(), "variables", &abi());
    assert_eq!(call_numbers(&plugin, "var_absent", &[]).await.unwrap(), [0]);
    assert_eq!(
        call(&plugin, "var_set_and_get", "").await.unwrap(),
        b"value"
    );
    assert_eq!(call(&plugin, "var_replaced", "").await.unwrap(), b"other");
    assert_eq!(
        call_numbers(&plugin, "var_removed", &[]).await.unwrap(),
        [0]
    );
    assert_eq!(call(&plugin, "var_is_a_copy", "").await.unwrap(), b"value");
    // Nothing of the calls above is left.
    assert_eq!(call_numbers(&plugin, "var_absent", &[]).await.unwrap(), [0]);
}

#[tokio::test]
async fn without_a_request_there_is_no_status_and_there_are_no_headers() {
    let plugin = plugin(&runtime(), "http_before", &abi());
    assert_eq!(
        call_numbers(&plugin, "http_before", &[]).await.unwrap(),
        [0, 0]
    );
}
