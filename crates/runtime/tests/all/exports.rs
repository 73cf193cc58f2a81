//! Which exports can be called, and what runs before them.

use wasimancer_runtime::{Error, Plugin, PluginSpec, Preinit};

use crate::support::{call, call_numbers, extism, module, plugin, runtime, spec, trap};

#[tokio::test]
async fn an_unknown_export_is_answered_with_those_there_are() {
    let wasm = module(
        r#"(module
            (memory (export "memory") 1)
            (global (export "global") i32 (i32.const 0))
            (func (export "second") (result i32) (i32.const 0))
            (func (export "first"))
            (func (export "takes_one") (param i32))
            (func (export "_initialize"))
            (func (export "_start")))"#,
    );
    let plugin = plugin(&runtime(), "unknown", &wasm);
    assert_eq!(plugin.functions(), ["second", "first"]);
    for absent in ["third", "", "First", "memory", "global"] {
        match plugin.function(absent) {
            Err(Error::UnknownExport {
                export, available, ..
            }) => {
                assert_eq!(
                    (export.as_str(), &available[..]),
                    (absent, &["second".to_owned(), "first".to_owned()][..])
                );
            }
            other => panic!(
                "{absent}: {:?}",
                other.map(|function| function.name().to_owned())
            ),
        }
    }
    let text = refusal(&plugin, "third").to_string();
    assert!(
        text.contains("`third`") && text.contains("second, first"),
        "{text}"
    );
    // A command's entry point is not listed, and can be called all the same.
    assert_eq!(call(&plugin, "_start", "").await.unwrap(), b"");
}

#[test]
fn a_module_without_functions_says_so() {
    let plugin = plugin(&runtime(), "empty", &module("(module)"));
    let text = refusal(&plugin, "any").to_string();
    assert!(text.contains("it exports none"), "{text}");
}

#[test]
fn an_export_of_another_type_is_refused() {
    let wasm = module(
        r#"(module
            (func (export "takes") (param i32) (result i32) (i32.const 0))
            (func (export "long") (result i64) (i64.const 0))
            (func (export "two") (result i32 i32) (i32.const 0) (i32.const 0)))"#,
    );
    let plugin = plugin(&runtime(), "types", &wasm);
    assert!(plugin.functions().is_empty());
    for (name, part) in [("takes", "param i32"), ("long", "i64"), ("two", "i32 i32")] {
        match plugin.function(name) {
            Err(error @ Error::ExportType { .. }) => {
                let text = error.to_string();
                assert!(text.contains(name) && text.contains(part), "{text}");
            }
            other => panic!(
                "{name}: {:?}",
                other.map(|function| function.name().to_owned())
            ),
        }
    }
}

/// A module that answers in which order its functions were called: each adds a digit.
fn ordered(functions: &str) -> Vec<u8> {
    extism(&format!(
        r#"(global $order (mut i64) (i64.const 0))
        (func $add (param $digit i64)
          (global.set $order
            (i64.add (i64.mul (global.get $order) (i64.const 10)) (local.get $digit))))
        (func (export "order") (call $number (global.get $order)))
        {functions}"#
    ))
}

#[tokio::test]
async fn a_reactor_is_set_up_before_its_function() {
    let initialize = r#"(func (export "_initialize") (call $add (i64.const 1)))"#;
    let constructors = r#"(func (export "__wasm_call_ctors") (call $add (i64.const 2)))"#;
    let haskell = r#"(func (export "hs_init") (param i32 i32)
        (if (i32.or (local.get 0) (local.get 1)) (then (unreachable)))
        (call $add (i64.const 3)))"#;
    let start = r"(start $begin) (func $begin (call $add (i64.const 4)))";
    let other = r#"(func (export "_initialize") (param i64) (call $add (i64.const 5)))"#;
    let coded =
        r#"(func (export "_initialize") (result i32) (call $add (i64.const 6)) (i32.const 0))"#;
    for (functions, order, what) in [
        (String::new(), 0, "nothing to set up"),
        (initialize.to_owned(), 1, "_initialize"),
        (constructors.to_owned(), 2, "__wasm_call_ctors"),
        (haskell.to_owned(), 3, "hs_init"),
        // `_initialize` of a WASI reactor calls the constructors itself.
        (format!("{initialize} {constructors}"), 1, "one of both"),
        // Haskell's reactor is set up before its run-time system.
        (format!("{haskell} {initialize}"), 13, "both"),
        (
            format!("{start} {initialize}"),
            41,
            "the start section first",
        ),
        (
            format!("{other} {constructors}"),
            2,
            "one of another type is none",
        ),
        (coded.to_owned(), 6, "one that returns a code"),
    ] {
        let (runtime, wasm) = (runtime(), ordered(&functions));
        for preinit in [Preinit::Never, Preinit::Auto, Preinit::Always] {
            let plugin = runtime.compile(PluginSpec {
                preinit,
                ..spec("reactor", &wasm)
            });
            let plugin = plugin.unwrap();
            for _ in 0..2 {
                let found = call_numbers(&plugin, "order", &[]).await.unwrap();
                assert_eq!(found, [order], "{what}, {preinit:?}");
            }
            assert_eq!(plugin.functions(), ["order"], "{what}, {preinit:?}");
            let in_advance = preinit != Preinit::Never && order != 0;
            assert_eq!(plugin.is_preinitialized(), in_advance, "{what}");
        }
    }
}

#[tokio::test]
async fn a_set_up_that_traps_ends_the_call() {
    for functions in [
        r#"(func (export "_initialize") (unreachable))"#,
        "(start $begin) (func $begin (unreachable))",
    ] {
        let plugin = plugin(&runtime(), "set_up", &ordered(functions));
        let reason = trap(call(&plugin, "order", "").await);
        assert!(reason.contains("unreachable"), "{reason}");
    }
}

fn refusal(plugin: &Plugin, export: &str) -> Error {
    match plugin.function(export) {
        Err(error) => error,
        Ok(function) => panic!("`{}` is callable", function.name()),
    }
}
