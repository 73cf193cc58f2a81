//! Patterns without look-around and back-references, matched in time linear in the text.
//!
//! Linear means the length of the text times the size of the pattern at worst, which is seconds for a
//! megabyte. A lazy DFA takes a nanosecond for a byte wherever it has its state already, so a search
//! takes steps for the states that it makes.

use std::panic::{RefUnwindSafe, UnwindSafe};

use jsonschema_regex::to_rust_regex;
use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::util::pool::Pool;

use super::fuel::spend;
use super::pattern::{PATTERN_MAX_BYTES, too_large};

/// States of the pattern that a step looks at while a state of the DFA is made: 5 ns each at worst.
const STATES_PER_STEP: usize = 8;
/// Bytes of a text that a step walks over where the states are there.
const BYTES_PER_STEP: usize = 16;
/// Bytes of states that a search keeps, beyond four times those of the pattern.
const KEPT_BYTES: usize = 32 * 1024;

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// A compiled pattern.
pub(super) struct Linear {
    dfa: DFA,
    /// States made so far, one set for each thread that searches.
    caches: Pool<Cache, NewCache>,
    /// For texts that the DFA gives up, such as those with a word boundary beside what is not ASCII.
    vm: PikeVM,
    kept_bytes: usize,
}

impl Linear {
    /// Compiles a pattern; `None` where it needs backtracking, or is none.
    ///
    /// # Errors
    /// When it is too large.
    pub(super) fn compile(pattern: &str) -> Result<Option<Self>, String> {
        let config = NFA::config()
            .nfa_size_limit(Some(PATTERN_MAX_BYTES))
            .which_captures(WhichCaptures::None);
        let Ok(pattern) = to_rust_regex(pattern) else {
            return Ok(None);
        };
        let nfa = match NFA::compiler().configure(config).build(&pattern) {
            Ok(nfa) => nfa,
            Err(error) if error.size_limit().is_some() => return Err(too_large()),
            Err(_) => return Ok(None),
        };
        let kept_bytes = nfa.memory_usage() * 4 + KEPT_BYTES;
        let config = DFA::config()
            .unicode_word_boundary(true)
            .cache_capacity(kept_bytes)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa.clone());
        let vm = PikeVM::builder().build_from_nfa(nfa);
        let (Ok(dfa), Ok(vm)) = (dfa, vm) else {
            return Err(too_large());
        };
        let of = dfa.clone();
        let new_cache: NewCache = Box::new(move || of.create_cache());
        Ok(Some(Self {
            dfa,
            caches: Pool::new(new_cache),
            vm,
            kept_bytes,
        }))
    }

    /// Bytes that it takes once it has searched.
    pub(super) fn bytes(&self) -> usize {
        self.dfa.get_nfa().memory_usage() + self.kept_bytes
    }

    fn states(&self) -> u64 {
        self.dfa.get_nfa().states().len() as u64
    }

    /// Steps for 64 bytes that another engine matches against it, at a quarter of the worst time.
    pub(super) fn steps_per_64_bytes(&self) -> u64 {
        4 + self.states() * 2
    }

    /// Whether it is somewhere in a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        spend((text.len() / BYTES_PER_STEP) as u64);
        self.search(text).unwrap_or_else(|| self.simulate(text))
    }

    /// `None` where the DFA gives up.
    fn search(&self, text: &str) -> Option<bool> {
        let new_state = 1 + self.states() / STATES_PER_STEP as u64;
        let mut cache = self.caches.get();
        let cache = &mut *cache;
        let mut at: LazyStateID = self
            .dfa
            .start_state_forward(cache, &Input::new(text))
            .ok()?;
        for &byte in text.as_bytes() {
            let mut next = if at.is_tagged() {
                self.dfa.next_state(cache, at, byte).ok()?
            } else {
                self.dfa.next_state_untagged(cache, at, byte)
            };
            if next.is_unknown() {
                spend(new_state);
                next = self.dfa.next_state(cache, at, byte).ok()?;
            }
            at = next;
            if at.is_tagged() {
                if at.is_match() {
                    return Some(true);
                }
                if at.is_dead() {
                    return Some(false);
                }
                if at.is_quit() {
                    return None;
                }
            }
        }
        Some(self.dfa.next_eoi_state(cache, at).ok()?.is_match())
    }

    fn simulate(&self, text: &str) -> bool {
        let states = self.states() / STATES_PER_STEP as u64;
        spend((text.len() as u64).saturating_mul(1 + states));
        self.vm.is_match(&mut self.vm.create_cache(), text)
    }
}
