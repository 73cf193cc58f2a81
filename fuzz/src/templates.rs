//! Any text with any values in it: as an independent reading has it, within its bound.

use wasimancer_catalog::fuzzing::filled;

/// Longest input: the independent reading takes its square.
const MAX_BYTES: usize = 4000;
/// Bytes of a bound that a byte of the input stands for.
const BOUND_STEP: usize = 16;

/// The first byte is a bound. The first line behind it is a text, each other one a name and its value
/// with `=` between them.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let Some((bound, data)) = data.split_first() else {
        return;
    };
    if data.len() > MAX_BYTES {
        return;
    }
    let all = String::from_utf8_lossy(data);
    let mut lines = all.split('\n');
    let text = lines.next().unwrap_or_default();
    let values: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).collect();
    let wanted = read(text, &values);
    let bound = usize::from(*bound) * BOUND_STEP;
    let found = filled(text, &values, bound);
    assert_eq!(
        found.as_deref(),
        (wanted.len() <= bound).then_some(wanted.as_str()),
        "{text:?} with {values:?} in {bound} bytes"
    );
    assert_eq!(
        filled(text, &values, wanted.len()),
        Some(wanted),
        "exactly as many bytes"
    );
}

/// The same, a character at a time.
fn read(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let named = rest
            .strip_prefix("${")
            .and_then(|rest| rest.split_once('}'));
        let found = named.and_then(|(name, behind)| {
            let value = values.iter().find(|(known, _)| *known == name)?;
            Some((value.1, behind))
        });
        match found {
            Some((value, behind)) => {
                out.push_str(value);
                rest = behind;
            }
            None => {
                out.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    out
}
