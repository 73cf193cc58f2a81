//! The sections of a module in its binary format, without looking into them.

/// The sections' ids: custom and export. Source: WebAssembly core, "Modules", binary format.
pub(crate) const CUSTOM: u8 = 0;
pub(crate) const EXPORT: u8 = 7;

/// Magic number and version, in bytes.
const HEADER_BYTES: usize = 8;
/// Longest LEB128 number of 32 bits, in bytes.
const NUMBER_MAX_BYTES: usize = 5;

/// Id and content of each section of a module, which the engine has found to be valid.
pub(crate) fn sections(wasm: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = wasm.get(HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (id, after) = rest.split_first()?;
        let (size, after) = number(after)?;
        let (content, after) = after.split_at_checked(size)?;
        rest = after;
        Some((*id, content))
    })
}

/// Whether the content of a custom section is that of the names of functions.
pub(crate) fn is_names(content: &[u8]) -> bool {
    number(content).is_some_and(|(length, rest)| rest.get(..length) == Some(b"name"))
}

/// An unsigned LEB128 number, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number: u64 = 0;
    for (index, byte) in bytes.iter().enumerate().take(NUMBER_MAX_BYTES) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(number).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_in_their_order() {
        // A custom section "name" whose length is padded, a start section, and one cut short.
        let wasm = b"\0asm\x01\0\0\0\x00\x87\x80\x00\x84\x00nameX\x08\x01\x03\x0b\x80\x01short";
        let found: Vec<_> = sections(wasm).collect();
        assert_eq!(found, [(CUSTOM, &b"\x84\x00nameX"[..]), (8, &b"\x03"[..])]);
        assert!(is_names(found[0].1) && !is_names(found[1].1));
        assert!(!is_names(b"") && !is_names(b"\x05names") && !is_names(b"\x04nam"));
        for nothing in [
            &b""[..],
            b"\0asm",
            b"\0asm\x01\0\0\0",
            b"\0asm\x01\0\0\0\x08",
        ] {
            assert_eq!(sections(nothing).count(), 0, "{nothing:?}");
        }
        assert_eq!(number(b"\xff\xff\xff\xff\xff\x01"), None);
    }
}
