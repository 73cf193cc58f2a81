//! What a command hands to a plugin: a text, a file, or standard input.

use std::io::Read;

use anyhow::Context;

/// The bytes that an argument stands for: `-` for standard input, `@FILE` for a file, and else itself.
///
/// # Errors
/// When standard input or the file cannot be read.
pub(super) fn read(input: &str) -> anyhow::Result<Vec<u8>> {
    if input == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
        return Ok(bytes);
    }
    match input.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("{file} cannot be read")),
        None => Ok(input.as_bytes().to_vec()),
    }
}

/// Refuses an input that is no JSON.
///
/// # Errors
/// Where it is none, and why.
pub(super) fn check_json(input: &[u8]) -> anyhow::Result<()> {
    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(input);
    read.context("the input is no JSON").map(|_| ())
}
