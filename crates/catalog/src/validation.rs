//! Values held against schemas in a bounded number of steps, whatever both are.

mod backtracking;
mod closest;
mod equality;
mod explain;
mod fuel;
mod in_place;
mod left_out;
mod linear;
mod look_ahead;
mod parts;
mod pattern;
mod problem;
#[cfg(test)]
mod suite;
mod targets;

use std::sync::{Arc, OnceLock};

use jsonschema::{
    Keyword, PatternOptions, Retrieve, Uri, ValidationError, ValidationOptions, Validator,
};
use serde_json::Value;
use wasimancer_runtime::Full;

use self::explain::explain;
use self::fuel::{Counted, Counting, NameCost, Stopped, spend, within};
pub(crate) use self::left_out::LeftOut;
use self::parts::Parts;
pub(crate) use self::pattern::Patterns;
use self::pattern::{PATTERN_MAX_BYTES, PatternKeyword};
use self::targets::Targets;
use crate::references::check_references;
use crate::schema_bounds;
use crate::subschemas::visit;

/// Most steps of a validation where others are served: some milliseconds at worst. Ordinary arguments
/// take hundreds.
pub(crate) const STEPS_ON_THE_SPOT: u64 = 100_000;
/// Most steps of a validation: some tenths of a second. The right numbers of 4 MB take 2.8 million.
pub(crate) const STEPS_MAX: u64 = 10_000_000;
/// How often a pattern of `patternProperties` may go back for one name.
const NAME_BACKTRACKS_MAX: usize = 1_000;

/// A schema that values are held against.
pub(crate) struct CompiledSchema {
    /// The schema as it is compiled.
    schema: Arc<Value>,
    validator: Validator<Counting>,
    names: NameCost,
    patterns: Patterns,
    /// What wrong values are explained with, made for the first of them.
    parts: OnceLock<Option<Parts>>,
}

/// Why a value is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Violations {
    /// What does not match, each with its place in the value.
    #[error("{0}")]
    Wrong(String),
    /// The same, where members that the schema does not know are among it.
    #[error("{0}")]
    Unknown(String),
    #[error("they could not be checked within {0} steps: send less at once")]
    Spent(u64),
    #[error("they could not be checked, since they are nested too deep for their schema")]
    TooDeep,
    #[error("they could not be checked: {0}")]
    Pattern(String),
    #[error("they could not be checked (server_memory): {0}")]
    Full(#[from] Full),
}

impl CompiledSchema {
    /// Compiles a schema that is within bounds. A `$ref` to somewhere else is refused: nothing is
    /// fetched.
    pub(crate) fn compile(schema: &Value, patterns: &Patterns) -> Result<Self, String> {
        schema_bounds::check(schema)?;
        let invalid = |message: String| format!("is no valid JSON Schema: {message}");
        check_references(schema).map_err(invalid)?;
        let targets = Targets::of(schema);
        let bounded = in_place::bound(schema, &targets)?;
        let validator = options(patterns)
            .build(&bounded)
            .map_err(|error| invalid(problem::of_schema(&error)))?;
        let mut matching = Vec::new();
        visit(&bounded, &mut |fields| {
            let patterns = fields.get("patternProperties").and_then(Value::as_object);
            matching.extend(patterns.into_iter().flat_map(|patterns| patterns.keys()));
        });
        for text in &matching {
            patterns.get(text).map_err(invalid)?;
        }
        let names = patterns.name_cost(matching.into_iter().map(String::as_str));
        Ok(Self {
            validator,
            names,
            patterns: patterns.clone(),
            parts: OnceLock::new(),
            schema: Arc::new(bounded),
        })
    }

    /// Holds a value against the schema in so many steps, and as many for the words where it is wrong.
    ///
    /// # Errors
    /// The first things that do not match, or that there were not steps enough.
    pub(crate) fn check(&self, value: &Value, steps: u64) -> Result<(), Violations> {
        if self.matches(value, steps)? {
            return Ok(());
        }
        Err(self.explain(value, steps))
    }

    /// Whether a value matches the schema, found out in so many steps.
    ///
    /// # Errors
    /// That there were not steps enough.
    pub(crate) fn matches(&self, value: &Value, steps: u64) -> Result<bool, Violations> {
        let is_valid = || self.validator.is_valid(Counted(value));
        within(steps, self.names, is_valid).map_err(|stopped| stopped.after(steps))
    }

    /// What of an object that does not match counts as left out, found out in so many steps. `drops` says
    /// it of members that the schema does not know.
    ///
    /// # Errors
    /// That there were not steps enough.
    #[cold]
    pub(crate) fn left_out(
        &self,
        value: &Value,
        drops: &dyn Fn(&str) -> bool,
        steps: u64,
    ) -> Result<LeftOut, Violations> {
        let found = within(steps, self.names, || {
            let parts = self.parts();
            parts.map(|parts| left_out::left_out(parts, value, drops))
        });
        let found = found.map_err(|stopped| stopped.after(steps))?;
        Ok(found.unwrap_or_default())
    }

    fn parts(&self) -> Option<&Parts> {
        let parts = || Parts::of(&self.schema, self.validator.draft(), &self.patterns);
        self.parts.get_or_init(parts).as_ref()
    }

    /// Says what is wrong with a value that does not match.
    #[cold]
    pub(crate) fn explain(&self, value: &Value, steps: u64) -> Violations {
        let mut found = Vec::new();
        let ended = within(steps, self.names, || {
            if let Some(parts) = self.parts() {
                explain(parts, value, &mut found);
            }
        });
        if found.is_empty() && ended == Err(Stopped::Spent) && steps < STEPS_MAX {
            return Violations::Spent(steps);
        }
        if found.is_empty() {
            found.push(problem::no_match(value));
        }
        Violations::Wrong(found.join("; "))
    }
}

impl Stopped {
    /// What a caller is told of a validation that was stopped with so many steps.
    fn after(self, steps: u64) -> Violations {
        match self {
            Self::Spent => Violations::Spent(steps),
            Self::TooDeep => Violations::TooDeep,
            Self::Pattern(why) => Violations::Pattern(why),
        }
    }
}

/// The remedy for a reference to somewhere else.
pub(crate) const NOTHING_IS_FETCHED: &str =
    "nothing is fetched; refer to a part of this schema, such as #/$defs/name";

/// Where schemas are fetched from.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(NOTHING_IS_FETCHED.into())
    }
}

/// How all schemas are compiled: with values that cost steps, and our own patterns.
fn options<'i>(patterns: &Patterns) -> ValidationOptions<'i, Arc<dyn Retrieve>, Counting> {
    let patterns = patterns.clone();
    let names = PatternOptions::fancy_regex()
        .backtrack_limit(NAME_BACKTRACKS_MAX)
        .size_limit(2 * PATTERN_MAX_BYTES)
        .dfa_size_limit(PATTERN_MAX_BYTES);
    jsonschema::options_for::<Counting>()
        .with_retriever(Nowhere)
        .with_pattern_options(names)
        .with_keyword("pattern", move |_, value, _| {
            let text = value.as_str().unwrap_or_default();
            let pattern = patterns.get(text).map_err(ValidationError::custom)?;
            Ok(Box::new(PatternKeyword(pattern)))
        })
        .with_keyword(in_place::VISITS, |_, value, _| {
            Ok(Box::new(Visits(value.as_u64().unwrap_or_default())))
        })
}

/// The keyword that takes steps for the schemas which a visit leads to.
struct Visits(u64);

impl<'i> Keyword<'i, Counting> for Visits {
    fn validate(&self, _: Counted<'i>) -> Result<(), ValidationError<'i>> {
        spend(self.0);
        Ok(())
    }

    fn is_valid(&self, _: Counted<'i>) -> bool {
        spend(self.0);
        true
    }
}
