//! What a module says of itself before any of its code, so that one which will be refused is refused in
//! milliseconds, and not after it was compiled; and what it needs that is off here.

use wasmparser::{Parser, Payload};

/// Proposals that are off here, by words that the engine's validator uses of them, and what people call
/// them.
const SWITCHED_OFF: [(&str, &str); 5] = [
    ("gc ", "garbage collection"),
    ("function references", "typed function references"),
    ("exception", "exceptions"),
    ("threads", "threads"),
    ("stack switching", "stack switching"),
];

/// Module and name of each import; as many as can be read.
pub(crate) fn imports(wasm: &[u8]) -> Vec<(String, String)> {
    // Imports come before all code.
    let before_code = Parser::new(0)
        .parse_all(wasm)
        .map_while(Result::ok)
        .take_while(|payload| !matches!(payload, Payload::CodeSectionStart { .. }));
    let sections = before_code.filter_map(|payload| match payload {
        Payload::ImportSection(imports) => Some(imports.into_imports()),
        _ => None,
    });
    let imports = sections.flat_map(|imports| imports.map_while(Result::ok));
    imports
        .map(|import| (import.module.to_owned(), import.name.to_owned()))
        .collect()
}

/// The proposal that a module needs and that is off here, by what the engine's validator said.
pub(crate) fn switched_off(reason: &str) -> Option<&'static str> {
    let says_so = [
        "not enabled",
        "must be enabled",
        "not supported without the",
    ];
    if !says_so.iter().any(|words| reason.contains(words)) {
        return None;
    }
    let named = SWITCHED_OFF.iter().find(|(word, _)| reason.contains(word));
    named.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_named() {
        for (reason, name) in [
            (
                "gc proposal must be enabled to use subtypes",
                Some("garbage collection"),
            ),
            (
                "array indexed types not supported without the gc feature",
                Some("garbage collection"),
            ),
            (
                "legacy exceptions support is not enabled",
                Some("exceptions"),
            ),
            (
                "threads must be enabled for shared memories",
                Some("threads"),
            ),
            ("unexpected end of the gc section", None),
        ] {
            assert_eq!(switched_off(reason), name, "{reason}");
        }
    }
}
