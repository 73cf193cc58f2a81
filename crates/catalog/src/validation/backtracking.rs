//! Patterns with look-around or back-references, which can only be matched by trying.

use fancy_regex::{Regex, RegexBuilder};
use jsonschema_regex::to_rust_regex;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};

use super::fuel::{Stopped, spend, stop};
use super::pattern::{PATTERN_MAX_BYTES, too_large};
use crate::node::excerpt;

/// Most bytes of a text where the pattern does not begin with `^`: it is tried at each of them.
const UNANCHORED_MAX_BYTES: usize = 4 * 1024;
/// How often a match may go back: first what most texts take, then what one may take at most.
const LIMITS: [usize; 2] = [256, 16 * 1024];
/// Steps for going back once.
const STEPS_PER_BACKTRACK: u64 = 4;
/// Bytes squared that a step looks at: each look-ahead may read all that follows.
const SQUARED_BYTES_PER_STEP: u64 = 128;
/// The beginnings of what can only be matched by trying, all of them groups.
const LOOK_AROUND: [&str; 4] = ["(?<=", "(?<!", "(?=", "(?!"];

/// A compiled pattern.
pub(super) struct Backtracking {
    text: String,
    /// One for each of the limits, since it is compiled in.
    by_limit: [Regex; 2],
    bytes: usize,
}

impl Backtracking {
    /// Compiles a pattern; `None` where it is none.
    ///
    /// # Errors
    /// When it is too large.
    pub(super) fn compile(pattern: &str) -> Result<Option<Self>, String> {
        let bytes = size(pattern)?;
        let Ok(translated) = to_rust_regex(pattern) else {
            return Ok(None);
        };
        let compile = |limit| {
            RegexBuilder::new(&translated)
                .backtrack_limit(limit)
                .delegate_size_limit(PATTERN_MAX_BYTES)
                .build()
                .ok()
        };
        let [Some(first), Some(second)] = LIMITS.map(compile) else {
            return Ok(None);
        };
        Ok(Some(Self {
            text: pattern.to_owned(),
            by_limit: [first, second],
            bytes: bytes * LIMITS.len(),
        }))
    }

    /// About as many bytes as it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is somewhere in a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        if !self.text.starts_with('^') && text.len() > UNANCHORED_MAX_BYTES {
            self.stop(&format!(
                "it is held against at most {UNANCHORED_MAX_BYTES} bytes of text, since it has look-around or a back-reference and does not begin with `^`"
            ));
        }
        let bytes = text.len() as u64;
        spend(bytes + bytes.saturating_mul(bytes) / SQUARED_BYTES_PER_STEP);
        for (regex, limit) in self.by_limit.iter().zip(LIMITS) {
            spend(limit as u64 * STEPS_PER_BACKTRACK);
            if let Ok(matches) = regex.is_match(text) {
                return matches;
            }
        }
        self.stop("a text makes it go back too often")
    }

    fn stop(&self, why: &str) -> ! {
        stop(Stopped::Pattern(format!(
            "pattern {:?}: {why}",
            excerpt(&self.text)
        )))
    }
}

/// About the bytes that a pattern compiles to: those of the same with plain groups.
fn size(pattern: &str) -> Result<usize, String> {
    let plain = LOOK_AROUND
        .iter()
        .fold(pattern.to_owned(), |plain, look| plain.replace(look, "(?:"));
    let config = NFA::config()
        .nfa_size_limit(Some(PATTERN_MAX_BYTES))
        .which_captures(WhichCaptures::None);
    match NFA::compiler().configure(config).build(&plain) {
        Ok(nfa) => Ok(nfa.memory_usage() * 4),
        Err(error) if error.size_limit().is_some() => Err(too_large()),
        // With a back-reference, or an atomic group.
        Err(_) => Ok(PATTERN_MAX_BYTES),
    }
}
