//! Validators of single parts of a schema, which a wrong value is explained with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, Registry, Validator};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::fuel::{Counted, Counting, spend};
use super::options;
use super::pattern::Patterns;
use super::targets::Targets;
use crate::subschemas::visit;

/// What is written otherwise in the fragment of an address (RFC 3986, section 3.5).
const FRAGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Where a schema without an address stands among the library's resources.
const ADDRESS: &str = "json-schema:///wasimancer";
/// Steps for compiling one schema of those that a part may lead to: half a microsecond.
const STEPS_PER_SCHEMA: u64 = 50;
/// Most schemas that are kept compiled, some 300 bytes each.
const KEPT_SCHEMAS_MAX: u64 = 50_000;
/// Keywords of a part that hold of a value by themselves, and by which the library says what is wrong.
const ASSERTIONS: [&str; 22] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "contentEncoding",
    "contentMediaType",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "required",
    "dependentRequired",
    "divisibleBy",
];

/// A schema taken apart.
pub(super) struct Parts {
    pub(super) schema: Arc<Value>,
    pub(super) targets: Targets,
    draft: Draft,
    patterns: Patterns,
    registry: Registry<'static>,
    /// Where the schema stands among its resources.
    address: String,
    /// How many schemas stand in it.
    schemas: u64,
    compiled: Mutex<Compiled>,
}

#[derive(Default)]
struct Compiled {
    /// By JSON pointers; `None` where the library cannot compile the part by itself.
    wholes: HashMap<String, Option<Arc<Validator<Counting>>>>,
    assertions: HashMap<String, Option<Arc<Validator<Counting>>>>,
    schemas: u64,
}

/// A part of a schema.
pub(super) struct Part(Option<Arc<Validator<Counting>>>);

impl Part {
    /// Whether a value matches it. One that cannot be asked has nothing to say.
    pub(super) fn matches(&self, value: &Value) -> bool {
        self.0
            .as_ref()
            .is_none_or(|validator| validator.is_valid(Counted(value)))
    }
}

impl Parts {
    /// `None` where the library cannot take the schema as a resource.
    pub(super) fn of(schema: &Arc<Value>, draft: Draft, patterns: &Patterns) -> Option<Self> {
        let mut schemas = 0;
        visit(schema, &mut |_| schemas += 1);
        spend(schemas);
        let targets = Targets::of(schema);
        let own = targets.address();
        let address = own.filter(|own| own.contains(':')).unwrap_or(ADDRESS);
        let address = address.trim_end_matches('#').to_owned();
        let registry = Registry::new()
            .draft(draft)
            .retriever(super::Nowhere)
            .add(&address, Value::clone(schema))
            .ok()?
            .prepare()
            .ok()?;
        Some(Self {
            targets,
            schema: schema.clone(),
            draft,
            patterns: patterns.clone(),
            registry,
            address,
            schemas,
            compiled: Mutex::default(),
        })
    }

    /// The keywords of a part; `None` where it is a boolean.
    pub(super) fn fields(&self, pointer: &str) -> Option<&Map<String, Value>> {
        self.schema.pointer(pointer)?.as_object()
    }

    /// Whether a reference hides the keywords beside it.
    pub(super) fn ignores_beside_references(&self) -> bool {
        matches!(self.draft, Draft::Draft4 | Draft::Draft6 | Draft::Draft7)
    }

    /// Whether a pattern of the schema is in a name.
    pub(super) fn pattern_matches(&self, pattern: &str, name: &str) -> bool {
        self.patterns
            .get(pattern)
            .is_ok_and(|pattern| pattern.matches(name))
    }

    /// Whether a value matches a part.
    pub(super) fn matches(&self, pointer: &str, value: &Value) -> bool {
        self.part(pointer).matches(value)
    }

    /// A part that many values are held against.
    pub(super) fn part(&self, pointer: &str) -> Part {
        Part(self.validator(
            pointer,
            |compiled| &mut compiled.wholes,
            |parts| {
                let fragment = utf8_percent_encode(pointer, FRAGMENT);
                spend(parts.schemas * STEPS_PER_SCHEMA);
                let schema = json!({ "$ref": format!("{}#{fragment}", parts.address) });
                let options = options(&parts.patterns)
                    .with_draft(parts.draft)
                    .with_registry(&parts.registry);
                (options.build(&schema).ok(), parts.schemas)
            },
        ))
    }

    /// What is wrong with a value by the part's own keywords, as the library says it.
    pub(super) fn wrong_assertions<T>(
        &self,
        pointer: &str,
        value: &Value,
        see: impl FnMut(jsonschema::ValidationError<'_>) -> T,
    ) -> Vec<T> {
        let assertions = self.validator(
            pointer,
            |compiled| &mut compiled.assertions,
            |parts| {
                let fields = parts.fields(pointer).into_iter().flatten();
                let own: Map<String, Value> = fields
                    .filter(|(keyword, _)| ASSERTIONS.contains(&keyword.as_str()))
                    .map(|(keyword, value)| (keyword.clone(), value.clone()))
                    .collect();
                spend(own.len() as u64 * STEPS_PER_SCHEMA);
                let options = options(&parts.patterns).with_draft(parts.draft);
                let is_empty = own.is_empty();
                let validator = options.build(&Value::Object(own)).ok();
                (validator.filter(|_| !is_empty), 1)
            },
        );
        match assertions {
            Some(validator) => validator.iter_errors(Counted(value)).map(see).collect(),
            None => Vec::new(),
        }
    }

    fn validator(
        &self,
        pointer: &str,
        kind: impl Fn(&mut Compiled) -> &mut HashMap<String, Option<Arc<Validator<Counting>>>>,
        compile: impl FnOnce(&Self) -> (Option<Validator<Counting>>, u64),
    ) -> Option<Arc<Validator<Counting>>> {
        spend(1);
        let known = kind(&mut self.lock()).get(pointer).cloned();
        if let Some(known) = known {
            return known;
        }
        let (made, schemas) = compile(self);
        let made = made.map(Arc::new);
        let mut compiled = self.lock();
        compiled.schemas += schemas;
        if compiled.schemas > KEPT_SCHEMAS_MAX {
            *compiled = Compiled::default();
        }
        kind(&mut compiled).insert(pointer.to_owned(), made.clone());
        made
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Compiled> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
