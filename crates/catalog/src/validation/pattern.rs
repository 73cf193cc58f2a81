//! Patterns: compiled within bounds over a whole definition, matched at the cost of steps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Keyword, ValidationError};

use super::backtracking::Backtracking;
use super::fuel::{Counted, Counting, NameCost, spend};
use super::linear::Linear;
use super::look_ahead::conditions;
use crate::node::excerpt;

/// Most patterns of one definition. Large ones have some dozens.
const PATTERNS_MAX: usize = 1000;
/// Most bytes that one pattern may compile to: `\p{L}{6}`, a class of Unicode repeated, has 300 KB.
pub(super) const PATTERN_MAX_BYTES: usize = 512 * 1024;
/// Most bytes that the patterns of one definition may compile to, which takes some 10 ms a megabyte.
const TOTAL_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The compiled patterns of one definition, each text once.
#[derive(Clone, Default)]
pub(crate) struct Patterns(Arc<Mutex<Compiled>>);

#[derive(Default)]
struct Compiled {
    patterns: HashMap<String, Result<Arc<Pattern>, String>>,
    bytes: usize,
}

/// A compiled pattern.
pub(super) struct Pattern {
    text: String,
    engine: Engine,
}

enum Engine {
    Linear(Box<Linear>),
    /// Each with whether a text must match it.
    LookAhead(Vec<(Linear, bool)>),
    Backtracking(Backtracking),
}

impl Patterns {
    /// The pattern of a text, compiled where it is new.
    ///
    /// # Errors
    /// When it is no pattern, or too large, or with the others of its definition.
    pub(super) fn get(&self, text: &str) -> Result<Arc<Pattern>, String> {
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled.patterns.get(text) {
            return known.clone();
        }
        if compiled.patterns.len() >= PATTERNS_MAX || compiled.bytes >= TOTAL_MAX_BYTES {
            return Err(format!(
                "the patterns of a definition may be {PATTERNS_MAX} and compile to {} MiB, and are more: use fewer, or shorter repetitions",
                TOTAL_MAX_BYTES / (1024 * 1024)
            ));
        }
        let made = Pattern::compile(text);
        // One that is refused has taken as much work.
        compiled.bytes += match &made {
            Ok(pattern) => pattern.bytes(),
            Err(_) => PATTERN_MAX_BYTES,
        };
        let made = made.map(Arc::new);
        compiled.patterns.insert(text.to_owned(), made.clone());
        made
    }

    /// Those that backtrack, in order.
    pub(crate) fn backtracking(&self) -> Vec<String> {
        let compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let backtracks = |pattern: &&Arc<Pattern>| pattern.backtracks();
        let patterns = compiled.patterns.values().flatten();
        let mut texts: Vec<_> = patterns
            .filter(backtracks)
            .map(|pattern| excerpt(&pattern.text))
            .collect();
        texts.sort();
        texts
    }

    /// What the names of properties cost that are matched against these patterns by the library.
    pub(super) fn name_cost<'t>(&self, texts: impl Iterator<Item = &'t str>) -> NameCost {
        let mut cost = NameCost::default();
        for pattern in texts.filter_map(|text| self.get(text).ok()) {
            match &pattern.engine {
                Engine::Linear(linear) => cost.per_64_bytes += linear.steps_per_64_bytes(),
                Engine::LookAhead(_) | Engine::Backtracking(_) => cost.backtracking += 1,
            }
        }
        cost
    }
}

impl Pattern {
    fn compile(text: &str) -> Result<Self, String> {
        let invalid = || format!("{:?} is not a \"regex\"", excerpt(text));
        let engine = if let Some(linear) = Linear::compile(text)? {
            Engine::Linear(Box::new(linear))
        } else if let Some(conditions) = look_ahead(text)? {
            Engine::LookAhead(conditions)
        } else {
            Engine::Backtracking(Backtracking::compile(text)?.ok_or_else(invalid)?)
        };
        let text = text.to_owned();
        Ok(Self { text, engine })
    }

    fn bytes(&self) -> usize {
        match &self.engine {
            Engine::Linear(linear) => linear.bytes(),
            Engine::LookAhead(conditions) => {
                conditions.iter().map(|(linear, _)| linear.bytes()).sum()
            }
            Engine::Backtracking(backtracking) => backtracking.bytes(),
        }
    }

    fn backtracks(&self) -> bool {
        matches!(self.engine, Engine::Backtracking(_))
    }

    /// Whether it is somewhere in a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        spend(1);
        match &self.engine {
            Engine::Linear(linear) => linear.matches(text),
            Engine::LookAhead(conditions) => conditions
                .iter()
                .all(|(linear, wanted)| linear.matches(text) == *wanted),
            Engine::Backtracking(backtracking) => backtracking.matches(text),
        }
    }
}

/// A pattern whose look-ahead stands at its beginning; `None` where it is another one.
fn look_ahead(text: &str) -> Result<Option<Vec<(Linear, bool)>>, String> {
    let conditions = conditions(text).into_iter().flatten();
    let mut linear = Vec::new();
    for (text, wanted) in conditions {
        let Some(compiled) = Linear::compile(&text)? else {
            return Ok(None);
        };
        linear.push((compiled, wanted));
    }
    Ok(Some(linear).filter(|linear| !linear.is_empty()))
}

/// Why a pattern is refused.
pub(super) fn too_large() -> String {
    format!(
        "a pattern compiles to more than {} KiB: use shorter repetitions, or smaller classes",
        PATTERN_MAX_BYTES / 1024
    )
}

/// The keyword `pattern`.
pub(super) struct PatternKeyword(pub(super) Arc<Pattern>);

impl<'i> Keyword<'i, Counting> for PatternKeyword {
    fn validate(&self, value: Counted<'i>) -> Result<(), ValidationError<'i>> {
        if Keyword::<Counting>::is_valid(self, value) {
            return Ok(());
        }
        Err(ValidationError::custom(format!(
            "does not match {:?}",
            self.0.text
        )))
    }

    fn is_valid(&self, value: Counted<'i>) -> bool {
        value.0.as_str().is_none_or(|text| self.0.matches(text))
    }
}
