//! Modules with more of something than any that is real: they are refused before anything is compiled.

use wasimancer_runtime::Error;

use crate::support::{runtime, spec};

/// An unsigned LEB128 number.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A section, or anything else that has its size before it.
fn sized(content: &[u8]) -> Vec<u8> {
    [&number(content.len()), content].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &sized(content)].concat()
}

/// So many of the same.
fn vector(count: usize, item: &[u8]) -> Vec<u8> {
    [number(count), item.repeat(count)].concat()
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

/// A module of functions that declare `locals` variables each, and do this.
fn functions(count: usize, locals: usize, body: &[u8]) -> Vec<u8> {
    let locals = [&[1][..], &number(locals), &[0x7f]].concat();
    let body = sized(&[&locals, body, &[0x0b]].concat());
    module(&[
        section(1, b"\x01\x60\0\0"),
        section(3, &vector(count, &[0])),
        section(10, &vector(count, &body)),
    ])
}

/// Blocks inside each other.
fn nested(depth: usize) -> Vec<u8> {
    let body = [[2, 0x40].repeat(depth), [0x0b].repeat(depth)].concat();
    functions(1, 1, &body)
}

#[track_caller]
fn refused(wasm: &[u8], what: &str, most: u64) {
    let runtime = runtime();
    let compiled = runtime.compile(spec("many", wasm)).map(|_| ());
    let inspected = runtime.inspect(wasm).map(|_| ());
    for ended in [compiled, inspected] {
        match ended {
            Err(error @ Error::TooMany { .. }) => {
                let told = error.to_string();
                assert!(told.contains(what), "{told}");
                assert!(told.contains(&format!("at most {most} are")), "{told}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn more_than_any_real_module_has_is_refused() {
    let nothing = section(1, b"\x01\x60\0\0");
    let types = module(&[section(1, &vector(2_501, b"\x60\0\0"))]);
    refused(&types, "types", 2_500);
    let wide = [&[0x60][..], &vector(990, &[0x7f]), &[0]].concat();
    refused(
        &module(&[section(1, &vector(29, &wide))]),
        "parameters and results",
        28_000,
    );
    let import = [sized(b"extism:host/env"), sized(b"alloc"), vec![0, 0]].concat();
    let imports = module(&[nothing.clone(), section(2, &vector(1_701, &import))]);
    refused(&imports, "imports", 1_700);
    refused(&functions(270_001, 0, b""), "functions", 270_000);
    let globals = section(6, &vector(62_001, b"\x7f\0\x41\0\x0b"));
    refused(&module(&[globals]), "globals", 62_000);
    let exports = vector(150_001, b"\x01x\0\0");
    let exports = module(&[
        nothing,
        section(3, b"\x01\0"),
        section(7, &exports),
        section(10, b"\x01\x02\0\x0b"),
    ]);
    refused(&exports, "exports", 150_000);
    let segment = [b"\0\x41\0\x0b".to_vec(), vector(90_000, &[0])].concat();
    let elements = module(&[
        section(1, b"\x01\x60\0\0"),
        section(3, b"\x01\0"),
        section(4, &[&[1, 0x70, 0][..], &number(100_000)].concat()),
        section(9, &vector(6, &segment)),
        section(10, b"\x01\x02\0\x0b"),
    ]);
    refused(&elements, "elements in its tables", 500_000);
    refused(
        &functions(1, 3_501, b""),
        "local variables in one function",
        3_500,
    );
    refused(&functions(300, 3_500, b""), "local variables", 920_000);
    refused(&nested(8_501), "blocks inside each other", 8_500);
}

/// As much as may be is taken.
#[test]
fn as_much_as_may_be_is_compiled() {
    let runtime = runtime();
    for wasm in [
        module(&[section(1, &vector(2_500, b"\x60\0\0"))]),
        functions(1, 3_500, b""),
        nested(8_500),
        functions(300, 100, b""),
    ] {
        runtime.compile(spec("enough", &wasm)).map(|_| ()).unwrap();
    }
    // Blocks that follow each other are not inside each other.
    let row = [2, 0x40, 0x0b].repeat(20_000);
    let row = functions(1, 1, &row);
    runtime.compile(spec("row", &row)).map(|_| ()).unwrap();
}
