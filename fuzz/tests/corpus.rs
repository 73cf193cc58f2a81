//! Each target over its corpus, and over what is almost in it.

use std::fs;
use std::path::Path;

use wasimancer_fuzz::{
    cursors, definitions, headers, host_calls, legacy, modern, multipart, templates, uri_templates,
    validation, yaml_edits,
};

/// Mutations of each input of a corpus.
const MUTATIONS: u64 = 200;
/// The same where each is compiled, and may run until its time limit.
const COMPILED_MUTATIONS: u64 = 15;

/// Runs a target over every file of its corpus as it is, and changed a little, always in the same way.
fn over_corpus(name: &str, run: fn(&[u8])) {
    over_corpus_changed(name, MUTATIONS, run);
}

/// The same with as many changes of each file.
fn over_corpus_changed(name: &str, mutations: u64, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut count = 0;
    for file in fs::read_dir(folder).expect("there is a corpus") {
        let input = fs::read(file.expect("a file").path()).expect("a readable file");
        run(&input);
        for seed in 1..=mutations {
            run(&mutated(&input, seed));
        }
        count += 1;
    }
    assert!(count > 0, "the corpus of {name} is empty");
}

/// Up to four changes of an input: a byte flipped, put in, left out, or the rest repeated.
fn mutated(input: &[u8], seed: u64) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = |below: usize| {
        // Xorshift (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below as u64).max(1)).unwrap_or_default()
    };
    for _ in 0..=next(4) {
        let at = next(bytes.len());
        match next(4) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << next(8),
            1 => bytes.insert(at, b"\"{}[],:\\\0\xff0"[next(11)]),
            2 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

#[test]
fn the_modern_entry() {
    over_corpus("modern", modern::run);
}

#[test]
fn the_legacy_entry() {
    over_corpus("legacy", legacy::run);
}

#[test]
fn the_mirroring_headers() {
    over_corpus("headers", headers::run);
}

#[test]
fn the_uri_templates() {
    over_corpus("uri_templates", uri_templates::run);
}

#[test]
fn the_cursors() {
    over_corpus("cursors", cursors::run);
}

#[test]
fn slow_the_host_calls() {
    over_corpus_changed("host_calls", COMPILED_MUTATIONS, host_calls::run);
}

#[test]
fn the_validation() {
    over_corpus("validation", validation::run);
}

#[test]
fn the_templates() {
    over_corpus("templates", templates::run);
}

#[test]
fn slow_the_edits_of_yaml() {
    over_corpus("yaml_edits", yaml_edits::run);
}

#[test]
fn slow_the_definition_files() {
    over_corpus("definitions", definitions::run);
}

#[test]
fn slow_the_forms_of_uploads() {
    over_corpus("multipart", multipart::run);
}
